//! Frames that are read into their own memory, and reads that sleep for a few milliseconds.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::deadline::Deadline;
use crate::frame::{Kind, Outgoing};
use crate::sys::brief::FIRST;
use crate::sys::fork::Guarded;

fn pair(limit: u64) -> (StreamRx, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let stream = Stream::Socket(Arc::new(Guarded::new(OwnedFd::from(near))));
    (StreamRx::new(stream, None, limit), far)
}

fn frame(length: usize, sequence: u64) -> Vec<u8> {
    let body = vec![sequence as u8; length];
    let header = Header { sequence, ..Header::new(Kind::Data, crate::codec::Encoding::Raw) };
    let mut bytes = Outgoing::new(header, &body).head();
    bytes.extend_from_slice(&body);
    bytes
}

fn check(rx: &mut StreamRx, length: usize, sequence: u64) {
    let frame = rx.try_recv().unwrap().unwrap();
    assert_eq!((frame.header.sequence, frame.body.len()), (sequence, length));
    assert!(frame.body.whole().iter().all(|byte| *byte == sequence as u8));
    assert!(frame.body.whole().as_ptr().addr().is_multiple_of(8));
}

#[test]
fn frames_of_one_length_are_read_into_their_own_memory() {
    let (mut rx, mut far) = pair(1 << 20);
    for sequence in 1..5 {
        far.write_all(&frame(5000, sequence)).unwrap();
        check(&mut rx, 5000, sequence);
        assert!(rx.expects_whole() && !rx.may_hold_more());
        assert!(rx.try_recv().unwrap().is_none());
    }
    let (longer, parted) = (frame(5100, 5), frame(5000, 6));
    far.write_all(&longer).unwrap();
    check(&mut rx, 5100, 5);
    far.write_all(&parted[..100]).unwrap();
    assert!(rx.try_recv().unwrap().is_none());
    far.write_all(&[&parted[100..], &frame(10, 7)].concat()).unwrap();
    check(&mut rx, 5000, 6);
    check(&mut rx, 10, 7);
    assert!(!rx.expects_whole());
    drop(far);
    assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
}

#[test]
fn invalid_bytes_and_a_frame_over_the_limit_are_noticed_in_memory_of_their_own() {
    let (mut rx, mut far) = pair(6000);
    for _ in 0..2 {
        far.write_all(&frame(5000, 1)).unwrap();
        check(&mut rx, 5000, 1);
    }
    far.write_all(&frame(7000, 2)).unwrap();
    assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::TooLarge);
    for sequence in 3..5 {
        far.write_all(&frame(5000, sequence)).unwrap();
        check(&mut rx, 5000, sequence);
    }
    far.write_all(&vec![7; HEADER + 5000]).unwrap();
    assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Malformed, "the link has ended");
}

proptest! {
    /// Frames of few lengths, so the next is often the expected one, in pieces of any length.
    #[test]
    fn frames_in_any_pieces_arrive_unchanged(
        lengths in prop::collection::vec(prop::sample::select(vec![0usize, 3, 2500, 2501, 9000, 70_000]), 1..30),
        pieces in prop::collection::vec(1usize..6000, 1..20),
    ) {
        let (mut rx, mut far) = pair(1 << 20);
        let bytes: Vec<u8> =
            lengths.iter().zip(1..).flat_map(|(length, sequence)| frame(*length, sequence)).collect();
        let (mut written, mut received) = (0, 0);
        for piece in pieces.iter().cycle() {
            let end = bytes.len().min(written + piece);
            far.write_all(&bytes[written..end]).unwrap();
            written = end;
            while let Some(frame) = rx.try_recv().unwrap() {
                received += 1;
                prop_assert_eq!(frame.header.sequence, received as u64);
                prop_assert_eq!(frame.body.len(), lengths[received - 1]);
                prop_assert!(frame.body.whole().iter().all(|byte| *byte == received as u8));
            }
            if written == bytes.len() {
                break;
            }
        }
        prop_assert_eq!(received, lengths.len());
    }
}

