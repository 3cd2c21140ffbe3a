//! Short messages in one record: a reader compares the header word and copies once.

use super::{COMPACT, GRANULE, LINKED, Record, Shape, WORD};
use crate::buffers;
use crate::codec::Encoding;
use crate::frame::{Header, Kind};

/// A short message in one record with a checked header word; `Reader::take_small` copies it.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    pub(in super::super) record: Record,
    pub kind: Kind,
    pub(in super::super) encoding: Encoding,
    /// The sequence number in the sender's session, as the record gives it.
    pub sequence: u64,
    /// The number of the answered message; 0 for none.
    pub correlation: u64,
    /// In ns since 1970.
    pub(in super::super) sent: i64,
    pub(in super::super) prefix: usize,
    /// The offset of the body in the peer's memory.
    pub(in super::super) at: usize,
}

impl Small {
    /// The longest body in bytes.
    pub const LONGEST: usize = buffers::SHORT;

    pub fn length(&self) -> usize {
        self.record.length() - self.prefix
    }

    /// In ns since 1970.
    pub fn sent(&self) -> i64 {
        self.sent
    }

    pub fn header(&self) -> Header {
        let Small { record, kind, encoding, sequence, correlation, sent, .. } = *self;
        let (flags, body) = (record.flags(), self.length() as u64);
        Header { flags, body, sequence, correlation, sent, ..Header::new(kind, encoding) }
    }
}

/// The forms of fast-path records: messages without flags in one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastKind {
    /// In a [`Shape::Compact`] record.
    Data,
    /// In a [`Shape::Compact`] record.
    Request,
    /// In a [`Shape::Linked`] record.
    Reply,
    /// In a [`Shape::Linked`] record.
    Published,
}

impl FastKind {
    pub(in super::super) const fn of(kind: Kind) -> Option<FastKind> {
        Some(match kind {
            Kind::Data => FastKind::Data,
            Kind::Request => FastKind::Request,
            Kind::Reply => FastKind::Reply,
            _ => return None,
        })
    }

    pub(in super::super) fn record(self, encoding: Encoding, length: u32) -> Record {
        let (shape, kind) = match self {
            FastKind::Data => (Shape::Compact, Kind::Data),
            FastKind::Request => (Shape::Compact, Kind::Request),
            FastKind::Reply => (Shape::Linked, Kind::Reply),
            FastKind::Published => (Shape::Linked, Kind::Data),
        };
        Record::new(shape, kind, encoding, 0, length)
    }

    /// Bytes of the record between its header word and the body.
    pub(in super::super) const fn prefix(self) -> usize {
        if matches!(self, FastKind::Reply | FastKind::Published) { LINKED } else { COMPACT }
    }
}

/// A message without flags in one record, which fits registers; `Reader::take_fast` copies it.
///
/// The header word is checked, but not yet the record's place.
#[derive(Clone, Copy, Debug)]
pub struct FastRecord {
    word: u64,
    at: usize,
    encoding: Encoding,
    form: FastKind,
}

impl FastRecord {
    /// The bits that header words of a form and lap share: lap, flags, kind and shape.
    pub(in super::super) const FORM: u64 = !(u32::MAX as u64 | 0x7 << 40);

    fn form_bits(form: FastKind) -> u64 {
        form.record(Encoding::Raw, 0).to_bits()
    }

    /// The [`FastRecord::FORM`] bits of data for this lap.
    pub(in super::super) fn word(lap: u64) -> u64 {
        FastRecord::form_bits(FastKind::Data) | Record::lap_bits(lap)
    }

    /// Whether `word` has this form and the lap of `data`, which [`FastRecord::word`] returned.
    pub(in super::super) fn is(word: u64, form: FastKind, data: u64) -> bool {
        let form = FastRecord::form_bits(form) ^ FastRecord::form_bits(FastKind::Data);
        (word ^ data ^ form) & FastRecord::FORM == 0
    }

    /// The record with this word; `None` if it is too short or has no valid encoding.
    pub(in super::super) fn new(word: u64, at: usize, form: FastKind) -> Option<FastRecord> {
        let fast = FastRecord { word, at, encoding: Record(word).encoding()?, form };
        // The length of a record that is shorter than its prefix wraps to a huge number.
        (fast.length() <= isize::MAX as usize).then_some(fast)
    }

    pub fn length(&self) -> usize {
        Record(self.word).length().wrapping_sub(self.form.prefix())
    }

    pub(in super::super) fn size(&self) -> u64 {
        // Nothing overflows: the length has 32 bits.
        let content = Record(self.word).length() as u64;
        WORD.wrapping_add(content).wrapping_add(GRANULE - 1) & !(GRANULE - 1)
    }

    pub(in super::super) fn at(&self) -> usize {
        self.at
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

/// A fast-path record with its own sequence number: a reply or a publisher's data.
#[derive(Clone, Copy, Debug)]
pub struct FastLinked {
    pub(in super::super) fast: FastRecord,
    /// The sending time, ns since 1970.
    pub sent: i64,
    /// The sequence number in the sender's session.
    pub sequence: u64,
    /// The number of the answered request; 0 for none.
    pub correlation: u64,
}

impl FastLinked {
    /// Bytes of the body.
    pub fn length(&self) -> usize {
        self.fast.length()
    }

    /// The encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.fast.encoding()
    }
}
