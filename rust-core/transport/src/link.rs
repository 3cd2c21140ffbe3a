//! A link between two ends, over any transport: its two halves as enums, so that the variants that
//! matter for latency are called without a virtual call.
//!
//! [`Tx`] and [`Rx`] are the halves that the channel uses; `Offer` is one side's part of the
//! handshake, and becomes the link with [`Offer::join`]. The contract of every method is in
//! `lib.rs`; the comments here describe only the differences between the variants.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::half::{Readers, ReceiveHalf, SendHalf};
use super::plain::{PlainRx, PlainTx};
use super::shm::{
    self, AckWords, BodyViews, BroadcastReader, LinkParts, PeerSegment, PublishedTx, Segment, ShmRx, ShmTx,
    Slots,
};
pub use super::shm::{FastLinked, ViewCount};
use super::socket::{StreamRx, StreamTx};
use super::stream::Stream;
use super::tail::Tail;
use super::{Incoming, LongBodies, Losses, Outgoing, Sent, Waited};
use crate::codec::Encoding;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, flags};
use crate::sys::eventfd::EventFd;
use crate::sys::memory::PeerFile;
use crate::sys::poll::Interest;

/// The sending half.
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

/// One side's part of a link, made before the other side is known, because the memory file is sent
/// with the hello.
pub enum Offer {
    /// Nothing but the stream.
    Stream {
        /// Whether each body is sent with a checksum: where the bytes leave this machine's memory.
        checked: bool,
    },
    /// The memory that this side writes.
    Shm(Segment),
}

impl Offer {
    /// Returns the descriptors that go with the hello.
    ///
    /// # Errors
    /// Those of duplicating a descriptor.
    pub fn descriptors(&self) -> Result<Vec<OwnedFd>> {
        match self {
            Offer::Stream { .. } => Ok(Vec::new()),
            Offer::Shm(segment) => {
                let file = segment.descriptor_for_peer().try_clone_to_owned();
                Ok(vec![file.doing("duplicating a descriptor for the peer")?])
            }
        }
    }

    /// Makes the link, with the descriptors that came with the peer's hello. `peer_session` is the
    /// session number that the peer's memory file has to carry; `limit` the longest message in
    /// bytes; `slots`, where both sides have slots, the longest message that both take; `spin` how
    /// long a receiver polls before it sleeps.
    ///
    /// # Errors
    /// `Malformed` where the peer's memory file is invalid.
    #[allow(clippy::too_many_arguments, reason = "what a link is made of, known in one place alone")]
    pub fn join(
        self,
        stream: Stream,
        process: Option<Arc<OwnedFd>>,
        peer_session: u64,
        descriptors: Vec<PeerFile>,
        limit: u64,
        slots: Option<u64>,
        spin: Duration,
    ) -> Result<(Tx, Rx)> {
        match self {
            Offer::Stream { checked } => {
                let tx = StreamTx::new(stream.clone(), checked);
                let rx = StreamRx::new(stream, process, limit);
                Ok((Tx::Stream(tx.beside(rx.activity().clone())), Rx::Stream(rx)))
            }
            Offer::Shm(mine) => {
                let socket = stream.into_socket()?;
                let peer = PeerSegment::from_descriptors(descriptors, peer_session)?;
                let (tx, rx) = shm::link(LinkParts { mine, peer, socket, process, slots }, limit, spin)?;
                Ok((Tx::Shm(tx), Rx::Shm(rx)))
            }
        }
    }
}

impl Tx {
    /// Returns the half that writes to this stream, where nothing is received over it. With `checked` each body is sent
    /// with a checksum.
    pub fn of_stream(stream: Stream, checked: bool) -> Tx {
        Tx::Stream(StreamTx::new(stream, checked))
    }

    /// Returns whether the peer is a program without Linkspan.
    pub fn is_plain(&self) -> bool {
        matches!(self, Tx::Plain(_))
    }

