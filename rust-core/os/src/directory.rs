//! The runtime directory, for sockets and locks, and the persistent state directory.
//!
//! A directory is opened once, and later accesses use its descriptor. Other users' links on the way are not followed.
//! The directory's mode decides the mode of new files: 0660 with the set-group-ID bit and group write permission,
//! otherwise 0600.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::beneath::{self, Beneath, Whose};
use super::{descriptor, environment, user};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::fork::Descriptor;

/// An open directory that contains names.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: Descriptor,
    /// 0600 in a user's directory, 0660 in a shared one.
    file_mode: u32,
    /// Whether users other than its owner may create names in it.
    is_open: bool,
}

impl Directory {
    /// Opens the runtime directory of this process, or creates it.
    ///
    /// It is `$LINKSPAN_DIR`, else `/run/linkspan` if it exists, else `/run/user/$UID/linkspan` if `/run/user/$UID` is
    /// this user's, else `/tmp/linkspan-$UID`.
    ///
    /// # Errors
    /// `PermissionDenied` if it is another user's or unsafe, `InvalidState` for a file.
    pub fn runtime() -> Result<Directory> {
        let (path, why) = runtime_path();
        Directory::open(&path, why, &RUNTIME)
    }

    /// Opens the state directory, which survives a restart of the machine, or creates it.
    ///
    /// It is `$LINKSPAN_STATE_DIR`, else `/var/lib/linkspan` if it exists, else `~/.local/state/linkspan`.
    ///
    /// # Errors
    /// As for [`Directory::runtime`]; `NotFound` for a user without a home directory.
    pub fn state() -> Result<Directory> {
        let (path, why) = state_path()?;
        Directory::open(&path, why, &STATE)
    }

    /// Opens the runtime directory if it exists. Errors as for [`Directory::runtime`].
    pub fn find_runtime() -> Result<Option<Directory>> {
        let (path, why) = runtime_path();
        Directory::find(&path, why, &RUNTIME)
    }

    /// Opens the state directory if it exists. Errors as for [`Directory::state`].
    pub fn find_state() -> Result<Option<Directory>> {
        let (path, why) = state_path()?;
        Directory::find(&path, why, &STATE)
    }

    /// Opens a directory that an endpoint names.
    ///
    /// # Errors
    /// `PermissionDenied` for another user's symbolic link on the way; `InvalidState` for anything but a directory;
    /// `NotFound`.
    pub fn existing(path: &Path) -> Result<Directory> {
        let doing = || format!("opening the directory {}", path.display());
        let handle = walk(path, true).map_err(|refused| refused.explain(path, &doing()))?;
        let facts = rustix::fs::fstat(&handle).doing(doing())?;
        Ok(Directory::opened(path.to_owned(), handle, &facts))
    }

    /// Returns a directory from its descriptor and metadata; `path` is for texts.
    pub fn opened(path: PathBuf, handle: OwnedFd, facts: &Stat) -> Directory {
        Directory {
            path,
            handle: handle.into(),
            file_mode: mode_in(facts),
            is_open: facts.st_mode & 0o022 != 0,
        }
    }

    /// Replaces the mode that its files get.
    pub fn with_file_mode(self, file_mode: u32) -> Directory {
        Directory { file_mode, ..self }
    }

