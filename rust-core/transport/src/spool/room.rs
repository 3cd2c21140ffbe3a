//! The bound of the messages that wait in a directory.
//!
//! It allows the bytes of the option `buffer` (256 MiB by default), and one file for each 4 KiB, but at least
//! 4,096. Listing a directory is slow, so a sender takes half of the remaining room as its credit. Near the
//! bound it keeps a [`Census`] instead. Several senders count independently, so together they exceed the
//! bound a little.

use super::census::{Census, each_waiting};
use super::folder::SpoolFolder;
use crate::error::Result;
use crate::sys::inotify::WatchSet;

const MIN_FILES: u64 = 4096;
/// The bytes of the bound that allow one file.
const BYTES_PER_FILE: u64 = 4096;
const MAX_BYTES: u64 = 256 << 20;
/// A census begins when less than this fraction of the bound is left, and ends above four times it.
const NEAR: u64 = 8;

pub struct Room {
    files: u64,
    bytes: u64,
    /// How many files and bytes may be put before the next count.
    credit: (u64, u64),
    whose: fn(&str, &str) -> bool,
    census: Option<Census>,
}

impl Room {
    pub fn new(buffer: Option<usize>, whose: fn(&str, &str) -> bool) -> Room {
        let bytes = buffer.map_or(MAX_BYTES, |bytes| bytes as u64);
        let files = MIN_FILES.max(bytes / BYTES_PER_FILE);
        Room { files, bytes, credit: (0, 0), whose, census: None }
    }

    /// Takes the room for one file of `size` bytes; false if there is none.
    ///
    /// [`Room::watch`] becomes readable when a file is removed.
    pub fn take(&mut self, folder: &SpoolFolder, who: &str, size: u64) -> Result<bool> {
        if self.credit.0 == 0 || size > self.credit.1 {
            let Some(credit) = self.count(folder, who, size)? else { return Ok(false) };
            self.credit = credit;
        }
        self.credit = (self.credit.0 - 1, self.credit.1 - size);
        Ok(true)
    }

    pub fn return_credit(&mut self, size: u64) {
        self.credit = (self.credit.0.saturating_add(1), self.credit.1.saturating_add(size));
    }

    pub fn watch(&self) -> Option<&WatchSet> {
        self.census.as_ref().map(Census::watch)
    }

    /// Returns how many files and bytes may be put before the next count; `None` if one file does not fit.
    fn count(&mut self, folder: &SpoolFolder, who: &str, size: u64) -> Result<Option<(u64, u64)>> {
        self.census = self.census.take().filter(|census| census.is_of(who));
        let waiting = match &mut self.census {
            Some(census) => {
                census.update(folder)?;
                census.totals()
            }
            None => self.list(folder, who)?,
        };
        let left = self.left(waiting, size);
        let is_near = |part: u64| left.0 < self.files / part || left.1 < self.bytes / part;
        let left = if self.census.is_none() && is_near(NEAR) {
            let census = Census::begin(folder, who, self.whose, self.files)?;
            let left = self.left(census.totals(), size);
            self.census = Some(census);
            left
        } else {
            if !is_near(NEAR / 4) {
                self.census = None;
            }
            left
        };
        if left.0 == 0 {
            return Ok(None);
        }
        // Other senders also put files there: each takes half of the remaining room.
        Ok(Some((left.0.div_ceil(2), (left.1 / 2).saturating_add(size))))
    }

    fn list(&self, folder: &SpoolFolder, who: &str) -> Result<(u64, u64)> {
        let (mut files, mut bytes) = (0, 0u64);
        // Any user may have put millions there.
        each_waiting(folder, who, self.whose, self.files, |_, size| {
            files += 1;
            bytes = bytes.saturating_add(size);
        })?;
        Ok((files, bytes))
    }

