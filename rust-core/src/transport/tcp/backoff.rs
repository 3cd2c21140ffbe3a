//! How long to leave between two calls of somebody who is not there.

use std::time::Duration;

/// The first pause.
pub const FIRST: Duration = Duration::from_millis(50);
/// The longest.
pub const LONGEST: Duration = Duration::from_secs(5);

/// Pauses that double from [`FIRST`] to [`LONGEST`], each shortened by chance: many who lost the same listener at the same
/// moment do not all come back at the same moment.
#[derive(Debug, Default)]
pub struct Backoff {
    /// How often the pause has doubled.
    doubled: u32,
}

impl Backoff {
    /// The next pause: between half and all of what it would be without chance. `chance` is a number drawn by it.
    pub fn next(&mut self, chance: u64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.doubled).min(LONGEST);
        if whole < LONGEST {
            self.doubled += 1;
        }
        let half = whole / 2;
        // 53 bits are as many as a fraction holds exactly.
        half + half.mul_f64((chance >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_seconds() {
        let mut longest = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| longest.next(u64::MAX).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let mut shortest = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| shortest.next(0).as_millis()).collect();
        assert_eq!(pauses, [25, 50, 100, 200, 400, 800, 1600, 2500, 2500]);
    }

    #[test]
    fn chance_keeps_them_apart() {
        let pause = |chance| Backoff::default().next(chance);
        let several: std::collections::BTreeSet<_> = (0..16u64).map(|i| pause(i << 60)).collect();
        assert_eq!(several.len(), 16);
        assert!(several.iter().all(|p| (FIRST / 2..=FIRST).contains(p)));
    }
}
