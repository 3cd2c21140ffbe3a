//! A connected pair of ends, whichever the transport: two halves, dispatched without trait objects.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::dgram::{DgramRx, DgramTx};
use super::endpoint::Transport;
use super::plain::{PlainRx, PlainTx};
use super::shm::{self, Account, DEFAULT_RING, Ends, PeerSegment, Segment, ShmRx, ShmTx};
use super::socket::{StreamRx, StreamTx};
use super::spool::{SpoolRx, SpoolTx};
use super::stream::Stream;
use super::{Incoming, Losses, Outgoing, Sent};
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::Header;
use crate::sys::poll::Interest;

/// The sending half; each method is described in the transport contract.
#[allow(clippy::large_enum_variant, reason = "one a link; a box would cost an indirection a message")]
pub enum Tx {
    /// Over a stream of bytes.
    Stream(StreamTx),
    /// For a program that knows nothing of Linkspan.
    Plain(PlainTx),
    /// Through shared memory.
    Shm(ShmTx),
    /// Into a directory of files.
    Spool(Box<SpoolTx>),
    /// Into a mailslot.
    Dgram(DgramTx),
}

/// The receiving half; each method is described in the transport contract.
#[allow(clippy::large_enum_variant, reason = "one a link; a box would cost an indirection a message")]
pub enum Rx {
    /// Over a stream of bytes.
    Stream(StreamRx),
    /// From a program that knows nothing of Linkspan.
    Plain(PlainRx),
    /// Through shared memory.
    Shm(ShmRx),
    /// Out of a directory of files.
    Spool(Box<SpoolRx>),
    /// From a mailslot.
    Dgram(DgramRx),
}

/// What this side brings to a link before it knows the other.
pub enum Offer {
    /// Nothing but the stream; with the check sum of each body where `checked`.
    Stream {
        /// Whether each body goes with its check sum.
        checked: bool,
    },
    /// The memory that this side writes.
    Shm(Segment),
}

impl Offer {
    /// What a link of this transport needs from us, for the session of this incarnation.
    pub fn new(transport: Transport, session: u64, buffer: Option<usize>) -> Result<Offer> {
        match transport {
            Transport::Unix => Ok(Offer::Stream { checked: false }),
            Transport::Tcp | Transport::Fifo => Ok(Offer::Stream { checked: true }),
            Transport::Shm => Ok(Offer::Shm(Segment::create(session, buffer.unwrap_or(DEFAULT_RING))?)),
            Transport::Dgram | Transport::Spool | Transport::File | Transport::Journal => {
                Err(Error::new(ErrorKind::Internal, "a link was offered where there are none"))
            }
        }
    }

    /// Descriptors that go along with our hello.
    pub fn descriptors(&self) -> Result<Vec<OwnedFd>> {
        match self {
            Offer::Stream { .. } => Ok(Vec::new()),
            Offer::Shm(segment) => {
                let file = segment.descriptor_for_peer().try_clone_to_owned();
                Ok(vec![file.doing("duplicating a descriptor for the peer")?])
            }
        }
    }

    /// Makes the link, with what came along with the other side's hello.
    pub fn join(
        self,
        stream: Stream,
        process: Option<Arc<OwnedFd>>,
        peer_session: u64,
        descriptors: Vec<OwnedFd>,
        limit: u64,
        spin: Duration,
    ) -> Result<(Tx, Rx)> {
        match self {
            Offer::Stream { checked } => {
                let tx = StreamTx::new(stream.clone(), checked);
                let rx = StreamRx::new(stream, process, limit);
                Ok((Tx::Stream(tx.beside(rx.heard().clone())), Rx::Stream(rx)))
            }
            Offer::Shm(mine) => {
                let socket = stream.into_socket()?;
                let peer = PeerSegment::from_descriptors(descriptors, peer_session)?;
                let (tx, rx) = shm::link(Ends { mine, peer, socket, process }, limit, spin)?;
                Ok((Tx::Shm(tx), Rx::Shm(rx)))
            }
        }
    }
}

macro_rules! each {
    ($on:expr, $half:ident => $call:expr) => {
        match $on {
            Self::Stream($half) => $call,
            Self::Plain($half) => $call,
            Self::Shm($half) => $call,
            Self::Spool($half) => $call,
            Self::Dgram($half) => $call,
        }
    };
}

