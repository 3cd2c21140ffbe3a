//! The writing end of the log: records into the last segment, synced, then said to be safe.

use std::fs::File;
use std::io::IoSlice;

use bytes::Bytes;

use super::block::{Identity, LARGEST};
use super::committed::{Committed, Word};
use super::folder::{self, Folder, PAGE, Segment};
use super::mask;
use super::record::{self, Stamp};
use super::records::Records;
use super::retention::{Kept, Retention};
use super::schemas;
use super::tail;
use crate::codec::Encoding;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::headroom;
use crate::value::Timestamp;

/// Bytes of a segment where nothing else is said.
const SEGMENT: u64 = 32 << 20;
/// Bodies up to this are copied beside their heads, longer ones are written from where they are.
const COPIED: usize = 16 << 10;
/// Pieces of one write, at most (IOV_MAX is 1,024).
const PIECES: usize = 512;

/// A message that waits to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    /// How the body is written.
    pub encoding: Encoding,
    /// The body.
    pub body: Bytes,
    /// Its check sum.
    pub check: u32,
    /// Whether it holds what looks like a record, see [`mask`].
    pub needs_mask: bool,
    /// Whether it is not to be written where the one before it was not: the two are of one batch.
    pub follows: bool,
}

impl Draft {
    /// A draft of this body.
    pub fn new(encoding: Encoding, body: Bytes) -> Draft {
        let (check, needs_mask) = mask::inspect(&body);
        Draft { encoding, body, check, needs_mask, follows: false }
    }
}

/// How a journal is cut into segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Bytes of a segment.
    pub segment_bytes: Option<u64>,
    /// Which segments go.
    pub retention: Retention,
    /// What the records name as their schema, 0 for none: those of a segment name one.
    pub schema: u64,
}

/// The writing end.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    shape: Shape,
    id: Identity,
    source: String,
    session: u64,
    file: File,
    segment: Segment,
    /// Where the next record goes; everything before it is on the disk.
    end: u64,
    committed: Committed,
    high: i64,
    word: Word,
    kept: Kept,
    /// Why nothing more is taken.
    spoilt: Option<Error>,
    scratch: Vec<u8>,
    /// The schema of the segment's records; none where it has none yet.
    written: Option<u64>,
}

enum Piece<'a> {
    Scratch(std::ops::Range<usize>),
    Body(&'a [u8]),
}

