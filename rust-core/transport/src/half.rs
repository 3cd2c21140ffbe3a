//! The traits for link halves that one folder of a transport defines; [`super::Tx`] and [`super::Rx`] hold
//! them.
//!
//! Streams and shared memory have their own variants, which saves a virtual call per message. The contract in
//! `lib.rs` describes the methods further.

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

    /// Notes that the program has consumed the received frames up to this number.
    fn consumed_to(&mut self, _number: u64) {}

    /// Withdraws a request whose caller has given up, if no server has started it.
    fn withdraw(&mut self, _sequence: u64) {}
}

/// The receiving half.
pub trait ReceiveHalf: Send {
    /// Returns the next frame.
    fn try_recv(&mut self) -> Result<Option<Incoming>>;

    /// Returns the descriptors to sleep on after [`ReceiveHalf::park`] returned false.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Returns whether an error concerns one message, which was skipped.
    fn goes_on_after(&self, _error: &Error) -> bool {
        false
    }

    /// Notes that the caller has finished with all frames except the last `_last`.
    fn consumed_but(&mut self, _last: usize) {}

    /// Returns the losses since the last call.
    fn take_losses(&mut self) -> Losses {
        Losses::default()
    }

    /// Returns whether an unconsumed message stays for the next reader.
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

    /// Returns whether [`ReceiveHalf::newest`] can return the newest frame.
    fn keeps_newest(&self) -> bool {
        false
    }

    /// Returns the newest frame, even if it was returned before.
    fn newest(&mut self) -> Result<Option<Incoming>> {
        Ok(None)
    }

    /// Returns whether there may be a frame after the last returned one.
    fn has_several(&self) -> bool {
        true
    }

    /// Notes that the program has finished with all frames up to this one of the last two.
    fn consumed_to(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    /// Returns whether missed frames are an error `Lagged`; else the caller counts the gaps.
    fn counts_missed(&self) -> bool {
        false
    }

    /// Returns whether the half keeps its position after an error.
    ///
    /// After `Disconnected` such a half waits for the next store at its place.
    fn keeps_place(&self) -> bool {
        false
    }

    /// Returns the reason for the absence of frames, if it is not just that nothing was written.
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

    /// Returns the slots for long arrays, which subscribers view.
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

    /// Notes that a subscriber's hello has been answered.
    fn answered(&mut self, id: u64);

    /// Removes a subscriber, or a reader without support for slots.
    fn remove(&mut self, id: u64);

    /// Ends publishing. Views of published arrays stay valid.
    fn close(&mut self);

    /// Returns the number of the last message that a subscriber has read, else 0.
    fn read_so_far(&self, id: u64) -> u64;
}
