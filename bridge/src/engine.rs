//! What an engine between machines has to do, in words that belong to none.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Encoding, Map, RemoteFailure, Result, Value, codec};

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
    const ALL: [Pattern; 5] =
        [Pattern::Publish, Pattern::Request, Pattern::Channel, Pattern::Controller, Pattern::Journal];

    /// The word for it between bridges.
    pub const fn word(self) -> &'static str {
        match self {
            Pattern::Publish => "publish",
            Pattern::Request => "request",
            Pattern::Channel => "channel",
            Pattern::Controller => "controller",
            Pattern::Journal => "journal",
        }
    }

    /// What a word stands for; none where it stands for nothing.
    pub fn of(word: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.word() == word)
    }
}

/// A name of a machine while it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Presence {
    /// The name, without a transport unless it is that of a journal.
    pub name: String,
    /// What it is for.
    pub pattern: Pattern,
    /// Whose it is.
    pub machine: String,
    /// The incarnation of the program that has it; never 0.
    pub incarnation: u64,
}

/// Another bridge of the realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Drawn by chance for its incarnation; never 0.
    pub id: u64,
    /// The machine that it is on.
    pub machine: String,
}

/// Where a published message comes from: which one it is among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The publisher's incarnation.
    pub incarnation: u64,
    /// Its number there, from 1.
    pub sequence: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub sent: i64,
}

/// An encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// How it is written.
    pub encoding: Encoding,
    /// The bytes.
    pub bytes: Bytes,
}

/// A published message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name that it was published at.
    pub name: String,
    /// None for one of a program that knows the engine and nothing of Linkspan.
    pub origin: Option<Origin>,
    /// The value.
    pub body: Body,
}

/// A request on its way to a server of another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The value.
    pub body: Body,
    /// Its deadline by the clock of each machine whose server may get it; there is none for a machine that is not named.
    pub until: BTreeMap<String, Duration>,
    /// Of a message, which wants no answer and may be sent again, which one it is.
    pub message: Option<MessageId>,
}

/// Identifies a message among those of all machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageId {
    /// The incarnation of its sender, drawn by chance.
    pub incarnation: u64,
    /// Its number there.
    pub number: u64,
}

impl Call {
    /// What stands beside the body, encoded: a map of `until`, in nanoseconds for each machine, and `message`. `None` where neither is known.
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
        if map.is_empty() { None } else { codec::encode(&Value::Map(map), encoding).ok() }
    }

    /// The request with this body; what stands beside it is left aside where it is not understood.
    pub fn of(body: Body, attachment: Option<&[u8]>, encoding: Encoding) -> Call {
        let map = attachment.and_then(|bytes| codec::decode(bytes, encoding).ok()).unwrap_or(Value::Null);
        let mut until = BTreeMap::new();
        if let Ok(Value::Map(times)) = map.at("until") {
            let time = |at: &Value| at.as_u64().ok().map(Duration::from_nanos);
            until.extend(times.iter().filter_map(|(machine, at)| Some((machine.clone(), time(at)?))));
        }
        let numbers = map.at("message").and_then(Value::as_array).ok();
        let numbers =
            numbers.and_then(|all| all.iter().map(|one| one.as_u64().ok()).collect::<Option<Vec<_>>>());
        let message = match numbers.as_deref() {
            Some([incarnation, number]) => Some(MessageId { incarnation: *incarnation, number: *number }),
            _ => None,
        };
        Call { body, until, message }
    }
}

/// What becomes of a request.
pub type Reply = std::result::Result<Body, RemoteFailure>;

/// Gives a request of another machine its one answer.
pub type Respond = Box<dyn FnOnce(Reply) + Send>;

/// What an engine brings.
pub enum Arrival {
    /// A name of another machine is there.
    Appeared(Presence),
    /// It is there no longer.
    Gone(Presence),
    /// A message of an imported name.
    Sample(Sample),
    /// What a publisher's newest message is: asked for by [`Engine::newest`].
    Newest(Presence, Newest),
    /// A program that knows the engine alone has ended what it published at the name.
    Ended(String),
    /// A bridge is there; it may be this one.
    BridgeAppeared(Bridge),
    /// It is there no longer.
    BridgeGone(Bridge),
    /// What a bridge of this machine has sent: see [`Engine::send`].
    Packet(String, Bytes),
    /// A message to a server of this name was refused for good, because the engine does not carry one of its size: a line for the log.
    Refused(String, String),
    /// Something about the engine itself that whoever looks after the bridge has to know: a level of the log, and a line.
    Note(&'static str, String),
    /// A request for an exported server.
    Request(String, Call, Respond),
}

/// The answer to the question for a newest message.
pub enum Newest {
    /// This one.
    Sample(Sample),
    /// Nothing has been published yet.
    None,
    /// No answer came.
    Unknown,
}

impl Arrival {
    /// The bytes that it holds where it may be dropped or refused, as samples, packets and requests may; else 0.
    pub fn size(&self) -> usize {
        match self {
            Arrival::Sample(sample) => sample.body.bytes.len() + sample.name.len() + 100,
            Arrival::Request(name, call, _) => call.body.bytes.len() + name.len() + 500,
            Arrival::Packet(_, bytes) => bytes.len() + 100,
            _ => 0,
        }
    }
}

/// An engine that joins this machine to others. What it brings goes to the [`Inbox`](crate::inbox::Inbox) that it was made with.
pub trait Engine {
    /// Lets others have a publisher: they see its presence and can ask for its newest message, until the outlet is dropped.
    fn export_publisher(&self, presence: &Presence) -> Result<Box<dyn Outlet>>;

