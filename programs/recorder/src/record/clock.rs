//! The clock of the machine: the time of receipt, and steps when the clock is set.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use linkspan::Timestamp;

pub fn now() -> u64 {
    u64::try_from(Timestamp::now().0).unwrap_or(0)
}

/// Detects when the clock was set.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    /// The clock's time minus the time since `began`.
    offset: Mutex<i128>,
}

/// The smallest reported step in nanoseconds. Normal corrections of a clock are smaller.
const STEP: u64 = 100_000_000;
/// Two looks within this time are never separated by a step.
pub const CLOSE: u64 = STEP / 2;

impl Clock {
    pub fn new() -> Clock {
        Clock { began: Instant::now(), offset: Mutex::new(i128::from(now())) }
    }

    /// Returns the time, and the step in nanoseconds since the last look: negative if the clock was set back.
    ///
    /// Each step is reported once, to the first thread that looks.
    pub fn look(&self) -> (u64, Option<i64>) {
        let time = now();
        let elapsed = i128::try_from(self.began.elapsed().as_nanos()).unwrap_or(i128::MAX);
        let offset = i128::from(time).saturating_sub(elapsed);
        let mut known = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let by = offset.saturating_sub(*known);
        // A gradual correction never adds up to a step.
        *known = offset;
        let is_step = by.unsigned_abs() >= u128::from(STEP);
        (time, is_step.then(|| i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX })))
    }
}
