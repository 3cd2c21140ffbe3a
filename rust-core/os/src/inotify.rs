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

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::inotify::{self, ReadFlags};
use rustix::io::Errno;

use super::beneath::{self, DoingByKernelPath};
use super::directory::Directory;
use super::eventfd::EventFd;
use super::fork::{self, Descriptor, Own};
use super::poll::{self, Epoll, Interest};
use super::{sleeping, thread};
use crate::descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel_entry;

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

/// The events that one watch was notified of and has not taken yet.
#[derive(Debug)]
struct WatchState {
    /// Signalled by another watch, or the thread, that read an event for this one.
    waker: EventFd,
    /// Whether its owner sleeps on the instance; otherwise the thread reads that.
    is_direct: bool,
    /// Whether nobody sleeps on it: its owner takes what has happened when it likes.
    is_passive: bool,
    /// Whether the eventfd was signalled since the last read.
    woken: AtomicBool,
    /// Whether names are kept.
    keeps_names: bool,
    /// The only names in the directory whose events count; `None` for all.
    only: Option<HashSet<String>>,
    /// The events since the last `take` or `drain`.
    news: Mutex<News>,
}

/// The events since the last call.
#[derive(Debug, Default)]
pub struct News {
    /// Whether anything happened that was watched for.
    pub changed: bool,
    /// The names that it happened to, in order.
    pub names: Vec<String>,
    /// Those of them that were given by a rename, each as often as that happened.
    pub renamed: Vec<String>,
    /// Whether events were lost, so that everything has to be checked.
    pub overflown: bool,
    /// Whether the watched object was removed or moved away.
    pub gone: bool,
}

/// An inotify instance.
#[derive(Debug)]
struct Instance {
    fd: Descriptor,
    /// The fork generation that made it: a child makes its own.
    born: u64,
    table: Mutex<Table>,
}

/// The watches of an instance.
#[derive(Debug, Default)]
struct Table {
    /// By the kernel's number: the wanted events of each watch.
    watches: HashMap<i32, Vec<(WatchFlags, Weak<WatchState>)>>,
    /// How many sleep on the instance, and how many are woken by the thread.
    direct: usize,
    indirect: usize,
    /// Ends the thread, while it runs.
    reader: Option<Arc<EventFd>>,
}

/// The shared instance, while a watch exists.
static CURRENT: Own<Mutex<Weak<Instance>>> = Own::new();

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

/// Watches whose owners sleep on the instance: fewer than the kernel allows at each depth to which sets are nested.
const DIRECT: usize = 8;
/// How long the thread waits where the kernel has no memory for its sleep.
const SHORTAGE: Duration = Duration::from_millis(10);

/// The most names that are kept; checking everything costs less than more of them.
const KEPT: usize = 65_536;

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

impl WatchState {
    /// Locks the news.
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the eventfd readable. The caller has the table of watches, as who makes it unreadable.
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Notes an event, if the watch requests it; returns whether it does.
    fn record(&self, wants: WatchFlags, what: ReadFlags, name: Option<&str>) -> bool {
        let gone = what.intersects(
            ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT,
        );
        let wanted = what.bits() & wants.bits() != 0;
        // An event without a name is about the directory itself.
        let other = self.only.as_ref().is_some_and(|only| name.is_some_and(|name| !only.contains(name)));
        if !gone && (!wanted || other) {
            return false;
        }
        let mut news = self.news();
        news.gone |= gone;
        news.changed |= wanted;
        if let Some(name) = name.filter(|_| wanted && self.keeps_names && what.contains(ReadFlags::MOVED_TO))
        {
            if news.renamed.len() < KEPT {
                news.renamed.push(name.to_owned());
            } else {
                news.overflown = true;
            }
        }
        match name.filter(|_| wanted && self.keeps_names) {
            Some(_) if news.names.len() >= KEPT => news.overflown = true,
            Some(name) => news.names.push(name.to_owned()),
            None => {}
        }
        true
    }
}

