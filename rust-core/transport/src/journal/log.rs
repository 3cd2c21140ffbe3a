//! The writing end of the log: writes records into the last segment, syncs them, and declares them safe.
//!
//! Recovery relies on the order of an append: write the records after the last safe one (`pwritev`), sync the
//! segment (`fdatasync`), write the committed word, return. A crash between two steps leaves only
//! unacknowledged records.
//!
//! A failed write is undone by truncating the file after the last safe record. After `NoSpace` the log
//! continues. After any other failure the state of the kernel's memory is unknown, so the log refuses records
//! until it is reopened.
//!
//! A new segment begins:
//!
//! - when the record exceeds the segment's length,
//! - when the rule on age requires it,
//! - when the records' schema changes,
//! - before the first record with a mask in a segment of version 1.

use std::fs::File;
use std::io::IoSlice;

use bytes::Bytes;

use super::block::{JournalId, LARGEST};
use super::committed::{self, Committed, Word};
use super::folder::{self, JournalFolder, PAGE, SegmentInfo};
use super::mask;
use super::record::{self, Stamp};
use super::records::{Records, schema_of};
use super::retention::{Moment, SealedSegments};
use super::tail;
use crate::codec::Encoding;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::store::{OriginalRecord, Retention};
use crate::sys::{headroom, random};
use crate::value::Timestamp;

/// The default length of a segment in bytes.
const SEGMENT: u64 = 32 << 20;
/// Longer bodies are written from their place; shorter ones are first copied next to their heads.
const MAX_COPIED: usize = 16 << 10;
/// The most pieces of one `pwritev` (IOV_MAX is 1,024).
const MAX_PIECES: usize = 512;

#[derive(Clone, Debug)]
pub struct RecordDraft {
    pub encoding: Encoding,
    pub body: Bytes,
    /// The CRC-32C of the body without a mask.
    pub check: u32,
    /// Whether the body contains bytes that look like a record, see [`mask`].
    pub needs_mask: bool,
    /// Whether this draft fails if the preceding draft fails: both belong to one batch.
    pub follows: bool,
    /// The fields of the original record, for a replica.
    ///
    /// `None` for a message of this machine, which gets the next number and the current time.
    pub origin: Option<OriginalRecord>,
}

impl RecordDraft {
    /// Returns a draft of this body; computes the checksum, and whether it needs a mask.
    pub fn new(encoding: Encoding, body: Bytes) -> RecordDraft {
        let (check, needs_mask) = mask::inspect(&body);
        RecordDraft { encoding, body, check, needs_mask, follows: false, origin: None }
    }

