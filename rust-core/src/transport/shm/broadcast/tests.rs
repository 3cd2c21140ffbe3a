//! Publisher and subscriber over real memory files: order, counts of missed messages, the move to a
//! larger ring, waking, and garbage in the ring.

use std::mem::discriminant;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::super::memory::heap::Heap;
use super::super::memory::{Memory, OwnMemory};
use super::super::segment::{PAGE, at};
use super::super::tests::{data, patient, pattern, scaled};
use super::publisher::Published;
use super::ring_writer::RingWriter;
use super::views::SlotFiles;
use super::*;
use crate::deadline::{Timeout, Wait};
use crate::error::{ErrorKind, Result};
use crate::frame::{Header, Incoming, Outgoing, flags};
use crate::sys::fork::Guarded;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::broadcast::{Received, Start};

/// The longest message in bytes that readers take.
const LIMIT: u64 = 64 << 20;

/// A body that depends on the number, so that mixtures of two messages show.
fn body(sequence: u64, length: usize) -> Vec<u8> {
    pattern(length, sequence.wrapping_mul(1001))
}

/// Publishes the message of this number.
fn publish(broadcast: &mut Broadcast, sequence: u64, length: usize) -> Published {
    broadcast.publish(&Outgoing::new(data(sequence), &body(sequence, length))).unwrap()
}

/// The ring's descriptor, as a subscriber gets it.
fn file(broadcast: &Broadcast) -> OwnedFd {
    broadcast.descriptor_for_peer().try_clone_to_owned().unwrap()
}

/// A reader that begins with the newest message.
fn follow(broadcast: &Broadcast) -> RingReader<crate::sys::memory::PeerMemory> {
    RingReader::open(file(broadcast), 9, LIMIT, Start::Newest).unwrap()
}

/// The frame of a read that must have one.
fn frame(received: Result<Received>) -> Incoming {
    match received.unwrap() {
        Received::Frame(frame) => frame,
        other => panic!("a frame was due, not {other:?}"),
    }
}

/// Asserts number, length and contents of a message.
fn assert_is(frame: &Incoming, sequence: u64, length: usize) {
    assert_eq!((frame.header.sequence, frame.body.len()), (sequence, length));
    assert_eq!(frame.body, body(sequence, length));
}

#[test]
fn subscriber_starts_with_the_newest_at_admission() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    for sequence in 1..=3 {
        publish(&mut broadcast, sequence, 100);
    }
    for (admitted_at, first) in [(0, 1), (1, 1), (2, 2), (3, 3)] {
        let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, Start::With(admitted_at)).unwrap();
        for sequence in first..=3 {
            let got = frame(reader.read());
            assert_is(&got, sequence, 100);
            assert_eq!(
                got.header.flags & flags::RETAINED != 0,
                sequence == admitted_at,
                "{sequence} of {admitted_at}"
            );
        }
        assert!(matches!(reader.read(), Ok(Received::Nothing)));
    }
    // Messages that were overwritten since are reported.
    for sequence in 4..=60 {
        publish(&mut broadcast, sequence, 100);
    }
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, Start::With(3)).unwrap();
    let lagged = reader.read().unwrap_err();
    assert_eq!(lagged.kind(), ErrorKind::Lagged);
    assert_is(&frame(reader.read()), 3 + lagged.missed().unwrap(), 100);
}

#[test]
fn subscribers_get_all_in_order_and_late_ones_start_with_the_newest() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut early = follow(&broadcast);
    assert!(matches!(early.read(), Ok(Received::Nothing)));
    assert!(matches!(early.latest(), Ok(Received::Nothing)));
    for sequence in 1..=3 {
        publish(&mut broadcast, sequence, 100);
    }
    let mut late = follow(&broadcast);
    publish(&mut broadcast, 4, 0);
    for sequence in 1..=3 {
        let got = frame(early.read());
        assert_is(&got, sequence, 100);
        assert_eq!(got.header.flags, 0);
    }
    let got = frame(late.read());
    assert_is(&got, 3, 100);
    assert_eq!(got.header.flags, flags::RETAINED);
    for ring_reader in [&mut early, &mut late] {
        let got = frame(ring_reader.read());
        assert_is(&got, 4, 0);
        assert_eq!(got.header.flags, 0);
        assert!(!ring_reader.is_ready());
        assert!(matches!(ring_reader.read(), Ok(Received::Nothing)));
    }
}

