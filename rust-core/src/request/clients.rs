//! The clients of a server, and the order in which they are served.
//!
//! One thread at a time runs [`Clients::next`]. Clients that may have something are in `ready_queue`; each
//! turn serves one frame, so that a client which always has more does not keep the others waiting. The others
//! are parked: their links wake the epoll set. After [`FRAMES_PER_ROUND`] frames, parked clients, waiting
//! answers, new connections and the deadline are checked in any case.
//!
//! The steps of a round: accept new links, serve the queue, flush answers, park the clients that
//! have nothing, wait. The wait ends for a frame, room for an answer, a new connection, `wake` (an
//! answer of another thread, or close) or a signal.
//!
//! A client that violates the protocol, or whose link ends, is disconnected; its session goes to the
//! registry of the acceptor with its guard.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::answer::{ClientTx, Request};
use super::read_ahead::ReadAhead;
use super::server_waker::ServerWaker;
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::event_log::EventLog;
use crate::channel::link::{ConnectionGuard, Link, Peer};
use crate::channel::session::inbox::{AckTrigger, Verdict};
use crate::channel::session_state::{Negotiated, urgency};
use crate::channel::{Acknowledge, Options};
use crate::deadline::Waiting;
use crate::error::{Doing, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::{Message, Payload, withdrawal};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::stop;
use crate::transport::{Losses, Rx, extension};

/// A connected client. Used by the serving thread only.
struct Client {
    rx: Rx,
    read_ahead: ReadAhead,
    peer: Peer,
    client_tx: Arc<ClientTx>,
    /// Whether the link is to wake the epoll set.
    parked: bool,
    /// Whether its token is in `ready_queue`.
    queued: bool,
    /// The result of the hellos; none without a hello.
    negotiated: Option<Negotiated>,
    /// Whether the client closes and waits for the acknowledgement.
    bye_received: bool,
    /// While answers wait: the descriptor that reports room. A duplicate, because the link's own may
    /// be in the epoll set already.
    room: Option<OwnedFd>,
    /// Whether the client has closed its sending side and only waits for answers.
    half_closed: bool,
    _guard: Option<Arc<ConnectionGuard>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(negotiated) = &self.negotiated {
            negotiated.session_state.receiving_ended(negotiated);
        }
    }
}

impl Client {
    /// Returns whether answers wait, or a descriptor for their room is in the epoll set.
    fn is_unflushed(&self) -> bool {
        self.room.is_some() || self.client_tx.pending.load(Ordering::Acquire)
    }

    /// Records that the program calls again, which consumes the delivered requests; acknowledges if
    /// that is due.
    fn consumed(&self) {
        let Some(negotiated) = &self.negotiated else { return };
        let trigger = if self.bye_received { AckTrigger::Requested } else { AckTrigger::Receive };
        if negotiated.session_state.consumed(trigger) {
            self.send_ack(trigger);
        }
    }

    /// Acknowledges if `trigger` makes that due.
    fn send_ack(&self, trigger: AckTrigger) {
        if let Some(negotiated) = &self.negotiated {
            self.client_tx.send_ack(negotiated.hello.session, trigger);
        }
    }

    /// Returns the session of a message, and how many messages before it are missing; none for a
    /// duplicate.
    fn record_received(&self, frame: &Incoming) -> Result<Option<(u64, u64)>> {
        let Some(negotiated) = &self.negotiated else { return Ok(Some((0, 0))) };
        let Header { kind, flags, sequence, correlation, .. } = frame.header;
        if correlation > 0 {
            negotiated.session_state.acknowledged(correlation)?;
        }
        let mut halves = negotiated.session_state.halves();
        if let Some(violation) = halves.violation() {
            return Err(violation);
        }
        Ok(match halves.inbox.receive(sequence, frame.body.len(), urgency(kind, flags))? {
            Verdict::Duplicate => None,
            Verdict::New { missed } => {
                let session = halves.inbox.session();
                halves.inbox.delivered(session, sequence);
                Some((session, missed))
            }
        })
    }

