//! A reader of a journal: returns records on the disk in order, from any record on.
//!
//! It takes no lock on the journal. It watches the committed word for the last safe record; without a living
//! writer it checks the files itself (`tail::without_writer`). It reports missing segments as `Lagged`, and
//! damage once as `Corrupt`, and then continues. Calls block only for the disk.

use std::os::fd::{AsFd, BorrowedFd};

use super::committed::{self, Committed, Word};
use super::consumer::{Consumer, Position};
use super::folder::{JournalFolder, PAGE};
use super::record;
use super::records::{JournalRecord, Parts, RecordAt, Records, Walked};
use super::tail;
use crate::error::{Error, ErrorKind, Result, over_message_limit};
use crate::extension::Sender;
use crate::frame::{Header, Incoming};
use crate::place::{Access, Place};
use crate::store::Start;
use crate::sys::inotify::ContentWatch;
use crate::sys::lock;

#[derive(Debug)]
pub struct Reader {
    folder: JournalFolder,
    word: Word,
    /// Wakes this reader; `None` for a single read.
    watch: Option<ContentWatch>,
    committed: Committed,
    /// The longest body in bytes; a longer one is skipped with `TooLarge`.
    limit: u64,
    records: Option<Records>,
    next: u64,
    /// Skips records sent earlier (ns since 1970), until a later one is found.
    since: Option<i64>,
    /// Whether a walk over headers must find the next record.
    seeking: bool,
    /// The number of records that were deleted unread and are not reported yet.
    missed: u64,
    gone: bool,
    /// The name under which this reader's position is stored, if any.
    consumer: Option<Consumer>,
    /// Of the last two returned records: a caller may read one ahead.
    delivered: [Option<Position>; 2],
}

impl Reader {
    /// Opens the journal at a place, if it exists.
    ///
    /// A reader with a known name continues at its position. A new name begins at `start`, or with the oldest
    /// record. A reader without a name begins at `start`, or with the newest record.
    ///
    /// # Errors
    /// `AddressInUse` if a living process reads under the name; `Corrupt`, `VersionMismatch`,
    /// `PermissionDenied`.
    pub fn open(
        place: &Place,
        name: Option<&str>,
        start: Option<Start>,
        limit: u64,
    ) -> Result<Option<Reader>> {
        Reader::open_for(place, name, start, limit, true)
    }

    /// Returns a journal's newest record. The outer `None` means no journal.
    ///
    /// No watch: closing one takes the kernel milliseconds.
    pub fn newest(place: &Place, limit: u64) -> Result<Option<Option<(Incoming, Sender)>>> {
        let reader = Reader::open_for(place, None, Some(Start::Newest), limit, false)?;
        reader.map(|mut reader| reader.latest()).transpose()
    }

    /// Returns the last safe record's number, 0 without records; `None` without a journal.
    pub fn last(place: &Place) -> Result<Option<u64>> {
        let reader = Reader::open_for(place, None, Some(Start::Newest), 0, false)?;
        Ok(reader.map(|reader| reader.committed.sequence))
    }

    fn open_for(
        place: &Place,
        name: Option<&str>,
        start: Option<Start>,
        limit: u64,
        watches: bool,
    ) -> Result<Option<Reader>> {
        let opened = Reader::open_once(place, name, start, limit, watches);
        opened.map_err(|e| place.denied("read", e))
    }

