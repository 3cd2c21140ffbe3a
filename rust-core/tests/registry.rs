//! The listing of each kind of object, over both transports.

use crate::support::alone::alone;

use crate::support::{SOON, name};
use linkspan::registry::{self, Listed};
use linkspan::{Channel, ErrorKind, Listener, Options, Publisher, Server, Subscriber, Value};

fn listed(endpoint: &str) -> Option<Listed> {
    registry::list().unwrap().into_iter().find(|listed| listed.endpoint == endpoint)
}

fn look(endpoint: &str) -> (&'static str, Option<u64>, Option<u64>, Option<u64>) {
    let listed = listed(endpoint).unwrap();
    assert_eq!(listed.pid, Some(std::process::id()), "{listed:?}");
    assert!(listed.problem.is_none() && listed.program.is_some() && listed.user.is_some(), "{listed:?}");
    (listed.pattern.unwrap(), listed.messages, listed.peers, listed.behind)
}

#[test]
fn each_object_reports_its_pattern_and_counters() {
    alone!(each_object_reports_its_pattern_and_counters);
    let mut options = Options::default();
    for transport in ["shm", "unix"] {
        let endpoint = name(transport);
        let one = Channel::open(&endpoint, &options, SOON).unwrap();
        assert_eq!(look(&endpoint), ("channel", Some(0), Some(0), None));
        let other = Channel::open(&endpoint, &options, SOON).unwrap();
        other.send(&Value::Int(1), SOON).unwrap();
        one.recv(SOON).unwrap();
        // A query does not take a peer's place.
        assert_eq!(look(&endpoint), ("channel", Some(1), Some(1), None));
        drop((one, other));

        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &options).unwrap();
        assert_eq!(look(&endpoint), ("channel", None, None, None));
        drop(listener);
        assert!(listed(&endpoint).is_none());

        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &options).unwrap();
        let client = Channel::connect(&endpoint, &options, SOON).unwrap();
        client.send(&Value::Int(1), SOON).unwrap();
        drop(server.next(SOON).unwrap());
        assert_eq!(look(&endpoint), ("request", Some(1), Some(1), None));

        let endpoint = name(transport);
        options.client_id = Some("probe".into());
        let publisher = Publisher::new(&endpoint, &options).unwrap();
        publisher.send(&Value::Int(1)).unwrap();
        assert_eq!(look(&endpoint), ("publish", Some(1), Some(0), Some(0)));
        assert_eq!(listed(&endpoint).unwrap().program.as_deref(), Some("probe"));
        let subscriber = Subscriber::new(&endpoint, &options).unwrap();
        subscriber.recv(SOON).unwrap();
        publisher.send(&Value::Int(2)).unwrap();
        let (pattern, messages, peers, behind) = look(&endpoint);
        assert_eq!((pattern, messages, peers), ("publish", Some(2), Some(1)));
        // A socket's subscriber has consumed the messages that the kernel has taken for it.
        assert_eq!(behind, Some(if transport == "shm" { 1 } else { 0 }));
        subscriber.recv(SOON).unwrap();
        assert_eq!(look(&endpoint).3, Some(0));
        options.client_id = None;
    }
}

#[test]
fn refused_user_gets_the_error_and_still_sees_the_name() {
    alone!(refused_user_gets_the_error_and_still_sees_the_name);
    let mut options = Options::default();
    options.allow_uids = vec![u32::MAX - 1];
    let endpoint = name("unix");
    let _server = Server::serve(&endpoint, &options).unwrap();
    let listed = listed(&endpoint).unwrap();
    assert_eq!(listed.problem.as_ref().unwrap().kind(), ErrorKind::PermissionDenied);
    assert_eq!((listed.pid, listed.pattern), (Some(std::process::id()), None));
    let Value::Map(map) = listed.to_value() else { panic!("{listed:?}") };
    assert!(map["problem"].as_text().unwrap().starts_with("PermissionDenied: "), "{map:?}");
}

