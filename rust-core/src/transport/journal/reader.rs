//! A reader of a journal: from any record on, in order, never past what is on the disk.

use std::os::fd::{AsFd, BorrowedFd};

use super::committed::{Committed, Word};
use super::consumer::{Consumer, Position};
use super::folder::{Folder, PAGE};
use super::record;
use super::records::{Look, Record, Records, Walked, Want};
use super::tail;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming};
use crate::sys::inotify::ContentWatch;
use crate::sys::lock;
use crate::transport::extension::Sender;
use crate::transport::place::{Access, Place};

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is left.
    First,
    /// At the newest.
    Newest,
    /// At the record of this number.
    Sequence(u64),
    /// At the first record that was sent at this time or later: nanoseconds since 1970.
    Time(i64),
}

/// Reads a journal.
#[derive(Debug)]
pub struct Reader {
    folder: Folder,
    word: Word,
    /// None for one look.
    watch: Option<ContentWatch>,
    committed: Committed,
    limit: u64,
    records: Option<Records>,
    /// The number of the next record that is read.
    next: u64,
    /// Records sent earlier are passed over, until one is found that was not.
    since: Option<i64>,
    /// The segment is read from in front of the next record.
    walks: bool,
    /// How many were deleted before they were read, not told yet.
    missed: u64,
    /// The journal was removed.
    gone: bool,
    consumer: Option<Consumer>,
    /// The last two that were given: who looks ahead takes one more than it has passed on.
    given: [Option<Position>; 2],
}

impl Reader {
    /// Opens the journal at a place; none where there is none yet. A reader with a name goes on where it stopped, and begins
    /// at `start` where the name is new.
    pub fn open(
        place: &Place,
        name: Option<&str>,
        start: Option<Start>,
        limit: u64,
    ) -> Result<Option<Reader>> {
        Reader::open_for(place, name, start, limit, true)
    }

