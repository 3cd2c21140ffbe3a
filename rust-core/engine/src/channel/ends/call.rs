//! Calls over a channel: sends a request and waits for its answer.
//!
//! Of the threads that call at the same time one leads: it holds the receiving direction until its answer has arrived.
//! It puts data and requests that it receives into the inbox, keeps answers to the requests of other calls for those
//! (`session_state/calls`), and drops and counts answers to calls that have ended. The other threads follow: they send
//! their requests, and wait until their answers are kept or until they can lead. A call that leads steps aside while a
//! callback of its program runs (`on_wait`).
//!
//! A request goes over the next link if the peer's page shows that no incarnation has taken it, or if the option
//! `idempotent` allows it. Otherwise it is unknown whether a peer that disconnects has carried it out, and the call
//! fails with `Disconnected`. A caller that gives up sends the peer a *withdrawal*: a peer that has not started on the
//! request then does not start on it.

use std::time::Duration;

use super::call_steps::{Answer, Calling, Leader, Leading, SentRequest, answer_lost};
use super::{Channel, PendingReply, is_not_ready};
use crate::channel::direction::{Lease, Operation, Permit, in_use};
use crate::channel::receiving::{First, Reads, Receiving, Turn, receive};
use crate::channel::sending::{Admitted, Draft, Until};
use crate::channel::session_state::SessionHalves;
use crate::channel::turns::reentrant_call;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload, failure};
use crate::sys::fork;
use crate::value::Source;

/// The most late answers that one call of [`Channel::poll`] drops.
const LATE_ANSWERS: usize = 64;

