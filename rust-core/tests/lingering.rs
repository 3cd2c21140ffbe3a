//! Channels that end without `close`, and `flush`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use linkspan::{Channel, ErrorKind, Listener, Options, Value};

use crate::support::{SOON, name};

const ENDPOINT: &str = "LINKSPAN_TEST_LINGER";
const SENT: i64 = 100;

fn brief() -> Options {
    Options::default().with_linger(Duration::from_millis(300))
}

#[test]
fn sender_that_ends_without_close_says_how_much_was_not_consumed() {
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let channel = Channel::connect(&endpoint, &brief(), SOON).unwrap();
        (0..SENT).for_each(|i| {
            channel.send(&Value::Int(i), SOON).unwrap();
        });
        println!("\nsent");
        return;
    }
    for transport in ["shm", "unix"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let mut sender = Command::new(std::env::current_exe().unwrap())
            .args([
                "lingering::sender_that_ends_without_close_says_how_much_was_not_consumed",
                "--exact",
                "--nocapture",
            ])
            .env(ENDPOINT, &endpoint)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let channel = listener.accept(SOON).unwrap();
        // The second call consumes the first message, and both sides end.
        channel.recv(SOON).unwrap();
        channel.recv(SOON).unwrap();
        let mut output = BufReader::new(sender.stdout.take().unwrap()).lines();
        assert!(output.any(|line| line.unwrap() == "sent"));
        drop((channel, listener));
        // Read to its end, or the sender could not write the rest.
        assert!(output.all(|line| line.is_ok()));
        let out = sender.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("linkspan: ")).collect();
        let [line] = lines[..] else { panic!("{transport}: {text}") };
        let count: i64 = line.split(": ").nth(2).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((SENT - 2..SENT).contains(&count), "{line}");
    }
}

