//! The acceptor: one thread per process that answers new connections while the program works.
//!
//! It lets the [`Authenticator`] check each connection, reads one hello and no later byte, and asks the listener's
//! [`HandshakeHandler`] for the answer. It never runs the program's code and never blocks on one peer. `Bounds` limits
//! the connections without a hello.
//!
//! No mutex is held while a handler, a watcher or an authenticator runs. A forked child makes another acceptor;
//! `Watches::born` lets the drop of an inherited registration spare the parent's listener.

mod handler;
mod pending;
mod source;
mod watches;

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::admission::{Bounds, PeerIdentity};
use super::authentication::{Authenticator, HelloSource};
use super::hello::HelloReader;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::descriptor;
use crate::sys::eventfd::EventFd;
use crate::sys::fork::{self, Guarded, Own};
use crate::sys::poll::{Interest, Ready};
use crate::sys::{socket, thread};

pub use handler::{HandshakeAnswer, HandshakeHandler, IncomingHandshake, RawConnection};
use pending::{HandshakeStage, PendingHandshake};
pub use source::ListenSource;
use watches::Watches;
pub use watches::{WatchedSocket, Watcher};

/// A peer's time for its hello, including the proof of a token.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// The thread's pause if even the spare descriptor does not help.
const SHORTAGE: Duration = Duration::from_millis(10);
/// The waker's token; others count from one.
const WAKE: u64 = 0;

/// A listener's entry. Its drop closes the listener and its pending handshakes.
pub struct ListenerRegistration {
    acceptor: Arc<Acceptor>,
    token: u64,
}

/// This process's acceptor, shared by registrations and watches.
struct Acceptor {
    watches: Arc<Watches>,
    waker: EventFd,
    bounds: Bounds,
    state: Mutex<AcceptorState>,
}

#[derive(Default)]
struct AcceptorState {
    /// The thread clears it under the mutex after the last registration.
    running: bool,
    registrations: HashMap<u64, Listening>,
    callers: HashMap<u64, PendingHandshake>,
    /// Callers whose memory files are being examined; each round examines one slice of one file.
    examined: VecDeque<u64>,
}

struct Listening {
    source: ListenSource,
    handler: Arc<dyn HandshakeHandler>,
}

/// `None` until the first listener opens.
static CURRENT: Own<Mutex<Option<Arc<Acceptor>>>> = Own::new();

/// Registers a listener, whose connections the acceptor's thread answers.
///
/// # Errors
/// The kernel has no descriptor or thread left.
pub fn open(source: ListenSource, handler: Arc<dyn HandshakeHandler>) -> Result<ListenerRegistration> {
    let mut current = CURRENT.lock();
    let acceptor = match &*current {
        Some(acceptor) => acceptor.clone(),
        None => {
            let acceptor = Arc::new(Acceptor {
                watches: Arc::new(Watches::new()?),
                waker: EventFd::new()?,
                bounds: Bounds::of_process(),
                state: Mutex::default(),
            });
            acceptor.watches.epoll.add(&acceptor.waker, WAKE, Interest::IN)?;
            *current = Some(acceptor.clone());
            acceptor
        }
    };
    let mut state = acceptor.state();
    let token = acceptor.watches.next_token();
    // The thread waits for the lock, so it finds the registration.
    if !state.running {
        let runner = acceptor.clone();
        thread::start("linkspan-accept", move || runner.run())?;
        state.running = true;
    }
    source.watch(&acceptor.watches.epoll, token)?;
    state.registrations.insert(token, Listening { source, handler });
    drop(state);
    Ok(ListenerRegistration { acceptor, token })
}

impl Drop for ListenerRegistration {
    fn drop(&mut self) {
        if self.acceptor.watches.born != fork::generation() {
            return;
        }
        let mut state = self.acceptor.state();
        let gone = state.registrations.remove(&self.token);
        let token = self.token;
        let callers: Vec<_> = state.callers.extract_if(|_, caller| caller.registration == token).collect();
        drop(state);
        drop(callers);
        if let Some(gone) = &gone {
            gone.source.close(&self.acceptor.watches.epoll);
        }
        self.acceptor.waker.wake();
    }
}

