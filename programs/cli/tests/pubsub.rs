//! pub, sub and latest with the real program, over both transports.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use std::time::{Duration, Instant};

use program::{Place, on_each_transport};

#[test]
fn lines_are_published_while_standard_input_is_open() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("lab/t")]);
        place.wait_for(&file("lab/t"));
        let empty = place.run(&["latest", &name("lab/t")]);
        assert_eq!(empty.code, Some(1));
        assert!(empty.err.starts_with("linkspan: Empty (112): "), "{}", empty.err);

        publisher.write("{\"celsius\": 21.5}\n");
        let mut subscriber = place.start(&["sub", &name("lab/t"), "--json", "--count", "3"]);
        assert_eq!(subscriber.line(), "{\"celsius\":21.5}");
        publisher.write("22\n");
        assert_eq!(subscriber.line(), "22");
        // A late subscriber first gets the newest value, which stays for later ones.
        for _ in 0..2 {
            let latest = place.run(&["latest", &name("lab/t"), "--json"]);
            assert_eq!((latest.code, latest.out.as_str()), (Some(0), "22\n"), "{}", latest.err);
        }
        publisher.write("23");
        // The last line needs no line end.
        assert_eq!(publisher.end().code, Some(0));
        assert_eq!(subscriber.line(), "23");
        assert_eq!(subscriber.end().code, Some(0));
        assert_eq!(place.run(&["latest", &name("lab/t")]).code, Some(4));
    });
}

#[test]
fn value_stays_until_ctrl_c() {
    on_each_transport(|place, name, file| {
        let publisher = place.start(&["pub", &name("here"), "{\"x\": 1}"]);
        place.wait_for(&file("here"));
        let finished = place.run(&["sub", &name("here"), "--count", "1"]);
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        assert!(
            finished.out.contains("#1 linkspan-") && finished.out.ends_with(": {x: 1}\n"),
            "{}",
            finished.out
        );
        publisher.signal("INT");
        let ended = publisher.wait();
        assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""));
    });
}

#[test]
fn value_stays_for_the_given_time() {
    on_each_transport(|place, name, _| {
        let begun = std::time::Instant::now();
        let published = place.run(&["pub", &name("here"), "-o", "client_id=probe", "--for", "0.3", "7"]);
        assert_eq!((published.code, published.err.as_str()), (Some(0), ""));
        assert!(begun.elapsed().as_secs_f64() >= 0.3);
        assert_eq!(place.run(&["pub", &name("here"), "7", "--for", "-1"]).code, Some(2));
        assert_eq!(place.run(&["pub", &name("here"), "7", "--for=-1"]).code, Some(2));
        assert_eq!(place.run(&["pub", &name("here"), "7", "--for", "10ms", "-t", "1s"]).code, Some(0));
    });
}

#[test]
fn malformed_line_ends_it_and_the_lines_before_it_were_published() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("lines")]);
        place.wait_for(&file("lines"));
        let mut subscriber = place.start(&["sub", &name("lines"), "--json", "--count", "2"]);
        publisher.write("1\n");
        assert_eq!(subscriber.line(), "1");
        publisher.write("2\n{\"a\": tru}\n3\n");
        let ended = publisher.wait();
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.err.starts_with("linkspan: Malformed (115): standard input, line 3: "),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("at byte 9"), "{}", ended.err);
        let finished = subscriber.end();
        assert_eq!((finished.code, finished.out.as_str()), (Some(0), "2\n"));
    });
}

#[test]
fn subscriber_outlives_its_publisher() {
    on_each_transport(|place, name, file| {
        let mut subscriber = place.start(&["sub", &name("again"), "--json", "--count", "2"]);
        for value in ["1", "2"] {
            let publisher = place.start(&["pub", &name("again"), value]);
            assert_eq!(subscriber.line(), value);
            publisher.signal("KILL");
            publisher.wait();
            // The next publisher takes them over.
            assert_eq!(place.leftovers(), [file("again")]);
        }
        assert_eq!(subscriber.end().code, Some(0));
        let last = place.run(&["pub", &name("again"), "3", "--for", "0"]);
        assert_eq!(last.code, Some(0), "{}", last.err);
    });
}

#[test]
fn error_of_a_wrong_command_names_the_pattern_of_the_name() {
    on_each_transport(|place, name, file| {
        let publisher = place.start(&["pub", &name("lab/t"), "1"]);
        place.wait_for(&file("lab/t"));
        let sent = place.run(&["send", &name("lab/t"), "1", "--timeout", "5"]);
        assert_eq!(sent.code, Some(1));
        assert!(
            sent.err.contains("InvalidState (106)") && sent.err.contains("subscribe to it"),
            "{}",
            sent.err
        );
        publisher.signal("TERM");
        assert_eq!(publisher.wait().code, Some(143));
    });
}

