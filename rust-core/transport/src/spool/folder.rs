//! One directory of a spool: files appear in it whole or not at all, are read whole, and are removed.
//!
//! A file is made without a name (`O_TMPFILE`), filled, and linked to its name. On file systems without that
//! feature it gets a hidden name and is renamed without replacing another file. With `durable` the file and
//! the directory are synced before the call returns. Opening a file for reading never waits.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::beneath::{self, Beneath, RequiredOwner, write_all};
use crate::sys::directory::Directory;
use crate::sys::{descriptor, headroom, lock, user};

#[derive(Debug)]
pub struct SpoolFolder {
    fd: OwnedFd,
    path: PathBuf,
    mode: u32,
    /// The user that gets the files that root makes here; `None` if files keep their maker.
    owner: Option<u32>,
    durable: bool,
}

#[derive(Debug)]
pub struct ReadFile {
    pub body: Bytes,
    /// The time of writing (its modification time), ns since 1970.
    pub sent: i64,
    pub owner: u32,
}

#[derive(Debug)]
pub enum ReadOutcome {
    File(ReadFile),
    Nothing,
    /// Not a file: a directory, a pipe, a link.
    Other,
    /// A file with this many bytes, which is over the limit.
    TooLarge(u64),
    /// A file that this user may not read.
    Closed(Error),
    /// A file that cannot be read now: another program holds a lease on it, or its disk does not answer.
    Later(Error),
}

/// Above this size, memory limits are checked before the write: beyond them the kernel kills the process.
const CHECKED_FROM: usize = 1 << 20;

/// The most names that are held in memory at once.
const MAX_NAMES: usize = 1 << 16;

/// Whether files cannot be made without a name; determined once.
static NO_UNNAMED: AtomicBool = AtomicBool::new(false);
/// Whether an unnamed file must get its name through /proc; determined once.
static BY_PROC: AtomicBool = AtomicBool::new(false);

