//! Tests of every pattern over the ninth transport of `abstract_socket`, which no layer names.
//!
//! A new transport needs one folder and one line.

mod abstract_socket;

use std::time::Duration;

use crate::{Channel, ErrorKind, Listener, Options, Publisher, Server, Subscriber, Value, latest, registry};
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::table;

const TIMEOUT: Duration = Duration::from_secs(10);

fn endpoint(name: &str) -> String {
    table::add_for_tests(&abstract_socket::Abstract);
    format!("abstract:ninth/{name}/{}", std::process::id())
}

fn options() -> Options {
    Options::default().with_client_id("ninth")
}

#[test]
fn channel_delivers_both_ways_and_survives_the_listener() {
    let endpoint = endpoint("channel");
    let listener = Listener::listen(&endpoint, &options()).unwrap();
    let client = Channel::connect(&endpoint, &options(), TIMEOUT).unwrap();
    let server = listener.accept(TIMEOUT).unwrap();
    for number in 0..100_u64 {
        client.send(&number, TIMEOUT).unwrap();
        assert_eq!(*server.recv(TIMEOUT).unwrap().value().unwrap(), Value::from(number));
        server.send(&number, TIMEOUT).unwrap();
        assert_eq!(*client.recv(TIMEOUT).unwrap().value().unwrap(), Value::from(number));
    }
    // The second listener gets the messages that the first listener's program has not consumed.
    client.send("kept", TIMEOUT).unwrap();
    drop((server, listener));
    let listener = Listener::listen(&endpoint, &options()).unwrap();
    let server = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| listener.accept(TIMEOUT).unwrap());
        client.send("later", TIMEOUT).unwrap();
        // A side that only sends notices the end of its link at its next call.
        while !accepting.is_finished() {
            client.poll().unwrap();
            std::thread::yield_now();
        }
        accepting.join().unwrap()
    });
    for expected in [Value::from(99_u64), "kept".into(), "later".into()] {
        assert_eq!(*server.recv(TIMEOUT).unwrap().value().unwrap(), expected);
    }
}

#[test]
fn name_has_one_listener_and_is_refused_to_a_second() {
    let endpoint = endpoint("one");
    let _listener = Listener::listen(&endpoint, &options()).unwrap();
    let error = Listener::listen(&endpoint, &options()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
    assert!(error.to_string().contains(&endpoint), "{error}");
}

#[test]
fn requests_get_replies_and_subscribers_get_messages() {
    let served = endpoint("request");
    let server = Server::serve(&served, &options()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let request = server.next(TIMEOUT).unwrap().unwrap();
            request.reply(request.message().value().unwrap()).unwrap();
        });
        let client = Channel::connect(&served, &options(), TIMEOUT).unwrap();
        let reply = client.call(&7_u64, TIMEOUT).unwrap();
        assert_eq!(*reply.value().unwrap(), Value::from(7_u64));
    });
    let published = endpoint("publish");
    let publisher = Publisher::new(&published, &options()).unwrap();
    publisher.send("first").unwrap();
    assert_eq!(*latest(&published, &options(), TIMEOUT).unwrap().value().unwrap(), Value::from("first"));
    let subscriber = Subscriber::new(&published, &options()).unwrap();
    assert_eq!(*subscriber.recv(TIMEOUT).unwrap().value().unwrap(), Value::from("first"));
    publisher.send("second").unwrap();
    assert_eq!(*subscriber.recv(TIMEOUT).unwrap().value().unwrap(), Value::from("second"));
}

#[test]
fn listing_and_refusals_follow_the_capabilities() {
    let endpoint = endpoint("listed");
    let _listener = Listener::listen(&endpoint, &options()).unwrap();
    let listed = registry::list().unwrap();
    let ours = listed.iter().find(|listed| listed.endpoint == endpoint).unwrap();
    assert_eq!((ours.pid, ours.program.as_deref()), (Some(std::process::id()), Some("ninth")));
    let mode = options().with_mode(0o600);
    let error = Listener::listen(&format!("{endpoint}/mode"), &mode).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.text().contains("abstract namespace has no mode"), "{error}");
    let error = "nothing:x".parse::<Endpoint>().unwrap_err();
    assert!(error.text().contains("abstract:"), "{error}");
}

#[test]
fn connector_waits_for_a_later_listener() {
    let endpoint = endpoint("later");
    let error = Channel::connect(&endpoint, &options(), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| Channel::connect(&endpoint, &options(), TIMEOUT).map(drop));
        let listener = Listener::listen(&endpoint, &options()).unwrap();
        listener.accept(TIMEOUT).unwrap();
        connecting.join().unwrap().unwrap();
    });
}
