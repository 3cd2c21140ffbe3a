//! The sending half of a publisher: its ring, the slots of long bodies, and the readers of both.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexMap;

use super::super::references::{self, Reference};
use super::publisher::{Broadcast, Subscription};
use super::slots::PublishedSlots;
use crate::body::{PLACED_FROM, Part, Rest, Split};
use crate::codec::Encoding;
use crate::error::{Doing, Result};
use crate::frame::{Header, Outgoing};
use crate::half::Readers;
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerFile;
use crate::{LongBodies, Sent};

/// The half that writes a ring, and its subscribers. It never waits: there is always room.
pub struct PublishedTx {
    ring: Broadcast,
    /// By the fan-out's number for a subscriber. Ordered, for a fixed order of wake-ups.
    subscribers: IndexMap<u64, Subscription>,
    slots: Arc<PublishedSlots>,
    without_slots: HashSet<u64>,
    /// The newest message, if it refers to slots, which stay unchanged for later subscribers.
    newest: Option<Newest>,
    long_bodies: LongBodies,
}

struct Newest {
    header: Header,
    split: Split,
}

impl PublishedTx {
    pub(super) fn new(ring: Broadcast, slots: Arc<PublishedSlots>) -> PublishedTx {
        PublishedTx {
            ring,
            subscribers: IndexMap::new(),
            slots,
            without_slots: HashSet::new(),
            newest: None,
            long_bodies: LongBodies::default(),
        }
    }

    /// Sends a short data message without extension map and flags, and wakes parked subscribers.
    ///
    /// Returns false, without a change, if [`PublishedTx::try_send_many`] is needed.
    #[inline]
    pub fn try_send_fast(&mut self, sequence: u64, sent: i64, encoding: Encoding, body: &[u8]) -> bool {
        // The general path gives up the slots of the newest message.
        if self.newest.is_some() || !self.ring.ring_writer.write_fast(sequence, sent, encoding, body) {
            return false;
        }
        self.notify();
        true
    }

    /// Sends frames in order and wakes parked subscribers once. Returns how many frames were sent.
    ///
    /// # Errors
    /// If the first frame cannot be sent; nothing has then changed: `TooLarge` above the largest ring, `OutOfMemory`.
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        let (mut count, mut put) = (0, Ok(()));
        for frame in frames {
            put = self.put(&frame);
            if put.is_err() {
                break;
            }
            count += 1;
        }
        self.ring.commit();
        self.notify();
        if count > 0 { Ok(count) } else { put.map(|()| 0) }
    }

    /// Sends one frame: see [`PublishedTx::try_send_many`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        let put = self.put(frame);
        self.ring.commit();
        self.notify();
        put.map(|()| Sent::Whole)
    }

    /// Writes a frame into the ring; readers find it at the next commit or before.
    fn put(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        if frame.split.is_none() && frame.body.len() < PLACED_FROM {
            return self.ring.append(frame).inspect(|()| self.newest = None);
        }
        // Frames that refer to slots are rare, so each is its own batch.
        self.ring.commit();
        if frame.split.is_some() { self.publish_split(frame) } else { self.publish_long(frame) }
    }

    /// How many long bodies were published since the last call, while every reader supports slots.
    pub fn take_long_bodies(&mut self) -> LongBodies {
        std::mem::take(&mut self.long_bodies)
    }

    fn notify(&mut self) {
        if self.subscribers.values().any(Subscription::is_asleep) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&mut self) {
        self.ring.notify(self.subscribers.values_mut());
    }

    fn publish_split(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let Some(references) = references(&self.slots, frame) else {
            return self.publish_long(&frame.in_one_block());
        };
        let frame = Outgoing { extension: &references, ..*frame };
        self.ring.publish(&frame)?;
        self.newest = Newest::of(&frame);
        Ok(())
    }

    fn publish_long(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let Some((split, reference)) = self.place(frame) else {
            self.ring.publish(frame)?;
            self.newest = None;
            // A reader without slots gets none.
            self.long_bodies.without_slot += u64::from(self.without_slots.is_empty());
            return Ok(());
        };
        let frame = Outgoing { extension: &reference, body: &[], split: Some(&split), owner: None, ..*frame };
        self.ring.publish(&frame)?;
        self.newest = Newest::of(&frame);
        self.long_bodies.in_slots += 1;
        Ok(())
    }

    /// Puts the body of a frame into a slot, and returns it with the reference for a record.
    fn place(&self, frame: &Outgoing<'_>) -> Option<(Split, Rest)> {
        if !frame.extension.is_empty() {
            return None;
        }
        let slots = &self.slots;
        let bytes = slots.in_place_or_copy(frame.body, frame.owner)?;
        let split = Split::new(Rest::from(Bytes::new()), vec![Part { at: 0, bytes }]);
        let reference =
            slots.refer(&split, frame.header.sequence)?.first().copied().map(Reference::to_bytes)?;
        Some((split, reference))
    }
}

