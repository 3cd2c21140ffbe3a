//! Long bodies in slots arrive as sent; a hostile peer causes at most an error or a wrong body.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use proptest::prelude::*;

use super::ShmTx;
use super::record::Record;
use super::references::Reference;
use super::signals::FILE;
use super::slot_page::{self, FileName};
use super::tests::{SPIN, pair_with_slots, recv, send};
use crate::body::{Body, Part};
use crate::codec::{self, Encoding};
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::memory::MemoryFile;
use crate::value::{Limits, Value, ValueBuilder};
use crate::{BodyViews, LongBodies, Sent};

const KIB: usize = 1 << 10;
const LIMIT: u64 = 1 << 20;
const FIRST_FILE: FileName = FileName { slot: 0, number: 1 };

fn first_file() -> MemoryFile {
    slot_page::create(1, FIRST_FILE, 64 * KIB).unwrap()
}

fn header(encoding: Encoding, sequence: u64) -> Header {
    Header { sequence, ..Header::new(Kind::Data, encoding) }
}

fn body(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251 + seed) as u8).collect()
}

#[test]
fn long_body_of_any_kind_encoding_and_length_arrives_from_a_slot() {
    // The ring has room for no piece, so bodies arrive in one step without another thread.
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let mut sequence = 0;
    for length in [64 * KIB, 64 * KIB + 1, 100_003, LIMIT as usize] {
        for encoding in Encoding::ALL {
            for (kind, correlation) in
                [(Kind::Data, 0), (Kind::Request, 0), (Kind::Reply, 7), (Kind::Error, 9)]
            {
                for extension in [&b""[..], b"eight by"] {
                    sequence += 1;
                    let content = body(sequence as usize, length);
                    let header = Header { kind, correlation, sent: 5, ..header(encoding, sequence) };
                    let mut frame = Outgoing::new(header, &content);
                    (frame.header.extension, frame.extension) = (extension.len(), extension);
                    assert_eq!(tx.try_send(&frame).unwrap(), Sent::Whole);
                    let got = recv(&mut rx).unwrap();
                    assert_eq!((got.header, &got.extension[..]), (frame.header, extension));
                    assert!(got.body.block().unwrap()[..] == content[..], "{length} {encoding:?} {kind:?}");
                }
            }
        }
    }
    assert_eq!(tx.take_long_bodies(), LongBodies { in_slots: sequence, without_slot: 0 });
    // Each slot was free again at once.
    assert!(tx.slots().unwrap().bytes() <= 2 * LIMIT as usize);
}

#[test]
fn body_that_lies_in_a_slot_is_sent_from_there() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let content = body(1, 100 * KIB);
    let lent = tx.slots().unwrap().lend(&content).unwrap();
    for sequence in 1..=100 {
        send(&mut tx, &Outgoing::new(header(Encoding::Json, sequence), &lent)).unwrap();
        assert!(recv(&mut rx).unwrap().body.block().unwrap()[..] == content[..]);
    }
    assert_eq!(tx.slots().unwrap().bytes(), 128 * KIB, "one file");
}

#[test]
fn body_without_a_slot_goes_in_pieces_and_is_counted() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(64 * KIB, LIMIT, SPIN);
    let taken: Vec<Bytes> = (0..).map_while(|_| tx.slots().unwrap().lend(&[1; 64 * KIB])).collect();
    assert!(!taken.is_empty());
    let content = body(3, 300 * KIB);
    for sequence in 1..=2 {
        std::thread::scope(|scope| {
            scope
                .spawn(|| send(&mut tx, &Outgoing::new(header(Encoding::Cbor, sequence), &content)).unwrap());
            assert!(recv(&mut rx).unwrap().body.block().unwrap()[..] == content[..]);
        });
    }
    assert_eq!(tx.take_long_bodies(), LongBodies { in_slots: 0, without_slot: 2 });
    drop(taken);
    send(&mut tx, &Outgoing::new(header(Encoding::Cbor, 3), &content)).unwrap();
    assert!(recv(&mut rx).unwrap().body.block().unwrap()[..] == content[..]);
    assert_eq!(tx.take_long_bodies(), LongBodies { in_slots: 1, without_slot: 0 });
}

