//! What a program may say about an object when it makes it: the same names in every language.

mod builder;
mod nearest;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::greeting::Pattern;
use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::Held;
use crate::transport::capability::Capabilities;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::place::Access;
use crate::value::{Limits, Timestamp, Value};

/// What is promised about each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// A reader sees the newest value; older ones may be skipped.
    Latest,
    /// In order, never twice; what is lost is counted and told.
    BestEffort,
    /// In order; sent again to the receiver's next incarnation until it has consumed it.
    AtLeastOnce,
    /// The same, and survives the death of both ends and of the machine.
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

/// How messages stand on a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// With Linkspan's header.
    Linkspan,
    /// One JSON text a line, for programs that know nothing of Linkspan.
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
    /// At the oldest message that is left.
    First,
    /// At the newest.
    Newest,
    /// At the message of this number.
    Sequence(u64),
    /// At the first message that was sent at this time or later.
    Time(Timestamp),
}

impl Framing {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Framing::Linkspan => "linkspan",
            Framing::Lines => "lines",
            Framing::Raw => "raw",
        }
    }
}

impl Delivery {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Delivery::Latest => "latest",
            Delivery::BestEffort => "best_effort",
            Delivery::AtLeastOnce => "at_least_once",
            Delivery::Durable => "durable",
        }
    }
}

/// The options of a channel, listener, server, publisher or subscriber. [`Options::set`] takes them by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// How values are written: CBOR; JSON with `framing="lines"`, as they are with `"raw"`.
    pub encoding: Encoding,
    /// Whether the encoding was given by name, so that it is not chosen by the framing.
    pub(crate) encoding_given: bool,
    /// How long a call waits that is not told otherwise: 30 s.
    pub timeout: Timeout,
    /// A name that stays the same when the program starts again; none by default.
    pub client_id: Option<String>,
    /// Bytes of a shared-memory ring, rounded up to a power of two: 256 KiB a direction, 1 MiB for a publisher.
    pub buffer: Option<usize>,
    /// The longest message in bytes that is sent or taken: 64 MiB.
    pub limit: u64,
    /// What is promised about each message; what it is where nothing is said depends on the pattern.
    pub delivery: Option<Delivery>,
    /// The mode of the socket's file: 0600, or 0660 in a directory that a group shares.
    pub mode: Option<u32>,
    /// The users that may connect; none means all whom the mode admits.
    pub allow_uids: Vec<u32>,
    /// The groups that may connect; none means all whom the mode admits.
    pub allow_gids: Vec<u32>,
    /// How long a receiver looks into shared memory before it sleeps, at most: 20 µs.
    pub spin: Duration,
    /// When a message counts as consumed: at the next `recv`.
    pub ack: Acknowledge,
    /// Whether requests may be carried out twice: then one whose server died is sent to its next incarnation.
    pub idempotent: bool,
    /// How many messages that are not acknowledged are kept to be sent again, at most: 65,536. Then `send` waits.
    pub replay_count: usize,
    /// Bytes of them, at most: 64 MiB. One message is always taken.
    pub replay_bytes: u64,
    /// How many clients that are away a listener keeps messages for; then those for whom nothing is kept are forgotten, and
    /// after them the oldest, which is told in `events()` and counted.
    pub absent_clients: usize,
    /// How messages stand on a stream of bytes.
    pub framing: Framing,
    /// Whether what was accepted is to survive the death of both ends and of the machine.
    pub durable: bool,
    /// The group of what is made in the file system.
    pub group: Option<u32>,
    /// Where a subscriber to a journal begins. One with a `client_id` goes on where it stopped, and begins here only when its
    /// name is new. Where nothing is said, a new name begins with the first message, one without a name with the newest. By
    /// name it is a number, a timestamp (or its text as RFC 3339 has it), "first" or "newest".
    pub from: Option<StartAt>,
    /// Bytes of a journal's segment: 32 MiB, less where `retain_bytes` is small. Only whole segments are ever deleted.
    pub segment_bytes: Option<u64>,
    /// Bytes of a journal: the oldest segments go while all have more. None keeps all.
    pub retain_bytes: Option<u64>,
    /// How long a journal keeps its messages: segments go whose newest message is older. None keeps all.
    pub retain_seconds: Option<Duration>,
    /// Whether a journal's segments go that every subscriber with a `client_id` has consumed.
    pub retain_consumed: bool,
    /// Whether a `file:` is written in place under a lock of the file itself, for programs that know only fcntl.
    pub locked: bool,
    /// Whether several processes may serve a name, each with this option: they share its requests.
    pub shared: bool,
    /// What the messages at the name mean: see [`Options::with_schema`]. By name it is the path of a file, or the notation itself.
    pub(crate) schema: Option<Arc<Held>>,
    /// What is replied to requests: see [`Options::with_reply_schema`].
    pub(crate) reply_schema: Option<Arc<Held>>,
    /// Which values are checked against the schema; none by default.
    pub validate: Option<Validate>,
    /// Of a name that stands for one of another machine: that machine. See [`Options::with_machine`].
    pub(crate) machine: Option<Arc<str>>,
    /// Runs while a call waits.
    pub on_wait: Option<OnWait>,
    /// How many newcomers wait to be accepted, at most: the floors above may want more.
    pub(crate) queue: usize,
    /// What a channel's or listener's name is used for: the floors above say it.
    pub(crate) pattern: Pattern,
    /// Whether a channel that connects ends with its first link: the floor above makes the next one.
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
            limit: Limits::default().message,
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
            .field("limit", &self.limit)
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
    /// The limits of one message.
    pub fn limits(&self) -> Limits {
        Limits::for_message(self.limit)
    }

    /// Sets an option by its name. `WrongType` for another type, `OutOfRange` for an impossible number, `Unsupported`
    /// for an option that does not exist (the text names the nearest one) or that this version does not have.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        self.set_beside(&[], name, value)
    }

    /// The same for an object that takes more options than these, which a mistyped name may have meant.
    pub(crate) fn set_beside(&mut self, more: &[&str], name: &str, value: &Value) -> Result<()> {
        self.try_set(more, name, value).map_err(|e| e.under_key(name))
    }

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
            "limit" => self.limit = within(value, 1, 1 << 32)?,
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
            "schema" => self.schema = Some(Held::of_option(value.as_text()?)?),
            "reply_schema" => self.reply_schema = Some(Held::of_option(value.as_text()?)?),
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

