//! The numbers that were received of a name and of its publishers, and those that are missing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use linkspan::{Encoding, Message};

use super::clock::now;
use super::publisher::{Endpoint, Gap, Origin, Publisher};
use super::queue::{Item, Lost, Queue};

/// What was received of a publisher.
pub struct Stream {
    pub publisher: Arc<Publisher>,
    /// One for each encoding, of which there are few.
    origins: Vec<Arc<Origin>>,
    /// The number that comes next.
    pub next: u64,
    /// The messages directly before that one which are not recorded and not reported yet.
    pub gap: Gap,
}

/// Why messages are not recorded.
pub enum Reason {
    Overtaken,
    Dropped,
    Paused,
    Failed(String),
    /// Lost with their publisher.
    Ended,
}

impl Stream {
    pub fn new(publisher: Publisher, next: u64) -> Stream {
        Stream { publisher: Arc::new(publisher), origins: Vec::new(), next, gap: Gap::default() }
    }

    /// Counts the next messages as not recorded. Returns the gap before them where it is of another kind.
    pub fn lose(&mut self, count: u64, reason: Reason, queue: &Queue) -> Option<Item> {
        if count == 0 {
            return None;
        }
        let is_other = matches!(reason, Reason::Paused) != (self.gap.paused > 0) && self.gap.count() > 0;
        let before = if is_other { self.report(queue) } else { None };
        self.next = self.next.saturating_add(count);
        let counter = match reason {
            Reason::Overtaken => &mut self.gap.overtaken,
            Reason::Dropped => &mut self.gap.dropped,
            Reason::Paused => &mut self.gap.paused,
            Reason::Ended => &mut self.gap.ended,
            Reason::Failed(text) => {
                self.gap.text = text;
                &mut self.gap.failed
            }
        };
        *counter = counter.saturating_add(count);
        before
    }

    /// Returns the messages that are not recorded, once.
    pub fn report(&mut self, queue: &Queue) -> Option<Item> {
        if self.gap.count() == 0 {
            return None;
        }
        let gap = std::mem::take(&mut self.gap);
        Some(queue.lost(Lost { publisher: self.publisher.clone(), until: self.next, gap, time: now() }))
    }

    /// Returns the origin of messages in this encoding.
    pub fn origin(&mut self, encoding: Encoding, message: &Message) -> Arc<Origin> {
        if let Some(known) = self.origins.iter().find(|origin| origin.encoding == encoding) {
            return known.clone();
        }
        let first = self.publisher.is_stored.then(|| message.clone());
        let origin = Arc::new(Origin {
            publisher: self.publisher.clone(),
            encoding,
            first: Mutex::new(first),
            schema_id: message.schema_id(),
            channel: OnceLock::new(),
            schema: OnceLock::new(),
            without_viewers: OnceLock::new(),
        });
        self.origins.push(origin.clone());
        origin
    }
}

/// What was received of a name.
pub struct Name {
    pub endpoint: Arc<Endpoint>,
    /// Messages that were lost with publishers of the name and that its next message tells as missed, too.
    pub told: u64,
    /// Its publisher, and behind it those that had the name before.
    pub streams: VecDeque<Stream>,
    /// When it was received from last.
    pub used: u64,
}

impl Name {
    /// One from which nothing was received.
    pub fn new(endpoint: &Arc<Endpoint>, used: u64) -> Name {
        Name { endpoint: endpoint.clone(), told: 0, streams: VecDeque::new(), used }
    }

    /// Returns whether the last message was one of this publisher.
    pub fn is_front(&self, incarnation: u64) -> bool {
        self.streams.front().is_some_and(|stream| stream.publisher.incarnation == incarnation)
    }

    /// Puts the stream of this publisher to the front, where there is one. Returns whether there is one, and the gap of
    /// the one before.
    pub fn switch_to(&mut self, incarnation: u64, queue: &Queue) -> (bool, Option<Item>) {
        let place = self.streams.iter().position(|stream| stream.publisher.incarnation == incarnation);
        match place {
            Some(0) => (true, None),
            Some(at) => {
                let gap = self.streams.front_mut().and_then(|stream| stream.report(queue));
                if let Some(stream) = self.streams.remove(at) {
                    self.streams.push_front(stream);
                }
                (true, gap)
            }
            None => (false, self.streams.front_mut().and_then(|stream| stream.report(queue))),
        }
    }
}