/// A full ring is found before the body is copied, and the message comes once there is room.
#[test]
fn body_behind_a_full_ring_waits_for_room() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let (short, content) = ([7; 100], body(4, 64 * KIB));
    let mut sent = 0;
    while tx.try_send(&Outgoing::new(header(Encoding::Raw, sent + 1), &short)).unwrap() == Sent::Whole {
        sent += 1;
    }
    let long = Outgoing::new(header(Encoding::Raw, sent + 1), &content);
    for _ in 0..10 {
        assert_eq!(tx.try_send(&long).unwrap(), Sent::Blocked);
    }
    assert_eq!(tx.slots().unwrap().bytes(), 0, "no slot was taken for it");
    for _ in 0..sent {
        assert_eq!(recv(&mut rx).unwrap().body.len(), short.len());
        rx.consumed();
    }
    assert_eq!(tx.try_send(&long).unwrap(), Sent::Whole);
    assert!(recv(&mut rx).unwrap().body.block().unwrap()[..] == content[..]);
}

#[test]
fn body_above_the_limit_is_skipped_and_its_slot_is_free_again() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let file = first_file();
    crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&[FILE])], &[file.fd()]).unwrap();
    let long = LIMIT + 1;
    let reference = Reference { at: 0, length: long, slot: 0, file: 1, from: 0, filling: 1 };
    tx.write_placed(&Header { body: long, ..header(Encoding::Raw, 1) }, &[], &reference);
    assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::TooLarge);
    let reference = Reference { length: 64 << 10, ..reference };
    tx.write_placed(&Header { body: 64 << 10, ..header(Encoding::Raw, 2) }, &[], &reference);
    assert_eq!(recv(&mut rx).unwrap().body.block().unwrap()[..], [0; 64 * KIB]);
    assert_eq!(rx.own_memory().word(super::segment::at::RELEASED).load(Ordering::Relaxed), 2);
}

#[test]
fn body_without_announced_slots_ends_the_link() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    rx.forget_slots();
    send(&mut tx, &Outgoing::new(header(Encoding::Json, 1), &body(1, 64 * KIB))).unwrap();
    assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::Malformed);
}

/// A file of the peer's with this body, which the receiving half can map.
fn announced(tx: &ShmTx, encoded: &[u8]) -> MemoryFile {
    let file = slot_page::create(1, FIRST_FILE, encoded.len().next_multiple_of(64 * KIB)).unwrap();
    crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&[FILE])], &[file.fd()]).unwrap();
    file.copy_in(0, encoded);
    file
}

/// Flips bits of the first `length` bytes of a file while `body` runs.
pub(super) fn while_changing(file: &MemoryFile, length: usize, body: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 4711_u64;
            while !over.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                let word = (random >> 33) as usize % (length / 8) * 8;
                file.word(word).fetch_xor(1 << (random >> 5 & 63), Ordering::Relaxed);
                file.word(word).fetch_xor(1 << (random >> 5 & 63), Ordering::Relaxed);
            }
        });
        body();
        over.store(true, Ordering::Relaxed);
    });
}

/// Lets `check` examine bodies while a peer changes their first `changed` bytes in the slot.
fn received_while_changing(
    (encoding, encoded): (Encoding, &[u8]),
    changed: usize,
    (kinds, views): (&[Kind], BodyViews),
    times: u64,
    mut check: impl FnMut(&Body),
) {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    rx.view_bodies(views, views);
    let file = announced(&tx, encoded);
    while_changing(&file, changed, || {
        let length = encoded.len() as u64;
        for (sequence, kind) in (1..=times).zip(kinds.iter().cycle()) {
            let reference = Reference { at: 0, length, slot: 0, file: 1, from: 0, filling: 1 };
            let header = Header { kind: *kind, body: length, ..header(encoding, sequence) };
            tx.write_placed(&header, &[], &reference);
            let body = recv(&mut rx).unwrap().body;
            rx.consumed();
            check(&body);
        }
    });
}

