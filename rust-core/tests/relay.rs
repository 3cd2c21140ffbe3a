//! Local names of another machine's objects: a publisher that repeats a remote one, and a server with remote
//! clients.

use std::thread;
use std::time::Duration;

use linkspan::registry;
use linkspan::{
    Channel, Encoding, ErrorKind, Options, Payload, Publisher, Server, Subscriber, Timestamp, Value,
};

const SOON: Duration = Duration::from_secs(60);

fn name(transport: &str, what: &str) -> String {
    format!("{transport}:relay/{what}-{}", std::process::id())
}

fn relay(publisher: &Publisher, sequence: u64) -> bool {
    let payload = Payload::new(&Value::from(sequence), Encoding::Cbor, &linkspan::Limits::default()).unwrap();
    publisher.relay_payload(sequence, Timestamp(1_000 + sequence as i64), &payload).unwrap()
}

/// Numbers, and losses as negative numbers.
fn taken(subscriber: &Subscriber, count: usize) -> Vec<i64> {
    (0..count)
        .map(|_| match subscriber.recv(SOON) {
            Ok(message) => {
                assert_eq!(message.value().unwrap().as_u64().unwrap(), message.sequence());
                assert_eq!(message.sent(), Timestamp(1_000 + message.sequence() as i64));
                message.sequence() as i64
            }
            Err(e) if e.kind() == ErrorKind::Lagged => -(e.missed().unwrap() as i64),
            Err(e) => panic!("{e}"),
        })
        .collect()
}

#[test]
fn skipped_numbers_are_lagged_and_repeats_are_dropped() {
    for transport in ["shm", "unix"] {
        let name = name(transport, "gaps");
        let publisher = Publisher::relay(&name, &Options::default(), 77, 500).unwrap();
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let relayed = [500, 501, 501, 500, 505, 506, 510].map(|sequence| relay(&publisher, sequence));
        assert_eq!(relayed, [true, true, false, false, true, true, true]);
        assert_eq!(taken(&subscriber, 7), [500, 501, -3, 505, 506, -3, 510], "{transport}");
        assert_eq!(subscriber.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        let late = Subscriber::new(&name, &Options::default()).unwrap();
        assert_eq!(taken(&late, 1), [510], "{transport}: the newest alone");
    }
}

#[test]
fn subscriber_that_waited_for_a_relay_misses_nothing_before_its_first() {
    for transport in ["shm", "unix"] {
        let name = name(transport, "waited");
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        let publisher = Publisher::relay(&name, &Options::default(), 78, 900).unwrap();
        relay(&publisher, 900);
        relay(&publisher, 902);
        assert_eq!(taken(&subscriber, 3), [900, -1, 902], "{transport}");
    }
}

#[test]
fn highest_number_is_relayed_as_any_other() {
    for transport in ["shm", "unix"] {
        let name = name(transport, "highest");
        let publisher = Publisher::relay(&name, &Options::default(), 79, 1).unwrap();
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        publisher.wait_for_subscribers(1, SOON).unwrap();
        let payload = Payload::new(&Value::Null, Encoding::Cbor, &linkspan::Limits::default()).unwrap();
        let relayed = [u64::MAX - 1, u64::MAX, u64::MAX, 1]
            .map(|sequence| publisher.relay_payload(sequence, Timestamp(0), &payload).unwrap());
        assert_eq!(relayed, [true, true, false, false], "{transport}");
        let received = [(), (), ()].map(|()| subscriber.recv(SOON));
        let [Err(lagged), Ok(before), Ok(last)] = received else { panic!("{transport}: {received:?}") };
        assert_eq!(lagged.missed(), Some(u64::MAX - 2), "{transport}");
        assert_eq!((before.sequence(), last.sequence()), (u64::MAX - 1, u64::MAX), "{transport}");
    }
}

#[test]
fn next_relay_of_the_same_incarnation_repeats_nothing_and_reports_the_gap() {
    for transport in ["shm", "unix"] {
        let name = name(transport, "again");
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        let publisher = Publisher::relay(&name, &Options::default(), 79, 10).unwrap();
        relay(&publisher, 10);
        relay(&publisher, 11);
        assert_eq!(taken(&subscriber, 2), [10, 11], "{transport}");
        drop(publisher);
        let publisher = Publisher::relay(&name, &Options::default(), 79, 11).unwrap();
        relay(&publisher, 11);
        relay(&publisher, 15);
        assert_eq!(taken(&subscriber, 2), [-3, 15], "{transport}: 11 was had before");
        drop(publisher);
        // The publisher's next incarnation began at 1 while the subscriber was there.
        let publisher = Publisher::relay(&name, &Options::default(), 80, 4).unwrap();
        relay(&publisher, 4);
        assert_eq!(taken(&subscriber, 2), [-3, 4], "{transport}");
    }
}

#[test]
fn relay_takes_little_memory_before_its_first_subscriber() {
    let make = |at: u64| {
        let publisher =
            Publisher::relay(&name("shm", &format!("idle-{at}")), &Options::default(), at + 1, 1).unwrap();
        relay(&publisher, 1);
        publisher
    };
    let before = memory_files();
    let publishers: Vec<_> = (0..150).map(make).collect();
    let small = memory_files().saturating_sub(before);
    // This program's other rings count also, so the bound is half the size of full rings.
    assert!(small < 150 << 19, "{small} bytes for 150 relays");
    let subscriber = Subscriber::new(publishers[0].endpoint(), &Options::default()).unwrap();
    assert_eq!(taken(&subscriber, 1), [1]);
    relay(&publishers[0], 2);
    assert_eq!(taken(&subscriber, 1), [2]);
    let newest = linkspan::latest(publishers[1].endpoint(), &Options::default(), SOON).unwrap();
    assert_eq!(newest.sequence(), 1, "the newest alone is read from the small ring");
}

fn memory_files() -> u64 {
    let is_memory =
        |path: &std::path::Path| std::fs::read_link(path).is_ok_and(|to| to.starts_with("/memfd:"));
    let files = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| Some(file.ok()?.path()));
    files.filter(|path| is_memory(path)).filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum()
}

