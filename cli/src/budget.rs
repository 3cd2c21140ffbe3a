//! A time-out that several calls share.

use std::time::{Duration, Instant};

use linkspan::Timeout;

/// What is left of a time-out.
#[derive(Clone, Copy)]
pub struct Budget {
    until: Option<Instant>,
}

impl Budget {
    /// From now on.
    pub fn new(timeout: Timeout) -> Budget {
        let until = match timeout {
            Timeout::After(duration) => Instant::now().checked_add(duration),
            _ => None,
        };
        Budget { until }
    }

    /// How much is left; none for no end.
    pub fn left(&self) -> Option<Duration> {
        self.until.map(|at| at.saturating_duration_since(Instant::now()))
    }
}