/// Checks that a copied body is a value or an error, and stable.
pub(super) fn assert_is_one_content(got: &Body, encoding: Encoding) {
    let before = got.block().unwrap().to_vec();
    let decoded = codec::decode(got.whole(), encoding);
    assert!(got.block().unwrap()[..] == before[..], "the copy changes");
    let again = codec::decode(&before, encoding);
    assert_eq!(decoded.as_ref().ok(), again.as_ref().ok());
    assert_eq!(decoded.map_err(|e| e.to_string()).err(), again.map_err(|e| e.to_string()).err());
}

/// A long structure and a long text, in each encoding that has them.
pub(super) fn text_and_structure() -> impl Iterator<Item = (Encoding, Vec<u8>)> {
    let names = (0..3000).map(|i| (format!("key {i} é"), Value::from(i)));
    let values = [Value::Map(names.collect()), Value::from("ü".repeat(40_000))];
    let encodings = [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile];
    // BSON has only documents.
    let encoded = move |value: Value| {
        encodings.into_iter().filter_map(move |one| codec::encode(&value, one).ok().map(|bytes| (one, bytes)))
    };
    values.into_iter().flat_map(encoded)
}

const KINDS: [Kind; 4] = [Kind::Data, Kind::Request, Kind::Reply, Kind::Error];

/// A map with two long byte strings, and how many of its first bytes are mostly heads.
fn map_of_bytes() -> (Value, usize) {
    let bytes = |seed: u8, length: usize| Value::Bytes(vec![seed; length].into());
    let map = [("frame", bytes(0x5b, 70_000)), ("t", Value::from(1.5)), ("mask", bytes(0x61, 20_000))];
    (Value::map(map), 48)
}

/// A peer changes a body during its reception: the result is decoded or refused, and stable.
#[test]
fn text_and_structure_that_change_while_they_are_read_are_a_value_or_an_error() {
    for (encoding, encoded) in text_and_structure() {
        let sent = (encoding, &encoded[..]);
        received_while_changing(sent, encoded.len(), (&KINDS, BodyViews::None), 12, |got| {
            assert_is_one_content(got, encoding);
        });
    }
}

/// The body stays in its slot until its byte strings are copied; their heads change as well.
#[test]
fn byte_strings_whose_heads_change_while_they_are_found_are_a_value_or_an_error() {
    let (map, heads) = map_of_bytes();
    let encoded = codec::encode(&map, Encoding::Cbor).unwrap();
    let mut kinds = [0; 3];
    for changed in [heads, encoded.len()] {
        // A request leaves nothing in its slot.
        let viewed = (&[Kind::Data, Kind::Reply][..], BodyViews::Whole);
        received_while_changing((Encoding::Cbor, &encoded), changed, viewed, 300, |got| {
            let viewed = got.split().unwrap().parts()[0].bytes.clone();
            let Some(codec::Outline { rest, strings }) = codec::outline(&viewed) else {
                kinds[0] += 1;
                return;
            };
            assert!(strings.iter().all(|(at, range)| *at <= rest.len() && range.end <= viewed.len()));
            let left_out: usize = strings.iter().map(|(_, range)| range.len()).sum();
            assert_eq!(rest.len() + left_out, viewed.len(), "each byte is copied once or left out");
            let parts = strings.map(|(at, range)| Part { at, bytes: viewed[range].to_vec().into() });
            let body = Body::of_opaque_parts(rest, parts);
            let decode = || {
                let sink = ValueBuilder::sharing(body.clone());
                codec::decode_body(&body, Encoding::Cbor, &Limits::default(), sink)?.finish()
            };
            let (first, again) = (decode(), decode());
            assert_eq!(first.as_ref().ok(), again.as_ref().ok());
            assert_eq!(first.as_ref().ok(), codec::decode(body.whole(), Encoding::Cbor).as_ref().ok());
            kinds[if first.is_ok() { 1 } else { 2 }] += 1;
        });
    }
    assert!(kinds[1] > 0, "{kinds:?}");
}

