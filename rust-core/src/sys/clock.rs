//! The clocks of the system: the wall clock, read in the cheapest way (vDSO, without a system call)
//! since every message carries the time at which it was sent; and the one that no step changes.

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::value::Timestamp;

/// Returns nanoseconds since 1970, the same as [`Timestamp::now`]. The standard library's
/// conversion from `SystemTime` would double the cost.
#[inline]
pub fn now() -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes one `timespec`, for which there is room.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, now.as_mut_ptr()) };
    if read != 0 {
        return Timestamp::now().0;
    }
    // SAFETY: the call has succeeded, so the value is initialised.
    let now = unsafe { now.assume_init() };
    now.tv_sec.wrapping_mul(SECOND).wrapping_add(now.tv_nsec)
}

/// Returns the time since this machine was booted, including the time that it was suspended. Steps of the
/// wall clock do not change it.
pub fn since_boot() -> Duration {
    // Neither part is negative.
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_is_that_of_timestamps() {
        // The clock may be stepped once while the test runs; the next pair of readings is after
        // that.
        let between = (0..3).any(|_| {
            let (before, now, after) = (Timestamp::now().0, now(), Timestamp::now().0);
            before <= now && now <= after
        });
        assert!(between);
    }

    #[test]
    fn time_since_boot_advances() {
        let before = since_boot();
        std::thread::sleep(Duration::from_millis(5));
        assert!(since_boot() >= before + Duration::from_millis(5));
    }
}
