//! Whether other programs need the processors, by how often the kernel takes this thread's away.
//!
//! With more runnable threads than processors a thread that spins is taken off its processor at the end of each slice of
//! time, some milliseconds. Then spinning rests, for longer each time that this is found again.

use std::time::{Duration, Instant};

use crate::sys::thread::preemptions;

/// What a spin knows of other programs that need the processors.
#[derive(Debug, Clone)]
pub(super) struct Contention {
    /// The preemptions of this thread, and the time, when they were last looked at while spinning succeeded.
    since: Option<(u64, Instant)>,
    /// Spinning rests until then.
    rest_until: Option<Instant>,
    /// The length of the next rest.
    rest: Duration,
}

impl Contention {
    /// At least one preemption in this time is taken to be the end of a slice: threads of the kernel and short programs
    /// preempt a thread less often.
    const PER_PREEMPTION: Duration = Duration::from_millis(20);
    const FIRST_REST: Duration = Duration::from_millis(10);
    const LONGEST_REST: Duration = Duration::from_millis(320);
    /// After spinning that succeeded for this long without the end of a slice, the next rest is the first one again.
    const QUIET: Duration = Duration::from_millis(200);

    pub fn new() -> Contention {
        Contention { since: None, rest_until: None, rest: Contention::FIRST_REST }
    }

    /// Notes that spinning is known to succeed from now on.
    #[cold]
    pub fn begin(&mut self) {
        self.since = Some((preemptions(), Instant::now()));
    }

    /// Notes that a spin has failed that was known to succeed; returns whether spinning rests now, because other programs
    /// need the processor.
    #[cold]
    pub fn missed(&mut self) -> bool {
        self.missed_at(preemptions(), Instant::now())
    }

    fn missed_at(&mut self, preemptions: u64, now: Instant) -> bool {
        let Some((before, start)) = self.since.replace((preemptions, now)) else { return false };
        // Another thread has its own count, which may be lower.
        let count = preemptions.saturating_sub(before).min(100) as u32;
        let spun = now.saturating_duration_since(start);
        if spun >= Contention::PER_PREEMPTION * count {
            if spun >= Contention::QUIET {
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
    fn spinning_rests_after_the_ends_of_slices_and_longer_each_time() {
        let (mut contention, mut now) = (Contention::new(), Instant::now());
        let mut rests = Vec::new();
        for _ in 0..7 {
            contention.since = Some((7, now));
            now += 4 * MS;
            assert!(contention.missed_at(8, now));
            let begin = now;
            while contention.rests_at(now) {
                now += MS;
            }
            rests.push((now - begin).as_millis());
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 320, 320]);
        // Quiet for long: the next one is short again.
        contention.since = Some((8, now));
        assert!(!contention.missed_at(8, now + 300 * MS));
        assert!(contention.missed_at(9, now + 305 * MS));
        assert!(contention.rests_at(now + 314 * MS));
        assert!(!contention.rests_at(now + 315 * MS));
    }

    #[test]
    fn spinning_goes_on_where_the_thread_is_rarely_preempted() {
        let (mut contention, now) = (Contention::new(), Instant::now());
        assert!(!contention.missed_at(5, now), "nothing is known yet");
        assert!(!contention.missed_at(5, now + MS), "not preempted");
        assert!(!contention.missed_at(6, now + 50 * MS), "once in 49 ms");
        assert!(!contention.missed_at(2, now + 51 * MS), "the count of another thread");
        assert!(contention.missed_at(5, now + 100 * MS), "three times in 49 ms");
        assert!(contention.rests_at(now + 105 * MS));
    }
}
