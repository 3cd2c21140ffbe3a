//! A server's clients, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ahead::Ahead;
use super::answer::{Outlet, Request};
use super::sleeper::Sleeper;
use crate::channel::acceptor::{ChannelAcceptor, ConnectionGuard, Link, Negotiated, Peer};
use crate::channel::record::Record;
use crate::channel::session::inbox::{AckTrigger, Verdict};
use crate::channel::session_state::urgency;
use crate::channel::{Acknowledge, Options};
use crate::deadline::Waiting;
use crate::error::{Doing, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind};
use crate::message::{Message, Payload};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::stop;
use crate::transport::{Losses, Rx, extension};

struct Client {
    rx: Rx,
    ahead: Ahead,
    peer: Peer,
    outlet: Arc<Outlet>,
    parked: bool,
    /// Whether its token stands in [`Clients::turn`].
    queued: bool,
    /// What its hello said; none where there was no hello.
    negotiated: Option<Negotiated>,
    /// Whether it takes its leave, and waits to hear how far we have come.
    asked: bool,
    /// While answers wait: a descriptor of its own for "there is room", because the link's may be in the set already.
    room: Option<OwnedFd>,
    /// Whether it says nothing more, and only waits for answers.
    listens_only: bool,
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
    /// The program calls again: what it was given has been consumed.
    fn consumed(&self) {
        let Some(negotiated) = &self.negotiated else { return };
        let trigger = if self.asked { AckTrigger::Asked } else { AckTrigger::Passing };
        if negotiated.session_state.consumed(trigger) {
            self.say(trigger);
        }
    }

    fn say(&self, trigger: AckTrigger) {
        if let Some(negotiated) = &self.negotiated {
            self.outlet.say(negotiated.hello.session, trigger);
        }
    }

    /// The session of a message that came, and how many are missing before it; none where it came twice.
    fn take(&self, frame: &Incoming) -> Result<Option<(u64, u64)>> {
        let Some(negotiated) = &self.negotiated else { return Ok(Some((0, 0))) };
        let Header { kind, flags, sequence, correlation, .. } = frame.header;
        if correlation > 0 {
            negotiated.session_state.acknowledged(correlation)?;
        }
        let mut halves = negotiated.session_state.halves();
        if let Some(lie) = halves.violation() {
            return Err(lie);
        }
        Ok(match halves.inbox.take(sequence, frame.body.len(), urgency(kind, flags))? {
            Verdict::Duplicate => None,
            Verdict::New { missed } => {
                let session = halves.inbox.session();
                halves.inbox.given(session, sequence);
                Some((session, missed))
            }
        })
    }

    /// Whether this is a request that its caller has withdrawn by now: then it is dealt with.
    fn is_withdrawn(&mut self, frame: &Incoming, session: u64) -> bool {
        let Some(negotiated) = self.negotiated.as_ref().filter(|_| frame.header.kind == Kind::Request) else {
            return false;
        };
        let is_withdrawn = self.ahead.is_withdrawn(frame.header.sequence, &mut self.rx);
        if is_withdrawn {
            negotiated.session_state.finished(session, frame.header.sequence);
        }
        is_withdrawn
    }
}

/// Everybody who is connected.
pub struct Clients {
    epoll: Epoll,
    clients: HashMap<u64, Client>,
    /// Those that may have something, in the order of their turn.
    turn: VecDeque<u64>,
    /// Frames taken since all clients were last looked at.
    taken: u32,
    last_token: u64,
    wake: Arc<EventFd>,
    sleeper: Arc<Sleeper>,
    options: Options,
    record: Arc<Record>,
    shown: Arc<str>,
    stops: Option<stop::Watch>,
    ready: Vec<Ready>,
    /// Whether the program sleeps on our descriptor itself.
    pub watched: bool,
}

/// After so many frames of clients that always have more, the others are looked at, too: those that sleep, those whose
/// answers wait, whoever closes the server, the deadline.
const ROUND: u32 = 64;
const ACCEPTOR: u64 = 0;
const WAKE: u64 = 1;
const STOP: u64 = 2;
const FIRST: u64 = 16;
/// Set in the token of a client's "there is room".
const ROOM: u64 = 1 << 63;

