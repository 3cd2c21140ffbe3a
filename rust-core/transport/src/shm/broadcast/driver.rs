//! The ring of a publisher behind the traits of `transport::broadcast`.
//!
//! The layer above knows only the traits. A publisher gets a [`BroadcastWriter`], to which it adds
//! each subscriber with the descriptors of its hello; a subscriber makes an offer (its page), sends
//! it with its hello, and joins with the descriptor that came with the answer (the ring).
//! Descriptors from a hello are mapped or refused, never read from or written to.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;

use super::super::references::{self, Reference};
use super::super::segment::ring_length;
use super::super::views::BodyViews;
use super::publisher::{Broadcast, Subscription};
use super::ring_reader::RingReader;
use super::slots::BroadcastSlots;
use super::subscriber::{BroadcastReader, SubscriberPage};
use super::viewers::Viewers;
use super::views::{PublishedFiles, ViewCount};
use crate::body::{PLACED_FROM, Part, Rest, Split};
use crate::broadcast::{BroadcastDriver, BroadcastOffer, BroadcastWriter, Received, Start};
use crate::codec::Encoding;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Outgoing};
use crate::hello::AnsweredCall;
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerFile;
use crate::{LongBodies, Rx};

/// Makes both sides of rings in shared memory; it has no state.
pub struct RingDriver;

impl BroadcastDriver for RingDriver {
    fn writer(
        &self,
        session: u64,
        (first, full): (usize, usize),
        limit: u64,
    ) -> Result<Box<dyn BroadcastWriter>> {
        let ring = Broadcast::create(session, first)?;
        let slots = Arc::new(BroadcastSlots::new(Viewers::default(), session, limit, ring_length(full)?));
        let (subscribers, without_slots) = (IndexMap::new(), HashSet::new());
        let long_bodies = LongBodies::default();
        Ok(Box::new(ShmBroadcastWriter {
            ring,
            subscribers,
            slots,
            without_slots,
            newest: None,
            long_bodies,
        }))
    }

    fn offer(&self, session: u64) -> Result<(Box<dyn BroadcastOffer>, Vec<OwnedFd>)> {
        let page = SubscriberPage::create(session)?;
        let file = page.descriptor_for_peer().try_clone_to_owned();
        Ok((Box::new(page), vec![file.doing("duplicating a descriptor for the publisher")?]))
    }

    fn newest(&self, called: &mut AnsweredCall, session: u64, limit: u64) -> Result<Received> {
        let (ring, mut slots) = opened(&mut called.descriptors, PublishedFiles::of(session, limit, None))?;
        let ring_reader = RingReader::open(ring, session, limit, Start::Newest)?;
        ring_reader.latest_with(&mut |frame| slots.resolve(frame, BodyViews::None, || Ok(None)))
    }
}

/// A ring and its subscribers. Publishing does not need them: they are kept to wake them and to load how far they have
/// read.
struct ShmBroadcastWriter {
    ring: Broadcast,
    /// By the number that the fan-out uses for a subscriber. Ordered, so that wake-ups are sent in a fixed order.
    subscribers: IndexMap<u64, Subscription>,
    slots: Arc<BroadcastSlots>,
    /// Subscribers without support for slots.
    without_slots: HashSet<u64>,
    /// The newest message, if it refers to slots. Its slots are not written again, so that later subscribers can read
    /// it.
    newest: Option<Newest>,
    /// How many long bodies were published in slots, and how many through the ring for want of one, since the last
    /// [`BroadcastWriter::take_long_bodies`].
    long_bodies: LongBodies,
}

struct Newest {
    header: Header,
    split: Split,
}

impl ShmBroadcastWriter {
    /// Wakes the subscribers that sleep.
    fn notify(&mut self) {
        if self.subscribers.values().any(Subscription::is_asleep) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&mut self) {
        self.ring.notify(self.subscribers.values_mut());
    }

    /// Publishes a frame with long arrays, which go to slots where that is possible.
    fn publish_split(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let Some(references) = references(&self.slots, frame) else {
            return self.publish_long(&frame.in_one_block());
        };
        let frame = Outgoing { extension: &references, ..*frame };
        self.ring.publish(&frame)?;
        self.newest = Newest::of(&frame);
        Ok(())
    }

