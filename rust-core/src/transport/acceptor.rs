//! The acceptor: one thread per process that answers new connections while the program works.
//!
//! For each listening socket it accepts connections, lets the [`Authenticator`] check them, reads
//! one hello and not a byte after it, asks the [`HandshakeHandler`] that was registered with the
//! listener, and sends the answer. It also watches descriptors on behalf of layers above
//! ([`Watcher`]). It never runs the program's code and never blocks on one peer.
//!
//! State: one epoll set, and under one mutex the registrations, the pending handshakes and the
//! watched descriptors, each under a token that is never used twice. The mutex is never held while
//! a handler, a watcher or an authenticator runs. The thread starts with the first registration and
//! ends with the last.
//!
//! After a fork the child has no such thread: [`Acceptor::born`] holds the generation of the
//! process that made it, and the child makes its own.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::admission::{Bounds, PeerIdentity};
use super::authentication::{Authenticator, HelloSource, Proof};
use super::claim::Claim;
use super::hello::HelloReader;
use super::place::Place;
use super::stream::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::{self, Guarded};
use crate::sys::peer::Credentials;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::{socket, thread};

/// How long a peer may take for its hello, the proof of a token included; then its connection is
/// closed.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The token of the waker; all other tokens count from one.
const WAKE: u64 = 0;

/// A peer that has sent its hello, as the handler sees it.
pub struct IncomingHandshake {
    /// The connection, from which nothing after the hello has been read.
    pub stream: Stream,
    /// The hello, checked by [`HandshakeHandler::check_hello`].
    pub hello: Incoming,
    /// The descriptors that came with it, at most one.
    pub descriptors: Vec<OwnedFd>,
    /// The user of the peer; `None` where the kernel does not know it, as over TCP.
    pub credentials: Option<Credentials>,
    /// A pidfd: readable once the peer's process has ended.
    pub process: Option<Arc<OwnedFd>>,
    acceptor: Arc<Acceptor>,
}

impl IncomingHandshake {
    /// Makes the acceptor watch the connection from now on.
    ///
    /// # Errors
    /// Those of adding it to the epoll set.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.acceptor.watch(&self.stream, what, watcher)
    }
}

/// A peer that sends no hello, because the listener has plain framing.
pub struct RawConnection {
    /// The connection, from which nothing has been read.
    pub stream: Stream,
    acceptor: Arc<Acceptor>,
}

impl RawConnection {
    /// Adds a connection to the epoll set under a new token.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.acceptor.watch(&self.stream, what, watcher)
    }
}

/// The reply to a hello.
pub struct Answer {
    /// The frame; empty where the new owner of the connection replies later.
    pub frame: Vec<u8>,
    /// Descriptors that go with its first byte.
    pub descriptors: Vec<OwnedFd>,
    /// Runs once the frame is sent, and not at all where that fails. Nothing else may write to the
    /// socket before.
    pub admitted: Box<dyn FnOnce() + Send>,
}

/// Decides about new connections of one listener.
///
/// Every method runs on the acceptor's thread. It must not block and must not run the program's
/// code: while it runs, no other new connection of the process is answered.
pub trait HandshakeHandler: Send + Sync {
    /// Refuses users who may not connect, before anything that they sent is read. `who` is `None`
    /// where the kernel does not know the user.
    ///
    /// # Errors
    /// `PermissionDenied`, which is sent to the peer.
    fn check_user(&self, who: Option<&Credentials>) -> Result<()>;
    /// Refuses an invalid hello before the descriptors that came with it are taken.
    fn check_hello(&self, hello: &Incoming) -> Result<()>;
    /// Returns the reply to a hello.
    ///
    /// # Errors
    /// The reason for a refusal, which is sent to the peer.
    fn answer(&self, handshake: IncomingHandshake) -> Result<Answer>;
    /// Encodes a refusal as a frame.
    fn refusal(&self, error: &Error) -> Vec<u8>;
    /// Takes a connection without a hello; called where `expects_hello` is false. An error closes
    /// the connection, because there is no common format in which to report it.
    fn admit_without_hello(&self, connection: RawConnection) -> Result<()> {
        drop(connection);
        Err(Error::new(ErrorKind::Internal, "nobody enters here without a hello"))
    }
    /// Returns how long this listener leaves new connections to other processes that listen at the
    /// same socket; it then accepts one at a time. `None` where there are no others.
    fn accept_delay(&self) -> Option<Duration> {
        None
    }
    /// Returns whether peers begin with a hello. With plain framing they do not.
    fn expects_hello(&self) -> bool {
        true
    }
}

