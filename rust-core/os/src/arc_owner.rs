//! A shared value whose owner lends it without counting; only concurrent further borrowers count.
//!
//! One thread at a time is the owner. It writes `OUT` when it lends the uncounted reference. The borrower's drop
//! exchanges that for `HOME`. A dropped owner exchanges it for `LEFT`. The later of the two drops the value.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::seat::note_locked;

#[cfg(loom)]
use loom::sync::atomic::AtomicU8;
#[cfg(not(loom))]
use std::sync::atomic::AtomicU8;

/// The owner has the uncounted reference.
const HOME: u8 = 0;
const OUT: u8 = 1;
/// A borrower has it, and the owner is gone.
const LEFT: u8 = 2;

struct ArcInner<T> {
    state: AtomicU8,
    value: T,
}

/// The owner of a value that it lends.
pub struct ArcOwner<T> {
    shared: ManuallyDrop<Arc<ArcInner<T>>>,
    /// Whether there may be counted references besides the owner's.
    has_counted: bool,
}

/// A borrowed reference.
pub struct ArcRef<T> {
    shared: ManuallyDrop<Arc<ArcInner<T>>>,
    is_counted: bool,
}

/// The order of the exchanges; a mutant of the model has none.
fn order() -> Ordering {
    #[cfg(loom)]
    if UNORDERED.get() {
        return Ordering::Relaxed;
    }
    Ordering::AcqRel
}

fn order_of_lending() -> Ordering {
    if order() == Ordering::Relaxed { Ordering::Relaxed } else { Ordering::Acquire }
}

#[cfg(loom)]
std::thread_local! {
    /// Whether the mutant omits the order; all threads of a model run on one system thread.
    static UNORDERED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl<T> ArcOwner<T> {
    /// Returns the owner of a value.
    pub fn new(value: T) -> ArcOwner<T> {
        let shared = Arc::new(ArcInner { state: AtomicU8::new(HOME), value });
        ArcOwner { shared: ManuallyDrop::new(shared), has_counted: false }
    }

    /// Returns whether no borrower has the value; it stays so until the next [`ArcOwner::lend`].
    ///
    /// All accesses of earlier borrowers precede the return.
    pub fn is_home(&mut self) -> bool {
        if self.shared.state.load(order_of_lending()) != HOME {
            return false;
        }
        if self.has_counted {
            self.has_counted = Arc::get_mut(&mut self.shared).is_none();
        }
        !self.has_counted
    }

    /// Lends the value.
    pub fn lend(&mut self) -> ArcRef<T> {
        // Acquire: the last borrower's accesses precede this, and so the drop of the value. Relaxed below: passing the
        // reference to another thread orders it.
        if self.shared.state.load(order_of_lending()) != HOME {
            self.has_counted = true;
            return ArcRef { shared: self.shared.clone_counted(), is_counted: true };
        }
        self.shared.state.store(OUT, Ordering::Relaxed);
        // SAFETY: the count stays, and one of the two gives it up: the owner while the reference is at home, otherwise
        // the borrower. See both drops.
        let shared = unsafe { std::ptr::read(&raw const self.shared) };
        ArcRef { shared, is_counted: false }
    }
}

trait CloneCounted {
    fn clone_counted(&self) -> Self;
}

impl<T> CloneCounted for ManuallyDrop<Arc<T>> {
    #[cold]
    fn clone_counted(&self) -> Self {
        note_locked();
        ManuallyDrop::new(Arc::clone(self))
    }
}

impl<T> Drop for ArcOwner<T> {
    fn drop(&mut self) {
        if self.shared.state.swap(LEFT, order()) != OUT {
            // SAFETY: no borrower has the reference or can get it; this is dropped once.
            unsafe { ManuallyDrop::drop(&mut self.shared) };
        }
    }
}

impl<T> Drop for ArcRef<T> {
    fn drop(&mut self) {
        note_locked();
        if self.is_counted || self.shared.state.swap(HOME, order()) == LEFT {
            // SAFETY: the reference counts, or the owner has left its count to it; this is dropped once. Otherwise
            // nothing more is touched.
            unsafe { ManuallyDrop::drop(&mut self.shared) };
        }
    }
}

impl<T> Deref for ArcOwner<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared.value
    }
}

