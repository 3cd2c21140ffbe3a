//! Messages of up to 32 KB over streams whose queue is full: a message of which the kernel took a part arrives whole, and
//! one of which it took nothing is still the caller's.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Channel, Encoding, ErrorKind, Listener, Options, Payload};

use crate::support::{SOON, name};

/// Messages that are sent after the link was full for the first time.
const MORE: u32 = 150;

/// The content of the last message.
const END: &[u8] = b"end";

/// Lengths of the bodies in bytes, in turn: on both sides of what a pipe takes whole, and of half its room.
const LENGTHS: [usize; 5] = [40, 32 << 10, 5_000, (32 << 10) + 1, 20_001];

/// The content of a message: its number, and the last byte of that in all other places.
fn content(number: u32) -> Vec<u8> {
    let mut content = vec![number as u8; LENGTHS[number as usize % LENGTHS.len()]];
    content[..4].copy_from_slice(&number.to_le_bytes());
    content
}

/// Sends until the link is full, then with short time-outs, while the other side begins to receive.
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
                // The receiver takes one of them.
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
