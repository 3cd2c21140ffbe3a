//! Watches for changes of directories and files, with one inotify instance per process.
//!
//! The number of instances is limited (128 per user by default), so all watches of a process share
//! one. Whichever watch reads it distributes the events: each watch keeps its own flags and, if it
//! wants them, the names, and is woken by an eventfd of its own. A watch of the same directory
//! twice is one watch to the kernel, so flags are only ever added (`MASK_ADD`) and each watch
//! filters what it gets.
//!
//! The kernel lets one descriptor be reached by 10 to 500 epoll sets, the fewer the deeper they are nested, and refuses
//! more (`EINVAL`, also where a program adds the set of an object to its own). So the owners of the first `DIRECT`
//! watches sleep on the instance itself; for those beyond them a thread reads it, and they are woken by their eventfd
//! alone. The thread is there while there is such a watch.
//!
//! Lock order: the table of watches of the instance first, then the state of one watch.

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

/// Watches directories or files. Each of its descriptors wakes its owner, which then calls
/// [`Watch::drain`] and checks the relevant names, or [`Watch::take`] to get the names.
#[derive(Debug)]
pub struct Watch {
    /// The instance that it reads.
    shared: Arc<Instance>,
    /// The events that it was notified of.
    state: Arc<WatchState>,
    /// The kernel's numbers of the watched objects.
    numbers: Mutex<Vec<i32>>,
}

/// The events of a watched directory: names that are made, renamed into it, or changed in their
/// attributes.
const DIRECTORY: WatchFlags =
    WatchFlags::CREATE.union(WatchFlags::MOVED_TO).union(WatchFlags::ATTRIB).union(WatchFlags::ONLYDIR);

/// The names that a watch keeps.
enum KeptNames {
    /// That something has happened.
    Nothing,
    /// That something has happened to this name.
    Only(String),
    /// All names.
    Names,
    /// These names, for an owner that sleeps on something else.
    Some(HashSet<String>),
}

impl Watch {
    /// Watches a directory from now on: names that are made, renamed into it, or changed in their
    /// attributes.
    ///
    /// # Errors
    /// Those of the kernel, such as its limit on watches, with the path.
    pub fn new(directory: &Directory) -> Result<Watch> {
        let path = directory.short_path(".");
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::begin(instance()?, &path, DIRECTORY, KeptNames::Nothing, doing)
    }

    /// As [`Watch::new`], for one name of the directory, and for the directory itself. Its
    /// descriptors are ready for other names, too; [`Watch::has_changed`] distinguishes them.
    pub fn of_name(directory: &Directory, name: &str) -> Result<Watch> {
        let path = directory.short_path(".");
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::begin(instance()?, &path, DIRECTORY, KeptNames::Only(name.to_owned()), doing)
    }

    /// Signals when a descriptor is closed through which this file could be written. Takes an
    /// instance of its own, so that nothing else wakes it, as long as the kernel has one; otherwise
    /// the shared one.
    pub fn closing(file: impl AsFd) -> Result<Watch> {
        let path = beneath::kernel_path(file);
        let own = Instance::new().or_else(|_| instance())?;
        Watch::begin(own, &path, WatchFlags::CLOSE_WRITE, KeptNames::Nothing, "watching who closes a file")
    }

    /// Also watches when the file of this name is opened. Returns true where it was not watched for
    /// that before, and may have been opened just before.
    pub fn opening(&self, directory: &Directory, name: &str) -> Result<bool> {
        let what = WatchFlags::OPEN | WatchFlags::DONT_FOLLOW;
        match self.begin_watching(&directory.short_path(name), what, format_args!("watching {name}")) {
            // The directory's watch signals when it appears.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            begun => begun,
        }
    }

    /// Watches a path for these events, and keeps the names. `doing` is the attempted action, for
    /// errors.
    pub fn names(path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<Watch> {
        Watch::begin(instance()?, path, what, KeptNames::Names, doing)
    }

    /// As [`Watch::new`], and keeps the names.
    pub fn all_names(directory: &Directory) -> Result<Watch> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::names(&directory.short_path("."), DIRECTORY, doing)
    }

    /// The same for another directory, for as long as the first.
    pub fn also_all_names(&self, directory: &Directory) -> Result<()> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        self.also(&directory.short_path("."), DIRECTORY, doing)
    }

    /// Keeps how often each of these names is given by a rename, for an owner that sleeps on something else: it takes
    /// no place of those that sleep on the instance, and the kernel keeps what nobody takes, up to its bound.
    pub fn renames(directory: &Directory, names: HashSet<String>) -> Result<Watch> {
        let doing = format_args!("watching the directory {}", directory.path().display());
        let what = WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        Watch::begin(instance()?, &directory.short_path("."), what, KeptNames::Some(names), doing)
    }

    /// Makes a watch with its first path.
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

    /// Watches another path as well, for as long as the first.
    pub fn also(&self, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<()> {
        self.begin_watching(path, what, doing).map(drop)
    }

    /// As [`Watch::also`]; returns false where this watch watched the same object for the same events before.
    fn begin_watching(&self, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<bool> {
        let Table { watches, .. } = &mut *self.shared.table();
        // Another watch of this process may be at the same place: the kernel has one number for
        // both.
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
        // Those of objects that are gone are in the table no more.
        numbers.retain(|number| watches.contains_key(number));
        numbers.push(number);
        Ok(true)
    }

    /// Also watches writes into this open file, for as long as the file exists.
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

    /// Discards the available events, and passes on those of other watches.
    pub fn drain(&self) {
        self.distribute();
        *self.state.news() = News::default();
    }

    /// The same; returns whether anything was among it that is watched for, or may have been.
    pub fn has_changed(&self) -> bool {
        let news = self.take();
        news.changed || news.overflown || news.gone
    }

    /// Takes the available events, and passes on those of other watches.
    pub fn take(&self) -> News {
        self.distribute();
        std::mem::take(&mut *self.state.news())
    }

    /// As [`Watch::take`], with at most so many names. Those that are left keep a descriptor
    /// readable, unless everything has to be checked anyway.
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

    /// Takes all that has happened until now: [`Watch::take`] reads once, which may leave events behind.
    pub fn take_all(&self) -> News {
        // As many reads as a full queue of 16,384 events needs, and more; a program that keeps
        // making events is not waited for.
        let is_drained = (0..1000).any(|_| !self.distribute());
        let mut news = std::mem::take(&mut *self.state.news());
        news.overflown |= !is_drained;
        news
    }

    /// Reads the instance once and distributes the events. False where there was none.
    fn distribute(&self) -> bool {
        kernel_entry::assert_allowed();
        self.shared.distribute(Some(&self.state))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A forked child shares the instance, whose watches are the parent's.
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
                // The kernel drops the watch of a removed file by itself.
                let _ = inotify::remove_watch(&self.shared.fd, number);
            }
        }
    }
}
