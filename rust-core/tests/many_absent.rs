//! A program waits for more names than the kernel lets epoll sets reach one descriptor.
//!
//! Each descriptor can still be in the program's own set, and every appearing name is received.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use linkspan::{Options, Publisher, Subscriber, Value, Wait};
use rustix::event::epoll;

use crate::support::alone::alone;
use crate::support::{SOON, name};

/// More than the kernel allows at any depth: its limits are 10 to 1,000.
const ABSENT: usize = 2_000;
/// The step between names that get a publisher, for each kind of wait.
const EVERY: usize = 20;
/// This many objects sleep on the shared descriptor, and may wake for another object's name.
const DIRECT: usize = 8;
const THREAD: &str = "linkspan-names";

fn subscribe(at: usize, endpoint: &str) -> Subscriber {
    let options = Options::default();
    let subscribed = match at % 4 {
        0 | 1 => Subscriber::new(endpoint, &options),
        2 => Subscriber::of(&[endpoint], &options),
        _ => Subscriber::of(&[&format!("{endpoint}*")], &options),
    };
    subscribed.unwrap_or_else(|e| panic!("subscription {at}: {e}"))
}

/// A set of the program's inside another one, like a runtime's set inside a loop's.
struct Sets {
    inner: OwnedFd,
    outer: OwnedFd,
}

impl Sets {
    fn new() -> Sets {
        let make = || epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let sets = Sets { inner: make(), outer: make() };
        add(&sets.outer, &sets.inner, 0);
        sets
    }

    fn ready(&self) -> Vec<usize> {
        let none = Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut events = Vec::with_capacity(ABSENT + 1);
        epoll::wait(&self.inner, rustix::buffer::spare_capacity(&mut events), none).unwrap();
        events.iter().map(|event| usize::try_from(event.data.u64()).unwrap()).collect()
    }

    fn wait(&self) {
        let time = Some(&rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 });
        let mut events = Vec::with_capacity(1);
        epoll::wait(&self.outer, rustix::buffer::spare_capacity(&mut events), time).unwrap();
        assert!(!events.is_empty(), "nothing woke the set");
    }
}

fn add(set: &OwnedFd, fd: impl std::os::fd::AsFd, number: usize) {
    let data = epoll::EventData::new_u64(number as u64);
    epoll::add(set, &fd, data, epoll::EventFlags::IN).unwrap_or_else(|e| panic!("descriptor {number}: {e}"));
}

fn threads() -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(name) = std::fs::read_to_string(task.unwrap().path().join("comm")) else { continue };
        *names.entry(name.trim().to_owned()).or_default() += 1;
    }
    names
}

/// Waits for the thread's name, which it gets a moment after its start.
fn wait_for_threads(expected: Option<usize>) {
    let deadline = Instant::now() + SOON;
    while threads().get(THREAD).copied() != expected {
        assert!(Instant::now() < deadline, "{:?}", threads());
        thread::yield_now();
    }
}

fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn each_of_two_thousand_absent_names_is_received_through_one_set() {
    alone!(each_of_two_thousand_absent_names_is_received_through_one_set);
    let before = memory();
    let names: Vec<String> = (0..ABSENT).map(|_| name("shm")).collect();
    let subscribers: Vec<Subscriber> =
        names.iter().enumerate().map(|(at, name)| subscribe(at, name)).collect();
    let sets = Sets::new();
    for (number, subscriber) in subscribers.iter().enumerate() {
        add(&sets.inner, subscriber, number);
    }
    let each = (memory().saturating_sub(before)) / ABSENT as u64;
    assert!(each < 32 << 10, "{each} bytes for each subscription");
    wait_for_threads(Some(1));
    let receive = |number: usize| subscribers[number].next(Wait::none()).ok().flatten();
    for number in sets.ready() {
        assert!(receive(number).is_none(), "{}", names[number]);
    }
    for (number, name) in names.iter().enumerate().step_by(EVERY + 1) {
        let mut woken = 0;
        let publisher = Publisher::new(name, &Options::default()).unwrap();
        publisher.send(&Value::Int(number as i64)).unwrap();
        let deadline = Instant::now() + SOON;
        let message = 'received: loop {
            assert!(Instant::now() < deadline, "{name} was not received");
            sets.wait();
            for ready in sets.ready() {
                let message = receive(ready);
                if ready == number && message.is_some() {
                    break 'received message;
                }
                // A pattern checks every name.
                woken += usize::from(ready != number && ready % 4 != 3);
                assert!(message.is_none() || ready == number, "{} got {name}", names[ready]);
            }
        };
        assert_eq!(message.unwrap().value().unwrap(), &Value::Int(number as i64));
        // The name of a publisher appears in a few steps. Each step wakes the sleepers on the shared
        // descriptor.
        assert!(woken < 50 * DIRECT, "{woken} others looked when {name} came");
    }
    drop(subscribers);
    wait_for_threads(None);
}

#[test]
fn program_that_waits_for_few_names_has_no_thread_for_it() {
    alone!(program_that_waits_for_few_names_has_no_thread_for_it);
    let names: Vec<String> = (0..DIRECT).map(|_| name("shm")).collect();
    let subscribers: Vec<Subscriber> =
        names.iter().enumerate().map(|(at, name)| subscribe(at, name)).collect();
    assert_eq!(threads().get(THREAD), None);
    let one_more = subscribe(0, &name("shm"));
    wait_for_threads(Some(1));
    // The thread also wakes the sleepers on the shared descriptor.
    for (name, subscriber) in names.iter().zip(&subscribers) {
        let publisher = Publisher::new(name, &Options::default()).unwrap();
        publisher.send(&Value::Int(1)).unwrap();
        assert!(subscriber.recv(SOON).is_ok());
    }
    drop(one_more);
}
