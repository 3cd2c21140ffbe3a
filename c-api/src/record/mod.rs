//! Records: structs of a program that are encoded and decoded directly, by a table of the places of their fields.
//!
//! | what | lives in |
//! |---|---|
//! | the functions | here |
//! | the table as C writes it | `table` |
//! | the table as it is used: read once, and checked | `layout` |
//! | the program's functions for what has no layout | `access` |
//! | the way out: a struct is a Source | `lent` |
//! | the way in: a Sink fills a struct | `fill` |
//! | one value, written where it lies | `put` |
//! | memory of C's | `memory` |
//! | frees what a struct owns | `clear` |
//! | what is wrong with a table or a struct | `error` |

mod access;
mod clear;
mod error;
mod fill;
mod layout;
mod lent;
mod memory;
mod put;
mod table;

use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use linkspan::{Error, ErrorKind, Limits, Result, codec};

use crate::argument::{block, give_bytes, handle, is_null};
use crate::encoding::linkspan_encoding;
use crate::error::guard;
use crate::message::linkspan_message;
use crate::reader::{self, linkspan_reader};
use crate::status::linkspan_status;
use crate::writer::{self, linkspan_writer};

pub use access::linkspan_record_access;
pub use table::*;

use fill::Filler;
use layout::Layout;
use lent::Lent;

/// The layout that a table describes, read at the first call.
///
/// # Safety
/// `record` is NULL or a table as [`linkspan_record`] describes it.
pub(crate) unsafe fn layout<'a>(record: *mut linkspan_record) -> Result<&'a Layout> {
    if record.is_null() {
        return Err(is_null("the table of a record"));
    }
    // SAFETY: the caller promises a table, whose last part only this library uses, and all threads atomically.
    let prepared = unsafe { AtomicPtr::from_ptr((&raw mut (*record).prepared).cast::<*mut Layout>()) };
    let there = prepared.load(Ordering::Acquire);
    if !there.is_null() {
        // SAFETY: it was stored below, and is never freed.
        return Ok(unsafe { &*there });
    }
    // SAFETY: as the caller promises.
    let made = Box::into_raw(Box::new(unsafe { Layout::read(&*record) }?));
    match prepared.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: it is stored in the table now, and never freed.
        Ok(_) => Ok(unsafe { &*made }),
        Err(other) => {
            // SAFETY: another thread was faster, and no thread has seen this one. The other one is never freed.
            unsafe {
                drop(Box::from_raw(made));
                Ok(&*other)
            }
        }
    }
}

/// One thread at a time fills tables in.
static FILLING: Mutex<()> = Mutex::new(());

/// Reads a table, which `fill` fills in first, once and in one thread: for languages whose tables are not there before the program runs. A table that
/// was read is left as it is.
///
/// # Safety
/// `record` is a table once `fill` has returned; `fill` is not NULL, may be called, and calls nothing of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_prepare(
    record: *mut linkspan_record,
    fill: Option<unsafe extern "C" fn()>,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        if record.is_null() {
            return Err(is_null("the table of a record"));
        }
        let _alone = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = AtomicPtr::from_ptr((&raw mut (*record).prepared).cast::<*mut Layout>());
        if prepared.load(Ordering::Acquire).is_null() {
            fill.ok_or_else(|| is_null("the function that fills a table in"))?();
            layout(record)?;
        }
        Ok(())
    })
}

/// The struct that a call writes from.
///
/// # Safety
/// `from` is NULL or points to a struct of this layout, which no thread changes meanwhile.
unsafe fn lend<'a>(layout: &'a Layout, from: *const c_void) -> Result<Lent<'a>> {
    if from.is_null() {
        return Err(is_null("the struct"));
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { Lent::new(layout, from.cast()) })
}

