//! The report to a listener that its schema does not fit. A busy listener gets it with the next attempt.

use std::time::{Duration, Instant};

use super::handshake::Hello;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::transport::place::Listener;

/// How long `AddressInUse` is retried.
///
/// The predecessor of this program may just have been killed. On a busy machine, the kernel reports that to the
/// listener late.
pub const STALE_REFUSAL: Duration = Duration::from_millis(100);

pub struct MismatchReport {
    pub error: Error,
    pub hello: Hello,
    /// The listener, if it can be identified.
    pub listener: Option<Listener>,
    pub began: Instant,
    pub ends: Deadline,
}

impl MismatchReport {
    pub fn is_due_after(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Stalled => !self.ends.has_passed(),
            ErrorKind::AddressInUse => self.began.elapsed() < STALE_REFUSAL,
            _ => false,
        }
    }
}
