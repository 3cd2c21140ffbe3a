//! The conformance cases for `dgram:`, which is one-way: its promises, and the texts of its refusals.

use std::collections::HashMap;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use linkspan::{
    Channel, Encoding, Error, ErrorKind, EventKind, Listener, Options, Publisher, Role, Server, Subscriber,
    Value,
};

use super::raw;
use crate::support::{self, SOON, name, readable};

fn pair(endpoint: &str, options: &Options) -> (Channel, Channel) {
    let reader = Channel::open(endpoint, options, SOON).unwrap();
    (Channel::connect(endpoint, options, SOON).unwrap(), reader)
}

fn plain() -> (Channel, Channel) {
    pair(&name("dgram"), &Options::default())
}

fn is_refused<T>(result: linkspan::Result<T>) {
    let error = result.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.text().contains("one way") && error.endpoint().is_some(), "{error}");
}

fn socket(endpoint: &str) -> PathBuf {
    let file = endpoint.strip_prefix("dgram:").unwrap().replace('/', "@");
    PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(format!("{file}.dgram"))
}

fn stat(channel: &Channel, which: &str) -> u64 {
    channel.stats().at(which).unwrap().as_u64().unwrap()
}

#[test]
fn limit_exact_and_one_over() {
    let mut options = Options::default();
    options.set("max_message_size", &Value::Int(10_000)).unwrap();
    let endpoint = name("dgram");
    let (a, b) = pair(&endpoint, &options);
    a.send_payload(&raw(vec![1; 10_000]), SOON).unwrap();
    let error = a.send_payload(&raw(vec![1; 10_001]), SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("10001") && error.to_string().contains("10000"), "{error}");
    let other = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    other.send_payload(&raw(vec![2; 10_001]), SOON).unwrap();
    other.send_payload(&raw(vec![2; 50_000]), SOON).unwrap();
    a.send_payload(&raw(vec![3; 3]), SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().body().len(), 10_000);
    for _ in 0..2 {
        assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::TooLarge);
    }
    assert_eq!(b.recv(SOON).unwrap().body().as_ref(), [3; 3]);
}

#[test]
fn back_pressure() {
    let (a, b) = plain();
    let payload = raw(vec![7; 1000]);
    let mut sent = 0;
    let error = loop {
        match a.send_payload(&payload, Duration::ZERO) {
            Ok(_) => sent += 1,
            Err(e) => break e,
        }
        assert!(sent < 100_000, "a queue that never fills");
    };
    assert_eq!(error.kind(), ErrorKind::Full);
    let queue = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    assert!(sent <= queue.trim().parse::<u64>().unwrap() + 1, "{sent} in a queue of {queue}");
    assert_eq!(a.send_payload(&payload, Duration::from_millis(20)).unwrap_err().kind(), ErrorKind::Timeout);
    for i in 1..=sent {
        assert_eq!(b.recv(SOON).unwrap().sequence(), i);
    }
    assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(a.send_payload(&payload, SOON).unwrap(), sent + 1);
    assert_eq!(b.recv(SOON).unwrap().sequence(), sent + 1);
}

#[test]
fn both_ways_and_calls() {
    let (a, b) = plain();
    is_refused(a.call(&Value::Null, SOON));
    is_refused(a.recv(SOON));
    is_refused(a.poll());
    is_refused(a.fileno());
    is_refused(b.send(&Value::Null, SOON));
    is_refused(b.call(&Value::Null, SOON));
    a.send(&Value::from("one way"), SOON).unwrap();
    let message = b.recv(SOON).unwrap();
    is_refused(b.reply(&message, &Value::Null, SOON));
    is_refused(Publisher::new(&name("dgram"), &Options::default()));
    is_refused(Subscriber::new(&name("dgram"), &Options::default()));
    for (option, value) in
        [("allow_uids", vec![0i64].into()), ("durable", true.into()), ("delivery", "at_least_once".into())]
    {
        let mut options = Options::default();
        options.set(option, &value).unwrap();
        is_refused(Listener::listen(&name("dgram"), &options));
    }
    a.send(&Value::from("and on it goes"), SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("and on it goes"));
}

