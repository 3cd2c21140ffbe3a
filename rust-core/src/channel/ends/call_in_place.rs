//! A short request that takes no wait: written into shared memory under the lock of the session, which a call takes once
//! for it. The same lock gives the call its turn among callers and the receiving direction, which it holds until the reply
//! is there (`sys::claim`); the lock that it takes to record the reply gives both back.
//!
//! As for messages (`in_place`), for any obstacle nothing has changed, and the general way determines it.

use super::Channel;
use crate::channel::direction::{Entered, Lease};
use crate::channel::link::Taken;
use crate::channel::receiving::Receiving;
use crate::channel::sending::{Draft, Put, REQUEST, Sending, Until};
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::Kind;
use crate::message::{Message, Payload};

/// A request whose answer [`Channel::finish_call`] waits for.
#[derive(Clone, Copy, Debug)]
pub struct PendingReply {
    /// The number of the request.
    pub(super) number: u64,
    /// The generation of the link over which it went.
    pub(super) generation: u64,
}

/// The receiving direction of a call whose reply has not come, and another message that has.
pub(super) struct Awaiting<'a> {
    pub receiving: Lease<'a, Receiving>,
    /// Dropped after the direction, which the next caller needs.
    pub turn: Option<Lease<'a, ()>>,
    pub taken: Option<Taken>,
}

/// A call that holds the receiving direction, and its request, if that was sent.
pub(super) type Begun<'a> = (Awaiting<'a>, Option<PendingReply>);

