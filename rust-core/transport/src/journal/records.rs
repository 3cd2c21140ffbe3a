//! The records of one segment in order, and their schema.
//!
//! [`Records`] reads through a window of 64 KiB, so that walking headers costs few system calls. Every length
//! comes from a file that may be forged or damaged: it is compared with the file's length before any
//! allocation, and no sum of offsets overflows (see `block::LARGEST`).

use std::fs::File;
use std::io::ErrorKind::UnexpectedEof;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::block::JournalId;
use super::folder::{JournalFolder, PAGE, SegmentInfo, segment_name};
use super::mask::{self, Mask};
use super::record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::extension::Sender;
use crate::frame::{HEADER, Header};
use crate::place::{Access, Place};

const AHEAD: usize = 64 << 10;
const TOO_LONG: &str = "it announces more bytes than a file can have";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    Head,
    /// Also whether the body is complete and has the right check sum. The body is not kept.
    Check,
    /// Also the body, if it has at most this many bytes.
    Body(u64),
}

#[derive(Debug)]
pub enum RecordAt {
    Record(JournalRecord),
    End,
    Broken(String),
}

/// The end of a walk over headers.
#[derive(Debug)]
pub enum Walked {
    Wanted(u64),
    PastLast,
    End,
    /// Before bytes that are not a record, and the reason.
    Broken(String),
}

#[derive(Debug)]
pub struct JournalRecord {
    pub header: Header,
    pub extension: Bytes,
    /// The body without its mask, if it was requested and is not too long.
    pub body: Option<Bytes>,
    pub sender: Sender,
    pub after: u64,
    /// The mask of the stored body; `None` for an unmasked body.
    pub mask: Option<Mask>,
    pub at: u64,
    /// The offset of the next record.
    pub end: u64,
}

#[derive(Debug)]
pub struct Records {
    file: File,
    pub segment: SegmentInfo,
    /// The offset of the next record. Callers set it to move.
    pub at: u64,
    window: Vec<u8>,
    window_at: u64,
    filled: usize,
    /// The sender of the previous record, shared because the next record usually has an equal sender.
    sender: Sender,
}

