//! The hello: what each side of a new connection sends before anything else, and the refusal that
//! may answer it.
//!
//! The side that connects sends its hello first; the listener answers with its own, or with an error
//! frame, after which it closes. A hello is a frame of kind hello whose body is a CBOR map; its keys
//! are in `docs/wire-format.md`, which a test here holds to the code. Keys that a reader does not
//! know are skipped, so that later versions can add some. `versions` has the lowest and highest
//! protocol version that the sender uses; a reader whose version lies outside refuses with
//! `VersionMismatch`.
//!
//! A hello comes from a peer that is not trusted yet: it is decoded within 16 KiB, texts lose what
//! could make them look like another peer's, and lists are cut. A hello with `ask` is a query: it is
//! answered and no connection is made.

use bytes::Bytes;

use super::options;
use super::pattern::Pattern;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::frame::{self, Header, Incoming, Kind, Outgoing};
use crate::session::{Progress, ReplayLimits, SessionHello};
use crate::sys::random;
use crate::value::{Limits, Map, Value};

/// The last message that a subscriber received from a publisher; zeros if it waited for the
/// publisher and has received nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// The publisher's session.
    pub session: u64,
    /// The number of the message in that session.
    pub number: u64,
}

impl After {
    /// Returns the number after which the subscriber continues in this session of the publisher: its last one
    /// if the session is the same, just before `first` if it has met no publisher, and 0, the beginning, if
    /// the publisher was restarted.
    pub fn in_session(self, session: u64, first: u64) -> u64 {
        match self.session {
            last if last == session => self.number,
            0 => first.saturating_sub(1),
            _ => 0,
        }
    }
}

/// A part of a schema's canonical form, in the answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaPart {
    /// Offset of the part in the canonical form, in bytes.
    pub at: u64,
    /// Bytes of the whole canonical form.
    pub size: u64,
    pub bytes: Bytes,
}

/// SHA-256 of a schema's canonical form.
pub type Fingerprint = [u8; 32];

/// Fingerprints in one hello that are read, at most; further ones are skipped.
const SCHEMAS: usize = 16;

/// The hello of one side. The public fields are the keys of the map, under the names of the
/// wire where those differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The pattern of the name, or the one that the caller requests.
    pub pattern: Pattern,
    /// Of a subscriber: whether it reads only the newest value (`latest()`).
    pub once: bool,
    /// Of a subscriber: the message after which it continues; none to begin with the newest.
    pub after: Option<After>,
    /// Whether the caller only queries the name: it is answered, and no connection is made.
    pub ask: bool,
    /// Of a listener: whether several processes serve the name. Of a query: whether the caller is to be one
    /// of them, and requests the listening socket.
    pub shared: bool,
    /// The counters in the answer to a query.
    pub state: Option<Map>,
    /// The option `client_id`.
    pub client_id: Option<String>,
    /// The machine that the sender runs on, if a bridge relays the hello: the link may break while
    /// both sides live.
    pub machine: Option<String>,
    /// Of a bridge that has the name of another machine's server: each request has to carry the time until
    /// which its caller waits.
    pub deadlines: bool,
    /// Of a listener that sends each message once the one before is consumed: the other side consumes, too, what a
    /// thread has that waits for another such channel.
    pub lockstep: bool,
    /// The session of the sender: a random number for this incarnation.
    pub session: u64,
    /// The lowest number that a peer without this session may receive.
    pub first: u64,
    /// How much the sender keeps to be sent again; none if it keeps nothing.
    pub keeps: Option<ReplayLimits>,
    /// The sender's progress in a session of the receiver.
    pub received: Progress,
    /// Bytes of the longest message that the sender accepts. On the wire: `limit`.
    pub max_message_size: u64,
    /// Slots for long arrays that the sender has, and accepts from the other side; 0 for none.
    pub slots: u64,
    /// Of a subscriber: whether it takes the memory file in which its publisher keeps its last number.
    pub last_number: bool,
    /// The process id of the sender, as it sees it.
    pub pid: u32,
    /// The name of the sender's program.
    pub title: String,
    /// Fingerprints of the sender's schema, and after it of others that are known to fit; empty
    /// without a schema.
    pub schemas: Vec<Fingerprint>,
    /// The same for the schema of replies.
    pub reply_schemas: Vec<Fingerprint>,
    /// Of a query: the offset from which the caller requests the canonical form of the schema.
    pub schema_at: Option<u64>,
    /// The same for the schema of replies.
    pub reply_schema_at: Option<u64>,
    /// In its answer: that part.
    pub schema_part: Option<SchemaPart>,
    /// Of a query: that the caller's schema does not fit the listener's, and why.
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

    /// Returns a hello for an existing session.
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

    /// Returns the bytes of the longest message of both sides, if both have slots for long arrays;
    /// none otherwise. A hello of another machine has come through a bridge, which relays no shared
    /// memory.
    pub(crate) fn slots_with(&self, other: &Hello) -> Option<u64> {
        let both = self.slots > 0 && other.slots >= self.slots;
        (both && self.machine.is_none() && other.machine.is_none())
            .then(|| self.max_message_size.min(other.max_message_size))
    }

    /// Returns the session in the hello.
    pub(crate) fn hello(&self) -> SessionHello {
        SessionHello { session: self.session, first: self.first, keeps: self.keeps, received: self.received }
    }

    /// Returns the source of the sender's messages: its `client_id`, else its program and process,
    /// with the machine behind an `@`.
    pub fn source(&self) -> String {
        let name = self.client_id.clone().unwrap_or_else(|| format!("{}-{}", self.title, self.pid));
        self.on_machine(name)
    }

    /// Returns the `client_id` by which the sender is recognised. The same name on another machine
    /// is another program.
    pub(crate) fn stable_name(&self) -> Option<String> {
        self.client_id.clone().map(|name| self.on_machine(name))
    }

    /// Adds the machine to a name.
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

    /// Adds the keys about schemas.
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

    /// Reads a hello.
    ///
    /// # Errors
    /// `VersionMismatch`, with both ranges, if this protocol version is not among the sender's;
    /// `Malformed` and the other errors of decoding for a body that is no hello.
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

