//! Errors in tables and structs.

use linkspan::{Error, ErrorKind};

#[cold]
pub(super) fn wrong_table(text: String) -> Error {
    let text = format!("the table of a record {text}: generate it again with `linkspan schema generate`");
    Error::new(ErrorKind::InvalidState, text)
}

#[cold]
pub(super) fn no_memory() -> Error {
    Error::new(ErrorKind::OutOfMemory, "no memory for this value")
}

#[cold]
pub(super) fn no_array() -> Error {
    Error::new(ErrorKind::Missing, "an array is not allocated")
}