impl Instance {
    /// Returns a new instance, which no watch shares yet.
    fn new() -> Result<Arc<Instance>> {
        let fd = new_instance()?;
        Ok(Arc::new(Instance { fd: fd.into(), born: fork::generation(), table: Mutex::default() }))
    }

    /// Locks the table.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new watch, and starts the thread for it where it is one too many to sleep on the instance. Returns
    /// whether it sleeps on that.
    fn enter(shared: &Arc<Instance>) -> bool {
        let mut table = shared.table();
        // Where no thread can be started, the kernel's own bounds are all that there is.
        let is_direct = table.direct < DIRECT || !table.is_read(shared);
        *(if is_direct { &mut table.direct } else { &mut table.indirect }) += 1;
        is_direct
    }

    /// The thread: reads for those that do not sleep on the instance, until the last of them is gone.
    fn read(&self, end: &EventFd) {
        loop {
            match poll::sleep_on_two(self.fd.as_fd(), end.as_fd()) {
                Ok(Some([_, true])) => return,
                Ok(_) => drop(self.distribute(None)),
                Err(_) => sleeping::sleep(SHORTAGE),
            }
        }
    }

    /// Reads the instance once and distributes the events to all watches but the one that reads, which has them. False
    /// where there was none.
    fn distribute(&self, reader: Option<&Arc<WatchState>>) -> bool {
        let mut space = [MaybeUninit::<u8>::uninit(); 8192];
        let mut events = inotify::Reader::new(&self.fd, &mut space);
        // The names have to be in the order of the events, so one thread at a time reads and
        // distributes.
        let Table { watches, .. } = &mut *self.table();
        // Under the lock under which others wake this watch: flag and eventfd stay the same. Before the read, so that
        // what another thread passes on from here on wakes this watch again.
        if let Some(reader) = reader
            && reader.woken.swap(false, Ordering::AcqRel)
        {
            reader.waker.drain();
        }
        let notify = |state: &Arc<WatchState>| {
            // Once per read of its own.
            if !reader.is_some_and(|reader| Arc::ptr_eq(reader, state)) {
                state.wake();
            }
        };
        let mut begun = false;
        // One read only: what it leaves keeps the descriptor readable, and a read that finds
        // nothing would cost a system call per message.
        while !begun || !events.is_buffer_empty() {
            let Ok(event) = events.next() else { return begun };
            begun = true;
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                for state in watches.values().flatten().filter_map(|(_, one)| one.upgrade()) {
                    state.news().overflown = true;
                    notify(&state);
                }
                continue;
            }
            let name = event.file_name().and_then(|name| name.to_str().ok());
            for (wants, one) in watches.get(&event.wd()).into_iter().flatten() {
                if let Some(state) = one.upgrade().filter(|state| state.record(*wants, what, name)) {
                    notify(&state);
                }
            }
            if what.contains(ReadFlags::IGNORED) {
                // The object is gone, and the kernel gives its number to no other one.
                watches.remove(&event.wd());
            }
        }
        begun
    }
}

impl Table {
    /// Returns whether the thread runs, which is started where it does not.
    fn is_read(&mut self, instance: &Arc<Instance>) -> bool {
        if self.reader.is_none() {
            let started = EventFd::new().and_then(|end| {
                let (end, instance) = (Arc::new(end), instance.clone());
                let until = end.clone();
                thread::start("linkspan-names", move || instance.read(&until)).map(|_| end)
            });
            self.reader = started.ok();
        }
        self.reader.is_some()
    }

    /// Counts a watch that is gone, and ends the thread with the last one that needs it.
    fn leave(&mut self, is_direct: bool) {
        *(if is_direct { &mut self.direct } else { &mut self.indirect }) -= 1;
        if self.indirect == 0
            && let Some(end) = self.reader.take()
        {
            end.wake();
        }
    }
}

