//! The sending direction of a channel: new messages, replays and acknowledgements over a link that
//! may break.
//!
//! A frame goes over a link whole or not at all, as far as the session is concerned: once the
//! transport has taken a part of it, it *adopts* the rest, which goes out with later calls even if
//! this call ends with a time-out. A frame of which nothing was taken stays the caller's. When the
//! link breaks, the message goes over the next one.
//!
//! There are three ways to send a message, from the fastest to the most general; each faster one returns
//! without effect if there is an obstacle, which the next one determines:
//! - `ends/in_place`: data over shared memory, written where it is received, under one lock;
//! - [`Sending::send_at_once`]: any short message that the link takes whole without waiting;
//! - [`Sending::send`]: connects, replays, waits for room.
//!
//! The direction is held by one thread at a time (`direction`). A thread that receives and has an
//! acknowledgement to send borrows it; if another thread holds it, that thread sends the
//! acknowledgement when it releases the direction ([`AckSender`]).

mod in_slots;

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::deadline::{Deadline, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Payload, StoredMessage, withdrawal};
use crate::sys::clock::{self, since_boot};
use crate::sys::poll::Interest;
use crate::transport::{Sent, extension};

use super::direction::Direction;
use super::event_log::EventLog;
use super::reconnector::{Reconnector, TxPart};
use super::session::RetransmitClass;
use super::session::inbox::AckTrigger;
use super::session_state::{SessionHalves, SessionState, class};

/// The state of the sending direction. Its [`Direction`] makes sure that one thread uses it.
#[derive(Default)]
pub struct Sending {
    /// The sending half of the link; none before the first and after one broke.
    pub part: Option<TxPart>,
    /// The generation of that link, by which [`Reconnector::is_newer`] detects another.
    pub generation: u64,
}

/// A message before it has a number.
pub struct Draft<'a> {
    pub kind: Kind,
    /// The number of the request that it answers; 0 otherwise.
    pub correlation: u64,
    pub flags: u16,
    /// The peer's session that an answer is for: in another session the number of the request means
    /// another request. 0 for any.
    pub to: u64,
    pub payload: &'a Payload,
    /// The time until which its outcome is needed, if known: the bridge to the server of another machine gets
    /// it.
    pub until: Until,
}

/// The time until which the outcome of a message is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Without end, as far as is known.
    Never,
    /// Until the end of the wait in which it is sent. The clock is read only where the time is needed.
    Wait,
    /// Then.
    At(Deadline),
}

impl Draft<'_> {
    /// Returns its header, with the current time and without a number.
    fn header(&self) -> Header {
        Header {
            correlation: self.correlation,
            flags: self.flags,
            sent: clock::now(),
            ..Header::new(self.kind, self.payload.encoding())
        }
    }
}

/// After this many unacknowledged messages a program that only sends checks for acknowledgements.
const ACK_CHECK_INTERVAL: usize = 64;

/// Returns whether to check, with so many messages kept.
pub fn is_ack_check_due(kept: usize) -> bool {
    kept > 0 && kept.is_multiple_of(ACK_CHECK_INTERVAL)
}

