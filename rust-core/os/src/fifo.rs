//! Named pipes: opened without waiting for another process, and written without SIGPIPE.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::append;
use super::beneath::{self, DoingByKernelPath};
use super::descriptor;
use super::directory::Directory;
use super::fork::Guarded;
use super::poll;
use super::staging::Staging;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::kernel_entry;

/// The longest atomic write into a pipe (PIPE_BUF on Linux), in bytes.
pub const PIPE_BUF: usize = 4096;

/// Which ends of a pipe a descriptor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeEnd {
    /// The reading end.
    Read,
    /// The writer; needs another process with the other end open.
    Write,
    /// Both: there is always a reader, so no SIGPIPE.
    Both,
}

impl PipeEnd {
    fn flags(self) -> OFlags {
        let access = match self {
            PipeEnd::Read => OFlags::RDONLY,
            PipeEnd::Write => OFlags::WRONLY,
            PipeEnd::Both => OFlags::RDWR,
        };
        access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY
    }
}

/// Distinguishes pipes of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipeIdentity {
    device: u64,
    inode: u64,
}

/// The pipe at a name.
#[derive(Clone, Copy, Debug)]
pub struct PipeInfo {
    /// Which pipe it is.
    pub identity: PipeIdentity,
    /// Its mode.
    pub mode: u32,
    /// Its group.
    pub group: u32,
}

/// Creates a pipe in a private directory. `shown` is its later path, for texts.
pub fn make(staging: &Staging, entry: &str, mode: u32, group: Option<u32>, shown: &Path) -> Result<()> {
    rustix::fs::mkfifoat(staging.inside(), entry, Mode::RUSR | Mode::WUSR)
        .doing(format_args!("making the named pipe {}", shown.display()))?;
    staging.set_access(entry, mode, group, shown)
}

/// Returns the pipe at a name; `None` if there is nothing.
///
/// # Errors
/// `InvalidEndpoint` for anything else.
pub fn find(directory: &Directory, name: &str) -> Result<Option<PipeInfo>> {
    let Some(facts) = directory.beneath().facts(name)? else { return Ok(None) };
    check_kind(directory, name, &facts)?;
    Ok(Some(PipeInfo {
        identity: PipeIdentity { device: facts.st_dev, inode: facts.st_ino },
        mode: facts.st_mode & 0o777,
        group: facts.st_gid,
    }))
}

fn check_kind(directory: &Directory, name: &str, facts: &Stat) -> Result<()> {
    let kind = beneath::kind_of(facts);
    if kind == FileType::Fifo {
        return Ok(());
    }
    let text = format!(
        "{} is {} of uid {}, not a named pipe, and is left as it is; remove it, or take another name",
        directory.path().join(name).display(),
        beneath::name_of(kind),
        facts.st_uid
    );
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

/// Opens a pipe without waiting; `None` without a pipe, or without a reader for a writing end.
///
/// # Errors
/// `InvalidEndpoint` for anything else; `PermissionDenied`.
pub fn open(directory: &Directory, name: &str, end: PipeEnd) -> Result<Option<Guarded>> {
    kernel_entry::assert_allowed();
    // Opening anything else could block, or have side effects.
    if find(directory, name)?.is_none() {
        return Ok(None);
    }
    let doing = || format!("opening {}", directory.path().join(name).display());
    match descriptor::open_at(directory, name, end.flags() | OFlags::NOFOLLOW, Mode::empty()) {
        // The name may have changed since the check.
        Ok(fd) => {
            check_kind(directory, name, &rustix::fs::fstat(&fd).doing(doing())?)?;
            leave_time_of_reading(&fd);
            Ok(Some(Guarded::new(fd)))
        }
        Err(Errno::NXIO | Errno::NOENT) => Ok(None),
        Err(e) => Err(e).doing(doing()),
    }
}

/// Opens other ends of the same pipe, even if its name leads elsewhere. `None` as for [`open`].
pub fn again(pipe: &Guarded, end: PipeEnd) -> Result<Option<Guarded>> {
    match descriptor::open(&beneath::kernel_path(pipe), end.flags(), Mode::empty()) {
        Ok(fd) => Ok(Some(Guarded::new(fd))),
        Err(Errno::NXIO) => Ok(None),
        Err(e) => Err(e).doing_by_kernel_path("opening the other end of a named pipe"),
    }
}

/// Keeps reads from updating the inode's time. Only the owner may ask for it.
fn leave_time_of_reading(pipe: &OwnedFd) {
    if let Ok(flags) = rustix::fs::fcntl_getfl(pipe) {
        let _ = rustix::fs::fcntl_setfl(pipe, flags | OFlags::NOATIME);
    }
}

/// Identifies a descriptor's pipe.
pub fn identity(pipe: impl AsFd) -> Result<PipeIdentity> {
    let facts = rustix::fs::fstat(pipe).doing("looking at an open pipe")?;
    Ok(PipeIdentity { device: facts.st_dev, inode: facts.st_ino })
}

/// Reads available bytes: `Some(0)` if no process has the writing end, `None` if nothing is available.
pub fn read(pipe: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    match rustix::io::read(pipe, into) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a pipe"),
    }
}

