//! The guarantees of slots to a sender and a receiver; any value of a peer is at most an error.

use std::collections::HashSet;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use proptest::prelude::*;

use super::references::Reference;
use super::segment::{PAGE, PeerSegment, SLOTS, Segment, at};
use super::signals::FILE;
use super::slot_page::{self, FileName};
use super::slots::{Counts, Slots};
use super::tests::{SPIN, pair_with_slots, recv, send};
use crate::body::{Body, Part};
use crate::codec::Encoding;
use crate::error::ErrorKind;
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::memory::MemoryFile;

const KIB: usize = 1 << 10;
const LIMIT: u64 = 1 << 20;

fn header(sequence: u64) -> Header {
    Header { sequence, ..Header::new(Kind::Data, Encoding::Cbor) }
}

/// Slots whose references are counted in a page that the test writes.
fn slots() -> (Segment, Arc<Slots>) {
    let page = Segment::create(1, 4096).unwrap();
    let file = page.descriptor_for_peer().try_clone_to_owned().unwrap();
    let seen = PeerSegment::from_descriptors(vec![file.into()], 1).unwrap().memory;
    (page, Arc::new(Slots::new(Counts::new(seen), 1, LIMIT, 0)))
}

const FIRST_FILE: FileName = FileName { slot: 0, number: 1 };

/// The file of slot 0 that the first side of a pair sends.
fn first_file() -> MemoryFile {
    slot_page::create(1, FIRST_FILE, 64 * KIB).unwrap()
}

#[test]
fn slot_elements_are_copied_once() {
    let (_page, slots) = slots();
    let lent = slots.lend(&[7; 100 * KIB]).unwrap();
    assert_eq!(lent[..], [7; 100 * KIB]);
    assert_eq!(slots.bytes(), 128 * KIB);
    let other = slots.lend(&[8; 100 * KIB]).unwrap();
    assert_ne!(lent.as_ptr(), other.as_ptr());
    let place = lent.as_ptr();
    drop(lent);
    assert_eq!(slots.lend(&[9; 90 * KIB]).unwrap().as_ptr(), place, "no reference is left");
    assert_eq!(slots.bytes(), 256 * KIB);
    assert!(slots.lend(&vec![0; LIMIT as usize + 1]).is_none(), "longer than any message");
}

#[test]
fn writable_slot_is_sent_in_place() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let slots = tx.slots().unwrap().clone();
    let mut writable = slots.clone().lend_writable(100 * KIB).unwrap();
    writable.bytes_mut().fill(5);
    let place = writable.bytes().as_ptr();
    // Only its owner uses it during writing: sending it then sends a copy.
    let copy = slots.lend(&writable.bytes()[KIB..]).unwrap();
    assert_ne!(copy.as_ptr(), place.wrapping_add(KIB));
    let filled = writable.into_bytes();
    assert_eq!(filled.as_ptr(), place);
    for part in [filled.clone(), filled.slice(10 * KIB..90 * KIB)] {
        let bytes = slots.lend(&part).unwrap();
        assert_eq!(bytes.as_ptr(), part.as_ptr(), "no copy");
        let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes }]);
        send(&mut tx, &Outgoing::of(header(1), &body)).unwrap();
        let got = recv(&mut rx).unwrap().body;
        assert_eq!(got.split().unwrap().parts()[0].bytes[..], part[..]);
    }
    drop((filled, copy));
    let again = slots.clone().lend_writable(100 * KIB).unwrap();
    assert_eq!(slots.bytes(), 2 * 128 * KIB);
    drop(again);
    for _ in 0..10 * SLOTS {
        slots.clone().lend_writable(100 * KIB).expect("a writable slot that is dropped is free");
    }
    assert_eq!(slots.bytes(), 2 * 128 * KIB);
}

