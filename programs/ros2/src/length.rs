//! The longest message in the encodings of viewers.

use linkspan::{Error, ErrorKind, Limits};

/// The limit of an encoded message, as a multiple of the longest original message.
const TIMES: u64 = 4;

/// Returns the most bytes of an encoded message, for original messages of up to `longest` bytes.
pub fn most(longest: u64) -> u64 {
    longest.saturating_mul(TIMES)
}

/// Returns this limit for the default longest message of a channel.
pub(crate) fn most_by_default() -> u64 {
    most(Limits::default().message)
}

/// Returns the error of a message beyond the limit.
pub(crate) fn too_long(most: u64) -> Error {
    let text = format!(
        "as viewers read it the message has more than {most} bytes, four times the longest message; max_message_size raises that"
    );
    Error::new(ErrorKind::TooLarge, text)
}