/// How an object uses its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Channel,
    Request,
    Publish,
    Subscribe,
}

impl Options {
    /// Who may use what is made.
    pub fn access(&self) -> Access {
        Access { mode: self.mode, group: self.group, ..Access::default() }
    }

    /// Refuses what `set` refuses, where it was said without it.
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

    /// The schema against which what is sent is checked, if it is.
    pub(crate) fn checks_sent(&self) -> Option<&Arc<Held>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    /// The schema against which what is replied is checked, if it is.
    pub(crate) fn checks_replies_sent(&self) -> Option<&Arc<Held>> {
        self.reply_schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Send | Validate::Both)))
    }

    /// The schema against which the replies to own calls are checked, if they are.
    pub(crate) fn checks_replies_received(&self) -> Option<&Arc<Held>> {
        let checks = matches!(self.validate, Some(Validate::Receive | Validate::Both));
        self.reply_schema.as_ref().filter(|_| checks)
    }

    /// The schema against which what is received is checked, if it is.
    pub(crate) fn checks_received(&self) -> Option<&Arc<Held>> {
        self.schema.as_ref().filter(|_| matches!(self.validate, Some(Validate::Receive | Validate::Both)))
    }

    /// Refuses, before anything is made or sent, what the transport cannot do, with the reason.
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
                // A file's framing is how its value is written.
                let told = self.framing == Framing::Linkspan || transport == Transport::File;
                require(told, "subscribe to lines (connect, and recv gives each)")?;
            }
        }
        let lists = !self.allow_uids.is_empty() || !self.allow_gids.is_empty();
        require(can.allow_lists || !lists, "the options allow_uids and allow_gids")?;
        // A file keeps no message but the last; that one can be brought to the disk before the call returns.
        let durable =
            self.durable && transport != Transport::File || self.delivery == Some(Delivery::Durable);
        require(can.durable || !durable, "durable delivery")?;
        require(
            transport != Transport::Tcp || self.mode.is_none() && self.group.is_none(),
            "the options mode and group",
        )?;
        require(transport == Transport::File || !self.locked, "the option locked")?;
        require(transport == Transport::Journal || self.from.is_none(), "the option from")?;
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
            transport == Transport::Journal || !kept,
            "the options segment_bytes, retain_bytes, retain_seconds and retain_consumed",
        )?;
        let again = self.delivery == Some(Delivery::AtLeastOnce);
        match used {
            Use::Publish | Use::Subscribe => require(
                can.durable || !again,
                "at_least_once to subscribers: a publisher waits for nobody, and",
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

    /// Refuses to share what cannot be.
    fn check_shared(&self, transport: Transport, used: Use) -> Result<()> {
        let is_serving = used == Use::Request && self.framing == Framing::Linkspan;
        let can = matches!(transport, Transport::Spool | Transport::Unix | Transport::Shm);
        if !self.shared || is_serving && can {
            return Ok(());
        }
        let text = "the option shared is for servers over unix:, shm: and spool:, with framing=\"linkspan\"";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    /// Refuses what needs a way back where there is none.
    pub(crate) fn check_replies(&self, endpoint: &Endpoint, what: &str) -> Result<()> {
        let transport = endpoint.transport();
        let can = self.capabilities(transport);
        if can.replies { Ok(()) } else { Err(transport.unsupported_because(what, can.because).on(endpoint)) }
    }

    /// What these options leave of a transport's capabilities.
    pub(crate) fn capabilities(&self, transport: Transport) -> Capabilities {
        let can = *transport.capabilities();
        match self.framing {
            Framing::Lines => can.with_lines(),
            Framing::Raw => can.with_raw_bytes(),
            Framing::Linkspan => can,
        }
    }

    /// How values are written: what was chosen, or what the framing carries.
    pub fn encoding(&self) -> Encoding {
        match self.framing {
            _ if self.encoding_given || self.encoding != Encoding::Cbor => self.encoding,
            Framing::Lines => Encoding::Json,
            Framing::Raw => Encoding::Raw,
            Framing::Linkspan => self.encoding,
        }
    }

    /// Refuses an encoding that the framing has no form for.
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

    /// The delivery of a channel or server.
    pub fn channel_delivery(&self) -> Delivery {
        let most =
            if self.framing == Framing::Linkspan { Delivery::AtLeastOnce } else { Delivery::BestEffort };
        self.delivery.unwrap_or(most)
    }
}

fn within(value: &Value, least: u64, most: u64) -> Result<u64> {
    let number = value.as_u64()?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::new(ErrorKind::OutOfRange, format!("{number} is not between {least} and {most}")))
}

fn buffer(value: &Value) -> Result<usize> {
    within(value, 4 << 10, 1 << 30).map(|bytes| bytes as usize)
}

/// A mode. The number 660 is what a person writes who means 0o660.
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

fn numbers(value: &Value) -> Result<Vec<u32>> {
    let one = |(i, v): (usize, &Value)| {
        within(v, 0, u32::MAX.into()).map(|n| n as u32).map_err(|e| e.under_index(i))
    };
    value.as_array()?.iter().enumerate().map(one).collect()
}

pub(super) fn client_id(name: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let text = format!("{name} is no client name: 1 to 64 letters, digits, . _ - are", name = quoted(name));
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

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

/// A group by its number or its name.
fn group(value: &Value) -> Result<u32> {
    let Value::Text(name) = value else { return Ok(within(value, 0, u32::MAX.into())? as u32) };
    crate::sys::user::group_of_name(name).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("no group is called {name}; see /etc/group", name = quoted(name)),
        )
    })
}
