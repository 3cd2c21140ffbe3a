//! The options of channels, listeners, servers, publishers and subscribers: the same names in every
//! language.
//!
//! Bindings pass options by name ([`Options::set`]), Rust programs with builders (`builder`). Values
//! are checked when they are set by name, and again, together with what the transport can do, when
//! an object is made ([`Options::check`]): a program learns at once that an option cannot take
//! effect, rather than have it ignored.

mod builder;
mod nearest;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::pattern::Pattern;
use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::PreparedSchema;
use crate::transport::capability::Capabilities;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::transport::place::Access;
use crate::value::{Limits, Timestamp, Value};

/// What is promised about each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// A reader sees the newest value; older ones may be skipped.
    Latest,
    /// In order, never twice; losses are counted and reported.
    BestEffort,
    /// In order; sent again to the receiver's next incarnation until it has consumed it.
    AtLeastOnce,
    /// The same, and it survives the death of both programs and of the machine.
    Durable,
}

/// When a message counts as consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// At the next `recv`, or at `reply`.
    Auto,
    /// At `ack()`.
    Manual,
}

/// How messages are divided on a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// With Linkspan's header.
    Linkspan,
    /// One JSON text a line, for programs without Linkspan.
    Lines,
    /// Bytes as they come.
    Raw,
}

/// Which values are checked against the schema of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validate {
    /// Those that are sent, while they are encoded.
    Send,
    /// Those that are received, while they are decoded.
    Receive,
    /// Both.
    Both,
}

/// Where a subscriber to a journal begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartAt {
    /// At the oldest message that is kept.
    First,
    /// At the newest.
    Newest,
    /// At the message of this number.
    Sequence(u64),
    /// At the first message that was sent at this time or later.
    Time(Timestamp),
}

impl Framing {
    /// Returns the name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Framing::Linkspan => "linkspan",
            Framing::Lines => "lines",
            Framing::Raw => "raw",
        }
    }
}

impl Delivery {
    /// Returns the name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Delivery::Latest => "latest",
            Delivery::BestEffort => "best_effort",
            Delivery::AtLeastOnce => "at_least_once",
            Delivery::Durable => "durable",
        }
    }
}

