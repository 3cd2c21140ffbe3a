//! The inotify instance of the process, and its thread for watches that do not sleep on it.

use std::collections::HashMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::news::WatchState;
use crate::beneath::DoingByKernelPath;
use crate::error::{Error, ErrorKind, Result};
use crate::eventfd::EventFd;
use crate::fork::{self, Descriptor, Own};
use crate::{descriptor, poll, sleeping, thread};

#[derive(Debug)]
pub(super) struct Instance {
    pub(super) fd: Descriptor,
    /// The fork generation that created it: a child creates its own.
    pub(super) born: u64,
    pub(super) table: Mutex<Table>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    /// By the kernel's number: each watch's events.
    pub(super) watches: HashMap<i32, Vec<(WatchFlags, Weak<WatchState>)>>,
    /// How many watches sleep on the instance, and how many the thread wakes.
    direct: usize,
    indirect: usize,
    /// Ends the thread, while it runs.
    reader: Option<Arc<EventFd>>,
}

static CURRENT: Own<Mutex<Weak<Instance>>> = Own::new();

/// Watches that sleep on the instance, within the kernel's limit at any depth of nested sets.
pub(super) const DIRECT: usize = 8;
/// How long the thread waits if the kernel lacks memory.
const SHORTAGE: Duration = Duration::from_millis(10);

impl Instance {
    pub(super) fn new() -> Result<Arc<Instance>> {
        let fd = new_instance()?;
        Ok(Arc::new(Instance { fd: fd.into(), born: fork::generation(), table: Mutex::default() }))
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new watch; returns whether it sleeps on the instance.
    pub(super) fn enter(shared: &Arc<Instance>) -> bool {
        let mut table = shared.table();
        // If no thread can be started, only the kernel's own limits apply.
        let is_direct = table.direct < DIRECT || !table.is_read(shared);
        *(if is_direct { &mut table.direct } else { &mut table.indirect }) += 1;
        is_direct
    }

    /// The thread for the watches that do not sleep on the instance.
    fn read(&self, end: &EventFd) {
        loop {
            match poll::sleep_on_two(self.fd.as_fd(), end.as_fd()) {
                Ok(Some([_, true])) => return,
                Ok(_) => drop(self.distribute(None)),
                Err(_) => sleeping::sleep(SHORTAGE),
            }
        }
    }

    /// Reads once and distributes the events, except to `reader`. False without events.
    pub(super) fn distribute(&self, reader: Option<&Arc<WatchState>>) -> bool {
        let mut space = [MaybeUninit::<u8>::uninit(); 8192];
        let mut events = inotify::Reader::new(&self.fd, &mut space);
        // Names stay in the order of events, so one thread at a time reads.
        let Table { watches, .. } = &mut *self.table();
        // With the lock, flag and eventfd agree. Before the read: later events wake this watch again.
        if let Some(reader) = reader
            && reader.woken.swap(false, Ordering::AcqRel)
        {
            reader.waker.drain();
        }
        let notify = |state: &Arc<WatchState>| {
            if !reader.is_some_and(|reader| Arc::ptr_eq(reader, state)) {
                state.wake();
            }
        };
        let mut begun = false;
        // Remaining events keep the descriptor readable; an empty read would cost a system call per message.
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
                // The kernel does not reuse a number.
                watches.remove(&event.wd());
            }
        }
        begun
    }
}

impl Table {
    /// Starts the thread if necessary; returns whether it runs.
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

    /// Counts a watch that is gone, and ends the thread if no watch needs it.
    pub(super) fn leave(&mut self, is_direct: bool) {
        *(if is_direct { &mut self.direct } else { &mut self.indirect }) -= 1;
        if self.indirect == 0
            && let Some(end) = self.reader.take()
        {
            end.wake();
        }
    }
}

/// Creates an inotify instance.
///
/// # Errors
/// `OutOfMemory` at the limit of instances or descriptors, with its name.
pub(super) fn new_instance() -> Result<OwnedFd> {
    const DOING: &str = "making an inotify instance (inotify_init1)";
    descriptor::inotify().map_err(|errno| {
        let error = Error::os(DOING, errno.raw_os_error());
        // One error number for both limits.
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
pub(super) fn add(
    instance: &OwnedFd,
    path: &Path,
    what: WatchFlags,
    doing: impl fmt::Display,
) -> Result<i32> {
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

/// Creates an instance and a watch, as waits for a name do.
///
/// # Errors
/// `OutOfMemory` at this user's limits.
pub fn try_kernel() -> Result<()> {
    let instance = new_instance()?;
    add(&instance, Path::new("/"), WatchFlags::CREATE, "watching a directory (inotify_add_watch)").map(drop)
}

/// Returns this process's instance, which the first watch creates.
pub(super) fn instance() -> Result<Arc<Instance>> {
    let mut current = CURRENT.lock();
    if let Some(instance) = current.upgrade() {
        return Ok(instance);
    }
    let made = Instance::new()?;
    *current = Arc::downgrade(&made);
    Ok(made)
}
