//! The two halves of a link over real memory files, in two threads and with a socket pair.
//!
//! The death of a peer is simulated by closing its socket without marking its page as closed.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing, flags};
use crate::sys::fork::Guarded;
use crate::sys::poll::{self, Epoll, Interest};
use crate::{Sent, Tx};

pub(super) type Half = (ShmTx, ShmRx);

/// Two ends in one process, joined as two processes would be.
pub(super) fn pair(buffer: usize, limit: u64, spin: Duration) -> (Half, Half) {
    joined(buffer, limit, spin, None)
}

pub(super) fn pair_with_slots(buffer: usize, limit: u64, spin: Duration) -> (Half, Half) {
    joined(buffer, limit, spin, Some(limit))
}

fn joined(buffer: usize, limit: u64, spin: Duration, slots: Option<u64>) -> (Half, Half) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let (a, b): (OwnedFd, OwnedFd) = (a.into(), b.into());
    let (one, two) = (Segment::create(1, buffer).unwrap(), Segment::create(2, buffer).unwrap());
    let to_peer = |s: &Segment| vec![s.descriptor_for_peer().try_clone_to_owned().unwrap()];
    let peer_of_two =
        PeerSegment::from_descriptors(to_peer(&one).into_iter().map(Into::into).collect(), 1).unwrap();
    let peer_of_one =
        PeerSegment::from_descriptors(to_peer(&two).into_iter().map(Into::into).collect(), 2).unwrap();
    let end = |mine, peer, socket| {
        link(
            LinkParts { mine, peer, socket: Arc::new(Guarded::new(socket)), process: None, slots },
            limit,
            spin,
        )
        .unwrap()
    };
    (end(one, peer_of_one, a), end(two, peer_of_two, b))
}

/// Steps of a random history: fewer under Miri, which takes some thousand times as long.
pub(super) const fn scaled(usual: usize) -> usize {
    if cfg!(miri) { usual / 20 } else { usual }
}

pub(super) const SPIN: Duration = Duration::from_micros(20);

pub(super) fn patient() -> Waiting<'static> {
    Waiting::until(Deadline::after(Duration::from_secs(60)))
}

/// Sends as the channel does: waits for room.
pub(super) fn send(tx: &mut ShmTx, frame: &Outgoing<'_>) -> Result<()> {
    let mut waiting = patient();
    while tx.try_send(frame)? == Sent::Blocked {
        tx.wait_room(&mut waiting)?;
    }
    // A peer may take a whole frame at once and then end.
    while tx.tail().is_some() && !tx.flush()? {
        tx.wait_room(&mut waiting)?;
    }
    Ok(())
}

/// Receives as the channel does: try, spin, sleep briefly, park, sleep.
pub(super) fn recv(rx: &mut ShmRx) -> Result<Incoming> {
    let epoll = Epoll::new()?;
    for (token, fd) in rx.descriptors().into_iter().enumerate() {
        epoll.add(fd, token as u64, Interest::IN | Interest::RDHUP)?;
    }
    let mut waiting = patient();
    rx.consumed();
    loop {
        if let Some(frame) = rx.try_recv()? {
            return Ok(frame);
        }
        if !rx.spin() && !rx.sleep_briefly(&mut waiting)? && !rx.park()? {
            epoll.wait(&mut waiting, &mut Vec::new())?;
            rx.unpark();
        }
    }
}

pub(super) fn data(sequence: u64) -> Header {
    Header { sequence, sent: -5, ..Header::new(Kind::Data, Encoding::Cbor) }
}

pub(super) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(31).wrapping_add(seed) >> 3) as u8).collect()
}