    /// Returns the names in it, for safe access although others can write it.
    pub fn beneath(&self) -> Beneath<'_> {
        Beneath::new(self.handle.as_fd(), &self.path)
    }

    /// Whether modes and groups allow this access to a name: a refusal then has another cause.
    pub fn allows(&self, name: &str, access: Access) -> bool {
        rustix::fs::accessat(&self.handle, name, access, AtFlags::EACCESS).is_ok()
    }

    fn open(path: &Path, why: DirectoryReason, purpose: &DirectoryPurpose) -> Result<Directory> {
        let name = purpose.name;
        if why == DirectoryReason::Environment {
            environment::check_whole(name, path)?;
        }
        if why != DirectoryReason::Shared {
            let deep = why == DirectoryReason::Environment || purpose.deep;
            match DirBuilder::new().mode(0o700).recursive(deep).create(path) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(e).doing(format_args!("making the {name} {}", path.display()));
                }
                _ => {}
            }
        }
        Directory::open_made(path, why, purpose)
    }

    fn find(path: &Path, why: DirectoryReason, purpose: &DirectoryPurpose) -> Result<Option<Directory>> {
        if why == DirectoryReason::Environment {
            environment::check_whole(purpose.name, path)?;
        }
        if path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        Directory::open_made(path, why, purpose).map(Some)
    }

    fn open_made(path: &Path, why: DirectoryReason, purpose: &DirectoryPurpose) -> Result<Directory> {
        let name = purpose.name;
        let doing = || format!("opening the {name} {}", path.display());
        // In /tmp any user can create the name first, and control everything in it.
        let handle = walk(path, why != DirectoryReason::Temporary).map_err(|refused| match refused {
            Refused::Errno(Errno::ACCESS | Errno::PERM) => {
                unreadable(path, purpose, refused.explain(path, &doing()))
            }
            refused => refused.explain(path, &doing()),
        })?;
        let facts = rustix::fs::fstat(&handle).doing(doing())?;
        if why == DirectoryReason::Temporary && (!beneath::is_ours(&facts) || facts.st_mode & 0o077 != 0) {
            let text = format!(
                "{} belongs to {} with mode {:04o}: a runtime directory in /tmp has to be ours alone (0700); remove it, or {}",
                path.display(),
                Whose(facts.st_uid),
                facts.st_mode & 0o7777,
                RUNTIME.advice()
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        Ok(Directory::opened(path.to_owned(), handle, &facts))
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs its names and this user's directories above: a killed process may not have synced its own.
    pub fn sync_names(&self) -> Result<()> {
        let own_uid = rustix::process::geteuid().as_raw();
        let doing = || format!("bringing {} to the disk", self.path.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = descriptor::duplicate(&self.handle).doing(doing())?;
        loop {
            rustix::fs::fsync(&at).doing(doing())?;
            let current = rustix::fs::fstat(&at).doing(doing())?;
            if current.st_uid != own_uid {
                return Ok(());
            }
            // A directory that may not be opened is not this user's.
            let Ok(above) = descriptor::open_at(&at, "..", flags, Mode::empty()) else { return Ok(()) };
            at = above;
            let above = rustix::fs::fstat(&at).doing(doing())?;
            if above.st_ino == current.st_ino || above.st_dev != current.st_dev {
                return Ok(());
            }
        }
    }

    /// Returns the default mode of new files in it.
    pub fn file_mode(&self) -> u32 {
        self.file_mode
    }

    /// Returns whether a group shares it.
    pub fn is_shared(&self) -> bool {
        self.file_mode == 0o660
    }

    /// Returns whether users other than its owner may create names in it.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// A short path to a name, because `sun_path` has only 108 bytes.
    pub(crate) fn short_path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.handle.as_raw_fd()))
    }

    /// Returns the names in it, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = self.beneath().names()?;
        names.sort_unstable();
        Ok(names)
    }
}

/// The mode of new files: a group's, if the directory is set-group-ID and group-writable.
fn mode_in(directory: &Stat) -> u32 {
    if directory.st_mode & 0o2070 == 0o2070 { 0o660 } else { 0o600 }
}

enum Refused {
    Errno(Errno),
    Link(PathBuf, u32),
    Other(PathBuf, FileType, u32),
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused::Errno(errno)
    }
}

impl Refused {
    fn explain(self, path: &Path, doing: &str) -> Error {
        match self {
            Refused::Errno(errno) => Error::os(doing, errno.raw_os_error()),
            Refused::Link(link, owner) => {
                let text = format!(
                    "{doing}: {} is a symbolic link of {}, which is not followed: it could lead anywhere; remove it, or name the directory itself",
                    link.display(),
                    Whose(owner)
                );
                Error::new(ErrorKind::PermissionDenied, text)
            }
            Refused::Other(what, kind, owner) => {
                let text = format!(
                    "{doing}: {} is {} of {}, and no directory; remove it, or name another than {}",
                    what.display(),
                    beneath::name_of(kind),
                    Whose(owner),
                    path.display()
                );
                Error::new(ErrorKind::InvalidState, text)
            }
        }
    }
}

/// The most symbolic links on the way to a directory, as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// Opens a directory, in one system call if no link is on the way.
fn walk(path: &Path, last_may_be_link: bool) -> std::result::Result<OwnedFd, Refused> {
    let reading = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(opened) = descriptor::open_resolved(
        CWD,
        path,
        reading | OFlags::NOFOLLOW,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    ) {
        return Ok(opened);
    }
    Ok(descriptor::open_at(&resolve(path, last_may_be_link)?, ".", reading, Mode::empty())?)
}

/// Resolves a directory step by step; returns a handle that can neither read nor write.
///
/// Follows links of this user or root: both could redirect the path anyway. `last_may_be_link` allows the last step to
/// be a link.
fn resolve(path: &Path, last_may_be_link: bool) -> std::result::Result<OwnedFd, Refused> {
    let passing = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut at =
        descriptor::open_at(CWD, if path.is_absolute() { "/" } else { "." }, passing, Mode::empty())?;
    let mut passed = if path.is_absolute() { PathBuf::from("/") } else { PathBuf::new() };
    let steps = |path: &Path| -> Vec<PathBuf> {
        let steps = path.components().filter(|c| matches!(c, Component::Normal(_) | Component::ParentDir));
        steps.map(|c| PathBuf::from(c.as_os_str())).rev().collect()
    };
    let (mut ahead, mut links) = (steps(path), 0);
    while let Some(step) = ahead.pop() {
        let next = descriptor::open_at(&at, &step, passing, Mode::empty())?;
        let facts = rustix::fs::fstat(&next)?;
        let shown = passed.join(&step);
        match beneath::kind_of(&facts) {
            FileType::Directory => (at, passed) = (next, shown),
            FileType::Symlink => {
                links += 1;
                let trusted = beneath::is_ours(&facts) || facts.st_uid == 0;
                if !trusted || links > MAX_LINKS || ahead.is_empty() && !last_may_be_link {
                    return Err(Refused::Link(shown, facts.st_uid));
                }
                let target = rustix::fs::readlinkat(&next, "", Vec::new())?;
                let target = PathBuf::from(
                    <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(target.into_bytes()),
                );
                if target.is_absolute() {
                    at = descriptor::open_at(CWD, "/", passing, Mode::empty())?;
                    passed = PathBuf::from("/");
                }
                ahead.extend(steps(&target));
            }
            kind => return Err(Refused::Other(shown, kind, facts.st_uid)),
        }
    }
    Ok(at)
}

