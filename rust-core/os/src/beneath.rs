//! Files in a directory that other users can write: by the directory's descriptor, never by a link.
//!
//! | to do | use |
//! |---|---|
//! | open a file, a directory | [`Beneath::file`], [`Beneath::directory`] |
//! | read a short file, with a limit | [`Beneath::read`] |
//! | create a file that does not exist | [`Beneath::create`] |
//! | replace a short file of this user | [`Beneath::replace`] |
//! | remove a file, a socket, a pipe; a directory with its contents | [`Beneath::remove`], [`Beneath::remove_tree`] |
//! | give a new file its name | [`Beneath::rename`] |
//! | create a socket or a pipe, whose mode cannot be set at once | [`Staging`](super::staging::Staging) |
//!
//! A name is a single component, without `/`. The error of a refusal has the path, its owner and the remedy. Files of
//! another user are never removed, replaced or followed; programs of root own only root's files.

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_NOW,
};
use rustix::io::Errno;

use super::{descriptor, headroom, random, user};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::kernel_entry;

/// The required owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredOwner {
    /// This process's user; for root, only root's own files.
    Ours,
    /// The user of this process, root, or the directory's owner (able to replace everything in it).
    Trusted,
    /// Any user: the contents are untrusted input.
    AnyUser,
}

/// A directory's descriptor, and its path for texts.
#[derive(Clone, Copy, Debug)]
pub struct Beneath<'a> {
    fd: BorrowedFd<'a>,
    path: &'a Path,
}

/// An opened file and its metadata.
#[derive(Debug)]
pub struct Opened {
    /// Non-blocking.
    pub fd: OwnedFd,
    /// The result of `fstat`.
    pub facts: Stat,
}

impl AsFd for Beneath<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

