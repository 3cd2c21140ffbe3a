//! The ring of a publisher for all its subscribers: the interface of shared memory to `publish`.
//!
//! A subscriber makes a [`SubscriberOffer`], sends its descriptors with the hello, and turns it into an
//! [`Rx`] after the publisher's answer. The publisher never waits: it overtakes a slow subscriber, which
//! counts missed messages by their sequence numbers. For a message that does not fit, the publisher moves to
//! a larger ring. Its readers notice that ([`Rx::has_moved`]) and join again.

pub mod received;

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::hello::AnsweredCall;
use super::kind::Transport;
use super::{Rx, Tx};

pub use self::received::{Received, Start, not_rising};
pub use super::link::{FastLinked, ViewCount};
use crate::error::Result;

/// Makes both sides of such rings.
pub trait BroadcastDriver: Sync {
    /// Makes the half that writes a publisher's ring.
    ///
    /// The ring has at least the first number of bytes, and later at most the second; `limit` is the longest
    /// message in bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    fn writer(&self, session: u64, first_and_full: (usize, usize), limit: u64) -> Result<Tx>;

    /// Makes the subscriber's side of a handshake, and the descriptors that go with its hello.
    fn offer(&self, session: u64) -> Result<(Box<dyn BroadcastOffer>, Vec<OwnedFd>)>;

    /// Reads the newest frame of a publisher's ring; `limit` is the longest body in bytes.
    fn newest(&self, called: &mut AnsweredCall, session: u64, limit: u64) -> Result<Received>;
}

/// A subscriber's part of the publisher's ring, if there is one, made before the publisher is known.
pub struct SubscriberOffer(Option<Box<dyn BroadcastOffer>>);

impl SubscriberOffer {
    /// Makes the offer for this session, and the descriptors that go with its hello.
    ///
    /// # Errors
    /// `OutOfMemory`; errors of duplicating a descriptor.
    pub fn new(transport: Transport, session: u64) -> Result<(SubscriberOffer, Vec<OwnedFd>)> {
        let Some(rings) = transport.driver().broadcast() else {
            return Ok((SubscriberOffer(None), Vec::new()));
        };
        let (offer, descriptors) = rings.offer(session)?;
        Ok((SubscriberOffer(Some(offer)), descriptors))
    }

    /// Makes the receiving half, see [`BroadcastOffer::join`].
    ///
    /// Over a stream the publisher chooses the first message.
    ///
    /// # Errors
    /// The errors of [`BroadcastOffer::join`].
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

/// The subscriber's side of a handshake with the publisher of a ring.
pub trait BroadcastOffer: Send {
    /// Makes the subscription from the publisher's answer.
    ///
    /// `limit` is the longest body in bytes, `spin` the time of polling before a sleep. `views` are the
    /// subscriber's views from earlier connections.
    ///
    /// # Errors
    /// `Malformed` if the publisher's memory file is invalid.
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
