//! Bytes over a link's socket: they wake a side that sleeps in poll, and carry descriptors of slots.
//!
//! | byte | meaning |
//! |---|---|
//! | 1 | there is something to read |
//! | 2 | there is room in the ring |
//! | 16 + n | the file of slot n comes with this byte; only if both hellos announced slots |
//!
//! Both halves of a link sleep on the one socket. A half passes the other half's byte on through an eventfd within the
//! process.
//!
//! A peer may send one waking byte for each sleep in poll (`due`), and at most [`SLOTS`] files may wait. More, or any
//! other byte, is `Malformed` and ends the link. The kernel refuses unexpected descriptors if it can; otherwise a
//! separate thread closes them, because closing a peer's descriptor may block. No call here blocks.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::segment::SLOTS;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::{EventFd, LazyWaker};
use crate::sys::fork::Guarded;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::{closing, rights, socket};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// There is something to read.
    Data = 1,
    /// There is room to write.
    Room = 2,
}

impl Signal {
    /// Sends the byte without waiting.
    ///
    /// A full socket is readable already, and `liveness` notices a closed one.
    #[cold]
    pub fn send(self, socket: &Guarded) {
        socket::send_wake_up(socket, self as u8);
    }
}

/// The byte that comes with the file of slot 0; slot n has `FILE + n`.
pub(super) const FILE: u8 = 16;

