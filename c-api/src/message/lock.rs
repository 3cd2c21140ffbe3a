//! The lock of a message's content: any number of readers, or one thread that changes it.
//!
//! Usually only one thread uses a message, in many short calls. So the first user takes a word with one exchange and
//! returns it with a store; a standard lock needs two exchanges. Further readers are counted in a second word.
//!
//! A reader counts itself, then looks at the first word. A changing thread takes the first word, then looks at the
//! count. All four steps are sequentially consistent, so at least one of the two sees the other.
//!
//! The store that returns the first word may be weaker (C++20, [atomics.order], which Rust follows). If a reader's look
//! finds a value older than the change, its look, and so its count, precede the change. Miri also tries an older memory
//! model, so there the store is sequentially consistent.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// No user, or only counted readers.
const FREE: u8 = 0;
const READ: u8 = 1;
const CHANGED: u8 = 2;

/// The order of the store that returns the first word: uses before it precede the next use.
const GIVEN_BACK: Ordering = if cfg!(miri) { Ordering::SeqCst } else { Ordering::Release };

pub(super) struct Lock<T> {
    first: AtomicU8,
    /// The readers, except the one in `first`.
    readers: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: as for `RwLock`: readers in several threads share the value, and one thread at a time changes it.
unsafe impl<T: Send + Sync> Sync for Lock<T> {}

pub(crate) struct Reading<'a, T> {
    lock: &'a Lock<T>,
    is_first: bool,
}

pub(crate) struct Changing<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Lock<T> {
    pub fn new(value: T) -> Lock<T> {
        Lock { first: AtomicU8::new(FREE), readers: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline(always)]
    fn take(&self, by: u8) -> bool {
        self.first.compare_exchange(FREE, by, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    #[inline]
    pub fn read(&self) -> Reading<'_, T> {
        let is_first = self.take(READ);
        if !is_first {
            self.read_beside();
        }
        Reading { lock: self, is_first }
    }

    /// Counts a reader as soon as no thread changes the value, which takes no waiting call.
    #[cold]
    fn read_beside(&self) {
        let mut pause = Pause::default();
        loop {
            self.readers.fetch_add(1, Ordering::SeqCst);
            if self.first.load(Ordering::SeqCst) != CHANGED {
                return;
            }
            self.readers.fetch_sub(1, Ordering::SeqCst);
            pause.once();
        }
    }

    /// Returns `None` while another call uses the value.
    #[inline]
    pub fn try_change(&self) -> Option<Changing<'_, T>> {
        if !self.take(CHANGED) {
            return None;
        }
        let changing = Changing { lock: self };
        (self.readers.load(Ordering::SeqCst) == 0).then_some(changing)
    }

    pub fn change(&self) -> Changing<'_, T> {
        let mut pause = Pause::default();
        loop {
            if let Some(changing) = self.try_change() {
                return changing;
            }
            pause.once();
        }
    }
}

/// A pause between two looks at a taken lock: yields first, then parks.
///
/// A real-time thread does not yield to threads of lower priority, so it must park.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    const YIELDS: u32 = 16;

    fn once(&mut self) {
        if self.0 < Self::YIELDS {
            self.0 += 1;
            std::thread::yield_now();
        } else {
            std::thread::park_timeout(Duration::from_micros(100));
        }
    }
}

impl<T> Deref for Reading<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while there is a reader, no thread changes the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Deref for Changing<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard has exclusive access.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Changing<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has exclusive access.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Reading<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_first {
            // No other thread writes a taken word.
            self.lock.first.store(FREE, GIVEN_BACK);
        } else {
            // Release: the reads come before the next change.
            self.lock.readers.fetch_sub(1, Ordering::Release);
        }
    }
}

impl<T> Drop for Changing<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.first.store(FREE, GIVEN_BACK);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn readers_share_the_value_and_keep_it_from_changing() {
        let lock = Lock::new(7);
        let (first, second) = (lock.read(), lock.read());
        assert_eq!((*first, *second, first.is_first, second.is_first), (7, 7, true, false));
        assert!(lock.try_change().is_none());
        drop(first);
        assert!(lock.try_change().is_none(), "the second reader is there");
        let third = lock.read();
        assert!(third.is_first);
        drop((second, third));
        let mut changing = lock.try_change().unwrap();
        *changing = 8;
        assert!(lock.try_change().is_none());
        drop(changing);
        assert_eq!(*lock.read(), 8);
    }

    /// Both numbers change together, so a reader never finds different ones.
    #[test]
    fn no_reader_sees_a_change_in_progress() {
        const ROUNDS: u64 = if cfg!(miri) { 50 } else { 20_000 };
        let lock = &Lock::new((0u64, 0u64));
        let changed = thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let there = lock.read();
                        assert_eq!(there.0, std::hint::black_box(&there).1);
                    }
                });
            }
            let change = move || {
                let mut changed = 0u64;
                for round in 0..ROUNDS {
                    let mut there = if round % 2 == 0 {
                        lock.change()
                    } else {
                        let Some(there) = lock.try_change() else { continue };
                        there
                    };
                    there.0 += 1;
                    let first = std::hint::black_box(there.0);
                    there.1 = first;
                    changed += 1;
                }
                changed
            };
            let others = [scope.spawn(change), scope.spawn(change)];
            others.map(|other| other.join().unwrap()).iter().sum::<u64>()
        });
        assert_eq!(*lock.read(), (changed, changed));
    }
}
