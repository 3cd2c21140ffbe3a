//! Processes without a free descriptor: a long body whose slot needs one is sent another way.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Listener, NdArray, Options, Publisher, Server, Subscriber, Value};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::alone::alone;
use crate::support::{SOON, name};

fn without_descriptors<T>(body: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: before.maximum }).unwrap();
    let result = body();
    setrlimit(Resource::Nofile, before).unwrap();
    result
}

fn number(of: &Value, name: &str) -> u64 {
    of.at(name).unwrap().as_u64().unwrap()
}

fn values() -> [Value; 3] {
    let texts = (0..10_000).map(|i| Value::from(format!("{i:020}"))).collect();
    [
        Value::NdArray(NdArray::vector(&vec![0.5f64; 100_000])),
        Value::Bytes(vec![7; 1 << 20].into()),
        Value::Array(texts),
    ]
}

fn pair() -> (Channel, Channel) {
    let listener = Listener::listen(&name("shm"), &Options::default()).unwrap();
    let one = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    one.send(&Value::Null, SOON).unwrap();
    two.recv(SOON).unwrap();
    (one, two)
}

#[test]
fn long_body_of_a_sender_without_descriptors_goes_in_pieces() {
    alone!(long_body_of_a_sender_without_descriptors_goes_in_pieces);
    for value in values() {
        let (one, two) = pair();
        let received = without_descriptors(|| {
            thread::scope(|scope| {
                scope.spawn(|| one.send(&value, SOON).unwrap());
                two.recv(SOON).unwrap()
            })
        });
        assert_eq!(received.value().unwrap(), &value);
        assert_eq!(number(&one.stats(), "bodies_without_slot"), 1);
        // The kernel is not asked again at once.
        for more in 2..=4 {
            thread::scope(|scope| {
                scope.spawn(|| one.send(&value, SOON).unwrap());
                assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &value);
            });
            assert_eq!(number(&one.stats(), "bodies_without_slot"), more);
        }
        assert_eq!(number(&one.stats(), "connections"), 1);
    }
}

/// The ring is full, and the sender sleeps without the descriptor that it usually makes for that.
#[test]
fn sender_without_descriptors_keeps_its_connection_while_it_waits_for_room() {
    alone!(sender_without_descriptors_keeps_its_connection_while_it_waits_for_room);
    let (one, two) = pair();
    let mut sent = 0;
    let error = without_descriptors(|| {
        loop {
            match one.send(&Value::Int(sent), Duration::from_secs(1)) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
        }
    });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    for number in 0..sent {
        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::Int(number));
    }
    one.send(&Value::from("next"), SOON).unwrap();
    assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
    assert_eq!(number(&one.stats(), "connections"), 1, "{:?}", one.stats());
}

/// A sleep without a descriptor gets no signal of the peer's end, so it polls for it.
#[test]
fn sender_without_descriptors_notices_that_its_receiver_was_killed_while_it_waits_for_room() {
    const ENDPOINT: &str = "LINKSPAN_TEST_KILLED_RECEIVER";
    const TEST: &str = "without_descriptors::sender_without_descriptors_notices_that_its_receiver_was_killed_while_it_waits_for_room";
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        channel.recv(SOON).unwrap();
        println!("\nreceived");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    alone!(sender_without_descriptors_notices_that_its_receiver_was_killed_while_it_waits_for_room);
    for (length, fills) in [(10_000, true), (8 << 20, false)] {
        let listener = Listener::listen(&name("shm"), &Options::default()).unwrap();
        let mut receiver = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(ENDPOINT, listener.endpoint())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let channel = listener.accept(SOON).unwrap();
        channel.send(&Value::Null, SOON).unwrap();
        let mut output = BufReader::new(receiver.stdout.take().unwrap()).lines();
        assert!(output.any(|line| line.unwrap() == "received"));
        let value = Value::Bytes(vec![7; length].into());
        let (waits, does_wait) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let error = without_descriptors(|| {
            // Not scoped: after a failed test, the call continues.
            thread::spawn(move || {
                while fills && channel.send(&value, Duration::from_millis(50)).is_ok() {}
                waits.send(()).unwrap();
                let sent = channel.send(&value, None).map(drop);
                ended.send((sent, number(&channel.stats(), "bodies_in_slots"))).unwrap();
            });
            does_wait.recv_timeout(SOON).unwrap();
            // Time for it to fall asleep.
            thread::sleep(Duration::from_millis(50));
            assert!(has_ended.try_recv().is_err(), "{length}: it did not wait");
            receiver.kill().unwrap();
            let (sent, in_slots) =
                has_ended.recv_timeout(SOON).expect("the sender waits for a peer that is gone");
            assert_eq!(in_slots, 0, "{length}");
            sent.unwrap_err()
        });
        receiver.wait().unwrap();
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{length}: {error}");
    }
}

