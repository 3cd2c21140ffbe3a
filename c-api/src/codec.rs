//! The codecs without a channel.

use std::ffi::c_void;
use std::ptr;

use bytes::Bytes;
use linkspan::{Limits, codec};

use crate::argument::{block, give_bytes, give_encoded, handle, make, place};
use crate::encoding::{encoding, linkspan_encoding};
use crate::error::guard_release;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

/// Encodes a message's value. Free the bytes with `linkspan_free`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_encode(
    message: *const linkspan_message,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        give_encoded(place!(bytes), place!(length), |out| {
            let how = codec::EncodeOptions::default();
            codec::encode_into(handle(message)?, crate::encoding::encoding(encoding)?, &how, out)
        })
    }
}

/// Decodes bytes into a new message, which the caller releases. The bytes may be freed at once.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_decode(
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
    message: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(message), || {
            let bytes = Bytes::from(linkspan::copy_bytes(block(bytes, length, "bytes")?)?);
            let value =
                codec::decode_shared(&bytes, crate::encoding::encoding(encoding)?, &Limits::default())?;
            Ok(linkspan_message::of(value))
        })
    }
}

/// Converts bytes of one encoding to another. Free the result with `linkspan_free`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_transcode(
    bytes: *const u8,
    length: usize,
    from: linkspan_encoding,
    to: linkspan_encoding,
    result: *mut *mut u8,
    result_length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        give_bytes(place!(result), place!(result_length), || {
            codec::transcode(block(bytes, length, "bytes")?, encoding(from)?, encoding(to)?)
        })
    }
}

/// Frees bytes or text of functions that name `linkspan_free`. NULL is allowed.
///
/// # Safety
/// `bytes` and `length` are as the function returned them, and were not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_free(bytes: *mut c_void, length: usize) {
    guard_release(|| {
        if !bytes.is_null() {
            // SAFETY: it came from Box::into_raw of a slice of this length.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes.cast::<u8>(), length)) });
        }
    });
}
