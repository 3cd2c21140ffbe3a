//! Watches for changes of directories and files, with one inotify instance per process.
//!
//! The kernel limits the instances (128 per user by default). The watch that reads the instance distributes the events;
//! an eventfd wakes each other watch. Two watches of a directory are one watch to the kernel, so flags are only added
//! (`MASK_ADD`) and each watch filters its events.
//!
//! Only 10 to 500 epoll sets can reach one descriptor; the kernel refuses more (`EINVAL`). So only the owners of the
//! first `DIRECT` watches sleep on the instance. A thread reads it for further watches, and their eventfds wake them.
//!
//! Lock order: the table of watches, then the state of one watch.

mod instance;
mod news;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::inotify;

use self::instance::{Instance, Table, add, instance};
use self::news::WatchState;
use super::beneath;
use super::directory::Directory;
use super::eventfd::EventFd;
use super::fork;
use crate::error::{ErrorKind, Result};
use crate::kernel_entry;

pub use self::instance::try_kernel;
pub use self::news::News;
pub use self::sets::{ContentWatch, WatchSet};
pub use rustix::fs::inotify::WatchFlags;

/// Watches directories or files.
///
/// Its descriptors wake its owner, which calls [`Watch::drain`] or [`Watch::take`].
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Instance>,
    state: Arc<WatchState>,
    numbers: Mutex<Vec<i32>>,
}

/// Names that are created, renamed into the directory, or changed in their attributes.
const DIRECTORY: WatchFlags =
    WatchFlags::CREATE.union(WatchFlags::MOVED_TO).union(WatchFlags::ATTRIB).union(WatchFlags::ONLYDIR);

enum KeptNames {
    Nothing,
    Only(String),
    Names,
    /// For an owner that sleeps on something else.
    Some(HashSet<String>),
}

impl Watch {
    /// Watches a directory: names that are created, renamed into it, or changed in their attributes.
    ///
    /// # Errors
    /// The kernel's, such as its limit on watches, with the path.
    pub fn new(directory: &Directory) -> Result<Watch> {
        let path = directory.short_path(".");
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::begin(instance()?, &path, DIRECTORY, KeptNames::Nothing, doing)
    }

    /// Watches one name of the directory, and the directory itself. [`Watch::has_changed`] filters names.
    pub fn of_name(directory: &Directory, name: &str) -> Result<Watch> {
        let path = directory.short_path(".");
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::begin(instance()?, &path, DIRECTORY, KeptNames::Only(name.to_owned()), doing)
    }

    /// Signals when a writable descriptor of this file is closed.
    ///
    /// A separate instance, if the kernel allows one, avoids other wake-ups.
    pub fn closing(file: impl AsFd) -> Result<Watch> {
        let path = beneath::kernel_path(file);
        let own = Instance::new().or_else(|_| instance())?;
        Watch::begin(own, &path, WatchFlags::CLOSE_WRITE, KeptNames::Nothing, "watching who closes a file")
    }

    /// Also watches the opening of a file. True for a new watch: the file may have been opened just before.
    pub fn opening(&self, directory: &Directory, name: &str) -> Result<bool> {
        let what = WatchFlags::OPEN | WatchFlags::DONT_FOLLOW;
        match self.begin_watching(&directory.short_path(name), what, format_args!("watching {name}")) {
            // The directory's watch signals when the file appears.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            begun => begun,
        }
    }

    /// Watches a path for these events, and keeps the names. `doing` is for errors.
    pub fn names(path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<Watch> {
        Watch::begin(instance()?, path, what, KeptNames::Names, doing)
    }

    /// [`Watch::new`] that keeps all names.
    pub fn all_names(directory: &Directory) -> Result<Watch> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::names(&directory.short_path("."), DIRECTORY, doing)
    }