/// Is called when a descriptor that the acceptor watches is ready.
pub trait Watcher: Send + Sync {
    /// Handles an event on the acceptor's thread; must not block nor run the program's code.
    /// Returns false to end the watch.
    fn ready(&self, what: Interest) -> bool;
}

/// A listener's entry at the acceptor. Its drop closes the listener and every handshake that is
/// pending there.
pub struct ListenerRegistration {
    acceptor: Arc<Acceptor>,
    token: u64,
}

/// A connected socket's entry at the acceptor. Its drop ends the watch and the connection.
pub struct WatchedSocket {
    acceptor: Arc<Acceptor>,
    token: u64,
    stream: Stream,
    /// Whether its end ends the connection.
    pub hangs_up: bool,
}

/// The acceptor of this process; registrations and watches hold a reference to it.
struct Acceptor {
    /// The fork generation of the process that made it: a forked child leaves it alone.
    born: u64,
    epoll: Epoll,
    /// Wakes the thread when a registration ends.
    waker: EventFd,
    /// How many handshakes may be pending.
    bounds: Bounds,
    state: Mutex<State>,
}

/// Everything that other threads change, under one mutex.
#[derive(Default)]
struct State {
    /// The last token that was given out.
    last_token: u64,
    /// Whether the thread runs. The thread clears it under the mutex when no registration is left.
    running: bool,
    /// Open listeners, by token.
    registrations: HashMap<u64, Listening>,
    /// Connections whose hello is not complete, by token.
    callers: HashMap<u64, PendingHandshake>,
    /// Watchers of established connections, by token.
    watched: HashMap<u64, Arc<dyn Watcher>>,
}

/// One open listener.
struct Listening {
    source: ListenSource,
    handler: Arc<dyn HandshakeHandler>,
}

/// What the acceptor watches for one listener.
pub enum ListenSource {
    /// A listening socket, at which each peer has a connection of its own.
    Socket(Claim),
    /// A descriptor from which hellos are read: a named pipe.
    Hellos(Arc<dyn HelloSource>),
}

impl From<Claim> for ListenSource {
    fn from(claim: Claim) -> ListenSource {
        ListenSource::Socket(claim)
    }
}

impl ListenSource {
    /// Returns the place of a socket, for the owner record beside it. `None` for a source of
    /// hellos, which writes its own record.
    pub fn place(&self) -> Option<&Place> {
        match self {
            ListenSource::Socket(claim) => Some(claim.place()),
            ListenSource::Hellos(_) => None,
        }
    }

    /// Returns the listening socket, for a process that joins; `None` for a source of hellos.
    pub fn socket(&self) -> Option<Arc<Guarded>> {
        match self {
            ListenSource::Socket(claim) => Some(claim.socket.clone()),
            ListenSource::Hellos(_) => None,
        }
    }

    /// Adds it to the epoll set, which then wakes for each new connection.
    fn watch(&self, epoll: &Epoll, token: u64) -> Result<()> {
        match self {
            ListenSource::Socket(claim) => epoll.add(&*claim.socket, token, Interest::IN),
            ListenSource::Hellos(source) => {
                let mut added = Ok(());
                source.with_reader(&mut |reader| added = epoll.add(reader, token, Interest::IN));
                added
            }
        }
    }

