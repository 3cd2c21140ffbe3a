//! ls, clean, doctor and setup with the real program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use program::{Place, on_each_transport};

fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn every_pattern_is_listed_with_its_facts() {
    on_each_transport(|place, name, file| {
        let mut publisher =
            place.start(&["pub", &name("lab/t"), "-o", "client_id=probe", "--encoding", "json"]);
        let server = place.start(&["recv", &name("lab/valve"), "--count", "2", "--reply", "1"]);
        place.wait_for(&file("lab/t"));
        place.wait_for(&file("lab/valve"));
        publisher.write("1\n2\n");
        let mut subscriber = place.start(&["sub", &name("lab/t"), "--json", "--count", "3"]);
        // The newest value first, which may be either.
        let first = subscriber.line();
        assert!(first == "2" || (first == "1" && subscriber.line() == "2"), "{first}");
        assert_eq!(place.run(&["call", &name("lab/valve"), "1"]).code, Some(0));

        let listed = place.run(&["ls"]);
        assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
        let titles = listed.out.lines().next().unwrap();
        assert_eq!(titles.split_whitespace().next(), Some("ENDPOINT"));
        let rows = rows(&listed.out);
        assert_eq!(rows.len(), 2, "{}", listed.out);
        let pid = publisher.pid().to_string();
        assert_eq!(rows[0][..4], [&name("lab/t"), "publish", "probe", &pid], "{}", listed.out);
        assert_eq!((rows[0][5], rows[0][6], rows[0][8]), ("1", "2", "json"), "{}", listed.out);
        assert_eq!(rows[1][..3], [&name("lab/valve"), "request", "linkspan"], "{}", listed.out);

        let json = place.run(&["ls", "--json"]).out;
        let line = json.lines().next().unwrap();
        assert!(line.starts_with(&format!(
            "{{\"endpoint\":\"{}\",\"pattern\":\"publish\",\"machine\":null,\"pid\":{pid},",
            name("lab/t")
        )));
        assert!(
            line.contains("\"messages\":2,\"peers\":1,") && line.ends_with("\"problem\":null}"),
            "{line}"
        );

        publisher.write("3\n4\n");
        assert_eq!(subscriber.wait().code, Some(0));
        publisher.signal("TERM");
        server.signal("TERM");
        publisher.wait();
        server.wait();
        assert_eq!(place.run(&["ls"]).out.lines().count(), 1);
    });
}

#[test]
fn listing_shows_the_lag_of_a_stopped_subscriber() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("fast")]);
        place.wait_for(&file("fast"));
        publisher.write("0\n");
        let mut subscriber = place.start(&["sub", &name("fast"), "--json"]);
        assert_eq!(subscriber.line(), "0");
        subscriber.signal("STOP");
        // More than a socket buffers for a reader that does not read.
        let block = format!("\"{}\"\n", "x".repeat(20_000));
        for _ in 0..60 {
            publisher.write(&block);
        }
        // The publisher may not have taken everything yet.
        let begun = std::time::Instant::now();
        let behind = loop {
            let listed = place.run(&["ls"]).out;
            let row = rows(&listed)[0].iter().map(ToString::to_string).collect::<Vec<_>>();
            if row[6] == "61" {
                break row[7].parse::<u64>().unwrap();
            }
            assert!(begun.elapsed().as_secs() < 60, "{listed}");
        };
        assert!((1..=60).contains(&behind), "{behind}");
        subscriber.signal("KILL");
        subscriber.wait();
        assert_eq!(publisher.end().code, Some(0));
    });
}

