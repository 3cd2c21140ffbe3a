//! `file:`: the newest value in one file, never half of one, whichever program writes, reads or dies.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{
    Channel, Encoding, ErrorKind, Options, Payload, Publisher, Server, Subscriber, Value, latest,
};

use crate::support::alone::alone;
use crate::support::{SOON, as_user, is_root, name, readable, short_or_full, told_while_waiting};

/// A file of its own for each test: the endpoint, and where it lies.
fn place() -> (String, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    (format!("file:{}", path.display()), path, folder)
}

fn with(set: &[(&str, Value)]) -> Options {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value).unwrap();
    }
    options
}

fn locked() -> Options {
    with(&[("locked", true.into())])
}

fn now(endpoint: &str, options: &Options) -> linkspan::Result<Value> {
    let message = latest(endpoint, options, Duration::ZERO)?;
    // The long ones are not for the text of a failed test.
    if message.encoding() == Encoding::Raw { Ok(Value::Null) } else { message.value().cloned() }
}

/// A body that is whole if and only if nothing of another is mixed in.
fn body(i: u64) -> Vec<u8> {
    let size = 10_000 + (i * 7919 % 40) as usize * 25_000;
    let mut body = vec![i as u8; size];
    body[..8].copy_from_slice(&i.to_le_bytes());
    body
}

fn check_body(bytes: &[u8]) -> u64 {
    let i = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == body(i), "value {i} is not whole");
    i
}

fn raw(bytes: Vec<u8>) -> Payload {
    Payload::from_bytes(Encoding::Raw, bytes.into())
}

#[test]
fn value_outlives_its_publisher_and_numbers_continue() {
    alone!(value_outlives_its_publisher_and_numbers_continue);
    let endpoint = name("file");
    let options = Options::default();
    assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::NotFound);
    let a = Publisher::new(&endpoint, &with(&[("client_id", "driver".into())])).unwrap();
    assert_eq!(a.send(&Value::from("one")).unwrap(), 1);
    let b = Publisher::new(&endpoint, &options).unwrap();
    assert_eq!(b.send(&Value::from("two")).unwrap(), 2);
    assert_eq!(a.send(&Value::from("three")).unwrap(), 3);
    drop((a, b));
    let message = latest(&endpoint, &options, Duration::ZERO).unwrap();
    assert_eq!((message.value().unwrap(), message.sequence()), (&Value::from("three"), 3));
    assert_eq!((message.source(), message.encoding()), ("driver", Encoding::Cbor));
    assert_eq!(linkspan::latest_persistent(&endpoint, &options, SOON).unwrap().sequence(), 3);
    let listed = linkspan::registry::list().unwrap().into_iter().find(|l| l.endpoint == endpoint).unwrap();
    assert_eq!((listed.pattern, listed.messages), (Some("publish"), Some(3)));
    assert_eq!(listed.program.as_deref(), Some("driver"));
    // Neither a listing nor the broom takes a value away.
    linkspan::registry::clean().unwrap();
    assert_eq!(now(&endpoint, &options).unwrap(), Value::from("three"));
}

