//! The first turn of a call: one lock of the session admits the request and takes the receiving direction.
//!
//! A link in memory takes the request whole under that lock. The call holds the direction until its reply arrives,
//! and releases it under the lock that takes the reply ([`Answer`]). An obstacle leaves the state unchanged; `call`
//! determines the obstacle.

use super::Channel;
use super::reply_place::{Came, ReplyPlace, WholeReply};
use crate::channel::direction::Lease;
use crate::channel::link::Taken;
use crate::channel::receiving::{Copied, First, Locked, Place, Reads, Receiving, Step, Turn};
use crate::channel::sending::{Admitted, Draft, DraftContent, Put, Until};
use crate::channel::session_state::SessionState;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::session::connection::Outcome;
use crate::session::inbox::AckTrigger;

#[derive(Clone, Copy, Debug)]
pub(super) struct SentRequest {
    pub number: u64,
    pub generation: u64,
    /// Whether its answer is kept if another call receives it.
    pub is_filed: bool,
}

/// Counts a call that leads or follows, until it is dropped.
pub(super) struct Calling<'a>(pub &'a SessionState);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        self.0.halves().calls.leave();
    }
}

pub(super) struct Leading<'a> {
    pub receiving: Lease<'a, Receiving>,
    /// Dropped after the direction. Another thread would otherwise conclude that the program receives.
    pub calling: Calling<'a>,
    pub came: Option<Taken>,
    /// As in [`Reads`](crate::channel::receiving::Reads).
    pub first: First,
}

impl<'a> Leading<'a> {
    pub fn new(receiving: Lease<'a, Receiving>, calling: Calling<'a>) -> Leading<'a> {
        Leading { receiving, calling, came: None, first: First::Look }
    }
}

pub(super) enum Leader<'a> {
    Here(Leading<'a>),
    Other(Calling<'a>),
}

pub(super) type SentOrAdmitted<'a> = std::result::Result<SentRequest, Option<Admitted<'a>>>;

impl Channel {
    /// Takes the receiving direction, unless another call leads, and sends or admits the request.
    ///
    /// None if the program receives, if the channel is unusable, or if a following call's request is not admitted.
    pub(super) fn begin_call(&self, content: DraftContent<'_>) -> Option<(Leader<'_>, SentOrAdmitted<'_>)> {
        if self.options.idempotent || !self.calls {
            return None;
        }
        // Declared first and thus dropped last, also in a panic: their drops take the lock, see `try_hold`.
        let (held, calling);
        let mut entered = self.enter_to_send()?;
        // A thread that waits until the library releases the direction has claimed it.
        held = entered.try_hold(&self.receiving);
        let is_here = held.is_none() && entered.is_acquired_here(&self.receiving);
        let (sending, halves) = entered.parts();
        if held.is_none() && (is_here || !halves.calls.are_led()) {
            return None;
        }
        // Without the option `idempotent`, the request is sent at most once.
        let until = Until::Wait;
        let draft = Draft { kind: Kind::Request, until, is_filed: held.is_none(), ..Draft::data(content) };
        let put = sending.send_step(&draft, halves, &self.conn.event_log);
        let (is_filed, generation) = (held.is_none(), sending.generation);
        if is_filed && matches!(put, Put::Blocked) {
            return None;
        }
        halves.calls.enter();
        calling = Calling(&self.conn.links.session_state);
        // After a partly sent message, the call must look again for pending frames.
        let waits = matches!(put, Put::Sent(_)) && !halves.has_to_say(AckTrigger::Pause);
        let begun = put.leave(entered).map(|number| SentRequest { number, generation, is_filed });
        match held {
            Some(receiving) => {
                let is_same = receiving.generation == generation;
                let first = if waits && is_same { First::Wait } else { First::Look };
                Some((Leader::Here(Leading { receiving, calling, came: None, first }), begun))
            }
            None => Some((Leader::Other(calling), begun)),
        }
    }

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
        let put = sending.send_step(&draft, halves, &self.conn.event_log);
        let generation = sending.generation;
        put.leave(entered).map(|number| SentRequest { number, generation, is_filed: true })
    }

    /// Takes the arrived reply for a call in two steps, or returns the receiving direction for the wait.
    ///
    /// None if the answer may be kept already, or if another thread uses the direction.
    pub(super) fn finish_step(
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
        let is_its_link = receiving.generation == pending.generation;
        let mut answer = Answer { channel: self, pending, calling: None, reply: &mut WholeReply };
        let event_log = &self.conn.event_log;
        let step = if is_its_link {
            answer.take_step(&mut Locked { receiving, halves, event_log })
        } else {
            Step::Nothing
        };
        let came = match step {
            Step::Done(taken) => {
                drop(entered);
                return Ok(taken.done().unwrap_or_else(|taken| self.finish(taken)).message());
            }
            Step::Other(taken) => Some(taken),
            Step::Nothing => None,
        };
        halves.calls.enter();
        let waits = is_its_link && came.is_none() && !halves.has_to_say(AckTrigger::Pause);
        let first = if waits { First::Wait } else { First::Look };
        let (receiving, calling) = (entered.hold(), Calling(&self.conn.links.session_state));
        Err(Some(Leading { receiving, calling, came, first }))
    }
}

