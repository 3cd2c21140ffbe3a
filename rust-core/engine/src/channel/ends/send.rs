//! Sends one message: at once if the link has room, otherwise after clearing the obstacles.
//!
//! | subject | module |
//! |---|---|
//! | admission, the number, keeping the message | `session_state/admission` |
//! | writing into a link, at once or with waiting | `sending` |
//! | clearing an obstacle | here, in [`Channel::send_holding`] |
//!
//! Each attempt holds the sending direction: the messages of a thread keep their order, and messages of other threads
//! follow. A loss of earlier data is reported first.

use std::sync::Arc;

use bytes::Bytes;

use super::{Channel, if_not_ready};
use crate::buffers;
use crate::channel::options::Delivery;
use crate::channel::sending::{Admitted, Draft, DraftContent};
use crate::channel::session_state::admission::Obstacle;
use crate::channel::session_state::class;
use crate::deadline::{Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result, counted};
use crate::frame::Kind;
use crate::message::{Payload, Recorded, RecordedOrigin};
use crate::planted;
use crate::sys::fork;
use crate::transport::extension;
use crate::value::Source;

impl Channel {
    /// Sends without waiting. Fails with `Full` if the peer lacks room, or if no peer is connected.
    pub fn try_send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        self.try_send_payload(&self.encode(value)?)
    }

    /// Sends an encoded value without waiting: see [`Channel::try_send`].
    pub fn try_send_payload(&self, payload: &Payload) -> Result<u64> {
        self.send_payload(payload, Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Full))
    }

    /// Sends a message of a recording, with its recorded number, time and sender.
    ///
    /// A peer of a listener in lockstep ([`Options::with_lockstep`](crate::Options::with_lockstep)) gets them. The
    /// number is independent of the connection and may repeat. Waits and fails as [`Channel::send`].
    ///
    /// # Errors
    /// `InvalidState` if the channel does not belong to a listener in lockstep.
    #[doc(hidden)]
    pub fn send_recorded<'a>(
        &self,
        body: Bytes,
        origin: &RecordedOrigin,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        if !self.options.lockstep {
            let text = "a message keeps the number of a recording where its listener is in lockstep: listen with `with_lockstep(true)`";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        let RecordedOrigin { source, incarnation, sequence, sent, encoding, .. } = origin;
        let extension = extension::write_recorded(source, *incarnation, *sequence)?;
        let payload = Payload::from_bytes(*encoding, body);
        let recorded = Arc::new(Recorded { payload, sent: sent.0, extension });
        self.send_draft(&Draft::data(&recorded), wait.into())
    }

    pub(crate) fn send_as<'a>(
        &self,
        kind: Kind,
        payload: &Payload,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        self.send_draft(&Draft { kind, ..Draft::data(payload) }, wait.into())
    }

    /// Sends a message. A call that sends data first reports a loss of earlier data, once.
    pub(super) fn send_draft(&self, draft: &Draft<'_>, wait: Wait<'_>) -> Result<u64> {
        match self.send_step(draft) {
            Ok(number) => Ok(number),
            Err(admitted) => self.send_later(admitted, draft.copied(), wait),
        }
    }

    pub(super) fn send_one(&self, draft: &Draft<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        self.send_step(draft).or_else(|admitted| self.send_waiting(admitted, draft, waiting))
    }

    /// Makes the first attempt, under the session's lock. The error holds the admission; it is empty at an obstacle.
    fn send_step(&self, draft: &Draft<'_>) -> std::result::Result<u64, Option<Admitted<'_>>> {
        let Some(mut entered) = self.enter_to_send() else { return Err(None) };
        let (sending, halves) = entered.parts();
        sending.send_step(draft, halves, &self.conn.event_log).leave(entered)
    }

    #[inline(never)]
    fn send_later(&self, admitted: Option<Admitted<'_>>, draft: Draft<'_>, wait: Wait<'_>) -> Result<u64> {
        let (mut draft, owned) = (draft, self.owned(&draft));
        if let Some(owned) = &owned {
            draft.content = owned.into();
        }
        self.send_waiting(admitted, &draft, &mut self.options.start(wait)).map_err(|e| e.on(&self.shown))
    }

    /// Copies long borrowed bytes that are kept for replay. The copy also serves as the rest of the frame.
    fn owned(&self, draft: &Draft<'_>) -> Option<Payload> {
        let keeps = self.options.delivery != Some(Delivery::BestEffort);
        match draft.content {
            DraftContent::Borrowed(_, bytes) if keeps && bytes.len() >= buffers::LONG => {
                Some(draft.content.payload().into_owned())
            }
            _ => None,
        }
    }

    /// Sends a message that is admitted, or in turn with other threads.
    #[inline(always)]
    fn send_waiting(
        &self,
        admitted: Option<Admitted<'_>>,
        draft: &Draft<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        if admitted.is_none() {
            // Before the session's lock: in a forked child, a missing thread may hold it.
            fork::check(self.fork_generation)?;
            // A loss is reported before the program sends the messages that follow the lost ones.
            if draft.kind == Kind::Data {
                let lost = self.conn.links.session_state.halves().take_losses();
                if lost > 0 {
                    return Err(lost_before(lost));
                }
            }
        }
        let sent = self.send_holding(admitted, draft, true, waiting).map(|(number, _)| number);
        if sent.is_ok() || draft.kind != Kind::Data { sent } else { self.with_losses(sent) }
    }

    /// Sends a message that is admitted, or in turn: clears each obstacle, and tries again.
    ///
    /// With `waits`, it waits for room among the kept messages; otherwise a lack of room is an error. Returns the
    /// message's number and the link's generation.
    ///
    /// Keeps the permit all the time, because other threads' messages must follow. Releases the state during the wait
    /// for room.
    pub(super) fn send_holding(
        &self,
        admitted: Option<Admitted<'_>>,
        draft: &Draft<'_>,
        waits: bool,
        waiting: &mut Waiting<'_>,
    ) -> Result<(u64, u64)> {
        let (mut sending, mut ticket) = match admitted {
            Some((sending, ticket)) => (sending, Some(ticket)),
            None => (self.sending_in_turn(waiting)?, None),
        };
        let mut looked = false;
        let error = loop {
            planted::sleep_in_loop();
            let put =
                sending.put(draft, ticket.take(), looked, &self.conn.links, &self.conn.event_log, waiting);
            let obstacle = match put {
                Ok(passed) => {
                    let mut ending = sending.enter();
                    let (sending, halves) = ending.parts();
                    let number = sending.record(draft, passed, halves, &self.conn.event_log, waiting);
                    let generation = sending.generation;
                    ending.end();
                    return Ok((number, generation));
                }
                Err(Obstacle::Replay) => match sending.replay(&self.conn.links, waiting) {
                    Ok(()) => continue,
                    Err(error) => Obstacle::Failed(error),
                },
                Err(obstacle) => obstacle,
            };
            let cleared = match obstacle {
                Obstacle::NoLink => sending.join(&self.conn.links, &self.conn.event_log, waiting),
                // The link has broken. The peer drops a partial frame, so the whole message goes over the next link.
                Obstacle::Failed(error) if error.kind() == ErrorKind::Disconnected => {
                    let is_bound = sending.lose_link(draft);
                    // Before the next link is made, which replays unacknowledged messages.
                    self.collect_acks();
                    if is_bound { Err(error) } else { Ok(()) }
                }
                Obstacle::Acknowledgements => {
                    looked = true;
                    self.collect_acks();
                    Ok(())
                }
                Obstacle::NoRoom if waits => {
                    let (permit, state) = sending.split();
                    drop(state);
                    let room =
                        self.wait_for_room(class(draft.kind, draft.flags), draft.content.len(), waiting);
                    sending = drive::value_of(permit);
                    room
                }
                Obstacle::NoRoom => Err(Error::new(ErrorKind::Full, FULL)),
                Obstacle::Losses => Err(lost_before(self.conn.links.session_state.halves().take_losses())),
                Obstacle::Violation => sending.end_violated(&self.conn.links.session_state),
                Obstacle::TooLong => Err(sending.too_long(draft)),
                Obstacle::Another => Err(Error::new(ErrorKind::Disconnected, ANOTHER)),
                Obstacle::Replay => Ok(()),
                Obstacle::Failed(error) => Err(error),
            };
            if let Err(error) = cleared {
                break error;
            }
        };
        // The next message goes over the next link.
        sending.drop_defect();
        let mut ending = sending.enter();
        let (_, halves) = ending.parts();
        if draft.is_filed {
            // The request was not sent, so the next message gets its number.
            let unsent = halves.outbox.next_number();
            halves.calls.end(unsent);
        }
        ending.end();
        Err(error)
    }
}

