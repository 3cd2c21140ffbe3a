//! Messages sent over a channel are received, or the sender gets the number of missing ones.
//!
//! The random tests print their seed; `LINKSPAN_SEED` repeats one.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

use crate::support::{SOON, name};

struct Random(u64);

impl Random {
    fn seeded() -> Random {
        let seed = match std::env::var("LINKSPAN_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        };
        eprintln!("LINKSPAN_SEED={seed}");
        Random(seed | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn number(message: &linkspan::Message) -> i64 {
    message.value().unwrap().as_i64().unwrap()
}

/// Runs consecutive receivers, and each ends without a close. The last receiver stays until `last` has arrived.
fn receivers(endpoint: &str, random: &mut Random, last: i64) -> Vec<i64> {
    let mut received = Vec::new();
    for _ in 0..10 {
        let one = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
        for _ in 0..random.below(80) {
            received.push(number(&one.recv(SOON).unwrap()));
        }
    }
    let one = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
    while received.last() != Some(&last) {
        received.push(number(&one.recv(SOON).unwrap()));
    }
    one.close(SOON).unwrap();
    received
}

const MANY: i64 = 4000;

fn opened_channel_gives_unconsumed_messages_to_the_next_peer(t: &str) {
    let endpoint = name(t);
    let mut random = Random::seeded();
    let sender = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let received = thread::scope(|s| {
        let sending = s.spawn(|| {
            for i in 0..MANY {
                sender.send(&Value::Int(i), SOON).unwrap();
            }
            sender.close(SOON)
        });
        let received = receivers(&endpoint, &mut random, MANY - 1);
        sending.join().unwrap().unwrap();
        received
    });
    let distinct: BTreeSet<i64> = received.iter().copied().collect();
    assert_eq!(distinct.len() as i64, MANY, "{:?}", sender.stats());
    assert_eq!(sender.stats().at("dropped").unwrap(), &Value::from(0u64));
}

fn accepted_channel_reports_how_many_messages_are_lost(t: &str) {
    let endpoint = name(t);
    let mut random = Random::seeded();
    // The first receiver ends before every message has reached it.
    let mut options = Options::default();
    options.set("replay_count", &Value::Int(64)).unwrap();
    let listener = Listener::listen(&endpoint, &options).unwrap();
    let (received, reported) = thread::scope(|s| {
        let sending = s.spawn(|| {
            let (mut reported, mut evented, mut next) = (0, 0, 0);
            while next < MANY {
                let channel = listener.accept(SOON).unwrap();
                while next < MANY {
                    match channel.send(&Value::Int(next), SOON) {
                        Ok(_) => next += 1,
                        Err(e) => {
                            assert_eq!(e.kind(), ErrorKind::Disconnected, "{e}");
                            reported += e.missed().unwrap_or(0);
                            break;
                        }
                    }
                }
                if let Err(e) = channel.close(if next < MANY { Duration::ZERO } else { SOON }) {
                    reported += e.missed().unwrap_or(0);
                }
                evented += channel.events().iter().filter(|e| e.kind.name() == "forgotten").count();
            }
            (reported, evented)
        });
        let received = receivers(&endpoint, &mut random, MANY - 1);
        (received, sending.join().unwrap())
    });
    let distinct: BTreeSet<i64> = received.iter().copied().collect();
    let missing = MANY as u64 - distinct.len() as u64;
    let (reported, evented) = reported;
    assert!(missing > 0, "no subscriber left early, so the test checks nothing");
    assert!(reported >= missing, "{missing} of {MANY} are missing, and {reported} were reported");
    // Of the other messages only consumed, unacknowledged ones count as lost.
    assert!(reported <= missing + 10 * 128, "{missing} of {MANY} are missing, and {reported} were reported");
    assert!(evented > 0 || t == "tcp", "no event reported it");
}

fn closing_sends_again_what_the_last_receiver_dropped(t: &str) {
    for _ in 0..12 {
        let endpoint = name(t);
        let receiver = Listener::listen(&endpoint, &Options::default()).unwrap();
        let sender = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        for i in 0..10 {
            sender.send(&Value::Int(i), SOON).unwrap();
        }
        thread::scope(|s| {
            let closing = s.spawn(|| sender.close(SOON));
            let first = receiver.accept(SOON).unwrap();
            for i in 0..10 {
                assert_eq!(number(&first.recv(SOON).unwrap()), i);
            }
            // The last one may not have been handled when its program ends.
            drop((first, receiver));
            let receiver = Listener::listen(&endpoint, &Options::default()).unwrap();
            let second = receiver.accept(SOON).unwrap();
            assert_eq!(number(&second.recv(SOON).unwrap()), 9);
            second.close(SOON).unwrap();
            closing.join().unwrap().unwrap();
        });
        assert_eq!(sender.stats().at("unacknowledged").unwrap(), &Value::from(0u64));
    }
}

macro_rules! on {
    ($($t:ident: $($case:ident)*;)*) => {$(
        mod $t {
            $(#[test] fn $case() { super::$case(stringify!($t)) })*
        }
    )*};
}

on! {
    unix:
        opened_channel_gives_unconsumed_messages_to_the_next_peer
        accepted_channel_reports_how_many_messages_are_lost
        closing_sends_again_what_the_last_receiver_dropped;
    shm:
        opened_channel_gives_unconsumed_messages_to_the_next_peer
        accepted_channel_reports_how_many_messages_are_lost
        closing_sends_again_what_the_last_receiver_dropped;
    tcp:
        opened_channel_gives_unconsumed_messages_to_the_next_peer
        accepted_channel_reports_how_many_messages_are_lost
        closing_sends_again_what_the_last_receiver_dropped;
    fifo:
        opened_channel_gives_unconsumed_messages_to_the_next_peer
        accepted_channel_reports_how_many_messages_are_lost
        closing_sends_again_what_the_last_receiver_dropped;
}