#[test]
fn verbose_listing_finds_the_slow_one_of_five_and_each_client() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("fast"), "-o", "buffer=65536"]);
        place.wait_for(&file("fast"));
        publisher.write("0\n");
        let mut subscribers: Vec<_> =
            (0..5).map(|_| place.start(&["sub", &name("fast"), "--json"])).collect();
        subscribers.iter_mut().for_each(|one| assert_eq!(one.line(), "0"));
        subscribers[3].signal("STOP");
        let block = format!("\"{}\"\n", "x".repeat(20_000));
        for _ in 0..60 {
            publisher.write(&block);
            for (number, one) in subscribers.iter_mut().enumerate() {
                if number != 3 {
                    one.line();
                }
            }
        }
        let server = place.start(&["reply", &name("slow"), "--shell", "--command", "sleep 60"]);
        place.wait_for(&file("slow"));
        let client = place.start(&["call", &name("slow"), "1", "-o", "client_id=panel"]);
        let begun = std::time::Instant::now();
        let listed = loop {
            let listed = place.run(&["ls", "-v"]);
            assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
            if listed.out.contains("panel") {
                break listed.out;
            }
            assert!(begun.elapsed().as_secs() < 60, "{listed:?}");
        };
        let (_, table) = listed.split_once("\n\n").unwrap();
        let rows = rows(table);
        assert_eq!(rows.len(), 6, "{listed}");
        for (number, one) in subscribers.iter().enumerate() {
            let pid = one.pid().to_string();
            let row = rows.iter().find(|row| row[2] == pid).unwrap();
            assert_eq!(row[..2], [name("fast"), format!("linkspan-{pid}")], "{listed}");
            assert!(row[3].ends_with('Z'), "{listed}");
            let behind = row[4].parse::<u64>().unwrap();
            assert!(if number == 3 { behind > 1 } else { behind <= 1 }, "{listed}");
        }
        assert_eq!(rows[5][..3], [&name("slow"), "panel", &client.pid().to_string()], "{listed}");
        assert_eq!(rows[5][4], "-", "{listed}");
        // A killed subscriber is listed no longer.
        subscribers[3].signal("KILL");
        let killed = format!("linkspan-{}", subscribers[3].pid());
        let begun = std::time::Instant::now();
        while place.run(&["ls", "-v"]).out.contains(&killed) {
            assert!(begun.elapsed().as_secs() < 60);
        }
        client.signal("KILL");
        server.signal("TERM");
        assert_eq!(publisher.end().code, Some(0));
        for one in subscribers.into_iter().chain([client, server]) {
            one.signal("KILL");
            one.wait();
        }
    });
}

#[test]
fn more_subscribers_than_a_page_are_listed_in_their_order() {
    let place = Place::new();
    let publisher = place.start(&["pub", "unix:lab/t", "1"]);
    place.wait_for("lab@t.unix");
    let subscribers: Vec<_> = (0..70).map(|_| place.start(&["sub", "unix:lab/t", "--json"])).collect();
    let begun = std::time::Instant::now();
    loop {
        let listed = place.run(&["ls", "-v", "unix:lab/t"]).out;
        let (_, table) = listed.split_once("\n\n").unwrap();
        let rows = rows(table);
        if rows.len() == subscribers.len() {
            assert!(rows.windows(2).all(|two| two[0][3] <= two[1][3]), "{listed}");
            break;
        }
        assert!(begun.elapsed().as_secs() < 60, "{listed}");
    }
    let json = place.run(&["ls", "-v", "--json", "unix:lab/t"]).out;
    assert_eq!(json.matches("\"since\":").count(), subscribers.len(), "{json}");
    for one in subscribers.into_iter().chain([publisher]) {
        one.signal("KILL");
        one.wait();
    }
}

#[test]
fn files_of_dead_programs_are_removed() {
    on_each_transport(|place, name, file| {
        let dead = place.start(&["recv", &name("lab/dead")]);
        place.wait_for(&file("lab/dead"));
        dead.signal("KILL");
        dead.wait();
        assert_eq!(place.leftovers(), [file("lab/dead")]);
        let cleaned = place.run(&["clean"]);
        assert_eq!((cleaned.code, cleaned.out), (Some(0), format!("removed {}\n", name("lab/dead"))));
        let dead = place.start(&["recv", &name("lab/dead")]);
        place.wait_for(&file("lab/dead"));
        dead.signal("KILL");
        dead.wait();
        assert_eq!(place.run(&["ls"]).out.lines().count(), 1);
    });
}

