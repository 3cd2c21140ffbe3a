//! Whether the end of a file and the sums in it agree with what stands before: a file from which a whole record was
//! taken is one that can be read, and contradicts itself there alone.
//!
//! | what tells of it | what is lost then |
//! |---|---|
//! | the footer says where the summary begins | any records before it |
//! | the summary names chunks, attachments and metadata records | those |
//! | the statistics say how many messages there are | messages |
//! | what Linkspan wrote and closed has a record of how it ended | how its recorder ended, and what comes next |
//! | an attachment has a sum of its bytes | its content |

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use linkspan::Result;
use mcap::records::Record;

use super::Problem;
use super::part::{Found, OpenPart, attachment};
use super::seen;
use crate::chunk::{self, HEAD};
use crate::files::of_io;
use crate::format;

/// Bytes of an attachment that are read at a time.
const BLOCK: usize = 64 << 10;

/// Returns how many messages a summary says that there are.
fn messages_in(mut summary: Bytes) -> Option<u64> {
    let records = std::iter::from_fn(|| chunk::next_record(&mut summary).ok().flatten());
    let mut counts = records.filter_map(|(code, data)| match chunk::parse(code, &data) {
        Ok(Some(Record::Statistics(found))) => Some(found.message_count),
        _ => None,
    });
    counts.next()
}

impl OpenPart {
    /// Takes the end of the messages, behind which the schemas and channels are repeated.
    pub fn end_of_data(&mut self, begins: u64) -> Result<std::result::Result<Option<Found>, Problem>> {
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let mut next = [0];
        let is_more = self.offset < self.length;
        if is_more {
            self.file.read_exact_at(&mut next, self.offset).map_err(failed)?;
        }
        if is_more && !seen::is_of_summary(next[0]) {
            let text = "the record that begins here says that the file has no more messages, and more stands behind it: what it had cannot be read";
            return Ok(Err(self.damage(begins, text)));
        }
        self.has_ended = true;
        let moved = chunk::footer(&self.file, self.length)
            .map_err(failed)?
            .filter(|(begin, _)| *begin != 0 && *begin != self.offset);
        let mut found = VecDeque::new();
        if let Some((begin, _)) = moved {
            let text = format!(
                "the summary of the file begins behind this record, at byte {}, and is to begin at byte {begin}, as the file says: records before it are not there",
                self.offset
            );
            found.push_back(self.damage(begins, text));
        } else if let Some(summary) = self.summary()? {
            self.contradicted(begins, &summary, &mut found)?;
        }
        // What could not be read may have been it.
        if found.is_empty() && !self.has_problem && self.told.is_of_linkspan && !self.told.has_end {
            let text = format!(
                "the file was closed here, and has no record {:?} before it that can be read: it is not known how its recorder ended, and what came next",
                format::metadata::END
            );
            found.push_back(self.damage(begins, text));
        }
        self.found.append(&mut found);
        Ok(Ok(None))
    }

    /// Adds what the summary says of the file that is not so.
    fn contradicted(&self, begins: u64, summary: &Bytes, found: &mut VecDeque<Problem>) -> Result<()> {
        let (lacking, further) = self
            .seen
            .lacking(&self.file, self.length, summary)
            .map_err(|error| of_io(&error, "reading", &self.path))?;
        found.extend(lacking.iter().map(|(place, what)| {
            let text = format!(
                "{what} is to begin here, as the summary of the file says, and does not: what it had cannot be read"
            );
            self.damage(*place, text)
        }));
        if further > 0 {
            let text = format!(
                "{further} further chunks, attachments or metadata records that the summary of the file names were not found before it"
            );
            found.push_back(self.damage(begins, text));
        }
        // Where chunks were passed over or could not be read, fewer are known.
        if self.window.is_some() || self.has_problem || !self.found.is_empty() || !found.is_empty() {
            return Ok(());
        }
        let read = self.told.messages;
        if let Some(said) = messages_in(summary.clone()).filter(|said| *said > read) {
            let text = format!(
                "the file says that it has {said} messages and events, and {read} stand before this record: the others are not there"
            );
            found.push_back(self.damage(begins, text));
        }
        Ok(())
    }

    /// Returns what is wrong with an attachment whose record has been read as far as its content, and which begins
    /// here.
    pub fn wrong_attachment(&self, data: &[u8], begins: u64) -> Result<Option<Problem>> {
        if self.chunk.is_some() {
            return Ok(Some(self.wrong_chunk(begins, "it has an attachment in it")));
        }
        let from = begins.saturating_add(HEAD as u64);
        // One that is too short is said by what reads it.
        let Some((_, bytes, place)) = attachment(data, self.offset.saturating_sub(from)) else {
            return Ok(None);
        };
        let failed = |error: std::io::Error| of_io(&error, "reading", &self.path);
        let end = from.saturating_add(place.offset).saturating_add(bytes);
        let mut sum = [0; 4];
        self.file.read_exact_at(&mut sum, end).map_err(failed)?;
        let sum = u32::from_le_bytes(sum);
        // 0 stands for no sum.
        if sum == 0 {
            return Ok(None);
        }
        let (mut hasher, mut block, mut at) = (crc32fast::Hasher::new(), vec![0; BLOCK], from);
        while at < end {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
            let part = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
            self.file.read_exact_at(part, at).map_err(failed)?;
            hasher.update(part);
            at = at.saturating_add(part.len() as u64);
        }
        let is_wrong = hasher.finalize() != sum;
        let text = "the attachment that begins here: its bytes do not have the sum that it names";
        Ok(is_wrong.then(|| self.damage(begins, text)))
    }
}
