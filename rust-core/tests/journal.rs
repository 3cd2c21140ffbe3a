//! The journal as programs use it: every reader gets the acknowledged records, however the writer ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use linkspan::{ErrorKind, Options, Publisher, Server, Subscriber, Timestamp, Value, latest, registry};

use crate::support::alone::alone;
use crate::support::programs::program;
use crate::support::{SOON, name, readable, rests};

fn journal() -> String {
    name("journal")
}

fn folder(endpoint: &str) -> PathBuf {
    let file = endpoint.strip_prefix("journal:").unwrap().replace('/', "@");
    PathBuf::from(std::env::var("LINKSPAN_STATE_DIR").unwrap()).join(format!("{file}.journal"))
}

fn options(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

fn numbers(subscriber: &Subscriber, count: usize) -> Vec<u64> {
    (0..count).map(|_| subscriber.recv(SOON).unwrap().sequence()).collect()
}

fn victim() -> PathBuf {
    program("test-journal-victim")
}

#[test]
fn journal_continues_its_numbers_and_is_readable_without_publisher() {
    let endpoint = journal();
    let early = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(early.recv(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(early.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(
        latest(&endpoint, &Options::default(), Duration::ZERO).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    for round in 0..3i64 {
        let publisher = Publisher::new(&endpoint, &options(&[("client_id", "driver".into())])).unwrap();
        if round == 0 {
            let nothing = latest(&endpoint, &Options::default(), Duration::ZERO).unwrap_err();
            assert_eq!(nothing.kind(), ErrorKind::Empty);
        }
        for i in 1..=3i64 {
            assert_eq!(publisher.send(&Value::Int(round * 3 + i)).unwrap(), (round * 3 + i) as u64);
        }
        drop(publisher);
        let message = early.recv(SOON).unwrap();
        assert_eq!((message.sequence(), message.source()), (round as u64 * 3 + 1, "driver"));
        assert_eq!(numbers(&early, 2), [round as u64 * 3 + 2, round as u64 * 3 + 3]);
        assert_eq!(early.recv(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Timeout);
        let newest = latest(&endpoint, &Options::default(), Duration::ZERO).unwrap();
        assert_eq!((newest.value().unwrap(), newest.source()), (&Value::Int(round * 3 + 3), "driver"));
        let kept = linkspan::latest_persistent(&endpoint, &Options::default(), Duration::ZERO).unwrap();
        assert_eq!(kept.value().unwrap(), &Value::Int(round * 3 + 3));
    }
    let late = Subscriber::new(&endpoint, &Options::default()).unwrap();
    assert_eq!(numbers(&late, 1), [9], "one without a name begins with the newest");
}

#[test]
fn replay_from_a_number_and_from_a_time_while_others_write() {
    let endpoint = journal();
    let publisher = Publisher::new(&endpoint, &options(&[("segment_bytes", Value::Int(8192))])).unwrap();
    let body = Value::from("x".repeat(500));
    let times: Vec<Timestamp> = (0..60)
        .map(|_| {
            let before = Timestamp::now();
            publisher.send(&body).unwrap();
            before
        })
        .collect();
    assert!(fs::read_dir(folder(&endpoint)).unwrap().count() > 5, "several segments");
    thread::scope(|s| {
        let readers: Vec<_> = [
            (Value::from("first"), 1),
            (Value::from("newest"), 60),
            (Value::Int(1), 1),
            (Value::Int(37), 37),
            (Value::Int(61), 61),
            (Value::Timestamp(times[0]), 1),
            (Value::Timestamp(times[29]), 30),
        ]
        .into_iter()
        .map(|(from, first)| {
            let endpoint = &endpoint;
            s.spawn(move || {
                let subscriber = Subscriber::new(endpoint, &options(&[("from", from.clone())])).unwrap();
                let expected: Vec<u64> = (first..=160).collect();
                let got = numbers(&subscriber, expected.len());
                // "newest" may have begun later than the writes.
                if from == Value::from("newest") {
                    let start = got[0];
                    assert!(start >= 60);
                    assert!(got.iter().zip(start..).all(|(a, b)| *a == b));
                } else {
                    assert_eq!(got, expected, "from {from:?}");
                }
            })
        })
        .collect();
        // One more for each record that "newest" may have skipped at its start.
        for _ in 60..260 {
            publisher.send(&body).unwrap();
        }
        readers.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn named_subscriber_continues_behind_its_last_consumed_record() {
    let endpoint = journal();
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    for i in 1..=10i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let logger = || Subscriber::new(&endpoint, &options(&[("client_id", "logger".into())])).unwrap();
    let first = logger();
    assert_eq!(numbers(&first, 4), [1, 2, 3, 4], "a new name begins with the first");
    let taken = logger().recv(SOON).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddressInUse);
    assert_eq!(publisher.subscribers(), 1);
    drop(first);
    let second = logger();
    assert!(second.poll().unwrap());
    assert_eq!(numbers(&second, 1), [4], "given and not consumed: given again");
    assert!(second.poll().unwrap(), "a look ahead consumes nothing that was not passed on");
    drop(second);
    assert_eq!(numbers(&logger(), 2), [4, 5]);
    let set = [("client_id", "logger".into()), ("ack", "manual".into())];
    let manual = Subscriber::new(&endpoint, &options(&set)).unwrap();
    assert_eq!(numbers(&manual, 3), [5, 6, 7]);
    drop(manual);
    let manual = Subscriber::new(&endpoint, &options(&set)).unwrap();
    assert_eq!(numbers(&manual, 3), [5, 6, 7]);
    manual.ack().unwrap();
    assert_eq!(numbers(&manual, 1), [8]);
    drop(manual);
    assert_eq!(numbers(&logger(), 3), [8, 9, 10]);
}

#[test]
fn retain_consumed_keeps_what_a_reader_that_acknowledged_nothing_began_with() {
    let endpoint = journal();
    let keep = [("retain_consumed", Value::from(true)), ("segment_bytes", Value::Int(8192))];
    let publisher = Publisher::new(&endpoint, &options(&keep)).unwrap();
    let body = Value::from("x".repeat(1000));
    let send = |count: usize| {
        for _ in 0..count {
            publisher.send(&body).unwrap();
        }
    };
    send(10);
    let set = |name: &str, more: &[(&str, Value)]| {
        let mut set = vec![("client_id", name.into()), ("ack", "manual".into())];
        set.extend_from_slice(more);
        Subscriber::new(&endpoint, &options(&set)).unwrap()
    };
    // Each reads something, acknowledges nothing and ends.
    assert_eq!(numbers(&set("all", &[]), 3), [1, 2, 3]);
    let fifth = [("from", Value::Int(5))];
    assert_eq!(numbers(&set("fifth", &fifth), 1), [5]);
    assert_eq!(numbers(&set("newest", &[("from", "newest".into())]), 1), [10]);
    drop(set("later", &[("from", Value::Int(15))]));
    let fast = set("fast", &[]);
    send(90);
    assert_eq!(numbers(&fast, 100), (1..=100).collect::<Vec<_>>());
    fast.ack().unwrap();
    send(20);
    for (name, more, first) in [
        ("all", &[][..], 1),
        ("fifth", &fifth, 5),
        ("newest", &[], 10),
        ("later", &[("from", Value::Int(15))], 15),
    ] {
        assert_eq!(numbers(&set(name, more), 30), (first..first + 30).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn deleted_records_are_reported_once() {
    let endpoint = journal();
    let keep = [("retain_bytes", Value::Int(300_000)), ("segment_bytes", Value::Int(65_536))];
    let publisher = Publisher::new(&endpoint, &options(&keep)).unwrap();
    let body = Value::from("x".repeat(5000));
    for _ in 0..10 {
        publisher.send(&body).unwrap();
    }
    let slow = Subscriber::new(&endpoint, &options(&[("client_id", "slow".into())])).unwrap();
    assert_eq!(numbers(&slow, 3), [1, 2, 3]);
    drop(slow);
    for _ in 10..200 {
        publisher.send(&body).unwrap();
    }
    let slow = Subscriber::new(&endpoint, &options(&[("client_id", "slow".into())])).unwrap();
    let lagged = slow.recv(SOON).unwrap_err();
    assert_eq!(lagged.kind(), ErrorKind::Lagged);
    let first = lagged.missed().unwrap() + 3;
    assert!((100..200).contains(&first), "{first}");
    assert_eq!(numbers(&slow, 200 - first as usize + 1), (first..=200).collect::<Vec<_>>());
    assert!(slow.events().iter().any(|e| e.kind.name() == "lagged" && e.missed == first - 3));
}

#[test]
fn old_or_consumed_segments_are_deleted() {
    let endpoint = journal();
    let short = ("segment_bytes", Value::Int(8192));
    let body = Value::from("x".repeat(1000));
    let send = |rule: (&str, Value)| {
        let publisher = Publisher::new(&endpoint, &options(&[short.clone(), rule])).unwrap();
        for _ in 0..20 {
            publisher.send(&body).unwrap();
        }
    };
    send(("retain_seconds", Value::from(3600.0)));
    let reader = || Subscriber::new(&endpoint, &options(&[("client_id", "logger".into())])).unwrap();
    let logger = reader();
    assert_eq!(numbers(&logger, 16), (1..=16).collect::<Vec<_>>());
    send(("retain_consumed", Value::from(true)));
    assert_eq!(numbers(&logger, 24), (17..=40).collect::<Vec<_>>(), "what was not consumed is all there");
    let all = || Subscriber::new(&endpoint, &options(&[("from", "first".into())])).unwrap();
    let first = numbers(&all(), 1)[0];
    assert!((2..=16).contains(&first), "{first}");
    send(("retain_seconds", Value::from(0.0)));
    let first = numbers(&all(), 1)[0];
    assert!(first > 50, "{first}");
}

#[test]
fn mode_applies_to_all_files_of_a_journal() {
    use std::os::unix::fs::PermissionsExt;
    let endpoint = journal();
    let publisher = Publisher::new(&endpoint, &options(&[("mode", Value::Int(0o640))])).unwrap();
    publisher.send(&Value::Null).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(folder(&endpoint)), 0o2750);
    for entry in fs::read_dir(folder(&endpoint)).unwrap() {
        assert_eq!(mode(entry.unwrap().path()), 0o640);
    }
}

#[test]
fn descriptor_signals_safe_records() {
    let endpoint = journal();
    let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
    let fd = subscriber.fileno().unwrap();
    let found_nothing = || {
        subscriber.try_recv().unwrap_err();
        false
    };
    rests(fd, "no journal", found_nothing);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from("first")).unwrap();
    assert!(readable(fd, 60), "a journal that appears wakes the event loop");
    assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::from("first"));
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    rests(fd, "a journal that is read", found_nothing);
    for i in 0..5i64 {
        publisher.send(&Value::Int(i)).unwrap();
        publisher.send(&Value::Int(-i)).unwrap();
        for value in [i, -i] {
            assert!(readable(fd, 60));
            assert_eq!(subscriber.try_recv().unwrap().value().unwrap(), &Value::Int(value));
        }
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        rests(fd, "a journal that is read", found_nothing);
    }
    drop(publisher);
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    publisher.send(&Value::from("back")).unwrap();
    assert!(readable(fd, 60));
    assert_eq!(subscriber.try_recv().unwrap().value().unwrap(), &Value::from("back"));
}

#[test]
fn many_threads_send_through_one_publisher() {
    let endpoint = journal();
    let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
    let mut all = BTreeSet::new();
    thread::scope(|s| {
        let running: Vec<_> = (0..8i64)
            .map(|who| {
                let publisher = &publisher;
                s.spawn(move || {
                    (0..20).map(|i| publisher.send(&Value::Int(who * 100 + i)).unwrap()).collect::<Vec<_>>()
                })
            })
            .collect();
        for one in running {
            all.extend(one.join().unwrap());
        }
    });
    assert_eq!(all, (1..=160).collect());
}

#[test]
fn journal_supports_publishing_alone_and_reports_it() {
    let endpoint = journal();
    assert_eq!(Server::serve(&endpoint, &Options::default()).err().unwrap().kind(), ErrorKind::Unsupported);
    let lists = options(&[("allow_uids", vec![0i64].into())]);
    assert_eq!(Publisher::new(&endpoint, &lists).err().unwrap().kind(), ErrorKind::Unsupported);
    for (name, value) in [
        ("from", Value::Int(1)),
        ("retain_bytes", Value::Int(1_000_000)),
        ("retain_seconds", Value::from(1.0)),
        ("retain_consumed", Value::from(true)),
        ("segment_bytes", Value::Int(1_000_000)),
    ] {
        let error = Subscriber::new("shm:x", &options(&[(name, value)])).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[test]
fn journal_is_listed_with_consumers_and_kept_by_clean() {
    alone!(journal_is_listed_with_consumers_and_kept_by_clean);
    let endpoint = journal();
    let publisher = Publisher::new(&endpoint, &options(&[("client_id", "driver".into())])).unwrap();
    for i in 1..=5i64 {
        publisher.send(&Value::Int(i)).unwrap();
    }
    let logger = Subscriber::new(&endpoint, &options(&[("client_id", "logger".into())])).unwrap();
    assert_eq!(numbers(&logger, 3), [1, 2, 3]);
    let listed = || registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint).unwrap();
    let one = listed();
    assert_eq!(
        (one.pattern, one.messages, one.peers, one.behind),
        (Some("publish"), Some(5), Some(1), Some(3))
    );
    assert_eq!((one.pid, one.program.as_deref()), (Some(std::process::id()), Some("driver")));
    drop((publisher, logger));
    assert!(!registry::clean().unwrap().removed.contains(&endpoint));
    let one = listed();
    assert_eq!((one.pid, one.messages, one.peers, one.behind), (None, Some(5), Some(0), Some(3)));
    assert_eq!(latest(&endpoint, &Options::default(), Duration::ZERO).unwrap().sequence(), 5);
}

#[test]
fn absolute_path_is_a_journal_too() {
    let around = tempfile::tempdir().unwrap();
    let path = around.path().join("log");
    let endpoint = format!("journal:{}", path.display());
    for made_before in [false, true] {
        if made_before {
            fs::remove_dir_all(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        thread::scope(|s| {
            let receives = s.spawn(|| subscriber.recv(SOON).unwrap().value().unwrap().clone());
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            publisher.send(&Value::from("here")).unwrap();
            assert_eq!(receives.join().unwrap(), Value::from("here"));
        });
    }
}

#[test]
fn subscriber_gets_everything_of_a_journal_that_takes_the_place_of_a_removed_one() {
    for from in [None, Some("newest".into()), Some("first".into()), Some(Value::Int(2))] {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("log");
        let endpoint = format!("journal:{}", path.display());
        let send = |values: &[i64]| {
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            for value in values {
                publisher.send(&Value::Int(*value)).unwrap();
            }
        };
        send(&[1, 2, 3]);
        let set: Vec<_> = from.iter().map(|from: &Value| ("from", from.clone())).collect();
        let subscriber = Subscriber::new(&endpoint, &options(&set)).unwrap();
        let next = || subscriber.recv(SOON).unwrap().value().unwrap().clone();
        while next() != Value::Int(3) {}
        // Moved away instead of deleted: a process that has it open still reads the old records.
        for (round, aside) in [false, true].into_iter().enumerate() {
            fs::remove_file(path.join("committed")).unwrap();
            match aside {
                true => fs::rename(&path, around.path().join("aside")).unwrap(),
                false => fs::remove_dir_all(&path).unwrap(),
            }
            let first = 10 * (round as i64 + 1);
            send(&[first, first + 1]);
            if aside {
                assert_eq!(subscriber.newest(SOON).unwrap().value().unwrap(), &Value::Int(first + 1));
            }
            assert_eq!([next(), next()], [first, first + 1].map(Value::Int), "from {from:?}, aside: {aside}");
        }
    }
}

#[test]
fn full_disk_refuses_records_until_there_is_room() {
    let around = tempfile::tempdir().unwrap();
    let disk = around.path().display();
    // The mount belongs to this child and ends with it.
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs '{disk}' && head -c 200000 /dev/zero > '{disk}/ballast' \
         && exec {} fill 'journal:{disk}/log' '{disk}/ballast'",
        victim().display()
    );
    let out =
        Command::new("unshare").args(["-rm", "sh", "-ec", &script]).stdin(Stdio::null()).output().unwrap();
    let output = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{output}{}", String::from_utf8_lossy(&out.stderr));
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("NoSpace after "), "{output}");
    let sent: u64 = lines[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(sent > 100, "{output}");
    assert_eq!(lines[1..], ["NoSpace", "NoSpace", "NoSpace", &format!("sent {}", sent + 1), "all there"]);
}

#[test]
fn file_size_limit_makes_shorter_segments_and_raises_no_signal() {
    let around = tempfile::tempdir().unwrap();
    let endpoint = format!("journal:{}/log", around.path().display());
    let script = format!("ulimit -f 32 && exec {} limit '{endpoint}'", victim().display());
    let out = Command::new("sh").args(["-ec", &script]).stdin(Stdio::null()).output().unwrap();
    let output = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{} {output}{}", out.status, String::from_utf8_lossy(&out.stderr));
    assert_eq!(output.lines().collect::<Vec<_>>(), ["NoSpace", "21"]);
    let lengths: Vec<u64> = fs::read_dir(around.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(lengths.len() > 3 && lengths.iter().all(|length| *length <= 16_384), "{lengths:?}");
    let all = Subscriber::new(&endpoint, &options(&[("from", "first".into())])).unwrap();
    assert_eq!(numbers(&all, 21), (1..=21).collect::<Vec<_>>());
}
