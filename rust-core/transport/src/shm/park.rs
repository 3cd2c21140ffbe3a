//! Parking and waking: a word in the sleeper's page gives how it sleeps, and the waker wakes it
//! once per value of that word.
//!
//! The protocol, for each direction of a link and for each subscriber:
//!
//! | sleeper | waker |
//! |---|---|
//! | stores a new park word, full fence | makes its changes visible, full fence |
//! | checks again for what it waits for | loads the park word |
//! | sleeps | wakes it, once, if the word says that it sleeps |
//!
//! One of the two full fences comes second, and that side sees the other's store; so no wake-up is
//! lost. A sleeper in the futex sleeps on the *waker's* wake word, which it maps read-only: the
//! waker changes it before it wakes, so a sleeper that has not fallen asleep yet does not. A
//! sleeper in poll is woken by a byte over the socket (`signals`).
//!
//! Both words are written by one side and are hostile input to the other: any value makes a side
//! send a superfluous wake-up or sleep longer than it must, but never block. A sleeper in the futex
//! checks again after [`SHORT`] in any case.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::memory::{Memory, OwnMemory};
use crate::error::Result;
use crate::sys::futex::Slept;

/// The longest sleep in the futex. The end of the peer's process and other descriptors are noticed
/// after it, within 5 ms in all. It is beyond the next tick of a kernel with 250 ticks a second:
/// a timer that expires before the next tick has to be set in the hardware, which on a virtual
/// machine costs as much as the rest of the sleep (7.7 µs a round trip, against 5.2).
pub(super) const SHORT: Duration = Duration::from_micros(4500);

/// How a side sleeps, in the two low bits of its park word; 0 is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In `FUTEX_WAIT` on the waker's wake word, for [`SHORT`] at most.
    Futex = 1,
    /// In poll or epoll, where a byte over the socket wakes it.
    Poll = 2,
}

impl Stage {
    /// The bits of a park word that hold the stage; those above count the sleeps.
    const BITS: u64 = 3;

    /// Decodes a park word; `None` where its owner is awake, and for the value 3, which has no
    /// meaning.
    pub fn of(word: u64) -> Option<Stage> {
        match word & Stage::BITS {
            1 => Some(Stage::Futex),
            2 => Some(Stage::Poll),
            _ => None,
        }
    }
}

/// The sleeper's side: its own park word, and where the waker's wake word is.
#[derive(Debug)]
pub(super) struct Park {
    /// The offset of the park word in this side's page.
    at: usize,
    /// The offset of the wake word in the peer's page.
    wake_at: usize,
    /// The park word as it was stored last.
    word: u64,
}

impl Park {
    /// The park word at `at` of this side's page, awake; the peer's wake word is at `wake_at` of
    /// its page.
    pub const fn new(at: usize, wake_at: usize) -> Park {
        Park { at, wake_at, word: 0 }
    }

    /// Announces a sleep: stores a park word that was never used before, then makes a full fence.
    /// Check again for what is waited for after this, and before sleeping.
    pub fn park(&mut self, mine: &impl OwnMemory, stage: Stage) {
        self.word = ((self.word | Stage::BITS) + 1) | stage as u64;
        mine.store_fenced(self.at, self.word);
    }

    /// Ends a sleep: this side needs no wake-up any more. Does nothing when it is awake.
    pub fn unpark(&mut self, mine: &impl OwnMemory) {
        if self.word & Stage::BITS != 0 {
            self.word &= !Stage::BITS;
            mine.store(self.at, self.word, Ordering::Release);
        }
    }

    /// Parks and sleeps in the futex for at most `at_most`, unless `ready` finds what is waited
    /// for; awake afterwards. After [`Slept::TimedOut`] the caller checks again, too, in the next
    /// stage.
    ///
    /// # Errors
    /// Those of the futex call.
    pub fn sleep_briefly(
        &mut self,
        mine: &impl OwnMemory,
        peer: &impl Memory,
        at_most: Duration,
        ready: impl FnOnce() -> bool,
    ) -> Result<Slept> {
        // Before parking: a waker that sees the park word changes the wake word, and then the sleep
        // ends before it begins.
        let before = peer.load(self.wake_at, Ordering::Acquire);
        self.park(mine, Stage::Futex);
        let slept = if ready() { Ok(Slept::Woken) } else { peer.wait_while(self.wake_at, before, at_most) };
        self.unpark(mine);
        slept
    }
}

/// The waker's side: its wake word, and the park word for which it has woken the sleeper.
#[derive(Debug)]
pub(super) struct Waker {
    /// The offset of the wake word in this side's page.
    at: usize,
    /// The wake word as it was stored last.
    word: u64,
    /// The park word that was answered with a wake-up last; 0 for none.
    woken: u64,
}

