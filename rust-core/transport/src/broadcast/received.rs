//! The result of a read of a publisher's ring, and the start of a reader.

use crate::error::{Error, ErrorKind};
use crate::frame::Incoming;

/// The result of one read of the ring.
#[derive(Debug)]
pub enum Received {
    /// A frame.
    Frame(Incoming),
    /// Nothing new.
    Nothing,
    /// The publisher has moved, or the file of a needed slot is missing: connect again.
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

/// The start of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the newest record, which is flagged as retained.
    Newest,
    /// With the message of this number, flagged as retained; 0 for the first message ever.
    With(u64),
    /// After the message of this number, which it has read in the previous ring.
    After(u64),
}

/// The place of a message's number in a frame.
const NUMBER: usize = 24;

/// Returns the error of a publisher whose message has this number after the last one.
#[cold]
pub fn not_rising(number: u64, last: u64) -> Error {
    let text = format!(
        "a publisher numbers its messages from 1, each above the last one; number {number} came after {last}"
    );
    Error::new(ErrorKind::Malformed, text).at(NUMBER)
}
