//! Links of which one end is on another machine: a bridge relays the frames of a program here as they are.
//!
//! The sessions of the two programs reach from end to end, and a bridge has no part in them: it relays the
//! hellos, so that each side gets the progress of the other, and then frames in order, in both directions. If
//! it breaks a link, the program that connected makes a new one, and lost messages are sent again under their
//! old numbers.
//!
//! Over shared memory a program publishes its consumed number in a page instead of a frame. [`RelayLink`]
//! turns that number into acknowledgement frames and back, so that the two ends may use different transports.
//!
//! A bridge holds a [`RelayListener`] for each name of another machine. It takes a [`RelayCaller`] from it
//! and sends the hello to the other machine, where [`RelayLink::call`] presents it to the listener; the
//! answer goes back to [`RelayCaller::answer`]. From then on the two machines copy frames between their
//! `RelayLink`s.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::accept_queue::AcceptQueue;
use super::acceptor::bind;
use super::admission::{answer_with_state, check_allowed};
use super::handshake::{self, Hello};
use super::options::{Options, Use};
use super::pattern::Pattern;
use crate::codec::Encoding;
use crate::deadline::{Wait, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, Outgoing, flags};
use crate::sys::memory::PeerFile;
use crate::sys::peer::Credentials;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::acceptor::{
    self, HandshakeAnswer, HandshakeHandler, IncomingHandshake, ListenerRegistration,
};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::{self, Call};
use crate::transport::kind::Transport;
use crate::transport::place::Place;
use crate::transport::stream::Stream;
use crate::transport::{AckWords, Rx, Sent, Tx};
use crate::value::Map;

/// A name of this machine at which programs connect to a channel of another machine. Dropping it removes the
/// name.
pub struct RelayListener {
    /// Callers that wait for an answer from the other machine.
    queue: Arc<AcceptQueue<RelayCaller>>,
    _registration: ListenerRegistration,
}

impl RelayListener {
    /// Binds a name over `shm:` or `unix:` for a channel of the machine in [`Options::with_machine`].
    ///
    /// # Errors
    /// `AddressInUse` if a living program holds the name; `Unsupported` over another transport.
    pub fn listen(endpoint: &str, options: &Options) -> Result<RelayListener> {
        let endpoint: Endpoint = endpoint.parse()?;
        Self::open(&endpoint, Pattern::Channel, options).map_err(|e| e.on(&endpoint))
    }

    /// Binds the name of the controller of another machine, for the services of this machine. Clients of a
    /// controller get `PermissionDenied`: they connect on its machine. Errors as for
    /// [`RelayListener::listen`].
    pub fn listen_for_services(endpoint: &str, options: &Options) -> Result<RelayListener> {
        let endpoint: Endpoint = endpoint.parse()?;
        Self::open(&endpoint, Pattern::Controller, options).map_err(|e| e.on(&endpoint))
    }

    fn open(endpoint: &Endpoint, pattern: Pattern, options: &Options) -> Result<RelayListener> {
        check_transport(endpoint)?;
        options.check(endpoint.transport(), Use::Channel)?;
        let queue = Arc::new(AcceptQueue::new()?);
        let (source, endpoint) = bind(endpoint, pattern, options, false)?;
        let handler = RelayHandler { endpoint, pattern, options: options.clone(), queue: queue.clone() };
        Ok(RelayListener { queue, _registration: acceptor::open(source, Arc::new(handler))? })
    }

    /// Returns the next program that waits for an answer, without waiting for one.
    pub fn next_caller(&self) -> Option<RelayCaller> {
        self.queue.pop()
    }
}

/// Readable while a program waits for an answer.
impl AsFd for RelayListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.waker().as_fd()
    }
}

impl fmt::Debug for RelayListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayListener").finish_non_exhaustive()
    }
}

/// Queues callers, and answers queries for counters by itself.
struct RelayHandler {
    endpoint: Endpoint,
    pattern: Pattern,
    options: Options,
    queue: Arc<AcceptQueue<RelayCaller>>,
}

