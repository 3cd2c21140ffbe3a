//! An allocator that counts the memory of each thread, for tests of a call's memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
    static TIMES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are plain cells of this
// thread, and without a destructor they can be reached at any time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        TIMES.set(TIMES.get() + 1);
        MOST.set(MOST.get().max(held));
        // SAFETY: the caller's promises are the system allocator's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are the system allocator's own.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the result of a call, and the number of its allocations.
#[allow(dead_code, reason = "each suite uses its part of it")]
pub fn allocations<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = TIMES.get();
    let done = call();
    (done, TIMES.get() - before)
}

/// Returns the result of a call, and the most additional bytes that it held at once.
#[allow(dead_code, reason = "each suite uses its part of it")]
pub fn peak<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let done = call();
    (done, MOST.get() - before)
}
