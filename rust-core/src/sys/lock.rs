//! Locks that die with their owner: OFD byte ranges in one file of a directory that is never deleted.
//!
//! Whoever may open that file may hold any byte of it. Where other users may make names in the directory, a name that has one
//! owner, such as a socket's, is therefore decided by a file that its user alone can open (`.lock.UID.DIGITS`, see
//! [`try_own`]); the byte in the file for all then tells others that somebody is there, and nothing depends on getting it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::beneath::{self, Opened, Owner};
use super::directory::{Directory, whose};
use super::fork::Guarded;
use super::record_lock::{self, Held, Span};
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};

/// What stands in front of the number of a user, whose own file of locks it is.
const OWN: &str = ".lock.";

/// Milliseconds that a sweep may take.
const SWEEP: u32 = 50;

/// A held lock. Its release is the drop, or the end of the process.
#[derive(Debug)]
pub struct Lock {
    held: Vec<Held>,
    /// Whether others can see that it is held.
    is_seen: bool,
}

impl Lock {
    /// Whether others can see that it is held; false where another user holds the byte that would tell them.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Lets others hold the lock beside us from now on: see [`try_share`].
    pub fn share(&mut self) -> Result<()> {
        self.held.iter_mut().try_for_each(Held::share)
    }

    /// Holds the lock of another name of the same directory from now on, too; false where a living process has it.
    pub fn also(&mut self, directory: &Directory, name: &str) -> Result<bool> {
        let Some(file) = self.held.first().map(|held| held.file().clone()) else { return Ok(false) };
        let held = record_lock::try_take(&file, Span::byte(offset(name)));
        let held = held.map_err(|e| doing(directory, name, e))?;
        let taken = held.is_some();
        self.held.extend(held);
        Ok(taken)
    }
}

/// The file.
pub const NAME: &str = ".lock";

/// The byte that stands for a name: FNV-1a, kept in the positive half of an `off_t`. Two names that fall on the same byte,
/// one in 2^62, would keep each other from listening, and nothing worse.
fn offset(name: &str) -> i64 {
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (hash >> 2) as i64
}

/// Whose the file may be: in a directory that a group shares whoever came first has made it, for all.
fn owner(directory: &Directory) -> Owner {
    if directory.is_shared() { Owner::Anybody } else { Owner::Trusted }
}

/// Opens the file, made if need be: a regular file with one name, never a link, a pipe or a device, and never waiting.
fn open(directory: &Directory) -> Result<Guarded> {
    const TRIES: u32 = 100;
    let beneath = directory.beneath();
    for _ in 0..TRIES {
        let there = beneath.file(NAME, OFlags::RDWR, owner(directory)).map_err(|e| denied(directory, e))?;
        if let Some(Opened { fd, facts }) = there {
            set_right(directory, &fd, &facts)?;
            return Ok(Guarded::new(fd));
        }
        match beneath.create(NAME, directory.file_mode(), None) {
            // Somebody else has just made it.
            Err(e) if e.kind() == ErrorKind::AddressInUse => {}
            made => drop(made.map_err(|e| denied(directory, e))?),
        }
    }
    let path = directory.path().join(NAME);
    let text = format!("somebody makes and removes the lock file {} all the time; end that", path.display());
    Err(Error::new(ErrorKind::Stalled, text))
}

/// Gives an older lock file the mode and the owner that it should have. Only where it is ours, and as empty as a lock file
/// is: a member of the group could have given another file of ours this name.
fn set_right(directory: &Directory, file: &OwnedFd, facts: &Stat) -> Result<()> {
    if !beneath::is_ours(facts) || facts.st_size != 0 {
        return Ok(());
    }
    let doing = || format!("setting the lock file {} right", directory.path().join(NAME).display());
    let mode = Mode::from_raw_mode(directory.file_mode());
    // A change that changes nothing would wake everybody who watches the directory.
    if facts.st_mode & 0o777 != mode.as_raw_mode() {
        rustix::fs::fchmod(file, mode).doing(doing())?;
    }
    // What root makes in another user's own directory would keep that user out of it.
    if facts.st_uid == 0 && !directory.is_shared() {
        let around = rustix::fs::fstat(directory).doing(doing())?;
        if around.st_uid != 0 && around.st_mode & 0o022 == 0 {
            rustix::fs::fchown(file, Some(rustix::fs::Uid::from_raw(around.st_uid)), None).doing(doing())?;
        }
    }
    Ok(())
}

