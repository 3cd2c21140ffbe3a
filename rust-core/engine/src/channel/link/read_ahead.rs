//! Frames of a link that were read before their turn, to find withdrawals.
//!
//! A peer that gives up a request sends a withdrawal after it. This side reads the following frames before the
//! program gets a request, and does not start a withdrawn one. A bounded number of frames is kept here in order.

use std::collections::VecDeque;

use crate::error::{ErrorKind, Result};
use crate::frame::{Incoming, Kind};
use crate::message::withdrawal;
use crate::transport::Rx;

const MAX_FRAMES: usize = 256;
/// After this many bytes of bodies, no further frame is read.
const MAX_BYTES: usize = 256 << 10;

#[derive(Default)]
pub struct ReadAhead {
    /// Each with the number of the request that it withdraws. An error is the last entry.
    frames: VecDeque<Result<(Incoming, Option<u64>)>>,
    bytes: usize,
    withdrawals: usize,
}

impl ReadAhead {
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    #[inline(never)]
    pub fn pop(&mut self) -> Result<Option<Incoming>> {
        let Some(first) = self.frames.pop_front() else { return Ok(None) };
        let (frame, withdrawn) = first?;
        self.bytes -= frame.body.len();
        self.withdrawals -= usize::from(withdrawn.is_some());
        Ok(Some(frame))
    }

    #[inline(never)]
    pub fn read(&mut self, rx: &mut Rx) {
        while !matches!(self.frames.back(), Some(Err(_)))
            && self.frames.len() < MAX_FRAMES
            && self.bytes < MAX_BYTES
            && rx.may_hold_more()
        {
            let Some(read) = rx.try_recv().transpose() else { return };
            // Memory may suffice for the frame in its turn.
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

    pub fn withdraws(&self, request: u64) -> bool {
        let mut withdrawn = self.frames.iter().flatten().filter_map(|(_, withdrawn)| *withdrawn);
        self.withdrawals > 0 && withdrawn.any(|withdrawn| withdrawn == request)
    }
}
