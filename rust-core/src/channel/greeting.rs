//! What the two sides of a new connection tell each other before anything else.

use bytes::Bytes;

use super::options;
use super::session::{Hello, Received, ReplayLimits};
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::frame::{self, Header, Incoming, Kind, Outgoing};
use crate::value::{Limits, Map, Value};

/// What a name is used for. A name has one pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Two ends, messages both ways.
    Channel,
    /// Many clients, one server that answers.
    Request,
    /// One publisher, many subscribers.
    Publish,
    /// The controller of services: they call it, and so do those who ask it for them.
    Controller,
    /// A service that calls its controller.
    Service,
}

impl Pattern {
    const ALL: [Pattern; 5] =
        [Pattern::Channel, Pattern::Request, Pattern::Publish, Pattern::Controller, Pattern::Service];

    /// The word in the hello and in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::Channel => "channel",
            Pattern::Request => "request",
            Pattern::Publish => "publish",
            Pattern::Controller => "controller",
            Pattern::Service => "service",
        }
    }

    /// The pattern of this name.
    pub fn from_name(name: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// What a name of this pattern is, and what to do with it.
    const fn advice(self) -> &'static str {
        match self {
            Pattern::Channel => "is a channel, connect to it",
            Pattern::Request => "is a server, connect and call it",
            Pattern::Publish => "is a publisher, subscribe to it",
            Pattern::Controller => {
                "is a controller of services, ask it with Controller or `linkspan service`"
            }
            Pattern::Service => "is a service, which calls its controller; ask that",
        }
    }

    /// Refuses a caller who came with the wrong verb.
    pub fn admits(self, caller: Pattern) -> Result<()> {
        let fits = match self {
            Pattern::Channel | Pattern::Request => matches!(caller, Pattern::Channel | Pattern::Request),
            Pattern::Publish => caller == Pattern::Publish,
            Pattern::Controller => matches!(caller, Pattern::Controller | Pattern::Service),
            Pattern::Service => false,
        };
        if fits { Ok(()) } else { Err(Error::new(ErrorKind::InvalidState, self.advice())) }
    }
}

impl Pattern {
    /// Refuses a name of another pattern than the caller wants.
    pub fn fits(self, name: Pattern) -> Result<()> {
        name.admits(self)
    }
}

/// The last message that a subscriber had of a publisher; zeros where it waited for one and has had nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The publisher's session.
    pub session: u64,
    /// The number in it.
    pub number: u64,
}

impl After {
    /// The number behind which it goes on in this session of a publisher, which has nothing before `first` for a subscriber that
    /// has met no publisher yet.
    pub fn in_session(self, session: u64, first: u64) -> u64 {
        match self.session {
            negotiated if negotiated == session => self.number,
            0 => first.saturating_sub(1),
            _ => 0,
        }
    }
}

/// A part of a schema's canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub at: u64,
    /// Bytes of the whole.
    pub size: u64,
    pub bytes: Bytes,
}

/// A fingerprint of a schema: SHA-256.
pub type Fingerprint = [u8; 32];

/// Fingerprints in one hello, at most; further ones are left aside.
const SCHEMAS: usize = 16;