impl Tx {
    /// Whether the other side knows nothing of Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Tx::Plain(_))
    }

    /// Where each side reads how far the other one has come; none where only frames say it.
    pub fn account(&self) -> Option<Arc<Account>> {
        match self {
            Tx::Shm(half) => Some(Arc::new(half.account())),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => None,
        }
    }

    /// Ends the link for both halves: what the other side says in its page cannot be.
    pub fn condemn(&mut self, error: &Error) {
        match self {
            Tx::Shm(half) => half.condemn(error),
            // They have no such page.
            Tx::Stream(_) | Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => {}
        }
    }

    /// How many messages it has taken and dropped since this was asked last.
    pub fn take_lost(&mut self) -> u64 {
        match self {
            Tx::Plain(half) => half.take_lost(),
            _ => 0,
        }
    }

    /// Whether an error is about the frame alone, of which nothing went: the link takes others.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        let about_it = matches!(
            error.kind(),
            ErrorKind::TooLarge
                | ErrorKind::Unsupported
                | ErrorKind::InvalidState
                | ErrorKind::Malformed
                | ErrorKind::Missing
                | ErrorKind::WrongType
        );
        // Of a file that could not be put, nothing was.
        about_it && (self.is_plain() || matches!(self, Tx::Dgram(_))) || matches!(self, Tx::Spool(_))
    }

    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        each!(self, half => half.try_send(frame))
    }

    /// Sends several frames with one wake-up, or one system call, where that can be: gives how many are with the transport now,
    /// from the first one on. The last of them may have gone in part, and counts as adopted. 0 says that the first one is to be
    /// sent alone: this kind of link has no better way, it is large, or there is no room.
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        match self {
            Tx::Shm(half) => half.try_send_many(frames),
            Tx::Stream(half) => half.try_send_many(frames),
            Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => Ok(0),
        }
    }

    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        each!(self, half => half.adopt(frame))
    }

    /// Says that what the receiving half gave is consumed up to this number, where that is for the place to know.
    pub fn consumed_to(&mut self, number: u64) {
        if let Tx::Spool(half) = self {
            half.consumed_to(number);
        }
    }

    pub fn see_off(&mut self) {
        match self {
            Tx::Stream(half) => half.see_off(),
            Tx::Plain(half) => half.see_off(),
            // Nothing is ever half in a ring, or in a spool.
            Tx::Shm(_) | Tx::Spool(_) | Tx::Dgram(_) => {}
        }
    }

    /// Whether part of a frame that [`Tx::try_send_many`] took waits to be brought away.
    pub fn has_rest(&self) -> bool {
        matches!(self, Tx::Stream(half) if half.has_rest())
    }

    pub fn flush(&mut self) -> Result<bool> {
        each!(self, half => half.flush())
    }

    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        each!(self, half => half.wait_room(waiting))
    }

    /// OwnerRecord to sleep until there is room, on [`Tx::room_descriptor`]; true where there is some after all.
    pub fn park_room(&mut self) -> Result<bool> {
        match self {
            Tx::Stream(_) | Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => Ok(false),
            Tx::Shm(half) => half.park_room(),
        }
    }

    /// What is ready once there is room, and for what: a Unix socket becomes writable, one of shared
    /// memory readable.
    pub fn room_descriptor(&self) -> Result<(BorrowedFd<'_>, Interest)> {
        Ok(match self {
            Tx::Stream(half) => (half.descriptor(), Interest::OUT),
            Tx::Plain(half) => (half.descriptor(), Interest::OUT),
            Tx::Shm(half) => (half.room_descriptor()?, Interest::IN),
            Tx::Spool(half) => (half.room_descriptor(), Interest::IN),
            Tx::Dgram(half) => (half.descriptor(), Interest::OUT),
        })
    }

    /// Sends a message whole that is one above the last in number and has neither correlation, flags nor extension, without the kernel
    /// unless the other side sleeps. False where that cannot be, and then nothing was sent: [`Tx::try_send`] says why.
    #[inline]
    pub fn try_send_next(&mut self, header: &Header, body: &[u8]) -> bool {
        match self {
            Tx::Shm(half) => half.try_send_next(header, body),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => false,
        }
    }

    /// Whether a body of so many bytes goes whole or not at all, and without the kernel unless the other side sleeps.
    pub fn takes_at_once(&self, bytes: usize) -> bool {
        matches!(self, Tx::Shm(half) if half.takes_at_once(bytes))
    }

    /// Looks for room for a few microseconds, where that is seen without the kernel; true when there is some.
    pub fn spin(&mut self) -> bool {
        match self {
            Tx::Shm(half) => half.spin(),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Spool(_) | Tx::Dgram(_) => false,
        }
    }

    /// The caller of this request has given up: where it can still be taken back, nobody works for it any more.
    pub fn withdraw(&mut self, sequence: u64) {
        match self {
            // It is with the other side already.
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Dgram(_) => {}
            Tx::Spool(half) => half.withdraw(sequence),
        }
    }
}