/// The options of a channel, listener, server, publisher or subscriber. [`Options::set`] sets them
/// by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The encoding of values: CBOR by default, JSON with `framing="lines"`, raw bytes with
    /// `framing="raw"`.
    pub encoding: Encoding,
    /// Whether the encoding was given by name, so that it is not chosen by the framing.
    pub(crate) encoding_given: bool,
    /// How long a call waits if it is given no time-out: 30 s.
    pub timeout: Timeout,
    /// A name that stays the same when the program is restarted; none by default.
    pub client_id: Option<String>,
    /// Bytes of a shared-memory ring, rounded up to a power of two: 256 KiB a direction, 1 MiB for a publisher.
    pub buffer: Option<usize>,
    /// Bytes of the longest message that is sent or accepted: 64 MiB.
    pub max_message_size: u64,
    /// What is promised about each message; the default depends on the pattern.
    pub delivery: Option<Delivery>,
    /// The mode of the socket's file: 0600, or 0660 in a directory that a group shares.
    pub mode: Option<u32>,
    /// The users that may connect; empty for all whom the mode admits.
    pub allow_uids: Vec<u32>,
    /// The groups that may connect; empty for all whom the mode admits.
    pub allow_gids: Vec<u32>,
    /// How long a receiver polls shared memory before it parks, at most: 20 µs. More than 100 µs counts
    /// as 100.
    pub spin: Duration,
    /// When a message counts as consumed: at the next `recv`.
    pub ack: Acknowledge,
    /// Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    pub idempotent: bool,
    /// How many unacknowledged messages are kept to be sent again, at most: 65,536. Beyond, `send`
    /// waits.
    pub replay_count: usize,
    /// Bytes of those messages, at most: 64 MiB. A single longer message is kept alone.
    pub replay_bytes: u64,
    /// How many disconnected clients a listener keeps sessions for: 256. Beyond, those with nothing
    /// kept are dropped first, then the longest disconnected, which `events()` reports and `stats()`
    /// counts.
    pub absent_clients: usize,
    /// How messages stand on a stream of bytes.
    pub framing: Framing,
    /// Whether accepted messages survive the death of both programs and of the machine.
    pub durable: bool,
    /// The group of what is created in the file system.
    pub group: Option<u32>,
    /// Where a subscriber to a journal begins. One with a `client_id` continues where it stopped,
    /// and begins here only if its name is new. By default a new name begins with the first message,
    /// and a subscriber without a name with the newest. By name it is a number, a timestamp (or its
    /// text in RFC 3339), "first" or "newest".
    pub from: Option<StartAt>,
    /// Bytes of a journal's segment: 32 MiB, less if `retain_bytes` is small. Only whole segments
    /// are deleted.
    pub segment_bytes: Option<u64>,
    /// Bytes of a journal: the oldest segments are deleted while all together have more. None keeps
    /// all.
    pub retain_bytes: Option<u64>,
    /// How long a journal keeps its messages: a segment is deleted when its newest message is older.
    /// None keeps all.
    pub retain_seconds: Option<Duration>,
    /// Whether a journal deletes segments that every subscriber with a `client_id` has consumed.
    pub retain_consumed: bool,
    /// Whether a `file:` is written in place under a lock of the file itself, for programs that only
    /// use fcntl locks.
    pub locked: bool,
    /// Whether several processes may serve a name, each with this option: they share its requests.
    pub shared: bool,
    /// The schema of messages: see [`Options::with_schema`]. By name it is the path of a file, or
    /// the schema's text.
    pub(crate) schema: Option<Arc<PreparedSchema>>,
    /// The schema of replies: see [`Options::with_reply_schema`].
    pub(crate) reply_schema: Option<Arc<PreparedSchema>>,
    /// Which values are checked against the schema; none by default.
    pub validate: Option<Validate>,
    /// The machine that the name belongs to, if it stands for a name of another machine. See
    /// [`Options::with_machine`].
    pub(crate) machine: Option<Arc<str>>,
    /// Called about every 100 ms while a call waits.
    pub on_wait: Option<OnWait>,
    /// How many connections wait to be accepted, at most: 128. Layers above may set more.
    pub(crate) queue: usize,
    /// The pattern of a channel's or listener's name. Layers above set it.
    pub(crate) pattern: Pattern,
    /// Whether a channel that connects ends with its first link, because the layer above makes the
    /// next one.
    pub(crate) once: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            encoding: Encoding::Cbor,
            encoding_given: false,
            timeout: Timeout::After(Duration::from_secs(30)),
            client_id: None,
            buffer: None,
            max_message_size: Limits::default().message,
            delivery: None,
            mode: None,
            allow_uids: Vec::new(),
            allow_gids: Vec::new(),
            spin: Duration::from_micros(20),
            ack: Acknowledge::Auto,
            idempotent: false,
            replay_count: 1 << 16,
            replay_bytes: 64 << 20,
            absent_clients: 256,
            framing: Framing::Linkspan,
            durable: false,
            group: None,
            from: None,
            segment_bytes: None,
            retain_bytes: None,
            retain_seconds: None,
            retain_consumed: false,
            locked: false,
            shared: false,
            schema: None,
            reply_schema: None,
            validate: None,
            machine: None,
            on_wait: None,
            queue: 128,
            pattern: Pattern::Channel,
            once: false,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("encoding", &self.encoding)
            .field("timeout", &self.timeout)
            .field("client_id", &self.client_id)
            .field("buffer", &self.buffer)
            .field("max_message_size", &self.max_message_size)
            .field("delivery", &self.delivery)
            .field("mode", &self.mode)
            .field("allow_uids", &self.allow_uids)
            .field("allow_gids", &self.allow_gids)
            .field("spin", &self.spin)
            .field("ack", &self.ack)
            .field("idempotent", &self.idempotent)
            .field("replay", &(self.replay_count, self.replay_bytes))
            .field("absent_clients", &self.absent_clients)
            .field("framing", &self.framing)
            .field("durable", &self.durable)
            .field("group", &self.group)
            .field("from", &self.from)
            .field("segment_bytes", &self.segment_bytes)
            .field("retain", &(self.retain_bytes, self.retain_seconds, self.retain_consumed))
            .field("locked", &self.locked)
            .field("shared", &self.shared)
            .field("schema", &self.schema)
            .field("reply_schema", &self.reply_schema)
            .field("validate", &self.validate)
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Returns the limits for decoding one message.
    pub fn limits(&self) -> Limits {
        Limits::for_message(self.max_message_size)
    }

    /// Sets an option by its name.
    ///
    /// # Errors
    /// `WrongType` for a value of another type, `OutOfRange` for an impossible number, `Unsupported`
    /// for an option that does not exist (the text names the nearest one) or that this version does
    /// not have.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        self.set_beside(&[], name, value)
    }

    /// The same for an object with further options, which a mistyped name may mean.
    pub(crate) fn set_beside(&mut self, more: &[&str], name: &str, value: &Value) -> Result<()> {
        self.try_set(more, name, value).map_err(|e| e.under_key(name))
    }

    /// [`Options::set`] without the option's name in its errors.
    fn try_set(&mut self, more: &[&str], name: &str, value: &Value) -> Result<()> {
        match name {
            "encoding" => {
                self.encoding = Encoding::from_name(value.as_text()?)?;
                self.encoding_given = true;
            }
            "timeout" => {
                self.timeout = match value {
                    Value::Null => Timeout::Forever,
                    seconds => Timeout::from_seconds(seconds.as_f64()?)?,
                }
            }
            "client_id" => self.client_id = Some(client_id(value.as_text()?)?),
            "buffer" => self.buffer = Some(buffer(value)?),
            "max_message_size" => self.max_message_size = within(value, 1, 1 << 32)?,
            "delivery" => self.delivery = Some(delivery(value.as_text()?)?),
            "mode" => self.mode = Some(mode(value)?),
            "allow_uids" => self.allow_uids = numbers(value)?,
            "allow_gids" => self.allow_gids = numbers(value)?,
            "spin" => self.spin = Duration::from_micros(within(value, 0, 1_000_000)?),
            "ack" => {
                self.ack = one_of(value, [("auto", Acknowledge::Auto), ("manual", Acknowledge::Manual)])?;
            }
            "idempotent" => self.idempotent = value.as_bool()?,
            "replay_count" => self.replay_count = within(value, 1, 1 << 24)? as usize,
            "replay_bytes" => self.replay_bytes = within(value, 1, 1 << 40)?,
            "absent_clients" => self.absent_clients = within(value, 1, 1 << 20)? as usize,
            "framing" => {
                let all = [("linkspan", Framing::Linkspan), ("lines", Framing::Lines), ("raw", Framing::Raw)];
                self.framing = one_of(value, all)?;
            }
            "durable" => self.durable = value.as_bool()?,
            "group" => self.group = Some(group(value)?),
            "from" => {
                self.from = Some(match value {
                    Value::Timestamp(at) => StartAt::Time(*at),
                    Value::Text(text) => match text.parse() {
                        Ok(at) => StartAt::Time(at),
                        Err(_) => one_of(value, [("first", StartAt::First), ("newest", StartAt::Newest)])?,
                    },
                    number => StartAt::Sequence(number.as_u64()?),
                });
            }
            "segment_bytes" => self.segment_bytes = Some(within(value, 8 << 10, 1 << 40)?),
            "retain_bytes" => self.retain_bytes = Some(within(value, 1, 1 << 60)?),
            "retain_seconds" => {
                self.retain_seconds = match Timeout::from_seconds(value.as_f64()?)? {
                    Timeout::After(age) => Some(age),
                    _ => None,
                };
            }
            "retain_consumed" => self.retain_consumed = value.as_bool()?,
            "locked" => self.locked = value.as_bool()?,
            "shared" => self.shared = value.as_bool()?,
            "schema" => self.schema = Some(PreparedSchema::from_option(value.as_text()?)?),
            "reply_schema" => self.reply_schema = Some(PreparedSchema::from_option(value.as_text()?)?),
            "validate" => {
                let all =
                    [("send", Validate::Send), ("receive", Validate::Receive), ("both", Validate::Both)];
                self.validate = Some(one_of(value, all)?);
            }
            "immutable" => {
                let text = format!("the option {name} is not in this version");
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            _ => return Err(nearest::unknown(name, more)),
        }
        Ok(())
    }
}

