//! Reading one hello from a new connection, and nothing after it; and calling a listener.

use std::fmt::Display;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use super::stream::Stream;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, MAX_EXTENSION};
use crate::sys::fork::Guarded;
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_any;
use crate::sys::socket::{self, Carries};
use crate::sys::{closing, rights};
use bytes::Bytes;

/// The most bytes of a hello's body.
const MAX_BODY: u64 = 16 << 10;

/// The most descriptors that come with a hello.
const MAX_DESCRIPTORS: usize = 1;

/// A hello that is being read.
#[derive(Default)]
pub struct Reading {
    bytes: Vec<u8>,
    header: Option<Header>,
    descriptors: Vec<OwnedFd>,
    /// Whether a listening socket may come along, and nothing else, instead of a memory file.
    wants_socket: bool,
}

impl Reading {
    /// Reads what is there, never past the hello; true when it is complete. Descriptors that come along are taken only once
    /// the whole hello is there and `check` has found nothing wrong with it.
    pub fn read_more(&mut self, stream: &Stream, check: &dyn Fn(&Incoming) -> Result<()>) -> Result<bool> {
        loop {
            let whole = match &self.header {
                None => HEADER,
                Some(header) => header.body_offset() + header.body as usize,
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
                    if matches!(got, Ok(Received::Descriptors)) {
                        self.bytes.truncate(have);
                        self.take_descriptors(socket, check)?;
                        return Ok(true);
                    }
                    got
                }
                _ => {
                    stream.read(&mut self.bytes[have..]).map(|n| n.map_or(Received::Nothing, Received::Bytes))
                }
            };
            self.bytes.truncate(have + if let Ok(Received::Bytes(n)) = got { n } else { 0 });
            match got? {
                Received::Nothing | Received::Descriptors => return Ok(false),
                Received::Bytes(0) => {
                    return Err(Error::new(
                        ErrorKind::Disconnected,
                        "the other side went away before its hello was complete",
                    ));
                }
                Received::Bytes(_) => {}
            }
        }
    }

    /// Takes the rest of a hello, with the descriptors that come with it. Descriptors that come behind it stay where they are.
    fn take_descriptors(&mut self, socket: &Guarded, check: &dyn Fn(&Incoming) -> Result<()>) -> Result<()> {
        let have = self.bytes.len();
        self.bytes.resize(have + HEADER + MAX_EXTENSION + MAX_BODY as usize, 0);
        let (seen, _) = rights::peek(socket, &mut self.bytes[have..])?.unwrap_or_default();
        self.bytes.truncate(have + seen);
        let header = read_header(&self.bytes)?;
        let whole = header.body_offset() + header.body as usize;
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
        let fit = number <= MAX_DESCRIPTORS && taken.iter().all(fits);
        if !fit || !matches!(got, Ok(Some(n)) if n == whole - have) {
            closing::close_aside(taken);
            got?;
            let kind = if self.wants_socket { "listening sockets" } else { "memory files" };
            let text = format!(
                "the hello brings {number} descriptors that are no {kind}, or more than {MAX_DESCRIPTORS}"
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        (self.header, self.descriptors) = (Some(header), taken);
        Ok(())
    }

    /// The hello and the descriptors that came with it.
    pub fn finish(self) -> Result<(Incoming, Vec<OwnedFd>)> {
        let Some(header) = self.header else {
            return Err(Error::new(ErrorKind::Internal, "a hello was taken before it had come"));
        };
        Ok((incoming(header, Bytes::from(self.bytes)), self.descriptors))
    }
}

/// What a look at a socket gave.
enum Received {
    Nothing,
    Bytes(usize),
    /// Descriptors come with the next bytes, or behind them.
    Descriptors,
}

/// Takes what is there, unless descriptors are there too.
fn receive_plain(socket: &Guarded, into: &mut [u8]) -> Result<Received> {
    Ok(match rights::peek(socket, into)? {
        None => Received::Nothing,
        Some((_, true)) => Received::Descriptors,
        // The end.
        Some((0, _)) => Received::Bytes(0),
        Some((seen, _)) => {
            socket::receive(socket, &mut into[..seen])?.map_or(Received::Nothing, Received::Bytes)
        }
    })
}

/// The header of a hello: a frame of that kind, or the error in its place, of a length that there may be.
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
    let extension = bytes.slice(HEADER..HEADER + header.extension);
    let body = bytes.slice(header.body_offset()..);
    Incoming { header, extension, body }
}

/// A listener that has answered.
pub struct Called {
    /// The connection.
    pub stream: Stream,
    /// What was answered: a hello or an error.
    pub answer: Incoming,
    /// The descriptors that came along.
    pub descriptors: Vec<OwnedFd>,
    /// Who it is, as the kernel says where it can.
    pub credentials: Option<Credentials>,
    /// Readable once that process has ended.
    pub process: Option<Arc<OwnedFd>>,
}

