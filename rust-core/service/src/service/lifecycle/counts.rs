//! The counters of a service. They start at zero with each incarnation.

use std::time::Duration;

use crate::value::{Map, Value};

/// Counters of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Steps that were done.
    pub steps: u64,
    /// Commands that were accepted.
    pub accepted: u64,
    /// Accepted commands that were done.
    pub done: u64,
    /// Accepted commands that failed, or were late or cancelled.
    pub failed: u64,
    /// Commands that were rejected.
    pub rejected: u64,
    /// Those of the rejected commands that arrived after their deadline.
    pub late: u64,
    /// Repeated commands that were answered from the cache.
    pub repeated: u64,
    /// The total time of all steps that were done.
    pub step_time: Duration,
    /// The time of the longest one.
    pub longest_step: Duration,
}

impl Counts {
    /// Returns the counters as a map; times are in seconds.
    pub fn to_map(self) -> Map {
        let Counts { steps, accepted, done, failed, rejected, late, repeated, step_time, longest_step } =
            self;
        let counts = [
            ("steps", steps),
            ("accepted", accepted),
            ("done", done),
            ("failed", failed),
            ("rejected", rejected),
            ("late", late),
            ("repeated", repeated),
        ];
        let times = [("step_seconds", step_time), ("longest_step", longest_step)];
        let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), Value::from(count)));
        let times = times.into_iter().map(|(name, time)| (name.to_owned(), Value::from(time.as_secs_f64())));
        counts.chain(times).collect()
    }
}
