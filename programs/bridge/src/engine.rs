//! The interface of an engine between machines, independent of zenoh and NATS.
//!
//! An engine finds other bridges and their names (`Presence`), distributes published messages (`Sample`),
//! carries requests (`Call`) to servers, and sends packets from one bridge to another. It may lose samples
//! and packets: samples have numbers, by which losses are counted, and the layer above sends packets again.
//!
//! The loop calls the methods of `Engine`, which do not wait for the network. An engine's own threads put
//! what arrives into the inbox as `Arrival` values.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Encoding, Error, Map, RemoteFailure, Result, Value, codec};

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// A publisher has it.
    Publish,
    /// A server has it.
    Request,
    /// A listener has it, or the one end of a channel.
    Channel,
    /// A controller has it: services of other machines connect to it.
    Controller,
    /// A journal has it. Its incarnation is a number that was drawn when it was made.
    Journal,
}

impl Pattern {
    /// Every pattern, for looking one up by its word.
    const ALL: [Pattern; 5] =
        [Pattern::Publish, Pattern::Request, Pattern::Channel, Pattern::Controller, Pattern::Journal];

    /// Returns the word for it in the protocol between bridges.
    pub const fn word(self) -> &'static str {
        match self {
            Pattern::Publish => "publish",
            Pattern::Request => "request",
            Pattern::Channel => "channel",
            Pattern::Controller => "controller",
            Pattern::Journal => "journal",
        }
    }

    /// Returns the pattern of a word, or `None` for an unknown word: a later version may have more patterns.
    pub fn of(word: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.word() == word)
    }
}

/// A name of a machine, for as long as its program lives. Presences are equal only if the incarnations are: a
/// program that was restarted has another presence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Presence {
    /// The name, without a transport unless it is that of a journal.
    pub name: String,
    /// What it is for.
    pub pattern: Pattern,
    /// The machine that has it.
    pub machine: String,
    /// The incarnation of the program that has it; never 0.
    pub incarnation: u64,
}

/// Another bridge of the realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// A random number of its incarnation; never 0.
    pub id: u64,
    /// The machine that it is on.
    pub machine: String,
}

/// Identifies a published message among those of all publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The publisher's incarnation.
    pub incarnation: u64,
    /// Its number there, from 1.
    pub sequence: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: i64,
    /// The number of the oldest message that the publisher's bridge still has, and sends again to a bridge that
    /// has missed it; `None` if it keeps none.
    pub kept: Option<u64>,
}

impl Origin {
    /// Returns the number of the first message between the last received one and this one that the publisher's
    /// bridge can send again; `None` if there is none.
    pub fn first_to_recover(&self, last: u64) -> Option<u64> {
        let first = self.kept?.max(last.saturating_add(1));
        (first < self.sequence).then_some(first)
    }
}

/// The most bytes of a message of another machine.
pub const LONGEST: u64 = 256 << 20;

/// An encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// How it is written.
    pub encoding: Encoding,
    /// The bytes.
    pub bytes: Bytes,
}

impl Body {
    /// Returns the memory that a message with this body takes, approximately.
    pub fn memory(&self) -> usize {
        /// What a message has beside its body.
        const OVERHEAD: usize = 100;
        self.bytes.len().saturating_add(OVERHEAD)
    }
}

/// A published message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name that it was published at.
    pub name: String,
    /// `None` if the publisher is a program that uses the engine without Linkspan.
    pub origin: Option<Origin>,
    /// The value.
    pub body: Body,
}

/// A request on its way to a server of another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The value.
    pub body: Body,
    /// Its deadline by the clock of each machine whose server may get it; a machine that is missing has no
    /// deadline. There are several because the engine may deliver it to any of the machines that have the
    /// name.
    pub until: BTreeMap<String, Duration>,
    /// Identifies a message, which needs no answer and may be sent again; `None` for a request with an
    /// answer.
    pub message: Option<MessageId>,
    /// Identifies a request with an answer, which its caller may withdraw; `None` for a message, and for a
    /// request of a program without Linkspan.
    pub request: Option<RequestId>,
}

/// Identifies a message among those of all machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    /// The incarnation of its sender, drawn by chance.
    pub incarnation: u64,
    /// Its number there.
    pub number: u64,
}

/// Identifies a request among those of all machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The bridge of its caller's machine: see [`Bridge::id`].
    pub bridge: u64,
    /// Its number there.
    pub number: u64,
}

impl Call {
    /// Returns whether it is a request of a program without Linkspan: bridges number theirs.
    pub fn is_foreign(&self) -> bool {
        self.message.is_none() && self.request.is_none()
    }

