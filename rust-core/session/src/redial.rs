//! The pauses of the connecting side before it dials again.
//!
//! If the name can be watched (a file in the runtime directory), the next attempt waits until it appears. Over TCP
//! nothing reports a new listener, so the pauses double from 50 ms to 5 s; for a busy listener from 20 ms to 1 s. Each
//! is shortened at random by up to a quarter, to spread the clients of one lost listener. The caller draws the random
//! number and sleeps.

use core::time::Duration;

/// Counts failed attempts in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redial {
    failures: u32,
}

/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(5);
/// The pauses after the first failed attempt and after many, before the random part.
const ABSENT: [Duration; 2] = [Duration::from_millis(50), LONGEST];
/// These pauses for a busy listener: out of descriptors, or ending.
const BUSY: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

impl Redial {
    /// Records a failed attempt and returns the pause before the next. `random` is a new random number.
    pub fn failed(&mut self, random: u64) -> Duration {
        self.pause(ABSENT, random)
    }

    /// As [`Redial::failed`], for a busy listener.
    pub fn was_busy(&mut self, random: u64) -> Duration {
        self.pause(BUSY, random)
    }

    fn pause(&mut self, [first, longest]: [Duration; 2], random: u64) -> Duration {
        // Seven doublings of each first pause exceed the longest.
        let whole = (first * (1 << self.failures.min(7))).min(longest);
        self.failures = self.failures.saturating_add(1);
        let part = (whole / 4).as_nanos() as u64;
        whole - Duration::from_nanos(random % (part + 1))
    }

    /// Records a new link: the next failure counts as the first.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redial_pauses_double_up_to_the_maximum_and_reset() {
        let mut redial = Redial::default();
        for expected in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let mut other = redial;
            let whole = Duration::from_millis(expected);
            assert_eq!(redial.failed(0), whole);
            for random in [1, 12_345_678, u64::MAX] {
                let mut again = other;
                let pause = again.failed(random);
                assert!(pause <= whole && pause >= whole * 3 / 4, "{pause:?} of {whole:?}");
            }
            other.was_busy(7);
            assert_eq!(other.failures, redial.failures);
        }
        redial.succeeded();
        for expected in [20, 40, 80, 160, 320, 640, 1000, 1000] {
            assert_eq!(redial.was_busy(0), Duration::from_millis(expected));
        }
        redial.succeeded();
        assert_eq!(redial.failed(0), ABSENT[0]);
    }

    #[test]
    fn redial_counter_saturates() {
        let mut redial = Redial { failures: u32::MAX };
        assert_eq!(redial.failed(0), ABSENT[1]);
    }
}
