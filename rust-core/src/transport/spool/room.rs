//! How much may wait in a directory: 4,096 files, and as many bytes as the option `buffer` allows
//! (256 MiB without it).
//!
//! Counting reads the whole directory, so it happens only when the credit of the last count is used
//! up; a message for which there is credit costs nothing more. Several senders count independently:
//! each takes half of what is left as its credit, so together they exceed the bound only a little.

use std::ops::ControlFlow;

use super::arrivals::watch;
use super::folder::Folder;
use super::name::is_hidden;
use crate::error::Result;
use crate::sys::inotify::{Watch, WatchFlags};

/// The most files that may wait.
const MAX_FILES: u64 = 4096;
/// The most bytes that may wait, unless the option `buffer` gives another number.
const MAX_BYTES: u64 = 256 << 20;

/// The room for the messages of one sender in a directory.
pub struct Room {
    /// The most files that may wait.
    files: u64,
    /// The most bytes that may wait.
    bytes: u64,
    /// How many files and bytes may still be put there before it is counted again.
    credit: (u64, u64),
    /// Which files count, as a function of the file's name and a client's.
    whose: fn(&str, &str) -> bool,
    /// Wakes a sender that waits for room; `None` while there is some.
    watch: Option<Watch>,
}

impl Room {
    /// The default room, or `buffer` bytes.
    pub fn new(buffer: Option<usize>, whose: fn(&str, &str) -> bool) -> Room {
        let bytes = buffer.map_or(MAX_BYTES, |bytes| bytes as u64);
        Room { files: MAX_FILES, bytes, credit: (0, 0), whose, watch: None }
    }

    /// Takes the room for one file of `size` bytes. False where there is none; then [`Room::watch`]
    /// becomes readable when a file is removed.
    pub fn take(&mut self, folder: &Folder, who: &str, size: u64) -> Result<bool> {
        loop {
            if self.credit.0 > 0 && size <= self.credit.1 {
                self.credit = (self.credit.0 - 1, self.credit.1 - size);
                self.watch = None;
                return Ok(true);
            }
            if let Some(credit) = self.count(folder, who, size)? {
                self.credit = credit;
                continue;
            }
            match &self.watch {
                // Counted once more after the watch began, so that no removal is missed in between.
                Some(watch) => {
                    watch.drain();
                    match self.count(folder, who, size)? {
                        Some(credit) => self.credit = credit,
                        None => return Ok(false),
                    }
                }
                None => {
                    let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::DELETE_SELF;
                    self.watch = Some(watch(folder, what)?);
                }
            }
        }
    }

    /// Returns the room of a file that was not put after all.
    pub fn return_credit(&mut self, size: u64) {
        self.credit = (self.credit.0.saturating_add(1), self.credit.1.saturating_add(size));
    }

    /// What to wait on until there may be room.
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Counts the files: how many files and bytes may be put before the next count, one file of
    /// `size` bytes at least; `None` where there is no room for that.
    fn count(&self, folder: &Folder, who: &str, size: u64) -> Result<Option<(u64, u64)>> {
        let (mut files, mut bytes) = (0, 0u64);
        folder.each_name(|name| {
            if !is_hidden(name) && (self.whose)(name, who) {
                files += 1;
                let size = folder.facts(name).map_or(0, |facts| facts.st_size as u64);
                bytes = bytes.saturating_add(size);
            }
            // Somebody may have put millions there, so counting ends at the bound.
            Ok(if files < self.files { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let all = bytes.saturating_add(size);
        // One message is always taken where nothing else waits, however long it is.
        if files > 0 && (files >= self.files || all > self.bytes) {
            return Ok(None);
        }
        // Others put files there, too: each sender takes half of what is left.
        let left = (self.files.saturating_sub(files), self.bytes.saturating_sub(all));
        Ok(Some((left.0.div_ceil(2).max(1), (left.1 / 2).saturating_add(size))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_used_to_the_last_file_and_byte() {
        let temporary = tempfile::tempdir().unwrap();
        let directory =
            crate::sys::directory::Directory::existing(temporary.path().parent().unwrap()).unwrap();
        let name = temporary.path().file_name().unwrap().to_str().unwrap();
        let folder = Folder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap();
        let mut room = Room { files: 100, ..Room::new(None, |_, _| true) };
        let mut number = 0;
        while room.take(&folder, "", 1).unwrap() {
            folder.put(&number.to_string(), b"1").unwrap();
            number += 1;
        }
        assert_eq!(number, 100);
        folder.remove("7").unwrap();
        assert!(room.take(&folder, "", 1).unwrap());
        folder.put("7", b"1").unwrap();
        assert!(!room.take(&folder, "", 1).unwrap());

        let mut room = Room::new(Some(1000), |_, _| true);
        assert!(room.take(&folder, "", 900).unwrap());
        folder.put("long", &[1; 900]).unwrap();
        assert!(!room.take(&folder, "", 1).unwrap());
        // What is over the buffer by itself goes where nothing else waits.
        for name in folder.names(|_| true).unwrap() {
            folder.remove(&name).unwrap();
        }
        assert!(room.take(&folder, "", 5000).unwrap());
    }
}
