//! The sending half of a link, over any transport.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

// These types come through the crate root, because only the root names the folders of transports.
use super::{AckWords, Batch, PlainTx, PublishedTx, ShmTx, Slots, StreamTx, Tail};
use crate::body::Split;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind};
use crate::half::{Readers, SendHalf};
use crate::stream::Stream;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::Interest;
use crate::{LongBodies, Outgoing, Sent};

/// The sending half of a link.
#[allow(clippy::large_enum_variant, reason = "one a link; a box would cost an indirection a message")]
pub enum Tx {
    /// Over a stream of bytes.
    Stream(StreamTx),
    /// To a program without Linkspan.
    Plain(PlainTx),
    /// Through shared memory.
    Shm(ShmTx),
    /// To a spool or a mailslot.
    Place(Box<dyn SendHalf>),
    /// Into the ring that all subscribers of a publisher read.
    Published(Box<PublishedTx>),
}

impl Tx {
    /// Returns the sending half of a stream that nothing is received over.
    ///
    /// With `checked`, each body is sent with a checksum.
    pub fn of_stream(stream: Stream, checked: bool) -> Tx {
        Tx::Stream(StreamTx::new(stream, checked))
    }

    /// Returns whether the peer is a program without Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Tx::Plain(_))
    }

    /// Returns the shared words with each side's acknowledgement; `None` if frames carry acknowledgements.
    pub fn ack_words(&self) -> Option<Arc<AckWords>> {
        match self {
            Tx::Shm(half) => Some(Arc::new(half.ack_words())),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Ends the link for both halves and hangs up: the peer's page contains an impossible value.
    pub fn end_link(&mut self, error: &Error) {
        match self {
            Tx::Shm(half) => half.end_link(error),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => {}
        }
    }

    /// Returns whether a half has found a defect that ended the link.
    pub fn has_defect(&self) -> bool {
        matches!(self, Tx::Shm(half) if half.has_defect())
    }

    /// Returns how many replies to clients that do not read were dropped since the last call.
    pub fn take_lost(&mut self) -> u64 {
        match self {
            Tx::Plain(half) => half.take_lost(),
            _ => 0,
        }
    }

    /// Returns how many long bodies were sent since the last call to peers with slots.
    pub fn take_long_bodies(&mut self) -> LongBodies {
        match self {
            Tx::Shm(half) => half.take_long_bodies(),
            Tx::Published(half) => half.take_long_bodies(),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => LongBodies::default(),
        }
    }

    /// Returns whether the link continues after this error: no byte of the frame was sent.
    pub fn goes_on_after(&self, error: &Error) -> bool {
        let concerns_frame = matches!(
            error.kind(),
            ErrorKind::TooLarge
                | ErrorKind::Unsupported
                | ErrorKind::InvalidState
                | ErrorKind::Malformed
                | ErrorKind::Missing
                | ErrorKind::WrongType
        );
        match self {
            Tx::Plain(_) => concerns_frame,
            Tx::Place(half) => half.goes_on_after(error, concerns_frame),
            Tx::Stream(_) | Tx::Shm(_) => false,
            // The ring contains no byte of the frame.
            Tx::Published(_) => true,
        }
    }

    /// Sends a frame. A body in several blocks is first copied into one, except for shared memory.
    #[inline(always)]
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        match self {
            Tx::Shm(half) => half.try_send(frame),
            Tx::Published(half) => half.try_send(frame),
            Tx::Stream(half) => half.try_send(&frame.in_one_block()),
            Tx::Plain(half) => half.try_send(&frame.in_one_block()),
            Tx::Place(half) => half.try_send(&frame.in_one_block()),
        }
    }

    /// Sends a data, request or reply frame without flags and extension into memory, in fewer steps.
    ///
    /// Returns false, with nothing sent, if the caller must use [`Tx::try_send`]. `correlation` is the number
    /// of a reply's request, and otherwise 0.
    #[inline(always)]
    pub fn try_send_fast(
        &mut self,
        kind: Kind,
        sequence: u64,
        correlation: u64,
        sent: i64,
        encoding: Encoding,
        body: &[u8],
    ) -> bool {
        match self {
            Tx::Shm(half) => half.try_send_fast(kind, sequence, correlation, sent, encoding, body),
            Tx::Published(half) if kind == Kind::Data => half.try_send_fast(sequence, sent, encoding, body),
            _ => false,
        }
    }

    /// Returns whether a frame with a body of this length fits one record in memory.
    pub fn is_one_record(&self, body: usize) -> bool {
        matches!(self, Tx::Shm(half) if half.is_one_record(body))
    }

    /// Returns the slots for long arrays; `None` if arrays are sent inside their message.
    pub fn slots(&self) -> Option<Arc<Slots>> {
        match self {
            Tx::Shm(half) => half.slots().cloned(),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Sends several frames with one wake-up or one system call. Returns how many the transport has.
    ///
    /// The half may hold a rest of the last frame. 0 means that the first frame must be sent singly: the link
    /// has no faster way, the frame is large, or there is no room.
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        match self {
            Tx::Shm(half) => half.try_send_many(frames),
            Tx::Stream(half) => half.try_send_many(frames),
            Tx::Published(half) => half.try_send_many(frames),
            Tx::Plain(_) | Tx::Place(_) => Ok(0),
        }
    }

    /// Tells the transport the number up to which the program has consumed frames.
    pub fn consumed_to(&mut self, number: u64) {
        if let Tx::Place(half) = self {
            half.consumed_to(number);
        }
    }

    /// Returns whether bytes of the last frame are still unwritten.
    pub fn has_rest(&self) -> bool {
        self.tail().is_some()
    }

    /// Returns the kind of the frame with unwritten bytes.
    pub fn kind_of_rest(&self) -> Option<Kind> {
        self.tail().map(Tail::kind)
    }

    /// Returns how many bytes of that frame the half holds.
    pub fn rest_bytes(&self) -> usize {
        self.tail().map_or(0, Tail::len)
    }

    /// Returns how many of those bytes are written.
    pub fn rest_written(&self) -> usize {
        self.tail().map_or(0, Tail::written)
    }

    /// Signals this eventfd after any thread has written the rest of that frame.
    pub fn watch_rest(&self, by: &Arc<EventFd>) {
        if let Some(tail) = self.tail() {
            tail.watch(by);
        }
    }

    fn tail(&self) -> Option<&Tail> {
        match self {
            Tx::Stream(half) => half.tail(),
            Tx::Plain(half) => half.tail(),
            Tx::Shm(half) => half.tail(),
            // A place and a publisher's ring take a frame whole.
            Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Returns whether written bytes wait for room, in a kernel that drops them at our exit.
    pub fn is_held_back(&self) -> bool {
        matches!(self, Tx::Stream(half) if half.is_held_back())
    }

    /// Ends writing such that the end of the connection loses no written byte.
    pub fn end_acknowledged(&mut self, until: Deadline) {
        if let Tx::Stream(half) = self {
            half.end_acknowledged(until);
        }
    }

    /// Writes the rest of the last frame. Returns true if nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        match self {
            Tx::Stream(half) => half.flush(),
            Tx::Plain(half) => half.flush(),
            Tx::Shm(half) => half.flush(),
            // These take a frame whole.
            Tx::Place(_) | Tx::Published(_) => Ok(true),
        }
    }

    /// Sleeps until another try may succeed.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self {
            Tx::Stream(half) => half.wait_room(waiting),
            Tx::Plain(half) => half.wait_room(waiting),
            Tx::Shm(half) => half.wait_room(waiting),
            Tx::Place(half) => half.wait_room(waiting),
            // A publisher's ring always has room.
            Tx::Published(_) => Ok(()),
        }
    }

    /// Announces a sleep on [`Tx::room_descriptor`]. Returns true if there is room by now.
    pub fn park_room(&mut self) -> Result<bool> {
        match self {
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => Ok(false),
            Tx::Shm(half) => half.park_room(),
            Tx::Published(_) => Ok(true),
        }
    }

    /// Returns the descriptor to wait on for room, and the event.
    pub fn room_descriptor(&self) -> Result<(BorrowedFd<'_>, Interest)> {
        Ok(match self {
            Tx::Stream(half) => (half.descriptor(), Interest::OUT),
            Tx::Plain(half) => (half.descriptor(), Interest::OUT),
            Tx::Shm(half) => (half.room_descriptor()?, Interest::IN),
            Tx::Place(half) => half.room_descriptor(),
            Tx::Published(_) => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "a ring that overwrites has no room to wait for",
                ));
            }
        })
    }

    /// Returns whether messages are written in shared memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(self, Tx::Shm(_))
    }

    /// Begins a batch of short data messages with one fence and one wake-up, if the link has batches.
    #[inline]
    pub fn begin_batch(&mut self, sent: i64) -> Option<Batch<'_>> {
        match self {
            Tx::Shm(half) => half.begin_batch(sent),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Sends a message whose long arrays are in slots; false, with nothing sent, if that is not possible.
    #[inline]
    pub fn try_send_in_slots(&mut self, header: &Header, split: &Split) -> bool {
        match self {
            Tx::Shm(half) => half.try_send_in_slots(header, split),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => false,
        }
    }

    /// Polls for room for a few microseconds if that needs no system call; true if there is room.
    pub fn spin(&mut self) -> bool {
        match self {
            Tx::Shm(half) => half.spin(),
            Tx::Published(_) => true,
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => false,
        }
    }

    /// Withdraws a request whose caller has given up, if no server has started it.
    pub fn withdraw(&mut self, sequence: u64) {
        match self {
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Published(_) => {}
            Tx::Place(half) => half.withdraw(sequence),
        }
    }
}

impl Tx {
    /// Returns the readers of a half that writes once for all readers.
    pub fn readers(&mut self) -> Option<&mut dyn Readers> {
        match self {
            Tx::Published(half) => Some(&mut **half),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Place(_) => None,
        }
    }

    /// Returns the number of the last message that this reader has read, else 0.
    pub fn read_so_far(&self, id: u64) -> u64 {
        match self {
            Tx::Published(half) => half.read_so_far(id),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Place(_) => 0,
        }
    }
}
