//! The hello of each side of a new connection, and the refusal that may answer the first one.
//!
//! The connecting side sends first. The listener answers with its own hello, or with an error frame before it closes.
//! The body is a CBOR map; `docs/wire-format.md` lists the keys, and a test here compares its examples. Readers skip
//! unknown keys, so later versions can add keys. A reader whose version is outside the sender's `versions` refuses
//! with `VersionMismatch`. A hello with `ask` is a query: it is answered without a connection.
//!
//! The listener checks the caller's user before it reads the hello, but does not trust its content. Decoding is limited
//! to 16 KiB, and lists of fingerprints are cut. `title` and `machine` lose characters that could imitate another peer,
//! and are cut to 32 and 64 characters; a `client_id` with such characters is refused.
//!
//! Over `fifo:` a hello has at most 4 KiB, one atomic write. `transport::fifo::hello` refuses a longer frame, so a new
//! key must fit with all others. The acceptor closes a connection whose hello does not arrive within 5 s.
//!
//! This module only encodes and decodes. `admission` answers hellos, `asking` and `reconnector` send them within the
//! caller's deadline, `schema_negotiation` compares schemas, and the session crate continues a session.

use bytes::Bytes;

use super::options;
use super::pattern::Pattern;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::frame::{self, Header, Incoming, Kind, Outgoing};
use crate::session::{Progress, ReplayLimits, SessionHello};
use crate::sys::random;
use crate::value::{Limits, Map, Value};

/// The last message that a subscriber received; session and number 0 before its first publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    pub session: u64,
    pub number: u64,
}

impl After {
    /// Returns the number before the next message for the subscriber in this session of the publisher.
    ///
    /// In the subscriber's last session, the result is its last number. Before its first publisher, the result is
    /// the number before `first`. In a session after a restart of the publisher, it is 0: the beginning.
    pub fn in_session(self, session: u64, first: u64) -> u64 {
        match self.session {
            last if last == session => self.number,
            0 => first.saturating_sub(1),
            _ => 0,
        }
    }
}

/// A part of a schema's canonical form, which may be longer than a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaPart {
    /// Offset in the canonical form, in bytes.
    pub at: u64,
    /// Bytes of the whole canonical form.
    pub size: u64,
    pub bytes: Bytes,
}

/// SHA-256 of a schema's canonical form.
pub type Fingerprint = [u8; 32];

/// The most fingerprints that a reader takes of each list in a hello; it skips the rest.
const SCHEMAS: usize = 16;

/// The hello of one side. The public fields are the keys of the map; differing wire names are noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The pattern of the listener's name; from the connecting side, the pattern that it requests.
    pub pattern: Pattern,
    /// From a subscriber: whether it reads only the newest value (`latest()`).
    pub once: bool,
    /// From a subscriber: the message after which it continues; none to begin with the newest.
    pub after: Option<After>,
    /// Whether this is a query, which is answered without a connection.
    pub ask: bool,
    /// From a listener: whether several processes serve the name.
    ///
    /// In a query: whether the caller wants to serve the name with these processes, and requests the listening socket.
    pub shared: bool,
    /// The counters in the answer to a query.
    pub state: Option<Map>,
    /// The option `client_id`.
    pub client_id: Option<String>,
    /// The sender's machine if a bridge relays the hello. The link may then break while both sides live.
    pub machine: Option<String>,
    /// From a bridge: each request must carry the time until which its caller waits.
    ///
    /// The bridge listens here in place of a server on another machine. That server must not begin a request after that
    /// time.
    pub deadlines: bool,
    /// From a listener that sends each message after the previous one is consumed.
    ///
    /// While a thread of the other side waits for one such channel, it must consume the messages of its other such
    /// channels: see Lockstep in `docs/wire-format.md`.
    pub lockstep: bool,
    /// The sender's session: a random number for this incarnation.
    pub session: u64,
    /// The lowest number that the sender sends to a peer that is new to this session.
    pub first: u64,
    /// How much the sender keeps for replay, if anything.
    pub keeps: Option<ReplayLimits>,
    /// The sender's progress in a session of the receiver.
    pub received: Progress,
    /// Bytes of the longest message that the sender accepts. On the wire: `limit`.
    pub max_message_size: u64,
    /// Slots for long arrays that the sender has and accepts; 0 for none.
    pub slots: u64,
    /// From a subscriber: whether it takes the memory file with the publisher's last number.
    pub last_number: bool,
    /// The sender's process id, as it sees it.
    pub pid: u32,
    /// The name of the sender's program.
    pub title: String,
    /// Fingerprints of the sender's schema, then of others known to fit; empty without a schema.
    pub schemas: Vec<Fingerprint>,
    /// Fingerprints of the schema of replies.
    pub reply_schemas: Vec<Fingerprint>,
    /// In a query: the requested offset in the canonical form of the schema.
    pub schema_at: Option<u64>,
    /// In a query: the requested offset in the schema of replies.
    pub reply_schema_at: Option<u64>,
    /// In a query: the caller wants the connected peers whose ids are higher.
    pub peers_after: Option<u64>,
    /// In the answer to such a query: the requested part.
    pub schema_part: Option<SchemaPart>,
    /// In a query: why the caller's schema does not fit the listener's.
    pub mismatch: Option<String>,
}

