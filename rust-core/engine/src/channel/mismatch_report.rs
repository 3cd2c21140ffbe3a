//! The report to a listener that its schema does not fit. A listener that is busy gets it with the next attempt.

use std::time::{Duration, Instant};

use super::handshake::Hello;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::transport::place::Listener;

/// How long an `AddressInUse` is retried. The predecessor of this program may have been killed just before,
/// and the kernel of a busy machine reports that to the listener late.
pub const STALE_REFUSAL: Duration = Duration::from_millis(100);

/// What is reported, and to whom.
pub struct MismatchReport {
    /// The outcome for this side.
    pub error: Error,
    pub hello: Hello,
    /// The listener, where it can be told from others.
    pub listener: Option<Listener>,
    pub began: Instant,
    pub ends: Deadline,
}

impl MismatchReport {
    /// Returns whether the report is sent again later to a listener that did not take it for this reason.
    pub fn is_due_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Stalled => !self.ends.has_passed(),
            ErrorKind::AddressInUse => self.began.elapsed() < STALE_REFUSAL,
            _ => false,
        }
    }
}
