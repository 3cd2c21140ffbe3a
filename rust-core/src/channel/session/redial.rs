//! When the side that connected dials again after a link was lost.

use std::time::Duration;

/// How the next attempt is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Until the name appears: it can be watched for.
    UntilItAppears,
    /// This long.
    For(Duration),
}

/// Counts attempts in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redial {
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

impl Redial {
    /// An attempt was in vain: what is waited for before the next. `watched` says whether the name's appearance can be
    /// seen; `random` is drawn by chance for this attempt.
    pub fn failed(&mut self, watched: bool, random: u64) -> Pause {
        if watched {
            return Pause::UntilItAppears;
        }
        // 50 ms doubled seven times is more than the longest.
        let whole = (FIRST * (1 << self.failures.min(7))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Between three quarters and the whole: those who lost the same peer do not come back at the same instant.
        let part = (whole / 4).as_nanos() as u64;
        Pause::For(whole - Duration::from_nanos(random % (part + 1)))
    }

    /// A link was made.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
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
            assert_eq!(other.failed(true, 7), Pause::UntilItAppears);
        }
        redial.succeeded();
        assert_eq!(redial.failed(false, 0), Pause::For(FIRST));
    }

    #[test]
    fn a_peer_that_is_away_for_months_is_still_dialled() {
        let mut redial = Redial { failures: u32::MAX };
        assert_eq!(redial.failed(false, 0), Pause::For(LONGEST));
    }
}
