//! Frames of one client that were read before their turn, so that a request which its caller has withdrawn is not begun.

use std::collections::{HashSet, VecDeque};

use crate::error::{Error, Result};
use crate::frame::{Incoming, Kind};
use crate::message::withdrawal;
use crate::transport::Rx;

/// Frames that are read ahead, at most; and bytes of their bodies, after which no further frame is read.
const FRAMES: usize = 256;
const BYTES: usize = 256 << 10;

/// What was read ahead of one client, in order.
#[derive(Default)]
pub struct Ahead {
    frames: VecDeque<Incoming>,
    bytes: usize,
    /// What ended the reading: it is met behind the frames.
    ended: Option<Error>,
    /// Requests that were withdrawn and not given yet.
    withdrawn: HashSet<u64>,
}

impl Ahead {
    /// The next frame: of those that were read ahead, else of the link.
    #[inline]
    pub fn next(&mut self, rx: &mut Rx) -> Result<Option<Incoming>> {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.body.len();
            return Ok(Some(frame));
        }
        match self.ended.take() {
            Some(error) => Err(error),
            None => rx.try_recv(),
        }
    }

    /// Reads what has come behind the request of this number, as far as there is room. True where its caller has
    /// withdrawn it.
    #[inline]
    pub fn is_withdrawn(&mut self, request: u64, rx: &mut Rx) -> bool {
        if self.ended.is_none() && rx.may_hold_more() {
            self.read(request, rx);
        }
        !self.withdrawn.is_empty() && self.withdrawn.remove(&request)
    }

    fn read(&mut self, request: u64, rx: &mut Rx) {
        while self.frames.len() < FRAMES && self.bytes < BYTES && rx.may_hold_more() {
            match rx.try_recv() {
                Ok(Some(frame)) => {
                    if frame.header.kind == Kind::Ack
                        && let Some(number) = withdrawal::read(&frame)
                        && (number == request || self.holds(number))
                    {
                        self.withdrawn.insert(number);
                    }
                    self.bytes += frame.body.len();
                    self.frames.push_back(frame);
                }
                Ok(None) => return,
                Err(error) => {
                    self.ended = Some(error);
                    return;
                }
            }
        }
    }

    fn holds(&self, request: u64) -> bool {
        let is_it = |frame: &Incoming| frame.header.kind == Kind::Request && frame.header.sequence == request;
        self.frames.iter().any(is_it)
    }
}