/// Fills a struct that is there; what it held is freed first, except where the program's own functions reach it.
///
/// # Safety
/// `to` is NULL or points to a struct of this layout that `linkspan_record_init`, an earlier call or the program has set.
unsafe fn fill<'a>(
    layout: &'a Layout,
    to: *mut c_void,
    drive: impl FnOnce(Filler<'a>) -> Result<Filler<'a>>,
) -> Result<()> {
    if to.is_null() {
        return Err(is_null("the struct"));
    }
    // SAFETY: as the caller promises; once freed, the struct is all zero, as a filler requires of one with a layout of its own.
    unsafe {
        if !layout.is_reached {
            clear::clear(layout, to.cast());
        }
        drive(Filler::new(layout, to.cast()))?.finish()
    }
}

/// Refuses a struct that the program makes and frees itself.
fn own(layout: &Layout) -> Result<&Layout> {
    if layout.is_reached {
        let text =
            "a record with values that functions of the program reach is made and freed by the program";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    Ok(layout)
}

/// Sets every field of a struct to its default or to zero, and ignores what it held before.
///
/// # Safety
/// `record` is a table, `to` may be written up to the size in the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_init(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let layout = layout(record)?;
        if to.is_null() {
            return Err(is_null("the struct"));
        }
        own(layout)?;
        to.cast::<u8>().write_bytes(0, layout.size);
        fill::defaults(layout, to.cast())
    })
}

/// Frees what a struct holds, which then is all zero.
///
/// # Safety
/// `record` is a table, `to` is NULL or points to a struct of it that was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_free(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        if !to.is_null() {
            clear::clear(own(layout(record)?)?, to.cast());
        }
        Ok(())
    })
}

/// Makes a struct the value of `message`, in place of the one that it had. The message is sent, published or given as an answer like any
/// other; it takes no puts until `linkspan_message_clear`.
///
/// # Safety
/// `record` is a table, `from` points to a struct of it, `message` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_put(
    record: *mut linkspan_record,
    from: *const c_void,
    message: *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let layout = layout(record)?;
        handle(message)?.take_record(&lend(layout, from)?, layout.keys(), layout.has_arrays)
    })
}

/// Reads the value of a message into a struct. What the struct held is freed; at an error it holds a part of the message.
///
/// # Safety
/// `record` is a table, `to` points to a struct of it that was set, `message` is live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_get(
    record: *mut linkspan_record,
    to: *mut c_void,
    message: *const linkspan_message,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let message = handle(message)?;
        fill(layout(record)?, to, |filler| message.send_into(filler))
    })
}

/// Encodes a struct. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `record` is a table, `from` points to a struct of it, the results may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_encode(
    record: *mut linkspan_record,
    from: *const c_void,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        give_bytes(bytes, length, || {
            let layout = layout(record)?;
            let mut out = Vec::with_capacity(256);
            let how = codec::EncodeOptions::default().with_keys(layout.keys());
            codec::encode_into(&lend(layout, from)?, crate::encoding::encoding(encoding)?, &how, &mut out)?;
            Ok(out)
        })
    }
}

/// Reads the value that bytes of an encoding hold into a struct, as `linkspan_record_get` does. The bytes may be freed at once.
///
/// # Safety
/// `record` is a table, `to` points to a struct of it that was set, `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_decode(
    record: *mut linkspan_record,
    to: *mut c_void,
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        let (bytes, encoding) = (block(bytes, length, "bytes")?, crate::encoding::encoding(encoding)?);
        fill(layout(record)?, to, |filler| codec::decode_into(bytes, encoding, &Limits::default(), filler))
    })
}

/// Writes a struct as one value of a writer: with `key` in a map that is open, with NULL anywhere else.
///
/// # Safety
/// As for `linkspan_writer_put_null`; `record` is a table, `from` points to a struct of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_writer_put_record(
    writer: *mut linkspan_writer,
    key: *const c_char,
    record: *mut linkspan_record,
    from: *const c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { writer::put_source(writer, key, || lend(layout(record)?, from)) }
}

/// Takes the next value of a reader into a struct, as `linkspan_record_get` does.
///
/// # Safety
/// As for `linkspan_reader_get_bool`; `record` is a table, `to` points to a struct of it that was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_reader_get_record(
    reader: *mut linkspan_reader,
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        reader::get_into(reader, |send| {
            fill(layout(record)?, to, |mut filler| {
                send(&mut filler)?;
                Ok(filler)
            })
        })
    }
}
