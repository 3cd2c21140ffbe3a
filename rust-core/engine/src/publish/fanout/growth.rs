//! A ring that begins small, and grows when it is needed: that of a relay. A bridge has thousands of them, of which few
//! have subscribers.
//!
//! It grows with the first subscriber, and where messages come so fast that a subscriber which is about to connect
//! could find the first ones overwritten. What is in the ring goes into the larger one.

use std::time::{Duration, Instant};

use crate::transport::Tx;

/// Bytes of the small ring.
pub const SMALL: usize = 32 << 10;
/// Bytes of a message beside its body, about.
const OVERHEAD: usize = 64;
/// A subscriber that waits for a publisher connects in much less time.
const SOON: Duration = Duration::from_secs(10);

/// When a small ring grows.
pub struct Growth {
    /// Bytes of the larger ring.
    full: usize,
    /// Bytes of the messages since this time.
    bytes: usize,
    since: Instant,
}

impl Growth {
    /// Returns when a ring of [`SMALL`] bytes grows to `full`.
    pub fn to(full: usize) -> Growth {
        Growth { full, bytes: 0, since: Instant::now() }
    }

    /// Counts a message that is about to be published, and returns whether the ring is to grow before.
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

    /// Makes the ring the larger one. Where there is no memory for it, the small one stays: it overwrites sooner.
    pub fn grow(self, tx: &mut Tx) {
        let _ = tx.readers().map(|readers| readers.grow(self.full));
    }
}