    /// Returns how many more files may be put, and how many bytes; zero files if the first does not fit.
    fn left(&self, (files, bytes): (u64, u64), size: u64) -> (u64, u64) {
        let with_this = bytes.saturating_add(size);
        let left = (self.files.saturating_sub(files), self.bytes.saturating_sub(with_this));
        match files {
            // An empty directory always accepts one message, however long.
            0 => (left.0.max(1), left.1),
            _ if with_this > self.bytes => (0, 0),
            _ => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histories::{Random, Seed, given_seed};

    fn folder(of: &tempfile::TempDir) -> SpoolFolder {
        let directory = crate::sys::directory::Directory::existing(of.path().parent().unwrap()).unwrap();
        let name = of.path().file_name().unwrap().to_str().unwrap();
        SpoolFolder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap()
    }

    #[test]
    fn room_is_used_to_the_last_file_and_byte() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
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
        // An empty directory accepts a message over the buffer.
        for name in folder.names(|_| true).unwrap() {
            folder.remove(&name).unwrap();
        }
        assert!(room.take(&folder, "", 5000).unwrap());
    }

    #[test]
    fn larger_buffers_allow_more_files() {
        assert_eq!(Room::new(None, |_, _| true).files, 65_536);
        assert_eq!(Room::new(Some(1000), |_, _| true).files, 4096);
        assert_eq!(Room::new(Some(1 << 30), |_, _| true).files, 262_144);
    }

    /// Two senders near their bound, a reader, and a script that ignores the bound.
    ///
    /// A sender is refused only without room, and both together stay near the bound.
    #[test]
    fn senders_near_their_bound_are_refused_only_where_there_is_no_room() {
        const BOUND: u64 = 40;
        let first = given_seed().unwrap_or(1);
        for seed in first..first + 20 {
            let (_named, mut random) = (Seed(seed), Random::new(seed));
            let temporary = tempfile::tempdir().unwrap();
            let folder = folder(&temporary);
            let bytes = 40 * BOUND;
            let mut rooms = [(); 2].map(|()| Room { files: BOUND, bytes, ..Room::new(None, |_, _| true) });
            let (mut waiting, mut of_scripts, mut refused) = (Vec::<(String, u64)>::new(), 0, 0);
            for number in 0..1000 {
                let (name, size) = (number.to_string(), random.below(80) as u64);
                match random.below(8) {
                    // The reader is a little slower than the senders.
                    0..3 if !waiting.is_empty() => {
                        let (name, _) = waiting.swap_remove(random.below(waiting.len()));
                        folder.remove(&name).unwrap();
                    }
                    3 if random.one_in(10) => {
                        of_scripts += 1;
                        folder.put(&name, &vec![1; size as usize]).unwrap();
                        waiting.push((name, size));
                    }
                    _ => {
                        let room = &mut rooms[random.below(2)];
                        if room.take(&folder, "", size).unwrap() {
                            folder.put(&name, &vec![1; size as usize]).unwrap();
                            waiting.push((name, size));
                        } else {
                            refused += 1;
                            let bytes = waiting.iter().map(|(_, size)| size).sum::<u64>() + size;
                            let files = waiting.len() as u64;
                            assert!(files >= BOUND || bytes > room.bytes, "{files} files, {bytes} bytes");
                            assert!(room.watch().is_some(), "it has something to wait on");
                        }
                    }
                }
                let most = BOUND + BOUND / 2 + of_scripts;
                assert!(waiting.len() as u64 <= most, "{} files wait, of {most}", waiting.len());
            }
            assert!(refused > 0, "the bound was reached");
        }
    }

    #[test]
    fn room_is_found_after_more_files_than_are_counted_were_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let mut room = Room { files: 10, ..Room::new(None, |_, _| true) };
        for number in 0..25 {
            folder.put(&number.to_string(), b"1").unwrap();
        }
        for number in 0..16 {
            assert!(!room.take(&folder, "", 1).unwrap(), "{} files wait", 25 - number);
            folder.remove(&number.to_string()).unwrap();
        }
        assert!(room.take(&folder, "", 1).unwrap(), "9 files wait");
    }

    #[test]
    fn credits_of_more_files_than_one_read_of_events_has_are_all_counted() {
        const FILES: u64 = 8192;
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let mut room = Room { files: FILES, ..Room::new(None, |_, _| true) };
        let mut number = 0;
        while room.take(&folder, "", 1).unwrap() {
            folder.put(&format!("{number:060}"), b"1").unwrap();
            number += 1;
            assert!(number <= FILES, "more than {FILES} files wait");
        }
        assert_eq!(number, FILES);
    }
}
