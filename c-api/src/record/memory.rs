//! What a struct owns: memory that C's `malloc` gave, messages, and the defaults of its fields.

use std::ffi::c_void;

use linkspan::value::Source;
use linkspan::{Error, ErrorKind, Result};

use super::fill::Filler;
use super::layout::{Field, Fields, Kind, Layout, PAIR};
use super::lent::number;
use crate::array::linkspan_array;
use crate::message::{linkspan_message, linkspan_message_release};

#[cold]
fn no_memory() -> Error {
    Error::new(ErrorKind::OutOfMemory, "no memory for this value")
}

/// A copy of bytes with a NUL behind them.
pub(super) fn copy(bytes: &[u8]) -> Result<*mut u8> {
    // SAFETY: a size is all that `malloc` asks for; the room is written as far as it goes.
    unsafe {
        let room = libc::malloc(bytes.len() + 1).cast::<u8>();
        if room.is_null() {
            return Err(no_memory());
        }
        room.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        room.add(bytes.len()).write(0);
        Ok(room)
    }
}

/// Memory for items, all zero; NULL where there are none.
pub(super) fn items(count: usize, size: usize) -> Result<*mut u8> {
    if count == 0 {
        return Ok(std::ptr::null_mut());
    }
    // SAFETY: `calloc` checks the product.
    let room = unsafe { libc::calloc(count, size) };
    if room.is_null() { Err(no_memory()) } else { Ok(room.cast()) }
}

/// Frees what the pointer at `at` points to.
///
/// # Safety
/// A pointer that is NULL or came from `malloc` lies there, and nobody uses it any more.
unsafe fn free(at: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe { libc::free(at.cast::<*mut c_void>().read_unaligned()) };
}

/// Frees what a value owns, which then is all zero.
///
/// # Safety
/// A value of this layout lies at `at`, which owns what it points to.
pub(super) unsafe fn clear(of: &Layout, at: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe {
        give_back(of, at);
        at.write_bytes(0, of.size);
    }
}

/// # Safety
/// As for [`clear`].
unsafe fn give_back(of: &Layout, at: *mut u8) {
    if !of.owns {
        return;
    }
    // SAFETY: as the caller promises; the layout was checked to lie within the struct.
    unsafe {
        match &of.kind {
            Kind::Text | Kind::Bytes | Kind::Decimal => free(at),
            Kind::Any => {
                linkspan_message_release(at.cast::<*mut linkspan_message>().read_unaligned());
            }
            Kind::Array { .. } => {
                let array = at.cast::<linkspan_array>().read_unaligned();
                libc::free(array.data.cast_mut());
            }
            Kind::List(items) => {
                each(at, items.size, |item| give_back(items, item), items.owns);
                free(at);
            }
            Kind::Map(size, values) => {
                let entry = |entry: *mut u8| {
                    free(entry);
                    give_back(values, entry.add(PAIR));
                };
                each(at, *size, entry, true);
                free(at);
            }
            Kind::Struct(Fields { all, .. }) => {
                for field in all {
                    give_back(&field.of, at.add(field.offset));
                }
            }
            Kind::Union(size, fields) => {
                if let Some(variant) = fields.all.get(number(at, *size)) {
                    give_back(&variant.of, at.add(variant.offset));
                }
            }
            _ => {}
        }
    }
}

/// Does something with each item of the list or map at `at`.
///
/// # Safety
/// As for [`clear`].
unsafe fn each(at: *mut u8, size: usize, what: impl Fn(*mut u8), needed: bool) {
    if !needed {
        return;
    }
    // SAFETY: as the caller promises: so many items lie there.
    unsafe {
        let first = at.cast::<*mut u8>().read_unaligned();
        let count = at.add(size_of::<*mut u8>()).cast::<usize>().read_unaligned();
        if !first.is_null() {
            (0..count).for_each(|position| what(first.add(position * size)));
        }
    }
}

/// Sets the fields of a value that is all zero to their defaults.
///
/// # Safety
/// A value of this layout lies at `at`, all zero.
pub(super) unsafe fn defaults(of: &Layout, at: *mut u8) -> Result<()> {
    if let (true, Kind::Struct(fields)) = (of.has_defaults, &of.kind) {
        for field in &fields.all {
            // SAFETY: as the caller promises.
            unsafe { default(field, at) }?;
        }
    }
    Ok(())
}

/// Sets a field to its default, where it has one, or its own fields to theirs.
///
/// # Safety
/// `at` is where its struct lies, in which the field is all zero.
pub(super) unsafe fn default(field: &Field, at: *mut u8) -> Result<()> {
    // SAFETY: the caller promises the struct, within which the field lies.
    let at = unsafe { at.add(field.offset) };
    let Some(value) = &field.default else {
        // SAFETY: as the caller promises.
        return unsafe { defaults(&field.of, at) };
    };
    // SAFETY: as the caller promises.
    let mut filler = unsafe { Filler::new(&field.of, at) };
    value.walk(&mut filler)?;
    filler.finish()
}
