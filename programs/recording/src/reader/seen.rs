//! What was seen of a file from its beginning on, for a look at whether its end says the same: one record whose
//! operation code is damaged is a record that any reader passes over.
//!
//! | what tells of it | where |
//! |---|---|
//! | no version of the format has the code | [`is_unknown`] |
//! | the index of a chunk stands behind it, or is not where it should be | [`Seen::add_index`], [`Indexes`] |
//! | the summary of a file that was closed names it | [`Named`] |

use std::hash::Hash;

use mcap::records::{self, op};

use super::entry::keyed;
use crate::chunk::{self, block};
use crate::format;

/// Places that are kept.
const MOST: usize = 1_000;

/// Returns whether no record of the format has this operation code: it is neither known nor one of those that programs
/// may use as they like, from 0x80 on.
pub fn is_unknown(code: u8) -> bool {
    !matches!(code, op::HEADER..=op::DATA_END | 0x80..)
}

/// Returns whether a record with this code may stand behind the end of the data.
pub fn is_of_summary(code: u8) -> bool {
    matches!(
        code,
        op::SCHEMA
            | op::CHANNEL
            | op::CHUNK_INDEX
            | op::ATTACHMENT_INDEX
            | op::METADATA_INDEX
            | op::STATISTICS
            | op::SUMMARY_OFFSET
            | op::FOOTER
    )
}

/// Records of a kind: how many, and a number that depends on each of them. It takes no memory for a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    sum: u64,
}

impl Tally {
    pub fn add(&mut self, record: impl Hash) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.wrapping_add(keyed(record));
    }
}

/// Bytes of a name that are compared.
const NAME: usize = 256;
/// Bytes of a record, without its head, by which it is known.
pub const KNOWN: usize = 16 + 4 + NAME;

/// A record that a summary may name: its place, its length with its head, and by what else it is known, which its index
/// has, too: times, a name; of the index of a chunk its channel alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub code: u8,
    pub place: u64,
    pub length: u64,
    known: Vec<u8>,
}

impl Record {
    /// That of the file which begins with these bytes, at this place; `None` for one that no summary names.
    pub fn of(code: u8, place: u64, length: u64, data: &[u8]) -> Option<Record> {
        let times = data.get(..16).unwrap_or_default();
        let (times, texts) = match code {
            op::CHUNK => (times, &[][..]),
            op::ATTACHMENT => (times, data.get(16..).unwrap_or_default()),
            op::METADATA => (&[][..], data),
            op::MESSAGE_INDEX => {
                let known = data.get(..2).unwrap_or_default().to_vec();
                return Some(Record { code, place, length: 0, known });
            }
            _ => return None,
        };
        Some(Record { code, place, length, known: [times, beginning(texts)].concat() })
    }

    /// Those that a record of a summary names; `None` where it is not whole.
    pub fn named(code: u8, data: &[u8]) -> Option<Vec<Record>> {
        let number = |at: usize| {
            let (number, _) = data.get(at..)?.split_first_chunk::<8>()?;
            Some(u64::from_le_bytes(*number))
        };
        let record = |code, at: usize, known: &[&[u8]]| {
            let (place, length) = (number(at)?, number(at.checked_add(8)?)?);
            Some(Record { code, place, length, known: known.concat() })
        };
        match code {
            op::CHUNK_INDEX => {
                let chunk = record(op::CHUNK, 16, &[data.get(..16)?])?;
                let mut rest = data.get(32..)?;
                let (indexes, _) = block(&mut rest)?.as_chunks::<10>();
                let of = |[c0, c1, place @ ..]: &[u8; 10]| Record {
                    code: op::MESSAGE_INDEX,
                    place: u64::from_le_bytes(*place),
                    length: 0,
                    known: vec![*c0, *c1],
                };
                Some(std::iter::once(chunk).chain(indexes.iter().map(of)).collect())
            }
            op::ATTACHMENT_INDEX => {
                let name = beginning(data.get(40..)?);
                Some(vec![record(op::ATTACHMENT, 0, &[data.get(16..32)?, name])?])
            }
            op::METADATA_INDEX => Some(vec![record(op::METADATA, 0, &[beginning(data.get(16..)?)])?]),
            _ => None,
        }
    }

    /// What it is called.
    pub fn kind(&self) -> &'static str {
        match self.code {
            op::CHUNK => "a chunk",
            op::MESSAGE_INDEX => "an index of a chunk",
            op::ATTACHMENT => "an attachment",
            _ => "a metadata record",
        }
    }
}

/// Returns the beginning of a text behind its length, with that.
fn beginning(text: &[u8]) -> &[u8] {
    let Some((length, _)) = text.split_first_chunk::<4>() else { return &[] };
    let most = (u32::from_le_bytes(*length) as usize).min(NAME).saturating_add(4);
    text.get(..most.min(text.len())).unwrap_or_default()
}

/// The records that a summary names, or those that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub chunks: Tally,
    pub indexes: Tally,
    pub attachments: Tally,
    pub metadata: Tally,
}

