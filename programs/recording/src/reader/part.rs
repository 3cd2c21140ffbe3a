//! One file of a recording, and the state of reading it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use mcap::records::{Record, op};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

mod records;

use super::entry::keyed;
use super::order::Order;
use super::publishers::Publishers;
use super::seen::{Indexes, Seen, Told};
use super::walk::Walk;
use super::{Channel, Limits, Problem, ProblemKind, Room, Schema};
use crate::chunk::{self, Footer, HEAD};
use crate::event::Event;
use crate::files::of_io;
use crate::identity::Identity;
use crate::{files, format, parts};

#[derive(Debug, Default)]
pub(super) struct Current {
    pub channel: Option<Arc<Channel>>,
    pub number: u64,
    pub sent: u64,
    pub received: u64,
    pub body: Bytes,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
    pub length: u64,
    /// The last attachment.
    pub attached: Option<Attached>,
}

#[derive(Debug)]
pub(super) struct Attached {
    pub offset: u64,
    pub log_time: u64,
    pub create_time: u64,
    pub media_type: String,
}

/// The kind of an entry for the caller.
pub(super) enum Found {
    Message,
    Event(Event),
    Metadata,
    Attachment,
    End,
}

#[derive(Debug)]
struct Known {
    channel: Arc<Channel>,
    next: u64,
    is_events: bool,
    /// The count of messages, and those of the current chunk without an index so far.
    count: u64,
    in_chunk: Indexes,
}

/// The hash of a schema or channel, and whether it came before the summary.
#[derive(Clone, Copy, Debug)]
struct Described {
    hash: u64,
    is_of_data: bool,
}

/// Bytes of a message before its body.
pub(super) const MESSAGE: usize = 22;
pub(super) const EVENT: u64 = 64 << 10;
/// Bytes of an attachment's record that are read for its name, without its content.
const ATTACHMENT: u64 = 64 << 10;

/// The most metadata records that are examined for removed parts.
const MOST_METADATA: usize = 1_000;

