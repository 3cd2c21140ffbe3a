//! Writes a value event by event, without a tree, for generated code.

pub mod put;
mod source;
mod state;

use std::ffi::c_char;
use std::ops::DerefMut;

use linkspan::{Result, codec};

use self::state::Writer;
use crate::argument::{c_any_text, c_text_or_none, give_bytes, handle, make, place};
use crate::encoding::{encoding, linkspan_encoding};
use crate::error::{guard, refusal};
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;

/// Writes values one by one, with less work than building a message. Free it with `linkspan_writer_free`;
/// reuse one for many messages, since it keeps its memory. One thread at a time may use it.
///
/// The first error stays: later calls do nothing and return it, up to and including `linkspan_writer_finish`
/// or `linkspan_writer_encode`, which also start a new value. So only their status needs to be checked.
pub struct linkspan_writer(pub(crate) Tagged<Writer>);

handle_kind!(linkspan_writer of Writer: b"writer..");

/// The writer behind a handle.
///
/// # Safety
/// `writer` is NULL or a writer, live or one of those released last, and no other thread uses it.
unsafe fn writer<'a>(writer: *mut linkspan_writer) -> Result<&'a mut Writer> {
    // SAFETY: as the caller promises; it was checked first.
    unsafe {
        handle(writer)?;
        Ok((*writer).0.deref_mut())
    }
}

/// Does one step of writing, unless an earlier one failed.
///
/// # Safety
/// As for [`writer`]; `key` is NULL or NUL-terminated.
unsafe fn step(
    writer: *mut linkspan_writer,
    key: *const c_char,
    what: impl FnOnce(&mut Writer, Option<&str>) -> Result<()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    let writer = match unsafe { self::writer(writer) } {
        Ok(writer) => writer,
        Err(error) => return guard(|| Err(error)),
    };
    if let Some(error) = &writer.error {
        return error.kind().code().into();
    }
    let mut failed = None;
    let status = guard(|| {
        // SAFETY: as the caller promises.
        let outcome = unsafe { c_text_or_none(key, "key") }.and_then(|key| {
            let depth = writer.depth();
            what(writer, key).map_err(|error| writer.locate(error, key, depth))
        });
        outcome.inspect_err(|error| failed = Some(error.clone()))
    });
    if failed.is_some() {
        writer.error = failed;
    }
    status
}

/// Creates a writer.
///
/// # Safety
/// `writer` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_new(writer: *mut *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { make(place!(writer), || Ok(give(linkspan_writer(Tagged::new(Writer::default()))))) }
}

/// Makes the written value the value of `message`, in place of its previous one, and starts a new value. The
/// message is sent, published or used as a reply like any other; it takes no puts until
/// `linkspan_message_clear`.
///
/// # Safety
/// `writer` and `message` are live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_finish(
    writer: *mut linkspan_writer,
    message: *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let writer = self::writer(writer)?;
        let outcome = writer.whole().and_then(|tape| handle(message)?.take_tape(tape));
        writer.begin_anew();
        outcome
    })
}

/// Encodes the written value, and starts a new one. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `writer` is live, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_encode(
    writer: *mut linkspan_writer,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        give_bytes(place!(bytes), place!(length), || {
            let writer = self::writer(writer)?;
            let encoding = self::encoding(encoding);
            let outcome = writer.whole().and_then(|tape| codec::encode(tape, encoding?));
            writer.begin_anew();
            outcome
        })
    }
}

/// Refuses the value: sets an error with this status and text at this key. An earlier error stays.
///
/// # Safety
/// `writer` is live, `key` is NULL or NUL-terminated, `text` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_refuse(
    writer: *mut linkspan_writer,
    key: *const c_char,
    status: linkspan_status,
    text: *const c_char,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { step(writer, key, |_, _| Err(refusal(status, &c_any_text(text, "text")?))) }
}

/// Frees the writer. NULL is allowed; a second call for the same writer, and any other use of it, is `InvalidState`: see
/// `linkspan_channel_free`.
///
/// # Safety
/// `writer` is NULL or a handle of this library, and no other call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_free(writer: *mut linkspan_writer) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { free(writer) }
}