    /// Removes it from the epoll set, and closes a source of hellos. A socket closes when its last
    /// reference is dropped.
    fn close(&self, epoll: &Epoll) {
        match self {
            ListenSource::Socket(claim) => epoll.remove(&*claim.socket),
            ListenSource::Hellos(source) => {
                source.with_reader(&mut |reader| epoll.remove(reader));
                // The acceptor's thread may still hold a reference, so dropping this one is not
                // enough.
                source.close();
            }
        }
    }
}

/// A connection whose hello is not complete.
struct PendingHandshake {
    /// The listener that it connected to.
    registration: u64,
    stream: Stream,
    handler: Arc<dyn HandshakeHandler>,
    credentials: Option<Credentials>,
    /// The user, key or address that it counts against in [`Bounds`].
    peer_identity: PeerIdentity,
    /// What the peer still has to prove; `None` once nothing is left.
    proof: Option<Box<dyn Proof>>,
    /// What has arrived of the frame that it sends now.
    reading: HelloReader,
    /// When the connection is closed if the hello is not there.
    deadline: Instant,
}

impl PendingHandshake {
    /// Reads what has arrived; returns true once the hello is complete. Frames of a proof come
    /// before it.
    fn read_more(&mut self) -> Result<bool> {
        let handler = &self.handler;
        while self.reading.read_more(&self.stream, &|hello| handler.check_hello(hello))? {
            let Some(proof) = &mut self.proof else { return Ok(true) };
            let (frame, _) = std::mem::take(&mut self.reading).finish()?;
            if proof.receive(&frame, &self.stream)? {
                self.proof = None;
            }
        }
        Ok(false)
    }
}

/// The acceptor of this process, once there was a listener.
static CURRENT: Mutex<Option<Arc<Acceptor>>> = Mutex::new(None);

/// Registers a listener: from now on the acceptor's thread answers its connections.
///
/// # Errors
/// Those of making an epoll set, an eventfd or the thread: the kernel has no descriptor or no thread left.
pub fn open(source: ListenSource, handler: Arc<dyn HandshakeHandler>) -> Result<ListenerRegistration> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let acceptor = match current.as_ref().filter(|h| h.born == fork::generation()) {
        Some(acceptor) => acceptor.clone(),
        None => {
            let acceptor = Arc::new(Acceptor {
                born: fork::generation(),
                epoll: Epoll::new()?,
                waker: EventFd::new()?,
                bounds: Bounds::of_process(),
                state: Mutex::default(),
            });
            acceptor.epoll.add(&acceptor.waker, WAKE, Interest::IN)?;
            // In a forked child the previous acceptor is the parent's. Its drop would close
            // descriptors that the parent uses.
            std::mem::forget(current.replace(acceptor.clone()));
            acceptor
        }
    };
    let mut state = acceptor.state();
    let token = state.next_token();
    source.watch(&acceptor.epoll, token)?;
    state.registrations.insert(token, Listening { source, handler });
    if !state.running {
        let runner = acceptor.clone();
        thread::start("linkspan-accept", move || runner.run())?;
        state.running = true;
    }
    drop(state);
    Ok(ListenerRegistration { acceptor, token })
}

impl Drop for ListenerRegistration {
    fn drop(&mut self) {
        if self.acceptor.born != fork::generation() {
            return;
        }
        let mut state = self.acceptor.state();
        let gone = state.registrations.remove(&self.token);
        // Peers without an answer see their connection closed, and connect again to the next
        // listener.
        let token = self.token;
        let callers: Vec<_> = state.callers.extract_if(|_, caller| caller.registration == token).collect();
        drop(state);
        drop(callers);
        if let Some(gone) = &gone {
            gone.source.close(&self.acceptor.epoll);
        }
        self.acceptor.waker.wake();
    }
}

impl WatchedSocket {
    /// Changes the events that the watch waits for.
    pub fn change(&self, what: Interest) -> Result<()> {
        self.acceptor.epoll.modify(self.stream.readable().0, self.token, what)
    }
}

