//! Distances of time in a recording whose clock was set: without the steps that its events name.

use crate::event::{Event, Kind};

/// What is known of the clock up to a place in a recording. The entries have to be given in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// By how many nanoseconds the clock was set so far.
    shift: i128,
    /// The last step: when and by how much.
    last: Option<(u64, i64)>,
    begin: Option<u64>,
}

/// Two recorders of one machine each tell a step; so close together, in nanoseconds, it is one.
const SAME_STEP: u64 = 5_000_000_000;
/// And so much may one of both find more than the other.
const SAME_SIZE: u64 = 100_000_000;

impl Timeline {
    /// Takes the time of an entry: the first one is the beginning.
    pub fn take(&mut self, time: u64) {
        self.begin.get_or_insert(time);
    }

    /// Takes an event: a step of the clock changes what follows.
    pub fn note(&mut self, event: &Event) {
        self.take(event.time);
        let (Kind::Clock, Some(by)) = (event.kind, event.by) else { return };
        let is_same = self.last.is_some_and(|(time, last)| {
            event.time.abs_diff(time) < SAME_STEP && by.abs_diff(last) < SAME_SIZE
        });
        if !is_same {
            self.shift = self.shift.saturating_add(i128::from(by));
            self.last = Some((event.time, by));
        }
    }

    /// Returns the time of the first entry, where there was one.
    pub fn begin(&self) -> Option<u64> {
        self.begin
    }

    /// Returns a time as the clock would have given it, had it not been set.
    pub fn continuous(&self, time: u64) -> u64 {
        let time = i128::from(time).saturating_sub(self.shift);
        u64::try_from(time).unwrap_or(if time < 0 { 0 } else { u64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_clock_change_no_distance() {
        const SECOND: u64 = 1_000_000_000;
        let step = |time: u64, by: i64| Event { by: Some(by), ..Event::new(time, Kind::Clock) };
        let mut timeline = Timeline::default();
        timeline.note(&Event::new(100 * SECOND, Kind::Started));
        assert_eq!((timeline.begin(), timeline.continuous(101 * SECOND)), (Some(100 * SECOND), 101 * SECOND));
        let years = 5 * 365 * 86_400 * SECOND;
        timeline.note(&step(102 * SECOND + years, years.cast_signed()));
        // The same, told by another recorder.
        timeline.note(&step(103 * SECOND + years, years.cast_signed() + 5));
        assert_eq!(timeline.continuous(104 * SECOND + years), 104 * SECOND);
        timeline.note(&step(105 * SECOND, -years.cast_signed()));
        assert_eq!(timeline.continuous(106 * SECOND), 106 * SECOND);
        timeline.note(&step(0, i64::MIN));
        timeline.note(&step(u64::MAX, i64::MIN));
        assert_eq!(timeline.continuous(u64::MAX), u64::MAX);
        timeline.note(&step(10, i64::MAX));
        timeline.note(&step(SAME_STEP * 2, i64::MAX));
        timeline.note(&step(SAME_STEP * 4, i64::MAX));
        assert_eq!(timeline.continuous(3), 0);
    }
}