    /// Publishes a frame with a long body in one block, which goes to a slot as a whole where that is possible.
    fn publish_long(&mut self, frame: &Outgoing<'_>) -> Result<()> {
        let Some((split, reference)) = self.place(frame) else {
            self.ring.publish(frame)?;
            self.newest = None;
            // While a reader has no slots, none is wanted.
            self.long_bodies.without_slot += u64::from(self.without_slots.is_empty());
            return Ok(());
        };
        let frame = Outgoing { extension: &reference, body: &[], split: Some(&split), owner: None, ..*frame };
        self.ring.publish(&frame)?;
        self.newest = Newest::of(&frame);
        self.long_bodies.in_slots += 1;
        Ok(())
    }

    /// Copies the body of a frame to a slot, unless it is in one already, and returns it there, with the reference for
    /// a record. `None` where no slot is free, or a subscriber cannot be sent its file.
    fn place(&self, frame: &Outgoing<'_>) -> Option<(Split, Rest)> {
        if !frame.extension.is_empty() {
            return None;
        }
        let slots = &self.slots;
        let bytes = slots.in_place_or_copy(frame.body, frame.owner)?;
        let split = Split::new(Rest::from(Bytes::new()), vec![Part { at: 0, bytes }]);
        let reference = slots.refer(&split)?.first().copied().map(Reference::to_bytes)?;
        Some((split, reference))
    }
}

impl Newest {
    /// What is kept of the newest frame.
    fn of(frame: &Outgoing<'_>) -> Option<Newest> {
        let split = frame.split?;
        let split = Split::new(split.rest().clone(), split.parts());
        Some(Newest { header: frame.header, split })
    }
}

/// References to the long arrays of a frame in slots, instead of the arrays; none if they are not all there.
fn references(slots: &BroadcastSlots, frame: &Outgoing<'_>) -> Option<Rest> {
    let split = frame.split.filter(|_| frame.extension.is_empty())?;
    Some(references::to_bytes(&slots.refer(split)?))
}

impl BroadcastWriter for ShmBroadcastWriter {
    fn publish_short(&mut self, sequence: u64, sent: i64, encoding: Encoding, body: &[u8]) -> bool {
        // The general path gives up the slots of the newest message.
        if self.newest.is_some() || !self.ring.publish_short(sequence, sent, encoding, body) {
            return false;
        }
        self.notify();
        true
    }

    fn publish(&mut self, frames: &mut dyn Iterator<Item = Outgoing<'_>>) -> (usize, Result<()>) {
        let (mut count, mut published) = (0, Ok(()));
        for frame in frames {
            let is_long = frame.body.len() >= PLACED_FROM;
            published = if frame.split.is_none() && !is_long {
                self.ring.append(&frame).inspect(|()| self.newest = None)
            } else {
                // Frames that refer to slots are rare, so each is published by itself.
                self.ring.commit();
                if frame.split.is_some() { self.publish_split(&frame) } else { self.publish_long(&frame) }
            };
            if published.is_err() {
                break;
            }
            count += 1;
        }
        self.ring.commit();
        self.notify();
        (count, published)
    }

    fn grow(&mut self, buffer: usize) -> Result<()> {
        self.ring.grow(buffer)
    }

    fn take_long_bodies(&mut self) -> LongBodies {
        std::mem::take(&mut self.long_bodies)
    }

    fn slots(&self) -> Option<Arc<BroadcastSlots>> {
        Some(self.slots.clone())
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
        // Publish it again under the same number; readers that have it skip it.
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

impl BroadcastOffer for SubscriberPage {
    fn join(
        self: Box<Self>,
        mut called: AnsweredCall,
        session: u64,
        limit: u64,
        start: Start,
        spin: Duration,
        views: &mut ViewCount,
    ) -> Result<Rx> {
        let socket = called.stream.into_socket()?;
        let slots = PublishedFiles::of(session, limit, Some(self.viewing(socket.clone(), views.of(session))));
        let (ring, slots) = opened(&mut called.descriptors, slots)?;
        let ring_reader = RingReader::open(ring, session, limit, start)?;
        let reader = BroadcastReader::new(ring_reader, slots, *self, socket, called.process, spin);
        Ok(Rx::Published(Box::new(reader)))
    }
}

/// Takes the descriptors that came with a publisher's hello: its ring, and files of its slots. `Malformed`
/// for anything else.
fn opened(descriptors: &mut Vec<OwnedFd>, mut slots: PublishedFiles) -> Result<(OwnedFd, PublishedFiles)> {
    let mut descriptors = descriptors.drain(..);
    let Some(ring) = descriptors.next() else {
        let text = "a publisher's hello brings its ring, and files of its slots";
        return Err(Error::new(ErrorKind::Malformed, text));
    };
    descriptors.try_for_each(|file| slots.put(file))?;
    Ok((ring, slots))
}
