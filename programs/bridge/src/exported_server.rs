//! Calls a local server for programs of other machines, but not after the request's deadline.
//!
//! A request has a deadline and gets the server's answer; at the deadline it is withdrawn and answered with
//! `Timeout`. A message has no deadline and an empty answer. The other bridge repeats an unanswered message, so
//! recent outcomes are kept and the server gets each message once.

use std::any::Any;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkspan::service::server_side::since_boot;
use linkspan::{
    Channel, Encoding, Error, ErrorKind, EventKind, Payload, PendingReply, RemoteFailure, Wait, in_seconds,
};

use crate::clocks::after;
use crate::engine::{self, Body, Call, MessageId, RequestId, Respond};

type Outcome = Result<(), RemoteFailure>;

const HANDLED: usize = 4096;
/// A wait that ends at once and withdraws the request. A zero wait would only check for an answer.
const GIVE_UP: Duration = Duration::from_nanos(1);

pub struct ExportedServer {
    channel: Channel,
    pending: Vec<Pending>,
    handled: VecDeque<(MessageId, Outcome)>,
    _exported: Box<dyn Any>,
}

struct Pending {
    pending_reply: PendingReply,
    respond: Respond,
    until: Option<Instant>,
    message: Option<MessageId>,
    /// Identifies a request that its caller may withdraw.
    request: Option<RequestId>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// The server has or had it, or the call returned an error that concerns only this call.
    Sent,
    Late,
    Ended,
}

impl ExportedServer {
    pub fn new(channel: Channel, exported: Box<dyn Any>) -> ExportedServer {
        ExportedServer { channel, pending: Vec::new(), handled: VecDeque::new(), _exported: exported }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.pending.iter().filter_map(|pending| pending.until).min()
    }

    /// Sends a call to the server for a remote program; `respond` is called now or later.
    ///
    /// `machine` is this machine's name, whose clock the deadline refers to. `timeout` is the longest time in any
    /// case.
    pub fn call(&mut self, call: Call, machine: &str, timeout: Duration, mut respond: Respond) -> Called {
        if let Some(id) = call.message {
            if let Some((_, outcome)) = self.handled.iter().find(|(handled, _)| *handled == id) {
                respond(outcome.clone().map(|()| nothing()));
                return Called::Sent;
            }
            if let Some(pending) = self.pending.iter_mut().find(|pending| pending.message == Some(id)) {
                // A repetition: the newest request gets the answer.
                std::mem::swap(&mut pending.respond, &mut respond);
                return Called::Sent;
            }
        }
        let mut left = timeout;
        if let Some(until) = call.until.get(machine) {
            let clock = since_boot();
            // Its caller has given up, so the server must not start it.
            if *until <= clock {
                let late = in_seconds(clock.saturating_sub(*until));
                let text =
                    format!("the request arrived {late} after its time was over, and was not carried out");
                respond(Err(failure(&Error::new(ErrorKind::Timeout, text))));
                return Called::Late;
            }
            left = left.min(until.saturating_sub(clock));
        }
        let payload = Payload::from_bytes(call.body.encoding, call.body.bytes);
        match self.channel.start_call(&payload, Wait::none()) {
            Ok(pending_reply) => {
                let until = call.message.is_none().then(|| after(Instant::now(), left));
                let Call { message, request, .. } = call;
                self.pending.push(Pending { pending_reply, respond, until, message, request });
                // Checking for an answer arms the descriptor.
                if self.answer() { Called::Ended } else { Called::Sent }
            }
            Err(error) => {
                respond(Err(failure(&error)));
                // A server with too many requests has not ended.
                match error.kind() {
                    ErrorKind::Disconnected | ErrorKind::NotFound => Called::Ended,
                    _ => Called::Sent,
                }
            }
        }
    }

    /// Forwards arrived answers. Returns whether the server may have ended.
    pub fn answer(&mut self) -> bool {
        for one in std::mem::take(&mut self.pending) {
            match self.channel.finish_call(&one.pending_reply, Wait::none()) {
                Ok(message) => {
                    let body = Body { encoding: message.encoding(), bytes: message.body().clone() };
                    self.finish(one, Ok(body));
                }
                Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::NotFound) => {
                    self.pending.push(one);
                }
                Err(e) => self.finish(one, Err(failure(&e))),
            }
        }
        if self.pending.is_empty() {
            // Reads the end of the connection, or an answer that came too late.
            let _ = self.channel.poll();
        }
        self.channel.events().iter().any(|event| event.kind == EventKind::Disconnected)
    }

    pub fn expire(&mut self, now: Instant) -> u64 {
        let mut expired: u64 = 0;
        let is_over = |pending: &mut Pending| pending.until.is_some_and(|until| until <= now);
        for late in self.pending.extract_if(.., is_over).collect::<Vec<_>>() {
            expired =
                expired.saturating_add(u64::from(self.give_up(late, "the server gave no answer in time")));
        }
        expired
    }

    /// Withdraws a request whose caller has stopped waiting.
    ///
    /// Returns whether it was unanswered; `None` for an unknown request.
    pub fn withdraw(&mut self, request: RequestId) -> Option<bool> {
        let at = self.pending.iter().position(|pending| pending.request == Some(request))?;
        let pending = self.pending.remove(at);
        Some(self.give_up(pending, "its caller has withdrawn the request"))
    }

    /// Answers a request with the server's answer, or withdraws it and answers `Timeout` with this text.
    ///
    /// Returns true if the server did not answer.
    fn give_up(&mut self, pending: Pending, text: &str) -> bool {
        let (reply, had_no_answer) = match self.channel.finish_call(&pending.pending_reply, GIVE_UP) {
            Ok(message) => (Ok(Body { encoding: message.encoding(), bytes: message.body().clone() }), false),
            Err(e) if e.kind() == ErrorKind::Timeout => {
                (Err(failure(&Error::new(ErrorKind::Timeout, text))), true)
            }
            Err(e) => (Err(failure(&e)), false),
        };
        self.finish(pending, reply);
        had_no_answer
    }

    fn finish(&mut self, pending: Pending, reply: engine::Reply) {
        let Some(id) = pending.message else { return (pending.respond)(reply) };
        let outcome = reply.map(drop);
        // An unhandled message may go to the server's next incarnation, so its outcome is not kept.
        if !outcome.as_ref().is_err_and(|failure| failure.code == engine::UNHANDLED) {
            if self.handled.len() >= HANDLED {
                self.handled.pop_front();
            }
            self.handled.push_back((id, outcome.clone()));
        }
        (pending.respond)(outcome.map(|()| nothing()));
    }
}

fn nothing() -> Body {
    Body { encoding: Encoding::Raw, bytes: bytes::Bytes::new() }
}

/// Returns an error for the remote caller: a handler's failure unchanged, others with kind and text.
pub fn failure(error: &Error) -> RemoteFailure {
    error.remote_failure().cloned().unwrap_or_else(|| engine::failure(error.kind().name(), error.text()))
}