    fn begins(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.begins)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Segmentation {
    pub segment_bytes: Option<u64>,
    pub retention: Retention,
    /// The first 8 bytes of the fingerprint of the records' schema; 0 without a schema.
    ///
    /// All records of a segment have an equal schema.
    pub schema: u64,
    /// For a replica: the original journal's identity and the number of its first record.
    pub beginning: Option<(JournalId, u64)>,
}

/// The writing end. Its owner (`writer` or `replica`) holds the journal's lock.
#[derive(Debug)]
pub struct JournalLog {
    folder: JournalFolder,
    shape: Segmentation,
    id: JournalId,
    source: String,
    session: u64,
    file: File,
    segment: SegmentInfo,
    begun: Moment,
    /// The offset of the next record; everything before it is on the disk.
    end: u64,
    committed: Committed,
    /// The latest time of sending of all records so far, ns since 1970.
    high: i64,
    word: Word,
    kept: SealedSegments,
    /// The reason to refuse records, after a failure of unknown effect.
    failed: Option<Error>,
    /// Memory for heads and short bodies, reused by each append.
    scratch: Vec<u8>,
    /// The schema of the segment's records; `None` while it is empty.
    written: Option<u64>,
}

enum Piece<'a> {
    Scratch(std::ops::Range<usize>),
    Body(&'a [u8]),
}

impl JournalLog {
    /// Opens the log, and creates it if necessary. The caller holds the journal's lock.
    ///
    /// It truncates a torn tail, writes the committed word, and deletes segments according to the rules.
    ///
    /// # Errors
    /// `Corrupt` if acknowledged records are damaged or their segments missing; `VersionMismatch` for a newer
    /// layout; errors of the file system.
    pub fn open(
        folder: JournalFolder,
        shape: Segmentation,
        source: &str,
        session: u64,
    ) -> Result<JournalLog> {
        folder.sweep()?;
        let segments = folder.segments()?;
        let (file, segment) = match segments.last() {
            Some(last) => folder.segment(*last, true)?.ok_or_else(|| vanished(&folder))?,
            None => {
                let (id, first) = match shape.beginning {
                    Some(beginning) => beginning,
                    None => (random::bytes()?, 1),
                };
                let segment =
                    SegmentInfo { version: folder::VERSION, id, first, created: now(), high: i64::MIN };
                refuse_lost(&folder)?;
                (folder.make_segment(segment)?, segment)
            }
        };
        let word = Word::create(&folder, segment.id)?;
        let known = word.read()?;
        let mut records = Records::new(file, segment);
        let tail = tail::find(&folder, &mut records, known)?;
        let file = records.file().try_clone().doing("duplicating a segment's descriptor")?;
        let doing = || format!("cutting {} at its last whole record", folder.path(&records.name()).display());
        if tail.broken || records.length()? > tail.end {
            file.set_len(tail.end).doing(doing())?;
        }
        // Whole records of a killed writer may be only in the kernel's memory.
        file.sync_data().doing(doing())?;
        folder.sync_names()?;
        let committed = match known {
            Some(known) if known.sequence == tail.sequence => known,
            _ => tail::locate(
                &folder,
                Committed { sequence: tail.sequence, segment: segment.first, at: tail.at },
            )?,
        };
        word.write(&committed)?;
        folder.announce()?;
        let written = match tail.end > PAGE {
            true => schema_of(&folder, &file, segment.first)?,
            false => None,
        };
        let begun = shape.retention.begun(&segment, Moment::now(), now());
        let kept = SealedSegments::scan(&folder, &segments, segment, begun, &shape.retention)?;
        let mut log = JournalLog {
            folder,
            shape,
            id: segment.id,
            source: source.to_owned(),
            session,
            file,
            segment,
            begun,
            end: tail.end,
            committed,
            high: tail.high,
            word,
            kept,
            failed: None,
            scratch: Vec::new(),
            written,
        };
        log.retire()?;
        Ok(log)
    }

    pub fn committed(&self) -> Committed {
        self.committed
    }

    pub fn folder(&self) -> &JournalFolder {
        &self.folder
    }

    /// Writes messages and syncs them. Returns for each its number, or the reason of its failure.
    ///
    /// Blocks for the disk. A message that follows a failed one in its batch fails with an equal error.
    ///
    /// # Errors
    /// `NoSpace` for a full disk or a file limit; `InvalidState` after the largest number; `Corrupt` after a
    /// failure of unknown effect.
    pub fn append(&mut self, drafts: &[RecordDraft]) -> Vec<Result<u64>> {
        let mut outcomes = Vec::with_capacity(drafts.len());
        while outcomes.len() < drafts.len() {
            match self.append_some(&drafts[outcomes.len()..]) {
                Ok(count) => {
                    let last = self.committed.sequence;
                    outcomes.extend((last + 1 - count as u64..=last).map(Ok));
                }
                Err((count, error)) => {
                    let failed = drafts[outcomes.len() + count..].iter().take_while(|draft| draft.follows);
                    let failed = count + failed.count();
                    outcomes.extend((0..failed).map(|_| Err(error.clone())));
                }
            }
        }
        outcomes
    }