proptest! {
    /// The short path and the general path in turns. The short path leaves some frames to the general path.
    #[test]
    fn frames_arrive_unchanged_by_the_short_path_and_the_general_one_in_turns(
        lengths in prop::collection::vec(prop::sample::select(vec![0usize, 3, 1280, 1281, 2500, 9000, 70_000]), 1..30),
        pieces in prop::collection::vec((1usize..6000, 0u8..8), 1..20),
        checked in any::<bool>(),
    ) {
        let (mut rx, mut far) = pair(1 << 20);
        let sent = |(length, sequence)| if checked { checked_frame(length, sequence) } else { frame(length, sequence) };
        let bytes: Vec<u8> = lengths.iter().copied().zip(1..).flat_map(sent).collect();
        let (mut written, mut received) = (0, 0);
        for (piece, choices) in pieces.iter().cycle() {
            // After an empty poll, the next look is skipped and the look after that hides nothing.
            if choices & 4 == 0 && !rx.poll() {
                prop_assert!(rx.try_recv().unwrap().is_none());
            }
            let end = bytes.len().min(written + piece);
            far.write_all(&bytes[written..end]).unwrap();
            written = end;
            if choices & 1 == 0 {
                prop_assert!(rx.long.is_some() || rx.poll());
            }
            while let Some((header, body)) = if choices & 2 == 0 { take_shortly(&mut rx) } else { None }
                .or_else(|| rx.try_recv().unwrap().map(|frame| (frame.header, frame.body.whole().to_vec())))
            {
                received += 1;
                prop_assert_eq!(header.sequence, received as u64);
                prop_assert_eq!(body, vec![received as u8; lengths[received - 1]]);
            }
            if written == bytes.len() {
                break;
            }
        }
        prop_assert_eq!(received, lengths.len());
    }
}

fn checked_frame(length: usize, sequence: u64) -> Vec<u8> {
    let body = vec![sequence as u8; length];
    let header = Header { sequence, ..Header::new(Kind::Data, crate::codec::Encoding::Raw) };
    let header = Header { flags: flags::BODY_CHECKED, body_check: crc32c::crc32c(&body), ..header };
    let mut bytes = Outgoing::new(header, &body).head();
    bytes.extend_from_slice(&body);
    bytes
}

fn take_shortly(rx: &mut StreamRx) -> Option<(Header, Vec<u8>)> {
    let header = rx.peek()?;
    assert_eq!(rx.peek().map(|again| again.sequence), Some(header.sequence), "looking changes nothing");
    let body = match rx.take_whole() {
        Some(frame) => frame.body.whole().to_vec(),
        None => {
            let mut body = vec![0; header.body as usize];
            rx.take_short(&mut body);
            body
        }
    };
    Some((header, body))
}

#[test]
fn short_path_leaves_damaged_frames_and_the_end_to_the_general_one() {
    for length in [64, 5000] {
        for at in [20, HEADER + 10] {
            let (mut rx, mut far) = pair(1 << 20);
            far.write_all(&checked_frame(length, 1)).unwrap();
            assert_eq!(rx.try_recv().unwrap().unwrap().header.sequence, 1);
            let mut damaged = checked_frame(length, 2);
            damaged[at] ^= 1;
            far.write_all(&damaged).unwrap();
            rx.fill();
            assert!(rx.peek().is_none());
            assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Malformed, "{length} {at}");
        }
        let (mut rx, mut far) = pair(1 << 20);
        far.write_all(&checked_frame(length, 1)[..HEADER + 20]).unwrap();
        rx.fill();
        assert!(rx.peek().is_none());
        assert!(rx.try_recv().unwrap().is_none());
        drop(far);
        rx.fill();
        assert!(rx.peek().is_none());
        assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
    }
}

