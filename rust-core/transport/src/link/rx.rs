//! The receiving half of a link, over any transport.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;

// Only the root names the folders of transports.
use super::{BroadcastReader, FastLinked, PlainRx, ShmRx, StreamRx};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, flags};
use crate::half::ReceiveHalf;
use crate::stream::Stream;
use crate::{Incoming, Losses, Waited};

/// The receiving half of a link.
#[allow(clippy::large_enum_variant, reason = "one a link; a box would cost an indirection a message")]
pub enum Rx {
    /// Over a stream of bytes.
    Stream(StreamRx),
    /// From a program without Linkspan.
    Plain(PlainRx),
    /// Through shared memory.
    Shm(ShmRx),
    /// From a spool, a mailslot, a file or a journal.
    Place(Box<dyn ReceiveHalf>),
    /// From a publisher's ring, which may overwrite unread messages.
    Published(Box<BroadcastReader>),
}

impl Rx {
    /// A stream's half without sending; `process` is readable after the peer's process. `limit` in bytes.
    pub fn of_stream(stream: Stream, process: Option<Arc<OwnedFd>>, limit: u64) -> Rx {
        Rx::Stream(StreamRx::new(stream, process, limit))
    }

    /// Returns whether the link continues after this error, which concerns one message.
    ///
    /// After `OutOfMemory` it is still the next one ([`Rx::skip_if`]), else skipped.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::TooLarge | ErrorKind::OutOfMemory => true,
            _ if matches!(self, Rx::Place(half) if half.goes_on_after(error)) => true,
            ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::OutOfRange => self.is_plain(),
            _ => false,
        }
    }

    /// Returns whether the peer is a program without Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Rx::Plain(_))
    }

    /// Skips the message that [`Rx::try_recv`] found no memory for, if `may` allows its header.
    ///
    /// Returns the frame without extension and body; `None` if none is next.
    ///
    /// # Errors
    /// `Malformed`, which ends the link.
    #[cold]
    pub fn skip_if(&mut self, may: impl Fn(&Header) -> bool) -> Result<Option<Incoming>> {
        let skipped = match self {
            Rx::Stream(half) => half.skip_if(may),
            Rx::Shm(half) => half.skip_if(may)?,
            // The ring has moved past it.
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => None,
        };
        Ok(skipped.map(|header| {
            let header =
                Header { extension: 0, body: 0, flags: header.flags & !flags::BODY_CHECKED, ..header };
            Incoming { header, extension: Bytes::new(), body: Bytes::new().into() }
        }))
    }

    /// Returns the next frame. After `None`, [`Rx::has_moved`] tells whether the publisher has moved.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        match self {
            Rx::Stream(half) => half.try_recv(),
            Rx::Plain(half) => half.try_recv(),
            Rx::Shm(half) => half.try_recv(),
            Rx::Place(half) => half.try_recv(),
            Rx::Published(half) => Ok(half.try_recv()?.frame()),
        }
    }

    /// Returns whether messages are read in shared memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self, Rx::Shm(_))
    }

    /// Whether another `try_recv` may find a frame that was available before.
    #[inline]
    pub fn may_hold_more(&self) -> bool {
        match self {
            Rx::Stream(half) => half.may_hold_more(),
            Rx::Shm(half) => half.is_ready(),
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => true,
        }
    }

    /// Returns whether a message may be available in memory.
    #[inline]
    pub fn may_take_at_once(&self) -> bool {
        match self {
            Rx::Stream(half) => half.holds_bytes(),
            Rx::Shm(half) => half.is_ready(),
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => false,
        }
    }

    /// The caller has finished with the last frame.
    pub fn consumed(&mut self) {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Published(_) => {}
            Rx::Shm(half) => drop(half.consumed()),
            Rx::Place(half) => half.consumed_but(0),
        }
    }

    /// [`Rx::consumed`], with a full fence if each side reads the other's memory.
    ///
    /// If a peer does not look parked afterwards, it sees every earlier store.
    #[inline]
    pub fn consumed_with_fence(&mut self) {
        if let Rx::Shm(half) = self {
            half.consumed_with_fence();
        }
    }

    /// The caller has finished with all frames except the last `last`, which a place keeps.
    #[inline]
    pub fn consumed_but(&mut self, last: usize) {
        match self {
            Rx::Place(half) => half.consumed_but(last),
            _ => self.consumed(),
        }
    }

    /// Returns the losses since the last call.
    #[inline]
    pub fn take_losses(&mut self) -> Losses {
        match self {
            Rx::Place(half) => half.take_losses(),
            _ => Losses::default(),
        }
    }

    /// Whether an unconsumed message stays for the next reader.
    pub fn keeps(&self) -> bool {
        matches!(self, Rx::Place(half) if half.keeps())
    }

    /// Whether a poll is probably wasted: `park` and sleep at once.
    #[inline]
    pub fn is_likely_empty(&mut self) -> bool {
        match self {
            Rx::Stream(half) => half.is_likely_empty(),
            Rx::Shm(_) | Rx::Published(_) => false,
            Rx::Plain(_) => false,
            Rx::Place(half) => half.is_likely_empty(),
        }
    }

    /// Polls for a few microseconds, only in shared memory.
    pub fn spin(&mut self) -> bool {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => false,
            Rx::Shm(half) => half.spin(),
            Rx::Published(half) => half.spin(),
        }
    }

    /// Sleeps shortly on a word of shared memory. True: call `try_recv`. False: `park` and sleep longer.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => Ok(false),
            Rx::Shm(half) => half.sleep_briefly(waiting),
            Rx::Published(half) => half.sleep_briefly(waiting),
        }
    }

    /// Reads, and sleeps at most a few milliseconds if messages alternate; then call `try_recv`.
    pub fn read_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Waited> {
        match self {
            Rx::Stream(half) => half.read_briefly(waiting),
            Rx::Place(half) => half.read_briefly(waiting),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => Ok(Waited::Omitted),
        }
    }

    /// The one descriptor for every message and the end; `None` if a short sleep on it is not worthwhile.
    pub fn sole_descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => half.sole_descriptor(),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// The descriptor of the connection, if any.
    pub fn connection(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => Some(half.descriptor()),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Announces a sleep on [`Rx::descriptors`]. True if a frame has arrived.
    pub fn park(&mut self) -> Result<bool> {
        match self {
            Rx::Stream(half) => Ok(half.park()),
            Rx::Plain(half) => Ok(half.park()),
            Rx::Shm(half) => half.park(),
            Rx::Place(half) => half.park(),
            Rx::Published(half) => half.park(),
        }
    }

    /// Ends the announcement of a sleep, so the peer sends no more wake-ups.
    pub fn unpark(&mut self) {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => {}
            Rx::Shm(half) => half.unpark(),
            Rx::Published(half) => half.unpark(),
        }
    }

    /// Returns the descriptors to sleep on after `park`.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => half.descriptors().collect(),
            Rx::Plain(half) => vec![half.descriptor()],
            Rx::Shm(half) => half.descriptors().into_iter().collect(),
            Rx::Place(half) => half.descriptors(),
            Rx::Published(half) => half.descriptors(),
        }
    }
}