#[test]
fn subscriber_gets_the_newest_value_first_and_then_each_change() {
    for options in [Options::default(), locked()] {
        let (endpoint, _path, _folder) = place();
        let (mut told_options, told) = told_while_waiting();
        told_options.locked = options.locked;
        let readings = Subscriber::new(&endpoint, &told_options).unwrap();
        assert_eq!(readings.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        assert_eq!(readings.recv(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::NotFound);
        let out = Publisher::new(&endpoint, &options).unwrap();
        thread::scope(|s| {
            let first = s.spawn(|| readings.recv(SOON).unwrap());
            told.recv().unwrap();
            out.send(&Value::Int(1)).unwrap();
            assert_eq!(first.join().unwrap().value().unwrap(), &Value::Int(1));
        });
        assert_eq!(readings.recv(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::Timeout);
        for i in 2..=5 {
            out.send(&Value::Int(i)).unwrap();
        }
        let message = readings.recv(SOON).unwrap();
        assert_eq!((message.value().unwrap(), message.missed()), (&Value::Int(5), 3));
        assert_eq!(readings.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        // For event loops.
        let fd = readings.fileno().unwrap();
        assert!(!readable(fd, 0));
        out.send(&Value::Int(6)).unwrap();
        assert!(readable(fd, 20));
        assert_eq!(readings.try_recv().unwrap().value().unwrap(), &Value::Int(6));
        assert_eq!(readings.newest(Duration::ZERO).unwrap().value().unwrap(), &Value::Int(6));
        let late = Subscriber::new(&endpoint, &options).unwrap();
        assert_eq!(late.recv(SOON).unwrap().value().unwrap(), &Value::Int(6));
        // A subscriber that requests reports gets the number of values that can no longer be read.
        let strict = with(&[("delivery", "best_effort".into()), ("locked", options.locked.into())]);
        let strict = Subscriber::new(&endpoint, &strict).unwrap();
        assert_eq!(strict.recv(SOON).unwrap().sequence(), 6);
        out.send(&Value::Int(7)).unwrap();
        out.send(&Value::Int(8)).unwrap();
        let lagged = strict.recv(SOON).unwrap_err();
        assert_eq!((lagged.kind(), lagged.missed()), (ErrorKind::Lagged, Some(1)));
        assert_eq!(strict.recv(SOON).unwrap().value().unwrap(), &Value::Int(8));
    }
}

#[test]
fn latest_waits_for_a_file_if_it_may() {
    let (endpoint, _path, _folder) = place();
    let (options, told) = told_while_waiting();
    thread::scope(|s| {
        let waits = s.spawn(|| latest(&endpoint, &options, SOON).unwrap());
        told.recv().unwrap();
        Publisher::new(&endpoint, &Options::default()).unwrap().send(&Value::Int(1)).unwrap();
        assert_eq!(waits.join().unwrap().value().unwrap(), &Value::Int(1));
    });
}

#[test]
fn unsupported_operation_on_a_file_is_refused_with_the_reason() {
    let (endpoint, path, _folder) = place();
    let options = Options::default();
    let refused = [
        Channel::connect(&endpoint, &options, SOON).map(drop).unwrap_err(),
        Channel::open(&endpoint, &options, SOON).map(drop).unwrap_err(),
        Server::serve(&endpoint, &options).map(drop).unwrap_err(),
        Publisher::new(&endpoint, &with(&[("allow_uids", vec![0i64].into())])).map(drop).unwrap_err(),
        Publisher::new(&endpoint, &with(&[("delivery", "durable".into())])).map(drop).unwrap_err(),
        Subscriber::new(&endpoint, &with(&[("delivery", "at_least_once".into())])).map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.text().contains("one value") && error.endpoint().is_some(), "{error}");
    }
    let error = Publisher::new("unix:x", &locked()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(!path.exists());
}

/// Two writers, of `count` values each, and five readers.
fn hammer(options: &Options, count: u64) {
    let (endpoint, _path, _folder) = place();
    let done = AtomicBool::new(false);
    Publisher::new(&endpoint, options).unwrap().send_payload(&raw(body(0))).unwrap();
    let mut readers: Vec<Child> =
        (0..2).map(|_| this_program(&[], &endpoint, options.locked, "reader").spawn().unwrap()).collect();
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                let mut reads = 0u64;
                while !done.load(Ordering::Acquire) || reads == 0 {
                    check_body(latest(&endpoint, options, SOON).unwrap().body());
                    reads += 1;
                }
            });
        }
        let subscriber = s.spawn(|| {
            let readings = Subscriber::new(&endpoint, options).unwrap();
            let (mut sequence, mut got) = (0, 0);
            loop {
                let message = readings.recv(SOON).unwrap();
                check_body(message.body());
                assert!(message.sequence() > sequence, "{} after {sequence}", message.sequence());
                got += 1 + message.missed();
                // The first is the newest of that moment.
                if sequence == 0 {
                    got = message.sequence();
                }
                sequence = message.sequence();
                if sequence == 2 * count + 1 {
                    return got;
                }
            }
        });
        let writers: Vec<_> = (0..2)
            .map(|w| {
                let endpoint = &endpoint;
                s.spawn(move || {
                    let out = Publisher::new(endpoint, options).unwrap();
                    for i in 0..count {
                        out.send_payload(&raw(body(2 * i + w))).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        assert_eq!(subscriber.join().unwrap(), 2 * count + 1, "each value was given or counted as missed");
        done.store(true, Ordering::Release);
    });
    let last = latest(&endpoint, options, SOON).unwrap();
    assert_eq!(last.sequence(), 2 * count + 1, "no two writers took the same number");
    Publisher::new(&endpoint, options).unwrap().send_payload(&raw(b"end".to_vec())).unwrap();
    for reader in &mut readers {
        assert!(reader.wait().unwrap().success());
    }
}

#[test]
#[ignore = "a process of its own, started by the others"]
fn reader() {
    let endpoint = std::env::var("FILE_TEST_ENDPOINT").unwrap();
    let options = with(&[("locked", (!std::env::var("FILE_TEST_LOCKED").unwrap().is_empty()).into())]);
    loop {
        let message = latest(&endpoint, &options, SOON).unwrap();
        if message.body().as_ref() == b"end" {
            return;
        }
        check_body(message.body());
    }
}

#[test]
fn many_readers_never_see_half() {
    hammer(&Options::default(), short_or_full(75, 150));
}

#[test]
fn many_readers_never_see_half_in_place() {
    // Each waits for its turn.
    hammer(&locked(), short_or_full(15, 40));
}

#[test]
fn line_is_readable_by_every_program() {
    for lock in [false, true] {
        let (endpoint, path, _folder) = place();
        let options = with(&[("framing", "lines".into()), ("locked", lock.into())]);
        let out = Publisher::new(&endpoint, &options).unwrap();
        let readings = Subscriber::new(&endpoint, &options).unwrap();
        for text in ["a long text to begin with", "short", "and a longer one that ends it all", ""] {
            out.send(&Value::map([("x", text)])).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\"x\":\"{text}\"}}\n"));
            assert_eq!(readings.recv(SOON).unwrap().get("x").unwrap(), &Value::from(text));
        }
        // A value of another program, with the newline that ends it.
        let mut other = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert!(matches!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Empty));
        other.write_all(b"{\"x\":\"echo").unwrap();
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Corrupt);
        if !lock {
            // It may be about to go on.
            assert_eq!(readings.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        }
        other.write_all(b"\"}\n").unwrap();
        let message = loop {
            match readings.recv(SOON) {
                Ok(message) => break message,
                Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt),
            }
        };
        assert_eq!(message.get("x").unwrap(), &Value::from("echo"));
        out.send(&Value::map([("x", "heard")])).unwrap();
        assert_eq!(now(&endpoint, &options).unwrap(), Value::map([("x", "heard")]));
    }
}