/// What one side tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// What the name is for, or how the caller wants to use it.
    pub pattern: Pattern,
    /// Whether only the newest value is wanted: `latest()`.
    pub once: bool,
    /// Of a subscriber that was there before, or that waited: behind which message it goes on. None begins with the newest.
    pub after: Option<After>,
    /// Whether the caller only wants to know about the name, as a listing does: it is told, and not let in.
    pub ask: bool,
    /// Of a listener, whether other processes serve the name, too; of a caller that asks, whether it wants to be one of them,
    /// and is to be given the listening socket.
    pub shared: bool,
    /// What a caller that asks is told: counters.
    pub state: Option<Map>,
    /// The stable name, if it has one.
    pub client_id: Option<String>,
    /// The machine that it is on, where a bridge hands on what it says: the link may be cut while both sides live.
    pub machine: Option<String>,
    /// A number drawn by chance for this incarnation.
    pub session: u64,
    /// Nothing below this number will be sent to whoever has not met this session.
    pub first: u64,
    /// How much it keeps for sending again, in messages and bytes; none where it keeps nothing.
    pub keeps: Option<ReplayLimits>,
    /// How far it has come with the messages of a session of the other side's.
    pub received: Received,
    /// The longest message that it takes.
    pub limit: u64,
    /// Its process.
    pub pid: u32,
    /// Its program.
    pub title: String,
    /// The fingerprint of its schema, and behind it those of other schemas that fit it; empty where it has none.
    pub schemas: Vec<Fingerprint>,
    /// The same of the schema of replies.
    pub reply_schemas: Vec<Fingerprint>,
    /// Of one who asks, from where on it is to be given the canonical form of the schema.
    pub schema_at: Option<u64>,
    /// Of one who asks, the same for the schema of replies.
    pub reply_schema_at: Option<u64>,
    /// That, in the answer.
    pub schema_part: Option<Part>,
    /// Of one who asks, that its schema does not fit the listener's, and why not.
    pub mismatch: Option<String>,
}

impl Greeting {
    /// The first greeting of a new incarnation of this process.
    pub fn new(pattern: Pattern, client_id: Option<String>, limit: u64) -> Result<Greeting> {
        Ok(Greeting {
            pattern,
            once: false,
            after: None,
            ask: false,
            shared: false,
            state: None,
            client_id,
            machine: None,
            session: random()?,
            first: 0,
            keeps: None,
            received: Received::default(),
            limit,
            pid: std::process::id(),
            title: title(),
            schemas: Vec::new(),
            reply_schemas: Vec::new(),
            schema_at: None,
            reply_schema_at: None,
            schema_part: None,
            mismatch: None,
        })
    }

    /// The same, with what our side of a session says.
    pub fn of_session(
        pattern: Pattern,
        client_id: Option<String>,
        limit: u64,
        hello: Hello,
    ) -> Result<Greeting> {
        let mut greeting = Greeting::new(pattern, client_id, limit)?;
        greeting.session = hello.session;
        (greeting.first, greeting.keeps, greeting.received) = (hello.first, hello.keeps, hello.received);
        Ok(greeting)
    }

    /// What it says about its session.
    pub fn hello(&self) -> Hello {
        Hello { session: self.session, first: self.first, keeps: self.keeps, received: self.received }
    }

    /// How this side is called as the source of messages.
    pub fn source(&self) -> String {
        let name = self.client_id.clone().unwrap_or_else(|| format!("{}-{}", self.title, self.pid));
        self.on_machine(name)
    }

    /// The stable name as it is known here: one of another machine is somebody else than the same one of this machine.
    pub fn stable_name(&self) -> Option<String> {
        self.client_id.clone().map(|name| self.on_machine(name))
    }

    fn on_machine(&self, name: String) -> String {
        match &self.machine {
            Some(machine) => format!("{name}@{machine}"),
            None => name,
        }
    }

    /// The hello frame.
    pub fn to_frame(&self) -> Result<Vec<u8>> {
        let version = i64::from(frame::VERSION);
        let mut map = Map::new();
        map.insert("versions".into(), vec![version, version].into());
        map.insert("pattern".into(), self.pattern.name().into());
        map.insert("session".into(), self.session.into());
        map.insert("first".into(), self.first.into());
        if let Some(keeps) = self.keeps {
            map.insert("keeps".into(), vec![keeps.count as u64, keeps.bytes as u64].into());
        }
        let received = self.received;
        map.insert("received".into(), vec![received.session, received.taken, received.consumed].into());
        map.insert("limit".into(), self.limit.into());
        map.insert("pid".into(), self.pid.into());
        map.insert("title".into(), self.title.as_str().into());
        if let Some(client_id) = &self.client_id {
            map.insert("client_id".into(), client_id.as_str().into());
        }
        if let Some(machine) = &self.machine {
            map.insert("machine".into(), machine.as_str().into());
        }
        if self.once {
            map.insert("once".into(), true.into());
        }
        if let Some(after) = self.after {
            map.insert("after".into(), vec![after.session, after.number].into());
        }
        if self.ask {
            map.insert("ask".into(), true.into());
        }
        if self.shared {
            map.insert("shared".into(), true.into());
        }
        if let Some(state) = &self.state {
            map.insert("state".into(), Value::Map(state.clone()));
        }
        self.add_schemas(&mut map);
        to_frame(Kind::Hello, &Value::Map(map))
    }

