//! Compares the end of a file and its sums with the content.
//!
//! After the removal of a whole record, only the summary disagrees with the records.
//!
//! | statement | affected if it disagrees |
//! |---|---|
//! | the footer has the offset of the summary | any records before it, or the summary |
//! | the summary names chunks, their indexes, attachments and metadata records | these |
//! | the summary repeats the schemas and channels | names |
//! | the statistics count each kind, and the messages of each channel | these |
//! | each closed file of Linkspan has a record of its end | the reason of the end, and the next part |
//! | the summary, each attachment and the data have sums | any byte of them |

use std::collections::{HashSet, VecDeque};
use std::os::unix::fs::FileExt;

use linkspan::Result;
use mcap::records::{self, Record, op};

use super::part::{Found, OpenPart, attachment};
use super::seen::{self, Named};
use super::walk::Walk;
use super::{Problem, ProblemKind};
use crate::chunk::{self, Footer, HEAD};
use crate::files::of_io;
use crate::format;

const BLOCK: usize = 64 << 10;
/// The most missing records that are reported individually.
const MOST: usize = 1_000;
/// The most groups of records in a summary. Six kinds exist.
const MOST_GROUPS: usize = 64;

/// The statements of a complete summary.
#[derive(Default)]
struct Promised {
    named: Named,
    statistics: Option<records::Statistics>,
    schemas: HashSet<u16>,
    channels: HashSet<u16>,
    /// Kind, offset and length of its groups, as found and as stated.
    groups: Vec<(u8, u64, u64)>,
    said: Vec<(u64, (u8, u64, u64))>,
}

fn group(data: &[u8]) -> Option<(u8, u64, u64)> {
    let (code, places) = data.split_first()?;
    let ([begin, length, ..], _) = places.as_chunks::<8>() else { return None };
    Some((*code, u64::from_le_bytes(*begin), u64::from_le_bytes(*length)))
}

impl OpenPart {
    /// Handles the end of the data. The repeated schemas and channels follow.
    pub fn end_of_data(
        &mut self,
        begins: u64,
        data: &[u8],
    ) -> Result<std::result::Result<Option<Found>, Problem>> {
        let path = self.path.clone();
        let failed = |error: std::io::Error| of_io(&error, "reading", &path);
        let mut next = [0];
        let is_more = self.offset < self.length;
        if is_more {
            self.file.read_exact_at(&mut next, self.offset).map_err(failed)?;
        }
        let footer = chunk::footer(&self.file, self.length).map_err(failed)?;
        let is_summary =
            seen::is_of_summary(next[0]) || footer.is_some_and(|footer| footer.summary == self.offset);
        if is_more && !is_summary {
            let text = "the record that begins here says that the file has no more messages, and more stands behind it: what it had cannot be read";
            return Ok(Err(self.damage(begins, text)));
        }
        let Some(footer) = footer else { return self.end_without_footer(begins) };
        self.has_ended = true;
        let mut found = VecDeque::new();
        if footer.summary == self.offset && footer.summary < footer.at {
            self.contradicted(begins, &footer, &mut found)?;
        } else if footer.summary != 0 {
            let text = format!(
                "the summary of the file begins behind this record, at byte {}, and is to begin at byte {}, as the file says: records before it are not there",
                self.offset, footer.summary
            );
            found.push_back(self.damage(begins, text));
        } else if self.offset < footer.at {
            let text = format!(
                "the file says that it has no summary, and {} bytes of one stand before this record: what it has is not known to be all",
                footer.at.saturating_sub(self.offset)
            );
            found.push_back(self.damage(footer.at, text));
        } else if self.told.is_of_linkspan {
            let text = "the file was closed and has no summary, which its recorder wrote: what it has is not known to be all";
            found.push_back(self.damage(begins, text));
        }
        // The missing record may have been unreadable.
        let is_whole = found.is_empty() && !self.has_problem && self.found.is_empty();
        if is_whole && self.told.is_of_linkspan && !self.told.has_end {
            let text = format!(
                "the file was closed here, and has no record {:?} before it that can be read: it is not known how its recorder ended, and what came next",
                format::metadata::END
            );
            found.push_back(self.damage(begins, text));
        }
        let sum = data.first_chunk::<4>().map_or(0, |sum| u32::from_le_bytes(*sum));
        // 0 stands for a missing sum.
        if is_whole
            && found.is_empty()
            && sum != 0
            && self.sum.take().is_some_and(|of_file| of_file.finalize() != sum)
        {
            let text = "what stands before this record does not have the sum that it names, and all that has a sum of its own does: some of what is between the chunks is not what was written";
            found.push_back(self.damage(begins, text));
        }
        self.found.append(&mut found);
        Ok(Ok(None))
    }

