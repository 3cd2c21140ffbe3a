//! The values that readers of a file get: the newest, whole, and each change.

use super::*;

#[test]
fn writers_that_rename_and_that_write_in_place_count_together() {
    let (endpoint, options) = (name("file"), Options::default());
    let mut locked = Options::default();
    locked.set("locked", &Value::from(true)).unwrap();
    let renaming = Publisher::new(&endpoint, &options).unwrap();
    let in_place = Publisher::new(&endpoint, &locked).unwrap();
    let other = Publisher::new(&endpoint, &options).unwrap();
    let mut number = 0;
    // Equally long values that follow within a tick of the clock.
    for writer in
        [&renaming, &renaming, &in_place, &renaming, &other, &renaming, &renaming, &in_place, &other]
    {
        writer.send(&Value::Int(1)).unwrap();
        number += 1;
        assert_eq!(linkspan::latest_persistent(&endpoint, &options, SOON).unwrap().sequence(), number);
    }
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
    // Neither a listing nor a sweep removes a value.
    linkspan::registry::clean().unwrap();
    assert_eq!(now(&endpoint, &options).unwrap(), Value::from("three"));
}

#[test]
fn value_that_a_publisher_with_locked_writes_ends_the_wait_of_a_subscriber_without() {
    let (endpoint, _path, _folder) = place();
    let (hooked, waiting) = waiting_options();
    let out = Publisher::new(&endpoint, &locked()).unwrap();
    out.send(&Value::from(0)).unwrap();
    let readings = Subscriber::new(&endpoint, &hooked).unwrap();
    assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &Value::from(0));
    thread::scope(|scope| {
        let received = scope.spawn(|| readings.recv(SOON).unwrap().value().unwrap().clone());
        waiting.recv().unwrap();
        out.send(&Value::from(1)).unwrap();
        assert_eq!(received.join().unwrap(), Value::from(1));
    });
    readings.try_recv().unwrap_err();
    out.send(&Value::from(2)).unwrap();
    assert!(readable(readings.as_raw_fd(), 60));
    assert_eq!(readings.recv(SOON).unwrap().value().unwrap(), &Value::from(2));
}

/// A file that is created empty and filled later wakes every kind of wait.
#[test]
fn value_written_into_an_empty_file_ends_a_wait() {
    let (made, path, _folder) = place();
    Publisher::new(&made, &Options::default()).unwrap().send(&Value::from("filled")).unwrap();
    let value = fs::read(&path).unwrap();
    for way in ["name", "list", "pattern"] {
        let (endpoint, options) = (name("file"), Options::default());
        let folder = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        fs::create_dir_all(&folder).unwrap();
        let mut file =
            fs::File::create_new(folder.join(endpoint["file:".len()..].replace('/', "@") + ".file")).unwrap();
        let readings = match way {
            "name" => Subscriber::new(&endpoint, &options),
            "list" => Subscriber::of(&[&endpoint], &options),
            _ => Subscriber::of(&[&format!("{endpoint}*")], &options),
        };
        let readings = readings.unwrap();
        let descriptor = readings.as_raw_fd();
        readings.try_recv().unwrap_err();
        file.write_all(&value).unwrap();
        loop {
            match readings.try_recv() {
                Ok(message) => break assert_eq!(message.value().unwrap(), &Value::from("filled")),
                Err(error) => assert!(readable(descriptor, 60), "nothing wakes the {way}: {error}"),
            }
        }
        thread::scope(|scope| {
            let waits = scope.spawn(|| readings.recv(SOON).map(drop).map_err(|e| e.to_string()));
            Publisher::new(&endpoint, &options).unwrap().send(&Value::from("renamed")).unwrap();
            assert_eq!(waits.join().unwrap(), Ok(()));
        });
    }
}

#[test]
fn subscriber_gets_the_newest_value_first_and_then_each_change() {
    for options in [Options::default(), locked()] {
        let (endpoint, _path, _folder) = place();
        let (mut hooked, waiting) = waiting_options();
        hooked.locked = options.locked;
        let readings = Subscriber::new(&endpoint, &hooked).unwrap();
        assert_eq!(readings.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        assert_eq!(readings.recv(Duration::from_millis(10)).unwrap_err().kind(), ErrorKind::NotFound);
        let out = Publisher::new(&endpoint, &options).unwrap();
        thread::scope(|s| {
            let first = s.spawn(|| readings.recv(SOON).unwrap());
            waiting.recv().unwrap();
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
        let fd = readings.fileno().unwrap();
        rests(fd, "a file that is read", || {
            assert_eq!(readings.try_recv().unwrap_err().kind(), ErrorKind::Empty);
            false
        });
        out.send(&Value::Int(6)).unwrap();
        assert!(readable(fd, 60));
        assert_eq!(readings.try_recv().unwrap().value().unwrap(), &Value::Int(6));
        assert_eq!(readings.newest(Duration::ZERO).unwrap().value().unwrap(), &Value::Int(6));
        let late = Subscriber::new(&endpoint, &options).unwrap();
        assert_eq!(late.recv(SOON).unwrap().value().unwrap(), &Value::Int(6));
        // A subscriber that requests reports gets the number of unreadable values.
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
    let (options, waiting) = waiting_options();
    thread::scope(|s| {
        let waits = s.spawn(|| latest(&endpoint, &options, SOON).unwrap());
        waiting.recv().unwrap();
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
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.text().contains("one value") && error.endpoint().is_some(), "{error}");
    }
    let error =
        Subscriber::new(&endpoint, &with(&[("delivery", "at_least_once".into())])).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.text().contains("is for channels and servers") && error.endpoint().is_some(), "{error}");
    let error = Publisher::new("unix:x", &locked()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(!path.exists());
}

#[test]
fn durable_by_either_option_is_taken_and_keeps_the_newest_value() {
    for (name, value) in [("durable", Value::Bool(true)), ("delivery", Value::from("durable"))] {
        let (endpoint, _path, _folder) = place();
        let options = with(&[(name, value)]);
        let out = Publisher::new(&endpoint, &options).unwrap();
        let subscriber = Subscriber::new(&endpoint, &options).unwrap();
        for number in 1..=3 {
            out.send(&Value::Int(number)).unwrap();
        }
        // Only the newest value; earlier ones do not count as missed.
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(3), "{name}");
        out.send(&Value::Int(4)).unwrap();
        out.send(&Value::Int(5)).unwrap();
        assert_eq!(subscriber.recv(SOON).unwrap().value().unwrap(), &Value::Int(5), "{name}");
        assert_eq!(latest(&endpoint, &options, SOON).unwrap().value().unwrap(), &Value::Int(5), "{name}");
    }
}

fn hammer(options: &Options, count: u64) {
    let (endpoint, _path, _folder) = place();
    let done = AtomicBool::new(false);
    Publisher::new(&endpoint, options).unwrap().send_payload(&raw(body(0))).unwrap();
    let mut readers: Vec<Child> = (0..2)
        .map(|_| this_program(&[], &endpoint, options.locked, "values::reader").spawn().unwrap())
        .collect();
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
                // The first value is the newest at that moment.
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
        let mut other = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert!(matches!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Empty));
        other.write_all(b"{\"x\":\"echo").unwrap();
        assert_eq!(now(&endpoint, &options).unwrap_err().kind(), ErrorKind::Corrupt);
        if !lock {
            // The writer may be about to continue.
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
fn value_over_the_limit_is_refused_by_both_sides() {
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