impl Rx {
    /// Returns the next message if it is short and in a ring, after a spin with `spins`.
    ///
    /// The publisher may overwrite it at any time.
    #[inline]
    pub fn peek_fast(&mut self, spins: bool) -> Option<FastLinked> {
        match self {
            Rx::Published(half) => half.peek_fast(spins),
            _ => None,
        }
    }

    /// Copies its body; false if the publisher has overwritten it.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastLinked, body: &mut [u8]) -> bool {
        match self {
            Rx::Published(half) => half.take_fast(fast, body),
            _ => false,
        }
    }

    /// Returns whether memory shows another message.
    pub fn has_next(&self) -> bool {
        matches!(self, Rx::Published(half) if half.has_next())
    }

    /// Returns whether the publisher has moved: connect again.
    pub fn has_moved(&self) -> bool {
        matches!(self, Rx::Published(half) if half.has_moved())
    }

    /// Whether each gap is an error `Lagged`; else the caller counts.
    pub fn counts_missed(&self) -> bool {
        match self {
            Rx::Published(_) => true,
            Rx::Place(half) => half.counts_missed(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => false,
        }
    }

    /// The number up to which a counting half has returned or counted messages.
    pub fn counted_to(&self) -> Option<u64> {
        match self {
            Rx::Published(half) => half.resume(),
            _ => None,
        }
    }

    /// Whether the newest message is available; a stream must be read to its end.
    pub fn keeps_newest(&self) -> bool {
        match self {
            Rx::Published(_) => true,
            Rx::Place(half) => half.keeps_newest(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => false,
        }
    }

    /// Returns the newest message, even again, if [`Rx::keeps_newest`].
    ///
    /// `None` without one, and if the publisher has moved.
    ///
    /// # Errors
    /// `Disconnected` if the publisher is gone; `Stalled` if it overwrote the message in every attempt.
    pub fn newest(&mut self) -> Result<Option<Incoming>> {
        match self {
            Rx::Published(half) => half.newest(),
            Rx::Place(half) => half.newest(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => Ok(None),
        }
    }

    /// Returns whether there may be a message after the last one.
    pub fn has_several(&self) -> bool {
        match self {
            Rx::Place(half) => half.has_several(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => true,
        }
    }

    /// Records consumption up to this number, in a store with positions.
    pub fn consumed_to(&mut self, number: u64) -> Result<()> {
        match self {
            Rx::Place(half) => half.consumed_to(number),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => Ok(()),
        }
    }

    /// Whether the half keeps its position after an error.
    ///
    /// After `Disconnected` it waits for the next store at its place.
    pub fn keeps_place(&self) -> bool {
        matches!(self, Rx::Place(half) if half.keeps_place())
    }

    /// Returns why no messages come, unless nothing was sent.
    pub fn why_nothing(&self) -> Option<Error> {
        match self {
            Rx::Place(half) => half.why_nothing(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => None,
        }
    }
}
