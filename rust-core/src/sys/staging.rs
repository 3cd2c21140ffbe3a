//! A private directory in which a socket or a pipe gets its mode and group before it gets its name.
//!
//! Neither `bind` nor `mkfifo` gives a descriptor to set a mode with that no umask has touched, and between making and
//! `chmod` a member of the group that shares the directory could put a link in the place of what was made. In a directory
//! of ours that nobody else may enter (0700) there is no between.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode};
use rustix::io::Errno;

use super::beneath::{self, Beneath, Opened, Owner};
use super::directory::Directory;
use super::fork;
use super::group;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Such a directory. Its end removes it, and what was made in it and got no name.
#[derive(Debug)]
pub struct Staging {
    parent: OwnedFd,
    inside: Directory,
    name: String,
    born: u64,
}

impl Staging {
    /// Makes one beside a name, for what is to have that name. Only under the name's lock: see [`sweep`].
    pub fn new(parent: &Directory, file: &str) -> Result<Staging> {
        let name = beneath::staged(file)?;
        let path = parent.path().join(&name);
        let doing = || format!("making {}", path.display());
        rustix::fs::mkdirat(parent, &name, Mode::RWXU).doing(doing())?;
        let opened = parent.beneath().directory(&name, Owner::Ours).and_then(|opened| match opened {
            // Whatever else of ours has been put in its place: only a directory that we alone may enter will do.
            Some(opened) if opened.facts.st_mode & 0o077 == 0 => Ok(opened),
            _ => {
                let text = format!("{} was taken away as soon as it was made; try again", path.display());
                Err(Error::new(ErrorKind::PermissionDenied, text))
            }
        });
        let opened = opened.inspect_err(|_| {
            // Empty, if it is still ours; the error is what counts.
            let _ = rustix::fs::unlinkat(parent, &name, AtFlags::REMOVEDIR);
        })?;
        let inside = Directory::opened(path, opened.fd, &opened.facts);
        let parent = parent.as_fd().try_clone_to_owned();
        let parent =
            parent.map_err(|e| Error::os("duplicating a descriptor", e.raw_os_error().unwrap_or(0)))?;
        Ok(Staging { parent, inside, name, born: fork::generation() })
    }

    /// The directory, in which a socket is bound or a pipe made.
    pub fn inside(&self) -> &Directory {
        &self.inside
    }

    /// The name in it of one of the things that are made there: nothing that was not made there is called so.
    pub fn entry(&self, which: &str) -> String {
        let (_, digits) = beneath::of_staged(&self.name).unwrap_or_default();
        format!("{digits}.{which}")
    }

    /// Gives what was made there to a group and sets its mode, whatever the umask says. `shown` is the path that it is to
    /// have, for texts.
    pub fn set_access(&self, entry: &str, mode: u32, group: Option<u32>, shown: &Path) -> Result<()> {
        let Some(Opened { fd, .. }) = self.inside.beneath().handle(entry)? else {
            return Err(removed(shown));
        };
        if let Some(gid) = group {
            let given = rustix::fs::chownat(&fd, "", None, Some(Gid::from_raw(gid)), AtFlags::EMPTY_PATH);
            given.or_else(|e| group::refuse(shown.display(), gid, e))?;
        }
        rustix::fs::chmod(beneath::kernel_path(&fd), Mode::from_raw_mode(mode))
            .doing(format_args!("setting the mode of {}", shown.display()))
    }

    /// Gives what was made there its name in the directory around. See [`Beneath::rename`].
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
            // What cannot be removed now is swept by the next who takes the name.
            let _ = clear(self.inside.beneath(), &self.name);
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes what was made in such a directory; anything else in it is not ours to remove.
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

/// What a sweep has done.
#[derive(Debug, Default)]
pub struct Swept {
    /// Whether something was removed.
    pub any: bool,
    /// What was left, and why: what belongs to other users, and what is of another kind than is left by us.
    pub left: Vec<Error>,
}

impl Swept {
    /// Takes what became of one thing into account: a refusal is told, any other error ends the sweep.
    pub fn note(&mut self, removed: Result<bool>) -> Result<()> {
        match removed {
            Ok(any) => self.any |= any,
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Corrupt) => {
                self.left.push(e)
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Both.
    pub fn and(&mut self, other: Swept) {
        self.any |= other.any;
        self.left.extend(other.left);
    }
}

/// Removes what a dead process of ours was making for these names: files and private directories under
/// [`staged`](beneath::staged) names, and a file, socket or pipe at the temporary name without digits. Only under the lock of
/// the names.
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

/// Removes a private directory of ours, if there is nothing else in it.
fn remove_directory(beneath: Beneath<'_>, name: &str) -> Result<bool> {
    let Some(opened) = beneath.directory(name, Owner::Ours)? else { return Ok(false) };
    let path = beneath.shown(name);
    clear(Beneath::new(opened.fd.as_fd(), &path), name)?;
    match beneath.remove_empty_directory(name) {
        Err(e) if e.errno() == Some(Errno::NOTEMPTY.raw_os_error()) => Ok(false),
        removed => removed,
    }
}
