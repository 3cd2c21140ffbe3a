//! Positions in a ring and the content of records, for both ends of a channel's and a publisher's ring.

use super::memory::{Memory, OwnMemory};
use super::record::{COMPACT, GRANULE, LINKED, Record, Shape};
use super::segment::PAGE;
use crate::frame::{HEADER, Outgoing, flags};
use crate::sys::crc;

/// Maps positions to offsets in memory.
///
/// A position counts bytes since the creation of the ring and never wraps. Its offset is the position modulo the ring's
/// length, after the header page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    /// Bytes of the ring, a power of two.
    pub length: u64,
    /// The bits of a position that give its offset. The others, within a granule, are a hostile peer's.
    mask: u64,
    /// The logarithm of the length: a division per record would double the cost of a small one.
    shift: u32,
}

impl Ring {
    pub fn new(length: usize) -> Ring {
        Ring { length: length as u64, mask: length as u64 - GRANULE, shift: length.trailing_zeros() }
    }

    pub fn offset_of(self, position: u64) -> usize {
        // Nothing overflows: the masked position is below the length of the ring.
        PAGE.wrapping_add((position & self.mask) as usize)
    }

    /// Bytes from a position to the end of its lap.
    pub fn left(self, position: u64) -> u64 {
        self.length.wrapping_sub(position & self.mask)
    }

    /// Fetches the first cache lines of a record of `size` bytes after the line of its header word.
    ///
    /// The writer's core had them last, and fetching them one by one takes longer than the copy.
    pub fn prefetch(self, memory: &impl Memory, position: u64, size: u64) {
        const LINE: usize = 64;
        /// At most this many bytes: the processor fetches the rest while the reader decodes the beginning.
        const MOST: u64 = 256;
        // A prefetch never faults, so a record at the end of a lap needs no special case.
        let offset = self.offset_of(position);
        let (mut line, end) = ((offset | (LINE - 1)) + 1, offset + size.min(MOST) as usize);
        while line < end {
            memory.prefetch(line);
            line += LINE;
        }
    }

    pub fn lap(self, position: u64) -> u64 {
        position >> self.shift
    }

    /// The end of the lap of a position. It saturates, because a hostile position may be `u64::MAX`.
    pub fn lap_end(self, position: u64) -> u64 {
        (position | self.length.wrapping_sub(1)).saturating_add(1)
    }
}

/// The record of a frame that fits one record.
///
/// `follows`: the reader knows the previous sequence number, and this frame has the next.
pub(super) fn record_of(frame: &Outgoing<'_>, follows: bool) -> Record {
    let header = &frame.header;
    let (shape, prefix) =
        if header.schema != 0 || header.extension != 0 || header.flags & flags::BODY_CHECKED != 0 {
            (Shape::Full, HEADER + frame.extension.len())
        } else if follows && header.correlation == 0 {
            (Shape::Compact, COMPACT)
        } else {
            (Shape::Linked, LINKED)
        };
    Record::of_frame(shape, header, prefix + frame.body.len())
}

