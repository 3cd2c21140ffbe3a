//! The parts of a recording: their paths, the beginning of the next part, and removal of old parts on a full disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use linkspan_recording::files::of_io;
use linkspan_recording::files::sync_folder;
use linkspan_recording::files::{self, NewFile};
use linkspan_recording::parts::{existing, id_of, later, path_of};
use linkspan_recording::{Attachment, ChannelRecord, Dropped, Event, Part, Settings, format};
use rustix::process::Resource;

use crate::beginning::{examine, is_own_beginning, lock};
use crate::newest::{MESSAGE, Newest, NewestMessages, TopicHash, repeat};

#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub sent: u64,
    pub received: u64,
}

#[derive(Clone, Copy, Debug)]
pub enum Split {
    Size(u64),
    Time(Duration),
}

/// How many consecutive part numbers a recorder passes over because other files have their paths.
const MOST_TAKEN: u64 = 1 << 16;
/// How many times the size is checked while a part grows to its size.
const LOOKS: u64 = 16;

/// Returns the numbers that a part begins with: `linkspan.numbers` in docs/recording-format.md.
pub type Numbers = Box<dyn Fn() -> BTreeMap<String, String> + Send>;

type FileId = (u64, u64);

/// Messages of a part and the bytes of their bodies, without the repeated messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    pub messages: u64,
    pub bytes: u64,
}

struct Closed {
    number: u64,
    path: PathBuf,
    amount: Amount,
}

/// The part that is being written, and the state that the next part needs.
pub struct Parts {
    base: PathBuf,
    number: u64,
    part: Part,
    /// The closed parts, if all parts get their names at the end.
    unnamed: Option<Vec<NewFile>>,
    /// The later parts of the replaced recording, by number. Only these files are removed or lose their name.
    replaced: BTreeMap<u64, FileId>,
    facts: BTreeMap<String, String>,
    notes: BTreeMap<String, String>,
    settings: Settings,
    split: Option<Split>,
    begun: Instant,
    /// Bytes of messages since the last check of the size.
    since: u64,
    /// Bytes of the repeated messages, and of the messages that followed them in this part.
    repeated: u64,
    own: u64,
    amount: Amount,
    /// By how many bytes the repeated messages of earlier parts exceeded their other messages.
    excess: u64,
    renewed: u64,
    newest: NewestMessages,
    /// The numbers that each part begins with; `None` if no recorder writes the parts.
    numbers: Option<Numbers>,
    /// The channels of this part by the caller's keys, with the number of the last message of each channel.
    channels: HashMap<u64, (u16, u64, TopicHash)>,
    /// The closed parts of this recorder, oldest first. They are removed when the disk is full.
    closed: VecDeque<Closed>,
    dropped: Dropped,
}

impl Parts {
    /// Makes the first part, or the next part of a recording whose recorder was killed.
    ///
    /// Returns the last part of the continued recording as well.
    ///
    /// # Errors
    /// `AddressInUse` if the recording was closed or another process writes it; errors of the file system.
    pub fn begin(
        base: &Path,
        facts: BTreeMap<String, String>,
        notes: BTreeMap<String, String>,
        settings: Settings,
        split: Option<Split>,
    ) -> Result<(Parts, Option<PathBuf>)> {
        let mut facts = facts;
        let mut number = 1u64;
        let mut continued = None;
        let mut found = existing(base);
        // Without support for unnamed files, a stop of the machine can leave empty files of a recorder.
        let mut empty = Vec::new();
        while let Some(part) = found.pop_if(|part| is_own_beginning(&part.path)) {
            empty.push(part.path);
        }
        // The oldest parts may have been removed because the disk was full.
        if let Some(last) = found.pop() {
            number = last.number.saturating_add(1);
            let found = examine(&last)?;
            facts.insert("id".to_owned(), found);
            continued = Some(last.path);
        }
        // Only now is it certain that these files belong to a recording that can be continued.
        for path in empty {
            fs::remove_file(&path).map_err(|error| of_io(&error, "removing", &path))?;
        }
        let mut parts = Parts::at(base, number, facts, notes, settings, split)?;
        parts.part.give_name()?;
        Ok((parts, continued))
    }