    /// Returns the words of shared memory in which each side reads how far the other one has
    /// consumed; `None` where only frames carry acknowledgements.
    pub fn ack_words(&self) -> Option<Arc<AckWords>> {
        match self {
            Tx::Shm(half) => Some(Arc::new(half.ack_words())),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Ends the link for both halves and hangs up, because the peer's page contains an impossible value.
    pub fn end_link(&mut self, error: &Error) {
        match self {
            Tx::Shm(half) => half.end_link(error),
            // These have no such page.
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => {}
        }
    }

    /// Returns whether the link has ended by a defect that one of its halves has found, so that nothing goes over it
    /// any more.
    pub fn has_defect(&self) -> bool {
        matches!(self, Tx::Shm(half) if half.has_defect())
    }

    /// Returns how many messages this half has accepted and dropped since the last call: replies to
    /// clients that do not read from their pipe.
    pub fn take_lost(&mut self) -> u64 {
        match self {
            Tx::Plain(half) => half.take_lost(),
            _ => 0,
        }
    }

    /// Returns how many long bodies were sent since the last call: over shared memory, to peers that take them in
    /// slots.
    pub fn take_long_bodies(&mut self) -> LongBodies {
        match self {
            Tx::Shm(half) => half.take_long_bodies(),
            Tx::Published(half) => half.take_long_bodies(),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => LongBodies::default(),
        }
    }

    /// Returns whether an error concerns this frame alone, none of which was sent, so that the link
    /// takes others.
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
            // Nothing of it is in the ring.
            Tx::Published(_) => true,
        }
    }

