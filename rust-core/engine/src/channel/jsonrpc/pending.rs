//! The requests of one link that have no answer yet, in both directions.
//!
//! A JSON-RPC id is any text or number that the peer chose, and Linkspan identifies a message by its number.
//! So the id of each received request is kept here, by the number of its frame, until the answer is written.
//! Sent requests need no such table, because their id is their number; only the unanswered numbers are kept,
//! so that a line with some other `id` is not taken for an answer.
//!
//! A batch of requests is answered in one line. Its answers are collected as they are written, and sent with
//! the last one.
//!
//! All of it is bounded by [`MAX_PENDING`], because a peer may send requests that the program never answers.
//! The lock is held for one line or one frame at a time.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::value::Limits;

/// The state of JSON-RPC on one link. The thread that receives and the thread that sends share it.
pub struct JsonRpc {
    /// Whether this side is a server, which itself answers a line that is no request.
    pub(super) serves: bool,
    /// Limits for each line that is decoded.
    pub(super) limits: Limits,
    /// The number of the last received frame; links that replace each other share it.
    pub(super) numbers: Arc<AtomicU64>,
    pending: Mutex<Pending>,
}

/// Unanswered requests that are kept in each direction. Beyond that, the oldest is dropped, and an answer to
/// it fails with `InvalidState`. Only a peer that sends requests without end reaches it, or callers whose
/// calls timed out.
pub const MAX_PENDING: usize = 1 << 16;

/// The unanswered requests of one link.
#[derive(Default)]
pub struct Pending {
    /// Received requests, by the number of their frame.
    pub(super) unanswered: HashMap<u64, Unanswered>,
    /// The numbers of `unanswered`, oldest first; some are answered already.
    arrival: VecDeque<u64>,
    /// Batches with an unanswered request, by the number of their first frame.
    pub(super) batches: HashMap<u64, BatchReply>,
    /// The numbers of the requests that were sent and are unanswered, oldest first.
    pub(super) calls: VecDeque<u64>,
}

/// A received request that waits for its answer.
#[derive(Clone)]
pub struct Unanswered {
    /// The id, as JSON text.
    pub(super) id: Box<str>,
    /// The batch to which the answer belongs.
    pub(super) batch: Option<u64>,
}

/// The answers to one batch, which go out in one line.
#[derive(Default)]
pub struct BatchReply {
    /// The answers so far, as JSON texts separated by commas.
    pub(super) answers: String,
    /// How many answers are still missing.
    pub(super) remaining: usize,
}

impl JsonRpc {
    /// Returns the state for a new link of a channel or, with `serves`, of a server. Frame numbers continue
    /// from `numbers`.
    pub fn new(serves: bool, limits: Limits, numbers: Arc<AtomicU64>) -> JsonRpc {
        JsonRpc { serves, limits, numbers, pending: Mutex::default() }
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Adds a request that was received in the frame of this number and expects an answer, to its batch too.
    pub(super) fn add_request(&mut self, number: u64, id: &str, batch: Option<u64>) {
        if let Some(of) = batch {
            self.batches.entry(of).or_default().remaining += 1;
        }
        // Answered ones are removed from the front only, which is amortised constant time.
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

    /// Adds a request that is about to be sent under this number, once: a message that is sent again keeps
    /// its number.
    pub(super) fn add_call(&mut self, number: u64) {
        if self.calls.back() != Some(&number) {
            if self.calls.len() == MAX_PENDING {
                self.calls.pop_front();
            }
            self.calls.push_back(number);
        }
    }

    /// Removes a request whose answer was sent or, with an empty text, dropped. An answer within an
    /// incomplete batch is kept there for the line that completes it.
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
