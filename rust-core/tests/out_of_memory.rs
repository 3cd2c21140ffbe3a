//! Receivers without memory for a long message: nothing is lost silently.
//!
//! A message that a channel cannot take stays the next message. A server answers with the error, and a
//! subscriber counts missed messages.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{
    Acknowledge, Channel, Encoding, Error, ErrorKind, EventKind, Listener, Message, NdArray, Options,
    Payload, Publisher, Server, Subscriber, Value, wait_any,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::alone::alone;
use crate::support::{SOON, name};

const MIB: usize = 1 << 20;
/// The length of the messages. The library keeps no block of that length.
const LONG: usize = 40 * MIB;
/// Not enough for a view or a copy of a message.
const ROOM: usize = 12 * MIB;
const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

/// Calls `body` with only [`ROOM`] more data (for copies) or addresses (for views) for this process.
fn in_room<T>(of: Resource, body: impl FnOnce() -> T) -> T {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split_whitespace().nth(if of == Resource::As { 0 } else { 5 }).unwrap();
    let (used, before) = (pages.parse::<u64>().unwrap() * 4096, getrlimit(of));
    setrlimit(of, Rlimit { current: Some(used + ROOM as u64), maximum: before.maximum }).unwrap();
    let result = body();
    setrlimit(of, before).unwrap();
    result
}

fn fresh_values() -> [Value; 3] {
    // SAFETY: no memory is concerned.
    assert_eq!(unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 17) }, 1);
    values()
}

/// The scarce resource: views of arrays over shared memory need addresses, everything else data.
fn scarce(transport: &str, value: &Value) -> Resource {
    let is_viewed = transport == "shm" && matches!(value, Value::NdArray(_));
    if is_viewed { Resource::As } else { Resource::Data }
}

fn number(of: &Value, name: &str) -> u64 {
    of.at(name).unwrap().as_u64().unwrap()
}

fn bytes(seed: u8) -> Value {
    Value::Bytes(vec![seed; LONG].into())
}

fn values() -> [Value; 3] {
    let texts = (0..LONG / 200).map(|i| Value::from(format!("{i:0200}"))).collect();
    [Value::NdArray(NdArray::vector(&vec![0.5f64; LONG / 8])), bytes(7), Value::Array(texts)]
}

/// Compares without decoding, which would free short blocks and make room for long ones.
fn has(message: &Message, value: &Value) -> bool {
    *message.body() == linkspan::codec::encode(value, Encoding::Cbor).unwrap()
}

