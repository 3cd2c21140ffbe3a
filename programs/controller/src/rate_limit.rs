//! The limits of a controller's server, and the token bucket that enforces rates.

use std::time::Duration;

use linkspan::service::server_side::HEARTBEAT;

/// The limits of one server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most registered services.
    pub services: usize,
    /// The most registered services that are GONE.
    pub gone: usize,
    /// The most open commands of one service.
    pub open: usize,
    /// The most bytes of all open commands.
    pub open_bytes: usize,
    /// The most open commands of one client, and the most requests that wait for one command.
    pub open_per_client: usize,
    /// The most commands that are held for services which have not connected yet.
    pub expected: usize,
    /// The most final answers that are kept.
    pub finished: usize,
    /// The most bytes of the final answers that are kept.
    pub finished_bytes: usize,
    /// How long each final answer is kept.
    pub finished_for: Duration,
    /// The most lines of the controller's log.
    pub events: usize,
    /// The most lines of a service's log.
    pub lines: usize,
    /// The most bytes of a service's log while there are few services.
    pub log_bytes: usize,
    /// The most bytes of the logs of all services together.
    pub logs_bytes: usize,
    /// The most characters of a line in a log.
    pub line: usize,
    /// The messages per second that a service may send over a long time.
    pub rate: f64,
    /// The messages that a service may send at once.
    pub burst: f64,
    /// The malformed messages that a service may send per minute.
    pub malformed: f64,
    /// The heartbeat period of the services.
    pub heartbeat: Duration,
    /// How long a peer may take to send its introduction.
    pub introduction: Duration,
    /// How long a service may be disconnected before it counts as GONE.
    pub away: Duration,
    /// How long a problem is shown after it last occurred.
    pub problem: Duration,
    /// How long after its start the controller holds commands for services of an earlier incarnation.
    ///
    /// Such a service was registered with an earlier incarnation of the controller.
    pub settling: Duration,
    /// The shortest time between two events about one service to its watchers.
    pub push: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            services: 10_000,
            gone: 1_000,
            open: 1_000,
            open_bytes: 64 << 20,
            open_per_client: 10_000,
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
            malformed: 16.0,
            heartbeat: HEARTBEAT,
            introduction: Duration::from_secs(10),
            away: Duration::from_secs(600),
            problem: Duration::from_secs(300),
            settling: Duration::from_secs(15),
            push: Duration::from_millis(100),
        }
    }
}

impl Limits {
    /// Returns how long a service may send nothing: three heartbeat periods.
    pub fn silence(&self) -> Duration {
        self.heartbeat.saturating_mul(3)
    }

    /// Returns the byte limit of one service's log if there are `services` services.
    pub fn log_share(&self, services: usize) -> usize {
        self.logs_bytes.checked_div(services).unwrap_or(self.logs_bytes).min(self.log_bytes)
    }
}

/// A token bucket, which fills at a constant rate up to its burst size.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    tokens: f64,
    updated: Duration,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub fn new(burst: f64, now: Duration) -> TokenBucket {
        TokenBucket { tokens: burst, updated: now }
    }

    /// Takes `cost` tokens. Returns false if there were too few.
    pub fn spend(&mut self, cost: f64, rate: f64, burst: f64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.updated).as_secs_f64();
        self.updated = self.updated.max(now);
        self.tokens = (self.tokens + passed * rate).min(burst) - cost;
        self.tokens >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_bucket_permits_bursts_and_rejects_floods() {
        let at = Duration::from_millis;
        let mut bucket = TokenBucket::new(10.0, at(0));
        assert!((0..10).all(|_| bucket.spend(1.0, 1.0, 10.0, at(0))));
        assert!(!bucket.spend(1.0, 1.0, 10.0, at(1)));
        assert!(bucket.spend(1.0, 1.0, 10.0, at(5000)));
        let mut steady = TokenBucket::new(10.0, at(0));
        assert!((0..1000).all(|i| steady.spend(1.0, 10.0, 10.0, at(i * 100))));
        let mut flood = TokenBucket::new(10.0, at(0));
        assert!(!(0..1000).all(|i| flood.spend(1.0, 10.0, 10.0, at(i * 50))));
    }

    #[test]
    fn log_share_shrinks_with_number_of_services() {
        let limits = Limits::default();
        assert_eq!(limits.log_share(1), 256 << 10);
        assert!(limits.log_share(10_000) * 10_000 <= 64 << 20);
    }
}
