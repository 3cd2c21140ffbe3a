//! Requests and answers over a channel.

use super::Channel;
use crate::channel::receiving::{Receiving, Taken};
use crate::channel::sending::Draft;
use crate::channel::session::inbox::AckTrigger;
use crate::channel::session_state::class;
use crate::deadline::{Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload, failure};
use crate::value::Source;

/// A request whose answer is still to come.
#[derive(Clone, Copy, Debug)]
pub struct PendingReply {
    number: u64,
    generation: u64,
}

impl Channel {
    /// Sends a request and waits for its answer. `Remote` where the other side's handler failed; `Disconnected` where it
    /// went away before it answered, `Timeout` where no answer came in time: whether the request was carried out is then
    /// unknown, and the error is retryable only with the option `idempotent`. A `Timeout` before the request was sent is
    /// retryable. A request whose caller gave up is withdrawn: a server that has not taken it by then does not begin with it.
    ///
    /// Threads that call at once take turns; the time-out counts from the call on. `InvalidState` where another thread receives.
    pub fn call<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.call_payload(&self.encode(value)?, wait)
    }

    /// Calls with what is encoded already.
    pub fn call_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let mut waiting = self.start(wait);
        self.options.check_replies(&self.endpoint, "call")?;
        self.try_call(payload, &mut waiting).map_err(|e| e.on(&self.shown))
    }

    fn try_call(&self, payload: &Payload, waiting: &mut Waiting<'_>) -> Result<Message> {
        self.check()?;
        let _turn = self.calls.hold("calls", waiting)?;
        let mut receiving = self.receiving()?;
        let asked = self.put_request(payload, waiting)?;
        let found = self.find_answer(asked, &mut receiving, waiting);
        let found = found.map_err(|error| self.after_sending(error, waiting));
        self.settle(asked);
        if let Err(error) = &found {
            self.withdraw(asked, error);
        }
        found
    }

    /// The caller gives a request up, because of this error: the other side is told, and does not begin with it if it has
    /// not yet.
    fn withdraw(&self, asked: PendingReply, error: &Error) {
        if error.remote_failure().is_some() || error.kind() == ErrorKind::Disconnected {
            return;
        }
        let session_state = &self.reconnector.session_state;
        session_state.withdraw(asked.number);
        match self.sending.borrow() {
            Some(mut sending) => sending.send_withdrawals(session_state),
            // The thread that sends tells it when it lets go of the direction.
            None => session_state.leave_unsaid(AckTrigger::Sleeping),
        }
        self.ack_sender().flush_deferred();
    }

    /// Sends a request without waiting for its answer, which [`Channel::finish_call`] gives: a call in two steps, for event
    /// loops. Nothing else is to be received in between: an answer that [`Channel::recv`] meets is dropped.
    pub fn start_call<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<PendingReply> {
        let mut waiting = self.start(wait);
        self.options.check_replies(&self.endpoint, "call")?;
        let asked = self.receiving().and_then(|_only| self.put_request(payload, &mut waiting));
        asked.map_err(|e| e.on(&self.shown))
    }

    /// The answer to a request that [`Channel::start_call`] sent; with the same errors as [`Channel::call`]. With a time-out of zero it
    /// only looks, and `Timeout` or `NotFound` say that it has not come yet; a longer one that passes gives the request up.
    pub fn finish_call<'a>(&self, asked: PendingReply, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let mut waiting = self.start(wait);
        let found = self.receiving().and_then(|mut r| self.find_answer(asked, &mut r, &mut waiting));
        let only_looked = waiting.is_none();
        if let Err(error) = &found
            && !only_looked
        {
            self.withdraw(asked, error);
        }
        let found = found.map_err(|e| if only_looked { e } else { self.after_sending(e, &waiting) });
        found.map_err(|e| e.on(&self.shown))
    }

    fn put_request(&self, payload: &Payload, waiting: &mut Waiting<'_>) -> Result<PendingReply> {
        let flags = if self.options.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind: Kind::Request, correlation: 0, flags, to: 0, payload };
        let mut sending = self.sending_in_turn(waiting)?;
        if let Some(number) = sending.send_at_once(&draft, &self.reconnector, &self.record) {
            let generation = sending.generation;
            drop(sending);
            self.ack_sender().flush_deferred();
            return Ok(PendingReply { number, generation });
        }
        let mut halves = self.reconnector.session_state.halves();
        let room = halves.has_room(class(draft.kind, flags), payload.body().len());
        let lie = halves.violation();
        drop(halves);
        if let Some(error) = lie {
            sending.condemn(&error);
            return Err(error);
        }
        if !room {
            let text =
                "too many requests without an answer are kept to be sent again (replay_count, replay_bytes)";
            return Err(Error::new(ErrorKind::Full, text));
        }
        let sent = sending.send(&draft, &self.reconnector, &self.record, &|| {}, waiting);
        let generation = sending.generation;
        drop(sending);
        self.ack_sender().flush_deferred();
        Ok(PendingReply { number: sent?, generation })
    }

    fn find_answer(
        &self,
        asked: PendingReply,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let found = self.look_for_answer(asked, receiving, waiting);
        use ErrorKind::{NotFound, Stalled, Timeout};
        let not_yet = matches!(&found, Err(e) if matches!(e.kind(), Timeout | NotFound | Stalled));
        if !(not_yet && waiting.is_none()) {
            self.settle(asked);
        }
        found
    }

    /// What an error means once the request has been sent: the other side may have carried it out, and may still.
    fn after_sending(&self, error: Error, waiting: &Waiting<'_>) -> Error {
        let error = match error.kind() {
            ErrorKind::Timeout => {
                let text = format!(
                    "no answer came within {}; the request was sent, and whether it was carried out is unknown",
                    waiting.described()
                );
                Error::new(ErrorKind::Timeout, text)
            }
            ErrorKind::Disconnected => error,
            _ => return error,
        };
        error.with_retryable(self.options.idempotent)
    }

    /// Answered, or given up: it is not sent to the next incarnation.
    fn settle(&self, asked: PendingReply) {
        if self.options.idempotent {
            self.reconnector.session_state.halves().outbox.settled(asked.number);
        }
    }

    fn look_for_answer(
        &self,
        PendingReply { number, generation }: PendingReply,
        receiving: &mut Receiving,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let ack_sender = self.ack_sender();
        loop {
            // It was dropped with the nameless peer that it was meant for.
            if receiving.generation > generation
                && !self.reconnector.session_state.halves().outbox.keeps(number)
            {
                return Err(gone());
            }
            let taken = receiving.link_next(&ack_sender, waiting, self.options.idempotent);
            let message = match taken {
                Ok(Taken::Message(message)) => message,
                Ok(Taken::Bye) => {
                    ack_sender.send_ack(AckTrigger::Asked);
                    continue;
                }
                Ok(Taken::Ack) => continue,
                // The request went over a newer link than the one that was read to its end here.
                Err(e) if e.kind() == ErrorKind::Disconnected && receiving.generation < generation => {
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::Disconnected => return Err(gone()),
                Err(e) => return Err(e),
            };
            match message.header().kind {
                Kind::Reply | Kind::Error if message.header().correlation == number => {
                    self.reconnector.session_state.finished(message.session(), message.sequence());
                    return match message.header().kind {
                        Kind::Error => Err(failure::from_message(&message)),
                        _ => Ok(message),
                    };
                }
                Kind::Reply | Kind::Error => self.drop_answer(&message),
                _ => receiving.inbox.push_back(message),
            }
        }
    }

    /// Answers a request that [`Channel::recv`] gave.
    pub fn reply<'a, T: Source + ?Sized>(
        &self,
        request: &Message,
        value: &T,
        wait: impl Into<Wait<'a>>,
    ) -> Result<()> {
        self.options.check_replies(&self.endpoint, "reply")?;
        if !request.is_request() {
            let text = "this message wants no answer: it was sent, not called";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        let (options, limits) = (&self.options, self.options.limits());
        let payload = Payload::held_to(options.checks_replies_sent(), value, options.encoding(), &limits)
            .map_err(|e| e.on(&self.shown))?;
        let flags = request.header().flags & flags::IDEMPOTENT;
        let draft = Draft {
            kind: Kind::Reply,
            correlation: request.sequence(),
            flags,
            to: request.session(),
            payload: &payload,
        };
        self.put_flagged(&draft, &mut self.start(wait)).map_err(|e| e.on(&self.shown))?;
        self.reconnector.session_state.finished(request.session(), request.sequence());
        Ok(())
    }
}

fn gone() -> Error {
    let text = "the other side went away before it answered; whether the request was carried out is unknown";
    Error::new(ErrorKind::Disconnected, text)
}