    fn end_without_footer(&mut self, begins: u64) -> Result<std::result::Result<Option<Found>, Problem>> {
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let is_closed = chunk::is_closed(&self.file, self.length).map_err(failed)?;
        let last = chunk::last_record(&self.file, self.length).map_err(failed)?;
        let is_written = self.is_written();
        if !is_written && (is_closed || last.is_some()) {
            self.has_ended = true;
            let (at, text) = match last {
                Some(last) => {
                    (last.at, "the file ends behind this record with other bytes than each file ends with")
                }
                None => {
                    (begins, "the file has no footer that can be read: what it has is not known to be all")
                }
            };
            self.found.push_back(self.damage(at, text));
            return Ok(Ok(None));
        }
        if self.has_problem {
            // A problem was already reported, and a missing end adds no information.
            self.has_ended = true;
            return Ok(Ok(None));
        }
        // A follower reads it again.
        self.offset = begins;
        let text = match is_written {
            true => "behind this record the file ends in its summary, which is being written",
            false => "behind this record the file ends in its summary, and was not closed",
        };
        Ok(Err(Problem { is_end: true, ..self.problem(begins, ProblemKind::Unclosed, text) }))
    }

    fn contradicted(&mut self, begins: u64, footer: &Footer, found: &mut VecDeque<Problem>) -> Result<()> {
        if !self.has_room(footer.at.saturating_sub(footer.summary))? {
            found.push_back(self.sparse(begins));
            return Ok(());
        }
        let path = self.path.clone();
        let failed = |error: std::io::Error| of_io(&error, "reading", &path);
        let mut walk = Walk::new(&self.file, footer, self.limits.record);
        let mut promised = Promised::default();
        loop {
            match walk.next().map_err(failed)? {
                Ok(Some((place, code))) => {
                    if let Some(text) = self.contradiction(&mut promised, place, code, &walk.record)
                        && found.len() < MOST
                    {
                        found.push_back(self.damage(place, text));
                    }
                }
                Ok(None) => break,
                Err((place, text)) => {
                    let text = format!("the summary of the file cannot be read from here on: {text}");
                    found.push_back(self.damage(place, text));
                    return Ok(());
                }
            }
        }
        if !walk.has_sum(footer) {
            found.clear();
            let text = "the summary of the file does not have the sum that its end names: what it says of names and messages is not used";
            found.push_back(self.damage(footer.summary, text));
            return Ok(());
        }
        self.named_and_not_there(begins, footer, &promised.named, found)?;
        // A program may list a kind without records.
        let groups =
            promised.said.iter().filter(|(_, group)| group.2 > 0 && !promised.groups.contains(group));
        found.extend(groups.take(MOST).map(|(place, (code, ..))| {
            self.damage(
                *place,
                format!("the records of the kind {code:#04x} are not where the summary of the file says"),
            )
        }));
        let is_said = |group| promised.said.iter().any(|(_, said)| said == group);
        let is_named = |group: &&(u8, u64, u64)| !matches!(group.0, op::SUMMARY_OFFSET | 0x80..);
        let unsaid = promised.groups.iter().filter(is_named).find(|group| !is_said(*group));
        // Other programs may omit this statement.
        if let Some((code, place, _)) = unsaid.filter(|_| self.told.is_of_linkspan && found.is_empty()) {
            let text = format!(
                "nothing in the summary of the file says where its records of the kind {code:#04x} are, which begin here"
            );
            found.push_back(self.damage(*place, text));
        }
        let places = promised.said.first().map_or(0, |(place, _)| *place);
        if footer.groups != places {
            let text = format!(
                "the places of the groups of the summary begin at byte {places}, and not at byte {}, as this record says",
                footer.groups
            );
            found.push_back(self.damage(footer.at, text));
        }
        // Skipped or unreadable chunks make the counts lower.
        if self.is_all_read() && found.is_empty() {
            self.miscounted(begins, &promised, found);
        }
        Ok(())
    }

    fn is_all_read(&self) -> bool {
        !self.has_skipped && !self.has_problem && self.found.is_empty()
    }

