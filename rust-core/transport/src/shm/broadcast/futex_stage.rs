//! How long a subscriber sleeps in the futex before it sleeps in poll.
//!
//! One futex call wakes all subscribers; each sleeper in poll costs a byte over its socket and three more system calls.
//! But a sleeper in the futex does not notice the publisher's end, so this stage lasts [`SHORT`] at first. Many
//! subscribers on busy processors may need longer to get one message. The first ones would move on to poll, where
//! messages take still longer, and never come back.
//!
//! The stage therefore adapts to the time between two messages, up to [`LONGEST`]; for rarer messages it is [`SHORT`].

use std::time::{Duration, Instant};

use super::super::park::SHORT;
use crate::sys::futex::Slept;

/// The longest time until a subscriber notices the publisher's end.
const LONGEST: Duration = SHORT.saturating_mul(10);

/// The most sleeps in the futex after one frame; a superfluous wake-up needs another sleep.
const SLEEPS: u8 = 3;

#[derive(Debug)]
pub(super) struct FutexStage {
    length: Duration,
    /// How many sleeps are left before a frame must come.
    left: u8,
    /// Whether the last sleep lasted for the whole length.
    timed_out: bool,
    /// When the sleep in poll after such a sleep began.
    in_poll_since: Option<Instant>,
}

impl Default for FutexStage {
    fn default() -> FutexStage {
        FutexStage { length: SHORT, left: SLEEPS, timed_out: false, in_poll_since: None }
    }
}

impl FutexStage {
    /// The longest sleep in the futex now; `None` when it is time to sleep in poll.
    pub fn longest_sleep(&self) -> Option<Duration> {
        (self.left > 0).then_some(self.length)
    }

    pub fn slept(&mut self, how: Slept) {
        self.timed_out = how == Slept::TimedOut;
        self.left = if self.timed_out { 0 } else { self.left.saturating_sub(1) };
    }

    pub fn sleeps_in_poll(&mut self) {
        if self.timed_out && self.in_poll_since.is_none() {
            self.in_poll_since = Some(Instant::now());
        }
    }

    #[inline]
    pub fn frame_came(&mut self) {
        if self.left < SLEEPS {
            self.adapt();
        }
    }

    fn adapt(&mut self) {
        if let Some(since) = self.in_poll_since.take() {
            self.length = length_after(self.length + since.elapsed());
        }
        (self.left, self.timed_out) = (SLEEPS, false);
    }
}

/// The length of the stage after a wait that continued in poll: twice the wait, as a margin.
fn length_after(waited: Duration) -> Duration {
    if waited <= LONGEST { (waited * 2).min(LONGEST) } else { SHORT }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn sleeps_in_both(stage: &mut FutexStage) {
        stage.slept(Slept::TimedOut);
        assert_eq!(stage.longest_sleep(), None);
        stage.sleeps_in_poll();
    }

    #[test]
    fn futex_stage_lasts_twice_the_last_wait_up_to_a_bound() {
        assert_eq!(length_after(SHORT), SHORT * 2);
        assert_eq!(length_after(LONGEST), LONGEST);
        assert_eq!(length_after(LONGEST + Duration::from_nanos(1)), SHORT);
    }

    #[test]
    fn frame_after_a_sleep_in_poll_sets_the_length_of_the_futex_stage() {
        let hour = Duration::from_secs(3600);
        let length_with = |since: Option<Instant>| {
            let mut stage = FutexStage::default();
            sleeps_in_both(&mut stage);
            stage.in_poll_since = since;
            // A second sleep in poll, after a wake-up without a frame, belongs to the same wait.
            stage.sleeps_in_poll();
            stage.frame_came();
            assert!(stage.in_poll_since.is_none());
            stage.longest_sleep().unwrap()
        };
        // A beginning in the future counts as no time, however slow this test is.
        assert_eq!(length_with(Some(Instant::now() + hour)), SHORT * 2);
        // The clock may have begun less than an hour ago.
        let long_ago = (0..).map(|halved| Instant::now().checked_sub(hour / 2u32.pow(halved)));
        assert_eq!(length_with(long_ago.flatten().next()), SHORT);
    }

    #[test]
    fn stage_without_a_sleep_in_poll_keeps_its_length() {
        let mut stage = FutexStage { length: SHORT * 2, ..FutexStage::default() };
        // A frame that was there when the sleep timed out: its publisher wakes no futex.
        stage.slept(Slept::TimedOut);
        stage.frame_came();
        assert_eq!(stage.longest_sleep(), Some(SHORT * 2));
        // An event loop sleeps only in poll.
        stage.sleeps_in_poll();
        stage.frame_came();
        assert_eq!(stage.longest_sleep(), Some(SHORT * 2));
    }

    #[test]
    fn wake_ups_without_a_frame_end_the_stage() {
        let mut stage = FutexStage::default();
        for _ in 0..SLEEPS {
            assert_eq!(stage.longest_sleep(), Some(SHORT));
            stage.slept(Slept::Woken);
        }
        assert_eq!(stage.longest_sleep(), None);
        stage.sleeps_in_poll();
        stage.frame_came();
        assert_eq!(stage.longest_sleep(), Some(SHORT), "it did not time out");
    }
}
