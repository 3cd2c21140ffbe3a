//! What an import is given beside the file, and what it reports beside the schema.

use std::path::PathBuf;

/// What is imported from where.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The message, where a file defines several: its name, with or without its package.
    pub message: Option<String>,
    /// Directories in which further files are looked for, beside that of the file.
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
