//! Several messages per call: the number sent before an error, consumption, and no losses between threads.

use std::thread;
use std::time::Duration;

use crate::support::{SOON, name};
use bytes::Bytes;
use linkspan::{Channel, Encoding, ErrorKind, EventKind, Options, Payload, Publisher, Subscriber, Value};

const LINKS: [&str; 4] = ["shm", "unix", "tcp", "fifo"];

fn options(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

fn pair(endpoint: &str, receiver: &Options, sender: &Options) -> (Channel, Channel) {
    let receiver = Channel::open(endpoint, receiver, SOON).unwrap();
    (receiver, Channel::connect(endpoint, sender, SOON).unwrap())
}

fn numbers(range: std::ops::Range<i64>) -> Vec<Value> {
    range.map(Value::Int).collect()
}

fn receive(receiver: &Channel, count: usize) -> Vec<i64> {
    let mut got = Vec::new();
    while got.len() < count {
        let some = receiver.recv_many(count - got.len(), SOON).unwrap();
        got.extend(some.iter().map(|message| message.value().unwrap().as_i64().unwrap()));
    }
    got
}

#[test]
fn batch_over_the_replay_limit_returns_the_number_sent() {
    for transport in LINKS {
        let few = options(&[("replay_count", 10.into())]);
        let (receiver, sender) = pair(&name(transport), &Options::default(), &few);
        let all = numbers(0..25);
        let full = sender.send_many(&all, Duration::ZERO).unwrap_err();
        assert_eq!((full.kind(), full.sent()), (ErrorKind::Full, Some(10)), "{transport}: {full}");
        assert!(full.to_string().contains("10 messages of the batch"), "{full}");
        let late = sender.send_many(&all[10..], Duration::from_millis(50)).unwrap_err();
        assert_eq!((late.kind(), late.sent()), (ErrorKind::Timeout, Some(0)), "{transport}: {late}");
        thread::scope(|s| {
            s.spawn(|| assert_eq!(sender.send_many(&all[10..], SOON).unwrap(), 15));
            assert_eq!(receive(&receiver, 25), (0..25).collect::<Vec<_>>(), "{transport}");
        });
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    }
}

/// Over a stream the last message may be sent in part.
#[test]
fn batch_with_room_for_some_is_received_up_to_the_number_in_the_error() {
    for transport in LINKS {
        let much = options(&[("replay_count", 1_000_000.into()), ("replay_bytes", (1i64 << 30).into())]);
        let (receiver, sender) = pair(&name(transport), &Options::default(), &much);
        let all: Vec<_> = (0..100_000i64)
            .map(|i| Value::Array(vec![Value::Int(i), Value::from("x".repeat((i % 211) as usize).as_str())]))
            .collect();
        let full = sender.send_many(&all, Duration::ZERO).unwrap_err();
        let sent = full.sent().unwrap() as usize;
        assert_eq!(full.kind(), ErrorKind::Full, "{transport}: {full}");
        assert!(sent > 1 && sent < all.len(), "{transport}: {sent}");
        let mut got = 0;
        while got < sent {
            for message in receiver.recv_many(1000, SOON).unwrap() {
                assert_eq!(message.value().unwrap(), &all[got], "{transport}: message {got}");
                got += 1;
            }
        }
        assert_eq!(got, sent, "{transport}");
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::Empty, "{transport}");
        assert_eq!(sender.send_many(&all[sent..sent + 2], SOON).unwrap(), 2);
        assert_eq!(receiver.recv_many(1, SOON).unwrap()[0].value().unwrap(), &all[sent]);
    }
}

