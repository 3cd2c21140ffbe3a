//! The records of one segment, read one after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::block::Identity;
use super::folder::{PAGE, Segment, segment_name};
use super::record;
use crate::error::{Doing, Result};
use crate::frame::{HEADER, Header};
use crate::transport::extension::Sender;

/// How far is read ahead.
const AHEAD: usize = 64 << 10;

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
        if at < read.start || at + length as u64 > read.end {
            self.read(at, length)?;
        }
        let start = ((at - self.window_at) as usize).min(self.filled);
        Ok(&self.window[start..(start + length).min(self.filled)])
    }

    fn read(&mut self, at: u64, length: usize) -> Result<()> {
        if self.window.len() < length.max(AHEAD) {
            self.window.resize(length.max(AHEAD), 0);
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
        let (after, extension) = (said.after, Bytes::copy_from_slice(extension));
        let end = at.saturating_add(record::length(header.body_offset(), header.body));
        let mut record = Record { header, extension, body: None, sender, after, at, end };
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
            over = header.sequence;
            self.at = at.saturating_add(record::length(header.body_offset(), header.body));
            if over >= last {
                return Ok((over, Walked::Behind));
            }
        }
    }

    /// Why a record is not whole; none where it is.
    fn check(&mut self, record: &Record) -> Result<Option<String>> {
        let mut at = record.at + record.header.body_offset() as u64;
        let body_end = at.saturating_add(record.header.body);
        let mut check = 0;
        while at < body_end {
            let want = usize::try_from(body_end - at).unwrap_or(AHEAD).min(AHEAD);
            let some = self.bytes(at, want)?;
            if some.is_empty() {
                return Ok(Some("it ends in the middle of a body".into()));
            }
            check = crc32c::crc32c_append(check, some);
            at += some.len() as u64;
        }
        if check != record.header.body_check {
            return Ok(Some(wrong_sum(record, check)));
        }
        let filled = self.length()? >= record.end;
        Ok(if filled { None } else { Some("it ends in the filling behind a body".into()) })
    }

    fn body(&mut self, record: &Record) -> Result<std::result::Result<Bytes, String>> {
        let at = record.at + record.header.body_offset() as u64;
        let cut = || Ok(Err("it ends in the middle of a body".to_owned()));
        let body = match usize::try_from(record.header.body) {
            Ok(length) if length <= AHEAD / 2 => Bytes::copy_from_slice(self.bytes(at, length)?),
            // Looked up before memory is taken for it: a length may be anything.
            Ok(length) if at + record.header.body <= self.length()? => {
                let mut body = vec![0; length];
                match self.file.read_exact_at(&mut body, at) {
                    Ok(()) => body.into(),
                    Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return cut(),
                    Err(e) => return Err(e).doing(format_args!("reading {}", self.name())),
                }
            }
            _ => return cut(),
        };
        if body.len() as u64 != record.header.body {
            return cut();
        }
        let check = crc32c::crc32c(&body);
        Ok(if check == record.header.body_check { Ok(body) } else { Err(wrong_sum(record, check)) })
    }

    /// Goes to the next whole record behind this place that fits, over whatever lies between; none where there is none, and
    /// this place stays as it is.
    pub fn find(&mut self, fits: impl Fn(&Record) -> bool) -> Result<Option<Record>> {
        let (start, length) = (self.at, self.length()?);
        self.at = (start + 1).next_multiple_of(record::ALIGN);
        while self.at < length {
            if self.bytes(self.at, 4)? == b"LKSP"
                && let Look::Record(record) = self.look(None, Want::Check)?
                && fits(&record)
            {
                return Ok(Some(record));
            }
            self.at += record::ALIGN;
        }
        self.at = start;
        Ok(None)
    }
}

fn wrong_sum(record: &Record, found: u32) -> String {
    let said = record.header.body_check;
    format!("the body's check sum is {said:#010x}, its bytes give {found:#010x}")
}
