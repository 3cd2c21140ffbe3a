//! Regions: shared memory of another program, read-only.

use std::ffi::{c_char, c_void};

use linkspan::{Layout, Region};

use crate::argument::{apply, block_to_fill, c_text, c_text_or_none, handle, make, out, place, query};
use crate::error::guard;
use crate::message::linkspan_message;
use crate::object::{Tagged, free, give, handle_kind};
use crate::status::linkspan_status;

/// Read-only shared memory of another program. Free it with `linkspan_region_free`.
///
/// Every call copies the current contents. Any number of threads may read one region.
pub struct linkspan_region(pub(crate) Tagged<Region>);

handle_kind!(linkspan_region of Region: b"region..");

/// Opens shared memory: `posix:/name`, `sysv:0x1234` (a key), `path:/dev/shm/x` or a path.
///
/// `NotFound`, `PermissionDenied`, or `InvalidEndpoint` for other texts.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_open(
    source: *const c_char,
    region: *mut *mut linkspan_region,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        make(place!(region), || {
            Ok(give(linkspan_region(Tagged::new(Region::open(c_text(source, "source")?)?))))
        })
    }
}

/// Gets the current length in bytes, which may change.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_length(
    region: *const linkspan_region,
    length: *mut u64,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { query(region, place!(length), |region| region.0.len()) }
}

/// Copies bytes at an offset. `OutOfRange`, without a copy, if the region does not have all of them.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_bytes(
    region: *const linkspan_region,
    offset: u64,
    bytes: *mut c_void,
    length: usize,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(region, |region| {
            let to = block_to_fill(bytes.cast(), length, "bytes")?;
            let copied = region.0.bytes(offset, length)?;
            if let Some(to) = to {
                to.copy_from_nonoverlapping(copied.as_ptr(), length);
            }
            Ok(())
        })
    }
}

/// Gets the text at an offset, up to the first NUL or the end; not NUL-terminated.
///
/// Free it with `linkspan_free`. `Malformed` if it is not UTF-8.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_text(
    region: *const linkspan_region,
    offset: u64,
    text: *mut *mut c_char,
    length: *mut usize,
) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        let (text, length) = (out(place!(text))?, out(place!(length))?);
        let found = handle(region)?.0.text(offset)?;
        *length = found.len();
        *text = Box::into_raw(found.into_boxed_str()).cast();
        Ok(())
    })
}

/// Reads the struct at an offset as a map in field order, which the caller releases.
///
/// `layout` describes the struct: `"u32 count; f64 celsius; char name[16]; i16 raw[8] @64"`, aligned as in C. A prefix
/// `packed`, `big` or `little` changes that; `pad[12]` skips bytes.
///
/// `counter`, which may be NULL, names an integer field that the owner makes odd before a write and even after it. All
/// fields then belong to one write, or the call fails with `Stalled`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_read(
    region: *const linkspan_region,
    layout: *const c_char,
    offset: u64,
    counter: *const c_char,
    value: *mut *mut linkspan_message,
) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        query(region, place!(value), |region| {
            let layout: Layout = c_text(layout, "layout")?.parse()?;
            Ok(linkspan_message::of(match c_text_or_none(counter, "counter")? {
                Some(counter) => region.0.read_stable(offset, &layout, counter)?,
                None => region.0.read_at(offset, &layout)?,
            }))
        })
    }
}

/// Detaches and frees the region.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_region_free(region: *mut linkspan_region) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { free(region) }
}
