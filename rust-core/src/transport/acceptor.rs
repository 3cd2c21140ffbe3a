//! The acceptor: one thread a process that answers newcomers while the program works.
//!
//! It accepts, reads one hello and nothing after it, asks the [`HandshakeHandler`] that was registered with the listener, sends the
//! answer, and watches what it was given to watch. It never runs the program's code, and it ends with the last listener.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::admission::{Bounds, Claimant};
use super::fifo;
use super::hello::Reading;
use super::place::{Claim, Place};
use super::stream::Stream;
use super::tcp::{Entry, Gate};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::{self, Guarded};
use crate::sys::peer::Credentials;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::{socket, thread};

/// A peer that says nothing for so long before its hello is sent away.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The token of the waker among the others, which count from one.
const WAKE: u64 = 0;

/// Somebody who has said hello.
pub struct IncomingHandshake {
    /// The connection.
    pub stream: Stream,
    /// What was said.
    pub hello: Incoming,
    /// The descriptors that came along.
    pub descriptors: Vec<OwnedFd>,
    /// Who it is, as the kernel says where it can.
    pub credentials: Option<Credentials>,
    /// Readable once that process has ended.
    pub process: Option<Arc<OwnedFd>>,
    acceptor: Arc<Acceptor>,
}

impl IncomingHandshake {
    /// Lets the acceptor watch the connection from now on.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.acceptor.watch(&self.stream, what, watcher)
    }
}

/// Somebody who says no hello.
pub struct RawConnection {
    /// The connection.
    pub stream: Stream,
    acceptor: Arc<Acceptor>,
}

impl RawConnection {
    /// Lets the acceptor watch the connection from now on.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.acceptor.watch(&self.stream, what, watcher)
    }
}

/// What a newcomer is answered.
pub struct Answer {
    /// The frame; empty where the newcomer is answered later, by whoever has its connection then.
    pub frame: Vec<u8>,
    /// Descriptors to go along.
    pub descriptors: Vec<OwnedFd>,
    /// What to do once that is sent: nothing else may write to the socket before.
    pub admitted: Box<dyn FnOnce() + Send>,
}

/// Decides about newcomers. Runs on the acceptor's thread, so it neither waits nor runs the program's code.
pub trait HandshakeHandler: Send + Sync {
    /// Refuses users who may not come in; asked before anything that they say is read. None where the kernel cannot tell who
    /// it is.
    fn check_user(&self, who: Option<&Credentials>) -> Result<()>;
    /// Refuses a hello that is none, before the descriptors that came along are taken.
    fn check_hello(&self, hello: &Incoming) -> Result<()>;
    /// The answer to a hello, or why not.
    fn answer(&self, handshake: IncomingHandshake) -> Result<Answer>;
    /// The frame that says why not.
    fn refusal(&self, error: &Error) -> Vec<u8>;
    /// Lets in somebody who says no hello, for who is told so by `expects_hello`. An error closes the connection: there is no
    /// common language to tell it in.
    fn admit_without_hello(&self, connection: RawConnection) -> Result<()> {
        drop(connection);
        Err(Error::new(ErrorKind::Internal, "nobody enters here without a hello"))
    }
    /// How long this listener leaves newcomers to other processes that listen at the same socket, and takes one at a time;
    /// none where there are no others.
    fn accept_delay(&self) -> Option<Duration> {
        None
    }
    /// Whether newcomers say hello; with plain framing they do not.
    fn expects_hello(&self) -> bool {
        true
    }
}

/// Is told when a descriptor that the acceptor watches is ready. False ends the watch.
pub trait Watcher: Send + Sync {
    /// Called on the acceptor's thread; neither waits nor runs the program's code.
    fn ready(&self, what: Interest) -> bool;
}

/// A listener's place in the acceptor. Its end closes the listener.
pub struct ListenerRegistration {
    acceptor: Arc<Acceptor>,
    token: u64,
}

/// A connected socket's place in the acceptor. Its end ends the watch and the connection.
pub struct WatchedSocket {
    acceptor: Arc<Acceptor>,
    token: u64,
    stream: Stream,
}

struct Acceptor {
    born: u64,
    epoll: Epoll,
    waker: EventFd,
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_token: u64,
    running: bool,
    registrations: HashMap<u64, Listening>,
    callers: HashMap<u64, PendingHandshake>,
    watched: HashMap<u64, Arc<dyn Watcher>>,
}

struct Listening {
    source: ListenSource,
    handler: Arc<dyn HandshakeHandler>,
}

/// A name where somebody may come, in one of the ways there are.
pub enum ListenSource {
    /// A listening socket: who comes has a connection of its own.
    Socket(Claim),
    /// A pipe: who comes says so in it.
    Pipes(Arc<fifo::Claim>),
}