#[test]
fn bare_values_need_an_agreed_encoding() {
    let (endpoint, path, _folder) = place();
    let options = with(&[("framing", "raw".into()), ("encoding", "raw".into())]);
    let out = Publisher::new(&endpoint, &options).unwrap();
    out.send(&Value::Bytes(b"\x01\x02".to_vec().into())).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"\x01\x02");
    fs::write(&path, b"other").unwrap();
    assert_eq!(latest(&endpoint, &options, Duration::ZERO).unwrap().body().as_ref(), b"other");
    let text = Payload::new(&Value::Int(1), Encoding::Json, &linkspan::Limits::default()).unwrap();
    assert_eq!(out.send_payload(&text).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn damage_is_noticed_and_healed_by_the_next_write() {
    for options in [Options::default(), locked()] {
        let (endpoint, path, _folder) = place();
        let out = Publisher::new(&endpoint, &options).unwrap();
        for _ in 0..4 {
            out.send_payload(&raw(body(3))).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        let readings = Subscriber::new(&endpoint, &options).unwrap();
        readings.recv(SOON).unwrap();
        for at in [0, 12, 30, 130, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let error = now(&endpoint, &options).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Malformed), "{at}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "at {at}: {error}");
            assert!(error.endpoint().is_some() && error.offset().is_some());
        }
        for length in [1, 63, 64, 100, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Corrupt, "{length} bytes");
        }
        fs::write(&path, b"").unwrap();
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Empty);
        fs::write(&path, &whole[..1000]).unwrap();
        // The header still has the last number.
        assert_eq!(out.send_payload(&raw(body(4))).unwrap(), 5);
        fs::write(&path, b"nonsense").unwrap();
        assert_eq!(out.send_payload(&raw(body(5))).unwrap(), 6);
        assert_eq!(check_body(latest(&endpoint, &options, Duration::ZERO).unwrap().body()), 5);
        // A subscriber gets an error for damage once, and continues.
        while readings.recv(Duration::from_millis(1)).is_ok() {}
        fs::write(&path, &whole[..1000]).unwrap();
        if options.locked {
            assert_eq!(readings.recv(SOON).unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(readings.recv(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::Timeout);
        }
        out.send_payload(&raw(body(6))).unwrap();
        assert_eq!(check_body(readings.recv(SOON).unwrap().body()), 6);
    }
}

#[test]
fn links_are_not_followed_and_only_regular_files_are_read() {
    let (endpoint, path, folder) = place();
    let secret = folder.path().join("secret");
    fs::write(&secret, "untouched").unwrap();
    symlink(&secret, &path).unwrap();
    let out = Publisher::new(&endpoint, &locked()).unwrap();
    for error in [
        now(&endpoint, &Options::default()).unwrap_err(),
        now(&endpoint, &locked()).unwrap_err(),
        out.send(&Value::Int(1)).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.text().contains("symbolic link"), "{error}");
    }
    // A rename replaces the link itself.
    Publisher::new(&endpoint, &Options::default()).unwrap().send(&Value::Int(1)).unwrap();
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_to_string(&secret).unwrap(), "untouched");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(now(&endpoint, &Options::default()).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(out.send(&Value::Int(1)).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn modes_are_as_requested_and_changed_modes_stay() {
    for lock in [false, true] {
        let (endpoint, path, _folder) = place();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap().send(&Value::Int(1)).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap().send(&Value::Int(2)).unwrap();
        assert_eq!(mode(&path), 0o644, "the administrator's word stays");
        fs::remove_file(&path).unwrap();
        let open = with(&[("locked", lock.into()), ("mode", 0o666i64.into()), ("durable", true.into())]);
        Publisher::new(&endpoint, &open).unwrap().send(&Value::Int(3)).unwrap();
        assert_eq!(mode(&path), 0o666, "whatever the umask");
    }
}

#[test]
fn other_users_have_the_access_of_the_mode() {
    const NOBODY: u32 = 65534;
    const GROUP: u32 = 4321;
    for lock in [false, true] {
        let (endpoint, path, folder) = place();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lock = ("locked", Value::from(lock));
        let own = with(std::slice::from_ref(&lock));
        let out = Publisher::new(&endpoint, &own).unwrap();
        out.send(&Value::from("mine")).unwrap();
        if !is_root() {
            // A user other than root can only be refused files that are root's.
            let error = now("file:/etc/shadow", &own).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            continue;
        }
        let reads = |uid, gid| as_user(uid, gid, || now(&endpoint, &own));
        let refused = reads(NOBODY, NOBODY).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        for said in ["uid 65534 may not read", "uid 0 and gid 0 with mode 0600", "linkspan setup"] {
            assert!(refused.text().contains(said), "{refused}");
        }
        let written = as_user(NOBODY, NOBODY, || Publisher::new(&endpoint, &own)?.send(&Value::Int(1)));
        let refused = written.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        // Without `locked`, the lock of the directory comes first.
        let what = if lock.1 == Value::from(true) { "may not write" } else { "may not open the lock file" };
        for said in ["uid 65534", what, "linkspan setup"] {
            assert!(refused.text().contains(said), "{refused}");
        }
        fs::remove_file(&path).unwrap();
        let shared = with(&[lock.clone(), ("mode", 0o640i64.into()), ("group", i64::from(GROUP).into())]);
        Publisher::new(&endpoint, &shared).unwrap().send(&Value::from("ours")).unwrap();
        assert_eq!(reads(NOBODY, GROUP).unwrap(), Value::from("ours"));
        assert_eq!(reads(NOBODY, NOBODY).unwrap_err().kind(), ErrorKind::PermissionDenied);
        // A directory of the group: each member writes, too.
        std::os::unix::fs::chown(folder.path(), None, Some(GROUP)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o2770)).unwrap();
        fs::remove_file(&path).unwrap();
        let wide = with(&[lock.clone(), ("mode", 0o660i64.into()), ("group", i64::from(GROUP).into())]);
        let _ = fs::remove_file(folder.path().join(".lock"));
        as_user(NOBODY, GROUP, || Publisher::new(&endpoint, &wide).unwrap().send(&Value::Int(1)).unwrap());
        assert_eq!(now(&endpoint, &own).unwrap(), Value::Int(1));
        as_user(1234, GROUP, || Publisher::new(&endpoint, &own).unwrap().send(&Value::Int(2)).unwrap());
        assert_eq!(reads(NOBODY, GROUP).unwrap(), Value::Int(2));
    }
}

#[test]
fn deleted_directory_is_an_error_and_no_hang() {
    let (endpoint, _path, folder) = place();
    let out = Publisher::new(&endpoint, &Options::default()).unwrap();
    out.send(&Value::Int(1)).unwrap();
    let readings = Subscriber::new(&endpoint, &Options::default()).unwrap();
    readings.recv(SOON).unwrap();
    let path = folder.path().to_owned();
    drop(folder);
    assert_eq!(out.send(&Value::Int(2)).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(readings.recv(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::NotFound);
    fs::create_dir(&path).unwrap();
    assert_eq!(out.send(&Value::Int(3)).unwrap(), 2, "and it is taken up again where it is made anew");
    assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &Value::Int(3));
    fs::remove_dir_all(&path).unwrap();
}

#[test]
fn over_the_limit_is_said_by_both_sides() {
    let (endpoint, _path, _folder) = place();
    let small = with(&[("max_message_size", 1000i64.into())]);
    let out = Publisher::new(&endpoint, &small).unwrap();
    out.send_payload(&raw(vec![1; 1000])).unwrap();
    let error = out.send_payload(&raw(vec![1; 1001])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(latest(&endpoint, &small, SOON).unwrap().body().len(), 1000);
    Publisher::new(&endpoint, &Options::default()).unwrap().send_payload(&raw(vec![1; 100_000])).unwrap();
    let readings = Subscriber::new(&endpoint, &small).unwrap();
    assert_eq!(readings.recv(SOON).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(now(&endpoint, &small).unwrap_err().kind(), ErrorKind::TooLarge);
    out.send_payload(&raw(vec![2; 5])).unwrap();
    assert_eq!(readings.recv(SOON).unwrap().body().as_ref(), [2; 5]);
}

/// A program with fcntl alone: in C, and in Python with its standard library. It reads commands from its standard
/// input, and answers each with a line.
struct Partner {
    child: Child,
}

impl Partner {
    fn all(path: &Path, folder: &Path) -> Vec<Partner> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/faults");
        let program = folder.join("partner");
        let compiled = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(sources.join("lock_partner.c"))
            .status()
            .expect("a C compiler called cc");
        assert!(compiled.success());
        let mut python = Command::new("python3");
        python.arg(sources.join("lock_partner.py"));
        [Command::new(program), python]
            .into_iter()
            .map(|mut command| Partner {
                child: command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap(),
            })
            .collect()
    }

    fn does(&mut self, order: &str) -> String {
        self.begins(order);
        self.answer()
    }

    fn begins(&mut self, order: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{order}\n").as_bytes()).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn programs_that_know_only_fcntl_take_part() {
    let (endpoint, path, folder) = place();
    let options = with(&[("framing", "lines".into()), ("locked", true.into())]);
    let out = Publisher::new(&endpoint, &options).unwrap();
    out.send(&Value::map([("by", "linkspan")])).unwrap();
    let short = with(&[("framing", "lines".into()), ("locked", true.into()), ("timeout", 0.02.into())]);
    let hasty = Publisher::new(&endpoint, &short).unwrap();
    for mut partner in Partner::all(&path, folder.path()) {
        // It reads our value, under its read lock; then we read while no program writes.
        assert_eq!(partner.does("read"), "{\"by\":\"linkspan\"}");
        assert_eq!(partner.does("lock shared"), "locked");
        assert_eq!(now(&endpoint, &options).unwrap(), Value::map([("by", "linkspan")]));
        let stalled = hasty.send(&Value::Int(1)).unwrap_err();
        assert_eq!(stalled.kind(), ErrorKind::Stalled, "{stalled}");
        let who = format!("process {} has the lock", partner.child.id());
        assert!(stalled.text().contains(&who), "{stalled}");
        assert_eq!(partner.does("unlock"), "unlocked");
        // It writes, and half of the value is in the file while it has the lock.
        assert_eq!(partner.does("lock exclusive"), "locked");
        assert_eq!(partner.does("put {\"by\":"), "put");
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Stalled);
        let error = latest(&endpoint, &options, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
        let readings = Subscriber::new(&endpoint, &options).unwrap();
        assert_eq!(readings.recv(Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Timeout);
        thread::scope(|s| {
            let (mut told_options, told) = told_while_waiting();
            (told_options.framing, told_options.locked) = (options.framing, true);
            let endpoint = &endpoint;
            let waits = s.spawn(move || latest(endpoint, &told_options, SOON).unwrap());
            told.recv().unwrap();
            assert_eq!(partner.does("put \"partner\"}"), "put");
            // It keeps the file open: there is no close event, but the lock is released.
            assert_eq!(partner.does("unlock"), "unlocked");
            let value = Value::map([("by", "partner")]);
            assert_eq!(waits.join().unwrap().value().unwrap(), &value);
            assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &value);
        });
        // We write as soon as it lets us.
        assert_eq!(partner.does("lock shared"), "locked");
        thread::scope(|s| {
            let (mut told_options, told) = told_while_waiting();
            (told_options.framing, told_options.locked) = (options.framing, true);
            let endpoint = &endpoint;
            let writes = s.spawn(move || {
                Publisher::new(endpoint, &told_options).unwrap().send(&Value::map([("by", "linkspan")]))
            });
            told.recv().unwrap();
            assert_eq!(partner.does("unlock"), "unlocked");
            writes.join().unwrap().unwrap();
        });
        // Both at once, each under its own lock.
        partner.begins("write 300");
        for _ in 0..300 {
            out.send(&Value::map([("by", "linkspan")])).unwrap();
            let value = now(&endpoint, &options).or_else(|e| match e.kind() {
                ErrorKind::Stalled => latest(&endpoint, &options, SOON)?.value().cloned(),
                _ => Err(e),
            });
            let by = value.unwrap().at("by").unwrap().as_text().unwrap().to_owned();
            assert!(by == "linkspan" || by == "partner", "{by}");
        }
        assert_eq!(partner.answer(), "written 300");
        out.send(&Value::map([("by", "linkspan")])).unwrap();
    }
}

/// This program again, as one test of it that plays another process.
fn this_program(wrapped_in: &[&str], endpoint: &str, lock: bool, role: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapped_in {
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(this);
            command
        }
        [] => Command::new(this),
    };
    command
        .args(["--exact", &format!("file::{role}"), "--ignored", "--nocapture"])
        .env("FILE_TEST_ENDPOINT", endpoint)
        .env("FILE_TEST_LOCKED", if lock { "1" } else { "" })
        .stdout(Stdio::null());
    command
}

fn roles_publisher() -> Publisher {
    let endpoint = std::env::var("FILE_TEST_ENDPOINT").unwrap();
    let lock = !std::env::var("FILE_TEST_LOCKED").unwrap().is_empty();
    Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap()
}

/// Returns a line as long as its number requires.
fn line(i: u64) -> Value {
    Value::from(vec![Value::from(i as i64), Value::from("x".repeat(i as usize % 10 * 5000))])
}

#[test]
#[ignore = "a process of its own, started by the others"]
fn writes_three_lines() {
    let options = with(&[("framing", "lines".into()), ("locked", true.into())]);
    let out = Publisher::new(&std::env::var("FILE_TEST_ENDPOINT").unwrap(), &options).unwrap();
    for i in [12, 19, 11] {
        out.send(&line(i)).unwrap();
    }
}

#[test]
#[ignore = "a process of its own, started by the others"]
fn writes_three() {
    let out = roles_publisher();
    for i in [2, 9, 1] {
        out.send_payload(&raw(body(i))).unwrap();
    }
}

#[test]
#[ignore = "a process of its own, started by the others"]
fn writes_on() {
    let out = roles_publisher();
    for i in 0.. {
        out.send_payload(&raw(body(i))).unwrap();
    }
}

/// Checks the file of a killed writer: a whole value, or with a lock one that is reported as incomplete. The next
/// writer continues from there.
fn is_whole_or_says_so(endpoint: &str, path: &Path, options: &Options, before: u64) -> (u64, bool) {
    let whole = match latest(endpoint, options, SOON) {
        Ok(message) => {
            check_body(message.body());
            assert!(message.sequence() >= before);
            true
        }
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Corrupt, "{e}");
            assert!(options.locked, "a rename leaves the old value or the new one: {e}");
            false
        }
    };
    let number = Publisher::new(endpoint, options).unwrap().send_payload(&raw(body(7))).unwrap();
    assert!(number > before, "{number} after {before}");
    assert_eq!(check_body(latest(endpoint, options, SOON).unwrap().body()), 7);
    let left: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), if options.locked { 1 } else { 2 }, "{left:?}");
    (number, whole)
}

