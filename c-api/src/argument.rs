//! Checked arguments and results of the C functions.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::slice;
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result, Timeout, Wait};

use crate::any_text::NUL_INSIDE;
pub(crate) use crate::any_text::c_any_text_or_none;
use crate::error::guard;
use crate::life::Checked;
pub(crate) use crate::null::is_null;
pub(crate) use crate::place::{Place, place};
use crate::status::linkspan_status;

/// A time-out: that of the object's options, 30 s by default.
pub const LINKSPAN_DEFAULT: i64 = -1;
/// A time-out: waits for ever.
pub const LINKSPAN_FOREVER: i64 = 9223372036854775807;

/// A Fortran text that is not allocated; see [`crate::any_text::NUL_INSIDE`].
const NOT_ALLOCATED: &[u8] = b"\xff\xfeNOT";
/// A Fortran time-out that is negative or not a number.
const NO_TIMEOUT: i64 = i64::MIN;
/// A Fortran time-out that does not fit 64-bit nanoseconds.
const LONG_TIMEOUT: i64 = i64::MIN + 1;

/// # Safety
/// `pointer` is NULL or points to a `T` that is live or recently released.
pub(crate) unsafe fn handle<'a, T: Checked>(pointer: *const T) -> Result<&'a T> {
    // SAFETY: by contract.
    unsafe { live(pointer, parameter_of::<T>) }
}

/// Like [`handle`]; errors name the parameter `what`.
///
/// # Safety
/// As for [`handle`].
pub(crate) unsafe fn named<'a, T: Checked>(pointer: *const T, what: &str) -> Result<&'a T> {
    // SAFETY: by contract.
    unsafe { live(pointer, || what) }
}

/// # Safety
/// As for [`handle`].
#[inline]
unsafe fn live<'a, 'n, T: Checked>(pointer: *const T, what: impl FnOnce() -> &'n str) -> Result<&'a T> {
    // SAFETY: by contract NULL, a `T` or its shell. `check` reads only the shell.
    let object = unsafe { pointer.as_ref() }.ok_or_else(|| is_null(what()))?;
    object.check()?;
    Ok(object)
}

/// Returns the parameter name, which usually equals the type name.
///
/// Only errors need it: the search takes longer than sending a message.
#[cold]
fn parameter_of<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("linkspan_").next().unwrap_or(name)
}

/// The empty value of a result. It is written first, so that a failed call leaves no stale value.
pub(crate) trait Nothing {
    const NOTHING: Self;
}

macro_rules! nothing {
    ($($type:ty => $nothing:expr),* $(,)?) => {
        $(impl Nothing for $type { const NOTHING: $type = $nothing; })*
    };
}
nothing!(bool => false, i32 => 0, i64 => 0, u64 => 0, usize => 0, f64 => 0.0, [u8; 16] => [0; 16]);

impl<T> Nothing for *const T {
    const NOTHING: *const T = std::ptr::null();
}

impl<T> Nothing for *mut T {
    const NOTHING: *mut T = std::ptr::null_mut();
}

/// Writes the empty value to a result, and returns its place.
///
/// # Safety
/// `place` is NULL or may be written.
pub(crate) unsafe fn out<'a, T: Nothing>(place: Place<T>) -> Result<&'a mut T> {
    let Place { pointer, name } = place;
    if pointer.is_null() {
        return Err(is_null(name.trim_start_matches("r#")));
    }
    // SAFETY: not NULL, and writable by contract. `write` drops no uninitialized value.
    unsafe {
        pointer.write(T::NOTHING);
        Ok(&mut *pointer)
    }
}

/// Runs a call that reads one result from an object.
///
/// # Safety
/// `object` is NULL or live, `result` is NULL or may be written.
pub(crate) unsafe fn query<H: Checked, T: Nothing>(
    object: *const H,
    result: Place<T>,
    what: impl FnOnce(&H) -> Result<T>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let to = out(result)?;
        *to = what(handle(object)?)?;
        Ok(())
    })
}

/// Runs a call that creates an object.
///
/// # Safety
/// `result` is NULL or may be written.
pub(crate) unsafe fn make<T: Nothing>(result: Place<T>, what: impl FnOnce() -> Result<T>) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let to = out(result)?;
        *to = what()?;
        Ok(())
    })
}

/// Runs a call that returns bytes for `linkspan_free`.
///
/// # Safety
/// The results may be written.
pub(crate) unsafe fn give_bytes(
    bytes: Place<*mut u8>,
    length: Place<usize>,
    what: impl FnOnce() -> Result<Vec<u8>>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (bytes, length) = (out(bytes)?, out(length)?);
        let result = what()?;
        *length = result.len();
        *bytes = Box::into_raw(result.into_boxed_slice()).cast();
        Ok(())
    })
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

const SCRATCH_MOST: usize = 64 << 10;

/// Like [`give_bytes`], for a call that appends to a buffer.
///
/// The buffer belongs to the thread and short results are copied: shrinking an allocation would make the allocator
/// divide a block at each call.
///
/// # Safety
/// The results may be written.
pub(crate) unsafe fn give_encoded(
    bytes: Place<*mut u8>,
    length: Place<usize>,
    what: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> linkspan_status {
    let give = || {
        // The buffer is gone when the thread ends.
        let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
        buffer.clear();
        let done = what(&mut buffer);
        if buffer.capacity() > SCRATCH_MOST {
            return done.map(|()| buffer);
        }
        let result = done.map(|()| Vec::from(&buffer[..]));
        SCRATCH.try_with(|scratch| scratch.set(buffer)).ok();
        result
    };
    // SAFETY: by contract.
    unsafe { give_bytes(bytes, length, give) }
}

/// Runs a call on an object without a result.
///
/// # Safety
/// `object` is NULL or live.
pub(crate) unsafe fn apply<H: Checked>(
    object: *const H,
    what: impl FnOnce(&H) -> Result<()>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| what(unsafe { handle(object) }?))
}

