//! Where a spool lies and how it is laid out: made whole, found again, wiped after the machine has restarted.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::folder::Folder;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::directory::{self, Directory};
use crate::sys::group;
use crate::sys::lock::{self, Lock};
use crate::transport::endpoint::Endpoint;
use crate::transport::loose::Terms;
use crate::transport::place::{Place, temporary};

/// The directories of a spool: messages to the server, messages to clients, who is there, what could not be read.
pub const FOLDERS: [&str; 4] = ["server", "client", "hello", "rejected"];
/// Says in which life of the machine a spool was made: in the next it is empty.
const BOOT: &str = ".boot";
/// Says that it lasts, and that what is put into it has reached the disk before that is said.
const DURABLE: &str = ".durable";

/// An open spool.
#[derive(Debug)]
pub struct Layout {
    pub place: Place,
    pub server: Folder,
    pub client: Folder,
    pub rejected: Folder,
    pub hello: Folder,
    /// Where the locks are of those who are there.
    pub locks: Directory,
    root: OwnedFd,
}

/// Where the spool of an endpoint is, or would be made.
pub fn place(endpoint: &Endpoint, durable: bool) -> Result<Place> {
    if !durable || endpoint.absolute().is_some() {
        return Place::of(endpoint);
    }
    Ok(Place { directory: Arc::new(Directory::state()?), file: endpoint.file_name() })
}

/// Where a durable spool of this endpoint would be, if there is such a directory already.
pub fn durable_directory(endpoint: &Endpoint) -> Option<PathBuf> {
    if endpoint.absolute().is_some() {
        return None;
    }
    let (path, _) = directory::state_path().ok()?;
    path.is_dir().then_some(path)
}

/// Where the durable spool of an endpoint is, if there is one.
pub fn durable_place(endpoint: &Endpoint) -> Option<Place> {
    let path = durable_directory(endpoint)?;
    let file = endpoint.file_name();
    path.join(&file).is_dir().then_some(())?;
    Some(Place { directory: Arc::new(Directory::existing(&path).ok()?), file })
}

/// This life of the machine.
fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path).doing(format_args!("reading {path}"))?.trim().to_owned())
}

impl Layout {
    /// Opens the spool at a place; none where there is none.
    pub fn open(place: &Place) -> Result<Option<Layout>> {
        let path = place.path();
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = match rustix::fs::openat(&place.directory, place.file.as_str(), flags, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(e).doing(format_args!("opening the spool {}", path.display())),
        };
        let facts = rustix::fs::fstat(&root).doing(format_args!("looking at {}", path.display()))?;
        let (mode, durable) = (facts.st_mode & 0o666, exists(&root, DURABLE));
        // Who makes a spool by hand, for scripts, need not think of them all.
        for folder in &FOLDERS[1..] {
            if !exists(&root, folder) && exists(&root, FOLDERS[0]) {
                make_folder(&root, folder, directory_mode(mode))
                    .doing(format_args!("making {}", path.join(folder).display()))?;
            }
        }
        let open = |name: &str| Folder::open(&root, name, &path, mode, durable);
        let locks = Directory::existing(&path.join("hello"))?.with_file_mode(mode);
        let opened = (|| {
            let (server, client, rejected) = (open("server")?, open("client")?, open("rejected")?);
            Ok((server, client, rejected, open("hello")?))
        })();
        let (server, client, rejected, hello) = match opened {
            // It is being taken away.
            Err(e) if is_missing(&e) => return Ok(None),
            opened => opened?,
        };
        Ok(Some(Layout { place: place.clone(), server, client, rejected, hello, locks, root }))
    }

