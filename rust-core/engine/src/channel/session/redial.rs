//! How long the side that connected waits before it dials again.
//!
//! Where the name can be watched for (a file in the runtime directory), the next attempt waits until
//! it appears. Over TCP nothing reports that a listener has started, so the pauses double from 50 ms
//! to 5 s, each shortened at random by up to a quarter so that clients which lost the same listener
//! do not all return at once. Pure state: the caller draws the random number and sleeps.

use std::time::Duration;

/// The condition of the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The name appears, which the caller watches for.
    UntilAppearance,
    /// This long.
    For(Duration),
}

/// Counts failed attempts in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redial {
    failures: u32,
}

/// The pause after the first failed attempt, before the random part.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);

impl Redial {
    /// Records a failed attempt and returns the condition of the next. `watched` is true if the
    /// appearance of the name is reported; `random` is a new random number.
    pub fn failed(&mut self, watched: bool, random: u64) -> Pause {
        if watched {
            return Pause::UntilAppearance;
        }
        // 50 ms doubled seven times is more than the longest.
        let whole = (FIRST * (1 << self.failures.min(7))).min(MAX_PAUSE);
        self.failures = self.failures.saturating_add(1);
        // Between three quarters of the pause and the whole.
        let part = (whole / 4).as_nanos() as u64;
        Pause::For(whole - Duration::from_nanos(random % (part + 1)))
    }

    /// Records that a link was made: the next failure is the first again.
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
            assert_eq!(redial.failed(false, 0), Pause::For(whole));
            for random in [1, 12_345_678, u64::MAX] {
                let mut again = other;
                let Pause::For(pause) = again.failed(false, random) else { panic!("it is not watched for") };
                assert!(pause <= whole && pause >= whole * 3 / 4, "{pause:?} of {whole:?}");
            }
            assert_eq!(other.failed(true, 7), Pause::UntilAppearance);
        }
        redial.succeeded();
        assert_eq!(redial.failed(false, 0), Pause::For(FIRST));
    }

    #[test]
    fn redial_counter_saturates() {
        let mut redial = Redial { failures: u32::MAX };
        assert_eq!(redial.failed(false, 0), Pause::For(MAX_PAUSE));
    }
}
