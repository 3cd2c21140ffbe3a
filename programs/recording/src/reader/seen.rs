//! Records the structure of a file, to compare it with the file's end.
//!
//! A damaged operation code looks like an unknown record, which readers skip. These checks find it:
//!
//! | check | item |
//! |---|---|
//! | no version of the format has the code | [`is_unknown`] |
//! | the index of a chunk follows the chunk | [`Seen::add_index`], [`Indexes`] |
//! | the summary of a closed file names the record | [`Named`] |

use std::hash::Hash;

use mcap::records::{self, op};

use super::entry::keyed;
use crate::chunk::{self, block};
use crate::format;

/// The most reported places that are kept.
const MOST: usize = 1_000;

/// Returns whether an operation code is neither known nor private (0x80 and above).
pub fn is_unknown(code: u8) -> bool {
    !matches!(code, op::HEADER..=op::DATA_END | 0x80..)
}

/// Returns whether a record of this kind may follow the end of the data.
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

/// Count and combined hash of a kind's records, in constant memory.
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
/// Bytes of a record, without its head, that identify it.
pub const KNOWN: usize = 16 + 4 + NAME;

/// A record that a summary may name: place, length with head, and identifying fields.
///
/// These are times and a name; for the index of a chunk, only its channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub code: u8,
    pub place: u64,
    pub length: u64,
    known: Vec<u8>,
}

impl Record {
    /// `None` for a kind that no summary names.
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

    /// The records that a summary's record names; `None` if incomplete.
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

    pub fn kind(&self) -> &'static str {
        match self.code {
            op::CHUNK => "a chunk",
            op::MESSAGE_INDEX => "an index of a chunk",
            op::ATTACHMENT => "an attachment",
            _ => "a metadata record",
        }
    }
}

fn beginning(text: &[u8]) -> &[u8] {
    let Some((length, _)) = text.split_first_chunk::<4>() else { return &[] };
    let most = (u32::from_le_bytes(*length) as usize).min(NAME).saturating_add(4);
    text.get(..most.min(text.len())).unwrap_or_default()
}

/// The records that a summary names, or that were seen.
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

    pub fn kinds(&self) -> [(&'static str, Tally); 4] {
        [
            ("chunks", self.chunks),
            ("indexes of chunks", self.indexes),
            ("attachments", self.attachments),
            ("metadata records", self.metadata),
        ]
    }
}

/// What a later version may append to an index.
const MORE: usize = 64;

/// An index's channel and entries, if valid.
fn index(data: &[u8]) -> Option<(u16, &[[u8; 16]])> {
    let (channel, mut rest) = data.split_first_chunk::<2>()?;
    let (entries, left) = block(&mut rest)?.as_chunks::<16>();
    (left.is_empty() && rest.len() <= MORE).then_some((u16::from_le_bytes(*channel), entries))
}

/// A channel's messages in a chunk, or by its index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    count: u64,
    sum: u64,
}

impl Indexes {
    /// Most records are messages, so this must be cheap.
    pub fn add(&mut self, time: u64, place: u64) {
        self.count = self.count.saturating_add(1);
        let mixed = (time ^ place.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.sum = self.sum.wrapping_add(mixed ^ mixed >> 29);
    }

    pub fn is_none(self) -> bool {
        self.count == 0
    }

    /// An index's channel and content, if valid.
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

#[derive(Debug, Default)]
pub struct Seen {
    pub named: Named,
    /// Whether a record was too long to be identified.
    pub is_in_part: bool,
    last: Option<(u64, u8)>,
    said: Vec<u64>,
}

/// A file's content and statements about itself.
#[derive(Debug, Default)]
pub struct Told {
    pub messages: u64,
    pub times: Option<(u64, u64)>,
    /// Whether any record, and whether the header names Linkspan as the writer.
    pub is_of_linkspan: bool,
    pub is_by_linkspan: bool,
    /// Whether it has a record of the recorder's end.
    pub has_end: bool,
}

impl Told {
    pub fn take_header(&mut self, code: u8, data: &[u8]) {
        self.is_by_linkspan |= code == op::HEADER && chunk::is_of_linkspan(data);
        self.is_of_linkspan |= self.is_by_linkspan;
    }

    pub fn take_metadata(&mut self, found: &records::Metadata) {
        self.is_of_linkspan |= found.name == format::metadata::RECORDING;
        self.has_end |= found.name == format::metadata::END && found.metadata.contains_key("reason");
    }

    pub fn take_message(&mut self, time: u64) {
        self.messages = self.messages.saturating_add(1);
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }
}

impl Seen {
    /// Takes the next record, with the bytes that were read.
    pub fn add(&mut self, place: u64, code: u8, length: u64, data: &[u8]) {
        if let Some(record) = Record::of(code, place, length, data) {
            self.named.add(&record);
        }
        self.last = Some((place, code));
    }

    /// Takes a chunk's index. Returns a new fault's offset: this record, or the damaged one before.
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

    /// Notes a reported place; returns whether it is new.
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