    /// Lets others have a server: requests for it arrive until what is given here is dropped.
    fn export_server(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// Lets others see that a channel or a journal is there until what is given here is dropped. What goes over it is sent between the bridges.
    fn export_channel(&self, presence: &Presence) -> Result<Box<dyn Any>>;

    /// The number of this bridge's incarnation, as others see it in [`Bridge::id`].
    fn id(&self) -> u64;

    /// Sends something to another bridge, without waiting for it: it may be lost where the network or the other bridge is slow.
    fn send(&self, bridge: &Bridge, packet: Bytes) -> Result<()>;

    /// Samples of names that may be like this pattern arrive from now on, and perhaps others.
    fn import(&self, pattern: &str) -> Result<()>;

    /// Asks for the newest message of a publisher of another machine.
    fn newest(&self, presence: &Presence) -> Result<()>;

    /// Returns how many bytes the body of a request may have; `None` where the engine sets no bound below that of the core.
    fn longest_request(&self) -> Option<u64> {
        None
    }

    /// Sends a request to the server of this presence, and waits this long for its answer; `respond` is called once, from another thread
    /// perhaps.
    fn request(&self, presence: &Presence, call: Call, timeout: Duration, respond: Respond) -> Result<()>;
}

/// Carries the messages of one exported publisher.
pub trait Outlet {
    /// Sends one without waiting for anybody; it is the newest from now on. `TooLarge` where the engine carries no such.
    fn publish(&self, sample: Sample) -> Result<()>;
}

/// Gives the one answer, also where the request ends without.
pub struct Answering(Mutex<Option<Respond>>);

impl Answering {
    /// Keeps the respond function of a request.
    pub fn new(respond: Respond) -> Answering {
        Answering(Mutex::new(Some(respond)))
    }

    /// Answers, unless that was done before.
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

/// The failure of a request whose server went away before it had answered.
pub fn went_away() -> RemoteFailure {
    failure("Disconnected", "the server's machine went away before it answered")
}

/// The code of a request's failure that is not its handler's: one of those that JSON-RPC leaves to servers.
pub const UNHANDLED: i64 = -32001;

/// The failure of a request that no handler has answered.
pub fn failure(kind: &str, text: &str) -> RemoteFailure {
    RemoteFailure { code: UNHANDLED, kind: kind.into(), text: text.into(), data: Vec::new() }
}

/// A failure in bytes, as a map in CBOR.
pub fn failure_bytes(failure: &RemoteFailure) -> Vec<u8> {
    let map = Value::map([
        ("code", Value::from(failure.code)),
        ("kind", failure.kind.as_str().into()),
        ("text", failure.text.as_str().into()),
        ("data", Value::Bytes(failure.data.clone().into())),
    ]);
    codec::encode(&map, Encoding::Cbor).unwrap_or_default()
}

/// The failure that these bytes are; none where they are none.
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

/// What programs that know the engine alone know our encodings as.
pub const fn mime(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "application/octet-stream",
        Encoding::Json => "application/json",
        Encoding::Cbor => "application/cbor",
        Encoding::Bson => "application/bson",
        Encoding::Smile => "application/x-jackson-smile",
    }
}

/// How a foreign value is written; what is not known is bytes.
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
        for encoding in [Encoding::Cbor, Encoding::Json] {
            for call in [
                Call { body: body.clone(), until: until.clone(), message: None },
                Call { body: body.clone(), until: until.clone(), message },
                Call { body: body.clone(), until: BTreeMap::new(), message },
            ] {
                let attached = call.attachment(encoding).unwrap();
                assert_eq!(Call::of(body.clone(), Some(&attached), encoding), call);
            }
            let plain = Call { body: body.clone(), until: BTreeMap::new(), message: None };
            assert_eq!(plain.attachment(encoding), None);
            for odd in [None, Some(&b"\xff"[..]), Some(b"{\"until\":3,\"message\":[1]}"), Some(b"")] {
                assert_eq!(Call::of(body.clone(), odd, encoding), plain);
            }
        }
    }
}
