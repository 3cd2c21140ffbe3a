//! The channel: two ends, messages both ways, requests and replies.

pub(crate) mod batch;
mod call;
mod close;
mod poll;
mod room;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use super::acceptor::{ChannelAcceptor, Link};
use super::dial::Dialler;
use super::direction::{Direction, DirectionGuard, Does};
use super::greeting::Pattern;
use super::options::{Options, Use};
use super::receiving::{Receiving, Taken};
use super::reconnector::{Origin, Reconnector};
use super::record::{Event, Record};
use super::sending::{AckSender, Draft, Sending, is_time_to_gather};
use super::session::RetransmitClass;
use super::session::inbox::AckTrigger;
use super::session_state::{SessionState, class};
use super::turns::Turns;
use crate::buffers;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::message::{Message, Payload};
use crate::sys::fork;
use crate::transport::endpoint::Endpoint;
use crate::transport::tcp;
use crate::value::{Source, Value};

pub use call::PendingReply;
pub use close::LINGER;
pub use poll::RequestInfo;

/// Which side of a channel this is; fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It holds the name; the other side comes, goes and comes again.
    Listener,
    /// It connects, and connects again when the other side has started anew.
    Connector,
}

impl Role {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Listener => "listener",
            Role::Connector => "connector",
        }
    }
}

/// One of two ends. Any number of threads may [`send`](Channel::send) and [`call`](Channel::call): they take turns, in the order in
/// which they come, each within its own time-out. One thread at a time may [`recv`](Channel::recv); another one that receives, or
/// calls meanwhile, gets `InvalidState` at once, because the answer to its call could be taken by the first.
pub struct Channel {
    endpoint: Endpoint,
    shown: String,
    options: Options,
    role: Role,
    reconnector: Reconnector,
    sending: Direction<Sending>,
    receiving: Direction<Receiving>,
    /// Threads that call do so one after the other.
    calls: Turns,
    record: Arc<Record>,
    descriptor: Arc<OwnedFd>,
    born: u64,
    /// Whether this end of the endpoint sends, and receives: looked up once, because every call asks.
    sends: bool,
    receives: bool,
}

