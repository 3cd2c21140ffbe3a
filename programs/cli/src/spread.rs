//! Least, median and greatest of a series, in bounded memory; times for people.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use linkspan::Value;

/// The most kept values. The median of a longer series is the median of evenly spaced values.
const KEPT: usize = 8_192;

/// A series of numbers between two lines of output.
#[derive(Clone, Debug)]
pub struct Spread {
    kept: Vec<i64>,
    /// Every `stride`-th value is kept.
    stride: u64,
    count: u64,
    least: i64,
    greatest: i64,
    /// The sums are exact to 53 bits, which suffices for a deviation.
    sum: f64,
    squares: f64,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread {
            kept: Vec::new(),
            stride: 1,
            count: 0,
            least: i64::MAX,
            greatest: i64::MIN,
            sum: 0.0,
            squares: 0.0,
        }
    }
}

/// The numbers of a series that are printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
    /// The standard deviation.
    pub deviation: f64,
}

impl Spread {
    pub fn add(&mut self, number: i64) {
        if self.count.is_multiple_of(self.stride) {
            if self.kept.len() == KEPT {
                let mut is_even = false;
                self.kept.retain(|_| {
                    is_even = !is_even;
                    is_even
                });
                self.stride = self.stride.saturating_mul(2);
            }
            self.kept.push(number);
        }
        self.count = self.count.saturating_add(1);
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
        let real = number as f64;
        self.sum += real;
        self.squares += real * real;
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number below which this part of the series lies, divided by `unit`; `None` for an empty series.
    pub fn at(&self, part: f64, unit: f64) -> Option<f64> {
        let mut kept = self.kept.clone();
        let last = kept.len().checked_sub(1)?;
        let place = (last as f64 * part).round() as usize;
        let number = match part {
            0.0 => self.least,
            1.0 => self.greatest,
            _ => *kept.select_nth_unstable(place.min(last)).1,
        };
        Some(number as f64 / unit)
    }

    /// Returns the numbers, each divided by `unit`; `None` for an empty series.
    pub fn summary(&self, unit: f64) -> Option<Summary> {
        let median = self.at(0.5, unit)?;
        let count = self.count as f64;
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        Some(Summary {
            least: self.least as f64 / unit,
            median,
            greatest: self.greatest as f64 / unit,
            deviation: variance.sqrt() / unit,
        })
    }
}

impl Summary {
    /// Returns the entries of a map.
    pub fn entries(&self) -> [(&'static str, Value); 3] {
        [("min", self.least.into()), ("median", self.median.into()), ("max", self.greatest.into())]
    }
}

/// Returns a time with three digits and its unit.
pub fn time(seconds: f64) -> String {
    let (number, unit) = match seconds.abs() {
        size if size >= 0.999_5 => (seconds, "s"),
        size if size >= 0.000_999_5 => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "us"),
    };
    let digits = match number.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = i64>) -> Option<Summary> {
        let mut spread = Spread::default();
        numbers.into_iter().for_each(|number| spread.add(number));
        assert!(spread.kept.len() <= KEPT);
        spread.summary(1.0)
    }

    #[test]
    fn part_of_a_series_lies_below_its_percentile() {
        let mut spread = Spread::default();
        assert_eq!(spread.at(0.5, 1.0), None);
        (0..=100).for_each(|number| spread.add(number));
        let found = [0.0, 0.5, 0.9, 0.99, 1.0].map(|part| spread.at(part, 10.0).unwrap());
        assert_eq!(found, [0.0, 5.0, 9.0, 9.9, 10.0]);
    }

    #[test]
    fn short_series_is_exact() {
        assert_eq!(of([]), None);
        let one = of([-7]).unwrap();
        assert_eq!((one.least, one.median, one.greatest, one.deviation), (-7.0, -7.0, -7.0, 0.0));
        let five = of([5, 1, 9, 2, 3]).unwrap();
        assert_eq!((five.least, five.median, five.greatest), (1.0, 3.0, 9.0));
        assert!((five.deviation - 2.828_427).abs() < 1e-5, "{}", five.deviation);
    }

    #[test]
    fn long_series_takes_bounded_memory_and_keeps_its_ends() {
        let long = of((0..1_000_000).rev()).unwrap();
        assert_eq!((long.least, long.greatest), (0.0, 999_999.0));
        assert!((long.median - 500_000.0).abs() < 1_000.0, "{}", long.median);
        let edge = of([i64::MIN, i64::MAX, 0]).unwrap();
        assert!(edge.least < -9e18 && edge.greatest > 9e18 && edge.median == 0.0);
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (seconds, shown) in [
            (0.0, "0.00us"),
            (1.234e-6, "1.23us"),
            (99.96e-6, "100us"),
            (0.001, "1.00ms"),
            (-0.0123, "-12.3ms"),
            (1.0, "1.00s"),
            (7200.0, "7200s"),
        ] {
            assert_eq!(time(seconds), shown);
        }
    }
}