/// Sends the peer a slot's file without waiting; false without room or a peer.
pub(super) fn send_file(socket: &Guarded, slot: usize, file: BorrowedFd<'_>) -> bool {
    give_file(socket, slot, file) == GiveOutcome::Taken
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GiveOutcome {
    Taken,
    /// Without room in its socket, or gone.
    NotNow,
    /// The kernel accepts no more descriptors of this process.
    Refused,
}

/// Gives a subscriber the file of a slot, without waiting.
pub(super) fn give_file(socket: &Guarded, slot: usize, file: BorrowedFd<'_>) -> GiveOutcome {
    let byte = [FILE + slot as u8];
    match socket::send(socket, &[std::io::IoSlice::new(&byte)], &[file]) {
        Ok(Some(1)) => GiveOutcome::Taken,
        Ok(_) => GiveOutcome::NotNow,
        Err(e) if e.kind() == ErrorKind::Disconnected => GiveOutcome::NotNow,
        Err(_) => GiveOutcome::Refused,
    }
}

/// The receiving end, for both halves of a link.
#[derive(Debug)]
pub(super) struct Signals {
    socket: Arc<Guarded>,
    /// Arrived files. `None` if the peer has no slots: descriptors are refused.
    files: Option<Mutex<VecDeque<OwnedFd>>>,
    /// Waking bytes that may still arrive: one for each sleep in poll.
    due: AtomicU64,
    /// Wakes the receiving half after the sending half read its byte.
    data: Option<EventFd>,
    /// Whether `data` was woken since the last drain; saves a `read` before each sleep.
    data_pending: AtomicBool,
    /// Wakes the sending half after the receiving half read its byte.
    room: LazyWaker,
    /// The socket and `room` in one set, created on demand.
    room_set: OnceLock<Epoll>,
}

impl Signals {
    /// For a link without slots. Errors: those of creating an eventfd.
    pub fn new(socket: Arc<Guarded>) -> Result<Signals> {
        Ok(Signals { data: Some(EventFd::new()?), ..Signals::without_sender(socket) })
    }

    pub fn with_files(socket: Arc<Guarded>) -> Result<Signals> {
        Ok(Signals { data: Some(EventFd::new()?), files: Some(Mutex::default()), ..Signals::of(socket) })
    }

    /// For a side that only receives, without slots.
    pub fn without_sender(socket: Arc<Guarded>) -> Signals {
        // Otherwise `drain` finds the descriptors with the bytes.
        rights::refuse_descriptors(&*socket);
        Signals::of(socket)
    }

    pub fn of_subscriber(socket: Arc<Guarded>) -> Signals {
        Signals { files: Some(Mutex::default()), ..Signals::of(socket) }
    }

    fn of(socket: Arc<Guarded>) -> Signals {
        Signals {
            socket,
            files: None,
            due: AtomicU64::new(0),
            data: None,
            data_pending: AtomicBool::new(false),
            room: LazyWaker::default(),
            room_set: OnceLock::new(),
        }
    }

    /// The descriptor that wakes the receiving half, besides the socket.
    pub fn data_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.data.as_ref().map(EventFd::as_fd)
    }

    /// The descriptor that wakes the sending half, besides the socket.
    pub fn room_wake_descriptor(&self) -> Result<BorrowedFd<'_>> {
        Ok(self.room.arm()?.as_fd())
    }

    /// The socket and the sending half's waker in one descriptor, for a program's event loop.
    pub fn room_descriptor(&self) -> Result<BorrowedFd<'_>> {
        let set = match self.room_set.get() {
            Some(set) => set,
            None => {
                let set = Epoll::new()?;
                set.add(self.room_wake_descriptor()?, 0, Interest::IN)?;
                set.add(&*self.socket, 1, Interest::IN)?;
                self.room_set.get_or_init(|| set)
            }
        };
        Ok(set.as_fd())
    }

    /// Prepares a sleep in poll: drains old wake-ups, and allows one more waking byte.
    ///
    /// It precedes the store of the park word, so it never drains that word's byte.
    ///
    /// # Errors
    /// As [`Signals::drain`], and those of the system calls.
    pub fn prepare(&self, half: Signal) -> Result<()> {
        match half {
            Signal::Data => {
                if let Some(data) =
                    self.data.as_ref().filter(|_| self.data_pending.swap(false, Ordering::AcqRel))
                {
                    data.drain();
                }
            }
            Signal::Room => self.room.arm()?.drain(),
        }
        if self.due.load(Ordering::Relaxed) > 0 {
            let _ = self.drain(half)?;
        }
        self.due.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The oldest arrived slot file. Errors as [`Signals::drain`].
    pub fn take_file(&self) -> Result<Option<OwnedFd>> {
        loop {
            // The queue comes last: the sending half may be queueing a file under this lock.
            let more = self.drain(Signal::Data)?;
            let files = self.files.as_ref().map(|files| files.lock().unwrap_or_else(PoisonError::into_inner));
            match files.and_then(|mut files| files.pop_front()) {
                None if more => {}
                file => return Ok(file),
            }
        }
    }

    /// Reads up to 64 bytes from the socket for one half, and passes on the other's; false if none came.
    ///
    /// # Errors
    /// `Malformed` for too many waking bytes, an unknown byte, and unexpected descriptors; the caller must end the
    /// link.
    pub fn drain(&self, half: Signal) -> Result<bool> {
        let mut bytes = [0; 64];
        let got = match &self.files {
            None => socket::receive_refusing(&*self.socket, &mut bytes),
            Some(files) => {
                // The other half may look for a file whose byte was read here.
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                self.receive_files(&mut bytes, &mut files)
            }
        };
        // `liveness` reports the end of the socket.
        let count = got.or_else(|e| match e.kind() {
            ErrorKind::Disconnected => Ok(None),
            _ => Err(e),
        })?;
        let Some(count) = count.filter(|count| *count > 0) else { return Ok(false) };
        let received = |signal: Signal| bytes[..count].contains(&(signal as u8));
        let known =
            |byte: &u8| *byte == Signal::Data as u8 || *byte == Signal::Room as u8 || self.is_file(*byte);
        let of_files = bytes[..count].iter().filter(|byte| self.is_file(**byte)).count();
        let take = |due: u64| due.checked_sub((count - of_files) as u64);
        if !bytes[..count].iter().all(known)
            || self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err()
        {
            let text = "the peer sent unexpected bytes over the socket of a shared-memory link";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if half == Signal::Data && received(Signal::Room) {
            self.room.wake();
        }
        if let Some(data) = self.data.as_ref().filter(|_| half == Signal::Room && received(Signal::Data)) {
            // In this order: an eventfd that is woken but not marked would end the next sleep at once.
            data.wake();
            self.data_pending.store(true, Ordering::Release);
        }
        Ok(true)
    }

    fn is_file(&self, byte: u8) -> bool {
        self.files.is_some() && byte.checked_sub(FILE).is_some_and(|slot| usize::from(slot) < SLOTS)
    }

    /// Reads bytes with descriptors, one for each file byte, and queues the descriptors.
    ///
    /// Without room for one descriptor, all stay in the socket: a message could not be read without its file.
    fn receive_files(&self, bytes: &mut [u8], files: &mut VecDeque<OwnedFd>) -> Result<Option<usize>> {
        let mut received = Vec::new();
        let got = rights::receive_all_or_none(&*self.socket, bytes, &mut received);
        let count = got.as_ref().ok().copied().flatten().unwrap_or(0);
        let expected = bytes[..count].iter().filter(|byte| self.is_file(**byte)).count();
        let fits = got.is_ok() && expected == received.len() && files.len() + received.len() <= SLOTS;
        if !(fits && received.iter().all(rights::closes_at_once)) {
            let text = format!("the peer sent {} descriptors that are no files of its slots", received.len());
            // Closing a descriptor that the peer made may block.
            closing::close_aside(received);
            // An error of the system call takes precedence.
            return got.and(Err(Error::new(ErrorKind::Malformed, text)));
        }
        files.extend(received);
        got
    }
}
