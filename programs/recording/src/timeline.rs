//! Durations in a recording whose clock was set. The steps that its events report are removed.

use std::cmp::Ordering;

use crate::event::{Event, Kind};

/// The clock's steps up to an entry, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The sum of the steps so far, in nanoseconds.
    shift: i128,
    /// The time and the size of the last step.
    last: Option<(u64, i64)>,
    begin: Option<u64>,
}

/// The year 2000 in ns since 1970: earlier times come from a simulation.
const CLOCKS: u64 = 946_684_800_000_000_000;

/// Returns whether a time is absent: 0, except in simulations that begin there.
pub fn is_timeless(time: u64, other: u64) -> bool {
    time == 0 && other >= CLOCKS
}

/// Two recorders' reports within this many nanoseconds are one step.
const SAME_STEP: u64 = 5_000_000_000;
/// Their sizes differ at most by this many nanoseconds.
const SAME_SIZE: u64 = 100_000_000;

impl Timeline {
    /// Takes the time of an entry. The first entry with a time is the beginning.
    pub fn take(&mut self, time: u64) {
        if self.begin.is_none_or(|begin| is_timeless(begin, time)) {
            self.begin = Some(time);
        }
    }

    /// Takes an event; a step affects all later times.
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

    /// Returns the time of the first entry.
    pub fn begin(&self) -> Option<u64> {
        self.begin
    }

    /// Returns a time without the steps of the clock.
    pub fn continuous(&self, time: u64) -> u64 {
        let time = i128::from(time).saturating_sub(self.shift);
        u64::try_from(time).unwrap_or(if time < 0 { 0 } else { u64::MAX })
    }
}

/// A time of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instant {
    /// Nanoseconds since the beginning.
    After(u64),
    /// Nanoseconds since 1970, according to the clock.
    At(u64),
}

/// A range of times. The entries must come in order, from the beginning on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Within {
    from: Option<Instant>,
    to: Option<Instant>,
    timeline: Timeline,
}

impl Within {
    /// Makes a range; `None` means the beginning or the end.
    pub fn new(from: Option<Instant>, to: Option<Instant>) -> Within {
        Within { from, to, timeline: Timeline::default() }
    }

    /// Returns the range for another pass over the entries.
    #[must_use]
    pub fn anew(&self) -> Within {
        Within::new(self.from, self.to)
    }

    /// Returns both ends of the range.
    pub fn ends(&self) -> (Option<Instant>, Option<Instant>) {
        (self.from, self.to)
    }

    /// Returns the range in ns since 1970 for a recording from `begin` on, without steps of the clock.
    pub fn times(&self, begin: u64) -> (u64, u64) {
        let time = |instant: Option<Instant>, otherwise| match instant {
            None => otherwise,
            Some(Instant::After(after)) => begin.saturating_add(after),
            Some(Instant::At(at)) => at,
        };
        (time(self.from, 0), time(self.to, u64::MAX))
    }

    /// Returns times that surely include the range, for any steps of the clock.
    pub fn certain_times(&self) -> (u64, u64) {
        match (self.from, self.to) {
            (Some(Instant::After(_)), _) | (_, Some(Instant::After(_))) => (0, u64::MAX),
            _ => self.times(0),
        }
    }

    /// Takes an event in order: relative times exclude the clock's steps.
    pub fn note(&mut self, event: &Event) {
        self.timeline.note(event);
    }

    /// Takes any message's time: the first entry is the beginning.
    pub fn take(&mut self, time: u64) {
        self.timeline.take(time);
    }

    /// Returns a time without the clock's steps.
    pub fn continuous(&self, time: u64) -> u64 {
        self.timeline.continuous(time)
    }

    /// Returns whether a time is before, within or after the range.
    pub fn place(&mut self, time: u64) -> Ordering {
        self.take(time);
        let begin = self.timeline.begin().unwrap_or(time);
        let against = |instant: Instant| match instant {
            Instant::After(after) => self.continuous(time).cmp(&begin.saturating_add(after)),
            Instant::At(at) => time.cmp(&at),
        };
        if self.from.is_some_and(|from| against(from).is_lt()) {
            Ordering::Less
        } else if self.to.is_some_and(|to| against(to).is_gt()) {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// The first and last time of some entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Each time without the clock's steps, and by the clock.
    first: (u64, u64),
    last: (u64, u64),
}

impl Extent {
    /// Includes the time of the timeline's last entry.
    pub fn include(extent: &mut Option<Extent>, timeline: &Timeline, time: u64) {
        let both = (timeline.continuous(time), time);
        let known = extent.get_or_insert(Extent { first: both, last: both });
        if is_timeless(time, known.last.1) {
            return;
        }
        if both.0 < known.first.0 || is_timeless(known.first.1, time) {
            known.first = both;
        }
        if both.0 > known.last.0 {
            known.last = both;
        }
    }

    /// Returns both times by the clock, in nanoseconds since 1970.
    pub fn times(&self) -> (u64, u64) {
        (self.first.1, self.last.1)
    }

    /// Returns both without the steps of the clock.
    pub fn continuous(&self) -> (u64, u64) {
        (self.first.0, self.last.0)
    }

    /// Returns the nanoseconds between them.
    pub fn duration(&self) -> u64 {
        self.last.0.saturating_sub(self.first.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_extents_have_no_steps_in_them() {
        const SECOND: u64 = 1_000_000_000;
        let hour = 3_600 * SECOND;
        let (start, back) = (10 * hour, 9 * hour);
        let mut within = Within::new(Some(Instant::After(2 * SECOND)), Some(Instant::After(4 * SECOND)));
        let mut timeline = Timeline::default();
        let mut extent = None;
        let mut found = Vec::new();
        for i in 0..6 {
            let time = if i < 3 { start } else { back } + i * SECOND;
            if i == 3 {
                let step = Event { by: Some(-hour.cast_signed()), ..Event::new(time, Kind::Clock) };
                within.note(&step);
                timeline.note(&step);
            }
            found.push(within.place(time));
            Extent::include(&mut extent, &timeline, time);
        }
        use Ordering::{Equal, Greater, Less};
        assert_eq!(found, [Less, Less, Equal, Equal, Equal, Greater]);
        let extent = extent.unwrap();
        assert_eq!(extent.times(), (start, back + 5 * SECOND));
        assert_eq!(extent.duration(), 5 * SECOND);
        assert_eq!(within.anew().place(start + 3 * SECOND), Less, "it is the first entry");
    }

    #[test]
    fn steps_of_the_clock_change_no_distance() {
        const SECOND: u64 = 1_000_000_000;
        let step = |time: u64, by: i64| Event { by: Some(by), ..Event::new(time, Kind::Clock) };
        let mut timeline = Timeline::default();
        timeline.note(&Event::new(100 * SECOND, Kind::Started));
        assert_eq!((timeline.begin(), timeline.continuous(101 * SECOND)), (Some(100 * SECOND), 101 * SECOND));
        let years = 5 * 365 * 86_400 * SECOND;
        timeline.note(&step(102 * SECOND + years, years.cast_signed()));
        // Another recorder reports the step as well.
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
