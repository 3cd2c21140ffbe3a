//! JSON-RPC 2.0 over lines: what a line means to a channel or a server, and how a request or an answer is written.
//!
//! A **channel** gives each line as it stands there. What it calls goes out as a request, and the answer with that number is
//! the call's; a request that comes can be answered with `reply`. A **server** gives `method` and `params` of each request
//! and notification, answers what is no JSON or no request itself, and takes batches apart and their answers together. A
//! line that is not meant as JSON-RPC is a plain message to both.
//!
//! | what | lives in |
//! |---|---|
//! | lines that come | `decode` |
//! | frames that leave | `encode` |
//! | error objects | `error` |

mod decode;
mod encode;
mod error;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::greeting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::transport::plain::Dialect;
use crate::value::Limits;

/// One link's view of JSON-RPC: the numbers that are open in either direction.
pub struct JsonRpc {
    /// Whether this side answers for itself what is no request: a server does.
    serves: bool,
    limits: Limits,
    /// The number of the last frame that came.
    numbers: Arc<AtomicU64>,
    open: Mutex<Open>,
}

/// Requests without an answer that are remembered, in either direction; the oldest are forgotten first. Reached only by a
/// peer that asks and asks, or by callers that have given up long ago.
const REMEMBERED: usize = 1 << 16;

#[derive(Default)]
struct Open {
    /// The requests that came and have no answer yet, by the number of their frame.
    owed: HashMap<u64, Owed>,
    /// The same numbers, oldest first; some are answered already.
    oldest: VecDeque<u64>,
    batches: HashMap<u64, Batch>,
    /// The numbers of our requests that have no answer yet.
    asked: VecDeque<u64>,
}

/// An answer that is owed.
#[derive(Clone)]
struct Owed {
    /// The id as it was written.
    id: Box<str>,
    /// The batch that it came in, and its answer goes into.
    batch: Option<u64>,
}

/// Answers that go out together.
#[derive(Default)]
struct Batch {
    /// Those that are there, with commas in between.
    answers: String,
    /// How many are still to come.
    left: usize,
}

impl JsonRpc {
    /// For one link of a channel, or of a server; what comes is counted on from `numbers`.
    pub fn new(serves: bool, limits: Limits, numbers: Arc<AtomicU64>) -> JsonRpc {
        JsonRpc { serves, limits, numbers, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Remembers that the frame of this number is owed an answer.
    fn owe(&mut self, number: u64, id: &str, batch: Option<u64>) {
        // What was answered since is passed over.
        while self.oldest.front().is_some_and(|number| !self.owed.contains_key(number)) {
            self.oldest.pop_front();
        }
        if self.owed.len() >= REMEMBERED
            && let Some(forgotten) = self.oldest.pop_front()
        {
            self.settle(forgotten, "");
        }
        self.oldest.push_back(number);
        self.owed.insert(number, Owed { id: id.into(), batch });
    }

    /// An answer has gone: into its batch, where it has one that is not complete.
    fn settle(&mut self, number: u64, answer: &str) {
        let Some(Owed { batch: Some(of), .. }) = self.owed.remove(&number) else { return };
        let Some(batch) = self.batches.get_mut(&of) else { return };
        batch.left -= 1;
        if batch.left == 0 {
            self.batches.remove(&of);
        } else if !answer.is_empty() {
            if !batch.answers.is_empty() {
                batch.answers.push(',');
            }
            batch.answers.push_str(answer);
        }
    }
}

impl Dialect for JsonRpc {
    fn hear(&self, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()> {
        decode::hear(self, line, into)
    }

    fn say(&self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>> {
        encode::say(self, frame)
    }

    fn said(&self, frame: &Outgoing<'_>) {
        encode::said(self, frame);
    }

    fn refuse_greeting(&self) -> Vec<u8> {
        let text = "this name has framing=\"lines\", one JSON text a line without Linkspan's header; connect with the same option";
        greeting::refusal(&Error::new(ErrorKind::InvalidState, text))
    }
}

#[cfg(test)]
mod tests;

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Takes lines as a server and as a client, answers each request, and says each frame again.
pub fn fuzz(bytes: &[u8]) {
    use crate::codec::Encoding;
    use crate::frame::{Header, Kind};
    let limits = Limits::for_message(1 << 16);
    for serves in [true, false] {
        let rpc = JsonRpc::new(serves, limits, Arc::default());
        for line in bytes.split(|b| *b == b'\n') {
            let mut frames = VecDeque::new();
            if rpc.hear(Ok(Bytes::copy_from_slice(line)), &mut frames).is_err() {
                continue;
            }
            for frame in frames {
                let header = match frame.header.kind {
                    Kind::Request => Header::new(Kind::Reply, Encoding::Json),
                    _ => Header { body: 0, ..frame.header },
                };
                let header = Header { correlation: frame.header.sequence, ..header };
                let body: &[u8] = if frame.header.kind == Kind::Request { b"1" } else { &frame.body };
                let frame = Outgoing::new(header, body);
                if let Ok(Some(line)) = rpc.say(&frame) {
                    let text = std::str::from_utf8(&line);
                    assert!(text.is_ok(), "{text:?}");
                }
                rpc.said(&frame);
            }
        }
    }
}