impl Records {
    pub fn new(file: File, segment: SegmentInfo) -> Records {
        let sender = Sender { source: "".into(), session: 0 };
        Records { file, segment, at: PAGE, window: Vec::new(), window_at: 0, filled: 0, sender }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn name(&self) -> String {
        segment_name(self.segment.first)
    }

    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().doing(format_args!("looking at {}", self.name()))?.len())
    }

    /// Discards the window: its bytes may have been read before they were written.
    pub fn forget(&mut self) {
        self.filled = 0;
    }

    /// Returns `length` bytes at an offset, or fewer at the end of the file.
    fn bytes(&mut self, at: u64, length: usize) -> Result<&[u8]> {
        let read = self.window_at..self.window_at + self.filled as u64;
        if at < read.start || at.saturating_add(length as u64) > read.end {
            self.fill_window(at, length)?;
        }
        let start = ((at - self.window_at) as usize).min(self.filled);
        Ok(&self.window[start..(start + length).min(self.filled)])
    }

    fn fill_window(&mut self, at: u64, length: usize) -> Result<()> {
        if self.window.len() < length.max(AHEAD) {
            self.window = vec![0; length.max(AHEAD)];
        }
        (self.window_at, self.filled) = (at, 0);
        while self.filled < self.window.len() {
            match self.file.read_at(&mut self.window[self.filled..], at + self.filled as u64) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e).doing(format_args!("reading {}", self.name())),
            }
        }
        Ok(())
    }

    /// Returns the header at [`Records::at`]; `None` at the end of the segment. The inner error is the
    /// damage.
    ///
    /// # Errors
    /// Errors of reading the file; `VersionMismatch` for a whole header of another wire version.
    fn header(&mut self) -> Result<Option<std::result::Result<Header, String>>> {
        let at = self.at;
        let bytes = self.bytes(at, HEADER)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let Ok(bytes) = <&[u8; HEADER]>::try_from(bytes) else {
            return Ok(Some(Err("it ends in the middle of a header".into())));
        };
        match record::read_header(bytes) {
            Err(e) if e.kind() == ErrorKind::VersionMismatch => Err(other_version(&e, &self.name(), at)),
            read => Ok(Some(read.map_err(|e| e.text().to_owned()))),
        }
    }

    /// Returns the content at [`Records::at`], which does not change.
    ///
    /// A record there must have the number `expected`, if given.
    ///
    /// # Errors
    /// Errors of reading the file, `OutOfMemory`, `VersionMismatch`. Damage is [`RecordAt::Broken`], not an
    /// error.
    pub fn read_record(&mut self, expected: Option<u64>, parts: Parts) -> Result<RecordAt> {
        let (at, id): (u64, JournalId) = (self.at, self.segment.id);
        let header = match self.header()? {
            Some(Ok(header)) => header,
            Some(Err(why)) => return Ok(RecordAt::Broken(why)),
            None => return Ok(RecordAt::End),
        };
        if let Some(expected) = expected.filter(|n| *n != header.sequence) {
            return Ok(RecordAt::Broken(format!(
                "record {} is where record {expected} belongs",
                header.sequence
            )));
        }
        let before = self.sender.clone();
        let extension = self.bytes(at + HEADER as u64, header.extension)?;
        let Some(fields) = record::read_extension(extension, &id) else {
            return Ok(RecordAt::Broken("its extension is damaged, or belongs to another journal".into()));
        };
        let same = before.session == fields.session && *before.source == *fields.source;
        let sender =
            if same { before } else { Sender { source: fields.source.into(), session: fields.session } };
        let (after, mask, extension) = (fields.after, fields.mask, Bytes::copy_from_slice(extension));
        let Some(end) = record::end(at, &header) else { return Ok(RecordAt::Broken(TOO_LONG.into())) };
        let mut record = JournalRecord { header, extension, body: None, sender, after, mask, at, end };
        self.sender = record.sender.clone();
        let broken = match parts {
            Parts::Head => None,
            Parts::Check => self.check(&record)?,
            Parts::Body(limit) if header.body > limit => None,
            Parts::Body(_) => match self.body(&record)? {
                Ok(body) => {
                    record.body = Some(body);
                    None
                }
                Err(why) => Some(why),
            },
        };
        Ok(broken.map_or(RecordAt::Record(record), RecordAt::Broken))
    }

    /// Walks over records by their headers, up to the number `last` or to the first requested record.
    ///
    /// Also returns the number of the last passed record; 0 without one.
    pub fn walk(&mut self, last: u64, unwanted: impl Fn(&Header) -> bool) -> Result<(u64, Walked)> {
        let mut over = 0;
        loop {
            let at = self.at;
            let header = match self.header()? {
                Some(Ok(header)) => header,
                Some(Err(why)) => return Ok((over, Walked::Broken(why))),
                None => return Ok((over, Walked::End)),
            };
            if !unwanted(&header) {
                return Ok((over, Walked::Wanted(header.sequence)));
            }
            let Some(end) = record::end(at, &header) else {
                return Ok((over, Walked::Broken(TOO_LONG.into())));
            };
            (over, self.at) = (header.sequence, end);
            if over >= last {
                return Ok((over, Walked::PastLast));
            }
        }
    }

    /// Returns the reason why a record is not whole. Reads the body in parts, without keeping it.
    fn check(&mut self, record: &JournalRecord) -> Result<Option<String>> {
        let mut at = record.at + record.header.body_offset() as u64;
        let body_end = at + record.header.body;
        // The length in a header may be anything, so it is checked before any read.
        let length = self.length()?;
        if length < body_end {
            return Ok(Some("it ends in the middle of a body".into()));
        }
        let (mut check, mut part) = (0, Vec::new());
        while at < body_end {
            // A multiple of 64, so a mask fits each part.
            let parts = usize::try_from(body_end - at).unwrap_or(AHEAD).min(AHEAD);
            let some = self.bytes(at, parts)?;
            if some.len() < parts {
                return Ok(Some("it ends in the middle of a body".into()));
            }
            check = match record.mask {
                None => crc32c::crc32c_append(check, some),
                Some(mask) => {
                    part.clear();
                    part.extend_from_slice(some);
                    mask::apply(mask, &mut part);
                    crc32c::crc32c_append(check, &part)
                }
            };
            at += parts as u64;
        }
        if !cfg!(fuzzing) && check != record.header.body_check {
            return Ok(Some(wrong_sum(record, check)));
        }
        Ok(if length >= record.end { None } else { Some("it ends in the filling behind a body".into()) })
    }

    /// Returns the body of a record without its mask. The inner error is the fault of a body that is not
    /// whole.
    fn body(&mut self, record: &JournalRecord) -> Result<std::result::Result<Bytes, String>> {
        let at = record.at + record.header.body_offset() as u64;
        let cut = || Ok(Err("it ends in the middle of a body".to_owned()));
        let mut body = match usize::try_from(record.header.body) {
            Ok(length) if length <= AHEAD / 2 => self.bytes(at, length)?.to_vec(),
            Ok(length) if at + record.header.body <= self.length()? => self.long_body(at, length)?,
            _ => return cut(),
        };
        if body.len() as u64 != record.header.body {
            return cut();
        }
        if let Some(mask) = record.mask {
            mask::apply(mask, &mut body);
        }
        let body = Bytes::from(body);
        let check = crc32c::crc32c(&body);
        Ok(if cfg!(fuzzing) || check == record.header.body_check {
            Ok(body)
        } else {
            Err(wrong_sum(record, check))
        })
    }

    fn long_body(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if body.try_reserve_exact(length).is_err() {
            let text = format!("there is no memory for a record of {length} bytes in {}", self.name());
            return Err(Error::new(ErrorKind::OutOfMemory, text));
        }
        while body.len() < length {
            let here = at + body.len() as u64;
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut body), here) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e).doing(format_args!("reading {}", self.name())),
            }
        }
        body.truncate(length);
        Ok(body)
    }

    /// Moves to the next record after this offset that `fits` and has a whole head.
    ///
    /// Without such a record the offset does not change. The body is not checked: in a forged file that could
    /// take unbounded time.
    pub fn find(&mut self, fits: impl Fn(&JournalRecord) -> bool) -> Result<Option<JournalRecord>> {
        let (start, length) = (self.at, self.length()?);
        self.at = (start + 1).next_multiple_of(record::ALIGN);
        while self.at < length {
            if !self.is_read(self.at) {
                match self.next_data(self.at)? {
                    Some(data) => self.at = self.at.max(data - data % record::ALIGN),
                    None => break,
                }
            }
            if self.bytes(self.at, 4)? == b"LKSP"
                && let RecordAt::Record(record) = self.read_record(None, Parts::Head)?
                && fits(&record)
            {
                return Ok(Some(record));
            }
            self.at += record::ALIGN;
        }
        self.at = start;
        Ok(None)
    }

    fn is_read(&self, at: u64) -> bool {
        (self.window_at..self.window_at + self.filled as u64).contains(&at)
    }

    /// Returns the first offset from `at` on that is not in a hole of the file, if there is one.
    ///
    /// A forged length could make a hole too long to read.
    fn next_data(&self, at: u64) -> Result<Option<u64>> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => Ok(Some(data)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            // The file system does not support holes.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(Some(at)),
            Err(e) => Err(e).doing(format_args!("looking for data in {}", self.name())),
        }
    }
}

