//! Values over time in a bounded number of bins, whose width doubles when time goes on: one pass, whatever the length.

/// What a bin holds: two neighbours become one when the width doubles.
pub trait Merge: Copy {
    /// Returns what a bin of both holds.
    fn merged(self, other: Self) -> Self;
}

/// The least and the greatest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub least: f64,
    pub greatest: f64,
}

impl Merge for Span {
    fn merged(self, other: Span) -> Span {
        Span { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }
}

impl Merge for u64 {
    fn merged(self, other: u64) -> u64 {
        self.saturating_add(other)
    }
}

/// Bins from a first time on.
#[derive(Clone, Debug)]
pub struct Bins<T> {
    begin: u64,
    /// Nanoseconds of one bin.
    width: u64,
    bins: Vec<Option<T>>,
}

impl<T: Merge> Bins<T> {
    /// The number of bins: what a wide screen shows apart.
    pub const COUNT: usize = 512;
    /// The first width: a microsecond.
    const NARROWEST: u64 = 1_000;

    /// Makes empty bins that begin at this time.
    pub fn new(begin: u64) -> Bins<T> {
        Bins { begin, width: Self::NARROWEST, bins: Vec::new() }
    }

    /// Adds a value at a time; what is before the beginning counts as of the beginning.
    pub fn add(&mut self, time: u64, value: T) {
        let after = time.saturating_sub(self.begin);
        // The width is never 0.
        let place = |width: u64| after.checked_div(width).unwrap_or(0);
        while place(self.width) >= Self::COUNT as u64 {
            self.widen();
        }
        if self.bins.is_empty() {
            self.bins.resize(Self::COUNT, None);
        }
        // Below COUNT by the loop above.
        if let Some(bin) = self.bins.get_mut(place(self.width) as usize) {
            *bin = Some(bin.map_or(value, |held| held.merged(value)));
        }
    }

    fn widen(&mut self) {
        for i in 0..Self::COUNT {
            let both = |a: Option<T>, b: Option<T>| match (a, b) {
                (Some(a), Some(b)) => Some(a.merged(b)),
                (one, other) => one.or(other),
            };
            let at = |place: usize| self.bins.get(place).copied().flatten();
            let merged = both(at(i.saturating_mul(2)), at(i.saturating_mul(2).saturating_add(1)));
            if let Some(place) = self.bins.get_mut(i) {
                *place = merged;
            }
        }
        self.width = self.width.saturating_mul(2);
    }

    /// Returns the nanoseconds of one bin.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Returns the bins with a value: the time of the middle of each, and the value.
    pub fn filled(&self) -> impl Iterator<Item = (u64, T)> {
        self.runs().flatten()
    }

    /// The same in runs of bins that follow each other: between two of them nothing came, for longer than one bin and
    /// longer than usual.
    pub fn runs(&self) -> impl Iterator<Item = Vec<(u64, T)>> {
        let filled: Vec<_> =
            self.bins.iter().enumerate().filter_map(|(i, bin)| bin.map(|value| (i, value))).collect();
        // What comes less often than once a bin has the same distance each time.
        let mut distances: Vec<_> =
            filled.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
        distances.sort_unstable();
        let usual = distances.get(distances.len() / 2).copied().unwrap_or(1);
        let most = usual.saturating_mul(3).max(2);
        let middle = |i: usize| {
            let from = (i as u64).saturating_mul(self.width);
            self.begin.saturating_add(from).saturating_add(self.width / 2)
        };
        let runs: Vec<Vec<(u64, T)>> = filled
            .chunk_by(|one, other| other.0.saturating_sub(one.0) <= most)
            .map(|run| run.iter().map(|(i, value)| (middle(*i), *value)).collect())
            .collect();
        runs.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_at_the_edges_and_silences_are_no_harm() {
        let mut counts = Bins::new(0);
        for time in [0, u64::MAX, 1, u64::MAX - 1, 1 << 63] {
            counts.add(time, u64::MAX);
        }
        assert!(counts.filled().count() >= 3);
        let mut late = Bins::new(u64::MAX);
        late.add(u64::MAX, 1u64);
        assert_eq!(late.filled().count(), 1);
        // Ten a second, a silence of 100 s, ten a second again; one every hour has no silence.
        let mut gap = Bins::new(0);
        for i in 0..200u64 {
            gap.add(i * 100_000_000 + if i < 100 { 0 } else { 100_000_000_000 }, 1u64);
        }
        assert_eq!(gap.runs().count(), 2);
        let mut rare = Bins::new(0);
        (0..20u64).for_each(|i| rare.add(i * 3_600_000_000_000, 1u64));
        assert_eq!(rare.runs().count(), 1);
    }

    #[test]
    fn bins_keep_every_value_while_their_width_doubles() {
        let mut counts = Bins::new(1_000);
        let mut spans = Bins::new(1_000);
        for i in 0..10_000u64 {
            counts.add(1_000 + i * 777_777, 1u64);
            spans.add(1_000 + i * 777_777, Span { least: i as f64, greatest: i as f64 });
        }
        assert_eq!(counts.filled().map(|(_, count)| count).sum::<u64>(), 10_000);
        let used = counts.filled().count();
        assert!((Bins::<u64>::COUNT / 2..=Bins::<u64>::COUNT).contains(&used), "{used}");
        let spans: Vec<_> = spans.filled().collect();
        assert!(
            spans.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1.greatest < w[1].1.least),
            "each in its own bin"
        );
        assert_eq!((spans[0].1.least, spans[spans.len() - 1].1.greatest), (0.0, 9_999.0));
    }
}