#[test]
fn two_listeners() {
    let endpoint = name("dgram");
    let first = Listener::listen(&endpoint, &Options::default()).unwrap();
    let in_use = |error: Error| assert_eq!(error.kind(), ErrorKind::AddressInUse);
    in_use(Listener::listen(&endpoint, &Options::default()).err().unwrap());
    in_use(Server::serve(&endpoint, &Options::default()).err().unwrap());
    // One channel receives from all writers, so the listener never has a second channel to accept.
    let all = first.accept(SOON).unwrap();
    let writer = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    writer.send(&Value::Int(1), SOON).unwrap();
    assert_eq!(all.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    assert_eq!(first.accept(Duration::from_millis(10)).err().unwrap().kind(), ErrorKind::Timeout);
    first.close();
    assert!(!socket(&endpoint).exists());
    // A writer that has already found the reader still reaches it.
    writer.send(&Value::Int(2), SOON).unwrap();
    assert_eq!(all.recv(SOON).unwrap().value().unwrap(), &Value::Int(2));
    drop(all);
    Listener::listen(&endpoint, &Options::default()).unwrap();
}

#[test]
fn listener_restart() {
    let endpoint = name("dgram");
    let (a, b) = pair(&endpoint, &Options::default());
    a.send(&Value::from("first"), SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("first"));
    drop(b);
    let error = a.send(&Value::from("nobody"), Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::NotFound), "{error:?}");
    thread::scope(|s| {
        let (waits, waiting) = support::waiting_options();
        let endpoint = &endpoint;
        let other = s.spawn(move || {
            let listener = Listener::listen(endpoint, &Options::default()).unwrap();
            let writer = Channel::connect(endpoint, &waits, SOON).unwrap();
            drop(listener);
            // The message waits for the next reader.
            writer.send(&Value::from("again"), SOON).unwrap();
        });
        waiting.recv_timeout(SOON).unwrap();
        let b = Channel::open(endpoint, &Options::default(), SOON).unwrap();
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("again"));
        other.join().unwrap();
        // A message that reached no reader stays with the caller, and does not use a number.
        assert_eq!(a.send(&Value::from("second"), SOON).unwrap(), 2);
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("second"));
        assert_eq!(stat(&b, "missed"), 0);
    });
}

#[test]
fn connector_restart() {
    let endpoint = name("dgram");
    let reader = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    for i in 0..3 {
        let writer = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        assert_eq!(writer.send(&Value::Int(i), SOON).unwrap(), 1);
        drop(writer);
        let message = reader.recv(SOON).unwrap();
        assert_eq!((message.value().unwrap(), message.sequence()), (&Value::Int(i), 1));
        assert_eq!(reader.try_recv().unwrap_err().kind(), ErrorKind::Empty, "no writer is no end");
    }
    assert_eq!(stat(&reader, "missed"), 0);
}

#[test]
fn open_takes_both_roles() {
    let endpoint = name("dgram");
    let reader = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    let writers: Vec<_> =
        (0..3).map(|_| Channel::open(&endpoint, &Options::default(), SOON).unwrap()).collect();
    assert_eq!(reader.role(), Role::Listener);
    for (i, writer) in writers.iter().enumerate() {
        assert_eq!(writer.role(), Role::Connector);
        writer.send(&Value::Int(i as i64), SOON).unwrap();
        assert_eq!(reader.recv(SOON).unwrap().value().unwrap(), &Value::Int(i as i64));
    }
}

#[test]
fn close_waits_until_consumed() {
    let (a, b) = plain();
    a.send(&Value::Int(1), SOON).unwrap();
    a.close(SOON).unwrap();
    assert_eq!(a.send(&Value::Null, SOON).unwrap_err().kind(), ErrorKind::InvalidState);
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    b.close(SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::InvalidState);
}