impl Newest {
    fn of(frame: &Outgoing<'_>) -> Option<Newest> {
        let split = frame.split?;
        let split = Split::new(split.rest().clone(), split.parts());
        Some(Newest { header: frame.header, split })
    }
}

/// References to the long arrays of a frame; `None` if one is not in a slot.
fn references(slots: &PublishedSlots, frame: &Outgoing<'_>) -> Option<Rest> {
    let split = frame.split.filter(|_| frame.extension.is_empty())?;
    Some(references::to_bytes(&slots.refer(split, frame.header.sequence)?))
}

impl Readers for PublishedTx {
    fn grow(&mut self, buffer: usize) -> Result<()> {
        self.ring.grow(buffer)
    }

    fn slots(&self) -> Arc<PublishedSlots> {
        self.slots.clone()
    }

    fn descriptors_for_peer(&mut self, id: u64) -> Result<Vec<OwnedFd>> {
        let ring = self.ring.descriptor_for_peer().try_clone_to_owned();
        let mut descriptors = vec![ring.doing("duplicating a ring's descriptor")?];
        if self.without_slots.contains(&id) {
            return Ok(descriptors);
        }
        descriptors.extend(match (&self.newest, self.subscribers.contains_key(&id)) {
            (_, true) => self.slots.files_for(id)?,
            (Some(newest), false) => self.slots.files_of(&newest.split)?,
            (None, false) => Vec::new(),
        });
        Ok(descriptors)
    }

    fn add(&mut self, id: u64, descriptors: Vec<PeerFile>, session: u64, socket: Arc<Guarded>) -> Result<()> {
        let subscription = Subscription::from_descriptors(descriptors, session, socket)?;
        if !self.without_slots.contains(&id) {
            let (page, socket) = subscription.page();
            self.slots.add(id, page.clone(), socket.clone());
        }
        self.subscribers.insert(id, subscription);
        Ok(())
    }

    fn add_without_slots(&mut self, id: u64) -> Result<()> {
        self.slots.turn_off(true);
        self.without_slots.insert(id);
        let Some(newest) = self.newest.take() else { return Ok(()) };
        let Newest { header, split } = &newest;
        // Publishes it again with its number; readers that have it skip it.
        let frame =
            Outgoing { header: *header, extension: &[], body: split.rest(), split: Some(split), owner: None };
        let published = self.ring.publish(&frame.in_one_block());
        if published.is_err() {
            self.newest = Some(newest);
        }
        self.notify();
        published.map(drop)
    }

    fn answered(&mut self, id: u64) {
        self.slots.answered(id);
    }

    fn remove(&mut self, id: u64) {
        self.subscribers.swap_remove(&id);
        if self.without_slots.remove(&id) {
            self.slots.turn_off(!self.without_slots.is_empty());
        } else {
            self.slots.remove(id);
        }
    }

    fn close(&mut self) {
        self.slots.close();
    }

    fn read_so_far(&self, id: u64) -> u64 {
        self.subscribers.get(&id).map_or(0, Subscription::read_so_far)
    }
}