#[test]
fn overtaken_subscriber_gets_lagged_with_the_exact_count() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut slow = follow(&broadcast);
    for sequence in 1..=1000 {
        publish(&mut broadcast, sequence, 200);
    }
    let error = slow.read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lagged);
    let next = error.missed().unwrap() + 1;
    // Records of 288 bytes: at least half of what the ring holds is left to be read.
    assert!((985..=994).contains(&next), "{next}");
    for sequence in next..=1000 {
        assert_is(&frame(slow.read()), sequence, 200);
    }
    assert!(matches!(slow.read(), Ok(Received::Nothing)));
}

#[test]
fn latest_returns_the_newest_record() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    for sequence in 1..=500 {
        publish(&mut broadcast, sequence, (sequence as usize * 37) % 1500);
        let got = frame(reader.latest());
        assert_is(&got, sequence, (sequence as usize * 37) % 1500);
        assert_eq!(got.header.flags, flags::RETAINED);
    }
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::Lagged, "latest does not move the position");
}

#[test]
fn large_message_moves_the_publisher_without_loss() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    assert_eq!(publish(&mut broadcast, 1, 10), Published::Current);
    assert_eq!(publish(&mut broadcast, 2, 1900), Published::Current);
    assert_eq!(publish(&mut broadcast, 3, 3000), Published::Moved);
    assert_eq!(broadcast.ring(), 16384);
    assert_eq!(publish(&mut broadcast, 4, 5), Published::Current);
    assert_is(&frame(reader.read()), 1, 10);
    assert_is(&frame(reader.read()), 2, 1900);
    assert!(reader.is_ready());
    assert!(matches!(reader.read(), Ok(Received::Moved)));
    assert!(matches!(reader.latest(), Ok(Received::Moved)));
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, reader.resume()).unwrap();
    assert_is(&frame(reader.read()), 3, 3000);
    assert_is(&frame(reader.read()), 4, 5);
    assert!(matches!(reader.read(), Ok(Received::Nothing)));
}

#[test]
fn subscriber_that_moves_late_gets_lagged() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    publish(&mut broadcast, 1, 10);
    publish(&mut broadcast, 2, 4000);
    for sequence in 3..=100 {
        publish(&mut broadcast, sequence, 2000);
    }
    assert_is(&frame(reader.read()), 1, 10);
    assert!(matches!(reader.read(), Ok(Received::Moved)));
    let mut reader = RingReader::open(file(&broadcast), 9, LIMIT, reader.resume()).unwrap();
    let missed = reader.read().unwrap_err().missed().unwrap();
    assert_is(&frame(reader.read()), missed + 2, 2000);
}

#[test]
fn closed_publisher_is_drained_before_disconnected() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = follow(&broadcast);
    publish(&mut broadcast, 1, 10);
    drop(broadcast);
    assert_is(&frame(reader.read()), 1, 10);
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn broadcast_message_over_the_limit_is_skipped() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut reader = RingReader::open(file(&broadcast), 9, 100, Start::Newest).unwrap();
    publish(&mut broadcast, 1, 101);
    publish(&mut broadcast, 2, 100);
    assert_eq!(reader.read().unwrap_err().kind(), ErrorKind::TooLarge);
    assert_is(&frame(reader.read()), 2, 100);
}

