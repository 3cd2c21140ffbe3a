//! The lock of a message's content: any number of readers, or one thread that changes it.
//!
//! A message is nearly always used by one thread at a time, in many short calls. So the first user takes a word with
//! one exchange and gives it back with a store, where a lock of the standard library takes two exchanges. Readers that
//! find another reader there are counted in a second word.
//!
//! A reader that counts itself looks at the first word afterwards, and a thread that changes the content takes the
//! first word and looks at the count afterwards. These four steps are in one order for all threads, so at least one of
//! the two sees the other.
//!
//! The store that gives the first word back need not be in that order (C++20, [atomics.order], which Rust's atomics
//! follow): a reader whose look finds an earlier value than the one by which a thread takes the word for a change comes
//! before that step in the order, and so does its count. Miri also tries what the older text allowed, a look that finds
//! such a store of another time, so there the store is in the order.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// No one, or only counted readers.
const FREE: u8 = 0;
/// A reader.
const READ: u8 = 1;
/// A thread that changes the content.
const CHANGED: u8 = 2;

/// How the first word is given back: what was done with the value comes before the next use.
const GIVEN_BACK: Ordering = if cfg!(miri) { Ordering::SeqCst } else { Ordering::Release };

/// A value with its lock.
pub(super) struct Lock<T> {
    first: AtomicU8,
    /// Readers beside the one in `first`.
    readers: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: as for `RwLock`: readers in several threads share the value, and one thread at a time changes it.
unsafe impl<T: Send + Sync> Sync for Lock<T> {}

/// A reader.
pub(crate) struct Reading<'a, T> {
    lock: &'a Lock<T>,
    is_first: bool,
}

/// The one that changes the value.
pub(crate) struct Changing<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Lock<T> {
    pub fn new(value: T) -> Lock<T> {
        Lock { first: AtomicU8::new(FREE), readers: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// The value, to be changed without the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Takes the first word; else false.
    #[inline(always)]
    fn take(&self, by: u8) -> bool {
        self.first.compare_exchange(FREE, by, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Locks the value for reading.
    #[inline]
    pub fn read(&self) -> Reading<'_, T> {
        let is_first = self.take(READ);
        if !is_first {
            self.read_beside();
        }
        Reading { lock: self, is_first }
    }

    /// Counts a reader once no one changes the value, which takes a moment: no call that changes a message waits.
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

    /// Locks the value for a change; none while another call uses it.
    #[inline]
    pub fn try_change(&self) -> Option<Changing<'_, T>> {
        if !self.take(CHANGED) {
            return None;
        }
        let changing = Changing { lock: self };
        (self.readers.load(Ordering::SeqCst) == 0).then_some(changing)
    }

    /// The same once no other call uses it.
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

/// What a thread does between two looks at a lock that another thread has: it gives way, and is parked for a moment if
/// that does not help, because a thread with a priority of the real-time scheduler gives way to none of a lower one.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    /// How often a thread gives way before it is parked.
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
        // SAFETY: while there is a reader no thread changes the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Deref for Changing<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this one alone has the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Changing<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this one alone has the value.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Reading<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_first {
            // No other thread writes a word that is taken.
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

    /// Both numbers are changed together, so a reader never finds two different ones.
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
