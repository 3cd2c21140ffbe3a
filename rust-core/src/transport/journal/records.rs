//! The records of one segment, read one after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::block::Identity;
use super::folder::{PAGE, Segment, segment_name};
use super::mask::{self, Mask};
use super::record;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Header};
use crate::transport::extension::Sender;

/// How far is read ahead.
const AHEAD: usize = 64 << 10;
const TOO_LONG: &str = "it tells of more bytes than a file can have";

/// What is wanted of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its header and sender.
    Head,
    /// The same, and whether all of it is there and fits its check sum.
    Check,
    /// Its body, unless that is longer.
    Body(u64),
}

/// What stands at a place.
#[derive(Debug)]
pub enum Look {
    /// A record.
    Record(Record),
    /// The end of the segment, for now or for good.
    End,
    /// Something that is no whole record: why.
    Broken(String),
}

/// Where a walk over headers ended.
#[derive(Debug)]
pub enum Walked {
    /// In front of a record that is wanted: its number.
    Stands(u64),
    /// Behind the last one that may be looked at.
    Behind,
    /// At the end of the segment.
    End,
    /// At something that is no record: why.
    Broken(String),
}

/// A record that was read.
#[derive(Debug)]
pub struct Record {
    /// Its header.
    pub header: Header,
    /// Its extension.
    pub extension: Bytes,
    /// Its body, where that was asked for.
    pub body: Option<Bytes>,
    /// Who wrote it.
    pub sender: Sender,
    /// See [`record::Stamp::after`].
    pub after: u64,
    /// How its body is stored.
    pub mask: Option<Mask>,
    /// Where it begins.
    pub at: u64,
    /// Where the next one begins.
    pub end: u64,
}

/// Reads one segment, from any record on.
#[derive(Debug)]
pub struct Records {
    file: File,
    /// What the segment's page says.
    pub segment: Segment,
    /// Where the next look goes.
    pub at: u64,
    /// What was read ahead: so many bytes, from a place on.
    window: Vec<u8>,
    window_at: u64,
    filled: usize,
    /// The sender of the record before, which is most often that of the next.
    sender: Sender,
}

impl Records {
    /// From the first record on.
    pub fn new(file: File, segment: Segment) -> Records {
        let sender = Sender { source: "".into(), session: 0 };
        Records { file, segment, at: PAGE, window: Vec::new(), window_at: 0, filled: 0, sender }
    }

    /// The segment's file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The segment's file as its name is.
    pub fn name(&self) -> String {
        segment_name(self.segment.first)
    }

