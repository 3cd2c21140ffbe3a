//! The receiving half of a link, over any transport.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;

// The halves of the transports come from above, which alone names their folders.
use super::{BroadcastReader, FastLinked, PlainRx, ShmRx, StreamRx};
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, flags};
use crate::half::ReceiveHalf;
use crate::stream::Stream;
use crate::{Incoming, Losses, Waited};

/// The receiving half.
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
    /// From the ring of a publisher, which waits for no reader: what it overwrites is missed.
    Published(Box<BroadcastReader>),
}

impl Rx {
    /// Returns the half that reads from this stream bodies of at most `limit` bytes, where nothing is sent over it.
    /// `process` is readable once the peer's process has ended.
    pub fn of_stream(stream: Stream, process: Option<Arc<OwnedFd>>, limit: u64) -> Rx {
        Rx::Stream(StreamRx::new(stream, process, limit))
    }

    /// Returns whether an error concerns one message alone: the link continues, with that message where there was no
    /// memory for it ([`Rx::skip_if`]), and otherwise behind it.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::TooLarge | ErrorKind::OutOfMemory => true,
            _ if matches!(self, Rx::Place(half) if half.goes_on_after(error)) => true,
            // Whatever is wrong with a line, the next one begins behind its end.
            ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::OutOfRange => self.is_plain(),
            _ => false,
        }
    }

    /// Returns whether the peer is a program without Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Rx::Plain(_))
    }

    /// Skips the message for which [`Rx::try_recv`] has found no memory, if `may` allows that for its header, and
    /// returns its frame without extension and body. `None` where no such message is the next one: lines and places
    /// have skipped it by themselves.
    ///
    /// # Errors
    /// `Malformed`, which ends the link.
    #[cold]
    pub fn skip_if(&mut self, may: impl Fn(&Header) -> bool) -> Result<Option<Incoming>> {
        let skipped = match self {
            Rx::Stream(half) => half.skip_if(may),
            Rx::Shm(half) => half.skip_if(may)?,
            // The ring of a publisher is behind it already.
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => None,
        };
        Ok(skipped.map(|header| {
            let header =
                Header { extension: 0, body: 0, flags: header.flags & !flags::BODY_CHECKED, ..header };
            Incoming { header, extension: Bytes::new(), body: Bytes::new().into() }
        }))
    }

    /// Returns the next frame, or `None`; where a publisher moves, [`Rx::has_moved`] says whether that is the reason.
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

    /// Returns whether another `try_recv` may find a frame that was already available at the last
    /// one. False where that one took everything.
    #[inline]
    pub fn may_hold_more(&self) -> bool {
        match self {
            Rx::Stream(half) => half.may_hold_more(),
            Rx::Shm(half) => half.is_ready(),
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => true,
        }
    }

    /// Returns whether a message may be taken from memory: of the ring, or of an earlier read.
    #[inline]
    pub fn may_take_at_once(&self) -> bool {
        match self {
            Rx::Stream(half) => half.holds_bytes(),
            Rx::Shm(half) => half.is_ready(),
            Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => false,
        }
    }

    /// Notes that the caller has finished with the last frame.
    pub fn consumed(&mut self) {
        match self {
            // The kernel has already dropped it; a publisher waits for no subscriber.
            Rx::Stream(_) | Rx::Plain(_) | Rx::Published(_) => {}
            Rx::Shm(half) => drop(half.consumed()),
            Rx::Place(half) => half.consumed_but(0),
        }
    }

    /// As [`Rx::consumed`], with a full fence in any case where each side reads the other's memory:
    /// a peer that is not seen to be parked after the fence sees what was stored before it. Other
    /// links need none.
    #[inline]
    pub fn consumed_with_fence(&mut self) {
        if let Rx::Shm(half) = self {
            half.consumed_with_fence();
        }
    }

    /// Notes that the caller has finished with all frames but the last `last`, which were not given
    /// to the program yet. Only a place distinguishes them, because it keeps what was not consumed.
    #[inline]
    pub fn consumed_but(&mut self, last: usize) {
        match self {
            Rx::Place(half) => half.consumed_but(last),
            _ => self.consumed(),
        }
    }

    /// Returns what was lost since the last call, where nothing is sent again.
    #[inline]
    pub fn take_losses(&mut self) -> Losses {
        match self {
            Rx::Place(half) => half.take_losses(),
            _ => Losses::default(),
        }
    }

    /// Returns whether a message that was not consumed stays for the next reader.
    pub fn keeps(&self) -> bool {
        matches!(self, Rx::Place(half) if half.keeps())
    }

    /// Returns whether polling before a sleep is probably not worth its system call: then `park`
    /// and sleep at once.
    #[inline]
    pub fn is_likely_empty(&mut self) -> bool {
        match self {
            Rx::Stream(half) => half.is_likely_empty(),
            // Reading memory costs next to nothing.
            Rx::Shm(_) | Rx::Published(_) => false,
            Rx::Plain(_) => false,
            Rx::Place(half) => half.is_likely_empty(),
        }
    }

    /// Polls for a frame for a few microseconds; only shared memory needs no system call for that.
    pub fn spin(&mut self) -> bool {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => false,
            Rx::Shm(half) => half.spin(),
            Rx::Published(half) => half.spin(),
        }
    }

    /// Sleeps for a short time on a word of shared memory, where that is worth it: then call
    /// `try_recv` again. Returns false when it is time for `park` and a longer sleep.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) => Ok(false),
            Rx::Shm(half) => half.sleep_briefly(waiting),
            Rx::Published(half) => half.sleep_briefly(waiting),
        }
    }

    /// Reads from a socket and sleeps for a few milliseconds at most until there is something, where messages
    /// come one after the other: then call `try_recv` again.
    pub fn read_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<Waited> {
        match self {
            Rx::Stream(half) => half.read_briefly(waiting),
            Rx::Place(half) => half.read_briefly(waiting),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => Ok(Waited::Omitted),
        }
    }

    /// Returns the descriptor that shows every message and the end of the connection, where it is worth sleeping on it
    /// alone for a few milliseconds.
    pub fn sole_descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => half.sole_descriptor(),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Returns the descriptor of the connection whose bytes a read brings; `None` for other links.
    pub fn connection(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => Some(half.descriptor()),
            Rx::Plain(_) | Rx::Shm(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Announces a sleep on [`Rx::descriptors`]; returns true if a frame has arrived in the
    /// meantime.
    pub fn park(&mut self) -> Result<bool> {
        match self {
            Rx::Stream(half) => Ok(half.park()),
            Rx::Plain(half) => Ok(half.park()),
            Rx::Shm(half) => half.park(),
            Rx::Place(half) => half.park(),
            Rx::Published(half) => half.park(),
        }
    }

    /// Ends the announcement of a sleep, so that the peer stops sending wake-ups.
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

/// What a half from which a subscriber receives has beyond that: its publisher waits for no subscriber.
impl Rx {
    /// Returns the next message if it is a short one in a ring that needs nothing but its copy; the publisher may be
    /// overwriting it. With `spins`, spins first, instead of the next [`Rx::spin`].
    #[inline]
    pub fn peek_fast(&mut self, spins: bool) -> Option<FastLinked> {
        match self {
            Rx::Published(half) => half.peek_fast(spins),
            _ => None,
        }
    }

    /// Copies the body of the message that [`Rx::peek_fast`] has just returned. Returns false if the publisher
    /// overwrote it in the meantime: then nothing has changed.
    #[inline]
    pub fn take_fast(&mut self, fast: &FastLinked, body: &mut [u8]) -> bool {
        match self {
            Rx::Published(half) => half.take_fast(fast, body),
            _ => false,
        }
    }

    /// Returns whether a message is there, as far as memory alone tells it.
    pub fn has_next(&self) -> bool {
        matches!(self, Rx::Published(half) if half.has_next())
    }

    /// Returns whether a read has found that the publisher continues elsewhere: connect to it again.
    pub fn has_moved(&self) -> bool {
        matches!(self, Rx::Published(half) if half.has_moved())
    }

    /// Returns whether missed messages are an error `Lagged`, once for each gap. Otherwise the caller counts the gaps
    /// between the numbers.
    pub fn counts_missed(&self) -> bool {
        match self {
            Rx::Published(_) => true,
            Rx::Place(half) => half.counts_missed(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => false,
        }
    }

    /// Returns the number up to which a half that counts missed messages has returned or counted all; none before the
    /// first, and of a store.
    pub fn counted_to(&self) -> Option<u64> {
        match self {
            Rx::Published(half) => half.resume(),
            _ => None,
        }
    }

    /// Returns whether the newest message is at hand. A stream has to be read to its end.
    pub fn keeps_newest(&self) -> bool {
        match self {
            Rx::Published(_) => true,
            Rx::Place(half) => half.keeps_newest(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => false,
        }
    }

    /// Returns the newest message, whether it was returned before or not, where [`Rx::keeps_newest`]; `None` where
    /// there is none, and where the publisher has moved.
    ///
    /// # Errors
    /// `Disconnected` if the publisher is gone; `Stalled` if it overwrote the message each time.
    pub fn newest(&mut self) -> Result<Option<Incoming>> {
        match self {
            Rx::Published(half) => half.newest(),
            Rx::Place(half) => half.newest(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) => Ok(None),
        }
    }

    /// Returns whether there may be a newer message behind the last one.
    pub fn has_several(&self) -> bool {
        match self {
            Rx::Place(half) => half.has_several(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => true,
        }
    }

    /// Records that the message of this number and all before it are consumed, where a store keeps that.
    pub fn consumed_to(&mut self, number: u64) -> Result<()> {
        match self {
            Rx::Place(half) => half.consumed_to(number),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => Ok(()),
        }
    }

    /// Returns whether the half keeps its position after an error, and after `Disconnected` waits for the next store
    /// at its place.
    pub fn keeps_place(&self) -> bool {
        matches!(self, Rx::Place(half) if half.keeps_place())
    }

    /// Returns the reason why there is no message, where it is not simply that none was sent.
    pub fn why_nothing(&self) -> Option<Error> {
        match self {
            Rx::Place(half) => half.why_nothing(),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Shm(_) | Rx::Published(_) => None,
        }
    }
}
