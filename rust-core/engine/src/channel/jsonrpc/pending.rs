//! The unanswered requests of one link, in both directions.
//!
//! The peer chooses any text or number as a JSON-RPC id, but Linkspan identifies a message by its number. So each
//! received request's id is kept here, by its frame's number, until the answer is written. For sent requests, only
//! the unanswered numbers are kept, so that a line with another `id` is not taken for an answer.
//!
//! One line answers a batch of requests, with the last of its answers.
//!
//! [`MAX_PENDING`] bounds all of it, because a program may never answer its peer's requests. The lock is held for one
//! line or one frame at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::value::Limits;

/// The state of JSON-RPC on one link, for its receiving and its sending thread.
pub struct JsonRpc {
    /// Whether this side is a server, which itself answers a faulty line.
    pub(super) serves: bool,
    pub(super) limits: Limits,
    /// The number of the last received frame, across successive links.
    pub(super) numbers: Arc<AtomicU64>,
    pending: Mutex<Pending>,
}

/// The most unanswered requests that are kept in each direction.
///
/// One more drops the oldest, and an answer to it fails with `InvalidState`. Only endless requests or callers that
/// timed out reach the limit.
pub const MAX_PENDING: usize = 1 << 16;

#[derive(Default)]
pub struct Pending {
    /// By the number of their frame.
    pub(super) unanswered: HashMap<u64, Unanswered>,
    /// The numbers of `unanswered`, oldest first; some are answered already.
    arrival: VecDeque<u64>,
    /// Batches with an unanswered request, by the number of their first frame.
    pub(super) batches: HashMap<u64, BatchReply>,
    /// The numbers of sent unanswered requests, oldest first.
    pub(super) calls: VecDeque<u64>,
}

#[derive(Clone)]
pub struct Unanswered {
    /// As JSON text.
    pub(super) id: Box<str>,
    pub(super) batch: Option<u64>,
}

/// The answers to one batch, which go out in one line.
#[derive(Default)]
pub struct BatchReply {
    /// JSON texts separated by commas.
    pub(super) answers: String,
    pub(super) remaining: usize,
}

impl JsonRpc {
    pub fn new(serves: bool, limits: Limits, numbers: Arc<AtomicU64>) -> JsonRpc {
        JsonRpc { serves, limits, numbers, pending: Mutex::default() }
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    pub(super) fn add_request(&mut self, number: u64, id: &str, batch: Option<u64>) {
        if let Some(of) = batch {
            self.batches.entry(of).or_default().remaining += 1;
        }
        // Removes answered ones only from the front, in amortised constant time.
        while self.arrival.front().is_some_and(|number| !self.unanswered.contains_key(number)) {
            self.arrival.pop_front();
        }
        if self.unanswered.len() >= MAX_PENDING
            && let Some(oldest) = self.arrival.pop_front()
        {
            self.answered(oldest, "");
        }
        self.arrival.push_back(number);
        self.unanswered.insert(number, Unanswered { id: id.into(), batch });
    }

    /// Adds a request before it is sent, once: a message that is sent again keeps its number.
    pub(super) fn add_call(&mut self, number: u64) {
        if self.calls.back() != Some(&number) {
            if self.calls.len() == MAX_PENDING {
                self.calls.pop_front();
            }
            self.calls.push_back(number);
        }
    }

    /// Removes a request whose answer was sent or, with an empty text, dropped.
    ///
    /// An incomplete batch keeps its answer for the line that completes it.
    pub(super) fn answered(&mut self, number: u64, answer: &str) {
        let Some(Unanswered { batch: Some(of), .. }) = self.unanswered.remove(&number) else { return };
        let Some(batch) = self.batches.get_mut(&of) else { return };
        batch.remaining -= 1;
        if batch.remaining == 0 {
            self.batches.remove(&of);
        } else if !answer.is_empty() {
            if !batch.answers.is_empty() {
                batch.answers.push(',');
            }
            batch.answers.push_str(answer);
        }
    }
}
