//! A publisher's slots keep their guarantees to both sides, for any writes of either side.

use std::cell::RefCell;
use std::iter;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::bodies_tests::{assert_is_one_content, text_and_structure, while_changing};
use super::super::memory::OwnMemory;
use super::super::references::{self, Reference};
use super::super::segment::{self, CLAIMS, SHARE, SLOTS, VIEW_BITS, at};
use super::super::slot_page;
use super::super::views::BodyViews;
use super::driver::RingDriver;
use super::published_tx::PublishedTx;
use super::slots::PublishedSlots;
use super::viewers::Viewers;
use super::views::{Content, PublishedFiles, Referring, Resolved, ViewCount, Viewing, during_copy};
use crate::body::{Body, Part, Split};
use crate::broadcast::{BroadcastDriver, Received, Start};
use crate::codec::Encoding;
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::half::Readers;
use crate::sys::fork::Guarded;
use crate::sys::memory::{MemoryFile, PeerMemory};
use crate::{LongBodies, Tx};

const KIB: usize = 1 << 10;
const LIMIT: u64 = 1 << 20;
const SESSION: u64 = 7;

fn slots() -> Arc<PublishedSlots> {
    Arc::new(PublishedSlots::new(Viewers::default(), SESSION, LIMIT, 4 * KIB))
}

fn split(elements: &[Bytes]) -> Split {
    Split::new(
        Bytes::from_static(b"rest"),
        elements.iter().map(|one| Part { at: 4, bytes: one.clone() }).collect::<Vec<_>>(),
    )
}

/// The most views of one slot that a page can count.
const MOST_VIEWS: u64 = (1 << VIEW_BITS) - 1;

fn views_of(page: &MemoryFile, slot: usize) -> u64 {
    page.word(at::VIEWS).load(Ordering::Relaxed) >> (slot * VIEW_BITS) & MOST_VIEWS
}

/// A subscriber that the slots know: its page, and its end of the socket.
struct Subscriber {
    page: Arc<MemoryFile>,
    socket: Arc<Guarded>,
}

impl Subscriber {
    fn of(slots: &PublishedSlots, id: u64) -> Subscriber {
        let page = Arc::new(segment::create(segment::PAGE_OF_SUBSCRIBER, SESSION, 0).unwrap());
        let (ours, theirs) = UnixStream::pair().unwrap();
        let seen = PeerMemory::open(&page.fd().try_clone_to_owned().unwrap().into(), 4096, 4096).unwrap();
        slots.add(id, Arc::new(seen), Arc::new(Guarded::new(theirs.into())));
        slots.answered(id);
        Subscriber { page, socket: Arc::new(Guarded::new(ours.into())) }
    }

    fn store_views(&self, slot: usize, views: u64) {
        assert!(views < 1 << VIEW_BITS);
        let others = self.page.word(at::VIEWS).load(Ordering::Relaxed) & !(MOST_VIEWS << (slot * VIEW_BITS));
        self.page.store(at::VIEWS, others | views << (slot * VIEW_BITS), Ordering::Release);
    }

    fn files(&self) -> usize {
        crate::sys::rights::take_all(&*self.socket).len()
    }
}

/// Publishes a message of one array, and returns its slot.
fn publish(slots: &Arc<PublishedSlots>, length: usize) -> usize {
    let lent = slots.lend(&vec![1; length]).unwrap();
    slots.refer(&split(&[lent]), 1).unwrap()[0].slot as usize
}

