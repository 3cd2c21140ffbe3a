//! A listener in lockstep, such as a replay: it sends a message after the program has consumed the previous
//! one.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{
    Channel, Encoding, ErrorKind, Limits, Listener, Message, Options, Payload, RecordedOrigin, Timestamp,
    Value,
};

use crate::support::victims::Random;
use crate::support::{SOON, name};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

fn replay(listeners: &[Listener; 2], recording: &[(usize, i64)]) {
    let channels = [0, 1].map(|at: usize| listeners[at].accept(SOON).unwrap());
    for (input, number) in recording {
        channels[*input].send(&Value::Int(*number), SOON).unwrap();
        channels[*input]
            .flush(SOON)
            .unwrap_or_else(|e| panic!("message {number} of input {input} in {recording:?}: {e}"));
    }
}

#[test]
fn program_that_takes_from_one_channel_and_waits_for_another_goes_on() {
    let mut random = Random::new();
    for transport in TRANSPORTS {
        for round in 0..6 {
            // The program takes this many messages of the first input per message of the second.
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
                    got
                });
                replay(&listeners, &recording);
                let of = |input| recording.iter().filter(|(of, _)| *of == input).map(|(_, n)| *n).collect();
                assert_eq!(program.join().unwrap(), [of(0), of(1)] as [Vec<i64>; 2], "{shown}");
            });
        }
    }
}

