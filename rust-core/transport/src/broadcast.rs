//! One ring that all subscribers of a publisher read: what a transport with shared memory
//! implements for `publish`.
//!
//! The publisher has a [`BroadcastWriter`]. A subscriber makes a [`SubscriberOffer`], sends its descriptors with the
//! hello, and turns it into a receiving half ([`Rx`]) when the publisher has answered. The publisher never waits: a
//! subscriber that is too slow is overtaken, and finds how many messages it missed in the sequence numbers. A message
//! that does not fit makes the publisher move to a larger ring; the halves of its readers say so ([`Rx::has_moved`]),
//! and they join again.

pub mod received;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::hello::AnsweredCall;
use super::kind::Transport;
use super::{BroadcastSlots, LongBodies, Rx};

pub use self::received::{Received, Start};
pub use super::link::{FastLinked, ViewCount};
use crate::codec::Encoding;
use crate::error::Result;
use crate::frame::Outgoing;
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerFile;

/// Makes both sides of such rings.
pub trait BroadcastDriver: Sync {
    /// Makes a publisher's ring of at least so many bytes at first, and so many once it has grown, for the session of
    /// this incarnation and for messages of at most `limit` bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn writer(
        &self,
        session: u64,
        first_and_full: (usize, usize),
        limit: u64,
    ) -> Result<Box<dyn BroadcastWriter>>;

    /// Makes the subscriber's side of a handshake, before the publisher is known, and the descriptors that go with its
    /// hello.
    fn offer(&self, session: u64) -> Result<(Box<dyn BroadcastOffer>, Vec<OwnedFd>)>;

    /// Reads the newest frame of the ring that came with a publisher's hello, without subscribing.
    /// `limit` is the longest body in bytes.
    fn newest(&self, called: &mut AnsweredCall, session: u64, limit: u64) -> Result<Received>;
}

/// A publisher's ring, and its view of each subscriber. Used by one thread at a time.
pub trait BroadcastWriter: Send {
    /// Publishes frames in order and wakes the subscribers that are parked, once. Returns how many, and the error of
    /// the next one.
    ///
    /// # Errors
    /// `TooLarge` above the largest ring, `OutOfMemory`; then nothing has changed for that frame.
    fn publish(&mut self, frames: &mut dyn Iterator<Item = Outgoing<'_>>) -> (usize, Result<()>);

    /// Publishes a short data message without extension and flags, and wakes the subscribers that are parked: what
    /// [`BroadcastWriter::publish`] does, in fewer steps. Returns false where that is to be called; then nothing has
    /// changed.
    fn publish_short(&mut self, sequence: u64, sent: i64, encoding: Encoding, body: &[u8]) -> bool;

    /// Moves to a ring of at least so many bytes, which gets the messages of the one before.
    ///
    /// # Errors
    /// `OutOfMemory`; then nothing has changed.
    fn grow(&mut self, buffer: usize) -> Result<()>;

    /// Returns how many long bodies were published since the last call, to readers of which each takes them in slots.
    fn take_long_bodies(&mut self) -> LongBodies {
        LongBodies::default()
    }

    /// Returns the slots for long arrays, which subscribers view; `None` for a transport without
    /// slots.
    fn slots(&self) -> Option<Arc<BroadcastSlots>>;

    /// Returns the descriptors to send with the answer to the hello of this reader: the memory file
    /// of the ring, and those of slots that the reader needs.
    ///
    /// # Errors
    /// Those of duplicating descriptors.
    fn descriptors_for_peer(&mut self, id: u64) -> Result<Vec<OwnedFd>>;

    /// Counts a subscriber from now on under this number, with the descriptors that came with its
    /// hello. `socket` is its connection, over which it is woken.
    ///
    /// # Errors
    /// `Malformed` where its memory file is invalid.
    fn add(&mut self, id: u64, descriptors: Vec<PeerFile>, session: u64, socket: Arc<Guarded>) -> Result<()>;

    /// Adds a reader without support for slots under this number, a subscriber or not: until it is
    /// removed, the ring contains each message as a whole, and so is the newest.
    fn add_without_slots(&mut self, id: u64) -> Result<()>;

    /// Notes that the hello of a subscriber has been answered.
    fn answered(&mut self, id: u64);

    /// Removes a subscriber or a reader without support for slots.
    fn remove(&mut self, id: u64);

    /// Ends publishing: views of published arrays stay valid.
    fn close(&mut self);

    /// Returns the number of the last message that a subscriber has read; 0 before the first, and
    /// for an unknown subscriber.
    fn read_so_far(&self, id: u64) -> u64;
}

/// What a subscriber makes before its publisher is known: its part of the publisher's ring, where there is one.
pub struct SubscriberOffer(Option<Box<dyn BroadcastOffer>>);

impl SubscriberOffer {
    /// Makes what goes with the hello of this session, and returns it with the descriptors.
    ///
    /// # Errors
    /// `OutOfMemory`; those of duplicating a descriptor.
    pub fn new(transport: Transport, session: u64) -> Result<(SubscriberOffer, Vec<OwnedFd>)> {
        let Some(rings) = transport.driver().broadcast() else {
            return Ok((SubscriberOffer(None), Vec::new()));
        };
        let (offer, descriptors) = rings.offer(session)?;
        Ok((SubscriberOffer(Some(offer)), descriptors))
    }

    /// Makes the receiving half, as [`BroadcastOffer::join`]; over a stream the publisher decides with which message it
    /// begins.
    ///
    /// # Errors
    /// As there.
    pub fn join(
        self,
        called: AnsweredCall,
        session: u64,
        limit: u64,
        start: Start,
        spin: Duration,
        views: &mut ViewCount,
    ) -> Result<Rx> {
        match self.0 {
            Some(offer) => offer.join(called, session, limit, start, spin, views),
            None => Ok(Rx::of_stream(called.stream, called.process, limit)),
        }
    }
}

/// The subscriber's side of a handshake, of a publisher with a ring.
pub trait BroadcastOffer: Send {
    /// Makes the subscription from the publisher's answer. `limit` is the longest body in bytes,
    /// `spin` how long a read polls before it sleeps, `views` what the subscriber views through earlier connections.
    ///
    /// # Errors
    /// `Malformed` where the publisher's memory file is invalid.
    fn join(
        self: Box<Self>,
        called: AnsweredCall,
        session: u64,
        limit: u64,
        start: Start,
        spin: Duration,
        views: &mut ViewCount,
    ) -> Result<Rx>;
}