#[test]
fn second_thread_in_one_direction() {
    let (waits, waiting) = support::waiting_options();
    let (a, b) = pair(&name("dgram"), &waits);
    thread::scope(|s| {
        let receiving = s.spawn(|| b.recv(SOON).unwrap());
        waiting.recv_timeout(SOON).unwrap();
        assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::InvalidState);
        a.send(&Value::Null, SOON).unwrap();
        receiving.join().unwrap();
    });
}

/// Reads this many messages per writer, each writer's in order and complete.
fn receive_all(mut next: impl FnMut() -> linkspan::Message, writers: usize, each: i64) {
    let mut received: HashMap<String, i64> = HashMap::new();
    for _ in 0..writers as i64 * each {
        let message = next();
        let next = received.entry(message.source().to_owned()).or_default();
        assert_eq!(message.get("i").unwrap(), &Value::Int(*next), "from {}", message.source());
        *next += 1;
    }
    assert_eq!(received.len(), writers);
    assert!(received.values().all(|n| *n == each));
}

fn write_all(endpoint: &str, writers: usize, each: i64, then: impl FnOnce()) {
    thread::scope(|s| {
        for w in 0..writers {
            s.spawn(move || {
                let mut options = Options::default();
                options.set("client_id", &format!("writer-{w}").into()).unwrap();
                let channel = Channel::connect(endpoint, &options, SOON).unwrap();
                for i in 0..each {
                    channel.send(&Value::map([("i", i)]), SOON).unwrap();
                }
            });
        }
        then();
    });
}

#[test]
fn many_clients_one_server() {
    let endpoint = name("dgram");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    write_all(&endpoint, 8, 50, || {
        receive_all(|| server.next(SOON).unwrap().unwrap().message().clone(), 8, 50);
    });
    server.close(SOON).unwrap();
    assert!(!socket(&endpoint).exists());
}

#[test]
fn hundred_writers_at_once() {
    let endpoint = name("dgram");
    let reader = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    write_all(&endpoint, 100, 20, || receive_all(|| reader.recv(SOON).unwrap(), 100, 20));
    assert_eq!((stat(&reader, "missed"), stat(&reader, "dropped")), (0, 0));
}

#[test]
fn close_loses_no_accepted_message() {
    let (a, b) = plain();
    for i in 0..5 {
        a.send(&Value::Int(i), SOON).unwrap();
    }
    drop(a);
    for i in 0..5 {
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(i));
    }
}

#[test]
fn descriptor_for_event_loops() {
    let (a, b) = plain();
    let fd = b.fileno().unwrap();
    assert!(!readable(fd, 0));
    for round in 0..3 {
        for i in 0..3 {
            a.send(&Value::Int(i), SOON).unwrap();
        }
        assert!(readable(fd, 60));
        for i in 0..3 {
            assert!(readable(fd, 0), "message {i} of round {round} waits");
            assert_eq!(b.try_recv().unwrap().value().unwrap(), &Value::Int(i));
        }
        assert_eq!(b.try_recv().unwrap_err().kind(), ErrorKind::Empty);
        assert!(!readable(fd, 0));
    }
}

#[test]
fn close_wakes_waiting_threads() {
    let (waits, waiting) = support::waiting_options();
    let (_a, b) = pair(&name("dgram"), &waits);
    let alone = Channel::open(&name("dgram"), &waits, SOON).unwrap();
    for one in [b, alone] {
        while waiting.try_recv().is_ok() {}
        thread::scope(|s| {
            let receiving = s.spawn(|| one.recv(None).unwrap_err());
            waiting.recv_timeout(SOON).unwrap();
            one.close(SOON).unwrap();
            assert_eq!(receiving.join().unwrap().kind(), ErrorKind::InvalidState);
        });
    }
}

