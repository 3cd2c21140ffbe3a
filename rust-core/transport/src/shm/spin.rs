//! Spinning: polling for a few microseconds before sleeping, as long as that saves time.
//!
//! A spin that ends in a sleep wastes time, and may take a processor from the peer. Each half of a link therefore
//! counts the successes of its last spins. After several failures it spins for a sixteenth of 20 µs, every sixteenth
//! wait probes with 20 µs, and one wait in 256 with the full time. After 256 failures, only every 64th wait spins. If
//! one processor runs both sides, it never spins.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::thread::CpuSet;

/// The time to spin, for one thread at a time.
#[derive(Debug, Clone)]
pub(super) struct Spin {
    /// Polls that the option `spin` allows; 0 if spinning cannot help.
    full: u32,
    /// Polls with the short time.
    short: u32,
    /// Up to [`Spin::MAX_TRUST`]: a success adds one, a failure subtracts one.
    trust: u32,
    /// Failed spins since spinning was last trusted.
    failures: u32,
}

impl Spin {
    /// After this many failures a spin that always succeeded gets less time.
    const MAX_TRUST: u32 = 8;
    /// From this trust on, a spin takes the full time.
    const TRUSTED: u32 = 4;
    /// Without trust, one wait in this many uses the short time.
    const PROBE_EVERY: u32 = 16;
    /// After this many failures, one wait in [`Spin::RARE_PROBE_EVERY`] spins, for the short time.
    const LONG_WITHOUT: u32 = 256;
    const RARE_PROBE_EVERY: u32 = 64;
    /// After one failure in this many, a spin takes the full time, for slower peers.
    const FULL_PROBE_EVERY: u32 = 256;
    const REDUCED: u32 = 16;
    /// The longest spin without trust: longer ones take others' time on a busy machine.
    const SHORT_TIME: Duration = Duration::from_micros(20);
    /// Polls without a pause instruction, about a microsecond, while spinning is trusted.
    ///
    /// A pause would delay an answer from a distant processor by up to 60 ns.
    const WITHOUT_PAUSE: u32 = 1024;
    /// Polls without a pause instruction while spinning is not trusted: some tens of nanoseconds.
    const FEW_WITHOUT_PAUSE: u32 = 64;
    /// The longest spin: beyond, a sleep costs less, even with a wake-up of 30 µs and more.
    const MAX_TIME: Duration = Duration::from_micros(100);

    /// Spins for at most `bound` (and 100 µs), for the process `peer`, if known.
    pub fn new(bound: Duration, peer: Option<u32>) -> Spin {
        let helps = can_run_beside(peer);
        let polls = |most: Duration| {
            if helps { (bound.min(most).as_secs_f64() * 1e6 * polls_per_microsecond()) as u32 } else { 0 }
        };
        let (full, short) = (polls(Spin::MAX_TIME), polls(Spin::SHORT_TIME));
        Spin { full, short, trust: Spin::TRUSTED, failures: 0 }
    }

    /// Makes the first polls of [`Spin::until`], without pauses, if spinning is trusted.
    ///
    /// Returns whether `ready` returned true; otherwise [`Spin::until`] counts the failure.
    pub fn briefly(&mut self, mut ready: impl FnMut() -> bool) -> bool {
        if ready() {
            return true;
        }
        let is_ready = self.is_trusted() && (0..self.full.min(Spin::WITHOUT_PAUSE)).any(|_| ready());
        self.trust = (self.trust + u32::from(is_ready)).min(Spin::MAX_TRUST);
        is_ready
    }

    /// How often an untrusted spin polls with pauses.
    fn probe(&self) -> u32 {
        let every =
            if self.failures < Spin::LONG_WITHOUT { Spin::PROBE_EVERY } else { Spin::RARE_PROBE_EVERY };
        if self.failures.is_multiple_of(Spin::FULL_PROBE_EVERY) {
            self.full
        } else if self.trust > 0 || self.failures.is_multiple_of(every) {
            self.short
        } else if self.failures < Spin::LONG_WITHOUT {
            self.short / Spin::REDUCED
        } else {
            0
        }
    }

    pub fn is_trusted(&self) -> bool {
        self.trust >= Spin::TRUSTED
    }

    /// Polls until `ready` returns true; false when it is time to sleep.
    ///
    /// The first poll does not count as a success: a sleep would also have found that `ready` is true.
    pub fn until(&mut self, mut ready: impl FnMut() -> bool) -> bool {
        if ready() {
            return true;
        }
        // An answer under way arrives before the shortest pause ends.
        let is_trusted = self.is_trusted();
        let without_pause = if is_trusted { Spin::WITHOUT_PAUSE } else { Spin::FEW_WITHOUT_PAUSE };
        if (0..self.full.min(without_pause)).any(|_| ready()) {
            self.trust = (self.trust + 1).min(Spin::MAX_TRUST);
            return true;
        }
        let polls = if is_trusted { self.full } else { self.probe() };
        for polled in 0..polls {
            std::hint::spin_loop();
            if ready() {
                // Only the full time suffices for this peer, so the next spin uses it.
                let least = if polled > self.short { Spin::TRUSTED } else { 0 };
                self.trust = (self.trust + 1).clamp(least, Spin::MAX_TRUST);
                return true;
            }
        }
        self.trust = self.trust.saturating_sub(1);
        // After a success the count restarts.
        self.failures = if is_trusted { 0 } else { self.failures.wrapping_add(1) };
        false
    }
}