    /// Bytes of the file.
    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().doing(format_args!("looking at {}", self.name()))?.len())
    }

    /// Forgets what was read ahead: it may have been read before it was written.
    pub fn forget(&mut self) {
        self.filled = 0;
    }

    /// So many bytes at a place, or as many as there are.
    fn bytes(&mut self, at: u64, length: usize) -> Result<&[u8]> {
        let read = self.window_at..self.window_at + self.filled as u64;
        if at < read.start || at.saturating_add(length as u64) > read.end {
            self.read(at, length)?;
        }
        let start = ((at - self.window_at) as usize).min(self.filled);
        Ok(&self.window[start..(start + length).min(self.filled)])
    }

    fn read(&mut self, at: u64, length: usize) -> Result<()> {
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

    /// What stands at [`Records::at`], which stays where it is; `expected` is the number that a record there has to have.
    pub fn look(&mut self, expected: Option<u64>, want: Want) -> Result<Look> {
        let (at, id): (u64, Identity) = (self.at, self.segment.id);
        let bytes = self.bytes(at, HEADER)?;
        if bytes.is_empty() {
            return Ok(Look::End);
        }
        let Ok(bytes) = <&[u8; HEADER]>::try_from(bytes) else {
            return Ok(Look::Broken("it ends in the middle of a header".into()));
        };
        let header = match record::read_header(bytes) {
            Ok(header) => header,
            Err(e) => return Ok(Look::Broken(e.text().to_owned())),
        };
        if let Some(expected) = expected.filter(|n| *n != header.sequence) {
            return Ok(Look::Broken(format!("number {} stands where {expected} is due", header.sequence)));
        }
        let before = self.sender.clone();
        let extension = self.bytes(at + HEADER as u64, header.extension)?;
        let Some(said) = record::read_extension(extension, &id) else {
            return Ok(Look::Broken("the extension is damaged, or another journal's".into()));
        };
        let same = before.session == said.session && *before.source == *said.source;
        let sender = if same { before } else { Sender { source: said.source.into(), session: said.session } };
        let (after, mask, extension) = (said.after, said.mask, Bytes::copy_from_slice(extension));
        let Some(end) = record::end(at, &header) else { return Ok(Look::Broken(TOO_LONG.into())) };
        let mut record = Record { header, extension, body: None, sender, after, mask, at, end };
        self.sender = record.sender.clone();
        let broken = match want {
            Want::Head => None,
            Want::Check => self.check(&record)?,
            Want::Body(limit) if header.body > limit => None,
            Want::Body(_) => match self.body(&record)? {
                Ok(body) => {
                    record.body = Some(body);
                    None
                }
                Err(why) => Some(why),
            },
        };
        Ok(broken.map_or(Look::Record(record), Look::Broken))
    }

    /// Goes over records by their headers alone, up to number `last` or to the first that is wanted. Gives the number of the last
    /// one that it went over, too; 0 for none.
    pub fn walk(&mut self, last: u64, unwanted: impl Fn(&Header) -> bool) -> Result<(u64, Walked)> {
        let mut over = 0;
        loop {
            let at = self.at;
            let bytes = self.bytes(at, HEADER)?;
            let read = <&[u8; HEADER]>::try_from(bytes).map(record::read_header);
            let header = match read {
                _ if bytes.is_empty() => return Ok((over, Walked::End)),
                Err(_) => return Ok((over, Walked::Broken("it ends in the middle of a header".into()))),
                Ok(Err(e)) => return Ok((over, Walked::Broken(e.text().to_owned()))),
                Ok(Ok(header)) => header,
            };
            if !unwanted(&header) {
                return Ok((over, Walked::Stands(header.sequence)));
            }
            let Some(end) = record::end(at, &header) else {
                return Ok((over, Walked::Broken(TOO_LONG.into())));
            };
            (over, self.at) = (header.sequence, end);
            if over >= last {
                return Ok((over, Walked::Behind));
            }
        }
    }

    /// Why a record is not whole; none where it is.
    fn check(&mut self, record: &Record) -> Result<Option<String>> {
        let mut at = record.at + record.header.body_offset() as u64;
        let body_end = at + record.header.body;
        // Before any of it is read: a length may be anything.
        let there = self.length()?;
        if there < body_end {
            return Ok(Some("it ends in the middle of a body".into()));
        }
        let (mut check, mut part) = (0, Vec::new());
        while at < body_end {
            // A multiple of 64, so that a mask fits each part.
            let want = usize::try_from(body_end - at).unwrap_or(AHEAD).min(AHEAD);
            let some = self.bytes(at, want)?;
            if some.len() < want {
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
            at += want as u64;
        }
        if !cfg!(fuzzing) && check != record.header.body_check {
            return Ok(Some(wrong_sum(record, check)));
        }
        Ok(if there >= record.end { None } else { Some("it ends in the filling behind a body".into()) })
    }

    fn body(&mut self, record: &Record) -> Result<std::result::Result<Bytes, String>> {
        let at = record.at + record.header.body_offset() as u64;
        let cut = || Ok(Err("it ends in the middle of a body".to_owned()));
        let mut body = match usize::try_from(record.header.body) {
            Ok(length) if length <= AHEAD / 2 => self.bytes(at, length)?.to_vec(),
            // Looked up before memory is taken for it: a length may be anything.
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

    /// The bytes of a body, or as many as there are.
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

    /// Goes to the next record behind this place whose head is whole and that fits, over whatever lies between; none where
    /// there is none, and this place stays as it is. Whether its body is whole is not looked at: a forged file could make
    /// that take for ever, and what is wrong with it is found by who reads it.
    pub fn find(&mut self, fits: impl Fn(&Record) -> bool) -> Result<Option<Record>> {
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
                && let Look::Record(record) = self.look(None, Want::Head)?
                && fits(&record)
            {
                return Ok(Some(record));
            }
            self.at += record::ALIGN;
        }
        self.at = start;
        Ok(None)
    }

    /// Whether this place is among what was read ahead.
    fn is_read(&self, at: u64) -> bool {
        (self.window_at..self.window_at + self.filled as u64).contains(&at)
    }

    /// The first place from here on that is no hole in the file, which may be longer than anybody could read.
    fn next_data(&self, at: u64) -> Result<Option<u64>> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => Ok(Some(data)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            // The file system knows of no holes.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(Some(at)),
            Err(e) => Err(e).doing(format_args!("looking for data in {}", self.name())),
        }
    }
}

fn wrong_sum(record: &Record, found: u32) -> String {
    let said = record.header.body_check;
    format!("the body's check sum is {said:#010x}, its bytes give {found:#010x}")
}
