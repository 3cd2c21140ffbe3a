//! A publisher's subscribers: which slots each views, and which files each was sent.
//!
//! A slot is free if no subscriber views it.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::event::{PollFd, PollFlags};

use super::super::memory::Memory;
use super::super::references::Reference;
use super::super::segment::{CLAIMS, SLOTS, at};
use super::super::signals::{GiveOutcome, give_file};
use super::super::slot_file::SlotFile;
use super::super::slot_page::{self, FileName};
use super::super::slots::{Release, Slot};
use super::claims::{self, Claims};
use crate::sys::fork::Guarded;
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::sys::poll;

#[derive(Debug)]
struct Viewer {
    id: u64,
    page: Arc<PeerMemory>,
    /// Stays open while the subscriber's process has views, even after the subscriber has left.
    socket: Arc<Guarded>,
    /// For each slot, the number of the file that the subscriber was sent.
    has: [u64; SLOTS],
    sent: u64,
    /// The subscriber's hello was answered, so other bytes may follow.
    answered: bool,
    left: bool,
    /// The subscriber has claimed too many slots, so its claims are ignored.
    refuted: bool,
}

#[derive(Debug, Default)]
pub struct Viewers {
    all: Vec<Viewer>,
    have_left: bool,
    /// Messages published so far that refer to slots.
    published: u64,
    /// Up to this message number the oldest slot is used first, for readers without a page.
    in_order_until: u64,
    is_off: bool,
    is_closed: bool,
}

impl Release for Viewers {
    /// As the largest ring.
    const BOUND: usize = 4;

    fn is_open(&mut self) -> bool {
        if self.have_left {
            self.forget_those_that_have_gone();
        }
        !self.is_off && !self.is_closed
    }

    fn may_be_free(&self, _slot: usize) -> bool {
        // `claim` reads the subscribers' pages for the one slot that is tried.
        true
    }

    fn claim(&mut self, slot: usize, entry: &mut Slot) -> bool {
        let Some(file) = entry.file.as_ref().map(SlotFile::file) else { return false };
        let word = entry.length + slot_page::at::FILLING;
        // Subscribers' processors hold this cache line; fetching it overlaps with loading their pages.
        file.prefetch(word);
        if self.is_viewed(slot) {
            return false;
        }
        claims::begin_filling(file, word, entry.filling + 1);
        if self.is_viewed(slot) {
            // Nothing was written, so the old filling is still there.
            claims::begin_filling(file, word, entry.filling);
            return false;
        }
        (entry.filling, entry.published) = (entry.filling + 1, 0);
        true
    }

    fn note_sent(&mut self, slots: &mut [Slot], references: &[Reference], message: u64) {
        self.published += 1;
        for reference in references {
            let slot = &mut slots[reference.slot as usize];
            (slot.published, slot.message) = (self.published, message);
        }
    }

    fn read_by_all(&self) -> u64 {
        if self.published < self.in_order_until {
            return 0;
        }
        // Acquire: the reads of a message come before. The views of those that have left are in their pages.
        let read = |viewer: &Viewer| viewer.page.load(at::CONSUMED, Ordering::Acquire);
        let reading = self.all.iter().filter(|viewer| !viewer.left && !viewer.refuted);
        reading.map(read).min().unwrap_or(u64::MAX)
    }
}

impl Viewers {
    /// Adds a subscriber, whose views protect slots. It gets no file before [`Viewers::answered`].
    pub fn add(&mut self, id: u64, page: Arc<PeerMemory>, socket: Arc<Guarded>) {
        let (has, sent) = ([0; SLOTS], 0);
        self.all.push(Viewer { id, page, socket, has, sent, answered: false, left: false, refuted: false });
    }

    /// Keeps the next messages in order, for a reader that no page tells of.
    pub fn expect_reader(&mut self) {
        self.in_order_until = self.published.saturating_add(SLOTS as u64);
    }

    pub fn gets(&mut self, id: u64, files: &[FileName]) {
        for viewer in self.all.iter_mut().filter(|viewer| viewer.id == id) {
            files.iter().for_each(|file| viewer.has[file.slot] = file.number);
        }
    }

    pub fn answered(&mut self, id: u64) {
        self.all.iter_mut().filter(|viewer| viewer.id == id).for_each(|viewer| viewer.answered = true);
    }

    /// Records that a subscriber has left. Its views protect slots until they, or its process, have ended.
    pub fn leave(&mut self, id: u64) {
        self.all.iter_mut().filter(|viewer| viewer.id == id).for_each(|viewer| viewer.left = true);
        // A subscriber connects again after the ring has moved, and continues after its last message.
        self.expect_reader();
        self.forget_those_that_have_gone();
    }

    pub fn turn_off(&mut self, off: bool) {
        self.is_off = off;
    }

    /// Ends all writing, and removes all subscribers.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.all.clear();
    }

    fn forget_those_that_have_gone(&mut self) {
        self.all
            .retain(|viewer| !viewer.left || (Claims::of(&viewer.page).count() > 0 && !viewer.has_hung_up()));
        self.have_left = self.all.iter().any(|viewer| viewer.left);
    }

    fn is_viewed(&mut self, slot: usize) -> bool {
        self.all.iter_mut().any(|viewer| viewer.views(slot))
    }

    /// Sends the file of a slot to all subscribers that lack it.
    ///
    /// False if the kernel refuses more descriptors. A subscriber that does not take its files gets no more; it notices
    /// a missing file and sends another hello.
    pub fn give(&mut self, name: FileName, file: &MemoryFile) -> bool {
        let lacks =
            |viewer: &&mut Viewer| viewer.answered && !viewer.left && viewer.has[name.slot] != name.number;
        self.all.iter_mut().filter(lacks).all(|viewer| viewer.take(name, file))
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.all.len()
    }
}

impl Viewer {
    fn views(&mut self, slot: usize) -> bool {
        let claimed = Claims::of(&self.page);
        // The verdict is permanent, so it uses only claims of one moment.
        self.refuted |= claimed.count() > CLAIMS;
        !self.refuted && claimed.has(slot)
    }

    fn take(&mut self, name: FileName, file: &MemoryFile) -> bool {
        let taken = self.page.load(at::FILES_TAKEN, Ordering::Relaxed);
        if self.sent.wrapping_sub(taken) >= SLOTS as u64 {
            return true;
        }
        match give_file(&self.socket, name.slot, file.fd()) {
            GiveOutcome::Taken => {
                self.sent = self.sent.wrapping_add(1);
                self.has[name.slot] = name.number;
                true
            }
            GiveOutcome::NotNow => true,
            GiveOutcome::Refused => false,
        }
    }

    fn has_hung_up(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::empty())];
        // If the kernel cannot tell, the subscriber stays: its viewed slots must not change.
        let _ = poll::look(&mut fds);
        fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }
}
