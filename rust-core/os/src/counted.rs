//! A value with counted owners, like `Arc` but without weak references. A test for a single owner is
//! one load, where `Arc::get_mut` locks the count of weak references with an atomic operation. A
//! message makes this test each time that its memory is reused.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of the owners of a value; the last one drops it.
pub struct Counted<T> {
    place: NonNull<CountedInner<T>>,
    owns: PhantomData<CountedInner<T>>,
}

/// The value and the number of its owners.
struct CountedInner<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: as for `Arc`: owners in several threads share the value, and the last one drops it.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as above; a shared owner gives away a shared value, or another owner.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Counted<T> {
    /// Returns the first owner.
    pub fn new(value: T) -> Counted<T> {
        let place = Box::new(CountedInner { owners: AtomicUsize::new(1), value });
        Counted { place: NonNull::from(Box::leak(place)), owns: PhantomData }
    }

    fn place(&self) -> &CountedInner<T> {
        // SAFETY: the place lives until its last owner is dropped.
        unsafe { self.place.as_ref() }
    }

    /// Returns whether this is the only owner. It stays so: another owner can come from this one alone.
    #[inline]
    pub fn is_only(&self) -> bool {
        // Acquire: what other owners did comes before what this one does now.
        self.place().owners.load(Ordering::Acquire) == 1
    }

    /// Returns the value to be changed, if this is the only owner.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        if !self.is_only() {
            return None;
        }
        // SAFETY: there is one owner, which is borrowed alone, and another one can be made of it alone.
        Some(unsafe { &mut self.place.as_mut().value })
    }
}

impl<T> Clone for Counted<T> {
    fn clone(&self) -> Counted<T> {
        // Relaxed: another thread can get the new owner only from this one, with synchronization.
        let before = self.place().owners.fetch_add(1, Ordering::Relaxed);
        // Leaked owners could overflow the count, as in `Arc`.
        if before > isize::MAX as usize {
            std::process::abort();
        }
        Counted { place: self.place, owns: PhantomData }
    }
}

impl<T> Drop for Counted<T> {
    #[inline]
    fn drop(&mut self) {
        if self.place().owners.fetch_sub(1, Ordering::Release) == 1 {
            // Accesses by other owners come before the drop. A load, because ThreadSanitizer does not support
            // fences.
            self.place().owners.load(Ordering::Acquire);
            // SAFETY: `new` leaked this box, and its last owner is gone.
            drop(unsafe { Box::from_raw(self.place.as_ptr()) });
        }
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.place().value
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Counted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn counted_value_is_changed_by_its_only_owner_and_dropped_with_the_last() {
        let inside = Arc::new(());
        let mut first = Counted::new((1, inside.clone()));
        first.get_mut().expect("one owner").0 = 2;
        let second = first.clone();
        assert!(first.get_mut().is_none() && !second.is_only());
        assert_eq!((first.0, second.0), (2, 2));
        drop(first);
        assert!(second.is_only());
        assert_eq!(Arc::strong_count(&inside), 2);
        drop(second);
        assert_eq!(Arc::strong_count(&inside), 1);
    }

    /// Each thread changes the value once it alone is left; the changes of all are seen.
    #[test]
    fn last_owner_sees_changes_of_other_owners() {
        use std::sync::atomic::AtomicU64;
        for _ in 0..100 {
            let value = Counted::new(AtomicU64::new(0));
            let run = |mut own: Counted<AtomicU64>| {
                own.fetch_add(1, Ordering::Relaxed);
                own.get_mut().map(|count| *count.get_mut())
            };
            let seen: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        let own = value.clone();
                        scope.spawn(move || run(own))
                    })
                    .collect();
                drop(value);
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            // Two threads may both see another owner; one that is the only owner sees all changes.
            assert!(seen.iter().all(|count| *count == 4), "{seen:?}");
        }
    }
}
