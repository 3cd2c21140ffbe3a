//! Errors of tables and of structs.

use linkspan::{Error, ErrorKind};

/// The error of a table that is wrong in this way.
#[cold]
pub(super) fn wrong_table(text: String) -> Error {
    let text = format!("the table of a record {text}: generate it again with `linkspan schema generate`");
    Error::new(ErrorKind::InvalidState, text)
}

/// The error of a value for which there is no memory.
#[cold]
pub(super) fn no_memory() -> Error {
    Error::new(ErrorKind::OutOfMemory, "no memory for this value")
}

/// The error of a value that a program does not have.
#[cold]
pub(super) fn no_array() -> Error {
    Error::new(ErrorKind::Missing, "an array is not allocated")
}
