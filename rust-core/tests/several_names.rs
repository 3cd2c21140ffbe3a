//! A subscriber to patterns and to several names: appearing and ending names, losses by name, bounds, one
//! descriptor.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use linkspan::{
    Delivery, ErrorKind, EventKind, Listener, Message, Options, Publisher, Server, StartAt, Subscriber,
    Value, Wait, wait_any,
};

use crate::support;
use crate::support::alone::alone;
use crate::support::{SOON, name};

fn folder() -> String {
    name("shm").split_once(':').unwrap().1.to_owned()
}

fn publisher(name: &str) -> Publisher {
    Publisher::new(name, &Options::default()).unwrap()
}

fn subscriber(names: &[&str]) -> Subscriber {
    Subscriber::of(names, &Options::default()).unwrap()
}

fn number(message: &Message) -> u64 {
    message.value().unwrap().as_u64().unwrap()
}

fn taken(subscriber: &Subscriber, count: usize) -> BTreeMap<String, Vec<u64>> {
    let mut taken = BTreeMap::<String, Vec<u64>>::new();
    for _ in 0..count {
        let message = subscriber.recv(SOON).unwrap();
        taken.entry(message.name().unwrap().to_owned()).or_default().push(number(&message));
    }
    taken
}

fn of(stats: &Value, name: &str, counter: &str) -> u64 {
    let Value::Map(stats) = stats else { panic!("{stats:?}") };
    let Some(Value::Map(names)) = stats.get("names") else { panic!("{stats:?}") };
    names.get(name).unwrap().at(counter).unwrap().as_u64().unwrap()
}

#[test]
fn messages_of_all_matching_names_arrive_with_their_names() {
    let folder = folder();
    let [a, b] = ["a", "b"].map(|end| publisher(&format!("{folder}/{end}")));
    let other = publisher(&format!("{folder}x"));
    let stream = publisher(&format!("unix:{folder}/stream"));
    let all = subscriber(&[&format!("{folder}/*")]);
    for i in 0..200 {
        a.send(&Value::from(i)).unwrap();
        if i < 3 {
            b.send(&Value::from(10 * i)).unwrap();
            stream.send(&Value::from(100 * i)).unwrap();
            other.send(&Value::from(i)).unwrap();
        }
    }
    let expected = BTreeMap::from([
        (format!("shm:{folder}/a"), (0..200).collect::<Vec<u64>>()),
        (format!("shm:{folder}/b"), vec![0, 10, 20]),
        (format!("unix:{folder}/stream"), vec![0, 100, 200]),
    ]);
    assert_eq!(taken(&all, 206), expected);
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(of(&all.stats(), &format!("shm:{folder}/b"), "received"), 3);
    // A subscriber to one name omits the name.
    let one = Subscriber::new(&format!("{folder}/a"), &Options::default()).unwrap();
    assert_eq!(one.recv(SOON).unwrap().name(), None);
}

#[test]
fn quiet_name_is_received_beside_one_that_never_pauses() {
    let folder = folder();
    let [busy, quiet] = ["busy", "quiet"].map(|end| publisher(&format!("{folder}/{end}")));
    let all = subscriber(&[&format!("{folder}/*")]);
    for i in 0..1000_u64 {
        busy.send(&Value::from(i)).unwrap();
    }
    assert!(all.recv(SOON).unwrap().name().unwrap().ends_with("/busy"));
    quiet.send(&Value::from(7_u64)).unwrap();
    let names = (0..200).map(|_| all.recv(SOON).unwrap().name().unwrap().to_owned());
    assert!(names.into_iter().any(|name| name.ends_with("/quiet")));
}

#[test]
fn names_that_appear_later_are_received_from_their_first_message() {
    let folder = folder();
    let all = subscriber(&[&format!("{folder}/?")]);
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let late = publisher(&format!("{folder}/a"));
    for i in 0..5_u64 {
        late.send(&Value::from(i)).unwrap();
    }
    let longer = publisher(&format!("{folder}/ab"));
    longer.send(&Value::from(0_u64)).unwrap();
    assert_eq!(taken(&all, 5), BTreeMap::from([(format!("shm:{folder}/a"), vec![0, 1, 2, 3, 4])]));
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
}