#[test]
fn oldest_free_slot_is_written_next() {
    let slots = slots();
    let subscriber = Subscriber::of(&slots, 1);
    let order: Vec<usize> = (0..12).map(|_| publish(&slots, 64 * KIB)).collect();
    assert_eq!(
        order,
        [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
        "three stay unchanged, and the oldest is written"
    );
    subscriber.store_views(2, 1);
    let had = slots.lend(&[2; 64 * KIB]).unwrap();
    let order: Vec<usize> = (0..8).map(|_| publish(&slots, 64 * KIB)).collect();
    assert!(!order.contains(&2), "{order:?}");
    assert_eq!(had[..], [2; 64 * KIB]);
    subscriber.store_views(2, 0);
    drop(had);
    assert!((0..8).any(|_| publish(&slots, 64 * KIB) == 2));
}

/// Publishes a long message of this number, which is kept as the newest, and returns its slot.
fn publish_number(slots: &Arc<PublishedSlots>, newest: &mut Option<Bytes>, number: u64) -> usize {
    let lent = slots.lend(&[1; 512 * KIB]).unwrap();
    let slot = slots.refer(&split(std::slice::from_ref(&lent)), number).unwrap()[0].slot as usize;
    *newest = Some(lent);
    slot
}

#[test]
fn slot_that_every_subscriber_has_read_is_written_next() {
    let slots = slots();
    let (one, two) = (Subscriber::of(&slots, 1), Subscriber::of(&slots, 2));
    let read = |subscriber: &Subscriber, number| {
        subscriber.page.store(at::CONSUMED, number, Ordering::Release);
    };
    let mut newest = None;
    let mut number = 0;
    let mut publish = || {
        number += 1;
        (publish_number(&slots, &mut newest, number), number)
    };
    let mut both = Vec::new();
    for _ in 0..8 {
        let (slot, number) = publish();
        both.push(slot);
        read(&one, number);
        read(&two, number);
    }
    assert_eq!(both, [0, 1, 0, 1, 0, 1, 0, 1], "the newest is retained");
    // A subscriber stops reading, so the messages that it lacks stay as long as there is room.
    let mut one_alone = Vec::new();
    for _ in 0..4 {
        let (slot, number) = publish();
        one_alone.push(slot);
        read(&one, number);
    }
    assert_eq!(one_alone, [0, 1, 2, 3]);
    one.store_views(one_alone[3], 1);
    read(&two, 12);
    let viewed = one_alone[3];
    assert!((0..8).all(|_| publish().0 != viewed), "a view protects a slot that was read");
}

#[test]
fn messages_stay_in_order_for_a_while_after_a_subscriber_has_left() {
    let slots = slots();
    drop(Subscriber::of(&slots, 1));
    slots.remove(1);
    let mut newest = None;
    let order: Vec<usize> =
        (1..=SLOTS as u64 + 4).map(|number| publish_number(&slots, &mut newest, number)).collect();
    assert_eq!(order[..8], [0, 1, 2, 3, 0, 1, 2, 3]);
    let last = &order[SLOTS..];
    assert!(last[0] == last[2] && last[1] == last[3], "{last:?}");
}

#[test]
fn files_stay_within_the_bound_and_make_room_for_other_lengths() {
    let slots = slots();
    let small: Vec<Bytes> = (0..SLOTS).map(|_| slots.lend(&[1; 64 * KIB]).unwrap()).collect();
    assert!(slots.lend(&[1; 64 * KIB]).is_none(), "all slots are taken");
    drop(small);
    let long: Vec<Bytes> = (0..4).map(|_| slots.lend(&vec![2; LIMIT as usize]).unwrap()).collect();
    assert_eq!(slots.held().0, 4 * LIMIT as usize);
    assert!(slots.lend(&[1; 64 * KIB]).is_none());
    drop(long);
    assert!(slots.lend(&vec![0; LIMIT as usize + 1]).is_none(), "longer than any message");
}

#[test]
fn three_messages_of_a_new_length_stay_where_older_ones_have_all_files() {
    let slots = slots();
    let _reader = Subscriber::of(&slots, 1);
    for length in [64, 320, 128, 192] {
        (0..SLOTS).for_each(|_| _ = publish(&slots, length * KIB));
    }
    let order: Vec<usize> = (0..3).map(|_| publish(&slots, 900 * KIB)).collect();
    assert!(order[0] != order[1] && order[1] != order[2] && order[0] != order[2], "{order:?}");
}

#[test]
fn no_file_is_removed_where_that_makes_no_room() {
    let slots = slots();
    let subscriber = Subscriber::of(&slots, 1);
    let long = [LIMIT as usize; 3].map(|length| slots.lend(&vec![1; length]).unwrap());
    let viewed = publish(&slots, LIMIT as usize - 128 * KIB);
    subscriber.store_views(viewed, 1);
    let short = [1, 2].map(|byte| slots.lend(&[byte; 64 * KIB]).unwrap());
    drop(short);
    assert!(slots.lend(&vec![2; LIMIT as usize]).is_none());
    assert_eq!(slots.held().0, 4 * LIMIT as usize);
    drop(long);
    assert!(slots.lend(&vec![2; LIMIT as usize]).is_some());
}

#[test]
fn subscriber_that_claims_more_slots_than_it_may_protects_none() {
    let slots = slots();
    let honest = Subscriber::of(&slots, 1);
    drop([(); CLAIMS].map(|()| slots.lend(&[1; 64 * KIB]).unwrap()));
    (0..CLAIMS).for_each(|slot| honest.store_views(slot, 3));
    let order: Vec<usize> = (0..20).map(|_| publish(&slots, 64 * KIB)).collect();
    assert!(order.iter().all(|slot| *slot >= CLAIMS), "{order:?}");
    let hostile = Subscriber::of(&slots, 2);
    (0..SLOTS).for_each(|slot| hostile.store_views(slot, MOST_VIEWS));
    let order: Vec<usize> = (0..20).map(|_| publish(&slots, 64 * KIB)).collect();
    assert!(order.iter().all(|slot| *slot >= CLAIMS), "{order:?}");
    (0..SLOTS).for_each(|slot| hostile.store_views(slot, u64::from(slot == 5)));
    assert!((0..20).any(|_| publish(&slots, 64 * KIB) == 5), "its counts are ignored from now on");
}

#[test]
fn views_of_a_subscriber_that_left_count_until_its_socket_is_closed() {
    let slots = slots();
    let subscriber = Subscriber::of(&slots, 1);
    for _ in 0..4 {
        publish(&slots, 64 * KIB);
    }
    subscriber.store_views(1, 1);
    slots.remove(1);
    assert_eq!(slots.held().1, 1);
    assert!((0..8).all(|_| publish(&slots, 64 * KIB) != 1));
    drop(subscriber);
    assert!((0..8).any(|_| publish(&slots, 64 * KIB) == 1));
    assert_eq!(slots.held().1, 0);
    let nothing = Subscriber::of(&slots, 2);
    slots.remove(2);
    assert_eq!(slots.held().1, 0, "a subscriber without views is removed at once");
    drop(nothing);
}

#[test]
fn files_are_sent_once_and_no_more_than_the_subscriber_takes() {
    let slots = slots();
    let subscriber = Subscriber::of(&slots, 1);
    for _ in 0..20 {
        publish(&slots, 64 * KIB);
    }
    assert_eq!(subscriber.files(), 4);
    // Files of one length replace files of another, so each round has new files.
    let round = || {
        for (count, length) in [(SLOTS, 64 * KIB), (4, LIMIT as usize)] {
            let lent: Vec<Bytes> = (0..count).map(|_| slots.lend(&vec![1; length]).unwrap()).collect();
            lent.iter().for_each(|one| drop(slots.refer(&split(std::slice::from_ref(one)), 1).unwrap()));
        }
    };
    (0..3).for_each(|_| round());
    assert_eq!(subscriber.files(), SLOTS - 4, "the others wait until it has taken these");
    subscriber.page.store(at::FILES_TAKEN, SLOTS as u64, Ordering::Relaxed);
    (0..3).for_each(|_| round());
    assert_eq!(subscriber.files(), SLOTS);
}

#[test]
fn no_slot_is_written_after_the_end() {
    let slots = slots();
    let subscriber = Subscriber::of(&slots, 1);
    publish(&slots, 64 * KIB);
    subscriber.store_views(0, 1);
    slots.close();
    assert_eq!(slots.held().1, 0);
    assert!(slots.lend(&[1; 64 * KIB]).is_none() && slots.lend_writable(64 * KIB).is_none());
}

/// A publisher's side whose references the tests write.
fn written(length: usize, viewing: Option<&Viewing>) -> (Arc<MemoryFile>, PublishedFiles) {
    let name = slot_page::FileName { slot: 3, number: 9 };
    let file = Arc::new(slot_page::create(SESSION, name, length).unwrap());
    file.store(length + slot_page::at::FILLING, 5, Ordering::Release);
    let mut there = PublishedFiles::of(SESSION, LIMIT, viewing.cloned());
    there.put(duplicate(&file)).unwrap();
    (file, there)
}

fn duplicate(file: &MemoryFile) -> OwnedFd {
    file.fd().try_clone_to_owned().unwrap()
}

fn resolve(files: &mut PublishedFiles, references: &[Reference]) -> Result<Resolved> {
    resolve_content(files, Content::Arrays(b"rest"[..].into(), references.into()))
}

fn resolve_content(files: &mut PublishedFiles, content: Content) -> Result<Resolved> {
    let header = Header::new(Kind::Data, Encoding::Cbor);
    files.resolve(Referring { header, content }, BodyViews::None, || Ok(None))
}

fn viewing() -> (Arc<MemoryFile>, Viewing) {
    let page = Arc::new(segment::create(segment::PAGE_OF_SUBSCRIBER, SESSION, 0).unwrap());
    let (socket, _) = UnixStream::pair().unwrap();
    (page.clone(), Viewing::new(page, Arc::new(Guarded::new(socket.into())), &ViewCount::default()))
}

const HONEST: Reference = Reference { at: 4, length: 64, slot: 3, file: 9, from: 0, filling: 5 };

#[test]
fn view_is_counted_until_dropped_and_arrays_above_the_share_are_copied() {
    let (page, viewing) = viewing();
    let (file, mut files) = written(64 * KIB, Some(&viewing));
    let views = || views_of(&page, 3);
    let body = |resolved| match resolved {
        Ok(Resolved::Frame(Incoming { body, .. })) => body,
        other => panic!("{other:?} is not a frame"),
    };
    let mut held: Vec<Body> = Vec::new();
    for count in 1..=SHARE as u64 + 2 {
        held.push(body(resolve(&mut files, &[HONEST])));
        assert_eq!(views(), count.min(SHARE as u64));
    }
    // A publisher that writes viewed slots: only views change, copies do not.
    file.copy_in_racing(0, &[9; 64]);
    let first = |body: &Body| body.split().unwrap().parts()[0].bytes[0];
    assert_eq!(held.iter().map(first).collect::<Vec<_>>(), [9, 9, 9, 9, 0, 0]);
    drop(held);
    assert_eq!((views(), viewing.count()), (0, 0));
    for viewing in [Some(&viewing), None] {
        let (_file, mut files) = written(64 * KIB, viewing);
        let gone = resolve(&mut files, &[HONEST, Reference { filling: 4, ..HONEST }]);
        assert!(matches!(gone, Ok(Resolved::Overtaken)), "{gone:?}");
        assert_eq!(views(), 0);
    }
}

#[test]
fn elements_at_any_offset_are_viewed_and_copied() {
    let (_page, viewing) = viewing();
    for viewing in [Some(&viewing), None] {
        let (file, mut files) = written(64 * KIB, viewing);
        file.copy_in_racing(0, b"0123456789abcdef");
        for from in 0..10 {
            let Ok(Resolved::Frame(frame)) = resolve(&mut files, &[Reference { from, length: 5, ..HONEST }])
            else {
                panic!("no frame of elements from {from} on")
            };
            let from = from as usize;
            assert_eq!(frame.body.split().unwrap().parts()[0].bytes[..], b"0123456789abcdef"[from..from + 5]);
        }
    }
}

#[test]
fn references_to_missing_contents_have_distinct_outcomes() {
    let (_page, viewing) = viewing();
    let (_file, mut files) = written(64 * KIB, Some(&viewing));
    let mut of = |reference| resolve(&mut files, &[reference]);
    assert!(matches!(of(Reference { file: 8, ..HONEST }), Ok(Resolved::Overtaken)));
    assert!(matches!(of(Reference { file: 10, ..HONEST }), Ok(Resolved::FileAbsent)));
    assert!(matches!(of(Reference { slot: 2, ..HONEST }), Ok(Resolved::FileAbsent)));
    for wrong in [
        Reference { slot: SLOTS as u64, ..HONEST },
        Reference { slot: u64::MAX, ..HONEST },
        Reference { from: 64 * KIB as u64 - 63, ..HONEST },
        Reference { from: u64::MAX, ..HONEST },
        Reference { length: 64 * KIB as u64 + 1, ..HONEST },
        Reference { length: u64::MAX, ..HONEST },
    ] {
        assert_eq!(of(wrong).unwrap_err().kind(), ErrorKind::Malformed, "{wrong:?}");
    }
}

#[test]
fn file_that_is_not_a_slots_is_malformed() {
    let mut there = PublishedFiles::of(SESSION, LIMIT, None);
    let mut put = |file: &MemoryFile| there.put(duplicate(file)).unwrap_err().kind();
    assert_eq!(put(&MemoryFile::create("linkspan-test", 4096).unwrap()), ErrorKind::Malformed);
    let name = slot_page::FileName { slot: 3, number: 1 };
    assert_eq!(
        put(&slot_page::create(SESSION + 1, name, 4096).unwrap()),
        ErrorKind::Malformed,
        "another session"
    );
    for name in [slot_page::FileName { slot: SLOTS, number: 1 }, slot_page::FileName { slot: 3, number: 0 }] {
        assert_eq!(put(&slot_page::create(SESSION, name, 4096).unwrap()), ErrorKind::Malformed, "{name:?}");
    }
    // A file longer than any allowed message needs is not mapped.
    let long = slot_page::create(SESSION, name, 8 << 20).unwrap();
    there.put(duplicate(&long)).unwrap();
    let refused = resolve(&mut there, &[Reference { file: 1, ..HONEST }]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Malformed);
}

/// A publisher sends one array; returns the message that its only subscriber receives.
fn read(writer: &mut Box<PublishedTx>, id: u64, knows_slots: bool) -> Incoming {
    let mut descriptors = writer.descriptors_for_peer(id).unwrap();
    let ring = descriptors.remove(0);
    let mut files = PublishedFiles::of(SESSION, LIMIT, None);
    assert!(knows_slots || descriptors.is_empty());
    descriptors.into_iter().for_each(|file| files.put(file).unwrap());
    let reader = super::RingReader::open(ring, SESSION, LIMIT, Start::Newest).unwrap();
    let received = match knows_slots {
        true => reader.latest_with(&mut |frame| files.resolve(frame, BodyViews::None, || Ok(None))),
        false => reader.latest(),
    };
    match received.unwrap() {
        Received::Frame(frame) => frame,
        other => panic!("{other:?} is not a frame"),
    }
}

fn ring_half() -> Box<PublishedTx> {
    match RingDriver.writer(SESSION, (4 * KIB, 4 * KIB), LIMIT).unwrap() {
        Tx::Published(half) => half,
        _ => panic!("it is the half of a ring"),
    }
}

#[test]
fn subscriber_without_slots_receives_every_message_whole() {
    let mut writer = ring_half();
    let slots = writer.slots();
    let elements = vec![3; 64 * KIB];
    let body = |slots: &Arc<PublishedSlots>| match slots.lend(&elements) {
        Some(bytes) => Body::of_parts(Bytes::from_static(b"rest"), vec![Part { at: 4, bytes }]),
        None => [&b"rest"[..], &elements].concat().into(),
    };
    let whole = [&b"rest"[..], &elements].concat();
    let header = |sequence| Header { sequence, ..Header::new(Kind::Data, Encoding::Cbor) };
    let first = body(&slots);
    assert!(first.split().is_some());
    writer.try_send(&Outgoing::of(header(1), &first)).unwrap();
    let newest = read(&mut writer, 1, true);
    assert!(newest.body.split().is_some());
    assert_eq!(newest.body, whole);
    writer.add_without_slots(2).unwrap();
    for (id, knows_slots) in [(2, false), (1, true)] {
        let newest = read(&mut writer, id, knows_slots);
        assert_eq!((newest.header.sequence, newest.body.split().is_none()), (1, true));
        assert_eq!(newest.body, whole);
    }
    // Arrays in slots go through the ring as well.
    writer.try_send(&Outgoing::of(header(2), &first)).unwrap();
    assert_eq!(read(&mut writer, 2, false).body, whole);
    assert!(body(&slots).split().is_none());
    writer.remove(2);
    let again = body(&slots);
    assert!(again.split().is_some());
    let sent = writer.try_send_many((3..6).map(|number| Outgoing::of(header(number), &again)));
    assert_eq!(sent.unwrap(), 3);
    let newest = read(&mut writer, 1, true);
    assert_eq!((newest.header.sequence, newest.body.split().is_some()), (5, true));
    assert_eq!(newest.body, whole);
}

/// A frame with the longest body, in an encoding without arrays.
fn long(sequence: u64, body: &Bytes) -> Outgoing<'_> {
    let header = Header { sequence, ..Header::new(Kind::Data, Encoding::Json) };
    Outgoing { owner: Some(body), ..Outgoing::new(header, body) }
}

