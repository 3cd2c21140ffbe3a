//! The boundary between the engine and Rust: errors and panics become exceptions, and fatal errors pass
//! without a leak.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ext_php_rs::zend::bailout;
use linkspan::{Error, ErrorKind, Result};

use crate::call;

thread_local! {
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

/// The error of a function that PHP calls, thrown as the object that `exception` creates.
pub struct Failure(pub Error);

/// The result of a function that PHP calls.
pub type PhpResult<T> = std::result::Result<T, Failure>;

/// Runs the body of a function that PHP calls. An error is thrown as its exception, a panic as
/// `InternalException`; a fatal error that [`call::call_php`] held back continues once no Rust frame owns
/// anything.
pub fn edge<T>(body: impl FnOnce() -> Result<T>) -> PhpResult<T> {
    let result = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => Err(panicked()),
    };
    if call::take_fatal_error() {
        drop(result);
        // SAFETY: the body has returned and its result is dropped, so the jump skips no frame that owns anything.
        unsafe { bailout() }
    }
    result.map_err(Failure)
}

/// Returns the error of a panic; here, since `edge` is compiled for each function.
#[cold]
fn panicked() -> Error {
    let text = PANIC.take().unwrap_or_else(|| "a panic without a text".to_owned());
    Error::new(ErrorKind::Internal, format!("a defect in Linkspan, please report it: {text}"))
}

/// Keeps the text and place of a panic for the exception instead of printing it. This affects only our own
/// copy of the standard library, no other extension.
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| PANIC.set(Some(info.to_string()))));
}