/// Says whose the lock file is, and what would help. Anything but the kernel's own refusal stays as it is.
fn denied(directory: &Directory, error: Error) -> Error {
    if !matches!(error.errno(), Some(libc::EACCES | libc::EPERM)) {
        return error;
    }
    let path = directory.path().join(NAME);
    let text = format!(
        "uid {} may not open the lock file {}: {}, {}; put the user in that group, let `linkspan doctor --repair` set the file right, or share a directory with `linkspan setup --group NAME`",
        rustix::process::geteuid().as_raw(),
        path.display(),
        whose(&path),
        whose(directory.path())
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

/// Takes the lock of a name, or none where a living process holds it.
pub fn try_lock(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::try_take(&file, Span::byte(offset(name)));
    Ok(held.map_err(|e| doing(directory, name, e))?.map(|held| Lock { held: vec![held], is_seen: true }))
}

/// Takes the lock of a name that has one owner, or none where a living process of this user holds it. What another user holds
/// keeps nobody out: between users it is decided who has a name by whose the thing is that lies there.
pub fn try_own(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    if !directory.is_open() {
        return try_lock(directory, name);
    }
    let mut held = Vec::new();
    for file in own_files(directory)? {
        let Some(opened) = directory.beneath().file(&file, OFlags::RDWR, Owner::Ours)? else { continue };
        let file = Arc::new(Guarded::new(opened.fd));
        match record_lock::try_take(&file, Span::byte(offset(name))).map_err(|e| doing(directory, name, e))? {
            Some(taken) => held.push(taken),
            None => return Ok(None),
        }
    }
    if held.is_empty() {
        let text = format!(
            "the files of locks of uid {} in {} are removed as soon as they are made; see who does that",
            rustix::process::geteuid().as_raw(),
            directory.path().display()
        );
        return Err(Error::new(ErrorKind::Stalled, text));
    }
    // A file for all that is not one, or that is closed to us, tells nobody anything.
    let seen = try_lock(directory, name).unwrap_or_default();
    let is_seen = seen.is_some();
    held.extend(seen.into_iter().flat_map(|lock| lock.held));
    Ok(Some(Lock { held, is_seen }))
}

/// This user's own files of locks, made if need be. There is one, but for those who come first at the same moment: each makes
/// one before it looks, and takes its lock in all that it sees, so that of two one sees the other's.
fn own_files(directory: &Directory) -> Result<Vec<String>> {
    let there = existing_own_files(directory)?;
    if !there.is_empty() {
        return Ok(there);
    }
    let name = format!("{OWN}{}.{}", rustix::process::geteuid().as_raw(), beneath::digits()?);
    drop(directory.beneath().create(&name, 0o600, None).map_err(|e| denied(directory, e))?);
    existing_own_files(directory)
}

fn existing_own_files(directory: &Directory) -> Result<Vec<String>> {
    let beneath = directory.beneath();
    let prefix = format!("{OWN}{}.", rustix::process::geteuid().as_raw());
    let mut ours = Vec::new();
    for name in beneath.names()?.into_iter().filter(|name| name.starts_with(&prefix)) {
        let facts = beneath.facts(&name)?.filter(beneath::is_ours);
        if facts.is_some_and(|facts| beneath::kind_of(&facts) == FileType::RegularFile) {
            ours.push(name);
        }
    }
    // All take them in the same order, so that of several one gets all.
    ours.sort_unstable();
    Ok(ours)
}

/// Takes a lock that any number may hold at a time, as a sign for others of this user. In a directory where other users may make
/// names it lies in the file that this user alone can open.
pub fn share(directory: &Directory, name: &str) -> Result<Lock> {
    let files = if directory.is_open() { own_files(directory)? } else { vec![NAME.to_owned()] };
    drop(open(directory)?);
    let mut held = Vec::new();
    for file in files {
        let Some(opened) = directory.beneath().file(&file, OFlags::RDWR, owner(directory))? else { continue };
        let span = Span::shared_byte(offset(name));
        held.extend(record_lock::try_take(&Arc::new(Guarded::new(opened.fd)), span)?);
    }
    Ok(Lock { held, is_seen: true })
}

/// Takes the lock of a name beside others who share it; none where somebody has it alone.
pub fn try_share(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::try_take(&file, Span::shared_byte(offset(name)));
    Ok(held.map_err(|e| doing(directory, name, e))?.map(|held| Lock { held: vec![held], is_seen: true }))
}

/// The same for the lock of a name that has one owner, or several that share it: see [`try_own`].
pub fn try_share_own(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    if !directory.is_open() {
        return try_share(directory, name);
    }
    let mut held = Vec::new();
    for file in own_files(directory)? {
        let Some(opened) = directory.beneath().file(&file, OFlags::RDWR, Owner::Ours)? else { continue };
        let file = Arc::new(Guarded::new(opened.fd));
        let span = Span::shared_byte(offset(name));
        match record_lock::try_take(&file, span).map_err(|e| doing(directory, name, e))? {
            Some(taken) => held.push(taken),
            None => return Ok(None),
        }
    }
    let seen = try_share(directory, name).unwrap_or_default();
    let is_seen = seen.is_some();
    held.extend(seen.into_iter().flat_map(|lock| lock.held));
    Ok((!held.is_empty()).then_some(Lock { held, is_seen }))
}

/// One open file, from which the locks of many names are taken and released one by one. They all die with it.
pub struct Many {
    file: Arc<Guarded>,
}

impl Many {
    /// The locks of this directory.
    pub fn open(directory: &Directory) -> Result<Many> {
        Ok(Many { file: Arc::new(open(directory)?) })
    }

    /// Takes the lock of a name; none where another open file has it.
    pub fn try_take(&self, name: &str) -> Result<Option<Held>> {
        record_lock::try_take(&self.file, Span::byte(offset(name)))
    }

    /// The open file.
    pub fn file(&self) -> &Guarded {
        &self.file
    }
}

/// Whether somebody of this user holds such a lock. A look changes nothing.
pub fn is_shared(directory: &Directory, name: &str) -> Result<bool> {
    if !directory.is_open() {
        return is_locked(directory, name);
    }
    for file in existing_own_files(directory)? {
        let there = directory.beneath().file(&file, OFlags::RDONLY, Owner::Ours)?;
        if let Some(there) = there
            && record_lock::holder(there.fd, Span::byte(offset(name)))?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a living process holds the lock of a name that has one owner, as far as this user can know. A look changes
/// nothing.
pub fn is_held(directory: &Directory, name: &str) -> Result<bool> {
    if directory.is_open() {
        for file in existing_own_files(directory)? {
            let there = directory.beneath().file(&file, OFlags::RDONLY, Owner::Ours)?;
            if let Some(there) = there
                && record_lock::holder(there.fd, Span::byte(offset(name)))?.is_some()
            {
                return Ok(true);
            }
        }
    }
    is_locked(directory, name)
}

fn doing(directory: &Directory, name: &str, error: Error) -> Error {
    let text = format!("locking {name} in {}: {}", directory.path().display(), error.text());
    Error::new(error.kind(), text)
}

/// Takes the lock of a name unless somebody keeps it. Whoever looks for what the dead have left (`linkspan ls` does) has it for a
/// moment, which is waited for.
pub fn claim(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    after_a_sweep(|| try_lock(directory, name))
}

/// The same for the lock of a name that has one owner: see [`try_own`].
pub fn own(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    after_a_sweep(|| try_own(directory, name))
}

fn after_a_sweep(take: impl Fn() -> Result<Option<Lock>>) -> Result<Option<Lock>> {
    for _ in 0..SWEEP {
        if let Some(lock) = take()? {
            return Ok(Some(lock));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    take()
}

/// Takes the lock of a name, waiting for whoever has it; then `Stalled`.
pub fn take(directory: &Directory, name: &str, waiting: &mut Waiting<'_>) -> Result<Lock> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::take(file, Span::byte(offset(name)), waiting);
    Ok(Lock { held: vec![held.map_err(|e| doing(directory, name, e))?], is_seen: true })
}

/// Whether this kernel has such locks at all, tried on a file that nobody else sees.
pub fn try_kernel() -> Result<()> {
    let file =
        rustix::fs::memfd_create("linkspan-lock", rustix::fs::MemfdFlags::CLOEXEC).doing("making a file")?;
    record_lock::try_take(&Arc::new(Guarded::new(file)), Span::byte(offset("doctor"))).map(drop)
}

/// Whether a living process holds the lock of a name. A look changes nothing, and wakes nobody who waits for a change.
pub fn is_locked(directory: &Directory, name: &str) -> Result<bool> {
    let there = directory.beneath().file(NAME, OFlags::RDONLY, owner(directory));
    // Where there is none, nobody has ever taken one here.
    let Some(there) = there.map_err(|e| denied(directory, e))? else { return Ok(false) };
    let holder = record_lock::holder(there.fd, Span::byte(offset(name)));
    Ok(holder.map_err(|e| doing(directory, name, e))?.is_some())
}

/// Whether somebody has this file open for writing, as far as the kernel tells: of a file of another user it does not.
pub fn is_being_written(file: impl std::os::fd::AsFd) -> bool {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file.as_fd());
    // SAFETY: the descriptor is open, and these commands take numbers. A writer who came while the lease is held would
    // have us sent a signal: one that is ignored where nobody asks for it. The lease ends at once.
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) < 0
            || libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0
        {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
            return false;
        }
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

/// Not in the `libc` crate for every target.
const F_SETSIG: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_waited_for_and_an_owner_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        let owner = try_lock(&directory, "a").unwrap().unwrap();
        assert!(claim(&directory, "a").unwrap().is_none());
        let (begun, sweeps) = std::sync::mpsc::channel();
        let waits = std::thread::scope(|scope| {
            let claims = scope.spawn(|| {
                begun.send(()).unwrap();
                // One who keeps it longer than a sweep is not waited for: then it is asked again.
                std::iter::from_fn(|| Some(claim(&directory, "a").unwrap())).flatten().next()
            });
            sweeps.recv().unwrap();
            drop(owner);
            claims.join().unwrap()
        });
        assert!(waits.is_some());
    }

    #[test]
    fn one_lock_holds_several_names_and_lets_go_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        assert!(!is_locked(&directory, "a").unwrap());
        let mut lock = try_lock(&directory, "a").unwrap().unwrap();
        assert!(lock.also(&directory, "b").unwrap());
        let other = try_lock(&directory, "c").unwrap().unwrap();
        assert!(!lock.also(&directory, "c").unwrap());
        for (name, held) in [("a", true), ("b", true), ("c", true), ("d", false)] {
            assert_eq!(is_locked(&directory, name).unwrap(), held, "{name}");
        }
        assert!(try_lock(&directory, "b").unwrap().is_none());
        drop(lock);
        assert!(!is_locked(&directory, "a").unwrap() && !is_locked(&directory, "b").unwrap());
        assert!(is_locked(&directory, "c").unwrap());
        drop(other);
    }

    #[test]
    fn own_lock_is_one_process_s_however_many_come_first_and_whatever_others_hold() {
        use std::os::unix::fs::PermissionsExt;
        for round in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
            let directory = Directory::existing(folder.path()).unwrap();
            // What a member of the group can do: hold every byte of the file that all may open.
            let hostile = Arc::new(open(&directory).unwrap());
            let _hostile =
                (round % 2 == 0).then(|| record_lock::try_take(&hostile, Span::WRITE).unwrap().unwrap());
            let barrier = std::sync::Barrier::new(8);
            let held: Vec<Lock> = std::thread::scope(|scope| {
                let tries = || {
                    barrier.wait();
                    try_own(&directory, "a").unwrap()
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(tries)).collect();
                all.into_iter().filter_map(|one| one.join().unwrap()).collect()
            });
            assert!(held.len() <= 1, "{} hold it at once", held.len());
            assert!(held.iter().all(|lock| lock.is_seen() == (round % 2 == 1)));
            drop(held);
            let lock = own(&directory, "a").unwrap().unwrap();
            assert!(is_held(&directory, "a").unwrap() && try_own(&directory, "a").unwrap().is_none());
            assert!(try_own(&directory, "b").unwrap().is_some());
            drop(lock);
            assert!(try_own(&directory, "a").unwrap().is_some());
            for name in existing_own_files(&directory).unwrap() {
                let mode = folder.path().join(&name).metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{name}");
            }
        }
    }

    #[test]
    fn the_documents_show_bytes() {
        let rows = ["", "lab@fft.shm", "lab@fft.unix", "lab@valve.fifo#client", "lab@log.journal/logger"]
            .map(|name| [format!("`{name}`"), offset(name).to_string()]);
        let table = crate::documents::table(["name", "byte of `.lock`"], rows);
        crate::documents::check("lock bytes", &table);
    }
}