    /// Returns a record's contradiction, and keeps its statements.
    fn contradiction(&self, promised: &mut Promised, place: u64, code: u8, data: &[u8]) -> Option<String> {
        let length = (data.len() as u64).saturating_add(HEAD as u64);
        let is_full = promised.groups.len() >= MOST_GROUPS;
        match promised.groups.last_mut() {
            Some((kind, _, whole)) if *kind == code => *whole = whole.saturating_add(length),
            _ if is_full => {}
            _ => promised.groups.push((code, place, length)),
        }
        match code {
            op::SCHEMA | op::CHANNEL => {
                let what = if code == op::SCHEMA { "schema" } else { "channel" };
                let Some(id) = data.first_chunk::<2>().map(|id| u16::from_le_bytes(*id)) else {
                    return Some(format!("a {what} that is too short"));
                };
                let ids = if code == op::SCHEMA { &mut promised.schemas } else { &mut promised.channels };
                ids.insert(id);
                match self.is_described(code, id, data) {
                    Some(true) => None,
                    Some(false) => {
                        Some(format!("the {what} {id} is another one here than before the summary"))
                    }
                    // Other programs may omit schemas and channels without messages.
                    None if self.is_all_read() && self.told.is_by_linkspan => {
                        Some(format!("the summary has the {what} {id}, which nothing before it has"))
                    }
                    None => None,
                }
            }
            op::STATISTICS => match chunk::parse(code, data) {
                Ok(Some(Record::Statistics(_))) if promised.statistics.is_some() => {
                    Some("the summary has statistics twice".to_owned())
                }
                Ok(Some(Record::Statistics(statistics))) => {
                    promised.statistics = Some(statistics);
                    None
                }
                _ => Some("statistics that cannot be read".to_owned()),
            },
            op::SUMMARY_OFFSET => match group(data) {
                None => Some("the place of a group that cannot be read".to_owned()),
                Some(group) => {
                    if promised.said.len() < MOST_GROUPS {
                        promised.said.push((place, group));
                    }
                    None
                }
            },
            // Private records.
            0x80.. => None,
            _ => match seen::Record::named(code, data) {
                Some(records) => {
                    records.iter().for_each(|record| promised.named.add(record));
                    None
                }
                None => Some(format!(
                    "a record of the kind {code:#04x} in the summary of the file that cannot be read or is none of it"
                )),
            },
        }
    }

    /// Adds records that are named in a wrong place or not named.
    fn named_and_not_there(
        &self,
        begins: u64,
        footer: &Footer,
        named: &Named,
        found: &mut VecDeque<Problem>,
    ) -> Result<()> {
        let seen = self.seen.named;
        if *named == seen {
            return Ok(());
        }
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let (mut lacking, mut known, mut further) = (0_usize, 0_u64, 0_u64);
        let mut walk = Walk::new(&self.file, footer, self.limits.record);
        while let Ok(Some((_, code))) = walk.next().map_err(failed)? {
            for record in seen::Record::named(code, &walk.record).unwrap_or_default() {
                let there = self.record_at(record.place).map_err(failed)?;
                if there.as_ref() == Some(&record) {
                    continue;
                }
                let (what, place) = (record.kind(), record.place);
                if self.seen.has_said(place) {
                    known = known.saturating_add(1);
                    continue;
                }
                lacking = lacking.saturating_add(1);
                if lacking > MOST {
                    further = further.saturating_add(1);
                    continue;
                }
                let is_one =
                    there.is_some_and(|there| (there.code, there.length) == (record.code, record.length));
                let text = match is_one {
                    true => format!(
                        "{what} that begins here does not have the times, the channel or the name that the summary of the file says"
                    ),
                    false => format!(
                        "{what} is to begin here, as the summary of the file says, and does not: what it had cannot be read"
                    ),
                };
                found.push_back(self.damage(place, text));
            }
        }
        let count =
            |named: &Named| named.kinds().iter().map(|(_, tally)| tally.count).fold(0, u64::saturating_add);
        if lacking == 0 {
            // Data before the records changed its length.
            further = count(named).saturating_sub(known).saturating_sub(count(&seen));
        }
        if further > 0 {
            let text = format!(
                "{further} further chunks, indexes of chunks, attachments or metadata records that the summary of the file names were not found before it"
            );
            found.push_back(self.damage(begins, text));
        }
        if !found.is_empty() || self.has_problem || !self.found.is_empty() || self.seen.is_in_part {
            return Ok(());
        }
        for ((what, named), (_, seen)) in named.kinds().into_iter().zip(seen.kinds()) {
            // Other programs may omit these statements.
            if named != seen && (named.count > 0 || self.told.is_of_linkspan) {
                let text = format!(
                    "the summary of the file names {} {what}, and {} stand before this record: they are not the same",
                    named.count, seen.count
                );
                found.push_back(self.damage(begins, text));
            }
        }
        Ok(())
    }

