//! Decides whether and when an ended program is restarted. Pure: no clock, no process.

use std::collections::VecDeque;
use std::time::Duration;

use super::args::{Limit, Policy};

/// The longest delay before a restart.
const MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Stop,
    Restart(Duration),
    GiveUp,
}

#[derive(Debug)]
pub struct Restarts {
    policy: Policy,
    delay: Duration,
    limit: Limit,
    /// Restarts within the limit's window.
    recent: VecDeque<Duration>,
    consecutive: u32,
    pub count: u64,
}

impl Restarts {
    pub fn new(policy: Policy, delay: Duration, limit: Limit) -> Restarts {
        Restarts { policy, delay, limit, recent: VecDeque::new(), consecutive: 0, count: 0 }
    }

    /// Decides after an exit, given its success and how long the program ran.
    pub fn ended(&mut self, well: bool, lived: Duration, now: Duration) -> Decision {
        match (self.policy, well) {
            (Policy::No, _) | (Policy::OnFailure, true) => return Decision::Stop,
            (Policy::OnFailure, false) | (Policy::Always, _) => {}
        }
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) >= self.limit.window) {
            self.recent.pop_front();
        }
        if self.limit.count > 0 && self.recent.len() as u64 >= u64::from(self.limit.count) {
            return Decision::GiveUp;
        }
        if self.limit.count > 0 {
            self.recent.push_back(now);
        }
        // A run longer than the window resets the delay.
        self.consecutive = if lived >= self.limit.window { 0 } else { self.consecutive };
        let pause = self.delay.saturating_mul(2u32.saturating_pow(self.consecutive)).min(MAX.max(self.delay));
        self.consecutive += 1;
        self.count += 1;
        Decision::Restart(pause)
    }

    /// Forgets earlier restarts, after a RUN command.
    pub fn reset(&mut self) {
        self.recent.clear();
        self.consecutive = 0;
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
    fn policy_decides_on_restarts() {
        for (policy, well, badly) in [
            (Policy::No, Decision::Stop, Decision::Stop),
            (Policy::OnFailure, Decision::Stop, Decision::Restart(S)),
            (Policy::Always, Decision::Restart(S), Decision::Restart(S)),
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
            let Decision::Restart(pause) = restarts.ended(false, lived * S, now) else {
                panic!("it gave up")
            };
            pause.as_secs()
        };
        assert_eq!([1; 8].map(&mut pause), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!([60, 1].map(&mut pause), [1, 2]);
    }

    #[test]
    fn too_many_restarts_end_until_requested_again() {
        let mut restarts = restarts(Policy::OnFailure, 2);
        let mut at = |seconds: u32, forget: bool| {
            if forget {
                restarts.reset();
            }
            restarts.ended(false, S, seconds * S)
        };
        assert!(matches!(at(1, false), Decision::Restart(_)));
        assert!(matches!(at(50, false), Decision::Restart(_)));
        assert_eq!(at(60, false), Decision::GiveUp);
        assert!(matches!(at(61, false), Decision::Restart(_)), "the first one counts no longer");
        assert_eq!(at(62, false), Decision::GiveUp);
        assert_eq!(at(62, true), Decision::Restart(S));
    }
}