/// Makes an inotify instance.
///
/// # Errors
/// `OutOfMemory` at the limit of instances, with its name, or at that of descriptors.
fn new_instance() -> Result<OwnedFd> {
    const DOING: &str = "making an inotify instance (inotify_init1)";
    descriptor::inotify().map_err(|errno| {
        let error = Error::os(DOING, errno.raw_os_error());
        // The kernel has one number for both limits.
        match errno == Errno::MFILE && descriptor::event().is_ok() {
            true => error.with_hint(
                "this user has as many as the sysctl fs.inotify.max_user_instances allows: raise that, or end other programs",
            ),
            false => error,
        }
    })
}

/// Adds a watch to an instance.
///
/// # Errors
/// `OutOfMemory` at the limit of watches, with its name; `TransportUnavailable` without /proc.
fn add(instance: &OwnedFd, path: &Path, what: WatchFlags, doing: impl fmt::Display) -> Result<i32> {
    match inotify::add_watch(instance, path, what) {
        Err(Errno::NOSPC) => {
            let text = format!(
                "{doing}: this user has as many watches as the sysctl fs.inotify.max_user_watches allows: raise that, or end other programs"
            );
            Err(Error::new(ErrorKind::OutOfMemory, text))
        }
        added => added.doing_by_kernel_path(doing),
    }
}

/// Makes an instance and a watch, as waits for a name do.
///
/// # Errors
/// `OutOfMemory` at the limits of this user, with their names.
pub fn try_kernel() -> Result<()> {
    let instance = new_instance()?;
    add(&instance, Path::new("/"), WatchFlags::CREATE, "watching a directory (inotify_add_watch)").map(drop)
}

/// Returns the shared instance of this process, and makes it for the first watch.
fn instance() -> Result<Arc<Instance>> {
    let mut current = CURRENT.lock();
    if let Some(instance) = current.upgrade() {
        return Ok(instance);
    }
    let made = Instance::new()?;
    *current = Arc::downgrade(&made);
    Ok(made)
}

/// A watch behind one descriptor, for what can wait on one alone: readable while the watch has events, whoever read
/// them.
#[derive(Debug)]
pub struct WatchSet {
    watch: Watch,
    set: Epoll,
}

impl WatchSet {
    /// Returns the watch with its set.
    ///
    /// # Errors
    /// Those of making the set: no descriptors are left.
    pub fn of(watch: Watch) -> Result<WatchSet> {
        let set = Epoll::new()?;
        for descriptor in watch.descriptors() {
            set.add(descriptor, 0, Interest::IN)?;
        }
        Ok(WatchSet { watch, set })
    }
}

impl Deref for WatchSet {
    type Target = Watch;

    fn deref(&self) -> &Watch {
        &self.watch
    }
}

impl AsFd for WatchSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// Watches one file that another process writes. It has an instance of its own, so that a program
/// that waits for a name is not woken by every write.
#[derive(Debug)]
pub struct ContentWatch(Descriptor);

impl ContentWatch {
    /// Watches this open file from now on: writes, and the loss of its name.
    ///
    /// # Errors
    /// Those of the kernel, with its limit on instances.
    pub fn new(file: BorrowedFd<'_>) -> Result<ContentWatch> {
        let fd = new_instance()?;
        add(&fd, &beneath::kernel_path(file), WatchFlags::MODIFY | WatchFlags::ATTRIB, "watching a file")?;
        Ok(ContentWatch(fd.into()))
    }

    /// Discards the available events.
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
    // One read leaves events behind where a test beside this one makes many, since the process has one instance:
    // `take_all` takes what is there.
    use super::*;

    /// As many as find a wake-up that is lost in two steps of another thread.
    const ROUNDS: u32 = 5000;

