//! A file of the shown recording.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use linkspan::{Error, ErrorKind, Result, files};

pub struct Part {
    pub name: String,
    pub file: Arc<File>,
}

impl Part {
    /// Opens the file if it still has this device and inode. A file that replaced it is not shown.
    ///
    /// # Errors
    /// Errors of the file; `NotFound` for another file.
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

    /// Returns the current length, which may still grow.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::os(format!("reading {}", self.name), error.raw_os_error().unwrap_or(0))
    }
}
