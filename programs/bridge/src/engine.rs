//! The interface of an engine between machines, independent of zenoh and NATS.
//!
//! An engine discovers bridges and their names (`Presence`), distributes published messages (`Sample`), carries
//! requests (`Call`) to servers, and sends packets between bridges. It may lose samples and packets: samples have
//! numbers that reveal losses, and the layer above sends packets again.
//!
//! The loop calls the methods of `Engine`, which do not wait for the network. An engine's threads put `Arrival`
//! values into the inbox.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Encoding, Error, Map, RemoteFailure, Result, Value, codec};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    Publish,
    Request,
    /// A listener or one end of a channel has it.
    Channel,
    /// A controller has it: services of other machines connect to it.
    Controller,
    /// A journal has it. Its incarnation is a random number from its creation.
    Journal,
}

impl Pattern {
    const ALL: [Pattern; 5] =
        [Pattern::Publish, Pattern::Request, Pattern::Channel, Pattern::Controller, Pattern::Journal];

    /// Returns its word in the protocol between bridges.
    pub const fn word(self) -> &'static str {
        match self {
            Pattern::Publish => "publish",
            Pattern::Request => "request",
            Pattern::Channel => "channel",
            Pattern::Controller => "controller",
            Pattern::Journal => "journal",
        }
    }

    /// Returns the pattern of a word; `None` for a word of a later version.
    pub fn of(word: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.word() == word)
    }
}

/// A name of a machine during one life of its program. A restarted program has a new presence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Presence {
    /// The name; with a transport only for a journal.
    pub name: String,
    pub pattern: Pattern,
    pub machine: String,
    /// The program's incarnation; never 0.
    pub incarnation: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// A random number of its incarnation; never 0.
    pub id: u64,
    pub machine: String,
}

/// Identifies a published message among all publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    pub incarnation: u64,
    /// The message's number there, from 1.
    pub sequence: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: i64,
    /// The oldest number that the publisher's bridge can send again; `None` if it keeps none.
    pub kept: Option<u64>,
}

impl Origin {
    /// Returns the first missing number after `last` that the publisher's bridge can send again, if any.
    pub fn first_to_recover(&self, last: u64) -> Option<u64> {
        let first = self.kept?.max(last.saturating_add(1));
        (first < self.sequence).then_some(first)
    }
}

/// The most bytes of a message from another machine.
pub const LONGEST: u64 = 256 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub encoding: Encoding,
    pub bytes: Bytes,
}

impl Body {
    /// Returns the approximate memory of a message with this body.
    pub fn memory(&self) -> usize {
        const OVERHEAD: usize = 100;
        self.bytes.len().saturating_add(OVERHEAD)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub name: String,
    /// `None` for a program without Linkspan.
    pub origin: Option<Origin>,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub body: Body,
    /// Its deadline by each machine's clock; an absent machine has no deadline.
    ///
    /// There are several because the engine may deliver it to any machine with the name.
    pub until: BTreeMap<String, Duration>,
    /// Identifies a message, which may be sent again; `None` for a request with an answer.
    pub message: Option<MessageId>,
    /// Identifies a request that its caller may withdraw; `None` for a message, or without Linkspan.
    pub request: Option<RequestId>,
}

/// Identifies a message among all machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    pub incarnation: u64,
    pub number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The bridge of the caller's machine: see [`Bridge::id`].
    pub bridge: u64,
    pub number: u64,
}

impl Call {
    /// Returns whether a program without Linkspan sent it: bridges number their requests.
    pub fn is_foreign(&self) -> bool {
        self.message.is_none() && self.request.is_none()
    }

    /// Encodes the metadata: a map of `until` (nanoseconds per machine), `message` and `request`. `None` if all are
    /// absent.
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