impl RelayHandler {
    fn answer_query(&self, peer_hello: &Hello) -> Result<HandshakeAnswer> {
        if peer_hello.shared {
            let text = "the bridge to another machine has the name; no other program can serve it";
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        let mut state = Map::new();
        if let Some(machine) = &self.options.machine {
            state.insert("machine".into(), (**machine).into());
        }
        answer_with_state(Hello::new(self.pattern, None, self.options.max_message_size)?, state)
    }
}

impl HandshakeHandler for RelayHandler {
    fn ended(&self, error: &Error) {
        self.queue.fail(error);
    }

    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Hello::from_frame(hello).map(drop)
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<HandshakeAnswer> {
        let peer_hello = Hello::from_frame(&handshake.hello)?;
        if peer_hello.ask && peer_hello.schema_at.is_none() && peer_hello.mismatch.is_none() {
            return self.answer_query(&peer_hello);
        }
        self.pattern.admits(peer_hello.pattern)?;
        refuse_client(&peer_hello, self.options.machine.as_deref())?;
        if peer_hello.machine.is_some() {
            let text = "the name belongs to another machine, and so does the caller: call the name on its own machine";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let most = self.options.queue;
        if self.queue.len() >= most {
            let text = format!("{most} programs wait to be admitted on another machine; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        let caller = RelayCaller {
            transport: self.endpoint.transport(),
            stream: handshake.stream,
            process: handshake.process,
            descriptors: handshake.descriptors,
            hello: peer_hello,
            buffer: self.options.buffer,
        };
        let queue = self.queue.clone();
        let admitted = Box::new(move || queue.push(caller));
        Ok(HandshakeAnswer { frame: Vec::new(), descriptors: Vec::new(), admitted })
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        handshake::refusal(error)
    }
}

/// A program that has sent its hello to a [`RelayListener`] and waits for the answer. Dropping it closes the
/// connection, and the program connects again.
pub struct RelayCaller {
    transport: Transport,
    stream: Stream,
    process: Option<Arc<OwnedFd>>,
    descriptors: Vec<PeerFile>,
    hello: Hello,
    buffer: Option<usize>,
}

impl RelayCaller {
    /// Returns its hello as a frame, for [`RelayLink::call`] on the other machine.
    pub fn hello(&self) -> Result<Vec<u8>> {
        self.hello.to_frame()
    }

    /// Sends it the answer that [`RelayLink::call`] returned on the machine of this name. Returns the link if
    /// the answer admits the caller (`joined`), and none for a refusal or the answer to a query.
    pub fn answer(self, answer: &[u8], joined: bool, machine: &str) -> Result<Option<RelayLink>> {
        let frame = read_frame(answer)?;
        if frame.header.kind == Kind::Error {
            send_whole(&self.stream, answer, &[])?;
            return Ok(None);
        }
        let mut peer_hello = Hello::from_frame(&frame)?;
        peer_hello.machine = Some(machine.to_owned());
        let answer = peer_hello.to_frame()?;
        if !joined {
            send_whole(&self.stream, &answer, &[])?;
            return Ok(None);
        }
        let offer = self.transport.connections()?.offer(peer_hello.session, self.buffer)?;
        let descriptors = offer.descriptors()?;
        let (stream, session) = (self.stream.clone(), self.hello.session);
        let (tx, rx) = offer.join(
            stream,
            self.process,
            session,
            self.descriptors,
            peer_hello.max_message_size,
            None,
            Duration::ZERO,
        )?;
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        send_whole(&self.stream, &answer, &borrowed)?;
        RelayLink::over(tx, rx).map(Some)
    }

    /// Refuses it with this error.
    pub fn refuse(self, error: &Error) {
        // Fails only for a caller that has disconnected meanwhile.
        let _ = self.stream.write_with(&handshake::refusal(error), &[]);
    }
}

impl fmt::Debug for RelayCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayCaller").field("source", &self.hello.source()).finish_non_exhaustive()
    }
}

/// How long a refusal is retried because the previous peer may just have disconnected.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// The pause between these attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A link to a program of this machine whose frames a bridge relays. A frame is passed as bytes: header,
/// extension and body. Used by one thread.
pub struct RelayLink {
    tx: Tx,
    rx: Rx,
    /// The pages of the two sides, over shared memory.
    ack_words: Option<Arc<AckWords>>,
    epoll: Epoll,
    /// Whether the link's descriptors are in the epoll set.
    reads: bool,
    /// The descriptor that reports room, while it is in the epoll set.
    room: Option<OwnedFd>,
    /// Whether the link is to wake this side.
    parked: bool,
    /// The number of the last message that was sent to the program.
    sent: u64,
    /// The number up to which the program has consumed, as far as it was relayed.
    acked: u64,
    /// The number from which on the program was asked for an acknowledgement frame; 0 for none.
    wanted: u64,
}

impl RelayLink {
    /// Sends the hello of a program of another machine ([`RelayCaller::hello`]) to the listener at this
    /// endpoint, over `shm:` or `unix:`. `machine` is the machine that the hello came from, and replaces the one
    /// in the hello; the listener shows it. Returns the answer as a frame, and the link if the listener
    /// has admitted the program.
    ///
    /// # Errors
    /// `NotFound` if no program listens; `Stalled` if the listener does not answer in time.
    pub fn call<'a>(
        endpoint: &str,
        hello: &[u8],
        machine: &str,
        wait: impl Into<Wait<'a>>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = Waiting::start(wait.into(), RETRY_TIME.into());
        Self::dial(&endpoint, hello, machine, &mut waiting).map_err(|e| e.on(&endpoint))
    }