impl Channel {
    /// Sends a request and waits for its answer. The requests of several threads may be in flight at the same time.
    ///
    /// # Errors
    /// `Remote` if the peer's handler failed. `Disconnected` if the peer ended before it answered, and
    /// `Timeout` if no answer arrived in time: whether the request was carried out is then unknown, and the
    /// error is retryable only with the option `idempotent`. A `Timeout` before the request was sent is
    /// retryable, and so is `Disconnected` if it is known that no peer took the request. `InvalidState` if
    /// another thread receives.
    ///
    /// Over `shm:` a request that no peer has taken goes to the next incarnation, and the call waits for it.
    ///
    /// A request whose caller gives up is withdrawn: a server that has not received it by then does not start
    /// on it.
    pub fn call<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.call_payload(&self.encode(value)?, wait)
    }

    /// Calls with an encoded value: see [`Channel::call`].
    pub fn call_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.call_waiting(payload, &mut self.options.start(wait)).map_err(|e| e.on(&self.shown))
    }

    /// [`Channel::call`] for an encoded value, without the endpoint in its errors.
    fn call_waiting(&self, payload: &Payload, waiting: &mut Waiting<'_>) -> Result<Message> {
        let (leader, sent) = match self.begin_call(payload) {
            Some(begun) => begun,
            None => {
                self.options.check_replies(&self.endpoint, "call")?;
                (self.lead_or_follow()?, Err(None))
            }
        };
        let pending = match sent {
            Ok(pending) => pending,
            Err(admitted) => {
                let is_filed = matches!(leader, Leader::Other(_));
                self.send_request(admitted, payload, Until::Wait, is_filed, waiting)?
            }
        };
        let found = match leader {
            Leader::Here(leading) => self.await_answer(pending, leading, waiting),
            Leader::Other(calling) => {
                let found = self.follow(pending, calling, waiting);
                self.conn.links.session_state.halves().calls.end(pending.number);
                found
            }
        };
        let found = found.map_err(|error| self.after_sending(error, waiting));
        self.finish_request(pending, found.is_err());
        if let Err(error) = &found {
            if pending.is_filed {
                self.conn.links.session_state.halves().calls.end(pending.number);
            }
            self.withdraw_after(pending, error);
        }
        found
    }

    /// Takes the receiving direction for a call, or follows the call that holds it.
    ///
    /// # Errors
    /// `InvalidState` if a thread of the program receives, or if this thread holds the direction itself.
    fn lead_or_follow(&self) -> Result<Leader<'_>> {
        self.check_receives()?;
        let (permit, are_led) = self.receiving.try_acquire_with(|halves, is_free| {
            let are_led = halves.calls.are_led();
            if is_free || are_led {
                halves.calls.enter();
            }
            are_led
        });
        match permit {
            Some(permit) => {
                let calling = Calling(&self.conn.links.session_state);
                Ok(Leader::Here(Leading::new(self.lead(permit)?, calling)))
            }
            None if are_led => {
                let calling = Calling(&self.conn.links.session_state);
                self.check_reentrancy(Operation::Call).map(|()| Leader::Other(calling))
            }
            None => self.check_reentrancy(Operation::Receive).and(Err(in_use(Operation::Receive))),
        }
    }

    /// Fails in a callback or a signal handler of a call of this thread that holds the receiving direction.
    fn check_reentrancy(&self, operation: Operation) -> Result<()> {
        if self.receiving.is_acquired_here() { Err(reentrant_call(operation.verb())) } else { Ok(()) }
    }

    /// Takes the receiving direction with this permit, also from a step of the library that holds it.
    fn lead<'a>(&'a self, permit: Permit<'a, Receiving>) -> Result<Lease<'a, Receiving>> {
        let receiving = self.receiving.take_back(permit);
        self.check()?;
        Ok(receiving)
    }

    /// Fails unless this request was sent and is neither answered nor given up.
    ///
    /// # Errors
    /// `InvalidState`.
    fn check_under_way(&self, request: SentRequest) -> Result<()> {
        self.check_receives()?;
        if self.conn.links.session_state.halves().calls.is_open(request.number) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidState, NOT_UNDER_WAY))
    }

    /// Waits until the answer to this request is kept, or leads once the calls before this one have ended.
    fn follow(
        &self,
        pending: SentRequest,
        calling: Calling<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let number = pending.number;
        match drive::turn(&self.receiving, waiting, |halves| halves.calls.follow(number))? {
            Some(permit) => {
                let receiving = self.lead(permit)?;
                self.await_answer(pending, Leading::new(receiving, calling), waiting)
            }
            None => self.take_filed(number),
        }
    }

    /// Records the request of a call that leads, for another one that receives its answer. Returns whether it was not
    /// recorded.
    fn keep_answer_to(&self, number: u64) -> bool {
        let mut halves = self.conn.links.session_state.halves();
        let is_new = !halves.calls.is_open(number);
        if is_new && halves.calls.begin_late(number).is_some() {
            self.conn.event_log.count(&self.conn.event_log.dropped);
        }
        is_new
    }

    /// Returns the answer that another call has received. It is kept until this call ends.
    fn take_filed(&self, number: u64) -> Result<Message> {
        let answer = self.conn.links.session_state.halves().calls.take(number);
        answer.ok_or_else(answer_lost).and_then(read_answer)
    }

    /// Sends the peer a withdrawal of this request, which the caller gives up because of this error. Sends none
    /// if the peer has answered, or if the link has ended.
    fn withdraw_after(&self, pending: SentRequest, error: &Error) {
        if error.remote_failure().is_none() && error.kind() != ErrorKind::Disconnected {
            self.withdraw(pending.number);
        }
    }

    /// Sends a request without waiting for its answer, which [`Channel::finish_call`] returns: a call in two
    /// steps. Any number of requests may be in flight. Their answers may arrive in any order, also while this end calls
    /// and receives, and are kept for the newest 1,024 requests that are not finished, up to 256 MiB. Dropping what
    /// this returns withdraws the request.
    pub fn start_call<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<PendingReply> {
        self.start_call_until(payload, Until::Never, wait)
    }

    /// [`Channel::start_call`] for a caller that gives up the request after `within`: a server on another
    /// machine does not start on it later. The caller still has to give it up itself, with
    /// [`Channel::finish_call`].
    pub fn start_call_within<'a>(
        &self,
        payload: &Payload,
        within: Duration,
        wait: impl Into<Wait<'a>>,
    ) -> Result<PendingReply> {
        self.start_call_until(payload, Until::At(Deadline::after(within)), wait)
    }

    fn start_call_until<'a>(
        &self,
        payload: &Payload,
        until: Until,
        wait: impl Into<Wait<'a>>,
    ) -> Result<PendingReply> {
        let admitted = match self.begin_request(payload) {
            Ok(sent) => return Ok(PendingReply::new(sent, &self.inner)),
            Err(admitted) => admitted,
        };
        let mut waiting = self.options.start(wait);
        self.options.check_replies(&self.endpoint, "call")?;
        let may_start = if admitted.is_some() { Ok(()) } else { self.check_starts() };
        let sent = may_start.and_then(|()| self.send_request(admitted, payload, until, true, &mut waiting));
        sent.map(|sent| PendingReply::new(sent, &self.inner)).map_err(|e| e.on(&self.shown))
    }

    /// Fails if no call could receive the answer now.
    ///
    /// # Errors
    /// As [`Channel::lead_or_follow`].
    fn check_starts(&self) -> Result<()> {
        self.check_receives()?;
        let halves = self.conn.links.session_state.halves();
        if self.receiving.is_acquired() && !halves.calls.are_led() {
            drop(halves);
            self.check_reentrancy(Operation::Receive)?;
            return Err(in_use(Operation::Receive));
        }
        Ok(())
    }

    /// Returns the answer to a request that [`Channel::start_call`] sent, and fails as [`Channel::call`] does. With
    /// a time-out of zero it fails with `Timeout` while the answer has not arrived. A longer time-out
    /// that passes withdraws the request. `OutOfMemory` does not change it: the answer is still to be received.
    /// `InvalidState`, in a callback of another call of this thread, does not
    /// change the request; it is the error, too, for a request that is not under way on this channel any more.
    pub fn finish_call<'a>(&self, pending: &PendingReply, wait: impl Into<Wait<'a>>) -> Result<Message> {
        if !pending.is_of(&self.inner) {
            let text = "this request was sent over another channel, which gets its answer";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        match self.finish_step(pending.request) {
            Ok(reply) => {
                pending.set_finished();
                Ok(reply)
            }
            Err(begun) => self.finish_waiting(pending, begun, wait.into()),
        }
    }

    /// [`Channel::finish_call`] for a reply that has not arrived.
    #[inline(never)]
    fn finish_waiting<'a>(
        &'a self,
        pending: &PendingReply,
        begun: Option<Leading<'a>>,
        wait: Wait<'_>,
    ) -> Result<Message> {
        // Before the session's lock: in a forked child it may be of a thread that is not there.
        fork::check(self.fork_generation).map_err(|e| e.on(&self.shown))?;
        let mut waiting = self.options.start(wait);
        let request = pending.request;
        let found = match begun {
            Some(leading) => self.await_answer(request, leading, &mut waiting),
            None => self.check_under_way(request).and_then(|()| self.lead_or_follow()).and_then(|leader| {
                match leader {
                    Leader::Here(leading) => self.await_answer(request, leading, &mut waiting),
                    Leader::Other(calling) => self.follow(request, calling, &mut waiting),
                }
            }),
        };
        let only_polled = waiting.is_none();
        let goes_on = found.as_ref().is_err_and(|error| self.goes_on_after(error, &waiting));
        if !goes_on {
            self.finish_request(request, found.is_err());
            if found.is_err() {
                // Where the answer was received, or taken, the request was ended with that.
                self.conn.links.session_state.halves().calls.end(request.number);
            }
            pending.set_finished();
        }
        if let Err(error) = &found
            && !only_polled
            && !matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::OutOfMemory)
        {
            self.withdraw_after(pending.request, error);
        }
        let found = found.map_err(|error| match goes_on {
            // A peer that is not there yet is one more reason to wait for the answer.
            true if is_not_ready(&error) => waiting.timed_out(),
            true => error,
            false => self.after_sending(error, &waiting),
        });
        found.map_err(|e| e.on(&self.shown))
    }

    /// Sends a request that is admitted, or in turn with other threads. Fails if the outbox is full rather than
    /// waiting, because this thread itself receives the acknowledgements that would make room. `until` is when the
    /// caller gives up the request.
    fn send_request(
        &self,
        admitted: Option<Admitted<'_>>,
        payload: &Payload,
        until: Until,
        is_filed: bool,
        waiting: &mut Waiting<'_>,
    ) -> Result<SentRequest> {
        let flags = if self.options.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind: Kind::Request, flags, until, is_filed, ..Draft::data(payload) };
        let (number, generation) = self.send_holding(admitted, &draft, false, waiting)?;
        Ok(SentRequest { number, generation, is_filed })
    }

    /// Waits for the answer of a call that leads. A callback of the program runs while this call does not lead.
    pub(super) fn await_answer<'a>(
        &'a self,
        pending: SentRequest,
        leading: Leading<'a>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        let Leading { receiving, calling, came, first } = leading;
        let mut answer = Answer { channel: self, pending, calling: Some(calling) };
        // A request that no peer has taken goes over the next link.
        let mut reads = Reads { answer_to: pending.number, makes_links: true, first, ..Reads::default() };
        // Dropped before `answer`, for the reason that `Leading` gives.
        let (mut receiving, mut came) = (receiving, came);
        let mut kept = false;
        let found = loop {
            // Another call may have received the answer: to a request of two steps, and while this one did not lead.
            let is_shared = (pending.is_filed || kept) && reads.first != First::Wait;
            let mut held = None;
            let (found, is_due) = waiting.deferring_tick(|waiting| {
                if is_shared && let Some(found) = self.take_shared(pending).transpose() {
                    held = Some(receiving);
                    return found;
                }
                let with = (reads, came.take());
                let (found, again) = receive(receiving, &mut answer, &self.conn, with, waiting);
                held = again;
                found
            });
            let found = found.map_err(|e| match &held {
                Some(receiving) if e.kind() == ErrorKind::Disconnected => {
                    self.without_answer(pending, receiving)
                }
                _ => e,
            });
            // The call has ended with the answer, under the lock under which that was taken.
            let Some(again) = held else { break found };
            if !is_due {
                let found = found.and_then(read_answer);
                let goes_on = found.as_ref().is_err_and(|e| self.goes_on_after(e, waiting));
                let mut ending = again.enter();
                let (_, halves) = ending.parts();
                if pending.is_filed && !goes_on {
                    // Before another thread leads, which may finish the same request.
                    halves.calls.end(pending.number);
                }
                halves.calls.leave();
                std::mem::forget(answer.calling.take());
                ending.end();
                break found;
            }
            // Another call may lead meanwhile, and receive this answer.
            kept |= self.keep_answer_to(pending.number);
            reads.first = First::Look;
            let is_filed = |halves: &mut SessionHalves| halves.calls.follow(pending.number);
            match drive::next_turn(again, waiting, is_filed)
                .map(|permit| permit.map(|permit| self.lead(permit)))
            {
                Ok(Some(Ok(again))) => receiving = again,
                Ok(Some(Err(error))) | Err(error) => break Err(error),
                Ok(None) => break self.take_filed(pending.number),
            }
        };
        if kept {
            self.conn.links.session_state.halves().calls.end(pending.number);
        }
        found
    }

    /// Returns the answer to this request, if another call has received it; none where it is still to come.
    ///
    /// # Errors
    /// `InvalidState` for a request that is not under way any more.
    fn take_shared(&self, SentRequest { number, is_filed, .. }: SentRequest) -> Result<Option<Message>> {
        let mut halves = self.conn.links.session_state.halves();
        let filed = halves.calls.take(number);
        if filed.is_none() && is_filed && !halves.calls.is_open(number) {
            return Err(Error::new(ErrorKind::InvalidState, NOT_UNDER_WAY));
        }
        Ok(filed)
    }

    /// Returns whether a request is still under way after a call that finishes it has failed so: one that only looked,
    /// one that found no memory for what came, and one that this thread may not make now.
    fn goes_on_after(&self, error: &Error, waiting: &Waiting<'_>) -> bool {
        let is_refused = error.kind() == ErrorKind::InvalidState && !self.is_closed();
        // Where there was no memory for the answer, it stays the next message.
        waiting.is_none() && is_not_ready(error) || is_refused || error.kind() == ErrorKind::OutOfMemory
    }

    /// Receives the answers of a server while no call waits, which keeps or drops them. Records the end of the server.
    pub(super) fn drop_late_answers(&self) {
        let Ok(mut receiving) = self.receiving() else { return };
        if !receiving.is_of_server() {
            return;
        }
        let mut frames = 0;
        let reads = Reads { makes_links: true, ..Reads::of_library() };
        // There are no more answers, or the server has ended, which was recorded as an event. If there are more, the
        // descriptor stays readable.
        let _ = receiving.pump(&self.conn, reads, &mut Waiting::at_once(), |_, turn| {
            match turn {
                Turn::Look => return Ok((frames >= LATE_ANSWERS).then_some(())),
                Turn::Message(message) => self.drop_message(&message),
                Turn::Bye | Turn::Ack => {}
            }
            frames += 1;
            Ok(None)
        });
    }

    /// Describes an error that occurred after the request was sent: the peer may have carried the request out, or
    /// may do so later.
    fn after_sending(&self, error: Error, waiting: &Waiting<'_>) -> Error {
        let error = match error.kind() {
            ErrorKind::Timeout => {
                let text = format!(
                    "no answer came within {}; the request was sent, and whether it was carried out is unknown",
                    waiting.described()
                );
                Error::new(ErrorKind::Timeout, text)
            }
            ErrorKind::Disconnected if self.options.idempotent => error,
            _ => return error,
        };
        error.with_retryable(self.options.idempotent)
    }

    /// Records that the request is answered or given up, so that it is not sent to the next incarnation. A request that
    /// may be carried out only once is not sent again after its answer in any case.
    fn finish_request(&self, pending: SentRequest, is_given_up: bool) {
        if self.options.idempotent || is_given_up {
            self.conn.links.session_state.finish_request(pending.number);
        }
    }

    /// Sends the reply to a request that [`Channel::recv`] returned. Waits for room within the deadline.
    ///
    /// # Errors
    /// `InvalidState` for a message that is not a request; `Disconnected` if the client that sent it has
    /// disconnected.
    pub fn reply<'a, T: Source + ?Sized>(
        &self,
        request: &Message,
        value: &T,
        wait: impl Into<Wait<'a>>,
    ) -> Result<()> {
        self.reply_payload(request, &self.encode_reply(value)?, wait)
    }

    /// Encodes a value as this channel sends it in a reply, checked against `reply_schema` if `validate`
    /// requires it.
    pub fn encode_reply<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.encode_with_schema(self.options.checks_replies_sent(), value)
    }

    /// Sends an encoded reply: see [`Channel::reply`].
    pub fn reply_payload<'a>(
        &self,
        request: &Message,
        payload: &Payload,
        wait: impl Into<Wait<'a>>,
    ) -> Result<()> {
        self.options.check_replies(&self.endpoint, "reply")?;
        if !request.is_request() {
            let text = "this message expects no reply: it was sent, not called";
            return Err(Error::new(ErrorKind::InvalidState, text).on(&self.shown));
        }
        self.send_draft(&Draft::answer(Kind::Reply, request, payload), wait.into()).map(drop)
    }
}

/// The error of a request that is finished already.
const NOT_UNDER_WAY: &str = "this request is not under way any more: it was finished or given up before, or its answer was dropped because more than 1,024 requests or 256 MiB of answers were kept and not finished; finish a request once, and sooner";

/// Returns an answer, or the error that it reports.
fn read_answer(answer: Message) -> Result<Message> {
    match answer.header().kind {
        Kind::Error => Err(failure::from_message(&answer)),
        _ => Ok(answer),
    }
}
