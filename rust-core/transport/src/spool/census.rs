//! The files that wait in a directory, kept up to date by its events.
//!
//! A sender near its bound would otherwise list the whole directory for every few messages.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::arrivals::{lacks_events, watch};
use super::folder::SpoolFolder;
use super::name::is_hidden;
use crate::error::Result;
use crate::sys::inotify::{News, WatchFlags, WatchSet};

pub struct Census {
    watch: WatchSet,
    /// Whether the file system does not report changes by other machines. Then each update is a listing.
    lacks_events: bool,
    who: String,
    /// The filter of files, a function of the file's name and the reader.
    counts: fn(&str, &str) -> bool,
    /// A listing ends at this number of files: any user may have put millions there.
    most: u64,
    files: HashMap<String, u64>,
    bytes: u64,
}

impl Census {
    /// Watches the directory and lists it once.
    ///
    /// # Errors
    /// Errors of the kernel, such as its limit on watches.
    pub fn begin(
        folder: &SpoolFolder,
        who: &str,
        counts: fn(&str, &str) -> bool,
        most: u64,
    ) -> Result<Census> {
        let what = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE_SELF;
        let mut census = Census {
            watch: WatchSet::of(watch(folder, what)?)?,
            lacks_events: lacks_events(folder)?,
            who: who.to_owned(),
            counts,
            most,
            files: HashMap::new(),
            bytes: 0,
        };
        census.list(folder)?;
        Ok(census)
    }

    fn list(&mut self, folder: &SpoolFolder) -> Result<()> {
        self.files.clear();
        self.bytes = 0;
        let (files, bytes) = (&mut self.files, &mut self.bytes);
        each_waiting(folder, &self.who, self.counts, self.most, |name, size| {
            files.insert(name.to_owned(), size);
            *bytes = bytes.saturating_add(size);
        })
    }

    fn look_at(&mut self, folder: &SpoolFolder, name: &str) {
        if is_hidden(name) || !(self.counts)(name, &self.who) {
            return;
        }
        let before = match folder.facts(name) {
            Some(facts) => {
                let size = facts.st_size as u64;
                self.bytes = self.bytes.saturating_add(size);
                self.files.insert(name.to_owned(), size)
            }
            None => self.files.remove(name),
        };
        self.bytes = self.bytes.saturating_sub(before.unwrap_or(0));
    }

    /// Applies the changes since the last update.
    ///
    /// # Errors
    /// Errors of listing a directory.
    pub fn update(&mut self, folder: &SpoolFolder) -> Result<()> {
        // A listing that ended at the bound omitted files, so removals do not tell how many are left.
        let was_cut = self.files.len() as u64 >= self.most;
        let News { names, overflown, .. } = self.watch.take_all();
        if overflown || self.lacks_events || was_cut && !names.is_empty() {
            return self.list(folder);
        }
        names.iter().for_each(|name| self.look_at(folder, name));
        Ok(())
    }

    pub fn is_of(&self, who: &str) -> bool {
        self.who == who
    }

    pub fn totals(&self) -> (u64, u64) {
        (self.files.len() as u64, self.bytes)
    }

    pub fn watch(&self) -> &WatchSet {
        &self.watch
    }
}

/// Calls `each` with the name and the bytes of each file for this reader, at most `most` times.
///
/// # Errors
/// Errors of listing a directory.
pub fn each_waiting(
    folder: &SpoolFolder,
    who: &str,
    counts: fn(&str, &str) -> bool,
    most: u64,
    mut each: impl FnMut(&str, u64),
) -> Result<()> {
    let mut files = 0;
    folder.each_name(|name| {
        if !is_hidden(name)
            && counts(name, who)
            && let Some(facts) = folder.facts(name)
        {
            files += 1;
            each(name, facts.st_size as u64);
        }
        Ok(if files < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })
}
