//! The unprocessed names in a directory, in order, and the descriptors that signal more names.
//!
//! inotify reports new names. If the file system does not report changes by other machines, a timer rescans
//! the directory. Memory holds at most 16,384 names; further names stay in the directory, so a user with
//! millions of files costs time, but no memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::FsWord;
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::folder::SpoolFolder;
use super::layout::{FOLDERS, SpoolDirectory};
use super::name::is_hidden;
use crate::error::{Doing, Result};
use crate::sys::descriptor;
use crate::sys::inotify::{News, Watch, WatchFlags};

/// The interval of rescans on a file system that does not report changes by others.
const RESCAN_INTERVAL: Duration = Duration::from_millis(500);

/// The `statfs` numbers of file systems whose files change without notice to this kernel.
const WITHOUT_EVENTS: [u32; 9] = [
    0x6969,      // NFS
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x517b,      // SMB
    0x6573_5546, // FUSE
    0x0102_1997, // 9p
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x0bd0_0bd0, // Lustre
];

/// The most names in memory. Later names are read from the directory in turn.
const MAX_PENDING: usize = 16_384;
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The number of retries. The kernel breaks a lease after 45 seconds (`/proc/sys/fs/lease-break-time`), so a
/// minute is enough.
const MAX_RETRIES: u32 = 60;
const MAX_DEFERRED: usize = 256;

pub struct Arrivals {
    watch: Watch,
    /// A timer that runs on file systems without events, and while a file is deferred.
    timer: OwnedFd,
    lacks_events: bool,
    is_armed: bool,
    pending: BTreeSet<String>,
    /// Names after this one are in the directory, but not in `pending`.
    beyond: Option<String>,
    /// Files that could not be read, and the number of retries.
    deferred: HashMap<String, u32>,
    /// The filter of names, a function of the name and of `whose`.
    wanted: fn(&str, &str) -> bool,
    /// The client of the files; empty if all files are for the reader.
    whose: String,
}

impl Arrivals {
    pub fn new(folder: &SpoolFolder, wanted: fn(&str, &str) -> bool, whose: &str) -> Result<Arrivals> {
        // A file that was written in place is tried again after it is closed. An unnamed file is closed after
        // it has got a name, which must not wake the reader (`EXCL_UNLINK`).
        let what = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        let watch = watch(folder, what)?;
        let lacks_events = lacks_events(folder)?;
        let mut arrivals = Arrivals {
            watch,
            timer: timer()?,
            lacks_events,
            is_armed: false,
            pending: BTreeSet::new(),
            beyond: None,
            deferred: HashMap::new(),
            wanted,
            whose: whose.to_owned(),
        };
        if lacks_events {
            set_timer(&arrivals.timer, RESCAN_INTERVAL, RESCAN_INTERVAL)?;
        }
        arrivals.read(folder, None)?;
        Ok(arrivals)
    }

    /// Also reports the removal of the spool: an open directory does not report its own end.
    pub fn watch_removal(&self, layout: &SpoolDirectory) -> Result<()> {
        let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        let doing = format!("watching the directory {}", layout.place.path().display());
        self.watch.also(&layout.kernel_path(), what, doing)
    }