#[test]
fn publisher_that_ends_is_an_event_and_its_successor_is_received_whole() {
    let folder = folder();
    let endpoint = format!("shm:{folder}/a");
    let all = subscriber(&[&format!("{folder}/*")]);
    let mut incarnations = Vec::new();
    for round in 0..3_u64 {
        let one = publisher(&endpoint);
        for i in 0..4 {
            one.send(&Value::from(10 * round + i)).unwrap();
        }
        assert_eq!(number(&all.recv(SOON).unwrap()), 10 * round);
        one.close(SOON).unwrap();
        for i in 1..4 {
            let message = all.recv(SOON).unwrap();
            assert_eq!((number(&message), message.missed()), (10 * round + i, 0));
            incarnations.push(message.incarnation());
        }
        assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        let events: Vec<_> =
            all.events().into_iter().filter(|event| event.text.contains(&endpoint)).collect();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        assert!(kinds.contains(&EventKind::Disconnected), "{events:?}");
    }
    incarnations.dedup();
    assert_eq!(incarnations.len(), 3);
    assert_eq!(of(&all.stats(), &endpoint, "received"), 12);
}

#[test]
fn names_that_are_no_publishers_are_left_out() {
    let folder = folder();
    let options = Options::default();
    let _server = Server::serve(&format!("{folder}/server"), &options).unwrap();
    let all = subscriber(&[&format!("{folder}/*")]);
    let _listener = Listener::listen(&format!("{folder}/channel"), &options).unwrap();
    let values = publisher(&format!("{folder}/values"));
    values.send(&Value::from(1_u64)).unwrap();
    assert_eq!(taken(&all, 1).len(), 1);
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    // A name that was given explicitly is an error.
    let given = subscriber(&[&format!("{folder}/server"), &format!("{folder}/none*")]);
    let error = given.recv(SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.to_string().contains(&format!("{folder}/server")), "{error}");
}

#[test]
fn lost_messages_are_counted_by_name() {
    let folder = folder();
    let options = Options::default().with_buffer(4096);
    let [slow, fine] =
        ["slow", "fine"].map(|end| Publisher::new(&format!("{folder}/{end}"), &options).unwrap());
    let all = subscriber(&[&format!("{folder}/*")]);
    for end in [&slow, &fine] {
        end.send(&Value::from(0_u64)).unwrap();
    }
    taken(&all, 2);
    let sent = 2000_u64;
    for i in 1..=sent {
        slow.send(&Value::from(i)).unwrap();
    }
    fine.send(&Value::from(1_u64)).unwrap();
    let (mut received, mut missed) = (0, 0);
    let lost_at = format!("shm:{folder}/slow");
    loop {
        match all.try_recv() {
            Ok(message) if message.name() == Some(&lost_at) => {
                received += 1;
                if number(&message) == sent {
                    break;
                }
            }
            Ok(message) => assert_eq!(number(&message), 1),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Lagged, "{e}");
                assert!(e.to_string().contains(&lost_at), "{e}");
                missed += e.missed().unwrap();
            }
        }
    }
    assert!(missed > 0 && received + missed == sent, "{received} + {missed}");
    assert_eq!(of(&all.stats(), &lost_at, "missed"), missed);
    assert_eq!(of(&all.stats(), &format!("shm:{folder}/fine"), "missed"), 0);
    let lagged = all.events().into_iter().find(|event| event.kind == EventKind::Lagged).unwrap();
    assert!(lagged.text.contains(&lost_at), "{lagged:?}");

    // In a loop the next message of this name has the number.
    for i in 1..=sent {
        slow.send(&Value::from(i)).unwrap();
    }
    fine.send(&Value::from(2_u64)).unwrap();
    let mut missed = BTreeMap::<String, u64>::new();
    let mut left = 2;
    while left > 0 {
        let message = all.next(SOON).unwrap().unwrap();
        *missed.entry(message.name().unwrap().to_owned()).or_default() += message.missed();
        left -= u64::from(number(&message) == sent || message.name() != Some(&lost_at));
    }
    assert!(missed[&lost_at] > 0 && missed[&format!("shm:{folder}/fine")] == 0, "{missed:?}");
}