/// Returns the error for a record of another wire version, which no reader can pass.
fn other_version(why: &Error, segment: &str, at: u64) -> Error {
    let text = format!(
        "the journal's segment {segment} has a record of another release: {}; use the release that wrote it, and do not cut the file",
        why.text()
    );
    Error::new(ErrorKind::VersionMismatch, text).at(at as usize)
}

fn wrong_sum(record: &JournalRecord, found: u32) -> String {
    let expected = record.header.body_check;
    format!("the body's check sum is {expected:#010x}, its bytes give {found:#010x}")
}

/// Returns, for each segment with a record, its first number and its schema, 0 without a schema.
///
/// Versions before schemas write 0, even after records with a schema. All records of a segment have an equal
/// schema, so only the first record is read.
pub fn schemas(place: &Place) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let Some(folder) = JournalFolder::open(place, Access::default())? else { return Ok(found) };
    for first in folder.segments()? {
        // A segment may have been deleted since.
        let Some((file, _)) = folder.segment(first, false)? else { continue };
        if let Some(schema) = schema_of(&folder, &file, first)? {
            found.push((first, schema));
        }
    }
    Ok(found)
}

/// Returns the schema of a segment's records, 0 without a schema. `None` if it is empty.
pub fn schema_of(folder: &JournalFolder, file: &File, first: u64) -> Result<Option<u64>> {
    let mut header = [0; HEADER];
    match file.read_exact_at(&mut header, PAGE) {
        Err(e) if e.kind() == UnexpectedEof => return Ok(None),
        read => read.doing(format_args!("reading {}", folder.path(&segment_name(first)).display()))?,
    }
    match record::read_header(&header) {
        Ok(header) => Ok(Some(header.schema)),
        Err(e) if e.kind() == ErrorKind::VersionMismatch => {
            Err(other_version(&e, &segment_name(first), PAGE))
        }
        // Reading the journal reports damage.
        Err(_) => Ok(None),
    }
}