#[test]
fn link_delivers_every_header_and_size_unchanged() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, SPIN);
    let extension = pattern(4096, 1);
    let headers = [
        data(1),
        data(2),
        data(9),
        Header { correlation: 4, flags: flags::IDEMPOTENT, ..Header::new(Kind::Reply, Encoding::Json) },
        Header { schema: 77, sequence: 10, ..data(0) },
        Header { flags: flags::BODY_CHECKED, body_check: 0xDEAD, ..data(11) },
        Header { extension: 8, ..data(12) },
        Header { extension: 4096, ..data(13) },
        data(14),
        Header::new(Kind::Bye, Encoding::Raw),
    ];
    let sizes = [0, 1, 7, 8, 15, 16, 40, 64, 400, 495, 496, 497, 500, 512, 513, 4095, 4096, 5000, 100_000];
    for size in sizes {
        for header in headers {
            let body = pattern(size, header.sequence);
            let header = Header { body: size as u64, ..header };
            let frame = Outgoing {
                header,
                extension: &extension[..header.extension],
                body: &body,
                split: None,
                owner: None,
            };
            let got = std::thread::scope(|s| {
                let sender = s.spawn(|| send(&mut tx, &frame));
                let got = recv(&mut rx).unwrap();
                sender.join().unwrap().unwrap();
                got
            });
            assert_eq!(got.header, header, "{size}");
            assert_eq!(got.extension, frame.extension);
            assert_eq!(got.body, body);
            assert_eq!(got.body.whole().as_ptr().addr() % 8 * usize::from(size > 0), 0);
        }
    }
}

/// A descriptor set as a foreign event loop would have it.
fn watch(rx: &ShmRx) -> Epoll {
    let epoll = Epoll::new().unwrap();
    for (token, fd) in rx.descriptors().into_iter().enumerate() {
        epoll.add(fd, token as u64, Interest::IN | Interest::RDHUP).unwrap();
    }
    epoll
}

fn is_readable(epoll: &Epoll) -> bool {
    poll::is_readable(epoll.as_fd())
}

/// Sends frames with numbers from `from` on until the ring is full; returns how many.
fn fill(tx: &mut ShmTx, from: u64, body: &[u8]) -> u64 {
    let mut sequence = from;
    while tx.try_send(&Outgoing::new(data(sequence), body)).unwrap() == Sent::Whole {
        sequence += 1;
    }
    sequence - from
}

#[test]
fn link_two_threads_stream_both_ways_through_a_small_ring() {
    const MESSAGES: u64 = 5_000;
    for spin in [SPIN, Duration::ZERO] {
        let (a, b) = pair(4096, 1 << 20, spin);
        let run = |(mut tx, mut rx): Half| {
            move || {
                std::thread::scope(|s| {
                    s.spawn(move || {
                        for sequence in 1..=MESSAGES {
                            let body = pattern((sequence * 7 % 1200) as usize, sequence);
                            send(&mut tx, &Outgoing::new(data(sequence), &body)).unwrap();
                        }
                        tx
                    });
                    for sequence in 1..=MESSAGES {
                        let frame = recv(&mut rx).unwrap();
                        assert_eq!(frame.header.sequence, sequence);
                        assert_eq!(frame.body, pattern((sequence * 7 % 1200) as usize, sequence));
                    }
                    rx
                });
            }
        };
        let (one, two) = (std::thread::spawn(run(a)), std::thread::spawn(run(b)));
        one.join().unwrap();
        two.join().unwrap();
    }
}

#[test]
fn link_full_ring_blocks_until_frames_are_consumed() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, SPIN);
    let sent = fill(&mut tx, 1, &[7; 100]);
    assert!(sent >= 30, "{sent} records of 128 bytes in 4,096");
    assert_eq!(tx.unacknowledged().unwrap(), sent);
    assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, 1);
    assert_eq!(tx.try_send(&Outgoing::new(data(sent + 1), &[7; 100])).unwrap(), Sent::Blocked);
    assert_eq!(tx.unacknowledged().unwrap(), sent, "received is not consumed");
    rx.consumed();
    assert_eq!(tx.unacknowledged().unwrap(), sent - 1);
    assert_eq!(tx.try_send(&Outgoing::new(data(sent + 1), &[7; 100])).unwrap(), Sent::Whole);
    for sequence in 2..=sent + 1 {
        assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, sequence);
    }
    assert!(rx.try_recv().unwrap().is_none());
    rx.consumed();
    assert_eq!(tx.unacknowledged().unwrap(), 0);
}

