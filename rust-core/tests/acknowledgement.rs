//! How far a program has come costs no frames of its own where the other side can know it without.

use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

mod support;
use support::{SOON, name};

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
    // The other side's number is known all the same.
    assert!(stat(&a, "acknowledged") >= rounds as u64 - 1, "{:?}", a.stats());
    [stat(&a, "ack_frames"), stat(&b, "ack_frames")]
}

#[test]
fn dialogue_over_shared_memory_sends_no_acknowledgement_frames() {
    assert_eq!(dialogue("shm", 500), [0, 0]);
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

/// A sender whose store is full sleeps, and is woken once there is room: by a frame, for which it has asked.
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

/// The same while another thread of the sender's program waits to receive.
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
