//! A journal under strace: kills at every call that changes a file, a failing disk, counted syncs.
//!
//! Every reader gets the acknowledged records in order, and the next writer continues.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use std::os::unix::process::ExitStatusExt;

use linkspan::{ErrorKind, Message, Options, Subscriber, Value, registry};

use crate::support::alone::one_at_a_time;
use crate::support::programs::program;
use crate::support::{SOON, name};

/// Calls that change a disk, and the call that reports the acknowledgement.
const CALLS: [&str; 10] = [
    "pwritev",
    "pwrite64",
    "fdatasync",
    "fsync",
    "renameat",
    "ftruncate",
    "mkdirat",
    "fchmod",
    "unlinkat",
    "write",
];

/// More calls of one name than any life makes.
const ENOUGH: usize = 200;

/// The sync of the first message, after three syncs of the new journal's files.
const FIRST_SYNC: usize = 4;

fn victim() -> PathBuf {
    program("test-journal-victim")
}

fn life(words: &[&str], inject: &str) -> Output {
    let call = inject.split([':', '=']).next().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={inject}")]).arg(victim()).args(words);
    let out = command.stdin(Stdio::null()).output().expect("strace has to be installed, see tools/apt.sh");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!text.contains("strace:"), "{text}");
    out
}

/// Runs one life that is killed at the start of the nth such call. False if there are fewer calls.
fn killed(words: &[&str], call: &str, nth: usize) -> (String, bool) {
    let out = life(words, &format!("{call}:signal=KILL:when={nth}"));
    let output = String::from_utf8(out.stdout).unwrap();
    match out.status.signal() {
        Some(signal) => assert_eq!(signal, libc::SIGKILL),
        None => assert!(out.status.success(), "{}: {}", out.status, String::from_utf8_lossy(&out.stderr)),
    }
    (output, out.status.signal().is_some())
}

