//! C structs that begin with their size. A program with an older header has a shorter struct.

use linkspan::{Error, ErrorKind, Result};

use crate::null::is_null;
use crate::place::Place;

/// A C struct that begins with its size, and may grow at its end in later versions.
pub(crate) trait Grows {
    /// The size in the first version of the header. A shorter struct was not initialized.
    const FIRST: usize;
}

/// Declares the first field that the first version of a struct lacked.
macro_rules! grows {
    ($name:ident) => {
        $crate::sized::grows!($name, size_of::<$name>());
    };
    ($name:ident, before $later:ident) => {
        $crate::sized::grows!($name, std::mem::offset_of!($name, $later));
    };
    ($name:ident, $first:expr) => {
        impl $crate::sized::Grows for $name {
            const FIRST: usize = $first;
        }
    };
}
pub(crate) use grows;

/// # Safety
/// `pointer` points to a struct that begins with a `usize`.
unsafe fn given_size<T: Grows>(pointer: *const T) -> Result<usize> {
    // SAFETY: by contract.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < T::FIRST || size > (1 << 16) {
        return Err(not_initialized::<T>(size));
    }
    Ok(size)
}

#[cold]
fn not_initialized<T>(size: usize) -> Error {
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    let text = format!(
        "the size in a {name} is {size} bytes: begin the struct with {}_INIT",
        name.to_ascii_uppercase()
    );
    Error::new(ErrorKind::InvalidState, text)
}

/// Fields that an older program lacks come from `default`.
///
/// # Safety
/// `pointer` is NULL or points to as many bytes as the `usize` at its beginning gives. Every field of `T` is valid for
/// any bits that C can put there.
pub(crate) unsafe fn read_sized<T: Copy + Grows>(pointer: *const T, default: T) -> Result<T> {
    if pointer.is_null() {
        return Ok(default);
    }
    // SAFETY: by contract.
    let size = unsafe { given_size(pointer) }?;
    let mut here = default;
    // SAFETY: `size` bytes can be read there, and at most size_of::<T>() are written here.
    unsafe {
        pointer.cast::<u8>().copy_to_nonoverlapping((&raw mut here).cast(), size.min(size_of::<T>()));
    }
    Ok(here)
}

/// Fills a struct up to the size at its start. The size is checked before `make` runs.
///
/// # Safety
/// `place` is NULL or points to as many writable bytes as the `usize` at its beginning gives.
pub(crate) unsafe fn give_sized<T: Grows>(place: Place<T>, make: impl FnOnce() -> Result<T>) -> Result<()> {
    const SIZE: usize = size_of::<usize>();
    let Place { pointer, name } = place;
    if pointer.is_null() {
        return Err(is_null(name));
    }
    // SAFETY: by contract.
    let size = unsafe { given_size(pointer) }?.min(size_of::<T>());
    let full = make()?;
    // SAFETY: `size` bytes may be written by contract, and T has at least as many. The size field stays unchanged.
    unsafe {
        let from = (&raw const full).cast::<u8>().add(SIZE);
        from.copy_to_nonoverlapping(pointer.cast::<u8>().add(SIZE), size - SIZE);
    }
    Ok(())
}
