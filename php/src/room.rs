//! Allocates PHP values near `memory_limit`: too little memory throws and does not end the script.
//!
//! PHP compares the limit with its memory from the system: chunks of 2 MiB, and whole pages for longer blocks. The free
//! lengths in a chunk are unknown. So a value that may not fit is made without the limit, and given up if PHP then
//! exceeds it.

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

/// The most bytes that PHP takes besides a value: the rest of three chunks.
///
/// They hold blocks of every length, a long block, and the list of long blocks.
const BESIDE: usize = 3 << 21;
/// The most times that PHP may take a rough size.
///
/// PHP rounds lengths up, and puts a block that does not fit at the end of a chunk into the next one.
const AT_MOST: usize = 4;
/// The rough size of an object of our classes, with its places in a list and among PHP's objects.
pub const OBJECT: usize = 128;
/// The largest block for an object that is within the rough size.
const BLOCK: usize = 448;

pub const fn is_roughly_object<T: RegisteredClass>() -> bool {
    size_of::<ZendClassObject<T>>() <= BLOCK && BLOCK + 48 <= AT_MOST * OBJECT
}

thread_local! {
    /// Whether PHP is making a value, with its parts, without the limit.
    static IS_RAISED: Cell<bool> = const { Cell::new(false) };
}

/// PHP gets longer blocks from the system one by one, at multiples of this address.
const CHUNK: usize = 2 << 20;

#[derive(Clone, Copy)]
pub enum Size {
    Bytes(usize),
    /// PHP takes at most four times as many bytes.
    Roughly(usize),
    Unknown,
}

/// Makes a PHP value, of at least `least` bytes: if that exceeds the limit, nothing is made.
///
/// # Errors
/// `OutOfMemory` with the text of `refused`, which gets `least` and the bytes that the limit leaves. Also if the system
/// has no memory, which in PHP would end the script.
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
    // A part of a value that is being made.
    if IS_RAISED.get() {
        return Ok(make());
    }
    // A fatal error of another kind also restores the limit.
    let raised = BailoutGuard::new(Raised::above(limit));
    let made = make();
    if fits(limit) {
        return Ok(made);
    }
    drop(made);
    drop(raised);
    out_of_memory(least, limit.saturating_sub(usage(true)))
}

/// Makes a PHP value that must exist, such as a received message, if necessary beyond the limit.
///
/// After that, PHP allocates nothing more.
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

/// How many objects of our classes surely fit, at most `most`.
pub fn objects_that_fit(most: usize) -> usize {
    let Some(limit) = limit() else { return most };
    let left = limit.saturating_sub(usage(true)).saturating_sub(BESIDE);
    most.min(left / (OBJECT * AT_MOST))
}

fn limit() -> Option<usize> {
    usize::try_from(ProcessGlobals::get().memory_limit).ok().filter(|limit| *limit < isize::MAX as usize)
}

fn is_close(limit: usize, size: Size) -> bool {
    let most = match size {
        Size::Bytes(length) => length,
        Size::Roughly(bytes) => bytes.saturating_mul(AT_MOST),
        Size::Unknown => usize::MAX,
    };
    limit.saturating_sub(usage(true)) < most.saturating_add(BESIDE)
}

/// Refuses a value longer than a chunk if the system has no memory for it.
fn check_system(size: Size) -> Result<()> {
    let (Size::Bytes(bytes) | Size::Roughly(bytes)) = size else { return Ok(()) };
    let mut probe = Vec::<u8>::new();
    if bytes < CHUNK || probe.try_reserve_exact(bytes.saturating_add(2 * CHUNK)).is_ok() {
        // Keeps the compiler from removing an unused allocation.
        std::hint::black_box(&probe);
        return Ok(());
    }
    let text = format!("the system has no memory for the {bytes} bytes that the value takes in PHP");
    Err(Error::new(ErrorKind::OutOfMemory, text))
}

/// The bytes in use, or PHP's memory from the system.
fn usage(of_system: bool) -> usize {
    // SAFETY: only reads a counter of the engine.
    unsafe { zend_memory_usage(of_system) }
}

/// False if PHP has more.
fn set(limit: usize) -> bool {
    // SAFETY: changes a number of this thread's heap, and returns chunks without blocks.
    unsafe { zend_set_memory_limit(limit) == 0 }
}

/// Sets the limit if PHP has no more than that.
///
/// If necessary it first returns pages without blocks, as PHP does before it refuses.
fn fits(limit: usize) -> bool {
    // Twice: a call that returns chunks kept for later does not set the limit.
    let is_set = || set(limit) && set(limit);
    is_set() || {
        // SAFETY: the heap is this thread's; no block in use is moved.
        unsafe { zend_mm_gc(zend_mm_get_heap()) };
        is_set()
    }
}

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
            // The value left memory behind, such as a grown table of the engine: PHP may allocate nothing more.
            set(usage(true));
        }
    }
}
