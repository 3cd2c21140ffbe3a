//! The two ends of a ring on a heap: random histories, refused records, batches, and records in place.
//!
//! They need no kernel, so they run under Miri as well.

mod batches;
mod histories;
mod in_place;
mod refused;

use std::sync::Arc;

use bytes::Bytes;

use super::memory::heap::Heap;
use super::reader::{ReadStep, Reader};
use super::record::{FastKind, FastLinked, FastRecord, Small};
use super::segment::PAGE;
use super::tests::data;
use super::writer::Writer;
use crate::codec::Encoding;
use crate::error::Result;
use crate::frame::{Header, Incoming, Kind};

const RING: usize = 4096;
const LIMIT: u64 = 1 << 20;

fn take(reader: &mut Reader<Arc<Heap>, Arc<Heap>>) -> Result<(ReadStep, Option<Incoming>)> {
    let step = reader.step()?;
    let frame = match step {
        ReadStep::Frame(record) => reader.take(record)?,
        ReadStep::Assembled => reader.take_assembled()?,
        ReadStep::Piece | ReadStep::Empty => None,
    };
    Ok((step, frame))
}

/// [`take`] through the paths for fast-path and short records, which must find equal frames.
fn take_small(reader: &mut Reader<Arc<Heap>, Arc<Heap>>) -> Result<(ReadStep, Option<Incoming>)> {
    let (data, request, reply) =
        (reader.peek_fast(FastKind::Data), reader.peek_fast(FastKind::Request), reader.peek_reply());
    let found = [data.is_some(), request.is_some(), reply.is_some()];
    assert!(found.iter().filter(|found| **found).count() <= 1, "{found:?}");
    let Some(small) = reader.peek_small() else {
        return match data {
            Some(fast) => take_long(reader, &fast),
            None => take(reader),
        };
    };
    // Looking has changed nothing.
    assert_eq!(reader.peek_small().map(|again| again.header()), Some(small.header()));
    let mut body = vec![0xEE; small.length()];
    if let Some(fast) = data.or(request) {
        let kind = if data.is_some() { Kind::Data } else { Kind::Request };
        let (length, encoding) = (fast.length() as u64, fast.encoding());
        let sequence = reader.next_sequence();
        let sent = reader.take_fast(&fast, &mut body);
        let header = Header { body: length, sequence, sent, ..Header::new(kind, encoding) };
        assert_eq!(small.header(), header);
    } else if let Some(reply) = reply {
        let FastLinked { sent, sequence, correlation, .. } = reply;
        let body_length = reply.length() as u64;
        reader.take_reply(&reply, &mut body);
        let of = Header::new(Kind::Reply, reply.encoding());
        assert_eq!(small.header(), Header { body: body_length, sequence, correlation, sent, ..of });
    } else {
        reader.take_small(&small, &mut body);
    }
    let frame = Incoming { header: small.header(), extension: Bytes::new(), body: body.into() };
    Ok((ReadStep::Piece, Some(frame)))
}

/// Takes data in one record that is not short.
fn take_long(
    reader: &mut Reader<Arc<Heap>, Arc<Heap>>,
    fast: &FastRecord,
) -> Result<(ReadStep, Option<Incoming>)> {
    assert!(fast.length() > Small::LONGEST);
    let sequence = reader.next_sequence();
    if sequence.is_multiple_of(2) {
        return Ok((ReadStep::Piece, Some(reader.take_whole(fast))));
    }
    let mut body = vec![0xEE; fast.length()];
    let sent = reader.take_fast(fast, &mut body);
    let header =
        Header { body: body.len() as u64, sequence, sent, ..Header::new(Kind::Data, fast.encoding()) };
    Ok((ReadStep::Piece, Some(Incoming { header, extension: Bytes::new(), body: body.into() })))
}

type BothEnds = (Writer<Arc<Heap>, Arc<Heap>>, Reader<Arc<Heap>, Arc<Heap>>);

fn ring() -> (Arc<Heap>, Arc<Heap>, BothEnds) {
    let (writing, reading) = (Heap::new(PAGE + RING), Heap::new(PAGE));
    let writer = Writer::new(writing.clone(), reading.clone(), RING);
    let reader = Reader::new(reading.clone(), writing.clone(), RING, LIMIT);
    (writing, reading, (writer, reader))
}

/// A header for a compact (0, 4 for a request), linked (1) or full record (2, 3 with an extension).
fn frame_header(sequence: u64, form: u8) -> Header {
    match form {
        0 => data(sequence),
        1 => Header { sequence, correlation: 3, ..Header::new(Kind::Reply, Encoding::Json) },
        4 => Header { kind: Kind::Request, ..data(sequence) },
        2 => Header { schema: 5, ..data(sequence) },
        _ => Header { extension: 72, ..data(sequence) },
    }
}