#[test]
fn gap_of_a_name_that_a_poll_finds_is_told_by_the_call_that_receives() {
    let folder = folder();
    let publisher = Publisher::new(&format!("{folder}/a"), &Options::default().with_buffer(4096)).unwrap();
    let all = subscriber(&[&format!("{folder}/*")]);
    let overtake = || {
        for i in 0..2000_u64 {
            publisher.send(&Value::from(i)).unwrap();
        }
    };
    publisher.send(&Value::from(0_u64)).unwrap();
    assert_eq!(all.recv(SOON).unwrap().missed(), 0);
    overtake();
    assert!(all.poll().unwrap());
    let message = all.next(SOON).unwrap().unwrap();
    assert!(message.missed() > 0 && message.sequence() == 2 + message.missed());
    while all.try_recv().is_ok() {}
    overtake();
    assert!(all.poll().unwrap());
    let error = all.recv(SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
    assert!(error.to_string().contains(&format!("{folder}/a")), "{error}");
    let message = all.recv(SOON).unwrap();
    assert_eq!((message.missed(), message.sequence()), (0, 2002 + error.missed().unwrap()));
}

#[test]
fn newest_message_of_each_name_is_delivered() {
    let folder = folder();
    let ends = ["a", "b"].map(|end| publisher(&format!("{folder}/{end}")));
    let latest = Options::default().with_delivery(Delivery::Latest);
    let all = Subscriber::new(&format!("{folder}/*"), &latest).unwrap();
    for end in &ends {
        for i in 1..=50_u64 {
            end.send(&Value::from(i)).unwrap();
        }
    }
    let expected = ["a", "b"].map(|end| (format!("shm:{folder}/{end}"), vec![50]));
    assert_eq!(taken(&all, 2), BTreeMap::from(expected));
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
}

#[test]
fn one_descriptor_is_readable_for_each_name_and_for_names_that_appear() {
    let folder = folder();
    let first = publisher(&format!("{folder}/a"));
    let all = subscriber(&[&format!("{folder}/*")]);
    let readable = |within: Duration| wait_any(&[all.as_fd()], within).is_ok();
    let drained = || loop {
        match all.try_recv() {
            Ok(_) => {}
            Err(e) => break assert_eq!(e.kind(), ErrorKind::Empty, "{e}"),
        }
    };
    drained();
    let descriptor: BorrowedFd<'_> = all.as_fd();
    for round in 0..3_u64 {
        first.send(&Value::from(round)).unwrap();
        assert!(wait_any(&[descriptor], SOON).is_ok());
        assert_eq!(number(&all.try_recv().unwrap()), round);
        drained();
    }
    let second = publisher(&format!("{folder}/b"));
    second.send(&Value::from(9_u64)).unwrap();
    let mut found = None;
    while found.is_none() {
        assert!(readable(SOON));
        found = all.try_recv().ok();
    }
    assert_eq!(found.unwrap().name().unwrap(), format!("shm:{folder}/b"));
    drained();
    // Other tests of this process make names in the directory.
    let deadline = std::time::Instant::now() + SOON;
    while readable(Duration::ZERO) {
        drained();
        assert!(std::time::Instant::now() < deadline, "the descriptor stays readable");
    }
}

#[test]
fn journals_are_received_by_patterns_of_journals_alone() {
    let folder = folder();
    let end = publisher(&format!("journal:{folder}/log"));
    for i in 0..3_u64 {
        end.send(&Value::from(i)).unwrap();
    }
    let from = Options::default().with_from(StartAt::First);
    let all = Subscriber::of(&[&format!("journal:{folder}/*"), &format!("{folder}/*")], &Options::default());
    assert!(all.is_ok());
    let all = Subscriber::new(&format!("journal:{folder}/*"), &from).unwrap();
    let later = publisher(&format!("journal:{folder}/later"));
    later.send(&Value::from(5_u64)).unwrap();
    let expected = BTreeMap::from([
        (format!("journal:{folder}/log"), vec![0, 1, 2]),
        (format!("journal:{folder}/later"), vec![5]),
    ]);
    assert_eq!(taken(&all, 4), expected);
    let plain = subscriber(&[&format!("{folder}/*")]);
    assert_eq!(plain.try_recv().unwrap_err().kind(), ErrorKind::Empty);
}

#[test]
fn closing_ends_a_wait_and_gives_back_every_descriptor() {
    alone!(closing_ends_a_wait_and_gives_back_every_descriptor);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let folder = folder();
    let ends: Vec<_> = (0..20).map(|i| publisher(&format!("{folder}/{i}"))).collect();
    let _none = subscriber(&[&format!("{folder}/none*")]);
    let own = open();
    let none = subscriber(&[&format!("{folder}/none*")]);
    let own = open() - own;
    drop(none);
    let before = open();
    let all = subscriber(&[&format!("{folder}/*")]);
    // Including those of the publishers' side, which is in this process.
    let each = (open() - before - own) / 20;
    assert!(each <= 8, "{each} descriptors for each name");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| all.next(None));
        // A close ends a wait before or after it has begun.
        thread::sleep(Duration::from_millis(50));
        all.close();
        assert!(waiting.join().unwrap().unwrap().is_none());
    });
    drop(all);
    drop(ends);
    assert!(open() <= before, "{} of {before} are open", open());
}