#[test]
fn wait_room_times_out_at_the_deadline_and_loses_nothing() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    let sent = fill(&mut tx, 1, &[7; 100]);
    let mut until_it_fails = |mut waiting: Waiting<'_>| {
        loop {
            if let Err(error) = tx.wait_room(&mut waiting) {
                return error.kind();
            }
        }
    };
    let waiting = Waiting::start(Wait::new(Duration::from_millis(5)), Timeout::Default);
    assert_eq!(until_it_fails(waiting), ErrorKind::Timeout);
    let mut tick = || Err(Error::new(ErrorKind::Interrupted, "ctrl-c"));
    let waiting = Waiting::start(Wait::new(None).tick(&mut tick), Timeout::Default);
    assert_eq!(until_it_fails(waiting), ErrorKind::Interrupted);
    for sequence in 1..=sent {
        assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, sequence);
    }
}

#[test]
fn rest_of_a_large_frame_keeps_the_order() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, SPIN);
    let (extension, large, other) = (pattern(64, 5), pattern(20_000, 1), pattern(9_000, 2));
    let header = Header { extension: 64, body: large.len() as u64, ..data(1) };
    let frame = Outgoing { header, extension: &extension, body: &large, split: None, owner: None };
    assert_eq!(tx.try_send(&frame).unwrap(), Sent::Started);
    assert_eq!(tx.unacknowledged().unwrap(), 1, "begun is sent");
    assert!(!tx.flush().unwrap());
    let next = Outgoing::new(data(2), b"small");
    assert_eq!(tx.try_send(&next).unwrap(), Sent::Blocked, "after the rest of the first");
    assert!(rx.try_recv().unwrap().is_none());
    assert!(rx.is_inside_a_frame());
    let mut got = None;
    for _ in 0..100 {
        tx.flush().unwrap();
        got = rx.try_recv().unwrap();
        if got.is_some() {
            break;
        }
    }
    let got = got.unwrap();
    assert_eq!((got.header, &got.extension[..], got.body.as_ref()), (header, &extension[..], &large[..]));
    assert!(tx.flush().unwrap());
    rx.consumed();
    assert_eq!(tx.try_send(&next).unwrap(), Sent::Whole);
    assert_eq!(tx.try_send(&Outgoing::new(data(3), &other)).unwrap(), Sent::Started);
    assert_eq!(rx.try_recv().unwrap().unwrap().body, "small");
    assert!(rx.try_recv().unwrap().is_none());
    rx.consumed();
    while !tx.flush().unwrap() {
        if let Some(got) = rx.try_recv().unwrap() {
            panic!("too early: {got:?}");
        }
    }
    assert_eq!(rx.try_recv().unwrap().unwrap().body, other);
}

#[test]
fn frame_over_the_limit_is_skipped_without_allocation() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 3000, SPIN);
    for (sequence, size) in [(1, 3001), (2, 3000), (3, 1 << 20), (4, 5)] {
        let body = pattern(size, sequence);
        let got = std::thread::scope(|s| {
            let sender = s.spawn(|| send(&mut tx, &Outgoing::new(data(sequence), &body)));
            let got = recv(&mut rx);
            if got.is_err() {
                // Its rest is skipped while the receiver waits for the next frame.
                let epoll = watch(&rx);
                while !sender.is_finished() {
                    assert!(rx.try_recv().unwrap().is_none());
                    if !rx.park().unwrap() {
                        epoll.sleep(Some(Duration::from_millis(1)), &mut Vec::new()).unwrap();
                        rx.unpark();
                    }
                }
            }
            sender.join().unwrap().unwrap();
            got
        });
        match got {
            Ok(frame) => assert_eq!((frame.header.sequence, frame.body.as_ref()), (sequence, &body[..])),
            Err(error) => {
                assert!(size > 3000);
                assert_eq!(error.kind(), ErrorKind::TooLarge);
            }
        }
    }
    assert!(rx.try_recv().unwrap().is_none());
    rx.consumed();
    assert_eq!(tx.unacknowledged().unwrap(), 0, "what was skipped is acknowledged");
}