fn pair(transport: &str, options: &Options) -> (Channel, Channel) {
    let listener = Listener::listen(&name(transport), options).unwrap();
    let one = Channel::connect(&listener.endpoint(), options, SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    one.send(&Value::Null, SOON).unwrap();
    two.recv(SOON).unwrap();
    (one, two)
}

/// Lets the peer acknowledge messages, so that freed copies of the sender are not room later.
fn is_consumed(one: &Channel, two: &Channel) {
    assert_eq!(two.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let _ = two.ack();
    one.flush(SOON).unwrap();
}

/// Repeats a call until it fails for lack of memory: over a stream the first parts may be missing.
fn refused<T>(attempt: impl Fn() -> Result<T, Error>) {
    loop {
        let error = attempt().err().expect("there is no memory for it");
        match error.kind() {
            ErrorKind::OutOfMemory => return,
            ErrorKind::Empty | ErrorKind::Timeout => thread::yield_now(),
            _ => panic!("{error}"),
        }
    }
}

/// Sends a payload and a short message, calls `body` in little room, and then `after`.
fn sent_to(one: &Channel, payload: &Payload, scarce: Resource, body: impl FnOnce(), after: impl FnOnce()) {
    let send = || {
        one.send_payload(payload, SOON).unwrap();
        one.send(&Value::from("next"), SOON).unwrap();
    };
    if one.endpoint().starts_with("shm:") {
        send();
        in_room(scarce, body);
        return after();
    }
    thread::scope(|scope| {
        scope.spawn(send);
        in_room(scarce, body);
        after();
    });
}

#[test]
fn message_without_memory_stays_the_next_for_each_call_that_receives() {
    alone!(message_without_memory_stays_the_next_for_each_call_that_receives);
    let values = fresh_values();
    for transport in TRANSPORTS {
        for ack in [Acknowledge::Auto, Acknowledge::Manual] {
            let mut options = Options::default();
            options.ack = ack;
            let (one, two) = pair(transport, &options);
            for value in &values {
                for round in 0..2 {
                    let payload = one.encode(value).unwrap();
                    let refuse = || {
                        refused(|| two.recv(SOON));
                        refused(|| two.try_recv());
                        refused(|| two.recv_many(8, SOON));
                        refused(|| match two.poll() {
                            Ok(false) => Err(Error::new(ErrorKind::Empty, "")),
                            polled => polled,
                        });
                    };
                    // After the slot is mapped, a view needs nothing.
                    let is_viewed = round == 1 && scarce(transport, value) == Resource::As;
                    let refuse = || {
                        if !is_viewed {
                            refuse()
                        }
                    };
                    sent_to(&one, &payload, scarce(transport, value), refuse, || {
                        let message = two.recv(SOON).unwrap();
                        assert!(has(&message, value), "{transport}");
                        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
                    });
                    is_consumed(&one, &two);
                }
            }
            assert_eq!(number(&two.stats(), "missed"), 0, "{transport}");
            assert_eq!(number(&two.stats(), "received"), 1 + 3 * 2 * 2, "{transport}");
            two.close(SOON).unwrap();
            one.flush(SOON).unwrap();
        }
    }
}

/// The message stays the next one if the program's memory is too short.
#[test]
fn message_without_memory_is_received_into_memory_of_the_program() {
    alone!(message_without_memory_is_received_into_memory_of_the_program);
    let (one, two) = pair("shm", &Options::default());
    let payload = Payload::from_bytes(Encoding::Raw, vec![7; LONG].into());
    let mut memory = vec![0; LONG];
    one.send_payload(&payload, SOON).unwrap();
    two.recv_into(&mut memory, SOON).unwrap();
    is_consumed(&one, &two);
    memory.fill(0);
    let receive = || {
        refused(|| two.recv(SOON));
        assert_eq!(two.recv_into(&mut [0; 10], SOON).unwrap_err().kind(), ErrorKind::TooLarge);
        refused(|| two.recv(SOON));
        assert_eq!(two.recv_into(&mut memory, SOON).unwrap().length, LONG);
    };
    let after = || assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
    sent_to(&one, &payload, Resource::Data, receive, after);
    assert!(memory.iter().all(|byte| *byte == 7));
}

/// The receiver keeps views in all slots, so the body comes in pieces through the ring.
#[test]
fn message_in_pieces_without_memory_stays_the_next() {
    alone!(message_in_pieces_without_memory_stays_the_next);
    let (one, two) = pair("shm", &Options::default());
    let mut held = Vec::new();
    while number(&one.stats(), "arrays_without_slot") == 0 {
        let array = Value::NdArray(NdArray::vector(&vec![7u64; MIB / 16]));
        thread::scope(|scope| {
            scope.spawn(|| one.send(&array, SOON).unwrap());
            held.push(two.recv(SOON).unwrap());
        });
    }
    let [_, bytes, structure] = fresh_values();
    let before = number(&one.stats(), "bodies_without_slot");
    for value in [bytes, structure] {
        let payload = Payload::new(&value, Encoding::Cbor, &linkspan::value::Limits::default()).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| one.send_payload(&payload, SOON).unwrap());
            in_room(Resource::Data, || (0..3).for_each(|_| refused(|| two.recv(SOON))));
            assert!(has(&two.recv(SOON).unwrap(), &value));
        });
        is_consumed(&one, &two);
    }
    assert_eq!(number(&one.stats(), "bodies_without_slot") - before, 2);
}

#[test]
fn caller_of_a_server_without_memory_gets_that_error() {
    alone!(caller_of_a_server_without_memory_gets_that_error);
    let values = fresh_values();
    for transport in TRANSPORTS {
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let short = client.encode(&Value::from(1)).unwrap();
        let serve_one = || {
            thread::scope(|scope| {
                // The server may have to skip the rest of an earlier request.
                let asked = scope.spawn(|| client.start_call(&short, SOON).unwrap());
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(request.message().value().unwrap()).unwrap();
                client.finish_call(&asked.join().unwrap(), SOON).unwrap();
            });
        };
        serve_one();
        let mut dropped = 0;
        // Their memory is not freed before the end.
        let payloads: Vec<_> = values.iter().map(|value| client.encode(value).unwrap()).collect();
        for (value, long) in values.iter().zip(&payloads) {
            let mut is_refused = || {
                dropped += 1;
                in_room(scarce(transport, value), || {
                    while number(&server.stats(), "dropped") < dropped {
                        let none = server.next(Duration::from_millis(1));
                        assert_eq!(none.unwrap_err().kind(), ErrorKind::Timeout);
                    }
                });
            };
            let asked = if transport == "shm" {
                let asked = client.start_call(long, SOON).unwrap();
                is_refused();
                asked
            } else {
                thread::scope(|scope| {
                    let asked = scope.spawn(|| client.start_call(long, SOON).unwrap());
                    is_refused();
                    while !asked.is_finished() {
                        server.next(Duration::from_millis(1)).unwrap_err();
                    }
                    asked.join().unwrap()
                })
            };
            let failed = loop {
                match client.finish_call(&asked, Duration::ZERO).unwrap_err() {
                    error if error.kind() != ErrorKind::Timeout => break error,
                    _ => server.next(Duration::from_millis(1)).unwrap_err(),
                };
            };
            let remote = failed.remote_failure().map(|failure| &*failure.kind);
            assert_eq!((failed.kind(), remote), (ErrorKind::Remote, Some("OutOfMemory")), "{failed}");
            serve_one();
        }
        assert_eq!(number(&server.stats(), "received"), 1 + 3, "{transport}");
        client.close(SOON).unwrap();
    }
}

