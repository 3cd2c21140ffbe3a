//! Calls from Rust into PHP: exceptions and fatal errors of the called code unwind the frames of Rust as errors.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

use ext_php_rs::zend::{CatchError, ExecutorGlobals, try_catch};
use linkspan::{Error, ErrorKind, Result};

thread_local! {
    /// Whether a fatal error waits for the Rust frames to return.
    static FATAL: Cell<bool> = const { Cell::new(false) };
}

/// Calls into PHP from Rust frames that own memory.
///
/// A fatal error in PHP, such as memory_limit, becomes an error that unwinds these frames; `edge` continues the fatal
/// error afterwards. An exception unwinds them in the same way and stays pending.
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

/// Returns whether [`call_php`] has held back a fatal error since the last call of this function.
///
/// The caller must continue that error.
pub fn take_fatal_error() -> bool {
    FATAL.take()
}