/// What became of a call.
#[allow(clippy::large_enum_variant, reason = "one a call, and taken apart at once")]
pub enum Call<T = Called> {
    /// Somebody has answered.
    Answered(T),
    /// Nobody listens: a name will appear once somebody does.
    Nobody,
    /// Somebody listens and has no place, or has just gone: the same call may succeed in a moment.
    Busy,
}

/// A listener answers a hello from a thread of its own, so even a call that is not to wait allows it this long.
const GRACE: Duration = Duration::from_millis(500);

/// Connects to whoever listens at this place, once, and says nothing.
pub fn reach(place: &Place, carries: Carries, waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
    let patience = waiting.deadline().left().map_or(Wait::TICK, |left| left.min(Wait::TICK));
    match place.connect(carries, patience) {
        Ok(Some(socket)) => Ok(Call::Answered(Stream::Socket(Arc::new(socket)))),
        Ok(None) => Ok(Call::Busy),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Call::Nobody),
        Err(e) if e.kind() == ErrorKind::Disconnected => Ok(Call::Busy),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(denied(place, e)),
        Err(e) => Err(e),
    }
}

/// Calls whoever listens at this place, once. `Stalled` where somebody listens but does not answer in time.
pub fn call(
    place: &Place,
    carries: Carries,
    hello: &[u8],
    descriptors: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call> {
    let stream = match reach(place, carries, waiting)? {
        Call::Answered(stream) => stream,
        Call::Nobody => return Ok(Call::Nobody),
        Call::Busy => return Ok(Call::Busy),
    };
    exchange(stream, hello, descriptors, waiting, &place.path().display())
}

/// Says hello over a new connection, and waits for the answer. `shown` is where that is, for texts.
pub fn exchange(
    stream: Stream,
    hello: &[u8],
    descriptors: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
    shown: &dyn Display,
) -> Result<Call> {
    match ask(&stream, hello, descriptors, waiting, shown)? {
        Some(heard) => Ok(Call::Answered(heard.over(stream)?)),
        None => Ok(Call::Busy),
    }
}

/// What a listener said.
pub struct Heard {
    /// The frame.
    pub answer: Incoming,
    /// What came along.
    pub descriptors: Vec<OwnedFd>,
}

impl Heard {
    /// Takes it for the answer to a hello.
    pub fn over(self, stream: Stream) -> Result<Called> {
        let (credentials, process) = stream.peer()?;
        Ok(Called { stream, answer: self.answer, descriptors: self.descriptors, credentials, process })
    }
}

/// Says something over a new connection and waits for the one frame that answers it. None where the other side hung up: it
/// ended between our connect and its answer, and the next one will answer.
pub fn ask(
    stream: &Stream,
    said: &[u8],
    descriptors: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
    shown: &dyn Display,
) -> Result<Option<Heard>> {
    ask_and_read(stream, said, descriptors, Reading::default(), waiting, shown)
}

/// Asks a process of this user that listens at a place for its socket, to listen there, too. None where nobody does, or it is just
/// ending. The first descriptor of the answer is the socket, where it gives one.
pub fn ask_for_socket(place: &Place, said: &[u8], waiting: &mut Waiting<'_>) -> Result<Option<Heard>> {
    let Call::Answered(stream) = reach(place, Carries::Descriptors, waiting)? else { return Ok(None) };
    // Before anything is taken that it sends.
    let is_ours = stream.credentials()?.is_some_and(|who| who.uid == rustix::process::geteuid().as_raw());
    if !is_ours {
        let text = format!("another user serves {}; each user serves its own names", place.path().display());
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let reading = Reading { wants_socket: true, ..Reading::default() };
    ask_and_read(&stream, said, &[], reading, waiting, &place.path().display())
}

fn ask_and_read(
    stream: &Stream,
    said: &[u8],
    descriptors: &[BorrowedFd<'_>],
    mut reading: Reading,
    waiting: &mut Waiting<'_>,
    shown: &dyn Display,
) -> Result<Option<Heard>> {
    match stream.write_with(said, descriptors) {
        // It may have answered before it hung up: a listener refuses users before it reads what they say.
        Err(e) if e.kind() == ErrorKind::Disconnected => {}
        sent if sent.as_ref().is_ok_and(|n| *n == Some(said.len())) => {}
        sent => {
            sent?;
            return Err(Error::new(ErrorKind::Internal, "a new connection had no room for a hello"));
        }
    }
    let mut grace = Grace::begin();
    loop {
        match reading.read_more(stream, &|_| Ok(())) {
            Ok(true) => break,
            Ok(false) => match grace.wait(waiting, |step| wait_any(step, [stream.readable()]).map(drop)) {
                Err(e) if e.kind() == ErrorKind::Timeout => return Err(stalled(shown)),
                other => other?,
            },
            Err(e) if e.kind() == ErrorKind::Disconnected => return Ok(None),
            Err(e) => return Err(e),
        }
    }
    let (answer, descriptors) = reading.finish()?;
    Ok(Some(Heard { answer, descriptors }))
}

/// The moment that even a call which is not to wait allows the other side.
pub struct Grace(Waiting<'static>);

impl Grace {
    /// It begins now.
    pub fn begin() -> Grace {
        Grace(Waiting::until(Deadline::after(GRACE)))
    }

    /// Sleeps within the call's time or, where that has passed, within the moment. `Timeout` once both have, or once the time of a
    /// call that allows no such moment has.
    pub fn wait(
        &mut self,
        waiting: &mut Waiting<'_>,
        sleep: impl FnOnce(&mut Waiting<'_>) -> Result<()>,
    ) -> Result<()> {
        if waiting.is_strict() {
            return sleep(waiting);
        }
        let slept = if waiting.deadline().has_passed() { sleep(&mut self.0) } else { sleep(waiting) };
        match slept {
            Err(e) if e.kind() == ErrorKind::Timeout && !self.0.deadline().has_passed() => Ok(()),
            slept => slept,
        }
    }
}

/// `Stalled`, for somebody who listens and does not answer.
pub fn stalled(shown: &dyn Display) -> Error {
    let text =
        format!("somebody listens at {shown} but does not answer; that process may be stopped or overloaded");
    Error::new(ErrorKind::Stalled, text)
}

/// Says whose the socket or the pipe is and what would help.
pub fn denied(place: &Place, error: Error) -> Error {
    place.denied("connect to", error)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::Encoding;
    use crate::frame::Outgoing;
    use crate::sys::memory::MemoryFile;

    /// Both ends of a connection, the first as a listener reads it.
    fn connection() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Stream::Socket(Arc::new(socket::of_caller(ours.into()).unwrap())), theirs)
    }

    fn send(to: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        assert_eq!(socket::send(to, &[IoSlice::new(bytes)], descriptors).unwrap(), Some(bytes.len()));
    }

    fn said() -> Vec<u8> {
        let hello = Outgoing::new(Header::new(Kind::Hello, Encoding::Cbor), b"greetings");
        [hello.head().as_slice(), hello.body].concat()
    }

    fn waiting(stream: &Stream) -> usize {
        let Stream::Socket(socket) = stream else { panic!("a socket") };
        rights::take_all(&**socket).len()
    }

    #[test]
    fn hello_in_pieces_takes_no_descriptors_that_come_behind_it() {
        let (stream, theirs) = connection();
        let hello = said();
        for at in [1, HEADER - 1, HEADER, HEADER + 1, hello.len() - 1, hello.len()] {
            send(&theirs, &hello[..at], &[]);
            if at < hello.len() {
                send(&theirs, &hello[at..], &[]);
            }
            send(&theirs, b"behind", &[theirs.as_fd()]);
            let mut reading = Reading::default();
            assert!(reading.read_more(&stream, &|_| Ok(())).unwrap(), "in pieces of {at} bytes and the rest");
            let (incoming, descriptors) = reading.finish().unwrap();
            assert_eq!(&incoming.body[..], b"greetings");
            assert!(descriptors.is_empty());
            assert_eq!(waiting(&stream), 1, "they are still there");
        }
    }

    #[test]
    fn refused_hello_leaves_its_descriptors_untaken() {
        let (stream, theirs) = connection();
        send(&theirs, &said(), &[theirs.as_fd()]);
        let refuse = |_: &Incoming| Err(Error::new(ErrorKind::PermissionDenied, "not you"));
        let refused = Reading::default().read_more(&stream, &refuse).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert_eq!(waiting(&stream), 1);
    }

    #[test]
    fn descriptors_in_the_middle_of_a_hello_are_malformed_and_untaken() {
        let (stream, theirs) = connection();
        let hello = said();
        send(&theirs, &hello[..HEADER + 2], &[theirs.as_fd()]);
        send(&theirs, &hello[HEADER + 2..], &[]);
        let refused = Reading::default().read_more(&stream, &|_| Ok(())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Malformed);
        assert_eq!(waiting(&stream), 1);
    }

    #[test]
    fn hello_with_a_memory_file_brings_it() {
        let (stream, theirs) = connection();
        let memory = MemoryFile::create("linkspan-test", 4096).unwrap();
        send(&theirs, &said(), &[memory.fd()]);
        send(&theirs, b"behind", &[]);
        let mut reading = Reading::default();
        assert!(reading.read_more(&stream, &|_| Ok(())).unwrap());
        assert_eq!(reading.finish().unwrap().1.len(), 1);
    }
}
