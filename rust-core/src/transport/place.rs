//! A name in a directory: taken under a lock, appearing whole or not at all, swept when its owner has died.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::FileType;

use super::endpoint::{Endpoint, Transport};
use super::fifo;
use super::owner::{self, OwnerRecord};
use super::spool;
use super::tcp::Gate;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::{self, Owner};
use crate::sys::directory::{Directory, whose};
use crate::sys::fork::{self, Guarded};
use crate::sys::lock::{self, Lock};
use crate::sys::peer;
use crate::sys::poll::wait_any;
use crate::sys::socket::{self, Carries};
use crate::sys::staging::{self, Staging, Swept};

/// How long one of several processes that are to listen at a name tries, while others begin or end.
const JOINING: Duration = Duration::from_secs(5);
/// How long a process that ends may take from one of its descriptors to the next, also on a busy machine.
const DYING: Duration = Duration::from_millis(500);
/// How long one who sweeps may hold a lock: less than a millisecond of work, for which a busy machine may let it wait.
const SWEEPING: Duration = Duration::from_secs(1);

/// Who may use what is made for an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// The mode of files, pipes and sockets; none for what the directory around them says.
    pub mode: Option<u32>,
    /// The group; none for that of the process or the directory.
    pub group: Option<u32>,
    /// What they may send over a socket.
    pub carries: Carries,
    /// Whether other processes of the same user may listen there, too.
    pub shared: bool,
}

/// Where an endpoint's socket is, or would be.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directory.
    pub directory: Arc<Directory>,
    /// The name there.
    pub file: String,
}

impl Place {
    /// The place of an endpoint.
    pub fn of(endpoint: &Endpoint) -> Result<Place> {
        let (directory, file) = match endpoint.absolute() {
            Some((path, file)) => (Directory::existing(path)?, file.to_owned()),
            None if endpoint.transport() == Transport::Journal => (Directory::state()?, endpoint.file_name()),
            None => (Directory::runtime()?, endpoint.file_name()),
        };
        Ok(Place { directory: Arc::new(directory), file })
    }

