//! The short wait over sockets and pipes: time-outs and later messages end it; its timer wakes no event loop.

use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

use crate::support::{SOON, name};

const TRANSPORTS: [&str; 3] = ["unix", "tcp", "fifo"];

/// Returns two ends after a dialogue, which gave the receivers their timers.
fn after_a_dialogue(transport: &str) -> (Listener, Channel, Channel) {
    let endpoint = name(transport);
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..100 {
                let message = b.recv(SOON).unwrap();
                b.send(message.value().unwrap(), SOON).unwrap();
            }
        });
        for i in 0..100 {
            a.send(&Value::Int(i), SOON).unwrap();
            assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        }
    });
    (listener, a, b)
}

#[test]
fn recv_after_a_dialogue_ends_at_its_deadline() {
    for transport in TRANSPORTS {
        let (_listener, a, _b) = after_a_dialogue(transport);
        for milliseconds in [1, 20, 100] {
            let (begun, timeout) = (Instant::now(), Duration::from_millis(milliseconds));
            assert_eq!(a.recv(timeout).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
            assert!(begun.elapsed() >= timeout, "{transport}: after {:?} of {timeout:?}", begun.elapsed());
        }
    }
}

#[test]
fn close_by_another_thread_ends_a_recv_after_a_dialogue() {
    for transport in TRANSPORTS {
        let (_listener, a, _b) = after_a_dialogue(transport);
        thread::scope(|s| {
            let received = s.spawn(|| a.recv(SOON).unwrap_err().kind());
            thread::sleep(Duration::from_millis(1));
            // The last answer was not consumed, so it ends with a time-out.
            assert_eq!(a.close(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::Timeout);
            assert_eq!(received.join().unwrap(), ErrorKind::InvalidState, "{transport}");
        });
    }
}

#[test]
fn message_that_comes_after_the_short_wait_is_received() {
    for transport in TRANSPORTS {
        let (_listener, a, b) = after_a_dialogue(transport);
        for (i, pause) in [0, 3, 6, 12, 40].into_iter().enumerate() {
            thread::scope(|s| {
                let received = s.spawn(|| a.recv(SOON).unwrap().value().unwrap().clone());
                thread::sleep(Duration::from_millis(pause));
                b.send(&Value::Int(i as i64), SOON).unwrap();
                assert_eq!(received.join().unwrap(), Value::Int(i as i64), "{transport}");
            });
        }
    }
}

#[test]
fn descriptor_of_an_event_loop_does_not_become_readable_for_the_timer() {
    for transport in TRANSPORTS {
        let (_listener, a, b) = after_a_dialogue(transport);
        let fd = a.fileno().unwrap();
        assert_eq!(a.recv(Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::Timeout);
        while a.try_recv().is_ok() {}
        assert!(!crate::support::readable(fd, 1), "{transport}: nothing was sent");
        b.send(&Value::Int(1), SOON).unwrap();
        assert!(crate::support::readable(fd, 60), "{transport}");
        assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    }
}
