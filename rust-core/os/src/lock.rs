//! Locks on names that end with their owner: bytes of one file (`.lock`) in the names' directory.
//!
//! They are locks of open file descriptions (OFD). A hash of the name selects its byte. The kernel releases a lock when
//! its process ends. The file is never deleted.
//!
//! Every process that may open the file may lock any byte. If other users may create names, a name with one owner also
//! needs a lock in a private file of its user (`.lock.UID.DIGITS`, see [`try_own`]).

mod kept;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Access, FileType, Mode, OFlags, Stat};

pub use self::kept::KeptFile;
use super::beneath::{self, Opened, RequiredOwner};
use super::directory::{Directory, whose};
use super::fork::Guarded;
use super::record_lock::{self, RecordLock, Span};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The prefix of one user's files; the user's number follows.
const OWN: &str = ".lock.";

/// Milliseconds of waiting for a sweep to release a lock.
const SWEEP: u32 = 50;

/// A held lock, released by the drop and by the end of the process.
#[derive(Debug)]
pub struct Lock {
    held: Vec<RecordLock>,
    is_visible: bool,
}

impl Lock {
    /// Returns whether other users can see the lock: false if another user holds the common file's byte.
    pub fn is_visible(&self) -> bool {
        self.is_visible
    }

    /// Lets other processes share the lock: see [`try_share`].
    pub fn share(&mut self) -> Result<()> {
        self.held.iter_mut().try_for_each(RecordLock::share)
    }

    /// Also takes the lock of another name; returns false if a living process has it.
    pub fn also(&mut self, directory: &Directory, name: &str) -> Result<bool> {
        let Some(file) = self.held.first().map(|held| held.file().clone()) else { return Ok(false) };
        let held = record_lock::try_take(&file, Span::byte(offset(name)));
        let held = held.map_err(|e| doing(directory, name, e))?;
        let taken = held.is_some();
        self.held.extend(held);
        Ok(taken)
    }
}

/// The common file.
pub const NAME: &str = ".lock";

/// The byte of a name: FNV-1a in the positive half of an `off_t`.
///
/// One pair of names in 2^62 shares a byte.
fn offset(name: &str) -> i64 {
    (super::fnv1a(name) >> 2) as i64
}

/// Any member of a sharing group may have created the common file.
fn owner(directory: &Directory) -> RequiredOwner {
    if directory.is_shared() { RequiredOwner::AnyUser } else { RequiredOwner::Trusted }
}

/// Opens or creates the common file, a regular file with one name. Does not block.
///
/// # Errors
/// `PermissionDenied`; `Stalled` if another process removes the file again and again.
fn open(directory: &Directory) -> Result<Guarded> {
    const TRIES: u32 = 100;
    let beneath = directory.beneath();
    for _ in 0..TRIES {
        let existing =
            beneath.file(NAME, OFlags::RDWR, owner(directory)).map_err(|e| denied(directory, e))?;
        if let Some(Opened { fd, facts }) = existing {
            set_right(directory, &fd, &facts)?;
            return Ok(Guarded::new(fd));
        }
        match beneath.create(NAME, directory.file_mode(), None) {
            Err(e) if e.kind() == ErrorKind::AddressInUse => {}
            made => drop(made.map_err(|e| denied(directory, e))?),
        }
    }
    let path = directory.path().join(NAME);
    let text =
        format!("another program makes and removes the lock file {} all the time; end that", path.display());
    Err(Error::new(ErrorKind::Stalled, text))
}