    /// Returns the record at an offset, identified as a summary would name it.
    fn record_at(&self, place: u64) -> std::io::Result<Option<seen::Record>> {
        let Some(left) = self.length.checked_sub(place) else { return Ok(None) };
        let mut bytes = [0; HEAD + seen::KNOWN];
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = bytes.get_mut(..count).unwrap_or_default();
        self.file.read_exact_at(bytes, place)?;
        let Some(([code, length @ ..], data)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = u64::from_le_bytes(*length);
        let whole = length.saturating_add(HEAD as u64);
        let data =
            data.get(..data.len().min(usize::try_from(length).unwrap_or(usize::MAX))).unwrap_or_default();
        Ok(Some(whole)
            .filter(|whole| *whole <= left)
            .and_then(|whole| seen::Record::of(*code, place, whole, data)))
    }

    fn miscounted(&self, begins: u64, promised: &Promised, found: &mut VecDeque<Problem>) {
        let Some(statistics) = &promised.statistics else {
            if self.told.is_of_linkspan {
                let text = "the summary of the file has no statistics, which its recorder wrote: whether all messages are there is not known";
                found.push_back(self.damage(begins, text));
            }
            return;
        };
        let (said, read) = (statistics.message_count, self.told.messages);
        if said != read {
            let others = if said > read { ": the others are not there" } else { "" };
            let text = format!(
                "the file says that it has {said} messages and events, and {read} stand before this record{others}"
            );
            return found.push_back(self.damage(begins, text));
        }
        let seen = self.seen.named;
        let (schemas, channels) = self.described_counts();
        let mut wrong = Vec::new();
        let times = self.told.times.unwrap_or((0, 0));
        for (what, said, read) in [
            ("schemas", u64::from(statistics.schema_count), schemas),
            ("channels", u64::from(statistics.channel_count), channels),
            ("chunks", u64::from(statistics.chunk_count), seen.chunks.count),
            ("attachments", u64::from(statistics.attachment_count), seen.attachments.count),
            ("metadata records", u64::from(statistics.metadata_count), seen.metadata.count),
        ] {
            let is_unused =
                matches!(what, "schemas" | "channels") && !self.told.is_by_linkspan && said > read;
            if said != read && !is_unused {
                wrong.push(format!("{said} {what}, and {read} stand before this record"));
            }
        }
        for (what, ids, read) in
            [("schemas", &promised.schemas, schemas), ("channels", &promised.channels, channels)]
        {
            // Other programs may omit the repetition.
            if (ids.len() as u64) < read && (!ids.is_empty() || self.told.is_of_linkspan) {
                wrong.push(format!(
                    "{} {what} in its summary, and {read} stand before this record",
                    ids.len()
                ));
            }
        }
        if (statistics.message_start_time, statistics.message_end_time) != times {
            let (first, last) = (statistics.message_start_time, statistics.message_end_time);
            wrong.push(format!(
                "messages from {first} to {last}, and those before this record are from {} to {}",
                times.0, times.1
            ));
        }
        if let Some((id, said, read)) = self.miscounted_channel(&statistics.channel_message_counts) {
            wrong.push(format!("{said} messages of the channel {id}, and {read} stand before this record"));
        }
        found.extend(
            wrong.into_iter().map(|what| self.damage(begins, format!("the file says that it has {what}"))),
        );
    }

    pub fn wrong_attachment(&mut self, data: &[u8], begins: u64) -> Result<Option<Problem>> {
        if self.chunk.is_some() {
            return Ok(Some(self.wrong_chunk(begins, "it has an attachment in it")));
        }
        let from = begins.saturating_add(HEAD as u64);
        // The reader reports a short attachment.
        let place = attachment(data, self.offset.saturating_sub(from));
        let path = self.path.clone();
        let failed = |error: std::io::Error| of_io(&error, "reading", &path);
        let end = match place {
            Some((_, bytes, place)) => from.saturating_add(place.offset).saturating_add(bytes),
            None => from,
        };
        let mut sum = [0; 4];
        if end > from {
            self.file.read_exact_at(&mut sum, end).map_err(failed)?;
        }
        // 0 stands for a missing sum.
        let sum = Some(u32::from_le_bytes(sum)).filter(|sum| *sum != 0);
        if sum.is_none() && self.sum.is_none() {
            return Ok(None);
        }
        if !self.has_room(self.offset.saturating_sub(begins))? {
            self.sum = None;
            return Ok(Some(self.sparse(begins)));
        }
        let (mut hasher, mut block) = (crc32fast::Hasher::new(), vec![0; BLOCK]);
        // The head, the content with its own sum, and the rest.
        for (mut at, end, has_sum) in [(begins, from, false), (from, end, true), (end, self.offset, false)] {
            while at < end {
                let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
                let part = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
                self.file.read_exact_at(part, at).map_err(failed)?;
                if has_sum {
                    hasher.update(part);
                }
                if let Some(of_file) = &mut self.sum {
                    of_file.update(part);
                }
                at = at.saturating_add(part.len() as u64);
            }
        }
        let is_wrong = sum.is_some_and(|sum| hasher.finalize() != sum);
        let text = "the attachment that begins here: its bytes do not have the sum that it names";
        Ok(is_wrong.then(|| self.damage(begins, text)))
    }
}
