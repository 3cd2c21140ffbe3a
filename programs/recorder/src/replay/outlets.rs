//! The outlets of a replay: a publisher per name, or a channel to a program that consumes in lockstep.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{
    Channel, Deadline, Error, ErrorKind, Listener, Options, Payload, Publisher, RecordedOrigin, Result,
    Timestamp, copy_bytes, in_seconds, registry,
};
use linkspan_recording::event::{self, Event};
use linkspan_recording::reader::Message;

use crate::stderr;

/// How long a program that ended with the last message may take to restart and receive it again.
const SUCCESSOR: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub rename: &'a [(String, String)],
    /// Names that are replayed over channels.
    pub lockstep: &'a [String],
    pub recorded: &'a BTreeSet<String>,
}

impl Names<'_> {
    fn published(&self, topic: &str) -> String {
        renamed(topic, self.rename).map_or_else(|| topic.to_owned(), |(new, rest)| format!("{new}{rest}"))
    }

    /// Returns whether a name or pattern in an option means this topic.
    ///
    /// It matches the published name. If it matches no published name, it matches the recorded one.
    pub fn means(&self, name: &str, topic: &str) -> bool {
        let name = name.strip_prefix("tcp:").unwrap_or(name);
        let fits = |text: &str| text == name || registry::matches(name, text);
        fits(&self.published(topic))
            || fits(topic) && !self.recorded.iter().any(|other| fits(&self.published(other)))
    }
}

pub struct Outlets<'a> {
    names: Names<'a>,
    deadline: Duration,
    open: HashMap<String, Outlet>,
    /// The first missed number of publishers without any message yet, by name and incarnation.
    missed: HashMap<(String, u64), u64>,
    /// How often the recording was restarted. Each round has new incarnations.
    round: u64,
    /// Publishers that were begun shortly after another, and when the last one began.
    hurried: u32,
    begun: Option<Instant>,
}

/// The most publishers that are begun within `CLOSE` of the previous one.
///
/// Each takes milliseconds, and a small file can have one per message. Slower successions are unlimited.
const HURRIED: u32 = 8_192;
const CLOSE: Duration = Duration::from_millis(50);
/// The longest name whose first missed number is kept.
const LONGEST: usize = 1_024;

pub struct Outlet {
    endpoint: String,
    /// The incarnation in the recording.
    of: u64,
    /// Messages in this round: their numbers, if the recording lacks numbers.
    sent: u64,
    kind: Kind,
}

#[expect(clippy::large_enum_variant, reason = "one for each name, made once")]
enum Kind {
    Publisher(Publisher),
    /// Its messages carry this incarnation and their source.
    Channel {
        listener: Listener,
        channel: Option<Channel>,
        incarnation: u64,
    },
}