/// A subscription of this process to its own publisher, over a socket pair.
fn subscribe(broadcast: &Broadcast, spin: Duration) -> (BroadcastReader, Subscription, Arc<Guarded>) {
    let (mine, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let page = SubscriberPage::create(4).unwrap();
    let sent = vec![page.descriptor_for_peer().try_clone_to_owned().unwrap()];
    let theirs = Arc::new(Guarded::new(theirs.into()));
    let subscription = Subscription::from_descriptors(sent, 4, theirs.clone()).unwrap();
    let socket = Arc::new(Guarded::new(mine.into()));
    (
        BroadcastReader::new(follow(broadcast), SlotFiles::new(9, LIMIT), page, socket, None, spin),
        subscription,
        theirs,
    )
}

/// Receives as the layer above does: read, spin, sleep in the futex, park.
fn recv(reader: &mut BroadcastReader) -> Result<Incoming> {
    let epoll = Epoll::new()?;
    for (token, fd) in reader.descriptors().into_iter().enumerate() {
        epoll.add(fd, token as u64, Interest::IN)?;
    }
    let mut waiting = patient();
    loop {
        match reader.try_recv()? {
            Received::Frame(frame) => return Ok(frame),
            Received::Moved => panic!("the ring has not moved"),
            Received::Nothing if reader.spin() || reader.sleep_briefly(&mut waiting)? || reader.park()? => {}
            Received::Nothing => {
                epoll.wait(&mut waiting, &mut Vec::new())?;
                reader.unpark();
            }
        }
    }
}

#[test]
fn sleeping_subscriber_is_woken_by_messages_and_close() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let (mut reader, mut subscription, socket) = subscribe(&broadcast, Duration::ZERO);
    let turn = AtomicBool::new(false);
    std::thread::scope(|s| {
        let reading = s.spawn(|| {
            for sequence in 1..=200 {
                assert_is(&recv(&mut reader).unwrap(), sequence, 30);
                turn.store(false, Ordering::Release);
            }
            recv(&mut reader).unwrap_err().kind()
        });
        for sequence in 1..=200 {
            turn.store(true, Ordering::Release);
            publish(&mut broadcast, sequence, 30);
            broadcast.notify([&mut subscription].into_iter());
            while turn.load(Ordering::Acquire) && !reading.is_finished() {
                std::thread::yield_now();
            }
        }
        // As if the process had been killed: the ring is unchanged, the socket hangs up.
        rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both).unwrap();
        assert_eq!(reading.join().unwrap(), ErrorKind::Disconnected);
    });
}

/// More subscribers than may be woken beyond those that are there: each has read the last message and sleeps again before the
/// publisher wakes the others.
#[test]
fn many_subscribers_that_sleep_again_early_may_go_on_sleeping_in_the_futex() {
    const COUNT: usize = 80;
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let (mut readers, mut subscriptions, mut sockets) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..COUNT {
        let (reader, subscription, socket) = subscribe(&broadcast, Duration::ZERO);
        readers.push(reader);
        subscriptions.push(subscription);
        sockets.push(socket);
    }
    std::thread::scope(|s| {
        for reader in &mut readers {
            s.spawn(|| {
                let mut waiting = Wait::new(Duration::from_secs(60)).start(Timeout::Default);
                reader.sleep_briefly(&mut waiting).unwrap();
            });
        }
        // Each has slept, or sleeps; those that sleep so far count as woken already, but for the last.
        for subscription in &mut subscriptions {
            while subscription.page().0.load(at::DATA_PARK, Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
        }
        for subscription in &mut subscriptions[1..] {
            subscription.take_stage();
        }
        broadcast.notify(subscriptions.iter_mut());
    });
    assert!(broadcast.futex, "honest subscribers were taken for too many sleepers");
}

/// The publisher wakes the futex first and sends the bytes afterwards; both are to come.
#[test]
fn subscribers_of_both_stages_are_woken_by_one_message() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let (mut in_poll, one, _socket) = subscribe(&broadcast, Duration::ZERO);
    let (mut in_futex, other, _other_socket) = subscribe(&broadcast, Duration::ZERO);
    let mut subscriptions = [one, other];
    for sequence in 1..=50 {
        assert!(matches!(in_poll.try_recv(), Ok(Received::Nothing)));
        assert!(!in_poll.park().unwrap());
        std::thread::scope(|s| {
            // It sleeps in the futex first, and on a slow machine in poll then.
            let before = subscriptions[1].page().0.load(at::DATA_PARK, Ordering::Acquire);
            let reading = s.spawn(|| assert_is(&recv(&mut in_futex).unwrap(), sequence, 30));
            while subscriptions[1].page().0.load(at::DATA_PARK, Ordering::Acquire) == before {
                std::thread::yield_now();
            }
            publish(&mut broadcast, sequence, 30);
            broadcast.notify(subscriptions.iter_mut());
            reading.join().unwrap();
        });
        in_poll.unpark();
        assert_is(&recv(&mut in_poll).unwrap(), sequence, 30);
    }
}

