//! Copies long byte strings of a message out of the sender's slot into `bytes` objects, once.

use std::mem::MaybeUninit;

use bytes::Bytes;
use linkspan::{Result, UncopiedBytes};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::made;

struct Shared {
    _object: Py<PyBytes>,
    /// The bytes never move or change.
    from: *const u8,
    length: usize,
}

// SAFETY: nothing writes the bytes again, and the object outlives this on any thread. Only `Py` changes the reference
// count, and any thread may drop it.
unsafe impl Send for Shared {}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the object in `_object` has this many bytes at this address.
        unsafe { std::slice::from_raw_parts(self.from, self.length) }
    }
}

/// Returns the new objects and their memory; `OutOfMemory` without memory.
pub fn copied(py: Python<'_>, bytes: &UncopiedBytes) -> Result<(Vec<Py<PyBytes>>, Vec<Bytes>)> {
    let (mut objects, mut copies) = (Vec::new(), Vec::new());
    for (number, length) in bytes.lengths().into_iter().enumerate() {
        let (object, copy) = filled(py, length, |to| bytes.copy_to(number, to))?;
        objects.push(object);
        copies.push(copy);
    }
    Ok((objects, copies))
}

fn filled(
    py: Python<'_>,
    length: usize,
    fill: impl FnOnce(&mut [MaybeUninit<u8>]),
) -> Result<(Py<PyBytes>, Bytes)> {
    let object = made::uninitialised_bytes(py, length)?;
    // SAFETY: the new `bytes` object is not shared yet, so its `length` bytes may be written once.
    let to = unsafe {
        let from = ffi::PyBytes_AsString(object.as_ptr());
        std::slice::from_raw_parts_mut(from.cast::<MaybeUninit<u8>>(), length)
    };
    fill(to);
    let from = to.as_ptr().cast();
    let object = object.unbind();
    let shared = Shared { _object: object.clone_ref(py), from, length };
    Ok((object, Bytes::from_owner(shared)))
}