/// Why a look at the clients ended.
pub enum Next {
    /// A request.
    Request(Request),
    /// Somebody wants to know whether the server is still open.
    Woken,
    /// A signal asked the program to stop.
    Stopped,
}

impl Clients {
    pub fn new(
        acceptor: &ChannelAcceptor,
        wake: Arc<EventFd>,
        options: &Options,
        record: Arc<Record>,
        shown: Arc<str>,
    ) -> Result<Clients> {
        let epoll = Epoll::new()?;
        epoll.add(acceptor.queue.waker(), ACCEPTOR, Interest::IN)?;
        epoll.add(&*wake, WAKE, Interest::IN)?;
        Ok(Clients {
            epoll,
            clients: HashMap::new(),
            turn: VecDeque::new(),
            taken: 0,
            last_token: FIRST,
            sleeper: Arc::new(Sleeper::new(wake.clone())),
            wake,
            options: options.clone(),
            record,
            shown,
            stops: None,
            ready: Vec::new(),
            watched: false,
        })
    }

    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Lets SIGINT and SIGTERM end the wait.
    pub fn stop_on_signals(&mut self) -> Result<()> {
        if self.stops.is_none() {
            let watch = stop::watch()?;
            self.epoll.add(stop::waker(), STOP, Interest::IN)?;
            self.stops = Some(watch);
        }
        Ok(())
    }