#[test]
fn closed_peer_is_drained_before_disconnected() {
    let ((mut tx, rx), (mut theirs, mut receiving)) = pair(4096, 1 << 20, SPIN);
    send(&mut tx, &Outgoing::new(data(1), b"last words")).unwrap();
    drop((tx, rx));
    assert_eq!(receiving.try_recv().unwrap().unwrap().body, "last words");
    for _ in 0..2 {
        assert_eq!(receiving.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
    }
    assert!(receiving.park().unwrap(), "an error is ready, so do not sleep");
    let error = theirs.try_send(&Outgoing::new(data(1), b"")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected);
}

/// Ends a peer as a kill does: its memory stays as it was, its socket is shut down.
fn kill((tx, rx): Half) {
    let socket = rx.socket().clone();
    rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both).unwrap();
    // The static keeps the half: its page never says `CLOSED`, and no leak is reported.
    static KILLED: Mutex<Vec<Half>> = Mutex::new(Vec::new());
    KILLED.lock().unwrap().push((tx, rx));
}

#[test]
fn killed_peer_ends_every_kind_of_wait() {
    let (mut peer, (mut tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    let large = pattern(10_000, 1);
    send(&mut peer.0, &Outgoing::new(data(1), b"whole")).unwrap();
    assert_eq!(peer.0.try_send(&Outgoing::new(data(2), &large)).unwrap(), Sent::Started);
    fill(&mut tx, 1, &[0; 100]);
    std::thread::scope(|s| {
        let room = s.spawn(|| tx.wait_room(&mut patient()).unwrap_err().kind());
        let receiving = s.spawn(|| {
            assert_eq!(recv(&mut rx).unwrap().body, "whole");
            recv(&mut rx).unwrap_err().kind()
        });
        kill(peer);
        assert_eq!(room.join().unwrap(), ErrorKind::Disconnected);
        assert_eq!(receiving.join().unwrap(), ErrorKind::Disconnected);
    });
    assert_eq!(tx.flush().unwrap_err().kind(), ErrorKind::Disconnected);
    assert!(tx.unacknowledged().unwrap() > 0, "known also after its death");
}

#[test]
fn killed_peer_is_reported_by_repeated_try_calls() {
    let (peer, (mut tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    kill(peer);
    let sent = (0..64).find_map(|_| tx.try_send(&Outgoing::new(data(1), b"")).err()).unwrap();
    assert_eq!(sent.kind(), ErrorKind::Disconnected);
    let received = (0..64).find_map(|_| rx.try_recv().err()).unwrap();
    assert_eq!(received.kind(), ErrorKind::Disconnected);
}

#[test]
fn unexpected_bytes_over_the_socket_end_the_link() {
    // Unknown bytes, and more bytes than there were sleeps to end.
    for bytes in [&b"?"[..], &[1; 40], &[1; 4000], &[2; 3]] {
        let ((_tx, theirs), (mut tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
        rustix::io::write(&*theirs.socket().clone(), bytes).unwrap();
        assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::Malformed, "{bytes:?}");
        let error = tx.try_send(&Outgoing::new(data(1), b"")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "for both halves");
    }
}

#[test]
fn descriptors_over_the_socket_of_a_link_are_refused() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let ((_tx, theirs), (_keep, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let sent = [std::os::fd::AsFd::as_fd(&far)];
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&sent)));
    let byte = [std::io::IoSlice::new(&[1])];
    let sent = sendmsg(&*theirs.socket().clone(), &byte, &mut ancillary, SendFlags::empty());
    drop(far);
    if sent == Err(rustix::io::Errno::PERM) {
        // The kernel refuses them from Linux 6.16 on.
        assert!(rx.try_recv().unwrap().is_none());
        return;
    }
    assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::Malformed);
    near.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(
        std::io::Read::read(&mut &near, &mut [0]).unwrap(),
        0,
        "the descriptors that came with it were closed"
    );
}

#[test]
fn wake_byte_read_by_the_other_half_is_passed_on() {
    let ((mut theirs_tx, mut theirs_rx), (mut tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    let epoll = watch(&rx);
    // Both halves sleep, and the sending half reads the receiving half's byte.
    let sent = fill(&mut tx, 1, &[7; 100]);
    assert!(!rx.park().unwrap());
    assert!(!tx.park_room().unwrap());
    send(&mut theirs_tx, &Outgoing::new(data(1), b"")).unwrap();
    assert!(!tx.park_room().unwrap(), "it has read the byte, and there is no room yet");
    assert!(is_readable(&epoll));
    assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, 1);
    assert!(!rx.park().unwrap());
    assert!(!is_readable(&epoll));
    // And in the other direction.
    let room = Epoll::new().unwrap();
    room.add(tx.room_descriptor().unwrap(), 0, Interest::IN).unwrap();
    assert!(!tx.park_room().unwrap());
    assert!(!is_readable(&room));
    for _ in 0..sent {
        theirs_rx.try_recv().unwrap().unwrap();
        theirs_rx.consumed();
    }
    assert!(is_readable(&room));
    assert!(!rx.park().unwrap(), "it has read the byte, and there is nothing to read");
    assert!(!is_readable(&epoll));
    assert!(is_readable(&room));
    assert!(tx.park_room().unwrap());
}

#[test]
fn waker_never_blocks_on_a_full_socket() {
    let ((their_tx, mut their_rx), (mut tx, _rx)) = pair(1 << 20, 1 << 20, Duration::ZERO);
    // The peer sleeps again after every message, and never reads the bytes that woke it.
    let memory = their_rx.own_memory().clone();
    for sequence in 1..=10_000u64 {
        memory.word(256).store(sequence << 2 | 2, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(tx.try_send(&Outgoing::new(data(sequence), b"")).unwrap(), Sent::Whole);
        assert_eq!(their_rx.try_recv().unwrap().unwrap().header.sequence, sequence);
        their_rx.consumed();
    }
    drop(their_tx);
}

#[test]
fn parked_link_stays_readable_until_parked_again() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    let epoll = watch(&rx);
    send(&mut tx, &Outgoing::new(data(1), b"")).unwrap();
    assert!(rx.park().unwrap(), "what arrived before parking counts");
    assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, 1);
    assert!(!rx.park().unwrap());
    assert!(!is_readable(&epoll));
    for sequence in 2..=3 {
        send(&mut tx, &Outgoing::new(data(sequence), b"")).unwrap();
    }
    for sequence in 2..=3 {
        assert!(is_readable(&epoll));
        assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, sequence);
    }
    assert!(rx.try_recv().unwrap().is_none());
    assert!(!rx.park().unwrap());
    assert!(!is_readable(&epoll));
    send(&mut tx, &Outgoing::new(data(4), b"")).unwrap();
    assert!(is_readable(&epoll));
}

#[test]
fn sleeper_in_poll_gets_one_byte() {
    let ((mut tx, _rx), (_tx, mut rx)) = pair(4096, 1 << 20, Duration::ZERO);
    assert!(!rx.park().unwrap());
    for sequence in 1..=3 {
        send(&mut tx, &Outgoing::new(data(sequence), b"")).unwrap();
    }
    let mut bytes = [0; 8];
    let count = rustix::io::read(rx.descriptors()[0], &mut bytes).unwrap();
    assert_eq!(bytes[..count], [1], "three messages, one byte");
    rx.unpark();
    send(&mut tx, &Outgoing::new(data(4), b"")).unwrap();
    assert!(!is_readable(&watch(&rx)), "without a sleeper, no wake-up");
}

#[test]
fn peer_writing_garbage_into_its_own_memory_ends_only_the_link() {
    use crate::error::ErrorKind::{Disconnected, Malformed, OutOfMemory, TooLarge, VersionMismatch};
    for round in 0..60u64 {
        let ((mut their_tx, their_rx), (mut tx, mut rx)) = pair(4096, 1 << 16, Duration::ZERO);
        let memory = their_rx.own_memory().clone();
        let mut random = round.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let scribbler = std::thread::spawn(move || {
            for sequence in 1..20_000 {
                // Sometimes a valid value, because the reader must make progress.
                if sequence % 4 == 0 && their_tx.try_send(&Outgoing::new(data(sequence), &[1; 200])).is_err()
                {
                    break;
                }
                let ring = round % 2 == 0;
                let at = if ring { 4096 + next() as usize % 4096 } else { next() as usize % 1024 } & !7;
                memory.word(at).store(next() >> (next() % 64), std::sync::atomic::Ordering::Relaxed);
            }
            drop((their_tx, their_rx));
        });
        let mut sequence = 0;
        let mut end = None;
        // Either the garbage is noticed, or the peer closes in the end.
        while end.is_none() {
            match rx.try_recv() {
                Ok(_) => drop(rx.consumed()),
                Err(e) if matches!(e.kind(), TooLarge | OutOfMemory) => {}
                Err(e) => end = Some(e.kind()),
            }
            sequence += 1;
            let sent =
                tx.try_send(&Outgoing::new(data(sequence), &[2; 50])).and_then(|_| tx.unacknowledged());
            if let Err(e) = sent {
                end = end.or(Some(e.kind()));
            }
        }
        let end = end.unwrap();
        assert!(matches!(end, Malformed | VersionMismatch | Disconnected), "seed {round}: {end:?}");
        drop((tx, rx));
        scribbler.join().unwrap();
    }
}

/// The next user of the half writes the rest, which is dropped with the half and its link.
#[test]
fn rest_is_written_in_order_by_the_next_user_and_ends_with_its_half() {
    let ((tx, rx_of_tx), (tx_of_rx, mut rx)) = pair(4096, 1 << 20, SPIN);
    let mut tx = Tx::Shm(tx);
    let large = pattern(300_000, 1);
    for number in [1, 3] {
        assert_eq!(tx.try_send(&Outgoing::new(data(number), &large)).unwrap(), Sent::Started);
        assert!(tx.has_rest() && !tx.flush().unwrap());
        assert_eq!(tx.try_send(&Outgoing::new(data(number + 1), b"small")).unwrap(), Sent::Blocked);
        assert!(!tx.park_room().unwrap());
        std::thread::scope(|s| {
            s.spawn(|| {
                let mut waiting = patient();
                while tx.try_send(&Outgoing::new(data(number + 1), b"small")).unwrap() != Sent::Whole {
                    tx.wait_room(&mut waiting).unwrap();
                }
            });
            assert_eq!(recv(&mut rx).unwrap().body, large);
            let next = recv(&mut rx).unwrap();
            assert_eq!(next.header.sequence, number + 1);
            assert_eq!(next.body, "small");
        });
    }
    assert_eq!(tx.try_send(&Outgoing::new(data(5), &large)).unwrap(), Sent::Started);
    drop((tx, rx_of_tx));
    assert_eq!(recv(&mut rx).unwrap_err().kind(), ErrorKind::Disconnected);
    drop(tx_of_rx);
}
