//! Whether other programs need the processors, by how long this thread waits for one.
//!
//! With more runnable threads than processors a thread that spins is taken off its processor at the end of each slice of
//! time, and waits until the others have had theirs. Then spinning rests, for longer each time that this is found again.

use std::time::{Duration, Instant};

use crate::sys::thread::waited_for_processor;

/// What a spin knows of other programs that need the processors.
#[derive(Debug, Clone)]
pub(super) struct Contention {
    /// For how long this thread had waited for a processor, and the time, when it was last looked at while spinning
    /// succeeded.
    since: Option<(Duration, Instant)>,
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
        Contention { since: None, rest_until: None, rest: Contention::FIRST_REST }
    }

    /// Notes that spinning is known to succeed from now on.
    #[cold]
    pub fn begin(&mut self) {
        self.since = waited_for_processor().map(|waited| (waited, Instant::now()));
    }

    /// Notes that a spin has failed that was known to succeed; returns whether spinning rests now, because other programs
    /// need the processor.
    #[cold]
    pub fn missed(&mut self) -> bool {
        self.missed_at(Instant::now(), waited_for_processor)
    }

    fn missed_at(&mut self, now: Instant, waited: impl FnOnce() -> Option<Duration>) -> bool {
        let before = self.since.map(|(waited, start)| (waited, now.saturating_duration_since(start)));
        if before.is_some_and(|(_, time)| time < Contention::LEAST) {
            return false;
        }
        self.since = waited().map(|waited| (waited, now));
        let (Some((before, time)), Some((waited, _))) = (before, self.since) else { return false };
        // Another thread has its own count, which may be lower.
        if waited.saturating_sub(before) * Contention::SHARE < time {
            if time >= Contention::QUIET {
                self.rest = Contention::FIRST_REST;
            }
            return false;
        }
        self.rest_until = Some(now + self.rest);
        self.rest = (self.rest * 2).min(Contention::LONGEST_REST);
        self.since = None;
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
            contention.since = Some((7 * MS, now));
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
        contention.since = Some((8 * MS, now));
        assert!(!contention.missed_at(now + 300 * MS, || Some(9 * MS)));
        assert!(contention.missed_at(now + 305 * MS, || Some(12 * MS)));
        assert!(contention.rests_at(now + 314 * MS));
        assert!(!contention.rests_at(now + 315 * MS));
    }

    #[test]
    fn spinning_goes_on_where_the_thread_waits_little() {
        let (mut contention, now) = (Contention::new(), Instant::now());
        assert!(!contention.missed_at(now, || Some(50 * MS)), "nothing is known yet");
        assert!(!contention.missed_at(now + MS, || panic!("asked again within 2 ms")));
        assert!(!contention.missed_at(now + 10 * MS, || Some(52 * MS)), "2 of 10 ms");
        assert!(!contention.missed_at(now + 20 * MS, || Some(3 * MS)), "the count of another thread");
        assert!(!contention.missed_at(now + 30 * MS, || None), "no count");
        assert!(!contention.missed_at(now + 40 * MS, || Some(4 * MS)), "nothing is known again");
        assert!(contention.missed_at(now + 50 * MS, || Some(8 * MS)), "4 of 10 ms");
        assert!(contention.rests_at(now + 55 * MS));
    }
}
