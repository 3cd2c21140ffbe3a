//! Subscribers that sleep, in the futex and in poll, and their wake-ups.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::super::segment::at;
use super::super::super::tests::patient;
use super::super::views::PublishedFiles;
use super::*;
use crate::deadline::{Timeout, Wait, Waiting};
use crate::sys::fork::Guarded;
use crate::sys::poll::{self, Epoll, Interest};

/// A subscription of this process to its own publisher, over a socket pair.
fn subscribe(broadcast: &Broadcast, spin: Duration) -> (BroadcastReader, Subscription, Arc<Guarded>) {
    let (mine, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let page = SubscriberPage::create(4).unwrap();
    let sent = vec![page.descriptor_for_peer().try_clone_to_owned().unwrap().into()];
    let theirs = Arc::new(Guarded::new(theirs.into()));
    let subscription = Subscription::from_descriptors(sent, 4, theirs.clone()).unwrap();
    let socket = Arc::new(Guarded::new(mine.into()));
    (
        BroadcastReader::new(follow(broadcast), PublishedFiles::of(9, LIMIT, None), page, socket, None, spin),
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
        // As if the process had been killed: the ring is unchanged, the socket is shut down.
        rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both).unwrap();
        assert_eq!(reading.join().unwrap(), ErrorKind::Disconnected);
    });
}

/// More subscribers than the slack: each sleeps again before the publisher wakes the others.
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
                let mut waiting = Waiting::start(Wait::new(Duration::from_secs(60)), Timeout::Default);
                reader.sleep_briefly(&mut waiting).unwrap();
            });
        }
        // Each has slept or sleeps; all but the last count as woken already.
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

/// The publisher wakes the futex first and sends the bytes afterwards.
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
            // It sleeps in the futex first, and on a slow machine in poll afterwards.
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
    let readable = || poll::is_readable(epoll.as_fd());
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
