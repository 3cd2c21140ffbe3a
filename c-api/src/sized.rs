//! C structs that begin with their size, because a program compiled with an older header has a shorter
//! struct.

use linkspan::{Error, ErrorKind, Result};

/// Reads a struct that begins with its size; fields that an older program does not have get their values from
/// `default`.
///
/// # Safety
/// `pointer` is NULL or points to as many bytes as the `usize` at its beginning gives. Every field of `T` is valid
/// for any bits that C can put there.
pub(crate) unsafe fn read_sized<T: Copy>(pointer: *const T, default: T) -> Result<T> {
    if pointer.is_null() {
        return Ok(default);
    }
    // SAFETY: the struct begins with its size, as the caller promises.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < size_of::<usize>() || size > (1 << 16) {
        let text =
            format!("the size in a struct is {size} bytes: initialize the struct with its _INIT macro");
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    let mut here = default;
    // SAFETY: `size` bytes can be read there, and at most size_of::<T>() are written here.
    unsafe {
        pointer.cast::<u8>().copy_to_nonoverlapping((&raw mut here).cast(), size.min(size_of::<T>()));
    }
    Ok(here)
}

/// Fills a struct that begins with its size, up to that size.
///
/// # Safety
/// `pointer` is NULL or points to as many writable bytes as the `usize` at its beginning gives.
pub(crate) unsafe fn write_sized<T>(pointer: *mut T, full: T) {
    if pointer.is_null() {
        return;
    }
    const SIZE: usize = size_of::<usize>();
    // SAFETY: the struct begins with its size; `size` bytes are written at most, no more than T has.
    unsafe {
        let size = pointer.cast::<usize>().read().min(size_of::<T>());
        if size > SIZE {
            let from = (&raw const full).cast::<u8>().add(SIZE);
            from.copy_to_nonoverlapping(pointer.cast::<u8>().add(SIZE), size - SIZE);
        }
    }
}