#[derive(Debug)]
pub(super) struct OpenPart {
    pub(super) file: Arc<File>,
    pub path: PathBuf,
    /// The number of the part, from its name.
    pub number: u64,
    pub identity: Identity,
    pub(super) limits: Limits,
    /// The offset after the last whole record.
    pub offset: u64,
    /// The bytes of the file at opening.
    pub(super) length: u64,
    /// The current chunk's rest and offset; its uncompressed bytes.
    pub(super) chunk: Option<(Bytes, u64)>,
    chunk_length: usize,
    wrong_in_chunk: usize,
    in_chunk: Vec<u16>,
    /// Whether all of its messages were counted, and whether an index follows it.
    is_indexed: bool,
    has_index: bool,
    /// The last record with its head.
    record: Bytes,
    schemas: HashMap<u16, Arc<Schema>>,
    channels: Vec<Option<Known>>,
    /// Chunks without a message in these times are skipped.
    pub(super) window: Option<(u64, u64)>,
    /// Bytes of the held schemas and channels, and their hashes by number.
    described: u64,
    hashes: HashMap<(u8, u16), Described>,
    /// Bytes that were read, and their limit: a sparse file can claim any length.
    read: u64,
    room: u64,
    /// The publishers of this part and of earlier parts.
    pub(super) publishers: Publishers,
    /// The sum of all bytes before the end of the data, if all were read.
    pub(super) sum: Option<crc32fast::Hasher>,
    /// Whether chunks were skipped.
    pub(super) has_skipped: bool,
    pub(super) seen: Seen,
    /// Facts for the comparison with the end of the file.
    pub(super) told: Told,
    pub(super) found: VecDeque<Problem>,
    pub(super) has_problem: bool,
    pub(super) has_ended: bool,
    /// Before an own message, each name may have one repeated message.
    has_own: bool,
    repeated: HashSet<String>,
    /// Whether entries keep the file's order rather than the order of times.
    pub(super) is_in_order: bool,
    order: Option<Box<Order>>,
    /// The chunk, or 0 for the file, whose schemas were read ahead for a channel before its schema.
    taken_schemas: Option<u64>,
    /// A message that is read again after its problem was returned.
    held: Option<(Bytes, u64)>,
    /// The next part, if the last record names it.
    pub next: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum As<'a> {
    Named,
    /// The reader found it. It must belong to this recording, if that is known.
    Found(Option<&'a Identity>),
}

impl OpenPart {
    pub fn open(path: PathBuf, number: u64, limits: Limits, how: As<'_>) -> Result<OpenPart> {
        let file = match how {
            As::Named => files::open(&path)?,
            As::Found(_) => files::open_found(&path)?,
        };
        let length = file.metadata().map_err(|error| of_io(&error, "reading", &path))?.len();
        let mut magic = [0; mcap::MAGIC.len()];
        let is_mcap = length >= magic.len() as u64
            && file
                .read_exact_at(&mut magic, 0)
                .map(|()| magic == mcap::MAGIC)
                .map_err(|error| of_io(&error, "reading", &path))?;
        if !is_mcap {
            let text = format!(
                "{} is no MCAP file: it does not begin with the bytes that each of them begins with",
                path.display()
            );
            return Err(Error::new(ErrorKind::Malformed, text).at(0));
        }
        let (identity, beginning) = Identity::read(&file, &path)?;
        if let As::Found(Some(first)) = how
            && (length > beginning.len() as u64 || has_content(&beginning))
        {
            identity.check(first, &path)?;
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(mcap::MAGIC);
        // In order of receipt; its clock may be set back.
        let is_in_order = identity.is_of_linkspan() || is_by_linkspan(&beginning);
        Ok(OpenPart {
            file: Arc::new(file),
            path,
            number,
            identity,
            limits,
            offset: mcap::MAGIC.len() as u64,
            length,
            chunk: None,
            chunk_length: 0,
            wrong_in_chunk: 0,
            in_chunk: Vec::new(),
            is_indexed: false,
            has_index: false,
            record: Bytes::new(),
            schemas: HashMap::new(),
            channels: Vec::new(),
            window: None,
            described: 0,
            hashes: HashMap::new(),
            read: 0,
            room: 0,
            publishers: Publishers::default(),
            sum: Some(sum),
            has_skipped: false,
            seen: Seen::default(),
            told: Told::default(),
            found: VecDeque::new(),
            has_problem: false,
            has_ended: false,
            has_own: false,
            repeated: HashSet::new(),
            is_in_order,
            order: None,
            taken_schemas: None,
            held: None,
            next: None,
        })
    }

    pub(super) fn damage(&self, offset: u64, text: impl Into<String>) -> Problem {
        self.problem(offset, ProblemKind::Damaged, text)
    }

    pub fn problem(&self, offset: u64, kind: ProblemKind, text: impl Into<String>) -> Problem {
        Problem { path: self.path.clone(), offset, text: text.into(), kind, is_end: false }
    }

    fn end(&self, offset: u64, text: impl Into<String>) -> Problem {
        Problem { is_end: true, ..self.damage(offset, text) }
    }

    /// Other programs' channels without messages, if all was read.
    pub fn silent_channels(&self) -> impl Iterator<Item = Arc<Channel>> {
        let is_silent = |known: &&Known| {
            known.count == 0
                && !known.is_events
                && !self.has_skipped
                && !known.channel.metadata.contains_key(format::channel::INCARNATION)
        };
        self.channels.iter().flatten().filter(is_silent).map(|known| known.channel.clone())
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// A lower bound of the next part's number: a recorder skips existing files.
    pub fn following(&self) -> u64 {
        let named = self.next.as_deref().and_then(parts::number_in).unwrap_or(0);
        named.max(self.number.saturating_add(1))
    }

    pub fn file_number(&self) -> Result<(u64, u64)> {
        let facts = self.file.metadata().map_err(|error| of_io(&error, "reading", &self.path))?;
        Ok((facts.dev(), facts.ino()))
    }

    /// Updates the length of the file; returns whether it grew.
    pub fn has_grown(&mut self) -> Result<bool> {
        let facts = self.file.metadata().map_err(|error| of_io(&error, "reading", &self.path))?;
        let has_grown = facts.len() > self.length;
        self.length = facts.len();
        Ok(has_grown)
    }

    /// Whether a recorder writes the file: it grew, or is locked. Takes a shared lock briefly.
    pub(super) fn is_written(&self) -> bool {
        self.file.metadata().is_ok_and(|facts| facts.len() > self.length)
            || flock(&self.file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
            || flock(&self.file, FlockOperation::Unlock).is_err()
    }

    /// Skips chunks outside of these times if the file was closed with a valid summary.
    ///
    /// The summary's schemas and channels are read at the first skip.
    pub fn skip_outside(&mut self, from: u64, to: u64) -> Result<()> {
        if self.sound_summary()?.is_some() {
            self.window = Some((from, to));
        }
        Ok(())
    }

    /// Counts bytes to read; false beyond the limit by bytes on the disk.
    pub(super) fn has_room(&mut self, bytes: u64) -> Result<bool> {
        let read = self.read.saturating_add(bytes);
        if read > self.room {
            self.room = self.limits.room.of_files(self.on_disk()?).held;
        }
        let has_room = read <= self.room;
        if has_room {
            self.read = read;
        }
        Ok(has_room)
    }

    fn on_disk(&self) -> Result<u64> {
        let facts = self.file.metadata().map_err(|error| of_io(&error, "reading", &self.path))?;
        // Some file systems report no blocks.
        Ok(match facts.blocks() {
            0 => facts.len(),
            blocks => blocks.saturating_mul(512),
        })
    }

    /// Returns the publishers for the next part.
    pub(super) fn end_of_publishers(&mut self) -> Result<Publishers> {
        Ok(std::mem::take(&mut self.publishers).end_part(self.on_disk()?))
    }

    /// Fails if a publisher exceeds the limits.
    fn admit(
        &mut self,
        begins: u64,
        take: impl Fn(&mut Publishers, Room, u64) -> bool,
    ) -> std::result::Result<(), Problem> {
        let room = self.limits.room;
        // Read only if the basic limit does not suffice.
        if take(&mut self.publishers, room, 0) {
            return Ok(());
        }
        let bytes = self.on_disk().unwrap_or(0);
        if take(&mut self.publishers, room, bytes) {
            return Ok(());
        }
        Err(self.damage(
            begins,
            "it names more publishers than have room for a recording of this length: this one is left out; --max-message-size (max_message_size) raises that",
        ))
    }

    pub(super) fn sparse(&self, begins: u64) -> Problem {
        let text = format!(
            "what begins here is not read: the file says that it is longer than its disk has of it, and of such a file {} bytes are read; --max-message-size (max_message_size) raises that",
            self.room
        );
        self.damage(begins, text)
    }

    /// Returns a closed file's footer if its summary's sum is valid.
    fn sound_summary(&mut self) -> Result<Option<Footer>> {
        let path = self.path.clone();
        let failed = |error: std::io::Error| of_io(&error, "reading", &path);
        let footer = chunk::footer(&self.file, self.length).map_err(failed)?;
        let is_summary =
            |footer: &Footer| footer.summary >= mcap::MAGIC.len() as u64 && footer.summary < footer.at;
        let Some(footer) = footer.filter(is_summary) else { return Ok(None) };
        if !self.has_room(footer.at.saturating_sub(footer.summary))? {
            return Ok(None);
        }
        let mut walk = Walk::new(&self.file, &footer, self.limits.record);
        while let Ok(record) = walk.next().map_err(failed)? {
            if record.is_none() {
                return Ok(Some(footer).filter(|footer| walk.has_sum(footer)));
            }
        }
        Ok(None)
    }

    /// Calls a function for each record of a valid summary; returns whether it never returned false.
    pub(super) fn each_of_summary(
        &mut self,
        mut each: impl FnMut(&mut OpenPart, u8, &[u8]) -> bool,
    ) -> Result<bool> {
        let Some(footer) = self.sound_summary()? else { return Ok(false) };
        let mut walk = Walk::new(&self.file, &footer, self.limits.record);
        while let Ok(Some((_, code))) = walk.next().map_err(|error| of_io(&error, "reading", &self.path))? {
            if !each(self, code, &walk.record) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads the summary's schemas and channels; returns whether it has all.
    fn take_summary(&mut self) -> Result<bool> {
        // With an invalid summary, all chunks are read.
        self.each_of_summary(|part, code, data| {
            let is_taken = matches!(code, op::SCHEMA | op::CHANNEL);
            let mut record = || part.record(code, &Bytes::copy_from_slice(data), 0, &mut Current::default());
            !is_taken || record().is_ok()
        })
    }

    /// Compares a summary's schema or channel with its earlier record, if any.
    pub(super) fn is_described(&self, code: u8, id: u16, data: &[u8]) -> Option<bool> {
        let known = self.hashes.get(&(code, id)).filter(|known| known.is_of_data);
        known.map(|known| known.hash == keyed(chunk::known(code, data)))
    }

    /// Returns the counts of schemas and channels before the summary.
    pub(super) fn described_counts(&self) -> (u64, u64) {
        let found = || self.hashes.iter().filter(|(_, known)| known.is_of_data);
        let count = |of| found().filter(|((code, _), _)| *code == of).count() as u64;
        (count(op::SCHEMA), count(op::CHANNEL))
    }

    /// Returns a channel with another count than stated: id, stated, actual.
    pub(super) fn miscounted_channel(&self, said: &BTreeMap<u16, u64>) -> Option<(u16, u64, u64)> {
        let of = |id: u16| {
            self.channels.get(usize::from(id)).and_then(Option::as_ref).map_or(0, |known| known.count)
        };
        let said = said.iter().map(|(id, said)| (*id, *said, of(*id)));
        // The totals are equal, so a surplus elsewhere shows here.
        { said }.find(|(_, said, read)| said != read)
    }

    /// Reads a closed file's end, or other records between chunks; returns metadata.
    pub fn take_outline(&mut self) -> Result<Vec<(String, BTreeMap<String, String>)>> {
        let (mut current, mut found) = (Current::default(), Vec::new());
        let mut end = None;
        let has_summary = self.each_of_summary(|_, code, data| {
            if let (op::METADATA_INDEX, Ok(Some(Record::MetadataIndex(found)))) =
                (code, chunk::parse(code, data))
                && found.name == format::metadata::END
            {
                end = Some(found.offset);
            }
            true
        })?;
        if has_summary {
            let Some(offset) = end.filter(|offset| *offset < self.length) else { return Ok(found) };
            self.offset = offset;
            // Another kind of record is ignored.
            if let Ok(Some(code)) = self.read_record()? {
                let record = self.record.slice(HEAD..);
                let _ = self.record(code, &record, offset, &mut current);
                found.push((current.name, current.metadata));
            }
            return Ok(found);
        }
        self.window = Some((u64::MAX, 0));
        loop {
            match self.look(&mut current)? {
                Ok(Found::End) => return Ok(found),
                Ok(Found::Metadata) if found.len() < MOST_METADATA => {
                    found.push((std::mem::take(&mut current.name), std::mem::take(&mut current.metadata)));
                }
                Err(problem) if problem.is_end => return Ok(found),
                _ => {}
            }
        }
    }

    pub fn attachment(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        // The file may have become shorter.
        let mut content =
            chunk::zeroed(length, "an attachment").map_err(|error| error.on(self.path.display()))?;
        self.file
            .read_exact_at(&mut content, offset)
            .map_err(|error| of_io(&error, "reading", &self.path))?;
        Ok(content)
    }
}

/// Whether the header names Linkspan as the writer or profile.
fn is_by_linkspan(file: &[u8]) -> bool {
    let mut left = Bytes::copy_from_slice(file.strip_prefix(mcap::MAGIC).unwrap_or_default());
    let Ok(Some((op::HEADER, header))) = chunk::next_record(&mut left) else { return false };
    let profile = chunk::block(&mut &*header).is_some_and(|profile| profile == format::PROFILE.as_bytes());
    profile || chunk::is_of_linkspan(&header)
}

/// Whether a whole record follows the header.
fn has_content(file: &[u8]) -> bool {
    let mut left = Bytes::copy_from_slice(file.strip_prefix(mcap::MAGIC).unwrap_or_default());
    let mut codes = std::iter::from_fn(|| chunk::next_record(&mut left).ok().flatten());
    codes.any(|(code, _)| code != op::HEADER)
}

/// Returns an attachment's name, length and position, from the beginning of its `whole` bytes.
pub(super) fn attachment(data: &[u8], whole: u64) -> Option<(String, u64, Attached)> {
    fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (found, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        *rest = after;
        Some(found)
    }
    let mut rest = data;
    let ([log, create], _) = rest.split_off(..16)?.as_chunks::<8>() else { return None };
    let name = String::from_utf8_lossy(text(&mut rest)?).into_owned();
    let media_type = String::from_utf8_lossy(text(&mut rest)?).into_owned();
    let length = u64::from_le_bytes(*rest.split_off(..8)?.first_chunk::<8>()?);
    let offset = (data.len() as u64).checked_sub(rest.len() as u64)?;
    let attached = Attached {
        offset,
        log_time: u64::from_le_bytes(*log),
        create_time: u64::from_le_bytes(*create),
        media_type,
    };
    // The sum follows; later versions may append fields.
    (offset.checked_add(length)?.checked_add(4)? <= whole).then_some((name, length, attached))
}
