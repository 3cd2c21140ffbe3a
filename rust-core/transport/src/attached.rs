//! Short files of a layer above, such as a schema, in the directory of a spool or a journal.
//!
//! A file appears whole and synced, or not at all. The directory may belong to another user, so every read is
//! bounded and another user's files are never replaced.

use std::os::fd::{AsFd, OwnedFd};

use super::place::Place;
use crate::error::{Doing, Result};
use crate::sys::beneath::{Beneath, RequiredOwner, is_ours, of_staged, staged, write_all};

/// The schema of the messages of a place.
pub const SCHEMA: &str = ".schema";
/// The schema of the replies to them.
pub const REPLY_SCHEMA: &str = ".reply_schema";

/// Opens the directory of a place, and returns the mode for files that its users may read.
fn directory(place: &Place) -> Result<Option<(OwnedFd, u32)>> {
    let opened = place.directory.beneath().directory(&place.file, RequiredOwner::AnyUser)?;
    Ok(opened.map(|opened| (opened.fd, 0o600 | opened.facts.st_mode & 0o044)))
}

/// Returns the bytes of a file, at most `limit`, if it exists.
///
/// Any user with write access to the directory may have written them.
///
/// # Errors
/// `TooLarge`, and the errors of opening (`PermissionDenied`, `Corrupt`).
pub fn read(place: &Place, name: &str, limit: usize) -> Result<Option<Vec<u8>>> {
    let Some((fd, _)) = directory(place)? else { return Ok(None) };
    let path = place.path();
    let read = Beneath::new(fd.as_fd(), &path).read(name, limit, RequiredOwner::AnyUser)?;
    Ok(read.map(|(bytes, _)| bytes))
}

/// Returns the names of all files of the place.
pub fn names(place: &Place) -> Result<Vec<String>> {
    let Some((fd, _)) = directory(place)? else { return Ok(Vec::new()) };
    Beneath::new(fd.as_fd(), &place.path()).names()
}

/// Removes this user's files with these names.
///
/// It first syncs the directory: a power cut could restore messages without the files that they use.
pub fn remove_unused(place: &Place, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let Some((fd, _)) = directory(place)? else { return Ok(()) };
    let path = place.path();
    rustix::fs::fsync(&fd).doing(format_args!("syncing {}", path.display()))?;
    let inside = Beneath::new(fd.as_fd(), &path);
    for name in names {
        if inside.facts(name)?.is_some_and(|facts| is_ours(&facts)) {
            inside.remove(name)?;
        }
    }
    Ok(())
}

/// Syncs the names in the place's directory.
///
/// A program may have been killed between a rename and this sync.
pub fn sync(place: &Place) -> Result<()> {
    let Some((fd, _)) = directory(place)? else { return Ok(()) };
    rustix::fs::fsync(&fd).doing(format!("syncing {}", place.path().display()))
}

/// Writes a file over this user's, if the place has a directory. Returns after it is on the disk.
///
/// # Errors
/// `PermissionDenied` if the file or the directory is another user's; `NoSpace`.
pub fn write(place: &Place, name: &str, bytes: &[u8]) -> Result<()> {
    let Some((fd, mode)) = directory(place)? else { return Ok(()) };
    let path = place.path();
    let inside = Beneath::new(fd.as_fd(), &path);
    // Temporary files of programs that were killed here.
    for begun in inside.names()? {
        let is_begun = of_staged(&begun).is_some_and(|(begun, _)| begun == name);
        if is_begun && inside.facts(&begun)?.is_some_and(|facts| is_ours(&facts)) {
            inside.remove(&begun)?;
        }
    }
    let new = staged(name)?;
    let doing = || format!("writing {}", inside.shown(name).display());
    let file = inside.create(&new, mode, None)?;
    let written = write_all(&file, bytes).and_then(|()| rustix::fs::fsync(&file)).doing(doing());
    written.and_then(|()| inside.rename(inside, &new, name)).inspect_err(|_| {
        // The next writer removes the temporary file.
        let _ = inside.remove(&new);
    })?;
    rustix::fs::fsync(&fd).doing(doing())
}
