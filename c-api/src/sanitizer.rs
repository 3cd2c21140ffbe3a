//! ThreadSanitizer, where the program is compiled for it: what this library orders between the program's threads and
//! the sanitizer does not see, because the library is not compiled for it.
//!
//! The memory of a loan was that of an earlier one, or of a message that the program has read: a thread that writes it
//! now comes after them. So memory is released where it leaves the program, and acquired where it is lent again.

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

/// A function of the sanitizer, which takes the address of what is ordered.
type Order = unsafe extern "C" fn(*mut c_void);

/// What stands for the memory of all messages that were released: no address of theirs is known any more.
static MESSAGES: AtomicU8 = AtomicU8::new(0);

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

/// This memory was lent: what was done with it before comes before what the program does now.
pub(crate) fn lent(place: *const c_void) {
    if let Some([acquire, _]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe {
            acquire(place.cast_mut());
            acquire(MESSAGES.as_ptr().cast());
        }
    }
}

/// The program gave this memory back, or into a message.
pub(crate) fn given_back(place: *const c_void) {
    if let Some([_, release]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe { release(place.cast_mut()) };
    }
}

/// The program released a message, whose memory may be lent next.
pub(crate) fn message_released() {
    given_back(MESSAGES.as_ptr().cast_const().cast());
}
