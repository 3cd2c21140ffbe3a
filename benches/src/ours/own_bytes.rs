//! Bytes of the program's own, there and back with the public calls: over a channel, published in both directions, and
//! in a call with its reply.

use bytes::Bytes;
use linkspan::{Channel, Encoding, Options, Payload, Publisher, Server, Subscriber, Timeout, Value};

use super::channel::{START, endpoint, options, viewed};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

/// The calls that send and receive a program's bytes.
#[derive(Clone, Copy)]
pub enum Calls {
    /// `send_bytes` and `recv_into`.
    Lent,
    /// `send_payload` of a copy, and a copy out of the message of `recv`.
    Copied,
    /// `send_bytes`, and the first eight bytes of the message of `recv`, read in the sender's memory.
    Viewed,
    /// `loan_bytes`, `send` of the loan in a CBOR value, and a copy out of the bytes that `recv` views.
    Loaned,
    /// A loan as raw bytes, and `recv_into`.
    LoanedRaw,
}

impl Calls {
    /// Parses the name of these calls.
    pub fn from_name(name: &str) -> Result<Calls> {
        match name {
            "lent" => Ok(Calls::Lent),
            "copied" => Ok(Calls::Copied),
            "viewed" => Ok(Calls::Viewed),
            "loaned" => Ok(Calls::Loaned),
            "loaned-raw" => Ok(Calls::LoanedRaw),
            _ => Err(format!("no calls are called {name}").into()),
        }
    }

    fn options(self, spin: u64) -> Result<Options> {
        let mut options = options(spin)?.with_view_bytes(matches!(self, Calls::Viewed | Calls::Loaned));
        if matches!(self, Calls::LoanedRaw) {
            options.set("encoding", &Value::from("raw"))?;
        }
        Ok(options)
    }
}

/// A way there and a way back.
enum Ways {
    Channel(Channel),
    Published(Box<(Publisher, Subscriber)>),
}

struct OwnBytes {
    ways: Ways,
    bytes: Vec<u8>,
    calls: Calls,
}

impl OwnBytes {
    fn send(&self) -> Result<()> {
        let (wait, bytes) = (Timeout::Default, &self.bytes);
        match (self.calls, &self.ways) {
            (Calls::Lent | Calls::Viewed, Ways::Channel(channel)) => {
                channel.send_bytes(Encoding::Raw, bytes, wait)?
            }
            (Calls::Lent | Calls::Viewed, Ways::Published(ends)) => {
                ends.0.send_bytes(Encoding::Raw, bytes)?
            }
            (Calls::Copied, ways) => {
                let payload = Payload::from_bytes(Encoding::Raw, Bytes::copy_from_slice(bytes));
                match ways {
                    Ways::Channel(channel) => channel.send_payload(&payload, wait)?,
                    Ways::Published(ends) => ends.0.send_payload(&payload)?,
                }
            }
            (Calls::Loaned | Calls::LoanedRaw, Ways::Channel(channel)) => {
                let mut loan = channel.loan_bytes(bytes.len())?;
                loan.copy_from_slice(bytes);
                channel.send(&Value::from(loan), wait)?
            }
            (Calls::Loaned | Calls::LoanedRaw, Ways::Published(ends)) => {
                let mut loan = ends.0.loan_bytes(bytes.len())?;
                loan.copy_from_slice(bytes);
                ends.0.send(&Value::from(loan))?
            }
        };
        Ok(())
    }

    fn receive(&mut self, wait: Timeout) -> Result<()> {
        if matches!(self.calls, Calls::Lent | Calls::LoanedRaw) {
            let received = match &self.ways {
                Ways::Channel(channel) => channel.recv_into(&mut self.bytes, wait)?,
                Ways::Published(ends) => ends.1.recv_into(&mut self.bytes, wait)?,
            };
            return check(received.length, self.bytes.len());
        }
        let message = match &self.ways {
            Ways::Channel(channel) => channel.recv(wait)?,
            Ways::Published(ends) => ends.1.recv(wait)?,
        };
        let came = match self.calls {
            Calls::Viewed => viewed(&message)?,
            _ => match message.value()? {
                Value::Bytes(came) if came.len() == self.bytes.len() => {
                    self.bytes.copy_from_slice(came);
                    came.len()
                }
                other => return Err(format!("{other:?} came").into()),
            },
        };
        check(came, self.bytes.len())
    }
}

