//! Killed writers, and a full disk.

use super::*;

fn roles_publisher() -> Publisher {
    let endpoint = std::env::var("FILE_TEST_ENDPOINT").unwrap();
    let lock = !std::env::var("FILE_TEST_LOCKED").unwrap().is_empty();
    Publisher::new(&endpoint, &with(&[("locked", lock.into())])).unwrap()
}

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

/// Checks the file of a killed writer: a whole value, or with a lock possibly a recognised incomplete one.
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
                let mut victim = this_program(&strace, &endpoint, options.locked, &format!("killed::{role}"));
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
        // A frame is written in one call, and is whole before and after the call.
        assert_eq!(damaged > 0, lines, "{damaged} of {calls} left half a value");
    }
}

#[test]
fn writer_may_be_killed_at_any_moment() {
    for options in [Options::default(), locked()] {
        let (endpoint, path, _folder) = place();
        let mut number = Publisher::new(&endpoint, &options).unwrap().send_payload(&raw(body(0))).unwrap();
        for _ in 0..short_or_full(30, 60) {
            let mut victim =
                this_program(&[], &endpoint, options.locked, "killed::writes_on").spawn().unwrap();
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
        let mut full = this_program(&wrapped, &endpoint, lock == "1", "killed::finds_the_disk_full");
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