    fn open_once(
        place: &Place,
        name: Option<&str>,
        start: Option<Start>,
        limit: u64,
        watches: bool,
    ) -> Result<Option<Reader>> {
        let Some(folder) = JournalFolder::open(place, Access::default())? else { return Ok(None) };
        let Some((_, segment)) = committed::last_segment(&folder)? else { return Ok(None) };
        let Some(word) = word(&folder, segment.id)? else { return Ok(None) };
        // Before the first read of the word: a write in between could be missed.
        let watch = if watches { Some(ContentWatch::new(word.as_fd())?) } else { None };
        let Some(committed) = committed(&folder, &word)? else { return Ok(None) };
        let mut reader = Reader {
            folder,
            word,
            watch,
            committed,
            limit,
            records: None,
            next: 1,
            since: None,
            seeking: false,
            missed: 0,
            gone: false,
            consumer: None,
            delivered: [None; 2],
        };
        let mut stopped = None;
        if let Some(name) = name {
            let (consumer, position) = Consumer::claim(&reader.folder, segment.id, name)?;
            (reader.consumer, stopped) = (Some(consumer), position);
        }
        match (stopped, start) {
            // Nothing acknowledged yet: the start applies.
            (Some(Position { at: 0, .. }), Some(start @ (Start::Sequence(_) | Start::Time(_)))) => {
                reader.begin(start)?
            }
            (Some(position), _) => reader.resume(position)?,
            (None, start) => {
                reader.begin(start.unwrap_or(if name.is_some() { Start::First } else { Start::Newest }))?;
                reader.store_beginning()?;
            }
        }
        Ok(Some(reader))
    }

    fn resume(&mut self, position: Position) -> Result<()> {
        // The journal may have been truncated after the position was stored; numbers are then reused.
        self.next = position.sequence.min(self.committed.sequence) + 1;
        // The offset saves a search, if that record is there.
        if self.next == position.sequence + 1
            && let Ok(Some(mut records)) = self.at(position.segment, position.at)
            && let RecordAt::Record(record) = records.read_record(Some(position.sequence), Parts::Head)?
        {
            records.at = record.end;
            self.records = Some(records);
        }
        Ok(())
    }

    fn begin(&mut self, start: Start) -> Result<()> {
        let oldest = self.folder.segments()?.first().copied().unwrap_or(1);
        match start {
            Start::First => self.next = oldest,
            Start::Sequence(number) => self.next = number.max(1),
            Start::Time(at) => (self.next, self.since) = (self.segment_of(at)?, Some(at)),
            Start::Newest => {
                self.records = self.at(self.committed.segment, self.committed.at)?;
                let newest = self.committed.sequence;
                self.next = if newest >= oldest { newest } else { newest + 1 };
            }
        }
        Ok(())
    }

    /// Stores a new name's start.
    ///
    /// Later records are kept for it, even if it ends before its first acknowledgement.
    fn store_beginning(&mut self) -> Result<()> {
        let Some(consumer) = &mut self.consumer else { return Ok(()) };
        let sequence = (self.next - 1).min(self.committed.sequence);
        consumer.store(&self.folder, Position { sequence, segment: 0, at: 0 })
    }

    /// The records from an offset on; `None` without a possible record there, or if the segment is gone.
    fn at(&self, segment: u64, at: u64) -> Result<Option<Records>> {
        if at < PAGE || !at.is_multiple_of(record::ALIGN) {
            return Ok(None);
        }
        let Some((file, segment)) = self.folder.segment(segment, false)? else { return Ok(None) };
        let mut records = Records::new(file, segment);
        records.at = at;
        Ok(Some(records))
    }