pub(super) struct Answer<'a, R> {
    pub channel: &'a Channel,
    pub pending: SentRequest,
    pub calling: Option<Calling<'a>>,
    pub reply: &'a mut R,
}

impl<R: ReplyPlace> Answer<'_, R> {
    #[inline]
    fn take_step(&mut self, at: &mut Locked<'_>) -> Step<Came<R::Output>> {
        let number = self.pending.number;
        let reply = &mut *self.reply;
        let taken = at.receiving.take_reply(
            number,
            |length| {
                // The memory is borrowed for as long as the place.
                let reply = reply;
                reply.memory(length)
            },
            at.halves,
            at.event_log,
        );
        let step = match taken {
            Some(reply) => Step::Done(reply.map(Came::Read)),
            None => match at.receiving.take_for_caller(number, at.halves, at.event_log) {
                Step::Done(taken) => Step::Done(taken.map(Came::Message)),
                Step::Other(taken) => Step::Other(taken),
                Step::Nothing => Step::Nothing,
            },
        };
        if let Step::Done(_) = step {
            if R::COPIES {
                at.receiving.view_bodies(Copied::Nothing);
            }
            at.halves.outbox.answered(number);
            if self.pending.is_filed {
                at.halves.calls.end(number);
            }
            if let Some(calling) = self.calling.take() {
                at.halves.calls.leave();
                std::mem::forget(calling);
            }
        }
        step
    }
}

impl<R: ReplyPlace> Place for Answer<'_, R> {
    type Output = Came<R::Output>;

    #[inline]
    fn take(&mut self, at: &mut Locked<'_>, _: &Reads) -> Step<Came<R::Output>> {
        self.take_step(at)
    }

    fn turn(&mut self, receiving: &mut Receiving, turn: Turn) -> Result<Option<Came<R::Output>>> {
        let SentRequest { number, generation, .. } = self.pending;
        let session_state = &self.channel.conn.links.session_state;
        match turn {
            Turn::Look if receiving.is_behind(generation) => {
                let outcome =
                    session_state.halves().outcome(number, generation, |link| receiving.is_behind(link));
                if outcome == Outcome::Unknown {
                    return Err(answer_lost());
                }
            }
            Turn::Message(message) if message.header().kind.is_answer() => {
                return Ok(Some(Came::Message(message)));
            }
            Turn::Message(message) => receiving.inbox.push_back(message),
            Turn::Look | Turn::Bye | Turn::Ack => {}
        }
        Ok(None)
    }
}

impl Channel {
    pub(super) fn without_answer(&self, pending: SentRequest, receiving: &Receiving) -> Error {
        let SentRequest { number, generation, .. } = pending;
        let mut halves = self.conn.links.session_state.halves();
        let outcome = halves.outcome(number, generation, |link| receiving.is_behind(link));
        if outcome != Outcome::Kept || !halves.outbox.keeps_once(number) {
            return answer_lost();
        }
        // A later link does not get the request.
        halves.outbox.finish_request(number);
        Error::new(ErrorKind::Disconnected, NOT_TAKEN)
    }
}

const NOT_TAKEN: &str = "the peer disconnected before it took the request, which was not carried out, and no other one connected within the time given; try again, or see why it ended";

pub(super) fn answer_lost() -> Error {
    let text = "the peer disconnected before it answered; whether the request was carried out is unknown";
    Error::new(ErrorKind::Disconnected, text).with_retryable(false)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Options;
    use crate::codec::Encoding;
    use crate::deadline::Wait;
    use crate::sys::seat::counted;
    use crate::value::{Limits, Value};

    const SOON: Duration = Duration::from_secs(60);

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
        let mut at_once = 0;
        for _ in 0..200 {
            let (to_begin, begun) = counted(|| client.begin_call((&short).into()));
            let Some((Leader::Here(leading), Ok(pending))) = begun else { continue };
            let request = peer.recv(SOON).unwrap();
            peer.reply_payload(&request, &short, SOON).unwrap();
            let mut waiting = client.options.start(SOON);
            let (to_end, _) =
                counted(|| client.await_answer(pending, leading, &mut WholeReply, &mut waiting).unwrap());
            assert!(to_begin <= 1, "{to_begin} to begin");
            at_once += u32::from(to_end <= 1);
        }
        // The first call connects, and few replies lie at the end of a lap of the ring.
        assert!(at_once > 190, "{at_once}");
    }

    /// During a leading call, other threads cannot receive, and their calls follow.
    ///
    /// Their requests are sent at once, and are answered before the first call or time out. The leading thread itself
    /// can neither call nor close.
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
        let Some((Leader::Here(leading), Ok(pending))) = client.begin_call((&short).into()) else {
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
            client.await_answer(pending, leading, &mut WholeReply, &mut client.options.start(SOON)).unwrap();
            follows.into_iter().for_each(|follows| drop(follows.join().unwrap()));
        });
        assert!(!client.conn.links.session_state.halves().calls.are_led());
        client.close(SOON).unwrap();
    }
}
