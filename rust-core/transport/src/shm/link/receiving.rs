//! The receiving half of a link: frames from the peer's ring, views of its slots, and waiting.
//!
//! The layer above calls `try_recv` until it returns `None`; then `spin`, `sleep_briefly` and `park`, each of which may
//! report something to read. After `park` it waits on `descriptors()` and calls `unpark`.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::park::{Park, Stage, Waker};
use super::super::reader::{ReadStep, Reader};
use super::super::segment::at;
use super::super::signals::Signal;
use super::super::slots::ReleaseCounter;
use super::super::spin::Spin;
use super::super::views::{BodyViews, SlotFiles};
use super::shared::{RingReader, Shared, disconnected, short_stage};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
#[cfg(test)]
use crate::sys::fork::Guarded;
use crate::sys::futex::Slept;
#[cfg(test)]
use crate::sys::memory::MemoryFile;

#[derive(Debug)]
pub struct ShmRx {
    pub(super) reader: RingReader,
    pub(super) waker: Waker,
    park: Park,
    pub(super) spin: Spin,
    /// Whether the futex stage has passed since the last frame: an idle link then sleeps in poll.
    pub(super) short_passed: bool,
    /// Consecutive empty reads; every 64th asks the kernel.
    pub(super) empty_polls: u32,
    /// Whether the next empty read asks for the peer's end; each park sets it.
    pub(super) probe_due: bool,
    pub(super) views: Option<Box<SlotFiles<ReleaseCounter>>>,
    /// Which bytes of bodies stay in slots, see [`ShmRx::view_bodies`].
    pub(super) body_views: (BodyViews, BodyViews),
    pub(super) shared: Arc<Shared>,
}

impl ShmRx {
    pub(super) fn new(
        reader: RingReader,
        views: Option<Box<SlotFiles<ReleaseCounter>>>,
        spin: Spin,
        shared: Arc<Shared>,
    ) -> ShmRx {
        ShmRx {
            reader,
            waker: Waker::new(at::ROOM_WAKE),
            park: Park::new(at::DATA_PARK, at::DATA_WAKE),
            spin,
            short_passed: false,
            empty_polls: 0,
            probe_due: false,
            views,
            body_views: Default::default(),
            shared,
        }
    }

    /// Pieces of a large frame per call: 2 MiB with the default ring.
    const PIECES: u32 = 64;

