//! Moments in the future.

use std::time::{Duration, Instant};

/// Returns now plus a time, or a year from now if the clock cannot represent that.
pub fn after(time: Duration) -> Instant {
    let now = Instant::now();
    let year = Duration::from_secs(365 * 86_400);
    now.checked_add(time).or_else(|| now.checked_add(year)).unwrap_or(now)
}
