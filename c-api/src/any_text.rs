//! Texts for people from a C program, valid UTF-8 or not.

use std::borrow::Cow;
use std::ffi::{CStr, c_char};

/// Stands for a Fortran text with a NUL inside, which C would cut there. It is never valid UTF-8.
pub(crate) const NUL_INSIDE: &[u8] = b"\xff\xfeNUL";

/// Reads an optional text for people. Invalid UTF-8 becomes the replacement character.
///
/// # Safety
/// As for [`crate::argument::c_text`].
pub(crate) unsafe fn c_any_text_or_none<'a>(pointer: *const c_char) -> Option<Cow<'a, str>> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not NULL, and by contract.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    Some(match bytes {
        NUL_INSIDE => Cow::Borrowed("a text with a NUL character inside, where C's texts end"),
        bytes => String::from_utf8_lossy(bytes),
    })
}
