//! Links of which one end is on another machine: a bridge takes the frames of a program here and hands them on as they are.
//!
//! The sessions of the two programs reach from end to end. A bridge has no part in them: it hands on the hellos, so that each side learns how
//! far the other one has come, and then frames in order, in both directions. A link that it cuts is made anew by the program that
//! called, and what was lost on the way is sent again under its old numbers.
//!
//! Shared memory says how far a program has come in a word of its page; this turns the word into `ack` frames and back, so that the
//! two ends may use different transports.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::acceptor::{check_allowed, claim, told};
use super::greeting::{self, Greeting, Pattern};
use super::options::{Options, Use};
use crate::codec::Encoding;
use crate::deadline::{Wait, Waiting};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, Outgoing, flags};
use crate::sys::eventfd::EventFd;
use crate::sys::peer::Credentials;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::acceptor::{self, Answer, HandshakeHandler, IncomingHandshake, ListenerRegistration};
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::hello::{self, Call};
use crate::transport::place::Place;
use crate::transport::stream::Stream;
use crate::transport::{Account, Offer, Rx, Sent, Tx};
use crate::value::Map;

/// A name of this machine at which a bridge lets programs in to a channel of another machine. Its end takes the name away.
pub struct RelayListener {
    queue: Arc<Queue>,
    _berth: ListenerRegistration,
}

#[derive(Debug)]
struct Queue {
    callers: Mutex<VecDeque<RelayCaller>>,
    waker: EventFd,
}

impl Queue {
    fn callers(&self) -> MutexGuard<'_, VecDeque<RelayCaller>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayListener {
    /// Takes a name over `shm:` or `unix:` for a channel of the machine that the options name ([`Options::with_machine`]).
    /// `AddressInUse` where a living program has it.
    pub fn listen(endpoint: &str, options: &Options) -> Result<RelayListener> {
        let endpoint: Endpoint = endpoint.parse()?;
        Self::open(&endpoint, options).map_err(|e| e.on(&endpoint))
    }

    fn open(endpoint: &Endpoint, options: &Options) -> Result<RelayListener> {
        check_transport(endpoint)?;
        options.check(endpoint.transport(), Use::Channel)?;
        let queue = Arc::new(Queue { callers: Mutex::default(), waker: EventFd::new()? });
        let (claim, endpoint) = claim(endpoint, Pattern::Channel, options, false)?;
        let handler = RelayHandler { endpoint, options: options.clone(), queue: queue.clone() };
        Ok(RelayListener { queue, _berth: acceptor::open(claim, Arc::new(handler))? })
    }

    /// The next program that has called and was not answered yet.
    pub fn next_caller(&self) -> Option<RelayCaller> {
        let mut callers = self.queue.callers();
        let caller = callers.pop_front();
        if callers.is_empty() {
            self.queue.waker.drain();
        }
        caller
    }
}

/// Readable while a program waits to be answered.
impl AsFd for RelayListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.waker.as_fd()
    }
}

impl fmt::Debug for RelayListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayListener").finish_non_exhaustive()
    }
}

/// Takes callers into the queue; those who only ask for counters it answers itself.
struct RelayHandler {
    endpoint: Endpoint,
    options: Options,
    queue: Arc<Queue>,
}

impl RelayHandler {
    fn tell(&self, theirs: &Greeting) -> Result<Answer> {
        if theirs.shared {
            let text = "the bridge to another machine has the name; nobody can serve it beside that";
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        let mut state = Map::new();
        if let Some(machine) = &self.options.machine {
            state.insert("machine".into(), (**machine).into());
        }
        told(Greeting::new(Pattern::Channel, None, self.options.limit)?, state)
    }
}

impl HandshakeHandler for RelayHandler {
    fn check_user(&self, who: Option<&Credentials>) -> Result<()> {
        check_allowed(&self.options, who)
    }

    fn check_hello(&self, hello: &Incoming) -> Result<()> {
        Greeting::from_frame(hello).map(drop)
    }

    fn answer(&self, handshake: IncomingHandshake) -> Result<Answer> {
        let theirs = Greeting::from_frame(&handshake.hello)?;
        if theirs.ask && theirs.schema_at.is_none() && theirs.mismatch.is_none() {
            return self.tell(&theirs);
        }
        Pattern::Channel.admits(theirs.pattern)?;
        if theirs.machine.is_some() {
            let text = "the name is of another machine, and so is the caller: call the name on the machine that it is of";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let most = self.options.queue;
        if self.queue.callers().len() >= most {
            let text = format!("{most} programs wait to be let in on another machine; try again later");
            return Err(Error::new(ErrorKind::Full, text));
        }
        let caller = RelayCaller {
            transport: self.endpoint.transport(),
            stream: handshake.stream,
            process: handshake.process,
            descriptors: handshake.descriptors,
            greeting: theirs,
            buffer: self.options.buffer,
        };
        let queue = self.queue.clone();
        let admitted = Box::new(move || {
            queue.callers().push_back(caller);
            queue.waker.wake();
        });
        Ok(Answer { frame: Vec::new(), descriptors: Vec::new(), admitted })
    }

    fn refusal(&self, error: &Error) -> Vec<u8> {
        greeting::refusal(error)
    }
}

/// A program that has said hello at a [`RelayListener`], and waits for its answer. Dropped, it is hung up on, and calls again.
pub struct RelayCaller {
    transport: Transport,
    stream: Stream,
    process: Option<Arc<OwnedFd>>,
    descriptors: Vec<OwnedFd>,
    greeting: Greeting,
    buffer: Option<usize>,
}

impl RelayCaller {
    /// What it says, as a frame for [`RelayLink::call`] on the other machine; `machine` is the name of this one.
    pub fn hello(&self, machine: &str) -> Result<Vec<u8>> {
        Greeting { machine: Some(machine.to_owned()), ..self.greeting.clone() }.to_frame()
    }