impl From<Claim> for ListenSource {
    fn from(claim: Claim) -> ListenSource {
        ListenSource::Socket(claim)
    }
}

impl From<fifo::Claim> for ListenSource {
    fn from(claim: fifo::Claim) -> ListenSource {
        ListenSource::Pipes(Arc::new(claim))
    }
}

impl ListenSource {
    /// Its place, where what is said there beside the name is not the claim's own doing.
    pub fn place(&self) -> Option<&Place> {
        match self {
            ListenSource::Socket(claim) => Some(claim.place()),
            ListenSource::Pipes(_) => None,
        }
    }

    /// The listening socket, where it is one.
    pub fn socket(&self) -> Option<Arc<Guarded>> {
        match self {
            ListenSource::Socket(claim) => Some(claim.socket.clone()),
            ListenSource::Pipes(_) => None,
        }
    }

    /// Lets the epoll set wake when somebody comes.
    fn watch(&self, epoll: &Epoll, token: u64) -> Result<()> {
        match self {
            ListenSource::Socket(claim) => epoll.add(&*claim.socket, token, Interest::IN),
            ListenSource::Pipes(claim) => {
                claim.with_reader(|reader| epoll.add(reader, token, Interest::IN)).unwrap_or(Ok(()))
            }
        }
    }

    fn close(&self, epoll: &Epoll) {
        match self {
            ListenSource::Socket(claim) => epoll.remove(&*claim.socket),
            ListenSource::Pipes(claim) => {
                claim.with_reader(|reader| epoll.remove(reader));
                // The acceptor's thread may still hold it, from looking who is there.
                claim.close();
            }
        }
    }
}

struct PendingHandshake {
    /// The listener that it called.
    registration: u64,
    stream: Stream,
    handler: Arc<dyn HandshakeHandler>,
    credentials: Option<Credentials>,
    claimant: Claimant,
    entry: Entry,
    reading: Reading,
    deadline: Instant,
}

impl PendingHandshake {
    /// Reads what is there; true once the hello has come.
    fn read_more(&mut self) -> Result<bool> {
        let handler = &self.handler;
        while self.reading.read_more(&self.stream, &|hello| handler.check_hello(hello))? {
            match &mut self.entry {
                Entry::Open => return Ok(true),
                entry => {
                    let (said, _) = std::mem::take(&mut self.reading).finish()?;
                    entry.hear(&said, &self.stream)?;
                }
            }
        }
        Ok(false)
    }
}

static CURRENT: Mutex<Option<Arc<Acceptor>>> = Mutex::new(None);

/// Lets the acceptor's thread answer whoever comes to this claim.
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
            // The parent's, in a forked child, is not ours to take down.
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
        // Who was not answered yet is hung up on, and calls whoever listens there next.
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
    /// Changes what is waited for.
    pub fn change(&self, what: Interest) -> Result<()> {
        self.acceptor.epoll.modify(self.stream.readable().0, self.token, what)
    }
}