impl<'a> Outlets<'a> {
    pub fn new(names: Names<'a>, deadline: Duration) -> Outlets<'a> {
        let (open, missed) = (HashMap::new(), HashMap::new());
        Outlets { names, deadline, open, missed, round: 0, hurried: 0, begun: None }
    }

    /// Counts a publisher that begins.
    ///
    /// # Errors
    /// `TooLarge` for too many publishers in quick succession.
    fn count_begun(&mut self, topic: &str) -> Result<()> {
        if self.begun.replace(Instant::now()).is_none_or(|before| before.elapsed() >= CLOSE) {
            return Ok(());
        }
        self.hurried = self.hurried.saturating_add(1);
        if self.hurried <= HURRIED {
            return Ok(());
        }
        let text = format!(
            "the recording has publishers, of {topic} the last one, that take the place of each other: {HURRIED} were begun, each within {} of the one before; choose names or times",
            in_seconds(CLOSE)
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// Begins the next round, with new incarnations.
    ///
    /// # Errors
    /// Errors of closing publishers.
    pub fn begin_again(&mut self) -> Result<()> {
        self.round = self.round.wrapping_add(1);
        self.hurried = 0;
        self.missed.clear();
        // Channels stay open: each of their messages carries the incarnation.
        let publishers = self.open.extract_if(|_, outlet| matches!(outlet.kind, Kind::Publisher(_)));
        publishers.into_iter().try_for_each(|(_, outlet)| outlet.close(self.deadline))?;
        let begun = self.round;
        for Outlet { of, sent, kind, .. } in self.open.values_mut() {
            *sent = 0;
            if let Kind::Channel { incarnation, .. } = kind {
                *incarnation = new_incarnation(*of, begun);
            }
        }
        Ok(())
    }

    /// Notes an event: losses before a publisher's first message are lost for its subscribers as well.
    pub fn note(&mut self, event: &Event) {
        let (event::Kind::Missed, Some(incarnation), Some(first)) =
            (event.kind, event.incarnation, event.first)
        else {
            return;
        };
        let is_open = self.open.get(&event.name).is_some_and(|outlet| outlet.of == incarnation);
        // The limits protect against a malicious file.
        if !is_open && event.name.len() < LONGEST && self.missed.len() < HURRIED as usize {
            self.missed.entry((event.name.clone(), incarnation)).or_insert(first);
        }
    }

    /// Returns the outlet of a message's name, and opens it if necessary.
    ///
    /// # Errors
    /// Errors of opening the name: `AddressInUse` if another program has it.
    pub fn open(&mut self, message: &Message<'_>) -> Result<&mut Outlet> {
        let topic = &message.channel.topic;
        let is_other = |outlet: &Outlet| {
            outlet.of != message.channel.incarnation && matches!(outlet.kind, Kind::Publisher(_))
        };
        if self.open.get(topic).is_some_and(is_other)
            && let Some(ended) = self.open.remove(topic)
        {
            // The message belongs to the next incarnation of its publisher.
            ended.close(self.deadline)?;
        }
        if !self.open.contains_key(topic) {
            self.count_begun(topic)?;
            let outlet = self.begin(message)?;
            self.open.insert(topic.clone(), outlet);
        }
        let round = self.round;
        let outlet = self
            .open
            .get_mut(topic)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "an outlet that was just opened is gone"))?;
        if let Kind::Channel { incarnation, .. } = &mut outlet.kind
            && outlet.of != message.channel.incarnation
        {
            outlet.of = message.channel.incarnation;
            *incarnation = new_incarnation(outlet.of, round);
        }
        Ok(outlet)
    }

    fn begin(&mut self, message: &Message<'_>) -> Result<Outlet> {
        let channel = message.channel;
        let missed = self.missed.remove(&(channel.topic.clone(), channel.incarnation));
        let first = match is_numbered(message) {
            true => missed.unwrap_or(message.number).min(message.number),
            false => 1,
        };
        let mut options = Options::default();
        options.client_id = source(&channel.source);
        if let Some(notation) = channel.notation() {
            let schema = Schema::parse(notation).map_err(|error| {
                let text = format!("the schema that the recording has of {}: {error}", channel.topic);
                Error::new(error.kind(), text)
            })?;
            options = options.with_schema(schema);
        }
        let lockstep = self.names.lockstep.iter().any(|name| self.names.means(name, &channel.topic));
        let (transport, name) = place(&channel.topic, &channel.endpoint, self.names.rename)?;
        let endpoint = format!("{}:{name}", if lockstep { "shm" } else { transport });
        let kind = if lockstep {
            let options = options.with_lockstep(true);
            let listener = Listener::listen(&endpoint, &options)?;
            Kind::Channel {
                listener,
                channel: None,
                incarnation: new_incarnation(channel.incarnation, self.round),
            }
        } else {
            Kind::Publisher(Publisher::relay(
                &endpoint,
                &options,
                new_incarnation(channel.incarnation, self.round),
                first.max(1),
            )?)
        };
        Ok(Outlet { endpoint, of: channel.incarnation, sent: 0, kind })
    }

    /// Waits up to `patience` per topic for a subscriber; returns the first topic without one.
    ///
    /// # Errors
    /// Errors of the publisher except a time-out.
    pub fn lacking(&self, topics: &[String], patience: Duration) -> Result<Option<&str>> {
        for topic in topics {
            let Some(Outlet { endpoint, kind: Kind::Publisher(publisher), .. }) = self.open.get(topic) else {
                continue;
            };
            match publisher.wait_for_subscribers(1, patience) {
                Err(error) if error.kind() == ErrorKind::Timeout => return Ok(Some(endpoint)),
                waited => waited?,
            }
        }
        Ok(None)
    }

    /// Sends a message, and over a channel waits for its consumption.
    ///
    /// `has_more` tells whether its name has further messages. If not, the replay does not wait for a program that has
    /// ended.
    ///
    /// # Errors
    /// Errors of sending; `Timeout` with the program that was late or has ended.
    pub fn send(&mut self, message: &Message<'_>, has_more: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = self.deadline;
        let encoding = message.channel.encoding().ok_or_else(|| {
            let text =
                format!("{}: the encoding {} is not known", message.channel.topic, message.channel.encoding);
            Error::new(ErrorKind::Unsupported, text)
        })?;
        let body = Bytes::from(copy_bytes(message.body).map_err(|error| error.on(&message.channel.topic))?);
        let sent = Timestamp(i64::try_from(message.sent).unwrap_or(i64::MAX));
        let outlet = self.open(message)?;
        outlet.sent = outlet.sent.saturating_add(1);
        let number = if is_numbered(message) { message.number } else { outlet.sent };
        let unconsumed = |error: Error, endpoint: &str, has_ended: bool| {
            let within = in_seconds(deadline);
            // Lack of memory or descriptors in this process is not the program's fault.
            if !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Disconnected) {
                return error;
            }
            let text = if has_ended {
                format!(
                    "the program at {endpoint} ended before its last message: message {number} was not consumed, and no program took its place \
                     within --deadline ({within}): {error}; see why it ended, or start it again in that time"
                )
            } else {
                format!(
                    "the program at {endpoint} was late: message {number} was not consumed: {error}; within --deadline ({within}) a program \
                     connects there, and asks for its next message or ends"
                )
            };
            Error::new(error.kind(), text)
        };
        match &mut outlet.kind {
            Kind::Publisher(publisher) => {
                publisher.relay_payload(number, sent, &Payload::from_bytes(encoding, body)).map(drop)
            }
            Kind::Channel { listener, channel, incarnation } => {
                let origin = RecordedOrigin {
                    name: Arc::from(&*message.channel.topic),
                    source: source(&message.channel.source).unwrap_or_default().into(),
                    incarnation: *incarnation,
                    sequence: number,
                    sent,
                    encoding,
                    schema: None,
                };
                let end = Deadline::after(deadline);
                let left = || end.remaining().unwrap_or_default();
                let (mut is_kept, mut is_over, mut has_ended) = (false, false, false);
                loop {
                    let patience = if is_over { left().min(SUCCESSOR) } else { left() };
                    let to = match channel.take() {
                        Some(channel) => channel,
                        None => match listener.accept(patience) {
                            Err(error) if is_over && error.kind() == ErrorKind::Timeout => {
                                let text = format!(
                                    "the program at {} ended after its last message, {}, without a close: it counts as consumed",
                                    outlet.endpoint, number
                                );
                                stderr::print_line(&text);
                                return Ok(());
                            }
                            accepted => {
                                accepted.map_err(|error| unconsumed(error, &outlet.endpoint, has_ended))?
                            }
                        },
                    };
                    // A restarted program with a `client_id` receives the kept message automatically.
                    let sent = if is_kept && to.unacknowledged() > 0 {
                        Ok(())
                    } else {
                        to.send_recorded(body.clone(), &origin, left()).map(drop)
                    };
                    is_kept = sent.is_ok();
                    match sent.and_then(|()| to.flush(left())) {
                        // The program has ended, so its successor gets the message.
                        Err(error) if error.kind() == ErrorKind::Disconnected && !end.has_passed() => {
                            is_over = is_over || is_kept && !has_more()?;
                            has_ended = true;
                        }
                        consumed => {
                            *channel = Some(to);
                            return consumed.map_err(|error| unconsumed(error, &outlet.endpoint, false));
                        }
                    }
                }
            }
        }
    }

