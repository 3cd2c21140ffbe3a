//! A short request without waiting: written into shared memory under the lock of the session, which the call takes once
//! for it. Under the same lock the call takes the receiving direction, and holds it until the reply has arrived. It
//! releases the direction under the lock with which it records the reply. If another call holds that direction, this
//! one follows (`session_state/calls`).
//!
//! As for messages (`in_place`), an obstacle leaves the state unchanged, and the general path determines what the
//! obstacle is.

use super::Channel;
use crate::channel::direction::{Lease, SeatGuard};
use crate::channel::link::{Taken, is_answer_to};
use crate::channel::receiving::Receiving;
use crate::channel::sending::{Admitted, Draft, Put, REQUEST, Until};
use crate::channel::session_state::SessionState;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::Kind;
use crate::message::{Message, Payload};

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentRequest {
    /// The number of the request.
    pub number: u64,
    /// The generation of the link over which it was sent.
    pub generation: u64,
    /// Whether it is recorded, so that its answer is kept whoever receives it.
    pub is_filed: bool,
}

/// Counts a call that leads or follows, until it is dropped.
pub(super) struct Calling<'a>(pub &'a SessionState);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.halves().calls.leave();
    }
}

/// A call that leads: it holds the receiving direction, and a message if one was received already.
pub(super) struct Leading<'a> {
    pub receiving: Lease<'a, Receiving>,
    /// Dropped after the direction, so that no other thread concludes that the program receives.
    pub calling: Calling<'a>,
    pub taken: Option<Taken>,
}

