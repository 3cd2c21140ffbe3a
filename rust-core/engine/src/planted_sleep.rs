//! A planted sleep outside `drive` makes the call panic, so every suite would find one.

use std::time::Duration;

use crate::codec::Encoding;
use crate::error::ErrorKind;
use crate::planted::{Planted, plant};
use crate::value::Value;
use crate::{Channel, Listener, Options, Payload, Publisher, Server, Subscriber};

const SOON: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(10);

fn is_found<T>(call: impl Fn() -> T) -> bool {
    plant(Planted::SleepInLoop, || drop(call())).is_err()
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not check")]
fn sleep_outside_of_the_driver_is_found_in_each_call_that_comes_by_it() {
    for transport in ["shm", "unix"] {
        let endpoint = format!("{transport}:planted-sleep-{}", std::process::id());
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        near.send(&Value::from(1), SOON).unwrap();
        far.recv(SOON).unwrap();
        let request = Payload::from_bytes(Encoding::Raw, vec![7; 8].into());
        assert!(is_found(|| far.recv(BRIEF)), "{transport}: recv");
        assert!(is_found(|| far.poll()), "{transport}: poll");
        near.send(&Value::from(2), SOON).unwrap();
        assert!(is_found(|| near.flush(BRIEF)), "{transport}: flush");
        assert!(is_found(|| near.call_payload(&request, BRIEF)), "{transport}: call");
        far.recv(SOON).unwrap();
        let next = far.recv(BRIEF).and_then(|_| far.recv(BRIEF));
        assert_eq!(next.unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        near.flush(SOON).unwrap();
    }
}

/// A loop whose first turn succeeds never sleeps, so each call here has to wait.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not check")]
fn sleep_outside_of_the_driver_is_found_in_calls_of_each_pattern() {
    for transport in ["shm", "unix"] {
        let endpoint = |what: &str| format!("{transport}:planted-{what}-{}", std::process::id());
        let server = Server::serve(&endpoint("server"), &Options::default()).unwrap();
        assert!(is_found(|| server.next(BRIEF)), "{transport}: next");
        assert_eq!(server.next(BRIEF).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        let publisher = Publisher::new(&endpoint("publisher"), &Options::default()).unwrap();
        let waits = || publisher.wait_for_subscribers(1, BRIEF);
        assert!(is_found(waits), "{transport}: wait_for_subscribers");
        assert_eq!(waits().unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
        assert!(is_found(|| subscriber.recv(BRIEF)), "{transport}: recv of a subscriber");
        assert_eq!(subscriber.recv(BRIEF).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        let listener = Listener::listen(&endpoint("full"), &Options::default()).unwrap();
        let near = Channel::connect(&endpoint("full"), &Options::default(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let long = Payload::from_bytes(Encoding::Raw, vec![7; 32 << 10].into());
        while near.try_send_payload(&long).is_ok() {}
        assert!(is_found(|| near.send_payload(&long, BRIEF)), "{transport}: send without room");
        far.recv(SOON).unwrap();
    }
}