#[test]
fn long_body_is_published_in_a_slot_and_copied_out_of_it() {
    let mut writer = ring_half();
    let body = Bytes::from((0..LIMIT).map(|i| (i / 7) as u8).collect::<Vec<_>>());
    for length in [64 * KIB, 64 * KIB + 1, 100_003, LIMIT as usize] {
        let body = body.slice(LIMIT as usize - length..);
        let sent = writer.try_send_many((1..4).map(|sequence| long(sequence, &body)));
        assert_eq!(sent.unwrap(), 3);
        let newest = read(&mut writer, 1, true);
        assert_eq!((newest.header.sequence, newest.header.encoding), (3, Encoding::Json));
        assert!(newest.body.block().unwrap()[..] == body[..], "{length} bytes");
        assert_eq!(writer.take_long_bodies(), LongBodies { in_slots: 3, without_slot: 0 });
    }
    // Of the newest message, which stays.
    let newest = read(&mut writer, 1, true).body.whole().clone();
    writer.add_without_slots(2).unwrap();
    for (id, knows_slots) in [(2, false), (1, true)] {
        assert_eq!(read(&mut writer, id, knows_slots).body, newest);
    }
    writer.try_send(&long(4, &body)).unwrap();
    assert_eq!(read(&mut writer, 2, false).body, body);
    assert_eq!(writer.take_long_bodies(), LongBodies::default(), "none is wanted");
    writer.remove(2);
    let slots = writer.slots();
    let lent: Vec<Bytes> = iter::from_fn(|| slots.lend(&[1; 64 * KIB])).collect();
    writer.try_send(&long(5, &body)).unwrap();
    assert_eq!(read(&mut writer, 1, true).body, body);
    assert_eq!(writer.take_long_bodies(), LongBodies { in_slots: 0, without_slot: 1 });
    drop(lent);
    writer.try_send(&long(6, &body)).unwrap();
    assert_eq!(writer.take_long_bodies(), LongBodies { in_slots: 1, without_slot: 0 });
}