    /// The newest record of the journal at a place, by itself: nothing is watched, because the end of a watch takes the
    /// kernel milliseconds. The outer none is for a journal that is not there.
    pub fn newest(place: &Place, limit: u64) -> Result<Option<Option<(Incoming, Sender)>>> {
        let reader = Reader::open_for(place, None, Some(Start::Newest), limit, false)?;
        reader.map(|mut reader| reader.latest()).transpose()
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
        let Some(folder) = Folder::open(place, Access::default())? else { return Ok(None) };
        let Some(last) = folder.segments()?.last().copied() else { return Ok(None) };
        let Some((_, segment)) = folder.segment(last, false)? else { return Ok(None) };
        let Some(word) = word(&folder, segment.id)? else { return Ok(None) };
        // Before the first look, so that nothing is missed between the two.
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
            walks: false,
            missed: 0,
            gone: false,
            consumer: None,
            given: [None; 2],
        };
        let mut stopped = None;
        if let Some(name) = name {
            let (consumer, position) = Consumer::take(&reader.folder, segment.id, name)?;
            (reader.consumer, stopped) = (Some(consumer), position);
        }
        match (stopped, start) {
            // Nothing has been acknowledged, and this place stays the same however often it is looked for.
            (Some(Position { at: 0, .. }), Some(start @ (Start::Sequence(_) | Start::Time(_)))) => {
                reader.begin(start)?
            }
            (Some(position), _) => reader.resume(position)?,
            (None, start) => {
                reader.begin(start.unwrap_or(if name.is_some() { Start::First } else { Start::Newest }))?;
                reader.keep_beginning()?;
            }
        }
        Ok(Some(reader))
    }

    fn resume(&mut self, position: Position) -> Result<()> {
        // Whoever cut the journal short begins to count anew there.
        self.next = position.sequence.min(self.committed.sequence) + 1;
        // The place is worth more than looking for it only where that very record stands there.
        if self.next == position.sequence + 1
            // Damage is told when it is read.
            && let Ok(Some(mut records)) = self.at(position.segment, position.at)
            && let Look::Record(record) = records.look(Some(position.sequence), Want::Head)?
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

    /// Keeps where a reader with a new name begins: from now on what lies there is kept for it, and it goes on there, also where it
    /// ends before it has acknowledged anything.
    fn keep_beginning(&mut self) -> Result<()> {
        let Some(consumer) = &mut self.consumer else { return Ok(()) };
        let sequence = (self.next - 1).min(self.committed.sequence);
        consumer.keep(&self.folder, Position { sequence, segment: 0, at: 0 })
    }

    /// A place in a segment; none where there is none such.
    fn at(&self, segment: u64, at: u64) -> Result<Option<Records>> {
        if at < PAGE || !at.is_multiple_of(record::ALIGN) {
            return Ok(None);
        }
        let Some((file, segment)) = self.folder.segment(segment, false)? else { return Ok(None) };
        let mut records = Records::new(file, segment);
        records.at = at;
        Ok(Some(records))
    }

    /// The first number of the segment in which the first record that was sent at this time or later is, or is going to be.
    /// The page of each segment says how late any record before it was sent, which never falls.
    fn segment_of(&self, at: i64) -> Result<u64> {
        let segments = self.folder.segments()?;
        let (mut low, mut high) = (0, segments.len().saturating_sub(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.folder.segment(segments[middle], false) {
                Ok(Some((_, segment))) if segment.high < at => low = middle,
                // One that was deleted meanwhile was among the oldest.
                Ok(None) => low = middle,
                Ok(Some(_)) => high = middle - 1,
                // An earlier one will do, and damage is told when it is read.
                Err(e) if e.kind() == ErrorKind::Corrupt => high = middle - 1,
                Err(e) => return Err(e),
            }
        }
        Ok(segments.get(low).copied().unwrap_or(1))
    }

    /// The next record, if there is one: its frame and who sent it. `Lagged` once where some were deleted before they were
    /// read, `TooLarge` for one that is passed over, `Corrupt` once where the disk has not kept one;
    /// then it goes on behind it.
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
            if self.walks || self.since.is_some() {
                self.walk()?;
                continue;
            }
            let record = match records.look(Some(self.next), Want::Body(self.limit))? {
                Look::Record(record) => record,
                Look::End => {
                    self.enter()?;
                    continue;
                }
                Look::Broken(why) => return Err(self.pass_damage(&why)?),
            };
            records.at = record.end;
            self.next += 1;
            let sequence = record.header.sequence;
            let position = Position { sequence, segment: records.segment.first, at: record.at };
            self.given = [self.given[1], Some(position)];
            let Some(body) = record.body else {
                let text = format!("{}; it is passed over", self.too_large(&record));
                return Err(Error::new(ErrorKind::TooLarge, text));
            };
            let frame = Incoming { header: record.header, extension: record.extension, body };
            return Ok(Some((frame, record.sender)));
        }
    }

    /// Goes to the first record that is wanted.
    fn walk(&mut self) -> Result<()> {
        let Some(records) = &mut self.records else { return Ok(()) };
        let (next, since) = (self.next, self.since);
        let unwanted = |h: &Header| h.sequence < next || since.is_some_and(|since| h.sent < since);
        let (over, walked) = records.walk(self.committed.sequence, unwanted)?;
        self.next = next.max(over + 1);
        match walked {
            Walked::Stands(number) => (self.next, self.walks, self.since) = (number, false, None),
            Walked::Behind => self.walks = false,
            Walked::End => self.enter()?,
            Walked::Broken(why) => {
                // Damage in front of what is wanted is of no interest.
                let wanted = |later: &Record| since.is_some() || later.header.sequence <= next;
                if records.find(wanted)?.is_none() {
                    return Err(self.pass_damage(&why)?);
                }
            }
        }
        Ok(())
    }

    fn too_large(&self, record: &Record) -> String {
        format!(
            "over the message limit: record {} has {} bytes, {} are taken (option limit)",
            record.header.sequence, record.header.body, self.limit
        )
    }

    /// Opens the segment in which the next record is.
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
        // One that was deleted meanwhile is found to be missing by the next look.
        self.records = match self.at(first, PAGE) {
            Err(e) if e.kind() == ErrorKind::Corrupt => {
                // Told once; it goes on with the next segment.
                let later = segments.into_iter().find(|later| *later > first);
                (self.records, self.next) = (None, later.unwrap_or(self.committed.sequence + 1));
                return Err(e);
            }
            records => records?,
        };
        self.walks = first < self.next;
        Ok(())
    }

    /// Whether there is more than before.
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

    /// Every record up to this number, one of the last two that were given, has been dealt with: a reader with a name goes
    /// on behind it.
    pub fn consumed(&mut self, sequence: u64) -> Result<()> {
        let Some(consumer) = &mut self.consumer else { return Ok(()) };
        let done = |given: &Option<Position>| given.is_some_and(|given| given.sequence <= sequence);
        let Some(last) = self.given.iter().rposition(done) else { return Ok(()) };
        if let Some(position) = self.given[last] {
            consumer.keep(&self.folder, position)?;
        }
        self.given[..=last].fill(None);
        Ok(())
    }

    /// The newest record, whether it was read before or not. The place of this reader stays as it is.
    pub fn latest(&mut self) -> Result<Option<(Incoming, Sender)>> {
        self.refresh()?;
        loop {
            let newest = self.committed;
            let Some(mut records) = self.at(newest.segment, newest.at)? else {
                // Deleted, because newer ones have come.
                if self.refresh()? {
                    continue;
                }
                return Ok(None);
            };
            let why = match records.look(Some(newest.sequence), Want::Body(self.limit))? {
                Look::Record(Record { header, extension, body: Some(body), sender, .. }) => {
                    return Ok(Some((Incoming { header, extension, body }, sender)));
                }
                Look::Record(record) => {
                    let size = record.header.body;
                    let text = format!(
                        "over the message limit: {size} bytes, {} are taken (option limit)",
                        self.limit
                    );
                    return Err(Error::new(ErrorKind::TooLarge, text));
                }
                Look::End => "it ends there".to_owned(),
                Look::Broken(why) => why,
            };
            return Err(self.damaged(newest.sequence, &records, &why));
        }
    }

    /// See the transport contract: true means that there is something after all.
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

    /// Readable when something was written.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Goes on behind a record that the disk has not kept; gives the error that tells of it.
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

fn word(folder: &Folder, id: super::block::Identity) -> Result<Option<Word>> {
    match Word::open(folder, id)? {
        Some(word) => Ok(Some(word)),
        // Somebody removed it, as a text of ours says; a writer makes it anew, and so may we.
        None if !is_written(folder)? => Word::create(folder, id).map(Some),
        None => Ok(None),
    }
}

/// Whether a living process writes the journal. Where its lock may not even be looked at, one may.
fn is_written(folder: &Folder) -> Result<bool> {
    match lock::is_locked(&folder.place.directory, &folder.place.file) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(true),
        looked => looked,
    }
}

/// How far the journal is safe: its writer's word, or, where there is no writer, what the files show. None while a writer is
/// still finding out.
fn committed(folder: &Folder, word: &Word) -> Result<Option<Committed>> {
    if !is_written(folder)? {
        let found = tail::without_writer(folder, word.read()?)?;
        // A writer that came meanwhile may have written what it then could not sync: only its word counts.
        if !is_written(folder)? {
            return Ok(found);
        }
    }
    word.read()
}
