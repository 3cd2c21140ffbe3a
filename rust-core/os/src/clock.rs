//! The clocks of the system: the wall clock, and a clock that no step changes.
//!
//! Every message carries the wall clock's time, so it is read without a system call.

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod counter;

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use linkspan_value::Timestamp;

/// Returns nanoseconds since 1970.
///
/// It lags [`Timestamp::now`] by some tens of nanoseconds, and notices a step of the clock within a millisecond.
#[inline]
pub fn now() -> i64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        // SAFETY: every x86_64 processor has the instruction, and it changes no memory. A kernel that denies it does
        // not measure time by the counter either.
        let cycles = || unsafe { std::arch::x86_64::_rdtsc() };
        counter::now(cycles, || counter::renew(counter::Clocks { wall, steady, cycles }))
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    wall()
}

/// Reads the wall clock. The standard library's conversion from `SystemTime` would double the cost.
fn wall() -> i64 {
    read(libc::CLOCK_REALTIME).unwrap_or_else(|| Timestamp::now().0)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn steady() -> i64 {
    read(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

fn read(clock: libc::clockid_t) -> Option<i64> {
    const SECOND: i64 = 1_000_000_000;
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes one `timespec`, for which there is room.
    if unsafe { libc::clock_gettime(clock, now.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call has succeeded, so the value is initialised.
    let now = unsafe { now.assume_init() };
    Some(now.tv_sec.wrapping_mul(SECOND).wrapping_add(now.tv_nsec))
}

/// Returns the time since boot, including suspensions.
pub fn since_boot() -> Duration {
    // Neither part is negative.
    clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_is_that_of_timestamps() {
        /// More than the counter may make it lag, also on a slow machine.
        const LAG: i64 = 100_000;
        let start = std::time::Instant::now();
        // Long enough that the counter is used.
        while start.elapsed() < Duration::from_millis(30) {
            // A step of the clock during the test is noticed a millisecond later.
            let between = (0..3).any(|turn| {
                std::thread::sleep(Duration::from_millis(2 * turn));
                let (before, now, after) = (Timestamp::now().0, now(), Timestamp::now().0);
                before - LAG <= now && now <= after
            });
            assert!(between);
        }
    }

    #[test]
    fn time_since_boot_advances() {
        let before = since_boot();
        std::thread::sleep(Duration::from_millis(5));
        assert!(since_boot() >= before + Duration::from_millis(5));
    }
}
