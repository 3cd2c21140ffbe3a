//! The event loop of the controller's server: accepts peers, reads their messages in turn, and carries out the actions
//! of the state.
//!
//! One thread does all of this, and blocks only in `epoll`, so no peer can block it. Messages for a peer that does not
//! read are queued up to a limit (`peer`). Beyond the limit, events to watchers are dropped and counted, and any other
//! message ends the link. At most [`BATCH`] messages of one peer are handled before the next peer's messages.
//!
//! The token of a link is not used again, so an action for a link that has ended is dropped. A client keeps its session
//! when its link breaks: its answers are kept for a limited time (`disconnected`), and sent over the next link.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::client_protocol::{ClientRequest, WatchRequest};
use crate::disconnected::DisconnectedClients;
use crate::options::{ControllerServerOptions, StopHandle, open};
use crate::peer::{Outgoing, Peer, SendOutcome, WRITABLE};
use crate::rate_limit::Limits;
use crate::state::{Action, Moment, ServerState};
use crate::usage;
use linkspan::frame::Kind;
use linkspan::service::server_side::{
    Epoll, Interest, MESSAGE_LIMIT, Pattern, PeerListener, Ready, RequestInfo, StopWatch, Supervisor,
    ToController, ToService, Waiting, clock_of, kind, random, start, stop_waker, watch_stop, with_until,
};
use linkspan::{Controller, Encoding, Error, ErrorKind, Message, Payload, Result, Timestamp, Value, Wait};

/// A controller's server: services connect to it, and clients send it requests.
///
/// [`ControllerServer::run`] is its event loop, which uses only the calling thread and blocks while there is nothing
/// to do.
pub struct ControllerServer {
    listeners: Vec<PeerListener>,
    options: ControllerServerOptions,
    epoll: Epoll,
    peers: HashMap<u64, Peer>,
    /// The newest link of each client.
    clients: HashMap<u64, u64>,
    /// Clients without a link that may reconnect for their answers.
    disconnected: DisconnectedClients,
    /// Peers whose links are closed after [`LINGER`], which lets them read the last messages.
    closing: VecDeque<(Duration, u64, Peer)>,
    state: ServerState,
    controller: u64,
    stop: StopHandle,
    /// The time of the server's creation, the origin of `Moment::since`.
    started_at: Instant,
    /// The token of the newest link.
    last_token: u64,
    /// The number of messages, for the statistics.
    received: u64,
    sent: u64,
    /// Exists while SIGINT and SIGTERM end the loop.
    signals: Option<StopWatch>,
    /// Notifications for systemd.
    supervisor: Supervisor,
    ready: Vec<Ready>,
}

/// Tokens of descriptors in the epoll set: the waker of [`StopHandle`], signals, listeners from 2 on, links from 64 on.
const WAKE: u64 = 0;
const SIGNAL: u64 = 1;
const LISTENERS: u64 = 2;
const FIRST: u64 = 64;
/// The most messages of one peer, or connections of one listener, that are handled in a row.
const BATCH: usize = 32;
/// How long a peer has to read the last messages before its link is closed.
const LINGER: Duration = Duration::from_secs(1);

impl ControllerServer {
    /// The default endpoints: a local socket for the programs of this user, and TCP for this machine and its
    /// containers.
    pub const ENDPOINTS: [&str; 2] = [Controller::ENDPOINT, "tcp://127.0.0.1:17170"];

