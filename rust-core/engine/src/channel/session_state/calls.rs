//! Requests whose answers any call may receive, the received answers, and the waiting calls.
//!
//! One call *leads*: it has the receiving direction, and files the answers to other requests here. The others
//! *follow*: each waits in line until its answer is filed or it leads. Filing consumes the answer, so an answer that
//! no call takes delays no acknowledgement.

use std::collections::BTreeMap;
use std::thread::{self, Thread};

use crate::message::Message;
use crate::session::places::Places;

/// The most requests whose answers are kept. One more ends the oldest request that no thread waits for.
const MOST: usize = 1024;
/// The most bytes of kept answers that no thread waits for, apart from the newest.
///
/// Further answers drop those of the oldest requests: the peer determines how long its answers are.
const MOST_BYTES: u64 = 256 << 20;

pub struct Calls {
    open: Places<u64>,
    answers: BTreeMap<u64, Filed>,
    unawaited: u64,
    followers: Vec<(u64, Thread)>,
    callers: usize,
}

struct Filed {
    answer: Message,
    /// A waiting thread takes it as soon as it runs.
    is_awaited: bool,
}

impl Calls {
    pub fn new() -> Calls {
        Calls {
            open: Places::new(),
            answers: BTreeMap::new(),
            unawaited: 0,
            followers: Vec::new(),
            callers: 0,
        }
    }

    pub fn enter(&mut self) {
        self.callers += 1;
    }

    pub fn leave(&mut self) {
        self.callers -= 1;
    }

    /// Returns whether a call leads or follows. Such a call also receives for others.
    pub fn are_led(&self) -> bool {
        self.callers > 0
    }

    /// Records a request whose answer a call will take. Returns the answer that this drops.
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

    pub fn is_open(&self, number: u64) -> bool {
        self.open.get(self.older_than(number)) == Some(&number)
    }

    /// [`Calls::begin`] for a call that no longer leads: newer requests may have been recorded.
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

    /// Keeps an answer for its call. Returns the dropped answers.
    ///
    /// These are the given answer if no call will take it, or unawaited answers of requests that end with it.
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

    /// Returns whether the answer is here; otherwise this thread is unparked when it comes.
    pub fn follow(&mut self, number: u64) -> bool {
        let is_answered = self.answers.contains_key(&number);
        let here = thread::current();
        let is_noted = |(follows, thread): &(u64, Thread)| *follows == number && thread.id() == here.id();
        if !is_answered && !self.followers.iter().any(is_noted) {
            self.followers.push((number, here));
        }
        is_answered
    }

    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    pub fn take(&mut self, number: u64) -> Option<Message> {
        if self.answers.contains_key(&number) { self.remove(number) } else { None }
    }

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

fn length(message: &Message) -> u64 {
    message.header().body
}
