//! Streams of messages between two bridges: links without programs, for journals and replays.
//!
//! A stream begins with a name, then has messages of any length in both directions. Either side may end it.

use std::time::Instant;

use bytes::Bytes;

use super::link::{Link, Received, STREAM};
use super::packet::Id;
use super::set::{Links, Opened};

impl Links {
    /// Opens a stream with this name to the newest bridge of another machine; `None` if none is known.
    pub fn open_stream(&mut self, name: &str, machine: &str) -> Option<Id> {
        let bridge = self.bridges.iter().rev().find(|bridge| bridge.machine == machine)?.clone();
        let id = self.next_id();
        let mut link = Link::stream(bridge);
        link.order.send((STREAM, Bytes::copy_from_slice(name.as_bytes())));
        self.links.insert(id, link);
        self.ready.insert(id);
        Some(id)
    }

    pub fn take_opened(&mut self) -> Vec<Opened> {
        std::mem::take(&mut self.opened)
    }

    /// Returns the next message of a stream. Marks the link, because its window gets room.
    pub fn receive(&mut self, id: Id) -> Received {
        let Some(link) = self.links.get_mut(&id) else { return Received::End };
        let received = link.receive(Instant::now());
        if !matches!(received, Received::Nothing) {
            self.ready.insert(id);
        }
        received
    }

    pub fn has_room(&self, id: Id) -> bool {
        self.links.get(&id).is_some_and(|link| link.order.has_room())
    }

    /// Sends a message over a stream. It is queued even without room in the window: see [`Links::has_room`].
    pub fn send(&mut self, id: Id, message: Bytes) {
        if let Some(link) = self.links.get_mut(&id) {
            link.send_message(message);
            self.ready.insert(id);
        }
    }

    /// Ends a stream after the other bridge has received everything sent. Does nothing if it has already ended.
    pub fn close(&mut self, id: Id) {
        if let Some(link) = self.links.get_mut(&id) {
            link.close();
            self.ready.insert(id);
        }
    }
}
