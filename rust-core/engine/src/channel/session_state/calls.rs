//! Requests whose answers any call may receive, the received answers, and the calls that wait.
//!
//! An answer belongs to its request, not to the thread that receives it first. One call *leads*: it has the receiving
//! direction, and files the answers to other requests here. The others *follow*: each waits in the line for the
//! direction until its answer is filed, or until it leads. Filing consumes the answer, so that an answer which no call
//! takes delays no acknowledgement.

use std::collections::BTreeMap;
use std::thread::{self, Thread};

use crate::channel::session::places::Places;
use crate::message::Message;

/// Requests of which answers are kept, at most. With more, the answer to the oldest is dropped.
const MOST: usize = 1024;

/// The requests under way.
pub struct Calls {
    /// Their numbers, in order.
    open: Places<u64>,
    /// The answers to some of them.
    answers: BTreeMap<u64, Message>,
    /// The threads that wait for such an answer.
    followers: Vec<(u64, Thread)>,
    /// Calls that lead or follow.
    callers: usize,
}

impl Calls {
    /// Returns a list of no requests.
    pub fn new() -> Calls {
        Calls { open: Places::new(), answers: BTreeMap::new(), followers: Vec::new(), callers: 0 }
    }

    /// Records that a call leads or follows.
    #[inline(always)]
    pub fn enter(&mut self) {
        self.callers += 1;
    }

    /// Records that such a call has ended.
    #[inline(always)]
    pub fn leave(&mut self) {
        self.callers -= 1;
    }

    /// Returns whether a call has or awaits the receiving direction; such a call receives for others, too.
    #[inline(always)]
    pub fn are_led(&self) -> bool {
        self.callers > 0
    }

    /// Records a request of this number, whose answer a call will take. Returns the answer to the oldest request if
    /// that is dropped for it.
    #[inline(always)]
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
        let oldest = *self.open.front()?;
        self.remove(oldest)
    }

    /// Keeps an answer for the call that takes it. Returns it if no call will.
    pub fn file(&mut self, answer: Message) -> Option<Message> {
        let number = answer.header().correlation;
        if !self.is_open(number) || self.answers.contains_key(&number) {
            return Some(answer);
        }
        if let Some(at) = self.followers.iter().position(|(follows, _)| *follows == number) {
            self.followers.swap_remove(at).1.unpark();
        }
        self.answers.insert(number, answer)
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
    #[inline]
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Returns the answer to this request, if it is here, and ends the request then.
    pub fn take(&mut self, number: u64) -> Option<Message> {
        if self.answers.contains_key(&number) { self.remove(number) } else { None }
    }

    /// Records that no call takes the answer to this request any more.
    #[inline(always)]
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
        self.answers.remove(&number)
    }
}
