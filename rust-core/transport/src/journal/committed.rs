//! The committed word: a file with the last record that is on the disk.
//!
//! The writer writes it after each sync, which wakes the readers. Readers see no later record, so no program
//! acts on a message that a power cut undoes. The word itself is not synced each time. After a power cut it
//! may be old, but never ahead of the records; the next process finds the rest by checksums (`tail`). The
//! file is a block of 64 bytes written in one `pwrite`.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::block::{self, BLOCK, Block, JournalId, LARGEST};
use super::folder::{JournalFolder, SegmentInfo};
use crate::error::{Doing, Error, ErrorKind, Result};

pub const NAME: &str = "committed";

pub(super) const MAGIC: [u8; 8] = *b"LKSPDONE";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    pub sequence: u64,
    pub segment: u64,
    /// Its offset in the segment; 0 if the offset is unknown, or the record was deleted.
    pub at: u64,
}

#[derive(Debug)]
pub struct Word {
    file: File,
    id: JournalId,
}

impl Word {
    pub fn create(folder: &JournalFolder, id: JournalId) -> Result<Word> {
        let file = match folder.file(NAME, true)? {
            Some(file) => file,
            None => {
                // After a power cut the word must not exist without segments, and a killed writer may have
                // left their names unsynced.
                folder.sync_names()?;
                folder.make(NAME, &[])?
            }
        };
        Ok(Word { file, id })
    }

    pub fn open(folder: &JournalFolder, id: JournalId) -> Result<Option<Word>> {
        Ok(folder.file(NAME, false)?.map(|file| Word { file, id }))
    }

    /// Writes the last safe record, which must be on the disk.
    pub fn write(&self, to: &Committed) -> Result<()> {
        let numbers = [to.sequence, to.segment, to.at];
        let block = block::write(MAGIC, &Block { version: block::VERSION, id: self.id, numbers }, BLOCK);
        self.file.write_all_at(&block, 0).doing("writing how far the journal is safe")
    }

    pub fn is_gone(&self) -> Result<bool> {
        Ok(self.file.metadata().doing("looking at how far the journal is safe")?.nlink() == 0)
    }

    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().doing("syncing how far the journal is safe")
    }

    /// Returns the last safe record.
    ///
    /// Returns `None` if the file is empty, damaged, or belongs to another journal.
    pub fn read(&self) -> Result<Option<Committed>> {
        // A read may overlap a write, which takes the kernel less than a microsecond.
        for _ in 0..100 {
            let mut block = [0; BLOCK];
            match self.file.read_exact_at(&mut block, 0) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(e) => return Err(e).doing("reading how far the journal is safe"),
            }
            match block::read::<3>(MAGIC, block::VERSION, &block) {
                Ok(Block { id, numbers: numbers @ [sequence, segment, at], .. }) => {
                    let is_ours = id == self.id && numbers.into_iter().all(|number| number <= LARGEST);
                    return Ok(is_ours.then_some(Committed { sequence, segment, at }));
                }
                Err(_) => std::thread::yield_now(),
            }
        }
        Ok(None)
    }
}

/// Opens the last segment of a journal for reading, if there is one.
///
/// # Errors
/// `Corrupt` if the word proves that there were segments, so that a reader reports the lost records. Also the
/// errors of [`JournalFolder::segment`].
pub fn last_segment(folder: &JournalFolder) -> Result<Option<(File, SegmentInfo)>> {
    match folder.segments()?.last().copied() {
        Some(last) => folder.segment(last, false),
        // A writer may have made both between the two looks.
        None if folder.file(NAME, false)?.is_some() && folder.segments()?.is_empty() => Err(lost(folder)),
        None => Ok(None),
    }
}

pub fn lost(folder: &JournalFolder) -> Error {
    let text = format!(
        "{} once had records and has no segment; put the segments back from a copy, or remove the whole directory",
        folder.path("").display()
    );
    Error::new(ErrorKind::Corrupt, text)
}

impl AsFd for Word {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