/// A message to a server without a reply is counted and reported by an event.
#[test]
fn message_to_a_server_without_memory_is_counted_and_an_event() {
    alone!(message_to_a_server_without_memory_is_counted_and_an_event);
    let server = Server::serve(&name("shm"), &Options::default()).unwrap();
    let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    client.send(&bytes(7), SOON).unwrap();
    in_room(Resource::Data, || {
        while number(&server.stats(), "dropped") == 0 {
            server.next(Duration::from_millis(1)).unwrap_err();
        }
    });
    assert!(server.events().iter().any(|event| event.kind == EventKind::Lagged && event.missed == 1));
    assert_eq!(number(&server.stats(), "missed"), 1);
    client.send(&Value::from(2), SOON).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().message().value().unwrap(), &Value::from(2));
    client.flush(Duration::from_millis(1)).unwrap_err();
}

#[test]
fn answer_without_memory_is_received_by_another_try_or_dropped() {
    alone!(answer_without_memory_is_received_by_another_try_or_dropped);
    let values = fresh_values();
    for transport in TRANSPORTS {
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let short = client.encode(&Value::from(1)).unwrap();
        let answer = |value: &Value| {
            let request = server.next(SOON).unwrap().unwrap();
            request.reply(value).unwrap();
        };
        for value in &values {
            let asked = client.start_call(&short, SOON).unwrap();
            answer(value);
            let keeps_sending = || drop(server.next(Duration::from_millis(1)));
            in_room(scarce(transport, value), || {
                refused(|| {
                    keeps_sending();
                    client.finish_call(&asked, Duration::ZERO)
                });
                refused(|| client.finish_call(&asked, SOON));
            });
            let has_come = AtomicBool::new(false);
            let reply = thread::scope(|scope| {
                scope.spawn(|| {
                    while !has_come.load(Ordering::Relaxed) {
                        keeps_sending();
                    }
                });
                let reply = client.finish_call(&asked, SOON);
                has_come.store(true, Ordering::Relaxed);
                reply.unwrap()
            });
            assert!(has(&reply, value), "{transport}");
        }
    }
}

#[test]
fn late_answer_without_memory_does_not_hold_up_the_next_call() {
    alone!(late_answer_without_memory_does_not_hold_up_the_next_call);
    let server = Server::serve(&name("shm"), &Options::default()).unwrap();
    let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    let short = client.encode(&Value::from(1)).unwrap();
    let (long, value) = (bytes(7), Value::from(1));
    thread::scope(|scope| {
        let (ask, asked) = std::sync::mpsc::channel();
        let (limit, limited) = std::sync::mpsc::channel();
        let client = &client;
        let caller = scope.spawn(move || {
            let first = client.call_payload(&short, SOON).unwrap_err();
            ask.send(()).unwrap();
            limited.recv().unwrap();
            (first, client.call_payload(&short, SOON).map(|reply| reply.value().unwrap().clone()))
        });
        let request = server.next(SOON).unwrap().unwrap();
        let reply = request.encode(&long).unwrap();
        in_room(Resource::Data, || {
            request.reply_payload(&reply).unwrap();
            asked.recv().unwrap();
            limit.send(()).unwrap();
            server.next(SOON).unwrap().unwrap().reply(&value).unwrap();
            let (first, second) = caller.join().unwrap();
            assert_eq!((first.kind(), second.unwrap()), (ErrorKind::OutOfMemory, value));
        });
    });
    assert_eq!(number(&client.stats(), "dropped"), 1);
}