    /// Returns whether the caller of this request has withdrawn it; then it counts as consumed.
    fn is_withdrawn(&mut self, frame: &Incoming, session: u64) -> bool {
        let Some(negotiated) = self.negotiated.as_ref().filter(|_| frame.header.kind == Kind::Request) else {
            return false;
        };
        let is_withdrawn = self.read_ahead.is_withdrawn(frame.header.sequence, &mut self.rx);
        if is_withdrawn {
            negotiated.session_state.finished(session, frame.header.sequence);
        }
        is_withdrawn
    }
}

/// The connected clients of a server.
pub struct Clients {
    epoll: Epoll,
    /// By the token in the epoll set.
    clients: HashMap<u64, Client>,
    /// Tokens of clients that may have something, in the order in which they are served.
    ready_queue: VecDeque<u64>,
    /// Tokens of clients that were served since [`Clients::park_served`], which parks those that have
    /// nothing.
    served: Vec<u64>,
    /// Tokens of clients that may have answers waiting, or wait for room.
    unflushed: Vec<u64>,
    /// Tokens of clients that closed their sending side and wait for answers.
    half_closed: Vec<u64>,
    /// Frames since all clients were checked.
    frames_in_round: u32,
    /// Tokens are not used again.
    last_token: u64,
    /// Ends the wait of the serving thread.
    wake: Arc<EventFd>,
    server_waker: Arc<ServerWaker>,
    options: Options,
    event_log: Arc<EventLog>,
    shown: Arc<str>,
    /// Exists while SIGINT and SIGTERM end the wait.
    signal_watch: Option<stop::Watch>,
    /// Reused for each wait.
    ready: Vec<Ready>,
    /// Whether the program's event loop watches the epoll set.
    pub watched: bool,
}

/// Frames after which all clients, the deadline and a close are checked.
const FRAMES_PER_ROUND: u32 = 64;
/// Token of the queue of new links.
const ACCEPTOR: u64 = 0;
/// Token of `wake`.
const WAKE: u64 = 1;
/// Token of the signals.
const STOP: u64 = 2;
/// Tokens of clients are above this.
const FIRST_CLIENT: u64 = 16;
/// This bit in a client's token means "there is room".
const ROOM: u64 = 1 << 63;

/// What [`Clients::next`] returns.
pub enum Next {
    /// A request.
    Request(Request),
    /// `wake` was signalled: the caller checks whether the server is still open.
    Woken,
    /// A signal asked the program to stop.
    Stopped,
}

impl Clients {
    /// Returns the clients of a new server: none.
    pub fn new(
        acceptor: &ChannelAcceptor,
        wake: Arc<EventFd>,
        options: &Options,
        event_log: Arc<EventLog>,
        shown: Arc<str>,
    ) -> Result<Clients> {
        let epoll = Epoll::new()?;
        epoll.add(acceptor.queue.waker(), ACCEPTOR, Interest::IN)?;
        epoll.add(&*wake, WAKE, Interest::IN)?;
        Ok(Clients {
            epoll,
            clients: HashMap::new(),
            ready_queue: VecDeque::new(),
            served: Vec::new(),
            unflushed: Vec::new(),
            half_closed: Vec::new(),
            frames_in_round: 0,
            last_token: FIRST_CLIENT,
            server_waker: Arc::new(ServerWaker::new(wake.clone())),
            wake,
            options: options.clone(),
            event_log,
            shown,
            signal_watch: None,
            ready: Vec::new(),
            watched: false,
        })
    }

    /// Returns the epoll set, which a program's event loop watches.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Makes SIGINT and SIGTERM end the wait.
    pub fn stop_on_signals(&mut self) -> Result<()> {
        if self.signal_watch.is_none() {
            let watch = stop::watch()?;
            self.epoll.add(stop::waker(), STOP, Interest::IN)?;
            self.signal_watch = Some(watch);
        }
        Ok(())
    }