    /// Writes as many messages as fit in the segment, with one sync.
    ///
    /// Returns how many, or how many failed and the error.
    fn append_some(&mut self, drafts: &[RecordDraft]) -> std::result::Result<usize, (usize, Error)> {
        if let Some(failed) = &self.failed {
            return Err((drafts.len(), failed.clone()));
        }
        let expected = self.committed.sequence.saturating_add(1);
        let next = drafts[0].origin.as_ref().map_or(expected, |origin| origin.sequence);
        if (next - 1).saturating_add(drafts.len() as u64) > LARGEST {
            let text = format!(
                "{} has reached the largest number, {LARGEST}; begin another journal",
                self.file_name()
            );
            return Err((drafts.len(), Error::new(ErrorKind::InvalidState, text)));
        }
        let limit = self.capacity();
        let now = now();
        let first = self.size(&drafts[0]);
        // A library without masks cannot read the next segment's version, and reports that.
        let old = self.shape.retention.wants_new(self.begun, Moment::now())
            || self.segment.version < folder::VERSION && drafts.iter().any(|draft| draft.needs_mask)
            || self.written.is_some_and(|schema| schema != self.schema(&drafts[0]));
        // An empty segment is replaced only if its name is not the number of its first record.
        let is_elsewhere = drafts[0].begins() && self.segment.first != next;
        if self.end > PAGE && (self.end + first > limit || old) || is_elsewhere {
            self.roll(next, now).map_err(|e| (drafts.len(), e))?;
        }
        headroom::check_file(self.end + first).map_err(|e| (1, e))?;
        self.scratch.clear();
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut count, mut at, mut last_at, mut high) = (0, self.end, self.end, self.high);
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for draft in drafts {
            let size = self.size(draft);
            let is_of_next = draft.begins() || self.schema(draft) != self.schema(&drafts[0]);
            if count > 0 && (at + size > limit || is_of_next) {
                break;
            }
            let start = scratch.len();
            let mask = match draft.needs_mask.then(|| mask::draw(&draft.body)).transpose() {
                Ok(mask) => mask,
                Err(e) if count == 0 => {
                    self.scratch = scratch;
                    return Err((1, e));
                }
                Err(_) => break,
            };
            let origin = draft.origin.as_ref();
            let stamp = Stamp {
                id: &self.id,
                sequence: next + count as u64,
                sent: origin.map_or(now, |origin| origin.sent),
                after: self.committed.sequence,
                session: origin.map_or(self.session, |origin| origin.session),
                source: origin.map_or(&self.source, |origin| &origin.source),
                schema: self.schema(draft),
                mask,
            };
            high = high.max(stamp.sent);
            let length = draft.body.len();
            record::write_head(&mut scratch, draft.encoding, length as u64, draft.check, &stamp);
            let head = scratch.len() - start;
            if length <= MAX_COPIED || mask.is_some() {
                scratch.extend_from_slice(&draft.body);
                if let Some(mask) = mask {
                    mask::apply(mask, &mut scratch[start + head..]);
                }
                scratch.resize(start + size as usize, 0);
                add(&mut pieces, start..scratch.len());
            } else {
                let filling = size as usize - head - length;
                scratch.resize(start + head + filling, 0);
                add(&mut pieces, start..start + head);
                pieces.push(Piece::Body(&draft.body));
                if filling > 0 {
                    pieces.push(Piece::Scratch(start + head..start + head + filling));
                }
            }
            (last_at, at, count) = (at, at + size, count + 1);
        }
        let written = self.write(&pieces, &scratch).and_then(|()| {
            let committed =
                Committed { sequence: next + count as u64 - 1, segment: self.segment.first, at: last_at };
            self.sync_and_commit(committed)
        });
        self.scratch = scratch;
        match written {
            Ok(committed) => {
                (self.end, self.committed, self.high) = (at, committed, high);
                self.written = Some(self.schema(&drafts[0]));
                Ok(count)
            }
            Err(error) => Err((count, self.undo(error))),
        }
    }

    fn size(&self, draft: &RecordDraft) -> u64 {
        let source = draft.origin.as_ref().map_or(&self.source, |origin| &origin.source);
        record::length(record::head_length(source, draft.needs_mask), draft.body.len() as u64)
    }

    fn schema(&self, draft: &RecordDraft) -> u64 {
        draft.origin.as_ref().map_or(self.shape.schema, |origin| origin.schema)
    }

    /// Returns the length of the segment in bytes, at most the process's limit on files.
    fn capacity(&self) -> u64 {
        let process = headroom::file_limit();
        let usual = self.shape.retention.segment_bytes(SEGMENT);
        self.shape.segment_bytes.unwrap_or(usual).min(process)
    }

