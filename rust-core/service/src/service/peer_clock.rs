//! Deadlines between machines whose clocks differ: a lower bound of the other machine's clock.
//!
//! A deadline is a time of its receiver's clock. The sender computes that clock from the receiver's messages, each with
//! its time of sending. A deadline is early by at most the shortest delay of the last minutes, and never late. Steps of
//! the wall clock do not change these clocks.

use std::time::Duration;

/// Two clocks may differ in rate by one part in this number.
///
/// Linux slews each by at most 500 parts in a million.
const DRIFT: u32 = 1000;
/// The time for which the best sample is used before a new search begins.
///
/// After a clock has stopped, as in a paused virtual machine, the bound is wrong for at most twice this time.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Sample {
    theirs: Duration,
    ours: Duration,
}

impl Sample {
    fn least(self, ours: Duration) -> Duration {
        match ours.checked_sub(self.ours) {
            Some(since) => self.theirs.saturating_add(since - since / DRIFT),
            None => {
                let before = self.ours - ours;
                self.theirs.saturating_sub(before + before / DRIFT)
            }
        }
    }
}

/// The estimate of another machine's clock. Reads no clock itself.
#[derive(Clone, Debug, Default)]
pub struct PeerClock {
    best: Option<Sample>,
    previous: Option<Sample>,
    begun: Duration,
}

impl PeerClock {
    /// Adds a message that was sent at `theirs` of the other clock and arrived at `ours` of the local one.
    pub fn received(&mut self, theirs: Duration, ours: Duration) {
        let sample = Sample { theirs, ours };
        match self.best {
            Some(_) if ours.saturating_sub(self.begun) < WINDOW => {
                self.best = self.best.filter(|best| best.least(ours) >= theirs).or(Some(sample));
            }
            _ => (self.previous, self.best, self.begun) = (self.best, Some(sample), ours),
        }
    }

    /// Returns the lower bound of the other clock at `ours` of the local clock.
    ///
    /// `None` if nothing was received.
    pub fn least(&self, ours: Duration) -> Option<Duration> {
        [self.best, self.previous].into_iter().flatten().map(|sample| sample.least(ours)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::{Random, Seed, given_seed};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn least_is_never_ahead_of_the_other_clock_and_behind_by_the_shortest_delay() {
        let first = given_seed().unwrap_or(1);
        println!("LINKSPAN_SEED={first}");
        for seed in first..first + 2000 {
            let _shown = Seed(seed);
            let mut random = Random::new(seed);
            let offset = Duration::from_millis(random.below(1_000_000_000) as u64);
            let drift = random.below(1800) as i64 - 900;
            // The other clock runs up to 900 parts in a million faster or slower.
            let other = |at: Duration| {
                let apart = Duration::from_nanos((at.as_nanos() as u64 / 1_000_000) * drift.unsigned_abs());
                if drift < 0 { offset + at - apart } else { offset + at + apart }
            };
            let (mut clock, mut now, mut newest) = (PeerClock::default(), SECOND, Duration::ZERO);
            assert_eq!(clock.least(now), None);
            for _ in 0..60 {
                now += Duration::from_millis(random.below(10_000) as u64);
                let delay = [Duration::from_millis(random.below(20) as u64), 5 * SECOND, 40 * SECOND]
                    [[0, 0, 0, 1, 2][random.below(5)]];
                let sent = now.saturating_sub(delay).max(newest);
                newest = sent;
                clock.received(other(sent), now);
                let delay = now - sent;
                for ahead in [Duration::ZERO, SECOND, 60 * SECOND] {
                    let (least, shown) = (clock.least(now + ahead).unwrap(), other(now + ahead));
                    assert!(least <= shown, "{least:?} is ahead of {shown:?}");
                    let early = shown - least;
                    assert!(
                        early <= delay + 2 * (delay + ahead) / DRIFT,
                        "{early:?} of a message of {delay:?}"
                    );
                }
                assert!(clock.least(now - SECOND).unwrap() <= other(now - SECOND));
            }
        }
    }

    #[test]
    fn stopped_clock_affects_bound_for_two_windows() {
        let mut clock = PeerClock::default();
        clock.received(100 * SECOND, SECOND);
        let mut now = SECOND;
        while now <= 2 * WINDOW {
            now += 5 * SECOND;
            clock.received((now + 99 * SECOND).saturating_sub(50 * SECOND), now);
        }
        clock.received(now + 49 * SECOND, now);
        assert_eq!(clock.least(now), Some(now + 49 * SECOND));
    }

    #[test]
    fn numbers_of_a_hostile_peer_overflow_nothing() {
        let mut clock = PeerClock::default();
        clock.received(Duration::MAX, SECOND);
        assert_eq!(clock.least(Duration::MAX), Some(Duration::MAX));
        clock.received(Duration::ZERO, 2 * WINDOW);
        assert!(clock.least(Duration::ZERO).is_some());
    }
}