impl Hello {
    /// Returns the hello of a new incarnation of this process, with a random session.
    pub fn new(pattern: Pattern, client_id: Option<String>, max_message_size: u64) -> Result<Hello> {
        Ok(Hello {
            pattern,
            client_id,
            session: random::number()?,
            max_message_size,
            pid: std::process::id(),
            title: title(),
            ..Hello::default()
        })
    }

    pub(crate) fn of_session(
        pattern: Pattern,
        client_id: Option<String>,
        max_message_size: u64,
        session: SessionHello,
    ) -> Result<Hello> {
        let mut hello = Hello::new(pattern, client_id, max_message_size)?;
        hello.session = session.session;
        (hello.first, hello.keeps, hello.received) = (session.first, session.keeps, session.received);
        Ok(hello)
    }

    /// Returns the longest message for slots in bytes, or `None` if this side uses no slots with the other side.
    ///
    /// The length is the smaller of both maximum message sizes. The other side must accept at least as many slots as
    /// this side has. With the hello of another machine there are no slots, because a bridge relays no shared memory.
    pub(crate) fn slots_with(&self, other: &Hello) -> Option<u64> {
        let both = self.slots > 0 && other.slots >= self.slots;
        (both && self.machine.is_none() && other.machine.is_none())
            .then(|| self.max_message_size.min(other.max_message_size))
    }

    /// Returns the part of this hello that the session crate reads.
    pub(crate) fn hello(&self) -> SessionHello {
        SessionHello { session: self.session, first: self.first, keeps: self.keeps, received: self.received }
    }

    /// Returns the source of messages: `client_id`, or program and process; then `@` and the machine, if any.
    pub fn source(&self) -> String {
        let name = self.client_id.clone().unwrap_or_else(|| format!("{}-{}", self.title, self.pid));
        self.on_machine(name)
    }

    /// Returns the `client_id`, which is unique within its machine.
    pub(crate) fn stable_name(&self) -> Option<String> {
        self.client_id.clone().map(|name| self.on_machine(name))
    }

    fn on_machine(&self, name: String) -> String {
        match &self.machine {
            Some(machine) => format!("{name}@{machine}"),
            None => name,
        }
    }

