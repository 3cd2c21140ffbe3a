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
        Bins { begin, width: Self::NARROWEST, bins: vec![None; Self::COUNT] }
    }

    /// Adds a value at a time; what is before the beginning counts as of the beginning.
    pub fn add(&mut self, time: u64, value: T) {
        let after = time.saturating_sub(self.begin);
        while after / self.width >= Self::COUNT as u64 {
            self.widen();
        }
        // Below COUNT by the loop above.
        if let Some(bin) = self.bins.get_mut((after / self.width) as usize) {
            *bin = Some(bin.map_or(value, |held| held.merged(value)));
        }
    }

    fn widen(&mut self) {
        for i in 0..Self::COUNT {
            let both = |a: Option<T>, b: Option<T>| match (a, b) {
                (Some(a), Some(b)) => Some(a.merged(b)),
                (one, other) => one.or(other),
            };
            let pair = (self.bins.get(2 * i).copied().flatten(), self.bins.get(2 * i + 1).copied().flatten());
            self.bins[i] = both(pair.0, pair.1);
        }
        self.width = self.width.saturating_mul(2);
    }

    /// Returns the nanoseconds of one bin.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Returns the bins with a value: the time of the middle of each, and the value.
    pub fn filled(&self) -> impl Iterator<Item = (u64, T)> {
        self.bins.iter().enumerate().filter_map(|(i, bin)| {
            let middle = self.begin + i as u64 * self.width + self.width / 2;
            bin.map(|value| (middle, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
