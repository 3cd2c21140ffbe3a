//! The clock of the machine: when messages arrive, and by how much it was set meanwhile.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use linkspan::Timestamp;

/// The time, in nanoseconds since 1970.
pub fn now() -> u64 {
    u64::try_from(Timestamp::now().0).unwrap_or(0)
}

/// A clock that finds out when it was set.
#[derive(Debug)]
pub struct Clock {
    began: Instant,
    /// The time by the clock minus the time since it began.
    offset: Mutex<i128>,
}

/// The smallest step that is reported, in nanoseconds: clocks are corrected by smaller ones.
const STEP: u64 = 100_000_000;
/// Two looks that are closer to each other than that have no step between them.
pub const CLOSE: u64 = STEP / 2;

impl Clock {
    /// Begins now.
    pub fn new() -> Clock {
        Clock { began: Instant::now(), offset: Mutex::new(i128::from(now())) }
    }

    /// Returns the time, and by how many nanoseconds the clock was set since the last look: forward, or back where it
    /// is negative. Each step is reported once, whichever thread looks.
    pub fn look(&self) -> (u64, Option<i64>) {
        let time = now();
        let elapsed = i128::try_from(self.began.elapsed().as_nanos()).unwrap_or(i128::MAX);
        let offset = i128::from(time).saturating_sub(elapsed);
        let mut known = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let by = offset.saturating_sub(*known);
        // A clock that is drawn to the right time is not set, however long that takes.
        *known = offset;
        let is_step = by.unsigned_abs() >= u128::from(STEP);
        (time, is_step.then(|| i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX })))
    }
}
