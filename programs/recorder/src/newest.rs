//! The newest message of each name, with which each part of a recording begins: a part stands alone.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use linkspan::{ErrorKind, Result};
use linkspan_recording::{ChannelRecord, Part};

/// The newest message of a name, with which each part begins.
#[derive(Debug)]
pub struct Newest {
    pub record: Arc<ChannelRecord>,
    /// That of its topic: made once a channel, as a name may be long.
    pub hash: TopicHash,
    pub number: u64,
    pub sent: u64,
    pub body: Bytes,
}

impl Newest {
    /// Bytes that it takes.
    fn bytes(&self) -> u64 {
        (self.body.len() as u64).saturating_add(MESSAGE)
    }
}

/// The hash of a topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicHash(u64);

impl TopicHash {
    /// Returns that of this topic, by keys that nobody outside of this process knows.
    pub fn of(topic: &str) -> TopicHash {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        TopicHash(KEYS.hash_one(topic))
    }
}

/// Bytes of such a message beside its body.
pub const MESSAGE: u64 = 256;
/// Bodies up to this length have memory of their own: that of the message may be a piece of much more.
const SHORT: usize = 4096;

/// The newest message of each name, as many as fit into so many bytes: the largest ones are left out where they do not.
#[derive(Debug)]
pub struct NewestMessages {
    by_topic: HashTable<Newest>,
    bytes: u64,
    limit: u64,
}

impl NewestMessages {
    /// None.
    pub fn new(limit: u64) -> NewestMessages {
        NewestMessages { by_topic: HashTable::new(), bytes: 0, limit }
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Puts it in the place of the one before.
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

    /// Removes that of a name that has gone.
    pub fn remove(&mut self, topic: &str) {
        let is_of_name = |held: &Newest| held.record.topic == topic;
        if let Ok(held) = self.by_topic.find_entry(TopicHash::of(topic).0, is_of_name) {
            self.bytes = self.bytes.saturating_sub(held.remove().0.bytes());
        }
    }
}

/// Names whose newest message a part begins with, at most: half of the channels that it may have, so that there are
/// some for its own messages.
const MOST_REPEATED: usize = 1 << 15;

/// Writes the newest messages of names from before this part: of those that were sent last, where there are too many.
/// Returns how many bytes these have.
pub fn repeat(part: &mut Part, newest: &NewestMessages, now: u64) -> Result<u64> {
    let mut all: Vec<&Newest> = newest.by_topic.iter().collect();
    if all.len() > MOST_REPEATED {
        all.select_nth_unstable_by_key(MOST_REPEATED, |newest| Reverse(newest.sent));
        all.truncate(MOST_REPEATED);
    }
    let mut bytes = 0u64;
    for newest in all {
        let channel = match part.channel(&newest.record, newest.number, true) {
            // Of what describes them there is too much: others follow that may take less.
            Err(error) if error.kind() == ErrorKind::TooLarge => continue,
            channel => channel?,
        };
        part.message(channel, newest.number, newest.sent, now, &newest.body)?;
        bytes = bytes.saturating_add(newest.bytes());
    }
    Ok(bytes)
}
