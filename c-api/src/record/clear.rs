//! Frees the memory that a struct owns: blocks from C's `malloc`, and messages.

use std::ffi::c_void;

use super::layout::{Fields, Kind, Layout};
use super::part::number;
use crate::array::linkspan_array;
use crate::loan::free_elements;
use crate::message::linkspan_message;
use crate::message::references::linkspan_message_release;

/// # Safety
/// At `at` is a pointer that is NULL or came from `malloc`. No code uses its memory any more.
unsafe fn free(at: *mut u8) {
    // SAFETY: by contract.
    unsafe { libc::free(at.cast::<*mut c_void>().read_unaligned()) };
}

/// Frees the memory that a value owns and sets the value to zero.
///
/// # Safety
/// A value of this layout, not reached by functions, is at `at` and owns its pointees.
pub(super) unsafe fn clear(of: &Layout, at: *mut u8) {
    // SAFETY: by contract.
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
    // SAFETY: by contract; the layout was checked to lie within the struct.
    unsafe {
        match &of.kind {
            Kind::Text | Kind::Bytes | Kind::Decimal => free(at),
            Kind::Any => {
                linkspan_message_release(at.cast::<*mut linkspan_message>().read_unaligned());
            }
            Kind::Array { .. } => free_elements(at.cast::<linkspan_array>().read_unaligned()),
            Kind::List(items) => {
                each(at, items.size, |item| give_back(items, item), items.owns);
                free(at);
            }
            Kind::Map(entries) => {
                let entry = |entry: *mut u8| {
                    free(entry);
                    give_back(&entries.value, entry.add(entries.offset));
                };
                each(at, entries.size, entry, true);
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

/// Calls `what` for each array in a struct, at any depth.
///
/// # Safety
/// As for [`clear`].
pub(super) unsafe fn arrays(of: &Layout, at: *mut u8, what: &mut dyn FnMut(*mut linkspan_array)) {
    if !of.has_arrays {
        return;
    }
    // SAFETY: by contract.
    unsafe {
        match &of.kind {
            Kind::Array { .. } => what(at.cast()),
            Kind::List(items) => each(at, items.size, |item| arrays(items, item, what), items.has_arrays),
            Kind::Map(entries) => {
                let value = &entries.value;
                each(
                    at,
                    entries.size,
                    |entry| arrays(value, entry.add(entries.offset), what),
                    value.has_arrays,
                );
            }
            Kind::Struct(Fields { all, .. }) => {
                all.iter().for_each(|field| arrays(&field.of, at.add(field.offset), what));
            }
            Kind::Union(size, fields) => {
                if let Some(variant) = fields.all.get(number(at, *size)) {
                    arrays(&variant.of, at.add(variant.offset), what);
                }
            }
            _ => {}
        }
    }
}

/// # Safety
/// As for [`clear`].
unsafe fn each(at: *mut u8, size: usize, mut what: impl FnMut(*mut u8), needed: bool) {
    if !needed {
        return;
    }
    // SAFETY: by contract: the items are there.
    unsafe {
        let first = at.cast::<*mut u8>().read_unaligned();
        let count = at.add(size_of::<*mut u8>()).cast::<usize>().read_unaligned();
        if !first.is_null() {
            (0..count).for_each(|position| what(first.add(position * size)));
        }
    }
}