    fn add_schemas(&self, map: &mut Map) {
        for (key, all) in [("schemas", &self.schemas), ("reply_schemas", &self.reply_schemas)] {
            if !all.is_empty() {
                let all = all.iter().map(|one| Value::Bytes(Bytes::copy_from_slice(one))).collect();
                map.insert(key.into(), Value::Array(all));
            }
        }
        for (key, at) in [("schema_at", self.schema_at), ("reply_schema_at", self.reply_schema_at)] {
            if let Some(at) = at {
                map.insert(key.into(), at.into());
            }
        }
        if let Some(part) = &self.schema_part {
            let part = vec![part.at.into(), part.size.into(), Value::Bytes(part.bytes.clone())];
            map.insert("schema_part".into(), Value::Array(part));
        }
        if let Some(mismatch) = &self.mismatch {
            map.insert("mismatch".into(), cut(mismatch).into());
        }
    }

    /// Reads a hello. `VersionMismatch` shows both ranges; keys that are not known are left aside, for later versions.
    pub fn from_frame(hello: &Incoming) -> Result<Greeting> {
        let value = codec::decode_shared(&hello.body, hello.header.encoding, &Limits::for_message(16 << 10))?;
        let (least, most) = (value.at("versions/0")?.as_u64()?, value.at("versions/1")?.as_u64()?);
        let ours = u64::from(frame::VERSION);
        if !(least..=most).contains(&ours) {
            let text = format!(
                "the other side speaks versions {least} to {most} of the protocol, this one speaks {ours}"
            );
            return Err(Error::new(ErrorKind::VersionMismatch, text));
        }
        let word = value.at("pattern")?.as_text()?;
        let pattern = Pattern::from_name(word).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("no pattern is called {word}", word = quoted(word)))
        })?;
        let optional = |key: &str| value.at(key).ok();
        Ok(Greeting {
            pattern,
            once: optional("once").map(Value::as_bool).transpose()?.unwrap_or(false),
            after: match optional("after") {
                None => None,
                Some(after) => {
                    Some(After { session: after.at("0")?.as_u64()?, number: after.at("1")?.as_u64()? })
                }
            },
            ask: optional("ask").map(Value::as_bool).transpose()?.unwrap_or(false),
            shared: optional("shared").map(Value::as_bool).transpose()?.unwrap_or(false),
            state: optional("state").map(|state| state.as_map().cloned()).transpose()?,
            client_id: optional("client_id")
                .map(Value::as_text)
                .transpose()?
                .map(options::client_id)
                .transpose()?,
            machine: optional("machine").map(Value::as_text).transpose()?.map(plain_machine),
            session: value.at("session")?.as_u64()?,
            first: optional("first").map(Value::as_u64).transpose()?.unwrap_or(0),
            keeps: match optional("keeps") {
                None => None,
                Some(keeps) => {
                    Some(ReplayLimits { count: number(keeps.at("0")?)?, bytes: number(keeps.at("1")?)? })
                }
            },
            received: match optional("received") {
                None => Received::default(),
                Some(received) => Received {
                    session: received.at("0")?.as_u64()?,
                    taken: received.at("1")?.as_u64()?,
                    consumed: received.at("2")?.as_u64()?,
                },
            },
            limit: value.at("limit")?.as_u64()?,
            pid: u32::try_from(value.at("pid")?.as_u64()?).map_err(|_| {
                Error::new(ErrorKind::Malformed, "the other side says a pid that no process has")
            })?,
            title: plain_title(value.at("title")?.as_text()?),
            schemas: fingerprints(optional("schemas"))?,
            reply_schemas: fingerprints(optional("reply_schemas"))?,
            schema_at: optional("schema_at").map(Value::as_u64).transpose()?,
            reply_schema_at: optional("reply_schema_at").map(Value::as_u64).transpose()?,
            schema_part: match optional("schema_part") {
                None => None,
                Some(part) => Some(Part {
                    at: part.at("0")?.as_u64()?,
                    size: part.at("1")?.as_u64()?,
                    bytes: part.at("2")?.as_bytes()?.clone(),
                }),
            },
            mismatch: optional("mismatch").map(Value::as_text).transpose()?.map(|text| cut(text).to_owned()),
        })
    }
}

