//! Bytes over the socket: what wakes a side that sleeps in poll or epoll.
//!
//! One byte says that there is something to read, another that there is room. Two threads may sleep on one socket, one in
//! each half of a link. Whoever reads a byte that is for the other half passes it on within the process.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::eventfd::{EventFd, LazyWaker};
use crate::sys::fork::Guarded;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::{rights, socket};

/// What a byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// There is something to read.
    Data = 1,
    /// There is room to write.
    Room = 2,
}

impl Signal {
    /// Sends it, without waiting. A socket that has no room is full of what wakes its reader; one whose other end is gone has
    /// nobody to wake, which is noticed elsewhere.
    #[cold]
    pub fn send(self, socket: &Guarded) {
        let _ = socket::send_bytes(socket, &[self as u8]);
    }
}

/// The receiving end of the bytes.
#[derive(Debug)]
pub(super) struct Signals {
    socket: Arc<Guarded>,
    /// How many bytes may still come: one for each sleep in poll. More are a flood.
    due: AtomicU64,
    /// Rung where the sending half has read a byte for the receiving one; none where there is no such half.
    data: Option<EventFd>,
    data_rung: AtomicBool,
    /// Rung where the receiving half has read a byte for the sending one.
    room: LazyWaker,
    /// What the sending half's sleep in somebody's epoll set is told by.
    room_set: OnceLock<Epoll>,
}

impl Signals {
    /// The bytes that come over this socket from now on, for the two halves of a link.
    pub fn new(socket: Arc<Guarded>) -> Result<Signals> {
        Ok(Signals { data: Some(EventFd::new()?), ..Signals::without_sender(socket) })
    }

    /// The same for somebody who only receives.
    pub fn without_sender(socket: Arc<Guarded>) -> Signals {
        // Where the kernel cannot do that, those that come are found with the bytes.
        rights::refuse_descriptors(&*socket);
        Signals {
            socket,
            due: AtomicU64::new(0),
            data: None,
            data_rung: AtomicBool::new(false),
            room: LazyWaker::default(),
            room_set: OnceLock::new(),
        }
    }

    /// What becomes readable for the receiving half, besides the socket.
    pub fn data_descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.data.as_ref().map(EventFd::as_fd)
    }

    /// What becomes readable for the sending half, besides the socket.
    pub fn room_bell(&self) -> Result<BorrowedFd<'_>> {
        Ok(self.room.wanted()?.as_fd())
    }

    /// The same and the socket in one descriptor.
    pub fn room_descriptor(&self) -> Result<BorrowedFd<'_>> {
        let set = match self.room_set.get() {
            Some(set) => set,
            None => {
                let set = Epoll::new()?;
                set.add(self.room_bell()?, 0, Interest::IN)?;
                set.add(&*self.socket, 1, Interest::IN)?;
                self.room_set.get_or_init(|| set)
            }
        };
        Ok(set.as_fd())
    }

    /// Before a sleep in poll: takes away what would end it at once, and lets one byte more come. In this order: a byte for
    /// the park word that is stored next must not be taken away.
    pub fn prepare(&self, half: Signal) -> Result<()> {
        match half {
            Signal::Data => {
                if let Some(data) =
                    self.data.as_ref().filter(|_| self.data_rung.swap(false, Ordering::AcqRel))
                {
                    data.drain();
                }
            }
            Signal::Room => self.room.wanted()?.drain(),
        }
        if self.due.load(Ordering::Relaxed) > 0 {
            self.drain(half)?;
        }
        self.due.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes bytes from the socket, at most so many as one look takes, and passes on those for the other half. `Malformed`
    /// where more came than sleeps were to be ended, or what no side sends.
    pub fn drain(&self, half: Signal) -> Result<()> {
        let mut bytes = [0; 64];
        // The end of the socket is found by those who ask whether the peer lives.
        let count = socket::receive_refusing(&*self.socket, &mut bytes).or_else(|e| match e.kind() {
            ErrorKind::Disconnected => Ok(None),
            _ => Err(e),
        })?;
        let Some(count) = count.filter(|count| *count > 0) else { return Ok(()) };
        let came = |signal: Signal| bytes[..count].contains(&(signal as u8));
        let known = |byte: &u8| *byte == Signal::Data as u8 || *byte == Signal::Room as u8;
        let take = |due: u64| due.checked_sub(count as u64);
        if !bytes[..count].iter().all(known)
            || self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err()
        {
            let text = "the peer sent bytes over the socket of a shared-memory link that wake nobody";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        if half == Signal::Data && came(Signal::Room) {
            self.room.wake();
        }
        if let Some(data) = self.data.as_ref().filter(|_| half == Signal::Room && came(Signal::Data)) {
            // In this order: a waker that is woken and not marked so would stay woken.
            data.wake();
            self.data_rung.store(true, Ordering::Release);
        }
        Ok(())
    }
}
