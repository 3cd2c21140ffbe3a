//! Limits of a framing, refused peers, listings of a plain name, and publishers.

use super::*;

#[test]
fn unsupported_framing_is_refused_before_anything_is_created() {
    let endpoint = name("unix");
    let refused = |options: &Options| {
        let errors = [
            Listener::listen(&endpoint, options).err().unwrap(),
            Server::serve(&endpoint, options).err().unwrap(),
            Channel::dial(&endpoint, options).err().unwrap(),
        ];
        assert!(errors.iter().all(|e| e.kind() == ErrorKind::Unsupported), "{errors:?}");
        errors[0].text().to_owned()
    };
    let given = |framing: Framing, option: &str, value: &str| {
        let mut options = Options::default();
        options.framing = framing;
        options.set(option, &value.into()).unwrap();
        options
    };
    for framing in [Framing::Lines, Framing::Raw] {
        let why = refused(&given(framing, "delivery", "at_least_once"));
        assert!(why.contains("at_least_once") && why.contains("use "), "{why}");
        assert!(refused(&given(framing, "encoding", "cbor")).contains("cbor"));
        refused(&given(framing, "encoding", "bson"));
        assert!(refused(&given(framing, "ack", "manual")).contains("ack"));
        let options = given(framing, "delivery", "best_effort");
        for error in [
            Subscriber::new(&endpoint, &options).err().unwrap(),
            latest(&endpoint, &options, SOON).err().unwrap(),
            Channel::dial("shm:test/never", &options).err().unwrap(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
    }
    assert_eq!(Publisher::new(&endpoint, &raw()).err().unwrap().kind(), ErrorKind::Unsupported);
    assert!(!path(&endpoint).exists());
    Listener::listen(&endpoint, &given(Framing::Lines, "encoding", "json")).unwrap();
}

#[test]
fn framings_detect_each_other() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &lines()).unwrap();
    let error = thread::scope(|s| {
        let calling = s.spawn(|| Channel::connect(&endpoint, &Options::default(), SOON).err().unwrap());
        while !calling.is_finished() {
            let _ = server.next(std::time::Duration::from_millis(5));
        }
        calling.join().unwrap()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(error.text().contains("framing=\"lines\""), "{error}");
    drop(server);

    // Those four bytes have that meaning only at the beginning.
    let listener = Listener::listen(&name("unix"), &lines()).unwrap();
    let mut plain_peer = PlainPeer::connect(&listener.endpoint());
    let channel = listener.accept(SOON).unwrap();
    plain_peer.send_text("1\n");
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &json("1"));
    plain_peer.send_text("LKSP\n2\n");
    assert_eq!(channel.recv(SOON).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &json("2"));

    let endpoint = name("unix");
    let _listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let mut plain_peer = PlainPeer::connect(&endpoint);
    plain_peer.send_text(&"{\"op\":\"x\"}\n".repeat(10));
    let mut answer = Vec::new();
    plain_peer.read.read_to_end(&mut answer).unwrap_or_default();
    assert!(answer.is_empty() || answer.starts_with(b"LKSP"));
}

#[test]
fn users_that_are_not_listed_are_not_let_in() {
    let mut options = lines();
    options.allow_uids = vec![rustix::process::geteuid().as_raw() + 1];
    let server = Server::serve(&name("unix"), &options).unwrap();
    let mut plain_peer = PlainPeer::connect(server.endpoint());
    assert_eq!(plain_peer.line(), "");
    assert_eq!(server.next(std::time::Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    assert_eq!(server.stats().at("connections").unwrap().as_u64().unwrap(), 0);
}

#[test]
fn listing_shows_a_plain_name_without_connecting() {
    let endpoint = name("unix");
    let server = Server::serve(&endpoint, &lines()).unwrap();
    let listed = registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint).unwrap();
    assert_eq!(
        (listed.pattern, listed.pid, listed.encoding.as_deref()),
        (Some("request"), Some(std::process::id()), Some("json"))
    );
    assert!(listed.problem.is_none());
    assert_eq!(server.next(std::time::Duration::ZERO).err().unwrap().kind(), ErrorKind::Timeout);
    assert_eq!(server.stats().at("connections").unwrap().as_u64().unwrap(), 0);
    drop(server);
    assert!(!registry::list().unwrap().into_iter().any(|one| one.endpoint == endpoint));
    let _server = Server::serve(&endpoint, &Options::default()).unwrap();
    let listed = registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint).unwrap();
    assert_eq!(listed.encoding.as_deref(), Some("cbor"));
}

#[test]
fn published_values_reach_every_plain_client_as_lines() {
    let endpoint = name("unix");
    let publisher = Publisher::new(&endpoint, &lines()).unwrap();
    publisher.send(&json("{\"n\":1}")).unwrap();
    publisher.send(&json("{\"n\":2}")).unwrap();
    let mut plain_peers: Vec<PlainPeer> = (0..3).map(|_| PlainPeer::connect(&endpoint)).collect();
    plain_peers[0].hang_up_writing();
    for plain_peer in &mut plain_peers {
        assert_eq!(plain_peer.line(), "{\"n\":2}\n", "the newest comes first");
    }
    publisher.send(&json("3")).unwrap();
    drop(plain_peers.pop());
    publisher.send(&json("4")).unwrap();
    for plain_peer in &mut plain_peers {
        assert_eq!((plain_peer.line().as_str(), plain_peer.line().as_str()), ("3\n", "4\n"));
    }
    // A peer that does not read misses whole values, never a half; the others miss none.
    let mut quick = plain_peers.pop().unwrap();
    let pad = "x".repeat(10_000);
    for i in 0..500i64 {
        publisher.send(&Value::map([("i", Value::from(i)), ("pad", Value::from(pad.as_str()))])).unwrap();
        assert_eq!(json(&quick.line()).at("i").unwrap().as_i64().unwrap(), i);
    }
    let (mut slow, mut seen) = (plain_peers.pop().unwrap(), Vec::new());
    while seen.last() != Some(&499) {
        seen.push(json(&slow.line()).at("i").unwrap().as_i64().unwrap());
    }
    assert!(seen.is_sorted() && seen.len() < 500, "{seen:?}");
    // A channel also receives them, and a listing shows them.
    let channel = Channel::connect(&endpoint, &lines(), SOON).unwrap();
    assert_eq!(channel.recv(SOON).unwrap().get("i").unwrap().as_i64().unwrap(), 499);
    let listed = registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint).unwrap();
    assert_eq!((listed.pattern, listed.encoding.as_deref()), (Some("publish"), Some("json")));
    drop(publisher);
    assert_eq!((quick.line().as_str(), slow.line().as_str()), ("", ""));
    assert!(!registry::list().unwrap().into_iter().any(|one| one.endpoint == endpoint));
}

#[test]
fn plain_framing_never_leaves_this_machine() {
    for framing in [lines(), raw()] {
        for error in [
            Server::serve("tcp://0.0.0.0:0", &framing).err().unwrap(),
            Listener::listen("tcp://[::]:0", &framing).err().unwrap(),
            Channel::connect("tcp://192.0.2.1:9", &framing, SOON).err().unwrap(),
        ] {
            assert!(error.text().contains("framing"), "{error}");
        }
    }
}