    /// Returns the hello as a whole frame.
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
        map.insert("received".into(), vec![received.session, received.received, received.consumed].into());
        map.insert("limit".into(), self.max_message_size.into());
        if self.slots > 0 {
            map.insert("slots".into(), self.slots.into());
        }
        map.insert("pid".into(), self.pid.into());
        map.insert("title".into(), self.title.as_str().into());
        for (key, name) in [("client_id", &self.client_id), ("machine", &self.machine)] {
            if let Some(name) = name {
                map.insert(key.into(), name.as_str().into());
            }
        }
        if let Some(after) = self.after {
            map.insert("after".into(), vec![after.session, after.number].into());
        }
        let flags = [
            ("deadlines", self.deadlines),
            ("lockstep", self.lockstep),
            ("once", self.once),
            ("last_number", self.last_number),
            ("ask", self.ask),
            ("shared", self.shared),
        ];
        for (key, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
            map.insert(key.into(), true.into());
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
        let asked = [
            ("schema_at", self.schema_at),
            ("reply_schema_at", self.reply_schema_at),
            ("peers_after", self.peers_after),
        ];
        for (key, at) in asked {
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

    /// Reads a hello.
    ///
    /// # Errors
    /// `VersionMismatch`, with the sender's range and this program's version, if the range excludes this version.
    /// `Missing` and `WrongType` of a key. `Malformed` for an invalid frame, pattern, pid or fingerprint.
    /// `InvalidEndpoint` for an invalid `client_id`. Errors of decoding.
    pub fn from_frame(hello: &Incoming) -> Result<Hello> {
        let value =
            codec::decode_shared(hello.body.whole(), hello.header.encoding, &Limits::for_message(16 << 10))?;
        let (least, most) = (value.at("versions/0")?.as_u64()?, value.at("versions/1")?.as_u64()?);
        let version = u64::from(frame::VERSION);
        if !(least..=most).contains(&version) {
            let text = format!(
                "the peer supports versions {least} to {most} of the protocol, this program supports {version}"
            );
            return Err(Error::new(ErrorKind::VersionMismatch, text));
        }
        let word = value.at("pattern")?.as_text()?;
        let pattern = Pattern::from_name(word).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("no pattern is called {word}", word = quoted(word)))
        })?;
        let optional = |key: &str| value.at(key).ok();
        Ok(Hello {
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
                .map(options::set::client_id)
                .transpose()?,
            machine: optional("machine").map(Value::as_text).transpose()?.map(plain_machine),
            deadlines: optional("deadlines").map(Value::as_bool).transpose()?.unwrap_or(false),
            lockstep: optional("lockstep").map(Value::as_bool).transpose()?.unwrap_or(false),
            session: value.at("session")?.as_u64()?,
            first: optional("first").map(Value::as_u64).transpose()?.unwrap_or(0),
            keeps: match optional("keeps") {
                None => None,
                Some(keeps) => {
                    Some(ReplayLimits { count: number(keeps.at("0")?)?, bytes: number(keeps.at("1")?)? })
                }
            },
            received: match optional("received") {
                None => Progress::default(),
                Some(received) => Progress {
                    session: received.at("0")?.as_u64()?,
                    received: received.at("1")?.as_u64()?,
                    consumed: received.at("2")?.as_u64()?,
                },
            },
            max_message_size: value.at("limit")?.as_u64()?,
            slots: optional("slots").map(Value::as_u64).transpose()?.unwrap_or(0),
            last_number: optional("last_number").map(Value::as_bool).transpose()?.unwrap_or(false),
            pid: u32::try_from(value.at("pid")?.as_u64()?)
                .map_err(|_| Error::new(ErrorKind::Malformed, "the peer sent a pid that no process has"))?,
            title: plain_title(value.at("title")?.as_text()?),
            schemas: fingerprints(optional("schemas"))?,
            reply_schemas: fingerprints(optional("reply_schemas"))?,
            schema_at: optional("schema_at").map(Value::as_u64).transpose()?,
            reply_schema_at: optional("reply_schema_at").map(Value::as_u64).transpose()?,
            peers_after: optional("peers_after").map(Value::as_u64).transpose()?,
            schema_part: match optional("schema_part") {
                None => None,
                Some(part) => Some(SchemaPart {
                    at: part.at("0")?.as_u64()?,
                    size: part.at("1")?.as_u64()?,
                    bytes: part.at("2")?.as_bytes()?.clone(),
                }),
            },
            mismatch: optional("mismatch").map(Value::as_text).transpose()?.map(|text| cut(text).to_owned()),
        })
    }
}

