//! Acknowledgements need no separate frames if the other side learns the consumed number otherwise.

use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

use crate::support::{SOON, name};

fn pair(endpoint: &str, options: &Options) -> (Listener, Channel, Channel) {
    let listener = Listener::listen(endpoint, options).unwrap();
    let a = Channel::connect(endpoint, options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    (listener, a, b)
}

fn stat(channel: &Channel, key: &str) -> u64 {
    channel.stats().at(key).unwrap().as_u64().unwrap()
}

fn options(of: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in of {
        options.set(name, value).unwrap();
    }
    options
}

fn dialogue(transport: &str, rounds: i64) -> [u64; 2] {
    let (_listener, a, b) = pair(&name(transport), &Options::default());
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..rounds {
                let message = b.recv(SOON).unwrap();
                b.send(message.value().unwrap(), SOON).unwrap();
            }
        });
        for i in 0..rounds {
            a.send(&Value::Int(i), SOON).unwrap();
            assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        }
    });
    // The other side's number is still known, except for messages under way.
    assert!(stat(&a, "acknowledged") + 2 >= rounds as u64, "{:?}", a.stats());
    [stat(&a, "ack_frames"), stat(&b, "ack_frames")]
}

#[test]
fn dialogue_over_shared_memory_sends_no_acknowledgement_frames() {
    assert_eq!(dialogue("shm", 500), [0, 0]);
}

/// An unscheduled side may send an acknowledgement, so a busy machine shows a few.
#[test]
fn dialogue_over_streams_sends_hardly_any_acknowledgement_frames() {
    for transport in ["unix", "tcp", "fifo"] {
        let [a, b] = dialogue(transport, 500);
        assert!(a + b < 100, "{transport}: {a} and {b} in 500 round trips");
    }
}

/// Without replies an acknowledgement comes at once. Otherwise a kill would repeat consumed messages.
#[test]
fn one_way_over_streams_is_acknowledged_before_each_sleep() {
    for transport in ["unix", "tcp", "fifo"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        thread::scope(|s| {
            let b = s.spawn(|| {
                let b = listener.accept(SOON).unwrap();
                for i in 0..50 {
                    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
                }
                b
            });
            let deadline = Instant::now() + SOON;
            for i in 0..50 {
                a.send(&Value::Int(i), SOON).unwrap();
                while i < 49 && stat(&a, "acknowledged") <= i as u64 {
                    assert!(!a.poll().unwrap(), "no message is sent");
                    assert!(Instant::now() < deadline, "{transport}: message {i} was not acknowledged");
                }
            }
            // Only the last message has no successor that could carry its acknowledgement.
            b.join().unwrap();
        });
    }
}

#[test]
fn end_of_a_dialogue_over_streams_is_acknowledged_while_the_receiver_waits() {
    for transport in ["unix", "tcp", "fifo"] {
        let (_listener, a, b) = pair(&name(transport), &Options::default());
        thread::scope(|s| {
            let waiting = s.spawn(|| {
                let message = b.recv(SOON).unwrap();
                b.send(message.value().unwrap(), SOON).unwrap();
                b.recv(SOON).unwrap_err()
            });
            a.send(&Value::Int(1), SOON).unwrap();
            a.recv(SOON).unwrap();
            let deadline = Instant::now() + SOON;
            while stat(&a, "acknowledged") < 1 {
                assert!(!a.poll().unwrap(), "nothing else is sent");
                assert!(Instant::now() < deadline, "{transport}: the message was not acknowledged");
            }
            drop(a);
            assert_eq!(waiting.join().unwrap().kind(), ErrorKind::Disconnected);
        });
    }
}

/// Messages that a server reads ahead for withdrawals are not delivered, and so not consumed.
#[test]
fn message_that_was_read_behind_a_request_is_not_consumed_before_it_is_given() {
    for transport in ["shm", "unix"] {
        let (_listener, a, b) = pair(&name(transport), &Options::default());
        let payload = a.encode(&Value::Int(1)).unwrap();
        let _asked = a.start_call(&payload, SOON).unwrap();
        a.send(&Value::Int(2), SOON).unwrap();
        assert!(b.recv(SOON).unwrap().is_request());
        assert!(b.poll().unwrap());
        assert_eq!(stat(&b, "consumed"), 1, "{transport}");
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
        assert!(!b.poll().unwrap());
        assert_eq!(stat(&b, "consumed"), 2, "{transport}");
    }
}

#[test]
fn one_way_over_shared_memory_sends_no_acknowledgement_frames_while_there_is_room() {
    let (_listener, a, b) = pair(&name("shm"), &Options::default());
    for i in 0..500 {
        a.send(&Value::Int(i), SOON).unwrap();
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
    assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!((stat(&a, "acknowledged"), stat(&a, "unacknowledged")), (500, 0));
    assert_eq!(stat(&b, "ack_frames"), 0);
}

/// A sender with full replay memory sleeps. A requested frame wakes it when there is room.
#[test]
fn sender_over_shared_memory_whose_store_is_full_is_woken() {
    for (count, bytes) in [(1, 1 << 20), (10, 1 << 20), (1000, 100), (1000, 10_000)] {
        let few = options(&[("replay_count", Value::from(count)), ("replay_bytes", Value::from(bytes))]);
        let (_listener, a, b) = pair(&name("shm"), &few);
        let total = 300;
        thread::scope(|s| {
            s.spawn(|| {
                for i in 0..total {
                    if i % 50 == 0 {
                        // Long enough for the sender to fall asleep, in its first stage and in its last.
                        thread::sleep(Duration::from_millis(10));
                    }
                    assert_eq!(b.recv(SOON).unwrap().value().unwrap().at("i").unwrap(), &Value::Int(i));
                }
                assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
            });
            for i in 0..total {
                let value = Value::from(
                    [
                        ("i".to_owned(), Value::Int(i)),
                        ("fill".to_owned(), "x".repeat(i as usize % 90).into()),
                    ]
                    .into_iter()
                    .collect::<linkspan::Map>(),
                );
                a.send(&value, SOON).unwrap();
            }
            a.close(SOON).unwrap();
        });
        assert_eq!(stat(&a, "acknowledged"), total as u64, "replay_count={count}, replay_bytes={bytes}");
    }
}

#[test]
fn sender_over_shared_memory_whose_store_is_full_is_woken_while_another_thread_receives() {
    let few = options(&[("replay_count", Value::from(4))]);
    let (_listener, a, b) = pair(&name("shm"), &few);
    thread::scope(|s| {
        s.spawn(|| assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::from("done")));
        s.spawn(|| {
            for i in 0..200 {
                if i % 40 == 0 {
                    thread::sleep(Duration::from_millis(10));
                }
                assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
            }
            b.send(&Value::from("done"), SOON).unwrap();
        });
        for i in 0..200 {
            a.send(&Value::Int(i), SOON).unwrap();
        }
    });
}