    /// The contract's `try_recv`: the next frame, or `None`. Never blocks.
    ///
    /// # Errors
    /// `TooLarge`: the frame was skipped. `OutOfMemory`: the frame stays the next one ([`ShmRx::skip_if`]). Every other
    /// error ends the link. `Disconnected` comes after everything that the peer wrote.
    #[inline]
    pub(crate) fn try_recv(&mut self) -> Result<Option<Incoming>> {
        // The caller can check its deadline, however fast a peer writes an endless frame.
        for _ in 0..ShmRx::PIECES {
            // Frames that the peer wrote before its end are still returned.
            let ended = self.shared.end.get().is_some();
            if ended {
                self.shared.check_defect()?;
            }
            match self.reader.step() {
                Ok(ReadStep::Frame(record)) if RingReader::has_references(record) => {
                    return self.receive_with_views(record);
                }
                Ok(ReadStep::Frame(record)) if RingReader::is_placed(record) => {
                    return self.receive_placed(record);
                }
                Ok(ReadStep::Frame(record)) => return self.receive(|reader| reader.take(record)),
                Ok(ReadStep::Assembled) => return self.receive(Reader::take_assembled),
                Ok(ReadStep::Piece) => {
                    self.short_passed = false;
                    self.wake_writer();
                }
                Ok(ReadStep::Empty) if ended => return Err(self.shared.end(disconnected())),
                Ok(ReadStep::Empty) if self.is_disconnected()? => drop(self.shared.end(disconnected())),
                Ok(ReadStep::Empty) => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(None)
    }

    #[inline]
    pub fn is_ready(&self) -> bool {
        self.reader.is_ready()
    }

    #[inline]
    fn receive(
        &mut self,
        take: impl FnOnce(&mut RingReader) -> Result<Option<Incoming>>,
    ) -> Result<Option<Incoming>> {
        self.note_frame();
        let taken = take(&mut self.reader);
        match &taken {
            Ok(Some(frame)) => self.shared.last_received.store(frame.header.sent, Ordering::Relaxed),
            Ok(None) => {}
            Err(_) => return taken.map_err(|error| self.failed(error)),
        }
        taken
    }

    /// Ends the link unless the error concerns one frame; returns the error.
    #[cold]
    pub(super) fn failed(&mut self, error: Error) -> Error {
        if matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) {
            self.wake_writer();
            return error;
        }
        self.shared.end(error)
    }

    /// Whether the peer has gone. Asks the kernel after a sleep in poll and after 64 empty reads.
    fn is_disconnected(&mut self) -> Result<bool> {
        if self.shared.has_closed() {
            return Ok(true);
        }
        self.empty_polls = self.empty_polls.wrapping_add(1);
        if !std::mem::take(&mut self.probe_due) && !self.empty_polls.is_multiple_of(64) {
            return Ok(false);
        }
        self.shared.is_gone()
    }

    pub(crate) fn spin(&mut self) -> bool {
        let reader = &self.reader;
        self.spin.until(|| reader.is_ready())
    }

    /// Sleeps in the futex for at most `park::SHORT`, once after each frame. False when it is time to park.
    ///
    /// # Errors
    /// The tick's error after a signal; errors of the futex call.
    pub(crate) fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        if self.short_passed {
            return Ok(false);
        }
        let Some(at_most) = short_stage(waiting) else { return Ok(false) };
        let Shared { mine, peer, .. } = &*self.shared;
        let (reader, shared) = (&self.reader, &self.shared);
        let ready = || reader.is_ready_fenced() || shared.end.get().is_some() || shared.has_closed();
        let slept = self.park.sleep_briefly(&mine.memory, &peer.memory, at_most, ready)?;
        self.short_passed = true;
        if slept == Slept::TimedOut {
            return Ok(false);
        }
        waiting.woke(slept == Slept::Interrupted)?;
        Ok(true)
    }

    /// Prepares a sleep on [`ShmRx::descriptors`]; true, unparked, if there is something to read.
    pub(crate) fn park(&mut self) -> Result<bool> {
        let mine = &self.shared.mine;
        self.probe_due = true;
        if let Err(error) = self.shared.prepare(Signal::Data) {
            // Any other error has ended the link; the next `try_recv` reports it.
            return if error.kind() == ErrorKind::OutOfMemory { Err(error) } else { Ok(true) };
        }
        self.park.park(&mine.memory, Stage::Poll);
        if self.reader.is_ready_fenced() || self.shared.end.get().is_some() || self.shared.has_closed() {
            self.park.unpark(&mine.memory);
            return Ok(true);
        }
        Ok(false)
    }

    pub(crate) fn unpark(&mut self) {
        self.park.unpark(&self.shared.mine.memory);
    }

    /// The socket, the peer's process and the eventfd of [`Signals`], to wait for another `try_recv`.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let Shared { signals, liveness, .. } = &*self.shared;
        liveness.descriptors().chain(signals.data_descriptor()).collect()
    }

    #[cfg(test)]
    pub(in super::super) fn socket(&self) -> &Arc<Guarded> {
        self.shared.liveness.socket()
    }

    #[cfg(test)]
    pub(in super::super) fn own_memory(&self) -> &Arc<MemoryFile> {
        &self.shared.mine.memory
    }

    #[cfg(test)]
    pub(crate) fn is_inside_a_frame(&self) -> bool {
        self.reader.is_inside_a_frame()
    }
}