/// The loss is counted at once, with the reason.
#[test]
fn subscriber_without_memory_counts_what_it_missed() {
    alone!(subscriber_without_memory_counts_what_it_missed);
    let values = fresh_values();
    for (transport, way) in
        TRANSPORTS.into_iter().flat_map(|transport| (0..3).map(move |way| (transport, way)))
    {
        let publisher = Publisher::new(&name(transport), &Options::default()).unwrap();
        let endpoint = publisher.endpoint();
        let subscriber = match way {
            0 => Subscriber::new(endpoint, &Options::default()),
            1 => Subscriber::of(&[endpoint, &name("shm")], &Options::default()),
            // A name over TCP is an address, which patterns cannot match.
            _ if transport == "tcp" => continue,
            _ => Subscriber::of(&[&format!("{endpoint}*")], &Options::default()),
        }
        .unwrap();
        let shown = format!("{transport}, {way}");
        publisher.wait_for_subscribers(1, SOON).unwrap();
        publisher.send(&Value::from(0)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from(0), "{shown}");
        for (at, value) in values.iter().enumerate() {
            publisher.send(value).unwrap();
            let error = in_room(scarce(transport, value), || {
                loop {
                    match subscriber.recv(SOON).unwrap_err() {
                        error if error.kind() == ErrorKind::Timeout => {}
                        error => break error,
                    }
                }
            });
            assert_eq!((error.kind(), error.missed()), (ErrorKind::OutOfMemory, Some(1)), "{shown}: {error}");
            assert!(error.to_string().contains("the message is missed"), "{shown}: {error}");
            assert_eq!(number(&subscriber.stats(), "missed"), at as u64 + 1, "{shown}");
            let events = subscriber.events();
            let lags = events.iter().filter(|event| event.kind == EventKind::Lagged && event.missed == 1);
            assert_eq!(lags.count(), 1, "{shown}: {events:?}");
            publisher.send(&Value::from(1)).unwrap();
            assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from(1), "{shown}");
            assert_eq!(number(&subscriber.stats(), "missed"), at as u64 + 1, "{shown}");
        }
    }
}

/// The call on the channel reports the lack of memory; other channels continue to receive.
#[test]
fn wait_for_several_channels_goes_on_beside_a_message_without_memory() {
    alone!(wait_for_several_channels_goes_on_beside_a_message_without_memory);
    let values = fresh_values();
    let (one, two) = pair("shm", &Options::default());
    let (other, third) = pair("shm", &Options::default());
    for value in &values {
        let payload = one.encode(value).unwrap();
        one.send_payload(&payload, SOON).unwrap();
        // An array in a slot that is already mapped would be viewed.
        in_room(scarce("shm", value), || {
            refused(|| two.try_recv());
            for number in 0..3 {
                other.send(&Value::from(number), SOON).unwrap();
                let ready = wait_any(&[third.as_fd(), two.as_fd()], SOON).unwrap();
                assert!(ready.contains(&0), "{ready:?}");
                assert_eq!(third.try_recv().unwrap().value().unwrap(), &Value::from(number));
                refused(|| two.try_recv());
            }
        });
        assert!(has(&two.recv(SOON).unwrap(), value));
        is_consumed(&one, &two);
    }
}

#[test]
fn record_of_a_journal_without_memory_stays_the_next() {
    alone!(record_of_a_journal_without_memory_stays_the_next);
    let values = fresh_values();
    let publisher = Publisher::new(&name("journal"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    publisher.send(&Value::from(0)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from(0));
    for value in &values {
        publisher.send(value).unwrap();
        in_room(Resource::Data, || (0..3).for_each(|_| refused(|| subscriber.recv(SOON))));
        assert!(has(&subscriber.recv(SOON).unwrap(), value));
    }
    assert_eq!(number(&subscriber.stats(), "missed"), 0);
}

/// The publisher uses the blocks of the pool, and the reason names the message.
#[test]
fn publisher_without_memory_uses_that_of_the_pool_and_says_what_it_could_not_publish() {
    alone!(publisher_without_memory_uses_that_of_the_pool_and_says_what_it_could_not_publish);
    const BLOCK: usize = 15 * MIB;
    // SAFETY: no memory is concerned.
    assert_eq!(unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 17) }, 1);
    let publisher = Publisher::new(&name("shm"), &Options::default()).unwrap();
    let subscriber = Subscriber::new(publisher.endpoint(), &Options::default()).unwrap();
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let payload = Payload::from_bytes(Encoding::Raw, vec![7; BLOCK].into());
    // The pool has a block of the message's length, from a received message.
    let (one, two) = pair("unix", &Options::default());
    thread::scope(|scope| {
        scope.spawn(|| one.send_payload(&payload, SOON).unwrap());
        assert_eq!(two.recv(SOON).unwrap().body().len(), BLOCK);
    });
    in_room(Resource::As, || publisher.send_payload(&payload).unwrap());
    assert!(subscriber.recv(SOON).unwrap().body()[..] == payload.body()[..]);
    assert_eq!(number(&publisher.stats(), "bodies_in_slots"), 1);
    let long = Payload::from_bytes(Encoding::Raw, vec![7; LONG].into());
    let error = in_room(Resource::As, || publisher.send_payload(&long).unwrap_err());
    let text = error.to_string();
    assert!(
        error.kind() == ErrorKind::OutOfMemory && text.contains(&format!("a message of {LONG} bytes")),
        "{text}"
    );
    assert!(text.contains("there was no slot for it") && text.contains("allow the program"), "{text}");
    publisher.send(&Value::from(1)).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from(1));
    assert_eq!(number(&subscriber.stats(), "missed"), 0);
}