impl Channel {
    /// Connects to whoever listens, and waits until somebody does; connects again whenever the other side has gone and
    /// come back. `NotFound` where nobody listened until the deadline.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let channel = Channel::dial(endpoint, options)?;
        channel.first_link(&mut wait.into().start(options.timeout).on_wait(&options.on_wait))?;
        Ok(channel)
    }

    /// The same without waiting: it connects when it is first used. For event loops, where [`Channel::poll`] tries and
    /// [`Channel::fileno`] is readable when trying again may help.
    pub fn dial(endpoint: &str, options: &Options) -> Result<Channel> {
        Channel::connector(&endpoint.parse()?, options)
    }

    fn connector(endpoint: &Endpoint, options: &Options) -> Result<Channel> {
        options.check(endpoint.transport(), Use::Channel).map_err(|e| e.on(endpoint))?;
        let origin = if endpoint.transport().is_connectionless() {
            Origin::Place
        } else {
            Origin::Dial(Dialler::new(endpoint, options)?)
        };
        let session_state = SessionState::new(super::greeting::random()?, options);
        let reconnector = Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
        Channel::over(reconnector, None, endpoint, options, Role::Connector)
    }

    /// Connects if somebody listens and listens otherwise: of two that start at the same instant exactly one listens.
    /// A listener does not wait for its peer here. `AddressInUse` where the one who listens has its peer already.
    pub fn open<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = wait.into().start(options.timeout).on_wait(&options.on_wait);
        let mut patience = Wait::TICK;
        if !tcp::can_listen(&endpoint).map_err(|e| e.on(&endpoint))? {
            let channel = Channel::connector(&endpoint, options)?;
            channel.first_link(&mut waiting)?;
            return Ok(channel);
        }
        loop {
            let session_state = SessionState::new(super::greeting::random()?, options);
            match ChannelAcceptor::open(&endpoint, Pattern::Channel, options, Some(&session_state)) {
                Ok(acceptor) => {
                    let endpoint = acceptor.endpoint.clone();
                    let origin = Origin::Acceptor(acceptor);
                    let reconnector =
                        Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
                    return Channel::over(reconnector, None, &endpoint, options, Role::Listener);
                }
                Err(e) if e.kind() == ErrorKind::AddressInUse => {}
                Err(e) => return Err(e.on(&endpoint)),
            }
            let channel = Channel::connector(&endpoint, options)?;
            // Whoever holds the name may end before it answers: then it is ours to take.
            let mut turn = Waiting::until(Deadline::after(patience).sooner(waiting.deadline()));
            match channel.first_link(&mut turn) {
                Ok(()) => return Ok(channel),
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Timeout) => {
                    waiting.sleep().map_err(|e| e.on(&endpoint))?;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                // It lives and is slow: it gets longer to answer, as long as we have time.
                Err(e) if e.kind() == ErrorKind::Stalled && !waiting.deadline().has_passed() => {
                    patience = Wait::TICK * 20;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    pub(super) fn over(
        reconnector: Reconnector,
        link: Option<Link>,
        endpoint: &Endpoint,
        options: &Options,
        role: Role,
    ) -> Result<Channel> {
        let receiving = Receiving::new(options, &reconnector)?;
        let record = Arc::new(Record::default());
        if let Origin::Acceptor(acceptor) = &reconnector.origin {
            acceptor.tells_of(&record);
        }
        if let Some(link) = link {
            record.connected(&link.peer.source);
            reconnector.put(link);
        }
        Ok(Channel {
            endpoint: endpoint.clone(),
            shown: endpoint.to_string(),
            options: options.clone(),
            role,
            reconnector,
            sending: Direction::new(Sending::default()),
            descriptor: receiving.epoll().shared(),
            receiving: Direction::new(receiving),
            calls: Turns::default(),
            record,
            born: fork::generation(),
            sends: endpoint.check_way(role == Role::Connector, "send").is_ok(),
            receives: endpoint.check_way(role == Role::Listener, "recv").is_ok(),
        })
    }

    fn first_link(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        self.sending()?.join(&self.reconnector, &self.record, waiting)
    }

    fn check(&self) -> Result<()> {
        fork::check(self.born)?;
        self.reconnector.check_open()
    }

    fn check_sends(&self) -> Result<()> {
        self.check()?;
        if self.sends { Ok(()) } else { self.endpoint.check_way(self.role == Role::Connector, "send") }
    }

    /// Whether this process may use it, and has not closed it.
    #[inline]
    fn is_usable(&self) -> bool {
        fork::generation() == self.born && !self.reconnector.is_closed()
    }

    /// The direction, where nobody has it and the program has nothing to be told first: what is in the way is seen elsewhere.
    #[inline]
    fn sending_at_once(&self) -> Option<DirectionGuard<'_, Sending>> {
        let free = self.is_usable() && self.sends && !self.reconnector.session_state.has_untold();
        let sending = if free { self.sending.take_at_once()? } else { return None };
        self.is_usable().then_some(sending)
    }

    /// The same for the other direction.
    #[inline]
    fn receiving_at_once(&self) -> Option<DirectionGuard<'_, Receiving>> {
        let receiving =
            if self.is_usable() && self.receives { self.receiving.take_at_once()? } else { return None };
        (self.is_usable() && !self.reconnector.is_interrupted()).then_some(receiving)
    }

    fn sending(&self) -> Result<DirectionGuard<'_, Sending>> {
        self.check_sends()?;
        self.sending.take(Does::Sends, || {})
    }

    /// After the other threads that send.
    fn sending_in_turn(&self, waiting: &mut Waiting<'_>) -> Result<DirectionGuard<'_, Sending>> {
        self.check_sends()?;
        let turn = self.sending.take_in_turn(Does::Sends, waiting)?;
        self.check()?;
        Ok(turn)
    }

    fn receiving(&self) -> Result<DirectionGuard<'_, Receiving>> {
        self.check()?;
        if !self.receives {
            self.endpoint.check_way(self.role == Role::Listener, "recv")?;
        }
        let turn = self.receiving.take(Does::Receives, || self.reconnector.interrupt())?;
        self.reconnector.let_in();
        self.check()?;
        Ok(turn)
    }

    fn start<'a>(&self, wait: impl Into<Wait<'a>>) -> Waiting<'a> {
        wait.into().start(self.options.timeout).on_wait(&self.options.on_wait)
    }

    /// Encodes a value as this channel sends it.
    pub fn encode<T: Source + ?Sized>(&self, value: &T) -> Result<Payload> {
        let options = &self.options;
        Payload::held_to(options.checks_sent(), value, options.encoding(), &options.limits())
            .map_err(|e| e.on(&self.shown))
    }

    /// Sends a value; gives its sequence number. Waits while the other side is away or takes nothing; an error leaves
    /// the message with the caller.
    ///
    /// What was not consumed when the other side went is sent again to the next one that comes in its place: the next listener,
    /// the same `client_id`, and, where this side made the channel with [`Channel::open`], whoever of the same user connects next. A
    /// client without a `client_id` that a [`Listener`](super::Listener) accepted cannot come back: what was kept for it is lost, and
    /// the next `send`, or `close`, is `Disconnected` with the number of messages in [`Error::missed`], once.
    pub fn send<'a, T: Source + ?Sized>(&self, value: &T, wait: impl Into<Wait<'a>>) -> Result<u64> {
        self.send_payload(&self.encode(value)?, wait)
    }

    /// Sends what is encoded already.
    pub fn send_payload<'a>(&self, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<u64> {
        let Some(mut sending) = self.sending_at_once() else {
            return self.put(Kind::Data, 0, payload, &mut self.start(wait));
        };
        if let Some(number) = sending.send_in_place(payload, &self.reconnector, &self.record) {
            drop(sending);
            self.ack_sender().flush_deferred();
            return Ok(number);
        }
        let draft = Draft { kind: Kind::Data, correlation: 0, flags: 0, to: 0, payload };
        let put = self.put_holding(sending, &draft, &mut self.start(wait));
        let put = if put.is_ok() { put } else { self.with_losses(put) };
        put.map_err(|e| e.on(&self.shown))
    }

    /// Sends without waiting: `Full` where the other side has no room.
    pub fn try_send<T: Source + ?Sized>(&self, value: &T) -> Result<u64> {
        self.try_send_payload(&self.encode(value)?)
    }

    /// The same with what is encoded already.
    pub fn try_send_payload(&self, payload: &Payload) -> Result<u64> {
        self.send_payload(payload, Wait::none()).map_err(|e| instead(e, ErrorKind::Full))
    }

    /// Sends what is neither data nor a request: a command, an event.
    pub(crate) fn send_as<'a>(
        &self,
        kind: Kind,
        payload: &Payload,
        wait: impl Into<Wait<'a>>,
    ) -> Result<u64> {
        self.put(kind, 0, payload, &mut self.start(wait))
    }

    fn put(&self, kind: Kind, correlation: u64, payload: &Payload, waiting: &mut Waiting<'_>) -> Result<u64> {
        self.put_flagged(&Draft { kind, correlation, flags: 0, to: 0, payload }, waiting)
            .map_err(|e| e.on(&self.shown))
    }

    fn put_flagged(&self, draft: &Draft<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        if draft.kind != Kind::Data {
            return self.put_now(draft, waiting);
        }
        // Before this one takes the place of what is lost, the program is told.
        let lost = self.reconnector.session_state.take_untold();
        if lost > 0 {
            return Err(close::lost_before(lost));
        }
        let put = self.put_now(draft, waiting);
        if put.is_ok() { put } else { self.with_losses(put) }
    }

    fn put_now(&self, draft: &Draft<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let sending = self.sending_in_turn(waiting)?;
        self.put_holding(sending, draft, waiting)
    }

    fn put_holding(
        &self,
        mut sending: DirectionGuard<'_, Sending>,
        draft: &Draft<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        if let Some(number) = sending.send_at_once(draft, &self.reconnector, &self.record) {
            drop(sending);
            self.ack_sender().flush_deferred();
            return Ok(number);
        }
        self.put_slowly(sending, draft, waiting)
    }

    /// The same where something is in the way: a link that is to be made, messages that are to be sent again, no room.
    #[cold]
    fn put_slowly(
        &self,
        sending: DirectionGuard<'_, Sending>,
        draft: &Draft<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<u64> {
        let (class, bytes) = (class(draft.kind, draft.flags), draft.payload.body().len());
        // The claim is kept while the state is let go of: messages of other threads do not come in between.
        let (_claim, mut sending) = sending.split();
        loop {
            let (room, open) = {
                let mut halves = self.reconnector.session_state.halves();
                let room = halves.has_room(class, bytes);
                // The memory of a long one that was consumed is for this one.
                if is_time_to_gather(halves.outbox.kept_count()) || bytes >= buffers::SHORTEST {
                    halves.look();
                }
                if let Some(error) = halves.violation() {
                    sending.condemn(&error);
                    return Err(error);
                }
                (room, halves.outbox.kept_count())
            };
            if room {
                let sent = sending.send(draft, &self.reconnector, &self.record, &|| self.gather(), waiting);
                drop(sending);
                self.ack_sender().flush_deferred();
                let number = sent?;
                if class == RetransmitClass::Data && is_time_to_gather(open) {
                    self.gather();
                }
                return Ok(number);
            }
            // Where nothing is there to be sent to, the peer cannot acknowledge either.
            let joined = sending.join(&self.reconnector, &self.record, waiting);
            drop(sending);
            self.ack_sender().flush_deferred();
            joined?;
            self.await_room(class, bytes, waiting)?;
            sending = self.sending.lock();
            if let Some(number) = sending.send_at_once(draft, &self.reconnector, &self.record) {
                drop(sending);
                self.ack_sender().flush_deferred();
                return Ok(number);
            }
        }
    }

    fn ack_sender(&self) -> AckSender<'_> {
        AckSender { sending: &self.sending, reconnector: &self.reconnector, record: &self.record }
    }

    /// Says that everything which was received so far has been consumed: for a channel with `ack="manual"`. A message
    /// that was not acknowledged when this program ends is sent to its next incarnation.
    pub fn ack(&self) -> Result<()> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        receiving.consumed();
        let session = self.reconnector.session_state.halves().inbox.session();
        self.reconnector.session_state.acknowledge(session, u64::MAX);
        self.ack_sender().send_ack(AckTrigger::Leaving);
        drop(receiving);
        Ok(())
    }

    /// Receives the next message. While the other side is away, waits for it to come back.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let receiving = match self.receiving_at_once() {
            Some(mut receiving) => match receiving.take_ready(&self.ack_sender()) {
                Some(message) => return Ok(message),
                None => Ok(receiving),
            },
            None => self.receiving(),
        };
        let mut waiting = self.start(wait);
        receiving.and_then(|held| self.recv_holding(held, &mut waiting)).map_err(|e| e.on(&self.shown))
    }

    fn recv_holding(
        &self,
        mut receiving: DirectionGuard<'_, Receiving>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Message> {
        receiving.program_calls(&self.ack_sender());
        let message = self.take_given(&mut receiving, waiting)?;
        self.note_given(&receiving, &message);
        Ok(message)
    }

    /// The program is given this message. What comes from the link right now was noted as given when it came.
    fn note_given(&self, receiving: &Receiving, message: &Message) {
        if receiving.took_kept {
            self.reconnector.session_state.halves().inbox.given(message.session(), message.sequence());
        }
    }

    /// The next message, which the program is given at once.
    fn take_given(&self, receiving: &mut Receiving, waiting: &mut Waiting<'_>) -> Result<Message> {
        receiving.gives = true;
        let taken = self.take(receiving, waiting);
        receiving.gives = false;
        receiving.note_consumed(&self.ack_sender());
        taken
    }

    /// Receives without waiting: `Empty` where nothing is there.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| instead(e, ErrorKind::Empty))
    }

    fn take(&self, receiving: &mut Receiving, waiting: &mut Waiting<'_>) -> Result<Message> {
        loop {
            match receiving.next(&self.ack_sender(), waiting)? {
                Taken::Message(message) if matches!(message.header().kind, Kind::Reply | Kind::Error) => {
                    // Its caller gave up before it came.
                    self.drop_answer(&message);
                }
                // So did the caller of this request, before the program took it.
                Taken::Message(message) if receiving.is_withdrawn(&message, &self.ack_sender()) => {
                    self.drop_answer(&message);
                }
                Taken::Message(message) => return Ok(message),
                Taken::Bye => self.ack_sender().send_ack(AckTrigger::Asked),
                Taken::Ack => {}
            }
        }
    }

    fn drop_answer(&self, message: &Message) {
        self.record.count(&self.record.dropped);
        self.reconnector.session_state.finished(message.session(), message.sequence());
    }

    /// Whether a message can be received at once.
    pub fn poll(&self) -> Result<bool> {
        let mut receiving = self.receiving().map_err(|e| e.on(&self.shown))?;
        receiving.program_calls(&self.ack_sender());
        receiving.note_consumed(&self.ack_sender());
        if !receiving.inbox.is_empty() {
            return Ok(true);
        }
        let mut waiting = self.start(Wait::none());
        match self.take(&mut receiving, &mut waiting) {
            Ok(message) => {
                receiving.keep_first(message);
                Ok(true)
            }
            Err(e) if is_not_now(&e) => Ok(false),
            Err(e) => Err(e.on(&self.shown)),
        }
    }

    /// What happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.record.take()
    }

    /// Whether [`Channel::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.reconnector.is_closed()
    }

    /// Which side this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The endpoint, with its transport.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// A descriptor for an event loop: readable while [`Channel::try_recv`] has something to do.
    pub fn fileno(&self) -> Result<RawFd> {
        self.receiving()?.watch()?;
        // Looking once arms it: from now on what comes makes it readable.
        match self.poll() {
            // A server sends nothing on its own; looking for its answer arms it, too.
            Err(e) if e.kind() == ErrorKind::InvalidState && !self.is_closed() => {}
            looked => drop(looked?),
        }
        Ok(self.descriptor.as_raw_fd())
    }

    /// Whether a message can be received at once.
    pub fn readable(&self) -> Result<bool> {
        self.poll()
    }

    /// Whether a small message can be sent at once, as far as is known.
    pub fn writable(&self) -> Result<bool> {
        let writable = self.sending()?.is_writable();
        self.ack_sender().flush_deferred();
        Ok(writable)
    }

    /// Counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.record.stats();
        stats.insert("endpoint".into(), self.endpoint.to_string().into());
        stats.insert("role".into(), self.role.name().into());
        self.reconnector.session_state.add_to(&mut stats);
        Value::Map(stats)
    }
}

/// The descriptor of [`Channel::fileno`]. Where that fails, because the channel is closed or another thread receives on it, the
/// descriptor never becomes readable, and the next call says why.
impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let _ = self.fileno();
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("endpoint", &self.shown)
            .field("role", &self.role)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Whether an error of a call that was not to wait says no more than "not now": nothing there, nobody there, or one there
/// that has no place for us this instant, because it is just ending or overloaded.
pub fn is_not_now(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::NotFound | ErrorKind::Stalled)
}

/// For calls that are not to wait: what a deadline that has passed, or nobody there, is called.
pub fn instead(error: Error, kind: ErrorKind) -> Error {
    match error.kind() {
        _ if is_not_now(&error) => {
            let text = match kind {
                ErrorKind::Empty => "nothing is there, and the call was not to wait",
                _ => "there is no room, and the call was not to wait",
            };
            let renamed = Error::new(kind, text);
            match error.endpoint() {
                Some(endpoint) => renamed.on(endpoint),
                None => renamed,
            }
        }
        _ => error,
    }
}
