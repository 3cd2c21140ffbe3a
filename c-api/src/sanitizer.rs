//! ThreadSanitizer, where the program is compiled for it: what this library orders between the program's threads and
//! the sanitizer does not see, because the library is not compiled for it.
//!
//! The memory of a loan was that of an earlier one, or of a message that the program has read: a thread that writes it
//! now comes after them. So memory is released where it leaves the program, and acquired where it is lent again. All
//! memory is one thing here, as it is to the table of slots, whose mutex would order the threads if the sanitizer saw
//! it: arrays and bytes begin at different places of a slot, and a longer slot has the addresses of several others.

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

/// A function of the sanitizer, which takes the address of what is ordered.
type Order = unsafe extern "C" fn(*mut c_void);

/// What stands for all memory that is lent.
static MEMORY: AtomicU8 = AtomicU8::new(0);

/// The sanitizer's functions: acquire and release.
fn functions() -> Option<[Order; 2]> {
    static FUNCTIONS: OnceLock<Option<[Order; 2]>> = OnceLock::new();
    let find = |name: &CStr| {
        // SAFETY: the name is NUL-terminated.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: these two functions of the sanitizer have that type.
        (!found.is_null()).then(|| unsafe { transmute::<*mut c_void, Order>(found) })
    };
    *FUNCTIONS.get_or_init(|| Some([find(c"__tsan_acquire")?, find(c"__tsan_release")?]))
}

/// Memory was lent: what was done with it before comes before what the program does now.
pub(crate) fn lent() {
    if let Some([acquire, _]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe { acquire(MEMORY.as_ptr().cast()) };
    }
}

/// The program gave memory back, put it into a message, or released a message: it may be lent next.
pub(crate) fn given_back() {
    if let Some([_, release]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe { release(MEMORY.as_ptr().cast()) };
    }
}
