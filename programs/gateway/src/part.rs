//! A file of a recording that is shown.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use linkspan::{Error, ErrorKind, Result, files};

/// A file of a recording.
pub struct Part {
    pub name: String,
    pub file: Arc<File>,
}

impl Part {
    /// Opens it, where it is the file with this device and number there: another one that takes its place, before or
    /// after, is not shown.
    ///
    /// # Errors
    /// Those of the file; `NotFound` where it is another one.
    pub fn open(path: &Path, (device, number): (u64, u64)) -> Result<Part> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let part = Part { name, file: Arc::new(files::open(path)?) };
        let facts = part.file.metadata().map_err(|e| part.failed(&e))?;
        if (facts.dev(), facts.ino()) != (device, number) {
            let text = format!("{}: another file took the place of this one; try again", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Ok(part)
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
