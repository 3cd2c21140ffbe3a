//! The file of a publisher's slot: elements, then a page that says what the file is and which filling it holds.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use super::super::memory::OwnMemory;
use super::super::segment::{LAYOUT, PAGE, SLOTS};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::memory::MemoryFile;

/// Offsets in the page behind the elements.
pub(super) mod at {
    /// `LINKSLT1`.
    pub const MAGIC: usize = 0;
    /// The version of this layout, as in every page.
    pub const LAYOUT: usize = 8;
    /// The publisher's incarnation.
    pub const SESSION: usize = 16;
    /// The index of the slot.
    pub const SLOT: usize = 24;
    /// The number of the file, counted over all slots from 1.
    pub const NUMBER: usize = 32;
    /// Changes before the elements do: see [`super::super::claims`].
    pub const FILLING: usize = 128;
}

/// A publisher's slot.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"LINKSLT1");

/// Which file of which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub slot: usize,
    pub number: u64,
}

/// Makes the file of a slot for `length` bytes of elements, a multiple of the page size.
pub(super) fn create(session: u64, name: FileName, length: usize) -> Result<MemoryFile> {
    let file = MemoryFile::create_for_arrays("linkspan-slot", length + PAGE)?;
    let words = [
        (at::MAGIC, MAGIC),
        (at::LAYOUT, LAYOUT),
        (at::SESSION, session),
        (at::SLOT, name.slot as u64),
        (at::NUMBER, name.number),
    ];
    for (at, word) in words {
        file.store(length + at, word, Ordering::Release);
    }
    Ok(file)
}

/// Returns which slot and file a publisher of this session sent, without mapping the file. `Malformed` if it is not the
/// file of a slot.
pub(super) fn name_of(file: BorrowedFd<'_>, session: u64) -> Result<FileName> {
    let stat = rustix::fs::fstat(file).doing("looking at the file of a publisher's slot")?;
    let mut page = [0; at::NUMBER + 8];
    let begin = u64::try_from(stat.st_size).unwrap_or(0).checked_sub(PAGE as u64);
    let read = match begin {
        Some(begin) => {
            rustix::io::pread(file, &mut page, begin).doing("reading the file of a publisher's slot")?
        }
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
            let text = "the publisher sent a file that is none of its slots";
            Err(Error::new(ErrorKind::Malformed, text))
        }
    }
}
