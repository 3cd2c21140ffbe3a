//! The number of system calls of a message, counted by strace: it depends on no clock.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{SOON, name};
use linkspan::{Channel, Encoding, Listener, Options, Payload, Value};

const TRACED: &str = "LINKSPAN_TEST_TRACED";
const ROUNDS: i64 = 500;

/// Returns the system calls of `work` in a traced process; `None` in that process.
fn traced(test: &str, calls: &str, work: impl FnOnce()) -> Option<BTreeMap<String, usize>> {
    if std::env::var_os(TRACED).is_some() {
        work();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let done = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={calls}"), "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args([&format!("system_calls::{test}"), "--exact"])
        .env(TRACED, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && output.contains("1 passed"), "{test}: {output}");
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        // A call that another thread interrupted is printed in two parts.
        if let Some((name, _)) = call.trim().split_once('(').filter(|(name, _)| !name.contains(' ')) {
            *counts.entry(name.to_owned()).or_default() += 1;
            if name == "ppoll" && call.contains("{tv_sec=0, tv_nsec=0}") {
                *counts.entry(ASKING.to_owned()).or_default() += 1;
            }
        }
    }
    Some(counts)
}

/// A `ppoll` that does not wait, counted in addition to its name.
const ASKING: &str = "ppoll at once";

fn of(counts: &BTreeMap<String, usize>, calls: &[&str]) -> usize {
    calls.iter().filter_map(|call| counts.get(*call)).sum()
}

