//! Receiving: one function gets the next message for every call.
//!
//! The calls differ in their [`Place`]. `recv` returns a message, `recv_into` copies its bytes into the program's
//! memory, `recv_many` returns several messages. The first turn, under the session's lock, is the fast path.
//! Otherwise the loop of the receiving direction waits (`receiving/pump`).

use super::Channel;
use super::if_not_ready;
use crate::channel::direction::SeatGuard;
use crate::channel::link::Taken;
use crate::channel::lockstep;
use crate::channel::receiving::{Copied, First, Locked, Place, Reads, Receiving, Step, Turn, receive};
use crate::deadline::{Wait, Waiting};
use crate::error::{ErrorKind, Result};
use crate::message::{Message, ReusedMessage};
use crate::session::inbox::AckTrigger;

pub(super) trait NextPlace: Place {
    const READS: Reads;
    /// Whether whole bodies stay in the peer's slots, because the place copies them.
    const COPIES: bool = false;

    /// Takes the usual message, in a call that has recorded nothing yet. None for everything else.
    fn take_next(&mut self, at: &mut Locked<'_>) -> Option<Taken<Self::Output>>;
}

struct Next<'a>(&'a Channel);

impl NextPlace for Next<'_> {
    const READS: Reads = Reads::DELIVERED;

    #[inline]
    fn take_next(&mut self, at: &mut Locked<'_>) -> Option<Taken> {
        at.receiving.take_next(at.halves, at.event_log, ReusedMessage::take, Some(AckTrigger::Receive))
    }
}

impl Place for Next<'_> {
    type Output = Message;

    fn take(&mut self, at: &mut Locked<'_>, reads: &Reads) -> Step<Message> {
        at.receiving.take_for_program(at.halves, at.event_log, reads)
    }

    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<Message>> {
        Ok(self.0.sort(receiving, turn))
    }
}