    /// The path, for texts.
    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join(&self.file)
    }

    /// Says who is refused what here, by whose mode, and what would help. Anything but the kernel's own refusal stays as it
    /// is.
    pub fn denied(&self, what: &str, error: Error) -> Error {
        if !matches!(error.errno(), Some(libc::EACCES | libc::EPERM)) {
            return error;
        }
        let text = format!(
            "uid {} may not {what} {}: {}, {}; let whoever makes it give a mode and a group that both are in (options mode and group), or share a directory with `linkspan setup --group NAME`",
            rustix::process::geteuid().as_raw(),
            self.path().display(),
            whose(&self.path()),
            whose(self.directory.path())
        );
        Error::new(ErrorKind::PermissionDenied, text)
    }

    /// Listens here; `AddressInUse` where a living process does. What a dead one left is taken over.
    ///
    /// The lock may be held for a moment by one who sweeps or gives the name away, and that is no reason to refuse: the
    /// refusal waits until somebody answers there, or until that one has had time enough, also on a busy machine.
    pub fn claim(&self, access: Access) -> Result<Claim> {
        let (begun, mut tries) = (Instant::now(), 0);
        loop {
            let lock = lock::try_own(&self.directory, &self.file)?;
            let is_locked = lock.is_none();
            let claimed = match lock {
                Some(lock) => self.claim_under(lock, access),
                None => Err(self.in_use()),
            };
            match claimed {
                Err(e)
                    if e.kind() == ErrorKind::AddressInUse
                        && (tries < 50 || is_locked && begun.elapsed() < SWEEPING)
                        && !self.is_answered(DYING)? =>
                {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) if is_locked => return Err(self.in_use_by(self.listening_process())),
                claimed => return claimed,
            }
        }
    }

    /// The process that listens here, where it can be asked.
    fn listening_process(&self) -> Option<u32> {
        let socket = self.connect(Carries::Bytes, Duration::ZERO).ok()??;
        peer::credentials(&socket).ok()?.pid
    }

    /// A connection to the socket here, once there is a place in its queue; none where there is none in time.
    pub fn connect(&self, carries: Carries, patience: Duration) -> Result<Option<Guarded>> {
        socket::connect(&self.directory, &self.file, carries, patience)
    }

    /// Whether somebody listens here who does not hang up within a moment.
    pub fn is_answered(&self, moment: Duration) -> Result<bool> {
        match self.connect(Carries::Bytes, Duration::ZERO) {
            // A process that is just ending may still have a queue to connect to; it hangs up as it goes. One that lives
            // gives a newcomer seconds to say hello.
            Ok(None) => Ok(true),
            Ok(Some(newcomer)) => {
                let mut waiting = Waiting::until(Deadline::after(moment));
                match wait_any(&mut waiting, [(newcomer.as_fd(), PollFlags::RDHUP)]) {
                    Ok([happened]) => Ok(happened.is_empty()),
                    Err(e) if e.kind() == ErrorKind::Timeout => Ok(true),
                    Err(e) => Err(e),
                }
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Says that somebody waits for an owner of the name, until the lock is dropped. Any number may.
    pub fn await_owner(&self) -> Result<Lock> {
        lock::share(&self.directory, &self.awaited())
    }

    /// Whether somebody of this user's waits for an owner of the name. What another user says keeps nobody waiting.
    pub fn is_awaited(&self) -> Result<bool> {
        lock::is_shared(&self.directory, &self.awaited())
    }

    fn awaited(&self) -> String {
        format!("{} awaited", self.file)
    }

    /// The same, at once: for one who calls whoever has the name instead.
    pub fn try_claim(&self, access: Access) -> Result<Claim> {
        match lock::try_own(&self.directory, &self.file)? {
            Some(lock) => self.claim_under(lock, access),
            None => Err(self.in_use()),
        }
    }

    fn claim_under(&self, lock: Lock, access: Access) -> Result<Claim> {
        // Under the lock, so what lies at either name is nobody's. A socket is made and listens before it gets its name:
        // whoever sees the name can connect.
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
        let gate = Gate::Open;
        let (socket, is_shared) = (Arc::new(socket), access.shared);
        Ok(Claim {
            socket,
            gate,
            place: self.clone(),
            born,
            is_shared,
            _owner_record: None,
            lock: Some(lock),
        })
    }

    /// Listens here beside other processes of this user that do so, too, or as the first of them. `AddressInUse` where one
    /// listens alone. `ask` asks one of the others for the socket; none where it has just gone.
    pub fn claim_shared(&self, access: Access, ask: impl Fn() -> Result<Option<OwnedFd>>) -> Result<Claim> {
        let ends = Deadline::after(JOINING);
        loop {
            if let Some(lock) = lock::try_own(&self.directory, &self.file)? {
                let mut claim = self.claim_under(lock, access)?;
                claim.lock.as_mut().map_or(Ok(()), Lock::share)?;
                return Ok(claim);
            }
            // Held from before the question, so that nobody listens alone from then on.
            if let Some(lock) = lock::try_share_own(&self.directory, &self.file)? {
                if let Some(socket) = ask()? {
                    socket::check_listening(&socket)?;
                    let socket = Arc::new(Guarded::new(socket));
                    let (born, gate, place) = (fork::generation(), Gate::Open, self.clone());
                    return Ok(Claim {
                        socket,
                        gate,
                        place,
                        born,
                        is_shared: true,
                        _owner_record: None,
                        lock: Some(lock),
                    });
                }
            } else {
                // One listens alone, and refuses, or is the first of several, who holds the lock alone while it begins.
                drop(ask()?);
            }
            if ends.has_passed() {
                return Err(self.in_use());
            }
            // One begins to listen, or has just died, or they ask each other: of several each comes back at another time.
            let spread = u64::from(std::process::id()) % 3000;
            std::thread::sleep(Duration::from_micros(500 + spread));
        }
    }

    /// Refuses to put a socket in the place of something else, or of what another user has left: a path may name anything.
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

    /// Refuses to take a name where something of another user lies: `AddressInUse` where that one seems to live,
    /// `PermissionDenied` where it does not. The lock is that of the place.
    pub fn check_ours(&self, name: &str, lock: &Lock) -> Result<()> {
        let beneath = self.directory.beneath();
        match beneath.facts(name)?.filter(|facts| !beneath::is_ours(facts)) {
            None => Ok(()),
            Some(_) if !lock.is_seen() => Err(self.in_use()),
            Some(facts) => {
                Err(beneath.refuse(name, &facts, "and what another user has left is not taken over"))
            }
        }
    }

    fn in_use(&self) -> Error {
        self.in_use_by(None)
    }

    fn in_use_by(&self, process: Option<u32>) -> Error {
        let who = process.map_or_else(|| "somebody else".to_owned(), |pid| format!("process {pid}"));
        let text = format!("{who} listens at {}; connect to it, or end it first", self.path().display());
        Error::new(ErrorKind::AddressInUse, text)
    }

    /// The same for a socket that has its address from the kernel already, where a name tells of it for listings alone.
    pub fn tell_of(
        &self,
        socket: Guarded,
        gate: Gate,
        owner_record: impl FnOnce() -> Result<OwnerRecord>,
    ) -> Result<Claim> {
        let Some(lock) = lock::own(&self.directory, &self.file)? else {
            let text = format!("somebody else has the lock of {}; end it first", self.path().display());
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        let (born, owner_record) = (fork::generation(), Some(owner_record()?));
        let (socket, lock) = (Arc::new(socket), Some(lock));
        Ok(Claim {
            socket,
            gate,
            place: self.clone(),
            born,
            is_shared: false,
            _owner_record: owner_record,
            lock,
        })
    }

    /// Whether a living process listens here.
    pub fn is_claimed(&self) -> Result<bool> {
        lock::is_held(&self.directory, &self.file)
    }

    /// The lock under which what the dead have left is removed. What several users write has one that they share.
    fn try_lock(&self) -> Result<Option<Lock>> {
        let is_shared = [".spool", ".journal", ".file"].iter().any(|kind| self.file.ends_with(kind));
        if is_shared {
            lock::try_lock(&self.directory, &self.file)
        } else {
            lock::try_own(&self.directory, &self.file)
        }
    }

    /// Removes what a dead listener of ours left; what another user left stays, and is told. `begun` is false where the caller has
    /// seen that nothing was being made for this name: to look for that reads the whole directory, which for all names in it
    /// together would be their square.
    pub fn sweep_of(&self, begun: bool) -> Result<Swept> {
        let mut swept = Swept::default();
        let Some(lock) = self.try_lock()? else {
            if self.is_spool() {
                swept.and(spool::tidy_beside(self)?);
            }
            return Ok(swept);
        };
        if begun {
            swept.and(self.sweep_beginnings()?);
        } else {
            swept.note(owner::remove(self))?;
        }
        if self.is_spool() {
            // What it keeps is for whoever serves it next.
            swept.and(spool::tidy(self)?);
        } else if self.file.ends_with(".fifo") {
            swept.and(fifo::sweep(self, begun)?);
        } else {
            // What a place keeps is nobody's leaving.
            let endpoint = Endpoint::from_file_name(&self.file);
            if !endpoint.is_some_and(|e| e.transport().capabilities().keeps) {
                swept.note(self.remove_socket())?;
            }
        }
        if !lock.is_seen() {
            // Another user says that somebody lives there, and what is that one's was not left.
            swept.left.clear();
        }
        Ok(swept)
    }

    /// The same, and removes a spool that is empty.
    pub fn clean(&self, begun: bool) -> Result<Swept> {
        let mut swept = self.sweep_of(begun)?;
        if !self.is_spool() {
            return Ok(swept);
        }
        if let Some(_lock) = self.try_lock()? {
            swept.note(spool::remove_if_unused(self))?;
        }
        Ok(swept)
    }

    fn is_spool(&self) -> bool {
        self.file.ends_with(".spool")
    }

    /// Removes what a dead owner of ours left at the name and at what was to become it. Only under the name's lock.
    /// `PermissionDenied` where another user's is in the way.
    pub fn remove_leftovers(&self) -> Result<()> {
        self.sweep_beginnings()?;
        self.remove(&self.file).map(drop)
    }

    /// Removes what a dead process of ours was making for the name, and what it said of it. Only under the name's lock.
    fn sweep_beginnings(&self) -> Result<Swept> {
        let mut swept = staging::sweep(&self.directory, &[&self.file, &owner::record_of_file(&self.file)])?;
        swept.note(owner::remove(self))?;
        Ok(swept)
    }

    /// Removes the socket at the name; what is none was not left by a listener, and stays.
    fn remove_socket(&self) -> Result<bool> {
        let beneath = self.directory.beneath();
        let Some(facts) = beneath.facts(&self.file)? else { return Ok(false) };
        beneath.check(&self.file, &facts, FileType::Socket, Owner::Anybody)?;
        beneath.remove(&self.file)
    }

    fn remove(&self, file: &str) -> Result<bool> {
        self.directory.beneath().remove(file)
    }
}

/// The name that a temporary one is to become.
pub fn of_temporary(file: &str) -> Option<&str> {
    beneath::of_staged(file).map(|(name, _)| name)
}

/// A place where we listen. Its end takes the name away.
#[derive(Debug)]
pub struct Claim {
    /// The listening socket.
    pub socket: Arc<Guarded>,
    /// What newcomers have to show.
    pub gate: Gate,
    place: Place,
    born: u64,
    is_shared: bool,
    /// Before the lock: whoever has that may remove this.
    _owner_record: Option<OwnerRecord>,
    lock: Option<Lock>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A forked child shares neither the lock nor the right to the name.
        if self.born != fork::generation() {
            return;
        }
        if self.is_shared {
            // Others may go on listening there: the last one gets the lock for itself.
            self.lock = None;
            self.lock = lock::try_own(&self.place.directory, &self.place.file).unwrap_or_default();
            if self.lock.is_none() {
                return;
            }
        }
        // The lock is still held here, so the name is ours. One that cannot be removed now is swept by the next.
        let _ = self.place.remove(&self.place.file);
    }
}

impl Claim {
    /// The place.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::error::Doing;

    fn place(folder: &tempfile::TempDir) -> Place {
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        Place { directory, file: "x.shm".into() }
    }

    #[test]
    fn one_who_sweeps_takes_the_name_from_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let (place, done) = (place(&folder), AtomicBool::new(false));
        /// Ends the sweeping also where the test fails.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    place.sweep_of(true).unwrap();
                }
            });
            let _done = Done(&done);
            for _ in 0..300 {
                // What a killed listener leaves.
                drop(UnixListener::bind(place.path()));
                let claim = place.claim(Access::default()).unwrap();
                assert!(place.is_claimed().unwrap() && place.path().exists());
                drop(claim);
            }
        });
    }

    #[test]
    fn a_claim_asks_a_listener_that_lives_once_and_takes_over_from_one_that_hangs_up() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let lock = place.try_lock().unwrap().unwrap();
        let listener = UnixListener::bind(place.path()).unwrap();
        assert_eq!(place.claim(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        listener.set_nonblocking(true).unwrap();
        // Once for its sign of life, once for its process number.
        assert_eq!(std::iter::from_fn(|| listener.accept().ok()).count(), 2);
        listener.set_nonblocking(false).unwrap();
        std::thread::scope(|s| {
            s.spawn(|| {
                let newcomer = listener.accept().unwrap();
                drop((lock, listener, newcomer));
            });
            place.claim(Access::default()).unwrap();
        });
    }

    #[test]
    fn a_claim_waits_for_a_sweeper_that_the_machine_keeps_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let lock = place.try_lock().unwrap().unwrap();
        std::thread::scope(|s| {
            s.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                drop(lock);
            });
            place.claim(Access::default()).unwrap();
        });
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        std::fs::write(place.path(), "a thesis").unwrap();
        let error = place.try_claim(Access::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert!(error.text().contains("no socket"), "{error}");
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), "a thesis");
    }

    #[test]
    fn listeners_that_share_a_name_share_its_socket_and_the_last_one_removes_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let access = Access { shared: true, ..Access::default() };
        let first = place.claim_shared(access, || panic!("there is nobody to be asked")).unwrap();
        let give = || first.socket.as_fd().try_clone_to_owned().map(Some).doing("duplicating");
        let second = place.claim_shared(access, give).unwrap();
        assert_eq!(place.claim(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        let no_socket = || Ok(Some(std::fs::File::open("/dev/null").unwrap().into()));
        assert_eq!(place.claim_shared(access, no_socket).unwrap_err().kind(), ErrorKind::Malformed);
        drop(first);
        assert!(place.connect(Carries::Bytes, Duration::ZERO).unwrap().is_some());
        drop(second);
        assert!(!place.path().exists());
        place.claim(Access::default()).unwrap();
    }

    #[test]
    fn a_name_is_one_listener_s() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(&folder);
        let claim = place.claim(Access::default()).unwrap();
        assert_eq!(place.claim(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        assert_eq!(place.try_claim(Access::default()).unwrap_err().kind(), ErrorKind::AddressInUse);
        drop(claim);
        assert!(!place.path().exists());
        place.claim(Access::default()).unwrap();
    }
}