/// What an object does with its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Channel,
    Request,
    Publish,
    Subscribe,
}

impl Options {
    /// Returns the access rights of the files that are created.
    pub fn access(&self) -> Access {
        Access { mode: self.mode, group: self.group, ..Access::default() }
    }

    /// Checks the values that were set without [`Options::set`], which checks them too.
    fn check_values(&self) -> Result<()> {
        let under = |name: &'static str| move |e: Error| e.under_key(name);
        if let Some(name) = &self.client_id {
            client_id(name).map_err(under("client_id"))?;
        }
        if let Some(bits) = self.mode {
            mode(&u64::from(bits).into()).map_err(under("mode"))?;
        }
        if let Some(bytes) = self.buffer {
            buffer(&(bytes as u64).into()).map_err(under("buffer"))?;
        }
        for (schema, name) in [(&self.schema, "schema"), (&self.reply_schema, "reply_schema")] {
            if let Some(schema) = schema {
                schema.check_size().map_err(under(name))?;
            }
        }
        if self.validate.is_some() && self.schema.is_none() && self.reply_schema.is_none() {
            let text = "validate says which values are checked against the schema, and there is none: give the option schema, too";
            return Err(under("validate")(Error::new(ErrorKind::Unsupported, text)));
        }
        Ok(())
    }