fn check(came: usize, wanted: usize) -> Result<()> {
    if came == wanted { Ok(()) } else { Err(format!("{came} bytes came").into()) }
}

impl Work for OwnBytes {
    fn once(&mut self) -> Result<()> {
        self.send()?;
        self.receive(Timeout::Default)
    }
}

/// A message of the program's bytes and its answer, both with the default delivery.
pub fn on_a_channel(calls: Calls, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let (endpoint, options) = (endpoint("shm"), calls.options(spin)?);
    let end = |channel| OwnBytes { ways: Ways::Channel(channel), bytes: vec![7; bytes], calls };
    fork_far(|| answer(end(Channel::open(&endpoint, &options, START)?), placement))?;
    begin(end(Channel::connect(&endpoint, &options, START)?), placement)
}

/// Like `called`, but published in each direction.
pub fn published(calls: Calls, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let (name, options) = (endpoint("shm"), calls.options(spin)?);
    let ways = [format!("{name}-there"), format!("{name}-back")];
    let end = |to: &str, from: &str| -> Result<OwnBytes> {
        let (to, from) = (Publisher::new(to, &options)?, Subscriber::new(from, &options)?);
        to.wait_for_subscribers(1, START)?;
        Ok(OwnBytes { ways: Ways::Published(Box::new((to, from))), bytes: vec![7; bytes], calls })
    };
    fork_far(|| answer(end(&ways[1], &ways[0])?, placement))?;
    begin(end(&ways[0], &ways[1])?, placement)
}

fn answer(mut end: OwnBytes, placement: Placement) -> Result<()> {
    end.receive(Timeout::Forever)?;
    pin(placement, End::Far)?;
    loop {
        end.send()?;
        end.receive(Timeout::Forever)?;
    }
}

fn begin(mut work: OwnBytes, placement: Placement) -> Result<()> {
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// Calls of a program's bytes, whose reply is copied into its memory.
struct CalledBytes {
    channel: Channel,
    bytes: Vec<u8>,
    reply: Vec<u8>,
    calls: Calls,
}

impl Work for CalledBytes {
    fn once(&mut self) -> Result<()> {
        let CalledBytes { channel, bytes, reply, calls } = self;
        if let Calls::Lent = calls {
            let received = channel.call_bytes(Encoding::Raw, bytes, reply, Timeout::Default)?;
            return check(received.length, bytes.len());
        }
        let payload = Payload::from_bytes(Encoding::Raw, Bytes::copy_from_slice(bytes));
        let came = channel.call_payload(&payload, Timeout::Default)?;
        check(came.body().len(), bytes.len())?;
        reply.copy_from_slice(came.body());
        Ok(())
    }
}

/// A request of the program's bytes to a server of many clients, and its reply.
pub fn called(calls: Calls, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let (endpoint, options) = (endpoint("shm"), calls.options(spin)?);
    fork_far(|| {
        let server = Server::serve(&endpoint, &options)?;
        let (mut pinned, mut own) = (false, vec![7; bytes]);
        while let Some(request) = server.next(None)? {
            if !std::mem::replace(&mut pinned, true) {
                pin(placement, End::Far)?;
            }
            own.copy_from_slice(request.body());
            match calls {
                Calls::Lent => request.reply_bytes(Encoding::Raw, &own)?,
                _ => {
                    let copy = Bytes::copy_from_slice(&own);
                    request.reply_payload(&Payload::from_bytes(Encoding::Raw, copy))?;
                }
            }
        }
        Ok(())
    })?;
    let channel = Channel::connect(&endpoint, &options, START)?;
    let mut work = CalledBytes { channel, bytes: vec![7; bytes], reply: vec![0; bytes], calls };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}
