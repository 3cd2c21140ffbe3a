//! Whether each chunk, attachment and metadata record of a file was seen: one whose operation code is damaged is a
//! record that any reader passes over.
//!
//! | what tells of it | where |
//! |---|---|
//! | no version of the format has the code | [`is_unknown`] |
//! | the index of a chunk stands behind it | [`Seen::add_index`] |
//! | the summary of a file that was closed names it | [`Seen::lacking`] |

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use mcap::records::{self, op};

use crate::chunk::{self, HEAD};
use crate::format;

/// Places that are kept and said one by one.
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

/// Bytes that a later version of the format may have behind what an index has.
const MORE: usize = 64;

/// Returns whether this is what an index of a chunk has: a channel, and times with places.
fn is_index(data: &[u8]) -> bool {
    let Some((length, entries)) = data.get(2..).and_then(|rest| rest.split_first_chunk::<4>()) else {
        return false;
    };
    let length = u32::from_le_bytes(*length) as usize;
    length.is_multiple_of(16) && entries.len().checked_sub(length).is_some_and(|more| more <= MORE)
}

/// What was seen of a file from its beginning on. It takes no memory for a record.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many records there were that a summary names, and the sum of their places.
    count: u64,
    places: u64,
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
    /// Whether it says that Linkspan wrote it.
    pub is_of_linkspan: bool,
    /// Whether it has a record of how its recorder ended.
    pub has_end: bool,
}

impl Told {
    /// Takes a record, if it is the header.
    pub fn take_header(&mut self, code: u8, data: &[u8]) {
        self.is_of_linkspan |= code == op::HEADER && chunk::is_of_linkspan(data);
    }

    /// Takes a metadata record.
    pub fn take_metadata(&mut self, found: &records::Metadata) {
        self.is_of_linkspan |= found.name == format::metadata::RECORDING;
        self.has_end |= found.name == format::metadata::END && found.metadata.contains_key("reason");
    }
}

/// A number that depends on the place and on what is there.
fn mixed(place: u64, code: u8) -> u64 {
    (place ^ u64::from(code) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Seen {
    /// Takes the next record of the file itself, which is no index.
    pub fn add(&mut self, place: u64, code: u8) {
        if matches!(code, op::CHUNK | op::ATTACHMENT | op::METADATA) {
            self.count = self.count.saturating_add(1);
            self.places = self.places.wrapping_add(mixed(place, code));
        }
        self.last = Some((place, code));
    }

    /// Takes a record that is the index of a chunk by its code. Returns where the record begins that is to be a chunk
    /// and is none, and was not said yet: this one, or the one before it.
    pub fn add_index(&mut self, place: u64, data: &[u8]) -> Option<u64> {
        let (before, kind) = self.last.replace((place, op::MESSAGE_INDEX))?;
        let wrong = match kind {
            _ if !is_index(data) => place,
            op::CHUNK | op::MESSAGE_INDEX => return None,
            _ => before,
        };
        self.say(wrong).then_some(wrong)
    }

    /// Notes that a place is said to be wrong; returns whether it was not yet.
    pub fn say(&mut self, place: u64) -> bool {
        let is_new = !self.said.contains(&place);
        if is_new && self.said.len() < MOST {
            self.said.push(place);
        }
        is_new
    }

    /// Returns the places at which the summary names records that were not seen, what these are called, and how many
    /// others there are. The file has so many bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn lacking(
        &self,
        file: &File,
        bytes: u64,
        summary: &Bytes,
    ) -> Result<(Vec<(u64, &'static str)>, u64)> {
        let (mut count, mut places) = (0_u64, 0_u64);
        for (_, code, place, _) in named(summary.clone()) {
            count = count.saturating_add(1);
            places = places.wrapping_add(mixed(place, code));
        }
        if (count, places) == (self.count, self.places) {
            return Ok((Vec::new(), 0));
        }
        let (mut lacking, mut known, mut further) = (Vec::new(), 0_u64, 0_u64);
        for (what, code, place, length) in named(summary.clone()) {
            let mut head = [0; HEAD];
            if place.checked_add(HEAD as u64).is_some_and(|end| end <= bytes) {
                file.read_exact_at(&mut head, place)?;
            }
            let [found, rest @ ..] = head;
            let whole = u64::from_le_bytes(rest).saturating_add(HEAD as u64);
            if (found, whole) == (code, length) {
                continue;
            }
            if self.said.contains(&place) {
                known = known.saturating_add(1);
            } else if lacking.len() < MOST {
                lacking.push((place, what));
            } else {
                further = further.saturating_add(1);
            }
        }
        if lacking.is_empty() {
            // They are whole: what stands before them has another length than it had.
            further = count.saturating_sub(known).saturating_sub(self.count);
        }
        Ok((lacking, further))
    }
}

/// The records that a summary names: what they are called, their code, and their place and length.
fn named(mut summary: Bytes) -> impl Iterator<Item = (&'static str, u8, u64, u64)> {
    let records = std::iter::from_fn(move || chunk::next_record(&mut summary).ok().flatten());
    records.filter_map(|(code, data)| {
        let (what, code, at) = match code {
            op::CHUNK_INDEX => ("a chunk", op::CHUNK, 16..32),
            op::ATTACHMENT_INDEX => ("an attachment", op::ATTACHMENT, 0..16),
            op::METADATA_INDEX => ("a metadata record", op::METADATA, 0..16),
            _ => return None,
        };
        let ([place, length], _) = data.get(at)?.as_chunks::<8>() else { return None };
        Some((what, code, u64::from_le_bytes(*place), u64::from_le_bytes(*length)))
    })
}
