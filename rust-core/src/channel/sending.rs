//! Sending over a link that may break: whole, or not at all, or adopted; and again what the peer has not acknowledged.

use std::sync::atomic::Ordering;

use std::os::fd::OwnedFd;

use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Payload, withdrawal};
use crate::sys::clock;
use crate::sys::poll::Interest;
use crate::transport::Sent;

use super::direction::Direction;
use super::reconnector::{Reconnector, TxPart};
use super::record::Record;
use super::session::RetransmitClass;
use super::session::inbox::AckTrigger;
use super::session_state::{Kept, SessionHalves, SessionState, class};

/// The sending direction of a channel.
#[derive(Default)]
pub struct Sending {
    part: Option<TxPart>,
    pub generation: u64,
}

/// What is to be sent, before it has its number.
pub struct Draft<'a> {
    pub kind: Kind,
    pub correlation: u64,
    pub flags: u16,
    /// The session that an answer is for: to another one the number of its request means another request. 0 for any.
    pub to: u64,
    pub payload: &'a Payload,
}

impl Draft<'_> {
    /// Its header, sent now and without a number.
    fn header(&self) -> Header {
        Header {
            correlation: self.correlation,
            flags: self.flags,
            sent: clock::now(),
            ..Header::new(self.kind, self.payload.encoding())
        }
    }
}

/// After so many messages that nobody acknowledged, a program that only sends looks for acknowledgements.
const GATHER: usize = 64;

/// Whether it is time to look, with so many kept.
pub fn is_time_to_gather(kept: usize) -> bool {
    kept > 0 && kept.is_multiple_of(GATHER)
}

