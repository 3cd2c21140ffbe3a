//! Reads text files with a limit: schemas, and files that schemas are imported from.
//!
//! A path may come from a user's option, so it may be that of a pipe or a device: opening never
//! blocks, and errors name the path and the remedy.

use std::fs::{File, FileType, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use rustix::fs::OFlags;

use super::source::Source;
use crate::error::{Error, ErrorKind, Result, quoted};

/// Returns the text of a file of at most `most` bytes. `remedy` is the advice for a longer one.
///
/// # Errors
///
/// `Malformed` where it is not UTF-8 or contains a NUL byte, `TooLarge` where it is longer, each
/// with line and column; `Unsupported` where the path is that of a directory, a pipe, a socket or a
/// device; `NotFound` and `PermissionDenied` where it cannot be opened. Opening never blocks. A
/// pipe is read where it is a descriptor of this process, such as `/dev/stdin`; that blocks until
/// its end.
#[doc(hidden)]
pub fn read_text(path: &str, most: usize, remedy: &str) -> Result<String> {
    let mut bytes = Vec::new();
    open_file(path)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|why| refused(path, &why))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (at, is_cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
            let bytes = error.into_bytes();
            // Where the limit cuts a character in two, the file is too long, and its text may be right.
            if !is_cut || bytes.len() <= most {
                return Err(not_utf8(path, bytes, at));
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    check(Source { file: path.to_owned(), text }, most, remedy).map(|source| source.text)
}

/// Refuses a text that is longer than `most` bytes, or that contains a NUL byte.
pub(super) fn check(source: Source, most: usize, remedy: &str) -> Result<Source> {
    if source.text.len() > most {
        let text = format!("the text crosses the limit of {most} bytes here: {remedy}");
        return Err(source.refuse(ErrorKind::TooLarge, &(most..most), text));
    }
    match source.text.find('\0') {
        None => Ok(source),
        Some(at) => Err(source
            .error(&(at..at), "a NUL byte stands here, so this is not text: save the file as UTF-8 text")),
    }
}

/// Returns the error of the first byte that is not UTF-8, with its position. It recognizes UTF-16
/// and a character that is cut off, which have other remedies.
fn not_utf8(path: &str, mut bytes: Vec<u8>, at: usize) -> Error {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let found = match &bytes[at..] {
        [] => String::new(),
        [byte, ..] if is_utf16 => format!("the byte {byte:#04x}, with which UTF-16 begins,"),
        rest if std::str::from_utf8(rest).is_err_and(|e| e.error_len().is_none()) => {
            "a character of which the end is missing".to_owned()
        }
        [byte, ..] => format!("the byte {byte:#04x}"),
    };
    bytes.truncate(at);
    let text = String::from_utf8(bytes).unwrap_or_default();
    let end = text.len();
    let source = Source { file: path.to_owned(), text };
    source.error(&(end..end), format!("{found} stands here, which is not UTF-8: save the file as UTF-8 text"))
}

/// Opens a file for reading, without waiting for another program, such as the writer of a pipe. The
/// errors are those of [`read_text`].
#[doc(hidden)]
pub fn open_file(path: &str) -> Result<File> {
    // These paths open a descriptor of this process again, which it was given to read.
    let is_descriptor = ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"].iter().any(|at| path.starts_with(at));
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
        return Err(Error::new(ErrorKind::Unsupported, format!("{path}: {what}")));
    }
    opened.map_err(|why| refused(path, &why))
}

/// Returns the type of the path, with the remedy.
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
fn refused(path: &str, why: &std::io::Error) -> Error {
    if why.raw_os_error() == Some(libc::ELOOP) {
        let text = format!("{path}: a symbolic link that leads to itself is not a text file: name a file");
        return Error::new(ErrorKind::Unsupported, text);
    }
    let error = Error::os(format_args!("reading {}", quoted(path)), why.raw_os_error().unwrap_or(0));
    let remedy = match error.kind() {
        ErrorKind::NotFound => {
            "check the path; one that does not begin with / is relative to the working directory"
        }
        ErrorKind::PermissionDenied => "give the user of this program the right to read it",
        // A path that the standard library refuses before the kernel sees it.
        _ if path.contains('\0') => {
            return Error::new(ErrorKind::NotFound, format!("{}: a path has no NUL byte", quoted(path)));
        }
        _ => return error,
    };
    let text = format!("{}: {remedy}", error.text());
    error.in_words(text)
}