#[test]
fn writer_may_be_killed_at_every_system_call() {
    for (options, role) in [
        (Options::default(), "writes_three"),
        (locked(), "writes_three"),
        (with(&[("framing", "lines".into()), ("locked", true.into())]), "writes_three_lines"),
    ] {
        let lines = role == "writes_three_lines";
        let (endpoint, path, _folder) = place();
        let out = Publisher::new(&endpoint, &options).unwrap();
        let mut number = 0;
        if lines {
            out.send(&line(7)).unwrap();
        } else {
            number = out.send_payload(&raw(body(0))).unwrap();
        }
        let (mut damaged, mut calls) = (0, 0);
        for call in ["fcntl", "openat", "unlinkat", "fchmod", "fallocate", "pwritev", "ftruncate", "renameat"]
        {
            for n in 1.. {
                assert!(n < 1000, "the writer never came to its end");
                let inject = format!("inject={call}:signal=KILL:when={n}");
                let trace = format!("trace={call}");
                let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
                let mut victim = this_program(&strace, &endpoint, options.locked, role);
                if victim.status().expect("a program called strace").success() {
                    calls += n - 1;
                    break;
                }
                if lines {
                    match now(&endpoint, &options) {
                        Ok(value) => assert_eq!(value, line(value.at("0").unwrap().as_u64().unwrap())),
                        Err(e) => {
                            assert_eq!(e.kind(), ErrorKind::Corrupt, "{e}");
                            damaged += 1;
                        }
                    }
                    out.send(&line(7)).unwrap();
                    assert_eq!(now(&endpoint, &options).unwrap(), line(7));
                } else {
                    let (next, whole) = is_whole_or_says_so(&endpoint, &path, &options, number);
                    number = next;
                    damaged += i32::from(!whole);
                }
            }
        }
        assert!(calls > 20, "only {calls} calls were hit");
        // A frame is written in one call, and is whole before and after it.
        assert_eq!(damaged > 0, lines, "{damaged} of {calls} left half a value");
    }
}

