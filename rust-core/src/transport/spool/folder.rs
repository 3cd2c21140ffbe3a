//! One directory of a spool: files appear in it whole or not at all, are read whole, and go.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::beneath::{self, Beneath, Owner, write_all};
use crate::sys::{acl, headroom, lock};

/// An open directory.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    /// The mode of the files in it.
    mode: u32,
    /// To whom messages are given, where that is not whoever makes them.
    owner: Option<u32>,
    /// Whether what is put into it has reached the disk before that is said.
    durable: bool,
}

/// A file that was read.
#[derive(Debug)]
pub struct Read {
    /// Its bytes.
    pub body: Bytes,
    /// When it was written, in nanoseconds since 1970.
    pub sent: i64,
    /// Whose it is.
    pub owner: u32,
}

/// What is found at a name.
#[derive(Debug)]
pub enum Found {
    /// A file.
    File(Read),
    /// Nothing, any more.
    Nothing,
    /// No file: a directory, a pipe, a link.
    Other,
    /// A file of so many bytes, which is over the limit.
    TooLarge(u64),
    /// A file that may not be read.
    Closed(Error),
    /// A file that cannot be read just now: another program holds a lease on it, or its disk does not answer.
    Later(Error),
}

/// Bodies from this size on are looked at twice before they are written: past its limits the kernel kills.
const LARGE: usize = 1 << 20;

/// Names that are held in memory at once, at most.
const NAMES: usize = 1 << 16;

/// Whether the file system, or the kernel, cannot make files without a name; found out once.
static NO_NAMELESS: AtomicBool = AtomicBool::new(false);
/// Whether a nameless file has to be given its name by way of /proc.
static BY_PROC: AtomicBool = AtomicBool::new(false);

impl Folder {
    /// Opens a directory of the spool; none where there is none. `PermissionDenied` for a link, and for what belongs to
    /// somebody else than us, root, or whoever the spool belongs to. Files in it get this mode, or the directory's own.
    pub fn open(parent: Beneath<'_>, name: &str, mode: Option<u32>, durable: bool) -> Result<Option<Folder>> {
        let Some(opened) = parent.directory(name, Owner::Trusted)? else { return Ok(None) };
        // What root puts into another user's folder is for that user to read, even where no group is.
        let is_root = rustix::process::geteuid().is_root();
        let owner = Some(opened.facts.st_uid).filter(|owner| is_root && *owner != 0);
        let mode = mode.unwrap_or(opened.facts.st_mode & 0o666);
        Ok(Some(Folder { fd: opened.fd, path: parent.shown(name), mode, owner, durable }))
    }

