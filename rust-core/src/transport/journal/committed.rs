//! How far a journal is safe: one word that the writer writes after each sync, and that wakes its readers.
//!
//! Readers see no record that is not on the disk, so that nobody acts on a message that a power cut takes back. The word
//! itself is not synced each time: after a power cut it may be older than the truth, never newer, and whoever comes
//! first finds the rest by its check sums.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::block::{self, BLOCK, Block, Identity, LARGEST};
use super::folder::Folder;
use crate::error::{Doing, Result};

/// The name of the word's file.
pub const NAME: &str = "committed";

pub(super) const MAGIC: [u8; 8] = *b"LKSPDONE";

/// How far a journal is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The number of the last record that is on the disk; 0 for none.
    pub sequence: u64,
    /// The first number of that record's segment.
    pub segment: u64,
    /// Where that record begins there.
    pub at: u64,
}

/// The file that holds the word.
#[derive(Debug)]
pub struct Word {
    file: File,
    id: Identity,
}

impl Word {
    /// Opens the file, and makes it where it is missing.
    pub fn create(folder: &Folder, id: Identity) -> Result<Word> {
        let file = match folder.file(NAME, true)? {
            Some(file) => file,
            None => {
                // The word says that there were segments: a power cut must not leave it alone, and the name of a segment that
                // a killed writer made may not be on the disk yet.
                folder.sync_names()?;
                folder.make(NAME, &[])?
            }
        };
        Ok(Word { file, id })
    }

    /// Opens the file to read it; none where it is missing.
    pub fn open(folder: &Folder, id: Identity) -> Result<Option<Word>> {
        Ok(folder.file(NAME, false)?.map(|file| Word { file, id }))
    }

    /// Says how far the journal is safe.
    pub fn write(&self, to: &Committed) -> Result<()> {
        let numbers = [to.sequence, to.segment, to.at];
        let block = block::write(MAGIC, &Block { version: block::VERSION, id: self.id, numbers }, BLOCK);
        self.file.write_all_at(&block, 0).doing("writing how far the journal is safe")
    }

    /// Whether the file has lost its name: the journal was removed.
    pub fn is_gone(&self) -> Result<bool> {
        Ok(self.file.metadata().doing("looking at how far the journal is safe")?.nlink() == 0)
    }

    /// Brings the word to the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().doing("syncing how far the journal is safe")
    }

    /// How far the journal is safe; none where the file says nothing that can be relied on.
    pub fn read(&self) -> Result<Option<Committed>> {
        // A look may fall into the middle of a writing, which takes the kernel less than a microsecond.
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

impl AsFd for Word {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
