//! How this side copies into its slots: through the caches, or past them ([`memory::stream`]).
//!
//! A distant reader's processor has the slot's lines in its caches, and each store waits for them: 1 MB takes five
//! times as long as past the caches. A near reader finds the copy in the shared cache. The kernel moves programs, and a
//! virtual machine hides their distance. This module therefore times the copies, for each class of lengths; a copy's
//! time also indicates the readers' time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::sys::memory;

/// The classes of lengths: below 128 KiB, below 256 KiB, and so on; the last from 8 MiB on.
const CLASSES: usize = 8;
const SECOND_FROM: u32 = 17;

#[derive(Debug)]
pub(super) struct Copying {
    classes: [Class; CLASSES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Cached,
    Streamed,
}

/// Measurements of copies of similar length. Concurrent copies may lose a measurement.
#[derive(Debug)]
struct Class {
    /// The time of a cached copy, in nanoseconds for 4 KiB: the least of the last measurements.
    cached: AtomicU32,
    /// The time of a streamed copy, in the unit of `cached`.
    streamed: AtomicU32,
    /// How many more copies until the next trial of the other way.
    left: AtomicU32,
    /// How many copies there were between the last two trials.
    interval: AtomicU32,
}

impl Class {
    /// Copies before the first trial of the other way.
    ///
    /// The intervals double up to [`Class::LONGEST_INTERVAL`].
    ///
    /// Trials then cost far less than a hundredth of the time.
    const FIRST_INTERVAL: u32 = 4;
    const LONGEST_INTERVAL: u32 = 256;
    const UNKNOWN: u32 = u32::MAX;

    const fn new() -> Class {
        Class {
            cached: AtomicU32::new(Class::UNKNOWN),
            streamed: AtomicU32::new(Class::UNKNOWN),
            left: AtomicU32::new(Class::FIRST_INTERVAL),
            interval: AtomicU32::new(Class::FIRST_INTERVAL),
        }
    }

    /// The faster way.
    ///
    /// `Streamed` must take at most half the time, because its reader finds nothing in the caches.
    fn better(&self) -> Way {
        let (cached, streamed) = (self.cached.load(Ordering::Relaxed), self.streamed.load(Ordering::Relaxed));
        if u64::from(streamed) * 2 <= u64::from(cached) { Way::Streamed } else { Way::Cached }
    }

    /// The way for the next copy: the better way, or the other one as a trial.
    fn next(&self) -> Way {
        let (better, left) = (self.better(), self.left.load(Ordering::Relaxed));
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return better;
        }
        let interval = (self.interval.load(Ordering::Relaxed) * 2).min(Class::LONGEST_INTERVAL);
        self.begin_interval(interval);
        match better {
            Way::Cached => Way::Streamed,
            Way::Streamed => Way::Cached,
        }
    }

    fn begin_interval(&self, copies: u32) {
        self.interval.store(copies, Ordering::Relaxed);
        self.left.store(copies, Ordering::Relaxed);
    }

    fn note(&self, way: Way, length: usize, took: Duration) {
        let better = self.better();
        let measured = match way {
            Way::Cached => &self.cached,
            Way::Streamed => &self.streamed,
        };
        let took = took.as_nanos() * 4096 / length.max(1) as u128;
        let took = u32::try_from(took).unwrap_or(Class::UNKNOWN - 1);
        // A slow measurement may come from an interruption, so it raises the time by at most an eighth.
        let before = measured.load(Ordering::Relaxed);
        let at_most = before.saturating_add(before / 8).saturating_add(1);
        measured.store(took.min(at_most), Ordering::Relaxed);
        if self.better() != better {
            // The next trial soon confirms the change.
            self.begin_interval(Class::FIRST_INTERVAL);
        }
    }
}

impl Copying {
    pub const fn new() -> Copying {
        Copying { classes: [const { Class::new() }; CLASSES] }
    }

    pub fn copy(&self, from: &[u8], to: &mut [u8]) {
        if !memory::STREAMS {
            return memory::copy(from, to);
        }
        let class = &self.classes[class_of(from.len())];
        let way = class.next();
        let begin = Instant::now();
        match way {
            Way::Cached => memory::copy(from, to),
            Way::Streamed => memory::stream(from, to),
        }
        class.note(way, from.len(), begin.elapsed());
    }
}

fn class_of(length: usize) -> usize {
    let above = (length >> SECOND_FROM).checked_ilog2().map_or(0, |power| power as usize + 1);
    above.min(CLASSES - 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LENGTH: usize = 1 << 20;

    /// Returns how many of `copies` took each way, if a copy takes `cached` or `streamed` µs.
    fn taken(class: &Class, copies: u32, cached: u64, streamed: u64) -> (u32, u32) {
        let mut counts = (0, 0);
        for _ in 0..copies {
            let (count, micros, way) = match class.next() {
                Way::Cached => (&mut counts.0, cached, Way::Cached),
                Way::Streamed => (&mut counts.1, streamed, Way::Streamed),
            };
            *count += 1;
            class.note(way, LENGTH, Duration::from_micros(micros));
        }
        counts
    }

    #[test]
    fn quicker_way_is_taken_and_the_other_tried_rarely() {
        let class = Class::new();
        let (cached, streamed) = taken(&class, 1000, 270, 58);
        assert!(cached <= 12 && streamed >= 988, "far: {cached}, {streamed}");
        // The reader moves to a near processor, and away again.
        let (cached, streamed) = taken(&class, 2000, 36, 58);
        assert!(cached >= 1600, "near: {cached}, {streamed}");
        let (cached, streamed) = taken(&class, 2000, 270, 58);
        assert!(streamed >= 1600, "far again: {cached}, {streamed}");
    }

    #[test]
    fn copy_past_the_caches_has_to_be_much_quicker() {
        let class = Class::new();
        let (_, streamed) = taken(&class, 1000, 61, 40);
        assert!(streamed <= 12, "{streamed}");
    }

    #[test]
    fn copies_that_were_interrupted_change_nothing() {
        let class = Class::new();
        taken(&class, 1000, 36, 58);
        for _ in 0..2 {
            class.note(Way::Cached, LENGTH, Duration::from_millis(4));
        }
        assert_eq!(class.better(), Way::Cached);
        let class = Class::new();
        taken(&class, 1000, 270, 58);
        class.note(Way::Streamed, LENGTH, Duration::from_millis(4));
        assert_eq!(class.better(), Way::Streamed);
    }

    #[test]
    fn lengths_of_a_class_differ_by_less_than_two() {
        let of =
            [0, 1 << 16, (1 << 17) - 1, 1 << 17, 1_000_000, 1 << 20, 16_000_000, usize::MAX].map(class_of);
        assert_eq!(of, [0, 0, 0, 1, 3, 4, 7, 7]);
    }

    #[test]
    fn copies_in_turn_are_whole_whichever_way() {
        let copying = Copying::new();
        let from: Vec<u8> = (0..LENGTH + 13).map(|i| (i * 31 / 7) as u8).collect();
        for _ in 0..12 {
            let mut to = vec![0; from.len()];
            copying.copy(&from, &mut to);
            assert!(to == from);
        }
    }
}