    /// Its path, for texts.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mode of the files in it.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// A path that leads to this directory wherever it has been moved.
    pub fn kernel_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/.", self.fd.as_raw_fd()).into()
    }

    /// The names in it.
    pub fn beneath(&self) -> Beneath<'_> {
        Beneath::new(self.fd.as_fd(), &self.path)
    }

    /// The error for a directory that was removed while it was in use.
    pub fn vanished(&self) -> Error {
        let text = format!(
            "the spool's directory {} was removed while it was in use; what was in it is gone",
            self.path.display()
        );
        Error::new(ErrorKind::Disconnected, text)
    }

    /// Whether it was removed.
    pub fn has_vanished(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|facts| facts.st_nlink == 0)
    }

    fn failed(&self, doing: &str, name: &str, errno: Errno) -> Error {
        Error::os(format_args!("{doing} {}", self.path.join(name).display()), errno.raw_os_error())
    }

    /// Puts a file there, for everybody who may use the spool; false where the name is taken.
    pub fn put(&self, name: &str, body: &[u8]) -> Result<bool> {
        self.put_for(name, body, None)
    }

    /// The same for this user alone, where the file system can keep others out.
    pub fn put_for(&self, name: &str, body: &[u8], reader: Option<u32>) -> Result<bool> {
        if body.len() >= LARGE {
            headroom::check(body.len() as u64)?;
        }
        let put = if NO_NAMELESS.load(Ordering::Relaxed) {
            self.put_by_renaming(name, body, reader)
        } else {
            match self.put_nameless(name, body, reader) {
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                    NO_NAMELESS.store(true, Ordering::Relaxed);
                    self.put_by_renaming(name, body, reader)
                }
                put => put,
            }
        };
        match put {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(false),
            // File systems differ in what they say of a directory that has lost its name.
            Err(_) if self.has_vanished() => return Err(self.vanished()),
            Err(e) => return Err(self.failed("writing", name, e)),
        }
        self.sync()?;
        Ok(true)
    }

    /// Brings the names to the disk, where that is to be.
    pub fn sync(&self) -> Result<()> {
        if self.durable {
            rustix::fs::fsync(&self.fd)
                .doing(format_args!("bringing {} to the disk", self.path.display()))?;
        }
        Ok(())
    }

    /// The mode that a file is made with. What one user alone may read is not open to others before that is settled.
    fn first_mode(&self, reader: Option<u32>) -> Mode {
        Mode::from_raw_mode(if reader.is_some() { self.mode & 0o600 } else { self.mode })
    }

    fn fill(&self, file: &OwnedFd, body: &[u8], reader: Option<u32>) -> rustix::io::Result<()> {
        let is_shared = self.mode & 0o077 != 0;
        match reader {
            Some(reader) if is_shared => {
                let owner = self.owner.unwrap_or(rustix::process::geteuid().as_raw());
                let is_admitted = reader == owner || reader == 0 || acl::admit(file, reader)?;
                // Without access lists whoever may use the spool may read what is in it.
                if !is_admitted {
                    rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
                }
            }
            // The umask may have taken bits away; those of the owner it leaves.
            None if is_shared => rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?,
            _ => {}
        }
        if let Some(owner) = self.owner {
            rustix::fs::fchown(file, Some(Uid::from_raw(owner)), None::<Gid>)?;
        }
        write_all(file, body)?;
        if self.durable { rustix::fs::fsync(file) } else { Ok(()) }
    }

    fn put_nameless(&self, name: &str, body: &[u8], reader: Option<u32>) -> rustix::io::Result<()> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, ".", flags, self.first_mode(reader))?;
        self.fill(&file, body, reader)?;
        if !BY_PROC.load(Ordering::Relaxed) {
            match rustix::fs::linkat(&file, "", &self.fd, name, AtFlags::EMPTY_PATH) {
                // Without a right of its own, an older kernel knows no such file.
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
        // Gone already, where it was renamed.
        let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
        put
    }

    /// A new file under a name that nobody can have taken.
    fn begin(&self, name: &str, reader: Option<u32>) -> rustix::io::Result<(String, OwnedFd)> {
        let new = beneath::staged(name).map_err(|_| Errno::IO)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.fd, &new, flags, self.first_mode(reader))?;
        Ok((new, file))
    }

    /// Puts an answer there in the place of an earlier one.
    pub fn replace_for(&self, name: &str, body: &[u8], reader: Option<u32>) -> Result<()> {
        let replaced = self.begin(name, reader).and_then(|(new, file)| {
            let replaced = self
                .fill(&file, body, reader)
                .and_then(|()| rustix::fs::renameat(&self.fd, &new, &self.fd, name));
            if replaced.is_err() {
                // The first error is the one that counts; what cannot be removed now is swept.
                let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
            }
            replaced
        });
        replaced.map_err(|e| self.failed("writing", name, e))?;
        self.sync()
    }

    /// Puts a file there in the place of one of ours, or of nothing; gives it, open for writing. `PermissionDenied` where
    /// another user has the name.
    pub fn replace_ours(&self, name: &str, body: &[u8]) -> Result<OwnedFd> {
        let beneath = self.beneath();
        let new = beneath::staged(name)?;
        // Whoever may look at the directory may read who is there.
        let file = beneath.create(&new, self.mode | (self.mode & 0o660) >> 3 & 0o044, None)?;
        let written = write_all(&file, body).map_err(|e| self.failed("writing", name, e));
        let replaced = written.and_then(|()| beneath.rename(beneath, &new, name));
        match replaced {
            Ok(()) => Ok(file),
            Err(e) => {
                // The first error is the one that counts; what cannot be removed now is swept.
                let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
                Err(e)
            }
        }
    }

    /// Reads a file of at most so many bytes, without waiting for anybody.
    pub fn read(&self, name: &str, limit: u64) -> Result<Found> {
        let opened = match self.beneath().file(name, OFlags::RDONLY, Owner::Anybody) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Found::Nothing),
            Err(e) => return self.unread(name, e),
        };
        match take_in(&opened.fd, &opened.facts, limit) {
            Err(e) => self.unread(name, self.failed("reading", name, e)),
            Ok(found) => Ok(found),
        }
    }

    /// What a file is that could not be read. What concerns all files, as descriptors that have run out, is an error.
    fn unread(&self, name: &str, error: Error) -> Result<Found> {
        let is_link = || {
            let facts = self.facts(name);
            facts.is_some_and(|facts| beneath::kind_of(&facts) == FileType::Symlink)
        };
        match error.kind() {
            ErrorKind::OutOfMemory => Err(error),
            ErrorKind::Corrupt => Ok(Found::Other),
            ErrorKind::PermissionDenied if is_link() => Ok(Found::Other),
            ErrorKind::PermissionDenied => Ok(Found::Closed(error)),
            _ => Ok(Found::Later(error)),
        }
    }

    /// Whether somebody is still writing a file.
    pub fn is_being_written(&self, name: &str) -> bool {
        let opened = self.beneath().file(name, OFlags::RDONLY, Owner::Anybody);
        opened.is_ok_and(|opened| opened.is_some_and(|opened| lock::is_being_written(&opened.fd)))
    }

    /// Removes a file that was dealt with, whosever it is; false where there was none.
    pub fn remove(&self, name: &str) -> Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed("removing", name, e)),
        }
    }

    /// What the kernel knows of a name.
    pub fn facts(&self, name: &str) -> Option<Stat> {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Whether there is something at this name.
    pub fn has(&self, name: &str) -> bool {
        self.facts(name).is_some()
    }

    /// Gives every name in it. See [`Beneath::each_name`].
    pub fn each_name(&self, each: impl FnMut(&str) -> Result<ControlFlow<()>>) -> Result<()> {
        self.beneath().each_name(each)
    }

    /// The names in it that are wanted, in no order: 65,536 at most, which is far more than anybody has who means well.
    pub fn names(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(|name| {
            if wanted(name) {
                names.push(name.to_owned());
            }
            Ok(if names.len() < NAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(names)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> Result<bool> {
        let mut is_empty = true;
        self.each_name(|_| {
            is_empty = false;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(is_empty)
    }
}

fn take_in(file: &OwnedFd, facts: &Stat, limit: u64) -> rustix::io::Result<Found> {
    let size = facts.st_size as u64;
    if size > limit {
        return Ok(Found::TooLarge(size));
    }
    let size = usize::try_from(size).map_err(|_| Errno::NOMEM)?;
    let mut body: Vec<u8> = Vec::new();
    // Room for one byte more, so that a body of none lies at an aligned address too.
    body.try_reserve_exact(size + 8).map_err(|_| Errno::NOMEM)?;
    while body.len() < size {
        match rustix::io::read(file, rustix::buffer::spare_capacity(&mut body)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    // It may have grown meanwhile, and nothing beyond the limit is taken.
    body.truncate(size);
    let sent = facts.st_mtime.saturating_mul(1_000_000_000).saturating_add(facts.st_mtime_nsec as i64);
    Ok(Found::File(Read { body: body.into(), sent, owner: facts.st_uid }))
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(of: &tempfile::TempDir) -> Folder {
        std::fs::create_dir(of.path().join("x")).unwrap();
        let parent = std::fs::File::open(of.path()).unwrap();
        let parent = Beneath::new(parent.as_fd(), of.path());
        Folder::open(parent, "x", Some(0o640), true).unwrap().unwrap()
    }

    #[test]
    fn every_way_of_putting_a_file_gives_a_whole_one_and_takes_no_name_from_another() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        for (i, put) in [Folder::put_nameless, Folder::put_by_renaming].into_iter().enumerate() {
            let name = format!("{i}.raw");
            put(&folder, &name, b"one", None).unwrap();
            assert_eq!(put(&folder, &name, b"two", None).unwrap_err(), Errno::EXIST);
            let Found::File(read) = folder.read(&name, 3).unwrap() else { panic!("it is there") };
            assert!(&read.body[..] == b"one" && read.sent > 0);
            let mode = folder.path().join(&name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
            assert!(matches!(folder.read(&name, 2).unwrap(), Found::TooLarge(3)));
            assert!(folder.remove(&name).unwrap() && !folder.remove(&name).unwrap());
        }
        folder.replace_for("r", b"1", None).unwrap();
        folder.replace_for("r", b"2", Some(0)).unwrap();
        folder.replace_ours("r", b"3").unwrap();
        assert_eq!(folder.names(|_| true).unwrap(), ["r"]);
        assert!(matches!(folder.read("nothing", 1).unwrap(), Found::Nothing));
        std::fs::create_dir(folder.path().join("d")).unwrap();
        assert!(matches!(folder.read("d", 1).unwrap(), Found::Other));
        std::os::unix::fs::symlink("r", folder.path().join("l")).unwrap();
        assert!(matches!(folder.read("l", 1).unwrap(), Found::Other));
    }

    #[test]
    fn a_file_that_is_being_written_is_told_from_one_that_is_whole() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        let file = std::fs::File::create(folder.path().join("a")).unwrap();
        assert!(folder.is_being_written("a"));
        drop(file);
        assert!(!folder.is_being_written("a"));
    }

    #[test]
    fn a_directory_that_was_removed_says_so() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        std::fs::remove_dir(folder.path()).unwrap();
        let error = folder.put("a", b"").unwrap_err();
        assert!(error.kind() == ErrorKind::Disconnected && error.text().contains("removed"), "{error}");
    }
}
