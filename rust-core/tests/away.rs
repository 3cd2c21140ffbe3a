//! A subscriber with a `client_id` that was away: what it missed meanwhile is counted, however it ended. Each
//! incarnation is a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use linkspan::{ErrorKind, Options, Publisher, Subscriber, Value};

use crate::support::alone::alone;
use crate::support::{SOON, name};

const ENDPOINT: &str = "LINKSPAN_TEST_AWAY";
const CLIENT_ID: &str = "LINKSPAN_TEST_AWAY_CLIENT_ID";
const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

/// The part of the other process: writes what it receives, a line each.
#[test]
fn incarnation() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let mut options = Options::default();
    options.client_id = std::env::var(CLIENT_ID).ok();
    let subscriber = Subscriber::new(&endpoint, &options).unwrap();
    println!("\nsubscribed");
    loop {
        match subscriber.recv(SOON) {
            Ok(message) => println!("got {}", message.value().unwrap().as_u64().unwrap()),
            Err(e) if e.kind() == ErrorKind::Lagged => println!("missed {}", e.missed().unwrap()),
            Err(e) => panic!("{e}"),
        }
    }
}

/// A subscriber in a process of its own, killed by the drop.
struct Other {
    process: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Other {
    fn start(endpoint: &str, client_id: Option<&str>) -> Other {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["away::incarnation", "--exact", "--nocapture"]).env(ENDPOINT, endpoint);
        if let Some(client_id) = client_id {
            command.env(CLIENT_ID, client_id);
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut other = Other { process, lines: Box::new(lines) };
        assert!(other.lines.any(|line| line == "subscribed"));
        other
    }

    #[track_caller]
    fn says(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.lines.next().as_deref(), Some(*expected));
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // SIGKILL.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn publisher(endpoint: &str) -> Publisher {
    Publisher::new(endpoint, &Options::default()).unwrap()
}

fn send(publisher: &Publisher, numbers: std::ops::RangeInclusive<u64>) {
    numbers.for_each(|number| {
        publisher.send(&Value::from(number)).unwrap();
    });
}

#[test]
fn killed_subscriber_that_comes_back_gets_the_number_that_it_missed() {
    for endpoint in TRANSPORTS.map(name) {
        let publisher = publisher(&endpoint);
        send(&publisher, 1..=3);
        let mut first = Other::start(&endpoint, Some("plot"));
        first.says(&["got 3"]);
        send(&publisher, 4..=5);
        first.says(&["got 4", "got 5"]);
        drop(first);
        send(&publisher, 6..=25);
        let mut second = Other::start(&endpoint, Some("plot"));
        second.says(&["missed 19", "got 25"]);
        send(&publisher, 26..=26);
        second.says(&["got 26"]);
        drop(second);
        // Nothing came meanwhile, so nothing was missed: the newest value is delivered as to any subscriber.
        let mut third = Other::start(&endpoint, Some("plot"));
        third.says(&["got 26"]);
        // Another one, and one without a name, were not there before.
        Other::start(&endpoint, Some("other")).says(&["got 26"]);
        Other::start(&endpoint, None).says(&["got 26"]);
    }
}

#[test]
fn subscriber_that_was_closed_in_the_same_process_counts_too() {
    for endpoint in TRANSPORTS.map(name) {
        let publisher = publisher(&endpoint);
        let options = Options::default().with_client_id("plot");
        let first = Subscriber::new(&endpoint, &options).unwrap();
        send(&publisher, 1..=1);
        first.recv(SOON).unwrap();
        first.close();
        send(&publisher, 2..=11);
        // In a loop the message has the number.
        let second = Subscriber::new(&endpoint, &options).unwrap();
        let message = second.next(SOON).unwrap().unwrap();
        assert_eq!((message.sequence(), message.missed()), (11, 9), "{endpoint}");
    }
}

#[test]
fn new_publisher_is_counted_from_its_beginning_and_the_unknown_rest_is_an_event() {
    for endpoint in TRANSPORTS.map(name) {
        let options = Options::default().with_client_id("plot");
        let old = publisher(&endpoint);
        let first = Subscriber::new(&endpoint, &options).unwrap();
        send(&old, 1..=7);
        (0..7).for_each(|_| drop(first.recv(SOON).unwrap()));
        drop((first, old));
        let new = publisher(&endpoint);
        send(&new, 1..=5);
        let second = Subscriber::new(&endpoint, &options).unwrap();
        assert_eq!(second.recv(SOON).unwrap_err().missed(), Some(4), "{endpoint}");
        assert_eq!(second.recv(SOON).unwrap().sequence(), 5);
        let events = second.events();
        assert!(events.iter().any(|event| event.text.contains("after its message 7")), "{events:?}");
    }
}

#[test]
fn second_living_subscriber_of_a_client_id_receives_and_says_that_it_counts_nothing() {
    let endpoint = name("shm");
    let publisher = publisher(&endpoint);
    let options = Options::default().with_client_id("plot");
    let first = Subscriber::new(&endpoint, &options).unwrap();
    let second = Subscriber::new(&endpoint, &options).unwrap();
    send(&publisher, 1..=1);
    assert_eq!(first.recv(SOON).unwrap().sequence(), 1);
    assert_eq!(second.recv(SOON).unwrap().sequence(), 1);
    let says =
        |subscriber: &Subscriber| subscriber.events().iter().any(|e| e.text.contains("is not counted"));
    assert_eq!((says(&first), says(&second)), (false, true));
}

#[test]
fn link_in_the_place_of_a_position_is_not_followed() {
    let endpoint = name("shm");
    let _publisher = publisher(&endpoint);
    let options = Options::default().with_client_id("linked");
    drop(Subscriber::new(&endpoint, &options).unwrap());
    let directory = std::path::PathBuf::from(std::env::var_os("LINKSPAN_DIR").unwrap());
    let position = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let position = { position }.find(|path| path.to_string_lossy().contains("-linked-")).unwrap();
    let victim = directory.join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::remove_file(&position).unwrap();
    std::os::unix::fs::symlink(&victim, &position).unwrap();
    let subscriber = Subscriber::new(&endpoint, &options).unwrap();
    assert!(subscriber.events().iter().any(|e| e.text.contains("not followed")));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn names_of_a_pattern_are_counted_each() {
    let folder = name("shm");
    let folder = folder.split_once(':').unwrap().1;
    let [a, b] = ["a", "b"].map(|end| publisher(&format!("shm:{folder}/{end}")));
    let options = Options::default().with_client_id("plot");
    let pattern = format!("shm:{folder}/*");
    let first = Subscriber::new(&pattern, &options).unwrap();
    send(&a, 1..=1);
    send(&b, 1..=1);
    (0..2).for_each(|_| drop(first.recv(SOON).unwrap()));
    drop(first);
    send(&a, 2..=4);
    send(&b, 2..=11);
    let second = Subscriber::new(&pattern, &options).unwrap();
    let mut missed: Vec<_> = (0..2)
        .map(|_| {
            let message = second.next(SOON).unwrap().unwrap();
            (message.name().unwrap().to_owned(), message.sequence(), message.missed())
        })
        .collect();
    missed.sort();
    let expected = [("a", 4, 2), ("b", 11, 9)]
        .map(|(end, number, count)| (format!("shm:{folder}/{end}"), number, count));
    assert_eq!(missed, expected);
}

#[test]
fn positions_of_many_client_ids_are_bounded_and_those_in_use_stay() {
    alone!(positions_of_many_client_ids_are_bounded_and_those_in_use_stay);
    let endpoint = name("shm");
    let publisher = publisher(&endpoint);
    let as_client = |id: &str| Subscriber::new(&endpoint, &Options::default().with_client_id(id)).unwrap();
    let kept = as_client("kept");
    send(&publisher, 1..=1);
    kept.recv(SOON).unwrap();
    (0..1100).for_each(|i| drop(as_client(&format!("client-{i}"))));
    let files = std::fs::read_dir(std::env::var_os("LINKSPAN_DIR").unwrap()).unwrap();
    let positions =
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with(".position-"));
    assert_eq!(positions.count(), 1024);
    drop(kept);
    send(&publisher, 2..=4);
    assert_eq!(as_client("kept").recv(SOON).unwrap_err().missed(), Some(2));
}
