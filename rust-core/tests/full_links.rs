//! Messages over full links: a message that the transport took in part arrives whole. An untaken one stays
//! the caller's.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::{
    Channel, Delivery, Encoding, ErrorKind, Listener, Message, NdArray, Options, Payload, Server, Value,
};

use crate::support::{SOON, name};

const MORE: u32 = 150;

const END: &[u8] = b"end";

/// Lengths of the bodies in bytes, in turn: around the atomic write of a pipe, and around half its room.
const LENGTHS: [usize; 5] = [40, 32 << 10, 5_000, (32 << 10) + 1, 20_001];

fn content(number: u32) -> Vec<u8> {
    let mut content = vec![number as u8; LENGTHS[number as usize % LENGTHS.len()]];
    content[..4].copy_from_slice(&number.to_le_bytes());
    content
}

/// Sends until the link is full, then with short time-outs while the other side receives.
fn fills(transport: &str) {
    let endpoint = name(transport);
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let (full, is_full) = mpsc::channel();
    let b = &b;
    thread::scope(|s| {
        let receiver = s.spawn(move || {
            is_full.recv().unwrap();
            for number in 0.. {
                let message = b.recv(SOON).unwrap();
                if message.body()[..] == *END {
                    return;
                }
                assert!(message.body()[..] == content(number), "{transport}: message {number}");
            }
        });
        let (mut number, mut left, mut is_refused) = (0, MORE, false);
        while left > 0 {
            let payload = Payload::from_bytes(Encoding::Raw, Bytes::from(content(number)));
            let mut sent = a.try_send_payload(&payload);
            while let Err(error) = sent {
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Full | ErrorKind::Timeout), "{transport}: {error}");
                assert!(!receiver.is_finished(), "{transport}: it ended before message {number}");
                is_refused = true;
                full.send(()).unwrap();
                sent = a.send_payload(&payload, Duration::from_millis(1 + u64::from(number % 3)));
            }
            number += 1;
            assert_eq!(sent.unwrap(), u64::from(number), "{transport}");
            left -= u32::from(is_refused);
        }
        a.send_payload(&Payload::from_bytes(Encoding::Raw, Bytes::from_static(END)), SOON).unwrap();
    });
}

#[test]
fn messages_over_a_full_unix_socket_arrive_whole_and_in_order() {
    fills("unix");
}

#[test]
fn messages_over_a_full_tcp_connection_arrive_whole_and_in_order() {
    fills("tcp");
}

#[test]
fn messages_over_a_full_pipe_arrive_whole_and_in_order() {
    fills("fifo");
}

/// A message that only a TCP connection takes whole while its receiver does nothing.
const LARGE: usize = 20 << 20;

