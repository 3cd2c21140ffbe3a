//! A short request and its reply over shared memory: each is read or written in place. The reply is written under the lock
//! of the client's session.
//!
//! Where every message of the client was answered, which is the rule, the next request is read without that lock, *ahead* of
//! the session's record of it: the serving thread notes its number in a word of its own, and whichever thread locks the
//! session next, which is nearly always the one that replies, makes the record (`SessionState::halves`).
//!
//! As for messages of a channel, for any obstacle nothing has changed, and the general way (`clients/serving`,
//! `client_tx`) determines it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::client::Client;
use super::client_tx::{ClientTx, TxState};
use crate::channel::session::SessionHello;
use crate::channel::session::inbox::Fate;
use crate::channel::session_state::{Negotiated, urgency};
use crate::channel::{Acknowledge, Options};
use crate::frame::{Header, Kind, flags};
use crate::message::{Message, Payload, Rewritten};
use crate::sys::clock;
use crate::value::Limits;

impl Client {
    /// Returns the plain request that lies ready in the ring, *ahead* of the session's record, where nothing else of this
    /// client is due and the message that this thread dropped last has its length. None for all else; then nothing has
    /// changed but the room of earlier messages, which is free. The caller looks whether there is more.
    #[inline(always)]
    pub fn take_plain(&mut self, limits: &Limits) -> Option<Message> {
        let negotiated = self.negotiated.as_ref()?;
        let session_state = &negotiated.session_state;
        if self.bye_received
            || !self.is_answered(session_state)
            || !self.read_ahead.is_unused()
            || self.peer.source.is_empty()
        {
            return None;
        }
        let half = self.rx.in_place()?;
        half.consumed();
        let plain = half.peek_plain(Kind::Request)?;
        let number = half.next_sequence();
        if self.last.checked_add(1) != Some(number) {
            return None;
        }
        let mut place = Rewritten::take(plain.length())?;
        let sent = half.take_plain(&plain, place.body());
        let what = (number, plain.encoding(), sent);
        let session = negotiated.hello.session;
        let message = place.finish((Kind::Request, 0), what, &self.peer.source, limits, session);
        self.last = number;
        session_state.ahead.store(number, Ordering::Release);
        Some(message)
    }

    /// Returns the short request or data message that lies ready in the ring and carries no acknowledgement, and how many
    /// messages before it are missing. It is recorded as delivered, or will be before anything else is.
    #[inline]
    pub fn take_in_place(&mut self, options: &Options) -> Option<(Message, u64)> {
        let Negotiated { hello: SessionHello { session, .. }, session_state, .. } =
            self.negotiated.as_ref().filter(|_| self.read_ahead.is_empty())?;
        let is_answered = self.is_answered(session_state);
        let half = self.rx.in_place()?;
        let small = half.peek_small()?;
        let is_plain = matches!(small.kind, Kind::Request | Kind::Data) && small.correlation == 0;
        if !is_plain || self.peer.source.is_empty() {
            return None;
        }
        let (header, number, bytes) = (small.header(), small.sequence, small.length());
        // One that is carried out at most once is not kept by its client, and needs no acknowledgement.
        let is_once = small.kind == Kind::Request && header.flags == 0 && options.ack == Acknowledge::Auto;
        if is_once && self.last.checked_add(1) == Some(number) && is_answered {
            let fill = |body: &mut [u8]| half.take_small(&small, body);
            let message = Message::filled(header, &self.peer.source, &options.limits(), *session, fill);
            self.last = number;
            session_state.ahead.store(number, Ordering::Release);
            return Some((message, 0));
        }
        let mut halves = session_state.halves();
        if halves.has_violation() || !halves.inbox.is_new(number) {
            return None;
        }
        let session = halves.inbox.session();
        let fill = |body: &mut [u8]| half.take_small(&small, body);
        let message = Message::filled(header, &self.peer.source, &options.limits(), session, fill);
        let received = (number, bytes, urgency(header.kind, header.flags));
        let (_, missed) = halves.received(received, Fate::Delivered, None, || ());
        self.last = number;
        Some((message, missed))
    }
}