    /// Returns the metadata beside the body, encoded: a map of `until`, in nanoseconds for each machine,
    /// `message` and `request`. `None` if there is none of them.
    pub fn attachment(&self, encoding: Encoding) -> Option<Vec<u8>> {
        let mut map = Map::new();
        if !self.until.is_empty() {
            let nanoseconds = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let until = self.until.iter().map(|(machine, at)| (machine.clone(), nanoseconds(at).into()));
            map.insert("until".to_owned(), Value::Map(until.collect()));
        }
        if let Some(MessageId { incarnation, number }) = self.message {
            map.insert("message".to_owned(), Value::Array([incarnation, number].map(Value::from).into()));
        }
        if let Some(RequestId { bridge, number }) = self.request {
            map.insert("request".to_owned(), Value::Array([bridge, number].map(Value::from).into()));
        }
        if map.is_empty() { None } else { codec::encode(&Value::Map(map), encoding).ok() }
    }

    /// Returns the request with this body and metadata. Metadata that cannot be decoded is ignored: a program
    /// without Linkspan may attach something of its own.
    pub fn of(body: Body, attachment: Option<&[u8]>, encoding: Encoding) -> Call {
        let map = attachment.and_then(|bytes| codec::decode(bytes, encoding).ok()).unwrap_or(Value::Null);
        let mut until = BTreeMap::new();
        if let Ok(Value::Map(times)) = map.at("until") {
            let time = |at: &Value| at.as_u64().ok().map(Duration::from_nanos);
            until.extend(times.iter().filter_map(|(machine, at)| Some((machine.clone(), time(at)?))));
        }
        let pair = |key: &str| {
            let numbers = map.at(key).and_then(Value::as_array).ok()?;
            match numbers.iter().map(|one| one.as_u64().ok()).collect::<Option<Vec<_>>>()?[..] {
                [first, second] => Some((first, second)),
                _ => None,
            }
        };
        let message = pair("message").map(|(incarnation, number)| MessageId { incarnation, number });
        let request = pair("request").map(|(bridge, number)| RequestId { bridge, number });
        Call { body, until, message, request }
    }
}

/// The outcome of a request.
pub type Reply = std::result::Result<Body, RemoteFailure>;

/// Answers a request of another machine. It is called from the loop's thread or an engine's.
pub type Respond = Box<dyn FnOnce(Reply) + Send>;

/// What an engine puts into the inbox.
pub enum Arrival {
    /// A name of another machine has appeared. A name that is known already may appear again.
    Appeared(Presence),
    /// A name of another machine has gone.
    Gone(Presence),
    /// A message of an imported name.
    Sample(Sample),
    /// The newest message of a publisher: the answer to [`Engine::newest`].
    Newest(Presence, Newest),
    /// A program that uses the engine without Linkspan has withdrawn what it published at this name.
    Ended(String),
    /// A bridge has appeared; it may be this one.
    BridgeAppeared(Bridge),
    /// A bridge has gone.
    BridgeGone(Bridge),
    /// A packet of a bridge on the machine of this name: see [`Engine::send`].
    Packet(String, Bytes),
    /// A message to a server of this name was refused for good, because the engine does not carry one of its size: a
    /// line for the log.
    Refused(String, String),
    /// What a program without Linkspan sent for this name is no value.
    Malformed(String, Error),
    /// An event of the engine itself for the log: a level, and a line. An operator may have to act on it.
    Note(&'static str, String),
    /// A request for an exported server.
    Request(String, Call, Respond),
}

/// The answer to the query for a newest message.
pub enum Newest {
    /// The newest message.
    Sample(Sample),
    /// Nothing has been published yet.
    None,
    /// No answer came.
    Unknown,
}

impl Arrival {
    /// Returns the bytes that it holds if it may be dropped or refused: samples, packets and requests.
    /// Returns 0 for the others, whose loss would leave the state of names wrong.
    pub fn size(&self) -> usize {
        match self {
            Arrival::Sample(sample) => {
                sample.body.bytes.len().saturating_add(sample.name.len()).saturating_add(100)
            }
            Arrival::Request(name, call, _) => {
                call.body.bytes.len().saturating_add(name.len()).saturating_add(500)
            }
            Arrival::Packet(_, bytes) => bytes.len().saturating_add(100),
            _ => 0,
        }
    }
}

/// An engine that joins this machine to others. What arrives is put into the [`Inbox`](crate::inbox::Inbox)
/// that it was opened with. No method waits for another machine. Errors are those of the engine, mostly
/// `TransportUnavailable`.
pub trait Engine {
    /// Exports a publisher: other bridges see its presence and can query its newest message until the outlet
    /// is dropped.
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>>;

    /// Exports a server: requests for it arrive until the returned value is dropped.
    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Makes the presence of a channel, a controller or a journal visible until the returned value is
    /// dropped. Their data goes in packets between the bridges.
    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Returns the number of this bridge's incarnation, as others see it in [`Bridge::id`].
    fn id(&self) -> u64;

    /// Sends a packet to another bridge without waiting. The packet may be lost if the network or the other
    /// bridge is slow.
    fn send(&self, bridge: &Bridge, packet: Bytes) -> Result<()>;

    /// Subscribes to the samples of all names that match the pattern. Samples of other names may arrive, too,
    /// because an engine's own patterns can be wider; the caller filters them.
    fn import(&self, pattern: &str) -> Result<()>;

