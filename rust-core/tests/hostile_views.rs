//! A hostile subscriber changes its page (views, files) while long arrays and bytes are published.
//!
//! Honest subscribers' messages stay unchanged, they miss only reported messages, and the publisher keeps its
//! bound.

use std::collections::HashMap;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linkspan::{NdArray, Options, Publisher, Subscriber, Value};
use rustix::net::{RecvAncillaryBuffer, RecvFlags};

use crate::slots::numbers;
use crate::support::alone::{alone, name_of};
use crate::support::shm_peer::{CONSUMED, DATA_PARK, FILES_TAKEN, Peer, SLOTS, VIEWS, subscriber_with_slots};
use crate::support::{SOON, name};

/// The endpoint, in the process of a subscriber, and its part.
const ENDPOINT: &str = "LINKSPAN_TEST_ENDPOINT";
const ROLE: &str = "LINKSPAN_TEST_ROLE";

const MESSAGES: u64 = 400;
/// Different lengths eventually need different files.
const LIMIT: usize = 256 << 10;
const LENGTHS: [usize; 5] = [64 << 10, 80_000, 130_000, 200_000, 250_000];
const KEPT: usize = 3;
/// The ring, and slots with four times the longest message, rounded up to 64 KiB and a page each.
const BOUND: u64 = (4 * LIMIT + SLOTS * (64 << 10) + (4 << 20)) as u64;
/// Only guards against a hang: on a busy machine this takes some seconds.
const PATIENCE: Duration = Duration::from_secs(300);

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 8) as usize % end
    }
}

fn seed() -> u64 {
    std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4711)
}

/// The process of one subscriber, which runs this test in its role.
struct Other(Child);

impl Other {
    fn start(test: &str, role: &str, endpoint: &str) -> Other {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name_of(test), "--nocapture", "--test-threads=1"])
            .env(ENDPOINT, endpoint)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .spawn();
        Other(child.unwrap())
    }

    fn ends_well(mut self, role: &str) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success(), "the {role} subscriber");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the files and bytes from the socket. False after the publisher's removal of this subscriber.
fn drain(peer: &Peer) -> bool {
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 64];
        let mut into = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(&peer.socket, &mut into, &mut ancillary, RecvFlags::DONTWAIT) {
            Ok(got) if got.bytes > 0 => {}
            Err(rustix::io::Errno::AGAIN) => return true,
            _ => return false,
        }
    }
}

/// Writes one word: a random value, or an honest subscriber's possible value.
fn turn(peer: &Peer, random: &mut Random, viewed: &mut Vec<usize>, keeps_its_share: bool) {
    let any = random.next() >> random.below(64);
    match random.below(64) {
        0 => peer.memory.store(FILES_TAKEN, any),
        1 => peer.memory.store(CONSUMED, any),
        2 => peer.memory.store(DATA_PARK, any),
        _ if keeps_its_share => {
            // At most four slots at a time, so the publisher must accept them.
            if viewed.len() == 4 {
                viewed.swap_remove(random.below(4));
            }
            let slot = random.below(SLOTS);
            if !viewed.contains(&slot) {
                viewed.push(slot);
            }
            let views =
                viewed.iter().fold(0, |views, slot| views | (any >> (slot * 4) & 15 | 1) << (slot * 4));
            peer.memory.store(VIEWS, views);
        }
        _ => peer.memory.store(VIEWS, if any.is_multiple_of(3) { 0 } else { any }),
    }
}

