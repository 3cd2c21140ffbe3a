//! Waiting for a word of shared memory to change, and waking the waiting threads.
//!
//! The kernel compares the low 32 bits of the word; callers count upwards.

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};

use super::poll::timespec;
use crate::error::{Doing, Result};
use crate::{kernel_entry, sleeping};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slept {
    /// The word changed or a wake-up came, perhaps a spurious one.
    Woken,
    /// The time has passed.
    TimedOut,
    /// A signal arrived.
    Interrupted,
}

/// Sleeps while the low halves of the word and `value` are equal, for at most this long.
///
/// A process that may write the word can end the sleep and cannot prolong it.
///
/// # Errors
/// The system call's, a defect of the caller.
pub fn wait(word: &AtomicU64, value: u64, at_most: Duration) -> Result<Slept> {
    kernel_entry::assert_allowed();
    sleeping::assert_driven();
    // Not `PRIVATE`: the other process maps the page at another address.
    match futex::wait(low_half(word), Flags::empty(), value as u32, Some(&timespec(at_most))) {
        Ok(()) | Err(Errno::AGAIN) => Ok(Slept::Woken),
        Err(Errno::TIMEDOUT) => Ok(Slept::TimedOut),
        Err(Errno::INTR) => Ok(Slept::Interrupted),
        Err(e) => Err(e).doing("waiting on a word of shared memory (futex)"),
    }
}

/// Wakes at most this many waiting threads of any process; returns how many. Does not block.
pub fn wake(word: &AtomicU64, at_most: u32) -> u32 {
    // The kernel reads a signed number.
    let at_most = at_most.min(i32::MAX.unsigned_abs());
    // Fails only for a word that is not mapped.
    let woken = futex::wake(low_half(word), Flags::empty(), at_most).unwrap_or(0);
    u32::try_from(woken).unwrap_or(u32::MAX)
}

/// The 32 bits that the kernel compares.
fn low_half(word: &AtomicU64) -> &AtomicU32 {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: four of the word's bytes, aligned and alive as it is. Only the kernel reads through it, atomically.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::memory::{MemoryFile, PeerMemory};

    const AT: usize = 64;

    #[test]
    fn futex_wait_changed_word_returns_at_once() {
        let word = AtomicU64::new(7);
        assert_eq!(wait(&word, 6, Duration::from_secs(60)).unwrap(), Slept::Woken);
        assert_eq!(wait(&word, 7, Duration::from_millis(1)).unwrap(), Slept::TimedOut);
    }

    #[test]
    fn futex_wake_without_a_bound_wakes_every_sleeper() {
        const SLEEPERS: u32 = 4;
        let (word, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut most = 0;
        std::thread::scope(|s| {
            for _ in 0..SLEEPERS {
                s.spawn(|| {
                    while !done.load(Ordering::Acquire) {
                        wait(&word, 0, Duration::from_millis(200)).unwrap();
                    }
                });
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            while most < SLEEPERS && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
                most = most.max(wake(&word, u32::MAX));
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(most, SLEEPERS, "no call woke all of them within 20 s");
    }

    #[test]
    fn futex_wait_read_only_mapping_is_woken_through_the_writable_one() {
        let own = MemoryFile::create("linkspan-test", 4096).unwrap();
        let peer = PeerMemory::open(&own.sent(), 4096, 4096).unwrap();
        std::thread::scope(|s| {
            let sleeping = s.spawn(|| peer.wait_while(AT, 0, Duration::from_secs(60)).unwrap());
            while !sleeping.is_finished() {
                own.word(AT).fetch_add(1 << 32, Ordering::Release);
                own.wake(AT, 1);
                std::thread::yield_now();
            }
            assert_eq!(sleeping.join().unwrap(), Slept::Woken, "the high half is not compared");
        });
    }
}
