//! A file of a recording that is shown.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use linkspan::{Error, Result, files};

/// A file of a recording.
pub struct Part {
    pub name: String,
    pub file: Arc<File>,
}

impl Part {
    /// Opens it: another file that takes its place is another one.
    ///
    /// # Errors
    /// Those of the file.
    pub fn open(path: &Path) -> Result<Part> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Part { name, file: Arc::new(files::open(path)?) })
    }

    /// Returns how long the file is now: it may still be written.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::os(format!("reading {}", self.name), error.raw_os_error().unwrap_or(0))
    }
}