    /// Also watches another directory, and keeps its names.
    pub fn also_all_names(&self, directory: &Directory) -> Result<()> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        self.also(&directory.short_path("."), DIRECTORY, doing)
    }

    /// Keeps how often renames give these names, for an owner that sleeps on something else.
    ///
    /// It does not count as a direct watch. The kernel keeps events that no one takes, up to its limit.
    pub fn renames(directory: &Directory, names: HashSet<String>) -> Result<Watch> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        let what = WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        Watch::begin(instance()?, &directory.short_path("."), what, KeptNames::Some(names), doing)
    }

    fn begin(
        shared: Arc<Instance>,
        path: &Path,
        what: WatchFlags,
        kept: KeptNames,
        doing: impl fmt::Display,
    ) -> Result<Watch> {
        let is_passive = matches!(kept, KeptNames::Some(_));
        let state = WatchState {
            waker: EventFd::new()?,
            is_direct: !is_passive && Instance::enter(&shared),
            is_passive,
            woken: AtomicBool::new(false),
            keeps_names: matches!(kept, KeptNames::Names | KeptNames::Some(_)),
            only: match kept {
                KeptNames::Only(name) => Some(HashSet::from([name])),
                KeptNames::Some(names) => Some(names),
                KeptNames::Nothing | KeptNames::Names => None,
            },
            news: Mutex::default(),
        };
        let watch = Watch { shared, state: Arc::new(state), numbers: Mutex::default() };
        watch.also(path, what, doing)?;
        Ok(watch)
    }

    /// Watches another path as well.
    pub fn also(&self, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<()> {
        self.begin_watching(path, what, doing).map(drop)
    }

    /// [`Watch::also`]; returns false if this watch had the object with these events.
    fn begin_watching(&self, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<bool> {
        let Table { watches, .. } = &mut *self.shared.table();
        // Two watches of an object have one number.
        let number = add(&self.shared.fd, path, what | WatchFlags::MASK_ADD, doing)?;
        let all = watches.entry(number).or_default();
        all.retain(|(_, one)| one.strong_count() > 0);
        let is_ours =
            |one: &Weak<WatchState>| one.upgrade().is_some_and(|one| Arc::ptr_eq(&one, &self.state));
        if all.iter().any(|(wants, one)| *wants == what && is_ours(one)) {
            return Ok(false);
        }
        all.push((what, Arc::downgrade(&self.state)));
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers of objects that are gone have left the table.
        numbers.retain(|number| watches.contains_key(number));
        numbers.push(number);
        Ok(true)
    }

    /// Also watches writes into this file.
    pub fn contents(&self, file: impl AsFd) -> Result<()> {
        self.also(
            &beneath::kernel_path(file),
            WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE,
            "watching a file",
        )
    }

    /// Returns the descriptors to sleep on.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let instance = self.state.is_direct.then(|| self.shared.fd.as_fd());
        instance.into_iter().chain([self.state.waker.as_fd()])
    }

    /// Discards the available events, and distributes other watches' events.
    pub fn drain(&self) {
        self.distribute();
        *self.state.news() = News::default();
    }

    /// [`Watch::drain`]; returns whether a watched event was there, or may be lost.
    pub fn has_changed(&self) -> bool {
        let news = self.take();
        news.changed || news.overflown || news.gone
    }

    /// Takes the available events, and distributes other watches' events.
    pub fn take(&self) -> News {
        self.distribute();
        std::mem::take(&mut *self.state.news())
    }

    /// [`Watch::take`] of at most this many names; the others keep a descriptor readable.
    pub fn take_some(&self, most: usize) -> News {
        self.distribute();
        let mut news = self.state.news();
        if news.overflown || news.gone || news.names.len() <= most {
            return std::mem::take(&mut *news);
        }
        let left = news.names.split_off(most);
        let taken = std::mem::replace(&mut *news, News { changed: true, names: left, ..News::default() });
        drop(news);
        let _table = self.shared.table();
        self.state.wake();
        taken
    }

    /// Takes everything until now; [`Watch::take`] reads only once.
    pub fn take_all(&self) -> News {
        // More reads than a full queue of 16,384 events needs.
        let is_drained = (0..1000).any(|_| !self.distribute());
        let mut news = std::mem::take(&mut *self.state.news());
        news.overflown |= !is_drained;
        news
    }

    fn distribute(&self) -> bool {
        kernel_entry::assert_allowed();
        self.shared.distribute(Some(&self.state))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A forked child shares the instance with its parent.
        if self.shared.born != fork::generation() {
            return;
        }
        let table = &mut *self.shared.table();
        if !self.state.is_passive {
            table.leave(self.state.is_direct);
        }
        let Table { watches, .. } = table;
        for number in self.numbers.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let Some(all) = watches.get_mut(&number) else { continue };
            all.retain(|(_, one)| one.upgrade().is_some_and(|one| !Arc::ptr_eq(&one, &self.state)));
            if all.is_empty() {
                watches.remove(&number);
                // The kernel drops a removed file's watch.
                let _ = inotify::remove_watch(&self.shared.fd, number);
            }
        }
    }
}