/// The buffers of a TCP connection grow, up to machine-dependent limits.
fn large(transport: &str) -> usize {
    if transport != "tcp" {
        return LARGE;
    }
    let most = |side: &str| -> usize {
        let limits = std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{side}mem")).unwrap();
        limits.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    LARGE + most("r") + most("w")
}

/// Sends arrays until one finds no slot; returns the messages, which view the slots.
fn all_slots_viewed(from: &Channel, to: &Channel) -> Vec<Message> {
    let array = Value::NdArray(NdArray::vector(&[7u64; 8192]));
    let mut viewed = Vec::new();
    while from.stats().at("arrays_without_slot").unwrap().as_u64().unwrap() == 0 {
        from.send(&array, SOON).unwrap();
        viewed.push(to.recv(SOON).unwrap());
    }
    viewed
}

/// Like `all_slots_viewed`, with answers to a client.
fn all_answered_slots_viewed(server: &Server, client: &Channel) -> Vec<Message> {
    let array = Value::NdArray(NdArray::vector(&[7u64; 8192]));
    let mut viewed = Vec::new();
    while server.stats().at("arrays_without_slot").unwrap().as_u64().unwrap() == 0 {
        let pending = client.start_call(&client.encode(&Value::Int(0)).unwrap(), SOON).unwrap();
        server.next(SOON).unwrap().unwrap().reply(&array).unwrap();
        viewed.push(client.finish_call(&pending, SOON).unwrap());
    }
    viewed
}

/// A message that times out after the peer got a part counts as sent, and arrives completely.
fn rest_arrives(transport: &str, send: impl Fn(&Channel, &Payload) -> linkspan::Result<u64>) {
    let (endpoint, length) = (name(transport), large(transport));
    let mut options = Options::default();
    (options.max_message_size, options.replay_bytes) = (2 * length as u64, 2 * length as u64);
    let listener = Listener::listen(&endpoint, &options).unwrap();
    let a = Channel::connect(&endpoint, &options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let raw = |bytes: Vec<u8>| Payload::from_bytes(Encoding::Raw, Bytes::from(bytes));
    let viewed = if transport == "shm" { all_slots_viewed(&a, &b) } else { Vec::new() };
    for round in 0..2u8 {
        let number = viewed.len() as u64 + 2 * u64::from(round) + 1;
        assert_eq!(send(&a, &raw(vec![round; length])).unwrap(), number, "{transport}: it counts as sent");
        let refused = a.try_send_payload(&raw(vec![round])).expect_err(transport);
        assert_eq!(refused.kind(), ErrorKind::Full, "{transport}: {refused}");
        b.send_payload(&raw(vec![round; 3]), SOON).unwrap();
        assert_eq!(a.recv(SOON).unwrap().body()[..], [round; 3], "{transport}: the other direction");
        let large = b.recv(SOON).unwrap();
        assert!(
            large.sequence() == number && large.body()[..] == vec![round; length],
            "{transport}: {round}"
        );
        a.send_payload(&raw(vec![round; 5]), SOON).unwrap();
        assert_eq!(b.recv(SOON).unwrap().body()[..], [round; 5], "{transport}: the next message");
    }
}

/// Two sides send each other a long message before they receive.
#[test]
fn send_without_a_deadline_returns_while_the_peer_takes_nothing() {
    for transport in ["shm", "unix", "tcp", "fifo"] {
        let (endpoint, length) = (name(transport), large(transport));
        let mut options = Options::default();
        (options.max_message_size, options.replay_bytes) = (2 * length as u64, 2 * length as u64);
        let listener = Listener::listen(&endpoint, &options).unwrap();
        let a = Arc::new(Channel::connect(&endpoint, &options, SOON).unwrap());
        let b = Arc::new(listener.accept(SOON).unwrap());
        let viewed = (transport == "shm").then(|| (all_slots_viewed(&a, &b), all_slots_viewed(&b, &a)));
        for channel in [&a, &b] {
            let (ended, has_ended) = mpsc::channel();
            let channel = channel.clone();
            // Not scoped: after a failure, the call continues.
            thread::spawn(move || {
                let long = Payload::from_bytes(Encoding::Raw, Bytes::from(vec![7; length]));
                ended.send(channel.send_payload(&long, None)).unwrap();
            });
            has_ended.recv_timeout(SOON).expect(transport).unwrap();
        }
        for channel in [&a, &b] {
            assert_eq!(channel.recv(SOON).unwrap().body().len(), length, "{transport}");
        }
        drop(viewed);
    }
}

fn with_time_out(channel: &Channel, payload: &Payload) -> linkspan::Result<u64> {
    channel.send_payload(payload, Duration::from_millis(20))
}

fn without_wait(channel: &Channel, payload: &Payload) -> linkspan::Result<u64> {
    channel.try_send_payload(payload)
}

#[test]
fn rest_of_a_message_whose_time_out_passed_arrives_though_its_sender_is_idle() {
    for transport in ["shm", "unix", "tcp", "fifo"] {
        rest_arrives(transport, with_time_out);
    }
}

#[test]
fn rest_of_a_message_that_was_not_to_wait_arrives_though_its_sender_is_idle() {
    for transport in ["shm", "unix", "tcp", "fifo"] {
        rest_arrives(transport, without_wait);
    }
}

/// The size of messages in whose middle a sender waits, and a number that no connection holds.
const MIDDLE: usize = 50_000;
const TOO_MANY: u32 = 400;

/// The next listener gets all messages, once, whole and in order.
#[test]
fn message_in_whose_middle_the_link_broke_goes_over_the_next_one() {
    for transport in ["unix", "tcp", "fifo"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let b = listener.accept(SOON).unwrap();
        let content = |number: u32| [&number.to_le_bytes()[..], &vec![number as u8; MIDDLE]].concat();
        let sent = || a.stats().at("sent").unwrap().as_i64().unwrap();
        thread::scope(|s| {
            let sender = s.spawn(|| {
                for number in 0..TOO_MANY {
                    let payload = Payload::from_bytes(Encoding::Raw, Bytes::from(content(number)));
                    assert_eq!(a.send_payload(&payload, SOON).unwrap(), u64::from(number) + 1, "{transport}");
                }
            });
            let mut before = -1;
            while before != sent() {
                before = sent();
                thread::sleep(Duration::from_millis(200));
            }
            assert!(!sender.is_finished(), "{transport}: it waits");
            drop((b, listener));
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let b = listener.accept(SOON).unwrap();
            for number in 0..TOO_MANY {
                let message = b.recv(SOON).unwrap();
                assert!(message.body()[..] == content(number), "{transport}: message {number}");
            }
        });
    }
}

/// The peer gets the end, and the closing program the number of undelivered messages.
#[test]
fn close_with_a_rest_ends_the_link() {
    let endpoint = name("shm");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    let viewed = all_slots_viewed(&a, &b);
    let payload = Payload::from_bytes(Encoding::Raw, Bytes::from(vec![7; LARGE]));
    assert_eq!(with_time_out(&a, &payload).unwrap(), viewed.len() as u64 + 1);
    let closed = a.close(Duration::from_millis(20)).unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::Timeout, "{closed}");
    drop(a);
    // The closing side may be writing, as fast as this end reads.
    let ended = b.recv(SOON).and_then(|whole| {
        assert!(whole.body()[..] == vec![7; LARGE]);
        b.recv(SOON)
    });
    assert_eq!(ended.map(drop).unwrap_err().kind(), ErrorKind::Disconnected);
}

/// The peer receives the rest and then the end, even if it has sent messages that nobody receives.
#[test]
fn rest_over_a_stream_outlives_its_channel() {
    for transport in ["unix", "tcp", "fifo"] {
        for closes in [true, false] {
            let (endpoint, length) = (name(transport), large(transport));
            let mut options = Options::default();
            (options.max_message_size, options.replay_bytes) = (2 * length as u64, 2 * length as u64);
            let listener = Listener::listen(&endpoint, &options).unwrap();
            let a = Channel::connect(&endpoint, &options, SOON).unwrap();
            let b = listener.accept(SOON).unwrap();
            let raw = |bytes: Vec<u8>| Payload::from_bytes(Encoding::Raw, Bytes::from(bytes));
            assert_eq!(with_time_out(&a, &raw(vec![7; length])).unwrap(), 1, "{transport}");
            b.send_payload(&raw(vec![5; 1000]), SOON).unwrap();
            if closes {
                let closed = a.close(Duration::from_millis(20)).unwrap_err();
                assert_eq!(
                    (closed.kind(), closed.missed()),
                    (ErrorKind::Timeout, Some(1)),
                    "{transport}: {closed}"
                );
            }
            drop(a);
            let whole = b.recv(SOON).unwrap();
            assert!(whole.body()[..] == vec![7; length], "{transport}, closed: {closes}");
            let ended = b.recv(SOON).map(drop).unwrap_err();
            assert_eq!(ended.kind(), ErrorKind::Disconnected, "{transport}, closed: {closes}");
        }
    }
}

/// It gets neither this answer nor the next; each counts as dropped once.
#[test]
fn answers_of_a_client_that_goes_in_the_middle_of_one_count_as_dropped() {
    const ANSWERS: u64 = 3;
    for transport in ["shm", "unix", "tcp"] {
        let length = large(transport);
        let options = Options::default().with_max_message_size(2 * length as u64);
        let server = Server::serve(&name(transport), &options).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let request = client.encode(&Value::Int(1)).unwrap();
        // An answer in a slot is not sent in parts.
        let _viewed =
            if transport == "shm" { all_answered_slots_viewed(&server, &client) } else { Vec::new() };
        let pending: Vec<_> = (0..ANSWERS).map(|_| client.start_call(&request, SOON).unwrap()).collect();
        let requests: Vec<_> = pending.iter().map(|_| server.next(SOON).unwrap().unwrap()).collect();
        requests[0].reply_payload(&Payload::from_bytes(Encoding::Raw, vec![7; length].into())).unwrap();
        for request in &requests[1..] {
            request.reply(&Value::Int(2)).unwrap();
        }
        let dropped = || server.stats().at("dropped").unwrap().as_u64().unwrap();
        assert_eq!(dropped(), 0, "{transport}: they are on their way");
        drop((pending, client));
        let end = Instant::now() + SOON;
        while server.stats().at("clients").unwrap().as_u64().unwrap() > 0 {
            assert!(Instant::now() < end, "{transport}: {:?}", server.stats());
            let _ = server.next(Duration::from_millis(1));
        }
        assert_eq!(dropped(), ANSWERS, "{transport}");
    }
}

fn refused(mut attempts: impl Iterator<Item = Result<(), linkspan::Error>>) -> linkspan::Error {
    attempts.find_map(Result::err).expect("there is no room for all of them")
}

/// The error tells the unsent object, the place and the reason.
#[test]
fn time_out_without_room_says_that_the_peer_takes_nothing() {
    const STOPPED: &str = "its process may be stopped or busy";
    const SHORT: Duration = Duration::from_millis(50);
    for transport in ["shm", "unix", "tcp", "fifo"] {
        for length in [1000, 4 << 20] {
            let endpoint = name(transport);
            // No message waits for acknowledgements.
            let options = Options::default().with_delivery(Delivery::BestEffort);
            let listener = Listener::listen(&endpoint, &options).unwrap();
            let a = Channel::connect(&endpoint, &options, SOON).unwrap();
            let b = listener.accept(SOON).unwrap();
            b.send_payload(&Payload::from_bytes(Encoding::Raw, Bytes::from_static(b"first")), SOON).unwrap();
            a.recv(SOON).unwrap();
            let one = b.encode(&Value::Int(1)).unwrap();
            let requests: Vec<_> = (0..50).map(|_| b.start_call(&one, SOON).unwrap()).collect();
            let asked: Vec<_> = requests.iter().map(|_| a.recv(SOON).unwrap()).collect();
            let payload = Payload::from_bytes(Encoding::Raw, vec![7; length].into());
            let fill = || refused((0..).map(|_| a.send_payload(&payload, SHORT).map(drop)));
            // There are few requests to answer, so the link is full again before each attempt.
            let answer = |asked| (fill(), a.reply_payload(asked, &payload, SHORT)).1;
            let tried = [
                ("a message", fill()),
                ("a request", refused((0..).map(|_| a.start_call(&payload, SHORT).map(drop)))),
                ("an answer", refused(asked.iter().map(answer))),
            ];
            for (what, error) in tried {
                let text = error.to_string();
                let begins = format!(
                    "{endpoint}: no room within 0.05 s for {what} of {length} bytes, which was not sent: "
                );
                assert_eq!(error.kind(), ErrorKind::Timeout, "{text}");
                assert!(text.starts_with(&begins) && text.contains(STOPPED), "{text}");
            }
            let flushed = a.flush(SHORT).map(drop).unwrap_err();
            assert_eq!(flushed.kind(), ErrorKind::Timeout, "{flushed}");
            assert!(flushed.missed() > Some(0) && flushed.to_string().contains(STOPPED), "{flushed}");
            drop((requests, b));
        }
    }
}

/// Messages are kept until the peer has consumed them, and no more fit.
#[test]
fn time_out_without_room_for_replay_says_that_the_peer_consumes_nothing() {
    let endpoint = name("shm");
    let options = Options::default().with_replay(3, 1 << 20);
    let listener = Listener::listen(&endpoint, &options).unwrap();
    let a = Channel::connect(&endpoint, &options, SOON).unwrap();
    let _b = listener.accept(SOON).unwrap();
    for number in 0..3 {
        a.send(&Value::Int(number), SOON).unwrap();
    }
    let error = a.send(&Value::Int(3), Duration::from_millis(20)).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{text}");
    assert!(text.contains("its process may be stopped or busy; this message was not sent"), "{text}");
}