impl Acceptor {
    fn state(&self) -> MutexGuard<'_, AcceptorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the thread until the last registration ends.
    ///
    /// A failed wait would fail again at once, so it ends all listeners.
    fn run(self: &Arc<Self>) {
        let mut spare = spare();
        let mut ready = Vec::new();
        loop {
            let (nearest, examined) = {
                let mut state = self.state();
                if state.registrations.is_empty() {
                    state.running = false;
                    state.callers.clear();
                    state.examined.clear();
                    return;
                }
                (state.callers.values().map(|c| c.deadline).min(), state.examined.pop_front())
            };
            let timeout = match examined {
                Some(_) => Some(Duration::ZERO),
                None => nearest.map(|at| at.saturating_duration_since(Instant::now())),
            };
            if let Err(error) = self.watches.epoll.sleep(timeout, &mut ready) {
                let mut state = self.state();
                state.running = false;
                let AcceptorState { registrations, callers, .. } = std::mem::take(&mut *state);
                drop(state);
                drop(callers);
                registrations.into_values().for_each(|listening| self.end(listening, &error));
                return;
            }
            for Ready { token, what } in ready.drain(..) {
                self.handle(token, what, &mut spare);
            }
            // After the events: a peer with long files waits for the others.
            if let Some(token) = examined {
                self.advance_caller(token);
            }
            let now = Instant::now();
            self.state().callers.retain(|_, c| c.deadline > now);
        }
    }

    fn end(&self, listening: Listening, error: &Error) {
        listening.source.close(&self.watches.epoll);
        listening.handler.ended(error);
    }

    /// Handles one event. A token outside the maps was removed before.
    fn handle(self: &Arc<Self>, token: u64, what: Interest, spare: &mut Option<OwnedFd>) {
        if token == WAKE {
            self.waker.drain();
            return;
        }
        let state = self.state();
        if let Some(listening) = state.registrations.get(&token) {
            let handler = listening.handler.clone();
            match &listening.source {
                ListenSource::Socket(bound) => {
                    let (socket, authenticator) = (bound.socket.clone(), bound.authenticator.clone());
                    drop(state);
                    let accept_delay = handler.accept_delay();
                    // A busy process accepts later than an idle one that shares the socket.
                    accept_delay
                        .into_iter()
                        .filter(|time| !time.is_zero())
                        .for_each(crate::sys::sleeping::sleep);
                    self.accept(token, &socket, &*authenticator, &handler, accept_delay.is_some(), spare);
                }
                ListenSource::Hellos(source) => {
                    let source = source.clone();
                    drop(state);
                    self.answer_hellos(token, &*source, &handler);
                }
            }
        } else if state.callers.contains_key(&token) {
            drop(state);
            self.advance_caller(token);
        } else {
            drop(state);
            self.watches.ready(token, what);
        }
    }

    fn advance_caller(self: &Arc<Self>, token: u64) {
        let Some(mut caller) = self.state().callers.remove(&token) else { return };
        let was_read = caller.hello.is_some();
        let step = caller.advance();
        if !was_read && !matches!(step, Ok(HandshakeStage::Reading)) {
            self.watches.epoll.remove(caller.stream.readable().0);
        }
        let mut state = self.state();
        if !state.registrations.contains_key(&caller.registration) {
            return;
        }
        match step {
            Ok(HandshakeStage::Complete) | Err(_) => {
                drop(state);
                self.answer_caller(caller, step.map(drop));
            }
            Ok(step) => {
                if step == HandshakeStage::Examining {
                    state.examined.push_back(token);
                }
                state.callers.insert(token, caller);
            }
        }
    }

    fn is_open(&self, registration: u64) -> bool {
        self.state().registrations.contains_key(&registration)
    }