    /// Makes a recording whose parts get their names when it is closed.
    ///
    /// If it is dropped before, no file is left. Closing removes the later parts of a replaced recording.
    ///
    /// # Errors
    /// `AddressInUse` if the recording exists and must not be replaced, if another file has the path of a part, or if a
    /// part to remove belongs to a recording in `read`; errors of the file system.
    pub fn create(
        base: &Path,
        mut facts: BTreeMap<String, String>,
        settings: Settings,
        split: Option<Split>,
        read: &[&Path],
    ) -> Result<Parts> {
        let mut replaced = BTreeMap::new();
        if settings.making.replaces {
            // The parts get their names one after another. If the program is killed between two of them, this fact
            // tells readers which recording a part replaces.
            facts.extend(id_of(base).map(|id| ("replaces".to_owned(), id)));
            let read: Vec<_> = read.iter().flat_map(|recording| existing(recording)).collect();
            for part in later(base) {
                if let Some(read) = read.iter().find(|read| files::are_same(&read.path, &part.path)) {
                    let text = format!(
                        "{} is read, and a part of {}, which would be replaced; name another file",
                        read.path.display(),
                        base.display()
                    );
                    return Err(Error::new(ErrorKind::AddressInUse, text));
                }
                replaced.extend(file_id(&part.path).map(|id| (part.number, id)));
            }
        }
        require_place(base, 2, &replaced)?;
        // A reader would take further parts of another recording for parts of this one.
        if let Some(other) = existing(base).into_iter().find(|part| part.number != 1)
            && !settings.making.replaces
        {
            let text = format!(
                "{} is there, the part of another recording; name another file, or remove it first",
                other.path.display()
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        let mut parts = Parts::at(base, 1, facts, BTreeMap::new(), settings, split)?;
        if split.is_some() {
            allow_many_files();
        }
        parts.unnamed = Some(Vec::new());
        parts.replaced = replaced;
        Ok(parts)
    }

    fn at(
        base: &Path,
        number: u64,
        mut facts: BTreeMap<String, String>,
        notes: BTreeMap<String, String>,
        settings: Settings,
        split: Option<Split>,
    ) -> Result<Parts> {
        facts.insert("part".to_owned(), number.to_string());
        let mut part = Part::create_unnamed(&path_of(base, number), &facts, settings)?;
        lock(part.file(), part.path())?;
        write_notes(&mut part, &notes)?;
        let parts = Parts {
            base: base.to_owned(),
            number,
            part,
            unnamed: None,
            replaced: BTreeMap::new(),
            facts,
            notes,
            settings,
            split,
            begun: Instant::now(),
            since: 0,
            repeated: 0,
            own: 0,
            amount: Amount::default(),
            excess: 0,
            renewed: 0,
            newest: NewestMessages::new(u64::MAX),
            numbers: None,
            channels: HashMap::new(),
            closed: VecDeque::new(),
            dropped: Dropped::default(),
        };
        Ok(parts)
    }

    pub fn path(&self) -> &Path {
        self.part.path()
    }

    pub fn size(&self) -> Result<u64> {
        self.part.size()
    }

    pub fn attach(&mut self, name: &str, time: u64, content: &[u8]) -> Result<()> {
        self.part.attach(name, time, content)
    }

    /// Copies an attachment of another recording, with its times and type.
    pub fn attach_as(&mut self, attachment: &Attachment<'_>) -> Result<()> {
        self.part.attach_as(attachment)
    }

    pub fn place(&self) -> u64 {
        self.number
    }

    /// Writes a message of the channel that the caller knows by `key`.
    ///
    /// Begins the next part if this one has its size or cannot hold another channel.
    ///
    /// # Errors
    /// `NoSpace` if the disk is full; nothing was written then.
    pub fn message(
        &mut self,
        key: u64,
        record: &Arc<ChannelRecord>,
        number: u64,
        times: Times,
        body: &Bytes,
    ) -> Result<()> {
        // Many bytes can arrive before the next sync. Smaller parts let the recorder free space on a full disk.
        if let Some(Split::Size(size)) = self.split
            && self.since >= size / LOOKS
        {
            self.split_by_size(size, times.received)?;
        }
        let (channel, hash) = match self.channels.get_mut(&key) {
            // A message has only the lower half of its number. After a larger leap the channel begins again.
            Some((channel, last, hash)) if number.abs_diff(*last) < 1 << 31 => {
                *last = number;
                (*channel, *hash)
            }
            known => {
                if known.is_some() {
                    self.renewed = self.renewed.saturating_add(record.size());
                }
                let channel = match self.part.channel(record, number, false) {
                    Err(error) if error.kind() == ErrorKind::TooLarge => {
                        self.next("split", times.received)?;
                        self.part.channel(record, number, false)?
                    }
                    found => found?,
                };
                let hash = TopicHash::of(&record.topic);
                self.channels.insert(key, (channel, number, hash));
                (channel, hash)
            }
        };
        self.part.message(channel, number, times.sent, times.received, body)?;
        self.since = self.since.saturating_add(body.len() as u64);
        self.own = self.own.saturating_add(body.len() as u64).saturating_add(MESSAGE);
        self.amount.messages = self.amount.messages.saturating_add(1);
        self.amount.bytes = self.amount.bytes.saturating_add(body.len() as u64);
        if self.split.is_some() {
            let (record, body) = (record.clone(), body.clone());
            self.newest.put(Newest { record, hash, number, sent: times.sent, body });
        }
        Ok(())
    }

    pub fn silent(&mut self, record: &ChannelRecord) -> Result<()> {
        self.part.channel(record, 0, false).map(|_| ())
    }

    pub fn renewed(&self) -> u64 {
        self.renewed
    }

    pub fn excess(&self) -> u64 {
        self.excess
    }

    pub fn repeat(&mut self, newest: NewestMessages, now: u64) -> Result<()> {
        self.newest = newest;
        self.repeated = repeat(&mut self.part, &self.newest, now)?;
        Ok(())
    }

    /// Writes the next number of each publisher, in this part and at the beginning of each later part.
    pub fn number(&mut self, numbers: Numbers) -> Result<()> {
        let record = numbers();
        self.numbers = Some(numbers);
        if record.is_empty() { Ok(()) } else { self.part.metadata(format::metadata::NUMBERS, &record) }
    }

    /// Takes over the list of parts that an earlier recorder removed.
    pub fn begin_without(&mut self, dropped: Dropped) -> Result<()> {
        self.dropped = dropped;
        self.part.dropped(&self.dropped).map(|_| ())
    }

    /// Stops repeating the message of a name that has gone.
    pub fn forget(&mut self, topic: &str) {
        self.newest.remove(topic);
    }

    /// Writes an event at the end. On a full disk it uses the space that is reserved for closing the part.
    pub fn last_event(&mut self, event: &Event) -> Result<()> {
        self.part.last_event(event)
    }

    /// Syncs the part, and begins the next part if it is due.
    pub fn sync(&mut self, now: u64) -> Result<()> {
        self.sync_by_size(now)?;
        match self.split {
            Some(Split::Time(time)) if self.begun.elapsed() >= time => self.split(now),
            _ => Ok(()),
        }
    }

    pub fn sync_by_size(&mut self, now: u64) -> Result<()> {
        self.part.sync()?;
        match self.split {
            Some(Split::Size(size)) => self.split_by_size(size, now),
            _ => Ok(()),
        }
    }

    /// Begins the next part if this one has `size` bytes, and no more repeated than own bytes.
    ///
    /// This limits the repeated bytes to half of the recording, even with tiny parts.
    fn split_by_size(&mut self, size: u64, now: u64) -> Result<()> {
        if self.part.size()? >= size && self.own >= self.repeated {
            self.split(now)?;
        }
        self.since = 0;
        Ok(())
    }

    /// Begins the next part. Without memory for a long repeated message, this is tried again later.
    fn split(&mut self, now: u64) -> Result<()> {
        self.next("split", now).or_else(|error| match error.kind() {
            ErrorKind::OutOfMemory => Ok(()),
            _ => Err(error),
        })
    }

    pub fn metadata(&mut self, name: &str, entries: &BTreeMap<String, String>) -> Result<()> {
        self.part.metadata(name, entries)
    }

    /// Closes the part and begins the next part with the newest message of each name.
    ///
    /// A full disk changes nothing.
    pub fn next(&mut self, reason: &str, now: u64) -> Result<()> {
        let mut number = self.number.saturating_add(1);
        let (next, repeated) = loop {
            match self.part_of(number, now) {
                // Another program's file at this path does not end the recording. The closed part names its successor.
                Err(error)
                    if error.kind() == ErrorKind::AddressInUse
                        && self.unnamed.is_none()
                        && number.saturating_sub(self.number) < MOST_TAKEN =>
                {
                    number = number.saturating_add(1);
                }
                made => break made?,
            }
        };
        let name = next.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let ended = std::mem::replace(&mut self.part, next);
        let ended_as = std::mem::replace(&mut self.number, number);
        self.begun = Instant::now();
        self.excess = self.excess.saturating_add(self.repeated.saturating_sub(self.own));
        (self.repeated, self.own) = (repeated, 0);
        let amount = std::mem::take(&mut self.amount);
        self.channels.clear();
        match &mut self.unnamed {
            Some(unnamed) => {
                let (_, new) = ended.close_unnamed(reason, name.as_deref())?;
                unnamed.extend(new);
            }
            None => {
                let path = ended.path().to_owned();
                self.closed.push_back(Closed { number: ended_as, path, amount });
                ended.close(reason, name.as_deref())?;
            }
        }
        Ok(())
    }

    /// Makes the part of this number; also returns the bytes of its repeated messages.
    fn part_of(&mut self, number: u64, now: u64) -> Result<(Part, u64)> {
        let path = path_of(&self.base, number);
        if self.unnamed.is_some() {
            require_place(&self.base, number, &self.replaced)?;
        }
        self.facts.insert("part".to_owned(), number.to_string());
        let mut part = Part::create_unnamed(&path, &self.facts, self.settings)?;
        lock(part.file(), &path)?;
        write_notes(&mut part, &self.notes)?;
        let numbers = self.numbers.as_ref().map(|numbers| numbers()).filter(|numbers| !numbers.is_empty());
        numbers.map_or(Ok(()), |all| part.metadata(format::metadata::NUMBERS, &all))?;
        part.dropped(&self.dropped)?;
        let repeated = repeat(&mut part, &self.newest, now)?;
        if self.unnamed.is_none() {
            part.give_name()?;
        }
        Ok((part, repeated))
    }

    /// Removes the oldest closed part of this recorder; returns its path and its messages.
    pub fn drop_oldest(&mut self) -> Result<Option<(PathBuf, Amount)>> {
        let Some(Closed { number, path, amount }) = self.closed.pop_front() else { return Ok(None) };
        // The record comes first if there is space for it: a reader that misses the part then knows the reason.
        self.dropped.add(number, number);
        let is_said = self.part.dropped(&self.dropped)?;
        fs::remove_file(&path).map_err(|error| of_io(&error, "removing", &path))?;
        sync_folder(&path)?;
        if !is_said {
            self.part.dropped(&self.dropped)?;
        }
        Ok(Some((path, amount)))
    }

    /// Closes the last part, names all unnamed parts, and returns the bytes of the last part.
    pub fn close(self, reason: &str) -> Result<u64> {
        let Some(mut unnamed) = self.unnamed else { return self.part.close(reason, None) };
        let (length, last) = self.part.close_unnamed(reason, None)?;
        unnamed.extend(last);
        // Another program may have made a file in the meantime. It is not removed, and readers would take a file after
        // the last part for a further part.
        let next = self.number.saturating_add(1);
        (2..=next).try_for_each(|number| require_place(&self.base, number, &self.replaced))?;
        // The first part gets its name last: a reader that finds it finds all parts.
        unnamed.into_iter().rev().try_for_each(NewFile::name)?;
        // These are the remaining parts of the replaced recording.
        for (number, id) in self.replaced.range(next..) {
            let path = path_of(&self.base, *number);
            if file_id(&path) != Some(*id) {
                continue;
            }
            fs::remove_file(&path).map_err(|error| of_io(&error, "removing", &path))?;
        }
        Ok(length)
    }

    pub fn event(&mut self, event: &Event) -> Result<()> {
        self.part.event(event)
    }

    /// Returns the bytes of the disk that this user can still write, and its total size.
    pub fn disk(&self) -> Result<(u64, u64)> {
        let facts = rustix::fs::fstatvfs(self.part.file().as_fd())
            .map_err(|errno| of_io(&errno.into(), "reading the free space of", self.part.path()))?;
        Ok((facts.f_bavail.saturating_mul(facts.f_frsize), facts.f_blocks.saturating_mul(facts.f_frsize)))
    }
}

/// Returns the id of the file at a path without following a link.
fn file_id(path: &Path) -> Option<FileId> {
    fs::symlink_metadata(path).ok().map(|facts| (facts.dev(), facts.ino()))
}

fn require_place(base: &Path, number: u64, replaced: &BTreeMap<u64, FileId>) -> Result<()> {
    let path = path_of(base, number);
    match file_id(&path) {
        Some(found) if replaced.get(&number) != Some(&found) => {
            let text = format!(
                "{} is there, in the place of a further part of {}, and is not replaced; name another file, or move that one away first",
                path.display(),
                base.display()
            );
            Err(Error::new(ErrorKind::AddressInUse, text))
        }
        _ => Ok(()),
    }
}

/// Raises the limit of open files to its maximum: each part of a split stays open until all are complete.
fn allow_many_files() {
    let mut limits = rustix::process::getrlimit(Resource::Nofile);
    limits.current = limits.maximum;
    // With too few files, a recording of many parts fails with an error.
    let _ = rustix::process::setrlimit(Resource::Nofile, limits);
}

fn write_notes(part: &mut Part, notes: &BTreeMap<String, String>) -> Result<()> {
    if notes.is_empty() { Ok(()) } else { part.metadata(format::metadata::NOTES, notes) }
}

#[cfg(test)]
mod tests {
    use linkspan::Encoding;
    use linkspan_recording::Reader;
    use linkspan_recording::reader::{Limits, Problem, ProblemKind};

    use super::*;

    #[test]
    fn parts_have_their_size_without_a_sync() {
        const SIZE: u64 = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.mcap");
        let split = Some(Split::Size(SIZE));
        let mut parts = Parts::create(&base, BTreeMap::new(), Settings::default(), split, &[]).unwrap();
        let record = Arc::new(ChannelRecord::new("shm:lab/a", 1, Encoding::Raw, "test"));
        for number in 1..=100_u64 {
            let body = Bytes::from(number.to_le_bytes().repeat(12_500));
            let times = Times { sent: number, received: number };
            parts.message(1, &record, number, times, &body).unwrap();
        }
        parts.close("stopped").unwrap();
        let sizes: Vec<u64> =
            existing(&base).iter().map(|part| fs::metadata(&part.path).unwrap().len()).collect();
        assert!(sizes.len() >= 4, "{sizes:?}");
        // A part can exceed its size by one chunk and by the messages between two checks.
        assert!(sizes.iter().all(|size| *size < 3 * SIZE), "{sizes:?}");
    }

    /// Readers tell the recorder's removed parts from lost ones, also after a killed recorder.
    #[test]
    fn parts_that_the_recorder_removed_are_no_loss_and_others_are() {
        let problems = |base: &Path| {
            let mut reader = Reader::open(base).unwrap();
            while reader.read().unwrap().is_some() {}
            let (_, by_files) = Reader::files(base, Limits::default()).unwrap();
            let of_parts = |all: &[Problem]| -> Vec<_> {
                let kinds = all.iter().map(|problem| problem.kind);
                kinds.filter(|kind| *kind != ProblemKind::Unclosed).collect()
            };
            let found = of_parts(reader.problems());
            assert_eq!(found, of_parts(&by_files));
            found
        };
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.mcap");
        let begin = || {
            let facts = BTreeMap::from([("id".to_owned(), "5".to_owned())]);
            Parts::begin(&base, facts, BTreeMap::new(), Settings::default(), None).unwrap().0
        };
        let mut killed = begin();
        (0..3).for_each(|_| killed.next("split", 1).unwrap());
        assert_eq!(killed.drop_oldest().unwrap().unwrap().0, base);
        // This is the state between starting the next file and removing the next part.
        assert_eq!(problems(&base), [ProblemKind::Dropped]);
        drop(killed);
        let mut parts = begin();
        parts.begin_without(Dropped::default()).unwrap();
        (0..3).for_each(|_| parts.next("split", 1).unwrap());
        assert_eq!(parts.drop_oldest().unwrap().unwrap().0, path_of(&base, 5));
        assert_eq!(parts.drop_oldest().unwrap().unwrap().0, path_of(&base, 6));
        parts.next("split", 1).unwrap();
        parts.close("stopped").unwrap();
        assert_eq!(problems(&base), [ProblemKind::Dropped, ProblemKind::Dropped]);
        fs::remove_file(path_of(&base, 7)).unwrap();
        assert_eq!(problems(&base), [ProblemKind::Dropped, ProblemKind::Absent]);
        fs::remove_file(path_of(&base, 2)).unwrap();
        assert_eq!(problems(&base)[0], ProblemKind::Absent, "its recorder removed the first one alone");
    }

    /// No reader would find its next part.
    #[test]
    fn recording_whose_last_part_is_in_the_place_of_another_one_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.mcap");
        let begin = || {
            let facts = BTreeMap::from([("id".to_owned(), "5".to_owned())]);
            Parts::begin(&base, facts, BTreeMap::new(), Settings::default(), None).map(drop)
        };
        begin().unwrap();
        begin().unwrap();
        assert_eq!(existing(&base).len(), 2);
        fs::rename(path_of(&base, 2), &base).unwrap();
        assert_eq!(begin().unwrap_err().kind(), ErrorKind::AddressInUse);
        assert_eq!(existing(&base).len(), 1);
    }
}
