//! Tracks received and missing numbers, by name and publisher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use linkspan::{Encoding, Message};

use super::clock::now;
use super::publisher::{Endpoint, Gap, Origin, Publisher};
use super::queue::{Item, Lost, Queue};

pub struct Stream {
    pub publisher: Arc<Publisher>,
    /// One origin for each of a few encodings.
    origins: Vec<Arc<Origin>>,
    pub next: u64,
    /// Unrecorded and unreported messages directly before `next`.
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

    /// Counts the next messages as unrecorded. Returns an earlier gap of another kind.
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

    /// Takes the current gap as an item, if there is one.
    pub fn report(&mut self, queue: &Queue) -> Option<Item> {
        if self.gap.count() == 0 {
            return None;
        }
        let gap = std::mem::take(&mut self.gap);
        Some(queue.lost(Lost { publisher: self.publisher.clone(), until: self.next, gap, time: now() }))
    }

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

pub struct Name {
    pub endpoint: Arc<Endpoint>,
    /// Reported losses that the next message of the name will report again as missed.
    pub told: u64,
    /// The current publisher, then the earlier ones.
    pub streams: VecDeque<Stream>,
    pub used: u64,
}

impl Name {
    pub fn new(endpoint: &Arc<Endpoint>, used: u64) -> Name {
        Name { endpoint: endpoint.clone(), told: 0, streams: VecDeque::new(), used }
    }

    pub fn is_front(&self, incarnation: u64) -> bool {
        self.streams.front().is_some_and(|stream| stream.publisher.incarnation == incarnation)
    }

    /// Moves the stream of this publisher to the front. Returns whether it exists, and the gap of the previous front.
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