/// The bytes of a loan are surrounded directly, once, and never over other loans.
#[test]
fn bytes_of_a_loan_are_surrounded_in_their_slot_once() {
    let (_page, slots) = slots();
    let lent = |length: usize, first: usize| {
        let mut writable = slots.lend_with_margins(length).unwrap();
        writable.bytes_mut().fill(5);
        assert_eq!(writable.bytes().len(), length);
        writable.into_first(first)
    };
    let bytes = lent(100 * KIB, 90 * KIB);
    // The message contains these bytes neither completely nor without others.
    assert!(slots.surround(&bytes[1..], b"<", b">").is_none());
    assert!(slots.surround(&bytes[..80 * KIB], b"<", b">").is_none());
    assert!(slots.surround(&[5; 90 * KIB], b"<", b">").is_none());
    for (before, after) in [(4097, 0), (0, 4097)] {
        assert!(slots.surround(&bytes, &vec![1; before], &vec![1; after]).is_none(), "{before}, {after}");
    }
    let alone = slots.surround(&bytes, b"", b"").unwrap();
    assert_eq!(alone.as_ptr_range(), bytes.as_ptr_range());
    let whole = slots.surround(&bytes, b"head", b"end").unwrap();
    assert_eq!(whole[4..].as_ptr(), bytes.as_ptr(), "no copy");
    assert_eq!(whole, [&b"head"[..], &[5; 90 * KIB], b"end"].concat());
    assert!(slots.surround(&bytes, b"HEAD", b"END").is_none(), "the first may be under way");
    assert!(slots.surround(&whole[..4], b"<", b">").is_none() && whole.starts_with(b"head"));
    // Sent separately, it and the surrounding bytes still come from its slot.
    assert_eq!(slots.in_place(&whole, None).unwrap().as_ptr(), whole.as_ptr());
    drop((alone, bytes, whole));
    // The margins are full; the next loan of the file has its own.
    let bytes = lent(100 * KIB, 100 * KIB);
    let (before, after) = ([1; 4096], [2; 4096]);
    assert_eq!(slots.surround(&bytes, &before, &after).unwrap().len(), 108 * KIB);
    drop(bytes);
    // Neither an array nor a loan as long as the longest message has margins.
    let array = slots.lend(&[7; 100 * KIB]).unwrap();
    assert!(slots.surround(&array, b"<", b">").is_none());
    drop(array);
    let longest = lent(LIMIT as usize, LIMIT as usize);
    assert!(slots.surround(&longest, b"<", b">").is_none());
    assert!(slots.surround(&longest, b"", b"").is_some());
}

#[test]
fn slots_of_other_lengths_are_replaced_within_the_bound() {
    let (_page, slots) = slots();
    let small: Vec<Bytes> = (0..SLOTS).map(|_| slots.lend(&[1; 64 * KIB]).unwrap()).collect();
    assert!(slots.lend(&[1; 64 * KIB]).is_none(), "all slots are taken");
    assert_eq!(slots.bytes(), LIMIT as usize);
    drop(small);
    let long = slots.lend(&vec![2; LIMIT as usize]).unwrap();
    assert!(slots.bytes() <= 2 * LIMIT as usize);
    let second = slots.lend(&vec![3; LIMIT as usize]).unwrap();
    assert_eq!(slots.bytes(), 2 * LIMIT as usize, "unused files were removed");
    assert!(slots.lend(&[4; 64 * KIB]).is_none());
    assert_eq!((long[0], second[0]), (2, 3));
}

/// Files of short arrays make room for long ones and vice versa: no entry of the table is lost.
#[test]
fn slots_emptied_to_make_room_serve_later_arrays() {
    let (_page, slots) = slots();
    for round in 0..3 {
        let short: Vec<_> = (0..SLOTS).map(|_| slots.lend(&[1; 64 * KIB])).collect();
        assert!(short.iter().all(Option::is_some), "round {round}: fewer than {SLOTS} slots");
        drop(short);
        let long: Vec<_> = (0..2).map(|_| slots.lend(&vec![2; LIMIT as usize])).collect();
        assert!(long.iter().all(Option::is_some), "round {round}: no room for two long arrays");
    }
}

#[test]
fn no_file_is_removed_where_that_makes_no_room() {
    let (_page, slots) = slots();
    let long =
        [LIMIT as usize, LIMIT as usize - 128 * KIB].map(|length| slots.lend(&vec![1; length]).unwrap());
    let short = [1, 2].map(|byte| slots.lend(&[byte; 64 * KIB]).unwrap());
    drop(short);
    assert!(slots.lend(&vec![2; LIMIT as usize]).is_none());
    assert_eq!(slots.bytes(), 2 * LIMIT as usize);
    drop(long);
    assert!(slots.lend(&vec![2; LIMIT as usize]).is_some());
}

