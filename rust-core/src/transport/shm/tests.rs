//! What the two halves of a link promise, tried with real memory files and two threads.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing, flags};
use crate::sys::fork::Guarded;
use crate::sys::poll::{Epoll, Interest};
use crate::transport::Sent;

pub(super) type Half = (ShmTx, ShmRx);

/// Two ends in one process, joined as two processes would be.
pub(super) fn pair(buffer: usize, limit: u64, spin: Duration) -> (Half, Half) {
    let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
    let (a, b): (OwnedFd, OwnedFd) = (a.into(), b.into());
    let (one, two) = (Segment::create(1, buffer).unwrap(), Segment::create(2, buffer).unwrap());
    let to_peer = |s: &Segment| s.descriptors_for_peer().map(|fd| fd.try_clone_to_owned().unwrap());
    let peer_of_two = PeerSegment::from_descriptors(to_peer(&one), 1).unwrap();
    let peer_of_one = PeerSegment::from_descriptors(to_peer(&two), 2).unwrap();
    let end = |mine, peer, socket| {
        link(Ends { mine, peer, socket: Arc::new(Guarded::new(socket)), process: None }, limit, spin)
    };
    (end(one, peer_of_one, a), end(two, peer_of_two, b))
}

pub(super) const SPIN: Duration = Duration::from_micros(20);

pub(super) fn patient() -> Waiting<'static> {
    Waiting::until(Deadline::after(Duration::from_secs(60)))
}

/// What the channel does to send: with patience.
pub(super) fn send(tx: &mut ShmTx, frame: &Outgoing<'_>) -> Result<()> {
    let mut waiting = patient();
    while tx.try_send(frame)? != Sent::Whole {
        tx.wait_room(&mut waiting)?;
    }
    Ok(())
}

/// What the channel does to receive: look, spin, park, sleep.
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
        if !rx.spin() && !rx.park()? {
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
fn every_form_of_header_and_every_size_arrives_as_it_was_sent() {
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
            let frame = Outgoing { header, extension: &extension[..header.extension], body: &body };
            let got = std::thread::scope(|s| {
                let sender = s.spawn(|| send(&mut tx, &frame));
                let got = recv(&mut rx).unwrap();
                sender.join().unwrap().unwrap();
                got
            });
            assert_eq!(got.header, header, "{size}");
            assert_eq!(got.extension, frame.extension);
            assert_eq!(got.body, body);
            assert_eq!(got.body.as_ptr().addr() % 8 * usize::from(size > 0), 0);
        }
    }
}
