//! The archive of final answers, which are kept for repeated requests.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::open_command::Key;
use linkspan::{Answer, Command};

#[derive(Debug)]
pub struct FinalAnswer {
    pub command: Command,
    pub answer: Answer,
    /// Whether the controller answered instead of the service.
    pub by_controller: bool,
    pub bytes: usize,
}

/// The archive, in the order of addition.
#[derive(Debug, Default)]
pub struct Archive {
    answers: HashMap<Key, FinalAnswer>,
    order: VecDeque<(Duration, Key)>,
    bytes: usize,
}

impl Archive {
    pub fn get(&self, key: &Key) -> Option<&FinalAnswer> {
        self.answers.get(key)
    }

    pub fn put(&mut self, key: Key, finished: FinalAnswer, now: Duration) {
        self.bytes = self.bytes.saturating_add(finished.bytes);
        match self.answers.insert(key.clone(), finished) {
            Some(old) => self.bytes = self.bytes.saturating_sub(old.bytes),
            None => self.order.push_back((now, key)),
        }
    }

    /// Drops answers that were added until `before`, and the oldest above `count` or `bytes`.
    ///
    /// Returns when the oldest remaining one was added.
    pub fn trim(&mut self, count: usize, bytes: usize, before: Option<Duration>) -> Option<Duration> {
        while let Some((at, _)) = self.order.front() {
            let old = before.is_some_and(|before| *at <= before);
            if !(old || self.answers.len() > count || self.bytes > bytes) {
                return Some(*at);
            }
            if let Some((_, key)) = self.order.pop_front()
                && let Some(gone) = self.answers.remove(&key)
            {
                self.bytes = self.bytes.saturating_sub(gone.bytes);
            }
        }
        None
    }

    #[cfg(test)]
    pub fn contains(&self, key: &Key) -> bool {
        self.answers.contains_key(key)
    }

    /// Returns the number of answers and their size in bytes.
    #[cfg(test)]
    pub fn extent(&self) -> (usize, usize) {
        assert_eq!(self.answers.len(), self.order.len());
        (self.answers.len(), self.bytes)
    }
}
