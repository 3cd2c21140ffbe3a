//! The memory file of a slot: the elements, then a page that names the slot, the file and its filling.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use super::memory::OwnMemory;
use super::segment::{LAYOUT, PAGE, SLOTS};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::memory::MemoryFile;

/// Offsets in the page after the elements.
pub(super) mod at {
    /// `LINKSLT1`.
    pub const MAGIC: usize = 0;
    /// The version of this layout, as in every page.
    pub const LAYOUT: usize = 8;
    /// The incarnation of the side that owns the slot.
    pub const SESSION: usize = 16;
    pub const SLOT: usize = 24;
    /// The number of the file, counted over all slots of the side from 1.
    pub const NUMBER: usize = 32;
    /// The filling number. A publisher changes it before it changes the elements: see `broadcast::claims`.
    pub const FILLING: usize = 128;
}

const MAGIC: u64 = u64::from_le_bytes(*b"LINKSLT1");

/// The filling of a fresh file. A channel's file keeps it.
pub(super) const FIRST: u64 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName {
    pub slot: usize,
    pub number: u64,
}

pub(super) fn create(session: u64, name: FileName, length: usize) -> Result<MemoryFile> {
    let file = MemoryFile::create_for_arrays("linkspan-slot", length + PAGE)?;
    format(&file, session, name, length);
    Ok(file)
}

pub(super) fn format(file: &MemoryFile, session: u64, name: FileName, length: usize) {
    let words = [
        (at::MAGIC, MAGIC),
        (at::LAYOUT, LAYOUT),
        (at::SESSION, session),
        (at::SLOT, name.slot as u64),
        (at::NUMBER, name.number),
        (at::FILLING, FIRST),
    ];
    for (at, word) in words {
        file.store(length + at, word, Ordering::Release);
    }
}

/// Reads the slot and number of a peer's file, without mapping it.
///
/// `Malformed` if it is no file of a slot.
pub(super) fn name_of(file: BorrowedFd<'_>, session: u64) -> Result<FileName> {
    let stat = rustix::fs::fstat(file).doing("looking at the file of a slot")?;
    let mut page = [0; at::NUMBER + 8];
    let begin = u64::try_from(stat.st_size).unwrap_or(0).checked_sub(PAGE as u64);
    let read = match begin {
        Some(begin) => rustix::io::pread(file, &mut page, begin).doing("reading the file of a slot")?,
        None => 0,
    };
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&page[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let known = (word(at::MAGIC), word(at::LAYOUT), word(at::SESSION)) == (MAGIC, LAYOUT, session);
    let slot = usize::try_from(word(at::SLOT)).ok().filter(|slot| *slot < SLOTS);
    match slot.filter(|_| read == page.len() && known && word(at::NUMBER) > 0) {
        Some(slot) => Ok(FileName { slot, number: word(at::NUMBER) }),
        None => {
            let text = "the peer sent a file that is none of its slots";
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}