/// Keeps only the first fingerprints.
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

/// Cuts a text to 2 KiB, because a hello through a pipe has at most 4 KiB.
fn cut(text: &str) -> &str {
    const MOST: usize = 2 << 10;
    let end = (0..=text.len().min(MOST)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// Reads a count. Caps it at `usize`, because no side keeps that much.
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

/// Returns the error frame that refuses a caller.
///
/// The text is not cut. A pipe takes a frame of at most 4 KiB, and the reader decodes at most 16 KiB.
pub fn refusal(error: &Error) -> Vec<u8> {
    let value = Value::map([("code", Value::from(error.kind().code())), ("text", Value::from(error.text()))]);
    // Encoding a number and a text cannot fail.
    to_frame(Kind::Error, &value).unwrap_or_default()
}

/// Reads the answer to a hello: a hello, or the error of a refusal.
///
/// # Errors
/// The refusal, with the kind of its code; `Internal` for an unknown code. `OutOfMemory` becomes `Full`, because the
/// listener ran out, not this process. Any frame except a hello is read as a refusal: `Missing` or `WrongType` if it
/// has no `code` and `text`. Errors of [`Hello::from_frame`].
pub fn read_answer(answer: &Incoming) -> Result<Hello> {
    if answer.header.kind == Kind::Hello {
        return Hello::from_frame(answer);
    }
    let value =
        codec::decode_shared(answer.body.whole(), answer.header.encoding, &Limits::for_message(16 << 10))?;
    let code = value.at("code")?.as_u64()?;
    let kind = u16::try_from(code).ok().and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Internal);
    let text = value.at("text")?.as_text()?;
    if kind == ErrorKind::OutOfMemory {
        let text = format!(
            "the listener has no memory or descriptors for another connection (see its ulimit -n); it reports: {text}"
        );
        return Err(Error::new(ErrorKind::Full, text));
    }
    Err(Error::new(kind, text))
}

/// Returns this program's name as `ps` shows it, or the script of an interpreter.
pub fn title() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let script = if INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter)) {
        script(&std::fs::read("/proc/self/cmdline").unwrap_or_default())
    } else {
        None
    };
    plain_title(&script.unwrap_or(name))
}

/// Name prefixes of the interpreters that have a binding.
const INTERPRETERS: [&str; 3] = ["python", "pypy", "php"];

/// Returns the first argument that is not an option, or the module of `-m`.
///
/// None for code on the command line, an interactive interpreter, and `php -S`.
fn script(arguments: &[u8]) -> Option<String> {
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1).map(String::from_utf8_lossy);
    loop {
        match &*arguments.next()? {
            "-m" | "-f" | "--file" => {
                let named = arguments.next()?;
                return Some(named.rsplit('/').next()?.to_owned());
            }
            // Options of Python and PHP with an argument.
            "-W" | "-X" | "-d" | "-z" => drop(arguments.next()?),
            "-c" | "-r" | "-S" | "-" => return None,
            option if option.starts_with('-') => {}
            path => return path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }
}

/// Returns at most 32 characters of a program's name.
///
/// Removes `@`, which separates a verified owner, and characters that a terminal would interpret.
fn plain_title(name: &str) -> String {
    let name: String = name.trim().chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(32).collect();
    if name.is_empty() { "process".into() } else { name }
}

fn plain_machine(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(64).collect()
}

