//! What a journal keeps: whole segments, the last one always, by size, by age, or until everybody has consumed them.

use super::consumer::{self, Position};
use super::folder::{Folder, Segment, segment_name};
use crate::error::{Doing, ErrorKind, Result};

/// Which segments go. Each rule deletes for itself; without any, everything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The oldest go while all together have more bytes.
    pub bytes: Option<u64>,
    /// Those go whose newest record is older: nanoseconds.
    pub age: Option<i64>,
    /// Those go that every consumer with a name has consumed. While there is none, nothing goes.
    pub consumed: bool,
}

/// Segments shorter than this are not worth their files.
const SHORTEST: u64 = 64 << 10;

impl Retention {
    /// How long a segment is to get: a rule on bytes is kept better by shorter ones.
    pub fn segment_bytes(&self, usual: u64) -> u64 {
        self.bytes.map_or(usual, |bytes| usual.min((bytes / 8).max(SHORTEST)))
    }

    /// Whether the last segment is old enough to be sealed, so that its records can go in time.
    pub fn wants_new(&self, segment: &Segment, now: i64) -> bool {
        self.age.is_some_and(|age| now.saturating_sub(segment.created) > age / 8)
    }
}

/// The segments in front of the last one, oldest first.
#[derive(Debug)]
pub struct Kept(Vec<Sealed>);

#[derive(Clone, Copy, Debug)]
struct Sealed {
    first: u64,
    /// The number of its last record.
    last: u64,
    bytes: u64,
    /// When it was sealed, which is not before its last record was sent.
    sealed: i64,
}

impl Kept {
    /// What is there; `last` is the last segment.
    pub fn look(folder: &Folder, segments: &[u64], last: Segment) -> Result<Kept> {
        let mut kept = Vec::new();
        let mut after = last;
        for first in segments.iter().rev().filter(|first| **first < last.first) {
            let Some(file) = folder.file(&segment_name(*first), false)? else { continue };
            let bytes = file.metadata().doing("looking at a segment")?.len();
            let (last, sealed) = (after.first - 1, after.created);
            kept.push(Sealed { first: *first, last, bytes, sealed });
            // Damage to an old segment is for who reads it: whoever writes goes on.
            match folder.segment(*first, false) {
                Err(e) if e.kind() == ErrorKind::Corrupt => after.first = *first,
                page => after = page?.map_or(after, |(_, segment)| segment),
            }
        }
        kept.reverse();
        Ok(Kept(kept))
    }

    /// The last segment, with these numbers in it, is the last no more.
    pub fn sealed(&mut self, first: u64, last: u64, bytes: u64, now: i64) {
        self.0.push(Sealed { first, last, bytes, sealed: now });
    }

    /// Deletes what is not to be kept. `bytes` are those of the last segment.
    pub fn retire(&mut self, folder: &Folder, rules: &Retention, bytes: u64, now: i64) -> Result<()> {
        let mut total = self.0.iter().fold(bytes, |all, s| all.saturating_add(s.bytes));
        let consumed = if rules.consumed && !self.0.is_empty() { consumed(folder)? } else { 0 };
        let mut gone = 0;
        for sealed in &self.0 {
            let over = rules.bytes.is_some_and(|most| total > most);
            let old = rules.age.is_some_and(|age| now.saturating_sub(sealed.sealed) > age);
            if !(over || old || sealed.last <= consumed) {
                break;
            }
            // One at a time: a power cut that takes back the end of the first and not that of the second would leave a gap.
            if gone > 0 {
                folder.sync()?;
            }
            folder.remove(&segment_name(sealed.first))?;
            total = total.saturating_sub(sealed.bytes);
            gone += 1;
        }
        self.0.drain(..gone);
        Ok(())
    }
}

/// Up to which number every consumer has consumed, on the disk: a place that a power cut takes back must not lie in front of
/// what was deleted because of it.
fn consumed(folder: &Folder) -> Result<u64> {
    let mut least = None;
    for name in folder.consumers()? {
        let position = match consumer::look(folder, &name, true) {
            // Nobody knows what it has consumed, so that everything is kept for it; listings tell of it.
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(0),
            position => position?,
        };
        let Some(Position { sequence, .. }) = position else { continue };
        least = Some(least.map_or(sequence, |least: u64| least.min(sequence)));
    }
    Ok(least.unwrap_or(0))
}
