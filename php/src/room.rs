//! The one guard of what PHP allocates for a value: where `memory_limit`, or the system, leaves no room for it, that is
//! an exception, and no end of the script.
//!
//! PHP compares the limit with what it has of the system: chunks of 2 MiB, and whole pages for what is longer. How
//! much of a chunk is free for blocks of which length cannot be asked. So a value that may not fit is made without the
//! limit, and given up if PHP then has more than the limit allows.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use ext_php_rs::class::RegisteredClass;
use ext_php_rs::types::ZendClassObject;
use ext_php_rs::zend::{BailoutGuard, ProcessGlobals};
use linkspan::{Error, ErrorKind, Result};

unsafe extern "C" {
    fn zend_memory_usage(real: bool) -> usize;
    fn zend_set_memory_limit(limit: usize) -> c_int;
    fn zend_mm_get_heap() -> *mut c_void;
    fn zend_mm_gc(heap: *mut c_void) -> usize;
}

/// Bytes that PHP takes beside a value, at most: the rest of three chunks, for blocks of every length, one that is
/// long, and the list of long ones.
const BESIDE: usize = 3 << 21;
/// PHP takes no more than so many times a rough size: lengths are rounded up, and what does not fit into the end of a
/// chunk is in the next one.
const AT_MOST: usize = 4;
/// The rough size of an object of one of our classes, with its place in a list and among PHP's objects.
pub const OBJECT: usize = 128;
/// The length of block in which PHP has an object, of those that are less than the rough size allows.
const BLOCK: usize = 448;

/// Whether the rough size holds for objects of a class: checked when this is compiled.
pub const fn is_roughly_object<T: RegisteredClass>() -> bool {
    size_of::<ZendClassObject<T>>() <= BLOCK && BLOCK + 48 <= AT_MOST * OBJECT
}

thread_local! {
    /// Whether a value is being made without the limit, with all that is in it.
    static IS_RAISED: Cell<bool> = const { Cell::new(false) };
}

/// PHP has longer blocks of the system one by one, at multiples of this address.
const CHUNK: usize = 2 << 20;

/// The size of a value for which PHP allocates.
#[derive(Clone, Copy)]
pub enum Size {
    /// A string of so many bytes.
    Bytes(usize),
    /// A value of so many bytes, roughly: PHP takes at most four times as much.
    Roughly(usize),
    /// A value of any size.
    Unknown,
}

/// Runs what makes a value of PHP's. `least` is a lower bound of the bytes that it takes: one for which there is no
/// room is not begun.
///
/// # Errors
/// `OutOfMemory` with the text of `refused`, which gets that lower bound and what the limit leaves; also where the
/// system has no memory, which ends the script where PHP asks for it.
pub fn within_limit<T>(
    size: Size,
    least: impl FnOnce() -> usize,
    refused: impl FnOnce(usize, usize) -> String,
    make: impl FnOnce() -> T,
) -> Result<T> {
    check_system(size)?;
    let Some(limit) = limit().filter(|limit| is_close(*limit, size)) else { return Ok(make()) };
    let out_of_memory = |least, left| Err(Error::new(ErrorKind::OutOfMemory, refused(least, left)));
    let (least, left) = (least(), limit.saturating_sub(usage(false)));
    if least > left {
        return out_of_memory(least, left);
    }
    // A part of what is being made already.
    if IS_RAISED.get() {
        return Ok(make());
    }
    // A fatal error of another kind restores the limit as well.
    let raised = BailoutGuard::new(Raised::above(limit));
    let made = make();
    if fits(limit) {
        return Ok(made);
    }
    drop(made);
    drop(raised);
    out_of_memory(least, limit.saturating_sub(usage(true)))
}

/// Runs what makes a value of PHP's that has to be there, such as one for what was received already: beyond the limit,
/// if need be, after which PHP gives nothing more.
pub fn beyond_limit<T>(size: Size, make: impl FnOnce() -> T) -> T {
    let Some(limit) = limit().filter(|limit| is_close(*limit, size)) else { return make() };
    if IS_RAISED.get() {
        return make();
    }
    let raised = BailoutGuard::new(Raised::above(limit));
    let made = make();
    drop(raised);
    made
}

/// Returns how many objects of our classes surely fit, of so many.
pub fn objects_that_fit(most: usize) -> usize {
    let Some(limit) = limit() else { return most };
    let left = limit.saturating_sub(usage(true)).saturating_sub(BESIDE);
    most.min(left / (OBJECT * AT_MOST))
}

/// The limit; `None` if there is none.
fn limit() -> Option<usize> {
    usize::try_from(ProcessGlobals::get().memory_limit).ok().filter(|limit| *limit < isize::MAX as usize)
}

/// Whether something of this size might reach the limit.
fn is_close(limit: usize, size: Size) -> bool {
    let most = match size {
        Size::Bytes(length) => length,
        Size::Roughly(bytes) => bytes.saturating_mul(AT_MOST),
        Size::Unknown => usize::MAX,
    };
    limit.saturating_sub(usage(true)) < most.saturating_add(BESIDE)
}

/// Refuses what is longer than a chunk where the system has no memory for it.
fn check_system(size: Size) -> Result<()> {
    let (Size::Bytes(bytes) | Size::Roughly(bytes)) = size else { return Ok(()) };
    let mut probe = Vec::<u8>::new();
    if bytes < CHUNK || probe.try_reserve_exact(bytes.saturating_add(2 * CHUNK)).is_ok() {
        // An allocation that nothing looks at need not be made.
        std::hint::black_box(&probe);
        return Ok(());
    }
    let text = format!("the system has no memory for the {bytes} bytes that the value takes in PHP");
    Err(Error::new(ErrorKind::OutOfMemory, text))
}

/// Bytes that are in use, or that PHP has of the system.
fn usage(of_system: bool) -> usize {
    // SAFETY: only reads a counter of the engine.
    unsafe { zend_memory_usage(of_system) }
}

/// Sets the limit of the engine; false where PHP has more than that.
fn set(limit: usize) -> bool {
    // SAFETY: changes a number of this thread's heap, and gives back chunks that no block is in.
    unsafe { zend_set_memory_limit(limit) == 0 }
}

/// Sets the limit if PHP has no more than that, if need be without the pages that no block is in, as PHP itself does
/// before it refuses.
fn fits(limit: usize) -> bool {
    // Twice: where chunks that were kept for later are given back, the limit is not set.
    let is_set = || set(limit) && set(limit);
    is_set() || {
        // SAFETY: the heap is this thread's; no block that is in use is moved.
        unsafe { zend_mm_gc(zend_mm_get_heap()) };
        is_set()
    }
}

/// The time without the limit.
struct Raised {
    limit: usize,
}

impl Raised {
    fn above(limit: usize) -> Raised {
        IS_RAISED.set(true);
        set(isize::MAX as usize);
        Raised { limit }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        IS_RAISED.set(false);
        if !fits(self.limit) {
            // What the value has left behind, such as a table of the engine that grew: nothing more is allowed, as at
            // the limit.
            set(usage(true));
        }
    }
}
