//! The codecs by themselves: messages to bytes and back, bytes of one encoding to another.

use std::ffi::{CStr, c_char};
use std::ptr;

use bytes::Bytes;
use linkspan::{Encoding, Error, ErrorKind, Limits, Result, codec};

use crate::argument::{block, c_text, handle, out};
use crate::error::{guard, guard_release};
use crate::message::{State, linkspan_message};
use crate::put::Tree;
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

fn encoding(number: linkspan_encoding) -> Result<Encoding> {
    u8::try_from(number).ok().and_then(Encoding::from_number).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("no encoding has the number {number}; LINKSPAN_CBOR is one"),
        )
    })
}

/// Hands bytes out, to be freed with `linkspan_free`.
fn give_bytes(result: Vec<u8>, bytes: &mut *mut u8, length: &mut usize) {
    *length = result.len();
    *bytes = Box::into_raw(result.into_boxed_slice()).cast();
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
    guard(|| {
        // SAFETY: as the caller promises.
        let (to, name) = unsafe { (out(encoding, LINKSPAN_RAW, "encoding")?, c_text(name, "a name")?) };
        *to = Encoding::from_name(name)? as linkspan_encoding;
        Ok(())
    })
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
    guard(|| {
        // SAFETY: as the caller promises.
        let (bytes, length) = unsafe { (out(bytes, ptr::null_mut(), "bytes")?, out(length, 0, "length")?) };
        // SAFETY: as the caller promises.
        let message = unsafe { handle(message, "message") }?;
        give_bytes(codec::encode(message, self::encoding(encoding)?)?, bytes, length);
        Ok(())
    })
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
    guard(|| {
        // SAFETY: as the caller promises.
        let (to, bytes) =
            unsafe { (out(message, ptr::null_mut(), "message")?, block(bytes, length, "bytes")?) };
        let encoding = self::encoding(encoding)?;
        let value = codec::decode_shared(&Bytes::copy_from_slice(bytes), encoding, &Limits::default())?;
        *to = linkspan_message::give(State::Tree(Tree::of(value)));
        Ok(())
    })
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
    guard(|| {
        // SAFETY: as the caller promises.
        let (result, result_length) =
            unsafe { (out(result, ptr::null_mut(), "result")?, out(result_length, 0, "result_length")?) };
        // SAFETY: as the caller promises.
        let bytes = unsafe { block(bytes, length, "bytes") }?;
        give_bytes(codec::transcode(bytes, encoding(from)?, encoding(to)?)?, result, result_length);
        Ok(())
    })
}

/// Frees bytes that `linkspan_encode` or `linkspan_transcode` gave. NULL is allowed.
///
/// # Safety
/// `bytes` and `length` are as they were given, and were not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_free(bytes: *mut u8, length: usize) {
    guard_release(|| {
        if !bytes.is_null() {
            // SAFETY: it came from Box::into_raw of a slice of this length.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes, length)) });
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
