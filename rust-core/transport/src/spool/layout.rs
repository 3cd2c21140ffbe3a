//! The directory of a spool and its contents: created at once, opened again, and wiped after a reboot.
//!
//! ```text
//! lab@fft.spool/server/      messages to the server
//! lab@fft.spool/client/      messages and answers to clients
//! lab@fft.spool/hello/       the participants, and their locks
//! lab@fft.spool/rejected/    files that could not be read
//! lab@fft.spool/.boot        the boot id under which it was made; or .durable
//! ```
//!
//! A spool is made under an unguessable name and then renamed; its removal begins with a renaming. The next
//! server or client wipes a volatile spool with an old boot id. All access goes through open directories and
//! follows no link (`sys::beneath`), so a user with write access to a parent directory cannot redirect a
//! program.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;

use super::folder::{SpoolFolder, living_clients};
use crate::attached;
use crate::connectionless::ConnectOptions;
use crate::endpoint::Endpoint;
use crate::error::{Doing, Result};
use crate::place::Place;
use crate::sys::beneath::{self, Beneath, RequiredOwner, is_ours, kind_of, write_all};
use crate::sys::directory::{self, Directory};
use crate::sys::lock::{self, Lock};
use crate::sys::staging::Swept;
use crate::sys::user;

pub const FOLDERS: [&str; 4] = ["server", "client", "hello", "rejected"];
/// The file with the boot id of the spool's creation.
const BOOT: &str = ".boot";
/// The file that marks a durable spool.
const DURABLE: &str = ".durable";

#[derive(Debug)]
pub struct SpoolDirectory {
    pub place: Place,
    /// Messages to the server.
    pub server: SpoolFolder,
    /// Messages and answers to clients.
    pub client: SpoolFolder,
    pub rejected: SpoolFolder,
    pub hello: SpoolFolder,
    /// The directory with the locks of the participants: `hello/` again.
    pub locks: Directory,
    root: OwnedFd,
    facts: Stat,
}

pub fn place(endpoint: &Endpoint, durable: bool) -> Result<Place> {
    if !durable || endpoint.absolute().is_some() {
        return Place::of(endpoint);
    }
    Ok(Place { directory: Arc::new(Directory::state()?), file: endpoint.file_name() })
}

pub fn durable_directory(endpoint: &Endpoint) -> Option<PathBuf> {
    if endpoint.absolute().is_some() {
        return None;
    }
    let (path, _) = directory::state_path().ok()?;
    path.is_dir().then_some(path)
}

pub fn durable_place(endpoint: &Endpoint) -> Option<Place> {
    let path = durable_directory(endpoint)?;
    let (directory, file) = (Arc::new(Directory::existing(&path).ok()?), endpoint.file_name());
    directory.beneath().facts(&file).ok()??;
    Some(Place { directory, file })
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path).doing(format_args!("reading {path}"))?.trim().to_owned())
}

const BOOT_LENGTH: usize = 64;

fn boot_made(root: Beneath<'_>, facts: &Stat) -> Result<Option<String>> {
    if !is_ours(facts) {
        return Ok(None);
    }
    let read = root.read(BOOT, BOOT_LENGTH, RequiredOwner::Ours)?;
    Ok(read.map(|(text, _)| String::from_utf8_lossy(&text).trim().to_owned()))
}

/// Like [`SpoolDirectory::is_stale`], for programs that only list it; false if that cannot be read.
pub fn is_of_earlier_boot(root: Beneath<'_>, facts: &Stat) -> Result<bool> {
    match boot_made(root, facts) {
        Ok(Some(made)) => Ok(made != boot()?),
        Ok(None) | Err(_) => Ok(false),
    }
}

impl SpoolDirectory {
    /// Opens the spool at a place. `None` without a spool, and during its removal.
    ///
    /// # Errors
    /// `PermissionDenied` if a link or another user's directory replaces one of its directories.
    pub fn open(place: &Place) -> Result<Option<SpoolDirectory>> {
        let path = place.path();
        let Some(opened) = place.directory.beneath().directory(&place.file, RequiredOwner::AnyUser)? else {
            return Ok(None);
        };
        let (root, facts) = (opened.fd, opened.facts);
        let parent = Beneath::new(root.as_fd(), &path);
        let durable = parent.facts(DURABLE)?.is_some();
        let Some(server) = SpoolFolder::open(parent, FOLDERS[0], None, durable)? else { return Ok(None) };
        let mode = server.mode();
        // A spool that was made by hand, for scripts, may have only `server/`.
        for folder in &FOLDERS[1..] {
            if parent.facts(folder)?.is_none() {
                make_folder(parent, folder, directory_mode(mode), None)?;
            }
        }
        let open = |name: &str| SpoolFolder::open(parent, name, Some(mode), durable);
        let (Some(client), Some(rejected), Some(hello)) =
            (open("client")?, open("rejected")?, open("hello")?)
        else {
            // It is being removed.
            return Ok(None);
        };
        let handle = hello
            .as_fd()
            .try_clone_to_owned()
            .doing(format_args!("duplicating the descriptor of {}", hello.path().display()))?;
        let around = rustix::fs::fstat(&handle)
            .doing(format_args!("looking at the directory {}", hello.path().display()))?;
        let locks = Directory::opened(hello.path().to_owned(), handle, &around).with_file_mode(mode);
        Ok(Some(SpoolDirectory { place: place.clone(), server, client, rejected, hello, locks, root, facts }))
    }

