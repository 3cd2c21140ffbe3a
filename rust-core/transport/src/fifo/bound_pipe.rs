//! The server's name: its lock, the pair of pipes that waits for a client, and the next pair.
//!
//! When a hello arrives, the pair becomes the link. The acceptor's thread makes a new pair, writes the
//! answer, and then gives the names to the new pair, all under one mutex.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::PollFlags;

use super::hello::{Search, stamp};
use super::liveness::{LinkSide, Liveness, link_lock_name};
use super::pair::{self, Pair, PipeAccess};
use super::pipes::Pipes;
use crate::authentication::{HelloSource, ReceivedHello};
use crate::connectionless::ConnectOptions;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::owner::{self, OwnerRecord};
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::fifo::{self, PIPE_BUF, PipeEnd};
use crate::sys::fork;
use crate::sys::lock::{self, Lock};
use crate::sys::poll::happens_within;
use crate::value::{Map, Value};

/// The time between the closing of two descriptors in a process that ends, as for sockets.
const EXIT_TIME: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct BoundPipe {
    place: Place,
    access: PipeAccess,
    /// Whether a pipe had the name before, and must remain.
    keeps: bool,
    born: u64,
    /// The pair that waits for a client; `None` after the close.
    open: Mutex<Option<OpenPair>>,
}

#[derive(Debug)]
struct OpenPair {
    pair: Pair,
    search: Search,
    _owner_record: OwnerRecord,
    _lock: Lock,
}

impl BoundPipe {
    /// Takes the name, and takes over the files of a dead server.
    ///
    /// The pipe of an administrator at an absolute path decides its users: its mode and group are kept, and
    /// an equal pipe stays after the server's end.
    ///
    /// # Errors
    /// `AddressInUse` if a living process owns the name. Without `at_once` the call first waits for its end,
    /// up to half a second or the caller's patience. `PermissionDenied` if another user's pipe has the name.
    pub fn bind(endpoint: &Endpoint, connect_options: &ConnectOptions, at_once: bool) -> Result<BoundPipe> {
        let place = Place::of(endpoint)?;
        let lock = take_lock(&place, at_once, connect_options.patience)?;
        let found = pair::find(&place)?;
        pair::check_ours(&place, &lock)?;
        pair::sweep_temporary(&place)?;
        let keeps = endpoint.absolute().is_some() && found.is_some() && !was_made_by_server(&place);
        owner::sweep(&place)?;
        let access =
            PipeAccess::of(&place, connect_options.mode, connect_options.group, found.filter(|_| keeps));
        let more = Map::from_iter([
            ("encoding".to_owned(), Value::from(connect_options.encoding.name())),
            (KEEPS.to_owned(), keeps.into()),
        ]);
        let owner_record =
            OwnerRecord::write(&place, connect_options.pattern, program(&connect_options.source), more)?;
        let mut pair = Pair::make(&place, access)?;
        pair.publish(&place)?;
        let open = OpenPair { pair, search: Search::default(), _owner_record: owner_record, _lock: lock };
        Ok(BoundPipe { place, access, keeps, born: fork::generation(), open: Mutex::new(Some(open)) })
    }

    fn open(&self) -> MutexGuard<'_, Option<OpenPair>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_hello(&self) -> Option<ReceivedHello> {
        let mut open = self.open();
        let open = open.as_mut()?;
        let mut bytes = [0; PIPE_BUF];
        // The bound keeps a client that writes without end from occupying the acceptor.
        for _ in 0..16 {
            match fifo::read(&open.pair.requests, &mut bytes) {
                Ok(Some(n)) if n > 0 => open.search.take(&bytes[..n]),
                _ => break,
            }
            if let Some(hello) = open.search.newest() {
                let pipes = self.admit(open, hello.header.sequence);
                return Some(ReceivedHello { hello, stream: pipes.map(|pipes| Stream::Other(pipes)) });
            }
        }
        None
    }

    /// Turns the pair into a link for this client, and makes the next pair.
    fn admit(&self, open: &mut OpenPair, nonce: u64) -> Result<Arc<Pipes>> {
        let own_lock = link_lock_name(&self.place, nonce, LinkSide::Server);
        let Some(held) = lock::try_lock(&self.place.directory, &own_lock)? else {
            return Err(Error::new(
                ErrorKind::AddressInUse,
                "the number of this hello is in use already; connect again",
            ));
        };
        let liveness = Liveness::new(
            &self.place,
            &open.pair.requests,
            held,
            link_lock_name(&self.place, nonce, LinkSide::Client),
        )?;
        let next = Pair::make(&self.place, self.access)?;
        // With the anchor closed, the pipe now ends when the client closes it.
        let Pair { requests, anchor, answers, .. } = std::mem::replace(&mut open.pair, next);
        drop(anchor);
        liveness.start()?;
        Ok(Arc::new(Pipes::linked(requests, answers, liveness)))
    }
}

