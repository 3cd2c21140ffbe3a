//! Calls over a channel: sends a request and waits for its answer.
//!
//! One calling thread leads: it holds the receiving direction until its answer arrives. It puts received data and
//! requests into the inbox, keeps answers for other calls (`session_state/calls`), and drops and counts answers to
//! ended calls. The other threads follow: they wait until their answers are kept or they can lead. A leading call
//! steps aside while its program's callback runs (`on_wait`).
//!
//! A request goes over the next link if the peer's page shows that no incarnation has taken it, or if the option
//! `idempotent` allows it. Otherwise it is unknown whether the disconnected peer has carried it out, and the call
//! fails with `Disconnected`. A caller that gives up sends the peer a *withdrawal*. A peer that has not started the
//! request then does not start it.

use std::time::Duration;

use super::call_steps::{Answer, Calling, Leader, Leading, SentRequest, answer_lost};
use super::reply_place::{Came, ReplyBytes, ReplyPlace, WholeReply};
use super::{Channel, PendingReply, is_not_ready};
use crate::channel::direction::{Lease, Operation, Permit, in_use};
use crate::channel::receiving::{Copied, First, Reads, Receiving, Turn, receive};
use crate::channel::sending::{Admitted, Draft, DraftContent, Until};
use crate::channel::session_state::SessionHalves;
use crate::channel::turns::reentrant_call;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, flags};
use crate::message::{Message, Payload, ReceivedBytes};
use crate::sys::fork;
use crate::transport::BodyViews;
use crate::value::Source;

/// The most late answers that one call of [`Channel::poll`] drops.
const LATE_ANSWERS: usize = 64;

impl Channel {
    /// Sends a request and waits for its answer. The requests of several threads may be in flight together.
    ///
    /// Over `shm:`, a request that no peer has taken goes to the next incarnation, and the call waits for it.
    ///
    /// A request whose caller gives up is withdrawn: a server that has not yet received it does not start it.
    ///
    /// # Errors
    /// - `Remote` if the peer's handler failed.
    /// - `Disconnected` if the peer ended before it answered, and `Timeout` if no answer came in time. Whether the
    ///   request was carried out is then unknown, and only the option `idempotent` makes the error retryable. Both
    ///   are retryable if the request was not sent, or no peer took it.
    /// - `InvalidState` if another thread receives.
    pub fn call<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<Message> {
        self.call_payload(&self.encode(value)?, wait)
    }

