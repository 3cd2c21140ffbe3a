//! Several requests under way on one channel: each answer reaches its request.

use std::thread;
use std::time::Duration;

use crate::support::{SOON, name};
use linkspan::{Channel, ErrorKind, Listener, Options, PendingReply, RemoteFailure, Request, Server, Value};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];

fn served(transport: &str) -> (Server, Channel) {
    let server = Server::serve(&name(transport), &Options::default()).unwrap();
    let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    (server, client)
}

fn start(client: &Channel, number: i64) -> PendingReply {
    client.start_call(&client.encode(&Value::Int(number)).unwrap(), SOON).unwrap()
}

fn next(server: &Server) -> Request {
    server.next(SOON).unwrap().unwrap()
}

fn answer(request: &Request) {
    let Value::Int(number) = *request.value().unwrap() else { panic!("a number was sent") };
    request.reply(&Value::Int(number + 100)).unwrap();
}

fn finished(client: &Channel, pending: &PendingReply) -> Value {
    client.finish_call(pending, SOON).unwrap().value().unwrap().clone()
}

fn dropped(client: &Channel) -> Value {
    let Value::Map(stats) = client.stats() else { panic!("the counters are a map") };
    stats.get("dropped").unwrap().clone()
}

#[test]
fn answers_reach_their_requests_in_any_order() {
    for transport in TRANSPORTS {
        let (server, client) = served(transport);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let pending = [0, 1, 2].map(|number| start(&client, number));
            let requests = [next(&server), next(&server), next(&server)];
            order.iter().for_each(|at| answer(&requests[*at]));
            for (number, pending) in (0..).zip(pending) {
                assert_eq!(finished(&client, &pending), Value::Int(number + 100), "{transport}, {order:?}");
            }
        }
        assert_eq!(dropped(&client), Value::from(0_u64), "{transport}");
    }
}

#[test]
fn answer_is_kept_while_its_caller_receives_and_calls() {
    for transport in TRANSPORTS {
        let listener = Listener::listen(&name(transport), &Options::default()).unwrap();
        let near = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let pending = [start(&near, 1), start(&near, 2)];
        let requests = [far.recv(SOON).unwrap(), far.recv(SOON).unwrap()];
        far.reply(&requests[1], &Value::Int(102), SOON).unwrap();
        far.send(&Value::from("data"), SOON).unwrap();
        // It meets the answer first.
        assert_eq!(near.recv(SOON).unwrap().value().unwrap(), &Value::from("data"), "{transport}");
        thread::scope(|scope| {
            scope.spawn(|| {
                let request = far.recv(SOON).unwrap();
                far.reply(&requests[0], &Value::Int(101), SOON).unwrap();
                far.reply(&request, &Value::from("called"), SOON).unwrap();
            });
            let called = near.call(&Value::from("call"), SOON).unwrap();
            assert_eq!(called.value().unwrap(), &Value::from("called"), "{transport}");
        });
        for (number, pending) in (1..).zip(pending) {
            assert_eq!(finished(&near, &pending), Value::Int(number + 100), "{transport}");
        }
        assert_eq!(dropped(&near), Value::from(0_u64), "{transport}");
    }
}

