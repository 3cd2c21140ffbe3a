//! The two halves of a link of a folder's own kind, behind [`super::Tx`] and [`super::Rx`].
//!
//! A spool and a mailslot implement these traits, and the readers of a file and of a journal the receiving one. Links
//! over streams and shared memory are variants of their own, which saves a virtual call per message. Methods without a
//! description here are described in the transport contract in `lib.rs`.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Incoming, Losses, Outgoing, PublishedSlots, Sent, Waited};
use crate::deadline::Waiting;
use crate::error::{Error, Result};
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerFile;
use crate::sys::poll::Interest;

/// The sending half. Frames are sent whole or not at all, so there is never a rest to flush.
pub trait SendHalf: Send {
    /// Sends a frame, without waiting; never returns [`Sent::Started`].
    fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent>;

    /// Sleeps until another try may succeed.
    ///
    /// # Errors
    /// `Timeout`, and those of the place.
    fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()>;

    /// Returns the descriptor that is ready once there is room, and the event to wait for.
    fn room_descriptor(&self) -> (BorrowedFd<'_>, Interest);

    /// Returns whether an error concerns this frame alone, none of which was sent, so that the link
    /// takes others. `concerns_frame` is whether errors of this kind usually do.
    fn goes_on_after(&self, error: &Error, concerns_frame: bool) -> bool;

    /// Notes that the program has consumed what the receiving half returned, up to this number.
    fn consumed_to(&mut self, _number: u64) {}

    /// Withdraws a request whose caller has given up, if no server has begun with it.
    fn withdraw(&mut self, _sequence: u64) {}
}

/// The receiving half.
pub trait ReceiveHalf: Send {
    /// Returns the next frame, or `None`.
    fn try_recv(&mut self) -> Result<Option<Incoming>>;

    /// Returns the descriptors to sleep on after [`ReceiveHalf::park`] returned false.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Returns whether an error concerns one message alone, which was skipped.
    fn goes_on_after(&self, _error: &Error) -> bool {
        false
    }

    /// Notes that the caller has finished with all frames but the last `_last`.
    fn consumed_but(&mut self, _last: usize) {}

    /// Returns what was lost since the last call, where nothing is sent again.
    fn take_losses(&mut self) -> Losses {
        Losses::default()
    }

    /// Returns whether a message that was not consumed stays for the next reader.
    fn keeps(&self) -> bool {
        false
    }

    /// Returns whether polling before a sleep is probably not worth its system call.
    fn is_likely_empty(&self) -> bool {
        false
    }

    /// Reads, and sleeps for a few milliseconds at most until there is something, where that is cheaper than a
    /// sleep on the descriptors.
    fn read_briefly(&mut self, _waiting: &mut Waiting<'_>) -> Result<Waited> {
        Ok(Waited::Omitted)
    }

    /// Returns whether a frame has arrived in the meantime. False where the descriptors stay ready
    /// as long as there is one.
    fn park(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Returns whether it has the newest frame at hand, for [`ReceiveHalf::newest`].
    fn keeps_newest(&self) -> bool {
        false
    }

    /// Returns the newest frame, whether it was returned before or not; `None` where there is none.
    fn newest(&mut self) -> Result<Option<Incoming>> {
        Ok(None)
    }

    /// Returns whether there may be a newer frame behind the one that was returned last. False where a place has one,
    /// which that one was.
    fn has_several(&self) -> bool {
        true
    }

    /// Notes that the program has finished with the frame of this number, and with all before it. The number is one of
    /// the last two that were returned.
    fn consumed_to(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    /// Returns whether missing frames are an error `Lagged`. Otherwise the caller counts the gaps between the numbers.
    fn counts_missed(&self) -> bool {
        false
    }

    /// Returns whether the half keeps its position after an error, and after `Disconnected` waits for the next store
    /// at its place.
    fn keeps_place(&self) -> bool {
        false
    }

    /// Returns the reason why there is no frame, where it is not simply that none was written.
    fn why_nothing(&self) -> Option<Error> {
        None
    }
}

/// What a sending half that writes once for all ([`super::Tx`]) knows of its readers. Used by one thread at a time.
pub trait Readers {
    /// Moves to a ring of at least so many bytes, which gets the messages of the one before.
    ///
    /// # Errors
    /// `OutOfMemory`; then nothing has changed.
    fn grow(&mut self, buffer: usize) -> Result<()>;

    /// Returns the slots for long arrays, which subscribers view.
    fn slots(&self) -> Arc<PublishedSlots>;

    /// Returns the descriptors to send with the answer to the hello of this reader: the memory file
    /// of the ring, and those of slots that the reader needs.
    ///
    /// # Errors
    /// Those of duplicating descriptors.
    fn descriptors_for_peer(&mut self, id: u64) -> Result<Vec<OwnedFd>>;

    /// Counts a subscriber from now on under this number, with the descriptors that came with its
    /// hello. `socket` is its connection, over which it is woken.
    ///
    /// # Errors
    /// `Malformed` where its memory file is invalid.
    fn add(&mut self, id: u64, descriptors: Vec<PeerFile>, session: u64, socket: Arc<Guarded>) -> Result<()>;

    /// Adds a reader without support for slots under this number, a subscriber or not: until it is
    /// removed, the ring contains each message as a whole, and so is the newest.
    fn add_without_slots(&mut self, id: u64) -> Result<()>;

    /// Notes that the hello of a subscriber has been answered.
    fn answered(&mut self, id: u64);

    /// Removes a subscriber or a reader without support for slots.
    fn remove(&mut self, id: u64);

    /// Ends publishing: views of published arrays stay valid.
    fn close(&mut self);

    /// Returns the number of the last message that a subscriber has read; 0 before the first, and
    /// for an unknown subscriber.
    fn read_so_far(&self, id: u64) -> u64;
}