impl Drop for WatchedSocket {
    fn drop(&mut self) {
        if self.acceptor.born == fork::generation() {
            self.acceptor.epoll.remove(self.stream.readable().0);
            self.acceptor.state().watched.remove(&self.token);
            if self.hangs_up {
                // The acceptor's thread may still hold it from answering the hello: shut it down.
                self.stream.disconnect();
            }
        }
    }
}

impl State {
    fn next_token(&mut self) -> u64 {
        self.last_token += 1;
        self.last_token
    }
}

impl Acceptor {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: waits for events and for the nearest deadline of a handshake, until no
    /// registration is left. A failing `epoll_wait` is tried again, because there is nobody to
    /// report it to.
    fn run(self: &Arc<Self>) {
        let mut spare = spare();
        let mut ready = Vec::new();
        loop {
            let nearest = {
                let mut state = self.state();
                if state.registrations.is_empty() {
                    state.running = false;
                    state.callers.clear();
                    return;
                }
                state.callers.values().map(|c| c.deadline).min()
            };
            let timeout = nearest.map(|at| at.saturating_duration_since(Instant::now()));
            if self.epoll.sleep(timeout, &mut ready).is_err() {
                continue;
            }
            for Ready { token, what } in ready.drain(..) {
                self.handle(token, what, &mut spare);
            }
            let now = Instant::now();
            self.state().callers.retain(|_, c| c.deadline > now);
        }
    }

    /// Handles one event, which may belong to a listener, a watched socket or a pending handshake.
    /// A token that is in none of the maps was removed meanwhile.
    fn handle(self: &Arc<Self>, token: u64, what: Interest, spare: &mut Option<OwnedFd>) {
        if token == WAKE {
            self.waker.drain();
            return;
        }
        let mut state = self.state();
        if let Some(listening) = state.registrations.get(&token) {
            let handler = listening.handler.clone();
            match &listening.source {
                ListenSource::Socket(claim) => {
                    let (socket, authenticator) = (claim.socket.clone(), claim.authenticator.clone());
                    drop(state);
                    let accept_delay = handler.accept_delay();
                    // New connections of other listeners of this process wait as well: so the
                    // process with the least to do accepts first.
                    accept_delay.into_iter().filter(|time| !time.is_zero()).for_each(std::thread::sleep);
                    self.accept(token, &socket, &*authenticator, &handler, accept_delay.is_some(), spare);
                }
                ListenSource::Hellos(source) => {
                    let source = source.clone();
                    drop(state);
                    self.answer_hellos(token, &*source, &handler);
                }
            }
        } else if let Some(watcher) = state.watched.get(&token).cloned() {
            drop(state);
            if !watcher.ready(what) {
                self.state().watched.remove(&token);
            }
        } else if let Some(mut caller) = state.callers.remove(&token) {
            drop(state);
            match caller.read_more() {
                Ok(false) => {
                    let mut state = self.state();
                    if state.registrations.contains_key(&caller.registration) {
                        state.callers.insert(token, caller);
                    }
                }
                read_outcome => {
                    self.epoll.remove(caller.stream.readable().0);
                    if self.is_open(caller.registration) {
                        self.answer_caller(caller, read_outcome.map(drop));
                    }
                }
            }
        }
    }

    /// Returns whether the listener has not been closed.
    fn is_open(&self, registration: u64) -> bool {
        self.state().registrations.contains_key(&registration)
    }

    fn watch(
        self: &Arc<Self>,
        stream: &Stream,
        what: Interest,
        watcher: Arc<dyn Watcher>,
    ) -> Result<WatchedSocket> {
        let mut state = self.state();
        let token = state.next_token();
        state.watched.insert(token, watcher);
        drop(state);
        self.epoll.add(stream.readable().0, token, what)?;
        Ok(WatchedSocket { acceptor: self.clone(), token, stream: stream.clone(), hangs_up: true })
    }