impl Rx {
    /// Whether an error is about one message alone, which was skipped: the link goes on behind it.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::TooLarge | ErrorKind::OutOfMemory => true,
            // A writer is asked what it cannot do, and still writes.
            ErrorKind::Unsupported if matches!(self, Rx::Dgram(_)) => true,
            // Whatever is wrong with a line, the next one begins behind its end.
            ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::OutOfRange => self.is_plain(),
            _ => false,
        }
    }

    /// Whether the other side knows nothing of Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Rx::Plain(_))
    }

    pub fn try_recv(&mut self) -> Result<Option<Incoming>> {
        each!(self, half => half.try_recv())
    }

    /// The half that a short message is taken out of in place, with [`ShmRx::peek_small`]; none where there is no such way.
    #[inline]
    pub fn in_place(&mut self) -> Option<&mut ShmRx> {
        match self {
            Rx::Shm(half) => Some(half),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Spool(_) | Rx::Dgram(_) => None,
        }
    }

    /// Whether another look may give a frame that was there when this half was last asked for one: false where that look took
    /// all that there was.
    #[inline]
    pub fn may_hold_more(&self) -> bool {
        match self {
            Rx::Stream(half) => half.may_hold_more(),
            Rx::Shm(half) => half.is_ready(),
            Rx::Plain(_) | Rx::Spool(_) | Rx::Dgram(_) => true,
        }
    }

    pub fn consumed(&mut self) {
        match self {
            // The kernel has forgotten it already.
            Rx::Stream(_) | Rx::Plain(_) | Rx::Dgram(_) => {}
            Rx::Shm(half) => drop(half.consumed()),
            Rx::Spool(half) => half.consumed(),
        }
    }

    /// The same with a full fence in any case, where both sides look into each other's memory: what was stored before it is seen by
    /// a peer that is not seen to wait behind it. Elsewhere there is nothing to do.
    #[inline]
    pub fn consumed_with_fence(&mut self) {
        if let Rx::Shm(half) = self
            && !half.consumed()
        {
            fence(Ordering::SeqCst);
        }
    }

    /// The same for all but the last so many frames, where what was not consumed stays: those are still to be given to
    /// the program.
    pub fn consumed_but(&mut self, last: usize) {
        match self {
            Rx::Spool(half) => half.consumed_but(last),
            _ => self.consumed(),
        }
    }

    /// What was lost since the last call, where nothing is sent again.
    pub fn take_losses(&mut self) -> Losses {
        match self {
            Rx::Dgram(half) => half.take_losses(),
            _ => Losses::default(),
        }
    }

    /// Whether what was not consumed stays, for whoever comes next.
    pub fn keeps(&self) -> bool {
        matches!(self, Rx::Spool(_))
    }

    /// Whether looking without sleeping first is hardly worth a system call: then `park` and sleep at once.
    pub fn is_likely_empty(&mut self) -> bool {
        match self {
            Rx::Stream(half) => half.is_likely_empty(),
            // A look into memory costs next to nothing.
            Rx::Shm(_) => false,
            Rx::Plain(_) | Rx::Dgram(_) => false,
            Rx::Spool(half) => !half.park(),
        }
    }

    pub fn spin(&mut self) -> bool {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Spool(_) | Rx::Dgram(_) => false,
            Rx::Shm(half) => half.spin(),
        }
    }

    /// Sleeps for a moment in the cheapest way there is, where that is worth it: then look again. False when it is time for
    /// `park` and a longer sleep.
    pub fn sleep_briefly(&mut self, waiting: &mut Waiting<'_>) -> Result<bool> {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Spool(_) | Rx::Dgram(_) => Ok(false),
            Rx::Shm(half) => half.sleep_briefly(waiting),
        }
    }

    pub fn park(&mut self) -> Result<bool> {
        match self {
            Rx::Stream(half) => Ok(half.park()),
            Rx::Plain(half) => Ok(half.park()),
            Rx::Shm(half) => half.park(),
            Rx::Spool(half) => Ok(half.park()),
            // The socket itself tells, as long as there is something.
            Rx::Dgram(_) => Ok(false),
        }
    }

    pub fn unpark(&mut self) {
        match self {
            Rx::Stream(_) | Rx::Plain(_) | Rx::Spool(_) | Rx::Dgram(_) => {}
            Rx::Shm(half) => half.unpark(),
        }
    }

    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Rx::Stream(half) => half.descriptors().collect(),
            Rx::Plain(half) => vec![half.descriptor()],
            Rx::Shm(half) => half.descriptors().into_iter().collect(),
            Rx::Spool(half) => half.descriptors(),
            Rx::Dgram(half) => half.descriptors(),
        }
    }
}
