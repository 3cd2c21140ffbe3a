//! The two halves of a link of a folder's own kind, behind [`super::Tx`] and [`super::Rx`].
//!
//! A spool and a mailslot implement these traits, and the readers of a file and of a journal the receiving one. Links
//! over streams and shared memory are variants of their own, which saves a virtual call per message. Methods without a
//! description here are described in the transport contract in `lib.rs`.

use std::os::fd::BorrowedFd;

use super::{Incoming, Losses, Outgoing, Sent, Waited};
use crate::deadline::Waiting;
use crate::error::{Error, Result};
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
