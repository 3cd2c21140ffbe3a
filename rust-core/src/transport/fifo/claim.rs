//! The server's name: its lock, the pair of pipes that waits for a client, and the next one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::PollFlags;

use super::hello::{Search, stamp};
use super::life::{Life, Side, link_lock};
use super::pair::{self, Access, Pair};
use super::pipes::Pipes;
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::fifo::{self, End, WHOLE};
use crate::sys::fork;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::wait_any;
use crate::transport::connectionless::ConnectOptions;
use crate::transport::endpoint::Endpoint;
use crate::transport::owner::{self, OwnerRecord};
use crate::transport::place::Place;
use crate::value::{Map, Value};

/// How long a process that ends may take from one of its descriptors to the next.
const DYING: Duration = Duration::from_millis(10);

/// A name where we serve. Its end takes the name away.
#[derive(Debug)]
pub struct Claim {
    place: Place,
    access: Access,
    /// Whether a pipe was there before us and is to stay.
    keeps: bool,
    born: u64,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    pair: Pair,
    search: Search,
    _about: OwnerRecord,
    _lock: Lock,
}

/// Somebody who has said hello.
pub struct Newcomer {
    /// What was said.
    pub hello: Incoming,
    /// The connection, or why there is none.
    pub pipes: Result<Arc<Pipes>>,
}