    /// Makes the spool at a place, all of it at once. Only under the place's lock.
    pub fn make(place: &Place, terms: &Terms) -> Result<()> {
        let path = place.path();
        let doing = || format!("making the spool {}", path.display());
        let parent = &place.directory;
        let new = temporary(&place.file);
        remove(parent, &new);
        let mode = directory_mode(terms.mode.unwrap_or(parent.file_mode()));
        let root = (|| {
            let root = make_folder(parent, &new, mode).doing(doing())?;
            for folder in FOLDERS {
                let made = make_folder(&root, folder, mode).doing(doing())?;
                group::give(&made, path.join(folder).display(), terms.group)?;
            }
            group::give(&root, path.display(), terms.group)?;
            Ok::<_, Error>(root)
        })()
        .inspect_err(|_| remove(parent, &new))?;
        if terms.durable { write(&root, DURABLE, "") } else { write(&root, BOOT, &boot()?) }.doing(doing())?;
        match rustix::fs::renameat_with(parent, new.as_str(), parent, &place.file, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL) => rustix::fs::renameat(parent, new.as_str(), parent, &place.file),
            renamed => renamed,
        }
        .doing(doing())?;
        if terms.durable {
            rustix::fs::fsync(parent).doing(doing())?;
        }
        Ok(())
    }

    /// Whether it was made in an earlier life of the machine, and is to be empty in this one.
    pub fn is_stale(&self) -> Result<bool> {
        match read(&self.root, BOOT) {
            Some(made) => Ok(made.trim() != boot()?),
            None => Ok(false),
        }
    }

    /// Removes all that an earlier life of the machine has left. Only under the place's lock.
    pub fn wipe(&self) -> Result<()> {
        for folder in [&self.server, &self.client, &self.rejected, &self.hello] {
            for name in folder.names()? {
                if name != ".lock" {
                    folder.remove(&name)?;
                }
            }
        }
        write(&self.root, BOOT, &boot()?)
            .doing(format_args!("writing {}", self.place.path().join(BOOT).display()))
    }

    /// Whether it goes with the machine's life: what is made by hand, or durable, stays.
    pub fn is_volatile(&self) -> bool {
        exists(&self.root, BOOT)
    }

    /// A path that leads to this spool wherever it has been moved.
    pub fn kernel_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/.", self.root.as_raw_fd()).into()
    }

    /// Refuses to go on where the spool has been taken away while it was in use.
    pub fn check_there(&self) -> Result<()> {
        let folders = [&self.server, &self.client, &self.hello];
        match folders.into_iter().find(|folder| folder.has_vanished()) {
            Some(folder) => Err(folder.vanished()),
            None if !self.is_current() => Err(self.server.vanished()),
            None => Ok(()),
        }
    }

    /// Whether the name still leads here.
    pub fn is_current(&self) -> bool {
        let here = rustix::fs::fstat(&self.root);
        let there = rustix::fs::statat(&self.place.directory, self.place.file.as_str(), AtFlags::empty());
        matches!((here, there), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// Takes an empty spool away; false where something came in between. Only under the place's lock.
    pub fn take_away(self) -> Result<bool> {
        let parent = &self.place.directory;
        let old = temporary(&self.place.file);
        let doing = || format!("removing the spool {}", self.place.path().display());
        rustix::fs::renameat(parent, &self.place.file, parent, old.as_str()).doing(doing())?;
        // Nobody finds it any more; whoever had found it before is seen here, and finds out in turn.
        let emptied = FOLDERS[..2]
            .iter()
            .all(|folder| rustix::fs::unlinkat(&self.root, *folder, AtFlags::REMOVEDIR).is_ok());
        if emptied && super::presence::living(&self.locks, &self.hello)?.is_empty() {
            remove(parent, &old);
            return Ok(true);
        }
        for folder in &FOLDERS[..2] {
            if !exists(&self.root, folder) {
                let mode = rustix::fs::fstat(&self.root).doing(doing())?.st_mode & 0o7777;
                make_folder(&self.root, folder, mode).doing(doing())?;
            }
        }
        rustix::fs::renameat(parent, old.as_str(), parent, &self.place.file).doing(doing())?;
        Ok(false)
    }
}

/// Holds the lock of a place for a moment; none where a server has it.
pub fn lock(place: &Place) -> Result<Option<Lock>> {
    lock::try_lock(&place.directory, &place.file)
}

/// The mode of a directory whose files have this mode: who may read may enter.
fn directory_mode(files: u32) -> u32 {
    let enter = (files & 0o444) >> 2;
    let inherits_group = if files & 0o060 == 0 { 0 } else { 0o2000 };
    files | enter | inherits_group
}

fn make_folder(parent: impl AsFd, name: &str, mode: u32) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode & 0o777)) {
        Ok(()) => {}
        // Somebody else who opens it has just made it.
        Err(Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))?;
    Ok(folder)
}

fn exists(parent: impl AsFd, name: &str) -> bool {
    rustix::fs::statat(parent, name, AtFlags::empty()).is_ok()
}

fn is_missing(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn read(parent: impl AsFd, name: &str) -> Option<String> {
    let file = rustix::fs::openat(parent, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = [0; 64];
    let read = rustix::io::read(file, &mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..read]).into_owned())
}

fn write(parent: impl AsFd, name: &str, text: &str) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?;
    rustix::io::write(file, text.as_bytes()).map(drop)
}

/// Removes a spool that nobody can find, and what lies in it; what cannot be removed now is removed by the next.
pub fn remove(parent: &Directory, name: &str) {
    let _ = parent.beneath().remove_tree(name);
}