impl<'a> Beneath<'a> {
    /// Returns the names in this directory. `path` is only for texts.
    pub fn new(fd: BorrowedFd<'a>, path: &'a Path) -> Beneath<'a> {
        Beneath { fd, path }
    }

    /// Returns the path of a name, for texts.
    pub fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the metadata of a name, without following a link; `None` if there is nothing.
    pub fn facts(&self, name: &str) -> Result<Option<Stat>> {
        kernel_entry::assert_allowed();
        check_name(name)?;
        match rustix::fs::statat(self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e).doing(format_args!("looking at {}", self.shown(name).display())),
        }
    }

    /// Opens a regular file with a single link, without blocking; `None` if there is nothing.
    ///
    /// # Errors
    /// `PermissionDenied` for a link, several names or an untrusted owner; `Corrupt` for other types; `Stalled` if
    /// another program's lease prevents it.
    pub fn file(&self, name: &str, access: OFlags, owner: RequiredOwner) -> Result<Option<Opened>> {
        let Some(opened) = self.open(name, access)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::RegularFile, owner)?;
        Ok(Some(opened))
    }

    /// Opens a directory; `None` if there is nothing. Errors as for [`Beneath::file`].
    pub fn directory(&self, name: &str, owner: RequiredOwner) -> Result<Option<Opened>> {
        let Some(opened) = self.open(name, OFlags::RDONLY | OFlags::DIRECTORY)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::Directory, owner)?;
        Ok(Some(opened))
    }

    /// Opens a handle (`O_PATH`), to inspect a file or link or change its mode; `None` if there is nothing.
    pub fn handle(&self, name: &str) -> Result<Option<Opened>> {
        self.open(name, OFlags::PATH)
    }

    /// Opens a handle for a socket, to connect by its [`kernel_path`]. Errors as for [`Beneath::file`].
    pub fn socket(&self, name: &str) -> Result<Option<OwnedFd>> {
        let Some(opened) = self.handle(name)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::Socket, RequiredOwner::AnyUser)?;
        Ok(Some(opened.fd))
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<Option<Opened>> {
        check_name(name)?;
        let fd = match open_at(self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.not_opened(name, flags, e)),
        };
        let facts =
            rustix::fs::fstat(&fd).doing(format_args!("looking at {}", self.shown(name).display()))?;
        Ok(Some(Opened { fd, facts }))
    }

    fn not_opened(&self, name: &str, flags: OFlags, errno: Errno) -> Error {
        let path = self.shown(name);
        let wanted =
            if flags.contains(OFlags::DIRECTORY) { FileType::Directory } else { FileType::RegularFile };
        match (errno, self.facts(name)) {
            (Errno::AGAIN, _) => {
                let text = format!(
                    "{} cannot be opened now: another program holds a lease on it (F_SETLEASE); end that program, or try again",
                    path.display()
                );
                Error::new(ErrorKind::Stalled, text)
            }
            (Errno::LOOP | Errno::NXIO | Errno::NOTDIR | Errno::ISDIR | Errno::NODEV, Ok(Some(facts)))
                if kind_of(&facts) != wanted =>
            {
                self.wrong_kind(name, &facts, wanted)
            }
            _ => Error::os(format_args!("opening {}", path.display()), errno.raw_os_error()),
        }
    }

    /// Refuses a file of another type, of several names, or of an untrusted owner.
    pub fn check(&self, name: &str, facts: &Stat, kind: FileType, owner: RequiredOwner) -> Result<()> {
        if kind_of(facts) != kind {
            return Err(self.wrong_kind(name, facts, kind));
        }
        if !self.is_of(facts, owner)? {
            return Err(self.refuse(name, facts, "which this program does not trust for it"));
        }
        if kind == FileType::RegularFile && facts.st_nlink > 1 && self.others_may_write()? {
            let what = format!(
                "{} has {} names (hard links), and another of them may be in a place that this program must not touch",
                self.shown(name).display(),
                facts.st_nlink
            );
            let text = format!("{what}; it is left as it is: remove it, or choose another name");
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    /// Whether another user than this one and root can create names: if not, a second name is no attack.
    fn others_may_write(&self) -> Result<bool> {
        let around = rustix::fs::fstat(self.fd).doing(format_args!("looking at {}", self.path.display()))?;
        Ok(around.st_mode & 0o022 != 0 || !(is_ours(&around) || around.st_uid == 0))
    }

    fn is_of(&self, facts: &Stat, owner: RequiredOwner) -> Result<bool> {
        Ok(match owner {
            RequiredOwner::AnyUser => true,
            RequiredOwner::Ours => is_ours(facts),
            RequiredOwner::Trusted => {
                is_ours(facts) || facts.st_uid == 0 || {
                    let around = rustix::fs::fstat(self.fd)
                        .doing(format_args!("looking at {}", self.path.display()))?;
                    facts.st_uid == around.st_uid
                }
            }
        })
    }

    fn wrong_kind(&self, name: &str, facts: &Stat, wanted: FileType) -> Error {
        let kind = kind_of(facts);
        // This program never creates links, so a link may be an attack.
        let error = if kind == FileType::Symlink { ErrorKind::PermissionDenied } else { ErrorKind::Corrupt };
        let follow = if kind == FileType::Symlink { ", which is not followed" } else { "" };
        let text = format!(
            "{} is {} of {}{follow}, and not {}; it is left as it is: remove it, or choose another name",
            self.shown(name).display(),
            name_of(kind),
            Whose(facts.st_uid),
            name_of(wanted),
        );
        Error::new(error, text)
    }

    /// Returns the refusal of another user's file.
    pub fn refuse(&self, name: &str, facts: &Stat, why: impl fmt::Display) -> Error {
        let text = format!(
            "{} belongs to {}, {why}, and this program runs as {}; it is left as it is: let {} or root remove it, or choose another name or directory",
            self.shown(name).display(),
            Whose(facts.st_uid),
            Whose(rustix::process::geteuid().as_raw()),
            Whose(facts.st_uid),
        );
        Error::new(ErrorKind::PermissionDenied, text)
    }

    /// Reads a file of at most `limit` bytes, even if it grows; `None` if there is nothing.
    ///
    /// # Errors
    /// As [`Beneath::file`], and `TooLarge`.
    pub fn read(&self, name: &str, limit: usize, owner: RequiredOwner) -> Result<Option<(Vec<u8>, Stat)>> {
        let Some(opened) = self.file(name, OFlags::RDONLY, owner)? else { return Ok(None) };
        let too_large = || {
            let text = format!(
                "{} has more than the {limit} bytes that such a file may have; remove it",
                self.shown(name).display()
            );
            Error::new(ErrorKind::TooLarge, text)
        };
        let size = usize::try_from(opened.facts.st_size).map_err(|_| too_large())?;
        if size > limit {
            return Err(too_large());
        }
        // One byte more finds the end.
        let mut bytes = Vec::with_capacity(size + 1);
        let doing = || format!("reading {}", self.shown(name).display());
        while rustix::io::read(&opened.fd, rustix::buffer::spare_capacity(&mut bytes)).doing(doing())? > 0 {
            if bytes.len() > limit {
                return Err(too_large());
            }
            bytes.reserve(1);
        }
        Ok(Some((bytes, opened.facts)))
    }

    /// Creates a file that does not exist (`O_EXCL`), with this group, and this mode despite the umask.
    ///
    /// # Errors
    /// `AddressInUse` if there is something; `PermissionDenied`, `NoSpace`.
    pub fn create(&self, name: &str, mode: u32, group: Option<u32>) -> Result<OwnedFd> {
        check_name(name)?;
        let path = self.shown(name);
        let doing = || format!("making {}", path.display());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = match open_at(self.fd, name, flags, Mode::from_raw_mode(mode & 0o600)) {
            Err(Errno::EXIST) => {
                let text = format!("{} is there already; remove it", path.display());
                return Err(Error::new(ErrorKind::AddressInUse, text));
            }
            made => made.doing(doing())?,
        };
        // The mode comes after the group: no wrong group can open the file.
        let given = user::give_to_group(&file, path.display(), group)
            .and_then(|()| set_mode(&file, mode).doing(doing()));
        if let Err(error) = given {
            // The first error is returned; a file that cannot be removed now is swept.
            let _ = rustix::fs::unlinkat(self.fd, name, AtFlags::empty());
            return Err(error);
        }
        Ok(file)
    }

    /// Replaces a file of this user, or nothing, by these bytes, whole or not at all.
    ///
    /// # Errors
    /// `PermissionDenied` if another user's file is there; `NoSpace`.
    pub fn replace(&self, name: &str, bytes: &[u8], mode: u32, group: Option<u32>) -> Result<()> {
        let new = staged(name)?;
        let file = self.create(&new, mode, group)?;
        let written = write_all(&file, bytes).doing(format_args!("writing {}", self.shown(name).display()));
        written.and_then(|()| self.rename(*self, &new, name)).inspect_err(|_| {
            let _ = rustix::fs::unlinkat(self.fd, &new, AtFlags::empty());
        })
    }

    /// Gives a new file its name in this directory, replacing nothing or a file of this user.
    ///
    /// # Errors
    /// `PermissionDenied` if another user has the name; `AddressInUse` if another process was first.
    pub fn rename(&self, from: Beneath<'_>, new: &str, name: &str) -> Result<()> {
        kernel_entry::assert_allowed();
        check_name(new)?;
        let doing = || format!("giving {} its name", self.shown(name).display());
        let renamed = match self.facts(name)? {
            Some(facts) if !is_ours(&facts) => {
                return Err(self.refuse(name, &facts, "and what is another user's is not replaced"));
            }
            Some(_) => rustix::fs::renameat(from.fd, new, self.fd, name),
            // If another process creates the name in between, it keeps the name.
            None => match rustix::fs::renameat_with(from.fd, new, self.fd, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(from.fd, new, self.fd, name),
                renamed => renamed,
            },
        };
        match renamed {
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY) => {
                let text = format!(
                    "{} is there already, made by another program; remove it, or choose another name",
                    self.shown(name).display()
                );
                Err(Error::new(ErrorKind::AddressInUse, text))
            }
            renamed => renamed.doing(doing()),
        }
    }

    /// Removes a file of this user that is no directory; returns false if there is nothing.
    ///
    /// # Errors
    /// `PermissionDenied` for another user's file, also for root.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let Some(facts) = self.facts(name)? else { return Ok(false) };
        if !is_ours(&facts) {
            return Err(self.refuse(name, &facts, "and what is another user's is not removed"));
        }
        if kind_of(&facts) == FileType::Directory {
            return Err(self.wrong_kind(name, &facts, FileType::RegularFile));
        }
        self.unlink(name, AtFlags::empty())
    }

    pub(crate) fn remove_empty_directory(&self, name: &str) -> Result<bool> {
        let Some(facts) = self.facts(name)? else { return Ok(false) };
        if !is_ours(&facts) {
            return Err(self.refuse(name, &facts, "and what is another user's is not removed"));
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &str, how: AtFlags) -> Result<bool> {
        kernel_entry::assert_allowed();
        match rustix::fs::unlinkat(self.fd, name, how) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e).doing(format_args!("removing {}", self.shown(name).display())),
        }
    }

    /// Removes a directory of this user and its contents, but no link's target; false if there is nothing.
    ///
    /// # Errors
    /// `PermissionDenied` at the first file of another user.
    pub fn remove_tree(&self, name: &str) -> Result<bool> {
        self.remove_tree_at(name, 0)
    }

    fn remove_tree_at(&self, name: &str, depth: usize) -> Result<bool> {
        /// This program creates no deeper directories.
        const MAX_DEPTH: usize = 16;
        let Some(facts) = self.facts(name)? else { return Ok(false) };
        if kind_of(&facts) != FileType::Directory {
            return self.remove(name);
        }
        if depth == MAX_DEPTH {
            let text = format!("{} lies too deep to be removed; remove it", self.shown(name).display());
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        let Some(inner) = self.directory(name, RequiredOwner::AnyUser)? else { return Ok(false) };
        if !is_ours(&inner.facts) {
            return Err(self.refuse(name, &inner.facts, "and what is another user's is not removed"));
        }
        let path = self.shown(name);
        let inner = Beneath::new(inner.fd.as_fd(), &path);
        for name in inner.names()? {
            inner.remove_tree_at(&name, depth + 1)?;
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    /// Returns the names, unsorted, without those that are not UTF-8.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(|name| {
            names.push(name.to_owned());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    /// Calls `each` for every name until the first `Break`.
    ///
    /// Collects nothing: another user may have created millions.
    pub fn each_name(&self, mut each: impl FnMut(&str) -> Result<ControlFlow<()>>) -> Result<()> {
        let doing = || format!("reading the directory {}", self.path.display());
        for entry in Dir::read_from(self.fd).doing(doing())? {
            if let Ok(name) = entry.doing(doing())?.file_name().to_str()
                && name != "."
                && name != ".."
                && each(name)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// Returns whether this process's user owns a file.
pub fn is_ours(facts: &Stat) -> bool {
    facts.st_uid == rustix::process::geteuid().as_raw()
}

/// Returns the type of a file.
pub fn kind_of(facts: &Stat) -> FileType {
    FileType::from_raw_mode(facts.st_mode)
}

/// Names a type of file, for texts.
pub fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Socket => "a socket",
        FileType::Fifo => "a named pipe",
        _ => "a device",
    }
}

/// A user in a text, by number and name.
#[derive(Clone, Copy, Debug)]
pub struct Whose(pub u32);

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match user::name_of_user(self.0) {
            Some(name) => write!(f, "uid {} ({name})", self.0),
            None => write!(f, "uid {}", self.0),
        }
    }
}

/// Opens one name, never through a link and without blocking; without `openat2` by `O_NOFOLLOW`.
fn open_at(directory: BorrowedFd<'_>, name: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    kernel_entry::assert_allowed();
    let mut flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match descriptor::open_resolved(directory, name, flags, mode, beneath) {
        Err(Errno::NOSYS | Errno::PERM) => descriptor::open_at(directory, name, flags, mode),
        opened => opened,
    }
}

/// Sets the mode of a new file only if it differs: a change would wake every watch of the directory.
fn set_mode(file: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
    // The file was created with only the owner's bits.
    if mode & !0o600 == 0 && rustix::fs::fstat(file)?.st_mode & 0o7777 == mode {
        return Ok(());
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}

/// Sets a file's times to now, an event for programs that watch its directory.
pub fn set_times(file: impl AsFd) -> rustix::io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now })
}

