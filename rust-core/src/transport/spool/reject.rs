//! Files that cannot be taken: what is wrong with them, where they are kept, and what their sender is told.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::folder::Folder;
use super::layout::Layout;
use crate::codec::{self, Encoding, Unread};
use crate::error::{Error, ErrorKind, Result};
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

/// Keeps a second name for a file in `rejected/`, so that its first may go.
pub fn keep(layout: &Layout, from: &Folder, name: &str) -> Result<()> {
    for attempt in 0..u32::MAX {
        let kept = if attempt == 0 { name.to_owned() } else { format!("{name}.{attempt}") };
        match rustix::fs::linkat(from, name, &layout.rejected, &kept, AtFlags::empty()) {
            Err(Errno::EXIST) if is_same(from, name, &layout.rejected, &kept) => return Ok(()),
            Err(Errno::EXIST) => {}
            // Somebody else's file may be renamed and not linked.
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::MLINK) => {
                match rustix::fs::renameat_with(from, name, &layout.rejected, &kept, RenameFlags::NOREPLACE) {
                    Err(Errno::EXIST) => {}
                    renamed => return renamed.map_err(|e| failed(layout, &kept, e)),
                }
            }
            Err(Errno::NOENT) => return Ok(()),
            linked => return linked.map_err(|e| failed(layout, &kept, e)),
        }
    }
    Ok(())
}

fn failed(layout: &Layout, kept: &str, errno: Errno) -> Error {
    let path = layout.rejected.path().join(kept);
    Error::os(format_args!("keeping a file as {}", path.display()), errno.raw_os_error())
}

fn is_same(a: &Folder, name: &str, b: &Folder, other: &str) -> bool {
    matches!((a.facts(name), b.facts(other)), (Some(a), Some(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
