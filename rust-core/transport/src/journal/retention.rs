//! Deletes segments of a journal by size, by age, or after every consumer has consumed them.
//!
//! Only whole segments are deleted, oldest first, never the last; the directory is synced between two
//! segments, so a power cut never leaves a gap. Readers notice missing segments and report `Lagged`.
//!
//! A running writer measures ages by the time since boot, which nobody sets. Segments of earlier writers have
//! only times of the wall clock. The time between two of those counts at most a quarter of the rule, because
//! a step of the clock looks like a pause.

use super::consumer::{self, Position};
use super::folder::{JournalFolder, SegmentInfo, segment_name};
use crate::error::{Doing, ErrorKind, Result};
use crate::store::Retention;
use crate::sys::clock;

/// The shortest segment in bytes under a rule on bytes; shorter ones are not worth their files.
const SHORTEST: u64 = 64 << 10;

impl Retention {
    /// Shorter segments keep a rule on bytes more exactly.
    pub fn segment_bytes(&self, usual: u64) -> u64 {
        self.bytes.map_or(usual, |bytes| usual.min((bytes / 8).max(SHORTEST)))
    }

    /// Returns whether the last segment is old enough to be sealed, so its records can be deleted in time.
    pub fn wants_new(&self, begun: Moment, now: Moment) -> bool {
        self.age.is_some_and(|age| now.after(begun) > age / 8)
    }

    /// Returns the ns that count between two times of the wall clock, which may include a step.
    fn counted(&self, earlier: i64, later: i64) -> i64 {
        later.saturating_sub(earlier).clamp(0, self.age.map_or(i64::MAX, |age| age / 4))
    }

    /// Returns the beginning of a segment, from its page. `wall` is the current time, ns since 1970.
    pub fn begun(&self, segment: &SegmentInfo, now: Moment, wall: i64) -> Moment {
        Moment(now.0.saturating_sub(self.counted(segment.created, wall)))
    }
}

/// A time in ns since this machine was booted; negative for a time before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(i64);

impl Moment {
    pub fn now() -> Moment {
        Moment(i64::try_from(clock::since_boot().as_nanos()).unwrap_or(i64::MAX))
    }

    fn after(self, earlier: Moment) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[derive(Debug)]
pub struct SealedSegments(Vec<Sealed>);

#[derive(Clone, Copy, Debug)]
struct Sealed {
    first: u64,
    last: u64,
    bytes: u64,
    /// The time of its sealing, at or after the sending of its last record.
    sealed: Moment,
}

impl SealedSegments {
    /// Returns the sealed segments in a directory; `last` is the last segment, begun at this moment.
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
            // Reading reports damage to an old segment; the writer continues.
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

    pub fn sealed(&mut self, first: u64, last: u64, bytes: u64, now: Moment) {
        self.0.push(Sealed { first, last, bytes, sealed: now });
    }

    /// Deletes segments according to the rules; `bytes` is the length of the last segment.
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

    /// Deletes the segments whose records all have lower numbers than `first`.
    pub fn retire_before(&mut self, folder: &JournalFolder, first: u64) -> Result<()> {
        let gone = self.0.iter().take_while(|sealed| sealed.last < first).count();
        for (at, sealed) in self.0.iter().take(gone).enumerate() {
            remove(folder, sealed, at)?;
        }
        self.0.drain(..gone);
        Ok(())
    }
}

fn remove(folder: &JournalFolder, sealed: &Sealed, gone: usize) -> Result<()> {
    // One at a time: a power cut could otherwise undo the first deletion but not the second, and leave a gap.
    if gone > 0 {
        folder.sync()?;
    }
    folder.remove(&segment_name(sealed.first))
}

/// Returns the number up to which every consumer has consumed, according to the disk.
///
/// A power cut must not undo a position whose records were deleted. Returns 0 without consumers, and if the
/// file of one is damaged.
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
