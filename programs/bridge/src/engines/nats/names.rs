//! The list of names that a bridge announces. Other bridges read it page by page.
//!
//! Each page contains the list's version. A reader that sees two versions restarts, so it never mixes them.

use std::collections::HashSet;
use std::time::Duration;

use async_nats::Client;
use async_nats::client::Request;
use bytes::Bytes;
use linkspan::{Encoding, Value, codec};

use super::subjects::Subjects;
use crate::engine::{Bridge, Pattern, Presence};

/// The most names in one answer, well within a server's message size.
const PAGE: usize = 1_000;
const NAMES: usize = 100_000;
/// Attempts to read a list that changes during the reading.
const ATTEMPTS: usize = 5;

/// A list's version: the number of the bridge's connection to the server, and the count of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    pub connection: u64,
    pub revision: u64,
}

impl Version {
    pub fn fields(self) -> [(&'static str, Value); 2] {
        [("connection", self.connection.into()), ("revision", self.revision.into())]
    }

    /// Returns whether it is later; both numbers only grow.
    pub fn is_after(&self, other: &Version) -> bool {
        self.connection > other.connection || self.revision > other.revision
    }

    pub fn read(map: &Value) -> Option<Version> {
        let number = |key: &str| map.at(key).and_then(Value::as_u64).ok();
        Some(Version { connection: number("connection")?, revision: number("revision")? })
    }
}

#[derive(Default)]
pub struct List {
    pub version: Version,
    names: Vec<Presence>,
}

impl List {
    pub fn add(&mut self, presence: Presence) {
        self.names.push(presence);
        self.version.revision = self.version.revision.saturating_add(1);
    }

    /// Removes a name. The version changes only if the name was there.
    pub fn remove(&mut self, presence: &Presence) {
        if let Some(at) = self.names.iter().position(|it| it == presence) {
            self.names.remove(at);
            self.version.revision = self.version.revision.saturating_add(1);
        }
    }

    /// Encodes the requested page; an undecodable request gets the first page.
    pub fn answer(&self, question: &[u8]) -> Vec<u8> {
        let request = codec::decode(question, Encoding::Cbor).ok();
        let from = request.and_then(|map| map.at("from").and_then(Value::as_u64).ok()).unwrap_or(0);
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

pub fn question(from: usize) -> Bytes {
    let map = Value::map([("from", Value::from(from as u64))]);
    codec::encode(&map, Encoding::Cbor).unwrap_or_default().into()
}

/// Reads all names of a bridge.
///
/// Returns `None` without a valid answer in time, or if the list changes during every attempt.
pub async fn fetch(
    client: &Client,
    subjects: &Subjects,
    bridge: &Bridge,
    patience: Duration,
) -> Option<(Version, HashSet<Presence>)> {
    for _ in 0..ATTEMPTS {
        let (mut names, mut read, mut first) = (HashSet::new(), 0, None);
        loop {
            let request = Request::new().payload(question(read)).timeout(Some(patience));
            let answer = client.send_request(subjects.names(bridge.id), request).await.ok()?;
            let page = Page::read(&answer.payload, bridge)?;
            if *first.get_or_insert(page.version) != page.version {
                break;
            }
            read = read.saturating_add(page.read);
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
    /// The number of entries in the page, including unknown ones.
    read: usize,
    names: Vec<Presence>,
}

impl Page {
    /// Decodes a page. The names' machine is the bridge's, whatever the page contains.
    fn read(bytes: &[u8], bridge: &Bridge) -> Option<Page> {
        let map = codec::decode(bytes, Encoding::Cbor).ok()?;
        let entries = map.at("names").ok()?.as_array().ok()?;
        let presence = |entry: &Value| {
            let [pattern, incarnation, name] = entry.as_array().ok()? else { return None };
            Some(Presence {
                // A name with a pattern of a later version is left out.
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