    /// Returns the schema that sent values are checked against, if they are.
    pub(crate) fn checks_sent(&self) -> Option<&Arc<PreparedSchema>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    /// Returns the schema that replies are checked against when they are sent, if they are.
    pub(crate) fn checks_replies_sent(&self) -> Option<&Arc<PreparedSchema>> {
        self.reply_schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    /// Returns the schema that replies to own calls are checked against, if they are.
    pub(crate) fn checks_replies_received(&self) -> Option<&Arc<PreparedSchema>> {
        let checks = matches!(self.validate, Some(Validate::Receive | Validate::Both));
        self.reply_schema.as_ref().filter(|_| checks)
    }

    /// Returns the schema that received values are checked against, if they are.
    pub(crate) fn checks_received(&self) -> Option<&Arc<PreparedSchema>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Receive | Validate::Both)))
    }

    /// Fails with `Unsupported` and the reason, before anything is created or sent, if the transport cannot
    /// do what the options ask for.
    pub fn check(&self, transport: Transport, used: Use) -> Result<()> {
        self.check_values()?;
        let framing = transport.capabilities().framing || self.framing == Framing::Linkspan;
        transport.require(framing, "the option framing")?;
        self.check_encoding()?;
        let can = self.capabilities(transport);
        let require = |is: bool, what: &str| {
            if is { Ok(()) } else { Err(transport.unsupported_because(what, can.because)) }
        };
        match used {
            Use::Channel => require(can.channel, "a channel")?,
            Use::Request => require(can.request, "a server")?,
            Use::Publish => require(can.publish, "publish and subscribe")?,
            Use::Subscribe => {
                require(can.publish, "publish and subscribe")?;
                // The framing of a file is only the form of its value.
                let told = self.framing == Framing::Linkspan || can.single_value;
                require(told, "subscribe to lines (connect, and recv gives each)")?;
            }
        }
        let lists = !self.allow_uids.is_empty() || !self.allow_gids.is_empty();
        require(can.allow_lists || !lists, "the options allow_uids and allow_gids")?;
        // A file keeps only the last value, which can be synced before the call returns.
        let durable = self.durable && !can.single_value || self.delivery == Some(Delivery::Durable);
        require(can.durable || !durable, "durable delivery")?;
        require(can.modes || self.mode.is_none() && self.group.is_none(), "the options mode and group")?;
        require(can.single_value || !self.locked, "the option locked")?;
        require(can.history || self.from.is_none(), "the option from")?;
        if self.reply_schema.is_some() {
            let text = "the option reply_schema is for servers and for those who call them, where a reply comes back";
            let replies = matches!(used, Use::Channel | Use::Request) && can.replies;
            let refused = || Error::new(ErrorKind::Unsupported, text).under_key("reply_schema");
            replies.then_some(()).ok_or_else(refused)?;
        }
        self.check_shared(transport, used)?;
        let kept = self.segment_bytes.or(self.retain_bytes).is_some()
            || self.retain_seconds.is_some()
            || self.retain_consumed;
        transport.require(
            can.history || !kept,
            "the options segment_bytes, retain_bytes, retain_seconds and retain_consumed",
        )?;
        let again = self.delivery == Some(Delivery::AtLeastOnce);
        match used {
            Use::Publish | Use::Subscribe => require(
                can.durable || !again,
                "at_least_once to subscribers: a publisher waits for no subscriber, and",
            ),
            Use::Channel | Use::Request => {
                let latest = self.delivery == Some(Delivery::Latest);
                require(
                    !latest,
                    "the delivery latest on a channel, which gives every message: subscribe, or ask for the latest;",
                )?;
                let plain = self.framing != Framing::Linkspan;
                let manual = self.ack == Acknowledge::Manual;
                require(!plain || !manual && !self.idempotent, "the options ack=\"manual\" and idempotent")?;
                require(can.sessions || can.keeps || !again, "the delivery at_least_once")
            }
        }
    }

    /// Fails if the option `shared` is given where it has no meaning.
    fn check_shared(&self, transport: Transport, used: Use) -> Result<()> {
        let is_serving = used == Use::Request && self.framing == Framing::Linkspan;
        let can = transport.capabilities().shared;
        if !self.shared || is_serving && can {
            return Ok(());
        }
        let text = "the option shared is for servers over unix:, shm: and spool:, with framing=\"linkspan\"";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    /// Fails with `Unsupported` if the transport has no way back for a reply.
    pub(crate) fn check_replies(&self, endpoint: &Endpoint, what: &str) -> Result<()> {
        let transport = endpoint.transport();
        let can = self.capabilities(transport);
        if can.replies { Ok(()) } else { Err(transport.unsupported_because(what, can.because).on(endpoint)) }
    }

    /// Returns the transport's capabilities as far as the framing leaves them.
    pub(crate) fn capabilities(&self, transport: Transport) -> Capabilities {
        let can = *transport.capabilities();
        match self.framing {
            Framing::Lines => can.with_lines(),
            Framing::Raw => can.with_raw_bytes(),
            Framing::Linkspan => can,
        }
    }

    /// Returns the encoding of values: the one that was chosen, or that of the framing.
    pub fn encoding(&self) -> Encoding {
        match self.framing {
            _ if self.encoding_given || self.encoding != Encoding::Cbor => self.encoding,
            Framing::Lines => Encoding::Json,
            Framing::Raw => Encoding::Raw,
            Framing::Linkspan => self.encoding,
        }
    }

    /// Fails if the framing cannot carry the encoding that was chosen.
    fn check_encoding(&self) -> Result<()> {
        let (carries, name) = match self.framing {
            Framing::Linkspan => return Ok(()),
            Framing::Lines => (Encoding::Json, "framing=\"lines\" carries one JSON text a line"),
            Framing::Raw => (Encoding::Raw, "framing=\"raw\" carries bytes as they are"),
        };
        let encoding = self.encoding();
        if encoding == carries {
            return Ok(());
        }
        let text = format!("{name}, so the encoding is {}, not {}", carries.name(), encoding.name());
        Err(Error::new(ErrorKind::Unsupported, text).with_path("encoding"))
    }

    /// Returns the delivery of a channel or server: what was chosen, else the best that the framing
    /// allows.
    pub fn channel_delivery(&self) -> Delivery {
        let most =
            if self.framing == Framing::Linkspan { Delivery::AtLeastOnce } else { Delivery::BestEffort };
        self.delivery.unwrap_or(most)
    }
}

