//! The error for a pointer that is NULL.

use linkspan::{Error, ErrorKind};

const IS_NULL: &str = " is NULL";

#[cold]
pub(crate) fn is_null(what: &str) -> Error {
    Error::new(ErrorKind::InvalidState, format!("{what}{IS_NULL}"))
}

pub(crate) fn is_of_null(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidState && error.text().ends_with(IS_NULL)
}