#[test]
fn burst_before_a_subscriber_has_connected_is_read_from_its_beginning() {
    for count in [10, 100, 400, 3000] {
        let name = name("shm", &format!("burst-{count}"));
        let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
        let publisher = Publisher::relay(&name, &Options::default(), 81, 1).unwrap();
        (1..=count).for_each(|sequence| assert!(relay(&publisher, sequence)));
        let expected: Vec<_> = (1..=count.cast_signed()).collect();
        assert_eq!(taken(&subscriber, expected.len()), expected);
        assert_eq!(publisher.behind(), 0);
        relay(&publisher, count + 1);
        relay(&publisher, count + 2);
        assert_eq!(publisher.behind(), 2, "none of the two has been read");
        drop(publisher);
        // Subscribers of the next relay continue.
        let next = Publisher::relay(&name, &Options::default(), 81, count + 3).unwrap();
        (count + 3..count + 203).for_each(|sequence| assert!(relay(&next, sequence)));
        let expected: Vec<_> = (count.cast_signed() + 1..count.cast_signed() + 203).collect();
        assert_eq!(taken(&subscriber, expected.len()), expected);
    }
}

#[test]
fn relayed_names_show_their_machine_and_incarnation() {
    let name = name("shm", "shown");
    let options = Options::default().with_machine("north");
    let publisher = Publisher::relay(&name, &options, 81, 1).unwrap();
    relay(&publisher, 1);
    let subscriber = Subscriber::new(&name, &Options::default()).unwrap();
    assert_eq!(subscriber.recv(SOON).unwrap().incarnation(), 81);
    let listed = registry::list().unwrap().into_iter().find(|listed| listed.endpoint == name).unwrap();
    assert_eq!((listed.machine.as_deref(), listed.incarnation), (Some("north"), Some(81)));
    let again = Publisher::new(&name, &Options::default()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddressInUse);
}

#[test]
fn relay_refuses_stores_and_zeros() {
    let refused = |name: &str, incarnation, first| {
        Publisher::relay(name, &Options::default(), incarnation, first).unwrap_err().kind()
    };
    assert_eq!(refused("file:relay/store", 1, 1), ErrorKind::Unsupported);
    assert_eq!(refused("relay/zero", 0, 1), ErrorKind::InvalidState);
    assert_eq!(refused("relay/zero", 1, 0), ErrorKind::InvalidState);
}

#[test]
fn idempotent_request_that_is_sent_again_keeps_its_deadline() {
    let endpoint = name("shm", "kept-deadline");
    // Its clients send the time until which they wait.
    let serve = || Server::serve(&endpoint, &Options::default().with_machine("north")).unwrap();
    let server = serve();
    let client = Channel::connect(&endpoint, &Options::default().with_idempotent(true), SOON).unwrap();
    thread::scope(|s| {
        let calling = s.spawn(|| client.call(&Value::Int(1), SOON));
        let request = server.next(SOON).unwrap().unwrap();
        let first = request.remaining().unwrap();
        assert!(first <= SOON);
        drop(server);
        let server = serve();
        let again = server.next(SOON).unwrap().unwrap();
        let left = again.remaining().unwrap();
        assert!(left <= first, "{left:?} of {first:?}");
        again.reply(&Value::Int(2)).unwrap();
        assert_eq!(calling.join().unwrap().unwrap().value().unwrap(), &Value::Int(2));
    });
}

#[test]
fn call_in_two_steps_has_the_given_deadline() {
    let endpoint = name("shm", "steps");
    let server = Server::serve(&endpoint, &Options::default().with_machine("north")).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let payload = client.encode(&Value::Int(1)).unwrap();
    let _asked = client.start_call(&payload, SOON).unwrap();
    assert_eq!(server.next(SOON).unwrap().unwrap().remaining(), None);
    let _within = client.start_call_within(&payload, 100 * SOON, SOON).unwrap();
    let left = server.next(SOON).unwrap().unwrap().remaining().unwrap();
    assert!(left <= 100 * SOON && left > SOON, "{left:?}");
}