    /// Calls with an encoded value: see [`Channel::call`].
    pub fn call_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let called = self.call_waiting(payload.into(), &mut WholeReply, &mut self.options.start(wait));
        called.map_err(|e| e.on(&self.shown))
    }

    /// Calls with these encoded bytes, and copies the bytes of the answer to the beginning of `into`.
    ///
    /// The bytes are not checked: see [`Channel::call`], [`Channel::send_bytes`] and [`Channel::recv_into`]. `into` is
    /// unchanged after an error that tells of no answer.
    ///
    /// # Errors
    /// Those of [`Channel::call`], and those of the schema of replies if this channel checks them. `TooLarge` if the
    /// answer is longer than `into`: the request was carried out, and its answer is dropped.
    pub fn call_bytes<'a>(
        &self,
        encoding: Encoding,
        bytes: &[u8],
        into: &mut [u8],
        wait: impl Into<Wait<'a>>,
    ) -> Result<ReceivedBytes> {
        let lender = self.conn.links.session_state.lender(&self.conn.event_log);
        let placed = Payload::placed(encoding, bytes, &lender);
        let content = placed.as_ref().map_or(DraftContent::Borrowed(encoding, bytes), DraftContent::from);
        let is_checked = self.options.checks_replies_received().is_some();
        let mut reply = ReplyBytes { into, is_checked, has_refused: false };
        let called = self.call_waiting(content, &mut reply, &mut self.options.start(wait));
        called.map_err(|e| e.on(&self.shown))
    }

    fn call_waiting<R: ReplyPlace>(
        &self,
        content: DraftContent<'_>,
        reply: &mut R,
        waiting: &mut Waiting<'_>,
    ) -> Result<R::Output> {
        let (leader, sent) = match self.begin_call(content) {
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
                self.send_request(admitted, content, Until::Wait, is_filed, waiting)?
            }
        };
        let found = match leader {
            Leader::Here(leading) => self.await_answer(pending, leading, reply, waiting),
            Leader::Other(calling) => {
                let found = self.follow(pending, calling, reply, waiting);
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
            if !reply.has_refused() {
                self.withdraw_after(pending, error);
            }
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

    /// Fails in a callback or signal handler of this thread's call.
    fn check_reentrancy(&self, operation: Operation) -> Result<()> {
        if self.receiving.is_acquired_here() { Err(reentrant_call(operation.verb())) } else { Ok(()) }
    }

    fn lead<'a>(&'a self, permit: Permit<'a, Receiving>) -> Result<Lease<'a, Receiving>> {
        let receiving = self.receiving.take_back(permit);
        self.check()?;
        Ok(receiving)
    }

    /// Fails with `InvalidState` unless this request is sent and neither answered nor given up.
    fn check_under_way(&self, request: SentRequest) -> Result<()> {
        self.check_receives()?;
        if self.conn.links.session_state.halves().calls.is_open(request.number) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidState, NOT_UNDER_WAY))
    }

    fn follow<R: ReplyPlace>(
        &self,
        pending: SentRequest,
        calling: Calling<'_>,
        reply: &mut R,
        waiting: &mut Waiting<'_>,
    ) -> Result<R::Output> {
        let number = pending.number;
        match drive::turn(&self.receiving, waiting, |halves| halves.calls.follow(number))? {
            Some(permit) => {
                let receiving = self.lead(permit)?;
                self.await_answer(pending, Leading::new(receiving, calling), reply, waiting)
            }
            None => self.take_filed(number).and_then(|answer| reply.read(answer)),
        }
    }

    /// Records a leading call's request, for another call that receives its answer. Returns whether it is new.
    fn keep_answer_to(&self, number: u64) -> bool {
        let mut halves = self.conn.links.session_state.halves();
        let is_new = !halves.calls.is_open(number);
        if is_new && halves.calls.begin_late(number).is_some() {
            self.conn.event_log.count(&self.conn.event_log.dropped);
        }
        is_new
    }

    /// The answer is kept until this call ends.
    fn take_filed(&self, number: u64) -> Result<Message> {
        let answer = self.conn.links.session_state.halves().calls.take(number);
        answer.ok_or_else(answer_lost).and_then(|answer| self.copied(answer))
    }

    /// Returns an answer that another call has received. A body that this call left in its slot is copied, unless a
    /// binding does that.
    fn copied(&self, mut answer: Message) -> Result<Message> {
        if answer.uncopied_body().is_some() && self.options.body_views() != BodyViews::Whole {
            answer.copy_to_one_block()?;
        }
        Ok(answer)
    }

    /// Withdraws a request that ends with this error, unless the peer has answered or the link has ended.
    fn withdraw_after(&self, pending: SentRequest, error: &Error) {
        if error.remote_failure().is_none() && error.kind() != ErrorKind::Disconnected {
            self.withdraw(pending.number);
        }
    }

    /// Sends a request without waiting for its answer, which [`Channel::finish_call`] returns.
    ///
    /// Any number of requests may be in flight. Their answers may arrive in any order, also while this end calls and
    /// receives. The channel keeps answers for the newest 1,024 unfinished requests, up to 256 MiB. Dropping the
    /// returned value withdraws the request.
    pub fn start_call<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<PendingReply> {
        self.start_call_until(payload, Until::Never, wait)
    }

    /// [`Channel::start_call`] for a caller that gives up the request after `within`.
    ///
    /// A server on another machine does not start it later. The caller must still give it up, with
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
        let sent =
            may_start.and_then(|()| self.send_request(admitted, payload.into(), until, true, &mut waiting));
        sent.map(|sent| PendingReply::new(sent, &self.inner)).map_err(|e| e.on(&self.shown))
    }

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

    /// Returns the answer to a request of [`Channel::start_call`]. Fails as [`Channel::call`] does.
    ///
    /// - With a time-out of zero, it fails with `Timeout` while the answer has not arrived. A longer time-out that
    ///   passes withdraws the request.
    /// - `OutOfMemory` leaves the request unchanged, and the answer can still be received.
    /// - `InvalidState` in a callback of another call of this thread leaves the request unchanged. The error also
    ///   reports a request that has ended, or is of another channel.
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

    #[inline(never)]
    fn finish_waiting<'a>(
        &'a self,
        pending: &PendingReply,
        begun: Option<Leading<'a>>,
        wait: Wait<'_>,
    ) -> Result<Message> {
        // Before the session's lock: in a forked child, a missing thread may hold it.
        fork::check(self.fork_generation).map_err(|e| e.on(&self.shown))?;
        let mut waiting = self.options.start(wait);
        let request = pending.request;
        let found = match begun {
            Some(leading) => self.await_answer(request, leading, &mut WholeReply, &mut waiting),
            None => self.check_under_way(request).and_then(|()| self.lead_or_follow()).and_then(|leader| {
                match leader {
                    Leader::Here(leading) => {
                        self.await_answer(request, leading, &mut WholeReply, &mut waiting)
                    }
                    Leader::Other(calling) => self.follow(request, calling, &mut WholeReply, &mut waiting),
                }
            }),
        };
        let only_polled = waiting.is_none();
        let goes_on = found.as_ref().is_err_and(|error| self.goes_on_after(error, &waiting));
        if !goes_on {
            self.finish_request(request, found.is_err());
            if found.is_err() {
                // The receipt of an answer has already ended the request.
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
            // A missing peer is one more reason to wait for the answer.
            true if is_not_ready(&error) => waiting.timed_out(),
            true => error,
            false => self.after_sending(error, &waiting),
        });
        found.map_err(|e| e.on(&self.shown))
    }

    /// Sends a request that is admitted, or in turn with other threads.
    ///
    /// Fails if the outbox is full, because only this thread receives the acknowledgements that make room. `until` is
    /// when the caller gives up.
    fn send_request(
        &self,
        admitted: Option<Admitted<'_>>,
        content: DraftContent<'_>,
        until: Until,
        is_filed: bool,
        waiting: &mut Waiting<'_>,
    ) -> Result<SentRequest> {
        let flags = if self.options.idempotent { flags::IDEMPOTENT } else { 0 };
        let draft = Draft { kind: Kind::Request, flags, until, is_filed, ..Draft::data(content) };
        let (number, generation) = self.send_holding(admitted, &draft, false, waiting)?;
        Ok(SentRequest { number, generation, is_filed })
    }

    /// Waits for the answer of a leading call, which steps aside for the program's callback.
    pub(super) fn await_answer<'a, R: ReplyPlace>(
        &'a self,
        pending: SentRequest,
        leading: Leading<'a>,
        reply: &mut R,
        waiting: &mut Waiting<'_>,
    ) -> Result<R::Output> {
        let Leading { receiving, calling, came, first } = leading;
        let mut answer = Answer { channel: self, pending, calling: Some(calling), reply };
        // A request that no peer has taken goes over the next link.
        let mut reads = Reads { answer_to: pending.number, makes_links: true, first, ..Reads::default() };
        // Dropped before `answer`, for the reason that `Leading` gives.
        let (mut receiving, mut came) = (receiving, came);
        let mut kept = false;
        let found = loop {
            // Another call may have received the answer, for a call in two steps or while this call did not lead.
            let is_shared = (pending.is_filed || kept) && reads.first != First::Wait;
            let mut held = None;
            let (found, is_due) = waiting.deferring_tick(|waiting| {
                if is_shared && let Some(found) = self.take_shared(pending).transpose() {
                    held = Some(receiving);
                    return found.map(Came::Message);
                }
                if R::COPIES {
                    receiving.view_bodies(Copied::Replies);
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
            // The lock that took the answer has also ended the call.
            let Some(mut again) = held else { break found.and_then(|came| came.read(answer.reply)) };
            if R::COPIES {
                again.view_bodies(Copied::Nothing);
            }
            if !is_due {
                let found = found.and_then(|came| came.read(answer.reply));
                let goes_on = found.as_ref().is_err_and(|e| self.goes_on_after(e, waiting));
                let mut ending = again.enter();
                let (_, halves) = ending.parts();
                if pending.is_filed && !goes_on {
                    // Before another thread leads, which may finish this request also.
                    halves.calls.end(pending.number);
                }
                halves.calls.leave();
                std::mem::forget(answer.calling.take());
                ending.end();
                break found;
            }
            // Another call may lead now, and receive this answer.
            kept |= self.keep_answer_to(pending.number);
            reads.first = First::Look;
            let is_filed = |halves: &mut SessionHalves| halves.calls.follow(pending.number);
            match drive::next_turn(again, waiting, is_filed)
                .map(|permit| permit.map(|permit| self.lead(permit)))
            {
                Ok(Some(Ok(again))) => receiving = again,
                Ok(Some(Err(error))) | Err(error) => break Err(error),
                Ok(None) => {
                    break self.take_filed(pending.number).and_then(|filed| answer.reply.read(filed));
                }
            }
        };
        if kept {
            self.conn.links.session_state.halves().calls.end(pending.number);
        }
        found
    }

    /// Returns the answer that another call has received, if any.
    ///
    /// # Errors
    /// `InvalidState` for an ended request.
    fn take_shared(&self, SentRequest { number, is_filed, .. }: SentRequest) -> Result<Option<Message>> {
        let mut halves = self.conn.links.session_state.halves();
        let filed = halves.calls.take(number);
        if filed.is_none() && is_filed && !halves.calls.is_open(number) {
            return Err(Error::new(ErrorKind::InvalidState, NOT_UNDER_WAY));
        }
        filed.map(|answer| self.copied(answer)).transpose()
    }

    /// Returns whether a request is still under way after this error of a finishing call.
    ///
    /// That is a call that only looked, that lacked memory, or that this thread may not make now.
    fn goes_on_after(&self, error: &Error, waiting: &Waiting<'_>) -> bool {
        let is_refused = error.kind() == ErrorKind::InvalidState && !self.is_closed();
        // An answer that found no memory stays the next message.
        waiting.is_none() && is_not_ready(error) || is_refused || error.kind() == ErrorKind::OutOfMemory
    }

    /// Drops a server's late answers while no call waits, and records the server's end.
    pub(super) fn drop_late_answers(&self) {
        let Ok(mut receiving) = self.receiving() else { return };
        if !receiving.is_of_server() {
            return;
        }
        let mut frames = 0;
        let reads = Reads { makes_links: true, ..Reads::of_library() };
        // If more answers come, the descriptor stays readable. The server's end was recorded as an event.
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

    /// The peer may have carried the request out, or may do so later.
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

    /// Records that the request needs no replay. A request without `idempotent` is never replayed after its answer.
    fn finish_request(&self, pending: SentRequest, is_given_up: bool) {
        if self.options.idempotent || is_given_up {
            self.conn.links.session_state.finish_request(pending.number);
        }
    }

    /// Sends the reply to a request of [`Channel::recv`]. Waits for room within the deadline.
    ///
    /// # Errors
    /// `InvalidState` for a message that is not a request; `Disconnected` if the requesting client has disconnected.
    pub fn reply<'a, T: Source + ?Sized>(
        &self,
        request: &Message,
        value: &T,
        wait: impl Into<Wait<'a>>,
    ) -> Result<()> {
        self.reply_payload(request, &self.encode_reply(value)?, wait)
    }

    /// Encodes a value for a reply of this channel; `validate` may check it against `reply_schema`.
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

const NOT_UNDER_WAY: &str = "this request is not under way any more: it was finished or given up before, or its answer was dropped because more than 1,024 requests or 256 MiB of answers were kept and not finished; finish a request once, and sooner";
