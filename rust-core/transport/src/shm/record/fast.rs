//! The records of the fast paths: short messages in one record, found by comparing the header word, and copied out in
//! one step.

use super::{COMPACT, GRANULE, LINKED, Record, Shape, WORD};
use crate::buffers;
use crate::codec::Encoding;
use crate::frame::{Header, Kind};

/// A short message in one record whose header word was checked; `Reader::take_small` copies it
/// out.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    pub(in super::super) record: Record,
    /// The kind of message.
    pub kind: Kind,
    pub(in super::super) encoding: Encoding,
    /// The sequence number in the sender's session, as the record gives it.
    pub sequence: u64,
    /// The number of the message that it answers; 0 for none.
    pub correlation: u64,
    /// The time of sending, ns since 1970, as the record gives it.
    pub(in super::super) sent: i64,
    /// Bytes of the record between its header word and the body.
    pub(in super::super) prefix: usize,
    /// Where the body is in the peer's memory.
    pub(in super::super) at: usize,
}

impl Small {
    /// The longest body in bytes.
    pub const LONGEST: usize = buffers::SHORT;

    /// Bytes of the body.
    pub fn length(&self) -> usize {
        self.record.length() - self.prefix
    }

    /// The time of sending, ns since 1970, as the record gives it.
    pub fn sent(&self) -> i64 {
        self.sent
    }

    /// The message header that the record stands for.
    pub fn header(&self) -> Header {
        let Small { record, kind, encoding, sequence, correlation, sent, .. } = *self;
        let (flags, body) = (record.flags(), self.length() as u64);
        Header { flags, body, sequence, correlation, sent, ..Header::new(kind, encoding) }
    }
}

/// The forms of fast-path records: messages without flags in one record. Where a form is passed, it is known when the
/// code is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastKind {
    /// Data in a [`Shape::Compact`] record.
    Data,
    /// A request in such a record.
    Request,
    /// A reply in a [`Shape::Linked`] record.
    Reply,
    /// A publisher's data in such a record.
    Published,
}

impl FastKind {
    /// The form of fast-path messages of this kind.
    pub(in super::super) const fn of(kind: Kind) -> Option<FastKind> {
        Some(match kind {
            Kind::Data => FastKind::Data,
            Kind::Request => FastKind::Request,
            Kind::Reply => FastKind::Reply,
            _ => return None,
        })
    }

    /// The record with `length` bytes behind its header word.
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

/// A message without flags in one record of this form, whose header word was checked but for its place;
/// `Reader::take_fast` copies it out. One word and its offset, so that it stays in registers.
#[derive(Clone, Copy, Debug)]
pub struct FastRecord {
    word: u64,
    /// The offset of the record in the peer's memory.
    at: usize,
    encoding: Encoding,
    form: FastKind,
}

impl FastRecord {
    /// The bits of a header word that are the same in each fast-path record of a lap: lap, flags, kind and shape.
    pub(in super::super) const FORM: u64 = !(u32::MAX as u64 | 0x7 << 40);

    /// These bits of a form, without a lap.
    fn form_bits(form: FastKind) -> u64 {
        form.record(Encoding::Raw, 0).to_bits()
    }

    /// These bits of data for this lap.
    pub(in super::super) fn word(lap: u64) -> u64 {
        FastRecord::form_bits(FastKind::Data) | Record::lap_bits(lap)
    }

    /// Whether a word has this form and the lap of this word of data.
    pub(in super::super) fn is(word: u64, form: FastKind, data: u64) -> bool {
        let form = FastRecord::form_bits(form) ^ FastRecord::form_bits(FastKind::Data);
        (word ^ data ^ form) & FastRecord::FORM == 0
    }

    /// The record with this word, which [is](FastRecord::is) of this form; none if it is too short, or has no encoding.
    pub(in super::super) fn new(word: u64, at: usize, form: FastKind) -> Option<FastRecord> {
        let fast = FastRecord { word, at, encoding: Record(word).encoding()?, form };
        // What is too short for its prefix has the greatest length.
        (fast.length() <= isize::MAX as usize).then_some(fast)
    }

    /// Bytes of the body.
    pub fn length(&self) -> usize {
        Record(self.word).length().wrapping_sub(self.form.prefix())
    }

    /// Bytes that the record takes in the ring.
    pub(in super::super) fn size(&self) -> u64 {
        // Nothing overflows: the length has 32 bits.
        let content = Record(self.word).length() as u64;
        WORD.wrapping_add(content).wrapping_add(GRANULE - 1) & !(GRANULE - 1)
    }

    /// The offset of the record.
    pub(in super::super) fn at(&self) -> usize {
        self.at
    }

    /// The encoding of the body.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

/// A fast-path record with a number of its own, a reply or a publisher's data, with the other words of it.
#[derive(Clone, Copy, Debug)]
pub struct FastLinked {
    pub(in super::super) fast: FastRecord,
    /// The time of sending, ns since 1970.
    pub sent: i64,
    /// The sequence number in the sender's session.
    pub sequence: u64,
    /// The number of the request that it answers; 0 for none.
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