    /// Closes all outlets.
    ///
    /// # Errors
    /// The first error.
    pub fn close(&mut self) -> Result<()> {
        self.open.drain().map(|(_, outlet)| outlet.close(self.deadline)).fold(Ok(()), Result::and)
    }
}

/// Returns whether the numbers come from a publisher. Other writers number differently or not at all.
fn is_numbered(message: &Message<'_>) -> bool {
    message.channel.incarnation != 0
}

/// Returns a new incarnation, which subscribers treat as a restarted program.
fn new_incarnation(of: u64, round: u64) -> u64 {
    let now = u64::try_from(Timestamp::now().0).unwrap_or(0);
    let mixed = (of ^ now.rotate_left(20) ^ u64::from(std::process::id()) ^ round << 48)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.max(1)
}

/// Returns the `client_id` of the replayed source, if the recording names one.
fn source(recorded: &str) -> Option<String> {
    // A source is any text, but a `client_id` has only these characters.
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let is_known = !recorded.is_empty();
    is_known.then(|| format!("replay-of-{recorded}").chars().map(allowed).take(64).collect())
}

/// Returns the new beginning of a topic, without its transport, and the rest of the topic.
fn renamed<'a>(topic: &'a str, rename: &'a [(String, String)]) -> Option<(&'a str, &'a str)> {
    let (old, new) = rename.iter().find(|(old, _)| topic.starts_with(old))?;
    Some((new.strip_prefix("tcp:").unwrap_or(new), topic.strip_prefix(old.as_str())?))
}

