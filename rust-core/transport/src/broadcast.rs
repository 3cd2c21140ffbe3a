//! One ring that all subscribers of a publisher read: what a transport with shared memory
//! implements for `publish`.
//!
//! The publisher sends with the half of a link ([`Tx`]) that all its subscribers read, and that knows them as
//! `Readers`. A subscriber makes a [`SubscriberOffer`], sends its descriptors with the
//! hello, and turns it into a receiving half ([`Rx`]) when the publisher has answered. The publisher never waits: a
//! subscriber that is too slow is overtaken, and finds how many messages it missed in the sequence numbers. A message
//! that does not fit makes the publisher move to a larger ring; the halves of its readers say so ([`Rx::has_moved`]),
//! and they join again.

pub mod received;

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::hello::AnsweredCall;
use super::kind::Transport;
use super::{Rx, Tx};

pub use self::received::{Received, Start};
pub use super::link::{FastLinked, ViewCount};
use crate::error::Result;

/// Makes both sides of such rings.
pub trait BroadcastDriver: Sync {
    /// Makes the half that writes a publisher's ring of at least so many bytes at first, and so many once it has grown,
    /// for the session of this incarnation and for messages of at most `limit` bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn writer(&self, session: u64, first_and_full: (usize, usize), limit: u64) -> Result<Tx>;

    /// Makes the subscriber's side of a handshake, before the publisher is known, and the descriptors that go with its
    /// hello.
    fn offer(&self, session: u64) -> Result<(Box<dyn BroadcastOffer>, Vec<OwnedFd>)>;

    /// Reads the newest frame of the ring that came with a publisher's hello, without subscribing.
    /// `limit` is the longest body in bytes.
    fn newest(&self, called: &mut AnsweredCall, session: u64, limit: u64) -> Result<Received>;
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