    /// Sends a frame. Only shared memory accepts a body in several blocks; for the others it is
    /// copied into one.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        match self {
            Tx::Shm(half) => half.try_send(frame),
            Tx::Published(half) => half.try_send(frame),
            Tx::Stream(half) => half.try_send(&frame.in_one_block()),
            Tx::Plain(half) => half.try_send(&frame.in_one_block()),
            Tx::Place(half) => half.try_send(&frame.in_one_block()),
        }
    }

    /// Sends data, a request or a reply without flags and extension whole into memory, in fewer steps. False, with
    /// nothing sent, for other links, and where [`Tx::try_send`] is to be called. `correlation` is the number of a
    /// reply's request, and 0 otherwise.
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

    /// Returns whether a frame with a body of this length goes as one record into memory.
    pub fn is_one_record(&self, body: usize) -> bool {
        matches!(self, Tx::Shm(half) if half.is_one_record(body))
    }

    /// Returns the slots for long arrays that are sent over this link; `None` where arrays are sent
    /// inside their message.
    pub fn slots(&self) -> Option<Arc<Slots>> {
        match self {
            Tx::Shm(half) => half.slots().cloned(),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Sends several frames with one wake-up, or one system call. Returns how many, from the first
    /// one on, are with the transport; of the last of them the half may still have a rest. 0 means
    /// that the first frame has to be sent alone: this kind of link has no faster way, the frame is
    /// large, or there is no room.
    pub fn try_send_many<'f>(&mut self, frames: impl Iterator<Item = Outgoing<'f>>) -> Result<usize> {
        match self {
            Tx::Shm(half) => half.try_send_many(frames),
            Tx::Stream(half) => half.try_send_many(frames),
            Tx::Published(half) => half.try_send_many(frames),
            Tx::Plain(_) | Tx::Place(_) => Ok(0),
        }
    }

    /// Passes on how far the program has consumed the returned frames, where the transport needs
    /// it.
    pub fn consumed_to(&mut self, number: u64) {
        if let Tx::Place(half) = self {
            half.consumed_to(number);
        }
    }

    /// Returns whether some of the frame that was begun last is still to be written.
    pub fn has_rest(&self) -> bool {
        self.tail().is_some()
    }

    /// Returns the kind of that frame.
    pub fn kind_of_rest(&self) -> Option<Kind> {
        self.tail().map(Tail::kind)
    }

    /// Has this eventfd woken when nothing of that frame is left, whichever thread wrote the rest.
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
            // A place and the ring of a publisher hold a frame whole.
            Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Returns whether what was written waits for room at the peer, in a kernel that drops it when this process ends.
    pub fn is_held_back(&self) -> bool {
        matches!(self, Tx::Stream(half) if half.is_held_back())
    }

    /// Ends writing, so that the end of the connection loses nothing of what was written.
    pub fn end_acknowledged(&mut self, until: Deadline) {
        if let Tx::Stream(half) = self {
            half.end_acknowledged(until);
        }
    }

    /// Writes the rest of the frame that was begun last; true once nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        match self {
            Tx::Stream(half) => half.flush(),
            Tx::Plain(half) => half.flush(),
            Tx::Shm(half) => half.flush(),
            // As above.
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
            // There always is.
            Tx::Published(_) => Ok(()),
        }
    }

    /// Announces a sleep on [`Tx::room_descriptor`] until there is room; returns true if room has
    /// appeared in the meantime.
    pub fn park_room(&mut self) -> Result<bool> {
        match self {
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => Ok(false),
            Tx::Shm(half) => half.park_room(),
            Tx::Published(_) => Ok(true),
        }
    }

    /// Returns the descriptor that is ready once there is room, and the event to wait for: a stream becomes
    /// writable, the wake-up socket of shared memory readable.
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
    pub fn is_in_place(&self) -> bool {
        matches!(self, Tx::Shm(_))
    }

    /// Returns the half to which a short message can be written in place, with `ShmTx::try_send_next`; `None`
    /// for other links.
    pub fn in_place(&mut self) -> Option<&mut ShmTx> {
        match self {
            Tx::Shm(half) => Some(half),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Returns the half that writes to a stream; `None` for other links.
    pub fn stream(&mut self) -> Option<&mut StreamTx> {
        match self {
            Tx::Stream(half) => Some(half),
            Tx::Plain(_) | Tx::Shm(_) | Tx::Place(_) | Tx::Published(_) => None,
        }
    }

    /// Polls for room for a few microseconds, where that needs no system call; returns true when
    /// there is some.
    pub fn spin(&mut self) -> bool {
        match self {
            Tx::Shm(half) => half.spin(),
            Tx::Published(_) => true,
            Tx::Stream(_) | Tx::Plain(_) | Tx::Place(_) => false,
        }
    }

    /// Withdraws a request whose caller has given up, if no server has begun with it.
    pub fn withdraw(&mut self, sequence: u64) {
        match self {
            // The peer has already received it.
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Published(_) => {}
            Tx::Place(half) => half.withdraw(sequence),
        }
    }
}

/// What a half that writes once for all readers has beyond that.
impl Tx {
    /// Returns the readers of a half that writes once for all; `None` for other links.
    pub fn readers(&mut self) -> Option<&mut dyn Readers> {
        match self {
            Tx::Published(half) => Some(&mut **half),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Place(_) => None,
        }
    }

    /// Returns the number of the last message that this reader of such a half has read; 0 before the first, and for an
    /// unknown one.
    pub fn read_so_far(&self, id: u64) -> u64 {
        match self {
            Tx::Published(half) => half.read_so_far(id),
            Tx::Stream(_) | Tx::Plain(_) | Tx::Shm(_) | Tx::Place(_) => 0,
        }
    }
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

    /// Returns the half from which a short message can be read in place, with
    /// `ShmRx::peek_small`; `None` for other links.
    pub fn in_place(&mut self) -> Option<&mut ShmRx> {
        match self {
            Rx::Shm(half) => Some(half),
            Rx::Stream(_) | Rx::Plain(_) | Rx::Place(_) | Rx::Published(_) => None,
        }
    }

    /// Returns whether messages are read in shared memory.
    pub fn is_in_place(&self) -> bool {
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
    pub fn is_ready_in_place(&self) -> bool {
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

    /// Returns the half whose messages are in a buffer of this process; `None` for other links.
    pub fn stream(&mut self) -> Option<&mut StreamRx> {
        match self {
            Rx::Stream(half) => Some(half),
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
    /// From now on this much of a body that is in a slot of the publisher as a whole is left there.
    pub fn view_bodies(&mut self, views: BodyViews) {
        if let Rx::Published(half) = self {
            half.view_bodies(views);
        }
    }

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