#[test]
fn names_of_living_programs_without_an_answer_are_not_removed() {
    on_each_transport(|place, name, file| {
        let stopped = place.start(&["recv", &name("stopped")]);
        place.wait_for(&file("stopped"));
        stopped.signal("STOP");
        assert_eq!(place.run(&["clean"]).out, "");
        let listed = place.run(&["ls"]).out;
        assert!(listed.contains(&format!("{}: Stalled (121): ", name("stopped"))), "{listed}");
        assert_eq!(rows(&listed)[0][3], stopped.pid().to_string(), "{listed}");
        let examined = place.run(&["doctor"]);
        assert_eq!(examined.code, Some(1));
        assert!(
            examined.out.contains(&format!("problem  {} cannot be queried", name("stopped"))),
            "{}",
            examined.out
        );
        stopped.signal("CONT");
        assert!(!place.run(&["ls"]).out.contains("Stalled"));
        stopped.signal("TERM");
        assert_eq!(stopped.wait().code, Some(143));
    });
}

#[test]
fn doctor_reports_the_directory_and_its_fault() {
    let place = Place::new();
    let fine = place.run(&["doctor"]);
    assert_eq!(fine.code, Some(0), "{}", fine.out);
    assert!(fine.out.starts_with("fine     nothing is found here that keeps programs"), "{}", fine.out);
    assert!(fine.out.contains(place.path().to_str().unwrap()), "{}", fine.out);
    assert!(fine.out.contains("LINKSPAN_DIR") && !fine.out.contains("problem"), "{}", fine.out);
    let json = place.run(&["doctor", "--json"]);
    assert!(
        json.out.lines().all(|l| l.starts_with("{\"severity\":\"") && l.ends_with("\"}")),
        "{}",
        json.out
    );
    let mut command = place.command(&["doctor"]);
    let wrong = command.env("LINKSPAN_DIR", "/etc/passwd/such").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let finished = String::from_utf8(wrong.stdout).unwrap();
    assert!(finished.starts_with("problem  ") && !finished.contains("nothing is found"), "{finished}");
    assert!(finished.lines().next().unwrap().contains("/etc/passwd"), "{finished}");
}

#[test]
fn directory_for_several_users_is_set_up_under_another_root() {
    let place = Place::new();
    let group = std::process::Command::new("id").arg("-gn").output().unwrap();
    let group = String::from_utf8(group.stdout).unwrap().trim().to_owned();
    std::fs::create_dir(place.path().join("run")).unwrap();
    let root = place.path().to_str().unwrap();
    let done = place.run(&["setup", "--group", &group, "--root", root]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains(&format!("made {root}/run/linkspan")), "{}", done.out);
    let refused = place.run(&["setup", "--group", "no-such-group", "--root", root]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.starts_with("linkspan: Missing (104): there is no group"), "{}", refused.err);
    assert_eq!(place.run(&["setup", "--root", root]).code, Some(2), "neither a group nor --undo");
    let undone = place.run(&["setup", "--undo", "--root", root]);
    assert_eq!(undone.code, Some(0), "{}", undone.err);
    assert!(undone.out.contains(&format!("removed {root}/run/linkspan\n")), "{}", undone.out);
    let is_left = |path: &str| place.path().join(path).exists();
    assert!(!is_left("run/linkspan") && !is_left("etc/tmpfiles.d/linkspan.conf"));
}

