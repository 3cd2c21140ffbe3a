//! A listener in lockstep, as a replay is one: it sends each message once the program has consumed the one before, whichever of
//! several channels it is for.

use std::thread;
use std::time::Duration;

use linkspan::{
    Channel, Encoding, ErrorKind, Limits, Listener, Message, Options, Payload, RecordedOrigin, Timestamp,
    Value,
};

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

/// Senders that know nothing of each other, each as fast as its messages are consumed, and a program that takes from
/// them at three rates.
#[test]
fn program_takes_at_different_rates_from_senders_of_their_own() {
    const RATES: [usize; 3] = [1, 2, 5];
    const ROUNDS: usize = 40;
    let mut random = Random::new();
    for transport in TRANSPORTS {
        let options = Options::default().with_lockstep(true);
        let listeners = RATES.map(|_| Listener::listen(&name(transport), &options).unwrap());
        let endpoints = listeners.each_ref().map(Listener::endpoint);
        // In which order the program takes the messages of a round.
        let order: Vec<usize> = (0..ROUNDS)
            .flat_map(|_| {
                let mut round: Vec<usize> =
                    (0..3).flat_map(|input| std::iter::repeat_n(input, RATES[input])).collect();
                (1..round.len()).rev().for_each(|i| round.swap(i, random.below(i as u64 + 1) as usize));
                round
            })
            .collect();
        thread::scope(|scope| {
            let program = scope.spawn(|| {
                let inputs =
                    endpoints.each_ref().map(|at| Channel::connect(at, &Options::default(), SOON).unwrap());
                order.iter().map(|input| (*input, inputs[*input].recv(SOON).unwrap())).collect::<Vec<_>>()
            });
            for (listener, rate) in listeners.iter().zip(RATES) {
                scope.spawn(move || {
                    let channel = listener.accept(SOON).unwrap();
                    for number in 0..rate * ROUNDS {
                        channel.send(&Value::Int(number as i64), SOON).unwrap();
                        channel
                            .flush(SOON)
                            .unwrap_or_else(|e| panic!("message {number} of rate {rate}: {e}"));
                    }
                });
            }
            let got = program.join().unwrap();
            for (input, rate) in RATES.iter().enumerate() {
                let of: Vec<&Value> =
                    got.iter().filter(|(of, _)| *of == input).map(|(_, m)| m.value().unwrap()).collect();
                let sent: Vec<Value> = (0..rate * ROUNDS).map(|number| Value::Int(number as i64)).collect();
                assert_eq!(of, sent.iter().collect::<Vec<_>>(), "{transport}, input {input}");
            }
        });
    }
}

/// A message of a recording, with this number there, of this incarnation.
fn recorded(sequence: u64, incarnation: u64) -> RecordedOrigin {
    RecordedOrigin {
        name: "lab/a".into(),
        source: format!("sensor-{incarnation}").into(),
        incarnation,
        sequence,
        sent: Timestamp(1_000_000_000 + sequence as i64),
        encoding: Encoding::Cbor,
    }
}

/// Numbers that begin far from 1, have gaps, begin again with another incarnation, and are the highest that there is;
/// the second half is sent again to the program's next incarnation, as it was.
#[test]
fn recorded_message_has_its_number_time_and_sender_also_when_it_is_sent_again() {
    let numbers = [(70, 1), (71, 1), (75, 1), (1, 2), (2, 2), (u64::MAX, 2), (9, 3), (8, 3)];
    for transport in TRANSPORTS {
        let listener = Listener::listen(&name(transport), &Options::default().with_lockstep(true)).unwrap();
        let program = || {
            let options = Options::default().with_client_id("solver");
            Channel::connect(&listener.endpoint(), &options, SOON).unwrap()
        };
        let first = program();
        let channel = listener.accept(SOON).unwrap();
        for (at, (number, incarnation)) in numbers.iter().enumerate() {
            // Short ones, of which a copy is kept, and long ones.
            let body = Value::Bytes(vec![at as u8; if at % 2 == 0 { 8 } else { 5000 }].into());
            let body = Payload::new(&body, Encoding::Cbor, &Limits::default()).unwrap().body().clone();
            channel.send_recorded(body, &recorded(*number, *incarnation), SOON).unwrap();
        }
        let take = |program: &Channel, at: usize| {
            let message = program.recv(SOON).unwrap();
            let (number, incarnation) = numbers[at];
            let origin = recorded(number, incarnation);
            assert_eq!(
                (message.sequence(), message.incarnation()),
                (number, incarnation),
                "{transport} {at}"
            );
            assert_eq!(
                (message.sent(), message.source()),
                (origin.sent, &*origin.source),
                "{transport} {at}"
            );
            let Value::Bytes(body) = message.value().unwrap() else { panic!("bytes were sent") };
            assert_eq!(body[0], at as u8);
        };
        (0..4).for_each(|at| take(&first, at));
        // Its end consumes what it was given.
        drop(first);
        drop(channel);
        let second = program();
        thread::scope(|scope| {
            // The channel to the next incarnation has what was kept for it.
            let channel = listener.accept(SOON).unwrap();
            let flush = scope.spawn(move || channel.flush(SOON));
            (4..numbers.len()).for_each(|at| take(&second, at));
            drop(second);
            flush.join().unwrap().unwrap();
        });
    }
}

#[test]
fn recorded_message_needs_a_listener_in_lockstep() {
    let listener = Listener::listen(&name("shm"), &Options::default()).unwrap();
    let program = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
    for channel in [listener.accept(SOON).unwrap(), program] {
        let error = channel.send_recorded(vec![1].into(), &recorded(1, 1), SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.to_string().contains("with_lockstep(true)"), "{error}");
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
