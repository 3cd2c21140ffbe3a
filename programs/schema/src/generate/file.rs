//! A generated file.

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name without a folder: `power_reading.rs`.
    pub name: String,
    /// Its text.
    pub text: String,
}
