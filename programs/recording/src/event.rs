//! Events of names and of the recorder. Each is a message on the topic `linkspan/events`.

use linkspan::{Encoding, Error, ErrorKind, Limits, Map, Payload, Result, Value};

use crate::format::{self, brief};

/// The schema of events, as JSON Schema. An event omits fields without a value.
pub const SCHEMA: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"linkspan.Event","type":"object","required":["time","kind"],"properties":{"time":{"type":"integer"},"kind":{"type":"string"},"name":{"type":"string"},"incarnation":{"type":"string"},"source":{"type":"string"},"count":{"type":"integer"},"first":{"type":"integer"},"by":{"type":"integer"},"free":{"type":"integer"},"size":{"type":"integer"},"text":{"type":"string"}}}"#;

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The recorder started.
    Started,
    /// The recorder was paused.
    Paused,
    /// The recorder was resumed.
    Resumed,
    /// The recorder stopped.
    Stopped,
    /// A publisher connected.
    Connected,
    /// A publisher ended or was killed.
    Disconnected,
    /// Messages were not received.
    Missed,
    /// Received but not recorded on request: during a pause, or outside of every interval.
    Skipped,
    /// A name that matches cannot be received from, or its messages violate the rules.
    Refused,
    /// A name existed without a connection: messages may be neither received nor counted.
    Unconnected,
    /// A publisher ended without stating its last message.
    ///
    /// The last messages may be neither received nor counted.
    Unaccounted,
    /// The schema of a name changed.
    Schema,
    /// The clock of the machine was set.
    Clock,
    /// Less than a tenth of the disk is free.
    Disk,
    /// The disk is full.
    Full,
    /// A message begins or extends an interval of `--on`.
    Trigger,
}

/// Each kind with its name in the file.
const KINDS: [(Kind, &str); 16] = [
    (Kind::Started, "started"),
    (Kind::Paused, "paused"),
    (Kind::Resumed, "resumed"),
    (Kind::Stopped, "stopped"),
    (Kind::Connected, "connected"),
    (Kind::Disconnected, "disconnected"),
    (Kind::Missed, "missed"),
    (Kind::Skipped, "skipped"),
    (Kind::Refused, "refused"),
    (Kind::Unconnected, "unconnected"),
    (Kind::Unaccounted, "unaccounted"),
    (Kind::Schema, "schema"),
    (Kind::Clock, "clock"),
    (Kind::Disk, "disk"),
    (Kind::Full, "full"),
    (Kind::Trigger, "trigger"),
];

impl Kind {
    /// Returns the name in the file.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Returns the kind of this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// An event. Fields that its kind lacks are `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// The kind.
    pub kind: Kind,
    /// The name that it concerns, without its transport.
    pub name: String,
    /// The incarnation of the publisher, if it concerns one.
    pub incarnation: Option<u64>,
    /// The publisher.
    pub source: String,
    /// The number of missed messages.
    pub count: Option<u64>,
    /// The number of the first missed message.
    pub first: Option<u64>,
    /// The step of the clock in nanoseconds; negative if it was set back.
    pub by: Option<i64>,
    /// Free bytes of the disk.
    pub free: Option<u64>,
    /// Total bytes of the disk.
    pub size: Option<u64>,
    /// A text for people.
    pub text: String,
}

impl Event {
    /// Makes an event with only a time and a kind.
    pub fn new(time: u64, kind: Kind) -> Event {
        Event {
            time,
            kind,
            name: String::new(),
            incarnation: None,
            source: String::new(),
            count: None,
            first: None,
            by: None,
            free: None,
            size: None,
            text: String::new(),
        }
    }

    /// Adds a name.
    #[must_use]
    pub fn of(mut self, name: &str, incarnation: Option<u64>) -> Event {
        name.clone_into(&mut self.name);
        self.incarnation = incarnation;
        self
    }