impl Claim {
    /// Takes the name; `AddressInUse` where a living process has it. What a dead one left is taken over. A pipe that somebody
    /// has made ready at an absolute path says who may use it: its mode and group are kept, and when we go, one like it
    /// stays.
    ///
    /// Unless `at_once`, the refusal waits while whoever has the name may be just ending, or sweeping it: for 50 ms.
    pub fn take(endpoint: &Endpoint, connect_options: &ConnectOptions, at_once: bool) -> Result<Claim> {
        let place = Place::of(endpoint)?;
        let lock = take_lock(&place, at_once)?;
        let found = pair::find(&place)?;
        pair::check_ours(&place, &lock)?;
        // What a dead one of ours had begun.
        pair::sweep_temporary(&place)?;
        let keeps = endpoint.absolute().is_some() && found.is_some() && !is_our_own(&place);
        owner::sweep(&place)?;
        let access = Access::of(&place, connect_options.mode, connect_options.group, found.filter(|_| keeps));
        let more = Map::from_iter([
            ("encoding".to_owned(), Value::from(connect_options.encoding.name())),
            (KEEPS.to_owned(), keeps.into()),
        ]);
        let owner_record =
            OwnerRecord::write(&place, connect_options.pattern, program(&connect_options.source), more)?;
        let mut pair = Pair::make(&place, access)?;
        pair.publish(&place)?;
        let open = Open { pair, search: Search::default(), _about: owner_record, _lock: lock };
        Ok(Claim { place, access, keeps, born: fork::generation(), open: Mutex::new(Some(open)) })
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is readable when somebody comes, as long as the name is ours.
    pub fn with_reader<T>(&self, f: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        self.open().as_ref().map(|open| f(open.pair.requests.as_fd()))
    }

    /// The next who has said hello, if anybody has. To be followed by [`Claim::answer`].
    pub fn hear(&self) -> Option<Newcomer> {
        let mut open = self.open();
        let open = open.as_mut()?;
        let mut bytes = [0; WHOLE];
        // Whoever writes without end has no more of our time than this.
        for _ in 0..16 {
            match fifo::read(&open.pair.requests, &mut bytes) {
                Ok(Some(n)) if n > 0 => open.search.take(&bytes[..n]),
                _ => break,
            }
            if let Some(hello) = open.search.newest() {
                let pipes = self.admit(open, hello.header.sequence);
                return Some(Newcomer { hello, pipes });
            }
        }
        None
    }

    /// Gives the pair to whoever has said this hello, with a new one to follow.
    fn admit(&self, open: &mut Open, nonce: u64) -> Result<Arc<Pipes>> {
        let ours = link_lock(&self.place, nonce, Side::Server);
        let Some(held) = lock::try_lock(&self.place.directory, &ours)? else {
            return Err(Error::new(ErrorKind::AddressInUse, "a hello was said that is in use already"));
        };
        let life =
            Life::new(&self.place, &open.pair.requests, held, link_lock(&self.place, nonce, Side::Client))?;
        let next = Pair::make(&self.place, self.access)?;
        // The anchor goes: from here on the end of the pipe is the client's.
        let Pair { requests, anchor, answers, .. } = std::mem::replace(&mut open.pair, next);
        drop(anchor);
        life.settle()?;
        Ok(Arc::new(Pipes::linked(requests, answers, life)))
    }

    /// Answers a newcomer; true where it was told all of it. The next pair gets its names behind the answer: who finds
    /// them, and no answer in the pipe that it has, has none to wait for.
    pub fn answer(&self, newcomer: &Newcomer, frame: &[u8]) -> bool {
        let stamped = stamp(frame, |header| header.correlation = newcomer.hello.header.sequence);
        let Ok(stamped) = stamped else { return false };
        let parts = [std::io::IoSlice::new(&stamped)];
        let mut open = self.open();
        // An answer is the first thing in its pipe, so there is room, unless the newcomer has gone.
        let written = match (&newcomer.pipes, open.as_ref()) {
            (Ok(pipes), _) => pipes.write(&parts),
            (Err(_), Some(open)) => fifo::write(&open.pair.answers, &parts),
            (Err(_), None) => Ok(None),
        };
        if let Some(open) = open.as_mut().filter(|open| !open.pair.is_published()) {
            // A directory in which nothing can be renamed any more has no way in until that changes: nobody waits here who
            // could be told, and whoever dials is.
            let _ = open.pair.publish(&self.place);
        }
        matches!(written, Ok(Some(n)) if n == stamped.len())
    }

    /// Gives the name away.
    pub fn close(&self) {
        let mut open = self.open();
        // A forked child shares neither the lock nor the right to the name.
        if open.is_some() && self.born == fork::generation() {
            // The lock is still held here, so the name is ours. What cannot be removed now is swept by the next.
            let _ =
                if self.keeps { pair::sweep_temporary(&self.place) } else { pair::sweep(&self.place, true) };
        }
        drop(open.take());
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.close();
    }
}

fn take_lock(place: &Place, at_once: bool) -> Result<Lock> {
    let mut tries = 0;
    loop {
        if let Some(lock) = lock::try_own(&place.directory, &place.file)? {
            return Ok(lock);
        }
        if at_once || tries == 50 || is_served(place)? {
            let text =
                format!("somebody else serves {}; connect to it, or end it first", place.path().display());
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        tries += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// In what is said about the name: whether its pipe was there before us.
const KEEPS: &str = "keeps";

/// Whether a server that has died made the pipe at this place, and not somebody who wants it to stay.
fn is_our_own(place: &Place) -> bool {
    owner::read(place).is_some_and(|said| !said.at(KEEPS).and_then(Value::as_bool).unwrap_or(false))
}

/// The program's name in a source made of it and the number of its process.
fn program(source: &str) -> &str {
    source.strip_suffix(&format!("-{}", std::process::id())).unwrap_or(source)
}

/// Whether somebody reads what is said at this name. A process that is just ending may still do; it closes the pipe as it
/// goes.
fn is_served(place: &Place) -> Result<bool> {
    match fifo::open(&place.directory, &place.file, End::Write) {
        Ok(None) => Ok(false),
        Ok(Some(writer)) => {
            let mut moment = Waiting::until(Deadline::after(DYING));
            Ok(wait_any(&mut moment, [(writer.as_fd(), PollFlags::empty())]).is_err())
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
        Err(e) => Err(e),
    }
}