/// Returns the kernel's path of a descriptor, which always leads to the opened file.
pub fn kernel_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Adds the attempted action to an error on a [`kernel_path`].
pub trait DoingByKernelPath<T> {
    /// Returns the error with the attempted action in front.
    ///
    /// # Errors
    /// `TransportUnavailable` without /proc; otherwise the call's error.
    fn doing_by_kernel_path(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> DoingByKernelPath<T> for rustix::io::Result<T> {
    fn doing_by_kernel_path(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|errno| {
            let is_missing = matches!(errno, Errno::NOENT | Errno::NOTDIR);
            if is_missing && rustix::fs::stat("/proc/self/fd").is_err() {
                return Error::new(
                    ErrorKind::TransportUnavailable,
                    format!("{what}: /proc is not mounted here; {NO_PROC}"),
                );
            }
            Error::os(what, errno.raw_os_error())
        })
    }
}

/// The hint for an `EPERM` or `EACCES` that no mode causes.
pub const REFUSED_CALL: &str = "no mode and no group would change that: a filter of system calls refuses the call itself (seccomp, as of a \
     container or of systemd's SystemCallFilter), or a security module or an attribute of the file does";

/// Explains, once, a refusal that the file's modes allow. Returns other errors unchanged.
pub fn refused_call(error: Error) -> Error {
    match error.errno() {
        Some(libc::EACCES | libc::EPERM) if !error.text().ends_with(REFUSED_CALL) => {
            error.with_hint(REFUSED_CALL)
        }
        _ => error,
    }
}

/// The remedy for a missing /proc.
pub const NO_PROC: &str = "open files are reached through /proc: mount it (mount -t proc proc /proc)";

/// Writes all bytes into an empty file.
///
/// # Errors
/// `FBIG` above the process's limit (`ulimit -f`), instead of SIGXFSZ.
pub fn write_all(file: impl AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    kernel_entry::assert_allowed();
    if bytes.len() as u64 > headroom::file_limit() {
        return Err(Errno::FBIG);
    }
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let text = format!("{name:?} is not a valid name of a file in a directory; give one name, without /");
        return Err(Error::new(ErrorKind::InvalidEndpoint, text));
    }
    Ok(())
}

/// The prefix of an incomplete file's name.
const TEMPORARY: &str = ".new.";
const MARK: char = '~';
const DIGITS: usize = 16;

/// Returns an unpredictable name for a file before it gets its own: `.new.NAME~0123456789abcdef`.
pub fn staged(name: &str) -> Result<String> {
    Ok(format!("{TEMPORARY}{name}{MARK}{}", digits()?))
}

/// Returns sixteen random hexadecimal digits.
pub fn digits() -> Result<String> {
    random::digits::<{ DIGITS / 2 }>()
}

/// Returns a temporary name's final name and digits (empty for a [`temporary`] name).
pub fn of_staged(file: &str) -> Option<(&str, &str)> {
    let name = file.strip_prefix(TEMPORARY)?;
    let digits = name.rsplit_once(MARK).filter(|(_, digits)| {
        digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    Some(digits.unwrap_or((name, "")))
}

/// Returns the temporary name without digits, for programs that trust each other under a lock.
pub fn temporary(file: &str) -> String {
    [TEMPORARY, file].concat()
}

#[cfg(test)]
mod tests;
