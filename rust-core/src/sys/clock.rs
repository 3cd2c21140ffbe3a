//! The system clock, read in the cheapest way: every message says when it was sent.

use std::mem::MaybeUninit;

use crate::value::Timestamp;

/// Nanoseconds since 1970, as [`Timestamp::now`] gives them; the difference of two instants costs as much again as the clock.
#[inline]
pub fn now() -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes one `timespec` to a place that has room for it.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, now.as_mut_ptr()) };
    if read != 0 {
        return Timestamp::now().0;
    }
    // SAFETY: the call has succeeded, so it is written.
    let now = unsafe { now.assume_init() };
    now.tv_sec.wrapping_mul(SECOND).wrapping_add(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_is_that_of_timestamps() {
        // Nobody sets the clock of a machine back while its tests run; should it be stepped once, the next look is behind that.
        let between = (0..3).any(|_| {
            let (before, now, after) = (Timestamp::now().0, now(), Timestamp::now().0);
            before <= now && now <= after
        });
        assert!(between);
    }
}