#[test]
fn close_gives_up_the_name() {
    let endpoint = name("dgram");
    let open = Channel::open(&endpoint, &Options::default(), SOON).unwrap();
    open.close(SOON).unwrap();
    assert!(!socket(&endpoint).exists());
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    server.close(SOON).unwrap();
    let again = Listener::listen(&endpoint, &Options::default()).unwrap();
    drop((open, server));
    Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    again.accept(SOON).unwrap();
}

#[test]
fn server_is_called() {
    let endpoint = name("dgram");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let channel = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    is_refused(channel.call(&Value::Null, SOON));
    channel.send(&Value::from("no answer wanted"), SOON).unwrap();
    let request = server.next(SOON).unwrap().unwrap();
    assert!(!request.wants_reply());
    assert_eq!(request.value().unwrap(), &Value::from("no answer wanted"));
    assert_eq!(request.reply(&Value::Null).unwrap_err().kind(), ErrorKind::InvalidState);
    drop(request);
    server.close(SOON).unwrap();
}

#[test]
fn on_wait_ends_a_wait() {
    // Not while the pair is made, which may take long on a busy machine.
    let paired = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ends = paired.clone();
    let mut options = Options::default();
    options.on_wait = Some(std::sync::Arc::new(move || !ends.load(std::sync::atomic::Ordering::Relaxed)));
    let (_a, b) = pair(&name("dgram"), &options);
    paired.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(b.recv(SOON).unwrap_err().kind(), ErrorKind::Cancelled);
    let error = Channel::connect(&name("dgram"), &options, SOON).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn garbage() {
    let endpoint = name("dgram");
    let (a, b) = pair(&endpoint, &Options::default());
    let foreign = UnixDatagram::unbound().unwrap();
    let path = socket(&endpoint);
    a.send(&Value::from("good"), SOON).unwrap();
    let message = b.recv(SOON).unwrap();
    // A genuine datagram, repeated and spoiled at every significant byte.
    let spy = path.with_file_name("test@spy.dgram");
    let theirs = UnixDatagram::bind(&spy).unwrap();
    let spied = Channel::connect("dgram:test/spy", &Options::default(), SOON).unwrap();
    spied.send(&Value::from("good"), SOON).unwrap();
    let mut bytes = vec![0; 1000];
    let length = theirs.recv(&mut bytes).unwrap();
    bytes.truncate(length);
    assert_eq!(&bytes[length - message.body().len()..], message.body().as_ref());
    let mut garbage: Vec<Vec<u8>> = vec![vec![], b"hello".to_vec(), vec![0; 64], vec![0xff; 5000]];
    garbage.extend((0..64).map(|at| {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 0x40;
        spoiled
    }));
    garbage.push(bytes[..length - 1].to_vec());
    garbage.push([&bytes[..], b"x"].concat());
    let count = garbage.len() as u64;
    thread::scope(|s| {
        s.spawn(|| {
            for datagram in &garbage {
                foreign.send_to(datagram, &path).unwrap();
            }
            a.send(&Value::from("unharmed"), SOON).unwrap();
        });
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::from("unharmed"));
    });
    assert_eq!((stat(&b, "dropped"), stat(&b, "missed")), (count, 0));
    std::fs::remove_file(spy).unwrap();
}

