//! A request and its one answer.
//!
//! A [`Request`] refers to the sending half of its client, so any thread can answer it after the server has received
//! other requests. Dropping an unanswered request answers with an error, so no client waits for a handler that has
//! panicked.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::client_tx::ClientTx;
use crate::channel::{BytesLoan, Loan, LoanMemory};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, RemoteFailure, Result};
use crate::frame::{Kind, flags};
use crate::message::failure;
use crate::message::{Lender, Message, Payload};
use crate::sys::clock::since_boot;
use crate::sys::fork::OfProcess;
use crate::value::{DType, Element, Order, Source};

/// A request that waits for its answer. It dereferences to its [`Message`].
///
/// Any thread may answer it with [`Request::reply`] or [`Request::fail`], also while another thread waits for the next
/// request. If it is dropped without an answer, the client's call fails with `Remote`.
pub struct Request {
    message: Message,
    client_tx: OfProcess<Arc<ClientTx>>,
    /// Whether an answer was given. Also true for a message that expects no answer.
    answered: AtomicBool,
    /// The end of the caller's wait by the clock since boot, if the caller has sent it.
    until: Option<Duration>,
}

impl Request {
    #[inline]
    pub(super) fn new(message: Message, client_tx: Arc<ClientTx>, until: Option<Duration>) -> Request {
        let answered = AtomicBool::new(!message.is_request());
        if message.is_request() {
            client_tx.request_received();
        }
        Request { message, client_tx: client_tx.into(), answered, until }
    }

