//! The counters of a service. They start at zero with each incarnation.

use std::time::Duration;

use crate::value::{Map, Value};

/// Counters of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Finished steps.
    pub steps: u64,
    /// Accepted commands.
    pub accepted: u64,
    /// Accepted commands that were done.
    pub done: u64,
    /// Accepted commands that failed, were late or were cancelled.
    pub failed: u64,
    /// Rejected commands.
    pub rejected: u64,
    /// Rejected commands that arrived after their deadline.
    pub late: u64,
    /// Repeated commands that the cache answered.
    pub repeated: u64,
    /// The total time of all finished steps.
    pub step_time: Duration,
    /// The time of the longest step.
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