#[test]
fn missing_messages_are_counted_by_sender() {
    let endpoint = name("dgram");
    let (a, b) = pair(&endpoint, &Options::default());
    let path = socket(&endpoint);
    // For a while the name leads to another reader.
    let other = path.with_file_name("elsewhere");
    std::fs::rename(&path, &other).unwrap();
    let thief = UnixDatagram::bind(&path).unwrap();
    let robbed = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let mut bytes = vec![0; 1000];
    let mut stolen = Vec::new();
    for i in 1..=6 {
        robbed.send(&Value::Int(i), SOON).unwrap();
        let length = thief.recv(&mut bytes).unwrap();
        stolen.push(bytes[..length].to_vec());
    }
    let forward = UnixDatagram::unbound().unwrap();
    for i in [0, 3, 5] {
        forward.send_to(&stolen[i], &other).unwrap();
        a.send(&Value::from("in between"), SOON).unwrap();
    }
    for expected in [1, 4, 6] {
        assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(expected));
        b.recv(SOON).unwrap();
    }
    assert_eq!(stat(&b, "missed"), 3);
    let lagged: Vec<u64> =
        b.events().iter().filter(|e| e.kind == EventKind::Lagged).map(|e| e.missed).collect();
    assert_eq!(lagged, [2, 1]);
    std::fs::remove_file(&other).unwrap();
}

#[test]
fn stale_leftovers() {
    let endpoint = name("dgram");
    let path = socket(&endpoint);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // The files of a killed reader.
    drop(UnixDatagram::bind(&path).unwrap());
    let file = path.file_name().unwrap().to_str().unwrap();
    drop(UnixDatagram::bind(path.with_file_name(format!(".new.{file}"))).unwrap());
    std::fs::write(path.with_file_name(format!(".owner.{file}")), "{}").unwrap();
    let error = Channel::connect(&endpoint, &Options::default(), Duration::ZERO).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let (a, b) = pair(&endpoint, &Options::default());
    a.send(&Value::Int(1), SOON).unwrap();
    assert_eq!(b.recv(SOON).unwrap().value().unwrap(), &Value::Int(1));
    drop((a, b));
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(file))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn other_users_write_where_the_mode_lets_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let endpoint = format!("dgram:{}/slot", folder.path().display());
    let with_mode = |mode: i64| {
        let mut options = Options::default();
        options.set("mode", &mode.into()).unwrap();
        options.set("group", &4321i64.into()).unwrap();
        Channel::open(&endpoint, &options, SOON)
    };
    if !support::is_root() {
        // Users other than root may not give a file away.
        assert_eq!(with_mode(0o660).err().unwrap().kind(), ErrorKind::PermissionDenied);
        return;
    }
    let writes = |gid: u32| {
        support::as_user(65534, gid, || {
            Channel::connect(&endpoint, &Options::default(), Duration::ZERO)?
                .send(&Value::Int(gid.into()), SOON)
        })
    };
    let reader = with_mode(0o660).unwrap();
    writes(4321).unwrap();
    assert_eq!(reader.recv(SOON).unwrap().value().unwrap(), &Value::Int(4321));
    let refused = writes(65534).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    for part in ["uid 65534 may not connect", "uid 0 and gid 4321 with mode 0660", "linkspan setup"] {
        assert!(refused.text().contains(part), "{refused}");
    }
    drop(reader);
    let reader = with_mode(0o622).unwrap();
    writes(65534).unwrap();
    assert_eq!(reader.recv(SOON).unwrap().value().unwrap(), &Value::Int(65534));
}

#[test]
fn listing_shows_the_reader() {
    let endpoint = name("dgram");
    let mut options = Options::default();
    options.set("client_id", &"post-office".into()).unwrap();
    options.set("encoding", &"json".into()).unwrap();
    options.set("mode", &0o620i64.into()).unwrap();
    let reader = Channel::open(&endpoint, &options, SOON).unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&socket(&endpoint).metadata().unwrap());
    assert_eq!(mode & 0o777, 0o620);
    let listed = linkspan::registry::list().unwrap().into_iter().find(|l| l.endpoint == endpoint).unwrap();
    assert_eq!((listed.pattern, listed.pid), (Some("channel"), Some(std::process::id())));
    assert_eq!(listed.program.as_deref(), Some("post-office"));
    assert_eq!(listed.encoding.as_deref(), Some(Encoding::Json.name()));
    drop(reader);
    assert!(linkspan::registry::list().unwrap().iter().all(|l| l.endpoint != endpoint));
}