    /// The next request of whoever's turn it is.
    pub fn next(&mut self, acceptor: &ChannelAcceptor, waiting: &mut Waiting<'_>) -> Result<Next> {
        let mut empty_polls = 0;
        loop {
            if !self.watched {
                // One that has an event loop of its own sleeps where we do not see it.
                self.sleeper.wakes();
            }
            self.welcome(acceptor)?;
            let before = self.taken;
            if let Some(request) = self.look(waiting)? {
                return Ok(Next::Request(request));
            }
            empty_polls += self.taken - before;
            self.sleeper.sleeps();
            self.flush_out()?;
            let busy = !self.turn.is_empty();
            if waiting.is_none() && !self.watched && !busy {
                return Err(waiting.timed_out());
            }
            if self.park_all()? && !busy {
                continue;
            }
            self.taken = 0;
            let mut ready = std::mem::take(&mut self.ready);
            let slept = if busy {
                // Clients that say much keep neither the others waiting nor the caller beyond its deadline.
                self.epoll.sleep(Some(Duration::ZERO), &mut ready)?;
                let late = empty_polls >= ROUND && waiting.deadline().has_passed();
                if late { Err(waiting.timed_out()) } else { Ok(()) }
            } else if waiting.is_none() {
                // An event loop was woken by one of these; who is parked is only looked at for a reason.
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
            slept?;
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    fn welcome(&mut self, acceptor: &ChannelAcceptor) -> Result<()> {
        while let Some(Link { tx, rx, peer, guard, negotiated }) = acceptor.queue.pop() {
            self.last_token += 1;
            let token = self.last_token;
            for fd in rx.descriptors() {
                self.epoll.add(fd, token, Interest::IN | Interest::RDHUP)?;
            }
            self.record.connected(&peer.source);
            if let Some(negotiated) = &negotiated {
                negotiated.session_state.begin(negotiated);
            }
            let (record, sleeper) = (self.record.clone(), self.sleeper.clone());
            let outlet =
                match Outlet::new(tx, peer.limit, negotiated.as_ref(), &self.options, record, sleeper) {
                    Ok(outlet) => outlet.into(),
                    // What it says of itself cannot be: it is let go of.
                    Err(e) => {
                        self.record.disconnected(format!("{}: {e}", peer.source));
                        continue;
                    }
                };
            let client = Client {
                rx,
                ahead: Ahead::default(),
                peer,
                outlet,
                parked: false,
                queued: false,
                negotiated,
                asked: false,
                room: None,
                listens_only: false,
                _guard: guard,
            };
            self.clients.insert(token, client);
            self.queue(token);
            self.count_present();
        }
        Ok(())
    }

    /// Gives a client its turn, once.
    fn queue(&mut self, token: u64) {
        if let Some(client) = self.clients.get_mut(&token).filter(|client| !client.queued) {
            client.queued = true;
            self.turn.push_back(token);
        }
    }

    /// Goes round those that may have something until one has, or none, or it is time to look at the others.
    fn look(&mut self, waiting: &mut Waiting<'_>) -> Result<Option<Request>> {
        // Nobody else is kept waiting by a short sleep for the one client that there is.
        let alone = self.clients.len() == 1 && !waiting.is_none() && !self.watched;
        while self.taken < ROUND
            && let Some(token) = self.turn.pop_front()
        {
            let Some(client) = self.clients.get_mut(&token) else { continue };
            client.queued = false;
            if client.listens_only {
                continue;
            }
            if client.parked {
                client.rx.unpark();
                client.parked = false;
            }
            if self.options.ack == Acknowledge::Auto || !client.rx.keeps() {
                client.rx.consumed();
            }
            client.consumed();
            let got = loop {
                match client.ahead.next(&mut client.rx) {
                    Ok(None) if self.turn.is_empty() && client.rx.spin() => {}
                    Ok(None) if alone && client.outlet.is_idle() && client.rx.sleep_briefly(waiting)? => {}
                    got => break got,
                }
            };
            let losses = client.rx.take_losses();
            if losses != Losses::default() {
                self.record.lost(losses);
            }
            match got {
                Ok(Some(frame)) => {
                    self.taken += 1;
                    client.queued = true;
                    self.turn.push_back(token);
                    match frame.header.kind {
                        Kind::Request | Kind::Data => {
                            let session = match client.take(&frame) {
                                Ok(None) => continue,
                                Ok(Some((session, missed))) => {
                                    if missed > 0 {
                                        self.record.lagged(missed);
                                    }
                                    session
                                }
                                Err(e) => {
                                    self.record.disconnected(format!("{}: {e}", client.peer.source));
                                    self.let_go(token);
                                    continue;
                                }
                            };
                            if client.is_withdrawn(&frame, session) {
                                self.record.count(&self.record.dropped);
                                continue;
                            }
                            self.record.count(&self.record.received);
                            let source = match extension::read(&frame.extension) {
                                Ok(Some(sender)) => sender.source,
                                _ => client.peer.source.clone(),
                            };
                            let message = Message::new(frame, &source, self.options.limits(), session)
                                .held_to(self.options.checks_received());
                            return Ok(Some(Request::new(
                                message,
                                client.outlet.clone(),
                                self.shown.clone(),
                            )));
                        }
                        Kind::Bye => {
                            client.rx.consumed();
                            client.asked = true;
                            client.say(AckTrigger::Asked);
                        }
                        Kind::Ack => {
                            let lie = client.negotiated.as_ref().map(|negotiated| {
                                negotiated.session_state.acknowledged(frame.header.correlation)
                            });
                            if let Some(Err(e)) = lie {
                                self.record.disconnected(format!("{}: {e}", client.peer.source));
                                self.let_go(token);
                            }
                        }
                        // What is no request at all is answered for the program, which never sees it.
                        Kind::Error if client.rx.is_plain() => {
                            self.record.count(&self.record.dropped);
                            let objection = Payload::from_bytes(frame.header.encoding, frame.body);
                            client.outlet.send(Kind::Error, frame.header.sequence, 0, &objection)?;
                        }
                        _ => {}
                    }
                }
                // Cold from here on: `park_all` lets it wake us.
                Ok(None) => client.say(AckTrigger::Sleeping),
                // One frame of it was too large, and was skipped; its sender has been told the limit in the hello.
                Err(e) if client.rx.goes_on_after(&e) => {
                    self.record.count(&self.record.dropped);
                    self.taken += 1;
                    client.queued = true;
                    self.turn.push_back(token);
                }
                // The one way to all of them.
                Err(e) if client._guard.is_none() => {
                    self.let_go(token);
                    return Err(e);
                }
                Err(e) => {
                    self.record.disconnected(format!("{}: {e}", client.peer.source));
                    // A plain client that has said all it has to say may still read.
                    client.listens_only = client.rx.is_plain()
                        && e.kind() == ErrorKind::Disconnected
                        && client.outlet.listens_only();
                    if client.listens_only {
                        client.rx.descriptors().into_iter().for_each(|fd| self.epoll.remove(fd));
                    } else {
                        self.let_go(token);
                    }
                }
            }
        }
        Ok(None)
    }

    fn let_go(&mut self, token: u64) {
        let Some(client) = self.clients.remove(&token) else { return };
        self.count_present();
        client.outlet.close();
        for fd in client.rx.descriptors() {
            self.epoll.remove(fd);
        }
        if let Some(room) = &client.room {
            self.epoll.remove(room);
        }
    }

    /// Brings away answers that wait, and arranges to be woken for the rest. Lets go of those who waited for nothing else.
    fn flush_out(&mut self) -> Result<()> {
        let served = |client: &Client| client.listens_only && !client.outlet.waits();
        let served: Vec<u64> =
            self.clients.iter().filter(|(_, client)| served(client)).map(|(token, _)| *token).collect();
        served.into_iter().for_each(|token| self.let_go(token));
        for (token, client) in &mut self.clients {
            if !client.outlet.pending.load(Ordering::Acquire) && client.room.is_none() {
                continue;
            }
            let mut room = client.room.take();
            while !client.outlet.flush() {
                let parked = client.outlet.with_tx(|tx| -> Result<bool> {
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
                    // The client has gone: its receiving half says so at its next turn.
                    Some(Err(_)) | None => break,
                }
            }
            if let Some(room) = room {
                self.epoll.remove(room);
            }
        }
        Ok(())
    }

    /// Lets every client wake us; true where one has something after all.
    fn park_all(&mut self) -> Result<bool> {
        for (token, client) in &mut self.clients {
            if client.parked || client.queued || client.listens_only {
                continue;
            }
            if client.rx.park().unwrap_or(true) {
                client.queued = true;
                self.turn.push_back(*token);
            } else {
                client.parked = true;
            }
        }
        Ok(!self.turn.is_empty())
    }

    /// Brings away every answer that waits, until the deadline; then how many clients have not taken theirs.
    pub fn finish(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        // Each is told how far its messages were taken: it may be about to ask, and we read no more.
        for client in self.clients.values_mut() {
            if self.options.ack == Acknowledge::Auto {
                client.rx.consumed();
            }
            client.consumed();
            client.say(AckTrigger::Leaving);
        }
        if self.stops.is_some() {
            // A signal may be why we leave, and would wake us for ever.
            self.epoll.remove(stop::waker());
        }
        // Nothing is read any more: only room for answers, and the end of a connection, are worth waking for.
        for (token, client) in &self.clients {
            for fd in client.rx.descriptors() {
                self.epoll.modify(fd, *token, Interest::empty())?;
            }
        }
        loop {
            self.sleeper.sleeps();
            self.flush_out()?;
            if self.clients.values().all(|c| !c.outlet.pending.load(Ordering::Acquire)) {
                return Ok(());
            }
            let mut ready = Vec::new();
            self.epoll.wait(waiting, &mut ready)?;
            for Ready { token, .. } in ready {
                match token {
                    WAKE => self.wake.drain(),
                    ACCEPTOR | STOP => {}
                    token if token & ROOM != 0 => {}
                    gone => self.let_go(gone),
                }
            }
        }
    }

    fn count_present(&self) {
        self.record.present.store(self.clients.len() as u64, Ordering::Relaxed);
    }

    /// How many are connected.
    pub fn count(&self) -> usize {
        self.clients.len()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for client in self.clients.values() {
            client.outlet.close();
        }
    }
}
