//! Opens and reads the files that a user names.
//!
//! A path may name a pipe or a device. A regular file may block as well: `/proc/kmsg`, a file with another process's
//! lease. No function here waits for another program, and errors name the path and the remedy.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{Error, ErrorKind, Result, quoted};

/// Opens a regular file for reading.
///
/// # Errors
///
/// `Unsupported` if the path names a directory, a pipe, a socket or a device, or if another process has a lease on the
/// file. `NotFound` and `PermissionDenied` if it cannot be opened.
pub fn open(path: &Path) -> Result<File> {
    open_as(path, false)
}

/// Opens a regular file for reading, or a descriptor of this process, such as `/dev/stdin`.
///
/// A descriptor may be a pipe; reading it waits until its end.
///
/// # Errors
///
/// As for [`open`].
pub fn open_or_descriptor(path: &Path) -> Result<File> {
    let is_descriptor = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"]
        .iter()
        .any(|at| path.as_os_str().as_encoded_bytes().starts_with(at.as_bytes()));
    open_as(path, is_descriptor)
}

fn open_as(path: &Path, is_descriptor: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if !is_descriptor {
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    }
    let opened = options.open(path);
    // A file that cannot be opened may still be examined, for a better error.
    let kind = match &opened {
        Ok(file) => file.metadata(),
        Err(_) => std::fs::metadata(path),
    };
    let kind = kind.map(|found| found.file_type()).ok();
    if let Some(what) = kind.and_then(|kind| not_a_file(kind, is_descriptor)) {
        return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", path.display())));
    }
    opened.map_err(|why| refused(path, &why))
}

/// Whether a path may name a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Its target is opened.
    Followed,
    /// It is an error.
    Refused,
}

/// Opens a regular file for writing, such as a lock, or creates it with this mode.
///
/// The content of an existing file stays.
///
/// # Errors
///
/// `Unsupported` if the path names another object, such as a FIFO, or a refused link; those of the file system.
pub fn open_to_write(path: &Path, mode: u32, links: Links) -> Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(mode).custom_flags(flags.bits().cast_signed());
    let opened = options.open(path);
    let found = match (&opened, links) {
        (Ok(file), _) => file.metadata(),
        (Err(_), Links::Followed) => std::fs::metadata(path),
        (Err(_), Links::Refused) => std::fs::symlink_metadata(path),
    };
    if found.is_ok_and(|found| !found.is_file()) {
        let text = format!("{} is no regular file: remove it, or name another path", path.display());
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let what = || format!("opening {}", quoted(&path.to_string_lossy()));
    opened.map_err(|why| Error::os(what(), why.raw_os_error().unwrap_or(0)))
}

/// Returns at most the first `most` bytes of an open file.
///
/// # Errors
///
/// `Unsupported` if reading would block; those of the file system.
pub fn read(file: File, path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|why| refused(path, &why))?;
    Ok(bytes)
}

/// Returns the text of a regular file, or of a descriptor of this process, of at most `most` bytes.
///
/// # Errors
///
/// As for [`open`] and [`read`]; `TooLarge` for a longer file, `Malformed` for invalid UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    let bytes = read(open_or_descriptor(path)?, path, most.saturating_add(1))?;
    if bytes.len() as u64 > most {
        let text = format!("{} has more than {most} bytes: name the right file", path.display());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    String::from_utf8(bytes).map_err(|_| {
        let text = format!("{} is not UTF-8: save the file as UTF-8 text", path.display());
        Error::new(ErrorKind::Malformed, text)
    })
}

fn not_a_file(kind: FileType, is_descriptor: bool) -> Option<&'static str> {
    if kind.is_dir() {
        Some("a directory is not a text file: name a file in it")
    } else if kind.is_fifo() && !is_descriptor {
        Some("a FIFO is not a text file: write its text to a file, and name that")
    } else if kind.is_socket() {
        Some("a socket is not a text file: name a file")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("a device is not a text file: name a file")
    } else {
        None
    }
}

/// Returns the error of a call of the operating system, with the remedy.
pub fn refused(path: &Path, why: &io::Error) -> Error {
    let shown = path.display();
    if why.kind() == io::ErrorKind::WouldBlock {
        let text = format!(
            "{shown}: it has nothing now, and is not waited for: name a regular file on which no other process has a lease"
        );
        return Error::new(ErrorKind::Unsupported, text);
    }
    if why.raw_os_error() == Some(libc::ELOOP) {
        let text = format!("{shown}: a symbolic link that leads to itself is not a text file: name a file");
        return Error::new(ErrorKind::Unsupported, text);
    }
    let error = Error::os(
        format_args!("reading {}", quoted(&path.to_string_lossy())),
        why.raw_os_error().unwrap_or(0),
    );
    let remedy = match error.kind() {
        ErrorKind::NotFound => {
            "check the path; one that does not begin with / is relative to the working directory"
        }
        ErrorKind::PermissionDenied => "give the user of this program the right to read it",
        // The standard library refuses such a path before the kernel sees it.
        _ if path.as_os_str().as_encoded_bytes().contains(&0) => {
            return Error::new(
                ErrorKind::NotFound,
                format!("{}: a path has no NUL byte", quoted(&path.to_string_lossy())),
            );
        }
        _ => return error,
    };
    let text = format!("{}: {remedy}", error.text());
    error.in_words(text)
}