#[test]
fn unserved_spool_is_listed_with_waiting_messages() {
    let place = Place::new();
    for number in ["1", "2", "3"] {
        let sent = place.run(&["send", "spool:jobs", number, "-o", "durable=true"]);
        assert_eq!(sent.code, Some(0), "{sent:?}");
    }
    let listed = place.run(&["ls", "spool:*"]).out;
    let row = &rows(&listed)[0];
    assert_eq!((row[0], row[3], row[7]), ("spool:jobs", "-", "3"), "{listed}");
    assert!(place.run(&["top", "--once", "--every", "0.1"]).out.contains("spool:jobs"));
    // With a server, the listing has the server and the waiting messages.
    let mut server = place.start(&["recv", "spool:jobs", "-n", "1", "--json", "-o", "durable=true"]);
    assert_eq!(server.line(), "1");
    server.wait();
    let listed = place.run(&["ls", "jobs"]).out;
    assert_eq!(rows(&listed)[0][7], "2", "{listed}");
    assert_eq!(rows(&place.run(&["ls", "others/*"]).out).len(), 0);
}

#[test]
fn doctor_distinguishes_removed_files_from_existing_ones() {
    let place = Place::new();
    for number in ["1", "2"] {
        assert_eq!(place.run(&["send", "spool:jobs", number, "-o", "durable=true"]).code, Some(0));
    }
    let mut server =
        place.start(&["recv", "spool:jobs", "-n", "0", "--json", "-o", "durable=true", "-t", "forever"]);
    assert_eq!(server.line(), "1");
    server.signal("KILL");
    server.wait();
    // The spool of the killed server stays.
    let publisher = place.start(&["pub", "unix:gone", "1"]);
    place.wait_for("gone.unix");
    publisher.signal("KILL");
    publisher.wait();
    let found = place.run(&["doctor", "--repair"]).out;
    let removed = found.lines().find(|line| line.contains("is removed") && line.contains("unix:gone"));
    assert!(removed.is_some_and(|line| !line.contains("spool:jobs")), "{found}");
    assert!(found.contains("beside spool:jobs is removed"), "{found}");
    assert!(place.run(&["ls"]).out.contains("spool:jobs"));
}

