//! Allocations of a message on its way: counted, because a count depends on no clock.

use std::mem::MaybeUninit;
use std::thread;

use crate::counting::{allocations, peak};
use crate::support::{SOON, name};
use bytes::Bytes;
use linkspan::{
    Channel, Encoding, Listener, Loan, Message, Options, Payload, Publisher, Server, Subscriber, Uncopied,
    Value,
};

fn content(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, Bytes::from(vec![7; bytes]))
}

fn asleep_at_once() -> Options {
    let mut options = Options::default();
    options.set("spin", &Value::from(0)).unwrap();
    options
}

/// Returns the allocations of a send and a receive of this size within one thread, in shared memory.
fn a_message(bytes: usize) -> (usize, usize) {
    let endpoint = name("shm");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let payload = content(bytes);
    let exchange = || {
        a.send_payload(&payload, SOON).unwrap();
        b.recv(SOON).unwrap();
    };
    (0..200).for_each(|_| exchange());
    let ((), sent) = allocations(|| a.send_payload(&payload, SOON).map(drop).unwrap());
    let (message, received) = allocations(|| b.recv(SOON).unwrap());
    assert_eq!(message.body(), payload.body());
    (sent, received)
}

#[test]
fn small_message_over_shared_memory_allocates_nothing() {
    for bytes in [0, 1, 64] {
        assert_eq!(a_message(bytes), (0, 0), "{bytes} bytes");
    }
}