#[test]
fn names_are_bounded_by_the_descriptors_of_the_process() {
    alone!(names_are_bounded_by_the_descriptors_of_the_process);
    let folder = folder();
    let ends: Vec<_> = (0..20).map(|i| publisher(&format!("{folder}/{i:02}"))).collect();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let low = rustix::process::Rlimit { current: Some(200), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, low).unwrap();
    let all = subscriber(&[&format!("{folder}/*")]);
    for end in &ends {
        end.send(&Value::from(1_u64)).unwrap();
    }
    // Half of 200 descriptors, 8 for each name.
    assert_eq!(taken(&all, 12).len(), 12);
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    let Value::Map(stats) = all.stats() else { panic!("no map") };
    let Some(Value::Map(refused)) = stats.get("refused") else { panic!("{stats:?}") };
    assert_eq!(refused.len(), 8, "{refused:?}");
    let why = refused.values().next().unwrap().as_text().unwrap();
    assert!(why.contains("ulimit -n"), "{why}");
    assert_eq!(all.events().iter().filter(|event| event.text.contains("ulimit -n")).count(), 8);
}

#[test]
fn wrong_names_and_patterns_are_refused() {
    for (names, kind) in [
        (&[][..], ErrorKind::InvalidState),
        (&["lab/ *"][..], ErrorKind::InvalidEndpoint),
        (&["lab/*", "no name"][..], ErrorKind::InvalidEndpoint),
        (&["spool:lab/*"][..], ErrorKind::InvalidEndpoint),
        (&["lab/*", "spool:jobs"][..], ErrorKind::Unsupported),
    ] {
        assert_eq!(Subscriber::of(names, &Options::default()).unwrap_err().kind(), kind, "{names:?}");
    }
    let all = subscriber(&["no-such-folder/*"]);
    assert_eq!(all.endpoint(), "no-such-folder/*");
    assert_eq!(all.newest(Duration::ZERO).unwrap_err().kind(), ErrorKind::InvalidState);
}

#[test]
fn latest_that_waits_leaves_the_subscriber_with_its_client_id_alone() {
    let folder = folder();
    let name = format!("shm:{folder}/a");
    let (mut options, waiting) = support::waiting_options();
    options.client_id = Some("plot".to_owned());
    for (round, asked) in [name.clone(), format!("{folder}/*")].iter().enumerate() {
        let a = publisher(&name);
        let named = Options::default().with_client_id("plot");
        let subscriber = Subscriber::new(&name, &named).unwrap();
        a.wait_for_subscribers(1, SOON).unwrap();
        let latest = thread::scope(|s| {
            let asking = s.spawn(|| linkspan::latest(asked, &options, SOON));
            waiting.recv_timeout(SOON).unwrap();
            a.send(&Value::Int(round as i64)).unwrap();
            asking.join().unwrap()
        });
        assert_eq!(number(&latest.unwrap()), round as u64, "{asked}");
        assert_eq!(number(&subscriber.recv(SOON).unwrap()), round as u64, "{asked}");
    }
}

