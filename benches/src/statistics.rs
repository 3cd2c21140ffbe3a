//! What is left of many repetitions: the median, the slow hundredth, and the ratio to the floor beside.

/// What one thing took.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Nanoseconds of one operation in each repetition.
    pub rounds: Vec<f64>,
    /// Nanoseconds of operations timed one by one.
    pub singles: Vec<f64>,
}

impl Taken {
    /// The median repetition.
    pub fn median(&self) -> f64 {
        quantile(&self.rounds, 0.5)
    }

    /// Ninety-nine in a hundred single operations took no longer.
    pub fn p99(&self) -> f64 {
        quantile(&self.singles, 0.99)
    }

    /// The median of the ratios of each repetition to the floor's mean right before and right after it.
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

/// The value below which this part of them lies.
fn quantile(of: &[f64], part: f64) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (part * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_taken_to_the_floors_beside_each_repetition() {
        let floor = Taken { rounds: vec![100.0, 200.0, 400.0, 400.0], singles: vec![] };
        let ours = Taken { rounds: vec![300.0, 600.0, 800.0], singles: (1..=1000).map(f64::from).collect() };
        assert!((ours.ratio(&floor) - 2.0).abs() < 1e-9, "a floor that doubles meanwhile changes nothing");
        assert!((ours.median() - 600.0).abs() < 1e-9);
        assert!((ours.p99() - 990.0).abs() < 2.0);
    }
}