#[test]
fn writer_may_be_killed_at_any_moment() {
    for options in [Options::default(), locked()] {
        let (endpoint, path, _folder) = place();
        let mut number = Publisher::new(&endpoint, &options).unwrap().send_payload(&raw(body(0))).unwrap();
        for _ in 0..short_or_full(30, 60) {
            let mut victim = this_program(&[], &endpoint, options.locked, "writes_on").spawn().unwrap();
            // A few values, then the kill at a random moment.
            let readings = Subscriber::new(&endpoint, &options).unwrap();
            for _ in 0..3 {
                check_body(readings.recv(SOON).unwrap().body());
            }
            victim.kill().unwrap();
            victim.wait().unwrap();
            number = is_whole_or_says_so(&endpoint, &path, &options, number).0;
        }
    }
}

#[test]
fn full_disk_loses_only_the_new_value() {
    for lock in ["", "1"] {
        let folder = tempfile::tempdir().unwrap();
        let mount = format!("mount -t tmpfs -o size=1m tmpfs '{}' && exec \"$@\"", folder.path().display());
        let endpoint = format!("file:{}/value", folder.path().display());
        let wrapped = ["unshare", "-rm", "sh", "-c", &mount, "full"];
        let mut full = this_program(&wrapped, &endpoint, lock == "1", "finds_the_disk_full");
        assert!(full.status().unwrap().success(), "in a mount namespace of its own, with a small tmpfs");
    }
}

