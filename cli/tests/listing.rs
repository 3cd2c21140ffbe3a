//! ls, clean, doctor and setup with the real program.

mod program;

use program::{Place, on_each_transport};

/// The cells of the table's rows, without its titles.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn every_pattern_is_listed_with_what_it_tells() {
    on_each_transport(|place, name, file| {
        let mut publisher =
            place.start(&["pub", &name("lab/t"), "-o", "client_id=probe", "--encoding", "json"]);
        let server = place.start(&["recv", &name("lab/valve"), "--count", "2", "--reply", "1"]);
        place.wait_for(&file("lab/t"));
        place.wait_for(&file("lab/valve"));
        publisher.write("1\n2\n");
        let mut subscriber = place.start(&["sub", &name("lab/t"), "--json", "--count", "3"]);
        // The first is the newest, which may be either: what follows is not.
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
            "{{\"endpoint\":\"{}\",\"pattern\":\"publish\",\"pid\":{pid},",
            name("lab/t")
        )));
        assert!(
            line.contains("\"messages\":2,\"peers\":1,") && line.ends_with("\"trouble\":null}"),
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
fn a_stopped_subscriber_shows_how_far_it_is_behind() {
    on_each_transport(|place, name, file| {
        let mut publisher = place.start(&["pub", &name("fast")]);
        place.wait_for(&file("fast"));
        publisher.write("0\n");
        let mut subscriber = place.start(&["sub", &name("fast"), "--json"]);
        assert_eq!(subscriber.line(), "0");
        subscriber.signal("STOP");
        // More than a socket takes from one who reads nothing.
        let block = format!("\"{}\"\n", "x".repeat(20_000));
        for _ in 0..60 {
            publisher.write(&block);
        }
        // The publisher may not have taken all of it yet.
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
fn what_the_dead_left_is_swept() {
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
fn the_living_are_not_swept_even_when_they_do_not_answer() {
    on_each_transport(|place, name, file| {
        let stopped = place.start(&["recv", &name("deaf")]);
        place.wait_for(&file("deaf"));
        stopped.signal("STOP");
        assert_eq!(place.run(&["clean"]).out, "");
        let listed = place.run(&["ls"]).out;
        assert!(listed.contains(&format!("{}: Stalled (121): ", name("deaf"))), "{listed}");
        assert_eq!(rows(&listed)[0][3], stopped.pid().to_string(), "{listed}");
        let examined = place.run(&["doctor"]);
        assert_eq!(examined.code, Some(1));
        assert!(
            examined.out.contains(&format!("problem  {} cannot be asked", name("deaf"))),
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
fn the_doctor_names_the_directory_and_what_is_wrong_with_it() {
    let place = Place::new();
    let fine = place.run(&["doctor"]);
    assert_eq!(fine.code, Some(0), "{}", fine.out);
    assert!(fine.out.contains(place.path().to_str().unwrap()), "{}", fine.out);
    assert!(fine.out.contains("LINKSPAN_DIR") && !fine.out.contains("problem"), "{}", fine.out);
    let json = place.run(&["doctor", "--json"]);
    assert!(
        json.out.lines().all(|l| l.starts_with("{\"severity\":\"") && l.ends_with("\"}")),
        "{}",
        json.out
    );
    let mut command = place.command(&["doctor"]);
    let wrong = command.env("LINKSPAN_DIR", "/proc/no/such").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8(wrong.stdout).unwrap();
    assert!(said.contains("problem  making the runtime directory /proc/no/such"), "{said}");
}

#[test]
fn a_directory_for_several_users_is_set_up_under_another_root() {
    let place = Place::new();
    let group = std::process::Command::new("id").arg("-gn").output().unwrap();
    let group = String::from_utf8(group.stdout).unwrap().trim().to_owned();
    std::fs::create_dir(place.path().join("run")).unwrap();
    let root = place.path().to_str().unwrap();
    let done = place.run(&["setup", "--group", &group, "--root", root]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains(&format!("made {root}/run/linkspan")), "{}", done.out);
    let nobody = place.run(&["setup", "--group", "no-such-group", "--root", root]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.starts_with("linkspan: Missing (104): there is no group"), "{}", nobody.err);
}
