//! Noticing what happens in directories, with one inotify instance a process, however many wait; and that a file is
//! written to.

use std::collections::HashMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags};

use super::directory::Directory;
use super::eventfd::EventFd;
use super::fork;
use crate::error::{Doing, ErrorKind, Result};

pub use rustix::fs::inotify::WatchFlags;

/// Watches a directory or a file. Both descriptors wake its owner, who then calls [`Watch::drain`] and looks at the
/// names that matter, or [`Watch::take`] to be told which they are.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Instance>,
    heard: Arc<Heard>,
    /// What is watched, as the kernel numbers it.
    numbers: Mutex<Vec<i32>>,
}

/// What one watch was told and has not taken yet.
#[derive(Debug)]
struct Heard {
    /// Rung by whoever reads the shared instance in our stead.
    waker: EventFd,
    woken: AtomicBool,
    keeps_names: bool,
    news: Mutex<News>,
}

/// What happened since the last look.
#[derive(Debug, Default)]
pub struct News {
    /// The names that it happened to, in the order in which it did.
    pub names: Vec<String>,
    /// Whether there was more than could be kept: look at everything.
    pub overflown: bool,
    /// Whether what is watched has been removed or moved away.
    pub gone: bool,
}

#[derive(Debug)]
struct Instance {
    fd: OwnedFd,
    born: u64,
    watches: Mutex<Watches>,
}

/// Who wants to hear what, by the kernel's number.
type Watches = HashMap<i32, Vec<(WatchFlags, Weak<Heard>)>>;

static CURRENT: Mutex<Weak<Instance>> = Mutex::new(Weak::new());

/// Names that nobody has taken yet, at most: then a look at everything costs less.
const KEPT: usize = 65_536;

impl Watch {
    /// Watches this directory from now on: names made, renamed into place, removed.
    pub fn new(directory: &Directory) -> Result<Watch> {
        let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
        let path = directory.short_path(".");
        let doing = format_args!("watching the directory {}", directory.path().display());
        Watch::begin(instance()?, &path, what, false, doing)
    }

