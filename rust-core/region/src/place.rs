//! Opens and reads shared memory of other programs, without mapping files.
//!
//! A file is read with calls that never fault; a System V segment is attached.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use linkspan_os::descriptor::file_above_standard;
use linkspan_os::fork::OfProcess;
use linkspan_os::sysv::Attached;
use linkspan_value::error::{Doing, Error, ErrorKind, Result, quoted};

#[derive(Debug)]
pub enum RegionMemory {
    /// A file, including files in /dev/shm. A mapping of a shortened file would raise SIGBUS.
    File { file: OfProcess<File>, path: String },
    /// A System V segment, which never becomes shorter.
    SystemV(Attached),
}

/// The C library's directory for files of `shm_open`.
const POSIX: &str = "/dev/shm";

impl RegionMemory {
    /// Opens the memory of a text, with the forms and errors of [`super::Region::open`].
    pub fn open(source: &str) -> Result<RegionMemory> {
        if let Some(name) = source.strip_prefix("posix:") {
            let file = name.strip_prefix('/').unwrap_or(name);
            if file.is_empty() || file.contains(['/', '\0']) || file == "." || file == ".." {
                return Err(invalid(
                    source,
                    "a POSIX name is a slash and a name without one: posix:/sensors",
                ));
            }
            // Every user may put a link into this directory; `shm_open` does not follow it either.
            return RegionMemory::of_file(&format!("{POSIX}/{file}"), libc::O_NOFOLLOW);
        }
        if let Some(key) = source.strip_prefix("sysv:") {
            let number = match key.strip_prefix("0x").or_else(|| key.strip_prefix("0X")) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => key.parse(),
            };
            return match number {
                Ok(0) => Err(invalid(source, "the key 0 is private to its owner and cannot be opened")),
                Ok(key) => Ok(RegionMemory::SystemV(Attached::open(key)?)),
                Err(_) => Err(invalid(source, "a System V key is a number of 32 bits: sysv:0x1234")),
            };
        }
        let path = source.strip_prefix("path:").unwrap_or(source);
        if !path.starts_with('/') || path.contains('\0') {
            return Err(invalid(source, "write posix:/name, sysv:0x1234 or an absolute path"));
        }
        RegionMemory::of_file(path, 0)
    }

    fn of_file(path: &str, flags: i32) -> Result<RegionMemory> {
        // Without NONBLOCK a FIFO, or a file with another process's lease, would block.
        let flags = flags | libc::O_NONBLOCK;
        let opened =
            file_above_standard(File::options().read(true).custom_flags(flags).open(Path::new(path)))
                .map_err(|e| match e.raw_os_error() {
                    Some(libc::ELOOP) if flags & libc::O_NOFOLLOW != 0 => {
                        let text = format!(
                            "{path} is a link, which is not followed there; give the path that it leads to"
                        );
                        Error::new(ErrorKind::InvalidEndpoint, text)
                    }
                    Some(libc::EAGAIN) => {
                        let text = format!(
                            "another process has a lease on {path} and does not give it up; try again"
                        );
                        Error::new(ErrorKind::Stalled, text)
                    }
                    errno => Error::os(format_args!("opening the shared memory {path}"), errno.unwrap_or(0)),
                });
        let file = opened.map_err(|e| match e.kind() {
            ErrorKind::NotFound => explained(e, "start the program that makes it, or see its name there"),
            ErrorKind::PermissionDenied => explained(e, "its owner decides who may read it, by its mode"),
            _ => e,
        })?;
        if !file.metadata().doing(format_args!("looking at {path}"))?.is_file() {
            return Err(Error::new(ErrorKind::InvalidEndpoint, format!("{path} is not a regular file")));
        }
        Ok(RegionMemory::File { file: file.into(), path: path.to_owned() })
    }

    pub fn len(&self) -> Result<u64> {
        match self {
            RegionMemory::File { file, path } => {
                Ok(file.metadata().doing(format_args!("looking at {path}"))?.len())
            }
            RegionMemory::SystemV(attached) => Ok(attached.length() as u64),
        }
    }

    /// Copies the existing bytes from an offset on. Returns their number.
    pub fn copy(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let (file, path) = match self {
            RegionMemory::File { file, path } => (file, path),
            RegionMemory::SystemV(attached) => return Ok(attached.copy(offset as usize, into)),
        };
        let mut copied = 0;
        while copied < into.len() {
            match file.read_at(&mut into[copied..], offset + copied as u64) {
                Ok(0) => break,
                Ok(n) => copied += n,
                // Reading memory does not wait, so a signal needs no answer here.
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).doing(format_args!("reading {path}")),
            }
        }
        Ok(copied)
    }
}

fn invalid(source: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidEndpoint,
        format!("{source} is not shared memory: {what}", source = quoted(source)),
    )
}

fn explained(error: Error, what: &str) -> Error {
    Error::new(error.kind(), format!("{}; {what}", error.text()))
}