#[test]
fn batch_with_a_value_that_has_no_form_sends_those_before_it() {
    for transport in LINKS {
        let raw = options(&[("encoding", "raw".into())]);
        let (receiver, sender) = pair(&name(transport), &raw, &raw);
        let bytes = |byte: u8| Value::from(Bytes::from(vec![byte; 3]));
        let refused = sender.send_many([bytes(1), bytes(2), Value::Int(3), bytes(4)], SOON).unwrap_err();
        assert_eq!((refused.kind(), refused.sent()), (ErrorKind::Unsupported, Some(2)), "{refused}");
        for byte in [1, 2] {
            assert_eq!(receiver.recv(SOON).unwrap().body()[..], [byte; 3]);
        }
        assert_eq!(receiver.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    }
}

#[test]
fn batch_with_a_message_over_the_limit_sends_those_before_it() {
    for transport in LINKS {
        let narrow = options(&[("max_message_size", 1000.into())]);
        let (receiver, sender) = pair(&name(transport), &narrow, &Options::default());
        let batch: Vec<_> =
            [10, 1000, 1001, 10].map(|size| Payload::from_bytes(Encoding::Raw, vec![0; size].into())).into();
        let refused = sender.send_payloads(&batch, SOON).unwrap_err();
        assert_eq!((refused.kind(), refused.sent()), (ErrorKind::TooLarge, Some(2)), "{refused}");
        assert_eq!(receiver.recv_many(10, SOON).unwrap().len(), 2);
    }
}

/// The next incarnation gets an unconsumed batch again, as a whole.
#[test]
fn batch_that_was_received_counts_as_consumed_with_the_next_call() {
    for transport in ["shm", "unix", "tcp", "fifo", "spool"] {
        let endpoint = name(transport);
        let by_hand = options(&[("ack", "manual".into()), ("client_id", "hand".into())]);
        let sender_options = options(&[("client_id", "sender".into())]);
        let (receiver, sender) = pair(&endpoint, &by_hand, &sender_options);
        assert_eq!(sender.send_many(numbers(0..10), SOON).unwrap(), 10);
        let all = || (0..10).collect::<Vec<_>>();
        assert_eq!(receive(&receiver, 10), all(), "{transport}");
        let _ = receiver.close(Duration::ZERO);
        drop(receiver);
        let receiver = Channel::open(&endpoint, &options(&[("client_id", "hand".into())]), SOON).unwrap();
        if transport != "spool" {
            // A side that only sends notices the end of its link at its calls.
            while !sender.events().iter().any(|event| event.kind == EventKind::Reconnected) {
                sender.poll().unwrap();
            }
        }
        assert_eq!(receive(&receiver, 10), all(), "{transport}");
        sender.send(&Value::Int(10), SOON).unwrap();
        assert_eq!(receive(&receiver, 1), [10], "{transport}");
        assert_eq!(receiver.recv(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
        sender.close(SOON).unwrap();
    }
}

#[test]
fn batch_from_each_of_several_threads_loses_nothing_and_keeps_each_ones_order() {
    const THREADS: i64 = 4;
    const EACH: i64 = 3000;
    for transport in LINKS {
        let (receiver, sender) = pair(&name(transport), &Options::default(), &Options::default());
        thread::scope(|s| {
            for thread in 0..THREADS {
                let sender = &sender;
                s.spawn(move || {
                    let mut next = 0;
                    while next < EACH {
                        let end = EACH.min(next + 1 + next % 97);
                        let batch = (next..end).map(|i| Value::Array(vec![thread.into(), i.into()]));
                        assert_eq!(sender.send_many(batch, SOON).unwrap(), (end - next) as u64);
                        next = end;
                    }
                });
            }
            let mut next = [0; THREADS as usize];
            let mut sequence = 0;
            while next.iter().sum::<i64>() < THREADS * EACH {
                for message in receiver.recv_many(50, SOON).unwrap() {
                    sequence += 1;
                    assert_eq!(message.sequence(), sequence);
                    let Value::Array(pair) = message.value().unwrap() else { panic!("{message:?}") };
                    let thread = pair[0].as_i64().unwrap() as usize;
                    assert_eq!(pair[1].as_i64().unwrap(), next[thread], "{transport}: thread {thread}");
                    next[thread] += 1;
                }
            }
        });
    }
}

#[test]
fn error_behind_received_messages_is_returned_by_the_next_call() {
    for transport in ["unix", "shm"] {
        let endpoint = name(transport);
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let subscriber = Subscriber::new(&endpoint, &options(&[("max_message_size", 100.into())])).unwrap();
        let body = |size: usize| Payload::from_bytes(Encoding::Raw, vec![0; size].into());
        assert_eq!(publisher.send_payloads(&[body(1), body(2), body(101), body(4)]).unwrap(), 4);
        let lengths = |wait: Duration| {
            subscriber.recv_many(9, wait).map(|some| some.iter().map(|m| m.body().len()).collect::<Vec<_>>())
        };
        let mut first = lengths(SOON).unwrap();
        if first.len() < 2 {
            first.extend(lengths(SOON).unwrap());
        }
        assert_eq!(first, [1, 2], "{transport}");
        assert_eq!(lengths(SOON).unwrap_err().kind(), ErrorKind::TooLarge, "{transport}");
        let last = match lengths(SOON) {
            // The gap in the numbers of a stream repeats the report.
            Err(e) if e.kind() == ErrorKind::Lagged => lengths(SOON),
            last => last,
        };
        assert_eq!(last.unwrap(), [4], "{transport}");
        assert_eq!(lengths(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
    }
}

/// The messages before the gap come first, then the number of missed ones.
#[test]
fn overtaken_subscriber_receives_or_counts_every_message() {
    for transport in ["shm", "unix", "tcp"] {
        let endpoint = name(transport);
        let small = options(&[("buffer", 4096.into())]);
        let publisher = Publisher::new(&endpoint, &small).unwrap();
        let subscriber = Subscriber::new(&endpoint, &small).unwrap();
        const COUNT: u64 = 20_000;
        publisher.send_many((0..COUNT).map(|i| Value::Int(i as i64))).unwrap();
        let (mut got, mut missed, mut last) = (0, 0, 0);
        while last < COUNT {
            match subscriber.recv_many(100, SOON) {
                Ok(some) => some.iter().for_each(|message| {
                    assert_eq!(message.sequence(), got + missed + 1, "{transport}: in order");
                    last = message.sequence();
                    got += 1;
                }),
                Err(e) if e.kind() == ErrorKind::Lagged => missed += e.missed().unwrap(),
                Err(e) => panic!("{transport}: {e}"),
            }
        }
        assert_eq!(got + missed, COUNT, "{transport}");
        assert!(missed > 0, "{transport}: it was not overtaken");
    }
}

#[test]
fn batch_into_a_journal_is_read_whole() {
    let endpoint = name("journal");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(publisher.send_many(numbers(0..1000)).unwrap(), 1000);
    let subscriber = Subscriber::new(&endpoint, &options(&[("from", "first".into())])).unwrap();
    let mut next = 0;
    while next < 1000 {
        for message in subscriber.recv_many(300, SOON).unwrap() {
            assert_eq!(message.value().unwrap(), &Value::Int(next));
            next += 1;
        }
    }
}
