//! The codecs by themselves: messages to bytes and back, bytes of one encoding to another.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use bytes::Bytes;
use linkspan::{Encoding, Error, ErrorKind, Limits, Result, codec};

use crate::argument::{block, c_text, handle, make, out};
use crate::error::{guard, guard_release};
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// How a message's body is written.
pub type linkspan_encoding = i32;
/// Bytes as they are: the value is one block of bytes.
pub const LINKSPAN_RAW: linkspan_encoding = 0;
/// JSON, RFC 8259.
pub const LINKSPAN_JSON: linkspan_encoding = 1;
/// CBOR, RFC 8949, with RFC 8746 for arrays: the default.
pub const LINKSPAN_CBOR: linkspan_encoding = 2;
/// BSON 1.1.
pub const LINKSPAN_BSON: linkspan_encoding = 3;
/// Smile 1.0.6.
pub const LINKSPAN_SMILE: linkspan_encoding = 4;

/// The names in the order of their numbers; the test below holds them to the core's.
const NAMES: [&CStr; 5] = [c"raw", c"json", c"cbor", c"bson", c"smile"];

pub(crate) fn encoding(number: linkspan_encoding) -> Result<Encoding> {
    u8::try_from(number).ok().and_then(Encoding::from_number).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("no encoding has the number {number}; LINKSPAN_CBOR is one"),
        )
    })
}

/// A call that gives bytes, to be freed with `linkspan_free`.
///
/// # Safety
/// The results may be written.
pub(crate) unsafe fn give_bytes(
    bytes: *mut *mut u8,
    length: *mut usize,
    what: impl FnOnce() -> Result<Vec<u8>>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let (bytes, length) = (out(bytes)?, out(length)?);
        let result = what()?;
        *length = result.len();
        *bytes = Box::into_raw(result.into_boxed_slice()).cast();
        Ok(())
    })
}

/// The name of an encoding: `"cbor"`; NULL for a number that is none. Lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn linkspan_encoding_name(encoding: linkspan_encoding) -> *const c_char {
    let name = usize::try_from(encoding).ok().and_then(|n| NAMES.get(n));
    name.map_or(ptr::null(), |name| name.as_ptr())
}

/// The encoding of a name; `Unsupported` where there is none.
///
/// # Safety
/// `name` is NUL-terminated, `encoding` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_encoding_from_name(
    name: *const c_char,
    encoding: *mut linkspan_encoding,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { make(encoding, || Ok(Encoding::from_name(c_text(name, "a name")?)? as linkspan_encoding)) }
}

/// Writes a message's value in an encoding. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `message` is a live message, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_encode(
    message: *const linkspan_message,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { give_bytes(bytes, length, || codec::encode(handle(message)?, self::encoding(encoding)?)) }
}

/// Reads the value that bytes of an encoding hold into a new message, which the caller releases. The bytes may be
/// freed at once.
///
/// # Safety
/// `bytes` points to `length` bytes, `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_decode(
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        make(message, || {
            let bytes = Bytes::copy_from_slice(block(bytes, length, "bytes")?);
            let value = codec::decode_shared(&bytes, self::encoding(encoding)?, &Limits::default())?;
            Ok(linkspan_message::of(value))
        })
    }
}

/// Writes the value that bytes of one encoding hold in another. Free the result with `linkspan_free`.
///
/// # Safety
/// `bytes` points to `length` bytes, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_transcode(
    bytes: *const u8,
    length: usize,
    from: linkspan_encoding,
    to: linkspan_encoding,
    result: *mut *mut u8,
    result_length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        give_bytes(result, result_length, || {
            codec::transcode(block(bytes, length, "bytes")?, encoding(from)?, encoding(to)?)
        })
    }
}

/// Frees what `linkspan_encode`, `linkspan_transcode` or `linkspan_region_text` gave. NULL is allowed.
///
/// # Safety
/// `bytes` and `length` are as they were given, and were not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_free(bytes: *mut c_void, length: usize) {
    guard_release(|| {
        if !bytes.is_null() {
            // SAFETY: it came from Box::into_raw of a slice of this length.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes.cast::<u8>(), length)) });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_core() {
        let core = Encoding::ALL.iter().map(|e| e.name());
        assert!(core.eq(NAMES.iter().map(|name| name.to_str().unwrap())));
    }
}
