//! The traits for link halves that one folder of a transport defines; [`super::Tx`] and [`super::Rx`] hold
//! them.
//!
//! Streams and shared memory have their own variants, which saves a virtual call per message. Methods without
//! a comment are described at [`super::Tx`] and [`super::Rx`].

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Incoming, Losses, Outgoing, PublishedSlots, Sent, Waited};
use crate::deadline::Waiting;
use crate::error::{Error, Result};
use crate::sys::fork::Guarded;
use crate::sys::memory::PeerFile;
use crate::sys::poll::Interest;

/// The sending half, which sends each frame whole or not at all.
pub trait SendHalf: Send {
    /// Sends a frame without waiting. Never returns [`Sent::Started`].
    fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent>;

    /// Sleeps until another try may succeed.
    ///
    /// # Errors
    /// `Timeout`, and the errors of the place.
    fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()>;

    /// Returns the descriptor that becomes ready when there is room, and the event to wait for.
    fn room_descriptor(&self) -> (BorrowedFd<'_>, Interest);

    /// Returns whether the half continues after this error, because no byte was sent.
    ///
    /// `concerns_frame` tells whether this kind of error usually concerns one frame.
    fn goes_on_after(&self, error: &Error, concerns_frame: bool) -> bool;

    fn consumed_to(&mut self, _number: u64) {}

    fn withdraw(&mut self, _sequence: u64) {}
}

/// The receiving half.
pub trait ReceiveHalf: Send {
    fn try_recv(&mut self) -> Result<Option<Incoming>>;

    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Returns whether an error concerns one message, which was skipped.
    fn goes_on_after(&self, _error: &Error) -> bool {
        false
    }

    fn consumed_but(&mut self, _last: usize) {}

    fn take_losses(&mut self) -> Losses {
        Losses::default()
    }

    fn keeps(&self) -> bool {
        false
    }

    /// Returns whether a poll before a sleep is probably not worth its system call.
    fn is_likely_empty(&self) -> bool {
        false
    }

    /// Reads, and sleeps at most a few milliseconds for data, if that is cheaper than `descriptors`.
    fn read_briefly(&mut self, _waiting: &mut Waiting<'_>) -> Result<Waited> {
        Ok(Waited::Omitted)
    }

    /// Returns whether a frame has arrived since; false if descriptors stay ready until frames are read.
    fn park(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn keeps_newest(&self) -> bool {
        false
    }

    fn newest(&mut self) -> Result<Option<Incoming>> {
        Ok(None)
    }

    fn has_several(&self) -> bool {
        true
    }

    /// Notes that the program has finished with all frames up to this one of the last two.
    fn consumed_to(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    fn counts_missed(&self) -> bool {
        false
    }

    fn keeps_place(&self) -> bool {
        false
    }

    fn why_nothing(&self) -> Option<Error> {
        None
    }
}

/// The readers of a sending half that writes once for all of them ([`super::Tx`]).
pub trait Readers {
    /// Moves to a ring of at least this many bytes, which gets the messages of the old ring.
    ///
    /// # Errors
    /// `OutOfMemory`; then nothing has changed.
    fn grow(&mut self, buffer: usize) -> Result<()>;

    fn slots(&self) -> Arc<PublishedSlots>;

    /// Returns the memory files of the ring and of the slots that this reader needs.
    ///
    /// # Errors
    /// If duplicating descriptors fails.
    fn descriptors_for_peer(&mut self, id: u64) -> Result<Vec<OwnedFd>>;

    /// Adds a subscriber with the descriptors of its hello; `socket` carries wake-ups.
    ///
    /// # Errors
    /// `Malformed` if its memory file is invalid.
    fn add(&mut self, id: u64, descriptors: Vec<PeerFile>, session: u64, socket: Arc<Guarded>) -> Result<()>;

    /// Adds a reader without support for slots: until its removal, every message is whole in the ring.
    fn add_without_slots(&mut self, id: u64) -> Result<()>;

    fn answered(&mut self, id: u64);

    fn remove(&mut self, id: u64);

    /// Ends publishing. Views of published arrays stay valid.
    fn close(&mut self);

    /// Returns the number of the last message that a subscriber has read, else 0.
    fn read_so_far(&self, id: u64) -> u64;
}
