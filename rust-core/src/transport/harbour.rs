//! The harbour: one thread a process that answers newcomers while the program works.
//!
//! It accepts, reads one hello and nothing after it, asks the [`Doorman`] that was registered with the listener, sends the
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
const PATIENCE: Duration = Duration::from_secs(5);
/// The token of the bell among the others, which count from one.
const BELL: u64 = 0;

/// Somebody who has said hello.
pub struct Arrival {
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
    harbour: Arc<Harbour>,
}

impl Arrival {
    /// Lets the harbour watch the connection from now on.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<Watched> {
        self.harbour.watch(&self.stream, what, watcher)
    }
}

/// Somebody who says no hello.
pub struct Entrant {
    /// The connection.
    pub stream: Stream,
    harbour: Arc<Harbour>,
}

impl Entrant {
    /// Lets the harbour watch the connection from now on.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<Watched> {
        self.harbour.watch(&self.stream, what, watcher)
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

/// Decides about newcomers. Runs on the harbour's thread, so it neither waits nor runs the program's code.
pub trait Doorman: Send + Sync {
    /// Refuses users who may not come in; asked before anything that they say is read. None where the kernel cannot tell who
    /// it is.
    fn check_user(&self, who: Option<&Credentials>) -> Result<()>;
    /// Refuses a hello that is none, before the descriptors that came along are taken.
    fn check_hello(&self, hello: &Incoming) -> Result<()>;
    /// The answer to a hello, or why not.
    fn answer(&self, arrival: Arrival) -> Result<Answer>;
    /// The frame that says why not.
    fn refusal(&self, error: &Error) -> Vec<u8>;
    /// Lets in somebody who says no hello, for who is told so by `greets`. An error closes the connection: there is no
    /// common language to tell it in.
    fn enter(&self, entrant: Entrant) -> Result<()> {
        drop(entrant);
        Err(Error::new(ErrorKind::Internal, "nobody enters here without a hello"))
    }
    /// How long this listener leaves newcomers to other processes that listen at the same socket, and takes one at a time;
    /// none where there are no others.
    fn hesitates(&self) -> Option<Duration> {
        None
    }
    /// Whether newcomers say hello; with plain framing they do not.
    fn greets(&self) -> bool {
        true
    }
}

/// Is told when a descriptor that the harbour watches is ready. False ends the watch.
pub trait Watcher: Send + Sync {
    /// Called on the harbour's thread; neither waits nor runs the program's code.
    fn ready(&self, what: Interest) -> bool;
}

/// A listener's place in the harbour. Its end closes the listener.
pub struct Berth {
    harbour: Arc<Harbour>,
    token: u64,
}

/// A connected socket's place in the harbour. Its end ends the watch and the connection.
pub struct Watched {
    harbour: Arc<Harbour>,
    token: u64,
    stream: Stream,
}

struct Harbour {
    born: u64,
    epoll: Epoll,
    bell: EventFd,
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_token: u64,
    running: bool,
    berths: HashMap<u64, Listening>,
    callers: HashMap<u64, Calling>,
    watched: HashMap<u64, Arc<dyn Watcher>>,
}

struct Listening {
    mooring: Mooring,
    doorman: Arc<dyn Doorman>,
}

/// A name where somebody may come, in one of the ways there are.
pub enum Mooring {
    /// A listening socket: who comes has a connection of its own.
    Socket(Claim),
    /// A pipe: who comes says so in it.
    Pipes(Arc<fifo::Claim>),
}

impl From<Claim> for Mooring {
    fn from(claim: Claim) -> Mooring {
        Mooring::Socket(claim)
    }
}

impl From<fifo::Claim> for Mooring {
    fn from(claim: fifo::Claim) -> Mooring {
        Mooring::Pipes(Arc::new(claim))
    }
}

impl Mooring {
    /// Its place, where what is said there beside the name is not the claim's own doing.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Mooring::Socket(claim) => Some(claim.place()),
            Mooring::Pipes(_) => None,
        }
    }

    /// The listening socket, where it is one.
    pub fn socket(&self) -> Option<Arc<Guarded>> {
        match self {
            Mooring::Socket(claim) => Some(claim.socket.clone()),
            Mooring::Pipes(_) => None,
        }
    }

    /// Lets the epoll set wake when somebody comes.
    fn watch(&self, epoll: &Epoll, token: u64) -> Result<()> {
        match self {
            Mooring::Socket(claim) => epoll.add(&*claim.socket, token, Interest::IN),
            Mooring::Pipes(claim) => {
                claim.with_reader(|reader| epoll.add(reader, token, Interest::IN)).unwrap_or(Ok(()))
            }
        }
    }

    fn close(&self, epoll: &Epoll) {
        match self {
            Mooring::Socket(claim) => epoll.remove(&*claim.socket),
            Mooring::Pipes(claim) => {
                claim.with_reader(|reader| epoll.remove(reader));
                // The harbour's thread may still hold it, from looking who is there.
                claim.close();
            }
        }
    }
}