    /// Watches when a descriptor is closed that this file could be written through. It wakes for nothing else, as long as
    /// the kernel has an instance to spare (128 a user by default); otherwise it shares the one of the process.
    pub fn closing(file: impl AsFd) -> Result<Watch> {
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()));
        let own = Instance::new().or_else(|_| instance())?;
        Watch::begin(own, &path, WatchFlags::CLOSE_WRITE, false, "watching who closes a file")
    }

    /// Watches when what has this name now is opened, too; true where it was not watched for that before, and may have been
    /// opened just before.
    pub fn opening(&self, directory: &Directory, name: &str) -> Result<bool> {
        let before = self.count();
        let what = WatchFlags::OPEN | WatchFlags::DONT_FOLLOW;
        match self.also(&directory.short_path(name), what, format_args!("watching {name}")) {
            Ok(()) => Ok(self.count() > before),
            // It tells when it comes.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn count(&self) -> usize {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Watches a path for this, and keeps the names that it happens to. `doing` says in an error what was tried.
    pub fn names(path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<Watch> {
        Watch::begin(instance()?, path, what, true, doing)
    }

    fn begin(
        shared: Arc<Instance>,
        path: &Path,
        what: WatchFlags,
        keeps_names: bool,
        doing: impl fmt::Display,
    ) -> Result<Watch> {
        let heard = Heard {
            waker: EventFd::new()?,
            woken: AtomicBool::new(false),
            keeps_names,
            news: Mutex::default(),
        };
        let watch = Watch { shared, heard: Arc::new(heard), numbers: Mutex::default() };
        watch.also(path, what, doing)?;
        Ok(watch)
    }

    /// Watches another path besides, for as long as the first.
    pub fn also(&self, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<()> {
        let mut watches = self.shared.watches();
        // Another watch of ours may be at the same place: the kernel knows both as one.
        let number = inotify::add_watch(&self.shared.fd, path, what | WatchFlags::MASK_ADD).doing(doing)?;
        let all = watches.entry(number).or_default();
        all.retain(|(_, one)| one.strong_count() > 0);
        let is_ours = |one: &Weak<Heard>| one.upgrade().is_some_and(|one| Arc::ptr_eq(&one, &self.heard));
        if !all.iter().any(|(wants, one)| *wants == what && is_ours(one)) {
            all.push((what, Arc::downgrade(&self.heard)));
            self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        Ok(())
    }

    /// Watches also what is written into this open file, for as long as the file is there.
    pub fn contents(&self, file: impl AsFd) -> Result<()> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        inotify::add_watch(&self.shared.fd, path, WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE)
            .doing("watching a file")?;
        Ok(())
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.shared.fd.as_fd(), self.heard.waker.as_fd()]
    }

    /// Forgets what is there, and tells the others what was for them.
    pub fn drain(&self) {
        self.pump();
        *self.heard.news() = News::default();
    }

    /// Takes what is there, and tells the others what was for them.
    pub fn take(&self) -> News {
        self.pump();
        std::mem::take(&mut *self.heard.news())
    }

    fn pump(&self) {
        // First, so that what another thread wakes it for from here on wakes us again.
        if self.heard.woken.swap(false, Ordering::AcqRel) {
            self.heard.waker.drain();
        }
        let mut space = [MaybeUninit::<u8>::uninit(); 8192];
        let mut reader = inotify::Reader::new(&self.shared.fd, &mut space);
        // The order of the names is that of the events, so one thread at a time reads and distributes.
        let watches = self.shared.watches();
        let mut begun = false;
        // One read; what it leaves keeps the descriptor readable, and to read in vain would cost a system call a message.
        while !begun || !reader.is_buffer_empty() {
            let Ok(event) = reader.next() else { return };
            begun = true;
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                for heard in watches.values().flatten().filter_map(|(_, one)| one.upgrade()) {
                    heard.news().overflown = true;
                    self.tell(&heard);
                }
                continue;
            }
            let name = event.file_name().and_then(|name| name.to_str().ok());
            for (wants, one) in watches.get(&event.wd()).into_iter().flatten() {
                if let Some(heard) = one.upgrade().filter(|heard| heard.hear(*wants, what, name)) {
                    self.tell(&heard);
                }
            }
        }
    }

    fn tell(&self, heard: &Arc<Heard>) {
        if !Arc::ptr_eq(heard, &self.heard) && !heard.woken.swap(true, Ordering::AcqRel) {
            heard.waker.wake();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A forked child shares the instance, and the watches are the parent's.
        if self.shared.born != fork::generation() {
            return;
        }
        let mut watches = self.shared.watches();
        for number in self.numbers.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let Some(all) = watches.get_mut(&number) else { continue };
            all.retain(|(_, one)| one.upgrade().is_some_and(|one| !Arc::ptr_eq(&one, &self.heard)));
            if all.is_empty() {
                watches.remove(&number);
                // What was removed has taken its watch along.
                let _ = inotify::remove_watch(&self.shared.fd, number);
            }
        }
    }
}

impl Heard {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what is of interest; false where it is none.
    fn hear(&self, wants: WatchFlags, what: ReadFlags, name: Option<&str>) -> bool {
        let gone = what.intersects(
            ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT,
        );
        let wanted = what.bits() & wants.bits() != 0;
        if !gone && !wanted {
            return false;
        }
        let mut news = self.news();
        news.gone |= gone;
        match name.filter(|_| wanted && self.keeps_names) {
            Some(_) if news.names.len() >= KEPT => news.overflown = true,
            Some(name) => news.names.push(name.to_owned()),
            None => {}
        }
        true
    }
}

impl Instance {
    fn new() -> Result<Arc<Instance>> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .doing("making an inotify instance")?;
        Ok(Arc::new(Instance { fd, born: fork::generation(), watches: Mutex::default() }))
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn instance() -> Result<Arc<Instance>> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(instance) = current.upgrade().filter(|i| i.born == fork::generation()) {
        return Ok(instance);
    }
    let made = Instance::new()?;
    *current = Arc::downgrade(&made);
    Ok(made)
}

/// Watches one file that others write. An instance of its own: who waits for a name is not to be woken by every writing.
#[derive(Debug)]
pub struct ContentWatch(OwnedFd);

impl ContentWatch {
    /// Watches this open file from now on: writings, and the loss of its name.
    pub fn new(file: BorrowedFd<'_>) -> Result<ContentWatch> {
        let doing = "watching a file (see the limit fs.inotify.max_user_instances)";
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).doing(doing)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&fd, path, WatchFlags::MODIFY | WatchFlags::ATTRIB).doing(doing)?;
        Ok(ContentWatch(fd))
    }

    /// Takes what is there.
    pub fn drain(&self) {
        let mut space = [MaybeUninit::<u8>::uninit(); 1024];
        while rustix::io::read(&self.0, &mut space[..]).is_ok_and(|(read, _)| !read.is_empty()) {}
    }
}

impl AsFd for ContentWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_watch_hears_what_it_asked_for_whoever_reads() {
        let folder = tempfile::tempdir().unwrap();
        let others = tempfile::tempdir().unwrap();
        let watch = |path: &Path, what| Watch::names(path, what, "watching").unwrap();
        let made = watch(folder.path(), WatchFlags::CREATE);
        let removed = watch(folder.path(), WatchFlags::DELETE);
        let elsewhere = watch(others.path(), WatchFlags::CREATE);
        std::fs::write(folder.path().join("a"), "").unwrap();
        std::fs::write(folder.path().join("b"), "").unwrap();
        std::fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(made.take().names, ["a", "b"]);
        assert!(super::super::poll::is_readable(removed.heard.waker.as_fd()));
        assert!(!super::super::poll::is_readable(elsewhere.heard.waker.as_fd()));
        assert_eq!(removed.take().names, ["a"]);
        assert!(elsewhere.take().names.is_empty());
        made.also(others.path(), WatchFlags::MOVED_TO, "watching").unwrap();
        std::fs::write(others.path().join("x"), "").unwrap();
        std::fs::rename(others.path().join("x"), others.path().join("y")).unwrap();
        assert_eq!(made.take().names, ["y"]);
        assert_eq!(elsewhere.take().names, ["x"]);
        // One goes, the other at the same place stays.
        drop(removed);
        std::fs::write(folder.path().join("c"), "").unwrap();
        assert_eq!(made.take().names, ["c"]);
        folder.close().unwrap();
        assert!(made.take().gone);
    }
}