#[test]
fn slot_is_reused_only_after_all_references_are_released() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let slots = tx.slots().unwrap().clone();
    let mut views = Vec::new();
    for sequence in 1..=3 {
        let lent = slots.lend(&[sequence as u8; 100 * KIB]).unwrap();
        let body =
            Body::of_parts(Bytes::from_static(b"\x5a\x00\x01\x90\x00"), vec![Part { at: 5, bytes: lent }]);
        send(&mut tx, &Outgoing::of(header(sequence), &body)).unwrap();
        views.push(recv(&mut rx).unwrap().body);
    }
    let places: HashSet<_> = views
        .iter()
        .map(|body| body.split().expect("it arrived by reference").parts()[0].bytes.as_ptr())
        .collect();
    assert_eq!(places.len(), 3, "no slot was written while it was viewed");
    for (sequence, body) in (1..).zip(&views) {
        assert_eq!(body.split().unwrap().parts()[0].bytes[..], [sequence; 100 * KIB]);
        assert_eq!(body.len(), 5 + 100 * KIB);
    }
    let kept = views.remove(1);
    drop(views);
    for sequence in 4..100 {
        let lent = slots.lend(&[sequence as u8; 100 * KIB]).unwrap();
        let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes: lent }]);
        send(&mut tx, &Outgoing::of(header(sequence), &body)).unwrap();
        assert_eq!(
            recv(&mut rx).unwrap().body.split().unwrap().parts()[0].bytes[..],
            [sequence as u8; 100 * KIB]
        );
    }
    assert_eq!(kept.split().unwrap().parts()[0].bytes[..], [2; 100 * KIB]);
    assert_eq!(slots.bytes(), 3 * 128 * KIB);
}

#[test]
fn slot_files_are_numbered_in_order_of_announcement() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let slots = tx.slots().unwrap().clone();
    let lent: Vec<_> = (0..3).map(|i| slots.lend(&[i; 100 * KIB]).unwrap()).collect();
    for (sequence, i) in (1..).zip([2, 0, 1, 2]) {
        let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes: lent[i].clone() }]);
        send(&mut tx, &Outgoing::of(header(sequence), &body)).unwrap();
        assert_eq!(recv(&mut rx).unwrap().body.split().unwrap().parts()[0].bytes[..], [i as u8; 100 * KIB]);
    }
}

#[test]
fn arrays_outside_slots_go_through_the_ring() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(64 * KIB, LIMIT, SPIN);
    let ((other, _), _keep) = pair_with_slots(64 * KIB, LIMIT, SPIN);
    let elsewhere = other.slots().unwrap().lend(&[5; 100 * KIB]).unwrap();
    let here = tx.slots().unwrap().lend(&[6; 100 * KIB]).unwrap();
    let part = |at, bytes: &Bytes| Part { at, bytes: bytes.clone() };
    let long_rest = Bytes::from(vec![1; 64 * KIB]);
    for (number, (rest, parts)) in (1..).zip([
        (Bytes::from_static(b"ab"), vec![part(1, &here), part(2, &elsewhere)]),
        (long_rest, vec![part(0, &here)]),
        (Bytes::from_static(b"ab"), vec![part(1, &here.slice(..50 * KIB)); 17]),
    ]) {
        let body = Body::of_parts(rest, parts);
        std::thread::scope(|scope| {
            scope.spawn(|| send(&mut tx, &Outgoing::of(header(number), &body)).unwrap());
            let got = recv(&mut rx).unwrap();
            assert!(got.body.split().is_none());
            assert_eq!(got.body, body);
        });
    }
}

#[test]
fn references_without_announced_slots_end_the_link() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    rx.forget_slots();
    let lent = tx.slots().unwrap().lend(&[1; 64 * KIB]).unwrap();
    let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes: lent }]);
    send(&mut tx, &Outgoing::of(header(1), &body)).unwrap();
    assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn descriptors_other_than_slot_files_end_the_link() {
    let pipe = rustix::pipe::pipe().unwrap().0;
    let unsealed = MemoryFile::forged(64 * KIB + PAGE, rustix::fs::SealFlags::empty(), false).unwrap();
    slot_page::format(&unsealed, 1, FIRST_FILE, 64 * KIB);
    let without_page = MemoryFile::create_for_arrays("linkspan-slot", 64 * KIB).unwrap();
    let long = slot_page::create(1, FIRST_FILE, 2 * LIMIT as usize).unwrap();
    let other_session = slot_page::create(3, FIRST_FILE, 64 * KIB).unwrap();
    let (one, two) = (first_file(), first_file());
    let cases: [(&str, Vec<u8>, Vec<std::os::fd::BorrowedFd<'_>>); 10] = [
        ("nothing wrong", vec![FILE], vec![one.fd()]),
        ("a pipe", vec![FILE], vec![pipe.as_fd()]),
        ("no seals", vec![FILE], vec![unsealed.fd()]),
        ("no page", vec![FILE], vec![without_page.fd()]),
        ("another session", vec![FILE], vec![other_session.fd()]),
        ("longer than any message", vec![FILE], vec![long.fd()]),
        ("two with one byte", vec![FILE], vec![one.fd(), two.fd()]),
        ("one with two bytes", vec![FILE, FILE], vec![one.fd()]),
        ("none", vec![FILE], vec![]),
        ("a slot that there is not", vec![FILE + SLOTS as u8], vec![one.fd()]),
    ];
    for (what, bytes, descriptors) in cases {
        let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
        crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&bytes)], &descriptors).unwrap();
        let reference = Reference { at: 0, length: 64 << 10, slot: 0, file: 1, from: 0, filling: 1 };
        tx.write_references(&Header { body: 64 << 10, ..header(1) }, &[], &[reference]);
        let refused = recv(&mut rx).map_err(|error| error.kind()).err();
        let expected = (what != "nothing wrong").then_some(ErrorKind::Malformed);
        assert_eq!(refused, expected, "{what}");
    }
}

