//! Statistics of many repetitions: median, slowest hundredth, spread, and ratio to the floor.

/// The measurements of one case, in its row's unit.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The mean operation of each repetition.
    pub rounds: Vec<f64>,
    /// Operations measured one by one.
    pub singles: Vec<f64>,
}

impl Taken {
    pub fn median(&self) -> f64 {
        quantile(&self.rounds, 0.5)
    }

    /// Returns the 99th percentile of single operations; `None` without single measurements.
    pub fn p99(&self) -> Option<f64> {
        (!self.singles.is_empty()).then(|| quantile(&self.singles, 0.99))
    }

    /// Returns the interquartile range of the repetitions as a part of their median.
    pub fn spread(&self) -> f64 {
        let range = quantile(&self.rounds, 0.75) - quantile(&self.rounds, 0.25);
        if range == 0.0 { 0.0 } else { range / self.median() }
    }

    /// Returns the level's drift: the ratio of the largest to the smallest median of a third, minus one.
    ///
    /// Returns zero if there are too few repetitions.
    pub fn drift(&self) -> f64 {
        if self.rounds.len() < 6 {
            return 0.0;
        }
        let thirds = self.rounds.chunks(self.rounds.len().div_ceil(3)).map(|part| quantile(part, 0.5));
        let (least, most) = thirds.fold((f64::INFINITY, 0.0_f64), |(a, b), m| (a.min(m), b.max(m)));
        most / least - 1.0
    }

    /// Returns the median ratio of each repetition to the mean of the floor right before and after it.
    pub fn ratio(&self, floor: &Taken) -> f64 {
        let beside = |i: usize| match (floor.rounds.get(i), floor.rounds.get(i + 1)) {
            (Some(before), Some(after)) => (before + after) / 2.0,
            (Some(one), None) | (None, Some(one)) => *one,
            (None, None) => f64::NAN,
        };
        let ratios: Vec<f64> = self.rounds.iter().enumerate().map(|(i, took)| took / beside(i)).collect();
        quantile(&ratios, 0.5)
    }
}

/// Returns the value below which this part of the values lies.
pub fn quantile(of: &[f64], part: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (part * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Returns the least-squares slope of log y over log x in the upper half of x. Fixed costs no longer dominate there.
///
/// Returns `None` with fewer than three points there.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?.0, points.last()?.0);
    let upper: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x >= (first * last).sqrt() * 0.999 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    if upper.len() < 3 {
        return None;
    }
    let count = upper.len() as f64;
    let (mean_x, mean_y) =
        (upper.iter().map(|p| p.0).sum::<f64>() / count, upper.iter().map(|p| p.1).sum::<f64>() / count);
    let covariance: f64 = upper.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = upper.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    Some(covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rounds: &[f64]) -> Taken {
        Taken { rounds: rounds.to_vec(), singles: vec![] }
    }

    #[test]
    fn ratio_uses_the_floors_beside_each_repetition() {
        let floor = taken(&[100.0, 200.0, 400.0, 400.0]);
        let mut ours = taken(&[300.0, 600.0, 800.0]);
        ours.singles = (1..=1000).map(f64::from).collect();
        assert!((ours.ratio(&floor) - 2.0).abs() < 1e-9, "a floor that doubles meanwhile changes nothing");
        assert!((ours.median() - 600.0).abs() < 1e-9);
        assert!((ours.p99().unwrap() - 990.0).abs() < 2.0);
        assert_eq!(floor.p99(), None, "nothing was measured one by one");
    }

    #[test]
    fn drift_sees_a_level_that_moved_and_no_single_outlier() {
        let moved = [[100.0; 5], [100.0; 5], [130.0; 5]].concat();
        assert!((taken(&moved).drift() - 0.3).abs() < 1e-9);
        let mut steady = vec![100.0; 15];
        steady[7] = 900.0;
        assert!(taken(&steady).drift() < 1e-9);
        assert!(taken(&[100.0, 900.0]).drift() < 1e-9, "two repetitions say nothing");
    }

    #[test]
    fn spread_is_the_interquartile_range_over_the_median() {
        let ours = taken(&[80.0, 90.0, 100.0, 110.0, 120.0]);
        assert!((ours.spread() - 0.2).abs() < 1e-9);
        assert!(taken(&[0.0, 0.0, 0.0]).spread() == 0.0, "counts may be nothing at all");
    }

    #[test]
    fn slope_of_a_power_law_is_its_exponent() {
        let points =
            |power: f64| (0..8).map(|i| 10f64.powi(i)).map(|x| (x, 3.0 * x.powf(power))).collect::<Vec<_>>();
        for power in [0.0, 0.5, 1.0, 2.0] {
            assert!((slope(&points(power)).unwrap() - power).abs() < 1e-9, "{power}");
        }
        let with_start: Vec<_> = points(1.0).into_iter().map(|(x, y)| (x, y + 500.0)).collect();
        assert!((slope(&with_start).unwrap() - 1.0).abs() < 0.05, "a fixed cost does not hide the slope");
        assert_eq!(slope(&points(1.0)[..2]), None);
    }
}