#[test]
fn parked_subscriber_stays_readable_until_parked_again() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let (mut reader, mut subscription, _socket) = subscribe(&broadcast, Duration::ZERO);
    let epoll = Epoll::new().unwrap();
    for (token, fd) in reader.descriptors().into_iter().enumerate() {
        epoll.add(fd, token as u64, Interest::IN).unwrap();
    }
    let readable = || {
        let mut ready = Vec::new();
        epoll.poll_now(&mut ready).unwrap();
        !ready.is_empty()
    };
    publish(&mut broadcast, 1, 1);
    broadcast.notify([&mut subscription].into_iter());
    assert!(reader.park().unwrap(), "what came before parking counts");
    assert_is(&frame(reader.try_recv()), 1, 1);
    assert!(matches!(reader.try_recv(), Ok(Received::Nothing)));
    assert!(!reader.park().unwrap());
    assert!(!readable());
    for sequence in 2..=3 {
        publish(&mut broadcast, sequence, 1);
        broadcast.notify([&mut subscription].into_iter());
    }
    assert!(readable());
    assert_is(&frame(reader.try_recv()), 2, 1);
    assert!(readable());
    assert_is(&frame(reader.try_recv()), 3, 1);
}

/// Whether two readers of the same ring have read the same.
fn alike(one: &Result<Received>, other: &Result<Received>) -> bool {
    match (one, other) {
        (Ok(Received::Frame(one)), Ok(Received::Frame(other))) => {
            one.header == other.header && one.extension == other.extension && one.body == other.body
        }
        (Ok(one), Ok(other)) => discriminant(one) == discriminant(other),
        (Err(one), Err(other)) => (one.kind(), one.text()) == (other.kind(), other.text()),
        _ => false,
    }
}

#[test]
fn short_record_before_a_known_tail_that_was_overwritten_is_reported_as_lagged() {
    let memory = Heap::new(PAGE + 4096);
    let mut ring_writer = RingWriter::new(memory.clone(), 4096);
    let mut ring_reader = RingReader::new(memory, 4096, LIMIT, Start::Newest);
    let mut write =
        |sequence| assert!(ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, 100))));
    (1..=3).for_each(&mut write);
    assert_is(&frame(ring_reader.read_shortest()), 1, 100);
    let known = ring_reader.known_tail;
    assert_is(&frame(ring_reader.read_shortest()), 2, 100);
    assert_eq!(ring_reader.known_tail, known, "all three were there at the first look");
    (4..=60).for_each(&mut write);
    let lagged = ring_reader.read_shortest().unwrap_err();
    assert_eq!(lagged.kind(), ErrorKind::Lagged);
    let next = 3 + lagged.missed().unwrap();
    assert!(next > 3 && next <= 60, "{next}");
    for sequence in next..=60 {
        assert_is(&frame(ring_reader.read_shortest()), sequence, 100);
    }
    assert!(matches!(ring_reader.read_shortest(), Ok(Received::Nothing)));
}

