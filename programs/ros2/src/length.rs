//! How long a message may be in the form of viewers.

use linkspan::{Error, ErrorKind, Limits};

/// The bound of a written message, in lengths of the longest message.
const TIMES: u64 = 4;

/// Returns the most bytes of a written message, for messages of up to `longest` bytes.
pub fn most(longest: u64) -> u64 {
    longest.saturating_mul(TIMES)
}

/// Returns this bound for the default limit of a channel.
pub(crate) fn most_by_default() -> u64 {
    most(Limits::default().message)
}

/// Returns the error of a message that is too long in the form of viewers.
pub(crate) fn too_long(most: u64) -> Error {
    let text = format!(
        "as viewers read it the message has more than {most} bytes, four times the longest message; max_message_size raises that"
    );
    Error::new(ErrorKind::TooLarge, text)
}
