//! A server of this machine that others have: it is called for them. A request that is late is not given to it.

use std::any::Any;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkspan::service::server_side::since_boot;
use linkspan::{Channel, Encoding, Error, ErrorKind, EventKind, Payload, PendingReply, RemoteFailure, Wait};

use crate::engine::{self, Body, Call, MessageId, Respond};

/// How a message of another machine ended.
type Outcome = Result<(), RemoteFailure>;

/// Messages whose outcome is kept for repetitions of them.
const HANDLED: usize = 4096;
/// Gives a request up: a wait that is over at once, and not only a look.
const GIVE_UP: Duration = Duration::from_nanos(1);

/// A server of this machine, and what was asked of it.
pub struct ExportedServer {
    channel: Channel,
    pending: Vec<Pending>,
    /// Messages that were handled, each with its outcome.
    handled: VecDeque<(MessageId, Outcome)>,
    _exported: Box<dyn Any>,
}

/// A request that the server has not answered yet.
struct Pending {
    asked: PendingReply,
    respond: Respond,
    /// When its time is over; a message has no deadline.
    until: Option<Instant>,
    message: Option<MessageId>,
}

/// What became of a request of another machine.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// The server has it, or has had it.
    Sent,
    /// It arrived after its deadline, and was refused.
    Late,
    /// The server may have ended.
    Ended,
}

impl ExportedServer {
    /// Calls the server over this channel for others, until `exported` is dropped.
    pub fn new(channel: Channel, exported: Box<dyn Any>) -> ExportedServer {
        ExportedServer { channel, pending: Vec::new(), handled: VecDeque::new(), _exported: exported }
    }

    /// Returns when the first request has waited too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.iter().filter_map(|pending| pending.until).min()
    }

    /// Calls the server for the program of another machine, which waits for `timeout` at most.
    pub fn call(&mut self, call: Call, machine: &str, timeout: Duration, mut respond: Respond) -> Called {
        if let Some(id) = call.message {
            if let Some((_, outcome)) = self.handled.iter().find(|(handled, _)| *handled == id) {
                respond(outcome.clone().map(|()| nothing()));
                return Called::Sent;
            }
            if let Some(pending) = self.pending.iter_mut().find(|pending| pending.message == Some(id)) {
                // It was sent again because the answer took long: that goes to the newest question.
                std::mem::swap(&mut pending.respond, &mut respond);
                return Called::Sent;
            }
        }
        let mut left = timeout;
        if let Some(until) = call.until.get(machine) {
            let clock = since_boot();
            if *until <= clock {
                let late = (clock - *until).as_secs_f64();
                let text = format!(
                    "the request arrived {late:.3} s after its time was over, and was not carried out"
                );
                respond(Err(failure(&Error::new(ErrorKind::Timeout, text))));
                return Called::Late;
            }
            left = left.min(*until - clock);
        }
        let payload = Payload::from_bytes(call.body.encoding, call.body.bytes);
        match self.channel.start_call(&payload, Wait::none()) {
            Ok(asked) => {
                let until = call.message.is_none().then(|| Instant::now() + left);
                self.pending.push(Pending { asked, respond, until, message: call.message });
                // Looking once arms the descriptor.
                if self.answer() { Called::Ended } else { Called::Sent }
            }
            Err(error) => {
                respond(Err(failure(&error)));
                // Of a server that only has too much to do, nothing is to be looked at.
                match error.kind() {
                    ErrorKind::Disconnected | ErrorKind::NotFound => Called::Ended,
                    _ => Called::Sent,
                }
            }
        }
    }

    /// Forwards the answers that have arrived. Returns whether the server may have ended.
    pub fn answer(&mut self) -> bool {
        for one in std::mem::take(&mut self.pending) {
            match self.channel.finish_call(one.asked, Wait::none()) {
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
            // Without a request what comes is the end of the connection, or an answer that came too late.
            let _ = self.channel.poll();
        }
        self.channel.events().iter().any(|event| event.kind == EventKind::Disconnected)
    }

    /// Answers the requests whose time is over, and withdraws them: the server does not begin with them any more. Returns how many it
    /// had not answered by then.
    pub fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        let is_over = |pending: &mut Pending| pending.until.is_some_and(|until| until <= now);
        for late in self.pending.extract_if(.., is_over).collect::<Vec<_>>() {
            let reply = match self.channel.finish_call(late.asked, GIVE_UP) {
                Ok(message) => Ok(Body { encoding: message.encoding(), bytes: message.body().clone() }),
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    expired += 1;
                    let text = "the server gave no answer in time";
                    Err(failure(&Error::new(ErrorKind::Timeout, text)))
                }
                Err(e) => Err(failure(&e)),
            };
            self.finish(late, reply);
        }
        expired
    }

    fn finish(&mut self, pending: Pending, reply: engine::Reply) {
        let Some(id) = pending.message else { return (pending.respond)(reply) };
        let outcome = reply.map(drop);
        // What a server has not handled, its next incarnation may.
        if !outcome.as_ref().is_err_and(|failure| failure.code == engine::UNHANDLED) {
            if self.handled.len() >= HANDLED {
                self.handled.pop_front();
            }
            self.handled.push_back((id, outcome.clone()));
        }
        (pending.respond)(outcome.map(|()| nothing()));
    }
}

/// The answer to a message, which wants none.
fn nothing() -> Body {
    Body { encoding: Encoding::Raw, bytes: bytes::Bytes::new() }
}

/// An error in the form in which the caller on the other machine receives it.
pub fn failure(error: &Error) -> RemoteFailure {
    error.remote_failure().cloned().unwrap_or_else(|| engine::failure(error.kind().name(), error.text()))
}