const ANOTHER: &str = "the client that sent the request has disconnected, and another one has connected: no client waits for this answer";
const FULL: &str =
    "too many requests without an answer are kept to be sent again (replay_count, replay_bytes)";

/// Returns the error for lost messages of a peer that cannot reconnect.
///
/// The next `send` or `close` fails with it once and resets the session's counter of losses.
pub(super) fn lost_before(lost: u64) -> Error {
    let text = format!(
        "{} lost: the peer disconnected before it acknowledged them, and a peer without a client_id cannot reconnect to receive them",
        counted(lost, "that was sent before is", "that were sent before are")
    );
    Error::new(ErrorKind::Disconnected, text).with_missed(lost)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use crate::channel::Operation;
    use crate::value::Value;
    use crate::{Channel, Listener, Options};

    const SOON: Duration = Duration::from_secs(60);

    /// The call that holds the direction sends the acknowledgement at its end: here it does nothing else.
    #[test]
    fn acknowledgement_that_is_left_to_a_call_follows_its_end() {
        let endpoint = format!("unix:left-{}", std::process::id());
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let peer = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        peer.send(&Value::from(1), SOON).unwrap();
        channel.recv(SOON).unwrap();
        thread::scope(|scope| {
            let held = channel.conn.sending.take(Operation::Send).unwrap();
            // This consumes the first message, and sleeps.
            let next = scope.spawn(|| channel.recv(SOON).map(|message| message.number()));
            let end = Instant::now() + SOON;
            while !channel.conn.links.session_state.halves().has_deferred() && Instant::now() < end {
                thread::yield_now();
            }
            // Lets the receiver fall asleep. The test proves nothing if the acknowledgement comes later without it.
            thread::sleep(Duration::from_millis(50));
            drop(held);
            let end = Instant::now() + SOON / 12;
            while peer.unacknowledged() > 0 && Instant::now() < end {
                peer.recv(Duration::from_millis(10)).unwrap_err();
            }
            let unacknowledged = peer.unacknowledged();
            peer.send(&Value::from(2), SOON).unwrap();
            assert_eq!(next.join().unwrap().unwrap(), 2);
            assert_eq!(unacknowledged, 0, "the acknowledgement was not sent");
        });
    }
}