fn whole(words: &[&str]) -> String {
    let out = Command::new(victim()).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(out.status.success(), "{}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn all_from(endpoint: &str, first: u64) -> Vec<Message> {
    let mut options = Options::default();
    options.set("from", &Value::from(first as i64)).unwrap();
    let subscriber = Subscriber::new(endpoint, &options).unwrap();
    let mut all = Vec::new();
    loop {
        match subscriber.try_recv() {
            Ok(message) => all.push(message),
            Err(e) if e.kind() == ErrorKind::Empty => return all,
            Err(e) => panic!("after {} messages: {e}", all.len()),
        }
    }
}

/// Returns the writer of a message, and its position among that writer's messages.
fn written(message: &Message) -> (String, usize) {
    let text = message.value().unwrap().as_text().unwrap();
    let mut words = text.split(' ');
    let who = words.next().unwrap().to_owned();
    let i = words.next().unwrap().parse().unwrap();
    assert_eq!(words.next().unwrap().len(), i * 397 % 1500, "the body is whole");
    (who, i)
}

/// Returns the acknowledged numbers and messages that a life printed.
fn acknowledged(output: &str) -> Vec<(u64, String, usize)> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let sequence = words.next()?.parse().ok()?;
        Some((sequence, words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    output.lines().filter_map(line).collect()
}

/// Checks the records of one life after number `last`; returns the new last number.
fn is_kept(endpoint: &str, who: &str, output: &str, last: u64) -> u64 {
    let acknowledged = acknowledged(output);
    let found = all_from(endpoint, last + 1);
    assert!(
        found.len() == acknowledged.len() || found.len() == acknowledged.len() + 1,
        "{} of {acknowledged:?}",
        found.len()
    );
    for (i, message) in found.iter().enumerate() {
        assert_eq!(message.sequence(), last + 1 + i as u64);
        assert_eq!(written(message), (who.to_owned(), i));
    }
    for (i, promise) in acknowledged.into_iter().enumerate() {
        assert_eq!(promise, (last + 1 + i as u64, who.to_owned(), i));
    }
    last + found.len() as u64
}

#[test]
fn writer_killed_at_every_call_keeps_what_it_acknowledged() {
    let _alone = one_at_a_time();
    let endpoint = name("journal");
    let (mut last, mut kills) = (0, 0);
    for call in CALLS {
        for nth in 1..ENOUGH {
            let who = format!("{call}-{nth}");
            let (output, was_killed) = killed(&["write", &endpoint, &who, "12"], call, nth);
            let journal_is_there = registry::list().unwrap().iter().any(|one| one.endpoint == endpoint);
            if journal_is_there {
                last = is_kept(&endpoint, &who, &output, last);
            } else {
                assert!(acknowledged(&output).is_empty());
            }
            if !was_killed {
                assert_eq!(acknowledged(&output).len(), 12);
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 60, "only {kills} kills");
    let all = all_from(&endpoint, 1);
    assert!(all.iter().zip(1..).all(|(message, n)| message.sequence() == n));
    assert_eq!(all.len() as u64, last);
    println!("{kills} kills, {last} messages");
}

#[test]
fn journal_killed_during_creation_is_created_by_the_next_writer() {
    let _alone = one_at_a_time();
    let mut kills = 0;
    for call in CALLS {
        for nth in 1..ENOUGH {
            let endpoint = name("journal");
            let (output, was_killed) = killed(&["write", &endpoint, "first", "2"], call, nth);
            let next = acknowledged(&whole(&["write", &endpoint, "next", "2"]));
            let before = next[0].0 - 1;
            let acknowledged = acknowledged(&output).len() as u64;
            assert!(before == acknowledged || before == acknowledged + 1, "{call} {nth}: {output} {next:?}");
            let all: Vec<_> = all_from(&endpoint, 1).iter().map(written).collect();
            let expected: Vec<_> = (0..before as usize)
                .map(|i| ("first".to_owned(), i))
                .chain((0..2).map(|i| ("next".to_owned(), i)))
                .collect();
            assert_eq!(all, expected, "{call} {nth}");
            if !was_killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 15, "only {kills} kills");
    println!("{kills} kills");
}

#[test]
fn reader_killed_at_every_call_misses_nothing() {
    let _alone = one_at_a_time();
    let endpoint = name("journal");
    whole(&["write", &endpoint, "writer", "400"]);
    let (mut last, mut kills) = (0, 0);
    for call in ["pwrite64", "write", "fdatasync", "fsync", "renameat", "fchmod"] {
        for nth in 1..ENOUGH {
            let (output, was_killed) = killed(&["read", &endpoint, "logger", "5"], call, nth);
            let given: Vec<u64> = output.lines().map(|line| line.parse().unwrap()).collect();
            if let Some(first) = given.first() {
                // The last delivered record may be delivered again: its acknowledgement may be lost.
                assert!([last, last + 1].contains(first), "{call} {nth}: {first} after {last}");
                assert!(given.windows(2).all(|two| two[1] == two[0] + 1), "{given:?}");
                last = given[given.len() - 1];
            }
            if !was_killed {
                assert_eq!(given.len(), 5);
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 10 && last < 400, "{kills} kills, {last} read");
    println!("{kills} kills, {last} read");
}

#[test]
fn failed_sync_refuses_records_until_the_journal_is_opened_again() {
    let _alone = one_at_a_time();
    for nth in FIRST_SYNC..FIRST_SYNC + 4 {
        let endpoint = name("journal");
        let out = life(&["refused", &endpoint, "6"], &format!("fdatasync:error=EIO:when={nth}"));
        let output = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{output}{}", String::from_utf8_lossy(&out.stderr));
        let refusals: Vec<_> = output.lines().filter(|line| line.starts_with("Corrupt ")).collect();
        assert_eq!(refusals.len(), 3, "{nth}: {output}");
        assert!(refusals[0].contains("syncing") && refusals[0].contains("made anew"), "{output}");
        assert_eq!(refusals[2], "Corrupt again, made anew");
        assert_eq!(is_kept(&endpoint, "refused", &output, 0), 6);
    }
}

#[test]
fn full_disk_accepts_messages_again_once_it_has_room() {
    let _alone = one_at_a_time();
    for (call, first) in [("pwritev", 1), ("fdatasync", FIRST_SYNC)] {
        for nth in first..first + 4 {
            let endpoint = name("journal");
            let out = life(&["refused", &endpoint, "6"], &format!("{call}:error=ENOSPC:when={nth}"));
            let output = String::from_utf8(out.stdout).unwrap();
            assert!(out.status.success(), "{output}{}", String::from_utf8_lossy(&out.stderr));
            let refusals: Vec<_> = output.lines().filter(|line| !line.contains(" refused ")).collect();
            assert!(refusals.len() == 1 && refusals[0].starts_with("NoSpace "), "{call} {nth}: {output}");
            assert_eq!(is_kept(&endpoint, "refused", &output, 0), 6);
        }
    }
}

#[test]
fn eight_threads_share_syncs() {
    let _alone = one_at_a_time();
    const THREADS: usize = 8;
    const EACH: usize = 100;
    let endpoint = name("journal");
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("counts");
    let out = Command::new("strace")
        .args(["-f", "-qq", "-c", "-e", "trace=fdatasync", "-o"])
        .arg(&counts)
        .arg(victim())
        .args(["threads", &endpoint, &THREADS.to_string(), &EACH.to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("strace has to be installed, see tools/apt.sh");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let counts = fs::read_to_string(counts).unwrap();
    let line = counts.lines().find(|line| line.ends_with("fdatasync")).unwrap();
    let syncs: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    println!("{syncs} syncs for {} messages", THREADS * EACH);
    assert!(syncs < THREADS * EACH, "{syncs} syncs");
    assert_eq!(all_from(&endpoint, 1).len(), THREADS * EACH);
    let mut options = Options::default();
    options.set("from", &"newest".into()).unwrap();
    let newest = Subscriber::new(&endpoint, &options).unwrap().recv(SOON).unwrap();
    assert_eq!(newest.sequence(), (THREADS * EACH) as u64);
}

#[test]
fn nothing_is_acknowledged_or_shown_before_it_is_synced() {
    let _alone = one_at_a_time();
    let endpoint = name("journal");
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let out = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=pwritev,pwrite64,fdatasync,write", "-o"])
        .arg(&trace)
        .arg(victim())
        .args(["write", &endpoint, "writer", "20"])
        .stdin(Stdio::null())
        .output()
        .expect("strace has to be installed, see tools/apt.sh");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let (mut written, mut synced, mut shown, mut reported) = (0, 0, 0, 0);
    for line in fs::read_to_string(trace).unwrap().lines() {
        let Some((_, call)) = line.trim_start().split_once(' ') else { continue };
        let call = call.trim_start();
        match call.split('(').next().unwrap() {
            "pwritev" => written += 1,
            "fdatasync" if call.ends_with("= 0") => synced = written,
            // The word that readers read, not the page at the beginning of a segment.
            "pwrite64" if call.contains("LKSPDONE") => {
                assert_eq!(synced, written, "shown before it was synced: {line}");
                shown = written;
            }
            "write" if call.starts_with("write(1,") => {
                assert_eq!((synced, shown), (written, written), "reported before it was synced: {line}");
                reported += 1;
            }
            _ => {}
        }
    }
    assert_eq!((written, reported), (20, 20));
}