    /// Accepts everything that waits at a listening socket, or one connection where the socket is
    /// shared. Each goes through the authenticator and `check_user`, and then waits for its hello
    /// in `callers`.
    fn accept(
        self: &Arc<Self>,
        registration: u64,
        listener: &Guarded,
        authenticator: &dyn Authenticator,
        handler: &Arc<dyn HandshakeHandler>,
        one: bool,
        spare: &mut Option<OwnedFd>,
    ) {
        for taken in 0_u32.. {
            if one && taken > 0 {
                return;
            }
            match socket::accept(listener) {
                Ok(None) => return,
                // The listener was closed after the event: no connection is admitted after its
                // close.
                Ok(Some(_)) if !self.is_open(registration) => return,
                Ok(Some(socket)) => {
                    // A connection that is not admitted, or has ended already, is closed.
                    let Ok((stream, proof)) = authenticator.admit(socket, handler.expects_hello()) else {
                        continue;
                    };
                    let Ok(credentials) = stream.credentials() else { continue };
                    if let Err(error) = handler.check_user(credentials.as_ref()) {
                        // Nothing that this user has sent is read.
                        if handler.expects_hello() {
                            let _ = stream.write_with(&handler.refusal(&error), &[]);
                        }
                        continue;
                    }
                    if !handler.expects_hello() {
                        let _ = handler.admit_without_hello(RawConnection { stream, acceptor: self.clone() });
                        continue;
                    }
                    let peer_identity = stream.peer_identity(credentials.as_ref());
                    while self.make_room(&peer_identity) {}
                    let mut state = self.state();
                    if !state.registrations.contains_key(&registration) {
                        return;
                    }
                    let token = state.next_token();
                    if self.epoll.add(stream.readable().0, token, Interest::IN | Interest::RDHUP).is_ok() {
                        let deadline = Instant::now() + HELLO_TIMEOUT;
                        let handler = handler.clone();
                        state.callers.insert(
                            token,
                            PendingHandshake {
                                registration,
                                stream,
                                handler,
                                credentials,
                                peer_identity,
                                proof,
                                reading: HelloReader::default(),
                                deadline,
                            },
                        );
                    }
                }
                // The process has no descriptor left. The connection would stay in the queue, and
                // wake this thread for ever. Closing the spare descriptor makes room to accept it
                // and close it at once; the peer sees a closed connection and tries again.
                Err(_) => {
                    drop(spare.take());
                    let _ = socket::accept(listener);
                    *spare = self::spare();
                    return;
                }
            }
        }
    }

    /// Evicts the connection that has to make room for a new one; returns false where there is
    /// room. One whose hello is complete by now is answered; any other peer sees its connection
    /// closed and connects again.
    fn make_room(self: &Arc<Self>, new_peer: &PeerIdentity) -> bool {
        let mut state = self.state();
        let waiting = state.callers.iter().map(|(token, caller)| (*token, caller.peer_identity.clone()));
        let Some(token) = self.bounds.to_evict(waiting, new_peer) else { return false };
        let Some(mut caller) = state.callers.remove(&token) else { return false };
        drop(state);
        self.epoll.remove(caller.stream.readable().0);
        match caller.read_more() {
            Ok(false) => {}
            read_outcome => self.answer_caller(caller, read_outcome.map(drop)),
        }
        true
    }

    /// Answers every hello that has arrived in a pipe, and then watches the pipe that replaced it.
    fn answer_hellos(
        self: &Arc<Self>,
        token: u64,
        source: &dyn HelloSource,
        handler: &Arc<dyn HandshakeHandler>,
    ) {
        while let Some(received) = source.next() {
            let answer = match &received.stream {
                Ok(stream) => handler.answer(IncomingHandshake {
                    stream: stream.clone(),
                    hello: received.hello.clone(),
                    descriptors: Vec::new(),
                    credentials: None,
                    process: None,
                    acceptor: self.clone(),
                }),
                Err(error) => Err(error.clone()),
            };
            match answer {
                Ok(answer) => {
                    if source.answer(&received, &answer.frame) {
                        (answer.admitted)();
                    }
                }
                Err(error) => drop(source.answer(&received, &handler.refusal(&error))),
            }
            // The descriptor that was watched belongs to the new link now. If the registration was
            // closed meanwhile, nothing is watched in its place.
            if let Ok(stream) = &received.stream {
                self.epoll.remove(stream.readable().0);
                if self.state().registrations.contains_key(&token) {
                    // If this fails, no client can connect any more, and each is told that the
                    // server does not answer.
                    source.with_reader(&mut |reader| drop(self.epoll.add(reader, token, Interest::IN)));
                }
            }
        }
    }

