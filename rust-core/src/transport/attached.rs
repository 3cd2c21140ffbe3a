//! What a layer above keeps in the directory of a spool or a journal: a few bytes, which appear whole and are on the disk, or not at all.

use std::os::fd::{AsFd, OwnedFd};

use super::place::Place;
use crate::error::{Doing, Result};
use crate::sys::beneath::{Beneath, Owner, is_ours, of_staged, staged, write_all};

/// What the messages of a place mean.
pub const SCHEMA: &str = ".schema";
/// What is replied to them.
pub const REPLY_SCHEMA: &str = ".reply_schema";

/// The directory of a place, and the mode of a file that those may read who may enter it; none where there is none.
fn directory(place: &Place) -> Result<Option<(OwnedFd, u32)>> {
    let opened = place.directory.beneath().directory(&place.file, Owner::Anybody)?;
    Ok(opened.map(|opened| (opened.fd, 0o600 | opened.facts.st_mode & 0o044)))
}

/// The bytes in a file, of at most `limit`; none where there are none. Whoever may write to the directory may have put them there.
pub fn read(place: &Place, name: &str, limit: usize) -> Result<Option<Vec<u8>>> {
    let Some((fd, _)) = directory(place)? else { return Ok(None) };
    let path = place.path();
    let read = Beneath::new(fd.as_fd(), &path).read(name, limit, Owner::Anybody)?;
    Ok(read.map(|(bytes, _)| bytes))
}

/// The names of all files there.
pub fn names(place: &Place) -> Result<Vec<String>> {
    let Some((fd, _)) = directory(place)? else { return Ok(Vec::new()) };
    Beneath::new(fd.as_fd(), &place.path()).names()
}

/// Removes a file, if it is ours.
pub fn remove(place: &Place, name: &str) -> Result<()> {
    let Some((fd, _)) = directory(place)? else { return Ok(()) };
    let path = place.path();
    let inside = Beneath::new(fd.as_fd(), &path);
    if inside.facts(name)?.is_some_and(|facts| is_ours(&facts)) {
        inside.remove(name)?;
    }
    Ok(())
}

/// Puts the bytes there, in the place of those of ours. `PermissionDenied` where they are another user's, or the directory is.
pub fn write(place: &Place, name: &str, bytes: &[u8]) -> Result<()> {
    let Some((fd, mode)) = directory(place)? else { return Ok(()) };
    let path = place.path();
    let inside = Beneath::new(fd.as_fd(), &path);
    // What a program that was killed had begun.
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
        // The first error is the one that counts; what cannot be removed now is removed by the next.
        let _ = inside.remove(&new);
    })?;
    rustix::fs::fsync(&fd).doing(doing())
}
