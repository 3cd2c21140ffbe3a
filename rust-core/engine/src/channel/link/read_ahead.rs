//! Frames of a link that were read before their turn, to find withdrawals.
//!
//! A peer that gives up a request sends a withdrawal behind it. The frames behind a request are read before the program
//! gets it; if the withdrawal is among them, the request is not started. All of them are kept here in their order,
//! within bounds, and come before what the link has next.

use std::collections::VecDeque;

use crate::error::{ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::withdrawal;
use crate::transport::Rx;

/// Frames that are read ahead, at most.
const MAX_FRAMES: usize = 256;
/// Bytes of their bodies after which no further frame is read.
const MAX_BYTES: usize = 256 << 10;

/// What was read ahead of one link, in order.
#[derive(Default)]
pub struct ReadAhead {
    /// Each with the number of the request that it withdraws. Nothing is read behind an error.
    frames: VecDeque<Result<(Incoming, Option<u64>)>>,
    /// Bytes of the bodies of `frames`.
    bytes: usize,
    /// How many of `frames` are withdrawals.
    withdrawals: usize,
}

impl ReadAhead {
    /// Returns whether the next frame is the link's.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the first frame.
    #[inline(never)]
    pub fn pop(&mut self) -> Result<Option<Incoming>> {
        let Some(first) = self.frames.pop_front() else { return Ok(None) };
        let (frame, withdrawn) = first?;
        self.bytes -= frame.body.len();
        self.withdrawals -= usize::from(withdrawn.is_some());
        Ok(Some(frame))
    }

    /// Reads until the link has no more or a bound is reached.
    #[inline(never)]
    pub fn read(&mut self, rx: &mut Rx) {
        while !matches!(self.frames.back(), Some(Err(_)))
            && self.frames.len() < MAX_FRAMES
            && self.bytes < MAX_BYTES
            && rx.may_hold_more()
        {
            let Some(read) = rx.try_recv().transpose() else { return };
            // There may be memory for it in its turn.
            if read.as_ref().is_err_and(|e| e.kind() == ErrorKind::OutOfMemory) {
                return;
            }
            self.frames.push_back(read.map(|frame| {
                let withdrawn = if frame.header.kind == Kind::Ack { withdrawal::read(&frame) } else { None };
                self.bytes += frame.body.len();
                self.withdrawals += usize::from(withdrawn.is_some());
                (frame, withdrawn)
            }));
        }
    }

    /// Returns whether a withdrawal of this request is among the frames.
    pub fn withdraws(&self, request: u64) -> bool {
        let mut withdrawn = self.frames.iter().flatten().filter_map(|(_, withdrawn)| *withdrawn);
        self.withdrawals > 0 && withdrawn.any(|withdrawn| withdrawn == request)
    }
}