    /// Gives it the answer that [`RelayLink::call`] had on the other machine of this name. The link, where it was let in there.
    pub fn answer(self, answer: &[u8], joined: bool, machine: &str) -> Result<Option<RelayLink>> {
        let frame = read_frame(answer)?;
        if frame.header.kind == Kind::Error {
            send_whole(&self.stream, answer, &[])?;
            return Ok(None);
        }
        let mut theirs = Greeting::from_frame(&frame)?;
        theirs.machine = Some(machine.to_owned());
        let answer = theirs.to_frame()?;
        if !joined {
            send_whole(&self.stream, &answer, &[])?;
            return Ok(None);
        }
        let offer = Offer::new(self.transport, theirs.session, self.buffer)?;
        let descriptors = offer.descriptors()?;
        let (stream, session) = (self.stream.clone(), self.greeting.session);
        let (tx, rx) =
            offer.join(stream, self.process, session, self.descriptors, theirs.limit, Duration::ZERO)?;
        let lent: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        send_whole(&self.stream, &answer, &lent)?;
        RelayLink::over(tx, rx).map(Some)
    }

    /// Says why it is not let in.
    pub fn refuse(self, error: &Error) {
        // One that has gone meanwhile has no need of it.
        let _ = self.stream.write_with(&greeting::refusal(error), &[]);
    }
}

impl fmt::Debug for RelayCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayCaller").field("source", &self.greeting.source()).finish_non_exhaustive()
    }
}

/// How long a listener is given to let go of a peer that has just gone, and how often it is called meanwhile.
const LEAVING: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);

/// A link to a program of this machine whose frames a bridge hands on, one after the other, as bytes: header, extension, body.
pub struct RelayLink {
    tx: Tx,
    rx: Rx,
    account: Option<Arc<Account>>,
    epoll: Epoll,
    reads: bool,
    room: Option<OwnedFd>,
    parked: bool,
    /// The number of the last message that the program was sent, and up to which it is known to have consumed them.
    sent: u64,
    said: u64,
    wanted: u64,
}

