//! The boundary between the engine and Rust: errors and panics become exceptions, fatal errors pass without a leak.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ext_php_rs::zend::bailout;
use linkspan::{Error, ErrorKind, Result};

use crate::call;

thread_local! {
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// Thrown as an object of `exception`.
pub struct Failure(pub Error);

pub type PhpResult<T> = std::result::Result<T, Failure>;

/// Runs the body of a function that PHP calls.
///
/// An error is thrown as its exception, a panic as `InternalException`. A fatal error that [`call::call_php`] held back
/// continues when no Rust frame owns memory.
pub fn edge<T>(body: impl FnOnce() -> Result<T>) -> PhpResult<T> {
    let result = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => Err(panicked()),
    };
    if call::take_fatal_error() {
        drop(result);
        // SAFETY: the body has returned and its result is dropped: the jump skips only frames that own nothing.
        unsafe { bailout() }
    }
    result.map_err(Failure)
}

/// Separate from `edge`, which is compiled for each function.
#[cold]
fn panicked() -> Error {
    let text = PANIC.take().unwrap_or_else(|| "a panic without a text".to_owned());
    Error::new(ErrorKind::Internal, format!("a defect in Linkspan, please report it: {text}"))
}

/// Keeps the text and place of a panic in this extension for the exception instead of printing it.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| PANIC.set(Some(info.to_string()))));
}
