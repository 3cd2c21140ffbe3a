//! Takes the name of a socket, exclusively or shared with other processes, and releases it.
//!
//! The process makes the socket in a private directory, sets the mode, listens, and renames the socket to its
//! name. So a process that sees the name can connect, and the name never leads to a socket with another mode.
//! A sweep, or an ending process, holds the lock for milliseconds. So a name is refused only after it is
//! certain that a living process owns it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::FileType;

use super::authentication::{self, Authenticator};
use super::owner::{self, OwnerRecord};
use super::place::{Access, Place};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath;
use crate::sys::fork::{self, Guarded};
use crate::sys::lock::{self, Lock};
use crate::sys::peer;
use crate::sys::socket::{self, Carries};
use crate::sys::staging::{self, Staging, Swept};

/// How long a process that shares a name retries while other processes start or end.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between the closing of two descriptors in a process that ends, even on a busy machine.
const EXIT_TIME: Duration = Duration::from_millis(500);
/// How long a sweep may hold a lock: less than a millisecond of work, delayed on a busy machine.
const SWEEP_TIME: Duration = Duration::from_secs(1);

impl Access {
    fn within(&self, time: Duration) -> Duration {
        self.patience.map_or(time, |patience| patience.min(time))
    }
}

impl Place {
    /// Listens at this place, and takes over a dead owner's files.
    ///
    /// Blocks for up to a second, within the caller's patience, if the lock is held and no process answers at
    /// the socket.
    ///
    /// # Errors
    /// `AddressInUse` if a living process listens, with its process number; `PermissionDenied` if another
    /// user's file has the name.
    pub fn bind(&self, access: Access) -> Result<BoundName> {
        let (begun, mut tries) = (Instant::now(), 0);
        loop {
            let exit_time = access.within(EXIT_TIME).saturating_sub(begun.elapsed());
            let lock = lock::try_own(&self.directory, &self.file)?;
            let is_locked = lock.is_none();
            let claimed = match lock {
                Some(lock) => self.bind_under(lock, access),
                None => Err(self.in_use()),
            };
            match claimed {
                Err(e)
                    if e.kind() == ErrorKind::AddressInUse
                        && (tries < 50 || is_locked && begun.elapsed() < access.within(SWEEP_TIME))
                        && !self.is_answered(exit_time)? =>
                {
                    tries += 1;
                    crate::sys::sleeping::sleep(Duration::from_millis(1));
                }
                Err(_) if is_locked => return Err(self.in_use_by(self.listening_process())),
                claimed => return claimed,
            }
        }
    }

    fn listening_process(&self) -> Option<u32> {
        let socket = self.connect(Carries::Bytes, Duration::ZERO).ok()??;
        peer::credentials(&socket).ok()?.pid
    }

    /// Like [`Place::bind`], without waiting: for a caller that connects to the owner instead.
    pub fn try_bind(&self, access: Access) -> Result<BoundName> {
        match lock::try_own(&self.directory, &self.file)? {
            Some(lock) => self.bind_under(lock, access),
            None => Err(self.in_use()),
        }
    }

    fn bind_under(&self, lock: Lock, access: Access) -> Result<BoundName> {
        // The lock is held, so files at either name are stale.
        self.check_socket(&lock)?;
        self.sweep_beginnings()?;
        let mode = access.mode.unwrap_or(self.directory.file_mode());
        let staging = Staging::new(&self.directory, &self.file)?;
        let entry = staging.entry("socket");
        let socket = socket::listen(
            &staging,
            &entry,
            access.carries,
            mode,
            access.group,
            access.shared,
            &self.path(),
        )?;
        staging.publish(&self.directory, &entry, &self.file)?;
        drop(staging);
        let born = fork::generation();
        let authenticator: Arc<dyn Authenticator> = Arc::new(authentication::NoProof);
        let (socket, is_shared) = (Arc::new(socket), access.shared);
        Ok(BoundName {
            socket,
            authenticator,
            place: self.clone(),
            born,
            is_shared,
            _owner_record: None,
            lock: Some(lock),
        })
    }

