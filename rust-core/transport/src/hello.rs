//! Reads one hello from a new connection and no later byte; and the connecting side of the handshake.
//!
//! A hello is one frame of at most 16 KiB. Descriptors may come only with it. They are taken after the whole
//! frame has been checked, so a refused peer cannot fill this process with descriptors. Later bytes stay in
//! the socket's queue for the link that takes over the connection.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fmt::Display;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::place::{CONNECT, Place};
use super::stream::Stream;
use crate::deadline::{Wait, Waiting, at_timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, MAX_EXTENSION};
use crate::sys::fork::Guarded;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_readable;
use crate::sys::socket::{self, Carries};
use crate::sys::{closing, rights};
use bytes::Bytes;

const MAX_BODY: u64 = 16 << 10;

/// The most descriptors with a caller's hello: one memory file, or one listening socket.
const MAX_DESCRIPTORS: usize = 1;
const LONGEST: usize = HEADER + MAX_EXTENSION + MAX_BODY as usize;

/// A hello that may be incomplete, owned by a pending handshake or a connecting call.
pub struct HelloReader {
    bytes: Vec<u8>,
    header: Option<Header>,
    descriptors: Vec<OwnedFd>,
    most: usize,
    /// Whether a listening socket is accepted instead of a memory file.
    wants_socket: bool,
}

impl Default for HelloReader {
    fn default() -> HelloReader {
        let (bytes, descriptors) = (Vec::new(), Vec::new());
        HelloReader { bytes, header: None, descriptors, most: MAX_DESCRIPTORS, wants_socket: false }
    }
}

impl HelloReader {
    /// Returns a reader of an answer, which may bring as many descriptors as any side sends at once.
    fn of_answer() -> HelloReader {
        HelloReader { most: socket::MAX_DESCRIPTORS, ..HelloReader::default() }
    }

    /// Reads the hello and nothing later. Returns true when the hello is complete.
    ///
    /// `check` inspects the hello before its descriptors are taken.
    ///
    /// # Errors
    /// `Disconnected` if the peer ended before; `Malformed` for anything but a hello; the errors of `check`.
    pub(crate) fn read_more(
        &mut self,
        stream: &Stream,
        check: &dyn Fn(&Incoming) -> Result<()>,
    ) -> Result<bool> {
        loop {
            let whole = match &self.header {
                None => HEADER,
                Some(header) => header.body_offset().saturating_add(header.body as usize),
            };
            let have = self.bytes.len();
            if have == whole {
                if self.header.is_some() {
                    return Ok(true);
                }
                self.header = Some(read_header(&self.bytes)?);
                continue;
            }
            self.bytes.resize(whole, 0);
            let got = match stream {
                Stream::Socket(socket) => {
                    let got = receive_plain(socket, &mut self.bytes[have..]);
                    if matches!(got, Ok(HelloRead::Descriptors)) {
                        self.bytes.truncate(have);
                        self.take_descriptors(socket, check)?;
                        return Ok(true);
                    }
                    got
                }
                _ => stream
                    .read(&mut self.bytes[have..])
                    .map(|n| n.map_or(HelloRead::Nothing, HelloRead::Bytes)),
            };
            let more = if let Ok(HelloRead::Bytes(n)) = got { n } else { 0 };
            self.bytes.truncate(have.saturating_add(more));
            match got? {
                HelloRead::Nothing | HelloRead::Descriptors => return Ok(false),
                HelloRead::Bytes(0) => {
                    return Err(Error::new(
                        ErrorKind::Disconnected,
                        "the peer disconnected before its hello was complete",
                    ));
                }
                HelloRead::Bytes(_) => {}
            }
        }
    }