    /// Listens at these endpoints, or at [`ControllerServer::ENDPOINTS`] if none are given.
    ///
    /// # Errors
    /// `AddressInUse` if an endpoint is in use, with the process that uses it if that is known; other errors of
    /// listening at an endpoint. After an error it listens at none of them.
    pub fn listen(endpoints: &[String], options: &ControllerServerOptions) -> Result<ControllerServer> {
        usage::raise_descriptors();
        let standard = ControllerServer::ENDPOINTS.map(str::to_owned);
        let standard = if options.tcp { &standard[..] } else { &standard[..1] };
        let endpoints = if endpoints.is_empty() { standard } else { endpoints };
        let listeners: Vec<PeerListener> =
            endpoints.iter().map(|endpoint| open(endpoint, &options.channel)).collect::<Result<_>>()?;
        let epoll = Epoll::new()?;
        let stop = StopHandle::new()?;
        epoll.add(&*stop.waker, WAKE, Interest::IN)?;
        for (token, listener) in (LISTENERS..).zip(&listeners) {
            epoll.add(listener, token, Interest::IN)?;
        }
        let controller = random()?;
        let limits = Limits { heartbeat: options.heartbeat, ..Limits::default() };
        let (supervisor, problem) = Supervisor::from_env();
        let mut state = ServerState::new(controller, limits);
        if let Some(error) = problem {
            let now = Moment { since: Duration::ZERO, at: Timestamp::now() };
            state.log_event(None, "error", &error.to_string(), now);
        }
        Ok(ControllerServer {
            listeners,
            options: options.clone(),
            epoll,
            peers: HashMap::new(),
            clients: HashMap::new(),
            disconnected: DisconnectedClients::default(),
            closing: VecDeque::new(),
            state,
            controller,
            stop,
            started_at: Instant::now(),
            last_token: FIRST,
            received: 0,
            sent: 0,
            signals: None,
            supervisor,
            ready: Vec::new(),
        })
    }

    /// Returns the limits. Tests change them to become independent of the machine's speed.
    #[cfg(test)]
    pub(super) fn limits(&mut self) -> &mut Limits {
        &mut self.state.limits
    }

    /// Returns its endpoints with the assigned ports.
    pub fn endpoints(&self) -> Vec<String> {
        self.listeners.iter().map(PeerListener::endpoint).collect()
    }

    /// Returns a handle that ends [`ControllerServer::run`] from another thread.
    pub fn stopper(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Serves until [`StopHandle::stop`], a signal, or the time-out. By default there is no time-out.
    ///
    /// # Errors
    /// `Timeout` once the time-out has passed, after which it may be called again; errors of the callback of the wait;
    /// errors of `epoll` or of a listener.
    pub fn run<'a>(&mut self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let mut waiting = start(wait.into(), &self.options.channel.on_wait);
        if self.options.handle_signals && self.signals.is_none() {
            let watch = watch_stop()?;
            // Edge-triggered: it stays readable after the first signal of the process.
            self.epoll.add(stop_waker(), SIGNAL, Interest::IN | Interest::ET)?;
            self.signals = Some(watch);
        }
        loop {
            let is_ending =
                self.stop.was_requested() || self.signals.as_ref().is_some_and(StopWatch::is_requested);
            self.notify(is_ending);
            if is_ending {
                return Ok(());
            }
            self.round(&mut waiting)?;
        }
    }

    /// Notifies systemd; READY is sent before the first wait.
    fn notify(&mut self, is_ending: bool) {
        if !self.supervisor.is_present() {
            return;
        }
        let now = self.now();
        let status = match is_ending {
            false => {
                format!("{} services; listens at {}", self.state.services.len(), self.endpoints().join(", "))
            }
            true => "ends".to_owned(),
        };
        let notified = [
            self.supervisor.controller_state(is_ending, &status, now.since),
            self.supervisor.tick(None, now.since),
        ];
        for error in notified.into_iter().flatten() {
            self.state.log_event(None, "error", &error.to_string(), now);
        }
    }

    /// Waits for events, and handles them.
    fn round(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        let now = self.started_at.elapsed();
        let supervisor_due = self.supervisor.next_due(None, now);
        let close_due = self.closing.front().map(|(until, ..)| *until);
        let due = [self.state.next(), self.disconnected.next_expiry(), close_due, supervisor_due];
        let due = due.into_iter().flatten().min().map(|at| at.saturating_sub(now));
        // A call that does not wait still handles the events that are ready.
        let most = if waiting.is_none() { Some(Duration::ZERO) } else { waiting.sleep()? };
        let sleep = match (due, most) {
            (Some(due), Some(most)) => Some(due.min(most)),
            (due, most) => due.or(most),
        };
        let mut ready = std::mem::take(&mut self.ready);
        let interrupted = self.epoll.sleep(sleep, &mut ready)?;
        for Ready { token, .. } in ready.drain(..) {
            match token {
                WAKE | SIGNAL => {}
                listener if listener < FIRST => {
                    self.accept_from(listener.saturating_sub(LISTENERS) as usize)?
                }
                room if room & WRITABLE != 0 => self.peer_writable(room & !WRITABLE),
                peer => self.read_peer(peer),
            }
            self.run_actions();
        }
        self.ready = ready;
        let now = self.now();
        while let Some(session) = self.disconnected.take_expired(now.since) {
            self.state.client_left(session);
        }
        self.state.advance(now);
        self.run_actions();
        while self.closing.front().is_some_and(|(until, ..)| *until <= now.since) {
            if let Some((_, _, peer)) = self.closing.pop_front() {
                peer.abandon(&self.epoll);
            }
        }
        if waiting.is_none() { Err(waiting.timed_out()) } else { waiting.woke(interrupted) }
    }

