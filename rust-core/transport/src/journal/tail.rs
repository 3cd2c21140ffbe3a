//! Finds the end of a journal: the last good record, and whether later bytes were acknowledged.
//!
//! A crash may leave a torn record, zeros, or a later record without its predecessor. The scan therefore
//! checks every record in order. Two facts prove that a broken record was acknowledged: the committed word,
//! and a later record whose `after` shows that this record was safe by then. Without proof the tail may be
//! truncated; with proof it is `Corrupt`.

use super::committed::Committed;
use super::folder::{JournalFolder, PAGE};
use super::records::{JournalRecord, Parts, RecordAt, Records};
use crate::error::{Doing, Error, ErrorKind, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The number of the last good record, or one less than the segment's first number.
    pub sequence: u64,
    pub at: u64,
    pub end: u64,
    /// The latest time of sending of all records up to here, ns since 1970.
    pub high: i64,
    /// Whether bytes follow that are not a record.
    pub broken: bool,
}

/// Finds the end of a journal's last segment. `known` is the committed word.
///
/// # Errors
/// `Corrupt`, with the file and the offset, if an acknowledged record is damaged.
pub fn find(folder: &JournalFolder, records: &mut Records, known: Option<Committed>) -> Result<Tail> {
    let (tail, why) = scan(records, records.segment.first, 0)?;
    let acknowledged = known.map_or(0, |known| known.sequence);
    let next = tail.sequence + 1;
    // A record written after this one was safe proves the acknowledgement.
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

/// Walks over good records from the position of `records` on; `at` is the offset of the preceding one.
///
/// Returns the end, and the reason why the following bytes are not a record.
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

/// Returns the last safe record of a journal without a writer, if there is a segment.
///
/// This is the last whole record that follows the committed word, synced before the return.
pub fn without_writer(folder: &JournalFolder, known: Option<Committed>) -> Result<Option<Committed>> {
    let segments = folder.segments()?;
    let known = known.filter(|known| segments.contains(&known.segment));
    let Some(start) = known.map(|k| k.segment).or(segments.last().copied()) else { return Ok(None) };
    let mut best = known.unwrap_or(Committed { sequence: start - 1, segment: start, at: 0 });
    for first in segments.into_iter().filter(|first| *first >= start) {
        // If the predecessor of a segment ends early, that is damage, which reading finds.
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

/// Finds the offset of the last record if the last segment is still empty. A deleted record keeps offset 0.
pub fn locate(folder: &JournalFolder, last: Committed) -> Result<Committed> {
    if last.at > 0 || last.sequence == 0 {
        return Ok(last);
    }
    let holds = |first: &u64| *first <= last.sequence;
    let Some(first) = folder.segments()?.into_iter().rfind(holds) else { return Ok(last) };
    let Some((file, segment)) = folder.segment(first, false)? else { return Ok(last) };
    let (tail, _) = scan(&mut Records::new(file, segment), first, 0)?;
    if tail.sequence != last.sequence {
        return Ok(last);
    }
    Ok(Committed { sequence: last.sequence, segment: first, at: tail.at })
}