/// A sender without `linger` reports unconsumed messages if its peer is gone. An existing peer can still take
/// them.
#[test]
fn sender_without_linger_reports_what_a_peer_that_is_gone_had_not_consumed() {
    const TEST: &str = "lingering::sender_without_linger_reports_what_a_peer_that_is_gone_had_not_consumed";
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        (0..SENT).for_each(|i| {
            channel.send(&Value::Int(i), SOON).unwrap();
        });
        println!("\nsent");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    for transport in ["shm", "unix", "tcp"] {
        for peer_ends in [true, false] {
            let endpoint = name(transport);
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let mut sender = Command::new(std::env::current_exe().unwrap())
                .args([TEST, "--exact", "--nocapture"])
                .env(ENDPOINT, listener.endpoint())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let channel = listener.accept(SOON).unwrap();
            channel.recv(SOON).unwrap();
            channel.recv(SOON).unwrap();
            let mut output = BufReader::new(sender.stdout.take().unwrap()).lines();
            assert!(output.any(|line| line.unwrap() == "sent"));
            let left = if peer_ends {
                drop((channel, listener));
                None
            } else {
                Some(channel)
            };
            drop(sender.stdin.take());
            assert!(output.all(|line| line.is_ok()));
            let out = sender.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{text}");
            let lines = text.lines().filter(|line| line.starts_with("linkspan: ")).count();
            // Bytes that a full window held back end with the sender's process, which reports them.
            let is_held_back = transport == "tcp" && lines == 1;
            assert!(lines == usize::from(peer_ends) || is_held_back, "{transport}: {text}");
            let Some(channel) = left else { continue };
            for i in 2..SENT {
                match channel.recv(SOON) {
                    Ok(message) => assert_eq!(message.value().unwrap(), &Value::Int(i)),
                    Err(error) => {
                        let is_told = is_held_back && error.kind() == ErrorKind::Disconnected;
                        assert!(is_told, "{transport}, {i}: {error}");
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn sender_without_linger_reports_what_a_killed_peer_had_not_consumed() {
    const TEST: &str = "lingering::sender_without_linger_reports_what_a_killed_peer_had_not_consumed";
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        println!("\nlistens {}", listener.endpoint());
        let channel = listener.accept(SOON).unwrap();
        channel.recv(SOON).unwrap();
        channel.recv(SOON).unwrap();
        println!("took");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    for transport in ["shm", "unix", "tcp"] {
        let mut peer = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(ENDPOINT, name(transport))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(peer.stdout.take().unwrap()).lines();
        let endpoint =
            output.find_map(|line| Some(line.unwrap().strip_prefix("listens ")?.to_owned())).unwrap();
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        for i in 0..SENT {
            channel.send(&Value::Int(i), SOON).unwrap();
        }
        assert!(output.any(|line| line.unwrap() == "took"));
        assert_eq!(channel.linger(), 0, "{transport}: the peer is there");
        peer.kill().unwrap();
        peer.wait().unwrap();
        let reported = channel.linger() as i64;
        // The kill came before or after the peer acknowledged its messages.
        assert!((SENT - 2..=SENT).contains(&reported), "{transport}: {reported}");
    }
}

#[test]
fn dropped_channel_reports_by_callback_what_was_not_consumed_and_nothing_otherwise() {
    let endpoint = name("shm");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let reported = Arc::new(AtomicU64::new(0));
    let count = reported.clone();
    let options = brief().with_on_unconsumed(Arc::new(move |missed| {
        count.fetch_add(missed, Ordering::SeqCst);
    }));
    let sender = Channel::connect(&endpoint, &options, SOON).unwrap();
    let receiver = listener.accept(SOON).unwrap();
    sender.send(&Value::Int(1), SOON).unwrap();
    receiver.recv(SOON).unwrap();
    drop(sender);
    assert_eq!(reported.load(Ordering::SeqCst), 1, "received, and not consumed before the next call");

    let sender = Channel::connect(&endpoint, &options, SOON).unwrap();
    let receiver = listener.accept(SOON).unwrap();
    sender.send(&Value::Int(1), SOON).unwrap();
    let (took, taken) = mpsc::channel();
    thread::scope(|s| {
        s.spawn(|| {
            receiver.recv(SOON).unwrap();
            took.send(()).unwrap();
            let _ = receiver.recv(SOON);
        });
        taken.recv_timeout(SOON).unwrap();
        sender.flush(SOON).unwrap();
        drop(sender);
    });
    assert_eq!(reported.load(Ordering::SeqCst), 1);
}

/// Other languages call `linger` on a channel before they drop it.
#[test]
fn channel_that_lingered_is_not_reported_again_by_its_drop() {
    let endpoint = name("shm");
    let _listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let reported = Arc::new(AtomicU64::new(0));
    let count = reported.clone();
    let options = Options::default().with_on_unconsumed(Arc::new(move |missed| {
        count.fetch_add(missed, Ordering::SeqCst);
    }));
    let sender = Channel::connect(&endpoint, &options, SOON).unwrap();
    assert_eq!(sender.linger(), 0, "nothing was sent");
    (0..3).for_each(|i| {
        sender.send(&Value::Int(i), SOON).unwrap();
    });
    assert_eq!((sender.linger(), sender.linger()), (3, 0));
    drop(sender);
    assert_eq!(reported.load(Ordering::SeqCst), 3);
}

#[test]
fn flush_fails_with_the_number_and_can_be_repeated() {
    for transport in ["shm", "unix", "tcp"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let sender = Channel::connect(&endpoint, &brief(), SOON).unwrap();
        sender.flush(SOON).unwrap();
        let receiver = listener.accept(SOON).unwrap();
        (0..3).for_each(|i| {
            sender.send(&Value::Int(i), SOON).unwrap();
        });
        let error = sender.flush(Duration::from_millis(50)).unwrap_err();
        assert_eq!((error.kind(), error.missed()), (ErrorKind::Timeout, Some(3)), "{error}");
        (0..3).for_each(|i| assert_eq!(receiver.recv(SOON).unwrap().value().unwrap(), &Value::Int(i)));
        let flushed = thread::scope(|s| {
            let flushed = s.spawn(|| sender.flush(SOON));
            let _ = receiver.recv(Duration::from_millis(200));
            flushed.join().unwrap()
        });
        flushed.unwrap();
        sender.close(SOON).unwrap();
        assert_eq!(sender.flush(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    }
}

/// At the exit of the program, other languages call `linger` without freeing the channels.
#[test]
fn receiver_that_lingers_at_its_exit_acknowledges_what_it_consumed() {
    const TEST: &str = "lingering::receiver_that_lingers_at_its_exit_acknowledges_what_it_consumed";
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        println!("\nlistens {}", listener.endpoint());
        let channel = listener.accept(SOON).unwrap();
        (0..SENT).for_each(|i| assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Int(i)));
        assert_eq!(channel.linger(), 0);
        std::process::exit(0);
    }
    for transport in ["shm", "unix", "tcp"] {
        let mut peer = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--nocapture"])
            .env(ENDPOINT, name(transport))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(peer.stdout.take().unwrap()).lines();
        let endpoint =
            output.find_map(|line| Some(line.unwrap().strip_prefix("listens ")?.to_owned())).unwrap();
        let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        for i in 0..SENT {
            channel.send(&Value::Int(i), SOON).unwrap();
        }
        assert!(peer.wait().unwrap().success());
        assert_eq!(channel.linger(), 0, "{transport}: the peer has consumed them");
        assert!(channel.unacknowledged() <= 1, "{transport}: {}", channel.unacknowledged());
    }
}

/// The peer of an accepted channel cannot reconnect, so its unconsumed messages are lost.
#[test]
fn accepted_channel_reports_what_a_peer_that_is_gone_had_not_consumed() {
    for transport in ["shm", "unix", "tcp"] {
        for (options, has_noticed) in
            [(Options::default(), false), (Options::default(), true), (brief(), false), (brief(), true)]
        {
            let listener = Listener::listen(&name(transport), &options).unwrap();
            let peer = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
            let channel = listener.accept(SOON).unwrap();
            (0..20).for_each(|i| _ = channel.send(&Value::Int(i), SOON).unwrap());
            // The call for the last consumes the earlier ones.
            (0..10).for_each(|_| drop(peer.recv(SOON).unwrap()));
            drop(peer);
            if has_noticed {
                assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::Disconnected);
            }
            assert_eq!((channel.linger(), channel.linger()), (11, 0), "{transport}, {has_noticed}");
        }
        // Losses that an error has reported are not reported again.
        let listener = Listener::listen(&name(transport), &brief()).unwrap();
        let peer = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        (0..20).for_each(|i| _ = channel.send(&Value::Int(i), SOON).unwrap());
        drop(peer);
        assert_eq!(channel.flush(SOON).unwrap_err().missed(), Some(20), "{transport}");
        assert_eq!(channel.linger(), 0, "{transport}");
    }
}

/// A flush that gives up while the peer is connected reports unconsumed messages, not lost ones.
#[test]
fn number_of_a_flush_before_the_peer_was_gone_is_reported_at_the_end() {
    for transport in ["shm", "unix", "tcp"] {
        let listener = Listener::listen(&name(transport), &Options::default()).unwrap();
        let channel = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let peer = listener.accept(SOON).unwrap();
        (0..20).for_each(|i| _ = channel.send(&Value::Int(i), SOON).unwrap());
        let given_up = channel.flush(Duration::from_millis(10)).unwrap_err();
        assert_eq!((given_up.kind(), given_up.missed()), (ErrorKind::Timeout, Some(20)), "{transport}");
        drop((listener, peer));
        assert_eq!(channel.linger(), 20, "{transport}");
    }
}

/// The options ask for a report at the end. Without them, the report of a flush is enough.
#[test]
fn number_that_a_flush_has_told_is_not_reported_again() {
    for transport in ["shm", "unix", "tcp"] {
        for (options, sends_more, reported) in
            [(Options::default(), false, 0), (Options::default(), true, 20), (brief(), false, 20)]
        {
            let listener = Listener::listen(&name(transport), &Options::default()).unwrap();
            let channel = Channel::connect(&listener.endpoint(), &options, SOON).unwrap();
            let peer = listener.accept(SOON).unwrap();
            (0..20).for_each(|i| _ = channel.send(&Value::Int(i), SOON).unwrap());
            if sends_more {
                let told = channel.flush(Duration::from_millis(10)).unwrap_err();
                assert_eq!(told.missed(), Some(20), "{transport}");
                channel.send(&Value::Int(20), SOON).unwrap();
                peer.recv(SOON).unwrap();
                peer.recv(SOON).unwrap();
            }
            drop((listener, peer));
            if !sends_more {
                let told = channel.flush(Duration::from_millis(50)).unwrap_err();
                assert_eq!(told.missed(), Some(20), "{transport}");
            }
            assert_eq!(channel.linger(), reported, "{transport}");
        }
    }
}
