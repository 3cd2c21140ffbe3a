//! Requests that were sent without waiting for their answers, and the answers that came while another call received.
//!
//! An answer belongs to its request, not to the thread that receives it first. Whoever meets the answer to such a request
//! files it here, where the call that asks for it finds it. Filing consumes the answer, so that one which is not asked for
//! holds back nothing of the peer's.

use std::collections::VecDeque;

use crate::message::Message;

/// Requests of which answers are kept, at most. With more, the answer to the oldest is dropped.
const MOST: usize = 1024;

/// The requests under way, in the order of their numbers.
#[derive(Default)]
pub struct Calls {
    open: VecDeque<(u64, Option<Message>)>,
    /// How many of them have their answer.
    answered: usize,
}

impl Calls {
    /// Records that a request of this number was sent, whose answer will be asked for. Returns the answer that is dropped
    /// for it, to the oldest request.
    #[inline]
    #[must_use]
    pub fn begin(&mut self, number: u64) -> Option<Message> {
        let oldest = if self.open.len() < MOST { None } else { self.open.pop_front() };
        self.open.push_back((number, None));
        let dropped = oldest?.1?;
        self.answered -= 1;
        Some(dropped)
    }

    /// Keeps an answer for the call that asks for it. Returns it if none will.
    pub fn file(&mut self, answer: Message) -> Option<Message> {
        let Some(at) = self.find(answer.header().correlation) else { return Some(answer) };
        if self.open[at].1.is_some() {
            return Some(answer);
        }
        self.open[at].1 = Some(answer);
        self.answered += 1;
        None
    }

    /// Returns whether any answer is here.
    #[inline]
    pub fn has_answers(&self) -> bool {
        self.answered > 0
    }

    /// Returns the answer to this request, if it is here, and ends the request then.
    pub fn take(&mut self, number: u64) -> Option<Message> {
        let at = if self.has_answers() { self.find(number)? } else { return None };
        self.open[at].1.as_ref()?;
        self.answered -= 1;
        self.open.remove(at)?.1
    }

    /// Records that no one asks for the answer to this request any more.
    #[inline]
    pub fn end(&mut self, number: u64) {
        if let Some(at) = self.find(number)
            && let Some((_, Some(_))) = self.open.remove(at)
        {
            self.answered -= 1;
        }
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        // Nearly always it is the only one.
        match self.open.front() {
            Some((first, _)) if *first == number => Some(0),
            _ => self.open.binary_search_by_key(&number, |(number, _)| *number).ok(),
        }
    }
}