    /// Queries the newest message of a publisher of another machine. The answer arrives as `Arrival::Newest`.
    fn newest(&self, presence: &Presence) -> Result<()>;

    /// Returns how many bytes the body of a request may have; `None` where the engine sets no bound below that of the
    /// core.
    fn longest_request(&self) -> Option<u64> {
        None
    }

    /// Sends a request to the server of this presence, and waits in the background for its answer, at most
    /// for `timeout`. `respond` is called exactly once, perhaps from another thread.
    fn request(&self, presence: &Presence, call: Call, timeout: Duration, respond: Respond) -> Result<()>;
}

/// Carries the messages of one exported publisher. Dropping it withdraws the publisher.
pub trait Outlet {
    /// Sends a message without waiting; it is the newest message from now on.
    ///
    /// # Errors
    /// `TooLarge` if the engine carries no message of this size.
    fn publish(&self, sample: Sample) -> Result<()>;
}

/// Makes sure that a request gets exactly one answer: a value that is dropped unanswered answers with
/// `Disconnected`.
pub struct Answering(Mutex<Option<Respond>>);

impl Answering {
    /// Keeps the respond function of a request.
    pub fn new(respond: Respond) -> Answering {
        Answering(Mutex::new(Some(respond)))
    }

    /// Answers the request, unless it was answered before.
    pub fn give(&self, reply: Reply) {
        let respond = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(respond) = respond {
            respond(reply);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.give(Err(went_away()));
    }
}

/// Returns the failure of a request whose server disappeared before it had answered.
pub fn went_away() -> RemoteFailure {
    failure("Disconnected", "the server's machine disconnected before it answered")
}

/// The code of a failure that is not the handler's. It is one of the codes that JSON-RPC leaves to servers.
pub const UNHANDLED: i64 = -32001;

/// Returns the failure of a request that no handler has answered.
pub fn failure(kind: &str, text: &str) -> RemoteFailure {
    RemoteFailure::new(UNHANDLED, kind, text)
}

/// Returns an encoded failure: a map in CBOR.
pub fn failure_bytes(failure: &RemoteFailure) -> Vec<u8> {
    let map = Value::map([
        ("code", Value::from(failure.code)),
        ("kind", failure.kind.as_str().into()),
        ("text", failure.text.as_str().into()),
        ("data", Value::Bytes(failure.data.clone().into())),
    ]);
    codec::encode(&map, Encoding::Cbor).unwrap_or_default()
}

/// Returns the failure that these bytes encode, or `None` if they do not encode one.
pub fn failure_from(bytes: &[u8]) -> Option<RemoteFailure> {
    let map = codec::decode(bytes, Encoding::Cbor).ok()?;
    let text = |key: &str| map.at(key).and_then(Value::as_text).map(str::to_owned).ok();
    Some(RemoteFailure {
        code: map.at("code").and_then(Value::as_i64).ok()?,
        kind: text("kind")?,
        text: text("text")?,
        data: map.at("data").and_then(Value::as_bytes).map(|data| data.to_vec()).unwrap_or_default(),
    })
}

/// Returns the media type of an encoding, for programs that use the engine without Linkspan.
pub const fn mime(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "application/octet-stream",
        Encoding::Json => "application/json",
        Encoding::Cbor => "application/cbor",
        Encoding::Bson => "application/bson",
        Encoding::Smile => "application/x-jackson-smile",
    }
}

/// Returns the encoding of a media type; an unknown one is raw bytes.
pub fn encoding_of(mime_type: Option<&str>) -> Encoding {
    match mime_type {
        Some("text/json" | "text/json5") => Encoding::Json,
        Some(other) => Encoding::ALL.into_iter().find(|e| mime(*e) == other).unwrap_or(Encoding::Raw),
        None => Encoding::Raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        let body = Body { encoding: Encoding::Json, bytes: "[1]".into() };
        let second = Duration::from_secs(1);
        let until = BTreeMap::from([("north".to_owned(), 7 * second), ("west".to_owned(), second / 3)]);
        let message = Some(MessageId { incarnation: u64::MAX, number: 1 });
        let request = Some(RequestId { bridge: u64::MAX, number: 2 });
        for encoding in [Encoding::Cbor, Encoding::Json] {
            for call in [
                Call { body: body.clone(), until: until.clone(), message: None, request: None },
                Call { body: body.clone(), until: until.clone(), message: None, request },
                Call { body: body.clone(), until: until.clone(), message, request: None },
                Call { body: body.clone(), until: BTreeMap::new(), message, request },
            ] {
                let attached = call.attachment(encoding).unwrap();
                assert_eq!(Call::of(body.clone(), Some(&attached), encoding), call);
            }
            let plain = Call { body: body.clone(), until: BTreeMap::new(), message: None, request: None };
            assert_eq!(plain.attachment(encoding), None);
            for odd in [
                None,
                Some(&b"\xff"[..]),
                Some(b"{\"until\":3,\"message\":[1],\"request\":[1,2,3]}"),
                Some(b""),
            ] {
                assert_eq!(Call::of(body.clone(), odd, encoding), plain);
            }
        }
    }
}