#[test]
fn racing_readers_get_whole_messages_or_lagged() {
    const MESSAGES: u64 = 50_000;
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut readers: Vec<_> = (0..2).map(|_| follow(&broadcast)).collect();
    std::thread::scope(|s| {
        let reading: Vec<_> = readers
            .iter_mut()
            .zip([RingReader::read, RingReader::read_shortest])
            .map(|(reader, read)| {
                s.spawn(move || {
                    let (mut next, mut got) = (1, 0u64);
                    while next <= MESSAGES {
                        match read(reader) {
                            Ok(Received::Frame(frame)) => {
                                assert_is(&frame, next, (next % 300) as usize);
                                next += 1;
                                got += 1;
                            }
                            Ok(Received::Nothing) => std::hint::spin_loop(),
                            Ok(Received::Moved) => panic!("the ring has not moved"),
                            Err(e) if e.kind() == ErrorKind::Lagged => next += e.missed().unwrap(),
                            Err(e) if e.kind() == ErrorKind::Stalled => {}
                            Err(e) => panic!("{e:?}"),
                        }
                    }
                    got
                })
            })
            .collect();
        for sequence in 1..=MESSAGES {
            let length = (sequence % 300) as usize;
            let Header { sent, encoding, .. } = data(sequence);
            let is_short = sequence % 3 > 0;
            if !is_short || !broadcast.publish_short(sequence, sent, encoding, &body(sequence, length)) {
                publish(&mut broadcast, sequence, length);
            }
        }
        for reading in reading {
            // The last message is never overwritten, so every reader gets at least that.
            assert!(reading.join().unwrap() >= 1);
        }
    });
}

proptest! {
    /// Two rings get the same messages, one of them by the short way where that takes them.
    #[test]
    fn broadcast_short_way_writes_what_the_general_one_does(lengths in prop::collection::vec(0usize..400, 1..scaled(300))) {
        let memories = [Heap::new(PAGE + 4096), Heap::new(PAGE + 4096)];
        let [mut one, mut other] = memories.clone().map(|memory| RingWriter::new(memory, 4096));
        for (sequence, length) in (1..).zip(lengths) {
            let (header, body) = (data(sequence), body(sequence, length));
            let frame = Outgoing::new(header, &body);
            prop_assert!(one.write(&frame));
            let is_short = other.write_short(sequence, header.sent, header.encoding, &body);
            prop_assert!(is_short || other.write(&frame));
            prop_assert!(!is_short || length <= 256);
            let word = |memory: &Heap, at| memory.load(at, Ordering::Relaxed);
            let places = (0..PAGE + 4096).step_by(8).filter(|at| *at != at::RESTART);
            for at in places {
                prop_assert_eq!(word(&memories[0], at), word(&memories[1], at), "the word at {}", at);
            }
            // The short way has it for another record of the last one's length, and goes on to a record's beginning.
            let [restart, ahead] = [0, 1].map(|ring| word(&memories[ring], at::RESTART));
            let first = word(&memories[1], PAGE + (ahead as usize & 4095));
            prop_assert!(restart <= ahead && ahead < restart + 336 + 480, "{} {}", restart, ahead);
            prop_assert_eq!(first >> 49, ahead / 4096);
        }
    }

    #[test]
    fn broadcast_random_writes_and_reads_deliver_once_or_count_missed(
        steps in prop::collection::vec((0usize..1900, 0u8..6), 1..scaled(300))
    ) {
        let memory = Heap::new(PAGE + 4096);
        let mut ring_writer = RingWriter::new(memory.clone(), 4096);
        let mut ring_reader = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        let mut twin = RingReader::new(memory, 4096, LIMIT, Start::Newest);
        let (mut written, mut accounted) = (0, 0);
        let lengths: Vec<usize> = steps.iter().map(|(length, _)| *length).collect();
        for (length, reads) in steps {
            written += 1;
            prop_assert!(ring_writer.write(&Outgoing::new(data(written), &body(written, length))));
            for _ in 0..reads {
                let read = ring_reader.read();
                let shortest = twin.read_shortest();
                prop_assert!(alike(&read, &shortest), "{read:?}, {shortest:?}");
                match read {
                    Ok(Received::Frame(frame)) => {
                        accounted += 1;
                        prop_assert_eq!(frame.header.sequence, accounted);
                        prop_assert_eq!(&frame.body, &body(accounted, lengths[accounted as usize - 1]));
                    }
                    Ok(Received::Nothing) => prop_assert_eq!(accounted, written),
                    Ok(Received::Moved) => prop_assert!(false),
                    Err(e) => {
                        prop_assert_eq!(e.kind(), ErrorKind::Lagged);
                        accounted += e.missed().unwrap();
                        prop_assert!(accounted < written);
                    }
                }
            }
        }
    }

    #[test]
    fn broadcast_garbage_is_an_error_only(
        writes in 0u64..60,
        spoils in prop::collection::vec((0usize..5, any::<prop::sample::Index>(), any::<u64>(), any::<bool>()), 1..40)
    ) {
        let memory = Heap::new(PAGE + 4096);
        let mut ring_writer = RingWriter::new(memory.clone(), 4096);
        let mut ring_reader = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        let mut twin = RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest);
        for sequence in 1..=writes {
            ring_writer.write(&Outgoing::new(data(sequence), &body(sequence, 100)));
        }
        for (what, place, value, flip) in spoils {
            let at = match what {
                0 => at::RESERVED,
                1 => at::TAIL,
                2 => [at::LATEST, at::RESTART, at::COUNT, at::STATE][place.index(4)],
                _ => PAGE + place.index(512) * 8,
            };
            let value = if flip { memory.load(at, Ordering::Relaxed) ^ 1 << (value % 64) } else { value };
            memory.store(at, value, Ordering::Relaxed);
            // The fast path reads on up to a tail that the publisher takes back.
            twin.known_tail = 0;
            let allowed = [ErrorKind::Malformed, ErrorKind::VersionMismatch, ErrorKind::Lagged,
                           ErrorKind::Stalled, ErrorKind::Disconnected];
            for _ in 0..3 {
                let read = ring_reader.read();
                let shortest = twin.read_shortest();
                prop_assert!(alike(&read, &shortest), "{read:?}, {shortest:?}");
                for result in [read, ring_reader.latest(),
                               RingReader::new(memory.clone(), 4096, LIMIT, Start::Newest).read(),
                               RingReader::new(memory.clone(), 4096, LIMIT, Start::After(3)).read()] {
                    match result {
                        Ok(Received::Frame(frame)) => prop_assert!(frame.body.len() <= 4096),
                        Ok(_) => {}
                        Err(e) => prop_assert!(allowed.contains(&e.kind()), "{:?}", e),
                    }
                }
            }
        }
    }
}