impl SpoolFolder {
    /// Opens a directory of the spool, if it exists. Files in it get `mode`, or the directory's mode.
    ///
    /// # Errors
    /// `PermissionDenied` for a link, and for a directory of a user other than this one, root and the spool's
    /// owner.
    pub fn open(
        parent: Beneath<'_>,
        name: &str,
        mode: Option<u32>,
        durable: bool,
    ) -> Result<Option<SpoolFolder>> {
        let Some(opened) = parent.directory(name, RequiredOwner::Trusted)? else { return Ok(None) };
        // Root's files in another user's directory must be readable for that user.
        let is_root = rustix::process::geteuid().is_root();
        let owner = Some(opened.facts.st_uid).filter(|owner| is_root && *owner != 0);
        let mode = mode.unwrap_or(opened.facts.st_mode & 0o666);
        Ok(Some(SpoolFolder { fd: opened.fd, path: parent.shown(name), mode, owner, durable }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Returns a path that leads to this directory even after a move.
    pub fn kernel_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/.", self.fd.as_raw_fd()).into()
    }

    pub fn beneath(&self) -> Beneath<'_> {
        Beneath::new(self.fd.as_fd(), &self.path)
    }

    pub fn removed_error(&self) -> Error {
        let text = format!(
            "the spool's directory {} was removed while it was in use; what was in it is gone",
            self.path.display()
        );
        Error::new(ErrorKind::Disconnected, text)
    }

    pub fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|facts| facts.st_nlink == 0)
    }

    fn failed(&self, doing: &str, name: &str, errno: Errno) -> Error {
        Error::os(format_args!("{doing} {}", self.path.join(name).display()), errno.raw_os_error())
    }

    /// Makes a file for all users of the spool. Returns false if the name is taken.
    ///
    /// # Errors
    /// `NoSpace`; `OutOfMemory`; `Disconnected` if the directory was removed; other errors of the file
    /// system.
    pub fn put(&self, name: &str, body: &[u8]) -> Result<bool> {
        self.put_for(name, body, None)
    }

    /// Like [`SpoolFolder::put`], but only for the user `reader`, if the file system has access lists.
    pub fn put_for(&self, name: &str, body: &[u8], reader: Option<u32>) -> Result<bool> {
        if body.len() >= CHECKED_FROM {
            headroom::check(body.len() as u64)?;
        }
        let put = if NO_UNNAMED.load(Ordering::Relaxed) {
            self.put_by_renaming(name, body, reader)
        } else {
            match self.put_unnamed(name, body, reader) {
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                    NO_UNNAMED.store(true, Ordering::Relaxed);
                    self.put_by_renaming(name, body, reader)
                }
                put => put,
            }
        };
        match put {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(false),
            // File systems differ in the error for a directory that has lost its name.
            Err(_) if self.is_removed() => return Err(self.removed_error()),
            Err(e) => return Err(self.failed("writing", name, e)),
        }
        self.sync()?;
        Ok(true)
    }

    pub fn sync(&self) -> Result<()> {
        if self.durable {
            rustix::fs::fsync(&self.fd)
                .doing(format_args!("bringing {} to the disk", self.path.display()))?;
        }
        Ok(())
    }

    /// A file for one user stays closed until its access list is set.
    fn first_mode(&self, reader: Option<u32>) -> Mode {
        Mode::from_raw_mode(if reader.is_some() { self.mode & 0o600 } else { self.mode })
    }

    /// Sets the access rights of a file, writes it, and syncs it if the spool is durable.
    fn fill(&self, file: &OwnedFd, body: &[u8], reader: Option<u32>) -> rustix::io::Result<()> {
        let is_shared = self.mode & 0o077 != 0;
        match reader {
            Some(reader) if is_shared => {
                let owner = self.owner.unwrap_or(rustix::process::geteuid().as_raw());
                let is_admitted = reader == owner || reader == 0 || user::admit(file, reader)?;
                // Without access lists, every user of the spool may read it.
                if !is_admitted {
                    rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
                }
            }
            // The umask may have removed bits of the group, but not those for the owner.
            None if is_shared => rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?,
            _ => {}
        }
        if let Some(owner) = self.owner {
            rustix::fs::fchown(file, Some(Uid::from_raw(owner)), None::<Gid>)?;
        }
        write_all(file, body)?;
        if self.durable { rustix::fs::fsync(file) } else { Ok(()) }
    }

    fn put_unnamed(&self, name: &str, body: &[u8], reader: Option<u32>) -> rustix::io::Result<()> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = descriptor::open_at(&self.fd, ".", flags, self.first_mode(reader))?;
        self.fill(&file, body, reader)?;
        if !BY_PROC.load(Ordering::Relaxed) {
            match rustix::fs::linkat(&file, "", &self.fd, name, AtFlags::EMPTY_PATH) {
                // Without a privilege, an older kernel refuses this call with "no such file".
                Err(Errno::NOENT) => {}
                linked => return linked,
            }
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(rustix::fs::CWD, path.as_str(), &self.fd, name, AtFlags::SYMLINK_FOLLOW)?;
        BY_PROC.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn put_by_renaming(&self, name: &str, body: &[u8], reader: Option<u32>) -> rustix::io::Result<()> {
        let (new, file) = self.begin(name, reader)?;
        let put = self.fill(&file, body, reader).and_then(|()| {
            match rustix::fs::renameat_with(&self.fd, &new, &self.fd, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL) => rustix::fs::linkat(&self.fd, &new, &self.fd, name, AtFlags::empty()),
                renamed => renamed,
            }
        });
        let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
        put
    }

    fn begin(&self, name: &str, reader: Option<u32>) -> rustix::io::Result<(String, OwnedFd)> {
        let new = beneath::staged(name).map_err(|_| Errno::IO)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = descriptor::open_at(&self.fd, &new, flags, self.first_mode(reader))?;
        Ok((new, file))
    }

    pub fn replace_for(&self, name: &str, body: &[u8], reader: Option<u32>) -> Result<()> {
        let replaced = self.begin(name, reader).and_then(|(new, file)| {
            let replaced = self
                .fill(&file, body, reader)
                .and_then(|()| rustix::fs::renameat(&self.fd, &new, &self.fd, name));
            if replaced.is_err() {
                // A later sweep removes the file.
                let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
            }
            replaced
        });
        replaced.map_err(|e| self.failed("writing", name, e))?;
        self.sync()
    }

    /// Replaces a file of this user in `hello/`, or creates it. Returns it open for writing.
    ///
    /// # Errors
    /// `PermissionDenied` if another user has the name.
    pub fn replace_ours(&self, name: &str, body: &[u8]) -> Result<OwnedFd> {
        let beneath = self.beneath();
        let new = beneath::staged(name)?;
        // Users that may list the directory may read its files.
        let file = beneath.create(&new, self.mode | (self.mode & 0o660) >> 3 & 0o044, None)?;
        let written = write_all(&file, body).map_err(|e| self.failed("writing", name, e));
        let replaced = written.and_then(|()| beneath.rename(beneath, &new, name));
        match replaced {
            Ok(()) => Ok(file),
            Err(e) => {
                let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
                Err(e)
            }
        }
    }

    /// Reads a file of at most `limit` bytes, without waiting.
    ///
    /// # Errors
    /// `OutOfMemory`, and errors that concern all files, such as a lack of descriptors. Faults of this file
    /// are in [`ReadOutcome`].
    pub fn read(&self, name: &str, limit: u64) -> Result<ReadOutcome> {
        let opened = match self.beneath().file(name, OFlags::RDONLY, RequiredOwner::AnyUser) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(ReadOutcome::Nothing),
            Err(e) => return self.unread(name, e),
        };
        match read_whole(&opened.fd, &opened.facts, limit) {
            Err(e) => self.unread(name, self.failed("reading", name, e)),
            Ok(found) => Ok(found),
        }
    }

    fn unread(&self, name: &str, error: Error) -> Result<ReadOutcome> {
        let is_link = || {
            let facts = self.facts(name);
            facts.is_some_and(|facts| beneath::kind_of(&facts) == FileType::Symlink)
        };
        match error.kind() {
            ErrorKind::OutOfMemory => Err(error),
            ErrorKind::Corrupt => Ok(ReadOutcome::Other),
            ErrorKind::PermissionDenied if is_link() => Ok(ReadOutcome::Other),
            ErrorKind::PermissionDenied => Ok(ReadOutcome::Closed(error)),
            _ => Ok(ReadOutcome::Later(error)),
        }
    }

    pub fn is_being_written(&self, name: &str) -> bool {
        let opened = self.beneath().file(name, OFlags::RDONLY, RequiredOwner::AnyUser);
        opened.is_ok_and(|opened| opened.is_some_and(|opened| lock::is_being_written(&opened.fd)))
    }

    /// Removes a processed file of any user. Returns false if it did not exist.
    pub fn remove(&self, name: &str) -> Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed("removing", name, e)),
        }
    }

    pub fn facts(&self, name: &str) -> Option<Stat> {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    pub fn has(&self, name: &str) -> bool {
        self.facts(name).is_some()
    }

    pub fn each_name(&self, each: impl FnMut(&str) -> Result<ControlFlow<()>>) -> Result<()> {
        self.beneath().each_name(each)
    }

    /// Returns the names that `wanted` selects, in no order; at most 65,536.
    pub fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(|name| {
            if wanted(name) {
                names.push(name.to_owned());
            }
            Ok(if names.len() < MAX_NAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(names)
    }

    pub fn is_empty(&self) -> Result<bool> {
        let mut is_empty = true;
        self.each_name(|_| {
            is_empty = false;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(is_empty)
    }
}

fn read_whole(file: &OwnedFd, facts: &Stat, limit: u64) -> rustix::io::Result<ReadOutcome> {
    let size = facts.st_size as u64;
    if size > limit {
        return Ok(ReadOutcome::TooLarge(size));
    }
    let size = usize::try_from(size).map_err(|_| Errno::NOMEM)?;
    let mut body: Vec<u8> = Vec::new();
    // Eight bytes more, so the address of an empty body is aligned.
    body.try_reserve_exact(size + 8).map_err(|_| Errno::NOMEM)?;
    while body.len() < size {
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut body)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    body.truncate(size);
    let sent = facts.st_mtime.saturating_mul(1_000_000_000).saturating_add(facts.st_mtime_nsec as i64);
    Ok(ReadOutcome::File(ReadFile { body: body.into(), sent, owner: facts.st_uid }))
}

impl AsFd for SpoolFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The name of the server's file, which clients may not have.
pub const SERVER: &str = "server";

/// Returns the clients that have a file in `hello/`, including dead ones.
pub fn known_clients(hello: &SpoolFolder) -> Result<Vec<String>> {
    hello.names(|name| name != SERVER && !name.starts_with('.'))
}

pub fn living_clients(locks: &Directory, hello: &SpoolFolder) -> Result<Vec<String>> {
    let mut names = known_clients(hello)?;
    let mut failed = None;
    names.retain(|name| {
        lock::is_locked(locks, name).unwrap_or_else(|e| {
            failed = Some(e);
            false
        })
    });
    failed.map_or(Ok(names), Err)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(of: &tempfile::TempDir) -> SpoolFolder {
        std::fs::create_dir(of.path().join("x")).unwrap();
        let parent = std::fs::File::open(of.path()).unwrap();
        let parent = Beneath::new(parent.as_fd(), of.path());
        SpoolFolder::open(parent, "x", Some(0o640), true).unwrap().unwrap()
    }

    #[test]
    fn put_makes_whole_files_and_replaces_none() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        for (i, put) in [SpoolFolder::put_unnamed, SpoolFolder::put_by_renaming].into_iter().enumerate() {
            let name = format!("{i}.raw");
            put(&folder, &name, b"one", None).unwrap();
            assert_eq!(put(&folder, &name, b"two", None).unwrap_err(), Errno::EXIST);
            let ReadOutcome::File(read) = folder.read(&name, 3).unwrap() else { panic!("it is there") };
            assert!(&read.body[..] == b"one" && read.sent > 0);
            let mode = folder.path().join(&name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
            assert!(matches!(folder.read(&name, 2).unwrap(), ReadOutcome::TooLarge(3)));
            assert!(folder.remove(&name).unwrap() && !folder.remove(&name).unwrap());
        }
        folder.replace_for("r", b"1", None).unwrap();
        folder.replace_for("r", b"2", Some(0)).unwrap();
        folder.replace_ours("r", b"3").unwrap();
        assert_eq!(folder.names(|_| true).unwrap(), ["r"]);
        assert!(matches!(folder.read("nothing", 1).unwrap(), ReadOutcome::Nothing));
        std::fs::create_dir(folder.path().join("d")).unwrap();
        assert!(matches!(folder.read("d", 1).unwrap(), ReadOutcome::Other));
        std::os::unix::fs::symlink("r", folder.path().join("l")).unwrap();
        assert!(matches!(folder.read("l", 1).unwrap(), ReadOutcome::Other));
    }

    #[test]
    fn file_being_written_is_recognized() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let file = std::fs::File::create(folder.path().join("a")).unwrap();
        assert!(folder.is_being_written("a"));
        drop(file);
        assert!(!folder.is_being_written("a"));
    }

    #[test]
    fn put_into_removed_directory_is_disconnected() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        std::fs::remove_dir(folder.path()).unwrap();
        let error = folder.put("a", b"").unwrap_err();
        assert!(error.kind() == ErrorKind::Disconnected && error.text().contains("removed"), "{error}");
    }
}