    /// The segment for the first record sent at this time or later.
    ///
    /// The pages' latest times never fall, so a binary search works.
    fn segment_of(&self, at: i64) -> Result<u64> {
        let segments = self.folder.segments()?;
        let (mut low, mut high) = (0, segments.len().saturating_sub(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.folder.segment(segments[middle], false) {
                Ok(Some((_, segment))) if segment.high < at => low = middle,
                // A deleted segment was among the oldest.
                Ok(None) => low = middle,
                Ok(Some(_)) => high = middle - 1,
                // An earlier segment is good enough; reading reports the damage.
                Err(e) if e.kind() == ErrorKind::Corrupt => high = middle - 1,
                Err(e) => return Err(e),
            }
        }
        Ok(segments.get(low).copied().unwrap_or(1))
    }

    /// Returns the next record, if there is one: its frame and its sender.
    ///
    /// # Errors
    /// - `Lagged` once, with the number of records that were deleted unread.
    /// - `TooLarge` for a record that is skipped.
    /// - `Corrupt` once for damaged records; the next call continues after them.
    /// - `Disconnected` if the journal was removed and everything was read.
    pub fn try_recv(&mut self) -> Result<Option<(Incoming, Sender)>> {
        loop {
            if self.missed > 0 {
                return Err(Error::lagged(std::mem::take(&mut self.missed)));
            }
            if self.next > self.committed.sequence && !self.refresh()? {
                return if self.gone { Err(self.removed()) } else { Ok(None) };
            }
            let Some(records) = &mut self.records else {
                self.enter()?;
                continue;
            };
            if self.seeking || self.since.is_some() {
                self.walk()?;
                continue;
            }
            let record = match records.read_record(Some(self.next), Parts::Body(self.limit))? {
                RecordAt::Record(record) => record,
                RecordAt::End => {
                    self.enter()?;
                    continue;
                }
                RecordAt::Broken(why) => return Err(self.pass_damage(&why)?),
            };
            records.at = record.end;
            self.next += 1;
            let sequence = record.header.sequence;
            let position = Position { sequence, segment: records.segment.first, at: record.at };
            self.delivered = [self.delivered[1], Some(position)];
            let Some(body) = record.body else {
                let text = format!("{}; it is passed over", self.too_large(&record));
                return Err(Error::new(ErrorKind::TooLarge, text));
            };
            let frame = Incoming { header: record.header, extension: record.extension, body: body.into() };
            return Ok(Some((frame, record.sender)));
        }
    }

    fn walk(&mut self) -> Result<()> {
        let Some(records) = &mut self.records else { return Ok(()) };
        let (next, since) = (self.next, self.since);
        let unwanted = |h: &Header| h.sequence < next || since.is_some_and(|since| h.sent < since);
        let (over, walked) = records.walk(self.committed.sequence, unwanted)?;
        self.next = next.max(over + 1);
        match walked {
            Walked::Wanted(number) => (self.next, self.seeking, self.since) = (number, false, None),
            Walked::PastLast => self.seeking = false,
            Walked::End => self.enter()?,
            Walked::Broken(why) => {
                // Earlier damage does not matter.
                let wanted = |later: &JournalRecord| since.is_some() || later.header.sequence <= next;
                if records.find(wanted)?.is_none() {
                    return Err(self.pass_damage(&why)?);
                }
            }
        }
        Ok(())
    }

    fn too_large(&self, record: &JournalRecord) -> String {
        format!(
            "over the message limit: record {} has {} bytes, {} are taken (option max_message_size)",
            record.header.sequence, record.header.body, self.limit
        )
    }

    /// Opens the next record's segment. Counts deleted records as missed.
    fn enter(&mut self) -> Result<()> {
        let segments = self.folder.segments()?;
        let before = self.records.as_ref().map(|records| records.segment.first);
        let Some(oldest) = segments.first().copied() else { return Err(self.removed()) };
        if self.next < oldest {
            self.missed = oldest - self.next;
            self.next = oldest;
        }
        let Some(first) = segments.iter().rev().find(|first| **first <= self.next).copied() else {
            return Err(self.pass_damage("no segment holds it")?);
        };
        if before == Some(first) {
            return Err(self.pass_damage("the segment ends in front of it")?);
        }
        self.records = match self.at(first, PAGE) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                // Reported once; the next call continues with the next segment.
                let later = segments.into_iter().find(|later| *later > first);
                (self.records, self.next) = (None, later.unwrap_or(self.committed.sequence + 1));
                return Err(e);
            }
            records => records?,
        };
        self.seeking = first < self.next;
        Ok(())
    }

    fn refresh(&mut self) -> Result<bool> {
        let Some(committed) = self.word.read()? else { return Ok(false) };
        if committed.sequence <= self.committed.sequence {
            return Ok(false);
        }
        self.committed = committed;
        if let Some(records) = &mut self.records {
            records.forget();
        }
        Ok(self.next <= committed.sequence)
    }

    /// Stores that the program has processed this one of the last two returned records, and all before.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        let Some(consumer) = &mut self.consumer else { return Ok(()) };
        let done =
            |delivered: &Option<Position>| delivered.is_some_and(|delivered| delivered.sequence <= sequence);
        let Some(last) = self.delivered.iter().rposition(done) else { return Ok(()) };
        if let Some(position) = self.delivered[last] {
            consumer.store(&self.folder, position)?;
        }
        self.delivered[..=last].fill(None);
        Ok(())
    }

    /// Returns the newest record; the position stays.
    ///
    /// # Errors
    /// `Disconnected` if the journal was removed; `TooLarge`, `Corrupt`.
    pub fn latest(&mut self) -> Result<Option<(Incoming, Sender)>> {
        if self.word.is_gone()? {
            return Err(self.removed());
        }
        self.refresh()?;
        loop {
            let newest = self.committed;
            let Some(mut records) = self.at(newest.segment, newest.at)? else {
                if self.refresh()? {
                    continue;
                }
                return Ok(None);
            };
            let why = match records.read_record(Some(newest.sequence), Parts::Body(self.limit))? {
                RecordAt::Record(JournalRecord { header, extension, body: Some(body), sender, .. }) => {
                    return Ok(Some((Incoming { header, extension, body: body.into() }, sender)));
                }
                RecordAt::Record(record) => {
                    return Err(over_message_limit(record.header.body, self.limit));
                }
                RecordAt::End => "it ends there".to_owned(),
                RecordAt::Broken(why) => why,
            };
            return Err(self.damaged(newest.sequence, &records, &why));
        }
    }

    /// Prepares a wait on [`Reader::descriptor`].
    ///
    /// True if there is something to read, or the journal is removed.
    pub fn park(&mut self) -> Result<bool> {
        if let Some(watch) = &self.watch {
            watch.drain();
        }
        if self.missed > 0 || self.next <= self.committed.sequence || self.refresh()? {
            return Ok(true);
        }
        self.gone = self.word.is_gone()?;
        Ok(self.gone)
    }

    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    fn pass_damage(&mut self, why: &str) -> Result<Error> {
        let lost = self.next;
        let error = match &self.records {
            Some(records) => self.damaged(lost, records, why),
            None => {
                let folder = self.folder.path("");
                let text =
                    format!("record {lost} was acknowledged and is not in {}: {why}", folder.display());
                Error::new(ErrorKind::Corrupt, text)
            }
        };
        if let Some(records) = &mut self.records
            && let Some(next) = records.find(|later| later.header.sequence > lost)?
        {
            self.next = next.header.sequence;
            return Ok(error);
        }
        self.records = None;
        let later = self.folder.segments()?.into_iter().find(|first| *first > lost);
        self.next = later.unwrap_or(self.committed.sequence + 1);
        Ok(error)
    }

    fn damaged(&self, sequence: u64, records: &Records, why: &str) -> Error {
        let text = format!(
            "record {sequence} was acknowledged and is not whole in {}: {why}; put the file back from a copy, or go on: the next call gives what is behind it",
            self.folder.path(&records.name()).display()
        );
        Error::new(ErrorKind::Corrupt, text).at(records.at as usize)
    }

    fn removed(&self) -> Error {
        let text = format!("the journal {} was removed", self.folder.path("").display());
        Error::new(ErrorKind::Disconnected, text)
    }
}

/// The committed word, created if removed without a living writer.
fn word(folder: &JournalFolder, id: super::block::JournalId) -> Result<Option<Word>> {
    match Word::open(folder, id)? {
        Some(word) => Ok(Some(word)),
        // An error advises users to remove the word.
        None if !is_written(folder)? => Word::create(folder, id).map(Some),
        None => Ok(None),
    }
}

/// Whether a living process writes the journal; true if the lock may not be tested.
fn is_written(folder: &JournalFolder) -> Result<bool> {
    match lock::is_locked(&folder.place.directory, &folder.place.file) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
        looked => looked,
    }
}

/// The last safe record by the writer's word or, without a writer, by the files.
///
/// `None` while a new writer determines it.
fn committed(folder: &JournalFolder, word: &Word) -> Result<Option<Committed>> {
    if !is_written(folder)? {
        let found = tail::without_writer(folder, word.read()?)?;
        // A new writer may have unsynced records: only its word counts.
        if !is_written(folder)? {
            return Ok(found);
        }
    }
    word.read()
}