/// The subscriber polls before each frame that the publisher takes, and finds none of those before
/// it.
#[test]
fn broadcast_batch_is_visible_as_a_whole_and_moves_with_a_large_message() {
    let mut broadcast = Broadcast::create(9, 4096).unwrap();
    let mut ring_reader = follow(&broadcast);
    let mut number = 0;
    for round in 0..200u64 {
        let bodies: Vec<_> = (0..1 + round % 3)
            .map(|_| {
                number += 1;
                body(number, (number % 50) as usize)
            })
            .collect();
        let first = number + 1 - bodies.len() as u64;
        let frames = (first..).zip(&bodies).map(|(number, body)| {
            assert!(!ring_reader.is_ready(), "part of a batch is visible");
            Outgoing::new(data(number), body)
        });
        let (count, published) = broadcast.publish_many(frames);
        published.unwrap();
        assert_eq!(count, bodies.len());
        for number in first..first + count as u64 {
            assert_is(&frame(ring_reader.read()), number, (number % 50) as usize);
        }
    }
    let first = number + 1;
    let bodies = [body(first, 10), body(first + 1, 10_000), body(first + 2, 20)];
    let frames = (first..).zip(&bodies).map(|(number, body)| Outgoing::new(data(number), body));
    assert_eq!(broadcast.publish_many(frames).0, 3);
    assert_is(&frame(ring_reader.read()), first, 10);
    assert!(matches!(ring_reader.read(), Ok(Received::Moved)));
}
