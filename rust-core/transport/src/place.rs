//! A place: the name of an endpoint in a directory, and operations on it that need no driver.
//!
//! A listener holds a lock on the name (a byte range in `.lock`, see `sys::lock`), makes its socket under
//! another name and renames it. So the name appears whole or not at all. After the owner's death the next
//! listener removes its files.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::FileType;

use super::endpoint::Endpoint;
use super::kind::NameDirectory;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::{self, RequiredOwner};
use crate::sys::directory::{Directory, whose};
use crate::sys::fork::Guarded;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::happens_within;
use crate::sys::socket::{self, Carries};

/// The action in [`Place::denied`] if a socket refuses a connection, and the right that it needs.
pub(crate) const CONNECT: &str = "connect to";
const WRITE: rustix::fs::Access = rustix::fs::Access::WRITE_OK;

/// The access rights of the files and sockets of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// The mode of files, pipes and sockets; `None` for that of the directory.
    pub mode: Option<u32>,
    /// The group; `None` for that of the process or the directory.
    pub group: Option<u32>,
    /// The ancillary data that peers may send over a socket.
    pub carries: Carries,
    /// Whether other processes of this user may also listen there.
    pub shared: bool,
    /// The longest wait for an owner's end or answer; `None` for the usual times.
    pub patience: Option<Duration>,
}

/// The file of an endpoint, existing or not.
#[derive(Clone, Debug)]
pub struct Place {
    /// The open directory: moving it changes nothing.
    pub directory: Arc<Directory>,
    /// The file name in it.
    pub file: String,
}

/// The identity of a name's listener: each renames its own new socket to the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    node: (u64, u64),
    /// A file system may reuse the number of a removed file.
    made: (i64, u64),
}

impl Place {
    /// Returns the listener of the name, living or dead, if the name exists.
    pub fn listener(&self) -> Option<Listener> {
        let facts = self.directory.beneath().facts(&self.file).ok().flatten()?;
        Some(Listener { node: (facts.st_dev, facts.st_ino), made: (facts.st_mtime, facts.st_mtime_nsec) })
    }

    /// Returns the place of an endpoint: in an absolute path's directory, the state or the runtime directory.
    ///
    /// # Errors
    /// The errors of `sys::directory`: `NotFound`, `PermissionDenied`, `InvalidState`.
    pub fn of(endpoint: &Endpoint) -> Result<Place> {
        let (directory, file) = match endpoint.absolute() {
            Some((path, file)) => (Directory::existing(path)?, file.to_owned()),
            None if endpoint.transport().names() == NameDirectory::State => {
                (Directory::state()?, endpoint.file_name())
            }
            None => (Directory::runtime()?, endpoint.file_name()),
        };
        Ok(Place { directory: Arc::new(directory), file })
    }

    /// Returns the path, for texts. It is never opened.
    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join(&self.file)
    }

    /// Explains a refusal of the kernel (`EACCES`, `EPERM`); returns any other error unchanged.
    pub(crate) fn denied(&self, what: &str, error: Error) -> Error {
        match error.errno() {
            // If the socket's rights allow it, something else refused it. Other actions also need the rights
            // of files within the name.
            Some(libc::EACCES) if what != CONNECT || !self.directory.allows(&self.file, WRITE) => {}
            _ => return beneath::refused_call(error),
        }
        let text = format!(
            "uid {} may not {what} {}: {}, {}; let the program that makes it give a mode and a group that both are in (options mode and group), or share a directory with `linkspan setup --group NAME`",
            rustix::process::geteuid().as_raw(),
            self.path().display(),
            whose(&self.path()),
            whose(self.directory.path())
        );
        Error::new(ErrorKind::PermissionDenied, text)
    }

    /// Connects to the socket at this place.
    ///
    /// Blocks for at most `patience` while the listener's queue is full; `None` if it stays full.
    ///
    /// # Errors
    /// `NotFound` if no process listens; `PermissionDenied`; `Corrupt` if something else has the name.
    pub fn connect(&self, carries: Carries, patience: Duration) -> Result<Option<Guarded>> {
        socket::connect(&self.directory, &self.file, carries, patience)
    }

    /// Returns whether a process listens here that keeps the new connection open for `timeout`.
    pub fn is_answered(&self, timeout: Duration) -> Result<bool> {
        match self.connect(Carries::Bytes, Duration::ZERO) {
            // An ending process may still have a queue to connect to, and then closes the connection. A
            // living acceptor gives a new connection seconds for its hello.
            Ok(None) => Ok(true),
            Ok(Some(newcomer)) => Ok(happens_within(newcomer.as_fd(), PollFlags::RDHUP, timeout)?.is_empty()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Notes that this process waits for an owner of the name, until the lock is dropped.
    ///
    /// A publisher serves all such processes before it ends.
    pub fn await_owner(&self) -> Result<Lock> {
        lock::share(&self.directory, &self.awaited())
    }

    /// Returns whether a process of this user waits; other users' notes delay no program.
    pub fn is_awaited(&self) -> Result<bool> {
        lock::is_shared(&self.directory, &self.awaited())
    }

    fn awaited(&self) -> String {
        format!("{} awaited", self.file)
    }

    /// Returns whether a living process listens here.
    pub fn is_bound(&self) -> Result<bool> {
        lock::is_held(&self.directory, &self.file)
    }

    /// Removes the socket at the name if no process has it any more; returns whether it did.
    ///
    /// The caller holds the lock of the name. A program without Linkspan may listen without the lock.
    ///
    /// # Errors
    /// `Corrupt` if it is not a socket, which stays. `AddressInUse` if a process without the lock listens.
    pub(crate) fn remove_dead_socket(&self) -> Result<bool> {
        let beneath = self.directory.beneath();
        let Some(facts) = beneath.facts(&self.file)? else { return Ok(false) };
        beneath.check(&self.file, &facts, FileType::Socket, RequiredOwner::AnyUser)?;
        match self.connect(Carries::Bytes, Duration::ZERO) {
            // Only a refused connection proves that no process has it.
            Err(e) if e.kind() == ErrorKind::NotFound => beneath.remove(&self.file),
            // Its process is just ending, and a later sweep finds it dead.
            Ok(Some(newcomer)) if has_hung_up(&newcomer) => Ok(false),
            // A socket of another type, or of a program that does not admit this one.
            Err(e) if e.errno().is_none() => Err(e),
            Ok(_) | Err(_) => {
                let text = format!(
                    "a program that has not the lock of Linkspan listens at {}: it stays; end that program, and remove the socket if it does not",
                    self.path().display()
                );
                Err(Error::new(ErrorKind::AddressInUse, text))
            }
        }
    }
}

fn has_hung_up(newcomer: &Guarded) -> bool {
    happens_within(newcomer.as_fd(), PollFlags::RDHUP, Duration::ZERO).is_ok_and(|what| !what.is_empty())
}

/// Returns the final name of a file that is still being made.
pub fn of_temporary(file: &str) -> Option<&str> {
    beneath::of_staged(file).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_that_its_listener_has_closed_is_hung_up() {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let near = Guarded::new(near.into());
        assert!(!has_hung_up(&near));
        drop(far);
        assert!(has_hung_up(&near));
    }
}
