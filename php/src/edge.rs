//! The edge between the engine and Rust: errors and panics become exceptions, fatal errors pass without a leak.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ext_php_rs::exception::PhpResult;
use ext_php_rs::zend::{CatchError, ExecutorGlobals, bailout, try_catch};
use linkspan::{Error, ErrorKind, Result};

use crate::exception;

thread_local! {
    static FATAL: Cell<bool> = const { Cell::new(false) };
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs the body of a function that PHP calls. An error is thrown as its exception, a panic as `InternalException`; a
/// fatal error that [`call_php`] held back goes on once nothing of Rust's is left.
pub fn edge<T>(body: impl FnOnce() -> Result<T>) -> PhpResult<T> {
    let result = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => {
            let text = PANIC.take().unwrap_or_else(|| "a panic without a text".to_owned());
            Err(Error::new(ErrorKind::Internal, format!("a defect in Linkspan, please report it: {text}")))
        }
    };
    if FATAL.take() {
        drop(result);
        // SAFETY: the body has returned and its result is dropped, so the jump skips no frame that owns anything.
        unsafe { bailout() }
    }
    result.map_err(exception::from_error)
}

/// Calls into PHP where Rust frames above own memory: a fatal error in there (memory_limit, say) ends the call with an
/// error that unwinds them, and [`edge`] lets it go on afterwards. So does an exception, which stays pending.
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

/// Keeps the text and place of a panic for the exception instead of printing it. Our own copy of the standard library
/// is concerned, no other extension's.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| PANIC.set(Some(info.to_string()))));
}
