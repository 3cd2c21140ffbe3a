//! The bytes of a file: a frame with a checksum, a line, or a bare value; and their faults.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, Outgoing, flags};
use crate::store::StoreForm;

/// The largest number of a value. A larger number shows damage or forgery: no program writes that often.
const LARGEST: u64 = 1 << 62;

impl StoreForm {
    /// Returns the pieces of a file with this frame: the header with number and check sum, body, ending.
    ///
    /// # Errors
    /// `Unsupported` for another encoding than the file's; `Malformed` for a JSON text of several lines.
    pub fn write<'a>(
        self,
        frame: &Outgoing<'a>,
        sequence: u64,
    ) -> Result<(Vec<u8>, &'a [u8], &'static [u8])> {
        match self {
            StoreForm::Frame => {
                let mut frame = *frame;
                frame.header.sequence = sequence;
                frame.header.flags |= flags::BODY_CHECKED;
                frame.header.body_check = crc32c::crc32c(frame.body);
                Ok((frame.head(), frame.body, b""))
            }
            StoreForm::Line => {
                only(frame.header.encoding, Encoding::Json, "a file of one line")?;
                if memchr::memchr(b'\n', frame.body).is_some() {
                    let text = "a JSON text with a newline in it is more than one line; encode it without";
                    return Err(Error::new(ErrorKind::Malformed, text));
                }
                Ok((Vec::new(), frame.body, b"\n"))
            }
            StoreForm::Bare(encoding) => {
                only(frame.header.encoding, encoding, "a file without header")?;
                Ok((Vec::new(), frame.body, b""))
            }
        }
    }

    /// Returns the number of the frame at the beginning of a file, if writers can continue from it.
    pub fn sequence(self, beginning: &[u8]) -> Option<u64> {
        let header = beginning.first_chunk::<HEADER>()?;
        let header = (self == StoreForm::Frame).then(|| Header::from_bytes(header).ok())??;
        (header.sequence < LARGEST).then_some(header.sequence)
    }

    /// Returns the most bytes of a file whose body has at most `limit`.
    pub fn longest(self, limit: u64) -> u64 {
        let around = if self == StoreForm::Frame { HEADER + crate::frame::MAX_EXTENSION + 64 } else { 2 };
        limit.saturating_add(around as u64)
    }

    /// Decodes a whole file.
    ///
    /// `count` and `changed` replace the number and the time in forms without them. `tail` allows bytes after
    /// a frame, the rest of a longer value in a file that is written in place.
    ///
    /// # Errors
    /// `Corrupt`, with the fault, and that the next write repairs it.
    pub fn read(self, bytes: Bytes, count: u64, changed: SystemTime, tail: bool) -> Result<Incoming> {
        match self {
            StoreForm::Frame => frame(bytes, tail),
            StoreForm::Line => match bytes.strip_suffix(b"\n") {
                Some(line) => {
                    if let Some(at) = memchr::memchr(b'\0', line) {
                        return Err(corrupt("a NUL stands in it", at));
                    }
                    let line = line.strip_suffix(b"\r").unwrap_or(line).len();
                    Ok(plain(Encoding::Json, bytes.slice(..line), count, changed))
                }
                None => Err(corrupt("no newline ends it", bytes.len())),
            },
            StoreForm::Bare(encoding) => Ok(plain(encoding, bytes, count, changed)),
        }
    }
}

fn only(given: Encoding, wanted: Encoding, what: &str) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    let text = format!("{what} holds {}, and this value is encoded as {}", wanted.name(), given.name());
    Err(Error::new(ErrorKind::Unsupported, text))
}

fn plain(encoding: Encoding, body: Bytes, count: u64, changed: SystemTime) -> Incoming {
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let header = Header {
        body: body.len() as u64,
        sequence: count,
        sent: i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        ..Header::new(Kind::Data, encoding)
    };
    Incoming { header, extension: Bytes::new(), body: body.into() }
}

fn frame(bytes: Bytes, tail: bool) -> Result<Incoming> {
    let Some(first) = bytes.first_chunk::<HEADER>() else {
        return Err(corrupt(&format!("it has {} bytes and a header has {HEADER}", bytes.len()), 0));
    };
    let header = Header::from_bytes(first).map_err(|e| match e.kind() {
        ErrorKind::Malformed => corrupt(e.text(), e.offset().unwrap_or(0) as usize),
        _ => e,
    })?;
    if header.sequence > LARGEST {
        return Err(corrupt(&format!("its number is {}, and none is above {LARGEST}", header.sequence), 24));
    }
    let start = header.body_offset();
    let end = header.body.saturating_add(start as u64);
    if end > bytes.len() as u64 || (end < bytes.len() as u64 && !tail) {
        let text = format!("its header gives {end} bytes, and there are {}", bytes.len());
        return Err(corrupt(&text, 16));
    }
    let body = bytes.slice(start..end as usize);
    let found = crc32c::crc32c(&body);
    if header.flags & flags::BODY_CHECKED == 0 || header.body_check != found {
        let text =
            format!("the check sum of its body is {:#010x}, the bytes give {found:#010x}", header.body_check);
        return Err(corrupt(&text, start));
    }
    Ok(Incoming { extension: bytes.slice(HEADER..HEADER + header.extension), body: body.into(), header })
}

fn corrupt(what: &str, at: usize) -> Error {
    let text = format!(
        "{what}: a writer was killed in the middle, or another program wrote there; the next write replaces it"
    );
    Error::new(ErrorKind::Corrupt, text).at(at)
}