/// The hostile process. Sometimes it only takes the offered files.
fn scribble(endpoint: &str, keeps_its_share: bool) {
    let over = AtomicBool::new(false);
    let mut random = Random(seed() << 1 | u64::from(keeps_its_share));
    let (mut viewed, mut turns) = (Vec::new(), 0u64);
    let mut peer = subscriber_with_slots(endpoint);
    thread::scope(|s| {
        s.spawn(|| {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            turn(&peer, &mut random, &mut viewed, keeps_its_share);
            turns += 1;
            if turns.is_multiple_of(100_000) && !drain(&peer) && !over.load(Ordering::Relaxed) {
                viewed.clear();
                peer = subscriber_with_slots(endpoint);
            }
        }
    });
    assert!(turns > 0);
}

fn content(message: &Value) -> (u64, Value) {
    match (message.at("number"), message.at("wave")) {
        (Ok(number), Ok(wave)) => (number.as_u64().unwrap(), wave.clone()),
        _ => panic!("{message:?} was not published"),
    }
}

fn assert_is_whole(number: u64, wave: &Value) {
    let is_whole = match wave {
        Value::NdArray(wave) => {
            let elements = wave.elements::<u64>().unwrap();
            elements[..] == numbers(number, elements.len() * 8)[..]
        }
        Value::Bytes(bytes) => bytes[..] == bytes_of(number, bytes.len())[..],
        _ => false,
    };
    assert!(is_whole, "message {number} has another content");
}

fn bytes_of(number: u64, length: usize) -> Vec<u8> {
    numbers(number, length).into_iter().flat_map(u64::to_le_bytes).collect()
}

fn made(publisher: &Publisher, number: u64, length: usize) -> Value {
    match number % 3 {
        0 => Value::NdArray(NdArray::vector(&numbers(number, length))),
        1 => Value::Bytes(bytes_of(number, length).into()),
        _ => {
            let mut loan = publisher.loan_bytes(length).unwrap();
            loan.copy_from_slice(&bytes_of(number, length));
            Value::from(loan)
        }
    }
}

/// An honest process: counts received and missed messages, and keeps views.
fn follow(endpoint: &str, views: bool) {
    let subscriber = Subscriber::new(endpoint, &options().with_view_bytes(views)).unwrap();
    let (mut last, mut received) = (0, 0);
    let mut kept: Vec<(u64, Value)> = Vec::new();
    while last < MESSAGES {
        let message = subscriber.next(PATIENCE).unwrap().expect("the publisher is still there");
        assert_eq!(
            message.sequence(),
            last + message.missed() + 1,
            "messages are missing that were not reported"
        );
        (last, received) = (message.sequence(), received + 1);
        let (number, wave) = content(message.value().unwrap());
        assert_eq!(number, last);
        assert_is_whole(number, &wave);
        if kept.len() == KEPT {
            let (number, wave) = kept.remove(0);
            assert_is_whole(number, &wave);
        }
        kept.push((number, wave));
    }
    kept.iter().for_each(|(number, wave)| assert_is_whole(*number, wave));
    println!("{received} of {MESSAGES} received");
}

fn options() -> Options {
    let mut options = Options::default();
    options.max_message_size = LIMIT as u64;
    options
}

fn memory_files() -> u64 {
    let mut lengths = HashMap::new();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let is_memory = std::fs::read_link(entry.path())
            .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"));
        if is_memory && let Ok(file) = std::fs::metadata(entry.path()) {
            lengths.insert(file.ino(), file.blocks() * 512);
        }
    }
    lengths.values().sum()
}

fn publish(publisher: &Publisher, mut random: Random) {
    for number in 1..=MESSAGES {
        let wave = made(publisher, number, LENGTHS[random.below(LENGTHS.len())]);
        let message = Value::map([("number", Value::from(number)), ("wave", wave)]);
        assert_eq!(publisher.send(&message).unwrap(), number);
        let held = memory_files();
        assert!(held <= BOUND, "{held} bytes in memory files after message {number}");
    }
}

#[test]
fn subscriber_that_changes_its_words_at_random_changes_no_view_and_blocks_no_peer() {
    alone!(subscriber_that_changes_its_words_at_random_changes_no_view_and_blocks_no_peer);
    if let (Ok(role), Ok(endpoint)) = (std::env::var(ROLE), std::env::var(ENDPOINT)) {
        return match role.as_str() {
            "honest" => follow(&endpoint, false),
            "viewing" => follow(&endpoint, true),
            role => scribble(&endpoint, role == "sharing"),
        };
    }
    const TEST: &str = concat!(
        module_path!(),
        "::subscriber_that_changes_its_words_at_random_changes_no_view_and_blocks_no_peer"
    );
    println!("LINKSPAN_SEED={}", seed());
    let endpoint = name("shm");
    let publisher = Arc::new(Publisher::new(&endpoint, &options()).unwrap());
    let roles = ["sharing", "greedy", "honest", "viewing"];
    let others = roles.map(|role| Other::start(TEST, role, &endpoint));
    publisher.wait_for_subscribers(roles.len(), PATIENCE).unwrap();
    let (done, published) = mpsc::channel();
    // Not joined: a blocked publisher must fail the test instead of hanging it.
    thread::spawn({
        let publisher = publisher.clone();
        move || {
            publish(&publisher, Random(seed() | 1));
            done.send(()).unwrap();
        }
    });
    published.recv_timeout(PATIENCE).expect("everything was published in time");
    let (sharing, greedy, honest, also_honest) = others.into();
    honest.ends_well("honest");
    also_honest.ends_well("other honest");
    sharing.ends_well("hostile");
    greedy.ends_well("other hostile");
    for what in ["arrays_in_slots", "bodies_in_slots"] {
        assert!(publisher.stats().at(what).unwrap().as_u64().unwrap() > 0, "{what}: no slot was used");
    }
    publisher.close(SOON).unwrap();
}
