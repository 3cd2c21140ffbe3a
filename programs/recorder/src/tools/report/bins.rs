//! Values over time in a fixed number of bins. The width doubles as time goes on, so one pass suffices.

/// The content of a bin. Two neighbours merge when the width doubles.
pub trait Merge: Copy {
    fn merged(self, other: Self) -> Self;
}

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

#[derive(Clone, Debug)]
pub struct Bins<T> {
    begin: u64,
    /// Nanoseconds per bin.
    width: u64,
    bins: Vec<Option<T>>,
}

impl<T: Merge> Bins<T> {
    /// The number of bins: the resolution of a wide screen.
    pub const COUNT: usize = 512;
    /// The initial width: a microsecond.
    const NARROWEST: u64 = 1_000;

    pub fn new(begin: u64) -> Bins<T> {
        Bins { begin, width: Self::NARROWEST, bins: Vec::new() }
    }

    /// Adds a value at a time; earlier times count as the beginning.
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
        // The loop above keeps the index below COUNT.
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

    pub fn width(&self) -> u64 {
        self.width
    }

    /// Returns the middle time and the value of each filled bin.
    pub fn filled(&self) -> impl Iterator<Item = (u64, T)> {
        self.runs().flatten()
    }

    /// Returns these in runs of adjacent bins. A gap between two runs is longer than usual and than one bin.
    pub fn runs(&self) -> impl Iterator<Item = Vec<(u64, T)>> {
        let filled: Vec<_> =
            self.bins.iter().enumerate().filter_map(|(i, bin)| bin.map(|value| (i, value))).collect();
        // Messages that are rarer than bins have a regular distance.
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
        // Ten per second with a silence of 100 s make two runs. One message per hour makes one run.
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
