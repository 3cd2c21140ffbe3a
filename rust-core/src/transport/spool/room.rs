//! How much may wait to be consumed: counted now and then, so that a message that has room pays next to nothing.

use std::ops::ControlFlow;

use super::arrivals::watch;
use super::folder::Folder;
use super::name::is_hidden;
use crate::error::Result;
use crate::sys::inotify::{Watch, WatchFlags};

/// Files that may wait.
const FILES: u64 = 4096;
/// Bytes that may wait, unless the option `buffer` says otherwise.
const BYTES: u64 = 256 << 20;

/// The room that is left in a directory.
pub struct Room {
    files: u64,
    bytes: u64,
    /// What may still be put there before it is counted again.
    credit: (u64, u64),
    /// Whose files count; none for all.
    whose: fn(&str, &str) -> bool,
    watch: Option<Watch>,
}

impl Room {
    /// The usual room, or so many bytes.
    pub fn new(buffer: Option<usize>, whose: fn(&str, &str) -> bool) -> Room {
        let bytes = buffer.map_or(BYTES, |bytes| bytes as u64);
        Room { files: FILES, bytes, credit: (0, 0), whose, watch: None }
    }

    /// Takes the room of one file. False where there is none: then the watch has begun that wakes when a file goes.
    pub fn take(&mut self, folder: &Folder, who: &str, size: u64) -> Result<bool> {
        loop {
            if self.credit.0 > 0 && size <= self.credit.1 {
                self.credit = (self.credit.0 - 1, self.credit.1 - size);
                self.watch = None;
                return Ok(true);
            }
            if let Some(credit) = self.left(folder, who, size)? {
                self.credit = credit;
                continue;
            }
            match &self.watch {
                // It was counted after the watch had begun.
                Some(watch) => {
                    watch.drain();
                    match self.left(folder, who, size)? {
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

    /// Gives back what was not used after all.
    pub fn give_back(&mut self, size: u64) {
        self.credit = (self.credit.0.saturating_add(1), self.credit.1.saturating_add(size));
    }

    /// What to sleep on until there may be room.
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// What may be put there before it is counted again, one file of this size at least; none where there is no room for it.
    fn left(&self, folder: &Folder, who: &str, size: u64) -> Result<Option<(u64, u64)>> {
        let (mut files, mut bytes) = (0, 0u64);
        folder.each_name(|name| {
            if !is_hidden(name) && (self.whose)(name, who) {
                files += 1;
                let there = folder.facts(name).map_or(0, |facts| facts.st_size as u64);
                bytes = bytes.saturating_add(there);
            }
            // Somebody may have put millions there, and more than enough is enough.
            Ok(if files < self.files { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let all = bytes.saturating_add(size);
        // One message is always taken, however long.
        if files > 0 && (files >= self.files || all > self.bytes) {
            return Ok(None);
        }
        // Others put files there too: with half of what is left each, nobody goes far beyond.
        let left = (self.files.saturating_sub(files), self.bytes.saturating_sub(all));
        Ok(Some((left.0.div_ceil(2).max(1), (left.1 / 2).saturating_add(size))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_fills_it_to_the_last_file_and_the_last_byte() {
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
