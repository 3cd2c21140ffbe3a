//! Files that cannot be taken as messages: their faults, their place, and the answers to their senders.
//!
//! Such a file moves to `rejected/`, so it is not lost and does not block later files. The sender of a
//! request gets a failed answer with a JSON-RPC error, which also names the file.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::folder::SpoolFolder;
use super::layout::SpoolDirectory;
use super::name::LONGEST;
use crate::codec::{self, Encoding, Unread};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::random;
use crate::value::{Limits, Map, Value};

/// JSON-RPC 2.0's code for a text that cannot be parsed.
const PARSE_ERROR: i64 = -32700;
/// JSON-RPC 2.0's code for a request that is not accepted.
const INVALID_REQUEST: i64 = -32600;

/// From this size on, bodies that Linkspan wrote are not checked: decoding them finds any fault.
const LONG: usize = 1 << 20;

/// Checks that a body is a value in its encoding; else returns the error of the decoder.
///
/// `is_ours` tells whether Linkspan made the file's name.
pub fn check(body: &[u8], encoding: Encoding, limits: &Limits, is_ours: bool) -> Result<()> {
    if encoding == Encoding::Raw || is_ours && body.len() >= LONG {
        return Ok(());
    }
    codec::decode_into(body, encoding, limits, Unread).map(drop)
}

pub fn failure(name: &str, error: &Error) -> Result<Vec<u8>> {
    let code = if matches!(error.kind(), ErrorKind::Malformed) { PARSE_ERROR } else { INVALID_REQUEST };
    let map = Map::from_iter([
        ("code".to_owned(), Value::from(code)),
        ("type".to_owned(), error.kind().name().into()),
        ("text".to_owned(), format!("{name}: {error}; the file is kept in rejected/").into()),
    ]);
    codec::encode(&Value::Map(map), Encoding::Json)
}

/// The number of names that are tried before a random name, which cannot be taken.
const PLAIN_NAMES: u32 = 16;

/// Links a file into `rejected/`, so the caller can remove its first name; else renames it.
pub fn keep(layout: &SpoolDirectory, from: &SpoolFolder, name: &str) -> Result<()> {
    let stem = beginning(name, LONGEST);
    for attempt in 0..u32::MAX {
        let kept = match attempt {
            0 => stem.to_owned(),
            1..PLAIN_NAMES => format!("{stem}.{attempt}"),
            _ => format!("{}.{}", beginning(stem, 200), random::digits::<4>()?),
        };
        match rustix::fs::linkat(from, name, &layout.rejected, &kept, AtFlags::empty()) {
            Err(Errno::EXIST) if is_same(from, name, &layout.rejected, &kept) => break,
            Err(Errno::EXIST) => {}
            // Another user's file may be renamed but not linked.
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::MLINK) => {
                match rustix::fs::renameat_with(from, name, &layout.rejected, &kept, RenameFlags::NOREPLACE) {
                    Err(Errno::EXIST) => {}
                    Err(Errno::NOENT) | Ok(()) => break,
                    Err(e) => return Err(failed(layout, &kept, e)),
                }
            }
            Err(Errno::NOENT) | Ok(()) => break,
            Err(e) => return Err(failed(layout, &kept, e)),
        }
    }
    layout.rejected.sync()
}

fn beginning(name: &str, bytes: usize) -> &str {
    let mut end = name.len().min(bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn failed(layout: &SpoolDirectory, kept: &str, errno: Errno) -> Error {
    let path = layout.rejected.path().join(kept);
    Error::os(format_args!("keeping a file as {}", path.display()), errno.raw_os_error())
}

fn is_same(a: &SpoolFolder, name: &str, b: &SpoolFolder, other: &str) -> bool {
    matches!((a.facts(name), b.facts(other)), (Some(a), Some(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
