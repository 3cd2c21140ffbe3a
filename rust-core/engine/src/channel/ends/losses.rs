//! The error for sent messages that are lost, on a channel whose peer cannot reconnect.
//!
//! The next `send` or `close` after the loss fails with it once: that call resets the counter of losses in the
//! session state.

use crate::error::{Error, ErrorKind, counted};

/// Returns `Disconnected` with the number of lost messages in [`Error::missed`].
pub(super) fn lost_before(lost: u64) -> Error {
    let text = format!(
        "{} lost: the peer disconnected before it acknowledged them, and a peer without a client_id cannot reconnect to receive them",
        counted(lost, "that was sent before is", "that were sent before are")
    );
    Error::new(ErrorKind::Disconnected, text).with_missed(lost)
}
