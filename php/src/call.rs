//! Calls from Rust into PHP, which unwind the frames of Rust as errors.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use ext_php_rs::zend::{CatchError, ExecutorGlobals, try_catch};
use linkspan::{Error, ErrorKind, Result};

thread_local! {
    /// Whether a fatal error waits for the Rust frames to return.
    static FATAL: Cell<bool> = const { Cell::new(false) };
}

/// Turns a fatal error in PHP, such as memory_limit, into an error that unwinds the Rust frames.
///
/// `edge` continues the fatal error. An exception also unwinds the frames, and stays pending.
pub fn call_php<T>(call: impl FnOnce() -> T) -> Result<T> {
    let result = try_catch(AssertUnwindSafe(call));
    if ExecutorGlobals::has_exception() {
        return Err(Error::new(ErrorKind::Interrupted, "PHP code that was called threw an exception"));
    }
    match result {
        Ok(value) => Ok(value),
        Err(CatchError::Bailout) => {
            FATAL.set(true);
            Err(Error::new(ErrorKind::Interrupted, "PHP code that was called ended in a fatal error"))
        }
        Err(other) => Err(Error::new(ErrorKind::Internal, other.to_string())),
    }
}

/// Whether [`call_php`] has held back a fatal error, which the caller must continue.
pub fn take_fatal_error() -> bool {
    FATAL.take()
}