/// Reads a number within these bounds, both included.
fn within(value: &Value, least: u64, most: u64) -> Result<u64> {
    let number = value.as_u64()?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::new(ErrorKind::OutOfRange, format!("{number} is not between {least} and {most}")))
}

/// Reads the size of a buffer in bytes.
fn buffer(value: &Value) -> Result<usize> {
    within(value, 4 << 10, 1 << 30).map(|bytes| bytes as usize)
}

/// Reads a mode. For a decimal number such as 660 the error proposes the octal one.
fn mode(value: &Value) -> Result<u32> {
    let number = value.as_u64()?;
    if number <= 0o777 {
        return Ok(number as u32);
    }
    let digits = number.to_string();
    let hint = match u32::from_str_radix(&digits, 8) {
        Ok(meant) if meant <= 0o777 => {
            format!("; did you mean the octal number 0o{digits}, which is {meant}?")
        }
        _ => String::new(),
    };
    let text = format!("{number} is no mode: modes are 0 to 511 (0o777){hint}");
    Err(Error::new(ErrorKind::OutOfRange, text))
}

/// Reads an array of user or group numbers.
fn numbers(value: &Value) -> Result<Vec<u32>> {
    let one = |(i, v): (usize, &Value)| {
        within(v, 0, u32::MAX.into()).map(|n| n as u32).map_err(|e| e.under_index(i))
    };
    value.as_array()?.iter().enumerate().map(one).collect()
}

