//! The counters of a service.

use std::time::Duration;

use super::Lifecycle;
use crate::value::{Map, Value};

/// Counters of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub steps: u64,
    pub accepted: u64,
    pub done: u64,
    pub failed: u64,
    pub rejected: u64,
    /// Repeated commands that were answered from the cache.
    pub repeated: u64,
    /// The total time of all steps, and the longest one.
    pub step_time: Duration,
    pub longest_step: Duration,
}

impl Lifecycle {
    /// Returns the counters as a map; times are in seconds.
    pub fn stats(&self) -> Map {
        let Counts { steps, accepted, done, failed, rejected, repeated, step_time, longest_step } =
            self.counts;
        let counts = [
            ("steps", steps),
            ("accepted", accepted),
            ("done", done),
            ("failed", failed),
            ("rejected", rejected),
            ("repeated", repeated),
            ("waiting", self.queue.len() as u64),
        ];
        let times = [("step_seconds", step_time), ("longest_step", longest_step)];
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
        let times = times.into_iter().map(|(name, time)| (name.to_owned(), Value::from(time.as_secs_f64())));
        counts.chain(times).collect()
    }
}
