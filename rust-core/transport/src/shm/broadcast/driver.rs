//! The ring of a publisher, as the traits of `transport::broadcast`.
//!
//! A publisher gets a sending half ([`Tx`]), and adds each subscriber to its [`Readers`]. A subscriber sends its page
//! with its hello, and makes a receiving half ([`Rx`]) of the ring in the answer. Descriptors from a hello are mapped
//! or refused, never read or written.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::super::segment::ring_length;
use super::super::views::BodyViews;
use super::published_tx::PublishedTx;
use super::publisher::Broadcast;
use super::ring_reader::RingReader;
use super::slots::PublishedSlots;
use super::subscriber::{BroadcastReader, SubscriberPage};
use super::viewers::Viewers;
use super::views::{PublishedFiles, ViewCount};
use crate::broadcast::{BroadcastDriver, BroadcastOffer, Received, Start};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::hello::AnsweredCall;
use crate::{Rx, Tx};

pub struct RingDriver;

impl BroadcastDriver for RingDriver {
    fn writer(&self, session: u64, (first, full): (usize, usize), limit: u64) -> Result<Tx> {
        let ring = Broadcast::create(session, first)?;
        let slots = Arc::new(PublishedSlots::new(Viewers::default(), session, limit, ring_length(full)?));
        Ok(Tx::Published(Box::new(PublishedTx::new(ring, slots))))
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

/// Takes the ring and the slot files that came with a publisher's hello. `Malformed` for anything else.
fn opened(descriptors: &mut Vec<OwnedFd>, mut slots: PublishedFiles) -> Result<(OwnedFd, PublishedFiles)> {
    let mut descriptors = descriptors.drain(..);
    let Some(ring) = descriptors.next() else {
        let text = "a publisher's hello brings its ring, and files of its slots";
        return Err(Error::new(ErrorKind::Malformed, text));
    };
    descriptors.try_for_each(|file| slots.put(file))?;
    Ok((ring, slots))
}