/// Opens a handle for the runtime directory, to correct its mode without reading it.
pub fn handle(path: &Path, why: DirectoryReason) -> Result<OwnedFd> {
    resolve(path, why != DirectoryReason::Temporary).map_err(|refused| {
        refused.explain(path, &format!("looking at the runtime directory {}", path.display()))
    })
}

/// Describes a file's owner and mode, for a refusal.
pub fn whose(path: &Path) -> String {
    match path.symlink_metadata() {
        Ok(facts) => format!(
            "{} belongs to uid {} and gid {} with mode {:04o}",
            path.display(),
            facts.uid(),
            facts.gid(),
            facts.mode() & 0o7777
        ),
        Err(e) => format!("{}: {e}", path.display()),
    }
}

fn unreadable(path: &Path, purpose: &DirectoryPurpose, error: Error) -> Error {
    let Ok(facts) = path.metadata() else { return error };
    let text = format!(
        "uid {} may not look into the {} {}, which belongs to uid {} and gid {} with mode {:04o}; put the user in that group, or {}",
        rustix::process::geteuid().as_raw(),
        purpose.name,
        path.display(),
        facts.uid(),
        facts.gid(),
        facts.mode() & 0o7777,
        purpose.advice()
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

struct DirectoryPurpose {
    name: &'static str,
    /// Whether its parents may be missing.
    deep: bool,
}

const RUNTIME: DirectoryPurpose = DirectoryPurpose { name: "runtime directory", deep: false };
const STATE: DirectoryPurpose = DirectoryPurpose { name: "state directory", deep: true };

impl DirectoryPurpose {
    /// Advice at the end of an error.
    fn advice(&self) -> &'static str {
        if self.deep {
            environment::advice(
                "set LINKSPAN_STATE_DIR",
                "let root make /var/lib/linkspan for this user, or give the whole path in the endpoint, as in journal:/srv/lab/log: a program that runs with more rights than its caller reads no variable for it",
            )
        } else {
            environment::advice(
                "set LINKSPAN_DIR",
                "let root run `linkspan setup --group NAME`, which makes /run/linkspan: a program that runs with more rights than its caller reads no variable for it",
            )
        }
    }
}

/// Why a directory is the runtime or state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryReason {
    /// `LINKSPAN_DIR`, or `LINKSPAN_STATE_DIR`, names it.
    Environment,
    /// `/run/linkspan`, or `/var/lib/linkspan`, created by the administrator for several users.
    Shared,
    /// `/run/user/$UID/linkspan`, or `~/.local/state/linkspan`.
    User,
    /// `/tmp/linkspan-$UID`.
    Temporary,
}

/// Returns the runtime directory's path and origin.
pub fn runtime_path() -> (PathBuf, DirectoryReason) {
    if let Some(path) = environment::variable("LINKSPAN_DIR") {
        return (path.into(), DirectoryReason::Environment);
    }
    let shared = Path::new("/run/linkspan");
    if shared.is_dir() {
        return (shared.to_owned(), DirectoryReason::Shared);
    }
    let uid = rustix::process::geteuid().as_raw();
    let user = PathBuf::from(format!("/run/user/{uid}"));
    if user.metadata().is_ok_and(|facts| facts.is_dir() && facts.uid() == uid) {
        return (user.join("linkspan"), DirectoryReason::User);
    }
    (PathBuf::from(format!("/tmp/linkspan-{uid}")), DirectoryReason::Temporary)
}

/// Returns the state directory's path and origin. Cron and sudo change `HOME`, so /etc/passwd decides.
pub fn state_path() -> Result<(PathBuf, DirectoryReason)> {
    if let Some(path) = environment::variable("LINKSPAN_STATE_DIR") {
        return Ok((path.into(), DirectoryReason::Environment));
    }
    let shared = Path::new("/var/lib/linkspan");
    if shared.is_dir() {
        return Ok((shared.to_owned(), DirectoryReason::Shared));
    }
    let uid = rustix::process::geteuid().as_raw();
    let home = user::home_of_user(uid).or_else(|| environment::variable("HOME").map(PathBuf::from));
    match home.filter(|home| home.is_absolute()) {
        Some(home) => Ok((home.join(".local/state/linkspan"), DirectoryReason::User)),
        None => {
            let text = format!("uid {uid} has no home directory for what is to last; {}", STATE.advice());
            Err(Error::new(ErrorKind::NotFound, text))
        }
    }
}