    fn dial(
        endpoint: &Endpoint,
        hello: &[u8],
        machine: &str,
        waiting: &mut Waiting<'_>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        check_transport(endpoint)?;
        let place = Place::of(endpoint)?;
        let hello = Hello::from_frame(&read_frame(hello)?)?;
        let own_hello = Hello { machine: Some(machine.to_owned()), ..hello };
        refuse_client(&own_hello, None)?;
        let (frame, transport) = (own_hello.to_frame()?, endpoint.transport());
        let started = std::time::Instant::now();
        loop {
            let offer = transport.connections()?.offer(own_hello.session, None)?;
            let descriptors = if own_hello.ask { Vec::new() } else { offer.descriptors()? };
            let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            match hello::call(&place, transport.carries(), &frame, &borrowed, waiting)? {
                Call::NotListening => {
                    return Err(Error::new(ErrorKind::NotFound, "no program listens there"));
                }
                Call::Busy => {}
                Call::Answered(called) => {
                    let answer = write_frame(&called.answer);
                    let peer_hello = match handshake::read_answer(&called.answer) {
                        Ok(peer_hello) => peer_hello,
                        // Its last peer may have disconnected just now.
                        Err(e) if e.kind() == ErrorKind::AddressInUse && started.elapsed() < RETRY_TIME => {
                            pause(waiting)?;
                            continue;
                        }
                        Err(_) => return Ok((answer, None)),
                    };
                    // A listener with a schema that the caller has not compared yet does not admit it.
                    let schemas_fit = own_hello.schemas.is_empty()
                        || peer_hello.schemas.first().is_none_or(|one| own_hello.schemas.contains(one));
                    if own_hello.ask || !schemas_fit {
                        return Ok((answer, None));
                    }
                    let process = called.process.filter(|_| !peer_hello.shared);
                    let (tx, rx) = offer.join(
                        called.stream,
                        process,
                        peer_hello.session,
                        called.descriptors.into_iter().map(PeerFile::from).collect(),
                        own_hello.max_message_size,
                        None,
                        Duration::ZERO,
                    )?;
                    return Ok((answer, Some(RelayLink::over(tx, rx)?)));
                }
            }
            pause(waiting)?;
        }
    }

