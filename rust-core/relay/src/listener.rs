//! Programs of this machine that connect to a name of another machine.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use linkspan_engine::Options;
use linkspan_engine::relay_side::handshake::{self, Hello};
use linkspan_engine::relay_side::{self, Pattern, Queue, answer_with_state, bind, check_allowed};
use linkspan_os::memory::PeerFile;
use linkspan_os::peer::Credentials;
use linkspan_transport::acceptor::{
    self, HandshakeAnswer, HandshakeHandler, IncomingHandshake, ListenerRegistration,
};
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::frame::{Incoming, Kind};
use linkspan_transport::kind::Transport;
use linkspan_transport::stream::Stream;
use linkspan_value::value::Map;
use linkspan_value::{Error, ErrorKind, Result};

use crate::frames::{check_transport, read_frame, refuse_client};
use crate::link::RelayLink;

/// A name of this machine at which programs connect to a channel of another machine.
///
/// Dropping it removes the name.
pub struct RelayListener {
    queue: Arc<Queue<RelayCaller>>,
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

    /// Binds the name of the controller of another machine, for the services of this machine.
    ///
    /// Clients of a controller get `PermissionDenied`: they connect on its machine. Errors as for
    /// [`RelayListener::listen`].
    pub fn listen_for_services(endpoint: &str, options: &Options) -> Result<RelayListener> {
        let endpoint: Endpoint = endpoint.parse()?;
        Self::open(&endpoint, Pattern::Controller, options).map_err(|e| e.on(&endpoint))
    }

    fn open(endpoint: &Endpoint, pattern: Pattern, options: &Options) -> Result<RelayListener> {
        check_transport(endpoint)?;
        relay_side::check_options(options, endpoint.transport())?;
        let queue = Arc::new(Queue::new()?);
        let (source, endpoint) = bind(endpoint, pattern, options, false)?;
        let handler = RelayHandler { endpoint, pattern, options: options.clone(), queue: queue.clone() };
        Ok(RelayListener { queue, _registration: acceptor::open(source, Arc::new(handler))? })
    }

    /// Returns the next program that waits for an answer, without waiting for one.
    ///
    /// # Errors
    ///
    /// The error that ended the listener, such as a refused system call: no more programs come.
    pub fn next_caller(&self) -> Result<Option<RelayCaller>> {
        self.queue.pop()
    }
}

/// Readable while a program waits for an answer.
impl AsFd for RelayListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl fmt::Debug for RelayListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayListener").finish_non_exhaustive()
    }
}

struct RelayHandler {
    endpoint: Endpoint,
    pattern: Pattern,
    options: Options,
    queue: Arc<Queue<RelayCaller>>,
}

impl RelayHandler {
    fn answer_query(&self, peer_hello: &Hello) -> Result<HandshakeAnswer> {
        if peer_hello.shared {
            let text = "the bridge to another machine has the name; no other program can serve it";
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        let mut state = Map::new();
        if let Some(machine) = relay_side::machine(&self.options) {
            state.insert("machine".into(), machine.into());
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
        refuse_client(&peer_hello, relay_side::machine(&self.options))?;
        if peer_hello.machine.is_some() {
            let text = "the name belongs to another machine, and so does the caller: call the name on its own machine";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        self.queue.check_room(&self.options)?;
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

/// A program that has sent its hello to a [`RelayListener`] and waits for the answer.
///
/// Dropping it closes the connection, and the program connects again.
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

    /// Sends it the answer that [`RelayLink::call`] returned on the machine of this name.
    ///
    /// Returns the link if the answer admits the caller (`joined`); `None` for a refusal or the answer to a query.
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
        // Fails only for a caller that has disconnected.
        let _ = self.stream.write_with(&handshake::refusal(error), &[]);
    }
}

impl fmt::Debug for RelayCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayCaller").field("source", &self.hello.source()).finish_non_exhaustive()
    }
}

/// Sends the answer to a hello with its descriptors.
///
/// A new connection has room for it, so this does not wait.
fn send_whole(stream: &Stream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    match stream.write_with(frame, descriptors)? {
        Some(sent) if sent == frame.len() => Ok(()),
        _ => Err(Error::new(ErrorKind::Internal, "a new connection had no room for the answer to a hello")),
    }
}
