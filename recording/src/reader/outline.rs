//! The names and times of a recording, from the summaries of the parts that were closed.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use linkspan::Result;
use mcap::records::Record;

use super::{Entry, Limits, Reader};
use crate::chunk;
use crate::format::{self, channel};

/// The names of a recording, and when its first and its last message or event was received, in nanoseconds since 1970:
/// without a look at the messages of parts that were closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its names, without events.
    pub names: BTreeSet<String>,
    /// The times; `None` where there is nothing.
    pub time: Option<(u64, u64)>,
}

impl Outline {
    /// Reads it.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn read(path: &Path) -> Result<Outline> {
        Outline::with_limits(path, Limits::default())
    }

    /// The same with other limits.
    ///
    /// # Errors
    /// As for [`Reader::open`].
    pub fn with_limits(path: &Path, limits: Limits) -> Result<Outline> {
        let mut reader = Reader::with_limits(path, limits)?;
        let mut outline = Outline::default();
        while let Some(part) = &mut reader.part {
            let has_summary = part.summary()?.is_some_and(|summary| outline.add_summary(summary));
            if !has_summary {
                let (base, part, identity) =
                    (reader.base.clone(), part.path.clone(), reader.identity.clone());
                let mut whole = Reader::begin(vec![part], reader.limits, base, identity)?;
                while let Some(entry) = whole.read()? {
                    outline.add(entry);
                }
            }
            reader.open_next()?;
        }
        Ok(outline)
    }

    fn add(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Message(message) if !message.channel.repeated => {
                if !self.names.contains(&message.channel.topic) {
                    self.names.insert(message.channel.topic.clone());
                }
                self.include(message.received, message.received);
            }
            Entry::Event(event) => self.include(event.time, event.time),
            _ => {}
        }
    }

    fn include(&mut self, first: u64, last: u64) {
        let known = self.time.unwrap_or((first, last));
        self.time = Some((known.0.min(first), known.1.max(last)));
    }

    /// Adds what a summary says; returns whether it says all.
    fn add_summary(&mut self, mut summary: Bytes) -> bool {
        let (mut channels, mut statistics) = (Vec::new(), None);
        while let Ok(Some((code, data))) = chunk::next_record(&mut summary) {
            match chunk::parse(code, &data) {
                Ok(Some(Record::Channel(found))) => channels.push(found),
                Ok(Some(Record::Statistics(found))) => statistics = Some(found),
                _ => {}
            }
        }
        let Some(statistics) = statistics else { return false };
        for found in channels {
            let count = statistics.channel_message_counts.get(&found.id).copied().unwrap_or(0);
            let is_repeated = found.metadata.get(channel::REPEATED).is_some_and(|text| text == "true");
            if count > 0 && !is_repeated && found.topic != format::EVENTS {
                self.names.insert(found.topic);
            }
        }
        if statistics.message_count > 0 {
            self.include(statistics.message_start_time, statistics.message_end_time);
        }
        true
    }
}