    fn write(&self, pieces: &[Piece<'_>], scratch: &[u8]) -> Result<()> {
        let doing = || format!("writing to {}", self.file_name());
        let mut at = self.end;
        for pieces in pieces.chunks(MAX_PIECES) {
            let mut slices: Vec<IoSlice<'_>> = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Scratch(range) => IoSlice::new(&scratch[range.clone()]),
                    Piece::Body(body) => IoSlice::new(body),
                })
                .collect();
            let mut rest = &mut slices[..];
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.file, rest, at) {
                    Ok(0) => return Err(Error::os(doing(), libc::ENOSPC)),
                    Ok(n) => {
                        at += n as u64;
                        IoSlice::advance_slices(&mut rest, n);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::FBIG) => {
                        let text = format!("{}: the file system accepts no longer file", doing());
                        return Err(Error::new(ErrorKind::NoSpace, text));
                    }
                    Err(e) => return Err(e).doing(doing()),
                }
            }
        }
        Ok(())
    }

    /// Syncs written records, then writes the committed word, which wakes the readers.
    fn sync_and_commit(&self, committed: Committed) -> Result<Committed> {
        self.file.sync_data().doing(format_args!("syncing {}", self.file_name()))?;
        self.word.write(&committed)?;
        Ok(committed)
    }

    /// Truncates unacknowledged bytes after a failed write; refuses further records except after `NoSpace`.
    fn undo(&mut self, error: Error) -> Error {
        let cut = self.file.set_len(self.end);
        let synced = cut.and_then(|()| self.file.sync_data());
        if error.kind() == ErrorKind::NoSpace && synced.is_ok() {
            return error;
        }
        let text = format!(
            "{}; everything up to number {} is safe, this message is not in the journal, and no other is accepted until the \
             publisher is made anew",
            error.text(),
            self.committed.sequence
        );
        self.failed = Some(Error::new(ErrorKind::Corrupt, text.clone()));
        Error::new(ErrorKind::Corrupt, text)
    }

    fn file_name(&self) -> String {
        self.folder.path(&super::folder::segment_name(self.segment.first)).display().to_string()
    }

    /// Begins the segment of the record `first`, then applies the retention rules.
    fn roll(&mut self, first: u64, now: i64) -> Result<()> {
        let segment =
            SegmentInfo { version: folder::VERSION, id: self.id, first, created: now, high: self.high };
        self.file = self.folder.make_segment(segment)?;
        let begun = Moment::now();
        self.kept.sealed(self.segment.first, self.committed.sequence, self.end, begun);
        self.begun = begun;
        (self.segment, self.end, self.written) = (segment, PAGE, None);
        // A segment that cannot be deleted is not a reason to refuse a message. A process that opens the
        // journal gets the error.
        let _ = self.retire();
        Ok(())
    }

    fn retire(&mut self) -> Result<()> {
        self.kept.retire(&self.folder, &self.shape.retention, self.end, Moment::now())
    }

    /// Continues with the number `first`, for a replica: earlier missing records will never arrive.
    ///
    /// Readers treat them as deleted.
    pub fn skip_to(&mut self, first: u64) -> Result<()> {
        self.roll(first, now())?;
        let committed = Committed { sequence: first - 1, segment: first, at: 0 };
        self.word.write(&committed)?;
        self.committed = committed;
        self.retire_before(first)
    }

    pub fn retire_before(&mut self, first: u64) -> Result<()> {
        self.kept.retire_before(&self.folder, first)
    }

    /// Syncs the committed word at an orderly close, which saves the next writer a search.
    pub fn close(&self) -> Result<()> {
        self.word.sync()
    }
}

fn add(pieces: &mut Vec<Piece<'_>>, range: std::ops::Range<usize>) {
    match pieces.last_mut() {
        Some(Piece::Scratch(before)) if before.end == range.start => before.end = range.end,
        _ => pieces.push(Piece::Scratch(range)),
    }
}

fn now() -> i64 {
    Timestamp::now().0
}

fn vanished(folder: &JournalFolder) -> Error {
    let text =
        format!("the last segment of {} was removed while it was being opened", folder.path("").display());
    Error::new(ErrorKind::Corrupt, text)
}

/// Refuses to recreate a journal whose segments are gone: its readers would confuse the two.
fn refuse_lost(folder: &JournalFolder) -> Result<()> {
    if folder.consumers()?.is_empty() && folder.file(committed::NAME, false)?.is_none() {
        return Ok(());
    }
    Err(committed::lost(folder))
}
