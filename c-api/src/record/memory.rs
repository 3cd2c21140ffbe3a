//! Memory from C's `malloc`, for structs.

use linkspan::Result;

use super::error::no_memory;

/// Copies bytes and appends a NUL.
pub(super) fn copy(bytes: &[u8]) -> Result<*mut u8> {
    // SAFETY: `malloc` accepts any size; the memory is written within it.
    unsafe {
        let room = libc::malloc(bytes.len() + 1).cast::<u8>();
        if room.is_null() {
            return Err(no_memory());
        }
        room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        room.add(bytes.len()).write(0);
        Ok(room)
    }
}

/// Allocates zeroed memory for items; NULL for none.
pub(super) fn items(count: usize, size: usize) -> Result<*mut u8> {
    if count == 0 {
        return Ok(std::ptr::null_mut());
    }
    // SAFETY: `calloc` checks the product.
    let room = unsafe { libc::calloc(count, size) };
    if room.is_null() { Err(no_memory()) } else { Ok(room.cast()) }
}
