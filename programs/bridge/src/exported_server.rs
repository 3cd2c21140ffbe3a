//! Calls a server of this machine for programs of other machines. A request that is late is not given to the
//! server.
//!
//! There are two kinds of calls. A request has a deadline and gets the server's answer; at its deadline it is
//! withdrawn and answered with `Timeout`. A message has no deadline and an empty answer; the other bridge
//! sends it again if it got none, so the outcomes of the last messages are kept, and the server gets each
//! message once.

use std::any::Any;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use linkspan::service::server_side::since_boot;
use linkspan::{
    Channel, Encoding, Error, ErrorKind, EventKind, Payload, PendingReply, RemoteFailure, Wait, in_seconds,
};

use crate::clocks::after;
use crate::engine::{self, Body, Call, MessageId, RequestId, Respond};

/// How a message of another machine ended.
type Outcome = Result<(), RemoteFailure>;

/// The number of messages whose outcome is kept, in case they are sent again.
const HANDLED: usize = 4096;
/// A wait that ends at once and withdraws the request; a wait of zero would only check for an answer.
const GIVE_UP: Duration = Duration::from_nanos(1);

/// A server of this machine, and the calls that it has not answered.
pub struct ExportedServer {
    channel: Channel,
    pending: Vec<Pending>,
    /// Messages that were handled, each with its outcome.
    handled: VecDeque<(MessageId, Outcome)>,
    /// Withdraws the name when it is dropped.
    _exported: Box<dyn Any>,
}

/// A call that the server has not answered yet.
struct Pending {
    /// The call on the channel.
    pending_reply: PendingReply,
    /// Answers the other machine.
    respond: Respond,
    /// Its deadline; a message has none.
    until: Option<Instant>,
    /// Identifies a message; `None` for a request.
    message: Option<MessageId>,
    /// Identifies a request that its caller may withdraw.
    request: Option<RequestId>,
}

/// The outcome of sending a call to the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// The server has it or had it, or it was answered with an error that concerns the call alone.
    Sent,
    /// It arrived after its deadline, and was refused.
    Late,
    /// The server may have ended.
    Ended,
}

impl ExportedServer {
    /// Creates a server that is called over this channel and exported until `exported` is dropped.
    pub fn new(channel: Channel, exported: Box<dyn Any>) -> ExportedServer {
        ExportedServer { channel, pending: Vec::new(), handled: VecDeque::new(), _exported: exported }
    }

    /// Returns the earliest deadline of a pending request.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.iter().filter_map(|pending| pending.until).min()
    }

    /// Sends a call to the server for a program of another machine. `machine` is the name of this machine, by
    /// whose clock the call may have a deadline; `timeout` is the longest time that it may take in any case.
    /// `respond` is called now or later.
    pub fn call(&mut self, call: Call, machine: &str, timeout: Duration, mut respond: Respond) -> Called {
        if let Some(id) = call.message {
            if let Some((_, outcome)) = self.handled.iter().find(|(handled, _)| *handled == id) {
                respond(outcome.clone().map(|()| nothing()));
                return Called::Sent;
            }
            if let Some(pending) = self.pending.iter_mut().find(|pending| pending.message == Some(id)) {
                // It was sent again because the answer took long. The newest request gets the answer.
                std::mem::swap(&mut pending.respond, &mut respond);
                return Called::Sent;
            }
        }
        let mut left = timeout;
        if let Some(until) = call.until.get(machine) {
            let clock = since_boot();
            // Its caller has given up, so the server must not begin with it.
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
                // Checking for an answer once arms the descriptor.
                if self.answer() { Called::Ended } else { Called::Sent }
            }
            Err(error) => {
                respond(Err(failure(&error)));
                // An error that the server has too many requests does not mean that it may have ended.
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
            // Without a pending request only the end of the connection arrives, or an answer that is too
            // late.
            let _ = self.channel.poll();
        }
        self.channel.events().iter().any(|event| event.kind == EventKind::Disconnected)
    }

    /// Answers the requests whose deadline has passed, and withdraws them, so that the server does not begin
    /// with them. Returns how many it had not answered by then.
    pub fn expire(&mut self, now: Instant) -> u64 {
        let mut expired: u64 = 0;
        let is_over = |pending: &mut Pending| pending.until.is_some_and(|until| until <= now);
        for late in self.pending.extract_if(.., is_over).collect::<Vec<_>>() {
            expired =
                expired.saturating_add(u64::from(self.give_up(late, "the server gave no answer in time")));
        }
        expired
    }

    /// Withdraws a request whose caller waits no longer. Returns whether it had no answer; `None` if there is
    /// no such request.
    pub fn withdraw(&mut self, request: RequestId) -> Option<bool> {
        let at = self.pending.iter().position(|pending| pending.request == Some(request))?;
        let pending = self.pending.remove(at);
        Some(self.give_up(pending, "its caller has withdrawn the request"))
    }

    /// Answers a request with what the server has answered by now, or withdraws it and answers with `Timeout`
    /// and this text. Returns whether there was no answer.
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

    /// Answers a call, and keeps the outcome if it is a message that was handled.
    fn finish(&mut self, pending: Pending, reply: engine::Reply) {
        let Some(id) = pending.message else { return (pending.respond)(reply) };
        let outcome = reply.map(drop);
        // A message that was not handled may go to the server's next incarnation, so its outcome is not kept.
        if !outcome.as_ref().is_err_and(|failure| failure.code == engine::UNHANDLED) {
            if self.handled.len() >= HANDLED {
                self.handled.pop_front();
            }
            self.handled.push_back((id, outcome.clone()));
        }
        (pending.respond)(outcome.map(|()| nothing()));
    }
}

/// Returns the empty answer to a message.
fn nothing() -> Body {
    Body { encoding: Encoding::Raw, bytes: bytes::Bytes::new() }
}

/// Returns an error in the form in which the caller on the other machine receives it: the failure of the
/// handler unchanged, any other error with its kind and text.
pub fn failure(error: &Error) -> RemoteFailure {
    error.remote_failure().cloned().unwrap_or_else(|| engine::failure(error.kind().name(), error.text()))
}