/// The byte strings stay in the slot and may change; the rest of the value must not.
#[test]
fn structure_around_viewed_bytes_is_the_same_however_often_it_is_looked_at() {
    fn shape(value: &Value) -> String {
        match value {
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Value::Map(map) => {
                format!("{:?}", map.iter().map(|(key, value)| (key, shape(value))).collect::<Vec<_>>())
            }
            Value::Array(values) => format!("{:?}", values.iter().map(shape).collect::<Vec<_>>()),
            other => format!("{other:?}"),
        }
    }
    let (map, heads) = map_of_bytes();
    let mut kinds = [0; 3];
    for (encoding, encoded) in
        [(Encoding::Cbor, codec::encode(&map, Encoding::Cbor).unwrap()), (Encoding::Raw, vec![7; 70_000])]
    {
        for changed in [heads, encoded.len()] {
            let viewed = (&[Kind::Data, Kind::Request, Kind::Reply][..], BodyViews::Bytes);
            received_while_changing((encoding, &encoded), changed, viewed, 300, |body| {
                let decode = || {
                    let sink = ValueBuilder::sharing(body.clone());
                    let value = codec::decode_body(body, encoding, &Limits::default(), sink)?.finish();
                    value.map(|value| shape(&value))
                };
                let (first, again) = (decode(), decode());
                assert_eq!(first.as_ref().ok(), again.as_ref().ok());
                let text = |result: Result<String>| result.map_err(|error| error.to_string());
                kinds[if body.split().is_none() { 0 } else { 1 + usize::from(first.is_err()) }] += 1;
                assert_eq!(text(first), text(again));
                assert_eq!(body.whole(), body.whole(), "what is examined as a whole is a copy");
            });
        }
    }
    assert!(kinds[1] > 0, "{kinds:?}");
}

/// Words that a hostile peer may write: near an allowed one, or any.
fn word(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(near), 1 => 0..40u64, 1 => (60 << 10)..(70u64 << 10), 1 => any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_reference_to_a_body_is_in_bounds_or_refused(
        (at, length, slot, file, from) in (word(0), word(64 << 10), word(0), word(1), word(0)),
        body in prop::option::weighted(0.2, any::<u64>()),
        extension in 0..20usize,
        announced in prop::option::weighted(0.1, 0..40usize),
    ) {
        let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(16 << 10, LIMIT, SPIN);
        let own = first_file();
        crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&[FILE])], &[own.fd()]).unwrap();
        let reference = Reference { at, length, slot, file, from, filling: 1 };
        let announced = announced.unwrap_or(extension);
        let header =
            Header { body: body.unwrap_or(length), extension: announced, ..header(Encoding::Json, 1) };
        tx.write_placed(&header, &vec![0; extension], &reference);
        match recv(&mut rx) {
            Ok(frame) => {
                // The header has the length divided by 8.
                prop_assert!(at == 0 && slot == 0 && file == 1 && announced / 8 * 8 == extension);
                prop_assert!(from.checked_add(length).is_some_and(|end| end <= 64 << 10));
                prop_assert_eq!(frame.body.len() as u64, length);
                prop_assert!(frame.body.block().unwrap().iter().all(|byte| *byte == 0));
            }
            Err(error) => prop_assert!(
                matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{}", error
            ),
        }
    }

    #[test]
    fn record_of_a_body_that_is_too_short_is_refused(length in 0..112u32) {
        use super::record::Shape;
        let word = Record::bare(Shape::Placed, length).to_word(3);
        prop_assert_eq!(Record::from_word(word, 3).unwrap_err().kind(), ErrorKind::Malformed);
    }
}
