//! Long byte strings of a message, which are copied out of the sender's slot into `bytes` objects, once.

use std::mem::MaybeUninit;

use bytes::Bytes;
use linkspan::{Result, UncopiedBytes};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::made;

/// The memory of a `bytes` object, for the message that shares it.
struct Shared {
    _object: Py<PyBytes>,
    /// Where its bytes are: nothing moves or changes them.
    from: *const u8,
    length: usize,
}

// SAFETY: the bytes of the object are never written again, and it outlives this, whatever thread has it; a reference
// count is changed by `Py` alone, which may be dropped on any thread.
unsafe impl Send for Shared {}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the object that `_object` keeps has so many bytes there.
        unsafe { std::slice::from_raw_parts(self.from, self.length) }
    }
}

/// Copies the byte strings into new objects, and returns them, and their memory. `OutOfMemory` where there is none.
pub fn copied(py: Python<'_>, bytes: &UncopiedBytes) -> Result<(Vec<Py<PyBytes>>, Vec<Bytes>)> {
    let (mut objects, mut copies) = (Vec::new(), Vec::new());
    for (number, length) in bytes.lengths().into_iter().enumerate() {
        let (object, copy) = filled(py, length, |to| bytes.copy_to(number, to))?;
        objects.push(object);
        copies.push(copy);
    }
    Ok((objects, copies))
}

/// Returns a new object of so many bytes, which `fill` initialises, and its memory.
fn filled(
    py: Python<'_>,
    length: usize,
    fill: impl FnOnce(&mut [MaybeUninit<u8>]),
) -> Result<(Py<PyBytes>, Bytes)> {
    let object = made::uninitialised_bytes(py, length)?;
    // SAFETY: it is a `bytes` object that nothing else has yet, so its bytes, of which there are as many as were asked
    // for, may be written once.
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
