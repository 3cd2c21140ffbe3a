//! Limits the publishers in all parts of a recording, because readers keep memory for each.

use std::collections::HashSet;
use std::hash::Hash;

use super::entry::{Channel, Room, keyed};
use crate::event::Event;

/// Bytes per publisher besides its texts; copies and merges need the most.
const EACH: u64 = 1_024;

#[derive(Debug, Default)]
pub struct Publishers {
    known: HashSet<u64>,
    held: u64,
    /// Bytes of earlier parts on the disk.
    before: u64,
}

impl Publishers {
    /// Takes the publisher of a channel; returns whether it fits into the room of files with `bytes` more.
    pub fn take_channel(&mut self, of: &Channel, room: Room, bytes: u64) -> bool {
        let texts = [&of.topic, &of.endpoint, &of.source].map(String::len).into_iter().sum::<usize>();
        self.take((&of.topic, of.incarnation), texts, room, bytes)
    }

    /// Takes the publisher of an event; returns whether it fits.
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

    pub fn end_part(mut self, bytes: u64) -> Publishers {
        self.before = self.before.saturating_add(bytes);
        self
    }
}