    /// Listens here jointly with other processes of this user, or as the first.
    ///
    /// `ask` asks another process for the socket; it returns `None` if that process has just ended. Blocks
    /// for up to `JOIN_TIMEOUT`, within the caller's patience.
    ///
    /// # Errors
    /// `AddressInUse` if a process listens exclusively; the errors of `ask`.
    pub fn bind_shared(
        &self,
        access: Access,
        ask: impl Fn() -> Result<Option<OwnedFd>>,
    ) -> Result<BoundName> {
        let ends = Deadline::after(access.within(JOIN_TIMEOUT));
        loop {
            if let Some(lock) = lock::try_own(&self.directory, &self.file)? {
                let mut bound = self.bind_under(lock, access)?;
                bound.lock.as_mut().map_or(Ok(()), Lock::share)?;
                return Ok(bound);
            }
            // The shared lock is held before the request, so from then on no process can begin to listen
            // exclusively.
            if let Some(lock) = lock::try_share_own(&self.directory, &self.file)? {
                if let Some(socket) = ask()? {
                    socket::check_listening(&socket)?;
                    let socket = Arc::new(Guarded::new(socket));
                    let authenticator: Arc<dyn Authenticator> = Arc::new(authentication::NoProof);
                    let (born, place) = (fork::generation(), self.clone());
                    return Ok(BoundName {
                        socket,
                        authenticator,
                        place,
                        born,
                        is_shared: true,
                        _owner_record: None,
                        lock: Some(lock),
                    });
                }
            } else {
                // A process listens exclusively and refuses, or the first of several has the exclusive lock
                // while it starts.
                drop(ask()?);
            }
            if ends.has_passed() {
                return Err(self.in_use());
            }
            // One process starts to listen, or has just died, or several ask each other: each retries after a
            // different time.
            let spread = u64::from(std::process::id()) % 3000;
            crate::sys::sleeping::sleep(Duration::from_micros(500 + spread));
        }
    }

