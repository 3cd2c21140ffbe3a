//! The names in a directory that have not been looked at yet, in their order, and what wakes whoever waits for more.

use std::collections::BTreeSet;
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

/// Names to be looked at.
pub struct Arrivals {
    watch: Watch,
    /// Where nobody tells what others do.
    clock: Option<OwnedFd>,
    pending: BTreeSet<String>,
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
        let clock = if is_silent(folder)? { Some(clock()?) } else { None };
        let mut arrivals =
            Arrivals { watch, clock, pending: BTreeSet::new(), wanted, whose: whose.to_owned() };
        arrivals.read(folder)?;
        Ok(arrivals)
    }

    /// Notices also when the spool is taken away: a directory that is open does not tell of its own end.
    pub fn mind(&self, layout: &Layout) -> Result<()> {
        let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        let doing = format!("watching the directory {}", layout.place.path().display());
        self.watch.also(&layout.kernel_path(), what, doing)
    }

    fn read(&mut self, folder: &Folder) -> Result<()> {
        self.add(folder.names()?);
        Ok(())
    }

    fn add(&mut self, names: Vec<String>) {
        let (wanted, whose) = (self.wanted, &self.whose);
        self.pending.extend(names.into_iter().filter(|name| !is_hidden(name) && wanted(name, whose)));
    }

    /// Takes in what has come since the last look. True where the directory itself may have gone.
    pub fn look(&mut self, folder: &Folder) -> Result<bool> {
        let News { names, overflown, gone } = self.watch.take();
        let suspicious = gone || names.iter().any(|name| FOLDERS.contains(&name.as_str()));
        self.add(names);
        let again = self.clock.as_ref().is_some_and(|clock| {
            let mut expired = [0; 8];
            rustix::io::read(clock, &mut expired).is_ok()
        });
        if overflown || again {
            self.read(folder)?;
        }
        Ok(suspicious)
    }

    /// The first of them.
    pub fn pop(&mut self) -> Option<String> {
        self.pending.pop_first()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watch.descriptors().into_iter().chain(self.clock.as_ref().map(|clock| clock.as_fd()))
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

/// Readable every so often.
fn clock() -> Result<OwnedFd> {
    let doing = "making a timer";
    let clock = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
        .doing(doing)?;
    let every = Timespec { tv_sec: 0, tv_nsec: AGAIN.subsec_nanos().into() };
    let times = Itimerspec { it_interval: every, it_value: every };
    timerfd_settime(&clock, TimerfdTimerFlags::empty(), &times).doing(doing)?;
    Ok(clock)
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
        Folder::open(std::fs::File::open("/").unwrap(), of.path().to_str().unwrap(), of.path(), 0o600, false)
            .unwrap()
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
        let all: Vec<_> = std::iter::from_fn(|| arrivals.pop()).collect();
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
        arrivals.clock = Some(clock().unwrap());
        // As if another machine had made it: the news of it is lost.
        folder.put("a.json", b"").unwrap();
        arrivals.watch.drain();
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        while arrivals.is_empty() {
            let on: Vec<_> = arrivals.descriptors().collect();
            wait_readable(&mut waiting, &on).unwrap();
            arrivals.look(&folder).unwrap();
        }
        assert_eq!(arrivals.pop().unwrap(), "a.json");
        assert!(is_silent_kind(0x6969) && !is_silent_kind(0x0102_1994), "NFS, and not tmpfs");
    }
}
