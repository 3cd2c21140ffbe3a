//! A private directory: a socket or a pipe gets its mode and group there before it gets its name.
//!
//! `bind` and `mkfifo` return no descriptor for setting a mode despite the umask. Before a `chmod` by name, another
//! user could replace the file by a link. No other user can enter this directory (0700).

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode};
use rustix::io::Errno;

use super::beneath::{self, Beneath, DoingByKernelPath, Opened, RequiredOwner};
use super::descriptor;
use super::directory::Directory;
use super::fork::{self, Descriptor};
use super::user;
use crate::error::{Doing, Error, ErrorKind, Result};

/// A private directory. Its drop removes it with its unnamed files.
#[derive(Debug)]
pub struct Staging {
    parent: Descriptor,
    inside: Directory,
    /// A [`staged`](beneath::staged) name.
    name: String,
    born: u64,
}

impl Staging {
    /// Creates a directory for files named `file`, whose lock the caller holds.
    ///
    /// # Errors
    /// `PermissionDenied` if another process replaced it at once.
    pub fn new(parent: &Directory, file: &str) -> Result<Staging> {
        let name = beneath::staged(file)?;
        let path = parent.path().join(&name);
        let doing = || format!("making {}", path.display());
        rustix::fs::mkdirat(parent, &name, Mode::RWXU).doing(doing())?;
        let opened = parent.beneath().directory(&name, RequiredOwner::Ours).and_then(|opened| match opened {
            // Another directory of this user may be in its place.
            Some(opened) if opened.facts.st_mode & 0o077 == 0 => Ok(opened),
            _ => {
                let text = format!("{} was taken away as soon as it was made; try again", path.display());
                Err(Error::new(ErrorKind::PermissionDenied, text))
            }
        });
        let opened = opened.inspect_err(|_| {
            // It is empty, if it is still this directory; the first error is returned.
            let _ = rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR);
        })?;
        let inside = Directory::opened(path, opened.fd, &opened.facts);
        let parent = descriptor::duplicate(parent.as_fd());
        let parent = parent.doing("duplicating a descriptor")?;
        Ok(Staging { parent: parent.into(), inside, name, born: fork::generation() })
    }

    /// Returns the directory, for binding a socket or creating a pipe.
    pub fn inside(&self) -> &Directory {
        &self.inside
    }

    /// Returns the name of a file to create in it, which no other process's file has.
    pub fn entry(&self, which: &str) -> String {
        let (_, digits) = beneath::of_staged(&self.name).unwrap_or_default();
        format!("{digits}.{which}")
    }

    /// Gives a file in it to a group and sets its mode despite the umask. `shown` is for texts.
    ///
    /// # Errors
    /// `PermissionDenied` if this user is not in the group.
    pub fn set_access(&self, entry: &str, mode: u32, group: Option<u32>, shown: &Path) -> Result<()> {
        let Some(Opened { fd, .. }) = self.inside.beneath().handle(entry)? else {
            return Err(removed(shown));
        };
        if let Some(gid) = group {
            let given = rustix::fs::chownat(&fd, "", None, Some(Gid::from_raw(gid)), AtFlags::EMPTY_PATH);
            given.or_else(|e| user::refuse_group(shown.display(), gid, e))?;
        }
        rustix::fs::chmod(beneath::kernel_path(&fd), Mode::from_raw_mode(mode))
            .doing_by_kernel_path(format_args!("setting the mode of {}", shown.display()))
    }

    /// Moves a file to its name in the parent directory. See [`Beneath::rename`].
    pub fn publish(&self, parent: &Directory, entry: &str, name: &str) -> Result<()> {
        parent.beneath().rename(self.inside.beneath(), entry, name)
    }
}

fn removed(shown: &Path) -> Error {
    let text = format!("{} was removed as soon as it was made; try again", shown.display());
    Error::new(ErrorKind::NotFound, text)
}

impl Drop for Staging {
    fn drop(&mut self) {
        // In a forked child it is the parent's.
        if self.born == fork::generation() {
            // The name's next owner sweeps the rest.
            let _ = clear(self.inside.beneath(), &self.name);
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes files that this program created; anything else stays.
fn clear(inside: Beneath<'_>, name: &str) -> Result<()> {
    let Some((_, digits)) = beneath::of_staged(name).filter(|(_, digits)| !digits.is_empty()) else {
        return Ok(());
    };
    for entry in inside.names()? {
        if entry.starts_with(digits) {
            inside.remove(&entry)?;
        }
    }
    Ok(())
}

/// The outcome of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// Whether something was removed.
    pub any: bool,
    /// The remaining files, with reasons: other users' files, and foreign types.
    pub remaining: Vec<Error>,
}

impl Swept {
    /// Records one removal or its refusal; fails for any other error.
    pub fn note(&mut self, removed: Result<bool>) -> Result<()> {
        match removed {
            Ok(any) => self.any |= any,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::Corrupt | ErrorKind::AddressInUse
                ) =>
            {
                self.remaining.push(e)
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Adds another sweep's outcome.
    pub fn and(&mut self, other: Swept) {
        self.any |= other.any;
        self.remaining.extend(other.remaining);
    }
}

/// Removes a dead process's unfinished files of this user for these names.
///
/// They have [`staged`](beneath::staged) or temporary names. The caller holds the locks of the names.
pub fn sweep(directory: &Directory, of: &[&str]) -> Result<Swept> {
    let beneath = directory.beneath();
    let mut swept = Swept::default();
    let mut begun = Vec::new();
    beneath.each_name(|name| {
        if beneath::of_staged(name).is_some_and(|(file, _)| of.contains(&file)) {
            begun.push(name.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for name in begun {
        let Some(facts) = beneath.facts(&name)? else { continue };
        let removed = if beneath::kind_of(&facts) == FileType::Directory {
            remove_directory(beneath, &name)
        } else {
            beneath.remove(&name)
        };
        swept.note(removed)?;
    }
    Ok(swept)
}

/// Removes a private directory of this user, if it is otherwise empty.
fn remove_directory(beneath: Beneath<'_>, name: &str) -> Result<bool> {
    let Some(opened) = beneath.directory(name, RequiredOwner::Ours)? else { return Ok(false) };
    let path = beneath.shown(name);
    clear(Beneath::new(opened.fd.as_fd(), &path), name)?;
    match beneath.remove_empty_directory(name) {
        Err(e) if e.errno() == Some(Errno::NOTEMPTY.raw_os_error()) => Ok(false),
        removed => removed,
    }
}