impl Channel {
    /// Takes the turn among callers and the receiving direction, and sends the request if that is possible at once. None
    /// if another thread has or awaits any of them, and for a channel that cannot be used.
    #[inline]
    pub(super) fn begin_call(&self, payload: &Payload) -> Option<Begun<'_>> {
        let (calls, receiving) = (self.calls.cell(), self.receiving.cell());
        let (held, sent) =
            self.request_in_place(payload, false, |entered| entered.try_hold_both(calls, receiving))?;
        Some((Awaiting { turn: Some(held.0), receiving: held.1, taken: None }, sent))
    }

    /// The same for a caller that has its turn.
    pub(super) fn begin_in_turn(&self, payload: &Payload) -> Option<Begun<'_>> {
        let hold = |entered: &Entered<'_, Sending>| entered.try_hold(self.receiving.cell());
        let (receiving, sent) = self.request_in_place(payload, false, hold)?;
        Some((Awaiting { turn: None, receiving, taken: None }, sent))
    }

    /// Sends the request at once, if that is possible and no other thread receives.
    #[inline(always)]
    pub(super) fn send_request_in_place(&self, payload: &Payload) -> Option<PendingReply> {
        let is_free = |entered: &Entered<'_, Sending>| entered.is_free(self.receiving.cell()).then_some(());
        self.request_in_place(payload, true, is_free)?.1
    }

    /// Takes by `hold` what the reply is received with, and sends the request if that is possible at once. `is_started` says
    /// that the reply is asked for later.
    #[inline(always)]
    fn request_in_place<H>(
        &self,
        payload: &Payload,
        is_started: bool,
        hold: impl FnOnce(&Entered<'_, Sending>) -> Option<H>,
    ) -> Option<(H, Option<PendingReply>)> {
        if self.options.idempotent || !self.receives {
            return None;
        }
        // Declared first, so that it is dropped last, also by a panic: its drop enters the gate, see `try_hold`.
        let held;
        let mut entered = self.enter_to_send()?;
        // A thread that waits until the library releases the direction has it claimed.
        held = hold(&entered)?;
        let (sending, halves) = entered.parts();
        // It is sent at most once.
        let draft = Draft { kind: Kind::Request, until: Until::Wait, ..Draft::data(payload) };
        let sent = match sending.send_step::<REQUEST>(&draft, halves, &self.reconnector, &self.event_log) {
            Put::Sent(number) => {
                if is_started {
                    let dropped = halves.calls.begin(number);
                    self.count_evicted(dropped.as_ref());
                }
                Some(PendingReply { number, generation: sending.generation })
            }
            Put::Stream(_) | Put::Blocked => None,
        };
        drop(entered);
        self.reconnector.clear_interrupt();
        Some((held, sent))
    }

    /// Returns the reply to a request that was sent at most once, if it comes within about a microsecond and spinning is
    /// known to succeed; then the call has ended. Else what the call goes on with.
    #[inline]
    pub(super) fn reply_soon<'a>(
        &'a self,
        pending: PendingReply,
        mut awaiting: Awaiting<'a>,
    ) -> std::result::Result<Message, Awaiting<'a>> {
        if awaiting.receiving.generation != pending.generation || !awaiting.receiving.comes_soon() {
            return Err(awaiting);
        }
        let Awaiting { turn, receiving, .. } = awaiting;
        let mut ending = receiving.enter();
        let (receiving, halves) = ending.parts();
        if let Some(reply) = receiving.take_reply(pending.number, halves, &self.event_log) {
            ending.end(turn);
            return Ok(reply.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        let taken = receiving.take_for_caller(pending.number, halves, &self.event_log);
        match taken {
            Some(taken) if receiving.awaited == 0 => {
                ending.end(turn);
                Ok(self.ack_sender().finish(taken))
            }
            taken => Err(Awaiting { turn, receiving: ending.go_on(), taken }),
        }
    }

    /// Returns the reply that lies ready, for a call in two steps; else the receiving direction, which it needs to wait,
    /// and none of it if another thread has it or awaits it.
    #[inline(always)]
    pub(super) fn finish_in_place(
        &self,
        pending: PendingReply,
    ) -> std::result::Result<Message, Option<Awaiting<'_>>> {
        if self.options.idempotent {
            return Err(None);
        }
        let Some(mut entered) = self.enter_receiving() else { return Err(None) };
        let (receiving, halves) = entered.parts();
        if halves.calls.has_answers() {
            return Err(None);
        }
        if receiving.generation == pending.generation
            && let Some(reply) = receiving.take_reply(pending.number, halves, &self.event_log)
        {
            halves.calls.end(pending.number);
            drop(entered);
            return Ok(reply.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        self.finish_entered(pending, entered)
    }

    /// [`Channel::finish_in_place`] for what is no plain reply.
    #[inline(never)]
    fn finish_entered<'a>(
        &'a self,
        pending: PendingReply,
        mut entered: Entered<'a, Receiving>,
    ) -> std::result::Result<Message, Option<Awaiting<'a>>> {
        let (receiving, halves) = entered.parts();
        let taken = if receiving.generation == pending.generation && receiving.is_reply_ready() {
            receiving.take_for_caller(pending.number, halves, &self.event_log)
        } else {
            None
        };
        match taken {
            Some(taken) if receiving.awaited == 0 => {
                halves.calls.end(pending.number);
                drop(entered);
                Ok(self.ack_sender().finish(taken))
            }
            taken => Err(Some(Awaiting { turn: None, receiving: entered.hold(), taken })),
        }
    }

    /// Waits for the reply that [`Channel::finish_in_place`] has not found.
    pub(super) fn finish_holding<'a>(
        &'a self,
        pending: PendingReply,
        mut awaiting: Awaiting<'a>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        if awaiting.taken.is_none() && !waiting.is_none() {
            match self.reply_soon(pending, awaiting) {
                Ok(reply) => return Ok(reply),
                Err(later) => awaiting = later,
            }
        }
        let Awaiting { mut receiving, taken, .. } = awaiting;
        self.await_answer(pending, taken, &mut receiving, waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deadline::Wait;
    use crate::sys::claim::counted;
    use crate::{Encoding, ErrorKind, Limits, Options, Value};

    const SOON: Duration = Duration::from_secs(60);

    /// Both ends of a channel, and a short payload.
    fn both(name: &str) -> (Channel, Channel, Payload) {
        let endpoint = format!("shm:{name}-{}", std::process::id());
        let peer = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        (peer, client, Payload::new(&Value::from("x"), Encoding::Cbor, &Limits::default()).unwrap())
    }

    #[test]
    fn call_takes_one_lock_to_begin_and_one_to_end() {
        let (peer, client, short) = both("call-locks");
        let mut soon = 0;
        for _ in 0..200 {
            let (to_begin, begun) = counted(|| client.begin_call(&short));
            let Some((awaiting, Some(pending))) = begun else { continue };
            let request = peer.recv(SOON).unwrap();
            peer.reply_payload(&request, &short, SOON).unwrap();
            let (to_end, ended) = counted(|| client.reply_soon(pending, awaiting));
            match ended {
                Ok(_) => {
                    assert_eq!((to_begin, to_end), (1, 1));
                    soon += 1;
                }
                Err(Awaiting { turn: _turn, mut receiving, taken }) => {
                    client.await_answer(pending, taken, &mut receiving, &mut client.start(SOON)).unwrap();
                }
            }
        }
        // The first of all connects.
        assert!(soon > 190, "{soon}");
    }

    /// While a call holds the channel, another thread may neither receive nor close it under the call, and calls in turn.
    #[test]
    fn others_wait_for_a_call_or_are_refused() {
        let (peer, client, short) = both("call-holds");
        let call = || client.call_payload(&short, SOON).unwrap();
        let answer = || {
            let request = peer.recv(SOON).unwrap();
            peer.reply_payload(&request, &short, SOON).unwrap();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2).for_each(|_| answer()));
            call();
            call();
        });
        let (awaiting, sent) = client.begin_call(&short).expect("no other thread uses it");
        let pending = sent.expect("the link takes it at once");
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| client.try_recv().unwrap_err().kind());
            assert_eq!(refused.join().unwrap(), ErrorKind::InvalidState);
            let refused = scope.spawn(|| client.finish_call(pending, Wait::none()).unwrap_err().kind());
            assert_eq!(refused.join().unwrap(), ErrorKind::InvalidState);
            // Of the same thread: it would wait for itself.
            assert_eq!(client.call_payload(&short, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
            assert_eq!(client.close(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
            let late = scope.spawn(|| client.call_payload(&short, Duration::from_millis(20)).unwrap_err());
            let error = late.join().unwrap();
            assert!(
                error.kind() == ErrorKind::Timeout && error.text().contains("another thread calls"),
                "{error}"
            );
            let in_turn = scope.spawn(call);
            answer();
            let Awaiting { turn, mut receiving, taken } = awaiting;
            client.await_answer(pending, taken, &mut receiving, &mut client.start(SOON)).unwrap();
            // As a call does: the turn last.
            drop(receiving);
            drop(turn);
            answer();
            in_turn.join().unwrap();
        });
        client.close(SOON).unwrap();
    }
}