/// Which call receives for all calls.
pub(super) enum Leader<'a> {
    /// This one.
    Here(Leading<'a>),
    /// Another call; this one follows.
    Other(Calling<'a>),
}

/// A request that was sent, or else what the call goes on with, as in [`Channel::send_holding`].
pub(super) type SentOrAdmitted<'a> = std::result::Result<SentRequest, Option<Admitted<'a>>>;

impl Channel {
    /// Takes the receiving direction, unless another call leads, and sends or admits the request. Returns `None` if the
    /// program receives, if another call leads and the request is not admitted, and if the channel cannot be used.
    pub(super) fn begin_call(&self, payload: &Payload) -> Option<(Leader<'_>, SentOrAdmitted<'_>)> {
        if self.options.idempotent || !self.calls {
            return None;
        }
        // Declared first, so that they are dropped last, also in a panic: their drops take the lock, see `try_hold`.
        let (held, calling);
        let mut entered = self.enter_to_send()?;
        // A thread that waits until the library releases the direction has claimed it.
        held = entered.try_hold(&self.receiving);
        let is_here = held.is_none() && entered.is_acquired_here(&self.receiving);
        let (sending, halves) = entered.parts();
        if held.is_none() && (is_here || !halves.calls.are_led()) {
            return None;
        }
        // Without the option `idempotent` the request is sent at most once.
        let until = Until::Wait;
        let draft = Draft { kind: Kind::Request, until, is_filed: held.is_none(), ..Draft::data(payload) };
        let put = sending.send_step::<REQUEST>(&draft, halves, &self.conn.event_log);
        let (is_filed, generation) = (held.is_none(), sending.generation);
        if is_filed && matches!(put, Put::Blocked) {
            return None;
        }
        halves.calls.enter();
        calling = Calling(&self.conn.links.session_state);
        let begun = put.leave(entered).map(|number| SentRequest { number, generation, is_filed });
        match held {
            Some(receiving) => Some((Leader::Here(Leading { receiving, calling, taken: None }), begun)),
            None => Some((Leader::Other(calling), begun)),
        }
    }

    /// Sends or admits the request if the program does not receive. Its answer will be kept.
    #[inline(always)]
    pub(super) fn begin_request(&self, payload: &Payload) -> SentOrAdmitted<'_> {
        if self.options.idempotent || !self.calls {
            return Err(None);
        }
        let mut entered = self.enter_to_send().ok_or(None)?;
        let is_free = entered.is_free(&self.receiving);
        let (sending, halves) = entered.parts();
        if !is_free && !halves.calls.are_led() {
            return Err(None);
        }
        let draft = Draft { kind: Kind::Request, until: Until::Wait, is_filed: true, ..Draft::data(payload) };
        let put = sending.send_step::<REQUEST>(&draft, halves, &self.conn.event_log);
        let generation = sending.generation;
        put.leave(entered).map(|number| SentRequest { number, generation, is_filed: true })
    }

    /// Returns the reply to a request that was sent at most once, and ends the call, if the reply arrives within about
    /// a microsecond. Spins only if spinning has succeeded before. Otherwise returns the state with which the call
    /// continues.
    pub(super) fn reply_soon<'a>(
        &'a self,
        pending: SentRequest,
        mut leading: Leading<'a>,
    ) -> std::result::Result<Message, Leading<'a>> {
        if leading.receiving.generation != pending.generation || !leading.receiving.look_for_reply(true) {
            return Err(leading);
        }
        let Leading { receiving, calling, .. } = leading;
        let mut ending = receiving.enter();
        let (receiving, halves) = ending.parts();
        if let Some(reply) = receiving.take_reply(pending.number, halves, &self.conn.event_log) {
            halves.calls.leave();
            if pending.is_filed {
                halves.calls.end(pending.number);
            }
            std::mem::forget(calling);
            ending.end();
            return Ok(reply.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        let taken = receiving.take_for_caller(pending.number, halves, &self.conn.event_log);
        match taken {
            Some(taken) if is_answer_to(taken.message.header(), pending.number) => {
                halves.calls.leave();
                if pending.is_filed {
                    halves.calls.end(pending.number);
                }
                std::mem::forget(calling);
                ending.end();
                Ok(self.conn.finish(taken))
            }
            taken => Err(Leading { receiving: ending.go_on(), calling, taken }),
        }
    }

    /// Returns the reply that has arrived, for a call in two steps. Otherwise returns the receiving direction, with
    /// which the call waits; `None` if another thread holds the direction or waits for it.
    #[inline(always)]
    pub(super) fn finish_in_place(
        &self,
        pending: SentRequest,
    ) -> std::result::Result<Message, Option<Leading<'_>>> {
        if self.options.idempotent {
            return Err(None);
        }
        let Some(mut entered) = self.enter_receiving() else { return Err(None) };
        let (receiving, halves) = entered.parts();
        if halves.calls.has_answers() || !halves.calls.is_open(pending.number) {
            return Err(None);
        }
        if receiving.generation == pending.generation
            && let Some(reply) = receiving.take_reply(pending.number, halves, &self.conn.event_log)
        {
            halves.calls.end(pending.number);
            drop(entered);
            return Ok(reply.done().unwrap_or_else(|taken| self.finish(taken)));
        }
        self.finish_entered(pending, entered)
    }

    /// [`Channel::finish_in_place`] where no fast-path reply has arrived.
    #[inline(never)]
    fn finish_entered<'a>(
        &'a self,
        pending: SentRequest,
        mut entered: SeatGuard<'a, Receiving>,
    ) -> std::result::Result<Message, Option<Leading<'a>>> {
        let (receiving, halves) = entered.parts();
        let taken = if receiving.generation == pending.generation && receiving.look_for_reply(false) {
            receiving.take_for_caller(pending.number, halves, &self.conn.event_log)
        } else {
            None
        };
        match taken {
            Some(taken) if is_answer_to(taken.message.header(), pending.number) => {
                halves.calls.end(pending.number);
                drop(entered);
                Ok(self.conn.finish(taken))
            }
            taken => {
                halves.calls.enter();
                let receiving = entered.hold();
                Err(Some(Leading { receiving, calling: Calling(&self.conn.links.session_state), taken }))
            }
        }
    }

    /// Waits for a reply that had not arrived in [`Channel::finish_in_place`].
    pub(super) fn finish_leading<'a>(
        &'a self,
        pending: SentRequest,
        mut leading: Leading<'a>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        if leading.taken.is_none() && !waiting.is_none() {
            match self.reply_soon(pending, leading) {
                Ok(reply) => return Ok(reply),
                Err(later) => leading = later,
            }
        }
        self.await_answer(pending, leading, waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Options;
    use crate::codec::Encoding;
    use crate::deadline::Wait;
    use crate::error::ErrorKind;
    use crate::sys::seat::counted;
    use crate::value::{Limits, Value};

    const SOON: Duration = Duration::from_secs(60);

    /// Both ends of a channel, and a short payload.
    fn both(name: &str) -> (Channel, Channel, Payload) {
        let endpoint = format!("shm:{name}-{}", std::process::id());
        let peer = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        (peer, client, Payload::new(&Value::from("x"), Encoding::Cbor, &Limits::default()).unwrap())
    }

    #[test]
    #[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
    fn call_takes_at_most_one_lock_to_begin_and_one_to_end() {
        let (peer, client, short) = both("call-locks");
        let mut soon = 0;
        for _ in 0..200 {
            let (to_begin, begun) = counted(|| client.begin_call(&short));
            let Some((Leader::Here(leading), Ok(pending))) = begun else { continue };
            let request = peer.recv(SOON).unwrap();
            peer.reply_payload(&request, &short, SOON).unwrap();
            let (to_end, ended) = counted(|| client.reply_soon(pending, leading));
            match ended {
                Ok(_) => {
                    assert!(to_begin <= 1 && to_end <= 1, "{to_begin} to begin, {to_end} to end");
                    soon += 1;
                }
                Err(leading) => {
                    client.await_answer(pending, leading, &mut client.options.start(SOON)).unwrap();
                }
            }
        }
        // The first call connects.
        assert!(soon > 190, "{soon}");
    }

    /// While a call leads, another thread cannot receive, and its calls follow: their requests are sent at once, and
    /// they are answered before the first call or time out. The thread of the call itself can neither call nor close.
    #[test]
    fn leading_call_refuses_receivers_and_other_calls_follow() {
        let (peer, client, short) = both("call-leads");
        let call = || client.call_payload(&short, SOON).unwrap();
        let request = || peer.recv(SOON).unwrap();
        let answer = |request: &Message| peer.reply_payload(request, &short, SOON).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2).for_each(|_| answer(&request())));
            call();
            call();
        });
        let Some((Leader::Here(leading), Ok(pending))) = client.begin_call(&short) else {
            panic!("no other thread uses the channel, and the link has room")
        };
        let first = request();
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| client.try_recv().unwrap_err().kind());
            assert_eq!(refused.join().unwrap(), ErrorKind::InvalidState);
            let started = client.start_call(&short, SOON).unwrap();
            let started_request = request();
            let calls = &client;
            let polled = scope.spawn(move || calls.finish_call(&started, Wait::none()).unwrap_err().kind());
            assert_eq!(polled.join().unwrap(), ErrorKind::Timeout);
            answer(&started_request);
            // The same thread would wait for itself.
            assert_eq!(client.call_payload(&short, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
            assert_eq!(client.close(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
            let late = scope.spawn(|| client.call_payload(&short, Duration::from_millis(20)).unwrap_err());
            let error = late.join().unwrap();
            assert!(error.kind() == ErrorKind::Timeout && error.text().contains("was sent"), "{error}");
            let follows = [scope.spawn(call), scope.spawn(call)];
            let mut requests = [request(), request()];
            requests.reverse();
            answer(&requests[0]);
            answer(&requests[1]);
            // This thread receives their answers.
            answer(&first);
            client.await_answer(pending, leading, &mut client.options.start(SOON)).unwrap();
            follows.into_iter().for_each(|follows| drop(follows.join().unwrap()));
        });
        assert!(!client.conn.links.session_state.halves().calls.are_led());
        client.close(SOON).unwrap();
    }
}