/// Reads a list of fingerprints, of which only the first ones are kept.
fn fingerprints(all: Option<&Value>) -> Result<Vec<Fingerprint>> {
    let Some(all) = all else { return Ok(Vec::new()) };
    all.as_array()?.iter().take(SCHEMAS).map(fingerprint).collect()
}

/// Reads one fingerprint.
fn fingerprint(value: &Value) -> Result<Fingerprint> {
    let bytes = value.as_bytes()?;
    <[u8; 32]>::try_from(&bytes[..]).map_err(|_| {
        let text = format!("the fingerprint of a schema has 32 bytes, here are {}", bytes.len());
        Error::new(ErrorKind::Malformed, text)
    })
}

/// Cuts a text to what a hello may carry of it: a hello through a pipe has 4 KiB.
fn cut(text: &str) -> &str {
    const MOST: usize = 2 << 10;
    let end = (0..=text.len().min(MOST)).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// Reads a count; one beyond `usize` is more than is ever kept, so it is capped.
fn number(value: &Value) -> Result<usize> {
    Ok(usize::try_from(value.as_u64()?).unwrap_or(usize::MAX))
}

/// Returns a frame of this kind with a CBOR body.
fn to_frame(kind: Kind, value: &Value) -> Result<Vec<u8>> {
    let body = codec::encode(value, Encoding::Cbor)?;
    let frame = Outgoing::new(Header::new(kind, Encoding::Cbor), &body);
    let mut bytes = frame.head();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Returns the error frame with which a listener refuses a caller.
pub fn refusal(error: &Error) -> Vec<u8> {
    let value = Value::map([("code", Value::from(error.kind().code())), ("text", Value::from(error.text()))]);
    // Encoding a number and a text cannot fail; if it did, the empty answer would close the connection.
    to_frame(Kind::Error, &value).unwrap_or_default()
}

/// Reads the answer to a hello: a hello, or the error of a refusal.
///
/// # Errors
/// That error, with the kind of its code; `Full` for a listener that has run out of memory or descriptors,
/// because `OutOfMemory` would mean that this process has.
pub fn read_answer(answer: &Incoming) -> Result<Hello> {
    if answer.header.kind == Kind::Hello {
        return Hello::from_frame(answer);
    }
    let value =
        codec::decode_shared(answer.body.whole(), answer.header.encoding, &Limits::for_message(16 << 10))?;
    let code = value.at("code")?.as_u64()?;
    let kind = u16::try_from(code).ok().and_then(ErrorKind::from_code).unwrap_or(ErrorKind::Internal);
    let text = value.at("text")?.as_text()?;
    // The listener ran out of it, not the caller.
    if kind == ErrorKind::OutOfMemory {
        let text = format!(
            "the listener has no memory or descriptors for another connection (see its ulimit -n); it reports: {text}"
        );
        return Err(Error::new(ErrorKind::Full, text));
    }
    Err(Error::new(kind, text))
}

/// Returns the name of this program, as `ps` shows it, or the name of the script that an interpreter runs.
pub fn title() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let script = if INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter)) {
        script(&std::fs::read("/proc/self/cmdline").unwrap_or_default())
    } else {
        None
    };
    plain_title(&script.unwrap_or(name))
}

/// The beginnings of the names of interpreters that have a binding.
const INTERPRETERS: [&str; 3] = ["python", "pypy", "php"];

/// Returns the script that an interpreter runs, by its arguments: the first one that is no option, or the module of
/// `-m`. None for a program that is given on the command line, and for an interactive one.
fn script(arguments: &[u8]) -> Option<String> {
    let mut arguments = arguments.split(|byte| *byte == 0).skip(1).map(String::from_utf8_lossy);
    loop {
        match &*arguments.next()? {
            "-m" | "-f" | "--file" => {
                let named = arguments.next()?;
                return Some(named.rsplit('/').next()?.to_owned());
            }
            // Options of Python and PHP with an argument of their own.
            "-W" | "-X" | "-d" | "-z" => drop(arguments.next()?),
            "-c" | "-r" | "-S" | "-" => return None,
            option if option.starts_with('-') => {}
            path => return path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }
}

/// Returns a program's name without an `@`, which separates a verified owner from the name, and without
/// characters that a terminal would interpret; at most 32 characters.
fn plain_title(name: &str) -> String {
    let name: String = name.trim().chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(32).collect();
    if name.is_empty() { "process".into() } else { name }
}

/// The same for the name of a machine, at most 64 characters.
fn plain_machine(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic() && *c != '@').take(64).collect()
}

#[cfg(any(test, fuzzing))]
/// Reads any bytes as a hello or its answer: the first byte has the kind and the encoding, the
/// second the length of the extension, which follows with the body.
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