impl<T> Deref for ArcRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.shared.value
    }
}

impl<T: fmt::Debug> fmt::Debug for ArcOwner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Debug> fmt::Debug for ArcRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn value_is_dropped_once_with_its_last_reference() {
        let inside = Arc::new(());
        let owner = || ArcOwner::new(inside.clone());
        for drops in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
            let mut owner = owner();
            let (first, second) = (owner.lend(), owner.lend());
            assert!(!first.is_counted && second.is_counted);
            let mut all: [Option<Box<dyn std::any::Any>>; 3] =
                [Some(Box::new(owner)), Some(Box::new(first)), Some(Box::new(second))];
            for (n, which) in drops.into_iter().enumerate() {
                assert_eq!(Arc::strong_count(&inside), 2, "{drops:?} {n}");
                all[which].take();
            }
            assert_eq!(Arc::strong_count(&inside), 1, "{drops:?}");
        }
        let mut owner = owner();
        for _ in 0..3 {
            let lent = owner.lend();
            assert!(!lent.is_counted && Arc::ptr_eq(&lent, &inside) && !owner.is_home());
            drop(lent);
            assert!(owner.is_home());
        }
        let (first, second) = (owner.lend(), owner.lend());
        drop(first);
        assert!(!owner.is_home() && second.is_counted);
        drop(second);
        assert!(owner.is_home() && !owner.has_counted);
        drop(owner);
        assert_eq!(Arc::strong_count(&inside), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use loom::cell::UnsafeCell;
    use loom::thread;

    use super::*;

    /// A value that its drop writes, read before.
    struct Read(UnsafeCell<u64>, std::sync::Arc<std::sync::atomic::AtomicUsize>);

    // SAFETY: the model finds accesses without order.
    unsafe impl Sync for Read {}

    impl Drop for Read {
        fn drop(&mut self) {
            self.0.with_mut(|_| ());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn borrower_and_owner() {
        loom::model(|| {
            let dropped = std::sync::Arc::default();
            let mut owner = ArcOwner::new(Read(UnsafeCell::new(0), std::sync::Arc::clone(&dropped)));
            let first = owner.lend();
            let other = thread::spawn(move || first.0.with(|_| ()));
            let second = owner.lend();
            second.0.with(|_| ());
            // The model does not contain the standard library's counts, so a counted reference is kept.
            let is_kept = second.is_counted;
            if is_kept {
                std::mem::forget(second)
            } else {
                drop(second)
            }
            drop(owner);
            other.join().unwrap();
            assert_eq!(dropped.load(Ordering::SeqCst), usize::from(!is_kept));
        });
    }

    fn borrower_without_owner() {
        loom::model(|| {
            let dropped = std::sync::Arc::default();
            let mut owner = ArcOwner::new(Read(UnsafeCell::new(0), std::sync::Arc::clone(&dropped)));
            let lent = owner.lend();
            let other = thread::spawn(move || lent.0.with(|_| ()));
            (*owner).0.with(|_| ());
            drop(owner);
            other.join().unwrap();
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
        });
    }

    struct Written(UnsafeCell<u64>);

    // SAFETY: the model finds accesses without order.
    unsafe impl Sync for Written {}

    fn borrower_and_writer() {
        loom::model(|| {
            let mut owner = ArcOwner::new(Written(UnsafeCell::new(0)));
            let first = owner.lend();
            let other = thread::spawn(move || first.0.with(|_| ()));
            if owner.is_home() {
                let second = owner.lend();
                assert!(!second.is_counted);
                second.0.with_mut(|_| ());
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn lent_value_is_written_after_its_last_reader() {
        borrower_and_writer();
    }

    #[test]
    fn lent_value_is_dropped_once_after_its_last_reader() {
        borrower_and_owner();
        borrower_without_owner();
    }

    #[test]
    fn mutants_without_order_are_found() {
        for model in [borrower_and_owner, borrower_without_owner, borrower_and_writer] {
            UNORDERED.set(true);
            let found = catch_unwind(AssertUnwindSafe(model)).is_err();
            UNORDERED.set(false);
            assert!(found, "the protocol without order passes this model");
        }
    }
}