    /// Adds a text for people.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Event {
        self.text = text.into();
        self
    }

    /// Returns the event as JSON for the file.
    ///
    /// # Errors
    /// Every event can be encoded.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut map = Map::new();
        map.insert("time".into(), self.time.into());
        map.insert("kind".into(), self.kind.name().into());
        let texts = [("name", &self.name), ("source", &self.source), ("text", &self.text)];
        texts.iter().filter(|(_, text)| !text.is_empty()).for_each(|(key, text)| {
            map.insert((*key).into(), text.as_str().into());
        });
        if let Some(incarnation) = self.incarnation {
            map.insert("incarnation".into(), format!("{incarnation:016x}").into());
        }
        let numbers =
            [("count", self.count), ("first", self.first), ("free", self.free), ("size", self.size)];
        numbers.iter().for_each(|(key, number)| {
            if let Some(number) = number {
                map.insert((*key).into(), (*number).into());
            }
        });
        if let Some(by) = self.by {
            map.insert("by".into(), by.into());
        }
        Ok(Payload::new(&Value::Map(map), Encoding::Json, &Limits::default())?.body().to_vec())
    }

    /// Reads an event of a file.
    ///
    /// # Errors
    /// `Malformed` for other content, and for a later version's kinds.
    pub fn from_json(bytes: &[u8]) -> Result<Event> {
        let value = linkspan::codec::decode(bytes, Encoding::Json)?;
        let malformed = |what: &str| Error::new(ErrorKind::Malformed, format!("an event has no {what}"));
        let Value::Map(map) = &value else { return Err(malformed("keys: it is no map")) };
        // An invalid number must not count as absent: the event would concern another publisher.
        let wrong =
            |key: &str| Error::new(ErrorKind::Malformed, format!("the {key} of an event is no number"));
        let number = |key: &str| match map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int(i)) => u64::try_from(*i).map(Some).map_err(|_| wrong(key)),
            Some(Value::Uint(u)) => Ok(Some(*u)),
            Some(_) => Err(wrong(key)),
        };
        let incarnation = match map.get("incarnation") {
            None | Some(Value::Null) => None,
            Some(Value::Text(text)) => Some(format::number(text, 16).ok_or_else(|| wrong("incarnation"))?),
            Some(_) => return Err(wrong("incarnation")),
        };
        let text = |key: &str| match map.get(key) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let kind = text("kind");
        let time = number("time")?.ok_or_else(|| malformed("time"))?;
        let kind =
            Kind::from_name(&kind).ok_or_else(|| malformed(&format!("kind that is known: {kind:?}")))?;
        let event = Event {
            time,
            kind,
            name: text("name"),
            incarnation,
            source: text("source"),
            count: number("count")?,
            first: number("first")?,
            by: match map.get("by") {
                None | Some(Value::Null) => None,
                Some(Value::Int(by)) => Some(*by),
                Some(_) => return Err(wrong("by")),
            },
            free: number("free")?,
            size: number("size")?,
            text: text("text"),
        };
        event.check_loss()?;
        Ok(event)
    }

    /// A loss needs a name and possible numbers.
    fn check_loss(&self) -> Result<()> {
        if !matches!(self.kind, Kind::Missed | Kind::Skipped) {
            return Ok(());
        }
        let (what, count, first) = (self.kind.name(), self.count.unwrap_or(0), self.first.unwrap_or(0));
        let malformed = |text: String| Err(Error::new(ErrorKind::Malformed, text));
        if self.name.is_empty() || count == 0 {
            return malformed(format!(
                "range: an event of {what} messages does not say of which name, or how many"
            ));
        }
        // The highest number may be missing.
        if u128::from(first).saturating_add(count.into()) > u128::from(u64::MAX).saturating_add(1) {
            let (name, incarnation) = (brief(&self.name), self.incarnation.unwrap_or(0));
            return malformed(format!(
                "range: {name} (incarnation {incarnation:016x}) has {count} {what} messages from {first} on, and there are not so many numbers"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_from_the_file_and_the_schema_is_json() {
        let plain = Event::new(1, Kind::Started).with_text("by hand");
        let full = Event {
            incarnation: Some(0xfedc_ba98_7654_3210),
            count: Some(u64::MAX - 16),
            first: Some(17),
            by: Some(-5),
            free: Some(0),
            size: Some(9),
            source: "a-1".into(),
            ..Event::new(2, Kind::Missed).of("lab/a", None)
        };
        for event in [plain, full] {
            assert_eq!(Event::from_json(&event.to_json().unwrap()).unwrap(), event);
        }
        for (kind, name) in KINDS {
            assert_eq!((kind.name(), Kind::from_name(name)), (name, Some(kind)));
        }
        linkspan::codec::decode(SCHEMA.as_bytes(), Encoding::Json).unwrap();
        let numbers = ["count", "first", "free", "size"].map(|key| format!(r#""{key}":-1"#));
        let others =
            [r#""count":1.5"#, r#""incarnation":"g""#, r#""incarnation":"+1""#, r#""incarnation":7"#]
                .map(str::to_owned);
        let fields = numbers.into_iter().chain(others).chain([r#""by":"1""#.to_owned()]);
        let wrong: Vec<String> =
            fields.map(|field| format!(r#"{{"time":1,"kind":"missed","name":"a",{field}}}"#)).collect();
        let no_range = [
            r#""name":"a""#,
            r#""count":3"#,
            r#""name":"a","count":0"#,
            r#""name":"a","count":18446744073709551600,"first":17"#,
        ]
        .map(|of| format!(r#"{{"time":1,"kind":"skipped",{of}}}"#));
        let wrong = Vec::from_iter(wrong.into_iter().chain(no_range));
        let none = ["1", "{}", r#"{"time":1,"kind":"x"}"#, r#"{"time":-1,"kind":"missed"}"#];
        for wrong in none.into_iter().chain(wrong.iter().map(String::as_str)) {
            assert_eq!(
                Event::from_json(wrong.as_bytes()).unwrap_err().kind(),
                ErrorKind::Malformed,
                "{wrong}"
            );
        }
    }
}
