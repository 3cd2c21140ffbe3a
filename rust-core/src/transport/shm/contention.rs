//! Whether other programs need the processors, by how long this thread waits for one.
//!
//! With more runnable threads than processors a thread that spins is taken off its processor at the end of each slice of
//! time, and waits until the others have had theirs. Then spinning rests, for longer each time that this is found again.

use std::time::{Duration, Instant};

use crate::sys::thread::waited_for_processor;

/// What a spin knows of other programs that need the processors.
#[derive(Debug, Clone)]
pub(super) struct Contention {
    /// For how long this thread had waited for a processor, and the time, when spinning began to succeed without a failure
    /// between.
    since: Option<(Duration, Instant)>,
    /// When the kernel was last asked.
    asked: Option<Instant>,
    /// Spinning rests until then.
    rest_until: Option<Instant>,
    /// The length of the next rest.
    rest: Duration,
}

impl Contention {
    /// The kernel is asked no more often than this: it takes some microseconds to answer.
    const LEAST: Duration = Duration::from_millis(2);
    /// A thread that waits for one part in so many of the time shares its processor with another one that wants as much.
    /// Threads of the kernel, and programs of a lower priority, make it wait less.
    const SHARE: u32 = 4;
    const FIRST_REST: Duration = Duration::from_millis(10);
    const LONGEST_REST: Duration = Duration::from_millis(320);
    /// After spinning that succeeded for this long without such a wait, the next rest is the first one again.
    const QUIET: Duration = Duration::from_millis(200);

    pub fn new() -> Contention {
        Contention { since: None, asked: None, rest_until: None, rest: Contention::FIRST_REST }
    }

    /// Notes that a spin has succeeded, the first one behind a failure, and that spinning is known to succeed. What the
    /// thread waits for a processor when it is woken from its sleep before is not counted.
    #[cold]
    pub fn begin(&mut self) {
        self.begin_at(Instant::now(), waited_for_processor);
    }

    fn begin_at(&mut self, now: Instant, waited: impl FnOnce() -> Option<Duration>) {
        if self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= Contention::LEAST) {
            self.since = waited().map(|waited| (waited, now));
            self.asked = Some(now);
        }
    }

    /// Notes that a spin has failed that was known to succeed; returns whether spinning rests now, because other programs
    /// need the processor.
    #[cold]
    pub fn missed(&mut self) -> bool {
        self.missed_at(Instant::now(), waited_for_processor)
    }

    fn missed_at(&mut self, now: Instant, waited: impl FnOnce() -> Option<Duration>) -> bool {
        let Some((before, start)) = self.since.take() else { return false };
        let time = now.saturating_duration_since(start);
        if time < Contention::LEAST {
            return false;
        }
        self.asked = Some(now);
        let Some(waited) = waited() else { return false };
        // Another thread has its own count, which may be lower.
        if waited.saturating_sub(before) * Contention::SHARE < time {
            if time >= Contention::QUIET {
                self.rest = Contention::FIRST_REST;
            }
            return false;
        }
        self.rest_until = Some(now + self.rest);
        self.rest = (self.rest * 2).min(Contention::LONGEST_REST);
        true
    }

    /// Whether spinning rests.
    #[inline]
    pub fn rests(&mut self) -> bool {
        self.rest_until.is_some() && self.rests_at(Instant::now())
    }

    fn rests_at(&mut self, now: Instant) -> bool {
        self.rest_until = self.rest_until.filter(|until| now < *until);
        self.rest_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn spinning_rests_after_waits_for_a_processor_and_longer_each_time() {
        let (mut contention, mut now) = (Contention::new(), Instant::now());
        let mut rests = Vec::new();
        for _ in 0..7 {
            contention.begin_at(now, || Some(7 * MS));
            now += 8 * MS;
            assert!(contention.missed_at(now, || Some(10 * MS)));
            let begin = now;
            while contention.rests_at(now) {
                now += MS;
            }
            rests.push((now - begin).as_millis());
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 320, 320]);
        // Quiet for long: the next one is short again.
        contention.begin_at(now, || Some(8 * MS));
        assert!(!contention.missed_at(now + 300 * MS, || Some(9 * MS)));
        contention.begin_at(now + 302 * MS, || Some(9 * MS));
        assert!(contention.missed_at(now + 306 * MS, || Some(11 * MS)));
        assert!(contention.rests_at(now + 315 * MS));
        assert!(!contention.rests_at(now + 316 * MS));
    }

    #[test]
    fn spinning_goes_on_where_the_thread_waits_little() {
        let (mut contention, now) = (Contention::new(), Instant::now());
        let mut misses = |begin: u32, before: Duration, missed: u32, waited: Option<Duration>| {
            contention.begin_at(now + begin * MS, || Some(before));
            contention.missed_at(now + missed * MS, || waited)
        };
        assert!(!misses(0, MS, 10, Some(3 * MS)), "2 of 10 ms");
        assert!(!misses(11, 3 * MS, 40, Some(30 * MS)), "the kernel was asked 1 ms before");
        assert!(!misses(40, 30 * MS, 41, Some(31 * MS)), "too short to know");
        assert!(!misses(50, 31 * MS, 60, Some(3 * MS)), "the count of another thread");
        assert!(!misses(70, 31 * MS, 80, None), "no count");
        assert!(misses(90, 31 * MS, 100, Some(34 * MS)), "3 of 10 ms");
        assert!(contention.rests_at(now + 105 * MS));
    }
}
