//! Records: structs of a program, encoded and decoded directly by a table with field offsets.
//!
//! The C `table` becomes a checked `layout` once. `borrowed` encodes a struct as a Source, `flat` encodes scalars
//! without a walk. `fill` decodes as a Sink.

mod access;
mod borrowed;
mod clear;
mod error;
mod field_set;
mod fill;
mod flat;
mod layout;
mod memory;
mod moved;
mod part;
mod put;
mod table;

use std::ffi::{c_char, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use linkspan::fork::Own;
use linkspan::value::{Source, ValueBuilder};
use linkspan::{Error, ErrorKind, Limits, Result, codec};

use crate::argument::{block, c_text, give_encoded, handle, is_null, place};
use crate::encoding::linkspan_encoding;
use crate::error::guard;
use crate::message::linkspan_message;
use crate::status::linkspan_status;

pub use access::linkspan_record_access;
pub use table::*;

use borrowed::BorrowedRecord;
use fill::Filler;
use layout::Layout;

/// The first call reads the layout.
///
/// # Safety
/// `record` is NULL or a table as [`linkspan_record`] describes it.
pub(crate) unsafe fn layout<'a>(record: *mut linkspan_record) -> Result<&'a Layout> {
    if record.is_null() {
        return Err(is_null("record"));
    }
    // SAFETY: a table by contract. Only this library uses `prepared`, atomically.
    let prepared = unsafe { AtomicPtr::from_ptr((&raw mut (*record).prepared).cast::<*mut Layout>()) };
    let there = prepared.load(Ordering::Acquire);
    if !there.is_null() {
        // SAFETY: it was stored below, and is never freed.
        return Ok(unsafe { &*there });
    }
    // SAFETY: by contract.
    let made = Box::into_raw(Box::new(unsafe { Layout::read(&*record) }?));
    match prepared.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: the table keeps it now, and it is never freed.
        Ok(_) => Ok(unsafe { &*made }),
        Err(other) => {
            // SAFETY: another thread stored its layout first and never frees it. No thread has this one.
            unsafe {
                drop(Box::from_raw(made));
                Ok(&*other)
            }
        }
    }
}

/// Serializes the calls that complete tables.
static FILLING: Own<Mutex<()>> = Own::new();

/// Reads a table after `fill` has completed it, once, for languages that build tables at run time.
///
/// Only one thread runs `fill`. A table that was read before is not changed.
///
/// # Safety
/// `record` is a table once `fill` has returned, and `fill` calls nothing of this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_prepare(
    record: *mut linkspan_record,
    fill: Option<unsafe extern "C" fn()>,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        if record.is_null() {
            return Err(is_null("record"));
        }
        let _alone = FILLING.lock();
        let prepared = AtomicPtr::from_ptr((&raw mut (*record).prepared).cast::<*mut Layout>());
        if prepared.load(Ordering::Acquire).is_null() {
            fill.ok_or_else(|| is_null("fill"))?();
            layout(record)?;
        }
        Ok(())
    })
}

/// # Safety
/// `from` is NULL or points to a struct of this layout. No thread changes it during the loan.
unsafe fn lend<'a>(layout: &'a Layout, from: *const c_void) -> Result<BorrowedRecord<'a>> {
    if from.is_null() {
        return Err(is_null("from"));
    }
    // SAFETY: by contract.
    Ok(unsafe { BorrowedRecord::new(layout, from.cast()) })
}

/// Frees the old content first, except parts that the program's functions reach.
///
/// # Safety
/// `to` is NULL or points to a struct of this layout that `linkspan_record_init`, an earlier call or the program has
/// set.
unsafe fn fill<'a>(
    layout: &'a Layout,
    to: *mut c_void,
    drive: impl FnOnce(Filler<'a>) -> Result<Filler<'a>>,
) -> Result<()> {
    if to.is_null() {
        return Err(is_null("to"));
    }
    // SAFETY: by contract. `clear` zeroes the struct, as the filler requires of one with a layout.
    unsafe {
        if !layout.is_reached {
            clear::clear(layout, to.cast());
        }
        drive(Filler::new(layout, to.cast()))?.finish()
    }
}

