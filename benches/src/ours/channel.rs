//! Round trips over a channel, and calls to a server.

use std::time::Duration;

use bytes::Bytes;
use linkspan::{Channel, Encoding, Message, Options, Payload, Server, Value};

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

/// Long enough for the far end to start.
pub const START: Duration = Duration::from_secs(20);

/// Options of both ends with a spin time in microseconds; 0 sleeps at once.
pub fn options(spin: u64) -> Result<Options> {
    let mut options = Options::default();
    options.set("spin", &Value::from(spin))?;
    Ok(options)
}

/// A name that no other worker uses.
pub fn endpoint(transport: &str) -> String {
    let number = std::process::id();
    if transport == "tcp" {
        // All of 127.0.0.0/8 is this machine, so this address is unique.
        return format!("tcp://127.{}.{}.{}:20777", 64 + (number >> 16), number >> 8 & 255, number & 255);
    }
    format!("{transport}:bench-{number}")
}

/// Content of this many bytes, encoded in advance, because codecs have their own rows.
pub fn content(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, Bytes::from(vec![7; bytes]))
}

/// A message that is sent and echoed.
pub struct RoundTrip {
    pub channel: Channel,
    pub payload: Payload,
}

impl Work for RoundTrip {
    fn once(&mut self) -> Result<()> {
        self.channel.send_payload(&self.payload, linkspan::Timeout::Default)?;
        let back = self.channel.recv(linkspan::Timeout::Default)?;
        if back.body().len() != self.payload.body().len() {
            return Err(format!("{} bytes came back", back.body().len()).into());
        }
        Ok(())
    }
}

/// Echoes every message until the other side has closed for good.
pub fn echo(endpoint: &str, placement: Placement, options: &Options) -> Result<()> {
    let channel = Channel::open(endpoint, options, START)?;
    // Connects before pinning, because ends on one processor would not spin.
    let mut pinned = false;
    let mut answer: Option<Payload> = None;
    loop {
        let message = channel.recv(None)?;
        if !std::mem::replace(&mut pinned, true) {
            pin(placement, End::Far)?;
        }
        // Encoded in advance, as at the near end, so only the channel is measured.
        let same = answer.as_ref().filter(|payload| payload.body().len() == message.body().len());
        match same {
            Some(payload) => channel.send_payload(payload, None)?,
            None => {
                let first = Payload::from_bytes(message.encoding(), message.body().clone());
                channel.send_payload(answer.insert(first), None)?
            }
        };
    }
}

pub fn round_trip(transport: &str, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let endpoint = endpoint(transport);
    let options = options(spin)?;
    fork_far(|| echo(&endpoint, placement, &options))?;
    let channel = Channel::connect(&endpoint, &options, START)?;
    let mut work = RoundTrip { channel, payload: content(bytes) };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// Returns the length of a message's bytes after reading the first eight.
pub fn viewed(message: &Message) -> Result<usize> {
    let bytes = match message.value()? {
        Value::Bytes(bytes) => bytes,
        _ => return Err("something else than bytes came".into()),
    };
    std::hint::black_box(bytes.first_chunk::<8>());
    Ok(bytes.len())
}

/// `far echo …`: `echo` for a near end in another language.
pub fn echo_alone(endpoint: &str, placement: &str, spin: &str) -> Result<()> {
    echo(endpoint, Placement::from_name(placement)?, &options(spin.parse()?)?)
}

struct Reading {
    channel: Channel,
    count: i64,
}

impl Work for Reading {
    fn once(&mut self) -> Result<()> {
        self.count += 1;
        let reading = Value::map([("count", Value::from(self.count)), ("celsius", Value::from(21.5))]);
        self.channel.send(&reading, linkspan::Timeout::Default)?;
        let back = self.channel.recv(linkspan::Timeout::Default)?;
        std::hint::black_box(back.get("celsius")?.as_f64()?);
        // The far end encodes an answer of each length in advance.
        if !(1..=self.count).contains(&back.get("count")?.as_i64()?) {
            return Err("something else came back".into());
        }
        Ok(())
    }
}

/// A map of two fields in each direction, built and read each time, as in the other languages.
pub fn map(transport: &str, placement: Placement, spin: u64) -> Result<()> {
    let endpoint = endpoint(transport);
    let options = options(spin)?;
    fork_far(|| echo(&endpoint, placement, &options))?;
    let mut work = Reading { channel: Channel::connect(&endpoint, &options, START)?, count: 0 };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

struct Itself {
    here: Channel,
    there: Channel,
    payload: Payload,
}

impl Work for Itself {
    fn once(&mut self) -> Result<()> {
        self.here.send_payload(&self.payload, linkspan::Timeout::Default)?;
        self.there.recv(linkspan::Timeout::Default)?;
        Ok(())
    }
}

/// A message from a thread to itself: the cost without another processor.
pub fn to_itself(transport: &str, bytes: usize) -> Result<()> {
    let endpoint = endpoint(transport);
    let there = Channel::open(&endpoint, &options(0)?, START)?;
    let here = Channel::connect(&endpoint, &options(0)?, START)?;
    pin(Placement::Apart, End::Near)?;
    serve(Itself { here, there, payload: content(bytes) })
}

pub fn answer(endpoint: &str, placement: Placement, spin: u64) -> Result<()> {
    let server = Server::serve(endpoint, &options(spin)?)?;
    let mut pinned = false;
    while let Some(request) = server.next(None)? {
        if !std::mem::replace(&mut pinned, true) {
            pin(placement, End::Far)?;
        }
        request.reply_payload(&Payload::from_bytes(request.encoding(), request.body().clone()))?;
    }
    Ok(())
}

/// `far serve …`: `answer` for a near end in another language.
pub fn serve_alone(endpoint: &str, placement: &str, spin: &str) -> Result<()> {
    answer(endpoint, Placement::from_name(placement)?, spin.parse()?)
}

struct Call {
    channel: Channel,
    payload: Payload,
}

impl Work for Call {
    fn once(&mut self) -> Result<()> {
        self.channel.call_payload(&self.payload, linkspan::Timeout::Default)?;
        Ok(())
    }
}

/// A request to a server of many clients, and its answer.
pub fn call(transport: &str, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    calls(transport, placement, spin, |channel| Call { channel, payload: content(bytes) })
}

struct TextCall {
    channel: Channel,
    text: String,
}

impl Work for TextCall {
    fn once(&mut self) -> Result<()> {
        let answer = self.channel.call(&self.text, linkspan::Timeout::Default)?;
        if answer.value()?.as_text()?.len() != self.text.len() {
            return Err("something else came back".into());
        }
        Ok(())
    }
}

/// A request with a text that is encoded and read each time, as in the other languages.
pub fn text_call(transport: &str, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    calls(transport, placement, spin, |channel| TextCall { channel, text: "x".repeat(bytes) })
}

/// Measures work on a channel to a server at the far end.
fn calls<W: Work>(
    transport: &str,
    placement: Placement,
    spin: u64,
    work: impl FnOnce(Channel) -> W,
) -> Result<()> {
    let endpoint = endpoint(transport);
    fork_far(|| answer(&endpoint, placement, spin))?;
    let mut work = work(Channel::connect(&endpoint, &options(spin)?, START)?);
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}
