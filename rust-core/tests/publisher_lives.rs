//! Consecutive short-lived publishers: a subscriber gets the messages of each, or an event about a missed
//! one.

use std::net::TcpListener;
use std::os::fd::{BorrowedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{
    Error, ErrorKind, Event, EventKind, Message, Options, Publisher, Reactor, Result, Subscriber, Value,
};
use rustix::event::epoll;

use crate::futures::block_on;
use crate::support::{SOON, name, readable};

const SENT: u64 = 200;
/// The value of the last publisher, which stays until the subscriber has it.
const LAST: u64 = u64::MAX;

fn number(message: &Message) -> u64 {
    message.value().unwrap().as_u64().unwrap()
}

fn sent(endpoint: &str) -> Publisher {
    let publisher = Publisher::new(endpoint, &Options::default()).unwrap();
    for i in 0..SENT {
        publisher.send(&Value::from(i)).unwrap();
    }
    publisher
}

/// The messages at a subscriber.
#[derive(Debug, Default)]
struct Account {
    received: u64,
    missed: u64,
    unmet: u64,
}

impl Account {
    /// Counts the result of a call, and the events; true for the last message.
    fn add(&mut self, subscriber: &Subscriber, received: Result<Message>) -> bool {
        let is_unmet = |text: &str| text.contains("had ended when this subscriber tried to connect");
        let events = subscriber.events();
        let told = events.iter().filter(|event| event.kind == EventKind::Unseen && is_unmet(&event.text));
        self.unmet += told.count() as u64;
        match received {
            Ok(message) if number(&message) == LAST => return true,
            Ok(_) => self.received += 1,
            Err(e) if e.kind() == ErrorKind::Lagged => self.missed += e.missed().unwrap(),
            Err(e) => assert!(is_not_yet(&e), "{e}"),
        }
        false
    }

    fn total(&self) -> u64 {
        self.received + self.missed + self.unmet * SENT
    }
}

fn is_not_yet(error: &Error) -> bool {
    use ErrorKind::{Disconnected, Empty, NotFound, Stalled, Timeout};
    matches!(error.kind(), Disconnected | Empty | NotFound | Stalled | Timeout)
}

fn busy_subscriber_is_told_of_each_publisher_that_it_did_not_meet(t: &str) {
    const PUBLISHERS: u64 = 10;
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let mut account = Account::default();
    let first = sent(&endpoint);
    assert!(!account.add(&subscriber, subscriber.recv(SOON)));
    first.close(SOON).unwrap();
    // The program is busy with that message.
    (2..PUBLISHERS).for_each(|_| sent(&endpoint).close(SOON).unwrap());
    let last = sent(&endpoint);
    last.send(&Value::from(LAST)).unwrap();
    while !account.add(&subscriber, subscriber.recv(SOON)) {}
    assert_eq!((account.received, account.missed, account.unmet), (2 * SENT, 0, PUBLISHERS - 2));
}

fn name_that_appeared_and_vanished_is_an_event(t: &str) {
    let endpoint = name(t);
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let mut account = Account::default();
    // `close` waits for the subscriber, which does nothing, and gives up.
    sent(&endpoint).close(SOON).unwrap();
    for _ in 0..3 {
        account.add(&subscriber, subscriber.try_recv());
    }
    assert_eq!((account.total(), account.unmet), (SENT, 1), "{account:?}");
    let publisher = sent(&endpoint);
    publisher.send(&Value::from(LAST)).unwrap();
    while !account.add(&subscriber, subscriber.recv(SOON)) {}
    assert_eq!((account.received, account.unmet), (SENT, 1), "{account:?}");
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Blocking,
    TimeOutZero,
    Set,
    Poll,
    Future,
}

const WAYS: [Way; 5] = [Way::Blocking, Way::TimeOutZero, Way::Set, Way::Poll, Way::Future];

fn wait_in_set(fd: RawFd) {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    // SAFETY: the subscriber keeps it open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    epoll::add(&set, fd, epoll::EventData::new_u64(1), epoll::EventFlags::IN).unwrap();
    let mut found = Vec::with_capacity(1);
    epoll::wait(&set, rustix::buffer::spare_capacity(&mut found), Some(&SOON.try_into().unwrap())).unwrap();
    assert_eq!(found.len(), 1, "nothing wakes the set");
}

fn receive(subscriber: &Subscriber, way: Way, reactor: &Reactor) -> Account {
    let mut account = Account::default();
    loop {
        let received = match way {
            Way::Blocking => subscriber.recv(SOON),
            Way::TimeOutZero => {
                thread::sleep(Duration::from_millis(1));
                subscriber.recv(Duration::ZERO)
            }
            Way::Set => {
                wait_in_set(subscriber.fileno().unwrap());
                subscriber.try_recv()
            }
            Way::Poll => {
                assert!(readable(subscriber.fileno().unwrap(), 60), "nothing wakes the poll");
                subscriber.try_recv()
            }
            Way::Future => block_on(subscriber.recv_async(reactor)),
        };
        if account.add(subscriber, received) {
            return account;
        }
    }
}

fn subscriber_that_was_first_has_all_messages_or_events(t: &str) {
    const PUBLISHERS: u64 = 4;
    let reactor = Reactor::thread("lives").unwrap();
    for way in WAYS {
        let endpoint = name(t);
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        let account = thread::scope(|scope| {
            let receiving = scope.spawn(|| receive(&subscriber, way, &reactor));
            (0..PUBLISHERS).for_each(|_| sent(&endpoint).close(SOON).unwrap());
            let last = Publisher::new(&endpoint, &Options::default()).unwrap();
            last.send(&Value::from(LAST)).unwrap();
            let mut account = receiving.join().unwrap();
            drop(last);
            // Over `tcp:` a publisher listens before its record exists; then its end settles the count.
            let begun = Instant::now();
            while account.total() < PUBLISHERS * SENT && begun.elapsed() < SOON {
                account.add(&subscriber, subscriber.recv(Duration::from_millis(1)));
            }
            account
        });
        assert_eq!(account.total(), PUBLISHERS * SENT, "{t}, {way:?}: {account:?}");
    }
}

#[test]
fn connection_that_ends_without_an_answer_is_an_event_where_nothing_else_tells_of_publishers() {
    // A listener at "all addresses" writes no record of its own, like a listener on another machine.
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("tcp://0.0.0.0:{}", place.port());
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let told = || {
        let _ = subscriber.try_recv();
        let is_told = |event: &Event| event.text.contains("are neither received nor counted");
        subscriber.events().iter().filter(|event| is_told(event)).count()
    };
    assert_eq!(told(), 0);
    let listener = TcpListener::bind(place).unwrap();
    let accepting = thread::spawn(move || (0..3).for_each(|_| drop(listener.accept().unwrap())));
    let (mut count, begun) = (0, Instant::now());
    while !accepting.is_finished() || count == 0 {
        count += told();
        assert!(begun.elapsed() < SOON, "no event tells of the listener that ended the connection");
    }
    assert_eq!(count, 1, "it is told once until the name is connected or nobody listens");
}

macro_rules! on {
    ($($t:ident)*) => {$(
        mod $t {
            #[test]
            fn busy_subscriber_is_told_of_each_publisher_that_it_did_not_meet() {
                super::busy_subscriber_is_told_of_each_publisher_that_it_did_not_meet(stringify!($t));
            }
            #[test]
            fn name_that_appeared_and_vanished_is_an_event() {
                super::name_that_appeared_and_vanished_is_an_event(stringify!($t));
            }
            #[test]
            fn subscriber_that_was_first_has_all_messages_or_events() {
                super::subscriber_that_was_first_has_all_messages_or_events(stringify!($t));
            }
        }
    )*};
}

on! { shm unix tcp }