/// Refuses a struct that the program creates and frees.
fn own(layout: &Layout) -> Result<&Layout> {
    if layout.is_reached {
        let text =
            "a record with values that functions of the program reach is made and freed by the program";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    Ok(layout)
}

/// Sets every field of a struct to its default or zero, without freeing the old content.
///
/// # Safety
/// `to` has the size in the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_init(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let layout = layout(record)?;
        if to.is_null() {
            return Err(is_null("to"));
        }
        own(layout)?;
        to.cast::<u8>().write_bytes(0, layout.size);
        fill::defaults(layout, to.cast())
    })
}

/// Frees the memory that a struct owns and sets the struct to zero. NULL is allowed.
///
/// # Safety
/// `to` is an initialized struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_free(
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        if !to.is_null() {
            clear::clear(own(layout(record)?)?, to.cast());
        }
        Ok(())
    })
}

/// Makes a struct the value of `message`, which accepts no puts until `linkspan_message_clear`.
///
/// Arrays that are loans are moved without a copy, as by `linkspan_message_put_loan`, and their `data` becomes NULL.
/// The struct cannot be put again (`InvalidState`) until each has a loan or memory.
///
/// # Safety
/// `from` is a struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_put(
    record: *mut linkspan_record,
    from: *const c_void,
    message: *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (layout, to) = (layout(record)?, handle(message)?);
        if from.is_null() {
            return Err(is_null("from"));
        }
        match moved::value_with_loans(layout, from.cast_mut().cast()) {
            Some(value) => to.take_value(value?),
            None => to.take_record(&lend(layout, from)?, layout.keys(), layout.has_arrays),
        }
    })
}

/// Encodes a struct. Free the bytes with `linkspan_free`.
///
/// # Safety
/// `from` is a struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_encode(
    record: *mut linkspan_record,
    from: *const c_void,
    encoding: linkspan_encoding,
    bytes: *mut *mut u8,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        give_encoded(place!(bytes), place!(length), |out| {
            let layout = layout(record)?;
            let how = codec::EncodeOptions::default().with_keys(layout.keys());
            codec::encode_into(&lend(layout, from)?, crate::encoding::encoding(encoding)?, &how, out)
        })
    }
}

/// Decodes bytes into a struct, like `linkspan_message_get_record`. The bytes may be freed at once.
///
/// # Safety
/// `to` is an initialized struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_record_decode(
    record: *mut linkspan_record,
    to: *mut c_void,
    bytes: *const u8,
    length: usize,
    encoding: linkspan_encoding,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (bytes, encoding) = (block(bytes, length, "bytes")?, crate::encoding::encoding(encoding)?);
        fill(layout(record)?, to, |filler| codec::decode_into(bytes, encoding, &Limits::default(), filler))
    })
}

/// Puts a copy of a struct, with its loans, as one value of a message.
///
/// # Safety
/// `from` is a struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_put_record(
    message: *mut linkspan_message,
    key: *const c_char,
    record: *mut linkspan_record,
    from: *const c_void,
) -> linkspan_status {
    // SAFETY: by contract.
    let value = || unsafe {
        let mut builder = ValueBuilder::new();
        lend(layout(record)?, from)?.walk(&mut builder)?;
        builder.finish()
    };
    // SAFETY: by contract.
    unsafe { crate::put::put(message, key, value) }
}

/// Reads the value at a path of a message into a struct, whose old content is freed.
///
/// After an error the struct has a part of the value.
///
/// # Safety
/// `to` is an initialized struct of the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_get_record(
    message: *const linkspan_message,
    path: *const c_char,
    record: *mut linkspan_record,
    to: *mut c_void,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (message, path) = (handle(message)?, c_text(path, "path")?);
        fill(layout(record)?, to, |filler| match path {
            "" => message.send_into(filler),
            path => message.look_at(path, |value| {
                let mut filler = filler;
                value.walk(&mut filler).map_err(|error| below(error, path))?;
                Ok(filler)
            }),
        })
    })
}

fn below(error: Error, path: &str) -> Error {
    path.rsplit('/').fold(error, |error, part| error.under_key(&part.replace("~1", "/").replace("~0", "~")))
}