/// Checks a `client_id`. `InvalidEndpoint` unless it has 1 to 64 letters, digits, `.`, `_` and `-`.
pub(super) fn client_id(name: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let text = format!("{name} is no client name: 1 to 64 letters, digits, . _ - are", name = quoted(name));
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

/// Reads a delivery by its name.
fn delivery(name: &str) -> Result<Delivery> {
    let all = [Delivery::Latest, Delivery::BestEffort, Delivery::AtLeastOnce, Delivery::Durable];
    all.into_iter().find(|d| d.name() == name).ok_or_else(|| {
        let text = format!(
            "no delivery is called {name}; there are latest, best_effort, at_least_once and durable",
            name = quoted(name)
        );
        Error::new(ErrorKind::Unsupported, text)
    })
}

/// Reads a word, and returns the value that goes with it.
fn one_of<T: Copy, const N: usize>(value: &Value, all: [(&str, T); N]) -> Result<T> {
    let word = value.as_text()?;
    all.iter().find(|(name, _)| *name == word).map(|(_, it)| *it).ok_or_else(|| {
        let known = all.map(|(name, _)| name).join(" or ");
        Error::new(
            ErrorKind::Unsupported,
            format!("{word} is none of its values; write {known}", word = quoted(word)),
        )
    })
}

/// Reads a group by its number or its name.
fn group(value: &Value) -> Result<u32> {
    let Value::Text(name) = value else { return Ok(within(value, 0, u32::MAX.into())? as u32) };
    crate::sys::user::group_of_name(name).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("no group is called {name}; see /etc/group", name = quoted(name)),
        )
    })
}
