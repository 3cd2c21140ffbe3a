//! The longest message in the encodings of viewers.

use linkspan::{Error, ErrorKind, Limits};

/// Returns the most bytes of an encoded message by default: four times the default longest message of a channel.
pub(crate) fn most_by_default() -> u64 {
    Limits::default().message.saturating_mul(4)
}

/// Returns the error of a message beyond the limit.
pub(crate) fn too_long(most: u64) -> Error {
    let text = format!(
        "as viewers read it the message has more than {most} bytes; a greater max_message_size raises that"
    );
    Error::new(ErrorKind::TooLarge, text)
}
