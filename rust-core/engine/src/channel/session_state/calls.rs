//! Requests whose answers any call may receive, the received answers, and the calls that wait.
//!
//! An answer belongs to its request, not to the thread that receives it first. One call *leads*: it has the receiving
//! direction, and files the answers to other requests here. The others *follow*: each waits in the line for the
//! direction until its answer is filed, or until it leads. Filing consumes the answer, so that an answer which no call
//! takes delays no acknowledgement.

use std::collections::BTreeMap;
use std::thread::{self, Thread};

use crate::message::Message;
use crate::session::places::Places;

/// Requests of which answers are kept, at most. With more, the oldest that no thread waits for is ended and its answer
/// dropped.
const MOST: usize = 1024;
/// Bytes of the answers that are kept and that no thread waits for, at most, except for the newest of them. With more,
/// those to the oldest requests are dropped: the peer determines how long its answers are.
const MOST_BYTES: u64 = 256 << 20;

/// The requests under way.
pub struct Calls {
    /// Their numbers, in order.
    open: Places<u64>,
    /// The answers to some of them.
    answers: BTreeMap<u64, Filed>,
    /// Bytes of those that no thread waits for.
    unawaited: u64,
    /// The threads that wait for such an answer.
    followers: Vec<(u64, Thread)>,
    /// Calls that lead or follow.
    callers: usize,
}

/// An answer that is kept.
struct Filed {
    answer: Message,
    /// Whether a thread waited for it, which takes it as soon as it runs.
    is_awaited: bool,
}

impl Calls {
    /// Returns a list of no requests.
    pub fn new() -> Calls {
        Calls {
            open: Places::new(),
            answers: BTreeMap::new(),
            unawaited: 0,
            followers: Vec::new(),
            callers: 0,
        }
    }

    /// Records that a call leads or follows.
    pub fn enter(&mut self) {
        self.callers += 1;
    }

    /// Records that such a call has ended.
    pub fn leave(&mut self) {
        self.callers -= 1;
    }

    /// Returns whether a call has or awaits the receiving direction; such a call receives for others, too.
    pub fn are_led(&self) -> bool {
        self.callers > 0
    }

    /// Records a request of this number, whose answer a call will take. Returns the answer to the oldest request if
    /// that is dropped for it.
    #[must_use]
    pub fn begin(&mut self, number: u64) -> Option<Message> {
        if self.open.get(self.open.len().wrapping_sub(1)) == Some(&number) {
            // An earlier attempt to send it has recorded it.
            return None;
        }
        let dropped = if self.open.len() < MOST { None } else { self.end_oldest() };
        *self.open.push() = number;
        dropped
    }

    /// Returns whether a call will take the answer to this request.
    pub fn is_open(&self, number: u64) -> bool {
        self.open.get(self.older_than(number)) == Some(&number)
    }

    /// As [`Calls::begin`], for the request of a call that leads no more: newer ones may have been recorded.
    #[cold]
    pub fn begin_late(&mut self, number: u64) -> Option<Message> {
        let dropped = if self.open.len() < MOST { None } else { self.end_oldest() };
        self.open.insert(self.older_than(number), number);
        dropped
    }

    fn older_than(&self, number: u64) -> usize {
        self.open.partition_point(|open| *open < number)
    }

    #[cold]
    fn end_oldest(&mut self) -> Option<Message> {
        let is_followed = |number: &&u64| self.followers.iter().any(|(follows, _)| follows == *number);
        let oldest = *self.open.iter().find(|number| !is_followed(number)).or_else(|| self.open.front())?;
        self.remove(oldest)
    }

    /// Keeps an answer for the call that takes it. Returns the answers that are dropped: this one, if no call will, or
    /// others that no thread waits for, whose requests are then not under way any more.
    pub fn file(&mut self, answer: Message) -> Vec<Message> {
        let number = answer.header().correlation;
        if !self.is_open(number) || self.answers.contains_key(&number) {
            return vec![answer];
        }
        let follower = self.followers.iter().position(|(follows, _)| *follows == number);
        let is_awaited = follower.is_some();
        if let Some(at) = follower {
            self.followers.swap_remove(at).1.unpark();
        } else {
            self.unawaited += length(&answer);
        }
        self.answers.insert(number, Filed { answer, is_awaited });
        let mut dropped = Vec::new();
        while self.unawaited > MOST_BYTES {
            let oldest = self.answers.iter().find(|(other, filed)| !filed.is_awaited && **other != number);
            let Some(oldest) = oldest.map(|(other, _)| *other) else { break };
            dropped.extend(self.remove(oldest));
        }
        dropped
    }

    /// Returns whether the answer to this request is here; else this thread is unparked when it is.
    pub fn follow(&mut self, number: u64) -> bool {
        let is_answered = self.answers.contains_key(&number);
        let here = thread::current();
        let is_noted = |(follows, thread): &(u64, Thread)| *follows == number && thread.id() == here.id();
        if !is_answered && !self.followers.iter().any(is_noted) {
            self.followers.push((number, here));
        }
        is_answered
    }

    /// Returns whether any answer is here.
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Returns the answer to this request, if it is here, and ends the request then.
    pub fn take(&mut self, number: u64) -> Option<Message> {
        if self.answers.contains_key(&number) { self.remove(number) } else { None }
    }

    /// Records that no call takes the answer to this request any more.
    #[inline]
    pub fn end(&mut self, number: u64) {
        if self.open.front() == Some(&number) && !self.has_answers() && self.followers.is_empty() {
            self.open.pop_while(|open| *open == number);
        } else {
            self.remove(number);
        }
    }

    #[cold]
    fn remove(&mut self, number: u64) -> Option<Message> {
        self.open.retain(|open| *open != number);
        self.followers.retain(|(follows, _)| *follows != number);
        let filed = self.answers.remove(&number)?;
        if !filed.is_awaited {
            self.unawaited -= length(&filed.answer);
        }
        Some(filed.answer)
    }
}

/// Returns the bytes of a message's body.
fn length(message: &Message) -> u64 {
    message.header().body
}
