//! Reading one hello from a new connection, and nothing after it; and calling a listener.

use std::fmt::Display;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::place::Place;
use super::stream::Stream;
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind};
use crate::sys::peer::Credentials;
use crate::sys::poll::wait_any;
use crate::sys::socket;
use bytes::Bytes;

/// The most bytes of a hello's body.
const MAX_BODY: u64 = 16 << 10;

/// A hello that is being read.
#[derive(Default)]
pub struct Reading {
    bytes: Vec<u8>,
    header: Option<Header>,
    descriptors: Vec<OwnedFd>,
}

impl Reading {
    /// Reads what is there, never past the hello; true when it is complete.
    pub fn read_more(&mut self, stream: &Stream) -> Result<bool> {
        loop {
            let whole = match &self.header {
                None => HEADER,
                Some(header) => header.body_offset() + header.body as usize,
            };
            let have = self.bytes.len();
            if have == whole {
                let Ok(first) = <&[u8; HEADER]>::try_from(&self.bytes[..HEADER]) else { return Ok(false) };
                if self.header.is_some() {
                    return Ok(true);
                }
                let header = Header::from_bytes(first)?;
                if !matches!(header.kind, Kind::Hello | Kind::Error) || header.body > MAX_BODY {
                    let text = format!(
                        "a connection begins with a hello of at most {MAX_BODY} bytes, here is {:?} of {}",
                        header.kind, header.body
                    );
                    return Err(Error::new(ErrorKind::Malformed, text).at(5));
                }
                self.header = Some(header);
                continue;
            }
            self.bytes.resize(whole, 0);
            let got = stream.read_with(&mut self.bytes[have..], &mut self.descriptors);
            self.bytes.truncate(have + got.as_ref().ok().and_then(|n| *n).unwrap_or(0));
            match got? {
                None => return Ok(false),
                Some(0) => {
                    return Err(Error::new(
                        ErrorKind::Disconnected,
                        "the other side went away before its hello was complete",
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// The hello and the descriptors that came with it.
    pub fn finish(self) -> Result<(Incoming, Vec<OwnedFd>)> {
        let Some(header) = self.header else {
            return Err(Error::new(ErrorKind::Internal, "a hello was taken before it had come"));
        };
        let bytes = Bytes::from(self.bytes);
        let extension = bytes.slice(HEADER..HEADER + header.extension);
        let body = bytes.slice(header.body_offset()..);
        Ok((Incoming { header, extension, body }, self.descriptors))
    }
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
pub fn reach(place: &Place, waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
    let patience = waiting.deadline().left().map_or(Wait::TICK, |left| left.min(Wait::TICK));
    match socket::connect(&place.directory, &place.file, patience) {
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
    hello: &[u8],
    descriptors: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call> {
    let stream = match reach(place, waiting)? {
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
    descriptors: Vec<OwnedFd>,
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
    let sent = match stream.write_with(said, descriptors) {
        Err(e) if e.kind() == ErrorKind::Disconnected => return Ok(None),
        sent => sent?,
    };
    if sent != Some(said.len()) {
        return Err(Error::new(ErrorKind::Internal, "a new connection had no room for a hello"));
    }
    let mut reading = Reading::default();
    let mut grace = Grace::begin();
    loop {
        match reading.read_more(stream) {
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

    /// Sleeps within the call's time or, where that has passed, within the moment. `Timeout` once both have.
    pub fn wait(
        &mut self,
        waiting: &mut Waiting<'_>,
        sleep: impl FnOnce(&mut Waiting<'_>) -> Result<()>,
    ) -> Result<()> {
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
