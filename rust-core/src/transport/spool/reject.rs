//! Files that cannot be taken: what is wrong with them, where they are kept, and what their sender is told.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::layout::Layout;
use super::name::LONGEST;
use crate::codec::{self, Encoding, Unread};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::value::{Limits, Map, Value};

/// JSON-RPC 2.0's codes: a request that is no valid text, and one that is not to be taken.
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

/// Bodies in files of ours are trusted from this size on: whoever decodes them notices as well.
const LONG: usize = 1 << 20;

/// Whether a body is a value in its encoding.
pub fn check(body: &[u8], encoding: Encoding, limits: &Limits, is_ours: bool) -> Result<()> {
    if encoding == Encoding::Raw || is_ours && body.len() >= LONG {
        return Ok(());
    }
    codec::decode_into(body, encoding, limits, Unread).map(drop)
}

/// What the sender of a file is told that was not taken: the body of a failed answer.
pub fn failure(name: &str, error: &Error) -> Result<Vec<u8>> {
    let code = if matches!(error.kind(), ErrorKind::Malformed) { PARSE_ERROR } else { INVALID_REQUEST };
    let map = Map::from_iter([
        ("code".to_owned(), Value::from(code)),
        ("type".to_owned(), error.kind().name().into()),
        ("text".to_owned(), format!("{name}: {error}; the file is kept in rejected/").into()),
    ]);
    codec::encode(&Value::Map(map), Encoding::Json)
}

/// Names that are tried in turn, before one is drawn that nobody can have taken.
const TRIES: u32 = 16;

/// Keeps a second name for a file in `rejected/`, so that its first may go.
pub fn keep(layout: &Layout, from: &Folder, name: &str) -> Result<()> {
    let stem = beginning(name, LONGEST);
    for attempt in 0..u32::MAX {
        let kept = match attempt {
            0 => stem.to_owned(),
            1..TRIES => format!("{stem}.{attempt}"),
            _ => format!("{}.{:08x}", beginning(stem, 200), drawn()?),
        };
        match rustix::fs::linkat(from, name, &layout.rejected, &kept, AtFlags::empty()) {
            Err(Errno::EXIST) if is_same(from, name, &layout.rejected, &kept) => break,
            Err(Errno::EXIST) => {}
            // Somebody else's file may be renamed and not linked.
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

/// At most so many bytes of a name.
fn beginning(name: &str, bytes: usize) -> &str {
    let mut end = name.len().min(bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn drawn() -> Result<u32> {
    let mut bytes = [0; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .doing("drawing a random number")?;
    Ok(u32::from_le_bytes(bytes))
}

fn failed(layout: &Layout, kept: &str, errno: Errno) -> Error {
    let path = layout.rejected.path().join(kept);
    Error::os(format_args!("keeping a file as {}", path.display()), errno.raw_os_error())
}

fn is_same(a: &Folder, name: &str, b: &Folder, other: &str) -> bool {
    matches!((a.facts(name), b.facts(other)), (Some(a), Some(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
