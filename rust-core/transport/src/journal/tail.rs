//! Finds the real end of a journal: the last good record, and whether the bytes behind it were ever
//! acknowledged.
//!
//! A crash may leave any part of the writes that were not synced: a torn record, zeros, or a later
//! record without the one before it. So the scan goes record by record, each with its checksum. Two
//! things prove that a broken record was acknowledged: the committed word, and a later record whose
//! `after` shows that this one was safe when that one was written. Without such a proof the tail
//! may be truncated; with one it is damage, and `Corrupt`.

use super::committed::Committed;
use super::folder::{JournalFolder, PAGE};
use super::records::{JournalRecord, Parts, RecordAt, Records};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The number of the last good record, or the one before the segment's first.
    pub sequence: u64,
    /// The offset of that record; 0 where this segment has none.
    pub at: u64,
    /// The offset of the next record.
    pub end: u64,
    /// The latest time at which any record up to here was sent, ns since 1970.
    pub high: i64,
    /// Whether there are bytes behind it that are no record.
    pub broken: bool,
}

/// Finds the end of a journal's last segment. `known` is the committed word.
///
/// # Errors
/// `Corrupt`, with the file and the offset, where an acknowledged record is damaged: it is never
/// truncated silently.
pub fn find(folder: &JournalFolder, records: &mut Records, known: Option<Committed>) -> Result<Tail> {
    let (tail, why) = scan(records, records.segment.first, 0)?;
    let acknowledged = known.map_or(0, |known| known.sequence);
    let next = tail.sequence + 1;
    // A record that was written when this one was safe proves that it was.
    let proves = |later: &JournalRecord| later.header.sequence > next && later.after >= next;
    let acknowledged = acknowledged >= next || (why.is_some() && records.find(proves)?.is_some());
    if !acknowledged {
        return Ok(tail);
    }
    let file = folder.path(&records.name());
    let why = why.unwrap_or_else(|| "the file ends there".into());
    let text = format!(
        "record {next} was acknowledged and is not whole in {}: {why}; put the file back from a copy. To go on without it \
         and all that follows it, remove {} and cut the file there",
        file.display(),
        folder.path(super::committed::NAME).display()
    );
    Err(Error::new(ErrorKind::Corrupt, text).at(tail.end as usize))
}

/// Walks from one good record to the next, from the position of `records` on; `at` is the offset of
/// the record before. Returns the end, and the reason why the bytes behind it are no record.
pub fn scan(records: &mut Records, first: u64, at: u64) -> Result<(Tail, Option<String>)> {
    let segment = records.segment;
    let mut tail = Tail { sequence: first - 1, at, end: records.at, high: segment.high, broken: false };
    loop {
        match records.read_record(Some(tail.sequence + 1), Parts::Check)? {
            RecordAt::Record(record) => {
                records.at = record.end;
                let high = tail.high.max(record.header.sent);
                tail =
                    Tail { sequence: tail.sequence + 1, at: record.at, end: record.end, high, broken: false };
            }
            RecordAt::End => return Ok((tail, None)),
            RecordAt::Broken(why) => {
                tail.broken = true;
                return Ok((tail, Some(why)));
            }
        }
    }
}

/// Returns the last safe record of a journal without a writer: that of the committed word, and
/// every whole record behind it, which is synced before it is returned. `None` where there is no
/// segment.
pub fn without_writer(folder: &JournalFolder, known: Option<Committed>) -> Result<Option<Committed>> {
    let segments = folder.segments()?;
    let known = known.filter(|known| segments.contains(&known.segment));
    let Some(start) = known.map(|k| k.segment).or(segments.last().copied()) else { return Ok(None) };
    let mut best = known.unwrap_or(Committed { sequence: start - 1, segment: start, at: 0 });
    for first in segments.into_iter().filter(|first| *first >= start) {
        // A segment whose predecessor does not reach it is damage, which reading finds.
        if first != start && first != best.sequence + 1 {
            break;
        }
        let Some((file, segment)) = folder.segment(first, false)? else { break };
        let mut records = Records::new(file, segment);
        let mut next = first;
        if first == best.segment && best.at >= PAGE {
            (records.at, next) = (best.at, best.sequence);
        }
        let (tail, _) = scan(&mut records, next, 0)?;
        records.file().sync_data().doing(format_args!("syncing {}", records.name()))?;
        if tail.sequence >= best.sequence && tail.at > 0 {
            best = Committed { sequence: tail.sequence, segment: first, at: tail.at };
        }
    }
    locate(folder, best).map(Some)
}

/// Finds the offset of the last record where the last segment is still empty. A record that was
/// deleted has none.
pub fn locate(folder: &JournalFolder, last: Committed) -> Result<Committed> {
    if last.at > 0 || last.sequence == 0 {
        return Ok(last);
    }
    let holds = |first: &u64| *first <= last.sequence;
    let Some(first) = folder.segments()?.into_iter().rfind(holds) else { return Ok(last) };
    let Some((file, segment)) = folder.segment(first, false)? else { return Ok(last) };
    let (tail, _) = scan(&mut Records::new(file, segment), first, 0)?;
    // Damage before it is reported when it is read.
    if tail.sequence != last.sequence {
        return Ok(last);
    }
    Ok(Committed { sequence: last.sequence, segment: first, at: tail.at })
}