impl Channel {
    /// Acknowledges everything received so far, on a channel with `ack="manual"`.
    ///
    /// If this program ends first, unacknowledged messages are sent to its next incarnation.
    ///
    /// # Errors
    /// `InvalidState` on a channel without `ack="manual"`.
    pub fn ack(&self) -> Result<()> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        self.options.check_manual().map_err(|e| e.on(&self.shown))?;
        receiving.consumed();
        let session = self.conn.links.session_state.halves().inbox.session();
        self.conn.links.session_state.acknowledge(session, u64::MAX);
        self.conn.send_ack(AckTrigger::Close);
        drop(receiving);
        Ok(())
    }

    /// Receives the next message. While the peer is disconnected, waits until it reconnects.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `InvalidState` if another thread receives, or the channel is closed; `Disconnected`
    /// if the peer cannot reconnect.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.receive(&mut Next(self), wait.into())
    }

    /// Receives the next message into `place`. The first turn, here, is the fast path.
    #[inline]
    pub(super) fn receive<P: NextPlace>(&self, place: &mut P, wait: Wait<'_>) -> Result<P::Output> {
        let Some(mut entered) = self.enter_receiving() else { return self.receive_later(None, place, wait) };
        let (receiving, halves) = entered.parts();
        if let Some(taken) =
            place.take_next(&mut Locked { receiving, halves, event_log: &self.conn.event_log })
        {
            drop(entered);
            return Ok(taken.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        self.receive_later(Some(entered), place, wait)
    }

    #[inline(never)]
    fn receive_later<P: NextPlace>(
        &self,
        entered: Option<SeatGuard<'_, Receiving>>,
        place: &mut P,
        wait: Wait<'_>,
    ) -> Result<P::Output> {
        let mut waiting = self.options.start(wait);
        self.receive_waiting(entered, place, &mut waiting).map_err(|e| e.on(&self.shown))
    }

    /// Takes the available message, or records under one lock that the program receives again, and waits.
    fn receive_waiting<P: NextPlace>(
        &self,
        entered: Option<SeatGuard<'_, Receiving>>,
        place: &mut P,
        waiting: &mut Waiting<'_>,
    ) -> Result<P::Output> {
        let (mut begun, mut came, mut first) = (None, None, First::Look);
        let mut receiving = match entered {
            Some(mut entered) => {
                let (receiving, halves) = entered.parts();
                if !receiving.is_program_kept_waiting() {
                    let reads = Reads { consume: Some(AckTrigger::Receive), ..P::READS };
                    let event_log = &self.conn.event_log;
                    match place.take(&mut Locked { receiving, halves, event_log }, &reads) {
                        Step::Done(taken) => {
                            drop(entered);
                            return Ok(self.conn.finish(taken));
                        }
                        Step::Other(taken) => (begun, came) = (Some(P::READS), Some(taken)),
                        Step::Nothing if receiving.begin_wait(halves) => {
                            begun = Some(Reads { first: First::Wait, ..P::READS });
                        }
                        Step::Nothing => first = First::Read,
                    }
                }
                entered.hold()
            }
            None => self.receiving()?,
        };
        let reads = match begun {
            Some(reads) => reads,
            None => Reads { consume: receiving.program_receives(&self.conn), first, ..P::READS },
        };
        if P::COPIES {
            receiving.view_bodies(Copied::Data);
        }
        let (received, held) = receive(receiving, place, &self.conn, (reads, came), waiting);
        // A direction that was given back with a message needs no more work.
        if let Some(mut receiving) = held {
            if P::COPIES {
                receiving.view_bodies(Copied::Nothing);
            }
            self.pace(&mut receiving, received.is_ok());
        }
        received
    }

    pub(super) fn pace(&self, receiving: &mut Receiving, gives: bool) {
        if receiving.is_lockstep() {
            // Also without a message: in an event loop, a receiving call has made the link.
            lockstep::connected(&self.inner);
            if gives {
                lockstep::gives(&self.inner);
                receiving.keep_readable();
            }
        }
    }

    /// Receives without waiting. Fails with `Empty` if there is no message.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Empty))
    }

    /// Makes the last returned message the next one again, for a binding that lacked memory for it.
    ///
    /// It is acknowledged no sooner than other messages, and counted once.
    #[doc(hidden)]
    pub fn put_back(&self, message: Message) -> Result<()> {
        let mut receiving = self.receiving()?;
        let (session, number) = (message.session(), message.number());
        self.conn.links.session_state.halves().inbox.undelivered(session, number);
        receiving.keep_first(message);
        Ok(())
    }

    /// Skips the message that found no memory. It is consumed, and counted as dropped.
    ///
    /// For a program that serves many channels and must not stop for one.
    #[doc(hidden)]
    pub fn skip(&self) -> Result<()> {
        let skipped = self.receiving().and_then(|mut receiving| receiving.skip(&self.conn));
        let skipped = skipped.map_err(|e| e.on(&self.shown))?;
        skipped.iter().for_each(|message| {
            self.drop_message(message);
        });
        Ok(())
    }

    pub(super) fn sort(&self, receiving: &mut Receiving, turn: Turn) -> Option<Message> {
        match turn {
            Turn::Message(message) if receiving.is_withdrawn(&message) => self.drop_message(&message),
            Turn::Message(message) => return Some(message),
            Turn::Look | Turn::Bye | Turn::Ack => {}
        }
        None
    }

    pub(super) fn drop_message(&self, message: &Message) {
        self.conn.event_log.count(&self.conn.event_log.dropped);
        self.conn.links.session_state.finished(message.session(), message.number());
    }

    #[inline(never)]
    pub(super) fn finish<M>(&self, taken: Taken<M>) -> M {
        self.conn.finish(taken)
    }

    /// `None` at any obstacle.
    pub(super) fn enter_receiving(&self) -> Option<SeatGuard<'_, Receiving>> {
        let entered =
            if self.is_of_this_process() && self.receives { self.receiving.enter()? } else { return None };
        (!self.conn.links.is_closed()).then_some(entered)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::Encoding;
    use crate::sys::seat::counted;
    use crate::{Options, Payload};

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
    fn message_that_is_waited_for_takes_at_most_two_locks_in_each_call() {
        for transport in ["shm", "unix", "fifo"] {
            let endpoint = format!("{transport}:waited-locks-{}", std::process::id());
            let far = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
            let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            let payloads =
                [64, 10_000].map(|bytes| Payload::from_bytes(Encoding::Raw, vec![7; bytes].into()));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    loop {
                        let length = far.recv(SOON).unwrap().body().len();
                        let Some(answer) = payloads.iter().find(|payload| payload.len() == length) else {
                            break;
                        };
                        far.send_payload(answer, SOON).unwrap();
                    }
                });
                for payload in &payloads {
                    // Messages take more locks until spinning succeeds, and after an answer that missed the short
                    // wait, as on a loaded machine. So this repeats until enough messages have taken at most two
                    // locks.
                    let mut short = (0, 0);
                    let is_enough = (0..100_000).any(|_| {
                        let (to_send, sent) = counted(|| near.send_payload(payload, SOON));
                        let (to_receive, received) = counted(|| near.recv(SOON));
                        sent.unwrap();
                        assert_eq!(received.unwrap().body().len(), payload.len());
                        short.0 += usize::from(to_send <= 2);
                        short.1 += usize::from(to_receive <= 2);
                        short.0 >= 100 && short.1 >= 100
                    });
                    assert!(is_enough, "{transport}, {} bytes: {short:?}", payload.len());
                }
                near.send_payload(&Payload::from_bytes(Encoding::Raw, vec![0].into()), SOON).unwrap();
            });
        }
    }
}