#[test]
fn message_of_a_spool_without_memory_stays_the_next() {
    alone!(message_of_a_spool_without_memory_stays_the_next);
    let values = fresh_values();
    let listener = Listener::listen(&name("spool"), &Options::default()).unwrap();
    let one = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
    one.send(&Value::Null, SOON).unwrap();
    let two = listener.accept(SOON).unwrap();
    two.recv(SOON).unwrap();
    let payloads: Vec<_> = values.iter().map(|value| one.encode(value).unwrap()).collect();
    for (value, payload) in values.iter().zip(&payloads) {
        one.send_payload(payload, SOON).unwrap();
        one.send(&Value::from("next"), SOON).unwrap();
        in_room(Resource::Data, || {
            (0..3).for_each(|_| refused(|| two.recv(SOON)));
            refused(|| two.try_recv());
        });
        assert!(has(&two.recv(SOON).unwrap(), value));
        assert_eq!(two.recv(SOON).unwrap().value().unwrap(), &Value::from("next"));
    }
    assert_eq!(number(&two.stats(), "missed"), 0);
}

/// No other input receives anything before the message is consumed.
#[test]
fn message_in_lockstep_without_memory_stays_the_next_of_all_inputs() {
    alone!(message_in_lockstep_without_memory_stays_the_next_of_all_inputs);
    let values = fresh_values();
    for transport in TRANSPORTS {
        let lockstep = Options::default().with_lockstep(true);
        let listeners = [0, 1].map(|_| Listener::listen(&name(transport), &lockstep).unwrap());
        let inputs = listeners
            .each_ref()
            .map(|listener| Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap());
        let outputs = listeners.each_ref().map(|listener| listener.accept(SOON).unwrap());
        for value in &values {
            let payload = outputs[0].encode(value).unwrap();
            let send = || assert!(outputs[0].send_payload(&payload, SOON).unwrap() > 0);
            // A slot needs the sender's memory, which is here also this process's.
            let is_sent = transport == "shm";
            if is_sent {
                send();
            }
            thread::scope(|scope| {
                let sender = scope.spawn(|| {
                    if !is_sent {
                        send();
                    }
                    outputs[0].flush(SOON).unwrap();
                    outputs[1].send(&Value::from("other"), SOON).unwrap();
                    outputs[1].flush(SOON).unwrap();
                });
                in_room(scarce(transport, value), || {
                    refused(|| inputs[0].recv(SOON));
                    refused(|| inputs[0].try_recv());
                    let none = inputs[1].recv(Duration::from_millis(20)).unwrap_err();
                    assert_eq!(none.kind(), ErrorKind::Timeout, "{transport}: {none}");
                    refused(|| inputs[0].recv(SOON));
                });
                assert!(!sender.is_finished(), "{transport}: it was not consumed");
                assert!(has(&inputs[0].recv(SOON).unwrap(), value), "{transport}");
                assert_eq!(inputs[1].recv(SOON).unwrap().value().unwrap(), &Value::from("other"));
                assert_eq!(inputs[1].try_recv().unwrap_err().kind(), ErrorKind::Empty);
                sender.join().unwrap();
            });
        }
        for (input, count) in inputs.iter().zip([3, 3]) {
            let stats = input.stats();
            assert_eq!((number(&stats, "received"), number(&stats, "missed")), (count, 0), "{transport}");
        }
    }
}
