//! A subscriber with a `client_id` that was away: its missed messages are counted, however it ended.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use linkspan::{
    Encoding, ErrorKind, Event, Limits, Options, Payload, Publisher, Server, Subscriber, Timestamp, Value,
};

use crate::support::alone::alone;
use crate::support::{SOON, as_user, name};

const ENDPOINT: &str = "LINKSPAN_TEST_AWAY";
const CLIENT_ID: &str = "LINKSPAN_TEST_AWAY_CLIENT_ID";
const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

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

/// A subscriber in a separate process, killed by the drop.
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
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn publisher(endpoint: &str) -> Publisher {
    Publisher::new(endpoint, &Options::default()).unwrap()
}

fn plot() -> Options {
    Options::default().with_client_id("plot")
}

/// Numbers, and losses as negative numbers.
fn taken<const N: usize>(subscriber: &Subscriber) -> [i64; N] {
    std::array::from_fn(|_| match subscriber.recv(SOON) {
        Ok(message) => message.sequence() as i64,
        Err(e) => -(e.missed().unwrap_or_else(|| panic!("{e}")) as i64),
    })
}

fn says(subscriber: &Subscriber, text: &str) -> bool {
    subscriber.events().iter().any(|event| event.text.contains(text))
}

fn positions(part: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::var_os("LINKSPAN_DIR").unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy();
        file.starts_with(".position-") && file.contains(part)
    };
    paths.filter(is_one).collect()
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
        // Nothing was missed, so the newest value is delivered as to any subscriber.
        let mut third = Other::start(&endpoint, Some("plot"));
        third.says(&["got 26"]);
        // Another subscriber, and one without a name, were not there before.
        Other::start(&endpoint, Some("other")).says(&["got 26"]);
        Other::start(&endpoint, None).says(&["got 26"]);
    }
}

#[test]
fn subscriber_that_was_closed_in_the_same_process_counts_too() {
    for endpoint in TRANSPORTS.map(name) {
        let publisher = publisher(&endpoint);
        let first = Subscriber::new(&endpoint, &plot()).unwrap();
        send(&publisher, 1..=1);
        first.recv(SOON).unwrap();
        first.close();
        send(&publisher, 2..=11);
        let second = Subscriber::new(&endpoint, &plot()).unwrap();
        let message = second.next(SOON).unwrap().unwrap();
        assert_eq!((message.sequence(), message.missed()), (11, 9), "{endpoint}");
    }
}

#[test]
fn subscriber_that_received_nothing_counts_from_the_message_with_which_it_began() {
    for endpoint in TRANSPORTS.map(name) {
        let publisher = publisher(&endpoint);
        send(&publisher, 1..=3);
        drop(Subscriber::new(&endpoint, &plot()).unwrap());
        send(&publisher, 4..=13);
        assert_eq!(taken(&Subscriber::new(&endpoint, &plot()).unwrap()), [-10, 13], "{endpoint}");
    }
}

#[test]
fn new_publisher_is_counted_from_its_beginning_and_the_unknown_rest_is_an_event() {
    for endpoint in TRANSPORTS.map(name) {
        let old = publisher(&endpoint);
        let first = Subscriber::new(&endpoint, &plot()).unwrap();
        send(&old, 1..=7);
        assert_eq!(taken(&first), [1, 2, 3, 4, 5, 6, 7]);
        drop((first, old));
        let new = publisher(&endpoint);
        send(&new, 1..=5);
        let second = Subscriber::new(&endpoint, &plot()).unwrap();
        assert_eq!(taken(&second), [-4, 5], "{endpoint}");
        assert!(says(&second, "after number 7"));
    }
}

#[test]
fn relay_counts_what_was_published_elsewhere_while_the_subscriber_was_away() {
    for endpoint in ["shm", "unix"].map(name) {
        let relay = |incarnation, numbers: [u64; 2]| {
            let relay = Publisher::relay(&endpoint, &Options::default(), incarnation, numbers[0]).unwrap();
            for number in numbers {
                let payload = Payload::new(&Value::from(number), Encoding::Cbor, &Limits::default()).unwrap();
                relay.relay_payload(number, Timestamp(0), &payload).unwrap();
            }
            relay
        };
        let subscriber = || Subscriber::new(&endpoint, &plot()).unwrap();
        let first = relay(90, [10, 11]);
        assert_eq!(taken(&subscriber()), [11], "{endpoint}");
        drop(first);
        // The next relay of this publisher begins later.
        let second = relay(90, [50, 52]);
        assert_eq!(taken(&subscriber()), [-40, 52], "{endpoint}");
        drop(second);
        let waiting = subscriber();
        let third = relay(90, [60, 61]);
        assert_eq!(taken(&waiting), [-7, 60, 61], "{endpoint}");
        drop((waiting, third));
        // Another publisher began with 1, as for a subscriber that was there.
        let _fourth = relay(91, [4, 5]);
        assert_eq!(taken(&subscriber()), [-4, 5], "{endpoint}");
    }
}

#[test]
fn second_living_subscriber_of_a_client_id_receives_and_says_that_it_counts_nothing() {
    let endpoint = name("shm");
    let publisher = publisher(&endpoint);
    let first = Subscriber::new(&endpoint, &plot()).unwrap();
    let second = Subscriber::new(&endpoint, &plot()).unwrap();
    send(&publisher, 1..=1);
    assert_eq!((taken(&first), taken(&second)), ([1], [1]));
    assert_eq!((says(&first, "are not counted"), says(&second, "are not counted")), (false, true));
}