/// # Safety
/// `pointer` is NULL or a NUL-terminated string that outlives `'a`.
pub(crate) unsafe fn c_text<'a>(pointer: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: by contract.
    unsafe { c_text_or_none(pointer, what) }?.ok_or_else(|| is_null(what))
}

/// # Safety
/// As for [`c_text`].
pub(crate) unsafe fn c_text_or_none<'a>(pointer: *const c_char, what: &str) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and by contract.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    utf8(bytes, what).map(Some)
}

/// Reads a required text for people.
///
/// # Safety
/// As for [`c_text`].
pub(crate) unsafe fn c_any_text<'a>(pointer: *const c_char, what: &str) -> Result<Cow<'a, str>> {
    // SAFETY: by contract.
    unsafe { c_any_text_or_none(pointer) }.ok_or_else(|| is_null(what))
}

/// # Safety
/// `pointers` points to `count` strings as for [`c_text`], or `count` is zero.
pub(crate) unsafe fn c_texts(
    pointers: *const *const c_char,
    count: usize,
    what: &str,
) -> Result<Vec<String>> {
    // SAFETY: by contract.
    unsafe {
        items(pointers, count, what)?.iter().map(|text| c_text(*text, what).map(str::to_owned)).collect()
    }
}

#[inline]
pub(crate) fn utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str> {
    if is_short_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    checked_utf8(bytes, what)
}

/// Returns whether these are at most 16 bytes of ASCII, like most keys. Two loads suffice.
#[inline]
fn is_short_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        bytes.len() <= 16 && (u64::from_le_bytes(*first) | u64::from_le_bytes(*last)) & HIGH == 0
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & HIGH == 0
    } else {
        bytes.iter().all(u8::is_ascii)
    }
}

fn checked_utf8<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        if bytes == NUL_INSIDE {
            let text = format!("{what} has a NUL character inside, where C's texts end; use one without it");
            return Error::new(ErrorKind::Malformed, text);
        }
        if bytes == NOT_ALLOCATED {
            let text = format!("{what} is not allocated: allocate it, or assign to it, first");
            return Error::new(ErrorKind::InvalidState, text);
        }
        Error::new(ErrorKind::Malformed, format!("{what} is not UTF-8; send other bytes as bytes"))
            .at(e.valid_up_to())
    })
}

/// # Safety
/// `pointer` points to `length` bytes that outlive `'a`, or is NULL, or `length` is zero.
pub(crate) unsafe fn block<'a>(pointer: *const u8, length: usize, what: &str) -> Result<&'a [u8]> {
    // SAFETY: by contract.
    unsafe { items(pointer, length, what) }
}

/// Returns `count` values. NULL is allowed only if the count is zero.
///
/// # Safety
/// `pointer` points to `count` aligned values that outlive `'a`, or is NULL, or `count` is zero.
#[inline]
pub(crate) unsafe fn items<'a, T>(pointer: *const T, count: usize, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(is_null(what));
    }
    let length = count.saturating_mul(size_of::<T>());
    if length > isize::MAX as usize {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("{what} has {length} bytes, more than memory can hold"),
        ));
    }
    // SAFETY: not NULL, a possible length, and by contract.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// A block of memory to fill; `None` if the length is zero.
pub(crate) fn block_to_fill(pointer: *mut u8, length: usize, what: &str) -> Result<Option<*mut u8>> {
    match (length, pointer.is_null()) {
        (0, _) => Ok(None),
        (_, true) => Err(is_null(what)),
        (_, false) => Ok(Some(pointer)),
    }
}

pub(crate) fn wait(nanoseconds: i64) -> Result<Wait<'static>> {
    timeout(nanoseconds).map(Wait::new)
}

/// Converts nanoseconds; `OutOfRange` below zero, except for [`LINKSPAN_DEFAULT`].
pub(crate) fn timeout(nanoseconds: i64) -> Result<Timeout> {
    match nanoseconds {
        LINKSPAN_DEFAULT => Ok(Timeout::Default),
        LINKSPAN_FOREVER => Ok(Timeout::Forever),
        ns => u64::try_from(ns).map(|ns| Timeout::After(Duration::from_nanos(ns))).map_err(|_| {
            let text = match ns {
                NO_TIMEOUT => {
                    "a time-out that is negative or not a number: give 0 seconds or more, or linkspan_forever"
                        .into()
                }
                LONG_TIMEOUT => "a time-out of more than 292 years: give linkspan_forever".into(),
                ns => format!("a time-out of {ns} ns: give 0 or more, the default, or for ever"),
            };
            Error::new(ErrorKind::OutOfRange, text)
        }),
    }
}

pub(crate) fn give_text(text: &str, to: &mut *const c_char, length: &mut usize) {
    *to = text.as_ptr().cast();
    *length = text.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_checked_as_a_long_one_is() {
        for length in 0..20 {
            let mut bytes = vec![b'a'; length];
            assert_eq!(is_short_ascii(&bytes), length <= 16, "{length}");
            assert_eq!(utf8(&bytes, "a key").unwrap().as_bytes(), bytes);
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_short_ascii(&bytes), "byte {at} of {length}");
                assert_eq!(utf8(&bytes, "a key").unwrap_err().offset(), Some(at as u64));
                bytes[at] = b'a';
            }
        }
        assert_eq!(utf8("Zähler".as_bytes(), "a key").unwrap(), "Zähler");
    }
}