    /// Makes the whole spool at a place at once. The caller holds the place's lock.
    pub fn make(place: &Place, connect_options: &ConnectOptions) -> Result<()> {
        let parent = place.directory.beneath();
        sweep_staged(place, &mut Swept::default())?;
        // A name that no other user can take first.
        let new = beneath::staged(&place.file)?;
        let made =
            make_all(place, &new, connect_options).and_then(|()| parent.rename(parent, &new, &place.file));
        if let Err(e) = made {
            // The caller gets the first error; a later sweep removes the file.
            let _ = parent.remove_tree(&new);
            return Err(e);
        }
        Ok(())
    }

    /// Syncs a durable spool's directories of messages.
    ///
    /// Other processes may have been killed before they synced answers or removals. After a power cut,
    /// numbers seen before this call are not reused.
    pub fn sync_messages(&self) -> Result<()> {
        self.server.sync()?;
        self.client.sync()
    }

    pub fn sync_name(&self) -> Result<()> {
        let path = self.place.path();
        match self.beneath(&path).facts(DURABLE)? {
            Some(_) => self.place.directory.sync_names(),
            None => Ok(()),
        }
    }

    fn beneath<'a>(&'a self, path: &'a Path) -> Beneath<'a> {
        Beneath::new(self.root.as_fd(), path)
    }

    /// Returns the boot id of its creation, as its owner wrote it.
    ///
    /// Returns `None` for another user's, a durable, or a handmade spool.
    pub fn boot_made(&self) -> Result<Option<String>> {
        boot_made(self.beneath(&self.place.path()), &self.facts)
    }

    /// Returns whether it was made before the machine's last start, and must be wiped.
    pub fn is_stale(&self) -> Result<bool> {
        is_of_earlier_boot(self.beneath(&self.place.path()), &self.facts)
    }