struct Calling {
    /// The listener that it called.
    berth: u64,
    stream: Stream,
    doorman: Arc<dyn Doorman>,
    credentials: Option<Credentials>,
    claimant: Claimant,
    entry: Entry,
    reading: Reading,
    patience: Instant,
}

impl Calling {
    /// Reads what is there; true once the hello has come.
    fn hear_more(&mut self) -> Result<bool> {
        let doorman = &self.doorman;
        while self.reading.read_more(&self.stream, &|hello| doorman.check_hello(hello))? {
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

static CURRENT: Mutex<Option<Arc<Harbour>>> = Mutex::new(None);

/// Lets the harbour's thread answer whoever comes to this claim.
pub fn open(mooring: Mooring, doorman: Arc<dyn Doorman>) -> Result<Berth> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    let harbour = match current.as_ref().filter(|h| h.born == fork::generation()) {
        Some(harbour) => harbour.clone(),
        None => {
            let harbour = Arc::new(Harbour {
                born: fork::generation(),
                epoll: Epoll::new()?,
                bell: EventFd::new()?,
                bounds: Bounds::of_process(),
                state: Mutex::default(),
            });
            harbour.epoll.add(&harbour.bell, BELL, Interest::IN)?;
            // The parent's, in a forked child, is not ours to take down.
            std::mem::forget(current.replace(harbour.clone()));
            harbour
        }
    };
    let mut state = harbour.state();
    let token = state.next_token();
    mooring.watch(&harbour.epoll, token)?;
    state.berths.insert(token, Listening { mooring, doorman });
    if !state.running {
        let runner = harbour.clone();
        thread::start("linkspan-harbour", move || runner.run())?;
        state.running = true;
    }
    drop(state);
    Ok(Berth { harbour, token })
}

impl Drop for Berth {
    fn drop(&mut self) {
        if self.harbour.born != fork::generation() {
            return;
        }
        let mut state = self.harbour.state();
        let gone = state.berths.remove(&self.token);
        // Who was not answered yet is hung up on, and calls whoever listens there next.
        let token = self.token;
        let callers: Vec<_> = state.callers.extract_if(|_, caller| caller.berth == token).collect();
        drop(state);
        drop(callers);
        if let Some(gone) = &gone {
            gone.mooring.close(&self.harbour.epoll);
        }
        self.harbour.bell.ring();
    }
}

impl Watched {
    /// Changes what is waited for.
    pub fn change(&self, what: Interest) -> Result<()> {
        self.harbour.epoll.modify(self.stream.readable().0, self.token, what)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.harbour.born == fork::generation() {
            self.harbour.epoll.remove(self.stream.readable().0);
            self.harbour.state().watched.remove(&self.token);
            // The harbour's thread may still hold it, from answering the hello.
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

impl Harbour {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(self: &Arc<Self>) {
        let mut spare = spare();
        let mut ready = Vec::new();
        loop {
            let nearest = {
                let mut state = self.state();
                if state.berths.is_empty() {
                    state.running = false;
                    state.callers.clear();
                    return;
                }
                state.callers.values().map(|c| c.patience).min()
            };
            let left = nearest.map(|at| at.saturating_duration_since(Instant::now()));
            if self.epoll.sleep(left, &mut ready).is_err() {
                continue;
            }
            for Ready { token, what } in ready.drain(..) {
                self.handle(token, what, &mut spare);
            }
            let now = Instant::now();
            self.state().callers.retain(|_, c| c.patience > now);
        }
    }

    fn handle(self: &Arc<Self>, token: u64, what: Interest, spare: &mut Option<OwnedFd>) {
        if token == BELL {
            self.bell.drain();
            return;
        }
        let mut state = self.state();
        if let Some(listening) = state.berths.get(&token) {
            let doorman = listening.doorman.clone();
            match &listening.mooring {
                Mooring::Socket(claim) => {
                    let (socket, gate) = (claim.socket.clone(), claim.gate.clone());
                    drop(state);
                    let hesitates = doorman.hesitates();
                    // For a moment, in which this process's other newcomers wait as well: so the process with the least to do
                    // comes first.
                    hesitates.into_iter().filter(|time| !time.is_zero()).for_each(std::thread::sleep);
                    self.accept(token, &socket, &gate, &doorman, hesitates.is_some(), spare);
                }
                Mooring::Pipes(claim) => {
                    let claim = claim.clone();
                    drop(state);
                    self.hear(token, &claim, &doorman);
                }
            }
        } else if let Some(watcher) = state.watched.get(&token).cloned() {
            drop(state);
            if !watcher.ready(what) {
                self.state().watched.remove(&token);
            }
        } else if let Some(mut caller) = state.callers.remove(&token) {
            drop(state);
            match caller.hear_more() {
                Ok(false) => {
                    let mut state = self.state();
                    if state.berths.contains_key(&caller.berth) {
                        state.callers.insert(token, caller);
                    }
                }
                heard => {
                    self.epoll.remove(caller.stream.readable().0);
                    if self.is_open(caller.berth) {
                        self.hear_out(caller, heard.map(drop));
                    }
                }
            }
        }
    }

    /// Whether a listener has not been closed.
    fn is_open(&self, berth: u64) -> bool {
        self.state().berths.contains_key(&berth)
    }

    fn watch(
        self: &Arc<Self>,
        stream: &Stream,
        what: Interest,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Watched> {
        let mut state = self.state();
        let token = state.next_token();
        state.watched.insert(token, watcher);
        drop(state);
        self.epoll.add(stream.readable().0, token, what)?;
        Ok(Watched { harbour: self.clone(), token, stream: stream.clone() })
    }

    fn accept(
        self: &Arc<Self>,
        berth: u64,
        listener: &Guarded,
        gate: &Gate,
        doorman: &Arc<dyn Doorman>,
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
                Ok(Some(_)) if !self.is_open(berth) => return,
                Ok(Some(socket)) => {
                    // One that may not come in at all, or has gone already, is let go.
                    let Ok((stream, entry)) = gate.admit(socket, doorman.greets()) else { continue };
                    let Ok(credentials) = stream.credentials() else { continue };
                    if let Err(error) = doorman.check_user(credentials.as_ref()) {
                        // Whatever it has said is not even read.
                        if doorman.greets() {
                            let _ = stream.write_with(&doorman.refusal(&error), &[]);
                        }
                        continue;
                    }
                    if !doorman.greets() {
                        let _ = doorman.enter(Entrant { stream, harbour: self.clone() });
                        continue;
                    }
                    let claimant = stream.claimant(credentials.as_ref());
                    while self.make_room(&claimant) {}
                    let mut state = self.state();
                    if !state.berths.contains_key(&berth) {
                        return;
                    }
                    let token = state.next_token();
                    if self.epoll.add(stream.readable().0, token, Interest::IN | Interest::RDHUP).is_ok() {
                        let patience = Instant::now() + PATIENCE;
                        let doorman = doorman.clone();
                        state.callers.insert(
                            token,
                            Calling {
                                berth,
                                stream,
                                doorman,
                                credentials,
                                claimant,
                                entry,
                                reading: Reading::default(),
                                patience,
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
        match caller.hear_more() {
            Ok(false) => {}
            heard => self.hear_out(caller, heard.map(drop)),
        }
        true
    }

    /// Answers whoever has said hello in a pipe, and watches the next pipe.
    fn hear(self: &Arc<Self>, token: u64, claim: &fifo::Claim, doorman: &Arc<dyn Doorman>) {
        while let Some(newcomer) = claim.hear() {
            let answer = match &newcomer.pipes {
                Ok(pipes) => doorman.answer(Arrival {
                    stream: Stream::Pipes(pipes.clone()),
                    hello: newcomer.hello.clone(),
                    descriptors: Vec::new(),
                    credentials: None,
                    process: None,
                    harbour: self.clone(),
                }),
                Err(error) => Err(error.clone()),
            };
            match answer {
                Ok(answer) => {
                    if claim.answer(&newcomer, &answer.frame) {
                        (answer.admitted)();
                    }
                }
                Err(error) => drop(claim.answer(&newcomer, &doorman.refusal(&error))),
            }
            // What was watched is the newcomer's now, and whoever closed the berth meanwhile wants none watched.
            if let Ok(pipes) = &newcomer.pipes {
                self.epoll.remove(pipes.reader());
                if self.state().berths.contains_key(&token) {
                    claim.with_reader(|reader| self.epoll.add(reader, token, Interest::IN));
                }
            }
        }
    }

    /// Answers a caller whose hello has come, or could not be read.
    fn hear_out(self: &Arc<Self>, caller: Calling, heard: Result<()>) {
        let Calling { stream, doorman, credentials, reading, .. } = caller;
        let answer = heard.and_then(|()| {
            let (hello, descriptors) = reading.finish()?;
            let process = credentials.as_ref().and_then(|who| stream.process(who));
            let harbour = self.clone();
            doorman.answer(Arrival {
                stream: stream.clone(),
                hello,
                descriptors,
                credentials,
                process,
                harbour,
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
                let _ = stream.write_with(&doorman.refusal(&error), &[]);
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

    impl Doorman for Slow {
        fn check_user(&self, _: Option<&Credentials>) -> Result<()> {
            Ok(())
        }

        fn check_hello(&self, _: &Incoming) -> Result<()> {
            Ok(())
        }

        fn answer(&self, _: Arrival) -> Result<Answer> {
            Ok(Answer { frame: b"welcome".to_vec(), descriptors: Vec::new(), admitted: Box::new(|| {}) })
        }

        fn refusal(&self, _: &Error) -> Vec<u8> {
            b"no".to_vec()
        }

        fn hesitates(&self) -> Option<Duration> {
            Some(Duration::from_millis(200))
        }
    }

    #[test]
    fn caller_of_a_listener_that_is_closed_before_it_accepts_is_hung_up_on() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let listens = |name: &str| {
            let place = Place { directory: directory.clone(), file: name.into() };
            let claim = Mooring::Socket(place.claim(Access::default()).unwrap());
            (open(claim, Arc::new(Slow)).unwrap(), place)
        };
        // The thread goes on as long as somebody listens.
        let _other = listens("other.unix");
        let (berth, place) = listens("late.unix");
        let caller = place.connect(Carries::Bytes, Duration::ZERO).unwrap().unwrap();
        let hello = crate::frame::Header::new(crate::frame::Kind::Hello, crate::Encoding::Cbor);
        rustix::io::write(&caller, &hello.to_bytes()).unwrap();
        // The thread has been woken, and waits.
        std::thread::sleep(Duration::from_millis(50));
        drop(berth);
        let mut waiting = Waiting::until(Deadline::after(Duration::from_secs(20)));
        poll::wait_any(&mut waiting, [(caller.as_fd(), PollFlags::IN)]).unwrap();
        let mut heard = [0; 16];
        assert!(
            matches!(rustix::io::read(&caller, &mut heard), Ok(0) | Err(rustix::io::Errno::CONNRESET)),
            "{heard:?}"
        );
    }
}