impl RelayLink {
    /// Says the hello of a program of another machine ([`RelayCaller::hello`]) to whoever listens at this endpoint, over `shm:` or `unix:`.
    /// Gives the answer, a frame, and the link where it was let in. `NotFound` where nobody listens, `Stalled` where somebody does not answer in time.
    pub fn call<'a>(
        endpoint: &str,
        hello: &[u8],
        wait: impl Into<Wait<'a>>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = wait.into().start(LEAVING.into());
        Self::dial(&endpoint, hello, &mut waiting).map_err(|e| e.on(&endpoint))
    }

    fn dial(
        endpoint: &Endpoint,
        hello: &[u8],
        waiting: &mut Waiting<'_>,
    ) -> Result<(Vec<u8>, Option<RelayLink>)> {
        check_transport(endpoint)?;
        let place = Place::of(endpoint)?;
        let ours = Greeting::from_frame(&read_frame(hello)?)?;
        if ours.machine.is_none() {
            let text =
                "the hello of another machine's program says which machine it is of; this one does not";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let (frame, transport) = (ours.to_frame()?, endpoint.transport());
        let began = std::time::Instant::now();
        loop {
            let offer = Offer::new(transport, ours.session, None)?;
            let descriptors = if ours.ask { Vec::new() } else { offer.descriptors()? };
            let lent: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            match hello::call(&place, transport.carries(), &frame, &lent, waiting)? {
                Call::Nobody => return Err(Error::new(ErrorKind::NotFound, "nobody listens there")),
                Call::Busy => {}
                Call::Answered(called) => {
                    let answer = write_frame(&called.answer);
                    let theirs = match greeting::read_answer(&called.answer) {
                        Ok(theirs) => theirs,
                        // Its last peer may have just gone.
                        Err(e) if e.kind() == ErrorKind::AddressInUse && began.elapsed() < LEAVING => {
                            pause(waiting)?;
                            continue;
                        }
                        Err(_) => return Ok((answer, None)),
                    };
                    // A listener with a schema that the caller has not compared lets it in nowhere.
                    let agreed = ours.schemas.is_empty()
                        || theirs.schemas.first().is_none_or(|one| ours.schemas.contains(one));
                    if ours.ask || !agreed {
                        return Ok((answer, None));
                    }
                    let process = called.process.filter(|_| !theirs.shared);
                    let (tx, rx) = offer.join(
                        called.stream,
                        process,
                        theirs.session,
                        called.descriptors,
                        ours.limit,
                        Duration::ZERO,
                    )?;
                    return Ok((answer, Some(RelayLink::over(tx, rx)?)));
                }
            }
            pause(waiting)?;
        }
    }

    fn over(tx: Tx, rx: Rx) -> Result<RelayLink> {
        let account = tx.account();
        let epoll = Epoll::new()?;
        let (reads, parked) = (false, false);
        Ok(RelayLink { tx, rx, account, epoll, reads, room: None, parked, sent: 0, said: 0, wanted: 0 })
    }

    /// The next frame of the program; none now. An error once it has gone, behind all that it had sent and consumed.
    pub fn try_recv(&mut self) -> Result<Option<Vec<u8>>> {
        self.rouse();
        if let Some(ack) = self.take_told() {
            return Ok(Some(ack));
        }
        match self.rx.try_recv() {
            Ok(Some(frame)) => {
                self.rx.consumed();
                if frame.header.kind == Kind::Ack {
                    self.said = self.said.max(frame.header.correlation);
                }
                Ok(Some(write_frame(&frame)))
            }
            Ok(None) => Ok(self.want()),
            Err(e) => self.take_told().map_or(Err(e), |ack| Ok(Some(ack))),
        }
    }

    /// Sends the program a frame of the other machine's; false where it has no room, or still has to take one before it.
    pub fn try_send(&mut self, frame: &[u8]) -> Result<bool> {
        if !self.tx.flush()? {
            return Ok(false);
        }
        let frame = read_frame(frame)?;
        let Header { kind, sequence, correlation, .. } = frame.header;
        let says = match kind {
            Kind::Hello => return Err(Error::new(ErrorKind::Malformed, "a second hello came over a link")),
            Kind::Reply | Kind::Error => 0,
            _ => correlation,
        };
        let out = Outgoing { header: frame.header, extension: &frame.extension, body: &frame.body };
        match self.tx.try_send(&out)? {
            Sent::Blocked => return Ok(false),
            Sent::Part => self.tx.adopt(&out),
            Sent::Whole => {}
        }
        self.sent = self.sent.max(sequence);
        if let Some(account) = self.account.as_ref().filter(|_| says > 0) {
            account.tell(says);
        }
        Ok(true)
    }

    /// Whether all that was sent is with the transport; brings the rest there as far as it goes.
    pub fn flush(&mut self) -> Result<bool> {
        self.tx.flush()
    }

    /// OwnerRecord to sleep on the descriptor: it wakes where a frame has come (with `reads`) and where there is room (with `writes`). True where
    /// there is something at once.
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
            // Its own, because the link's may be watched already.
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

    fn rouse(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.rx.unpark();
        }
    }

    /// How far the program has come, where it says so in its page and has not been asked since it did.
    fn take_told(&mut self) -> Option<Vec<u8>> {
        let told = self.account.as_ref()?.told();
        if told <= self.said {
            return None;
        }
        self.said = told;
        let ack = Header { correlation: told, ..Header::new(Kind::Ack, Encoding::Raw) };
        Some(Outgoing::new(ack, &[]).head())
    }

    /// Asks for a frame once the program has come further, where it says so in its page alone.
    fn want(&mut self) -> Option<Vec<u8>> {
        /// As often as a program that receives over a stream says it.
        const OFTEN: u64 = 64;
        let account = self.account.as_ref()?;
        let open = self.sent.saturating_sub(self.said);
        let wanted = if open == 0 { 0 } else { self.said + (open / 4).clamp(1, OFTEN) };
        if wanted != self.wanted {
            self.wanted = wanted;
            account.want(wanted);
        }
        self.take_told()
    }
}

/// Readable where [`RelayLink::arm`] says so.
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

fn check_transport(endpoint: &Endpoint) -> Result<()> {
    match endpoint.transport() {
        Transport::Shm | Transport::Unix => Ok(()),
        _ => {
            let text = "only channels over shm: and unix: are handed on to other machines; use one of those";
            Err(Error::new(ErrorKind::Unsupported, text))
        }
    }
}

fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    waiting.sleep()?;
    std::thread::sleep(AGAIN);
    waiting.woke(false)
}

fn send_whole(stream: &Stream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    match stream.write_with(frame, descriptors)? {
        Some(sent) if sent == frame.len() => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "a new connection had no room for the answer to a hello")),
    }
}

/// A frame as it stands on a stream. A check sum of its body belongs to the link that it came over.
fn write_frame(frame: &Incoming) -> Vec<u8> {
    let mut header = frame.header;
    header.flags &= !flags::BODY_CHECKED;
    (header.extension, header.body) = (frame.extension.len(), frame.body.len() as u64);
    header.body_check = 0;
    let out = Outgoing { header, extension: &frame.extension, body: &frame.body };
    let mut bytes = Vec::with_capacity(header.body_offset() + frame.body.len());
    out.append_head(&mut bytes);
    bytes.extend_from_slice(&frame.body);
    bytes
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
    Ok(Incoming { header, extension, body: Bytes::copy_from_slice(body) })
}