    /// Returns the request with this body and metadata.
    ///
    /// Ignores undecodable metadata, because programs without Linkspan may attach anything.
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

pub type Reply = std::result::Result<Body, RemoteFailure>;

/// Answers a request of another machine, from the loop's thread or an engine's.
pub type Respond = Box<dyn FnOnce(Reply) + Send>;

pub enum Arrival {
    /// A name of another machine has appeared. It may already be known.
    Appeared(Presence),
    Gone(Presence),
    Sample(Sample),
    /// A publisher's newest message: the answer to [`Engine::newest`].
    Newest(Presence, Newest),
    /// A program without Linkspan has withdrawn its messages of this name.
    Ended(String),
    /// A bridge has appeared; it may be this one.
    BridgeAppeared(Bridge),
    BridgeGone(Bridge),
    /// A packet from a bridge on this machine: see [`Engine::send`].
    Packet(String, Bytes),
    /// A message to this server was refused for good because of its size, with a line for the log.
    Refused(String, String),
    /// A program without Linkspan sent bytes for this name that are not a value.
    Malformed(String, Error),
    /// An engine event for the log, with level and line. An operator may have to act.
    Note(&'static str, String),
    Request(String, Call, Respond),
}

/// The answer to the query for a newest message.
pub enum Newest {
    Sample(Sample),
    None,
    Unknown,
}

impl Arrival {
    /// Returns the bytes of a droppable item (sample, packet or request), and 0 for other items.
    ///
    /// Dropping those others would make the state of names wrong.
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

/// Connects this machine to others and puts arrivals into its [`Inbox`](crate::inbox::Inbox).
///
/// No method waits for another machine. Errors are the engine's, mostly `TransportUnavailable`.
pub trait Engine {
    /// Exports a publisher until the outlet is dropped: others see it and can query its newest message.
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>>;

    /// Exports a server: requests for it arrive until the returned value is dropped.
    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Announces a channel, controller or journal until the returned value is dropped. Its data travels in packets.
    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Returns the number of this bridge's incarnation, which others see in [`Bridge::id`].
    fn id(&self) -> u64;

    /// Sends a packet to another bridge without waiting. A slow network or bridge may lose it.
    fn send(&self, bridge: &Bridge, packet: Bytes) -> Result<()>;

    /// Subscribes to samples of all names that match the pattern.
    ///
    /// Samples of other names may also arrive, because an engine's patterns can be wider. The caller filters them.
    fn import(&self, pattern: &str) -> Result<()>;

    /// Queries the newest message of another machine's publisher. The answer arrives as `Arrival::Newest`.
    fn newest(&self, presence: &Presence) -> Result<()>;

    /// Returns the most bytes of a request's body; `None` if the engine has no limit below the core's.
    fn longest_request(&self) -> Option<u64> {
        None
    }

    /// Sends a request to a presence's server and awaits the answer in the background, up to `timeout`.
    ///
    /// Calls `respond` exactly once, perhaps from another thread.
    fn request(&self, presence: &Presence, call: Call, timeout: Duration, respond: Respond) -> Result<()>;
}

/// Carries the messages of one exported publisher. Dropping it withdraws the publisher.
pub trait Outlet {
    /// Sends a message without waiting; it becomes the newest message.
    ///
    /// # Errors
    /// `TooLarge` if the engine does not carry this size.
    fn publish(&self, sample: Sample) -> Result<()>;
}

/// Ensures that a request gets exactly one answer: dropping it unanswered answers `Disconnected`.
pub struct Answering(Mutex<Option<Respond>>);

impl Answering {
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

pub fn went_away() -> RemoteFailure {
    failure("Disconnected", "the server's machine disconnected before it answered")
}

/// The code of failures that are not the handler's; JSON-RPC reserves its range for servers.
pub const UNHANDLED: i64 = -32001;

pub fn failure(kind: &str, text: &str) -> RemoteFailure {
    RemoteFailure::new(UNHANDLED, kind, text)
}

pub fn failure_bytes(failure: &RemoteFailure) -> Vec<u8> {
    let map = Value::map([
        ("code", Value::from(failure.code)),
        ("kind", failure.kind.as_str().into()),
        ("text", failure.text.as_str().into()),
        ("data", Value::Bytes(failure.data.clone().into())),
    ]);
    codec::encode(&map, Encoding::Cbor).unwrap_or_default()
}

/// Decodes a failure; `None` if these bytes are not one.
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

pub const fn mime(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "application/octet-stream",
        Encoding::Json => "application/json",
        Encoding::Cbor => "application/cbor",
        Encoding::Bson => "application/bson",
        Encoding::Smile => "application/x-jackson-smile",
    }
}

/// Returns the encoding of a media type; an unknown type means raw bytes.
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
