//! Annotations for ThreadSanitizer, which does not see the order that this library creates.
//!
//! A loan's memory belonged earlier to another loan or message of the program. So memory is released when it leaves the
//! program, and acquired when it is lent. All memory counts as one object: slots of different lengths share addresses,
//! and one mutex orders their table.

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;

/// A function of the sanitizer, which takes an address.
type Order = unsafe extern "C" fn(*mut c_void);

/// Stands for all lent memory.
static MEMORY: AtomicU8 = AtomicU8::new(0);

fn functions() -> Option<[Order; 2]> {
    static FUNCTIONS: OnceLock<Option<[Order; 2]>> = OnceLock::new();
    let find = |name: &CStr| {
        // SAFETY: the name is NUL-terminated.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: both functions of the sanitizer have this type.
        (!found.is_null()).then(|| unsafe { transmute::<*mut c_void, Order>(found) })
    };
    *FUNCTIONS.get_or_init(|| Some([find(c"__tsan_acquire")?, find(c"__tsan_release")?]))
}

/// Earlier uses of lent memory precede the program's next use.
pub(crate) fn lent() {
    if let Some([acquire, _]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe { acquire(MEMORY.as_ptr().cast()) };
    }
}

/// The program returned memory, put it into a message, or released a message.
pub(crate) fn given_back() {
    if let Some([_, release]) = functions() {
        // SAFETY: the sanitizer accepts any address.
        unsafe { release(MEMORY.as_ptr().cast()) };
    }
}
