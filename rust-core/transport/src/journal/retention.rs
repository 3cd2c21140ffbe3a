//! Deletes segments of a journal: whole ones, oldest first, never the last, by size, by age, or
//! once every consumer has consumed them.
//!
//! Each rule deletes for itself. Deleting follows the order of numbers and syncs the directory
//! between two segments, so a power cut never leaves a gap. The writer applies the rules when it
//! opens the journal and with each new segment; readers find what is deleted by its absence, and
//! report it as `Lagged`.
//!
//! A running writer counts ages by the time since boot, which nobody sets. Segments of earlier writers have only times
//! of the wall clock, so the time between two of them counts at most a quarter of the rule: a step of that clock is
//! not told from a pause.

use super::consumer::{self, Position};
use super::folder::{JournalFolder, SegmentInfo, segment_name};
use crate::error::{Doing, ErrorKind, Result};
use crate::store::Retention;
use crate::sys::clock;

/// The shortest segment in bytes that a rule on bytes results in; shorter ones are not worth their
/// files.
const SHORTEST: u64 = 64 << 10;

impl Retention {
    /// Returns the length of a segment in bytes: a rule on bytes is kept more exactly with shorter
    /// ones.
    pub fn segment_bytes(&self, usual: u64) -> u64 {
        self.bytes.map_or(usual, |bytes| usual.min((bytes / 8).max(SHORTEST)))
    }

    /// Returns whether the last segment is old enough to be sealed, so that its records can be
    /// deleted in time.
    pub fn wants_new(&self, begun: Moment, now: Moment) -> bool {
        self.age.is_some_and(|age| now.after(begun) > age / 8)
    }

    /// Returns the ns that count between two times of the wall clock, of which a step may be a part.
    fn counted(&self, earlier: i64, later: i64) -> i64 {
        later.saturating_sub(earlier).clamp(0, self.age.map_or(i64::MAX, |age| age / 4))
    }

    /// Returns when a segment was begun, from what its page says about it. `wall` is the time now, in ns since 1970.
    pub fn begun(&self, segment: &SegmentInfo, now: Moment, wall: i64) -> Moment {
        Moment(now.0.saturating_sub(self.counted(segment.created, wall)))
    }
}

/// A time in ns since this machine was booted; negative for a time before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(i64);

impl Moment {
    /// Returns the current one.
    pub fn now() -> Moment {
        Moment(i64::try_from(clock::since_boot().as_nanos()).unwrap_or(i64::MAX))
    }

    /// Returns how many ns this one is after another.
    fn after(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The segments before the last one, oldest first.
#[derive(Debug)]
pub struct SealedSegments(Vec<Sealed>);

/// A segment that gets no more records.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    /// The number of its first record.
    first: u64,
    /// The number of its last record.
    last: u64,
    /// The length of its file.
    bytes: u64,
    /// When it was sealed, which is not before its last record was sent.
    sealed: Moment,
}

impl SealedSegments {
    /// Returns the segments in a directory; `last` is the last one, which is not among them and was begun at this
    /// moment.
    pub fn scan(
        folder: &JournalFolder,
        segments: &[u64],
        last: SegmentInfo,
        begun: Moment,
        rules: &Retention,
    ) -> Result<SealedSegments> {
        let mut kept = Vec::new();
        let (mut after, mut sealed) = (last, begun);
        for first in segments.iter().rev().filter(|first| **first < last.first) {
            let Some(file) = folder.file(&segment_name(*first), false)? else { continue };
            let bytes = file.metadata().doing("looking at a segment")?.len();
            let last = after.first - 1;
            kept.push(Sealed { first: *first, last, bytes, sealed });
            // Damage to an old segment is reported when it is read; the writer continues.
            match folder.segment(*first, false) {
                Err(e) if e.kind() == ErrorKind::Corrupt => after.first = *first,
                page => {
                    let Some((_, segment)) = page? else { continue };
                    sealed = Moment(sealed.0.saturating_sub(rules.counted(segment.created, after.created)));
                    after = segment;
                }
            }
        }
        kept.reverse();
        Ok(SealedSegments(kept))
    }

    /// Adds the segment that has just ceased to be the last.
    pub fn sealed(&mut self, first: u64, last: u64, bytes: u64, now: Moment) {
        self.0.push(Sealed { first, last, bytes, sealed: now });
    }

    /// Deletes what the rules do not keep. `bytes` is the length of the last segment, which counts
    /// towards the rule on bytes.
    pub fn retire(
        &mut self,
        folder: &JournalFolder,
        rules: &Retention,
        bytes: u64,
        now: Moment,
    ) -> Result<()> {
        let mut total = self.0.iter().fold(bytes, |all, s| all.saturating_add(s.bytes));
        let consumed = if rules.consumed && !self.0.is_empty() { consumed(folder)? } else { 0 };
        let mut gone = 0;
        for sealed in &self.0 {
            let over = rules.bytes.is_some_and(|most| total > most);
            let old = rules.age.is_some_and(|age| now.after(sealed.sealed) > age);
            if !(over || old || sealed.last <= consumed) {
                break;
            }
            remove(folder, sealed, gone)?;
            total = total.saturating_sub(sealed.bytes);
            gone += 1;
        }
        self.0.drain(..gone);
        Ok(())
    }

    /// Deletes the segments all of whose records have lower numbers than `first`.
    pub fn retire_before(&mut self, folder: &JournalFolder, first: u64) -> Result<()> {
        let gone = self.0.iter().take_while(|sealed| sealed.last < first).count();
        for (at, sealed) in self.0.iter().take(gone).enumerate() {
            remove(folder, sealed, at)?;
        }
        self.0.drain(..gone);
        Ok(())
    }
}

/// Deletes a segment, after `gone` others.
fn remove(folder: &JournalFolder, sealed: &Sealed, gone: usize) -> Result<()> {
    // One at a time: a power cut that undoes the first deletion and not the second would leave a
    // gap.
    if gone > 0 {
        folder.sync()?;
    }
    folder.remove(&segment_name(sealed.first))
}

/// Returns the number up to which every consumer has consumed, on the disk: a position that a power
/// cut undoes must not be before records that were deleted because of it. 0 where there is no
/// consumer, or one whose file is damaged.
fn consumed(folder: &JournalFolder) -> Result<u64> {
    let mut least = None;
    for name in folder.consumers()? {
        let position = match consumer::position(folder, &name, true) {
            // Its position is unknown, so everything is kept for it; listings report the damage.
            Err(e) if e.kind() == ErrorKind::Corrupt => return Ok(0),
            position => position?,
        };
        let Some(Position { sequence, .. }) = position else { continue };
        least = Some(least.map_or(sequence, |least: u64| least.min(sequence)));
    }
    Ok(least.unwrap_or(0))
}
