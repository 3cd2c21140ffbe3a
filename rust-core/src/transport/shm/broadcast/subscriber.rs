//! The subscriber's side: a ring_reader that can sleep, and the page that tells the publisher when it does.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::memory::OwnMemory;
use super::super::park::{Park, SHORT, Stage};
use super::super::peer::Peer;
use super::super::segment::{self, at};
use super::super::signals::{Signal, Signals};
use super::super::spin::Spin;
use super::ring_reader::{Received, RingReader, Start};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::Guarded;
use crate::sys::futex::Slept;
use crate::sys::memory::{MemoryFile, PeerMemory};

/// A subscriber's own page: the publisher reads from it whether the subscriber sleeps.
#[derive(Debug)]
pub(crate) struct SubscriberPage {
    memory: MemoryFile,
}

impl SubscriberPage {
    /// A page for the session of this incarnation.
    pub fn create(session: u64) -> Result<SubscriberPage> {
        Ok(SubscriberPage { memory: segment::create(segment::PAGE_OF_SUBSCRIBER, session, 0)? })
    }

    /// What the publisher needs: the page.
    pub fn descriptor_for_peer(&self) -> BorrowedFd<'_> {
        self.memory.fd()
    }
}

/// The receiving half of a subscription.
#[derive(Debug)]
pub(crate) struct BroadcastReader {
    ring_reader: RingReader<PeerMemory>,
    page: SubscriberPage,
    park: Park,
    spin: Spin,
    publisher: Peer,
    signals: Signals,
    /// The short stage has passed since a frame came last.
    short_passed: bool,
    /// Why the subscription has ended, where it was not the publisher that ended it.
    end: Option<Error>,
    /// The publisher may be gone: ask when there is nothing more to read.
    probe_due: bool,
    /// Looks in a row that found nothing.
    empty_polls: u32,
    gone: bool,
}

impl BroadcastReader {
    /// Follows the ring with `page`, which the publisher has. `socket` is where both were exchanged: its hang-up means
    /// that the publisher is gone, as does the end of `process`, where the kernel gives one.
    pub fn new(
        ring_reader: RingReader<PeerMemory>,
        page: SubscriberPage,
        socket: Arc<Guarded>,
        process: Option<Arc<OwnedFd>>,
        spin: Duration,
    ) -> BroadcastReader {
        BroadcastReader {
            ring_reader,
            page,
            park: Park::new(at::DATA_PARK, at::DATA_WAKE),
            spin: Spin::new(spin),
            signals: Signals::without_sender(socket.clone()),
            publisher: Peer::new(socket, process),
            short_passed: false,
            end: None,
            probe_due: false,
            empty_polls: 0,
            gone: false,
        }
    }

    /// The next frame, nothing, or that the publisher has moved; errors as [`RingReader::read`] says, and `Disconnected`
    /// once everything has been read that a gone publisher left.
    pub fn try_recv(&mut self) -> Result<Received> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        loop {
            let gone = self.gone;
            match self.ring_reader.read()? {
                Received::Nothing if gone => {
                    let text = "the publisher closed or its process ended";
                    return Err(Error::new(ErrorKind::Disconnected, text));
                }
                Received::Nothing => {
                    self.empty_polls = self.empty_polls.wrapping_add(1);
                    let ask = std::mem::take(&mut self.probe_due) || self.empty_polls.is_multiple_of(64);
                    if !ask || !self.publisher.is_gone()? {
                        return Ok(Received::Nothing);
                    }
                    // Once more: it may have published between the look and its end.
                    self.gone = true;
                }
                Received::Frame(frame) => {
                    self.page.memory.store(at::CONSUMED, frame.header.sequence, Ordering::Relaxed);
                    self.short_passed = false;
                    return Ok(Received::Frame(frame));
                }
                other => return Ok(other),
            }
        }
    }

    /// Asks whether the publisher is gone.
    pub fn is_gone(&self) -> Result<bool> {
        self.publisher.is_gone()
    }

    /// The newest frame, whether read before or not.
    pub fn latest(&self) -> Result<Received> {
        self.ring_reader.latest()
    }

    /// Where to go on in the ring that the publisher has moved to, for a new subscription.
    pub fn resume(&self) -> Start {
        self.ring_reader.resume()
    }

    /// Looks for a few microseconds; true when something is there.
    pub fn spin(&mut self) -> bool {
        let ring_reader = &self.ring_reader;
        self.spin.look(|| ring_reader.is_ready())
    }

    /// Sleeps for a moment in the futex, once after each frame: false when it is time for [`BroadcastReader::park`] and a
    /// longer sleep.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        if self.short_passed || self.gone || !self.ring_reader.wakes_from_futex() {
            return Ok(false);
        }
        // A deadline that has passed is told by the next stage.
        let Ok(left) = waiting.sleep() else { return Ok(false) };
        let at_most = left.map_or(SHORT, |left| left.min(SHORT));
        let (park, ring_reader) = (&mut self.park, &self.ring_reader);
        let there = || ring_reader.is_ready_fenced();
        let slept = park.sleep_briefly(&self.page.memory, ring_reader.peer(), at_most, there)?;
        self.short_passed = true;
        if slept == Slept::TimedOut {
            return Ok(false);
        }
        waiting.woke(slept == Slept::Interrupted)?;
        Ok(true)
    }

    /// OwnerRecord to sleep on [`BroadcastReader::descriptors`]; true when there is something to look at after all.
    pub fn park(&mut self) -> Result<bool> {
        if let Err(end) = self.signals.prepare(Signal::Data) {
            self.end = Some(end);
            return Ok(true);
        }
        self.park.park(&self.page.memory, Stage::Poll);
        self.probe_due = true;
        if self.gone || self.ring_reader.is_ready_fenced() {
            self.unpark();
            return Ok(true);
        }
        Ok(false)
    }

    /// Awake again.
    pub fn unpark(&mut self) {
        self.park.unpark(&self.page.memory);
    }

    /// What wakes an epoll set (for reading) when `try_recv` should be called again.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.publisher.descriptors().collect()
    }
}
