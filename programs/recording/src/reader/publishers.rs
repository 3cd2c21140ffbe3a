//! The publishers that a recording names, in all of its parts: each reader keeps memory for each of them.

use std::collections::HashSet;
use std::hash::Hash;

use super::entry::{Channel, Room, keyed};
use crate::event::Event;

/// What readers hold of a publisher beside its texts: copies and merges of recordings hold most.
const EACH: u64 = 1_024;

/// The publishers of the parts that were read.
#[derive(Debug, Default)]
pub struct Publishers {
    /// What tells each of them from the others.
    known: HashSet<u64>,
    /// What they take.
    held: u64,
    /// Bytes that the disk has of the parts that were read before.
    before: u64,
}

impl Publishers {
    /// Takes the publisher of a channel. Returns whether it has room in that of files of so many bytes more.
    pub fn take_channel(&mut self, of: &Channel, room: Room, bytes: u64) -> bool {
        let texts = [&of.topic, &of.endpoint, &of.source].map(String::len).into_iter().sum::<usize>();
        self.take((&of.topic, of.incarnation), texts, room, bytes)
    }

    /// Takes that which an event names.
    pub fn take_event(&mut self, of: &Event, room: Room, bytes: u64) -> bool {
        let is_one = !of.name.is_empty() || of.incarnation.is_some();
        !is_one || self.take((&of.name, of.incarnation.unwrap_or(0)), of.name.len(), room, bytes)
    }

    fn take(&mut self, publisher: impl Hash, texts: usize, room: Room, bytes: u64) -> bool {
        let key = keyed(publisher);
        if self.known.contains(&key) {
            return true;
        }
        let held = self.held.saturating_add(EACH).saturating_add(texts as u64);
        let has_room = held <= room.of_files(self.before.saturating_add(bytes)).held;
        if has_room {
            self.held = held;
            self.known.insert(key);
        }
        has_room
    }

    /// The part that was read has ended, of which the disk has so many bytes.
    pub fn end_part(mut self, bytes: u64) -> Publishers {
        self.before = self.before.saturating_add(bytes);
        self
    }
}