/// Reads any bytes as a hello or its answer.
///
/// The first byte has the kind and the encoding, the second the length of the extension. Extension and body follow.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    use crate::transport::extension;
    let [how, length, rest @ ..] = bytes else { return };
    let (extension, body) = rest.split_at(usize::from(*length).min(rest.len()));
    let kind = if how & 1 == 0 { Kind::Hello } else { Kind::Error };
    let encoding = Encoding::from_number(how >> 1 & 7).unwrap_or_default();
    let copy = bytes::Bytes::copy_from_slice;
    let header = Header { body: body.len() as u64, ..Header::new(kind, encoding) };
    let frame = Incoming { header, extension: copy(extension), body: copy(body).into() };
    if let Ok(hello) = Hello::from_frame(&frame)
        && let Ok(again) = hello.to_frame()
    {
        // Encoding and decoding again gives the same hello.
        let first = again.first_chunk().map(Header::from_bytes);
        if let Some(Ok(header)) = first {
            let body = again[header.body_offset()..].to_vec().into();
            let again = Hello::from_frame(&Incoming { header, extension: copy(&[]), body });
            assert!(again.is_ok_and(|again| again == hello), "{hello:?}");
        }
    }
    drop(read_answer(&frame));
    drop(extension::read(extension));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{check, dump, fenced};

    fn example() -> Hello {
        let mut hello = Hello::new(Pattern::Channel, Some("panel".into()), 64 << 20).unwrap();
        (hello.session, hello.first) = (0x0102_0304_0506_0709, 1);
        hello.keeps = Some(ReplayLimits { count: 65_536, bytes: 64 << 20 });
        hello.received = Progress { session: 0x1112_1314_1516_1719, received: 9, consumed: 8 };
        (hello.pid, hello.title) = (4711, "driver".into());
        hello
    }

    #[test]
    fn program_of_an_interpreter_is_called_as_its_script() {
        let script = |arguments: &[&str]| {
            script(&arguments.iter().flat_map(|a| [a.as_bytes(), b"\0"].concat()).collect::<Vec<_>>())
        };
        for (arguments, name) in [
            (&["python3", "/opt/lab/logger.py", "-c"][..], Some("logger.py")),
            (&["python3", "-u", "-X", "dev", "a.py"], Some("a.py")),
            (&["python3", "-m", "ipykernel_launcher", "-f", "x.json"], Some("ipykernel_launcher")),
            (&["php", "-n", "-d", "extension=linkspan.so", "page.php"], Some("page.php")),
            (&["php", "-f", "x/page.php"], Some("page.php")),
            (&["python3", "-c", "import linkspan"], None),
            (&["php", "-S", "localhost:80"], None),
            (&["python3"], None),
            (&["python3", "folder/"], None),
        ] {
            assert_eq!(script(arguments).as_deref(), name, "{arguments:?}");
        }
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
    fn out_of_memory_at_the_listener_is_full_for_the_caller() {
        let error = Error::os("taking a descriptor", libc::EMFILE);
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        let frame = refusal(&error);
        let header = Header::from_bytes(frame.first_chunk().unwrap()).unwrap();
        let body = frame[header.body_offset()..].to_vec().into();
        let answer = Incoming { header, extension: bytes::Bytes::new(), body };
        let error = read_answer(&answer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        assert!(error.text().contains("the listener") && error.errno().is_none(), "{error}");
    }

    #[test]
    fn documents_show_hellos() {
        let hello = example();
        check("hello", &fenced(&dump(&hello.to_frame().unwrap())));
        let query = Hello {
            ask: true,
            client_id: None,
            keeps: None,
            first: 0,
            received: Progress::default(),
            ..example()
        };
        let with_schema = Hello { schemas: vec![[0xab; 32]], ..query.clone() };
        let with_schema = Hello { ask: false, ..with_schema };
        check("hello with a schema", &fenced(&dump(&with_schema.to_frame().unwrap())));
        check("hello that asks", &fenced(&dump(&query.to_frame().unwrap())));
        let error = Error::new(ErrorKind::InvalidState, Pattern::Publish.advice());
        check("refusal", &fenced(&dump(&refusal(&error))));
    }
}