/// Each file below a folder, with its node and the time of its last change.
fn files_below(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let facts = path.symlink_metadata().unwrap();
        found.push((path.clone(), facts.ino(), facts.ctime(), facts.ctime_nsec()));
        if facts.is_dir() {
            found.extend(files_below(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn doctor_without_repair_changes_no_file() {
    let place = Place::new();
    // An emptied spool, files of dead programs, a gateway's state.
    let mut server = place.start(&["recv", "spool:jobs", "-n", "1", "--json"]);
    place.wait_for("jobs.spool");
    assert_eq!(place.run(&["send", "spool:jobs", "1"]).code, Some(0));
    assert_eq!(server.line(), "1");
    assert_eq!(server.wait().code, Some(0));
    for (name, file) in [("unix:gone", "gone.unix"), ("shm:gone", "gone.shm"), ("fifo:gone", "gone.fifo")] {
        let dead = place.start(&["recv", name]);
        place.wait_for(file);
        dead.signal("KILL");
        dead.wait();
    }
    let gateway = place.start(&["pub", "gateway/status", r#"{"address": "http://127.0.0.1:1/"}"#]);
    place.wait_for("gateway@status.shm");
    let before = files_below(place.path());
    let found = place.run(&["doctor"]);
    assert_eq!(found.code, Some(0), "{}", found.out);
    assert!(found.out.contains("the gateway here serves at http://127.0.0.1:1/"), "{}", found.out);
    for name in ["unix:gone", "shm:gone", "fifo:gone"] {
        assert!(found.out.contains(&format!("dead processes left files of {name}: ")), "{}", found.out);
        let about_name = place.run(&["doctor", name]);
        assert!(about_name.out.starts_with(&format!("fine     {name} is free")), "{}", about_name.out);
        assert_eq!(about_name.code, Some(0));
    }
    assert_eq!(files_below(place.path()), before);
    assert!(!place.path().join("state").exists());
    let repaired = place.run(&["doctor", "--repair"]);
    assert_eq!(repaired.code, Some(0), "{}", repaired.out);
    assert!(repaired.out.contains("of fifo:gone, shm:gone, unix:gone is removed"), "{}", repaired.out);
    assert!(!place.run(&["doctor"]).out.contains("dead processes"));
    assert_eq!(place.run(&["send", "spool:jobs", "2"]).code, Some(0));
    gateway.signal("TERM");
    gateway.wait();
}

#[test]
fn doctor_makes_no_directory() {
    let place = Place::new();
    let (runtime, state) = (place.path().join("none"), place.path().join("state"));
    for words in [&["doctor"][..], &["doctor", "--repair"], &["doctor", "shm:x"], &["doctor", "journal:x"]] {
        let mut command = place.command(words);
        let finished = command.env("LINKSPAN_DIR", &runtime).output().unwrap();
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let text = String::from_utf8(finished.stdout).unwrap();
        let names_it = text.contains(&format!("fine     {} does not exist", runtime.display()));
        assert!(names_it || words.len() == 2 && words[1].contains(':'), "{text}");
        assert!(!runtime.exists() && !state.exists(), "{words:?}");
    }
}

#[test]
fn doctor_examines_the_state_directory() {
    let place = Place::new();
    let state = place.path().join("state");
    assert_eq!(place.run(&["pub", "journal:log", "1"]).code, Some(0));
    let found = place.run(&["doctor"]);
    assert!(found.out.contains(&format!("{} belongs to ", state.display())), "{}", found.out);
    assert!(found.out.contains("because LINKSPAN_STATE_DIR says so"), "{}", found.out);
    assert_eq!(found.code, Some(0), "{}", found.out);
    // A damaged file of a journal is found, by its name as well.
    std::fs::write(state.join("log.journal/00000000000000000001.segment"), "damage").unwrap();
    for words in [&["doctor"][..], &["doctor", "journal:log"]] {
        let found = place.run(words);
        assert_eq!(found.code, Some(1), "{}", found.out);
        assert!(found.out.contains("problem  journal:log "), "{}", found.out);
    }
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::write(&state, "").unwrap();
    let found = place.run(&["doctor"]);
    assert_eq!(found.code, Some(1), "{}", found.out);
    assert!(found.out.contains("problem  opening the state directory"), "{}", found.out);
}

#[test]
fn doctor_says_who_serves_a_name() {
    let place = Place::new();
    let path = place.path().join("elsewhere");
    std::fs::create_dir(&path).unwrap();
    let by_path = format!("unix:{}/x.unix", path.display());
    for (name, file) in
        [("unix:lab/t", "lab@t.unix"), ("shm:lab/t", "lab@t.shm"), (&by_path, "elsewhere/x.unix")]
    {
        let publisher = place.start(&["pub", name, "1"]);
        place.wait_for(file);
        let found = place.run(&["doctor", name]);
        let wanted = format!("fine     {name} is served by process {} (", publisher.pid());
        assert!(found.out.starts_with(&wanted) && found.out.contains(", as publish;"), "{}", found.out);
        assert!(found.code == Some(0) && !found.out.contains("kill"), "{}", found.out);
        publisher.signal("TERM");
        publisher.wait();
    }
}

#[test]
fn doctor_names_the_process_that_hangs_up_or_answers_something_else() {
    use std::io::Write;
    let place = Place::new();
    for answer in ["", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"] {
        let listener = std::os::unix::net::UnixListener::bind(place.path().join("odd.unix")).unwrap();
        std::thread::spawn(move || {
            while let Ok((mut caller, _)) = listener.accept() {
                // The caller may have gone.
                let _ = caller.write_all(answer.as_bytes());
            }
        });
        let found = place.run(&["doctor", "unix:odd"]);
        let wanted = format!("problem  unix:odd is held by process {}", std::process::id());
        assert!(found.out.starts_with(&wanted) && found.out.contains("cannot be queried"), "{}", found.out);
        assert!(!found.out.contains("container") && !found.out.contains("kill"), "{}", found.out);
        std::fs::remove_file(place.path().join("odd.unix")).unwrap();
    }
}

#[test]
fn image_without_run_is_set_up() {
    let place = Place::new();
    let image = place.path().join("image");
    std::fs::create_dir(&image).unwrap();
    let group = std::process::Command::new("id").arg("-gn").output().unwrap();
    let group = String::from_utf8(group.stdout).unwrap();
    let root = image.to_str().unwrap();
    let finished = place.run(&["setup", "--group", group.trim(), "--root", root]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(image.join("run/linkspan").is_dir());
}

#[test]
fn file_in_place_of_the_directory_is_not_reported_as_a_defect() {
    let place = Place::new();
    let path = place.path().join("values");
    std::fs::create_dir(&path).unwrap();
    let finished = place.run(&["pub", &format!("file:{}", path.display()), "1"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.err.contains("InvalidEndpoint") && finished.err.contains("is a directory"),
        "{finished:?}"
    );
}

#[test]
fn limit_on_files_is_an_error_and_ends_no_program() {
    let place = Place::new();
    for (name, kind) in [("spool:jobs", "NoSpace"), ("file:value", "TooLarge"), ("journal:log", "NoSpace")] {
        let mut shell = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_linkspan");
        let send = if name.starts_with("spool") { "send -o durable=true" } else { "pub" };
        shell.args([
            "-c",
            &format!("ulimit -f 1; (printf '\"'; head -c 5000 /dev/zero | tr '\\0' 7; printf '\"') | {program} {send} {name} -"),
        ]);
        shell.env("LINKSPAN_DIR", place.path()).env("LINKSPAN_STATE_DIR", place.path().join("state"));
        let finished = shell.output().unwrap();
        let error = String::from_utf8_lossy(&finished.stderr);
        assert_eq!(finished.status.code(), Some(1), "{name}: {:?} {error}", finished.status);
        assert!(error.contains(kind), "{name}: {error}");
    }
    // No unfinished files are left.
    let names = |path: std::path::PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert!(names(place.path().join("state/jobs.spool/server")).is_empty());
    assert!(names(place.path().to_owned()).iter().all(|name| !name.starts_with(".new")));
}

#[test]
fn port_chosen_by_the_kernel_is_printed() {
    let place = Place::new();
    for command in [&["recv", "tcp://127.0.0.1:0"][..], &["pub", "tcp://127.0.0.1:0", "1"]] {
        let mut server = place.start(command);
        let line = server.error_line();
        let (_, port) = line.rsplit_once(':').unwrap();
        assert!(line.contains("listens at tcp://127.0.0.1:"), "{line}");
        assert_ne!(port.parse::<u16>().unwrap(), 0);
        server.signal("TERM");
        server.wait();
    }
}

#[test]
fn missing_or_relative_directory_is_reported_once() {
    let place = Place::new();
    let finished = |directory: &str| {
        let mut command = place.command(&["ls"]);
        let finished = command.env("LINKSPAN_DIR", directory).current_dir(place.path()).output().unwrap();
        String::from_utf8(finished.stderr).unwrap()
    };
    let new = place.path().join("mistyped");
    let new = new.to_str().unwrap();
    let first = finished(new);
    assert!(first.contains("does not exist and is created") && first.lines().count() == 1, "{first}");
    assert_eq!(finished(new), "");
    let relative = finished("relative");
    assert!(relative.contains("give a whole path") && relative.lines().count() == 1, "{relative}");
    assert!(!place.path().join("relative").exists(), "it was made");
    let mut doctor = place.command(&["doctor"]);
    let found = doctor.env("LINKSPAN_DIR", "relative").current_dir(place.path()).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(
        found.lines().any(|line| line.starts_with("problem") && line.contains("another directory")),
        "{found}"
    );
}

#[test]
fn mistyped_command_error_proposes_the_nearest_one() {
    for (typed, meant) in [
        (["sbu", "x"], "sub"),
        (["pbu", "x"], "pub"),
        (["servcie", "ls"], "service"),
        (["service", "rnu"], "run"),
    ] {
        let finished = Place::new().run(&typed);
        assert_eq!(finished.code, Some(2), "{typed:?}");
        assert!(
            finished.err.contains(&format!("a similar subcommand exists: '{meant}'")),
            "{}",
            finished.err
        );
    }
    let finished = Place::new().run(&["zzz", "x"]);
    assert!(!finished.err.contains("similar"), "{}", finished.err);
}

#[test]
fn help_of_a_companion_program_shows_the_words_that_were_typed() {
    for (typed, shown) in [
        (&["record", "--help"][..], "linkspan record [OPTIONS]"),
        (&["replay", "--help"], "linkspan replay [OPTIONS]"),
        (&["recording", "--help"], "linkspan recording [OPTIONS] <COMMAND>"),
        (&["schema", "import", "--help"], "linkspan schema import [OPTIONS] --from <FROM> <FILE>"),
    ] {
        let finished = Place::new().run(typed);
        assert!(finished.out.contains(&format!("Usage: {shown}")), "{}{}", finished.out, finished.err);
    }
}

#[test]
fn help_that_standard_output_does_not_take_fails() {
    let place = Place::new();
    for words in [
        &["--help"][..],
        &["--version"],
        &["help"],
        &["sub", "--help"],
        &["service", "run", "--help", "--", "true"],
        &["gateway", "--help"],
        &["record", "--help"],
        &["recording", "info", "--help"],
        &["schema", "import", "--help"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let finished = place.command(words).stdout(full).output().unwrap();
        let error = String::from_utf8(finished.stderr).unwrap();
        assert_eq!(finished.status.code(), Some(1), "{words:?}: {error}");
        assert!(error.contains("writing to standard output"), "{words:?}: {error}");
    }
}

#[test]
fn names_that_are_open_are_completed_in_bash() {
    let place = Place::new();
    let publishers =
        ["lab/temperature", "lab/time", "unix:lab/t"].map(|name| place.start(&["pub", name, "1"]));
    for file in ["lab@temperature.shm", "lab@time.shm", "lab@t.unix"] {
        place.wait_for(file);
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_linkspan"));
    let completed = |line: &str| -> Vec<String> {
        let script = "source <(linkspan completions bash); COMP_LINE=\"$1\"; COMP_POINT=${#1}; read -ra COMP_WORDS <<<\"$1\"; \
                      COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); \
                      _linkspan_and_names linkspan \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = std::process::Command::new("bash");
        bash.args(["--norc", "-c", script, "bash", line]).env("LINKSPAN_DIR", place.path());
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let finished = bash.env("PATH", path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&finished.stderr), "", "{line}");
        String::from_utf8(finished.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .filter(|l| !l.is_empty())
            .collect()
    };
    assert_eq!(completed("linkspan sub lab/"), ["lab/temperature", "lab/time"]);
    assert_eq!(completed("linkspan latest lab/tem"), ["lab/temperature"]);
    // After a colon bash begins a new word.
    assert_eq!(completed("linkspan sub unix:l"), ["lab/t"]);
    assert!(completed("linkspan sub --js").contains(&"--json".to_owned()));
    assert_eq!(completed("linkspan sub lab/t -o d"), ["delivery=", "durable="]);
    // Those of the program that converts schemas.
    assert_eq!(completed("linkspan schema exp"), ["export"]);
    assert_eq!(completed("linkspan schema import --fr"), ["--from"]);
    for publisher in publishers {
        publisher.signal("TERM");
        publisher.wait();
    }
}