    /// Removes everything from before the machine's last start. The caller holds the place's lock.
    pub fn wipe(&self) -> Result<()> {
        let path = self.place.path();
        // Other users that can replace the file with the boot id could have all messages removed. Then only
        // this user's files are removed.
        let is_certain = self.facts.st_mode & 0o022 == 0;
        for folder in [&self.server, &self.client, &self.rejected, &self.hello] {
            folder.each_name(|name| {
                let facts = folder.facts(name).filter(|facts| is_certain || is_ours(facts));
                // A directory is not a message.
                if name != lock::NAME && facts.is_some_and(|facts| kind_of(&facts) != FileType::Directory) {
                    folder.remove(name)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        // The schemas of the messages are removed with them.
        for name in [attached::SCHEMA, attached::REPLY_SCHEMA] {
            self.beneath(&path).remove(name)?;
        }
        self.beneath(&path).replace(BOOT, boot()?.as_bytes(), 0o644, None)
    }

    /// Returns whether it ends with the next start of the machine, unlike a durable or handmade spool.
    pub fn is_volatile(&self) -> bool {
        matches!(self.boot_made(), Ok(Some(_)))
    }

    pub fn kernel_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}/.", self.root.as_raw_fd()).into()
    }

    /// Returns `Disconnected` if the spool was removed while it was in use.
    pub fn check_exists(&self) -> Result<()> {
        let folders = [&self.server, &self.client, &self.hello];
        match folders.into_iter().find(|folder| folder.is_removed()) {
            Some(folder) => Err(folder.removed_error()),
            None if !self.is_current() => Err(self.server.removed_error()),
            None => Ok(()),
        }
    }

    /// Returns whether the spool's server may have written a file: this user, root, or the spool's owner.
    pub fn is_by_server(&self, file: &Stat) -> bool {
        is_ours(file) || [0, self.facts.st_uid].contains(&file.st_uid)
    }

    pub fn is_current(&self) -> bool {
        let here = rustix::fs::fstat(&self.root);
        let named =
            rustix::fs::statat(&self.place.directory, self.place.file.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        matches!((here, named), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
    }

    /// Removes an empty spool of this user. The caller holds the place's lock.
    ///
    /// Returns false, and keeps the spool, if a file was added since.
    pub fn remove(self) -> Result<bool> {
        let path = self.place.path();
        let (around, root) = (self.place.directory.beneath(), self.beneath(&path));
        let old = beneath::staged(&self.place.file)?;
        let doing = || format!("removing the spool {}", path.display());
        if !self.is_current() {
            return Ok(false);
        }
        rustix::fs::renameat(&self.place.directory, &self.place.file, &self.place.directory, old.as_str())
            .doing(doing())?;
        // No process finds it any more. An earlier opener is either seen here, or finds out with
        // `is_current`.
        let emptied = FOLDERS[..2]
            .iter()
            .all(|folder| rustix::fs::unlinkat(&self.root, *folder, AtFlags::REMOVEDIR).is_ok());
        if emptied && living_clients(&self.locks, &self.hello)?.is_empty() {
            around.remove_tree(&old)?;
            return Ok(true);
        }
        for folder in &FOLDERS[..2] {
            if root.facts(folder)?.is_none() {
                let mode = rustix::fs::fstat(&self.hello).doing(doing())?.st_mode & 0o7777;
                make_folder(root, folder, mode, None)?;
            }
        }
        around.rename(around, &old, &self.place.file)?;
        Ok(false)
    }
}

/// Makes a spool under a temporary name, and syncs it if it is durable.
fn make_all(place: &Place, new: &str, connect_options: &ConnectOptions) -> Result<()> {
    let (around, path) = (place.directory.beneath(), place.path());
    let doing = || format!("making the spool {}", path.display());
    let mode = directory_mode(connect_options.mode.unwrap_or(place.directory.file_mode()));
    // Its users may put messages into its directories, but cannot replace the directories.
    let root = make_folder(around, new, mode & !0o022, connect_options.group)?;
    let root = Beneath::new(root.as_fd(), &path);
    for folder in FOLDERS {
        let made = make_folder(root, folder, mode, connect_options.group)?;
        if connect_options.durable {
            rustix::fs::fsync(made).doing(doing())?;
        }
    }
    let (marker, text) = if connect_options.durable { (DURABLE, String::new()) } else { (BOOT, boot()?) };
    let marker = root.create(marker, 0o644, None)?;
    write_all(&marker, text.as_bytes()).doing(doing())?;
    if connect_options.durable {
        // A spool that lost its marker in a power cut would be wiped. Without its directories it is invalid.
        rustix::fs::fsync(&marker).doing(doing())?;
        rustix::fs::fsync(root).doing(doing())?;
    }
    Ok(())
}

/// Removes this user's unfinished spools under this name, whose lock the caller holds.
pub fn sweep_staged(place: &Place, swept: &mut Swept) -> Result<()> {
    let around = place.directory.beneath();
    for name in around.names()? {
        let is_one = beneath::of_staged(&name).is_some_and(|(file, _)| file == place.file);
        if is_one && around.facts(&name)?.is_some_and(|facts| kind_of(&facts) == FileType::Directory) {
            swept.note(around.remove_tree(&name))?;
        }
    }
    Ok(())
}

/// Takes the lock of a place. `None` if a server has it.
pub fn lock(place: &Place) -> Result<Option<Lock>> {
    lock::try_lock(&place.directory, &place.file)
}

/// Takes the lock of a place jointly with other workers. `None` if another process has it exclusively.
pub fn share(place: &Place) -> Result<Option<Lock>> {
    lock::try_share(&place.directory, &place.file)
}

/// Users that may read files may enter their directory.
fn directory_mode(files: u32) -> u32 {
    let enter = (files & 0o444) >> 2;
    let inherits_group = if files & 0o060 == 0 { 0 } else { 0o2000 };
    files | enter | inherits_group
}

/// Makes a directory of this mode for this group. Leaves a directory of another process as it is.
fn make_folder(parent: Beneath<'_>, name: &str, mode: u32, group: Option<u32>) -> Result<OwnedFd> {
    let shown = parent.shown(name);
    let doing = || format!("making {}", shown.display());
    let made = match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(e).doing(doing()),
    };
    let whose = if made { RequiredOwner::Ours } else { RequiredOwner::Trusted };
    let Some(folder) = parent.directory(name, whose)? else { return Err(Errno::NOENT).doing(doing()) };
    if made {
        user::give_to_group(&folder.fd, shown.display(), group)?;
        // Only after the change of the group, and because the umask may have removed bits.
        rustix::fs::fchmod(&folder.fd, Mode::from_raw_mode(mode)).doing(doing())?;
    }
    Ok(folder.fd)
}