    /// Returns the next request, waiting for it.
    ///
    /// # Errors
    /// `Timeout` at the deadline; the errors of the link if all clients share one link.
    pub fn next(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<Next> {
        // One round each: accept, serve the queue, flush, park, wait.
        let mut empty_polls = 0;
        loop {
            if !self.watched {
                // A program with an event loop waits there, so its thread always counts as parked.
                self.server_waker.unpark();
            }
            self.accept_new(acceptor)?;
            let before = self.frames_in_round;
            if let Some(request) = self.poll_clients(waiting)? {
                return Ok(Next::Request(request));
            }
            empty_polls += self.frames_in_round - before;
            self.server_waker.prepare_park();
            self.flush_pending();
            let busy = !self.ready_queue.is_empty();
            if waiting.is_none() && !self.watched && !busy {
                return Err(waiting.timed_out());
            }
            if self.park_served()? && !busy {
                continue;
            }
            self.frames_in_round = 0;
            let mut ready = std::mem::take(&mut self.ready);
            let waited = if busy {
                // Only a check: the queue is not empty.
                self.epoll.sleep(Some(Duration::ZERO), &mut ready)?;
                let late = empty_polls >= FRAMES_PER_ROUND && waiting.deadline().has_passed();
                if late { Err(waiting.timed_out()) } else { Ok(()) }
            } else if waiting.is_none() {
                // An event loop was woken by one of these; parked clients are polled only if they report
                // something.
                self.epoll.sleep(Some(Duration::ZERO), &mut ready)?;
                if ready.iter().all(|r| r.token == STOP) { Err(waiting.timed_out()) } else { Ok(()) }
            } else {
                self.epoll.wait(waiting, &mut ready)
            };
            let mut ended = None;
            for Ready { token, .. } in ready.drain(..) {
                match token {
                    ACCEPTOR => {}
                    WAKE => {
                        self.wake.drain();
                        ended = Some(Next::Woken);
                    }
                    STOP => ended = Some(Next::Stopped),
                    token if token & ROOM != 0 => {}
                    token => self.queue(token),
                }
            }
            self.ready = ready;
            waited?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    /// Adds the links that were admitted.
    fn accept_new(&mut self, acceptor: &ChannelAcceptor) -> Result<()> {
        while let Some(Link { tx, rx, peer, guard, negotiated }) = acceptor.queue.pop() {
            self.last_token += 1;
            let token = self.last_token;
            for fd in rx.descriptors() {
                self.epoll.add(fd, token, Interest::IN | Interest::RDHUP)?;
            }
            self.event_log.connected(&peer.source);
            if let Some(negotiated) = &negotiated {
                negotiated.session_state.begin_receiving(negotiated);
            }
            let (event_log, server_waker) = (self.event_log.clone(), self.server_waker.clone());
            let client_tx = match ClientTx::new(
                tx,
                peer.max_message_size,
                negotiated.as_ref(),
                &self.options,
                event_log,
                server_waker,
                token,
            ) {
                Ok(client_tx) => client_tx.into(),
                // Its hello has impossible claims.
                Err(e) => {
                    self.event_log.disconnected(format!("{}: {e}", peer.source));
                    continue;
                }
            };
            let client = Client {
                rx,
                read_ahead: ReadAhead::default(),
                peer,
                client_tx,
                parked: false,
                queued: false,
                negotiated,
                bye_received: false,
                room: None,
                half_closed: false,
                _guard: guard,
            };
            self.clients.insert(token, client);
            self.queue(token);
            self.count_present();
        }
        Ok(())
    }

    /// Adds a client to `ready_queue`, once.
    fn queue(&mut self, token: u64) {
        if let Some(client) = self.clients.get_mut(&token).filter(|client| !client.queued) {
            client.queued = true;
            self.ready_queue.push_back(token);
        }
    }

    /// Serves the queue until there is a request, the queue is empty, or the round ends.
    fn poll_clients(&mut self, waiting: &mut Waiting<'_>) -> Result<Option<Request>> {
        // With a single client, a short wait for it keeps no other one waiting.
        let is_single = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        while self.frames_in_round < FRAMES_PER_ROUND
            && let Some(token) = self.ready_queue.pop_front()
        {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            client.queued = false;
            if client.half_closed {
                continue;
            }
            self.served.push(token);
            if client.parked {
                client.rx.unpark();
                client.parked = false;
            }
            if self.options.ack == Acknowledge::Auto || !client.rx.keeps() {
                client.rx.consumed();
            }
            client.consumed();
            // A short wait for this client is allowed only while no other one is ready.
            let got = loop {
                match client.read_ahead.next(&mut client.rx) {
                    Ok(None) if self.ready_queue.is_empty() && client.rx.spin() => {}
                    Ok(None)
                        if is_single && client.client_tx.is_idle() && client.rx.sleep_briefly(waiting)? => {}
                    got => break got,
                }
            };
            let losses = client.rx.take_losses();
            if losses != Losses::default() {
                self.event_log.lost(losses);
            }
            match got {
                Ok(Some(frame)) => {
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                    match frame.header.kind {
                        Kind::Request | Kind::Data => {
                            let session = match client.record_received(&frame) {
                                Ok(None) => continue,
                                Ok(Some((session, missed))) => {
                                    if missed > 0 {
                                        self.event_log.lagged(missed);
                                    }
                                    session
                                }
                                Err(e) => {
                                    self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                                    self.disconnect(token);
                                    continue;
                                }
                            };
                            if client.is_withdrawn(&frame, session) {
                                self.event_log.count(&self.event_log.dropped);
                                continue;
                            }
                            self.event_log.count(&self.event_log.received);
                            let source = match extension::read(&frame.extension) {
                                Ok(Some(sender)) => sender.source,
                                _ => client.peer.source.clone(),
                            };
                            let until = extension::read_until(&frame.extension);
                            let message = Message::new(frame, &source, self.options.limits(), session)
                                .with_schema(self.options.checks_received());
                            return Ok(Some(Request::new(
                                message,
                                client.client_tx.clone(),
                                self.shown.clone(),
                                until,
                            )));
                        }
                        Kind::Bye => {
                            client.rx.consumed();
                            client.bye_received = true;
                            client.send_ack(AckTrigger::Requested);
                        }
                        Kind::Ack => {
                            if let Some(request) = withdrawal::read(&frame) {
                                client.client_tx.note_withdrawal(request);
                            }
                            let acknowledged = client.negotiated.as_ref().map(|negotiated| {
                                negotiated.session_state.acknowledged(frame.header.correlation)
                            });
                            if let Some(Err(e)) = acknowledged {
                                self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                                self.disconnect(token);
                            }
                        }
                        // The error reply to a line that is no request (JSON-RPC) is sent back
                        // without the program.
                        Kind::Error if client.rx.is_plain() => {
                            self.event_log.count(&self.event_log.dropped);
                            let error_reply = Payload::from_body(frame.header.encoding, frame.body);
                            client.client_tx.send(Kind::Error, frame.header.sequence, 0, &error_reply)?;
                        }
                        _ => {}
                    }
                }
                // `park_served` parks it.
                Ok(None) => client.send_ack(AckTrigger::Park),
                // One frame was too large and was skipped; the hello contained the limit.
                Err(e) if client.rx.goes_on_after(&e) => {
                    self.event_log.count(&self.event_log.dropped);
                    self.frames_in_round += 1;
                    client.queued = true;
                    self.ready_queue.push_back(token);
                }
                // A link without a guard is shared by all clients.
                Err(e) if client._guard.is_none() => {
                    self.disconnect(token);
                    return Err(e);
                }
                Err(e) => {
                    self.event_log.disconnected(format!("{}: {e}", client.peer.source));
                    // A client without a hello that closed its sending side may still read.
                    client.half_closed = client.rx.is_plain()
                        && e.kind() == ErrorKind::Disconnected
                        && client.client_tx.half_closed();
                    if client.half_closed {
                        self.half_closed.push(token);
                        client.rx.descriptors().into_iter().for_each(|fd| self.epoll.remove(fd));
                    } else {
                        self.disconnect(token);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Removes a client and its descriptors.
    fn disconnect(&mut self, token: u64) {
        let Some(client) = self.clients.remove(&token) else { return };
        self.count_present();
        client.client_tx.close();
        for fd in client.rx.descriptors() {
            self.epoll.remove(fd);
        }
        if let Some(room) = &client.room {
            self.epoll.remove(room);
        }
    }

    /// Flushes waiting answers, arranges wake-ups for the rest, and disconnects clients that only waited for
    /// answers. It visits only clients for which there is something to do.
    fn flush_pending(&mut self) {
        let clients = &self.clients;
        let finished = |token: &mut u64| clients.get(token).is_none_or(|c| !c.client_tx.has_unfinished());
        let finished: Vec<u64> = self.half_closed.extract_if(.., finished).collect();
        finished.into_iter().for_each(|token| self.disconnect(token));
        self.server_waker.take_pending(&mut self.unflushed);
        let mut unflushed = std::mem::take(&mut self.unflushed);
        unflushed.iter().for_each(|token| self.flush(*token));
        // A client may have been added twice: once before and once after it was flushed.
        unflushed.sort_unstable();
        unflushed.dedup();
        unflushed.retain(|token| self.clients.get(token).is_some_and(Client::is_unflushed));
        self.unflushed = unflushed;
    }

    /// Flushes the waiting answers of a client, and arranges a wake-up for the rest.
    fn flush(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token).filter(|client| client.is_unflushed()) else {
            return;
        };
        let mut room = client.room.take();
        while !client.client_tx.flush() {
            let parked = client.client_tx.with_tx(|tx| -> Result<bool> {
                if tx.park_room()? {
                    return Ok(false);
                }
                if room.is_none() {
                    let (fd, what) = tx.room_descriptor()?;
                    let own = fd.try_clone_to_owned().doing("duplicating a descriptor")?;
                    self.epoll.add(own.as_fd(), token | ROOM, what)?;
                    room = Some(own);
                }
                Ok(true)
            });
            match parked {
                Some(Ok(false)) => {}
                Some(Ok(true)) => {
                    client.room = room.take();
                    break;
                }
                // The client has disconnected, which its receiving half reports at its next turn.
                Some(Err(_)) | None => break,
            }
        }
        if let Some(room) = room {
            self.epoll.remove(room);
        }
    }

    /// Parks the clients that were served and have nothing; true if one has something after all.
    fn park_served(&mut self) -> Result<bool> {
        for token in self.served.drain(..) {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            if client.parked || client.queued || client.half_closed {
                continue;
            }
            if client.rx.park().unwrap_or(true) {
                client.queued = true;
                self.ready_queue.push_back(token);
            } else {
                client.parked = true;
            }
        }
        Ok(!self.ready_queue.is_empty())
    }

    /// Closes: receives no more and sends every waiting answer.
    ///
    /// # Errors
    /// `Timeout` if clients have not taken their answers by the deadline.
    pub fn finish(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        // Acknowledged now, because the request of a client that waits for it would not be received any more.
        for client in self.clients.values_mut() {
            if self.options.ack == Acknowledge::Auto {
                client.rx.consumed();
            }
            client.consumed();
            client.send_ack(AckTrigger::Close);
        }
        if self.signal_watch.is_some() {
            // A signal that caused the close stays readable and would end each wait.
            self.epoll.remove(stop::waker());
        }
        // Frames are not received any more: only room for answers and the end of a connection wake this
        // thread.
        for (token, client) in &self.clients {
            for fd in client.rx.descriptors() {
                self.epoll.modify(fd, *token, Interest::empty())?;
            }
        }
        loop {
            self.server_waker.prepare_park();
            self.flush_pending();
            if self.clients.values().all(|c| !c.client_tx.pending.load(Ordering::Acquire)) {
                return Ok(());
            }
            let mut ready = Vec::new();
            self.epoll.wait(waiting, &mut ready)?;
            for Ready { token, .. } in ready {
                match token {
                    WAKE => self.wake.drain(),
                    ACCEPTOR | STOP => {}
                    token if token & ROOM != 0 => {}
                    token => self.disconnect(token),
                }
            }
        }
    }

    /// Updates the counter that listings show.
    fn count_present(&self) {
        self.event_log.present.store(self.clients.len() as u64, Ordering::Relaxed);
    }

    /// Returns how many clients are connected.
    pub fn count(&self) -> usize {
        self.clients.len()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for client in self.clients.values() {
            client.client_tx.close();
        }
    }
}