#[test]
fn named_pipes_are_listed_by_their_owner_records() {
    alone!(named_pipes_are_listed_by_their_owner_records);
    let endpoint = name("fifo");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    assert_eq!(look(&endpoint), ("request", None, Some(0), None));
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    assert_eq!(look(&endpoint), ("request", None, Some(1), None));
    assert_eq!(listed(&endpoint).unwrap().encoding.as_deref(), Some("cbor"));
    drop(client);
    assert_eq!(look(&endpoint), ("request", None, Some(0), None));
    drop(server);
    assert!(listed(&endpoint).is_none());

    // The files of a process that was killed while it made the next pair, or removed its names.
    let directory = std::path::PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
    let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
    for left in [vec![".new.$.fifo.reply", "$.fifo", ".owner.$.fifo"], vec!["$.fifo.reply"]] {
        for name in left {
            let path = directory.join(name.replace('$', &file));
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        }
        assert!(registry::clean().unwrap().removed.contains(&endpoint));
        let names = std::fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name());
        assert!(!names.into_iter().any(|n| n.to_string_lossy().contains(&format!("{file}."))));
    }
}

/// Makes a socket without Linkspan; a connection-oriented one listens.
fn bare_socket(path: &std::path::Path, of: rustix::net::SocketType) -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let made = socket(AddressFamily::UNIX, of, None).unwrap();
    bind(&made, &SocketAddrUnix::new(path).unwrap()).unwrap();
    if of != SocketType::DGRAM {
        listen(&made, 1).unwrap();
    }
    made
}

#[test]
fn sockets_of_living_programs_without_the_lock_stay_until_these_are_dead() {
    alone!(sockets_of_living_programs_without_the_lock_stay_until_these_are_dead);
    use rustix::net::SocketType;
    drop(Publisher::new(&name("unix"), &Options::default()).unwrap());
    for (transport, of) in [
        ("unix", SocketType::STREAM),
        ("shm", SocketType::STREAM),
        ("dgram", SocketType::DGRAM),
        ("unix", SocketType::SEQPACKET),
        ("unix", SocketType::DGRAM),
    ] {
        let endpoint = name(transport);
        let file = endpoint.split_once(':').unwrap().1.replace('/', "@");
        let directory = std::path::PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        let path = directory.join(format!("{file}.{transport}"));
        let living = bare_socket(&path, of);
        // Each look leaves a connection that nobody accepts.
        for _ in 0..3 {
            let found = listed(&endpoint);
            let problem = found.as_ref().and_then(|found| found.problem.as_ref());
            assert!(problem.is_some(), "{endpoint} of {of:?}: {found:?}");
            let cleaned = registry::clean().unwrap();
            assert!(path.exists() && !cleaned.removed.contains(&endpoint), "{endpoint} of {of:?}");
            let left = cleaned.left.iter().find(|(left, _)| *left == endpoint);
            let (_, why) = left.unwrap_or_else(|| panic!("{endpoint} of {of:?} is not said"));
            assert_eq!(why.kind(), ErrorKind::AddressInUse, "{why}");
        }
        drop(living);
        assert!(registry::clean().unwrap().removed.contains(&endpoint), "{endpoint} of {of:?}");
        assert!(!path.exists());
    }
}

#[test]
fn unsupported_operation_on_pipes_is_refused_with_the_reason() {
    alone!(unsupported_operation_on_pipes_is_refused_with_the_reason);
    let endpoint = name("fifo");
    let mut options = Options::default();
    for error in [
        Publisher::new(&endpoint, &options).err().unwrap(),
        Subscriber::new(&endpoint, &options).err().unwrap(),
        linkspan::latest(&endpoint, &options, SOON).err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.text().contains("has one reader"), "{error}");
    }
    options.allow_uids = vec![0];
    let error = Server::serve(&endpoint, &options).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.text().contains("allow_uids") && error.text().contains("does not say who writes"),
        "{error}"
    );
    assert!(listed(&endpoint).is_none());
}