    /// Returns a link over these halves.
    fn over(tx: Tx, rx: Rx) -> Result<RelayLink> {
        let ack_words = tx.ack_words();
        let epoll = Epoll::new()?;
        let (reads, parked) = (false, false);
        Ok(RelayLink { tx, rx, ack_words, epoll, reads, room: None, parked, sent: 0, acked: 0, wanted: 0 })
    }

    /// Returns the next frame of the program, or an acknowledgement made of its page; none if there is
    /// nothing now. Fails once the program has disconnected, after everything that it had sent and
    /// acknowledged.
    pub fn try_recv(&mut self) -> Result<Option<Vec<u8>>> {
        self.unpark();
        if let Some(ack) = self.new_acknowledgement() {
            return Ok(Some(ack));
        }
        match self.rx.try_recv() {
            Ok(Some(frame)) => {
                self.rx.consumed();
                if frame.header.kind == Kind::Ack {
                    self.acked = self.acked.max(frame.header.correlation);
                }
                Ok(Some(write_frame(&frame)))
            }
            Ok(None) => Ok(self.request_ack()),
            Err(e) => self.new_acknowledgement().map_or(Err(e), |ack| Ok(Some(ack))),
        }
    }

    /// Sends the program a frame of the other machine. False if there is no room, or an earlier frame is
    /// still going out: then the caller keeps the frame.
    pub fn try_send(&mut self, frame: &[u8]) -> Result<bool> {
        if !self.tx.flush()? {
            return Ok(false);
        }
        let frame = read_frame(frame)?;
        let Header { kind, sequence, correlation, .. } = frame.header;
        let acknowledged = match kind {
            Kind::Hello => return Err(Error::new(ErrorKind::Malformed, "a second hello came over a link")),
            Kind::Reply | Kind::Error => 0,
            _ => correlation,
        };
        let out = outgoing(frame.header, &frame);
        if self.tx.try_send(&out)? == Sent::Blocked {
            return Ok(false);
        }
        self.sent = self.sent.max(sequence);
        if let Some(ack_words) = self.ack_words.as_ref().filter(|_| acknowledged > 0) {
            ack_words.publish(acknowledged);
        }
        Ok(true)
    }

    /// Flushes the rest of what was begun; true if nothing is left.
    pub fn flush(&mut self) -> Result<bool> {
        self.tx.flush()
    }

    /// Prepares a wait on the descriptor: it becomes readable for a frame (with `reads`) and for room (with
    /// `writes`). True if there is something already, so that the caller must not wait.
    pub fn arm(&mut self, reads: bool, writes: bool) -> Result<bool> {
        if let Some(room) = self.room.take() {
            self.epoll.remove(&room);
        }
        if reads != self.reads {
            for descriptor in self.rx.descriptors() {
                match reads {
                    true => self.epoll.add(descriptor, 0, Interest::IN | Interest::RDHUP)?,
                    false => self.epoll.remove(descriptor),
                }
            }
            self.reads = reads;
        }
        if writes {
            if self.tx.park_room()? {
                return Ok(true);
            }
            let (descriptor, what) = self.tx.room_descriptor()?;
            // A duplicate, because the link's own descriptor may be in the epoll set already.
            let own = descriptor.try_clone_to_owned().doing("duplicating a descriptor")?;
            self.epoll.add(&own, 1, what)?;
            self.room = Some(own);
        }
        if !reads {
            return Ok(false);
        }
        self.parked = true;
        self.rx.park()
    }

