//! What a read of a publisher's ring returns, and where a reader begins.

use crate::frame::Incoming;

/// What one read of the ring returned.
#[derive(Debug)]
pub enum Received {
    /// A frame.
    Frame(Incoming),
    /// Nothing new.
    Nothing,
    /// The publisher has moved to a larger ring, or a needed slot's file has not been received:
    /// connect again.
    Moved,
}

impl Received {
    /// Returns the frame, if there is one.
    pub fn frame(self) -> Option<Incoming> {
        match self {
            Received::Frame(frame) => Some(frame),
            Received::Nothing | Received::Moved => None,
        }
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the newest record, which is flagged as retained.
    Newest,
    /// With the message of this sequence number, which is flagged as retained; 0 for the first
    /// message ever published.
    With(u64),
    /// Behind the message of this sequence number, which it has read in the previous ring.
    After(u64),
}