impl Named {
    pub fn add(&mut self, record: &Record) {
        let tally = match record.code {
            op::CHUNK => &mut self.chunks,
            op::MESSAGE_INDEX => &mut self.indexes,
            op::ATTACHMENT => &mut self.attachments,
            _ => &mut self.metadata,
        };
        tally.add(record);
    }

    /// What they are called, and their tallies.
    pub fn kinds(&self) -> [(&'static str, Tally); 4] {
        [
            ("chunks", self.chunks),
            ("indexes of chunks", self.indexes),
            ("attachments", self.attachments),
            ("metadata records", self.metadata),
        ]
    }
}

/// Bytes that a later version of the format may have behind what an index has.
const MORE: usize = 64;

/// Returns the channel of an index of a chunk, and its entries: times, and places in the chunk. `None` for what is no
/// index.
fn index(data: &[u8]) -> Option<(u16, &[[u8; 16]])> {
    let (channel, mut rest) = data.split_first_chunk::<2>()?;
    let (entries, left) = block(&mut rest)?.as_chunks::<16>();
    (left.is_empty() && rest.len() <= MORE).then_some((u16::from_le_bytes(*channel), entries))
}

/// The messages of a channel in a chunk that was read, and the same of its index there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    count: u64,
    sum: u64,
}

impl Indexes {
    /// Takes a message, or what an index says of one: its time, and where in the chunk it begins. Nearly all records
    /// are messages, so this costs a multiplication.
    pub fn add(&mut self, time: u64, place: u64) {
        self.count = self.count.saturating_add(1);
        let mixed = (time ^ place.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.sum = self.sum.wrapping_add(mixed ^ mixed >> 29);
    }

    pub fn is_none(self) -> bool {
        self.count == 0
    }

    /// Returns the channel of an index, and what it says; `None` for what is none.
    pub fn of(data: &[u8]) -> Option<(u16, Indexes)> {
        let (channel, entries) = index(data)?;
        let mut found = Indexes::default();
        for entry in entries {
            let ([time, place], _) = entry.as_chunks::<8>() else { continue };
            found.add(u64::from_le_bytes(*time), u64::from_le_bytes(*place));
        }
        Some((channel, found))
    }
}

/// What was seen of a file from its beginning on.
#[derive(Debug, Default)]
pub struct Seen {
    /// The records that a summary names.
    pub named: Named,
    /// Whether one of them was too long to be known.
    pub is_in_part: bool,
    /// Where the last record begins, and its code.
    last: Option<(u64, u8)>,
    /// Places that were said to be wrong.
    said: Vec<u64>,
}

/// What a file has and says of itself, as far as it was read.
#[derive(Debug, Default)]
pub struct Told {
    /// Messages and events.
    pub messages: u64,
    /// Their first and last time.
    pub times: Option<(u64, u64)>,
    /// Whether it says that Linkspan wrote it, and whether its header does.
    pub is_of_linkspan: bool,
    pub is_by_linkspan: bool,
    /// Whether it has a record of how its recorder ended.
    pub has_end: bool,
}

impl Told {
    /// Takes a record, if it is the header.
    pub fn take_header(&mut self, code: u8, data: &[u8]) {
        self.is_by_linkspan |= code == op::HEADER && chunk::is_of_linkspan(data);
        self.is_of_linkspan |= self.is_by_linkspan;
    }

    /// Takes a metadata record.
    pub fn take_metadata(&mut self, found: &records::Metadata) {
        self.is_of_linkspan |= found.name == format::metadata::RECORDING;
        self.has_end |= found.name == format::metadata::END && found.metadata.contains_key("reason");
    }

    /// Takes the time of a message or an event.
    pub fn take_message(&mut self, time: u64) {
        self.messages = self.messages.saturating_add(1);
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }
}

impl Seen {
    /// Takes the next record of the file itself: its bytes as far as they were read.
    pub fn add(&mut self, place: u64, code: u8, length: u64, data: &[u8]) {
        if let Some(record) = Record::of(code, place, length, data) {
            self.named.add(&record);
        }
        self.last = Some((place, code));
    }

    /// Takes a record that is the index of a chunk by its code. Returns where the record begins that is to be a chunk
    /// or the index of one, is none, and was not said yet: this one, or the one before it.
    pub fn add_index(&mut self, place: u64, data: &[u8]) -> Option<u64> {
        let last = self.last;
        self.add(place, op::MESSAGE_INDEX, 0, data);
        let (before, kind) = last?;
        let wrong = match kind {
            _ if index(data).is_none() => place,
            op::CHUNK | op::MESSAGE_INDEX => return None,
            _ => before,
        };
        self.say(wrong).then_some(wrong)
    }

    /// Notes that a place is said to be wrong; returns whether it was not yet.
    pub fn say(&mut self, place: u64) -> bool {
        let is_new = !self.has_said(place);
        if is_new && self.said.len() < MOST {
            self.said.push(place);
        }
        is_new
    }

    pub fn has_said(&self, place: u64) -> bool {
        self.said.contains(&place)
    }
}
