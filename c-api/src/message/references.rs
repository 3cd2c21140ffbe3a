//! Creating, adding and releasing references to a message, and clearing it.

use super::{Reference, linkspan_message};
use crate::argument::{apply, make, place};
use crate::error::guard;
use crate::status::linkspan_status;

/// Creates an empty message with the value null. Release it with `linkspan_message_release`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_new(message: *mut *mut linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    unsafe { make(place!(message), || Ok(linkspan_message::empty())) }
}

/// Adds a reference, for an additional `linkspan_message_release`.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_retain(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    guard(|| unsafe {
        // The caller owns the reference.
        std::mem::forget(Reference::to(message)?);
        Ok(())
    })
}

/// Removes a reference; the last one frees the message and ends all views. NULL is allowed.
///
/// The last release of an unanswered request answers it with `Remote`. A release without a reference left, and any
/// other use of such a message, is `InvalidState` until 64 other messages have been released.
///
/// # Safety
/// One of the message's references belongs to the caller.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_release(message: *mut linkspan_message) -> linkspan_status {
    guard(|| {
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: by contract.
        unsafe { Reference::give_back(message) }
    })
}

/// Clears the message, to build another value in it; a received one becomes a message of the program.
///
/// # Safety
/// The header's rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkspan_message_clear(message: *mut linkspan_message) -> linkspan_status {
    // SAFETY: by contract.
    unsafe {
        apply(message, |message| {
            let mut state = message.change()?;
            message.forget_aligned();
            state.clear();
            Ok(())
        })
    }
}
