//! Creating, adding and releasing references to a message, and clearing it.

use super::{Reference, linkspan_message};
use crate::argument::{apply, make, place};
use crate::error::guard;
use crate::status::linkspan_status;

/// Creates an empty message with the value null. Release it with `linkspan_message_release`.
///
/// # Safety
/// `message` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_new(message: *mut *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe { make(place!(message), || Ok(linkspan_message::empty())) }
}

/// Adds a reference. It needs an additional `linkspan_message_release`.
///
/// # Safety
/// `message` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_retain(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    guard(|| unsafe {
        // The caller owns the reference.
        std::mem::forget(Reference::to(message)?);
        Ok(())
    })
}

/// Removes a reference; the last one frees the message and ends all views. NULL is allowed.
///
/// The last release of an unanswered request answers it with `Remote`.
///
/// A release without a reference left, and any other use of such a message, returns `InvalidState` until 64 other
/// messages have been released. After that the pointer is invalid like any freed pointer.
///
/// # Safety
/// `message` is NULL or a message of this library, one of whose references belongs to the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_release(message: *mut linkspan_message) -> linkspan_status {
    guard(|| {
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: as the caller promises.
        unsafe { Reference::give_back(message) }
    })
}

/// Clears the message, to build another value in it.
///
/// A received message becomes an empty message of the program.
///
/// # Safety
/// `message` is a live message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_clear(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: as the caller promises.
    unsafe {
        apply(message, |message| {
            let mut state = message.change()?;
            message.forget_aligned();
            state.clear();
            Ok(())
        })
    }
}
