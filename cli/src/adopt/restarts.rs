//! Whether a program that has ended by itself is started again, and when: no clock, no process.

use std::collections::VecDeque;
use std::time::Duration;

use super::options::{Limit, Policy};

/// The longest pause between two starts.
const LONGEST: Duration = Duration::from_secs(60);

/// What follows an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was the end.
    End,
    /// It is started again after so long.
    Again(Duration),
    /// It ended too often.
    GiveUp,
}

/// The ends so far.
#[derive(Debug)]
pub struct Restarts {
    policy: Policy,
    delay: Duration,
    limit: Limit,
    /// When it was decided to start it again, as long as that counts.
    lately: VecDeque<Duration>,
    in_a_row: u32,
    /// How often it was started again.
    pub count: u64,
}

impl Restarts {
    pub fn new(policy: Policy, delay: Duration, limit: Limit) -> Restarts {
        Restarts { policy, delay, limit, lately: VecDeque::new(), in_a_row: 0, count: 0 }
    }

    /// It has ended, well or not, after it has lived for so long.
    pub fn ended(&mut self, well: bool, lived: Duration, now: Duration) -> Verdict {
        match (self.policy, well) {
            (Policy::No, _) | (Policy::OnFailure, true) => return Verdict::End,
            (Policy::OnFailure, false) | (Policy::Always, _) => {}
        }
        while self.lately.front().is_some_and(|at| now.saturating_sub(*at) >= self.limit.window) {
            self.lately.pop_front();
        }
        if self.limit.count > 0 && self.lately.len() as u64 >= u64::from(self.limit.count) {
            return Verdict::GiveUp;
        }
        if self.limit.count > 0 {
            self.lately.push_back(now);
        }
        // One that has lived for long is not one that cannot start.
        self.in_a_row = if lived >= self.limit.window { 0 } else { self.in_a_row };
        let pause =
            self.delay.saturating_mul(2u32.saturating_pow(self.in_a_row)).min(LONGEST.max(self.delay));
        self.in_a_row += 1;
        self.count += 1;
        Verdict::Again(pause)
    }

    /// Somebody wants it to run: what was before does not count.
    pub fn forget(&mut self) {
        self.lately.clear();
        self.in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn restarts(policy: Policy, count: u32) -> Restarts {
        Restarts::new(policy, S, Limit { count, window: 60 * S })
    }

    #[test]
    fn a_policy_decides() {
        for (policy, well, badly) in [
            (Policy::No, Verdict::End, Verdict::End),
            (Policy::OnFailure, Verdict::End, Verdict::Again(S)),
            (Policy::Always, Verdict::Again(S), Verdict::Again(S)),
        ] {
            assert_eq!(restarts(policy, 5).ended(true, S, S), well);
            assert_eq!(restarts(policy, 5).ended(false, S, S), badly);
        }
    }

    #[test]
    fn pauses_double_until_it_has_lived_for_long() {
        let mut restarts = restarts(Policy::Always, 0);
        let mut now = Duration::ZERO;
        let mut pause = |lived: u32| {
            now += lived * S;
            let Verdict::Again(pause) = restarts.ended(false, lived * S, now) else { panic!("it gave up") };
            pause.as_secs()
        };
        assert_eq!([1; 8].map(&mut pause), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!([60, 1].map(&mut pause), [1, 2]);
    }

    #[test]
    fn too_often_in_its_time_is_the_end_until_somebody_wants_it() {
        let mut restarts = restarts(Policy::OnFailure, 2);
        let mut at = |seconds: u32, forget: bool| {
            if forget {
                restarts.forget();
            }
            restarts.ended(false, S, seconds * S)
        };
        assert!(matches!(at(1, false), Verdict::Again(_)));
        assert!(matches!(at(50, false), Verdict::Again(_)));
        assert_eq!(at(60, false), Verdict::GiveUp);
        assert!(matches!(at(61, false), Verdict::Again(_)), "the first one counts no longer");
        assert_eq!(at(62, false), Verdict::GiveUp);
        assert_eq!(at(62, true), Verdict::Again(S));
    }
}
