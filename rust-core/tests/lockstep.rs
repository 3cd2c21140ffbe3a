//! A listener in lockstep, as a replay is one: it sends each message once the program has consumed the one before, whichever of
//! several channels it is for.

use std::thread;
use std::time::Duration;

use linkspan::{Channel, Listener, Message, Options, Value};

use crate::support::victims::Random;
use crate::support::{SOON, name};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

/// Sends each message of a recording: the input that it is for, and its number.
fn replay(listeners: &[Listener; 2], recording: &[(usize, i64)]) {
    let channels = [0, 1].map(|at: usize| listeners[at].accept(SOON).unwrap());
    for (input, number) in recording {
        channels[*input].send(&Value::Int(*number), SOON).unwrap();
        channels[*input]
            .flush(SOON)
            .unwrap_or_else(|e| panic!("message {number} of input {input} in {recording:?}: {e}"));
    }
}

/// A program with two inputs of different rates, in whichever order the recording has them.
#[test]
fn program_that_takes_from_one_channel_and_waits_for_another_goes_on() {
    let mut random = Random::new();
    for transport in TRANSPORTS {
        for round in 0..6 {
            // The program takes so many of the first for each of the second.
            let rate = 1 + round % 3;
            let mut left = [4 * rate, 4];
            let mut recording = Vec::new();
            while left != [0, 0] {
                let input = usize::from(left[0] == 0 || left[1] > 0 && random.below(2) == 1);
                recording.push((input, recording.len() as i64));
                left[input] -= 1;
            }
            let options = Options::default().with_lockstep(true);
            let listeners = [0, 1].map(|_| Listener::listen(&name(transport), &options).unwrap());
            let endpoints = listeners.each_ref().map(Listener::endpoint);
            let shown = format!("{transport}, {rate}, {recording:?}");
            thread::scope(|scope| {
                let program = scope.spawn(|| {
                    let inputs = endpoints
                        .each_ref()
                        .map(|at| Channel::connect(at, &Options::default(), SOON).unwrap());
                    let number = |message: Message| {
                        let Value::Int(number) = *message.value().unwrap() else {
                            panic!("a number was sent")
                        };
                        number
                    };
                    let mut got = [Vec::new(), Vec::new()];
                    for _ in 0..4 {
                        (0..rate).for_each(|_| got[0].push(number(inputs[0].recv(SOON).unwrap())));
                        got[1].push(number(inputs[1].recv(SOON).unwrap()));
                    }
                    // It ends after its last message, without a close.
                    got
                });
                replay(&listeners, &recording);
                let of = |input| recording.iter().filter(|(of, _)| *of == input).map(|(_, n)| *n).collect();
                assert_eq!(program.join().unwrap(), [of(0), of(1)] as [Vec<i64>; 2], "{shown}");
            });
        }
    }
}

/// What a thread has is consumed by its own calls alone: another thread that waits for another channel consumes nothing for it.
#[test]
fn message_of_one_thread_is_not_consumed_by_the_wait_of_another() {
    let options = Options::default().with_lockstep(true);
    let listeners = [0, 1].map(|_| Listener::listen(&name("shm"), &options).unwrap());
    let inputs =
        listeners.each_ref().map(|l| Channel::connect(&l.endpoint(), &Options::default(), SOON).unwrap());
    let outputs = listeners.each_ref().map(|l| l.accept(SOON).unwrap());
    let [first, second] = inputs;
    outputs[0].send(&Value::Int(1), SOON).unwrap();
    assert_eq!(first.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    thread::scope(|scope| {
        let waits = scope.spawn(move || second.recv(SOON).map(drop));
        assert!(outputs[0].flush(Duration::from_millis(100)).is_err(), "this thread still has its message");
        outputs[1].send(&Value::Int(2), SOON).unwrap();
        waits.join().unwrap().unwrap();
    });
    assert!(first.try_recv().is_err());
    outputs[0].flush(SOON).unwrap();
}