fn fingerprints(all: Option<&Value>) -> Result<Vec<Fingerprint>> {
    let Some(all) = all else { return Ok(Vec::new()) };
    all.as_array()?.iter().take(SCHEMAS).map(fingerprint).collect()
}

fn fingerprint(value: &Value) -> Result<Fingerprint> {
    let bytes = value.as_bytes()?;
    <[u8; 32]>::try_from(&bytes[..]).map_err(|_| {
        let text = format!("the fingerprint of a schema has 32 bytes, here are {}", bytes.len());
        Error::new(ErrorKind::Malformed, text)
    })
}

/// What is said of a difference at most: a hello through a pipe has 4 KiB.
fn cut(text: &str) -> &str {
    const MOST: usize = 2 << 10;
    let end = (0..=text.len().min(MOST)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// A count on this machine; one that does not fit is more than we ever keep.
fn number(value: &Value) -> Result<usize> {
    Ok(usize::try_from(value.as_u64()?).unwrap_or(usize::MAX))
}

fn to_frame(kind: Kind, value: &Value) -> Result<Vec<u8>> {
    let body = codec::encode(value, Encoding::Cbor)?;
    let frame = Outgoing::new(Header::new(kind, Encoding::Cbor), &body);
    let mut bytes = frame.head();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The frame that says why a caller is not admitted.
pub fn refusal(error: &Error) -> Vec<u8> {
    let value = Value::map([("code", Value::from(error.kind().code())), ("text", Value::from(error.text()))]);
    // A map of a number and a text has a form in CBOR; should it have none, an empty answer closes the connection.
    to_frame(Kind::Error, &value).unwrap_or_default()
}

/// The answer to a hello: a greeting, or the error that a refusal carries.
pub fn read_answer(answer: &Incoming) -> Result<Greeting> {
    if answer.header.kind == Kind::Hello {
        return Greeting::from_frame(answer);
    }
    let value = codec::decode_shared(&answer.body, answer.header.encoding, &Limits::for_message(16 << 10))?;
    let code = value.at("code")?.as_u64()?;
    let kind = u16::try_from(code).ok().and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Internal);
    let text = value.at("text")?.as_text()?;
    // What ran out is the listener's: the caller has what it needs, and would look for it in vain.
    if kind == ErrorKind::OutOfMemory {
        let text = format!(
            "the listener has no memory or descriptors for another connection (see its ulimit -n); it says: {text}"
        );
        return Err(Error::new(ErrorKind::Full, text));
    }
    Err(Error::new(kind, text))
}

/// A number drawn by chance, never zero.
pub fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    match got {
        Ok(8) => Ok(u64::from_le_bytes(bytes) | 1),
        _ => Err(Error::new(ErrorKind::Internal, "the kernel gave no random number")),
    }
}

/// The program's name, as `ps` shows it.
pub fn title() -> String {
    plain_title(&std::fs::read_to_string("/proc/self/comm").unwrap_or_default())
}

/// A program's name without what would make it look like another one's: behind an `@` stands whose it is.
fn plain_title(name: &str) -> String {
    let name: String = name.trim().chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(32).collect();
    if name.is_empty() { "process".into() } else { name }
}

/// The name of a machine, without what is in none.
fn plain_machine(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(64).collect()
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Reads any bytes as a hello or its answer: the first byte says which, and how the body is written; then the length of the
/// extension, the extension and the body.
pub fn fuzz(bytes: &[u8]) {
    use crate::transport::extension;
    let [how, length, rest @ ..] = bytes else { return };
    let (extension, body) = rest.split_at(usize::from(*length).min(rest.len()));
    let kind = if how & 1 == 0 { Kind::Hello } else { Kind::Error };
    let encoding = Encoding::from_number(how >> 1 & 7).unwrap_or_default();
    let copy = bytes::Bytes::copy_from_slice;
    let header = Header { body: body.len() as u64, ..Header::new(kind, encoding) };
    let frame = Incoming { header, extension: copy(extension), body: copy(body) };
    if let Ok(greeting) = Greeting::from_frame(&frame)
        && let Ok(again) = greeting.to_frame()
    {
        // What was read can be said again, and is the same.
        let first = again.first_chunk().map(Header::from_bytes);
        if let Some(Ok(header)) = first {
            let body = again[header.body_offset()..].to_vec().into();
            let again = Greeting::from_frame(&Incoming { header, extension: copy(&[]), body });
            assert!(again.is_ok_and(|again| again == greeting), "{greeting:?}");
        }
    }
    drop(read_answer(&frame));
    drop(extension::read(extension));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{check, dump, fenced};

    fn example() -> Greeting {
        let mut greeting = Greeting::new(Pattern::Channel, Some("panel".into()), 64 << 20).unwrap();
        (greeting.session, greeting.first) = (0x0102_0304_0506_0709, 1);
        greeting.keeps = Some(ReplayLimits { count: 65_536, bytes: 64 << 20 });
        greeting.received = Received { session: 0x1112_1314_1516_1719, taken: 9, consumed: 8 };
        (greeting.pid, greeting.title) = (4711, "driver".into());
        greeting
    }

    #[test]
    fn hello_is_read_in_every_encoding_that_has_maps() {
        let read = |encoding: Encoding| {
            let frame = example().to_frame()?;
            let header = Header::from_bytes(frame.first_chunk().unwrap())?;
            let value = codec::decode(&frame[header.body_offset()..], Encoding::Cbor)?;
            let body = codec::encode(&value, encoding)?;
            let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, encoding) };
            read_answer(&Incoming { header, extension: Default::default(), body: body.into() })
        };
        for encoding in [Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile] {
            assert_eq!(read(encoding).unwrap(), example(), "{}", encoding.name());
        }
        assert!(read(Encoding::Raw).is_err());
    }

    #[test]
    fn listener_without_descriptors_is_told_as_the_listeners_lack() {
        let theirs = Error::os("taking a descriptor", libc::EMFILE);
        assert_eq!(theirs.kind(), ErrorKind::OutOfMemory);
        let frame = refusal(&theirs);
        let header = Header::from_bytes(frame.first_chunk().unwrap()).unwrap();
        let body = frame[header.body_offset()..].to_vec().into();
        let answer = Incoming { header, extension: bytes::Bytes::new(), body };
        let error = read_answer(&answer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        assert!(error.text().contains("the listener") && error.errno().is_none(), "{error}");
    }

    #[test]
    fn the_documents_show_hellos() {
        let hello = example();
        check("hello", &fenced(&dump(&hello.to_frame().unwrap())));
        let asking = Greeting {
            ask: true,
            client_id: None,
            keeps: None,
            first: 0,
            received: Received::default(),
            ..example()
        };
        let with_schema = Greeting { schemas: vec![[0xab; 32]], ..asking.clone() };
        let with_schema = Greeting { ask: false, ..with_schema };
        check("hello with a schema", &fenced(&dump(&with_schema.to_frame().unwrap())));
        check("hello that asks", &fenced(&dump(&asking.to_frame().unwrap())));
        let error = Error::new(ErrorKind::InvalidState, Pattern::Publish.advice());
        check("refusal", &fenced(&dump(&refusal(&error))));
    }
}