    /// Returns how long the caller still waits, if known.
    ///
    /// Callers send the time only to a server with [`Options::with_machine`], which represents another machine's
    /// server.
    ///
    /// [`Options::with_machine`]: crate::Options::with_machine
    #[doc(hidden)]
    pub fn remaining(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(since_boot()))
    }

    /// Returns whether the caller no longer waits.
    ///
    /// It has withdrawn the request, or its connection has ended and it cannot reconnect for the answer. The result
    /// changes when the server polls for the next request. Only a server with [`Options::with_machine`] records
    /// withdrawals.
    ///
    /// [`Options::with_machine`]: crate::Options::with_machine
    #[doc(hidden)]
    pub fn is_withdrawn(&self) -> bool {
        if self.check().is_err() {
            return true;
        }
        let is_idempotent = self.message.header().flags & flags::IDEMPOTENT != 0;
        self.client_tx.has_withdrawn(self.message.number()) || !is_idempotent && self.client_tx.is_closed()
    }

    /// Acknowledges this message and the sender's earlier messages, on a server with `ack="manual"`.
    ///
    /// An answer also acknowledges them.
    ///
    /// # Errors
    /// `InvalidState` on a server without `ack="manual"`.
    pub fn ack(&self) -> Result<()> {
        self.check()?;
        self.client_tx.check_manual().map_err(|e| e.on(&self.client_tx.shown))?;
        self.client_tx.acknowledge(&self.message);
        Ok(())
    }

    /// Fails with `InvalidState` in a process other than the one that received the request.
    fn check(&self) -> Result<()> {
        OfProcess::born(&self.client_tx).check().map_err(|e| e.on(&self.client_tx.shown))
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Returns whether the sender waits for an answer: false for a message that was sent, not called.
    pub fn wants_reply(&self) -> bool {
        self.message.is_request()
    }

    /// Encodes a value for the answer, in the encoding of the request.
    ///
    /// Checks it against `reply_schema` if `validate` requires that.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.check()?;
        let (options, lender) = (self.client_tx.options(), self.client_tx.lender());
        let lender = lender.as_ref().map(|lender| lender as &dyn Lender);
        let (schema, limits) = (options.checks_replies_sent(), options.limits());
        Payload::with_schema(schema, value, self.answer_encoding(), &limits, lender)
            .map_err(|e| e.on(&self.client_tx.shown))
    }

    /// Lends memory for an array of this shape (row-major) in the reply.
    ///
    /// As [`Channel::loan`](crate::Channel::loan). Over `shm:`, the client that sent the request views the array
    /// without a copy. A reply to another client copies it like any array.
    ///
    /// # Errors
    /// `TooLarge` above 15 dimensions, or above the longest message that the client accepts;
    /// `OutOfMemory`.
    pub fn loan<T: Element>(&self, shape: &[u64]) -> Result<Loan<T>> {
        Ok(Loan::of(self.loan_memory(T::DTYPE, shape, Order::Row)?))
    }

    /// [`Request::loan`] with element type and order known at run time, for bindings of other languages.
    pub fn loan_memory(&self, dtype: DType, shape: &[u64], order: Order) -> Result<LoanMemory> {
        self.check()?;
        let max_message_size = self.client_tx.max_message_size();
        let is_cbor = self.answer_encoding() == Encoding::Cbor;
        let lend = |length| self.client_tx.lender().filter(|_| is_cbor)?.lend_writable(length);
        LoanMemory::new(dtype, shape, order, max_message_size, lend).map_err(|e| e.on(&self.client_tx.shown))
    }

    /// Lends memory for `length` opaque bytes of the reply.
    ///
    /// As [`Channel::loan_bytes`](crate::Channel::loan_bytes).
    ///
    /// # Errors
    /// `TooLarge` above the longest message that the client accepts; `OutOfMemory`.
    pub fn loan_bytes(&self, length: usize) -> Result<BytesLoan> {
        self.check()?;
        let surrounds = BytesLoan::is_sent_in_place(self.answer_encoding());
        let lend = |length| self.client_tx.lender().filter(|_| surrounds)?.lend_with_margins(length);
        let limit = self.client_tx.max_message_size();
        BytesLoan::new(length, limit, lend).map_err(|e| e.on(&self.client_tx.shown))
    }

    fn answer_encoding(&self) -> Encoding {
        self.message.encoding()
    }

    /// Answers with a value.
    ///
    /// If the client has disconnected, the answer is dropped and counted, without an error.
    ///
    /// # Errors
    /// `InvalidState` if the request was already answered, or the message expects no answer; `TooLarge` and errors of
    /// encoding, after which the program may give another answer.
    pub fn reply<T: Source + ?Sized>(&self, value: &T) -> Result<()> {
        self.reply_payload(&self.encode(value)?)
    }

    /// Answers with an encoded value, like [`Request::reply`].
    pub fn reply_payload(&self, payload: &Payload) -> Result<()> {
        self.answer(Kind::Reply, payload)
    }

    /// Answers with these bytes, which are in this encoding already and are not checked: see [`Request::reply`]. Over
    /// `shm:` 64 KiB and more are copied straight into shared memory.
    pub fn reply_bytes(&self, encoding: Encoding, bytes: &[u8]) -> Result<()> {
        self.check()?;
        let lender = self.client_tx.lender();
        let placed = lender.as_ref().and_then(|lender| Payload::placed(encoding, bytes, lender));
        self.reply_payload(&placed.unwrap_or_else(|| Payload::copy_from_slice(encoding, bytes)))
    }

    /// Answers with a failure: the client's call fails with `Remote`.
    ///
    /// Fails like [`Request::reply`], with one exception: a failure that is too long for the client is sent without its
    /// text and data. A client with a small limit must not end the loop that serves all clients.
    pub fn fail(&self, failure: &RemoteFailure) -> Result<()> {
        let is_too_large = |sent: &Result<()>| sent.as_ref().is_err_and(|e| e.kind() == ErrorKind::TooLarge);
        let sent = failure::to_payload(failure).and_then(|payload| self.answer(Kind::Error, &payload));
        if !is_too_large(&sent) {
            return sent;
        }
        let text = "the text of the error is longer than this client accepts";
        let short = RemoteFailure::new(failure.code, &*failure.kind, text);
        let sent = self.answer(Kind::Error, &failure::to_payload(&short)?);
        // A client that refuses even the short failure waits until its timeout. The drop counts the request.
        if is_too_large(&sent) { Ok(()) } else { sent }
    }

    fn answer(&self, kind: Kind, payload: &Payload) -> Result<()> {
        self.check()?;
        // After a failed answer, for instance one that is too large, the program may give another.
        match self.client_tx.send_answer(&self.answered, kind, &self.message, payload) {
            Some(sent) => sent.map_err(|e| e.on(&self.client_tx.shown)),
            None => {
                let text = if self.wants_reply() {
                    "this request has been answered; a request has one answer"
                } else {
                    "this message expects no answer: it was sent, not called"
                };
                Err(Error::new(ErrorKind::InvalidState, text).on(&self.client_tx.shown))
            }
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // In a forked child, only the parent answers.
        if !*self.answered.get_mut() && self.check().is_ok() {
            let text = "the server dropped the request without an answer";
            let failure = RemoteFailure::new(RemoteFailure::INTERNAL_ERROR, "linkspan.unanswered", text);
            if self.fail(&failure).is_err() {
                self.client_tx.never_answered();
            }
        }
    }
}

impl Deref for Request {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("endpoint", &self.client_tx.shown)
            .field("message", &self.message)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}