fn pair(endpoint: &str, options: &Options) -> (Listener, Channel, Channel) {
    let listener = Listener::listen(endpoint, options).unwrap();
    let a = Channel::connect(endpoint, options, SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    (listener, a, b)
}

fn dialogue(transport: &str) {
    let (_listener, a, b) = pair(&name(transport), &Options::default());
    thread::scope(|s| {
        s.spawn(|| {
            for _ in 0..ROUNDS {
                let message = b.recv(SOON).unwrap();
                b.send(message.value().unwrap(), SOON).unwrap();
            }
        });
        for i in 0..ROUNDS {
            a.send(&Value::Int(i), SOON).unwrap();
            assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
        }
    });
}

/// A peer that has just sent something exists. A descheduled side is probed, so some probes are allowed.
fn asks_rarely_in_a_dialogue(transport: &str, test: &str) {
    let calls = "poll,ppoll,read,write,sendto,sendmsg,recvfrom,recvmsg";
    let Some(counts) = traced(test, calls, || dialogue(transport)) else { return };
    let moved = of(&counts, &["write", "sendto", "sendmsg"]);
    assert!(moved >= 2 * ROUNDS as usize, "{counts:?}");
    // A call that waits is not a probe.
    assert!(of(&counts, &["poll", ASKING]) < ROUNDS as usize / 2, "{transport}: {counts:?}");
}

#[test]
fn dialogue_over_tcp_does_not_ask_before_each_message_whether_the_peer_is_there() {
    asks_rarely_in_a_dialogue(
        "tcp",
        "dialogue_over_tcp_does_not_ask_before_each_message_whether_the_peer_is_there",
    );
}

#[test]
fn dialogue_over_fifo_does_not_ask_before_each_message_whether_the_peer_is_there() {
    asks_rarely_in_a_dialogue(
        "fifo",
        "dialogue_over_fifo_does_not_ask_before_each_message_whether_the_peer_is_there",
    );
}

/// The receiver parks before each message and sends nothing: parking again shows its existence.
#[test]
fn one_way_to_a_parked_peer_does_not_probe_before_each_message() {
    let test = "one_way_to_a_parked_peer_does_not_probe_before_each_message";
    let work = || {
        let mut options = Options::default();
        options.set("spin", &Value::from(0)).unwrap();
        let (_listener, a, b) = pair(&name("shm"), &options);
        thread::scope(|s| {
            s.spawn(|| (0..ROUNDS).for_each(|_| drop(b.recv(SOON).unwrap())));
            for i in 0..ROUNDS {
                a.send(&Value::Int(i), SOON).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
    };
    // On a busy machine the receiver may park less often than messages are sent, and the run shows nothing.
    const RUNS: usize = 40;
    let mut seen = Vec::new();
    for _ in 0..RUNS {
        let Some(counts) = traced(test, "poll,ppoll,futex", work) else { return };
        assert!(of(&counts, &["poll", "ppoll"]) < ROUNDS as usize / 2, "{counts:?}");
        if of(&counts, &["futex"]) >= ROUNDS as usize {
            return;
        }
        seen.push(counts);
    }
    panic!("in none of {RUNS} runs did the receiver park before most messages: {seen:?}");
}

/// A peer that makes room for the next piece exists.
#[test]
fn large_messages_over_shared_memory_do_not_ask_at_each_piece_whether_the_peer_is_there() {
    const LARGE: usize = 100;
    let test = "large_messages_over_shared_memory_do_not_ask_at_each_piece_whether_the_peer_is_there";
    let work = || {
        let mut options = Options::default();
        options.set("spin", &Value::from(0)).unwrap();
        let (_listener, a, b) = pair(&name("shm"), &options);
        let large = Payload::from_bytes(Encoding::Raw, vec![7; 1 << 20].into());
        thread::scope(|s| {
            s.spawn(|| {
                for _ in 0..LARGE {
                    b.recv(SOON).unwrap();
                    b.send_payload(&large, SOON).unwrap();
                }
            });
            for _ in 0..LARGE {
                a.send_payload(&large, SOON).unwrap();
                a.recv(SOON).unwrap();
            }
        });
    };
    let Some(counts) = traced(test, "poll,ppoll,futex", work) else { return };
    assert!(of(&counts, &["poll", "ppoll"]) < 6 * LARGE, "{counts:?}");
}

const BATCH: i64 = 64;
const BATCHES: i64 = 50;

fn batches(transport: &str) {
    let mut options = Options::default();
    options.set("spin", &Value::from(0)).unwrap();
    let (_listener, a, b) = pair(&name(transport), &options);
    thread::scope(|s| {
        s.spawn(|| {
            let mut got = 0;
            while got < BATCHES * BATCH {
                got += b.recv_many(BATCH as usize, SOON).unwrap().len() as i64;
                if got % BATCH == 0 {
                    b.send(&Value::Int(got), SOON).unwrap();
                }
            }
        });
        for batch in 1..=BATCHES {
            assert_eq!(a.send_many((0..BATCH).map(Value::Int), SOON).unwrap(), BATCH as u64);
            assert_eq!(a.recv(SOON).unwrap().value().unwrap(), &Value::Int(batch * BATCH));
        }
    });
}

/// One frame there, one acknowledgement, one back, and a few others.
#[test]
fn batch_over_a_stream_takes_one_write_and_hardly_more_reads() {
    let test = "batch_over_a_stream_takes_one_write_and_hardly_more_reads";
    let calls = "read,write,readv,writev,sendto,sendmsg,recvfrom,recvmsg";
    let work = || ["unix", "tcp", "fifo"].into_iter().for_each(batches);
    let Some(counts) = traced(test, calls, work) else { return };
    let round = 3 * BATCHES as usize;
    assert!(of(&counts, &["write", "writev", "sendto", "sendmsg"]) < 4 * round, "{counts:?}");
    assert!(of(&counts, &["read", "readv", "recvfrom", "recvmsg"]) < 6 * round, "{counts:?}");
}

#[test]
fn batch_over_shared_memory_wakes_its_receiver_once() {
    let test = "batch_over_shared_memory_wakes_its_receiver_once";
    let Some(counts) = traced(test, "futex,sendto,write", || batches("shm")) else { return };
    // A sleep and a wake-up for each way, and those of the threads themselves.
    assert!(of(&counts, &["futex"]) < 6 * BATCHES as usize, "{counts:?}");
    assert!(of(&counts, &["sendto"]) < BATCHES as usize, "{counts:?}");
}
