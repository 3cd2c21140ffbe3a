//! The options and the remarks of an import.

use std::path::PathBuf;

/// Options of an import.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The message, with or without its package, if a file defines several.
    pub message: Option<String>,
    /// Directories that are searched for further files, in addition to the file's directory.
    pub include: Vec<PathBuf>,
}

/// A place where the schema accepts more than the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// The constraint that the schema lacks.
    pub text: String,
}
