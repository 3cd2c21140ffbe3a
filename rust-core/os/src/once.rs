//! A place for a value that one thread writes and all threads then read.
//!
//! A thread that finds another one writing does without the place.

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::atomic::Ordering;

#[cfg(loom)]
use loom::sync::atomic::AtomicU8;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU8;

const EMPTY: u8 = 0;
const TAKEN: u8 = 1;
/// The value stays as long as the place is shared.
const FULL: u8 = 2;

/// A place for one value, whose memory is reused when it is empty.
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<T>,
}

// SAFETY: one thread writes before any reads; then all threads share it, and any may drop it.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

/// The order of the store after the value; a mutant has none.
fn order() -> Ordering {
    #[cfg(loom)]
    if UNORDERED.get() {
        return Ordering::Relaxed;
    }
    Ordering::Release
}

#[cfg(loom)]
std::thread_local! {
    /// Whether the mutant omits the order; all threads of a model run on one system thread.
    static UNORDERED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl<T> Once<T> {
    /// Returns an empty place.
    pub fn new(unused: T) -> Once<T> {
        Once { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(unused) }
    }

    /// Returns the value, if it is set.
    pub fn get(&self) -> Option<&T> {
        // Acquire: pairs with the store in `put`, so the value is seen whole.
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: written before the state, and not again while the place is shared.
        Some(unsafe { &*self.value.get() })
    }

    /// Writes the value and returns it; `None` if it exists, or another thread is writing one.
    ///
    /// After a panic in `write` the place is unusable until cleared.
    pub fn put(&self, write: impl FnOnce(&mut T)) -> Option<&T> {
        // Relaxed: no thread that shares the place has written before.
        self.state.compare_exchange(EMPTY, TAKEN, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        // SAFETY: only this thread has taken the place, and none reads before the store.
        write(unsafe { &mut *self.value.get() });
        self.state.store(FULL, order());
        // SAFETY: not written again while the place is shared.
        Some(unsafe { &*self.value.get() })
    }

    /// Empties the place. `clear` drops parts whose memory is not reused.
    pub fn clear(&mut self, clear: impl FnOnce(&mut T)) {
        clear(self.value.get_mut());
        // Relaxed: `&mut self`; sharing it later orders this store.
        self.state.store(EMPTY, Ordering::Relaxed);
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn value_is_put_there_once_until_the_place_is_cleared() {
        let mut place = Once::new(String::new());
        for round in ["first", "second"] {
            assert_eq!(place.get(), None);
            assert_eq!(place.put(|text| text.push_str(round)).map(String::as_str), Some(round));
            assert_eq!(place.put(|_| panic!("there is one")), None);
            assert_eq!(place.get().map(String::as_str), Some(round));
            place.clear(String::clear);
        }
    }

    #[test]
    fn threads_find_the_value_of_the_one_that_came_first() {
        for _ in 0..if cfg!(miri) { 5 } else { 500 } {
            let place = Once::new([0; 8]);
            let put = std::thread::scope(|scope| {
                let threads = [1u64, 2, 3].map(|n| {
                    let place = &place;
                    scope.spawn(move || {
                        let mine = place.put(|there| *there = [n; 8]).map(|there| there[7]);
                        assert!(place.get().is_none_or(|there| there.iter().all(|one| *one == there[0])));
                        mine
                    })
                });
                threads.map(|thread| thread.join().unwrap()).into_iter().flatten().collect::<Vec<_>>()
            });
            assert_eq!(place.get().map(|there| vec![there[0]]), Some(put));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    struct Written(UnsafeCell<u64>);

    // SAFETY: the model finds accesses without order.
    unsafe impl Sync for Written {}

    /// Two threads put a value there, and a third one reads.
    fn two_writers_and_reader() {
        loom::model(|| {
            let place = Arc::new(Once::new(Written(UnsafeCell::new(0))));
            let put = |number| {
                let place = Arc::clone(&place);
                move || {
                    let write = |value: &mut Written| {
                        // SAFETY: the model finds accesses without order.
                        value.0.with_mut(|there| unsafe { *there = number });
                    };
                    place.put(write).is_some()
                }
            };
            let others = [thread::spawn(put(1)), thread::spawn(put(2))];
            if let Some(there) = place.get() {
                // SAFETY: as below.
                there.0.with(|there| assert_ne!(unsafe { *there }, 0));
            }
            let put = others.map(|other| other.join().unwrap());
            assert!(put[0] != put[1]);
            assert!(place.get().is_some());
        });
    }

    #[test]
    fn value_is_read_as_it_was_written() {
        two_writers_and_reader();
    }

    #[test]
    fn mutant_without_order_is_found() {
        UNORDERED.set(true);
        let found = catch_unwind(AssertUnwindSafe(two_writers_and_reader)).is_err();
        UNORDERED.set(false);
        assert!(found, "the protocol without order passes this model");
    }
}
