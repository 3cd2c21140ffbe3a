//! The arguments of an import beside the file, and its remarks beside the schema.

use std::path::PathBuf;

/// What to import, and from where.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The message, if a file defines several: its name, with or without its package.
    pub message: Option<String>,
    /// Directories that are searched for further files, beside that of the file.
    pub include: Vec<PathBuf>,
}

/// A place where the schema accepts more than the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remark {
    /// `FILE:LINE:COLUMN`.
    pub place: String,
    /// What the schema does not contain.
    pub text: String,
}