/// A message allocates nothing; neither does a copy, if nothing is kept to be sent again.
#[test]
fn bytes_and_memory_of_the_program_over_shared_memory_allocate_nothing() {
    for (delivery, bytes) in [("at_least_once", 0), ("at_least_once", 64), ("best_effort", 10_000)] {
        let mut options = Options::default();
        options.set("delivery", &Value::from(delivery)).unwrap();
        let endpoint = name("shm");
        let listener = Listener::listen(&endpoint, &options).unwrap();
        let a = Channel::connect(&endpoint, &options, SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let (sent, mut memory) = (vec![7; bytes], vec![0; bytes]);
        let mut rounds_that_allocate = 0;
        for round in 0..200 {
            let (_, to_send) = allocations(|| a.send_bytes(Encoding::Raw, &sent, SOON).unwrap());
            let (_, to_receive) = allocations(|| b.recv_into(&mut memory, SOON).unwrap());
            rounds_that_allocate += usize::from(round >= 100 && (to_send, to_receive) != (0, 0));
        }
        // In each lap of the ring two messages allocate.
        let laps = 1 + 100 * (bytes + 32) / (256 << 10);
        assert!(rounds_that_allocate <= 2 * laps, "{bytes} bytes: {rounds_that_allocate} of 100");
    }
}

#[test]
fn published_bytes_and_loans_over_shared_memory_allocate_at_most_what_a_small_loan_has() {
    let mut options = Options::default();
    options.set("encoding", &Value::from("raw")).unwrap();
    for bytes in [1, 64, 2000, 10_000] {
        let endpoint = name("shm");
        let publisher = Publisher::new(&endpoint, &options).unwrap();
        let subscriber = Subscriber::new(&endpoint, &options).unwrap();
        let (sent, mut memory) = (vec![7; bytes], vec![0; bytes]);
        let (mut of_bytes, mut of_loans) = (0, 0);
        for round in 0..200 {
            let (_, to_send) = allocations(|| publisher.send_bytes(Encoding::Raw, &sent).unwrap());
            let (_, to_receive) = allocations(|| subscriber.recv_into(&mut memory, SOON).unwrap());
            let ((), to_lend) = allocations(|| {
                let mut loan = publisher.loan_bytes(bytes).unwrap();
                loan.copy_from_slice(&sent);
                publisher.send(&Value::from(loan)).map(drop).unwrap();
            });
            assert_eq!(subscriber.recv_into(&mut memory, SOON).unwrap().length, bytes);
            of_bytes += usize::from(round >= 100 && (to_send, to_receive) != (0, 0));
            of_loans += usize::from(round >= 100 && to_lend > usize::from(bytes <= 1024));
        }
        // Few come as messages: where a lap of the ring ends.
        let laps = 1 + 200 * (bytes + 32) / (1 << 20);
        assert!(of_bytes <= 2 * laps && of_loans <= 2 * laps, "{bytes} bytes: {of_bytes}, {of_loans} of 100");
    }
}

/// A long body is copied out of its slot once, into the program's memory.
#[test]
fn long_bytes_that_are_received_into_memory_of_the_program_take_no_other() {
    for bytes in [70_000, 1 << 20, 20 << 20] {
        let endpoint = name("shm");
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let (sent, mut memory) = (vec![7; bytes], vec![0; bytes]);
        for round in 0..20 {
            for (from, to) in [(&a, &b), (&b, &a)] {
                from.send_bytes(Encoding::Raw, &sent, SOON).unwrap();
                let (received, held) = peak(|| to.recv_into(&mut memory, SOON).unwrap());
                assert!(received.length == bytes && memory == sent);
                assert!(round < 2 || held < 1000, "{bytes} bytes, round {round}: {held}");
                memory.fill(0);
            }
        }
    }
}

/// Also bytes that a binding copies into an object of its language.
#[test]
fn long_bytes_that_a_binding_copies_take_no_memory_beside_the_copy() {
    let mut options = Options::default();
    options.view_bodies();
    for bytes in [70_000, 1 << 20] {
        let endpoint = name("shm");
        let listener = Listener::listen(&endpoint, &options).unwrap();
        let a = Channel::connect(&endpoint, &options, SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let alone = Value::Bytes(vec![7; bytes].into());
        let within = Value::map([("frame", alone.clone()), ("t", Value::from(1.5))]);
        for (from, to) in [(&a, &b), (&b, &a)] {
            from.send(&Value::Null, SOON).unwrap();
            to.recv(SOON).unwrap();
        }
        for round in 0..40 {
            let value = if round % 2 == 0 { &alone } else { &within };
            for (from, to) in [(&a, &b), (&b, &a)] {
                from.send(value, SOON).unwrap();
                let mut copy = vec![MaybeUninit::new(0); bytes];
                let (uncopied, held) = peak(|| {
                    let uncopied = Uncopied::new(to.recv(SOON).unwrap());
                    uncopied.bytes().unwrap().copy_to(0, &mut copy);
                    uncopied
                });
                // SAFETY: it was initialised from the beginning.
                assert!(copy.iter().all(|byte| unsafe { byte.assume_init() } == 7));
                assert!(round < 4 || held < 2000, "{bytes} bytes, round {round}: {held}");
                drop(uncopied);
            }
        }
    }
}

/// Viewed bytes also allocate nothing, directly and within a map, on a channel and published.
#[test]
fn long_bytes_that_are_viewed_take_no_memory() {
    let options = Options::default().with_view_bytes(true);
    let (endpoint, published) = (name("shm"), name("shm"));
    let listener = Listener::listen(&endpoint, &options).unwrap();
    let a = Channel::connect(&endpoint, &options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    for (from, to) in [(&a, &b), (&b, &a)] {
        from.send(&Value::Null, SOON).unwrap();
        to.recv(SOON).unwrap();
    }
    let publisher = Publisher::new(&published, &options).unwrap();
    let subscriber = Subscriber::new(&published, &options).unwrap();
    let alone = vec![7; 1 << 20];
    let within = Value::map([("frame", Value::Bytes(alone.clone().into())), ("t", Value::from(1.5))]);
    let raw = Payload::from_bytes(Encoding::Raw, alone.clone().into());
    let looked_at = |message: Message| match message.get("frame").or_else(|_| message.value()).unwrap() {
        Value::Bytes(bytes) => bytes.len(),
        other => panic!("{other:?}"),
    };
    for round in 0..40 {
        let is_alone = round % 2 == 0;
        if is_alone {
            a.send_bytes(Encoding::Raw, &alone, SOON).unwrap();
            publisher.send_payload(&raw).unwrap();
        } else {
            a.send(&within, SOON).unwrap();
            publisher.send(&within).unwrap();
        }
        for (what, receive) in [
            ("channel", &(|| b.recv(SOON)) as &dyn Fn() -> linkspan::Result<Message>),
            ("published", &|| subscriber.recv(SOON)),
        ] {
            let (length, held) = peak(|| looked_at(receive().unwrap()));
            assert_eq!(length, alone.len());
            assert!(round < 4 || held < 2000, "{what}, round {round}: {held}");
        }
    }
}

/// The start of a published loan in its slot depends on the values before it.
#[test]
fn published_loan_of_bytes_is_copied_once_wherever_it_begins() {
    const BYTES: usize = 17 << 20;
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    for letters in 0..9 {
        let loan = Value::from(publisher.loan_bytes(BYTES).unwrap());
        publisher.send(&Value::map([("camera", Value::from("x".repeat(letters))), ("image", loan)])).unwrap();
        let (message, held) = peak(|| subscriber.recv(SOON).unwrap());
        assert!((BYTES..BYTES + BYTES / 2).contains(&message.body().len()));
        assert!(held < BYTES * 3 / 2, "{letters} letters: {held}");
    }
}

/// The kernel would clear new pages, so kept copies and message bodies reuse earlier memory.
#[test]
fn bytes_that_are_kept_and_bodies_that_are_received_take_no_new_memory() {
    for bytes in [5_000, 10_000, 60_000] {
        let endpoint = name("shm");
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let sent = vec![7; bytes];
        let mut took = Vec::new();
        for round in 0..500 {
            for (from, to) in [(&a, &b), (&b, &a)] {
                let (_, send) = peak(|| from.send_bytes(Encoding::Raw, &sent, SOON).unwrap());
                let (_, receive) = peak(|| assert_eq!(to.recv(SOON).unwrap().body().len(), bytes));
                if round >= 100 && send.max(receive) >= 1000 {
                    took.push((round, send, receive));
                }
            }
        }
        // Parallel tests also take kept memory.
        assert!(took.len() <= 8, "{bytes} bytes: round, to send, to receive: {took:?}");
    }
}

#[test]
fn batch_of_small_messages_over_shared_memory_allocates_one_list() {
    const BATCH: usize = 64;
    let endpoint = name("shm");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let payloads = vec![content(64); BATCH];
    for _ in 0..20 {
        a.send_payloads(&payloads, SOON).unwrap();
        b.recv_many(BATCH, SOON).unwrap();
    }
    let (_, sent) = allocations(|| a.send_payloads(&payloads, SOON).unwrap());
    let (messages, received) = allocations(|| b.recv_many(BATCH, SOON).unwrap());
    assert_eq!(messages.len(), BATCH);
    assert_eq!(received, 1);
    // Every 64th message searches, and a failed search returns an error with a text.
    assert!(sent <= 2, "{sent} for {BATCH} messages");
}

#[test]
fn publishing_a_small_message_allocates_nothing() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let payload = content(64);
    for _ in 0..200 {
        publisher.send_payload(&payload).unwrap();
        subscriber.recv(SOON).unwrap();
    }
    let (_, sent) = allocations(|| publisher.send_payload(&payload).unwrap());
    let (message, received) = allocations(|| subscriber.recv(SOON).unwrap());
    assert_eq!(message.body(), payload.body());
    assert_eq!((sent, received), (0, 0));
}

/// Counts the allocations of a loaned array in a map.
///
/// Sending: shape, map, key, owner, and the body around the elements. Receiving: view, body and shape.
fn loaned_array_in_a_map(
    loan: impl Fn() -> Loan<u64>,
    send: impl Fn(&Value) -> u64,
    recv: impl Fn() -> Message,
) {
    let send = |number: u64| {
        let mut loan = loan();
        loan[0] = number;
        assert!(loan.is_shared());
        send(&Value::map([("wave", Value::from(loan))]));
    };
    let receive = |number: u64| {
        let message = recv();
        let Value::NdArray(wave) = message.get("wave").unwrap() else { panic!() };
        assert_eq!((&wave.shape[..], wave.elements::<u64>().unwrap()[0]), (&[3, 4096][..], number));
    };
    for number in 0..200 {
        send(number);
        receive(number);
    }
    let ((), sent) = allocations(|| send(7));
    let ((), received) = allocations(|| receive(7));
    assert!(sent <= 5 && received <= 3, "{sent} to send, {received} to receive");
}

#[test]
fn loaned_array_over_shared_memory_allocates_its_map_to_send_and_none_to_receive() {
    let endpoint = name("shm");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let send = |value: &Value| a.send(value, SOON).unwrap();
    loaned_array_in_a_map(|| a.loan(&[3, 4096]).unwrap(), send, || b.recv(SOON).unwrap());
}

#[test]
fn published_loaned_array_allocates_its_map_to_send_and_none_to_receive() {
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let send = |value: &Value| publisher.send(value).unwrap();
    loaned_array_in_a_map(|| publisher.loan(&[3, 4096]).unwrap(), send, || subscriber.recv(SOON).unwrap());
}

#[test]
fn answer_that_the_client_has_not_read_yet_is_not_copied() {
    for transport in ["shm", "unix"] {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &asleep_at_once()).unwrap();
        let answer = content(4 << 20);
        thread::scope(|s| {
            let client = s.spawn(|| {
                let client = Channel::connect(&endpoint, &asleep_at_once(), SOON).unwrap();
                client.start_call(&content(8), SOON).map(|asked| (client, asked)).unwrap()
            });
            let request = server.next(SOON).unwrap().unwrap();
            let (client, asked) = client.join().unwrap();
            let ((), held) = peak(|| request.reply_payload(&answer).unwrap());
            assert!(
                held < 64 << 10,
                "{transport}: {held} bytes were taken for an answer of {}",
                answer.body().len()
            );
            let read = s.spawn(move || client.finish_call(&asked, SOON).unwrap());
            // The server flushes the rest, and no other process needs a reply.
            assert_eq!(
                server.next(std::time::Duration::from_millis(1)).unwrap_err().kind(),
                linkspan::ErrorKind::Timeout
            );
            while !read.is_finished() {
                let _ = server.next(std::time::Duration::from_millis(1));
            }
            assert_eq!(read.join().unwrap().body(), answer.body());
        });
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Data,
    Request,
    Reply,
    Published,
}

fn peaks_of_encoding(way: Way, options: &Options, value: &Value) -> Vec<usize> {
    let endpoint = name("shm");
    let arrived = |message: &Message| assert_eq!(message.value().unwrap(), value, "{way:?}");
    let in_slots = |stats: Value| {
        let of = |name| stats.at(name).unwrap().as_u64().unwrap();
        assert_eq!((of("bodies_in_slots"), of("bodies_without_slot")), (3, 0), "{way:?}");
    };
    let mut peaks = Vec::new();
    match way {
        Way::Data => {
            let listener = Listener::listen(&endpoint, options).unwrap();
            let a = Channel::connect(&endpoint, options, SOON).unwrap();
            let b = listener.accept(SOON).unwrap();
            a.send_bytes(Encoding::Raw, b"opens the link", SOON).unwrap();
            b.recv(SOON).unwrap();
            for _ in 0..3 {
                peaks.push(peak(|| a.send(value, SOON).unwrap()).1);
                arrived(&b.recv(SOON).unwrap());
            }
            in_slots(a.stats());
        }
        Way::Published => {
            let publisher = Publisher::new(&endpoint, options).unwrap();
            let subscriber = Subscriber::new(&endpoint, options).unwrap();
            publisher.wait_for_subscribers(1, SOON).unwrap();
            for _ in 0..3 {
                peaks.push(peak(|| publisher.send(value).unwrap()).1);
                arrived(&subscriber.recv(SOON).unwrap());
            }
            in_slots(publisher.stats());
        }
        Way::Request | Way::Reply => {
            let server = Server::serve(&endpoint, options).unwrap();
            let (asks, answers) = if matches!(way, Way::Request) {
                (value.clone(), Value::from(1))
            } else {
                (Value::from(1), value.clone())
            };
            thread::scope(|scope| {
                let serving = scope.spawn(|| {
                    let mut peaks = Vec::new();
                    for _ in 0..4 {
                        let request = server.next(SOON).unwrap().unwrap();
                        peaks.push(peak(|| request.reply(&answers).unwrap()).1);
                    }
                    (peaks, server.stats())
                });
                let client = Channel::connect(&endpoint, options, SOON).unwrap();
                for round in 0..4 {
                    // The first one opens the link, and the last reply is recorded with the following
                    // request.
                    let asks = if round == 3 { &Value::from(2) } else { &asks };
                    let (payload, highest) = peak(|| client.encode(asks).unwrap());
                    peaks.push(highest);
                    let asked = client.start_call(&payload, SOON).unwrap();
                    drop(payload);
                    client.finish_call(&asked, SOON).unwrap();
                }
                let (served, stats) = serving.join().unwrap();
                if matches!(way, Way::Reply) {
                    peaks = served;
                }
                let stats = if matches!(way, Way::Reply) { stats } else { client.stats() };
                let of = |name| stats.at(name).unwrap().as_u64().unwrap();
                assert!(of("bodies_in_slots") >= 2 && of("bodies_without_slot") <= 1, "{way:?}: {stats:?}");
            });
            peaks.truncate(3);
        }
    }
    peaks
}

/// The bodies are longer than the pool keeps, so no earlier block can serve.
#[test]
fn long_structure_text_and_bytes_are_encoded_into_their_slots() {
    let items = (0..240_000u64).map(|i| Value::from(format!("item {i} {}", "x".repeat(60)))).collect();
    let contents = [
        Value::Array(items),
        Value::from("t".repeat(17 << 20)),
        Value::Bytes(Bytes::from(vec![7; 17 << 20])),
    ];
    for encoding in [Encoding::Cbor, Encoding::Json, Encoding::Bson, Encoding::Smile, Encoding::Raw] {
        let mut options = Options::default();
        (options.encoding, options.max_message_size) = (encoding, 64 << 20);
        for (number, content) in contents.iter().enumerate() {
            let within = Value::map([("value", content.clone()), ("after", Value::from(2))]);
            let value = match (encoding, content) {
                (Encoding::Raw, Value::Bytes(_)) => content,
                (Encoding::Raw, _) => continue,
                _ => &within,
            };
            let ways = if number == 0 {
                &[Way::Data, Way::Published, Way::Request, Way::Reply][..]
            } else {
                &[Way::Data, Way::Published]
            };
            for way in ways.iter().copied() {
                let peaks = peaks_of_encoding(way, &options, value);
                // The first two show the length of the next ones.
                let are_low = peaks[2..].iter().all(|peak| *peak < 1 << 20);
                assert!(are_low, "content {number}, {encoding:?}, {way:?}: {peaks:?} bytes");
            }
        }
    }
}
