//! The list of names that a bridge has for others, and how another one asks for it, a page at a time.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::Client;
use async_nats::client::Request;
use bytes::Bytes;
use linkspan::{Encoding, Value, codec};

use super::subjects::Subjects;
use crate::engine::{Bridge, Pattern, Presence};

/// Names in one answer, at most: well within what a server lets through.
const PAGE: usize = 1_000;
/// Names of one bridge, at most.
const NAMES: usize = 100_000;
/// A list that changes while it is read is read anew so often.
const ATTEMPTS: usize = 5;

/// Which list it is: the number of its bridge's connection to the server, and of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub connection: u64,
    pub revision: u64,
}

impl Version {
    /// What stands for it in a map.
    pub fn fields(self) -> [(&'static str, Value); 2] {
        [("connection", self.connection.into()), ("revision", self.revision.into())]
    }

    /// Whether it is a later one; both numbers grow.
    pub fn is_after(&self, other: &Version) -> bool {
        self.connection > other.connection || self.revision > other.revision
    }

    /// The one that a map says.
    pub fn read(map: &Value) -> Option<Version> {
        let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
        Some(Version { connection: number("connection")?, revision: number("revision")? })
    }
}

/// The names of this bridge.
#[derive(Default)]
pub struct List {
    pub version: Version,
    names: Vec<Presence>,
}

impl List {
    /// There is one more.
    pub fn add(&mut self, presence: Presence) {
        self.names.push(presence);
        self.version.revision += 1;
    }

    /// There is one less.
    pub fn remove(&mut self, presence: &Presence) {
        if let Some(at) = self.names.iter().position(|it| it == presence) {
            self.names.remove(at);
            self.version.revision += 1;
        }
    }

    /// The answer to a question.
    pub fn answer(&self, question: &[u8]) -> Vec<u8> {
        let asked = codec::decode(question, Encoding::Cbor).ok();
        let from = asked.and_then(|map| map.at("from").and_then(Value::as_u64).ok()).unwrap_or(0);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let entry = |it: &Presence| {
            Value::from(vec![
                Value::from(it.pattern.word()),
                it.incarnation.into(),
                Value::from(it.name.as_str()),
            ])
        };
        let page: Vec<Value> = self.names.iter().skip(from).take(PAGE).map(entry).collect();
        let more = [("count", Value::from(self.names.len() as u64)), ("names", Value::from(page))];
        let map = Value::map(self.version.fields().into_iter().chain(more));
        codec::encode(&map, Encoding::Cbor).unwrap_or_default()
    }
}

/// The question for the names from this one on.
pub fn question(from: usize) -> Bytes {
    let map = Value::map([("from", Value::from(from as u64))]);
    codec::encode(&map, Encoding::Cbor).unwrap_or_default().into()
}

/// Asks a bridge for all its names; none where it does not answer, or with what is no list.
pub async fn fetch(
    client: &Client,
    subjects: &Subjects,
    bridge: &Bridge,
    patience: Duration,
) -> Option<(Version, HashSet<Presence>)> {
    for _ in 0..ATTEMPTS {
        let (mut names, mut read, mut first) = (HashSet::new(), 0, None);
        loop {
            let asked = Request::new().payload(question(read)).timeout(Some(patience));
            let answer = client.send_request(subjects.names(bridge.id), asked).await.ok()?;
            let page = Page::read(&answer.payload, bridge)?;
            if *first.get_or_insert(page.version) != page.version {
                break;
            }
            read += page.read;
            names.extend(page.names);
            if read >= page.count || page.read == 0 || read > NAMES {
                return Some((page.version, names));
            }
        }
    }
    None
}

struct Page {
    version: Version,
    count: usize,
    read: usize,
    names: Vec<Presence>,
}

impl Page {
    fn read(bytes: &[u8], bridge: &Bridge) -> Option<Page> {
        let map = codec::decode(bytes, Encoding::Cbor).ok()?;
        let entries = map.at("names").ok()?.as_array().ok()?;
        let presence = |entry: &Value| {
            let [pattern, incarnation, name] = entry.as_array().ok()? else { return None };
            Some(Presence {
                // A pattern that is new to this program is nothing that it could carry.
                pattern: Pattern::of(pattern.as_text().ok()?)?,
                incarnation: incarnation.as_u64().ok().filter(|incarnation| *incarnation != 0)?,
                name: name.as_text().ok()?.to_owned(),
                machine: bridge.machine.clone(),
            })
        };
        Some(Page {
            version: Version::read(&map)?,
            count: usize::try_from(map.at("count").and_then(Value::as_u64).ok()?).ok()?,
            read: entries.len(),
            names: entries.iter().filter_map(presence).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_pages_as_they_are_written() {
        let bridge = Bridge { id: 7, machine: "north".into() };
        let presence = |at: usize| Presence {
            name: format!("lab/{at}"),
            pattern: if at.is_multiple_of(2) { Pattern::Publish } else { Pattern::Channel },
            machine: "north".into(),
            incarnation: u64::MAX - at as u64,
        };
        let mut list = List::default();
        (0..PAGE + 3).for_each(|at| list.add(presence(at)));
        list.remove(&presence(1));
        list.remove(&presence(1));
        assert_eq!(list.version.revision, PAGE as u64 + 4);
        let first = Page::read(&list.answer(&question(0)), &bridge).unwrap();
        let second = Page::read(&list.answer(&question(PAGE)), &bridge).unwrap();
        assert_eq!((first.version, first.count, first.read), (list.version, PAGE + 2, PAGE));
        assert_eq!((second.read, &second.names[..]), (2, &[presence(PAGE + 1), presence(PAGE + 2)][..]));
        assert!(!first.names.contains(&presence(1)) && first.names.contains(&presence(2)));
        assert_eq!(Page::read(&list.answer(&question(usize::MAX)), &bridge).unwrap().read, 0);
        assert!(Page::read(b"\xa0", &bridge).is_none());
    }
}
