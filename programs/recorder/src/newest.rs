//! The newest message of each name. Each part begins with these messages and can be read without earlier parts.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use linkspan::{ErrorKind, Result};
use linkspan_recording::{ChannelRecord, Part};

#[derive(Debug)]
pub struct Newest {
    pub record: Arc<ChannelRecord>,
    /// The hash of its topic, computed once per channel because a name may be long.
    pub hash: TopicHash,
    pub number: u64,
    pub sent: u64,
    pub body: Bytes,
}

impl Newest {
    fn bytes(&self) -> u64 {
        (self.body.len() as u64).saturating_add(MESSAGE)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct TopicHash(u64);

impl TopicHash {
    /// Hashes a topic with random keys: publishers cannot provoke collisions.
    pub fn of(topic: &str) -> TopicHash {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        TopicHash(KEYS.hash_one(topic))
    }
}

pub const MESSAGE: u64 = 256;
/// Bodies up to this length are copied: the buffer of the received message may be much larger.
const SHORT: usize = 4096;

/// The newest message of each name, up to a limit of bytes. Beyond it, the largest messages are removed.
#[derive(Debug)]
pub struct NewestMessages {
    by_topic: HashTable<Newest>,
    bytes: u64,
    limit: u64,
}

impl NewestMessages {
    pub fn new(limit: u64) -> NewestMessages {
        NewestMessages { by_topic: HashTable::new(), bytes: 0, limit }
    }

    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    pub fn put(&mut self, mut newest: Newest) {
        if newest.body.len() <= SHORT {
            newest.body = Bytes::copy_from_slice(&newest.body);
        }
        self.bytes = self.bytes.saturating_add(newest.bytes());
        let is_of_name = |held: &Newest| {
            Arc::ptr_eq(&held.record, &newest.record) || held.record.topic == newest.record.topic
        };
        match self.by_topic.entry(newest.hash.0, is_of_name, |held| held.hash.0) {
            Entry::Occupied(mut held) => {
                self.bytes = self.bytes.saturating_sub(held.get().bytes());
                *held.get_mut() = newest;
            }
            Entry::Vacant(place) => drop(place.insert(newest)),
        }
        while self.bytes > self.limit {
            let largest = self.by_topic.iter().max_by_key(|newest| newest.body.len());
            let Some(record) = largest.map(|newest| newest.record.clone()) else { return };
            self.remove(&record.topic);
        }
    }

    pub fn remove(&mut self, topic: &str) {
        let is_of_name = |held: &Newest| held.record.topic == topic;
        if let Ok(held) = self.by_topic.find_entry(TopicHash::of(topic).0, is_of_name) {
            self.bytes = self.bytes.saturating_sub(held.remove().0.bytes());
        }
    }
}

/// The most names whose newest message a part repeats: half of the channels that a part can hold.
const MOST_REPEATED: usize = 1 << 15;

/// Writes the newest messages of names from before this part, and returns their bytes.
///
/// If there are too many, writes the most recent ones.
pub fn repeat(part: &mut Part, newest: &NewestMessages, now: u64) -> Result<u64> {
    let mut all: Vec<&Newest> = newest.by_topic.iter().collect();
    if all.len() > MOST_REPEATED {
        all.select_nth_unstable_by_key(MOST_REPEATED, |newest| Reverse(newest.sent));
        all.truncate(MOST_REPEATED);
    }
    let mut bytes = 0u64;
    for newest in all {
        let channel = match part.channel(&newest.record, newest.number, true) {
            // The part cannot hold this channel's description. A smaller one may still fit.
            Err(error) if error.kind() == ErrorKind::TooLarge => continue,
            channel => channel?,
        };
        part.message(channel, newest.number, newest.sent, now, &newest.body)?;
        bytes = bytes.saturating_add(newest.bytes());
    }
    Ok(bytes)
}