#[test]
fn timeouts_end_waits_with_exit_code_3() {
    let place = Place::new();
    assert_eq!(place.run(&["latest", "nobody"]).code, Some(4));
    let lone = place.run(&["sub", "nobody", "--timeout", "0.05"]);
    assert!(lone.code == Some(4) && lone.err.ends_with("; no name is open there\n"), "{}", lone.err);
    let publisher = place.start(&["pub", "quiet"]);
    place.wait_for("quiet.shm");
    let finished = place.run(&["sub", "quiet", "--timeout", "0.05"]);
    assert_eq!(finished.code, Some(3), "{}", finished.err);
    let near = place.run(&["sub", "quite", "-t", "0.05"]);
    assert!(near.code == Some(4) && near.err.ends_with("; open is shm:quiet\n"), "{}", near.err);
    assert_eq!(publisher.end().code, Some(0));
}

#[test]
fn journal_is_written_read_and_listed_by_separate_programs() {
    let place = Place::new();
    for i in 1..=3 {
        let finished = place.run(&["pub", "journal:lab/t", &format!("{{\"n\": {i}}}")]);
        assert_eq!(finished.code, Some(0), "{}", finished.err);
    }
    let latest = place.run(&["latest", "journal:lab/t", "--json"]);
    assert_eq!(latest.out, "{\"n\":3}\n");
    let read = |options: &[&str]| place.run(&[&["sub", "journal:lab/t", "--json"], options].concat()).out;
    assert_eq!(read(&["-o", "from=2", "--count", "2"]), "{\"n\":2}\n{\"n\":3}\n");
    assert_eq!(read(&["-o", "from=1970-01-01T00:00:00Z", "--count", "1"]), "{\"n\":1}\n");
    assert_eq!(read(&["-o", "client_id=logger", "--count", "2"]), "{\"n\":1}\n{\"n\":2}\n");
    let listed = place.run(&["ls", "--json"]).out;
    assert!(listed.contains("\"messages\":3") && listed.contains("\"consumers\":{\"logger\":1}"), "{listed}");
    assert_eq!(
        read(&["-o", "client_id=logger", "--count", "1"]),
        "{\"n\":3}\n",
        "what was printed is dealt with"
    );
    assert_eq!(place.run(&["sub", "journal:none", "--timeout", "0.05"]).code, Some(4));
}

#[test]
fn waiting_subscriber_gets_everything_of_a_short_publisher() {
    on_each_transport(|place, name, _| {
        let lines: String = (1..=1000).map(|n| format!("{n}\n")).collect();
        for _ in 0..5 {
            let subscriber = place.start(&["sub", &name("lab/t"), "--json", "--count", "1000"]);
            place.wait_for_a_waiting_subscriber();
            let published = place.run_with(&["pub", &name("lab/t")], lines.as_bytes());
            assert_eq!((published.code, published.err.as_str()), (Some(0), ""));
            let finished = subscriber.wait();
            assert_eq!(
                (finished.code, finished.err.as_str(), finished.out.as_str()),
                (Some(0), "", lines.as_str())
            );
        }
    });
}

#[test]
fn publisher_waits_for_the_given_number_of_subscribers() {
    on_each_transport(|place, name, file| {
        let publisher = place.start(&["pub", &name("lab/t"), "7", "--wait-for", "2", "--for", "0"]);
        place.wait_for(&file("lab/t"));
        let subscribers = [1, 2].map(|_| place.start(&["sub", &name("lab/t"), "--json", "--count", "1"]));
        for subscriber in subscribers {
            let finished = subscriber.wait();
            assert_eq!((finished.code, finished.out.as_str()), (Some(0), "7\n"), "{}", finished.err);
        }
        assert_eq!(publisher.wait().code, Some(0));
        let alone = place.run(&["pub", &name("lab/t"), "7", "--wait-for", "1", "--timeout", "0.1"]);
        assert_eq!(alone.code, Some(3), "{}", alone.err);
        assert!(alone.err.contains("0 of 1 subscribers connected in time"), "{}", alone.err);
    });
}

#[test]
fn journal_is_read_from_the_given_position() {
    let place = Place::new();
    let finished = place.run_with(&["pub", "journal:log"], b"1\n2\n3\n4\n");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (from, expected) in [("first", "1\n2\n"), ("3", "3\n4\n")] {
        let read = place.run(&["sub", "journal:log", "--from", from, "-n", "2", "-j", "-t", "10"]);
        assert_eq!((read.code, read.out.as_str()), (Some(0), expected), "{from}: {read:?}");
    }
    let wrong = place.run(&["sub", "journal:log", "--from", "yesterday"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

/// Context switches of all threads of this process so far.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum::<u64>()
        })
        .sum()
}

/// Polling every 100 ms would make about ten switches a second.
fn wait_until_idle(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = switches(pid);
        std::thread::sleep(Duration::from_secs(1));
        let after = switches(pid);
        if before == after {
            return;
        }
        assert!(Instant::now() < deadline, "still woken {} times a second", after - before);
    }
}

