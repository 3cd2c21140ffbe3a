//! Upper bounds for the locks and exchanges of each public call. A change that needs fewer lowers the bound here.
//!
//! `tests/allocations.rs` and `tests/system_calls.rs` count allocations and system calls, `tools/instructions`
//! instructions.

use std::time::Duration;

use crate::codec::Encoding;
use crate::sys::seat::counted;
use crate::value::Value;
use crate::{Channel, Listener, Options, Payload, Publisher, Server, Subscriber};

const SOON: Duration = Duration::from_secs(60);

/// Earlier rounds make the link and let lists reach their lengths; only these rounds are counted.
const ROUNDS: std::ops::Range<u32> = 100..200;

fn payload(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, vec![7; bytes].into())
}

fn both(transport: &str, name: &str) -> (Listener, Channel, Channel) {
    let endpoint = format!("{transport}:costs-{name}-{}", std::process::id());
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let near = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let far = listener.accept(SOON).unwrap();
    (listener, near, far)
}

fn exceed<const N: usize>(took: &[u64; N], bounds: &[u64; N]) -> bool {
    took.iter().zip(bounds).any(|(took, bound)| took > bound)
}

/// Runs `round` until the end of `rounds`. Within `rounds`, asserts that no call takes more locks than its bound.
fn takes_at_most<const N: usize>(
    what: &str,
    rounds: std::ops::Range<u32>,
    bounds: [u64; N],
    mut round: impl FnMut() -> [u64; N],
) {
    for number in 0..rounds.end {
        let took = round();
        let exceeds = rounds.contains(&number) && exceed(&took, &bounds);
        assert!(!exceeds, "{what}, round {number}: {took:?}, at most {bounds:?}");
    }
}

/// A counter that counts nothing would satisfy every bound.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn locks_are_counted() {
    let (_listener, near, far) = both("shm", "counted");
    assert!(counted(|| near.send_payload(&payload(64), SOON).unwrap()).0 > 0);
    assert!(counted(|| far.recv(SOON).unwrap()).0 > 0);
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn short_message_over_shared_memory_takes_at_most_one_lock_in_each_call() {
    for bytes in [0, 64, 256] {
        let (_listener, near, far) = both("shm", &format!("short-{bytes}"));
        let payload = payload(bytes);
        takes_at_most(&format!("a message of {bytes} bytes"), ROUNDS, [1, 1], || {
            let (to_send, _) = counted(|| near.send_payload(&payload, SOON).unwrap());
            let (to_receive, _) = counted(|| far.recv(SOON).unwrap());
            [to_send, to_receive]
        });
    }
}

/// Few enough rounds for one lap of the ring; the end of a lap takes the general path.
const WITHIN_A_LAP: std::ops::Range<u32> = 8..16;

#[test]
fn message_of_one_long_record_takes_at_most_one_lock_in_each_call() {
    for bytes in [257, 5000] {
        let (_listener, near, far) = both("shm", &format!("long-{bytes}"));
        let payload = payload(bytes);
        takes_at_most(&format!("a message of {bytes} bytes"), WITHIN_A_LAP, [1, 1], || {
            let (to_send, _) = counted(|| near.send_payload(&payload, SOON).unwrap());
            let (to_receive, _) = counted(|| far.recv(SOON).unwrap());
            [to_send, to_receive]
        });
    }
}