/// Returns the transport and the name that a topic is published under.
///
/// The author of the recording chose the topic. It must be a name in the runtime directory, and not the name of a
/// Linkspan program. `--rename` permits other names.
///
/// # Errors
/// `InvalidEndpoint`, with advice.
fn place<'a>(topic: &str, endpoint: &'a str, rename: &[(String, String)]) -> Result<(&'a str, String)> {
    let is_place = |name: &str| name.starts_with('/') || name.contains([':', '\0']);
    let climbs = |name: &str| name.split('/').any(|segment| matches!(segment, "." | ".."));
    let is_plain = |rest: &str| rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let renamed = renamed(topic, rename);
    let (name, is_address, is_given) = match renamed {
        // The option names the place. The topic may add only whole path segments: its author must not complete the name
        // of a folder or a port.
        Some((new, rest)) => {
            let is_address = new.starts_with("//");
            let is_whole = rest.is_empty() || !is_address && (new.ends_with('/') || rest.starts_with('/'));
            let is_given = is_place(new) && is_whole && is_plain(rest) && !climbs(rest);
            (format!("{new}{rest}"), is_address, is_given)
        }
        None => (topic.to_owned(), false, false),
    };
    if !is_given && (is_place(&name) || climbs(&name)) {
        let text = format!(
            "the recording has messages of {topic}, and what they would be published at, {name}, is no name in the runtime directory but a place that \
             the recording's author chose; give another one with --rename OLD=NEW, or choose names"
        );
        return Err(Error::new(ErrorKind::InvalidEndpoint, text));
    }
    let is_named = renamed.is_some_and(|(_, rest)| rest.is_empty());
    if registry::is_own_name(&name) && !is_named {
        let text = format!(
            "the recording has messages of {topic}, and what they would be published at, {name}, is the name of a program of Linkspan, which \
             others would take the replay for; give another one with --rename OLD=NEW, or choose names"
        );
        return Err(Error::new(ErrorKind::InvalidEndpoint, text));
    }
    // Files and journals assign their own numbers.
    let transport = match endpoint.split_once(':') {
        _ if is_address => "tcp",
        Some(("unix", _)) => "unix",
        _ => "shm",
    };
    Ok((transport, name))
}