impl ClientTx {
    /// Writes the reply to a request that is carried out at most once into the ring, and records that the request is
    /// answered, which `answered` is set for. Returns false, with nothing sent, where that is not possible at once.
    #[inline]
    pub fn reply_in_place(&self, answered: &AtomicBool, message: &Message, payload: &Payload) -> bool {
        let Some(negotiated) = &self.negotiated else { return false };
        let Some(body) = payload.memory().block() else { return false };
        let Header { flags, sequence: request, .. } = *message.header();
        if flags & flags::IDEMPOTENT != 0 {
            return false;
        }
        let Some(mut entered) = self.state.enter() else { return false };
        let (state, halves) = entered.parts();
        let TxState { tx: Some(tx), partial: None, backlog, .. } = state else { return false };
        let Some(half) = tx.in_place().filter(|half| half.takes_at_once(body.len())) else { return false };
        if answered.load(Ordering::Relaxed) || !backlog.is_empty() {
            return false;
        }
        let Ok(ticket) = halves.admit(&self.terms(), Kind::Reply, 0, body.len()) else { return false };
        let sent = clock::now();
        // Before the reply, whose fence publishes the consumed number, too. If the reply is not sent here, the general way
        // sends it next.
        let session_state = &negotiated.session_state;
        session_state.request_answered(halves, message.session(), request);
        if !half.try_send_plain(Kind::Reply, ticket.number, request, sent, payload.encoding(), body) {
            halves.publish_again();
            return false;
        }
        answered.store(true, Ordering::Relaxed);
        // A reply to such a request is never kept.
        halves.sent(&ticket);
        session_state.note_answered(halves);
        self.count_answer();
        self.count_sent();
        drop(entered);
        self.wake_if_half_closed();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::request::{Request, Server};
    use crate::sys::claim::counted;
    use crate::{Channel, Encoding, ErrorKind, Limits, RemoteFailure, Value};

    const SOON: Duration = Duration::from_secs(60);

    fn payload(value: &Value) -> Payload {
        Payload::new(value, Encoding::Cbor, &Limits::default()).unwrap()
    }

    fn joined(name: &str) -> (Server, Channel) {
        let endpoint = format!("shm:{name}-{}", std::process::id());
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        (server, Channel::connect(&endpoint, &Options::default(), SOON).unwrap())
    }

    fn next(server: &Server) -> Request {
        server.next(Duration::from_secs(60)).unwrap().expect("the server is open")
    }

    #[test]
    fn short_request_and_reply_take_one_lock_each() {
        let (server, client) = joined("request-locks");
        let short = payload(&Value::from("some bytes"));
        for round in 0..200 {
            let (to_send, pending) = counted(|| client.start_call(&short, SOON).unwrap());
            let (to_receive, request) = counted(|| next(&server));
            let (to_reply, replied) = counted(|| request.reply_payload(&short));
            replied.unwrap();
            let (to_drop, ()) = counted(|| drop(request));
            let (to_finish, reply) = counted(|| client.finish_call(pending, SOON).unwrap());
            assert_eq!(reply.value().unwrap(), &Value::from("some bytes"));
            // The first round connects, and the server's first records may have to wait for it.
            if round > 1 {
                assert_eq!((to_send, to_receive, to_reply, to_finish), (1, 1, 1, 1), "round {round}");
                // The reference to the client goes home, from whichever thread has the request.
                assert_eq!(to_drop, 1, "round {round}");
            }
        }
    }

    /// A failure takes the general way.
    #[test]
    fn request_has_one_answer_in_place_or_not() {
        let (server, client) = joined("request-replies");
        let short = payload(&Value::from("x"));
        let failure =
            RemoteFailure { code: 1, kind: "test".into(), text: "a failure".into(), data: Vec::new() };
        for (fails_first, fails_then) in [(false, true), (true, false), (false, false)] {
            let pending = client.start_call(&short, SOON).unwrap();
            let request = next(&server);
            let answer = |fails| if fails { request.fail(&failure) } else { request.reply_payload(&short) };
            answer(fails_first).unwrap();
            assert_eq!(answer(fails_then).unwrap_err().kind(), ErrorKind::InvalidState);
            drop(request);
            let failed = client.finish_call(pending, SOON).err().map(|error| error.kind());
            assert_eq!(failed, fails_first.then_some(ErrorKind::Remote));
        }
        let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
        for (name, count) in [("received", 3_u64), ("sent", 3), ("dropped", 0)] {
            assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
        }
    }

    /// Several threads try to answer each request: one of them succeeds.
    #[test]
    fn threads_that_answer_one_request_give_one_answer() {
        let (server, client) = joined("request-threads");
        let short = payload(&Value::from("x"));
        for _ in 0..200 {
            let pending = client.start_call(&short, SOON).unwrap();
            let request = next(&server);
            let answered: usize = std::thread::scope(|scope| {
                let answer = || usize::from(request.reply_payload(&short).is_ok());
                let threads = [scope.spawn(answer), scope.spawn(answer), scope.spawn(answer)];
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(answered, 1);
            drop(request);
            client.finish_call(pending, SOON).unwrap();
        }
        // A second answer would be dropped here, and counted.
        assert_eq!(client.poll().unwrap_err().kind(), ErrorKind::InvalidState);
        let Value::Map(stats) = client.stats() else { panic!("the counters are a map") };
        assert_eq!(stats.get("dropped"), Some(&Value::from(0_u64)));
    }

    /// Requests of one client that are answered in any order, late, by another thread or never.
    #[test]
    fn requests_received_ahead_are_recorded_once_in_order() {
        let (server, client) = joined("request-ahead");
        let short = payload(&Value::from("x"));
        let call = || client.start_call(&short, SOON).unwrap();
        let finish = |pending| client.finish_call(pending, SOON).map(drop).map_err(|error| error.kind());
        for round in 0..50 {
            // Ahead of the record, then behind an unanswered one, which takes the lock.
            let pending = [call(), call(), call()];
            let requests = [next(&server), next(&server), next(&server)];
            let sequences = requests.each_ref().map(|request| request.sequence());
            assert!(sequences[0] < sequences[1] && sequences[1] < sequences[2], "{sequences:?}");
            let [first, second, third] = requests;
            match round % 4 {
                0 => [&third, &first, &second].map(|request| request.reply_payload(&short).unwrap()),
                1 => [&second, &third, &first].map(|request| {
                    std::thread::scope(|s| s.spawn(|| request.reply_payload(&short).unwrap()).join().unwrap())
                }),
                _ => [&first, &second, &third].map(|request| request.reply_payload(&short).unwrap()),
            };
            drop((second, first, third));
            // Replies that come in another order than the requests: each caller drops those of others, so the newest is
            // awaited.
            let newest = match round % 4 {
                0 => 1,
                1 => 0,
                _ => 2,
            };
            assert_eq!(finish(pending[newest]), Ok(()), "round {round}");
            let pending = call();
            drop(next(&server));
            assert_eq!(finish(pending), Err(ErrorKind::Remote), "an unanswered request has failed");
        }
        let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
        for (name, count) in [("received", 200_u64), ("sent", 200), ("dropped", 0), ("missed", 0)] {
            assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
        }
        client.close(SOON).unwrap();
        // What was sent counts after the client has gone, too.
        let gone = server.next(Duration::from_millis(50)).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Timeout);
        let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
        assert_eq!(stats.get("sent"), Some(&Value::from(200_u64)));
    }

    /// Requests may outlive their client and their server.
    #[test]
    fn request_outlives_client_and_server() {
        let (server, client) = joined("request-outlives");
        let short = payload(&Value::from("x"));
        client.start_call(&short, SOON).unwrap();
        client.start_call(&short, SOON).unwrap();
        let (lent, counted) = (next(&server), next(&server));
        drop(client);
        drop(server);
        // Dropped and counted, which is no error.
        lent.reply_payload(&short).unwrap();
        assert_eq!(lent.reply_payload(&short).unwrap_err().kind(), ErrorKind::InvalidState);
        drop(lent);
        std::thread::spawn(|| drop(counted)).join().unwrap();
    }
}