    /// Takes back the request to be woken.
    fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.rx.unpark();
        }
    }

    /// Returns an acknowledgement frame if the program's page has a higher number than was relayed.
    fn new_acknowledgement(&mut self) -> Option<Vec<u8>> {
        let acknowledged = self.ack_words.as_ref()?.acknowledged();
        if acknowledged <= self.acked {
            return None;
        }
        self.acked = acknowledged;
        let ack = Header { correlation: acknowledged, ..Header::new(Kind::Ack, Encoding::Raw) };
        Some(Outgoing::new(ack, &[]).head())
    }

    /// Asks a program that acknowledges in its page for a frame after it has consumed a quarter of the
    /// unacknowledged messages, so that this side is woken; then checks the page once more.
    fn request_ack(&mut self) -> Option<Vec<u8>> {
        /// The greatest step: the number of messages after which a receiver over a stream acknowledges.
        const MAX_STEP: u64 = 64;
        let ack_words = self.ack_words.as_ref()?;
        let open = self.sent.saturating_sub(self.acked);
        let wanted = if open == 0 { 0 } else { self.acked + (open / 4).clamp(1, MAX_STEP) };
        if wanted != self.wanted {
            self.wanted = wanted;
            ack_words.want(wanted);
        }
        self.new_acknowledgement()
    }
}

/// Readable as [`RelayLink::arm`] has arranged.
impl AsFd for RelayLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl fmt::Debug for RelayLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayLink").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Fails with `Unsupported` for a transport whose links cannot be relayed.
fn check_transport(endpoint: &Endpoint) -> Result<()> {
    if endpoint.transport().capabilities().relays_links {
        return Ok(());
    }
    let text = "only channels over shm: and unix: are relayed to other machines; use one of those";
    Err(Error::new(ErrorKind::Unsupported, text))
}

/// Refuses a client of a controller of another machine, whose commands would reach every service there.
fn refuse_client(hello: &Hello, machine: Option<&str>) -> Result<()> {
    if hello.pattern != Pattern::Controller || hello.ask {
        return Ok(());
    }
    let machine = machine.unwrap_or("another machine");
    let text = format!(
        "the controller is on {machine}, and takes services of other machines alone; give the command there"
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

/// Waits for [`RETRY_INTERVAL`] within the deadline.
fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    waiting.sleep()?;
    std::thread::sleep(RETRY_INTERVAL);
    waiting.woke(false)
}

/// Sends the answer to a hello with its descriptors. A new connection has room for it, so this does not wait.
fn send_whole(stream: &Stream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    match stream.write_with(frame, descriptors)? {
        Some(sent) if sent == frame.len() => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "a new connection had no room for the answer to a hello")),
    }
}

/// Returns a frame as it is written to a stream, without the checksum, which belongs to the link that it came
/// over.
fn write_frame(frame: &Incoming) -> Vec<u8> {
    let mut header = frame.header;
    header.flags &= !flags::BODY_CHECKED;
    (header.extension, header.body) = (frame.extension.len(), frame.body.len() as u64);
    header.body_check = 0;
    let out = outgoing(header, frame);
    let mut bytes = Vec::with_capacity(header.body_offset() + out.body.len());
    out.append_head(&mut bytes);
    bytes.extend_from_slice(out.body);
    bytes
}

/// Returns a frame to be sent with the extension and the body of this one, whose lengths the header has.
fn outgoing(header: Header, frame: &Incoming) -> Outgoing<'_> {
    let mut out = Outgoing::new(header, frame.body.whole());
    (out.header, out.extension) = (header, &frame.extension);
    out
}

/// Reads what [`write_frame`] wrote on another machine.
fn read_frame(bytes: &[u8]) -> Result<Incoming> {
    let malformed = || Error::new(ErrorKind::Malformed, "a frame of another machine is not whole");
    let header = Header::from_bytes(bytes.first_chunk().ok_or_else(malformed)?)?;
    let body = bytes.get(header.body_offset()..).ok_or_else(malformed)?;
    if body.len() as u64 != header.body {
        return Err(malformed());
    }
    let extension = Bytes::copy_from_slice(&bytes[HEADER..HEADER + header.extension]);
    Ok(Incoming { header, extension, body: Bytes::copy_from_slice(body).into() })
}