impl Outlet {
    fn close(self, deadline: Duration) -> Result<()> {
        match self.kind {
            Kind::Publisher(publisher) => publisher.close(deadline),
            Kind::Channel { channel, .. } => channel.map_or(Ok(()), |channel| channel.close(deadline)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str, renames: &[(&str, &str)]) -> Result<String> {
        let topic = linkspan_recording::writer::topic(endpoint);
        let renames: Vec<_> =
            renames.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        place(topic, endpoint, &renames).map(|(transport, name)| format!("{transport}:{name}"))
    }

    #[test]
    fn messages_stay_in_the_runtime_directory_unless_they_are_renamed() {
        for (endpoint, renames, expected) in [
            ("shm:lab/a", &[][..], "shm:lab/a"),
            ("unix:lab/a", &[], "unix:lab/a"),
            ("journal:lab/a", &[], "shm:lab/a"),
            ("shm:lab/a", &[("lab/", "copy/")], "shm:copy/a"),
            ("unix:/srv/a", &[("/srv/", "srv/")], "unix:srv/a"),
            ("unix:/srv/a", &[("/srv/", "/run/mine/")], "unix:/run/mine/a"),
            ("unix:/srv/a", &[("/srv", "/run/mine")], "unix:/run/mine/a"),
            ("unix:/srv/a", &[("/srv/a", "/run/mine/b")], "unix:/run/mine/b"),
            ("tcp://10.0.0.1:80", &[("//10.0.0.1:80", "//127.0.0.1:8000")], "tcp://127.0.0.1:8000"),
            ("unix:lab/a", &[("lab/a", "tcp://127.0.0.1:8000")], "tcp://127.0.0.1:8000"),
            ("tcp://10.0.0.1:80", &[("//10.0.0.1:80", "lab/copy")], "shm:lab/copy"),
        ] {
            assert_eq!(at(endpoint, renames).unwrap(), expected);
        }
        for (endpoint, renames) in [
            ("unix:/etc/x", &[][..]),
            ("shm:/etc/x", &[]),
            ("tcp:0.0.0.0:80", &[]),
            ("shm:../x", &[]),
            ("shm:lab/../../x", &[]),
            ("shm:lab/../../x", &[("lab/", "copy/")]),
            ("shm:lab/../../x", &[("lab/", "/run/mine/")]),
            ("unix:lab/etc/x", &[("lab", "")]),
            ("tcp://0.0.0.0:80", &[("//0.0.0", "//127.0.0")]),
            ("tcp:lab0", &[("lab", "//127.0.0.1:977")]),
            ("unix:lab-evil", &[("lab", "/run/mine")]),
            ("unix:lab/a\nb", &[("lab/", "/run/mine/")]),
            ("unix:lab/\u{1b}[2J", &[("lab/", "/run/mine/")]),
        ] {
            let error = at(endpoint, renames).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{endpoint}: {error}");
        }
    }

    #[test]
    fn options_take_the_name_that_is_published_and_the_recorded_one_where_nothing_else_has_it() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
        };
        let recorded: BTreeSet<String> = ["lab/a", "lab/b", "other"].map(str::to_owned).into();
        for (rename, name, expected) in [
            (&[][..], "lab/a", &["lab/a"][..]),
            (&[("lab/", "copy/")], "lab/a", &["lab/a"]),
            (&[("lab/", "copy/")], "copy/a", &["lab/a"]),
            (&[("lab/", "copy/")], "other", &["other"]),
            (&[("lab/", "copy/")], "copy/c", &[]),
            (&[("lab/a", "lab/b"), ("lab/b", "lab/c")], "lab/b", &["lab/a"]),
            (&[("lab/a", "tcp://127.0.0.1:8000")], "tcp://127.0.0.1:8000", &["lab/a"]),
            (&[("lab/", "copy/")], "copy/*", &["lab/a", "lab/b"]),
            (&[("lab/", "copy/")], "*", &["lab/a", "lab/b", "other"]),
            (&[("lab/", "copy/")], "lab/?", &["lab/a", "lab/b"]),
        ] {
            let rename = pairs(rename);
            let names = Names { rename: &rename, lockstep: &[], recorded: &recorded };
            let meant: Vec<_> = recorded.iter().filter(|topic| names.means(name, topic)).collect();
            assert_eq!(meant, expected, "{name} of {rename:?}");
        }
    }

    #[test]
    fn publishers_that_take_the_place_of_each_other_are_bounded_unless_time_is_between_them() {
        let recorded = BTreeSet::new();
        let names = Names { rename: &[], lockstep: &[], recorded: &recorded };
        let mut outlets = Outlets::new(names, Duration::ZERO);
        for _ in 0..2 {
            (0..=HURRIED).try_for_each(|_| outlets.count_begun("lab/a")).unwrap();
            let error = outlets.count_begun("lab/a").unwrap_err();
            assert!(error.kind() == ErrorKind::TooLarge && error.text().contains("lab/a"), "{error}");
            // Publishers that begin at a normal pace are unlimited.
            outlets.begun = Instant::now().checked_sub(CLOSE);
            outlets.count_begun("lab/a").unwrap();
            outlets.begin_again().unwrap();
            outlets.begun = None;
        }
    }

    #[test]
    fn names_of_programs_of_linkspan_are_taken_only_where_the_option_names_them() {
        for (endpoint, renames) in [
            ("unix:controller", &[][..]),
            ("shm:controller", &[]),
            ("shm:bridge/status", &[]),
            ("unix:gateway/status", &[]),
            ("unix:lab/controller", &[("lab/", "")]),
            ("shm:lab/status", &[("lab/", "bridge/")]),
        ] {
            let error = at(endpoint, renames).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{endpoint}: {error}");
            assert!(error.text().contains("--rename"), "{error}");
        }
        for (endpoint, renames, expected) in [
            ("unix:controller", &[("controller", "copy/controller")][..], "unix:copy/controller"),
            ("shm:bridge/status", &[("bridge/", "copy/")], "shm:copy/status"),
            ("shm:lab/controller", &[], "shm:lab/controller"),
            ("unix:lab/a", &[("lab/a", "controller")], "unix:controller"),
        ] {
            assert_eq!(at(endpoint, renames).unwrap(), expected);
        }
    }
}