    /// Takes the rest of a hello with its descriptors. Later descriptors stay in the queue.
    fn take_descriptors(&mut self, socket: &Guarded, check: &dyn Fn(&Incoming) -> Result<()>) -> Result<()> {
        let have = self.bytes.len();
        self.bytes.resize(have.saturating_add(LONGEST), 0);
        let (seen, _) = rights::peek(socket, &mut self.bytes[have..])?.unwrap_or_default();
        self.bytes.truncate(have.saturating_add(seen));
        let header = read_header(&self.bytes)?;
        let whole = header.body_offset().saturating_add(header.body as usize);
        if whole <= have || whole > self.bytes.len() {
            let text = "descriptors come with a whole hello in one piece, or not at all";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        self.bytes.truncate(whole);
        check(&incoming(header, Bytes::copy_from_slice(&self.bytes)))?;
        let mut taken = Vec::new();
        let got = rights::receive_with(socket, &mut self.bytes[have..], &mut taken);
        let number = taken.len();
        let fits = |one: &OwnedFd| match self.wants_socket {
            true => socket::check_listening(one).is_ok(),
            false => rights::closes_at_once(one),
        };
        let fit = number <= self.most && taken.iter().all(fits);
        if !fit || !matches!(got, Ok(Some(n)) if have.checked_add(n) == Some(whole)) {
            closing::close_aside(taken);
            got?;
            let kind = if self.wants_socket { "listening sockets" } else { "memory files" };
            let text = format!(
                "the hello brings {number} descriptors that are no {kind}, or more than {}",
                self.most
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        (self.header, self.descriptors) = (Some(header), taken);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(Incoming, Vec<OwnedFd>)> {
        let Some(header) = self.header else {
            return Err(Error::new(ErrorKind::Internal, "a hello was taken before it had come"));
        };
        Ok((incoming(header, Bytes::from(self.bytes)), self.descriptors))
    }
}

enum HelloRead {
    Nothing,
    Bytes(usize),
    /// Descriptors come with the next bytes or later ones: nothing was taken.
    Descriptors,
}

fn receive_plain(socket: &Guarded, into: &mut [u8]) -> Result<HelloRead> {
    Ok(match rights::peek(socket, into)? {
        None => HelloRead::Nothing,
        Some((_, true)) => HelloRead::Descriptors,
        Some((0, _)) => HelloRead::Bytes(0),
        Some((seen, _)) => {
            socket::receive(socket, &mut into[..seen])?.map_or(HelloRead::Nothing, HelloRead::Bytes)
        }
    })
}

/// Checks the header of a hello, or of the error that replaces it, and its length.
///
/// # Errors
/// `Malformed`, `VersionMismatch`.
fn read_header(bytes: &[u8]) -> Result<Header> {
    let Some(first) = bytes.first_chunk::<HEADER>() else {
        return Err(Error::new(ErrorKind::Malformed, "a connection begins with a whole header"));
    };
    let header = Header::from_bytes(first)?;
    if !matches!(header.kind, Kind::Hello | Kind::Error) || header.body > MAX_BODY {
        let text = format!(
            "a connection begins with a hello of at most {MAX_BODY} bytes, here is {:?} of {}",
            header.kind, header.body
        );
        return Err(Error::new(ErrorKind::Malformed, text).at(5));
    }
    Ok(header)
}

fn incoming(header: Header, bytes: Bytes) -> Incoming {
    let body = bytes.slice(header.body_offset()..);
    let extension = bytes.slice(HEADER..HEADER.saturating_add(header.extension));
    Incoming { header, extension, body: body.into() }
}

/// A connection whose listener has answered the hello.
pub struct AnsweredCall {
    /// The connection.
    pub stream: Stream,
    /// The listener's hello, or the error that replaces it.
    pub answer: Incoming,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
    /// The listener's user, if the kernel provides it.
    pub credentials: Option<Credentials>,
    /// A pidfd: readable after the end of the listener's process.
    pub process: Option<Arc<OwnedFd>>,
}

/// The outcome of one attempt to connect.
#[allow(clippy::large_enum_variant, reason = "one a call, and taken apart at once")]
pub enum Call<T = AnsweredCall> {
    /// A listener has answered.
    Answered(T),
    /// No process listens. The name appears when one starts.
    NotListening,
    /// A listener has no room in its queue, or has just ended; a call may succeed a moment later.
    Busy,
}

/// The time for a listener's answer to a call without its own time-out.
///
/// The acceptor answers within microseconds, but on another thread.
pub const MIN_ANSWER_TIME: Duration = Duration::from_millis(500);

/// Connects to the listener at this place, once, and sends nothing.
///
/// Blocks at most one tick while the listener's queue is full.
///
/// # Errors
/// `PermissionDenied`, with the owner of the socket and a remedy.
pub(crate) fn connect(place: &Place, carries: Carries, waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
    let patience = waiting.deadline().remaining().map_or(Wait::TICK, |remaining| remaining.min(Wait::TICK));
    match place.connect(carries, patience) {
        Ok(Some(socket)) => Ok(Call::Answered(Stream::Socket(Arc::new(socket)))),
        Ok(None) => Ok(Call::Busy),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Call::NotListening),
        Err(e) if e.kind() == ErrorKind::Disconnected => Ok(Call::Busy),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(denied(place, e)),
        Err(e) => Err(e),
    }
}

/// One frame that answered another, and its descriptors.
pub struct HelloAnswer {
    /// The frame.
    pub answer: Incoming,
    /// The descriptors that came with it.
    pub descriptors: Vec<OwnedFd>,
}

impl HelloAnswer {
    pub(crate) fn over(self, stream: Stream) -> Result<AnsweredCall> {
        let (credentials, process) = stream.peer()?;
        Ok(AnsweredCall { stream, answer: self.answer, descriptors: self.descriptors, credentials, process })
    }
}

/// Asks a process of this user that listens at a place for its socket.
///
/// Returns `None` if no process listens, or it is ending. The first descriptor of the answer is the socket.
///
/// # Errors
/// `PermissionDenied` if another user serves the name.
pub fn request_socket(place: &Place, frame: &[u8], waiting: &mut Waiting<'_>) -> Result<Option<HelloAnswer>> {
    let Call::Answered(stream) = connect(place, Carries::Descriptors, waiting)? else { return Ok(None) };
    // Checked before any descriptor of the other process is taken.
    let is_ours = stream.credentials()?.is_some_and(|who| who.uid == rustix::process::geteuid().as_raw());
    if !is_ours {
        let text = format!("another user serves {}; each user serves its own names", place.path().display());
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let reading = HelloReader { wants_socket: true, ..HelloReader::default() };
    let mut exchange = Exchange::begin_with(stream, frame, &[], reading)?;
    loop {
        match exchange.answer()? {
            Some(Call::Answered((answer, _))) => return Ok(Some(answer)),
            Some(_) => return Ok(None),
            None => wait_readable(waiting, &[exchange.descriptor()])
                .map_err(at_timeout(stalled(&place.path().display())))?,
        }
    }
}

fn send_hello(stream: &Stream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    match stream.write_with(frame, descriptors) {
        // A listener refuses users before it reads, so it may have answered before it closed the connection.
        Err(e) if e.kind() == ErrorKind::Disconnected => Ok(()),
        sent if sent.as_ref().is_ok_and(|n| *n == Some(frame.len())) => Ok(()),
        sent => {
            sent?;
            Err(Error::new(ErrorKind::Internal, "a new connection had no room for a hello"))
        }
    }
}

/// A connection under way with a hello.
pub struct Asked(Box<dyn PendingCall>);

/// The steps of a connection, up to the answer to its hello.
pub(crate) trait PendingCall: Send {
    fn step(&mut self) -> Result<Option<Call>>;

    fn descriptor(&self) -> BorrowedFd<'_>;

    fn shown(&self) -> String;

    fn is_reached(&self) -> bool {
        true
    }

    fn credentials(&self) -> Option<Credentials> {
        None
    }
}

pub(crate) struct Exchange {
    stream: Stream,
    reading: HelloReader,
}

impl Exchange {
    pub(crate) fn begin(stream: Stream, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Exchange> {
        Exchange::begin_with(stream, frame, descriptors, HelloReader::of_answer())
    }

    fn begin_with(
        stream: Stream,
        frame: &[u8],
        descriptors: &[BorrowedFd<'_>],
        reading: HelloReader,
    ) -> Result<Exchange> {
        send_hello(&stream, frame, descriptors)?;
        Ok(Exchange { stream, reading })
    }

    /// Returns the answer and the connection. `Busy` if the other side closed the connection without an
    /// answer.
    pub(crate) fn answer(&mut self) -> Result<Option<Call<(HelloAnswer, Stream)>>> {
        match self.reading.read_more(&self.stream, &|_| Ok(())) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let (answer, descriptors) = std::mem::take(&mut self.reading).finish()?;
                Ok(Some(Call::Answered((HelloAnswer { answer, descriptors }, self.stream.clone()))))
            }
            Err(e) if e.kind() == ErrorKind::Disconnected => Ok(Some(Call::Busy)),
            Err(e) => Err(e),
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.readable().0
    }
}

struct SocketCall {
    exchange: Exchange,
    shown: String,
}

impl PendingCall for SocketCall {
    fn step(&mut self) -> Result<Option<Call>> {
        self.exchange.answer()?.map(answered).transpose()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.exchange.descriptor()
    }

    fn shown(&self) -> String {
        self.shown.clone()
    }

    fn credentials(&self) -> Option<Credentials> {
        self.exchange.stream.credentials().ok().flatten()
    }
}

pub(crate) fn answered(answer: Call<(HelloAnswer, Stream)>) -> Result<Call> {
    Ok(match answer {
        Call::Answered((answer, stream)) => Call::Answered(answer.over(stream)?),
        Call::NotListening => Call::NotListening,
        Call::Busy => Call::Busy,
    })
}

impl Asked {
    pub(crate) fn new(call: impl PendingCall + 'static) -> Asked {
        Asked(Box::new(call))
    }

    /// Connects to the listener at this place and sends a hello, without waiting.
    ///
    /// # Errors
    /// The errors of `connect`.
    pub fn at(
        place: &Place,
        carries: Carries,
        hello: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Call<Asked>> {
        let connected = connect(place, carries, &mut Waiting::at_once())?;
        Asked::over(connected, hello, descriptors, place.path().display().to_string())
    }

    /// Sends a hello over a new connection, if there is one. `shown` is the address, for texts.
    ///
    /// # Errors
    /// The errors of sending.
    pub fn over(
        connected: Call<Stream>,
        hello: &[u8],
        descriptors: &[BorrowedFd<'_>],
        shown: String,
    ) -> Result<Call<Asked>> {
        Ok(match connected {
            Call::Answered(stream) => {
                let exchange = Exchange::begin(stream, hello, descriptors)?;
                Call::Answered(Asked::new(SocketCall { exchange, shown }))
            }
            Call::NotListening => Call::NotListening,
            Call::Busy => Call::Busy,
        })
    }

    /// Takes the steps that are possible now; returns the outcome when it is known.
    ///
    /// `Busy`: the listener ended the connection without an answer. `NotListening`: a begun connection was
    /// refused.
    pub fn answer(&mut self) -> Result<Option<Call>> {
        self.0.step()
    }

    /// Returns the descriptor that is readable when another step is possible.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    /// Returns whether a program is known to listen there.
    pub fn is_reached(&self) -> bool {
        self.0.is_reached()
    }

    /// Returns the process that listens there, if the kernel reports it before an answer.
    pub fn credentials(&self) -> Option<Credentials> {
        self.0.credentials()
    }

    /// Returns the error of an attempt without a timely outcome.
    ///
    /// `Stalled` for a listener that does not answer; `NotFound` if no connection was established.
    pub fn stalled(&self) -> Error {
        let shown = self.0.shown();
        if self.is_reached() {
            return stalled(&shown);
        }
        let text = format!("no program listens: a connection to {shown} was not established in time");
        Error::new(ErrorKind::NotFound, text)
    }
}

impl Call<Asked> {
    /// Waits for the answer to the hello.
    ///
    /// # Errors
    /// `Stalled` if it does not come within the wait; the errors of the connection.
    pub fn wait(self, waiting: &mut Waiting<'_>) -> Result<Call> {
        let mut asked = match self {
            Call::Answered(asked) => asked,
            Call::NotListening => return Ok(Call::NotListening),
            Call::Busy => return Ok(Call::Busy),
        };
        loop {
            if let Some(outcome) = asked.answer()? {
                return Ok(outcome);
            }
            wait_readable(waiting, &[asked.descriptor()]).map_err(at_timeout(asked.stalled()))?;
        }
    }
}

pub(crate) fn stalled(shown: &dyn Display) -> Error {
    let text = format!("a program listens at {shown} but does not answer; it may be stopped or overloaded");
    Error::new(ErrorKind::Stalled, text)
}

pub(crate) fn denied(place: &Place, error: Error) -> Error {
    place.denied(CONNECT, error)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::codec::Encoding;
    use crate::frame::Outgoing;
    use crate::sys::memory::MemoryFile;

    fn connection() -> (Stream, UnixStream) {
        let (local, peer) = UnixStream::pair().unwrap();
        (Stream::Socket(Arc::new(socket::of_caller(local.into()).unwrap())), peer)
    }

    fn send(to: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        assert_eq!(socket::send(to, &[IoSlice::new(bytes)], descriptors).unwrap(), Some(bytes.len()));
    }

    fn hello_bytes() -> Vec<u8> {
        let hello = Outgoing::new(Header::new(Kind::Hello, Encoding::Cbor), b"greetings");
        [hello.head().as_slice(), hello.body].concat()
    }

    fn waiting(stream: &Stream) -> usize {
        let Stream::Socket(socket) = stream else { panic!("a socket") };
        rights::take_all(&**socket).len()
    }

    #[test]
    fn hello_in_pieces_takes_no_later_descriptors() {
        let (stream, peer) = connection();
        let hello = hello_bytes();
        for at in [1, HEADER - 1, HEADER, HEADER + 1, hello.len() - 1, hello.len()] {
            send(&peer, &hello[..at], &[]);
            if at < hello.len() {
                send(&peer, &hello[at..], &[]);
            }
            send(&peer, b"behind", &[peer.as_fd()]);
            let mut reading = HelloReader::default();
            assert!(reading.read_more(&stream, &|_| Ok(())).unwrap(), "in pieces of {at} bytes and the rest");
            let (incoming, descriptors) = reading.finish().unwrap();
            assert_eq!(&incoming.body.whole()[..], b"greetings");
            assert!(descriptors.is_empty());
            assert_eq!(waiting(&stream), 1, "they are still there");
        }
    }

    #[test]
    fn refused_hello_leaves_its_descriptors_untaken() {
        let (stream, peer) = connection();
        send(&peer, &hello_bytes(), &[peer.as_fd()]);
        let refuse = |_: &Incoming| Err(Error::new(ErrorKind::PermissionDenied, "not you"));
        let refused = HelloReader::default().read_more(&stream, &refuse).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert_eq!(waiting(&stream), 1);
    }

    #[test]
    fn descriptors_in_the_middle_of_a_hello_are_malformed_and_untaken() {
        let (stream, peer) = connection();
        let hello = hello_bytes();
        send(&peer, &hello[..HEADER + 2], &[peer.as_fd()]);
        send(&peer, &hello[HEADER + 2..], &[]);
        let refused = HelloReader::default().read_more(&stream, &|_| Ok(())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Malformed);
        assert_eq!(waiting(&stream), 1);
    }

    #[test]
    fn hello_with_a_memory_file_brings_it() {
        let (stream, peer) = connection();
        let memory = MemoryFile::create("linkspan-test", 4096).unwrap();
        send(&peer, &hello_bytes(), &[memory.fd()]);
        send(&peer, b"behind", &[]);
        let mut reading = HelloReader::default();
        assert!(reading.read_more(&stream, &|_| Ok(())).unwrap());
        assert_eq!(reading.finish().unwrap().1.len(), 1);
    }
}