    #[test]
    fn each_watch_gets_its_events_whichever_reads() {
        let folder = tempfile::tempdir().unwrap();
        let second = tempfile::tempdir().unwrap();
        let watch = |path: &Path, what| Watch::names(path, what, "watching").unwrap();
        let made = watch(folder.path(), WatchFlags::CREATE);
        let removed = watch(folder.path(), WatchFlags::DELETE);
        let in_second = watch(second.path(), WatchFlags::CREATE);
        std::fs::write(folder.path().join("a"), "").unwrap();
        std::fs::write(folder.path().join("b"), "").unwrap();
        std::fs::remove_file(folder.path().join("a")).unwrap();
        assert_eq!(made.take_all().names, ["a", "b"]);
        assert!(crate::poll::is_readable(removed.state.waker.as_fd()));
        assert!(!crate::poll::is_readable(in_second.state.waker.as_fd()));
        assert_eq!(removed.take_all().names, ["a"]);
        assert!(in_second.take_all().names.is_empty());
        made.also(second.path(), WatchFlags::MOVED_TO, "watching").unwrap();
        std::fs::write(second.path().join("x"), "").unwrap();
        std::fs::rename(second.path().join("x"), second.path().join("y")).unwrap();
        assert_eq!(made.take_all().names, ["y"]);
        assert_eq!(in_second.take_all().names, ["x"]);
        // One watch is dropped; the other at the same place continues.
        drop(removed);
        std::fs::write(folder.path().join("c"), "").unwrap();
        assert_eq!(made.take_all().names, ["c"]);
        folder.close().unwrap();
        assert!(made.take_all().gone);
    }

