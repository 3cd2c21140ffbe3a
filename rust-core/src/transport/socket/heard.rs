//! When the other side was heard last: one that has just said something need not be asked whether it is still there.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::value::Timestamp;

/// What the receiving half tells the sending one.
#[derive(Debug)]
pub struct Heard(AtomicI64);

impl Heard {
    /// As long as a receiver in a dialogue waits for an answer before it says by a frame how far it has come: in a
    /// dialogue nobody is asked, and one that has gone is noticed this much later at most.
    const LATELY: i64 = 4_500_000;

    /// Bytes of it have come.
    pub fn note(&self) {
        self.0.store(Timestamp::now().0, Ordering::Relaxed);
    }

    /// It has ended, or nothing that it says is to be relied on.
    pub fn has_ended(&self) {
        self.0.store(i64::MIN, Ordering::Relaxed);
    }

    /// Whether that was lately, seen from this time. A clock that was set back makes it ask.
    pub fn lately(&self, now: Timestamp) -> bool {
        let since = now.0.saturating_sub(self.0.load(Ordering::Relaxed));
        (0..Heard::LATELY).contains(&since)
    }
}

impl Default for Heard {
    fn default() -> Heard {
        Heard(AtomicI64::new(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heard_lately_ends_after_a_moment_and_does_not_trust_a_clock_that_was_set_back() {
        let heard = Heard::default();
        assert!(!heard.lately(Timestamp::now()), "nothing has come yet");
        heard.note();
        let at = heard.0.load(Ordering::Relaxed);
        assert!(heard.lately(Timestamp(at)) && heard.lately(Timestamp(at + Heard::LATELY - 1)));
        assert!(!heard.lately(Timestamp(at + Heard::LATELY)));
        assert!(!heard.lately(Timestamp(at - 1)));
        heard.has_ended();
        assert!(!heard.lately(Timestamp(at)));
    }
}