    /// Accepts all waiting connections, or one connection of a shared socket.
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
                // The listener was closed after the event.
                Ok(Some(_)) if !self.is_open(registration) => return,
                Ok(Some(socket)) => {
                    let Ok((stream, proof)) = authenticator.admit(socket, handler.expects_hello()) else {
                        continue;
                    };
                    let Ok(credentials) = stream.credentials() else { continue };
                    if let Err(error) = handler.check_user(credentials.as_ref()) {
                        // Nothing that this user sent is read.
                        if handler.expects_hello() {
                            let _ = stream.write_with(&handler.refusal(&error), &[]);
                        }
                        continue;
                    }
                    if !handler.expects_hello() {
                        let _ = handler
                            .admit_without_hello(RawConnection { stream, watches: self.watches.clone() });
                        continue;
                    }
                    let peer_identity = stream.peer_identity(credentials.as_ref());
                    while self.make_room(&peer_identity) {}
                    let mut state = self.state();
                    if !state.registrations.contains_key(&registration) {
                        return;
                    }
                    let token = self.watches.next_token();
                    if self
                        .watches
                        .epoll
                        .add(stream.readable().0, token, Interest::IN | Interest::RDHUP)
                        .is_ok()
                    {
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
                                hello: None,
                                deadline,
                            },
                        );
                    }
                }
                // No descriptor is left, and the connection would wake this thread without end. The spare descriptor
                // lets it be accepted and closed.
                Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                    drop(spare.take());
                    if socket::accept(listener).is_err() {
                        // A shortage of the kernel or of all processes passes.
                        crate::sys::sleeping::sleep(SHORTAGE);
                    }
                    *spare = self::spare();
                    return;
                }
                // The network ended the connection, which has left the queue.
                Err(error) if error.errno().is_some_and(socket::is_of_one_connection) => return,
                // The next call would fail equally, without end.
                Err(error) => {
                    let ended = self.state().registrations.remove(&registration);
                    ended.into_iter().for_each(|listening| self.end(listening, &error));
                    return;
                }
            }
        }
    }

    /// Evicts a pending connection for a new one; false if no eviction is needed.
    ///
    /// An evicted connection with a complete hello is answered.
    fn make_room(self: &Arc<Self>, new_peer: &PeerIdentity) -> bool {
        let mut state = self.state();
        let waiting = state.callers.iter().map(|(token, caller)| (*token, caller.peer_identity.clone()));
        let Some(token) = self.bounds.to_evict(waiting, new_peer) else { return false };
        let Some(mut caller) = state.callers.remove(&token) else { return false };
        drop(state);
        if caller.hello.is_none() {
            self.watches.epoll.remove(caller.stream.readable().0);
        }
        match caller.advance() {
            Ok(HandshakeStage::Reading | HandshakeStage::Examining) => {}
            step => self.answer_caller(caller, step.map(drop)),
        }
        true
    }

    /// Answers every hello in a pipe, and watches the next pipe.
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
                    watches: self.watches.clone(),
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
            if let Ok(stream) = &received.stream {
                self.watches.epoll.remove(stream.readable().0);
                if self.state().registrations.contains_key(&token) {
                    // Otherwise each client learns that the server does not answer.
                    source
                        .with_reader(&mut |reader| drop(self.watches.epoll.add(reader, token, Interest::IN)));
                }
            }
        }
    }

    /// Answers a peer whose hello is complete or failed (`read_outcome`).
    fn answer_caller(self: &Arc<Self>, caller: PendingHandshake, read_outcome: Result<()>) {
        let PendingHandshake { stream, handler, credentials, hello, .. } = caller;
        let answer = read_outcome.and_then(|()| {
            let Some((hello, descriptors)) = hello else {
                return Err(Error::new(ErrorKind::Internal, "a hello was to be answered before it had come"));
            };
            let process = credentials.as_ref().and_then(|who| stream.process(who));
            let watches = self.watches.clone();
            handler.answer(IncomingHandshake {
                stream: stream.clone(),
                hello,
                descriptors,
                credentials,
                process,
                watches,
            })
        });
        // The first frame on this connection has room, except after the peer's end.
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
    descriptor::open(Path::new("/dev/null"), OFlags::RDONLY, Mode::empty()).ok()
}

#[cfg(test)]
mod tests;
