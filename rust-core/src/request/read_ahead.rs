//! Frames of one client that are read ahead, to find withdrawals.
//!
//! A client that gives up a request sends a withdrawal after it. Before the program receives a
//! request, the server reads the frames after it. If a withdrawal of the request is among them, the program
//! does not receive the request. Other frames are kept here in their order, up to a limit, and served first.

use std::collections::{HashSet, VecDeque};

use crate::error::{Error, Result};
use crate::frame::{Incoming, Kind};
use crate::message::withdrawal;
use crate::transport::Rx;

/// The most frames that are read ahead.
const MAX_FRAMES: usize = 256;
/// The size of their bodies in bytes at which reading ahead stops.
const MAX_BYTES: usize = 256 << 10;

/// The frames of one client that were read ahead, in order. Used by the serving thread only.
#[derive(Default)]
pub struct ReadAhead {
    frames: VecDeque<Incoming>,
    /// Bytes of the bodies of `frames`.
    bytes: usize,
    /// The error that ended the reading. It is returned after the frames.
    deferred_error: Option<Error>,
    /// The withdrawn requests: in `frames`, or the one that is being received.
    withdrawn: HashSet<u64>,
}

impl ReadAhead {
    /// Returns whether nothing was read ahead, so that the next frame comes from the link.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.deferred_error.is_none()
    }

    /// Returns the next frame: one that was read ahead, otherwise one from the link; `None` if no frame has
    /// arrived.
    #[inline]
    pub fn next(&mut self, rx: &mut Rx) -> Result<Option<Incoming>> {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.body.len();
            return Ok(Some(frame));
        }
        match self.deferred_error.take() {
            Some(error) => Err(error),
            None => rx.try_recv(),
        }
    }

    /// Reads the frames after the request of this number, up to the limits, and returns whether its caller has
    /// withdrawn it.
    #[inline]
    pub fn is_withdrawn(&mut self, request: u64, rx: &mut Rx) -> bool {
        if self.deferred_error.is_none() && rx.may_hold_more() {
            self.read(request, rx);
        }
        !self.withdrawn.is_empty() && self.withdrawn.remove(&request)
    }

    /// Reads frames until the link is empty or a limit is reached.
    fn read(&mut self, request: u64, rx: &mut Rx) {
        while self.frames.len() < MAX_FRAMES && self.bytes < MAX_BYTES && rx.may_hold_more() {
            match rx.try_recv() {
                Ok(Some(frame)) => {
                    if frame.header.kind == Kind::Ack
                        && let Some(number) = withdrawal::read(&frame)
                        && (number == request || self.contains_request(number))
                    {
                        self.withdrawn.insert(number);
                    }
                    self.bytes += frame.body.len();
                    self.frames.push_back(frame);
                }
                Ok(None) => return,
                Err(error) => {
                    self.deferred_error = Some(error);
                    return;
                }
            }
        }
    }

    /// Returns whether this request is among the frames.
    fn contains_request(&self, request: u64) -> bool {
        let is_it = |frame: &Incoming| frame.header.kind == Kind::Request && frame.header.sequence == request;
        self.frames.iter().any(is_it)
    }
}