fn tcp_pair() -> (StreamRx, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    let stream = Stream::Inet(Arc::new(Guarded::new(OwnedFd::from(near))));
    (StreamRx::new(stream, None, 1 << 20), far)
}

fn waiting() -> Waiting<'static> {
    Waiting::until(Deadline::after(Duration::from_secs(60)))
}

fn dialogue(rx: &mut StreamRx, far: &mut TcpStream, frames: u32, length: usize) {
    for _ in 0..frames {
        far.write_all(&frame(length, 7)).unwrap();
        let received = loop {
            if let Some(received) = rx.try_recv().unwrap() {
                break received;
            }
        };
        assert_eq!(received.body.len(), length);
    }
}

/// Reads until a brief read has found something: on a busy machine some may pass before.
fn read(rx: &mut StreamRx) {
    while rx.read_briefly(&mut waiting()).unwrap() != Waited::Ready {
        (0..FIRST).for_each(|_| rx.brief_reads.note_message());
    }
}

#[test]
fn brief_reads_begin_after_some_frames_and_end_with_one_without_any() {
    let (mut rx, mut far) = tcp_pair();
    dialogue(&mut rx, &mut far, FIRST - 1, 64);
    assert_eq!(rx.read_briefly(&mut waiting()).unwrap(), Waited::Omitted, "too few frames");
    dialogue(&mut rx, &mut far, 1, 64);
    let mut short = Waiting::until(Deadline::after(SHORTEST_WAIT / 2));
    assert_eq!(rx.read_briefly(&mut short).unwrap_or(Waited::Omitted), Waited::Omitted, "too little time");
    assert_eq!(rx.read_briefly(&mut waiting()).unwrap(), Waited::Passed, "nothing came");
    assert_eq!(rx.read_briefly(&mut waiting()).unwrap(), Waited::Omitted, "nothing came in the last one");
    assert!(rx.try_recv().unwrap().is_none(), "no other read waits");
}

#[test]
fn brief_read_finds_frames_parts_of_frames_and_the_end() {
    for length in [64, 5000] {
        let (mut rx, mut far) = tcp_pair();
        dialogue(&mut rx, &mut far, FIRST, length);
        for _ in 0..3 {
            far.write_all(&frame(length, 7)).unwrap();
            read(&mut rx);
            let received = loop {
                if let Some(received) = rx.try_recv().unwrap() {
                    break received;
                }
            };
            assert_eq!(received.body.len(), length);
        }
        let bytes = frame(length, 7);
        far.write_all(&bytes[..100]).unwrap();
        read(&mut rx);
        assert!(rx.try_recv().unwrap().is_none());
        assert_eq!(rx.read_briefly(&mut waiting()).unwrap(), Waited::Omitted, "in the middle of a frame");
        far.write_all(&bytes[100..]).unwrap();
        while rx.try_recv().unwrap().is_none() {}
        drop(far);
        (0..FIRST).for_each(|_| rx.brief_reads.note_message());
        read(&mut rx);
        assert_eq!(rx.try_recv().unwrap_err().kind(), ErrorKind::Disconnected);
    }
}

#[test]
fn frames_about_as_long_as_the_buffer_arrive_whatever_follows() {
    for length in [BUFFER - HEADER - 65, BUFFER - HEADER - 64, BUFFER - HEADER - 1, BUFFER - HEADER] {
        let (mut rx, far) = pair(1 << 20);
        let (first, then) = (frame(length, 1), [frame(length, 2), frame(length, 3), frame(100, 4)].concat());
        let writer = std::thread::spawn(move || {
            let mut far = far;
            far.write_all(&first).unwrap();
            far.write_all(&then).unwrap();
        });
        for (length, sequence) in [(length, 1), (length, 2), (length, 3), (100, 4)] {
            let received = loop {
                if let Some(received) = rx.try_recv().unwrap() {
                    break received;
                }
            };
            assert_eq!((received.header.sequence, received.body.len()), (sequence, length));
        }
        writer.join().unwrap();
    }
}
