//! One directory of a spool: files appear in it whole or not at all, are read whole, and go.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::{headroom, lock};

/// An open directory.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    /// The mode of the files in it.
    mode: u32,
    /// To whom files are given, where that is not whoever makes them.
    owner: Option<u32>,
    /// Whether what is put into it has reached the disk before that is said.
    durable: bool,
}

/// What is found at a name.
pub enum Found {
    /// A file: its bytes, and when it was written in nanoseconds since 1970.
    File(Bytes, i64),
    /// Nothing, any more.
    Nothing,
    /// No file: a directory, a pipe.
    Other,
    /// A file of so many bytes, which is over the limit.
    TooLarge(u64),
    /// A file that may not be read.
    Closed(Error),
}

/// Bodies from this size on are looked at twice before they are written: past its limits the kernel kills.
const LARGE: usize = 1 << 20;

/// Whether the file system, or the kernel, cannot make files without a name; found out once.
static NO_NAMELESS: AtomicBool = AtomicBool::new(false);
/// Whether a nameless file has to be given its name by way of /proc.
static BY_PROC: AtomicBool = AtomicBool::new(false);

impl Folder {
    /// Opens a directory below another.
    pub fn open(parent: impl AsFd, name: &str, path: &Path, mode: u32, durable: bool) -> Result<Folder> {
        let path = path.join(name);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, name, flags, Mode::empty())
            .doing(format_args!("opening the directory {}", path.display()))?;
        // What root puts into another user's folder is for that user to read, even where no group is.
        let is_root = rustix::process::geteuid().is_root();
        let whose = rustix::fs::fstat(&fd).doing(format_args!("looking at {}", path.display()))?.st_uid;
        let owner = (is_root && whose != 0).then_some(whose);
        Ok(Folder { fd, path, mode, durable, owner })
    }

    /// Its path, for texts.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path that leads to this directory wherever it has been moved.
    pub fn kernel_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/.", self.fd.as_raw_fd()).into()
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

    /// Puts a file there; false where the name is taken.
    pub fn put(&self, name: &str, body: &[u8]) -> Result<bool> {
        if body.len() >= LARGE {
            headroom::check(body.len() as u64)?;
        }
        let put = if NO_NAMELESS.load(Ordering::Relaxed) {
            self.put_by_renaming(name, body)
        } else {
            match self.put_nameless(name, body) {
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                    NO_NAMELESS.store(true, Ordering::Relaxed);
                    self.put_by_renaming(name, body)
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
        if self.durable {
            rustix::fs::fsync(&self.fd)
                .doing(format_args!("bringing {} to the disk", self.path.display()))?;
        }
        Ok(true)
    }

    fn fill(&self, file: &OwnedFd, mut body: &[u8]) -> rustix::io::Result<()> {
        // The umask may have taken bits away; those of the owner it leaves.
        if self.mode & 0o077 != 0 {
            rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
        }
        if let Some(owner) = self.owner {
            rustix::fs::fchown(file, Some(rustix::fs::Uid::from_raw(owner)), None)?;
        }
        while !body.is_empty() {
            body = &body[rustix::io::write(file, body)?..];
        }
        if self.durable { rustix::fs::fsync(file) } else { Ok(()) }
    }

    fn put_nameless(&self, name: &str, body: &[u8]) -> rustix::io::Result<()> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, ".", flags, Mode::from_raw_mode(self.mode))?;
        self.fill(&file, body)?;
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

    fn put_by_renaming(&self, name: &str, body: &[u8]) -> rustix::io::Result<()> {
        let new = temporary(name);
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.fd, &new, flags, Mode::from_raw_mode(self.mode))?;
        let put = self.fill(&file, body).and_then(|()| {
            match rustix::fs::renameat_with(&self.fd, &new, &self.fd, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL) => rustix::fs::linkat(&self.fd, &new, &self.fd, name, AtFlags::empty()),
                renamed => renamed,
            }
        });
        // Gone already, where it was renamed.
        let _ = rustix::fs::unlinkat(&self.fd, &new, AtFlags::empty());
        put
    }

    /// Puts a file there in the place of one that has the name.
    pub fn replace(&self, name: &str, body: &[u8]) -> Result<()> {
        self.put_by_replacing(name, body).map_err(|e| self.failed("writing", name, e))
    }

    fn put_by_replacing(&self, name: &str, body: &[u8]) -> rustix::io::Result<()> {
        let new = temporary(name);
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&self.fd, &new, flags, Mode::from_raw_mode(self.mode))?;
        self.fill(&file, body)?;
        rustix::fs::renameat(&self.fd, &new, &self.fd, name)
    }

    /// Reads a file of at most so many bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Found> {
        let file = match self.open_file(name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            // A link, or a socket.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(Found::Other),
            Err(e @ (Errno::ACCESS | Errno::PERM)) => {
                return Ok(Found::Closed(self.failed("reading", name, e)));
            }
            Err(e) => return Err(self.failed("reading", name, e)),
        };
        self.take_in(&file, limit).map_err(|e| self.failed("reading", name, e))
    }

    fn open_file(&self, name: &str) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        rustix::fs::openat(&self.fd, name, flags, Mode::empty())
    }

    fn take_in(&self, file: &OwnedFd, limit: u64) -> rustix::io::Result<Found> {
        let facts = rustix::fs::fstat(file)?;
        if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
            return Ok(Found::Other);
        }
        let size = facts.st_size as u64;
        if size > limit {
            return Ok(Found::TooLarge(size));
        }
        // Room for one byte more, so that a body of none lies at an aligned address too.
        let mut body: Vec<u8> = Vec::with_capacity(size as usize + 8);
        while (body.len() as u64) < size {
            if rustix::io::read(file, rustix::buffer::spare_capacity(&mut body))? == 0 {
                break;
            }
        }
        let sent = facts.st_mtime.saturating_mul(1_000_000_000).saturating_add(facts.st_mtime_nsec as i64);
        Ok(Found::File(body.into(), sent))
    }

    /// Whether somebody is still writing a file.
    pub fn is_being_written(&self, name: &str) -> bool {
        self.open_file(name).is_ok_and(|file| lock::is_being_written(&file))
    }

    /// Removes a file; false where there was none.
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

    /// Every name in it, hidden ones too, in no order.
    pub fn names(&self) -> Result<Vec<String>> {
        let doing = || format!("reading the directory {}", self.path.display());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).doing(doing())? {
            if let Ok(name) = entry.doing(doing())?.file_name().to_str()
                && name != "."
                && name != ".."
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The name of a file before it gets its own.
fn temporary(name: &str) -> String {
    format!(".new.{name}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(of: &tempfile::TempDir) -> Folder {
        std::fs::create_dir(of.path().join("x")).unwrap();
        let parent = std::fs::File::open(of.path()).unwrap();
        Folder::open(&parent, "x", of.path(), 0o640, true).unwrap()
    }

    #[test]
    fn every_way_of_putting_a_file_gives_a_whole_one_and_takes_no_name_from_another() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(&temporary);
        for (i, put) in [Folder::put_nameless, Folder::put_by_renaming].into_iter().enumerate() {
            let name = format!("{i}.raw");
            put(&folder, &name, b"one").unwrap();
            assert_eq!(put(&folder, &name, b"two").unwrap_err(), Errno::EXIST);
            let Found::File(body, sent) = folder.read(&name, 3).unwrap() else { panic!("it is there") };
            assert!(&body[..] == b"one" && sent > 0);
            let mode = folder.path().join(&name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
            assert!(matches!(folder.read(&name, 2).unwrap(), Found::TooLarge(3)));
            assert!(folder.remove(&name).unwrap() && !folder.remove(&name).unwrap());
        }
        folder.replace("r", b"1").unwrap();
        folder.replace("r", b"2").unwrap();
        assert_eq!(folder.names().unwrap(), ["r"]);
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