#[test]
fn more_files_than_slots_end_the_link() {
    let ((tx, _rx), (_tx, mut rx)) = pair_with_slots(4 * KIB, LIMIT, SPIN);
    let file = first_file();
    for _ in 0..=SLOTS {
        crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&[FILE])], &[file.fd()]).unwrap();
    }
    let ended =
        (0..10 * SLOTS).find_map(|_| rx.park().map(|_| rx.unpark()).and_then(|()| rx.try_recv()).err());
    assert_eq!(ended.expect("it goes on").kind(), ErrorKind::Malformed);
}

/// Words that a hostile peer may write: near an allowed one, or any.
fn word(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(near), 1 => 0..40u64, 1 => (60 << 10)..(70u64 << 10), 1 => any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn view_any_reference_is_in_bounds_or_malformed(
        words in prop::collection::vec((word(0), word(64 << 10), word(0), word(1), word(0)), 0..20),
        rest in 0..100usize,
        is_wrong: bool,
    ) {
        let ((mut tx, _rx), (_tx, mut rx)) = pair_with_slots(16 << 10, LIMIT, SPIN);
        let file = first_file();
        crate::sys::socket::send(&**tx.socket(), &[IoSlice::new(&[FILE])], &[file.fd()]).unwrap();
        let references: Vec<_> = words
            .into_iter()
            .map(|(at, length, slot, file, from)| Reference { at, length, slot, file, from, filling: 1 })
            .collect();
        let total = references.iter().fold(rest as u64, |sum, one| sum.wrapping_add(one.length));
        let header = Header { body: if is_wrong { total ^ 1 } else { total }, ..header(1) };
        tx.write_references(&header, &vec![0; rest], &references);
        match recv(&mut rx) {
            Ok(frame) => {
                prop_assert!(!is_wrong);
                let split = frame.body.split().unwrap();
                for part in split.parts() {
                    prop_assert!(part.bytes.len() <= 64 << 10 && part.at <= rest);
                    prop_assert!(part.bytes.iter().all(|byte| *byte == 0));
                }
                prop_assert_eq!(frame.body.len() as u64, total);
                let _ = crate::codec::decode(frame.body.whole(), Encoding::Cbor);
            }
            Err(error) => prop_assert!(
                matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{}", error
            ),
        }
    }

    #[test]
    fn slots_stay_within_the_bound_for_any_released_count(
        steps in prop::collection::vec((0..6u8, any::<u64>(), 1..LIMIT as usize), 1..60)
    ) {
        let (page, slots) = slots();
        let mut held = Vec::new();
        for (step, word, length) in steps {
            match step {
                0 | 1 => held.extend(slots.lend(&vec![1; length])),
                2 | 3 => {
                    if let Some(bytes) = slots.lend(&vec![2; length]) {
                        let body = Body::of_parts(Bytes::new(), vec![Part { at: 0, bytes }]);
                        prop_assert!(slots.refer(body.split().unwrap(), |_, _| true).is_some());
                    }
                }
                4 => drop(held.pop()),
                _ => page.memory.word(at::RELEASED + word as usize % SLOTS * 8).store(word % 4, Ordering::Relaxed),
            }
            prop_assert!(slots.bytes() <= 2 * LIMIT as usize);
            for bytes in &held {
                let [first, last] = [bytes[0], bytes[bytes.len() - 1]];
                prop_assert_eq!((first, last), (1, 1), "written while this side has it");
            }
        }
    }
}