impl Sending {
    /// Sends one message and returns its number. Connects if needed, and sends replays first. If a link
    /// breaks, calls `read_rest`, which receives the peer's last messages from it, and continues with the
    /// next link.
    ///
    /// # Errors
    /// The message is then still the caller's. `Timeout`, or `Full` for a call that does not wait, if the
    /// peer takes nothing; `Disconnected` for an answer whose client has disconnected; the errors of
    /// connecting.
    pub fn send(
        &mut self,
        draft: &Draft<'_>,
        reconnector: &Reconnector,
        event_log: &EventLog,
        read_rest: &dyn Fn(),
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        let header = draft.header();
        loop {
            self.join(reconnector, event_log, waiting)?;
            let Some(part) = &mut self.part else { continue };
            if draft.to != 0 && part.session() != draft.to {
                let text = "the client that sent the request has disconnected, and another one has connected: no client waits for this answer";
                return Err(Error::new(ErrorKind::Disconnected, text));
            }
            // A peer without a session acknowledges nothing, so nothing is kept for it.
            let class = if part.negotiated.is_some() {
                class(draft.kind, draft.flags)
            } else {
                RetransmitClass::Answer
            };
            draft.payload.check(part.peer.max_message_size)?;
            let pushed = replay(part, reconnector, waiting).and_then(|()| {
                let mut halves = reconnector.session_state.halves();
                let number = halves.outbox.assign_number();
                let (header, acked) = with_number(header, number, &halves, part.session());
                drop(halves);
                let until = if part.peer.deadlines { until(draft, waiting) } else { None };
                let payload = draft.payload;
                push_with(part, header, payload, until, reconnector, waiting).map(|()| acked)
            });
            match pushed {
                Ok(acked) => {
                    let mut halves = reconnector.session_state.halves();
                    let keep =
                        || StoredMessage::new(&header, draft.payload).with_until(until(draft, waiting));
                    let number = halves.outbox.sent(class, draft.payload.len(), keep);
                    if carries_ack(draft.kind) {
                        halves.inbox.piggybacked(part.session(), acked);
                    }
                    drop(halves);
                    event_log.count_exclusive(&event_log.sent);
                    return Ok(number);
                }
                // The link has broken, and the peer drops a partial frame: the message goes over the next
                // link.
                Err(e) if e.kind() == ErrorKind::Disconnected => {
                    self.part = None;
                    read_rest();
                    // A reply belongs to the client that sent the request, which ended with the link, unless
                    // the request is idempotent: then the client sends it again.
                    if class == RetransmitClass::Answer && matches!(draft.kind, Kind::Reply | Kind::Error) {
                        return Err(e);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// The same for a short message that the link takes without a system call that waits: under one lock, or, over a
    /// stream, in one write between two. None if anything is in the way; then nothing was sent.
    pub fn send_at_once(
        &mut self,
        draft: &Draft<'_>,
        reconnector: &Reconnector,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Option<u64> {
        let part = self.part.as_mut()?;
        let in_one_write = part.tx.takes_in_one_write(draft.payload.len());
        if !in_one_write && !part.tx.takes_at_once(draft.payload.len()) {
            return None;
        }
        let session = part.session();
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
            || draft.to != 0 && draft.to != session
            || draft.payload.check(part.peer.max_message_size).is_err()
            || asks_until(part, draft)
        {
            return None;
        }
        let header = draft.header();
        let class = class(draft.kind, draft.flags);
        // A short body lies in one block.
        let body = draft.payload.body();
        let mut halves = reconnector.session_state.halves();
        let before = halves.outbox.kept_count();
        // With many messages kept, the general way checks for acknowledgements first.
        if halves.has_violation() || !halves.outbox.has_room(class, body.len()) || is_ack_check_due(before) {
            return None;
        }
        let number = halves.outbox.assign_number();
        let (with_number, acked) = with_number(header, number, &halves, session);
        let frame = Outgoing::new(with_number, body);
        let sent = if in_one_write {
            drop(halves);
            let sent = part.tx.try_send(&frame);
            halves = reconnector.session_state.halves();
            sent
        } else {
            part.tx.try_send(&frame)
        };
        match sent {
            Ok(Sent::Whole) => {}
            // The peer has a part of it, so the rest has to follow.
            Ok(Sent::Part) => part.tx.adopt(&frame),
            Ok(Sent::Blocked) | Err(_) => return None,
        }
        let keep = || StoredMessage::new(&header, draft.payload).with_until(until(draft, waiting));
        let number = halves.outbox.sent(class, body.len(), keep);
        if carries_ack(draft.kind) {
            halves.inbox.piggybacked(session, acked);
        }
        drop(halves);
        event_log.count_exclusive(&event_log.sent);
        if part.tx.has_rest() {
            flush_rest(part, reconnector, waiting);
        }
        Some(number)
    }

    /// Sends as many of these data messages as the link takes now, with one fence and one wake-up,
    /// or one system call. Returns how many; 0 if anything is in the way. A last message that was
    /// taken in part is completed within `waiting`.
    pub fn send_many_at_once(
        &mut self,
        payloads: &[Payload],
        reconnector: &Reconnector,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> usize {
        let Some(part) = self.part.as_mut() else { return 0 };
        let (session, limit) = (part.session(), part.peer.max_message_size);
        if reconnector.is_newer(self.generation)
            || reconnector.session_state.replays.load(Ordering::Acquire)
            || part.negotiated.is_none()
        {
            return 0;
        }
        let mut halves = reconnector.session_state.halves();
        if is_ack_check_due(halves.outbox.kept_count()) {
            halves.read_peer_page();
        }
        let fits = |payload: &&Payload| payload.check(limit).is_ok() && payload.memory().split().is_none();
        let lengths = payloads.iter().take_while(fits).map(Payload::len);
        let Some(first_length) = lengths.clone().next() else { return 0 };
        // Reads the peer's page if there seems to be no room.
        if !halves.has_room(RetransmitClass::Data, first_length) || halves.has_violation() {
            return 0;
        }
        let count = halves.outbox.room_for(lengths);
        let payloads = &payloads[..count];
        let first = halves.outbox.assign_numbers(count);
        let acked = halves.to_piggyback(session);
        drop(halves);
        let sent = clock::now();
        let headers = (first..).zip(payloads).map(|(sequence, payload)| Header {
            sequence,
            sent,
            // One message of the batch carries the acknowledgement.
            correlation: if sequence == first { acked } else { 0 },
            ..Header::new(Kind::Data, payload.encoding())
        });
        let frames = headers.zip(payloads).map(|(header, payload)| Outgoing::new(header, payload.body()));
        // The next frame meets the same error and reports it.
        let sent_count = part.tx.try_send_many(frames).unwrap_or(0);
        let mut halves = reconnector.session_state.halves();
        for payload in &payloads[..sent_count] {
            let keep = || StoredMessage::data(payload, sent);
            halves.outbox.sent(RetransmitClass::Data, payload.len(), keep);
        }
        halves.outbox.release_numbers();
        if sent_count > 0 {
            halves.inbox.piggybacked(session, acked);
        }
        drop(halves);
        event_log.add_exclusive(&event_log.sent, sent_count as u64);
        if part.tx.has_rest() {
            flush_rest(part, reconnector, waiting);
        }
        sent_count
    }

    /// Takes the sending half of the newest link, and waits for one if there is none.
    pub fn join(
        &mut self,
        reconnector: &Reconnector,
        event_log: &EventLog,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        if reconnector.is_newer(self.generation) {
            self.part = None;
        }
        if self.part.is_some() {
            return Ok(());
        }
        let part = reconnector.reconnect_tx(&mut self.generation, event_log, waiting)?;
        if let Some(negotiated) = &part.negotiated {
            reconnector.session_state.link_up(negotiated, event_log)?;
        }
        self.part = Some(part);
        Ok(())
    }

    /// Sends what is due without the program: replays after a new link, withdrawals, and the acknowledgement
    /// if `trigger` makes it due. Does not wait; a later call sends what the link does not take now.
    pub fn send_ack(&mut self, trigger: AckTrigger, reconnector: &Reconnector, event_log: &EventLog) {
        let mut at_once = Waiting::at_once();
        if reconnector.is_newer(self.generation) && self.join(reconnector, event_log, &mut at_once).is_err() {
            return;
        }
        let Some(part) = &mut self.part else { return };
        // The next call that sends or receives notices a link that breaks here.
        let _ = replay(part, reconnector, &mut at_once);
        let session = part.session();
        self.send_withdrawals(&reconnector.session_state);
        let Some(part) = &mut self.part else { return };
        let Some(number) = reconnector.session_state.halves().ack_due(trigger, session) else { return };
        if send_control(part, Kind::Ack, number) {
            reconnector.session_state.halves().inbox.ack_frame_sent(session, number);
        }
    }

    /// Sends the replays, then a bye frame, which announces to the peer that this side closes and waits for
    /// its acknowledgement.
    pub fn send_bye(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        replay(part, reconnector, waiting)?;
        push(part, &Outgoing::new(Header::new(Kind::Bye, crate::Encoding::Raw), &[]), reconnector, waiting)
    }

    /// On a link without a session, where nothing is acknowledged: waits until the kernel has taken
    /// everything.
    pub fn flush_plain(&mut self, reconnector: &Reconnector, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(part) = self.part.as_mut().filter(|part| part.tx.is_plain()) else { return Ok(()) };
        let bye = Outgoing::new(Header::new(Kind::Bye, crate::Encoding::Raw), &[]);
        push(part, &bye, reconnector, waiting).map_err(|e| match e.kind() {
            ErrorKind::Timeout | ErrorKind::Full => {
                let text = "closed; the peer had not received all that was sent";
                Error::new(ErrorKind::Timeout, text)
            }
            _ => e,
        })
    }

    /// Withdraws requests whose callers gave up: from the transport if it still has the frame, else by a
    /// frame to the peer. What the link does not take now stays noted.
    pub fn send_withdrawals(&mut self, session_state: &SessionState) {
        let Some(part) = &mut self.part else { return };
        let mut withdrawn = session_state.withdrawn();
        withdrawn.retain(|request| {
            part.tx.withdraw(*request);
            part.negotiated.is_some()
                && withdrawal::frame(*request)
                    .is_ok_and(|(header, body)| !try_send_frame(part, header, &body))
        });
    }

    /// Returns whether a small message can be sent now, as far as is known.
    pub fn is_writable(&mut self) -> bool {
        self.part.as_mut().is_some_and(|part| part.tx.flush().unwrap_or(false))
    }

    /// Flushes what the link has adopted. If that does not succeed at once, or with `blocked` in any
    /// case, returns a descriptor and the event that reports room; none if there is room after all.
    pub fn room(&mut self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        let Some(part) = &mut self.part else { return Ok(None) };
        if part.tx.flush()? && !blocked || part.tx.park_room()? {
            return Ok(None);
        }
        let (fd, what) = part.tx.room_descriptor()?;
        // A duplicate, because the link's own descriptor may be in the epoll set already.
        let own = fd.try_clone_to_owned().doing("duplicating a descriptor")?;
        Ok(Some((own, what)))
    }

    /// Flushes what the link has adopted, until the deadline.
    pub fn flush(&mut self, waiting: &mut Waiting<'_>) {
        let Some(part) = &mut self.part else { return };
        while matches!(part.tx.flush(), Ok(false)) && part.tx.wait_room(waiting).is_ok() {}
    }

    /// Ends the link because of a protocol violation of the peer; the transport closes it with this
    /// error.
    pub fn end_link(&mut self, error: &Error) {
        if let Some(part) = &mut self.part {
            part.tx.end_link(error);
        }
    }

    /// Releases the link.
    pub fn drop_part(&mut self) {
        self.part = None;
    }
}

/// Returns the header with its number and, for a kind that carries one, with the acknowledgement for
/// the session `to`; and that acknowledgement, 0 for none.
fn with_number(header: Header, number: u64, halves: &SessionHalves, to: u64) -> (Header, u64) {
    let acked = if carries_ack(header.kind) { halves.to_piggyback(to) } else { 0 };
    let correlation = if acked > 0 { acked } else { header.correlation };
    (Header { sequence: number, correlation, ..header }, acked)
}

/// Returns whether a message of this kind carries an acknowledgement: answers use that field for
/// the number of their request.
fn carries_ack(kind: Kind) -> bool {
    matches!(kind, Kind::Data | Kind::Request)
}

/// Sends the messages that this link still has to get. The lock is released while a frame is written, so the
/// next message to replay is looked up again each time.
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
        let (header, _) = with_number(kept.header(number), number, &halves, part.session());
        drop(halves);
        let until = kept.until().filter(|_| part.peer.deadlines);
        push_with(part, header, &kept.payload(), until, reconnector, waiting)?;
        reconnector.session_state.halves().outbox.replayed(number);
    }
}

/// Sends a frame that consists of its kind and a number; false if there is no room for it now.
fn send_control(part: &mut TxPart, kind: Kind, number: u64) -> bool {
    try_send_frame(part, Header { correlation: number, ..Header::new(kind, crate::Encoding::Raw) }, &[])
}

/// Sends a frame without waiting; false if there is no room for it now.
fn try_send_frame(part: &mut TxPart, header: Header, body: &[u8]) -> bool {
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

/// Passes a message to the transport, with the time since boot until which its outcome is needed.
fn push_with(
    part: &mut TxPart,
    header: Header,
    payload: &Payload,
    until: Option<Duration>,
    reconnector: &Reconnector,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let extension = until.map_or(Ok(Vec::new()), extension::write_until)?;
    let mut frame = Outgoing::of(header, payload.memory());
    (frame.header.extension, frame.extension) = (extension.len(), &extension);
    push(part, &frame, reconnector, waiting)
}

/// Passes one frame to the transport, waiting for room.
///
/// # Errors
/// `Timeout`, or `Full` for a call that does not wait, if nothing of it was sent; `Disconnected` if the link
/// broke.
fn push(
    part: &mut TxPart,
    frame: &Outgoing<'_>,
    reconnector: &Reconnector,
    waiting: &mut Waiting<'_>,
) -> Result<()> {
    let mut partly_sent = false;
    loop {
        match part.tx.try_send(frame)? {
            Sent::Whole => return Ok(()),
            Sent::Part => partly_sent = true,
            Sent::Blocked if waiting.is_none() => {
                let text = "the peer has not received what was sent before, and the call was not to wait";
                return Err(Error::new(ErrorKind::Full, text));
            }
            Sent::Blocked => {}
        }
        // The program may never call again.
        if partly_sent && waiting.is_none() {
            part.tx.adopt(frame);
            part.tx.flush_in_background();
            return Ok(());
        }
        // Closing the channel ends the waits of other threads; those of the closing thread itself go on.
        let waited = if reconnector.is_closed() {
            reconnector.check_links().and_then(|()| part.tx.wait_room(waiting))
        } else {
            waiting.wakes_on(&reconnector.wake);
            part.tx.wait_room(waiting).and_then(|()| reconnector.check_links())
        };
        match waited {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Disconnected => return Err(e),
            // The peer has a part of the frame, so the rest has to follow, whatever the program does next.
            Err(_) if partly_sent => {
                part.tx.adopt(frame);
                part.tx.flush_in_background();
                return Ok(());
            }
            Err(e) => return Err(e),
        }
    }
}

/// Flushes the rest of a partly sent message, until the deadline; then the transport sends the remainder by
/// itself.
fn flush_rest(part: &mut TxPart, reconnector: &Reconnector, waiting: &mut Waiting<'_>) {
    // The next call notices a link that breaks here; the message is then replayed with the others.
    while matches!(part.tx.flush(), Ok(false)) {
        waiting.wakes_on(&reconnector.wake);
        if waiting.is_none() || part.tx.wait_room(waiting).and_then(|()| reconnector.check_links()).is_err() {
            return part.tx.flush_in_background();
        }
    }
}

/// Sends acknowledgements and replays of a receiving thread over the other direction.
pub struct AckSender<'a> {
    pub sending: &'a Direction<Sending>,
    pub reconnector: &'a Reconnector,
    pub event_log: &'a EventLog,
}

impl AckSender<'_> {
    /// Returns whether an acknowledgement would be due on this occasion.
    pub fn is_ack_due(&self, trigger: AckTrigger) -> bool {
        self.reconnector.session_state.halves().is_ack_due(trigger)
    }

    /// Sends what is due; if another thread is sending, leaves it to that thread.
    pub fn send_ack(&self, trigger: AckTrigger) {
        let replays = self.reconnector.session_state.replays.load(Ordering::Acquire);
        if replays || self.is_ack_due(trigger) {
            self.send_ack_now(trigger);
        }
    }

    /// Records that the program receives again, and acknowledges if that is due.
    pub fn consumed(&self, trigger: AckTrigger) {
        self.send_ack_if(self.reconnector.session_state.consumed(trigger), trigger);
    }

    /// Sends the acknowledgement if one is due, or what is to be replayed.
    #[inline]
    pub fn send_ack_if(&self, is_ack_due: bool, trigger: AckTrigger) {
        if is_ack_due || self.reconnector.session_state.replays.load(Ordering::Acquire) {
            self.send_ack_now(trigger);
        }
    }

    /// Sends what is due, or defers it. Not inlined: most messages need no frame.
    #[cold]
    pub fn send_ack_now(&self, trigger: AckTrigger) {
        let session_state = &self.reconnector.session_state;
        if let Some(mut sending) = self.sending.borrow() {
            return sending.send_ack(trigger, self.reconnector, self.event_log);
        }
        session_state.defer_ack(trigger);
        // The other thread may have released the direction just before the flag was set.
        self.flush_deferred();
    }

    /// Sends what was deferred. Called by every thread that has just released the direction.
    pub fn flush_deferred(&self) {
        while self.reconnector.session_state.has_deferred_ack() {
            // A thread that holds the direction now calls this function when it releases it.
            let Some(mut sending) = self.sending.borrow() else { return };
            let Some(trigger) = self.reconnector.session_state.take_deferred_ack() else { return };
            sending.send_ack(trigger, self.reconnector, self.event_log);
        }
    }
}

/// Returns whether the other side needs the time until which the caller waits.
fn asks_until(part: &TxPart, draft: &Draft<'_>) -> bool {
    part.peer.deadlines && draft.until != Until::Never
}

/// Returns the time since boot until which the outcome of a message is needed, if there is one.
fn until(draft: &Draft<'_>, waiting: &Waiting<'_>) -> Option<Duration> {
    let until = match draft.until {
        Until::Never => Deadline::NEVER,
        Until::Wait => waiting.deadline(),
        Until::At(deadline) => deadline,
    };
    until.remaining().map(|left| since_boot() + left)
}