/// Corrects mode and owner of this user's common file, if it is empty.
///
/// A member of the group could have given another file this name.
fn set_right(directory: &Directory, file: &OwnedFd, facts: &Stat) -> Result<()> {
    if !beneath::is_ours(facts) || facts.st_size != 0 {
        return Ok(());
    }
    let doing = || format!("setting the lock file {} right", directory.path().join(NAME).display());
    let mode = Mode::from_raw_mode(directory.file_mode());
    // A change would wake every watch of the directory.
    if facts.st_mode & 0o777 != mode.as_raw_mode() {
        rustix::fs::fchmod(file, mode).doing(doing())?;
    }
    // Otherwise a user could not open a file that root has created in the user's own directory.
    if facts.st_uid == 0 && !directory.is_shared() {
        let around = rustix::fs::fstat(directory).doing(doing())?;
        if around.st_uid != 0 && around.st_mode & 0o022 == 0 {
            rustix::fs::fchown(file, Some(rustix::fs::Uid::from_raw(around.st_uid)), None).doing(doing())?;
        }
    }
    Ok(())
}

/// Explains a refusal of the kernel. Returns other errors unchanged.
fn denied(directory: &Directory, error: Error) -> Error {
    match error.errno() {
        Some(libc::EACCES) if !directory.allows(NAME, Access::READ_OK | Access::WRITE_OK) => {}
        _ => return beneath::refused_call(error),
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

/// Takes the lock of a name; `None` if a living process has it.
pub fn try_lock(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::try_take(&file, Span::byte(offset(name)));
    Ok(held.map_err(|e| doing(directory, name, e))?.map(|held| Lock { held: vec![held], is_visible: true }))
}

/// Takes the lock of a name with one owner; `None` if a living process of this user has it.
///
/// Between users, the owner of the file at the name decides.
///
/// # Errors
/// `Stalled` if another process removes the files of locks as soon as they are created.
pub fn try_own(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    if !directory.is_open() {
        return try_lock(directory, name);
    }
    let Some(mut held) = try_own_files(directory, name, Span::byte)? else { return Ok(None) };
    if held.is_empty() {
        let text = format!(
            "the files of locks of uid {} in {} are removed as soon as they are made; see who does that",
            rustix::process::geteuid().as_raw(),
            directory.path().display()
        );
        return Err(Error::new(ErrorKind::Stalled, text));
    }
    // Otherwise other users cannot see the owner.
    let seen = try_lock(directory, name).unwrap_or_default();
    let is_visible = seen.is_some();
    held.extend(seen.into_iter().flat_map(|lock| lock.held));
    Ok(Some(Lock { held, is_visible }))
}

/// Takes a name's byte in all of this user's files; `None` if a living process prevents that.
fn try_own_files(
    directory: &Directory,
    name: &str,
    byte: fn(i64) -> Span,
) -> Result<Option<Vec<RecordLock>>> {
    let mut held = Vec::new();
    for file in own_files(directory)? {
        let Some(opened) = directory.beneath().file(&file, OFlags::RDWR, RequiredOwner::Ours)? else {
            continue;
        };
        let taken = record_lock::try_take(&Arc::new(Guarded::new(opened.fd)), byte(offset(name)));
        match taken.map_err(|e| doing(directory, name, e))? {
            Some(taken) => held.push(taken),
            None => return Ok(None),
        }
    }
    Ok(Some(held))
}

fn is_in_own_files(directory: &Directory, name: &str) -> Result<bool> {
    for file in existing_own_files(directory)? {
        let opened = directory.beneath().file(&file, OFlags::RDONLY, RequiredOwner::Ours)?;
        if let Some(opened) = opened
            && record_lock::holder(opened.fd, Span::byte(offset(name)))?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns this user's files of locks, and creates the first.
///
/// Each starting process creates a file, lists all, and locks its byte in all. So of two processes at least one sees
/// the other's file.
fn own_files(directory: &Directory) -> Result<Vec<String>> {
    let existing = existing_own_files(directory)?;
    if !existing.is_empty() {
        return Ok(existing);
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
    // One order for all processes: one gets all.
    ours.sort_unstable();
    Ok(ours)
}

/// Takes a lock that any number of this user's processes may hold.
pub fn share(directory: &Directory, name: &str) -> Result<Lock> {
    let files = if directory.is_open() { own_files(directory)? } else { vec![NAME.to_owned()] };
    drop(open(directory)?);
    let mut held = Vec::new();
    for file in files {
        let Some(opened) = directory.beneath().file(&file, OFlags::RDWR, owner(directory))? else { continue };
        let span = Span::shared_byte(offset(name));
        held.extend(record_lock::try_take(&Arc::new(Guarded::new(opened.fd)), span)?);
    }
    Ok(Lock { held, is_visible: true })
}

/// Takes a shared lock; `None` if a process has it exclusively.
pub fn try_share(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    let file = Arc::new(open(directory)?);
    let held = record_lock::try_take(&file, Span::shared_byte(offset(name)));
    Ok(held.map_err(|e| doing(directory, name, e))?.map(|held| Lock { held: vec![held], is_visible: true }))
}

/// [`try_share`] for a name with one owner or several: see [`try_own`].
pub fn try_share_own(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    if !directory.is_open() {
        return try_share(directory, name);
    }
    let Some(mut held) = try_own_files(directory, name, Span::shared_byte)? else { return Ok(None) };
    let seen = try_share(directory, name).unwrap_or_default();
    let is_visible = seen.is_some();
    held.extend(seen.into_iter().flat_map(|lock| lock.held));
    Ok((!held.is_empty()).then_some(Lock { held, is_visible }))
}

/// One open file for the locks of many names; all end with it.
pub struct Many {
    file: Arc<Guarded>,
}

impl Many {
    /// Opens the directory's common file.
    pub fn open(directory: &Directory) -> Result<Many> {
        Ok(Many { file: Arc::new(open(directory)?) })
    }

    /// Takes the lock of a name; `None` if another open file has it.
    pub fn try_take(&self, name: &str) -> Result<Option<RecordLock>> {
        record_lock::try_take(&self.file, Span::byte(offset(name)))
    }

    /// Returns the open file.
    pub fn file(&self) -> &Guarded {
        &self.file
    }
}

/// Returns whether a process of this user holds a lock of [`share`].
pub fn is_shared(directory: &Directory, name: &str) -> Result<bool> {
    if directory.is_open() { is_in_own_files(directory, name) } else { is_locked(directory, name) }
}

/// Returns whether a living process owns a name, if this user can know that.
pub fn is_held(directory: &Directory, name: &str) -> Result<bool> {
    Ok((directory.is_open() && is_in_own_files(directory, name)?) || is_locked(directory, name)?)
}

fn doing(directory: &Directory, name: &str, error: Error) -> Error {
    let text = format!("locking {name} in {}: {}", directory.path().display(), error.text());
    Error::new(error.kind(), text)
}

/// Takes a name's lock, and waits up to 50 ms for a sweep, such as by `linkspan ls`.
pub fn claim(directory: &Directory, name: &str) -> Result<Option<Lock>> {
    after_a_sweep(|| try_lock(directory, name))
}

/// [`claim`] for a name with one owner.
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

/// Tests whether this kernel has such locks.
pub fn try_kernel() -> Result<()> {
    let file = crate::descriptor::memory_file("linkspan-lock").doing("making a file")?;
    record_lock::try_take(&Arc::new(Guarded::new(file)), Span::byte(offset("doctor"))).map(drop)
}

/// Returns whether a living process holds a name's lock. Changes no file, so no watch wakes.
pub fn is_locked(directory: &Directory, name: &str) -> Result<bool> {
    let opened = directory.beneath().file(NAME, OFlags::RDONLY, owner(directory));
    let Some(opened) = opened.map_err(|e| denied(directory, e))? else { return Ok(false) };
    let holder = record_lock::holder(opened.fd, Span::byte(offset(name)));
    Ok(holder.map_err(|e| doing(directory, name, e))?.is_some())
}

/// Returns whether a process has this file open for writing, by a read lease that is released at once.
///
/// The kernel does not tell for another user's file.
pub fn is_being_written(file: impl std::os::fd::AsFd) -> bool {
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file.as_fd());
    // SAFETY: the descriptor is open; the commands take numbers. An opening during the lease sends SIGURG, ignored by
    // default.
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
