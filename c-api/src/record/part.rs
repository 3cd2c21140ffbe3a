//! Reads single parts of a struct: presence of fields, numbers of enums, bytes of texts.

use linkspan::Result;

use super::layout::{Field, Layout, Reach};
use crate::argument::block;

/// Returns the number of an enum value. A negative number becomes an unused one.
///
/// # Safety
/// `size` bytes, 1, 2, 4 or 8, can be read at `at`.
#[inline]
pub(super) unsafe fn number(at: *const u8, size: usize) -> usize {
    // SAFETY: by contract.
    unsafe {
        match size {
            1 => usize::from(at.read()),
            2 => usize::from(at.cast::<u16>().read_unaligned()),
            4 => at.cast::<u32>().read_unaligned() as usize,
            _ => at.cast::<u64>().read_unaligned() as usize,
        }
    }
}

/// Returns the bytes of a text, of bytes or of a decimal number.
///
/// # Safety
/// A value of this layout is at `at`, with all its pointees.
#[inline]
pub(super) unsafe fn bytes<'a>(of: &Layout, at: *const u8, what: &str) -> Result<&'a [u8]> {
    match of.through {
        // SAFETY: by contract.
        Some(through) => unsafe { through.bytes(at, what) },
        // SAFETY: by contract.
        None => unsafe { pair(at, what) },
    }
}

/// # Safety
/// A pointer and a length are at `at`, and that many bytes at the pointer.
#[inline]
pub(super) unsafe fn pair<'a>(at: *const u8, what: &str) -> Result<&'a [u8]> {
    // SAFETY: by contract.
    unsafe {
        let data = at.cast::<*const u8>().read_unaligned();
        let length = at.add(size_of::<*const u8>()).cast::<usize>().read_unaligned();
        block(data, length, what)
    }
}

/// Returns the address of a field's value if it is present.
///
/// # Safety
/// A struct with this field is at `at`.
#[inline]
pub(super) unsafe fn place(field: &Field, at: *const u8) -> Result<Option<*const u8>> {
    // SAFETY: by contract; the field is within the struct. A boolean is read as a byte with any value.
    unsafe {
        let here = at.add(field.offset);
        Ok(match field.reach {
            Reach::There => Some(here),
            Reach::Flag(presence) => (at.add(presence).read() != 0).then_some(here),
            Reach::Through(through) => Some(through.find(here)?).filter(|value| !value.is_null()),
        })
    }
}
