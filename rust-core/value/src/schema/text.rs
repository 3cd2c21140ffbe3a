//! Reads text files with a limit: schemas, and files that schemas are imported from.

use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{open_or_descriptor, read};

/// Returns the text of a file of at most `most` bytes. `remedy` is the advice for a longer file.
///
/// Opening never blocks. A pipe is read if it is a descriptor of this process, such as `/dev/stdin`; that blocks until
/// its end.
///
/// # Errors
///
/// `Malformed` for invalid UTF-8 or a NUL byte, `TooLarge` for a longer file, each with line and column. `Unsupported`
/// if the path names a directory, a pipe, a socket or a device. `NotFound` and `PermissionDenied` if it cannot be
/// opened.
#[doc(hidden)]
pub fn read_text(path: &str, most: usize, remedy: &str) -> Result<String> {
    let bytes = read(open_or_descriptor(path.as_ref())?, path.as_ref(), most as u64 + 1)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (at, is_cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
            let bytes = error.into_bytes();
            // If the limit cuts a character in two, the file is too long, but its text may be valid.
            if !is_cut || bytes.len() <= most {
                return Err(not_utf8(path, bytes, at));
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    check(Source { file: path.to_owned(), text }, most, remedy).map(|source| source.text)
}

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

/// Returns the error of the first byte that is not UTF-8, with its position.
///
/// UTF-16 and a cut character have their own remedies.
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
