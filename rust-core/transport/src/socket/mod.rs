//! Links over a stream of bytes: one vectored write per message, and one read for as many messages
//! as have arrived.
//!
//! [`StreamTx`] and [`StreamRx`] share the stream and [`PeerActivity`], nothing else, so two threads
//! use them without a lock. Unix sockets, TCP, TLS and pipes all use them.
//!
//! Over TCP each message begins with a system call that checks whether the peer has closed the
//! connection; a peer that has just sent something need not be checked. The receiving half notes
//! the time, the sending half reads it. The accesses are relaxed: the value only decides about a
//! check, and a stale one costs a system call, or delays the discovery of a closed connection by
//! `PeerActivity::RECENT`.
//!
//! | what | defined in |
//! |---|---|
//! | frames into bytes | `send` |
//! | bytes into frames | `receive` |
//! | the time of the peer's last activity | here |

mod receive;
mod send;

pub use receive::StreamRx;
pub use send::StreamTx;

use std::sync::atomic::{AtomicI64, Ordering};

use crate::sys::clock;
use crate::value::Timestamp;

/// The time of the last bytes from the peer, in nanoseconds since 1970; `i64::MIN` where nothing
/// may be concluded.
#[derive(Debug)]
pub struct PeerActivity(AtomicI64);

impl PeerActivity {
    /// How long the peer counts as active: 4.5 ms, as long as a receiver in a dialogue waits with
    /// its acknowledgement for a reply that carries it. So within a dialogue no check is made, and
    /// a closed connection is noticed this much later at most.
    const RECENT: i64 = 4_500_000;

    /// Notes that bytes of the peer have arrived.
    pub(crate) fn note(&self) {
        self.0.store(clock::now(), Ordering::Relaxed);
    }

    /// Notes that the link has ended, or that the peer must be checked.
    pub(crate) fn clear(&self) {
        self.0.store(i64::MIN, Ordering::Relaxed);
    }

    /// Returns whether bytes arrived within [`PeerActivity::RECENT`] before `now`. False where the
    /// clock was set back.
    pub(crate) fn is_recent(&self, now: Timestamp) -> bool {
        let since = now.0.saturating_sub(self.0.load(Ordering::Relaxed));
        (0..PeerActivity::RECENT).contains(&since)
    }
}

impl Default for PeerActivity {
    fn default() -> PeerActivity {
        PeerActivity(AtomicI64::new(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_expires_and_is_void_after_clock_step_back() {
        let activity = PeerActivity::default();
        assert!(!activity.is_recent(Timestamp::now()), "nothing has arrived yet");
        activity.note();
        let at = activity.0.load(Ordering::Relaxed);
        assert!(
            activity.is_recent(Timestamp(at)) && activity.is_recent(Timestamp(at + PeerActivity::RECENT - 1))
        );
        assert!(!activity.is_recent(Timestamp(at + PeerActivity::RECENT)));
        assert!(!activity.is_recent(Timestamp(at - 1)));
        activity.clear();
        assert!(!activity.is_recent(Timestamp(at)));
    }
}
