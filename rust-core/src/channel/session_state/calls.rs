//! Requests that were sent without waiting for their answers, and the answers that came while another call received.
//!
//! An answer belongs to its request, not to the thread that receives it first. A call that receives the answer to such a
//! request files it here, where the call that asks for it finds it. Filing consumes the answer, so that one which is not
//! asked for holds back nothing of the peer's.

use std::collections::BTreeMap;

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
}

impl Calls {
    /// Returns a list of no requests.
    pub fn new() -> Calls {
        Calls { open: Places::new(), answers: BTreeMap::new() }
    }

    /// Records that a request of this number was sent, whose answer will be asked for. Returns the answer that is dropped
    /// for it, to the oldest request.
    #[inline(always)]
    #[must_use]
    pub fn begin(&mut self, number: u64) -> Option<Message> {
        let dropped = if self.open.len() < MOST { None } else { self.end_oldest() };
        *self.open.push() = number;
        dropped
    }

    #[cold]
    fn end_oldest(&mut self) -> Option<Message> {
        let oldest = *self.open.front()?;
        self.remove(oldest)
    }

    /// Keeps an answer for the call that asks for it. Returns it if none will.
    pub fn file(&mut self, answer: Message) -> Option<Message> {
        let number = answer.header().correlation;
        let behind = self.open.partition_point(|open| *open < number);
        if self.open.get(behind) != Some(&number) || self.answers.contains_key(&number) {
            return Some(answer);
        }
        self.answers.insert(number, answer)
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

    /// Records that no one asks for the answer to this request any more.
    #[inline(always)]
    pub fn end(&mut self, number: u64) {
        if self.open.front() == Some(&number) && !self.has_answers() {
            self.open.pop_while(|open| *open == number);
        } else {
            self.remove(number);
        }
    }

    #[cold]
    fn remove(&mut self, number: u64) -> Option<Message> {
        self.open.retain(|open| *open != number);
        self.answers.remove(&number)
    }
}