/// [`read`] of at most `most` bytes into a list with room for them.
pub fn read_behind(pipe: impl AsFd, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    match append(into, most, |room| rustix::io::read(pipe, room).map(|(came, _)| came)) {
        Ok(came) => Ok(Some(came)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a pipe"),
    }
}

/// Writes as much as fits; `None` without room. Only through [`PipeEnd::Both`].
pub fn write(pipe: impl AsFd, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    let written = match parts {
        [one] => rustix::io::write(pipe, one),
        many => rustix::io::writev(pipe, many),
    };
    match written {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a pipe"),
    }
}

/// Returns whether all processes with the writing end have closed it; false if it was never opened.
pub fn is_peer_gone(reader: impl AsFd) -> bool {
    kernel_entry::assert_allowed();
    let mut fds = [PollFd::new(&reader, PollFlags::empty())];
    let done = poll::look(&mut fds);
    done.is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &Path) -> Directory {
        Directory::existing(path).unwrap()
    }

    fn make_at(directory: &Directory, name: &str, mode: u32) {
        let staging = Staging::new(directory, name).unwrap();
        let entry = staging.entry("pipe");
        make(&staging, &entry, mode, None, Path::new(name)).unwrap();
        staging.publish(directory, &entry, name).unwrap();
    }

    #[test]
    fn open_of_a_pipe_never_blocks_and_reports_a_missing_end() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path());
        assert!(open(&directory, "x", PipeEnd::Read).unwrap().is_none());
        make_at(&directory, "x", 0o600);
        assert!(open(&directory, "x", PipeEnd::Write).unwrap().is_none());
        let reader = open(&directory, "x", PipeEnd::Read).unwrap().unwrap();
        let mut byte = [0];
        assert!(!is_peer_gone(&reader));
        let writer = open(&directory, "x", PipeEnd::Write).unwrap().unwrap();
        assert_eq!(read(&reader, &mut byte).unwrap(), None);
        assert_eq!(identity(&writer).unwrap(), find(&directory, "x").unwrap().unwrap().identity);
        drop(writer);
        assert!(is_peer_gone(&reader));
        assert_eq!(read(&reader, &mut byte).unwrap(), Some(0));
    }

    #[test]
    fn read_behind_appends_and_leaves_the_rest_in_the_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path());
        make_at(&directory, "x", 0o600);
        let reader = open(&directory, "x", PipeEnd::Read).unwrap().unwrap();
        let writer = open(&directory, "x", PipeEnd::Write).unwrap().unwrap();
        let mut list = Vec::with_capacity(16);
        list.push(7);
        assert_eq!(read_behind(&reader, &mut list, 2).unwrap(), None);
        write(&writer, &[IoSlice::new(b"abc")]).unwrap();
        assert_eq!(read_behind(&reader, &mut list, 2).unwrap(), Some(2));
        assert_eq!(read_behind(&reader, &mut list, 2).unwrap(), Some(1));
        drop(writer);
        assert_eq!(read_behind(&reader, &mut list, 2).unwrap(), Some(0));
        assert_eq!(list, [7, b'a', b'b', b'c']);
    }

    #[test]
    fn write_to_a_pipe_without_reader_raises_no_signal() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path());
        make_at(&directory, "x", 0o600);
        let reader = open(&directory, "x", PipeEnd::Read).unwrap().unwrap();
        let writer = again(&reader, PipeEnd::Both).unwrap().unwrap();
        drop(reader);
        // With only a writing end this would be EPIPE, and SIGPIPE.
        assert_eq!(write(&writer, &[IoSlice::new(b"to nobody")]).unwrap(), Some(9));
        let full = vec![1; 1 << 20];
        assert!(write(&writer, &[IoSlice::new(&full)]).unwrap().is_some_and(|n| n < full.len()));
        assert_eq!(write(&writer, &[IoSlice::new(&full)]).unwrap(), None);
    }

    #[test]
    fn open_reports_the_kind_of_files_that_are_no_pipes() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path());
        std::fs::write(folder.path().join("x"), "precious").unwrap();
        std::os::unix::fs::symlink("x", folder.path().join("y")).unwrap();
        for (name, what) in [("x", "a regular file"), ("y", "a symbolic link")] {
            let error = open(&directory, name, PipeEnd::Both).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
            assert!(error.text().contains(what) && error.text().contains("left as it is"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(folder.path().join("x")).unwrap(), "precious");
    }

    #[test]
    fn mode_is_the_requested_one_with_any_umask() {
        let folder = tempfile::tempdir().unwrap();
        let directory = directory(folder.path());
        make_at(&directory, "x", 0o662);
        assert_eq!(find(&directory, "x").unwrap().unwrap().mode, 0o662);
    }
}