    /// Refuses to replace anything but a socket, or a file of another user: an absolute path may name
    /// anything.
    fn check_socket(&self, lock: &Lock) -> Result<()> {
        let beneath = self.directory.beneath();
        let Some(facts) = beneath.facts(&self.file)? else { return Ok(()) };
        let kind = beneath::kind_of(&facts);
        if kind != FileType::Socket {
            let text = format!(
                "{} is there already and is no socket but {} of uid {}; remove it, or choose another path",
                self.path().display(),
                beneath::name_of(kind),
                facts.st_uid
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        self.check_ours(&self.file, lock)
    }

    /// Refuses to take a name that another user's file has.
    ///
    /// # Errors
    /// `AddressInUse` if another user holds the byte of the name, and so may own it; else `PermissionDenied`.
    pub fn check_ours(&self, name: &str, lock: &Lock) -> Result<()> {
        let beneath = self.directory.beneath();
        match beneath.facts(name)?.filter(|facts| !beneath::is_ours(facts)) {
            None => Ok(()),
            Some(_) if !lock.is_visible() => Err(self.in_use()),
            Some(facts) => {
                Err(beneath.refuse(name, &facts, "and what another user has left is not taken over"))
            }
        }
    }

    fn in_use(&self) -> Error {
        self.in_use_by(None)
    }

    fn in_use_by(&self, process: Option<u32>) -> Error {
        owner::in_use(process, "listens at", self.path().display(), "connect to it, or end it first")
    }

    /// Takes a name for a socket with an address from the kernel: the file at the name is only for listings.
    ///
    /// # Errors
    /// `AddressInUse` if another process has the lock; the errors of `owner_record`, which writes the file.
    pub fn register(
        &self,
        socket: Guarded,
        authenticator: Arc<dyn Authenticator>,
        owner_record: impl FnOnce() -> Result<OwnerRecord>,
    ) -> Result<BoundName> {
        let Some(lock) = lock::own(&self.directory, &self.file)? else {
            let text = format!("another program has the lock of {}; end it first", self.path().display());
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        let (born, owner_record) = (fork::generation(), Some(owner_record()?));
        let (socket, lock) = (Arc::new(socket), Some(lock));
        Ok(BoundName {
            socket,
            authenticator,
            place: self.clone(),
            born,
            is_shared: false,
            _owner_record: owner_record,
            lock,
        })
    }

    /// Removes this user's stale files at the name, and temporary ones. The caller holds its lock.
    ///
    /// # Errors
    /// `PermissionDenied` if another user's file has the name.
    pub fn remove_leftovers(&self) -> Result<()> {
        self.sweep_beginnings()?;
        self.directory.beneath().remove(&self.file).map(drop)
    }

    /// Removes this user's temporary files and owner record. The caller holds the lock of the name.
    pub fn sweep_beginnings(&self) -> Result<Swept> {
        let mut swept = staging::sweep(&self.directory, &[&self.file, &owner::record_of_file(&self.file)])?;
        swept.note(owner::remove(self))?;
        Ok(swept)
    }
}

/// An owned name with its listening socket.
///
/// Its drop releases the lock, and removes the name after the last process that listens there.
#[derive(Debug)]
pub struct BoundName {
    pub socket: Arc<Guarded>,
    pub authenticator: Arc<dyn Authenticator>,
    place: Place,
    born: u64,
    is_shared: bool,
    /// Declared before the lock, so it is removed while the lock is held.
    _owner_record: Option<OwnerRecord>,
    /// Exclusive or shared. `None` only within the drop.
    lock: Option<Lock>,
}

impl Drop for BoundName {
    fn drop(&mut self) {
        // A forked child owns neither the lock nor the name.
        if self.born != fork::generation() {
            return;
        }
        if self.is_shared {
            // Only the last process gets the exclusive lock, and removes the name.
            self.lock = None;
            self.lock = lock::try_own(&self.place.directory, &self.place.file).unwrap_or_default();
            if self.lock.is_none() {
                return;
            }
        }
        // The lock is still held, so the name is this process's. The next owner sweeps any remaining file.
        let _ = self.place.directory.beneath().remove(&self.place.file);
    }
}

impl BoundName {
    pub fn place(&self) -> &Place {
        &self.place
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::error::Doing;
    use crate::sys::directory::Directory;

    fn place(folder: &tempfile::TempDir) -> Place {
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        Place { directory, file: "x.shm".into() }
    }

    #[test]
    fn sweep_never_takes_a_name_from_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let (place, done) = (place(&folder), AtomicBool::new(false));
        /// Ends the sweeping even if the test fails.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    crate::sweep::sweep(&place, true).unwrap();
                }
            });
            let _done = Done(&done);
            for _ in 0..300 {
                // The files of a killed listener, whose socket no child of another test has.
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, place.path(), rustix::fs::FileType::Socket, mode, 0)
                    .unwrap();
                let bound = place.bind(Access::default()).unwrap();
                assert!(place.is_bound().unwrap() && place.path().exists());
                drop(bound);
            }
        });
    }

    #[test]
    fn claim_probes_a_living_listener_once_and_takes_over_from_one_that_hangs_up() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let lock = lock::try_own(&place.directory, &place.file).unwrap().unwrap();
        let listener = UnixListener::bind(place.path()).unwrap();
        assert_eq!(place.bind(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        listener.set_nonblocking(true).unwrap();
        assert_eq!(std::iter::from_fn(|| listener.accept().ok()).count(), 2);
        listener.set_nonblocking(false).unwrap();
        std::thread::scope(|s| {
            s.spawn(|| {
                let newcomer = listener.accept().unwrap();
                drop((lock, listener, newcomer));
            });
            place.bind(Access::default()).unwrap();
        });
    }

    /// A caller with enough patience takes the name over from an owner that ends; without patience it is
    /// refused.
    #[test]
    fn claim_waits_for_an_owner_that_ends_as_long_as_the_caller_has_patience() {
        for (patience, takes_over) in [(Duration::ZERO, false), (Duration::from_secs(60), true)] {
            let folder = tempfile::tempdir().unwrap();
            let place = place(&folder);
            let lock = lock::try_own(&place.directory, &place.file).unwrap().unwrap();
            let listener = std::os::unix::net::UnixListener::bind(place.path()).unwrap();
            let (ends, told) = std::sync::mpsc::channel::<()>();
            std::thread::scope(|s| {
                s.spawn(move || {
                    let newcomer = listener.accept().unwrap();
                    let _ = told.recv_timeout(Duration::from_millis(200));
                    drop((lock, listener, newcomer));
                });
                let bound = place.bind(Access { patience: Some(patience), ..Access::default() });
                drop(ends);
                assert_eq!(
                    bound.map(drop).map_err(|e| e.kind()),
                    takes_over.then_some(()).ok_or(ErrorKind::AddressInUse)
                );
            });
        }
    }

    #[test]
    fn claim_waits_for_a_delayed_sweeper() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let lock = lock::try_own(&place.directory, &place.file).unwrap().unwrap();
        std::thread::scope(|s| {
            s.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                drop(lock);
            });
            place.bind(Access::default()).unwrap();
        });
    }

    #[test]
    fn claim_leaves_files_that_are_no_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        std::fs::write(place.path(), "a thesis").unwrap();
        let error = place.try_bind(Access::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert!(error.text().contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), "a thesis");
    }

    #[test]
    fn listeners_that_share_a_name_share_its_socket_and_the_last_one_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let access = Access { shared: true, ..Access::default() };
        let first = place.bind_shared(access, || panic!("there is no process to query")).unwrap();
        let give = || first.socket.as_fd().try_clone_to_owned().map(Some).doing("duplicating");
        let second = place.bind_shared(access, give).unwrap();
        assert_eq!(place.bind(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        let no_socket = || Ok(Some(std::fs::File::open("/dev/null").unwrap().into()));
        assert_eq!(place.bind_shared(access, no_socket).unwrap_err().kind(), ErrorKind::Malformed);
        drop(first);
        assert!(place.connect(Carries::Bytes, Duration::ZERO).unwrap().is_some());
        drop(second);
        assert!(!place.path().exists());
        place.bind(Access::default()).unwrap();
    }

    #[test]
    fn name_has_one_listener() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let bound = place.bind(Access::default()).unwrap();
        assert_eq!(place.bind(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        assert_eq!(place.try_bind(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        drop(bound);
        assert!(!place.path().exists());
        place.bind(Access::default()).unwrap();
    }
}
