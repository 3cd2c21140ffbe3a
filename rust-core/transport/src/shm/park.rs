//! Parking and waking: a word in the sleeper's page says how it sleeps; the waker wakes once per value.
//!
//! | sleeper | waker |
//! |---|---|
//! | stores a new park word, full fence | makes its changes visible, full fence |
//! | checks its condition again | loads the park word |
//! | sleeps | wakes it, once, if the word says that it sleeps |
//!
//! The side whose full fence comes second sees the other's store, so no wake-up is lost. A sleeper in the futex sleeps
//! on the *waker's* wake word, which it maps read-only. The waker changes that word first, so a sleeper that is about
//! to sleep returns at once. A byte over the socket wakes a sleeper in poll (`signals`).
//!
//! Each word is hostile input to the other side. Any value causes at most a superfluous wake-up or a longer sleep: a
//! sleeper in the futex checks again after [`SHORT`].

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::memory::{Memory, OwnMemory};
use crate::error::Result;
use crate::sys::futex::Slept;

/// The longest sleep in the futex; the end of the peer's process is noticed after it.
///
/// It exceeds a tick of a kernel with 250 ticks a second. A timer within the present tick must be set in the hardware,
/// which costs a virtual machine 2.5 µs more per round trip.
pub(super) const SHORT: Duration = Duration::from_micros(4500);

/// How a side sleeps, in the two low bits of its park word; 0 is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In `FUTEX_WAIT` on the waker's wake word, for at most [`SHORT`].
    Futex = 1,
    /// In poll or epoll, until a byte arrives over the socket.
    Poll = 2,
}

impl Stage {
    /// The bits of a park word that hold the stage; the higher bits count the sleeps.
    const BITS: u64 = 3;

    /// Decodes a park word; `None` if its owner is awake, and for the undefined value 3.
    pub fn of(word: u64) -> Option<Stage> {
        match word & Stage::BITS {
            1 => Some(Stage::Futex),
            2 => Some(Stage::Poll),
            _ => None,
        }
    }
}

/// The sleeper's side.
#[derive(Debug)]
pub(super) struct Park {
    /// In this side's page.
    at: usize,
    /// In the peer's page.
    wake_at: usize,
    /// As last stored.
    word: u64,
}

impl Park {
    pub const fn new(at: usize, wake_at: usize) -> Park {
        Park { at, wake_at, word: 0 }
    }

    /// Announces a sleep: stores a new park word, then makes a full fence. The caller then checks again.
    pub fn park(&mut self, mine: &impl OwnMemory, stage: Stage) {
        self.word = ((self.word | Stage::BITS) + 1) | stage as u64;
        mine.store_fenced(self.at, self.word);
    }

    pub fn unpark(&mut self, mine: &impl OwnMemory) {
        if self.word & Stage::BITS != 0 {
            self.word &= !Stage::BITS;
            mine.store(self.at, self.word, Ordering::Release);
        }
    }

    /// Parks and sleeps in the futex for at most `at_most`, or returns at once if `ready` returns true.
    ///
    /// After [`Slept::TimedOut`] the caller checks again in the next stage.
    ///
    /// # Errors
    /// From the futex call.
    pub fn sleep_briefly(
        &mut self,
        mine: &impl OwnMemory,
        peer: &impl Memory,
        at_most: Duration,
        ready: impl FnOnce() -> bool,
    ) -> Result<Slept> {
        // Before parking: a waker that sees the park word changes the wake word, which ends the sleep at once.
        let before = peer.load(self.wake_at, Ordering::Acquire);
        self.park(mine, Stage::Futex);
        let slept = if ready() { Ok(Slept::Woken) } else { peer.wait_while(self.wake_at, before, at_most) };
        self.unpark(mine);
        slept
    }
}

/// The waker's side.
#[derive(Debug)]
pub(super) struct Waker {
    /// In this side's page.
    at: usize,
    /// As last stored.
    word: u64,
    /// The last park word answered with a wake-up; 0 for none.
    woken: u64,
}

impl Waker {
    pub const fn new(at: usize) -> Waker {
        Waker { at, word: 0, woken: 0 }
    }

    /// Continues with another waker's wake word, for the last wake-up when a link closes.
    pub fn resume(at: usize, mine: &impl OwnMemory) -> Waker {
        Waker { at, word: mine.load(at, Ordering::Relaxed), woken: 0 }
    }

    /// Whether a sleeper with this park word, loaded after a full fence, needs a wake-up.
    pub fn is_due(&self, park: u64) -> bool {
        park & Stage::BITS != 0 && self.is_not_woken(park)
    }

    #[cold]
    fn is_not_woken(&self, park: u64) -> bool {
        park != self.woken
    }

    /// Returns the stage of a sleeper for which [`Waker::is_due`] is true, and counts it as woken.
    ///
    /// A sleeper gets one wake-up for each sleep; its writes cannot change that.
    pub fn take(&mut self, park: u64) -> Option<Stage> {
        self.woken = park;
        Stage::of(park)
    }

    /// Wakes at most `at_most` sleepers in the futex, and returns how many. Never blocks.
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