    /// Answers a peer whose hello is complete, or could not be read: `read_outcome` is the error.
    fn answer_caller(self: &Arc<Self>, caller: PendingHandshake, read_outcome: Result<()>) {
        let PendingHandshake { stream, handler, credentials, reading, .. } = caller;
        let answer = read_outcome.and_then(|()| {
            let (hello, descriptors) = reading.finish()?;
            let process = credentials.as_ref().and_then(|who| stream.process(who));
            let acceptor = self.clone();
            handler.answer(IncomingHandshake {
                stream: stream.clone(),
                hello,
                descriptors,
                credentials,
                process,
                acceptor,
            })
        });
        // The answer is short and the first frame on this connection, so there is room for it
        // unless the peer has ended, who then does not need it.
        match answer {
            Ok(answer) if answer.frame.is_empty() => (answer.admitted)(),
            Ok(answer) => {
                let fds: Vec<_> = answer.descriptors.iter().map(std::os::fd::AsFd::as_fd).collect();
                let sent = stream.write_with(&answer.frame, &fds);
                if matches!(sent, Ok(Some(n)) if n == answer.frame.len()) {
                    (answer.admitted)();
                }
            }
            Err(error) => {
                let _ = stream.write_with(&handler.refusal(&error), &[]);
            }
        }
    }
}

/// Opens a descriptor to close when there is none left.
fn spare() -> Option<OwnedFd> {
    std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::sys::directory::Directory;
    use std::os::fd::AsFd;

    use rustix::event::PollFlags;

    use crate::sys::poll;
    use crate::sys::socket::Carries;
    use crate::transport::place::{Access, Place};

    /// Admits every peer, and waits before it accepts.
    struct Slow;

    impl HandshakeHandler for Slow {
        fn check_user(&self, _: Option<&Credentials>) -> Result<()> {
            Ok(())
        }

        fn check_hello(&self, _: &Incoming) -> Result<()> {
            Ok(())
        }

        fn answer(&self, _: IncomingHandshake) -> Result<Answer> {
            Ok(Answer { frame: b"welcome".to_vec(), descriptors: Vec::new(), admitted: Box::new(|| {}) })
        }

        fn refusal(&self, _: &Error) -> Vec<u8> {
            b"no".to_vec()
        }

        fn accept_delay(&self) -> Option<Duration> {
            Some(Duration::from_millis(200))
        }
    }

    #[test]
    fn caller_of_a_listener_that_is_closed_before_it_accepts_is_hung_up_on() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let listens = |name: &str| {
            let place = Place { directory: directory.clone(), file: name.into() };
            let claim = ListenSource::Socket(place.claim(Access::default()).unwrap());
            (open(claim, Arc::new(Slow)).unwrap(), place)
        };
        // The thread runs as long as there is a listener.
        let _other = listens("other.unix");
        let (registration, place) = listens("late.unix");
        let caller = place.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        let hello = crate::frame::Header::new(crate::frame::Kind::Hello, crate::Encoding::Cbor);
        rustix::io::write(&caller, &hello.to_bytes()).unwrap();
        // The thread has been woken, and is in its accept delay.
        std::thread::sleep(Duration::from_millis(50));
        drop(registration);
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        poll::wait_any(&mut waiting, [(caller.as_fd(), PollFlags::IN)]).unwrap();
        let mut bytes = [0; 16];
        assert!(
            matches!(rustix::io::read(&caller, &mut bytes), Ok(0) | Err(rustix::io::Errno::CONNRESET)),
            "{bytes:?}"
        );
    }
}
