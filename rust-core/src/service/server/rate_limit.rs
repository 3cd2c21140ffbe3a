//! How much is kept and how much is borne: the limits of a controller, and whether a peer keeps to them.

use std::time::Duration;

use crate::service::protocol::HEARTBEAT;

/// The limits of one controller.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Services that are known.
    pub services: usize,
    /// Of those, the ones that are gone.
    pub gone: usize,
    /// Commands of one service that have no final answer.
    pub open: usize,
    /// Bytes of the arguments of all of them.
    pub open_bytes: usize,
    /// Questions of one client that have no answer.
    pub asked: usize,
    /// Commands for services that an earlier controller knew.
    pub expected: usize,
    /// Final answers that are kept.
    pub finished: usize,
    /// Bytes of them.
    pub finished_bytes: usize,
    /// How long each is kept.
    pub finished_for: Duration,
    /// Lines of the controller's log.
    pub events: usize,
    /// Lines of a service's log.
    pub lines: usize,
    /// Bytes of a service's log, where there are few services.
    pub log_bytes: usize,
    /// Bytes of all services' logs.
    pub logs_bytes: usize,
    /// Characters of a line.
    pub line: usize,
    /// Messages a second that a service may send for long.
    pub rate: f64,
    /// Messages that it may send at once.
    pub burst: f64,
    /// Malformed messages that are borne in a minute.
    pub mistakes: f64,
    /// How often a service is heard of while nothing happens.
    pub heartbeat: Duration,
    /// How long one who has connected may take to say who it is.
    pub stranger: Duration,
    /// How long a service may be away before it is gone.
    pub away: Duration,
    /// How long what was wrong with a service is shown.
    pub problem: Duration,
    /// How long after the start services are waited for that an earlier controller knew.
    pub settling: Duration,
    /// The shortest time between two pushes about one service to its watchers.
    pub push: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            services: 10_000,
            gone: 1_000,
            open: 1_000,
            open_bytes: 64 << 20,
            asked: 10_000,
            expected: 1_000,
            finished: 100_000,
            finished_bytes: 64 << 20,
            finished_for: Duration::from_secs(600),
            events: 5_000,
            lines: 1_000,
            log_bytes: 256 << 10,
            logs_bytes: 64 << 20,
            line: 1_000,
            rate: 1_000.0,
            burst: 5_000.0,
            mistakes: 16.0,
            heartbeat: HEARTBEAT,
            stranger: Duration::from_secs(10),
            away: Duration::from_secs(600),
            problem: Duration::from_secs(300),
            settling: Duration::from_secs(15),
            push: Duration::from_millis(100),
        }
    }
}

impl Limits {
    /// How long a service may be silent: three heartbeats.
    pub fn silence(&self) -> Duration {
        self.heartbeat * 3
    }

    /// Bytes of one service's log, among so many.
    pub fn log_share(&self, services: usize) -> usize {
        (self.logs_bytes / services.max(1)).min(self.log_bytes)
    }
}

/// What a peer may still do: it fills up with time, and empties with what the peer does.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    left: f64,
    at: Duration,
}

impl TokenBucket {
    /// A full one.
    pub fn new(burst: f64, now: Duration) -> TokenBucket {
        TokenBucket { left: burst, at: now }
    }

    /// Takes so much; false where that is more than is left.
    pub fn spend(&mut self, cost: f64, rate: f64, burst: f64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + passed * rate).min(burst) - cost;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_borne_and_floods_are_not() {
        let at = Duration::from_millis;
        let mut allowance = TokenBucket::new(10.0, at(0));
        assert!((0..10).all(|_| allowance.spend(1.0, 1.0, 10.0, at(0))));
        assert!(!allowance.spend(1.0, 1.0, 10.0, at(1)));
        assert!(allowance.spend(1.0, 1.0, 10.0, at(5000)));
        let mut steady = TokenBucket::new(10.0, at(0));
        assert!((0..1000).all(|i| steady.spend(1.0, 10.0, 10.0, at(i * 100))));
        let mut flood = TokenBucket::new(10.0, at(0));
        assert!(!(0..1000).all(|i| flood.spend(1.0, 10.0, 10.0, at(i * 50))));
    }

    #[test]
    fn many_services_share_the_room_for_logs() {
        let limits = Limits::default();
        assert_eq!(limits.log_share(1), 256 << 10);
        assert!(limits.log_share(10_000) * 10_000 <= 64 << 20);
    }
}
