//! Links over a stream of bytes: one vectored write per message, one read for all arrived messages.
//!
//! [`StreamTx`] and [`StreamRx`] share only the stream and [`PeerActivity`], so two threads use them without
//! a lock. Over TCP a system call before each message checks whether the peer has closed the connection. It
//! is omitted if the peer has just sent something. Relaxed accesses to that time suffice, because a stale
//! value only costs a check, or delays the discovery of a closed connection by `PeerActivity::RECENT`.

mod receive;
mod send;

pub use receive::StreamRx;
pub use send::StreamTx;

use std::sync::atomic::{AtomicI64, Ordering};

use crate::sys::clock;
use crate::value::Timestamp;

/// The time of the last bytes from the peer, in ns since 1970; `i64::MIN` means unknown.
#[derive(Debug)]
pub struct PeerActivity(AtomicI64);

impl PeerActivity {
    /// How long the peer counts as active.
    ///
    /// A receiver in a dialogue delays its acknowledgement this long for a reply that carries it. So a
    /// dialogue needs no checks, and a closed connection is noticed at most this much later.
    const RECENT: i64 = 4_500_000;

    pub(crate) fn note(&self) {
        self.0.store(clock::now(), Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        self.0.store(i64::MIN, Ordering::Relaxed);
    }

    /// Returns whether bytes arrived within [`PeerActivity::RECENT`] before `now`. False after the clock was
    /// set back.
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
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::*;
    use crate::Sent;
    use crate::codec::Encoding;
    use crate::frame::{Header, Kind, Outgoing};
    use crate::stream::Stream;
    use crate::sys::fork::Guarded;

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

    /// Its sender may sleep from then on, so only the half can send it.
    #[test]
    fn acknowledgement_without_room_follows_once_the_peer_has_read() {
        let (near, far) = UnixStream::pair().unwrap();
        let stream = |end| Stream::Socket(Arc::new(Guarded::new(OwnedFd::from(end))));
        let mut tx = StreamTx::new(stream(near), false);
        let mut rx = StreamRx::new(stream(far), None, 1 << 20);
        let header = |kind, correlation| Header { correlation, ..Header::new(kind, Encoding::Raw) };
        let mut whole = 0;
        while tx.try_send(&Outgoing::new(header(Kind::Data, 0), &[])).unwrap() == Sent::Whole {
            whole += 1;
        }
        assert!(tx.tail().is_none() && whole > 0, "the last frame was refused, and not begun");
        let acknowledgement = header(Kind::Ack, 7);
        assert_eq!(tx.try_send(&Outgoing::new(acknowledgement, &[])).unwrap(), Sent::Started);
        assert!(!tx.flush().unwrap() && tx.tail().is_some());
        for _ in 0..whole {
            assert_eq!(rx.try_recv().unwrap().unwrap().header.kind, Kind::Data);
        }
        assert!(tx.flush().unwrap() && tx.tail().is_none());
        let received = rx.try_recv().unwrap().unwrap().header;
        assert_eq!((received.kind, received.correlation), (Kind::Ack, 7));
    }
}