    fn read(&mut self, folder: &SpoolFolder, behind: Option<&str>) -> Result<()> {
        self.beyond = None;
        folder.each_name(|name| {
            if behind.is_none_or(|behind| name > behind) {
                self.add(name);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Adds a name, except if it is hidden, filtered out, or after the last name in memory.
    fn add(&mut self, name: &str) {
        let is_in_turn = self.beyond.as_deref().is_none_or(|beyond| name <= beyond);
        if !is_in_turn || is_hidden(name) || !(self.wanted)(name, &self.whose) {
            return;
        }
        self.pending.insert(name.to_owned());
        if self.pending.len() > MAX_PENDING {
            self.pending.pop_last();
            self.beyond = self.pending.last().cloned();
        }
    }

    /// Adds new names. True if the directory itself may have been removed. Never blocks.
    pub fn refresh(&mut self, folder: &SpoolFolder) -> Result<bool> {
        let News { names, overflown, gone, .. } = self.watch.take();
        let probe_due = gone || names.iter().any(|name| FOLDERS.contains(&name.as_str()));
        for name in &names {
            self.add(name);
        }
        let mut expired = [0; 8];
        let has_expired =
            (self.lacks_events || self.is_armed) && rustix::io::read(&self.timer, &mut expired).is_ok();
        if overflown || has_expired && self.lacks_events {
            self.read(folder, None)?;
        }
        if has_expired {
            self.is_armed = false;
            let again: Vec<String> = self.deferred.keys().cloned().collect();
            again.iter().for_each(|name| self.add(name));
        }
        Ok(probe_due)
    }

    /// Takes out the first name; reads the directory again when no name is in memory.
    pub fn pop(&mut self, folder: &SpoolFolder) -> Result<Option<String>> {
        if self.pending.is_empty()
            && let Some(behind) = self.beyond.take()
        {
            self.read(folder, Some(&behind))?;
        }
        Ok(self.pending.pop_first())
    }

    pub fn retry(&mut self, name: &str) {
        self.pending.insert(name.to_owned());
    }

    /// Puts a name back after a second; false after a minute of retries, or with too many files.
    pub fn defer(&mut self, name: &str) -> Result<bool> {
        if !self.deferred.contains_key(name) && self.deferred.len() == MAX_DEFERRED {
            return Ok(false);
        }
        let retries = self.deferred.entry(name.to_owned()).or_default();
        *retries += 1;
        if *retries > MAX_RETRIES {
            self.deferred.remove(name);
            return Ok(false);
        }
        if !self.lacks_events && !self.is_armed {
            set_timer(&self.timer, RETRY_DELAY, Duration::ZERO)?;
            self.is_armed = true;
        }
        Ok(true)
    }

    pub fn forget(&mut self, name: &str) {
        if !self.deferred.is_empty() {
            self.deferred.remove(name);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.beyond.is_none()
    }

    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().chain([self.timer.as_fd()])
    }
}

pub fn watch(folder: &SpoolFolder, what: WatchFlags) -> Result<Watch> {
    Watch::names(
        &folder.kernel_path(),
        what,
        format_args!("watching the directory {}", folder.path().display()),
    )
}

pub fn lacks_events(folder: &SpoolFolder) -> Result<bool> {
    let facts = rustix::fs::fstatfs(folder)
        .doing(format_args!("asking for the file system of {}", folder.path().display()))?;
    Ok(lacks_events_kind(facts.f_type))
}

fn lacks_events_kind(kind: FsWord) -> bool {
    WITHOUT_EVENTS.iter().any(|silent| FsWord::from(*silent) == kind)
}

fn timer() -> Result<OwnedFd> {
    descriptor::timer().doing("making a timer (timerfd_create)")
}

/// Makes a timer readable after `first`, and then in each interval `every` (never again for zero).
fn set_timer(timer: &OwnedFd, first: Duration, every: Duration) -> Result<()> {
    let spec = |of: Duration| Timespec { tv_sec: of.as_secs() as i64, tv_nsec: of.subsec_nanos().into() };
    let times = Itimerspec { it_interval: spec(every), it_value: spec(first) };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &times)
        .doing("setting a timer (timerfd_settime)")
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::sys::poll::wait_readable;

    fn json(name: &str, _: &str) -> bool {
        name.ends_with(".json")
    }

    fn folder(of: &tempfile::TempDir) -> SpoolFolder {
        let directory = crate::sys::directory::Directory::existing(of.path().parent().unwrap()).unwrap();
        let name = of.path().file_name().unwrap().to_str().unwrap();
        SpoolFolder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap()
    }

    #[test]
    fn arrivals_are_in_order_of_names() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        folder.put("b.json", b"").unwrap();
        let mut arrivals = Arrivals::new(&folder, json, "").unwrap();
        for name in ["c.json", "a.json", "no.text", ".hidden.json", "a.json~"] {
            folder.put(name, b"").unwrap();
        }
        arrivals.refresh(&folder).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| arrivals.pop(&folder).unwrap()).collect();
        assert_eq!(all, ["a.json", "b.json", "c.json"]);
        let quiet = arrivals.watch.take();
        assert!(quiet.names.is_empty(), "{quiet:?}");
    }

    #[test]
    fn arrivals_are_rescanned_where_no_events_come() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let mut arrivals = Arrivals::new(&folder, json, "").unwrap();
        arrivals.lacks_events = true;
        set_timer(&arrivals.timer, RESCAN_INTERVAL, RESCAN_INTERVAL).unwrap();
        // Like a file of another machine: its event is lost.
        folder.put("a.json", b"").unwrap();
        arrivals.watch.drain();
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while arrivals.is_empty() {
            let on: Vec<_> = arrivals.descriptors().collect();
            wait_readable(&mut waiting, &on).unwrap();
            arrivals.refresh(&folder).unwrap();
        }
        assert_eq!(arrivals.pop(&folder).unwrap().unwrap(), "a.json");
        assert!(lacks_events_kind(0x6969) && !lacks_events_kind(0x0102_1994), "NFS, and not tmpfs");
    }
}