impl HelloSource for BoundPipe {
    fn with_reader(&self, f: &mut dyn FnMut(BorrowedFd<'_>)) {
        if let Some(open) = self.open().as_ref() {
            f(open.pair.requests.as_fd());
        }
    }

    fn next(&self) -> Option<ReceivedHello> {
        self.next_hello()
    }

    /// Writes the answer, and then publishes the next pair.
    ///
    /// A client that finds new names before an answer knows that its pipe will not get an answer.
    fn answer(&self, received: &ReceivedHello, frame: &[u8]) -> bool {
        let stamped = stamp(frame, |header| header.correlation = received.hello.header.sequence);
        let Ok(stamped) = stamped else { return false };
        let parts = [std::io::IoSlice::new(&stamped)];
        let mut open = self.open();
        // The answer is the first frame in its pipe, so there is room, except after the client's end.
        let written = match (&received.stream, open.as_ref()) {
            (Ok(stream), _) => stream.write(&parts),
            (Err(_), Some(open)) => fifo::write(&open.pair.answers, &parts),
            (Err(_), None) => Ok(None),
        };
        if let Some(open) = open.as_mut().filter(|open| !open.pair.is_published()) {
            // If the directory forbids the rename, each client that connects gets the error.
            let _ = open.pair.publish(&self.place);
        }
        matches!(written, Ok(Some(n)) if n == stamped.len())
    }

    fn close(&self) {
        let mut open = self.open();
        // A forked child owns neither the lock nor the name.
        if open.is_some() && self.born == fork::generation() {
            // The lock is still held, so the name is this process's. The next owner sweeps any remaining
            // file.
            let _ =
                if self.keeps { pair::sweep_temporary(&self.place) } else { pair::sweep(&self.place, true) };
        }
        drop(open.take());
    }
}

impl Drop for BoundPipe {
    fn drop(&mut self) {
        self.close();
    }
}

/// Takes the lock of the name. Waits up to 50 ms if no process reads the pipe.
///
/// It waits within the caller's patience for the end of a process that reads.
fn take_lock(place: &Place, at_once: bool, patience: Option<Duration>) -> Result<Lock> {
    let mut tries = 0;
    loop {
        if let Some(lock) = lock::try_own(&place.directory, &place.file)? {
            return Ok(lock);
        }
        let exit_time = patience.map_or(EXIT_TIME, |patience| patience.min(EXIT_TIME));
        if at_once || tries == 50 || is_served(place, exit_time)? {
            let advice = "connect to it, or end it first";
            return Err(owner::in_use(owner::process(place), "serves", place.path().display(), advice));
        }
        tries += 1;
        crate::sys::sleeping::sleep(Duration::from_millis(1));
    }
}

/// The key in the owner record for whether a pipe had the name before.
const KEEPS: &str = "keeps";

/// Returns whether a dead server made the pipe at this place; an administrator's pipe must stay.
fn was_made_by_server(place: &Place) -> bool {
    owner::read_map(place).is_some_and(|map| !map.at(KEEPS).and_then(Value::as_bool).unwrap_or(false))
}

fn program(source: &str) -> &str {
    source.strip_suffix(&format!("-{}", std::process::id())).unwrap_or(source)
}

/// Returns whether a process reads at this name that does not close the pipe within `time`.
pub(super) fn is_served(place: &Place, time: Duration) -> Result<bool> {
    match fifo::open(&place.directory, &place.file, PipeEnd::Write) {
        Ok(None) => Ok(false),
        Ok(Some(writer)) => Ok(happens_within(writer.as_fd(), PollFlags::empty(), time)?.is_empty()),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
        Err(e) => Err(e),
    }
}