#[test]
fn link_in_the_place_of_a_position_is_not_followed() {
    let endpoint = name("shm");
    let _publisher = publisher(&endpoint);
    let options = Options::default().with_client_id("linked");
    drop(Subscriber::new(&endpoint, &options).unwrap());
    let position = positions("-linked-").pop().unwrap();
    let victim = position.with_file_name("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::remove_file(&position).unwrap();
    std::os::unix::fs::symlink(&victim, &position).unwrap();
    assert!(says(&Subscriber::new(&endpoint, &options).unwrap(), "not followed"));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
}

#[test]
fn file_of_another_user_or_a_directory_of_another_ends_the_count_alone() {
    alone!(file_of_another_user_or_a_directory_of_another_ends_the_count_alone);
    let endpoint = name("shm");
    let publisher = Publisher::new(&endpoint, &Options::default().with_mode(0o666)).unwrap();
    send(&publisher, 1..=1);
    let receives = |why: &str| {
        let subscriber = Subscriber::new(&endpoint, &plot()).unwrap();
        assert_eq!(taken(&subscriber), [1]);
        let events = subscriber.events();
        let is_told = |event: &Event| event.text.contains(why) && event.text.contains("are not counted");
        assert!(events.iter().any(is_told), "{events:?}");
    };
    drop(Subscriber::new(&endpoint, &plot()).unwrap());
    let position = positions("-plot-").pop().unwrap();
    let before = std::fs::read(&position).unwrap();
    // Others may look for names there, but make none.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(position.parent().unwrap(), mode).unwrap();
    as_user(65534, 65534, || receives("may not open the lock file"));
    std::os::unix::fs::chown(&position, Some(65534), None).unwrap();
    receives("belongs to uid 65534");
    assert_eq!(std::fs::read(&position).unwrap(), before);
}

/// The limit in the decision: this user could equally have killed the program.
#[test]
fn program_whose_user_shortens_its_position_ends_by_sigbus() {
    let endpoint = name("shm");
    let publisher = publisher(&endpoint);
    send(&publisher, 1..=1);
    let mut first = Other::start(&endpoint, Some("shortened"));
    first.says(&["got 1"]);
    let position = positions("-shortened-").pop().unwrap();
    std::fs::write(&position, "").unwrap();
    send(&publisher, 2..=2);
    assert_eq!(first.process.wait().unwrap().signal(), Some(libc::SIGBUS));
    Other::start(&endpoint, Some("shortened")).says(&["got 2"]);
    assert_eq!(std::fs::metadata(&position).unwrap().len(), 4096);
}

#[test]
fn names_of_a_pattern_are_counted_each() {
    let folder = name("shm");
    let [a, b] = ["a", "b"].map(|end| publisher(&format!("{folder}/{end}")));
    let pattern = format!("{folder}/*");
    let first = Subscriber::new(&pattern, &plot()).unwrap();
    send(&a, 1..=1);
    send(&b, 1..=1);
    assert_eq!(taken(&first), [1, 1]);
    drop(first);
    send(&a, 2..=4);
    send(&b, 2..=11);
    let second = Subscriber::new(&pattern, &plot()).unwrap();
    let mut missed: Vec<_> = (0..2)
        .map(|_| {
            let message = second.next(SOON).unwrap().unwrap();
            (message.name().unwrap().to_owned(), message.sequence(), message.missed())
        })
        .collect();
    missed.sort();
    let expected =
        [("a", 4, 2), ("b", 11, 9)].map(|(end, number, count)| (format!("{folder}/{end}"), number, count));
    assert_eq!(missed, expected);
}

#[test]
fn subscriber_to_a_pattern_whose_publisher_is_started_anew_was_not_away() {
    let folder = name("shm");
    let endpoint = format!("{folder}/a");
    let old = publisher(&endpoint);
    let subscriber = Subscriber::new(&format!("{folder}/*"), &plot()).unwrap();
    send(&old, 1..=1);
    assert_eq!(taken(&subscriber), [1]);
    drop(old);
    // The name is left, and joined again.
    assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let new = publisher(&endpoint);
    send(&new, 1..=2);
    assert_eq!(taken(&subscriber), [1, 2]);
    assert!(!says(&subscriber, "was away"));
    drop(subscriber);
    send(&new, 3..=5);
    assert_eq!(taken(&Subscriber::new(&endpoint, &plot()).unwrap()), [-2, 5]);
}

#[test]
fn positions_of_many_client_ids_are_bounded_and_those_in_use_stay() {
    alone!(positions_of_many_client_ids_are_bounded_and_those_in_use_stay);
    let endpoint = name("shm");
    let publisher = publisher(&endpoint);
    let as_client =
        |endpoint, id: &str| Subscriber::new(endpoint, &Options::default().with_client_id(id)).unwrap();
    // A name that is not a publisher's has no position.
    let _server = Server::serve(&name("shm"), &Options::default()).unwrap();
    let kept = as_client("shm:test/*", "kept");
    send(&publisher, 1..=1);
    assert_eq!(taken(&kept), [1]);
    let file = positions("").try_into().map(|[file]: [PathBuf; 1]| file).unwrap();
    let others = file.to_str().unwrap().split_once("kept").unwrap().0;
    (0..1100).for_each(|i| std::fs::write(format!("{others}other-{i}"), "").unwrap());
    drop(as_client(&endpoint, "another"));
    assert_eq!(positions("").len(), 1024);
    drop(kept);
    send(&publisher, 2..=4);
    assert_eq!(taken(&as_client(&endpoint, "kept")), [-2, 4]);
}