    #[test]
    fn names_that_another_watch_has_read_are_taken_some_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let watch = |path: &Path| Watch::names(path, WatchFlags::CREATE, "watching").unwrap();
        let (one, other) = (watch(folder.path()), watch(folder.path()));
        let made: Vec<_> = (0..1000).map(|i| format!("{i:04}")).collect();
        made.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        assert_eq!(other.take_all().names, made);
        let mut taken = Vec::new();
        for _ in 0..10 {
            assert!(crate::poll::is_readable(one.state.waker.as_fd()), "{} were taken", taken.len());
            let names = one.take_some(100).names;
            assert_eq!(names.len(), 100);
            taken.extend(names);
        }
        assert_eq!(taken, made);
        assert!(!crate::poll::is_readable(one.state.waker.as_fd()));
        // What is lost is found by a look at everything, so nothing is left to take.
        std::fs::write(folder.path().join("last"), "").unwrap();
        other.take_all();
        one.state.news().overflown = true;
        let news = one.take_some(0);
        assert!(news.overflown && news.names == ["last"]);
        assert!(!crate::poll::is_readable(one.state.waker.as_fd()));
    }

    /// A wake-up that comes while the watch takes the one before is in the eventfd, or was taken with it: a watch whose
    /// flag says that it is awake gets no other one.
    #[test]
    fn wake_ups_of_another_thread_are_not_lost_while_a_watch_takes_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let watch = || Watch::names(folder.path(), WatchFlags::CREATE, "watching").unwrap();
        let (one, other) = (watch(), watch());
        let make = |name: String| drop(std::fs::File::create(folder.path().join(name)).unwrap());
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let takes = scope.spawn(|| {
                for _ in 0..ROUNDS {
                    start.wait();
                    one.take();
                    start.wait();
                }
            });
            let mut lost = 0;
            for round in 0..ROUNDS {
                make(format!("{round}"));
                other.take();
                make(format!("{round} more"));
                start.wait();
                other.take();
                start.wait();
                for WatchState { woken, waker, .. } in [&*one.state, &*other.state] {
                    lost +=
                        u32::from(woken.load(Ordering::Acquire) != crate::poll::is_readable(waker.as_fd()));
                }
            }
            takes.join().unwrap();
            assert_eq!(lost, 0, "of {ROUNDS} rounds");
        });
    }

    #[test]
    fn write_into_a_file_wakes_each_watch_of_it_whichever_reads() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let path = folder.path().join("value");
        let mut file = std::fs::File::create(&path).unwrap();
        let [first, second] = ["first", "second"].map(|_| Watch::of_name(&directory, "value").unwrap());
        first.contents(&file).unwrap();
        second.contents(&file).unwrap();
        std::io::Write::write_all(&mut file, b"1").unwrap();
        assert!(first.take_all().changed);
        assert!(crate::poll::is_readable(second.state.waker.as_fd()), "the first watch took its event");
        assert!(second.take_all().changed);
    }

    #[test]
    fn one_descriptor_tells_of_events_whoever_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let watch = || Watch::names(folder.path(), WatchFlags::CREATE, "watching").unwrap();
        let (set, other) = (WatchSet::of(watch()).unwrap(), watch());
        std::fs::write(folder.path().join("a"), "").unwrap();
        other.take_all();
        assert!(crate::poll::is_readable(set.as_fd()), "another watch has read the event");
        assert_eq!(set.take().names, ["a"]);
    }

    /// Watches beyond the first ones are woken by the thread, each by its own names, and no others are.
    #[test]
    fn thread_reads_for_watches_that_do_not_sleep_on_the_instance() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let watches: Vec<_> =
            (0..40).map(|i| Watch::of_name(&directory, &format!("n{i}")).unwrap()).collect();
        let woken: Vec<_> = watches.iter().filter(|watch| watch.descriptors().count() == 1).collect();
        assert!(woken.len() >= 40 - DIRECT);
        std::fs::write(folder.path().join("n39"), "").unwrap();
        let last = watches.last().unwrap();
        let mut waiting =
            crate::deadline::Waiting::until(crate::deadline::Deadline::after(Duration::from_secs(60)));
        poll::wait_readable(&mut waiting, &last.descriptors().collect::<Vec<_>>()).unwrap();
        assert!(last.has_changed());
        let others = woken.iter().filter(|watch| watch.state.woken.load(Ordering::Acquire)).count();
        assert_eq!(others, 0);
    }

    #[test]
    fn files_that_are_gone_take_no_memory_of_a_watch() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let watch = Watch::new(&directory).unwrap();
        for _ in 0..100 {
            let path = folder.path().join("value");
            let file = std::fs::File::create(&path).unwrap();
            watch.contents(&file).unwrap();
            drop(file);
            std::fs::remove_file(path).unwrap();
            assert!(watch.take_all().gone);
        }
        watch.also(folder.path(), WatchFlags::DELETE, "watching").unwrap();
        assert!(watch.numbers.lock().unwrap().len() <= 2);
        let Table { watches, .. } = &*watch.shared.table();
        let is_ours = |one: &Weak<WatchState>| std::ptr::eq(one.as_ptr(), &raw const *watch.state);
        assert!(watches.values().filter(|all| all.iter().any(|(_, one)| is_ours(one))).count() <= 2);
    }

    #[test]
    fn renames_are_counted_for_an_owner_that_does_not_sleep_on_them() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let watch = Watch::renames(&directory, ["a", "b"].map(str::to_owned).into()).unwrap();
        let all = Watch::all_names(&directory).unwrap();
        for name in ["a", "c", "a", "b", "a"] {
            let staged = folder.path().join(".staged");
            std::fs::write(&staged, "").unwrap();
            std::fs::rename(&staged, folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join("b"), "").unwrap();
        }
        assert!(!watch.state.is_direct, "it takes no place");
        assert_eq!(watch.take_all().renamed, ["a", "a", "b", "a"]);
        assert_eq!(all.take_all().renamed, ["a", "c", "a", "b", "a"]);
        assert!(watch.take_all().renamed.is_empty());
    }

    #[test]
    fn watch_of_a_name_is_not_changed_by_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let watch = Watch::of_name(&directory, "value").unwrap();
        let has_changed = |watch: &Watch| watch.take_all().changed;
        assert!(!has_changed(&watch));
        std::fs::write(folder.path().join(".new.value"), "1").unwrap();
        assert!(!has_changed(&watch), "another name was made");
        std::fs::rename(folder.path().join(".new.value"), folder.path().join("value")).unwrap();
        assert!(has_changed(&watch), "the name was given");
        assert!(!has_changed(&watch), "that was taken");
        let other = Watch::new(&directory).unwrap();
        std::fs::write(folder.path().join("value.new"), "2").unwrap();
        assert!(has_changed(&other) && !has_changed(&watch), "whichever of them reads");
        std::fs::rename(folder.path().join("value.new"), folder.path().join("value")).unwrap();
        assert!(has_changed(&other) && has_changed(&watch), "whichever of them reads");
    }
}
