//! A sleep that is planted elsewhere than in `drive` ends the call that comes by it, so every suite finds it.

use std::time::Duration;

use crate::codec::Encoding;
use crate::error::ErrorKind;
use crate::planted::{Planted, plant};
use crate::value::Value;
use crate::{Channel, Listener, Options, Payload};

const SOON: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(10);

/// Returns whether the call sleeps where it must not, with the planted sleep.
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
        // Without it each of them waits as it should.
        for _ in 0..2 {
            far.recv(SOON).unwrap();
        }
        assert_eq!(far.recv(BRIEF).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        near.flush(SOON).unwrap();
    }
}