    fn now(&self) -> Moment {
        Moment { since: self.started_at.elapsed(), at: Timestamp::now() }
    }

    /// Accepts the waiting connections of a listener, up to the batch size.
    fn accept_from(&mut self, index: usize) -> Result<()> {
        for _ in 0..BATCH {
            let Some(listener) = self.listeners.get(index) else { return Ok(()) };
            let (link, identity) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(e) if matches!(e.kind(), ErrorKind::Timeout | ErrorKind::OutOfMemory) => return Ok(()),
                // The handshake failed because of the peer.
                Err(e) if e.kind() != ErrorKind::InvalidState => continue,
                Err(e) => return Err(e),
            };
            self.last_token = self.last_token.saturating_add(1);
            let token = self.last_token;
            let watched = link.with_descriptor(|descriptor| self.epoll.add(descriptor, token, Interest::IN));
            let peer_limit_reached = self.peers.len() >= self.options.peers;
            if peer_limit_reached {
                let now = self.now();
                self.state.peer_limit_reached(self.peers.len(), now);
            }
            if let Err(error) = &watched {
                let now = self.now();
                let text =
                    format!("a peer ({}) was refused: its link cannot be watched: {error}", identity.source);
                self.state.log_event(None, "error", &text, now);
            }
            if watched.is_err() || peer_limit_reached {
                link.abandon();
                continue;
            }
            self.peers.insert(token, Peer::new(link, identity.pattern, identity.session));
            let now = self.now();
            if identity.pattern == Pattern::Service {
                self.state.service_connected(token, &identity.source, identity.owner, identity.machine, now);
            } else {
                let old = self.clients.insert(identity.session, token);
                self.send(token, Kind::Event, &hello(self.controller), false);
                // The client has reconnected before this loop found the end of its old link.
                if let Some(old) = old {
                    self.remove_peer(old);
                }
                for answer in self.disconnected.end(identity.session) {
                    self.enqueue(token, answer, false);
                }
            }
            self.run_actions();
        }
        Ok(())
    }

    /// Reads messages of a peer, up to the batch size.
    fn read_peer(&mut self, token: u64) {
        for _ in 0..BATCH {
            let Some(peer) = self.peers.get(&token) else { return };
            let (pattern, session) = (peer.pattern, peer.session);
            let got = peer.link.channel().try_recv();
            match got {
                Ok(message) => {
                    self.received = self.received.saturating_add(1);
                    if pattern == Pattern::Service {
                        self.service_message(token, &message);
                    } else {
                        self.client_message(session, &message);
                    }
                    self.run_actions();
                }
                Err(e) if e.kind() == ErrorKind::Empty => return,
                // The channel skips this message, and other channels are served.
                Err(e) if matches!(e.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory) => {
                    if e.kind() == ErrorKind::OutOfMemory
                        && let Err(ended) = peer.link.channel().skip()
                    {
                        return self.link_ended(token, &ended.to_string(), true);
                    }
                    let now = self.now();
                    self.state.malformed_message(token, &e, now);
                    self.run_actions();
                }
                Err(e) => {
                    let fault = e.kind() != ErrorKind::Disconnected;
                    let why = if fault { e.to_string() } else { "its connection has ended".to_owned() };
                    return self.link_ended(token, &why, fault);
                }
            }
        }
    }

    fn service_message(&mut self, token: u64, message: &Message) {
        let now = self.now();
        let received = match kind(message) {
            Kind::Event => message.value().and_then(|value| {
                if let Some(clock) = clock_of(value)? {
                    self.state.clock_received(token, clock, now);
                }
                ToController::from_value(value)
            }),
            _ => Err(Error::new(ErrorKind::Malformed, "a service may send events only")),
        };
        match received {
            Ok(received) => self.state.message_received(token, received, message.body().len(), now),
            Err(e) => self.state.malformed_message(token, &e, now),
        }
    }

    fn client_message(&mut self, session: u64, message: &Message) {
        let now = self.now();
        match kind(message) {
            Kind::Request => {
                let to = RequestInfo::of(message);
                match message.value().and_then(ClientRequest::from_value) {
                    Ok(ClientRequest::Stats) => {
                        let mut stats = self.state.stats();
                        stats.insert("memory".into(), usage::memory().into());
                        stats.insert("processor".into(), usage::processor().into());
                        stats.insert("uptime".into(), now.since.as_secs_f64().into());
                        stats.insert("links".into(), (self.peers.len() as u64).into());
                        stats.insert("clients".into(), (self.clients.len() as u64).into());
                        let messages = [("received", self.received), ("sent", self.sent)];
                        stats.insert("messages".into(), Value::map(messages));
                        let endpoints: Vec<Value> = self.endpoints().into_iter().map(Value::from).collect();
                        stats.insert("endpoints".into(), endpoints.into());
                        self.reply(to, &Value::Map(stats));
                    }
                    Ok(request) => self.state.request(to, request, message.body().len(), now),
                    Err(e) => self.state.refuse(to, e),
                }
            }
            // A watch request is an event, and so must be the answer to a malformed one.
            Kind::Event => match message.value().and_then(WatchRequest::from_value) {
                Ok(watch) => self.state.watch(session, watch, now),
                Err(e) => {
                    let refused =
                        ToService::Refused(linkspan::service::server_side::failure_of(&e)).to_value();
                    if let Some(token) = self.clients.get(&session).copied() {
                        self.send(token, Kind::Event, &refused, false);
                    }
                }
            },
            _ => {}
        }
    }

    fn run_actions(&mut self) {
        while let Some(action) = self.state.next_action() {
            match action {
                Action::SendToService { link, message } => {
                    self.send(link, Kind::Event, &message.to_value(), false);
                }
                Action::SendCommand { link, request, until } => {
                    self.send(link, Kind::Command, &with_until(request.to_value(), until), false)
                }
                Action::CloseLink { link } => self.close_later(link),
                Action::Reply { to, value } => self.reply(to, &value),
                Action::ReplyError { to, error } => self.reply_error(to, &error),
                Action::Push { to, value } => {
                    let payload = match encode(&value) {
                        Ok(payload) => payload,
                        Err(e) => {
                            let now = self.now();
                            self.state.log_event(
                                None,
                                "warning",
                                &format!("an event could not be sent to its watchers: {e}"),
                                now,
                            );
                            continue;
                        }
                    };
                    for client in to {
                        if let Some(token) = self.clients.get(&client).copied() {
                            self.enqueue(token, Outgoing::message(Kind::Event, payload.clone()), true);
                        }
                    }
                }
            }
        }
    }

    fn send(&mut self, token: u64, kind: Kind, value: &Value, may_be_missed: bool) {
        // A message that is too large is dropped. A command in it times out.
        if let Ok(payload) = encode(value) {
            self.enqueue(token, Outgoing::message(kind, payload), may_be_missed);
        }
    }

    /// Sends an answer to a client. If it cannot be encoded, sends the error instead, so that each request is answered.
    fn reply(&mut self, to: RequestInfo, value: &Value) {
        match encode(value) {
            Ok(payload) => self.send_reply(to, Outgoing::reply(to, payload)),
            Err(e) => self.reply_error(to, &e),
        }
    }

    fn reply_error(&mut self, to: RequestInfo, error: &Error) {
        if let Ok(refusal) = Outgoing::error(to, error) {
            self.send_reply(to, refusal);
        }
    }

    /// Sends an answer over the newest link of the client, or keeps it until the client has reconnected.
    fn send_reply(&mut self, to: RequestInfo, answer: Outgoing) {
        match self.clients.get(&to.session).copied() {
            Some(token) => self.enqueue(token, answer, false),
            None => self.disconnected.keep(to.session, answer),
        }
    }

    fn enqueue(&mut self, token: u64, out: Outgoing, may_be_missed: bool) {
        let Some(peer) = self.peers.get_mut(&token) else { return };
        let outcome = peer.send(out, may_be_missed, &self.epoll, token);
        self.sent = self.sent.saturating_add(u64::from(matches!(outcome, SendOutcome::Queued)));
        self.handle_outcome(token, outcome);
    }

    fn peer_writable(&mut self, token: u64) {
        if let Some(peer) = self.peers.get_mut(&token) {
            let outcome = peer.on_writable(&self.epoll, token);
            if matches!(outcome, SendOutcome::Queued) && peer.is_idle() && peer.missed > 0 {
                let missed = std::mem::take(&mut peer.missed);
                let session = peer.session;
                let event = Value::map([("what", Value::from("missed")), ("count", missed.into())]);
                self.send(token, Kind::Event, &event, false);
                let now = self.now();
                self.state.send_snapshot(session, now);
            }
            self.handle_outcome(token, outcome);
        } else if let Some((_, _, peer)) = self.closing.iter_mut().find(|(_, closing, _)| *closing == token) {
            peer.on_writable(&self.epoll, token);
        }
    }

    /// Ends the link of a peer that cannot receive any more.
    fn handle_outcome(&mut self, token: u64, outcome: SendOutcome) {
        match outcome {
            SendOutcome::Queued | SendOutcome::Dropped => {}
            SendOutcome::Overflow => self.link_ended(token, "it does not read its messages", true),
            SendOutcome::Failed(e) => self.link_ended(token, &e.to_string(), true),
        }
    }

    fn link_ended(&mut self, token: u64, why: &str, fault: bool) {
        let Some(pattern) = self.remove_peer(token) else { return };
        if pattern == Pattern::Service {
            let now = self.now();
            self.state.link_closed(token, why, fault, now);
        }
    }

    /// Closes the link of a peer at once. Returns the peer's pattern; `None` if the peer was removed before. Keeps the
    /// answers that were not sent to a client.
    fn remove_peer(&mut self, token: u64) -> Option<Pattern> {
        let mut peer = self.peers.remove(&token)?;
        peer.abandon(&self.epoll);
        let session = peer.session;
        if peer.pattern == Pattern::Service {
            return Some(peer.pattern);
        }
        let answers: Vec<Outgoing> = peer.take_replies().collect();
        match self.clients.get(&session).copied() {
            Some(newest) if newest == token => {
                self.clients.remove(&session);
                self.state.unwatch(session);
                let waits = !answers.is_empty() || self.state.has_pending_commands(session);
                if !(waits && self.disconnected.begin(session, self.started_at.elapsed())) {
                    self.state.client_left(session);
                }
                answers.into_iter().for_each(|answer| self.disconnected.keep(session, answer));
            }
            // The client has reconnected before this loop found the end of this link.
            Some(newest) => answers.into_iter().for_each(|answer| self.enqueue(newest, answer, false)),
            None => {}
        }
        Some(peer.pattern)
    }

    /// Closes the link of a peer after [`LINGER`], which lets the peer read the last messages.
    fn close_later(&mut self, token: u64) {
        let Some(peer) = self.peers.remove(&token) else { return };
        // Nothing more is read from this peer.
        if peer
            .link
            .with_descriptor(|descriptor| {
                self.epoll.remove(descriptor);
                Ok(())
            })
            .is_err()
        {
            return peer.abandon(&self.epoll);
        }
        self.closing.push_back((self.started_at.elapsed().saturating_add(LINGER), token, peer));
    }

    /// Stops listening and closes all links, as dropping the server does.
    pub fn close(&mut self) {
        self.stop.stop();
        for listener in self.listeners.drain(..) {
            listener.close();
        }
        for (_, peer) in self.peers.drain() {
            peer.abandon(&self.epoll);
        }
        for (.., peer) in self.closing.drain(..) {
            peer.abandon(&self.epoll);
        }
    }
}

impl Drop for ControllerServer {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns the first message to a client, which has the incarnation of the controller.
pub(super) fn hello(controller: u64) -> Value {
    Value::map([("what", Value::from("hello")), ("controller", controller.into())])
}

fn encode(value: &Value) -> Result<Payload> {
    Payload::new(value, Encoding::Cbor, &linkspan::Limits::for_message(MESSAGE_LIMIT))
}

impl fmt::Debug for ControllerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControllerServer").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