struct Followed {
    writer: Box<PublishedTx>,
    published: u64,
}

impl Followed {
    /// Publishes messages of the longest body, filled with the message's number.
    fn publish(&mut self, count: u64) {
        for number in self.published + 1..=self.published + count {
            let body = Bytes::from(vec![number as u8; LIMIT as usize]);
            self.writer.try_send(&long(number, &body)).unwrap();
        }
        self.published += count;
    }
}

/// The publisher publishes eight messages during each copy, with four slots.
#[test]
fn subscriber_receives_a_message_with_each_copy_however_many_are_published_meanwhile() {
    let mut writer = ring_half();
    let page = Arc::new(segment::create(segment::PAGE_OF_SUBSCRIBER, SESSION, 0).unwrap());
    let (ours, theirs) = UnixStream::pair().unwrap();
    let [ours, theirs] = [ours, theirs].map(|socket| Arc::new(Guarded::new(socket.into())));
    writer.add(1, vec![duplicate(&page).into()], SESSION, theirs).unwrap();
    let ring = writer.descriptors_for_peer(1).unwrap().remove(0);
    writer.answered(1);
    let mut reader = super::RingReader::open(ring, SESSION, LIMIT, Start::After(0)).unwrap();
    let viewing = Viewing::new(page.clone(), ours.clone(), &ViewCount::default());
    let mut files = PublishedFiles::of(SESSION, LIMIT, Some(viewing.clone()));
    let mut arrived = Vec::new();
    let mut fetch = || {
        arrived.extend(crate::sys::rights::take_all(&*ours));
        Ok(arrived.pop())
    };
    let followed = Rc::new(RefCell::new(Followed { writer, published: 0 }));
    followed.borrow_mut().publish(1);
    let during = {
        let followed = followed.clone();
        move || followed.borrow_mut().publish(8)
    };
    during_copy::with(during, || {
        let (mut last, mut received, mut was_gap) = (0, 0, false);
        while received < 50 {
            match reader.read_with(&mut |frame| files.resolve(frame, BodyViews::None, &mut fetch)) {
                Ok(Received::Frame(frame)) => {
                    (last, received, was_gap) = (last + 1, received + 1, false);
                    assert_eq!(frame.header.sequence, last);
                    assert!(frame.body.whole().iter().all(|byte| *byte == last as u8), "{last}");
                }
                Err(error) if error.kind() == ErrorKind::Lagged && !was_gap => {
                    (last, was_gap) = (last + error.missed().unwrap(), true);
                }
                other => panic!("{other:?} after {received} messages"),
            }
        }
    });
    let published = followed.borrow().published;
    assert_eq!(published, 1 + 50 * 8, "one copy for each message, also behind a gap");
    assert_eq!(
        followed.borrow_mut().writer.take_long_bodies(),
        LongBodies { in_slots: published, without_slot: 0 }
    );
    assert_eq!((viewing.count(), page.word(at::VIEWS).load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn body_of_an_overwritten_slot_is_missed_and_one_that_changes_is_whole() {
    let (page, viewing) = viewing();
    let (file, mut files) = written(64 * KIB, Some(&viewing));
    file.copy_in_racing(0, b"0123456789abcdef");
    for from in 0..10u64 {
        let at = Reference { at: 0, from, length: 5, ..HONEST };
        let Ok(Resolved::Frame(frame)) = resolve_content(&mut files, Content::Body(at)) else {
            panic!("no frame of a body from {from} on")
        };
        file.copy_in_racing(0, b"changed afterwards");
        assert_eq!(frame.body, &b"0123456789abcdef"[from as usize..from as usize + 5]);
        file.copy_in_racing(0, b"0123456789abcdef");
    }
    let overwritten = Content::Body(Reference { at: 0, filling: 4, ..HONEST });
    assert!(matches!(resolve_content(&mut files, overwritten), Ok(Resolved::Overtaken)));
    assert_eq!(views_of(&page, 3), 0);
}

#[test]
fn published_text_and_structure_that_change_while_they_are_read_are_a_value_or_an_error() {
    for (encoding, encoded) in text_and_structure() {
        let (_page, viewing) = viewing();
        let (file, mut files) = written(encoded.len().next_multiple_of(64 * KIB), Some(&viewing));
        file.copy_in(0, &encoded);
        while_changing(&file, encoded.len(), || {
            for _ in 0..10 {
                let header = Header::new(Kind::Data, encoding);
                let at = Reference { at: 0, length: encoded.len() as u64, ..HONEST };
                let referring = Referring { header, content: Content::Body(at) };
                let Ok(Resolved::Frame(frame)) = files.resolve(referring, BodyViews::None, || Ok(None))
                else {
                    panic!("no frame of a body in {encoding:?}")
                };
                assert_is_one_content(&frame.body, encoding);
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_reference_is_within_its_file_or_refused(
        slot in 0u64..20, file in 7u64..12, from: u64, length: u64, filling in 4u64..7
    ) {
        let (page, viewing) = viewing();
        let (_file, mut files) = written(64 * KIB, Some(&viewing));
        let reference = Reference { at: 0, length, slot, file, from, filling };
        if let Ok(Resolved::Frame(frame)) = resolve_content(&mut files, Content::Body(reference)) {
            prop_assert!(from + length <= 64 * KIB as u64);
            prop_assert_eq!(frame.body.len() as u64, length);
        }
        if let Ok(Resolved::Frame(frame)) = resolve(&mut files, &[reference]) {
            prop_assert!(from + length <= 64 * KIB as u64);
            prop_assert_eq!(frame.body.len() as u64, length + 4);
        }
        prop_assert_eq!(page.word(at::VIEWS).load(Ordering::Relaxed), 0);
        prop_assert!(references::to_bytes(&[reference]).len() == references::COUNT + references::REFERENCE);
    }
}