/// Independent senders, each as fast as its messages are consumed, and a receiver with three rates.
#[test]
fn program_takes_at_different_rates_from_senders_of_their_own() {
    const RATES: [usize; 3] = [1, 2, 5];
    const ROUNDS: usize = 40;
    let mut random = Random::new();
    for transport in TRANSPORTS {
        let options = Options::default().with_lockstep(true);
        let listeners = RATES.map(|_| Listener::listen(&name(transport), &options).unwrap());
        let endpoints = listeners.each_ref().map(Listener::endpoint);
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

fn recorded(sequence: u64, incarnation: u64) -> RecordedOrigin {
    RecordedOrigin {
        name: "lab/a".into(),
        source: format!("sensor-{incarnation}").into(),
        incarnation,
        sequence,
        sent: Timestamp(1_000_000_000 + sequence as i64),
        encoding: Encoding::Cbor,
        schema: None,
    }
}

/// Numbers with gaps, restarts and the highest number; the second half is sent again to the next incarnation.
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
            // A copy is kept of short bodies, but not of long ones.
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
        drop(first);
        drop(channel);
        let second = program();
        thread::scope(|scope| {
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

fn recording(random: &mut Random, of_each: &[usize]) -> Vec<(usize, i64)> {
    let mut left = of_each.to_vec();
    let mut recording = Vec::new();
    while left.iter().any(|left| *left > 0) {
        let input = random.below(left.len() as u64) as usize;
        if left[input] > 0 {
            left[input] -= 1;
            recording.push((input, recording.len() as i64));
        }
    }
    recording
}

fn listeners<const N: usize>(transport: &str) -> [Listener; N] {
    let options = Options::default().with_lockstep(true);
    [(); N].map(|()| Listener::listen(&name(transport), &options).unwrap())
}

fn connect(listener: &Listener) -> Channel {
    Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap()
}

fn number(message: &Message) -> i64 {
    let Value::Int(number) = *message.value().unwrap() else { panic!("a number was sent") };
    number
}

fn send_all(outputs: &[Channel], recording: &[(usize, i64)]) {
    for (input, number) in recording {
        outputs[*input].send(&Value::Int(*number), SOON).unwrap();
        outputs[*input]
            .flush(SOON)
            .unwrap_or_else(|e| panic!("message {number} of input {input} in {recording:?}: {e}"));
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Receives from the input that comes next.
    Known,
    /// Waits for all inputs, and looks once at each ready one.
    OneOfEach,
    /// Waits for all inputs, and takes everything from each.
    All,
    /// Like `All`, with descriptors that it asked for once.
    KeptDescriptors,
    /// Looks at each in turn, without a wait.
    Busy,
    /// Waits a moment for each in turn.
    Moments,
}

const WAYS: [Way; 6] = [Way::Known, Way::OneOfEach, Way::All, Way::KeptDescriptors, Way::Busy, Way::Moments];

/// Receives the messages of a recording, and returns their numbers in order.
fn receive_all(inputs: &[Channel], recording: &[(usize, i64)], way: Way) -> Vec<i64> {
    let descriptors = || -> Vec<BorrowedFd<'_>> {
        inputs.iter().for_each(|input| assert!(input.fileno().unwrap() > 2));
        inputs.iter().map(AsFd::as_fd).collect()
    };
    let kept = if matches!(way, Way::KeptDescriptors) { descriptors() } else { Vec::new() };
    let (mut got, began) = (Vec::new(), Instant::now());
    while got.len() < recording.len() {
        assert!(began.elapsed() < SOON, "{way:?}: {got:?} of {recording:?}");
        match way {
            Way::Known => got.push(number(&inputs[recording[got.len()].0].recv(SOON).unwrap())),
            Way::OneOfEach | Way::All | Way::KeptDescriptors => {
                let waited = if kept.is_empty() { descriptors() } else { kept.clone() };
                for ready in linkspan::wait_any(&waited, SOON).unwrap() {
                    while let Ok(message) = inputs[ready].try_recv() {
                        got.push(number(&message));
                        if !matches!(way, Way::All) {
                            break;
                        }
                    }
                }
            }
            Way::Busy => {
                got.extend(inputs.iter().filter_map(|input| input.try_recv().ok()).map(|m| number(&m)))
            }
            Way::Moments => {
                let moment = Duration::from_millis(2);
                got.extend(inputs.iter().filter_map(|input| input.recv(moment).ok()).map(|m| number(&m)));
            }
        }
    }
    got
}

#[test]
fn program_is_given_the_messages_of_several_inputs_in_the_recorded_order() {
    let mut random = Random::new();
    for transport in TRANSPORTS {
        for way in WAYS {
            let recording = recording(&mut random, &[14, 4, 6]);
            let listeners = listeners::<3>(transport);
            thread::scope(|scope| {
                let program = scope.spawn(|| {
                    let inputs = listeners.each_ref().map(connect);
                    receive_all(&inputs, &recording, way)
                });
                let outputs = listeners.each_ref().map(|listener| listener.accept(SOON).unwrap());
                send_all(&outputs, &recording);
                let expected: Vec<i64> = (0..recording.len() as i64).collect();
                assert_eq!(program.join().unwrap(), expected, "{transport}, {way:?}, {recording:?}");
            });
        }
    }
}

/// A thread for each input, which computes and ends after its last message while the channel stays.
#[test]
fn thread_for_each_input_consumes_what_it_computes_with_and_at_its_end() {
    let mut random = Random::new();
    for transport in TRANSPORTS {
        let recording = recording(&mut random, &[14, 4, 6]);
        let listeners = listeners::<3>(transport);
        let inputs = listeners.each_ref().map(connect);
        let outputs = listeners.each_ref().map(|listener| listener.accept(SOON).unwrap());
        let computed = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (at, input) in inputs.iter().enumerate() {
                let (recording, computed) = (&recording, &computed);
                scope.spawn(move || {
                    for _ in recording.iter().filter(|(of, _)| *of == at) {
                        let message = input.recv(SOON).unwrap();
                        // Gives the others time to receive a message before this one is computed.
                        thread::sleep(Duration::from_millis(1));
                        computed.lock().unwrap().push(number(&message));
                    }
                });
            }
            send_all(&outputs, &recording);
        });
        let expected: Vec<i64> = (0..recording.len() as i64).collect();
        assert_eq!(*computed.lock().unwrap(), expected, "{transport}, {recording:?}");
    }
}

/// The next message belongs to another input than the awaited one.
#[test]
fn message_that_the_program_has_not_received_is_not_consumed_by_a_short_wait_for_another_input() {
    for transport in TRANSPORTS {
        let listeners = listeners::<2>(transport);
        let inputs = listeners.each_ref().map(connect);
        let outputs = listeners.each_ref().map(|listener| listener.accept(SOON).unwrap());
        outputs[1].send(&Value::Int(1), SOON).unwrap();
        let error = inputs[0].recv(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{transport}: {error}");
        assert_eq!(outputs[1].flush(Duration::from_millis(50)).unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(number(&inputs[1].recv(SOON).unwrap()), 1);
        assert!(outputs[1].flush(Duration::from_millis(50)).is_err(), "{transport}: the program computes");
        assert!(inputs[0].try_recv().is_err());
        outputs[1].flush(SOON).unwrap();
    }
}

/// Only a thread's own calls consume its message.
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