impl Sending {
    /// Sends one message, over a new link if the old one has broken, behind whatever is to be sent again. Gives its
    /// sequence number.
    ///
    /// An error means that the message is still the caller's alone. When a link has broken, `read_on` reads what the
    /// other side has said last over it.
    pub fn send(
        &mut self,
        draft: &Draft<'_>,
        reconnector: &Reconnector,
        record: &Record,
        read_on: &dyn Fn(),
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        let header = draft.header();
        loop {
            self.join(reconnector, record, waiting)?;
            let Some(part) = &mut self.part else { continue };
            if draft.to != 0 && part.session() != draft.to {
                let text =
                    "the one that asked has gone, and another is in its place: nobody waits for this answer";
                return Err(Error::new(ErrorKind::Disconnected, text));
            }
            // Where there is no session nobody would acknowledge.
            let class = if part.negotiated.is_some() {
                class(draft.kind, draft.flags)
            } else {
                RetransmitClass::Answer
            };
            draft.payload.check(part.peer.limit)?;
            let pushed = replay(part, reconnector, waiting).and_then(|()| {
                let mut halves = reconnector.session_state.halves();
                let number = halves.outbox.offer();
                let (header, said) = numbered(header, number, &halves, part.session());
                drop(halves);
                push(part, &Outgoing::new(header, draft.payload.body()), reconnector, waiting).map(|()| said)
            });
            match pushed {
                Ok(said) => {
                    let mut halves = reconnector.session_state.halves();
                    let keep = || Kept::new(&header, draft.payload);
                    let number = halves.outbox.sent(class, draft.payload.body().len(), keep);
                    if has_place(draft.kind) {
                        halves.inbox.said_in_passing(part.session(), said);
                    }
                    drop(halves);
                    record.count_alone(&record.sent);
                    return Ok(number);
                }
                // The link has broken, and none of the frame will arrive: it goes over the next one.
                Err(e) if e.kind() == ErrorKind::Disconnected => {
                    self.part = None;
                    read_on();
                    // A reply belongs to the client that asked, who is gone with the link; unless it asks again.
                    if class == RetransmitClass::Answer && matches!(draft.kind, Kind::Reply | Kind::Error) {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The same for a message that the link takes whole without the kernel, where nothing is in the way: under one lock. None
    /// where something may be, and then nothing was sent: [`Sending::send`] sees what it is.
    pub fn send_at_once(
        &mut self,
        draft: &Draft<'_>,
        reconnector: &Reconnector,
        record: &Record,
    ) -> Option<u64> {
        let part = self.part.as_mut().filter(|part| part.tx.takes_at_once(draft.payload.body().len()))?;
        let session = part.session();
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || draft.to != 0 && draft.to != session
            || draft.payload.check(part.peer.limit).is_err()
        {
            return None;
        }
        let header = draft.header();
        let class = class(draft.kind, draft.flags);
        let body = draft.payload.body();
        let mut halves = reconnector.session_state.halves();
        let before = halves.outbox.kept_count();
        // Whoever keeps much looks how far the other side has come.
        if halves.has_violation() || !halves.outbox.has_room(class, body.len()) || is_time_to_gather(before) {
            return None;
        }
        let number = halves.outbox.offer();
        let (numbered, said) = numbered(header, number, &halves, session);
        if !matches!(part.tx.try_send(&Outgoing::new(numbered, body)), Ok(Sent::Whole)) {
            return None;
        }
        let keep = || Kept::new(&header, draft.payload);
        let number = halves.outbox.sent(class, body.len(), keep);
        if has_place(draft.kind) {
            halves.inbox.said_in_passing(session, said);
        }
        drop(halves);
        record.count_alone(&record.sent);
        Some(number)
    }

    /// Sends a message of data over shared memory in the shortest way: its record is written, and what is kept of it noted, under one
    /// lock. None where anything is in the way, and then nothing was sent: [`Sending::send`] sees what it is.
    #[inline]
    pub fn send_in_place(
        &mut self,
        payload: &Payload,
        reconnector: &Reconnector,
        record: &Record,
    ) -> Option<u64> {
        let (session_state, body) = (&reconnector.session_state, payload.body());
        let part = self.part.as_mut().filter(|part| part.tx.takes_at_once(body.len()))?;
        let session = part.session();
        if reconnector.is_newer(self.generation)
            || session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || body.len() as u64 > part.peer.limit
        {
            return None;
        }
        let sent = clock::now();
        let mut halves = session_state.halves();
        // Whoever keeps much looks how far the other side has come.
        if halves.has_violation()
            || halves.to_piggyback(session) != 0
            || !halves.outbox.has_room(RetransmitClass::Data, body.len())
            || is_time_to_gather(halves.outbox.kept_count())
        {
            return None;
        }
        let sequence = halves.outbox.offer();
        let header = Header { sent, sequence, ..Header::new(Kind::Data, payload.encoding()) };
        if !part.tx.try_send_next(&header, body) {
            return None;
        }
        let number = halves.outbox.sent(RetransmitClass::Data, body.len(), || Kept::data(payload, sent));
        halves.inbox.said_in_passing(session, 0);
        drop(halves);
        record.count_alone(&record.sent);
        Some(number)
    }

    /// Sends as many of these data messages as go at once, where nothing is in the way: with one fence and one wake-up, or one
    /// system call. 0 where something may be, and then nothing was sent: [`Sending::send`] sees what it is.
    pub fn send_many_at_once(
        &mut self,
        payloads: &[Payload],
        reconnector: &Reconnector,
        record: &Record,
        waiting: &mut Waiting<'_>,
    ) -> usize {
        let Some(part) = self.part.as_mut() else { return 0 };
        let (session, limit) = (part.session(), part.peer.limit);
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
        {
            return 0;
        }
        let mut halves = reconnector.session_state.halves();
        if is_time_to_gather(halves.outbox.kept_count()) {
            halves.look();
        }
        let taken = payloads.iter().take_while(|payload| payload.check(limit).is_ok());
        let lengths = taken.map(|payload| payload.body().len());
        let Some(first_length) = lengths.clone().next() else { return 0 };
        // Looks in the other side's page if there seems to be none.
        if !halves.has_room(RetransmitClass::Data, first_length) || halves.has_violation() {
            return 0;
        }
        let count = halves.outbox.room_for(lengths);
        let payloads = &payloads[..count];
        let first = halves.outbox.offer_many(count);
        let said = halves.to_piggyback(session);
        drop(halves);
        let sent = clock::now();
        let headers = (first..).zip(payloads).map(|(sequence, payload)| Header {
            sequence,
            sent,
            // Once is enough.
            correlation: if sequence == first { said } else { 0 },
            ..Header::new(Kind::Data, payload.encoding())
        });
        let frames = headers.zip(payloads).map(|(header, payload)| Outgoing::new(header, payload.body()));
        // An error is met again by the next frame.
        let taken = part.tx.try_send_many(frames).unwrap_or(0);
        let mut halves = reconnector.session_state.halves();
        for payload in &payloads[..taken] {
            let header = Header { sent, ..Header::new(Kind::Data, payload.encoding()) };
            let keep = || Kept::new(&header, payload);
            halves.outbox.sent(RetransmitClass::Data, payload.body().len(), keep);
        }
        halves.outbox.took_back();
        if taken > 0 {
            halves.inbox.said_in_passing(session, said);
        }
        drop(halves);
        record.count_alone_by(&record.sent, taken as u64);
        if part.tx.has_rest() {
            flush_out(part, reconnector, waiting);
        }
        taken
    }

    /// Takes the sending half of the newest link, waiting for one if need be.
    pub fn join(
        &mut self,
        reconnector: &Reconnector,
        record: &Record,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        if reconnector.is_newer(self.generation) {
            self.part = None;
        }
        if self.part.is_some() {
            return Ok(());
        }
        let part = reconnector.reconnect_tx(&mut self.generation, record, waiting)?;
        if let Some(negotiated) = &part.negotiated {
            reconnector.session_state.link_up(negotiated, record)?;
        }
        self.part = Some(part);
        Ok(())
    }

    /// Says what is due to be said without the program: what is to be sent again after a new link, and how far the
    /// program has come with what was received. Waits for nothing: what the link does not take now, a later call says.
    pub fn send_ack(&mut self, trigger: AckTrigger, reconnector: &Reconnector, record: &Record) {
        let mut at_once = Waiting::at_once();
        if reconnector.is_newer(self.generation) && self.join(reconnector, record, &mut at_once).is_err() {
            return;
        }
        let Some(part) = &mut self.part else { return };
        // A link that breaks here is noticed by the next call that receives or sends.
        let _ = replay(part, reconnector, &mut at_once);
        let session = part.session();
        self.send_withdrawals(&reconnector.session_state);
        let Some(part) = &mut self.part else { return };
        let Some(number) = reconnector.session_state.halves().ack_due(trigger, session) else { return };
        if tell(part, Kind::Ack, number) {
            reconnector.session_state.halves().inbox.said_alone(session, number);
        }
    }

    /// Sends again what is to be, then says that we leave and wait for what is not acknowledged.
    pub fn say_bye(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        replay(part, reconnector, waiting)?;
        push(part, &Outgoing::new(Header::new(Kind::Bye, crate::Encoding::Raw), &[]), reconnector, waiting)
    }

    /// Brings away what the kernel has not yet taken, where nobody will say that it was consumed.
    pub fn see_out(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(part) = self.part.as_mut().filter(|part| part.tx.is_plain()) else { return Ok(()) };
        let bye = Outgoing::new(Header::new(Kind::Bye, crate::Encoding::Raw), &[]);
        push(part, &bye, reconnector, waiting).map_err(|e| match e.kind() {
            ErrorKind::Timeout | ErrorKind::Full => {
                let text = "closed; the other side had not taken all that was sent";
                Error::new(ErrorKind::Timeout, text)
            }
            _ => e,
        })
    }

    /// Withdraws requests whose callers have given up: where the transport still has one it is taken back, elsewhere the
    /// other side is told. What the link does not take now is told later.
    pub fn send_withdrawals(&mut self, session_state: &SessionState) {
        let Some(part) = &mut self.part else { return };
        let mut withdrawn = session_state.withdrawn();
        withdrawn.retain(|request| {
            part.tx.withdraw(*request);
            // Where nothing is said of sessions, nobody would understand it.
            part.negotiated.is_some()
                && withdrawal::frame(*request).is_ok_and(|(header, body)| !offer(part, header, &body))
        });
    }

    /// Whether a small message can be sent at once, as far as is known.
    pub fn is_writable(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.tx.flush().unwrap_or(false))
    }

    /// Brings away what the link has taken over. Where that does not go at once, or with `blocked` in any case: what becomes
    /// ready once there is room, and for what; none where there is room after all.
    pub fn room(&mut self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        let Some(part) = &mut self.part else { return Ok(None) };
        if part.tx.flush()? && !blocked || part.tx.park_room()? {
            return Ok(None);
        }
        let (fd, what) = part.tx.room_descriptor()?;
        // Its own, because the link's may be watched already.
        let own = fd.try_clone_to_owned().doing("duplicating a descriptor")?;
        Ok(Some((own, what)))
    }

    /// Brings away what the link has taken over, until the deadline.
    pub fn flush(&mut self, waiting: &mut Waiting<'_>) {
        let Some(part) = &mut self.part else { return };
        while matches!(part.tx.flush(), Ok(false)) && part.tx.wait_room(waiting).is_ok() {}
    }

    /// Ends the link, because of what the other side said.
    pub fn condemn(&mut self, error: &Error) {
        if let Some(part) = &mut self.part {
            part.tx.condemn(error);
        }
    }

    /// Lets go of the link.
    pub fn drop_part(&mut self) {
        self.part = None;
    }
}

/// The header with its number, and with what it says in passing of how far we have come with the session `to`, which is
/// given beside it: only messages that answer nothing have the place for that. 0 says nothing.
fn numbered(header: Header, number: u64, halves: &SessionHalves, to: u64) -> (Header, u64) {
    let said = if has_place(header.kind) { halves.to_piggyback(to) } else { 0 };
    let correlation = if said > 0 { said } else { header.correlation };
    (Header { sequence: number, correlation, ..header }, said)
}

/// Whether a message has a place to say in passing how far we have come.
fn has_place(kind: Kind) -> bool {
    matches!(kind, Kind::Data | Kind::Request)
}

/// Sends again what this link is to have and has not.
fn replay(part: &mut TxPart, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
    if !reconnector.session_state.replays.load(Ordering::Acquire) {
        return Ok(());
    }
    loop {
        let halves = reconnector.session_state.halves();
        let Some((kept, number)) = halves.outbox.to_replay().map(|(kept, number)| (kept.clone(), number))
        else {
            reconnector.session_state.replays.store(false, Ordering::Release);
            return Ok(());
        };
        let (header, _) = numbered(kept.header(number), number, &halves, part.session());
        drop(halves);
        push(part, &Outgoing::new(header, kept.payload.body()), reconnector, waiting)?;
        reconnector.session_state.halves().outbox.replayed(number);
    }
}

/// Sends a frame that is nothing but its kind and a number; false where there is no room for it now.
fn tell(part: &mut TxPart, kind: Kind, number: u64) -> bool {
    offer(part, Header { correlation: number, ..Header::new(kind, crate::Encoding::Raw) }, &[])
}

/// Sends a frame without waiting; false where there is no room for it now.
fn offer(part: &mut TxPart, header: Header, body: &[u8]) -> bool {
    let frame = Outgoing::new(header, body);
    match part.tx.try_send(&frame) {
        Ok(Sent::Whole) => true,
        Ok(Sent::Part) => {
            part.tx.adopt(&frame);
            true
        }
        Ok(Sent::Blocked) | Err(_) => false,
    }
}

/// Brings one frame to the transport. `Timeout`, or `Full` for a call that is not to wait, when none of it went.
fn push(
    part: &mut TxPart,
    frame: &Outgoing<'_>,
    reconnector: &Reconnector,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let mut begun = false;
    loop {
        match part.tx.try_send(frame)? {
            Sent::Whole => return Ok(()),
            Sent::Part => begun = true,
            Sent::Blocked if waiting.is_none() => {
                let text = "the other side has not taken what was sent before, and the call was not to wait";
                return Err(Error::new(ErrorKind::Full, text));
            }
            Sent::Blocked => {}
        }
        if begun && waiting.is_none() {
            part.tx.adopt(frame);
            return Ok(());
        }
        // A thread that closes the channel ends this; its own waits, in which it takes its leave, go on.
        let waited = if reconnector.is_closed() {
            reconnector.check_links().and_then(|()| part.tx.wait_room(waiting))
        } else {
            waiting.wakes_on(&reconnector.wake);
            part.tx.wait_room(waiting).and_then(|()| reconnector.check_links())
        };
        match waited {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Err(e),
            // Once the transport has some of it, it is sent, whatever the program does next.
            Err(_) if begun => {
                part.tx.adopt(frame);
                part.tx.see_off();
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
}

/// Brings away the rest of a message that went in part, until the deadline; what is left then goes out without the program.
fn flush_out(part: &mut TxPart, reconnector: &Reconnector, waiting: &mut Waiting<'_>) {
    // A link that has broken is noticed by the next call; the message is sent again with the others.
    while matches!(part.tx.flush(), Ok(false)) {
        waiting.wakes_on(&reconnector.wake);
        if waiting.is_none() || part.tx.wait_room(waiting).and_then(|()| reconnector.check_links()).is_err() {
            return part.tx.see_off();
        }
    }
}

/// What a thread that receives says over the other direction.
pub struct AckSender<'a> {
    pub sending: &'a Direction<Sending>,
    pub reconnector: &'a Reconnector,
    pub record: &'a Record,
}

impl AckSender<'_> {
    /// Whether something would be due on this occasion.
    pub fn owes(&self, trigger: AckTrigger) -> bool {
        self.reconnector.session_state.halves().owes(trigger)
    }

    /// Says what is due. Where another thread sends, that one says it when it lets go of the direction.
    pub fn send_ack(&self, trigger: AckTrigger) {
        let replays = self.reconnector.session_state.replays.load(Ordering::Acquire);
        if replays || self.owes(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// The program calls again: what it was given has been consumed. Says so where that is due.
    pub fn consumed(&self, trigger: AckTrigger) {
        self.send_ack_if(self.reconnector.session_state.consumed(trigger), trigger);
    }

    /// Says on this occasion what is due, where something is, or where something is to be sent again.
    #[inline]
    pub fn send_ack_if(&self, owes: bool, trigger: AckTrigger) {
        if owes || self.reconnector.session_state.replays.load(Ordering::Acquire) {
            self.send_ack_now(trigger);
        }
    }

    #[cold]
    pub fn send_ack_now(&self, trigger: AckTrigger) {
        let session_state = &self.reconnector.session_state;
        if let Some(mut sending) = self.sending.borrow() {
            return sending.send_ack(trigger, self.reconnector, self.record);
        }
        session_state.leave_unsaid(trigger);
        // It may have let go in between, without having seen that.
        self.flush_deferred();
    }

    /// Says what a thread that receives left to the one that sends, which has just let go of the direction.
    pub fn flush_deferred(&self) {
        while self.reconnector.session_state.is_unsaid() {
            // Who has the direction now looks here when it lets go.
            let Some(mut sending) = self.sending.borrow() else { return };
            let Some(trigger) = self.reconnector.session_state.take_unsaid() else { return };
            sending.send_ack(trigger, self.reconnector, self.record);
        }
    }
}