#[test]
fn latest_of_a_pattern_is_the_newest_of_all_names_with_its_name() {
    let folder = folder();
    let pattern = format!("{folder}/*");
    let options = Options::default();
    let missing = linkspan::latest(&pattern, &options, Wait::none()).unwrap_err();
    assert_eq!((missing.kind(), missing.endpoint()), (ErrorKind::NotFound, Some(&*pattern)), "{missing}");
    let a = publisher(&format!("{folder}/a"));
    let empty = linkspan::latest(&pattern, &options, Wait::none()).unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Empty, "{empty}");
    // A name that is not a publisher's does not affect the others.
    let _server = linkspan::serve(&format!("unix:{folder}/server")).unwrap();
    let b = publisher(&format!("unix:{folder}/b"));
    a.send(&Value::Int(1)).unwrap();
    b.send(&Value::Int(2)).unwrap();
    let newest = |options: &Options| {
        let message = linkspan::latest(&pattern, options, Wait::none()).unwrap();
        (message.name().unwrap().to_owned(), number(&message))
    };
    assert_eq!(newest(&options), (format!("unix:{folder}/b"), 2));
    std::thread::sleep(Duration::from_millis(20));
    a.send(&Value::Int(3)).unwrap();
    assert_eq!(newest(&options), (format!("shm:{folder}/a"), 3));
    assert_eq!(number(&linkspan::latest_persistent(&pattern, &options, Wait::none()).unwrap()), 3);
    let later = std::thread::spawn({
        let pattern = format!("{folder}/later/*");
        move || linkspan::latest(&pattern, &Options::default(), Duration::from_secs(60)).map(|m| number(&m))
    });
    std::thread::sleep(Duration::from_millis(50));
    let c = publisher(&format!("{folder}/later/c"));
    c.send(&Value::Int(4)).unwrap();
    assert_eq!(later.join().unwrap().unwrap(), 4);
}

#[test]
fn selected_names_are_left_and_joined_as_their_program_wants_them() {
    let folder = folder();
    let [a, b] = ["a", "b"].map(|end| publisher(&format!("{folder}/{end}")));
    let wanted = Arc::new(Mutex::new(vec![format!("shm:{folder}/a"), format!("shm:{folder}/later")]));
    let wants = wanted.clone();
    let all = Subscriber::selecting(
        "names",
        Box::new(move |endpoint: &str| wants.lock().unwrap().iter().any(|one| one == endpoint)),
        &Options::default(),
    )
    .unwrap();
    let take = |count: usize| {
        let mut taken = BTreeMap::<String, Vec<u64>>::new();
        for _ in 0..count {
            let message = all.recv(SOON).unwrap();
            let end = message.name().unwrap().rsplit('/').next().unwrap().to_owned();
            taken.entry(end).or_default().push(number(&message));
        }
        taken
    };
    let expected = |of: &[(&str, &[u64])]| {
        of.iter().map(|(name, numbers)| ((*name).to_owned(), numbers.to_vec())).collect::<BTreeMap<_, _>>()
    };
    for i in 0..3 {
        a.send(&Value::from(i)).unwrap();
        b.send(&Value::from(10 * i)).unwrap();
    }
    // The first call that receives begins the connection.
    let first = take(1)["a"][0];
    for i in first + 1..3 {
        assert_eq!(take(1), expected(&[("a", &[i])]));
    }
    // A later name begins with its newest message; an unselected name ends.
    *wanted.lock().unwrap() = vec![format!("shm:{folder}/b"), format!("shm:{folder}/later")];
    all.select_again().unwrap();
    assert_eq!(take(1), expected(&[("b", &[20])]));
    a.send(&Value::from(3)).unwrap();
    b.send(&Value::from(30)).unwrap();
    assert_eq!(take(1), expected(&[("b", &[30])]));
    // An appearing name is received from its first message.
    let later = publisher(&format!("{folder}/later"));
    for i in 0..3 {
        later.send(&Value::from(100 + i)).unwrap();
    }
    wanted.lock().unwrap().push(format!("shm:{folder}/a"));
    all.select_again().unwrap();
    assert_eq!(take(4), expected(&[("a", &[3]), ("later", &[100, 101, 102])]));
    assert_eq!(all.try_recv().unwrap_err().kind(), ErrorKind::Empty);
}
