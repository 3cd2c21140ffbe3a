//! The names in a directory that have not been looked at yet, in their order, and what wakes whoever waits for more.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::FsWord;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::folder::Folder;
use super::layout::{FOLDERS, Layout};
use super::name::is_hidden;
use crate::error::{Doing, Result};
use crate::sys::inotify::{News, Watch, WatchFlags};

/// How often a directory is read again on a file system that does not tell what others do in it.
const AGAIN: Duration = Duration::from_millis(500);

/// File systems whose files change on other machines, or by programs that the kernel does not see.
const SILENT: [u32; 9] = [
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

/// Names that wait in memory, at most. There may be more in the directory: those behind them are read from there in turn.
const KEPT: usize = 16_384;
/// How long a file is left alone that cannot be read just now.
const LATER: Duration = Duration::from_secs(1);
/// How often it is tried again. The kernel takes a lease away after 45 seconds (`/proc/sys/fs/lease-break-time`).
const TRIES: u32 = 60;
/// Files that are tried again, at most.
const PUT_OFF: usize = 256;

/// Names to be looked at.
pub struct Arrivals {
    watch: Watch,
    /// Runs where nobody tells what others do, and while something was put off.
    clock: OwnedFd,
    is_silent: bool,
    /// Whether the clock runs for what was put off.
    is_set: bool,
    pending: BTreeSet<String>,
    /// Names behind this one are not in `pending`, but in the directory.
    beyond: Option<String>,
    /// Files that could not be read, and how often they were put off.
    later: HashMap<String, u32>,
    wanted: fn(&str, &str) -> bool,
    whose: String,
}

impl Arrivals {
    /// What lies in this directory, and what comes: of all names those that `wanted` says belong to `whose`.
    pub fn new(folder: &Folder, wanted: fn(&str, &str) -> bool, whose: &str) -> Result<Arrivals> {
        // A file that was written in place is looked at again once it is closed. One that was made without a name is
        // closed after it has got one, and of that nobody is to be woken.
        let what = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        let watch = watch(folder, what)?;
        let is_silent = is_silent(folder)?;
        let mut arrivals = Arrivals {
            watch,
            clock: clock()?,
            is_silent,
            is_set: false,
            pending: BTreeSet::new(),
            beyond: None,
            later: HashMap::new(),
            wanted,
            whose: whose.to_owned(),
        };
        if is_silent {
            set_clock(&arrivals.clock, AGAIN, AGAIN)?;
        }
        arrivals.read(folder, None)?;
        Ok(arrivals)
    }

    /// Notices also when the spool is taken away: a directory that is open does not tell of its own end.
    pub fn mind(&self, layout: &Layout) -> Result<()> {
        let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        let doing = format!("watching the directory {}", layout.place.path().display());
        self.watch.also(&layout.kernel_path(), what, doing)
    }

    /// Takes in the names in the directory, or those behind one.
    fn read(&mut self, folder: &Folder, behind: Option<&str>) -> Result<()> {
        self.beyond = None;
        folder.each_name(|name| {
            if behind.is_none_or(|behind| name > behind) {
                self.add(name);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn add(&mut self, name: &str) {
        let is_in_turn = self.beyond.as_deref().is_none_or(|beyond| name <= beyond);
        if !is_in_turn || is_hidden(name) || !(self.wanted)(name, &self.whose) {
            return;
        }
        self.pending.insert(name.to_owned());
        if self.pending.len() > KEPT {
            self.pending.pop_last();
            self.beyond = self.pending.last().cloned();
        }
    }

    /// Takes in what has come since the last look. True where the directory itself may have gone.
    pub fn look(&mut self, folder: &Folder) -> Result<bool> {
        let News { names, overflown, gone } = self.watch.take();
        let probe_due = gone || names.iter().any(|name| FOLDERS.contains(&name.as_str()));
        for name in &names {
            self.add(name);
        }
        let mut expired = [0; 8];
        let has_rung = (self.is_silent || self.is_set) && rustix::io::read(&self.clock, &mut expired).is_ok();
        if overflown || has_rung && self.is_silent {
            self.read(folder, None)?;
        }
        if has_rung {
            self.is_set = false;
            let again: Vec<String> = self.later.keys().cloned().collect();
            again.iter().for_each(|name| self.add(name));
        }
        Ok(probe_due)
    }

    /// The first of them.
    pub fn pop(&mut self, folder: &Folder) -> Result<Option<String>> {
        if self.pending.is_empty()
            && let Some(behind) = self.beyond.take()
        {
            self.read(folder, Some(&behind))?;
        }
        Ok(self.pending.pop_first())
    }

    /// Looks at this file again in its turn: it was not dealt with.
    pub fn put_back(&mut self, name: &str) {
        self.pending.insert(name.to_owned());
    }

    /// Looks at this file again in a second; false where that was done for a minute, or with too many.
    pub fn put_off(&mut self, name: &str) -> Result<bool> {
        if !self.later.contains_key(name) && self.later.len() == PUT_OFF {
            return Ok(false);
        }
        let tries = self.later.entry(name.to_owned()).or_default();
        *tries += 1;
        if *tries > TRIES {
            self.later.remove(name);
            return Ok(false);
        }
        if !self.is_silent && !self.is_set {
            set_clock(&self.clock, LATER, Duration::ZERO)?;
            self.is_set = true;
        }
        Ok(true)
    }

    /// This file was dealt with, or has gone.
    pub fn settled(&mut self, name: &str) {
        if !self.later.is_empty() {
            self.later.remove(name);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.beyond.is_none()
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().into_iter().chain([self.clock.as_fd()])
    }
}

/// Watches a directory.
pub fn watch(folder: &Folder, what: WatchFlags) -> Result<Watch> {
    Watch::names(
        &folder.kernel_path(),
        what,
        format_args!("watching the directory {}", folder.path().display()),
    )
}

fn is_silent(folder: &Folder) -> Result<bool> {
    let facts = rustix::fs::fstatfs(folder)
        .doing(format_args!("asking for the file system of {}", folder.path().display()))?;
    Ok(is_silent_kind(facts.f_type))
}

fn is_silent_kind(kind: FsWord) -> bool {
    SILENT.iter().any(|silent| FsWord::from(*silent) == kind)
}

/// A clock that does not run.
fn clock() -> Result<OwnedFd> {
    timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
        .doing("making a timer")
}

/// Makes a clock readable after a while, and then every so often.
fn set_clock(clock: &OwnedFd, first: Duration, every: Duration) -> Result<()> {
    let spec = |of: Duration| Timespec { tv_sec: of.as_secs() as i64, tv_nsec: of.subsec_nanos().into() };
    let times = Itimerspec { it_interval: spec(every), it_value: spec(first) };
    timerfd_settime(clock, TimerfdTimerFlags::empty(), &times).doing("setting a timer").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::sys::poll::wait_readable;

    fn json(name: &str, _: &str) -> bool {
        name.ends_with(".json")
    }

    fn folder(of: &tempfile::TempDir) -> Folder {
        let directory = crate::sys::directory::Directory::existing(of.path().parent().unwrap()).unwrap();
        let name = of.path().file_name().unwrap().to_str().unwrap();
        Folder::open(directory.beneath(), name, Some(0o600), false).unwrap().unwrap()
    }

    #[test]
    fn names_come_in_their_order_whenever_they_came() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        folder.put("b.json", b"").unwrap();
        let mut arrivals = Arrivals::new(&folder, json, "").unwrap();
        for name in ["c.json", "a.json", "no.text", ".hidden.json", "a.json~"] {
            folder.put(name, b"").unwrap();
        }
        arrivals.look(&folder).unwrap();
        let all: Vec<_> = std::iter::from_fn(|| arrivals.pop(&folder).unwrap()).collect();
        assert_eq!(all, ["a.json", "b.json", "c.json"]);
        // Nobody is woken because the files were closed after they had got their names.
        let quiet = arrivals.watch.take();
        assert!(quiet.names.is_empty(), "{quiet:?}");
    }

    #[test]
    fn where_nobody_tells_it_is_read_again() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let mut arrivals = Arrivals::new(&folder, json, "").unwrap();
        arrivals.is_silent = true;
        set_clock(&arrivals.clock, AGAIN, AGAIN).unwrap();
        // As if another machine had made it: the news of it is lost.
        folder.put("a.json", b"").unwrap();
        arrivals.watch.drain();
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while arrivals.is_empty() {
            let on: Vec<_> = arrivals.descriptors().collect();
            wait_readable(&mut waiting, &on).unwrap();
            arrivals.look(&folder).unwrap();
        }
        assert_eq!(arrivals.pop(&folder).unwrap().unwrap(), "a.json");
        assert!(is_silent_kind(0x6969) && !is_silent_kind(0x0102_1994), "NFS, and not tmpfs");
    }
}