impl Drop for WatchedSocket {
    fn drop(&mut self) {
        if self.acceptor.born == fork::generation() {
            self.acceptor.epoll.remove(self.stream.readable().0);
            self.acceptor.state().watched.remove(&self.token);
            // The acceptor's thread may still hold it, from answering the hello.
            self.stream.hang_up();
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
            let left = nearest.map(|at| at.saturating_duration_since(Instant::now()));
            if self.epoll.sleep(left, &mut ready).is_err() {
                continue;
            }
            for Ready { token, what } in ready.drain(..) {
                self.handle(token, what, &mut spare);
            }
            let now = Instant::now();
            self.state().callers.retain(|_, c| c.deadline > now);
        }
    }

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
                    let (socket, gate) = (claim.socket.clone(), claim.gate.clone());
                    drop(state);
                    let accept_delay = handler.accept_delay();
                    // For a moment, in which this process's other newcomers wait as well: so the process with the least to do
                    // comes first.
                    accept_delay.into_iter().filter(|time| !time.is_zero()).for_each(std::thread::sleep);
                    self.accept(token, &socket, &gate, &handler, accept_delay.is_some(), spare);
                }
                ListenSource::Pipes(claim) => {
                    let claim = claim.clone();
                    drop(state);
                    self.hear(token, &claim, &handler);
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
                heard => {
                    self.epoll.remove(caller.stream.readable().0);
                    if self.is_open(caller.registration) {
                        self.hear_out(caller, heard.map(drop));
                    }
                }
            }
        }
    }

    /// Whether a listener has not been closed.
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
        Ok(WatchedSocket { acceptor: self.clone(), token, stream: stream.clone() })
    }

    fn accept(
        self: &Arc<Self>,
        registration: u64,
        listener: &Guarded,
        gate: &Gate,
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
                // The listener was closed while this thread came here: nobody is let in behind its back.
                Ok(Some(_)) if !self.is_open(registration) => return,
                Ok(Some(socket)) => {
                    // One that may not come in at all, or has gone already, is let go.
                    let Ok((stream, entry)) = gate.admit(socket, handler.expects_hello()) else { continue };
                    let Ok(credentials) = stream.credentials() else { continue };
                    if let Err(error) = handler.check_user(credentials.as_ref()) {
                        // Whatever it has said is not even read.
                        if handler.expects_hello() {
                            let _ = stream.write_with(&handler.refusal(&error), &[]);
                        }
                        continue;
                    }
                    if !handler.expects_hello() {
                        let _ = handler.admit_without_hello(RawConnection { stream, acceptor: self.clone() });
                        continue;
                    }
                    let claimant = stream.claimant(credentials.as_ref());
                    while self.make_room(&claimant) {}
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
                                claimant,
                                entry,
                                reading: Reading::default(),
                                deadline,
                            },
                        );
                    }
                }
                // Out of descriptors. The caller would stay in the queue and wake us for ever: the spare descriptor lets
                // it in, to be closed at once, which it sees as "went away" and tries again.
                Err(_) => {
                    drop(spare.take());
                    let _ = socket::accept(listener);
                    *spare = self::spare();
                    return;
                }
            }
        }
    }

    /// Lets go of the one that makes room for a newcomer; false where there is room. One whose hello has come by now is answered;
    /// any other sees that it was hung up on, and calls again.
    fn make_room(self: &Arc<Self>, newcomer: &Claimant) -> bool {
        let mut state = self.state();
        let waiting = state.callers.iter().map(|(token, caller)| (*token, caller.claimant.clone()));
        let Some(token) = self.bounds.to_drop(waiting, newcomer) else { return false };
        let Some(mut caller) = state.callers.remove(&token) else { return false };
        drop(state);
        self.epoll.remove(caller.stream.readable().0);
        match caller.read_more() {
            Ok(false) => {}
            heard => self.hear_out(caller, heard.map(drop)),
        }
        true
    }

    /// Answers whoever has said hello in a pipe, and watches the next pipe.
    fn hear(self: &Arc<Self>, token: u64, claim: &fifo::Claim, handler: &Arc<dyn HandshakeHandler>) {
        while let Some(newcomer) = claim.hear() {
            let answer = match &newcomer.pipes {
                Ok(pipes) => handler.answer(IncomingHandshake {
                    stream: Stream::Pipes(pipes.clone()),
                    hello: newcomer.hello.clone(),
                    descriptors: Vec::new(),
                    credentials: None,
                    process: None,
                    acceptor: self.clone(),
                }),
                Err(error) => Err(error.clone()),
            };
            match answer {
                Ok(answer) => {
                    if claim.answer(&newcomer, &answer.frame) {
                        (answer.admitted)();
                    }
                }
                Err(error) => drop(claim.answer(&newcomer, &handler.refusal(&error))),
            }
            // What was watched is the newcomer's now, and whoever closed the registration meanwhile wants none watched.
            if let Ok(pipes) = &newcomer.pipes {
                self.epoll.remove(pipes.reader());
                if self.state().registrations.contains_key(&token) {
                    claim.with_reader(|reader| self.epoll.add(reader, token, Interest::IN));
                }
            }
        }
    }

    /// Answers a caller whose hello has come, or could not be read.
    fn hear_out(self: &Arc<Self>, caller: PendingHandshake, heard: Result<()>) {
        let PendingHandshake { stream, handler, credentials, reading, .. } = caller;
        let answer = heard.and_then(|()| {
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
        // A hello's answer is short and the first thing on this connection, so there is room for it, unless the caller has
        // gone: then it has no need of it.
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

    /// Lets everybody in who says anything, and takes its time before it accepts.
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
        // The thread goes on as long as somebody listens.
        let _other = listens("other.unix");
        let (registration, place) = listens("late.unix");
        let caller = place.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        let hello = crate::frame::Header::new(crate::frame::Kind::Hello, crate::Encoding::Cbor);
        rustix::io::write(&caller, &hello.to_bytes()).unwrap();
        // The thread has been woken, and waits.
        std::thread::sleep(Duration::from_millis(50));
        drop(registration);
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        poll::wait_any(&mut waiting, [(caller.as_fd(), PollFlags::IN)]).unwrap();
        let mut heard = [0; 16];
        assert!(
            matches!(rustix::io::read(&caller, &mut heard), Ok(0) | Err(rustix::io::Errno::CONNRESET)),
            "{heard:?}"
        );
    }
}
