//! Errors in tables and structs.

use linkspan::{Error, ErrorKind};

/// The error for an invalid table.
#[cold]
pub(super) fn wrong_table(text: String) -> Error {
    let text = format!("the table of a record {text}: generate it again with `linkspan schema generate`");
    Error::new(ErrorKind::InvalidState, text)
}

/// The error if there is no memory for a value.
#[cold]
pub(super) fn no_memory() -> Error {
    Error::new(ErrorKind::OutOfMemory, "no memory for this value")
}

/// The error for a value that the program does not have.
#[cold]
pub(super) fn no_array() -> Error {
    Error::new(ErrorKind::Missing, "an array is not allocated")
}