#[test]
#[ignore = "a process of its own, started by the others"]
fn finds_the_disk_full() {
    let out = roles_publisher();
    let options = with(&[("locked", (!std::env::var("FILE_TEST_LOCKED").unwrap().is_empty()).into())]);
    let endpoint = std::env::var("FILE_TEST_ENDPOINT").unwrap();
    let small = raw(vec![1; 1000]);
    out.send_payload(&small).unwrap();
    let path = PathBuf::from(endpoint.strip_prefix("file:").unwrap());
    for _ in 0..5 {
        let error = out.send_payload(&raw(vec![2; 2 << 20])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert_eq!(latest(&endpoint, &options, SOON).unwrap().body(), small.body());
    }
    // Filled to the last byte by another file.
    let filler = path.with_file_name("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|n| n > 0) {}
    let error = out.send_payload(&raw(vec![3; 100_000])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert_eq!(latest(&endpoint, &options, SOON).unwrap().body(), small.body());
    drop(file);
    fs::remove_file(&filler).unwrap();
    assert_eq!(out.send_payload(&raw(vec![3; 100_000])).unwrap(), 2);
    assert_eq!(latest(&endpoint, &options, SOON).unwrap().body().len(), 100_000);
    let names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains(".new.")), "{names:?}");
}