/// The library reads the contents of the link while a program sends without acknowledgements.
#[test]
fn answer_is_kept_while_its_caller_sends_and_waits_for_room() {
    for transport in TRANSPORTS {
        let options = Options::default().with_replay(8, 1 << 20);
        let listener = Listener::listen(&name(transport), &options).unwrap();
        let near = Channel::connect(&listener.endpoint(), &options, SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let pending = start(&near, 1);
        let request = far.recv(SOON).unwrap();
        far.reply(&request, &Value::Int(101), SOON).unwrap();
        let full =
            (0..100).find_map(|number| near.send(&Value::Int(number), Duration::from_millis(50)).err());
        let full = full.expect("the peer acknowledges nothing");
        assert!(matches!(full.kind(), ErrorKind::Full | ErrorKind::Timeout), "{transport}: {full}");
        assert_eq!(finished(&near, &pending), Value::Int(101), "{transport}");
    }
}

#[test]
fn answer_is_kept_while_its_caller_flushes() {
    for transport in TRANSPORTS {
        let listener = Listener::listen(&name(transport), &Options::default()).unwrap();
        let near = Channel::connect(&listener.endpoint(), &Options::default(), SOON).unwrap();
        let far = listener.accept(SOON).unwrap();
        let pending = start(&near, 1);
        let request = far.recv(SOON).unwrap();
        far.reply(&request, &Value::Int(101), SOON).unwrap();
        near.send(&Value::from("data"), SOON).unwrap();
        let error = near.flush(Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{transport}: the peer consumes nothing");
        assert_eq!(finished(&near, &pending), Value::Int(101), "{transport}");
    }
}

#[test]
fn failure_is_kept_for_its_request() {
    for transport in TRANSPORTS {
        let (server, client) = served(transport);
        let pending = [start(&client, 1), start(&client, 2)];
        let requests = [next(&server), next(&server)];
        let failure =
            RemoteFailure { code: 7, kind: "test".into(), text: "a failure".into(), data: Vec::new() };
        requests[1].fail(&failure).unwrap();
        answer(&requests[0]);
        assert_eq!(finished(&client, &pending[0]), Value::Int(101), "{transport}");
        let error = client.finish_call(&pending[1], SOON).unwrap_err();
        assert_eq!(
            (error.kind(), error.remote_failure().unwrap().code),
            (ErrorKind::Remote, 7),
            "{transport}"
        );
        // The answer has been returned once already.
        let again = client.finish_call(&pending[1], SOON).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::InvalidState, "{transport}");
    }
}

/// One thread at a time receives, also for the others.
#[test]
fn answer_is_there_for_another_thread() {
    for transport in TRANSPORTS {
        let (server, client) = served(transport);
        let pending = [start(&client, 1), start(&client, 2)];
        let requests = [next(&server), next(&server)];
        answer(&requests[1]);
        thread::scope(|scope| {
            let first = scope.spawn(|| finished(&client, &pending[0]));
            let second = loop {
                match client.finish_call(&pending[1], Duration::ZERO) {
                    Ok(answer) => break answer,
                    Err(e) => assert!(
                        matches!(e.kind(), ErrorKind::InvalidState | ErrorKind::Timeout),
                        "{transport}: {e}"
                    ),
                }
                thread::sleep(Duration::from_millis(1));
            };
            assert_eq!(second.value().unwrap(), &Value::Int(102), "{transport}");
            answer(&requests[0]);
            assert_eq!(first.join().unwrap(), Value::Int(101), "{transport}");
        });
    }
}

#[test]
fn answer_to_a_request_that_was_given_up_is_dropped_and_counted() {
    for transport in TRANSPORTS {
        let (server, client) = served(transport);
        let pending = [start(&client, 1), start(&client, 2)];
        let requests = [next(&server), next(&server)];
        let error = client.finish_call(&pending[0], Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{transport}");
        requests.iter().for_each(answer);
        assert_eq!(finished(&client, &pending[1]), Value::Int(102), "{transport}");
        assert_eq!(dropped(&client), Value::from(1_u64), "{transport}");
    }
}

/// A request is finished once, on its own channel. Anything else is an immediate error.
#[test]
fn request_that_is_not_under_way_is_an_invalid_state_at_once() {
    for (transport, idempotent) in TRANSPORTS.into_iter().flat_map(|t| [(t, false), (t, true)]) {
        let mut options = Options::default();
        options.idempotent = idempotent;
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let other = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let is_refused = |channel: &Channel, pending: &PendingReply| {
            for wait in [Duration::ZERO, SOON * 1000] {
                let error = channel.finish_call(pending, wait).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidState, "{transport}, {idempotent}: {error}");
            }
        };
        let pending = start(&client, 1);
        is_refused(&other, &pending);
        answer(&next(&server));
        assert_eq!(finished(&client, &pending), Value::Int(101));
        is_refused(&client, &pending);
        let given_up = start(&client, 2);
        let error = client.finish_call(&given_up, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        is_refused(&client, &given_up);
        // Either thread gets the answer, and neither waits longer.
        let pending = start(&client, 3);
        let request = server.next(SOON).unwrap().unwrap();
        thread::scope(|scope| {
            let finish = || client.finish_call(&pending, SOON * 1000).map(drop).map_err(|e| e.kind());
            let both = [scope.spawn(finish), scope.spawn(finish)];
            request.reply(&Value::Int(103)).unwrap();
            let mut both = both.map(|one| one.join().unwrap());
            both.sort_by_key(Result::is_err);
            assert_eq!(both, [Ok(()), Err(ErrorKind::InvalidState)], "{transport}, {idempotent}");
        });
    }
}

#[test]
fn dropped_request_is_withdrawn_and_its_answer_is_not_kept() {
    for (transport, idempotent) in TRANSPORTS.into_iter().flat_map(|t| [(t, false), (t, true)]) {
        let mut options = Options::default();
        options.idempotent = idempotent;
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let taken = start(&client, 1);
        let request = next(&server);
        // The untaken request is withdrawn; the answer to the other is dropped.
        drop(start(&client, 2));
        drop(taken);
        answer(&request);
        let last = start(&client, 3);
        let request = next(&server);
        assert_eq!(request.value().unwrap(), &Value::Int(3), "{transport}, {idempotent}");
        answer(&request);
        assert_eq!(finished(&client, &last), Value::Int(103), "{transport}, {idempotent}");
        assert_eq!(dropped(&client), Value::from(1_u64), "{transport}, {idempotent}");
        // The arrived answer is freed with its request.
        let (answered, after) = (start(&client, 4), start(&client, 5));
        answer(&next(&server));
        answer(&next(&server));
        assert_eq!(finished(&client, &after), Value::Int(105));
        drop(answered);
        assert_eq!(dropped(&client), Value::from(2_u64), "{transport}, {idempotent}");
        let pending = start(&client, 6);
        drop(client);
        drop(pending);
    }
}

#[test]
fn answers_that_are_kept_are_bounded() {
    const STARTED: i64 = 1100;
    const KEPT: i64 = 1024;
    let (server, client) = served("shm");
    thread::scope(|scope| {
        scope.spawn(|| (0..STARTED).for_each(|_| answer(&next(&server))));
        let pending: Vec<_> = (0..STARTED).map(|number| start(&client, number)).collect();
        for number in [STARTED - 1, STARTED - KEPT] {
            assert_eq!(finished(&client, &pending[number as usize]), Value::Int(number + 100));
        }
        let error = client.finish_call(&pending[0], SOON).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert_eq!(dropped(&client), Value::from((STARTED - KEPT) as u64));
    });
}
