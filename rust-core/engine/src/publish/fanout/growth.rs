//! A relay's ring begins small, because a bridge has thousands of relays, mostly without subscribers.
//!
//! The ring grows with the first subscriber, and if messages come so fast that a connecting subscriber could find its
//! first messages overwritten. The larger ring takes over the messages.

use std::time::{Duration, Instant};

use crate::transport::Tx;

pub const SMALL: usize = 32 << 10;
const OVERHEAD: usize = 64;
/// A waiting subscriber connects in much less time.
const SOON: Duration = Duration::from_secs(10);

pub struct Growth {
    full: usize,
    bytes: usize,
    since: Instant,
}

impl Growth {
    pub fn to(full: usize) -> Growth {
        Growth { full, bytes: 0, since: Instant::now() }
    }

    /// Counts a message before it is published. Returns whether the ring must grow first.
    pub fn is_due(&mut self, body: usize) -> bool {
        self.bytes += body + OVERHEAD;
        if self.bytes < SMALL / 2 {
            return false;
        }
        if self.since.elapsed() < SOON {
            return true;
        }
        (self.bytes, self.since) = (0, Instant::now());
        false
    }

    /// Replaces the ring by the larger one. Without memory the small ring stays, and overwrites sooner.
    pub fn grow(self, tx: &mut Tx) {
        let _ = tx.readers().map(|readers| readers.grow(self.full));
    }
}
