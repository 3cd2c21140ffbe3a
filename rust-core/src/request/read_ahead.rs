//! Frames of one client that were read before their turn, to find withdrawals.
//!
//! A client that gives up a request sends a withdrawal behind it. The server reads the frames
//! behind a request before the program gets it; if the withdrawal is among them, the request is not
//! started. Other frames are kept here in their order, within bounds, and served from here first.

use std::collections::{HashSet, VecDeque};

use crate::error::{Error, Result};
use crate::frame::{Incoming, Kind};
use crate::message::withdrawal;
use crate::transport::Rx;

/// Frames that are read ahead, at most.
const MAX_FRAMES: usize = 256;
/// Bytes of their bodies after which no further frame is read.
const MAX_BYTES: usize = 256 << 10;

/// What was read ahead of one client, in order. Used by the serving thread only.
#[derive(Default)]
pub struct ReadAhead {
    frames: VecDeque<Incoming>,
    /// Bytes of the bodies of `frames`.
    bytes: usize,
    /// The error that ended the reading; it is returned behind the frames.
    deferred_error: Option<Error>,
    /// Requests in `frames`, or just being received, that were withdrawn.
    withdrawn: HashSet<u64>,
}

impl ReadAhead {
    /// Returns whether nothing was read ahead, so that the next frame is the link's.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.deferred_error.is_none()
    }

    /// Returns the next frame: one that was read ahead, else one of the link; none if there is no
    /// frame now.
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

    /// Reads the frames behind the request of this number, within the bounds, and returns whether
    /// its caller has withdrawn it.
    #[inline]
    pub fn is_withdrawn(&mut self, request: u64, rx: &mut Rx) -> bool {
        if self.deferred_error.is_none() && rx.may_hold_more() {
            self.read(request, rx);
        }
        !self.withdrawn.is_empty() && self.withdrawn.remove(&request)
    }

    /// Reads frames until the link is empty or a bound is reached.
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