#[test]
fn bytes_and_memory_of_the_program_over_shared_memory_take_at_most_one_lock_in_each_call() {
    for bytes in [0, 64, 256, 5000] {
        let (_listener, near, far) = both("shm", &format!("lent-{bytes}"));
        let (sent, mut memory) = (vec![7; bytes], vec![0; bytes]);
        takes_at_most(&format!("{bytes} bytes of the program"), WITHIN_A_LAP, [1, 1], || {
            let (to_send, _) = counted(|| near.send_bytes(Encoding::Raw, &sent, SOON).unwrap());
            let (to_receive, _) = counted(|| far.recv_into(&mut memory, SOON).unwrap());
            [to_send, to_receive]
        });
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn batch_of_short_messages_over_shared_memory_takes_at_most_one_lock_in_each_call() {
    let (_listener, near, far) = both("shm", "batch");
    let payloads = vec![payload(64); 8];
    takes_at_most("a batch", ROUNDS, [1, 1], || {
        let (to_send, _) = counted(|| near.send_payloads(&payloads, SOON).unwrap());
        let (to_receive, got) = counted(|| far.recv_many(payloads.len(), SOON).unwrap());
        assert_eq!(got.len(), payloads.len());
        [to_send, to_receive]
    });
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn loaned_array_takes_at_most_two_locks_to_be_lent_and_two_to_be_sent() {
    let (_listener, near, far) = both("shm", "loan");
    // Finding a slot for the loan takes two locks. The message that is sent also counts.
    takes_at_most("a loan", ROUNDS, [2, 2, 1], || {
        let (to_loan, loan) = counted(|| near.loan::<u64>(&[12_500]).unwrap());
        let value = Value::map([("array", Value::from(loan))]);
        let (to_send, _) = counted(|| near.send(&value, SOON).unwrap());
        drop(value);
        let (to_receive, _) = counted(|| far.recv(SOON).unwrap());
        [to_loan, to_send, to_receive]
    });
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn call_of_a_server_takes_at_most_one_lock_in_each_step_and_the_server_s_own() {
    let endpoint = format!("shm:costs-call-{}", std::process::id());
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let payload = payload(64);
    takes_at_most("a call", ROUNDS, [1, 2, 1, 1], || {
        let (to_send, pending) = counted(|| client.start_call(&payload, SOON).unwrap());
        let (to_receive, request) = counted(|| server.next(SOON).unwrap().unwrap());
        let (to_reply, ()) = counted(|| request.reply_payload(&payload).unwrap());
        drop(request);
        let (to_finish, _) = counted(|| client.finish_call(&pending, SOON).unwrap());
        [to_send, to_receive, to_reply, to_finish]
    });
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn publishing_a_short_message_takes_at_most_one_lock_in_each_call() {
    let endpoint = format!("shm:costs-publish-{}", std::process::id());
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    publisher.wait_for_subscribers(1, SOON).unwrap();
    let payload = payload(64);
    takes_at_most("a published message", ROUNDS, [1, 1], || {
        let (to_publish, _) = counted(|| publisher.send_payload(&payload).unwrap());
        let (to_receive, _) = counted(|| subscriber.recv(SOON).unwrap());
        [to_publish, to_receive]
    });
    for bytes in [0, 64, 5000] {
        let (sent, mut memory) = (vec![7; bytes], vec![0; bytes]);
        takes_at_most(&format!("{bytes} published bytes of the program"), WITHIN_A_LAP, [1, 1], || {
            let (to_publish, _) = counted(|| publisher.send_bytes(Encoding::Raw, &sent).unwrap());
            let (to_receive, _) = counted(|| subscriber.recv_into(&mut memory, SOON).unwrap());
            [to_publish, to_receive]
        });
    }
}

#[test]
fn publishing_takes_at_most_one_lock_and_two_more_of_the_slots_for_a_long_body() {
    for (transport, bytes, locks) in
        [("shm", 1000, 1), ("shm", 100_000, 3), ("unix", 64, 1), ("unix", 10_000, 1)]
    {
        let endpoint = format!("{transport}:costs-publish-{bytes}-{}", std::process::id());
        let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        // The answering thread takes the publisher's lock again after the subscriber has its answer.
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let payload = payload(bytes);
        takes_at_most(&format!("{bytes} bytes published over {transport}"), ROUNDS, [locks], || {
            let (to_publish, _) = counted(|| publisher.send_payload(&payload).unwrap());
            subscriber.recv(SOON).unwrap();
            [to_publish]
        });
    }
}

/// The most locks of each call over one transport.
///
/// - `message`: a send, and a server's receive of an arrived message.
/// - `ready`: a channel, which takes a lease of its half to read, receives two arrived messages.
/// - `steps`: a call in two steps: sent, taken by a server, answered, and finished after the answer has arrived.
/// - `call`: a call in one step, which waits for the answer.
struct Bounds {
    transport: &'static str,
    message: [u64; 2],
    ready: [u64; 2],
    steps: [u64; 4],
    call: u64,
}

const BOUNDS: [Bounds; 5] = [
    Bounds { transport: "shm", message: [1, 2], ready: [1, 1], steps: [1, 2, 1, 1], call: 2 },
    Bounds { transport: "unix", message: [2, 2], ready: [2, 1], steps: [2, 2, 2, 2], call: 4 },
    Bounds { transport: "tcp", message: [2, 2], ready: [2, 1], steps: [2, 2, 2, 2], call: 4 },
    Bounds { transport: "fifo", message: [2, 2], ready: [2, 1], steps: [2, 2, 2, 2], call: 4 },
    Bounds { transport: "spool", message: [2, 1], ready: [2, 2], steps: [2, 1, 2, 2], call: 3 },
];

fn endpoint(transport: &str, name: &str, folder: &tempfile::TempDir) -> String {
    match transport {
        "tcp" => "tcp://127.0.0.1:0".to_owned(),
        "spool" => format!("spool:{}/{name}", folder.path().display()),
        _ => format!("{transport}:costs-{name}-{}", std::process::id()),
    }
}

/// Lets sent data arrive. A call that must wait takes more locks; the median leaves it out.
fn arrives() {
    std::thread::sleep(Duration::from_micros(100));
}

/// Notes a median above its bound. The median, because some rounds also send an acknowledgement or reach the ring's
/// end.
fn check<const N: usize>(exceeds: &mut Vec<String>, what: &str, bounds: [u64; N], rounds: &[[u64; N]]) {
    let often = |at: usize| {
        let mut counts: Vec<u64> = rounds.iter().map(|round| round[at]).collect();
        counts.sort_unstable();
        counts[counts.len() / 2]
    };
    let took: [u64; N] = std::array::from_fn(often);
    if exceed(&took, &bounds) {
        exceeds.push(format!("{what}: {took:?}, at most {bounds:?}"));
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn message_takes_no_more_locks_than_its_transport_needs() {
    let mut exceeds = Vec::new();
    for Bounds { transport, message, .. } in &BOUNDS {
        let folder = tempfile::tempdir().unwrap();
        let payload = payload(64);
        let server = Server::serve(&endpoint(transport, "message", &folder), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let mut rounds = Vec::new();
        for number in 0..ROUNDS.end {
            let (to_send, _) = counted(|| client.send_payload(&payload, SOON).unwrap());
            arrives();
            let (to_receive, _) = counted(|| server.next(SOON).unwrap().unwrap());
            if ROUNDS.contains(&number) {
                rounds.push([to_send, to_receive]);
            }
        }
        check(&mut exceeds, &format!("a message over {transport}"), *message, &rounds);
    }
    assert!(exceeds.is_empty(), "{exceeds:#?}");
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn message_that_is_ready_takes_no_more_locks_than_its_transport_needs() {
    let mut exceeds = Vec::new();
    for Bounds { transport, ready, .. } in &BOUNDS {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::listen(&endpoint(transport, "ready", &folder), &Options::default()).unwrap();
        let near = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        near.send_payload(&payload(64), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        far.recv(SOON).unwrap();
        let mut rounds = Vec::new();
        for number in 0..ROUNDS.end {
            for _ in 0..2 {
                near.send_payload(&payload(64), SOON).unwrap();
            }
            arrives();
            let [first, second] = [(), ()].map(|()| counted(|| far.recv(SOON).unwrap()).0);
            if ROUNDS.contains(&number) {
                rounds.push([first, second]);
            }
        }
        check(&mut exceeds, &format!("two messages over {transport}"), *ready, &rounds);
    }
    assert!(exceeds.is_empty(), "{exceeds:#?}");
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn call_in_two_steps_takes_no_more_locks_than_its_transport_needs() {
    let mut exceeds = Vec::new();
    for Bounds { transport, steps, .. } in &BOUNDS {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::serve(&endpoint(transport, "steps", &folder), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let payload = payload(64);
        let mut rounds = Vec::new();
        for number in 0..ROUNDS.end {
            let (to_send, pending) = counted(|| client.start_call(&payload, SOON).unwrap());
            arrives();
            let (to_receive, request) = counted(|| server.next(SOON).unwrap().unwrap());
            let (to_reply, ()) = counted(|| request.reply_payload(&payload).unwrap());
            drop(request);
            arrives();
            let (to_finish, _) = counted(|| client.finish_call(&pending, SOON).unwrap());
            if ROUNDS.contains(&number) {
                rounds.push([to_send, to_receive, to_reply, to_finish]);
            }
        }
        check(&mut exceeds, &format!("a call in two steps over {transport}"), *steps, &rounds);
    }
    assert!(exceeds.is_empty(), "{exceeds:#?}");
}

/// The most calls before one must meet the bound.
const MANY: u32 = 20_000;

/// The time of the answer changes the number of locks, so the least of many calls counts.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build does not count")]
fn call_takes_no_more_locks_than_its_transport_needs() {
    let mut exceeds = Vec::new();
    for Bounds { transport, call, .. } in &BOUNDS {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::serve(&endpoint(transport, "call", &folder), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let payload = payload(64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while let Ok(Some(request)) = server.next(SOON) {
                    request.reply_payload(&payload).unwrap();
                }
            });
            let mut least = u64::MAX;
            // On a loaded machine few answers come within the short wait.
            for _ in 0..MANY {
                least = least.min(counted(|| client.call_payload(&payload, SOON).unwrap()).0);
                if least <= *call {
                    break;
                }
            }
            server.close(SOON).unwrap();
            if least > *call {
                exceeds.push(format!("a call over {transport}: {least}, at most {call}"));
            }
        });
    }
    assert!(exceeds.is_empty(), "{exceeds:#?}");
}