#[test]
fn long_body_stays_the_next_of_a_receiver_without_descriptors() {
    alone!(long_body_stays_the_next_of_a_receiver_without_descriptors);
    for value in values() {
        let (one, two) = pair();
        one.send(&value, SOON).unwrap();
        one.send(&Value::from("next"), SOON).unwrap();
        for _ in 0..3 {
            let error = without_descriptors(|| two.recv(SOON)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        }
        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &value);
        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
        assert_eq!(number(&two.stats(), "missed"), 0);
        assert_eq!(number(&one.stats(), "connections"), 1);
    }
}

#[test]
fn subscriber_without_descriptors_misses_no_more_than_it_says() {
    alone!(subscriber_without_descriptors_misses_no_more_than_it_says);
    for value in values() {
        let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
        let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        publisher.send(&Value::Null).unwrap();
        subscriber.recv(SOON).unwrap();
        publisher.send(&value).unwrap();
        publisher.send(&Value::from("next")).unwrap();
        let error = without_descriptors(|| subscriber.recv(SOON)).unwrap_err();
        assert_eq!((error.kind(), error.missed()), (ErrorKind::OutOfMemory, Some(1)), "{error}");
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
        // The file was not lost: these messages use its slot again.
        for _ in 0..20 {
            publisher.send(&value).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &value);
        }
        assert_eq!(number(&subscriber.stats(), "missed"), 1);
        assert_eq!(number(&subscriber.stats(), "connections"), 1);
    }
}

/// The file of a long message stays in the socket of a subscriber without a descriptor for it.
///
/// That message is reported as missed once. Others arrive, and the wait keeps its deadline.
#[test]
fn subscriber_to_several_names_without_descriptors_receives_what_needs_none() {
    alone!(subscriber_to_several_names_without_descriptors_receives_what_needs_none);
    for value in values() {
        let publishers = [0, 1].map(|_| Publisher::new(&name("shm"), &Options::default()).unwrap());
        let [long, other] = &publishers;
        let subscriber = Subscriber::of(&[long.endpoint(), other.endpoint()], &Options::default()).unwrap();
        for publisher in &publishers {
            publisher.wait_for_subscribers(1, SOON).unwrap();
            publisher.send(&Value::Null).unwrap();
            subscriber.recv(SOON).unwrap();
        }
        long.send(&value).unwrap();
        without_descriptors(|| {
            let error = subscriber.recv(SOON).unwrap_err();
            assert_eq!((error.kind(), error.missed()), (ErrorKind::OutOfMemory, Some(1)), "{error}");
            for (number, publisher) in (0..20).zip(publishers.iter().cycle()) {
                for timeout in [0, 20] {
                    let none = subscriber.recv(Duration::from_millis(timeout)).unwrap_err();
                    assert_eq!(none.kind(), ErrorKind::Timeout, "{none}");
                }
                publisher.send(&Value::from(number)).unwrap();
                assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from(number));
            }
        });
        for _ in 0..20 {
            long.send(&value).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &value);
        }
        assert_eq!(number(&subscriber.stats(), "missed"), 1);
    }
}

/// The unread file ends each sleep at once, but the deadline holds, and other clients are served.
#[test]
fn server_without_descriptors_keeps_its_deadlines_and_serves_later() {
    alone!(server_without_descriptors_keeps_its_deadlines_and_serves_later);
    let endpoint = name("shm");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let clients = [0, 1].map(|_| Channel::connect(&endpoint, &Options::default(), SOON).unwrap());
    let answer = || {
        let request = server.next(SOON).unwrap().unwrap();
        request.reply(request.value().unwrap()).unwrap();
    };
    let called = |client: &Channel, value: &Value| {
        thread::scope(|scope| {
            let call = scope.spawn(|| client.call(value, SOON).map(|reply| reply.value().unwrap().clone()));
            answer();
            call.join().unwrap()
        })
    };
    for client in &clients {
        assert_eq!(called(client, &Value::Int(1)).unwrap(), Value::Int(1));
    }
    let [long, short] = &clients;
    let value = Value::Bytes(vec![7; 1 << 20].into());
    // The slot already has its file: the sender needs no descriptor.
    drop(long.loan_bytes(1 << 20).unwrap());
    without_descriptors(|| {
        let refused = thread::scope(|scope| {
            let call = scope.spawn(|| long.call(&value, SOON).unwrap_err());
            for timeout in [300, 0] {
                let waited = server.next(Duration::from_millis(timeout));
                assert_eq!(waited.unwrap_err().kind(), ErrorKind::Timeout);
            }
            call.join().unwrap()
        });
        assert_eq!(refused.kind(), ErrorKind::Remote, "{refused}");
        assert!(refused.text().contains("ulimit -n"), "{refused}");
        assert_eq!(called(short, &Value::Int(2)).unwrap(), Value::Int(2));
        assert_eq!(server.next(Duration::from_millis(300)).unwrap_err().kind(), ErrorKind::Timeout);
    });
    assert_eq!(called(long, &value).unwrap(), value);
}