#[test]
fn waiting_subscriber_is_not_woken_and_ends_at_once() {
    on_each_transport(|place, name, file| {
        let publisher = place.start(&["pub", &name("rest"), "1"]);
        place.wait_for(&file("rest"));
        let mut subscriber = place.start(&["sub", &name("rest"), "--json"]);
        assert_eq!(subscriber.line(), "1");
        wait_until_idle(subscriber.pid());
        subscriber.signal("INT");
        let ended = subscriber.wait();
        assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""));

        // As above, if nothing reads its output any more.
        let mut unread = place.start(&["sub", &name("rest"), "--json"]);
        assert_eq!(unread.line(), "1");
        unread.close_stdout();
        unread.wait();
        publisher.signal("INT");
        assert_eq!(publisher.wait().code, Some(130));
    });
}

#[test]
fn waiting_latest_is_not_woken_and_ends_at_once() {
    let place = Place::new();
    for endpoint in ["shm:none", "unix:none", "file:none", "journal:none"] {
        let waiting = place.start(&["latest", endpoint, "--timeout", "forever"]);
        waiting.wait_for_handlers();
        wait_until_idle(waiting.pid());
        waiting.signal("INT");
        let ended = waiting.wait();
        assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""), "{endpoint}");

        // As above, if nothing reads its output any more.
        let mut unread = place.start(&["latest", endpoint, "--timeout", "forever"]);
        unread.close_stdout();
        unread.wait();
    }
}

#[test]
fn values_of_names_and_patterns_are_printed_with_their_names() {
    on_each_transport(|place, name, file| {
        let pattern = name("lab/*");
        let mut subscriber =
            place.start(&["sub", &pattern, &name("sim/clock"), "--json", "--full", "--count", "3"]);
        let mut names = Vec::new();
        let mut publishers = Vec::new();
        for at in ["lab/a", "sim/clock", "lab/b"] {
            publishers.push(place.start(&["pub", &name(at), "7"]));
            place.wait_for(&file(at));
            let line = subscriber.line();
            assert!(line.contains("\"value\":7"), "{line}");
            names.push(line.split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned());
        }
        assert_eq!(subscriber.end().code, Some(0));
        let with_transport = |at: &str| {
            let name = name(at);
            if name.contains(':') { name } else { format!("shm:{name}") }
        };
        assert_eq!(names, ["lab/a", "sim/clock", "lab/b"].map(with_transport));
        let people = place.run(&["sub", &pattern, "--count", "1"]);
        assert!(people.out.starts_with(&with_transport("lab/")), "{} {}", people.out, people.err);
        let wrong = place.run(&["sub", "lab/ *"]);
        assert_eq!(wrong.code, Some(2));
        assert!(wrong.err.contains("is not a pattern of names: it has the character ' '"), "{}", wrong.err);
        for publisher in publishers {
            publisher.signal("INT");
            publisher.wait();
        }
    });
}

#[test]
fn name_that_cannot_be_received_from_is_said_once_and_the_others_go_on() {
    on_each_transport(|place, name, file| {
        let (good, refused) = (name("lab/good"), name("lab/refused"));
        let mut publisher = place.start(&["pub", &good]);
        let refusing = place.start(&["pub", &refused, "1", "-o", "allow_uids=[4294967294]"]);
        place.wait_for(&file("lab/good"));
        place.wait_for(&file("lab/refused"));
        // A file without a header.
        std::fs::write(place.path().join("lab@bad.file"), "{").unwrap();
        let lists: [&[&str]; 4] = [
            &[&good, &refused],
            &[&refused, &good],
            &[&name("lab/*"), "file:lab/*"],
            &[&good, "file:lab/bad", &refused],
        ];
        for names in lists {
            let words = ["sub", "--json", "--count", "3"].iter().chain(names).copied();
            let mut subscriber = place.start(&words.collect::<Vec<_>>());
            let mut said = Vec::new();
            let count = if names.iter().any(|name| name.contains("file:")) { 2 } else { 1 };
            // Each is said before anything is published.
            while said.len() < count {
                said.push(subscriber.error_line());
            }
            for value in ["1", "2", "3"] {
                publisher.write(&format!("{value}\n"));
                // The first line may be the newest value of before.
                let _ = subscriber.line();
            }
            let end = subscriber.end();
            assert_eq!(end.code, Some(1), "{names:?}: {}", end.err);
            assert!(end.err.is_empty(), "each is said once: {}", end.err);
            assert!(said.iter().any(|line| line.contains("lab/refused")), "{said:?}");
            assert!(count == 1 || said.iter().any(|line| line.contains("file:lab/bad")), "{said:?}");
        }
        let alone = place.run(&["sub", &refused, "-t", "5"]);
        assert!(alone.code == Some(1) && alone.err.contains("PermissionDenied"), "{}", alone.err);
        assert_eq!(publisher.end().code, Some(0));
        refusing.signal("INT");
        refusing.wait();
        std::fs::remove_file(place.path().join("lab@bad.file")).unwrap();
    });
}