impl Waker {
    /// A wake word at `at` of a fresh page, where it is 0.
    pub const fn new(at: usize) -> Waker {
        Waker { at, word: 0, woken: 0 }
    }

    /// A wake word as another waker of this side left it: for the last wake-up, when a link is
    /// closed.
    pub fn resume(at: usize, mine: &impl OwnMemory) -> Waker {
        Waker { at, word: mine.load(at, Ordering::Relaxed), woken: 0 }
    }

    /// Whether a sleeper with this park word is still to be woken. Load the word with a full fence
    /// between the change and the loading.
    pub fn is_due(&self, park: u64) -> bool {
        park & Stage::BITS != 0 && self.is_not_woken(park)
    }

    #[cold]
    fn is_not_woken(&self, park: u64) -> bool {
        park != self.woken
    }

    /// Returns the stage from which to wake a sleeper for which [`Waker::is_due`] is true, if its
    /// word has a meaning. From now on the sleeper counts as woken: it gets one wake-up for each
    /// sleep, whatever it writes.
    pub fn take(&mut self, park: u64) -> Option<Stage> {
        self.woken = park;
        Stage::of(park)
    }

    /// Wakes at most `at_most` sleepers in the futex, and returns how many were woken. The wake
    /// word changes first, so a sleeper that has checked for the last time and does not sleep yet
    /// returns at once. Never blocks.
    pub fn wake_futex(&mut self, mine: &impl OwnMemory, at_most: u32) -> u32 {
        self.word = self.word.wrapping_add(1);
        mine.store(self.at, self.word, Ordering::Release);
        mine.wake(self.at, at_most)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::memory::heap::Heap;
    use super::super::segment::at;
    use super::super::signals::Signal;
    use super::*;

    #[test]
    fn park_word_each_sleep_has_a_new_value_and_its_stage() {
        let memory = Heap::new(1024);
        let mut park = Park::new(at::DATA_PARK, at::DATA_WAKE);
        let mut seen = std::collections::HashSet::from([0]);
        for _ in 0..4 {
            for stage in [Stage::Futex, Stage::Poll] {
                park.park(&*memory, stage);
                let word = memory.load(at::DATA_PARK, Ordering::Relaxed);
                assert_eq!(Stage::of(word), Some(stage));
                assert!(seen.insert(word), "{word} was used before");
            }
            park.unpark(&*memory);
            assert_eq!(Stage::of(memory.load(at::DATA_PARK, Ordering::Relaxed)), None);
        }
    }

    #[test]
    fn waker_any_park_word_wakes_at_most_once() {
        let mut waker = Waker::new(at::DATA_WAKE);
        for word in [0, 1, 2, 3, 4, 5, u64::MAX, u64::MAX - 1, u64::MAX - 2, 1 << 63] {
            let due = waker.is_due(word);
            assert_eq!(due, word & 3 != 0);
            if due {
                let stage = waker.take(word);
                assert_eq!(stage.is_some(), word & 3 != 3, "{word}");
                assert!(!waker.is_due(word));
            }
        }
    }

    #[test]
    fn documents_have_the_park_word() {
        let meaning = [
            (Some(Stage::Futex), "asleep in `FUTEX_WAIT` on the peer's wake word"),
            (Some(Stage::Poll), "asleep in poll or epoll on the socket"),
        ];
        let mut rows = vec![["0–1".into(), "0".into(), "awake".into()]];
        for (stage, meaning) in meaning {
            let value = (0..4).find(|word| Stage::of(*word) == stage).unwrap();
            rows.push(["0–1".into(), value.to_string(), meaning.to_owned()]);
        }
        rows.push(["2–63".into(), "a count".into(), "another one for each sleep".into()]);
        let words = crate::documents::table(["bits", "value", "meaning"], rows);
        let bytes =
            [(Signal::Data as u8, "there is something to read"), (Signal::Room as u8, "there is room")]
                .map(|(byte, meaning)| [byte.to_string(), meaning.to_owned()]);
        let bytes = crate::documents::table(["byte over the socket", "meaning"], bytes);
        crate::documents::check("park word", &format!("{words}\n{bytes}"));
    }

    #[test]
    fn sleep_in_futex_without_wake_up_times_out() {
        let (mine, peer) = (Heap::new(1024), Heap::new(1024));
        let mut park = Park::new(at::DATA_PARK, at::DATA_WAKE);
        let slept = park.sleep_briefly(&mine, &peer, SHORT, || false).unwrap();
        assert_eq!(slept, Slept::TimedOut);
        assert_eq!(Stage::of(mine.load(at::DATA_PARK, Ordering::Relaxed)), None);
    }
}