impl Log {
    /// Opens the log, and makes it where there is none. To be called under the journal's lock.
    pub fn open(folder: Folder, shape: Shape, source: &str, session: u64) -> Result<Log> {
        folder.sweep()?;
        let segments = folder.segments()?;
        let (file, segment) = match segments.last() {
            Some(last) => folder.segment(*last, true)?.ok_or_else(|| vanished(&folder))?,
            None => {
                let segment = Segment {
                    version: folder::VERSION,
                    id: fresh()?,
                    first: 1,
                    created: now(),
                    high: i64::MIN,
                };
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
        // What a killed writer left whole may be in the kernel's memory alone.
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
            true => schemas::of_segment(&folder, &file, segment.first)?,
            false => None,
        };
        let kept = Kept::look(&folder, &segments, segment)?;
        let mut log = Log {
            folder,
            shape,
            id: segment.id,
            source: source.to_owned(),
            session,
            file,
            segment,
            end: tail.end,
            committed,
            high: tail.high,
            word,
            kept,
            spoilt: None,
            scratch: Vec::new(),
            written,
        };
        log.retire()?;
        Ok(log)
    }

    /// How far it is safe.
    #[cfg(test)]
    pub fn committed(&self) -> Committed {
        self.committed
    }

    /// Its directory.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Writes messages and syncs them: each gets its number, or why it is not in the log.
    pub fn append(&mut self, drafts: &[Draft]) -> Vec<Result<u64>> {
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

    /// Writes as many as fit the segment; gives how many, or how many failed and why.
    fn append_some(&mut self, drafts: &[Draft]) -> std::result::Result<usize, (usize, Error)> {
        if let Some(spoilt) = &self.spoilt {
            return Err((drafts.len(), spoilt.clone()));
        }
        if self.committed.sequence.saturating_add(drafts.len() as u64) > LARGEST {
            let text = format!(
                "{} has reached the last number that there is, {LARGEST}; begin another journal",
                self.file_name()
            );
            return Err((drafts.len(), Error::new(ErrorKind::InvalidState, text)));
        }
        let limit = self.capacity();
        let now = now();
        let first = self.size(&drafts[0]);
        // What does not understand masks does not understand the next segment either, and says so.
        let old = self.shape.retention.wants_new(&self.segment, now)
            || self.segment.version < folder::VERSION && drafts.iter().any(|draft| draft.needs_mask)
            || self.written.is_some_and(|schema| schema != self.shape.schema);
        if self.end > PAGE && (self.end + first > limit || old) {
            self.roll(now).map_err(|e| (drafts.len(), e))?;
        }
        headroom::check_file(self.end + first).map_err(|e| (1, e))?;
        self.scratch.clear();
        let mut scratch = std::mem::take(&mut self.scratch);
        let (mut count, mut at, mut last_at) = (0, self.end, self.end);
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for draft in drafts {
            let size = self.size(draft);
            if count > 0 && at + size > limit {
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
            let stamp = Stamp {
                id: &self.id,
                sequence: self.committed.sequence + 1 + count as u64,
                sent: now,
                after: self.committed.sequence,
                session: self.session,
                source: &self.source,
                schema: self.shape.schema,
                mask,
            };
            let length = draft.body.len();
            record::write_head(&mut scratch, draft.encoding, length as u64, draft.check, &stamp);
            let head = scratch.len() - start;
            if length <= COPIED || mask.is_some() {
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
            let committed = Committed {
                sequence: self.committed.sequence + count as u64,
                segment: self.segment.first,
                at: last_at,
            };
            self.settle(committed)
        });
        self.scratch = scratch;
        match written {
            Ok(committed) => {
                (self.end, self.committed, self.high) = (at, committed, self.high.max(now));
                self.written = Some(self.shape.schema);
                Ok(count)
            }
            Err(error) => Err((count, self.undo(error))),
        }
    }

    /// Bytes that a message takes in the log.
    fn size(&self, draft: &Draft) -> u64 {
        record::length(record::head_length(&self.source, draft.needs_mask), draft.body.len() as u64)
    }

    /// How long a segment is to get: never longer than the process may make a file.
    fn capacity(&self) -> u64 {
        let process = headroom::file_limit();
        let usual = self.shape.retention.segment_bytes(SEGMENT);
        self.shape.segment_bytes.unwrap_or(usual).min(process)
    }

    fn write(&self, pieces: &[Piece<'_>], scratch: &[u8]) -> Result<()> {
        let doing = || format!("writing to {}", self.file_name());
        let mut at = self.end;
        for pieces in pieces.chunks(PIECES) {
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
                        let text = format!("{}: the file system takes no longer file", doing());
                        return Err(Error::new(ErrorKind::NoSpace, text));
                    }
                    Err(e) => return Err(e).doing(doing()),
                }
            }
        }
        Ok(())
    }

    /// Brings what was written to the disk, and tells the readers.
    fn settle(&self, committed: Committed) -> Result<Committed> {
        self.file.sync_data().doing(format_args!("syncing {}", self.file_name()))?;
        self.word.write(&committed)?;
        Ok(committed)
    }

    /// Takes back what was written and not acknowledged. A full disk leaves the log as it was; after any other failure nobody
    /// knows what the kernel still holds of it, so that nothing more is taken.
    fn undo(&mut self, error: Error) -> Error {
        let cut = self.file.set_len(self.end);
        let synced = cut.and_then(|()| self.file.sync_data());
        if error.kind() == ErrorKind::NoSpace && synced.is_ok() {
            return error;
        }
        let text = format!(
            "{}; everything up to number {} is safe, this message is not in the journal, and no other is taken until the \
             publisher is made anew",
            error.text(),
            self.committed.sequence
        );
        self.spoilt = Some(Error::new(ErrorKind::Corrupt, text.clone()));
        Error::new(ErrorKind::Corrupt, text)
    }

    fn file_name(&self) -> String {
        self.folder.path(&super::folder::segment_name(self.segment.first)).display().to_string()
    }

    /// Begins the next segment.
    fn roll(&mut self, now: i64) -> Result<()> {
        let first = self.committed.sequence + 1;
        let segment = Segment { version: folder::VERSION, id: self.id, first, created: now, high: self.high };
        self.file = self.folder.make_segment(segment)?;
        self.kept.sealed(self.segment.first, self.committed.sequence, self.end, now);
        (self.segment, self.end, self.written) = (segment, PAGE, None);
        // What cannot be deleted is no reason to refuse a message: it is tried again with the next segment, and whoever opens
        // the journal is told.
        let _ = self.retire();
        Ok(())
    }

    /// Deletes the segments that are not to be kept.
    fn retire(&mut self) -> Result<()> {
        self.kept.retire(&self.folder, &self.shape.retention, self.end, now())
    }

    /// Brings the word to the disk, at a close in good order.
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

fn fresh() -> Result<Identity> {
    let mut id = [0; 16];
    rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty())
        .doing("drawing a random number")?;
    Ok(id)
}

fn vanished(folder: &Folder) -> Error {
    let text = format!("the last segment of {} went away while it was opened", folder.path("").display());
    Error::new(ErrorKind::Corrupt, text)
}

/// A journal whose segments are gone is not begun anew under its readers' feet.
fn refuse_lost(folder: &Folder) -> Result<()> {
    if folder.consumers()?.is_empty() && folder.file(super::committed::NAME, false)?.is_none() {
        return Ok(());
    }
    let text = format!(
        "{} once had records and has no segment; put the segments back from a copy, or remove the whole directory",
        folder.path("").display()
    );
    Err(Error::new(ErrorKind::Corrupt, text))
}
