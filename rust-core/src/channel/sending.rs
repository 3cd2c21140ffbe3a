//! The sending direction of a channel: new messages, replays and acknowledgements over a link that
//! may break.
//!
//! A frame goes over a link whole or not at all, as far as the session is concerned: once the
//! transport has taken a part of it, it *adopts* the rest, which goes out with later calls even if
//! this call ends with a time-out. A frame of which nothing was taken stays the caller's. When the
//! link breaks, the message goes over the next one.
//!
//! There are four ways to send a message, from the fastest to the most general; each faster one returns
//! without effect if there is an obstacle, which the next one determines:
//! - `ends/in_place`: data over shared memory, written where it is received, under one lock;
//! - `ends/in_stream`: data over a stream, in one write between two locks;
//! - [`Sending::send_at_once`]: any short message that the link takes whole without waiting;
//! - [`Sending::send`]: connects, replays, waits for room.
//!
//! The direction is held by one thread at a time (`direction`). A thread that receives and has an
//! acknowledgement to send borrows it; if another thread holds it, that thread sends the
//! acknowledgement when it releases the direction ([`AckSender`]).

mod ack_sender;
mod batch;
mod in_slots;
mod in_stream;
mod push;

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::deadline::{Deadline, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Payload, StoredMessage, withdrawal};
use crate::sys::clock::{self, since_boot};
use crate::sys::poll::Interest;
use crate::transport::Sent;

use self::push::{
    carries_ack, flush_rest, push, push_with, replay, send_control, try_send_frame, with_number,
};
use super::event_log::EventLog;
use super::reconnector::{Reconnector, TxPart};
use super::session::RetransmitClass;
use super::session::inbox::AckTrigger;
use super::session_state::{SessionState, class};

pub use self::ack_sender::AckSender;

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
