//! Looking for a few microseconds before sleeping, as long as that pays.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long to look, learnt from how often looking has paid.
#[derive(Debug)]
pub(super) struct Spin {
    /// Looks that the option `spin` allows, 0 where spinning can't help.
    full: u32,
    /// How much of that is being used, 0 (hardly ever pays) to [`Spin::SURE`].
    trust: u32,
    /// Times that looking was given up, for the probes.
    empty_polls: u32,
}

impl Spin {
    const SURE: u32 = 8;
    /// Once trust is gone, every so many waits one is looked at in full, so that better times are noticed.
    const PROBE: u32 = 16;
    /// Without trust, this part of the full time.
    const LITTLE: u32 = 16;
    /// Looks without a pause, some hundred nanoseconds, before those with one.
    const AT_ONCE: u32 = 64;
    /// The longest that is ever looked: beyond it, sleeping costs less than looking.
    const LONGEST: Duration = Duration::from_micros(20);

    /// Looks for at most `bound` at a time, never where this process has one processor.
    pub fn new(bound: Duration) -> Spin {
        let micros = bound.min(Spin::LONGEST).as_secs_f64() * 1e6;
        let full = if processors() > 1 { (micros * looks_per_microsecond()) as u32 } else { 0 };
        Spin { full, trust: Spin::SURE / 2, empty_polls: 0 }
    }

    /// Looks until it is there; false when it is time to sleep.
    #[inline]
    pub fn look(&mut self, mut there: impl FnMut() -> bool) -> bool {
        if there() {
            return true;
        }
        // An answer that was already under way comes sooner than the shortest pause ends.
        if (0..self.full.min(Spin::AT_ONCE)).any(|_| there()) {
            self.trust = (self.trust + 1).min(Spin::SURE);
            return true;
        }
        let probe = self.trust > 0 || self.empty_polls.is_multiple_of(Spin::PROBE);
        let looks = if probe { self.full } else { self.full / Spin::LITTLE };
        for _ in 0..looks {
            std::hint::spin_loop();
            if there() {
                self.trust = (self.trust + 1).min(Spin::SURE);
                return true;
            }
        }
        self.trust = self.trust.saturating_sub(1);
        self.empty_polls = self.empty_polls.wrapping_add(1);
        false
    }
}

fn processors() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count())
}

/// How often a loop looks in a microsecond: the pause instruction takes from 10 to 150 cycles, depending on the
/// processor. Measured once a process, so that no clock is read while looking.
fn looks_per_microsecond() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| {
        const LOOKS: u32 = 1000;
        // The shortest of three: the others may have been interrupted.
        let shortest = (0..3).map(|_| {
            let start = Instant::now();
            (0..LOOKS).for_each(|_| std::hint::spin_loop());
            start.elapsed()
        });
        let micros = shortest.min().unwrap_or(Spin::LONGEST).as_secs_f64() * 1e6;
        (f64::from(LOOKS) / micros.max(1.0)).clamp(2.0, 1000.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks_until_given_up(spin: &mut Spin) -> u32 {
        let mut looks = 0;
        spin.look(|| {
            looks += 1;
            false
        });
        looks
    }

    #[test]
    fn it_looks_less_when_looking_never_pays_and_more_when_it_does_again() {
        let mut spin = Spin { full: 160, trust: Spin::SURE / 2, empty_polls: 0 };
        let (full, little) = (1 + 64 + 160, 1 + 64 + 10);
        assert_eq!(looks_until_given_up(&mut spin), full);
        let counts: Vec<u32> = (0..64).map(|_| looks_until_given_up(&mut spin)).collect();
        assert!(counts[10..].iter().filter(|c| **c == full).count() <= 4, "{counts:?}");
        assert!(counts[10..].contains(&little));
        assert!(counts[10..].contains(&full), "it probes now and then");
        for _ in 0..20 {
            let mut looks = 0;
            spin.look(|| {
                looks += 1;
                looks > 100
            });
        }
        assert_eq!(looks_until_given_up(&mut spin), full);
    }

    #[test]
    fn zero_never_looks_twice() {
        assert_eq!(looks_until_given_up(&mut Spin::new(Duration::ZERO)), 1);
    }

    #[test]
    fn what_is_there_is_found_without_looking_again() {
        let mut spin = Spin { full: 10, trust: 0, empty_polls: 1 };
        assert!(spin.look(|| true));
        assert_eq!(spin.trust, 0, "no credit: it would have been found asleep as well");
    }
}