/// Whether the peer may run while this thread spins; unknown processors count as this side's.
fn can_run_beside(peer: Option<u32>) -> bool {
    let of = |pid| rustix::thread::sched_getaffinity(pid).ok();
    let peer = peer.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    of(None).is_some_and(|mine| differ_or_many(&mine, peer.and_then(|pid| of(Some(pid))).as_ref()))
}

/// Whether two sets of processors leave one for each side.
fn differ_or_many(mine: &CpuSet, peer: Option<&CpuSet>) -> bool {
    mine.count() > 1 || peer.is_some_and(|peer| peer != mine)
}

/// Polls with a pause, which takes 10 to 150 cycles, in a microsecond. Measured once per process.
fn polls_per_microsecond() -> f64 {
    static RATE: OnceLock<f64> = OnceLock::new();
    *RATE.get_or_init(|| {
        const POLLS: u32 = 1000;
        // The others may have been interrupted.
        let shortest = (0..3).map(|_| {
            let start = Instant::now();
            (0..POLLS).for_each(|_| std::hint::spin_loop());
            start.elapsed()
        });
        let micros = shortest.min().unwrap_or(Spin::MAX_TIME).as_secs_f64() * 1e6;
        (f64::from(POLLS) / micros.max(1.0)).clamp(2.0, 1000.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(full: u32, short: u32, trust: u32, failures: u32) -> Spin {
        Spin { full, short, trust, failures }
    }

    fn polls_until_failure(spin: &mut Spin) -> u32 {
        let mut polls = 0;
        spin.until(|| {
            polls += 1;
            false
        });
        polls
    }

    #[test]
    fn spin_time_shrinks_without_success_and_grows_with_it() {
        let mut spin = spin(160, 160, Spin::TRUSTED, 0);
        let (trusted, full, little) = (1 + 160 + 160, 1 + 64 + 160, 1 + 64 + 10);
        assert_eq!(polls_until_failure(&mut spin), trusted);
        let counts: Vec<u32> = (0..64).map(|_| polls_until_failure(&mut spin)).collect();
        assert!(counts[10..].iter().filter(|c| **c == full).count() <= 4, "{counts:?}");
        assert!(counts[10..].contains(&little));
        assert!(counts[10..].contains(&full), "it never probes");
        for _ in 0..20 {
            let mut polls = 0;
            spin.until(|| {
                polls += 1;
                polls > 100
            });
        }
        assert_eq!(polls_until_failure(&mut spin), trusted);
    }

    #[test]
    fn spin_of_full_time_is_rare_without_success_and_returns_for_a_slow_peer() {
        let (full, short) = (1600, 160);
        let mut spin = spin(full, short, Spin::TRUSTED, 0);
        (0..20).for_each(|_| _ = polls_until_failure(&mut spin));
        let counts: Vec<u32> = (0..512).map(|_| polls_until_failure(&mut spin)).collect();
        let longer = counts.iter().filter(|count| **count > 1 + Spin::FEW_WITHOUT_PAUSE + short).count();
        assert_eq!(longer, 2, "{counts:?}");
        let mut answers_after = |polls: u32| {
            let mut polled = 0;
            spin.until(|| {
                polled += 1;
                polled > polls
            })
        };
        // One full spin finds that the peer answers after the short time.
        let misses = (0..1000).take_while(|_| !answers_after(short + 500)).count();
        assert!(misses < 256, "{misses}");
        assert!((0..100).all(|_| answers_after(short + 500)));
    }

    #[test]
    fn spin_of_zero_polls_once() {
        assert_eq!(polls_until_failure(&mut Spin::new(Duration::ZERO, None)), 1);
    }

    #[test]
    fn spin_needs_a_processor_for_each_side() {
        let set = |processors: &[usize]| {
            let mut set = CpuSet::new();
            processors.iter().for_each(|processor| set.set(*processor));
            set
        };
        let (first, second, both) = (set(&[0]), set(&[1]), set(&[0, 1]));
        assert!(differ_or_many(&both, None));
        assert!(differ_or_many(&both, Some(&first)));
        assert!(differ_or_many(&first, Some(&both)));
        assert!(differ_or_many(&first, Some(&second)), "pinned apart");
        assert!(!differ_or_many(&first, Some(&first)), "pinned together");
        assert!(!differ_or_many(&first, None));
    }

    #[test]
    fn spin_finds_what_is_ready_at_the_first_poll() {
        let mut spin = spin(10, 10, 0, 1);
        assert!(spin.until(|| true));
        assert_eq!(spin.trust, 0, "no credit: it would have been found asleep as well");
    }
}
