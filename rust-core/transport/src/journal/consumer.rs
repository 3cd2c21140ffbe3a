//! The stored position of a named reader: a short file that outlives the reader.
//!
//! The file has two blocks in different sectors, each with a count and a checksum. Writes alternate between
//! them, so after an interrupted write the other block is whole. Writes are not synced: a power cut may cause
//! repeated delivery. `retention` syncs the positions before it deletes consumed segments.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::block::{self, BLOCK, Block, Flaw, JournalId, LARGEST};
use super::folder::{JournalFolder, PAGE, consumer_name};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::headroom;
use crate::sys::lock::{self, Lock};

const MAGIC: [u8; 8] = *b"LKSPREAD";
/// The offsets of the two blocks: different sectors of the disk.
const BLOCKS: [u64; 2] = [0, 512];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub sequence: u64,
    pub segment: u64,
    /// The offset of the record in the segment; 0 before the first acknowledgement.
    pub at: u64,
}

#[derive(Debug)]
pub struct Consumer {
    name: String,
    id: JournalId,
    /// The file and the count of the last written block; `None` before the first write.
    place: Option<(File, u64)>,
    _lock: Lock,
}

impl Consumer {
    /// Claims the name, and returns its stored position. The position of a new name is `None`.
    ///
    /// # Errors
    /// `AddressInUse` if a living process reads under it; `PermissionDenied` if the file belongs to another
    /// user; `Corrupt` if both blocks are damaged.
    pub fn claim(folder: &JournalFolder, id: JournalId, name: &str) -> Result<(Consumer, Option<Position>)> {
        let Some(lock) = lock::claim(&folder.place.directory, &lock_name(folder, name))? else {
            let text = format!(
                "another process reads {} as {name}; give each reader a client_id of its own, or end the other one first",
                folder.path("").display()
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        folder.check_ours(&consumer_name(name), "whose client_id it is in this journal")?;
        let found = read(folder, name, true)?;
        let position = found.as_ref().map(|(_, _, position)| *position);
        let place = found.map(|(file, count, _)| (file, count));
        Ok((Consumer { name: name.to_owned(), id, place, _lock: lock }, position))
    }

    /// Stores a position with one write that is not synced. The first call creates the file and syncs it.
    ///
    /// # Errors
    /// `NoSpace`, and errors of the file system.
    pub fn store(&mut self, folder: &JournalFolder, position: Position) -> Result<()> {
        headroom::check_file(PAGE)?;
        let Some((file, count)) = &mut self.place else {
            let file = folder.make(&consumer_name(&self.name), &bytes(&self.id, 1, position))?;
            self.place = Some((file, 1));
            return Ok(());
        };
        *count += 1;
        // The first count is in the first block.
        let at = BLOCKS[((*count + 1) % 2) as usize];
        file.write_all_at(&bytes(&self.id, *count, position), at)
            .doing(format_args!("writing {}", folder.path(&consumer_name(&self.name)).display()))
    }
}

fn bytes(id: &JournalId, count: u64, position: Position) -> Vec<u8> {
    let numbers = [count, position.sequence, position.segment, position.at];
    block::write(MAGIC, &Block { version: block::VERSION, id: *id, numbers }, BLOCK)
}

fn lock_name(folder: &JournalFolder, name: &str) -> String {
    format!("{}/{name}", folder.place.file)
}

pub fn is_live(folder: &JournalFolder, name: &str) -> Result<bool> {
    lock::is_locked(&folder.place.directory, &lock_name(folder, name))
}

/// Returns the position stored under a name. With `sync`, the position is on the disk afterwards.
pub fn position(folder: &JournalFolder, name: &str, sync: bool) -> Result<Option<Position>> {
    let Some((file, _, position)) = read(folder, name, false)? else { return Ok(None) };
    if sync {
        file.sync_data().doing(format_args!("syncing {}", folder.path(&consumer_name(name)).display()))?;
    }
    Ok(Some(position))
}

fn read(folder: &JournalFolder, name: &str, writes: bool) -> Result<Option<(File, u64, Position)>> {
    let file_name = consumer_name(name);
    let Some(file) = folder.file(&file_name, writes)? else { return Ok(None) };
    let path = folder.path(&file_name);
    let mut newest: Option<(u64, Position)> = None;
    for at in BLOCKS {
        let mut block = [0; BLOCK];
        match file.read_exact_at(&mut block, at) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => continue,
            Err(e) => return Err(e).doing(format_args!("reading {}", path.display())),
        }
        match block::read::<4>(MAGIC, block::VERSION, &block) {
            // Numbers that a reader cannot write are damage.
            Ok(Block { numbers, .. }) if numbers.into_iter().any(|number| number > LARGEST) => {}
            Ok(Block { numbers: [count, sequence, segment, at], .. })
                if newest.is_none_or(|(n, _)| n < count) =>
            {
                newest = Some((count, Position { sequence, segment, at }));
            }
            Ok(_) | Err(Flaw::Damaged) => {}
            Err(Flaw::Version(version)) => {
                let text = format!(
                    "{} has version {version} of its layout, this library reads {}",
                    path.display(),
                    block::VERSION
                );
                return Err(Error::new(ErrorKind::VersionMismatch, text));
            }
        }
    }
    let Some((count, position)) = newest else {
        let text =
            format!("both blocks in {} fail their check sums; remove the file to begin anew", path.display());
        return Err(Error::new(ErrorKind::Corrupt, text).at(0));
    };
    Ok(Some((file, count, position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_blocks() {
        use super::super::{committed, folder};
        let text = |magic: [u8; 8]| String::from_utf8(magic.to_vec()).unwrap();
        let rows = [
            (
                folder::segment_name(1),
                text(folder::MAGIC),
                format!("0; {} bytes", folder::PAGE),
                "first number, begun (ns since 1970), latest time sent before it (ns since 1970)",
            ),
            (
                committed::NAME.to_owned(),
                text(committed::MAGIC),
                format!("0; {BLOCK} bytes"),
                "last safe number, first number of its segment, where it begins there",
            ),
            (
                folder::consumer_name("NAME"),
                text(MAGIC),
                format!("{} and {}; {BLOCK} bytes each", BLOCKS[0], BLOCKS[1]),
                "count of writings, number consumed, first number of its segment, where it begins there",
            ),
        ]
        .map(|(file, magic, at, numbers)| {
            [format!("`{file}`"), format!("`{magic}`"), at, numbers.to_owned()]
        });
        let table = crate::documents::table(["file", "magic", "where", "numbers from byte 32 on"], rows);
        crate::documents::check("journal blocks", &table);
    }
}