/// Stores the content of a record at the offset `at`; `copy` copies as the ring's readers need it.
#[inline]
pub(super) fn store_content(
    mine: &impl OwnMemory,
    at: usize,
    record: Record,
    frame: &Outgoing<'_>,
    copy: impl Fn(usize, &[u8]),
) {
    let header = &frame.header;
    let (sent, sequence, correlation) = (header.sent.cast_unsigned(), header.sequence, header.correlation);
    let prefix = match record.shape() {
        Some(Shape::Compact) => {
            mine.store_words(at, [sent]);
            COMPACT
        }
        Some(Shape::Linked) => {
            mine.store_words(at, [sent, sequence, correlation]);
            LINKED
        }
        _ => {
            mine.store_words(at, header.words(crc::of_words));
            if !frame.extension.is_empty() {
                copy(at + HEADER, frame.extension);
            }
            HEADER + frame.extension.len()
        }
    };
    copy(at + prefix, frame.body);
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::record::{FastKind, FastRecord, WORD};
    use super::*;
    use crate::codec::Encoding;
    use crate::error::ErrorKind;
    use crate::frame::{Header, Kind};
    use proptest::prelude::*;

    #[test]
    fn record_has_a_message_header_only_where_that_says_more() {
        let header = Header { sequence: 7, sent: 8, ..Header::new(Kind::Data, Encoding::Cbor) };
        let shape = |header, follows| record_of(&Outgoing::new(header, b"body"), follows).shape().unwrap();
        assert_eq!(shape(header, true), Shape::Compact);
        assert_eq!(shape(header, false), Shape::Linked);
        assert_eq!(shape(Header { correlation: 1, ..header }, true), Shape::Linked);
        let flags = flags::MORE | flags::RETAINED;
        assert_eq!(shape(Header { kind: Kind::Event, flags, ..header }, true), Shape::Compact);
        for other in [Header { flags: flags::BODY_CHECKED, ..header }, Header { schema: 1, ..header }] {
            assert_eq!(shape(other, true), Shape::Full, "{other:?}");
        }
        let header = Header { extension: 8, ..header };
        let extended = Outgoing { header, extension: &[0; 8], body: b"body", split: None, owner: None };
        let record = record_of(&extended, true);
        assert_eq!((record.shape(), record.length()), (Some(Shape::Full), HEADER + 8 + 4));
    }

    #[test]
    fn sequence_is_where_the_record_has_it() {
        use super::super::memory::heap::Heap;
        use std::sync::atomic::Ordering;
        let header = Header { sequence: 77, ..Header::new(Kind::Data, Encoding::Cbor) };
        for (schema, shape) in [(0, Shape::Linked), (1, Shape::Full)] {
            let memory = Heap::new(1024);
            let frame = Outgoing::new(Header { schema, ..header }, b"a body");
            let record = record_of(&frame, false);
            assert_eq!(record.shape(), Some(shape));
            let at = WORD as usize;
            store_content(&memory, at, record, &frame, |at, bytes| memory.copy_in(at, bytes));
            let sequence = record.sequence_at().unwrap();
            assert_eq!(memory.load(at + sequence, Ordering::Relaxed), 77, "{shape:?}");
        }
        for shape in [Shape::Pad, Shape::Compact, Shape::First, Shape::Piece] {
            assert_eq!(Record::bare(shape, 100).sequence_at(), None);
        }
    }

    #[test]
    fn positions_have_their_places_in_every_lap() {
        let ring = Ring::new(4096);
        for (position, offset, left, lap) in [
            (0, PAGE, 4096, 0),
            (4080, PAGE + 4080, 16, 0),
            (4096, PAGE, 4096, 1),
            (9000 & !15, PAGE + 800, 3296, 2),
        ] {
            assert_eq!(
                (ring.offset_of(position), ring.left(position), ring.lap(position)),
                (offset, left, lap)
            );
            assert_eq!(ring.lap_end(position), position + left);
        }
        assert_eq!(ring.lap_end(u64::MAX), u64::MAX);
    }

    proptest! {
        /// A word of a fast-path record is also a valid word with equal meaning, and vice versa.
        #[test]
        fn fast_record_is_a_record_of_its_form(word: u64, length in 0u64..600, lap: u64, random in 0u8..3) {
            let data = FastRecord::word(lap);
            for form in [FastKind::Data, FastKind::Request, FastKind::Reply, FastKind::Published] {
                let of_form = form.record(Encoding::Raw, 0).to_word(lap);
                let word = match random {
                    0 => word,
                    1 => of_form | length | word & 7 << 40,
                    _ => (of_form | length) ^ 1 << (word % 64),
                };
                let fast = FastRecord::is(word, form, data).then(|| FastRecord::new(word, 0, form)).flatten();
                let expected = form.record(Encoding::Raw, 0);
                let slow = Record::from_word(word, lap).ok().filter(|record| {
                    (record.shape(), record.kind(), record.flags()) == (expected.shape(), expected.kind(), 0)
                });
                prop_assert_eq!(fast.is_some(), slow.is_some(), "{:?} {:#x}", form, word);
                if let Some((fast, slow)) = fast.zip(slow) {
                    prop_assert_eq!(fast.length() + form.prefix(), slow.length());
                    prop_assert_eq!((fast.size(), Some(fast.encoding())), (slow.size(), slow.encoding()));
                    prop_assert_eq!(Record::size_of(word), slow.size());
                }
            }
        }
    }

    /// Records that no publisher stores, each as the first record of the ring.
    #[test]
    fn published_record_of_another_shape_or_beyond_its_lap_is_malformed() {
        use super::super::broadcast::RingReader;
        use super::super::memory::heap::Heap;
        use super::super::segment::at;
        use crate::broadcast::Start;
        use std::sync::atomic::Ordering;
        let shapes = [
            (Shape::Compact, 100),
            (Shape::First, 100),
            (Shape::Piece, 100),
            (Shape::Pad, 100),
            (Shape::Pad, 4096),
            (Shape::Linked, 4096),
            (Shape::Full, 4096),
            (Shape::Slots, u32::MAX),
        ];
        for (shape, length) in shapes {
            let memory = Heap::new(PAGE + 4096);
            memory.store(PAGE, Record::bare(shape, length).to_word(0), Ordering::Relaxed);
            memory.store(at::TAIL, 112, Ordering::Relaxed);
            let error = RingReader::new(memory, 4096, 1 << 20, Start::Newest).read().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{shape:?} {length}");
        }
    }
}
