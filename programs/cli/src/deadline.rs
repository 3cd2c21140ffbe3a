//! The deadline that the calls of one command share.

use linkspan::{Deadline, Timeout};

/// A deadline from now on; none for `Timeout::Default` and `Timeout::Forever`.
pub fn deadline(timeout: Timeout) -> Deadline {
    match timeout {
        Timeout::After(duration) => Deadline::after(duration),
        _ => Deadline::NEVER,
    }
}
