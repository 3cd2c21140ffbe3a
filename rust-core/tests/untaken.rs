//! Requests of servers that end: the next server gets untaken ones; taken, unanswered ones have an unknown
//! outcome.

use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, Options, PendingReply, Server, Value};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{SOON, name, readable};
use crate::workers::Workers;

const TRANSPORTS: [&str; 2] = ["shm", "unix"];

fn ask(client: &Channel, value: &Value) -> PendingReply {
    client.start_call(&client.encode(value).unwrap(), SOON).unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// Returns the worker that answered, and its request.
fn answer(client: &Channel, asked: &PendingReply) -> (i64, i64) {
    let answer = client.finish_call(asked, SOON).unwrap();
    (number(answer.get("0").unwrap()), number(answer.get("1").unwrap()))
}

/// Stops the oldest worker, which then takes nothing.
fn stop(workers: &Workers) {
    let process = Pid::from_child(&workers.living[0]);
    kill_process(process, Signal::STOP).unwrap();
}

#[test]
fn request_that_a_killed_server_never_took_is_answered_by_the_next() {
    for calls in [false, true] {
        let endpoint = name("shm");
        let mut workers = Workers::at(&endpoint);
        workers.start(None);
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        client.call(&Value::Int(0), SOON).unwrap();
        stop(&workers);
        thread::scope(|s| {
            let answered = if calls {
                let calling = s.spawn(|| client.call(&Value::Int(1), SOON).unwrap());
                let began = Instant::now();
                while client.stats().at("sent").unwrap().as_u64().unwrap() < 2 {
                    assert!(began.elapsed() < SOON, "the request is not sent");
                    thread::yield_now();
                }
                workers.kill(0);
                workers.start(None);
                let answer = calling.join().unwrap();
                (number(answer.get("0").unwrap()), number(answer.get("1").unwrap()))
            } else {
                let asked = ask(&client, &Value::Int(1));
                workers.kill(0);
                workers.start(None);
                answer(&client, &asked)
            };
            assert_eq!(answered, (1, 1), "the second server answers");
        });
        assert_eq!(workers.given(), [(0, 0), (1, 1)]);
    }
}

/// Bodies of one record, of several records, in slots, and longer than the ring.
#[test]
fn untaken_request_of_any_length_goes_to_the_next_server_whole() {
    let endpoint = name("shm");
    let first = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    drop(first);
    for length in [1, 60, 70, 5000, 100_000, 3_000_000] {
        let value = Value::from("x".repeat(length));
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        thread::scope(|s| {
            s.spawn(|| server.next(SOON).unwrap().unwrap().reply(&Value::Null).unwrap());
            client.call(&Value::Null, SOON).unwrap();
        });
        let asked = ask(&client, &value);
        drop(server);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        thread::scope(|s| {
            let calling = s.spawn(|| client.finish_call(&asked, SOON).unwrap());
            let request = server.next(SOON).unwrap().unwrap();
            assert!(request.value().unwrap() == &value, "{length}");
            request.reply(&Value::Int(length as i64)).unwrap();
            assert_eq!(calling.join().unwrap().value().unwrap(), &Value::Int(length as i64));
        });
        server.close(SOON).unwrap();
    }
}

#[test]
fn request_that_a_killed_server_took_has_an_unknown_outcome() {
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let mut workers = Workers::at(&endpoint);
        workers.start(Some(0));
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let asked = ask(&client, &Value::Int(1));
        workers.await_given(1);
        workers.kill(0);
        workers.start(None);
        let error = client.finish_call(&asked, SOON).unwrap_err();
        assert_eq!(
            (error.kind(), error.retryable()),
            (ErrorKind::Disconnected, false),
            "{transport}: {error}"
        );
        assert!(error.text().contains("unknown"), "{transport}: {error}");
        assert_eq!(answer(&client, &ask(&client, &Value::Int(2))), (1, 2), "{transport}");
        assert_eq!(workers.given(), [(0, 1), (1, 2)], "{transport}");
    }
}

/// The kernel drops unread bytes of a dead server without telling anybody.
#[test]
fn untaken_request_over_a_stream_has_an_unknown_outcome() {
    for transport in ["unix", "tcp", "fifo"] {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let asked = ask(&client, &Value::Int(1));
        drop(server);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let error = client.finish_call(&asked, SOON).unwrap_err();
        assert_eq!(
            (error.kind(), error.retryable()),
            (ErrorKind::Disconnected, false),
            "{transport}: {error}"
        );
        let next = ask(&client, &Value::Int(2));
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(number(request.value().unwrap()), 2, "{transport}");
        request.reply(&Value::Null).unwrap();
        client.finish_call(&next, SOON).unwrap();
    }
}

#[test]
fn of_many_requests_the_next_server_gets_those_that_were_not_taken() {
    const MANY: i64 = 400;
    let endpoint = name("shm");
    let mut workers = Workers::at(&endpoint);
    workers.start(Some(5));
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let asked: Vec<_> = (0..MANY).map(|n| ask(&client, &Value::Int(n))).collect();
    workers.await_given(6);
    workers.kill(0);
    workers.start(None);
    for (asked, n) in asked.iter().zip(0..) {
        match n {
            0..5 => assert_eq!(answer(&client, asked), (0, n)),
            5 => {
                let error = client.finish_call(asked, SOON).unwrap_err();
                assert_eq!((error.kind(), error.retryable()), (ErrorKind::Disconnected, false), "{error}");
            }
            _ => assert_eq!(answer(&client, asked), (1, n)),
        }
    }
    let order: Vec<i64> = workers.given().iter().map(|(_, what)| *what).collect();
    assert_eq!(order, (0..MANY).collect::<Vec<_>>(), "in their order, each once");
}

#[test]
fn untaken_request_outlives_two_servers() {
    let endpoint = name("shm");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let asked = ask(&client, &Value::from("question"));
    drop(server);
    for restarts in 1..=2 {
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        // A time-out would withdraw the request, so the test only polls.
        let began = Instant::now();
        while client.stats().at("replayed").unwrap().as_u64().unwrap() < restarts {
            assert!(began.elapsed() < SOON, "the request does not go to the next server");
            let error = client.finish_call(&asked, Duration::ZERO).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
            thread::yield_now();
        }
        drop(server);
    }
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            let request = server.next(SOON).unwrap().unwrap();
            assert_eq!(request.value().unwrap(), &Value::from("question"));
            request.reply(&Value::from("answer")).unwrap();
        });
        let answer = client.finish_call(&asked, SOON).unwrap();
        assert_eq!(answer.value().unwrap(), &Value::from("answer"));
    });
    assert_eq!(server.next(Duration::ZERO).err().map(|e| e.kind()), Some(ErrorKind::Timeout), "it came once");
}

#[test]
fn untaken_request_without_a_next_server_fails_as_not_carried_out() {
    let endpoint = name("shm");
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let asked = ask(&client, &Value::Int(1));
    drop(server);
    let error = client.finish_call(&asked, Duration::from_millis(50)).unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::Disconnected, true), "{error}");
    assert!(error.text().contains("not carried out"), "{error}");
    // Neither this request nor a withdrawn one reaches a later server.
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    drop(ask(&client, &Value::Int(2)));
    drop(server);
    let given_up = ask_of_a_stopped(&client, &endpoint);
    drop(given_up);
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let last = ask(&client, &Value::Int(4));
    let request = server.next(SOON).unwrap().unwrap();
    assert_eq!(request.value().unwrap(), &Value::Int(4));
    request.reply(&Value::Null).unwrap();
    client.finish_call(&last, SOON).unwrap();
}

fn ask_of_a_stopped(client: &Channel, endpoint: &str) -> PendingReply {
    let _server = Server::serve(endpoint, &Options::default()).unwrap();
    ask(client, &Value::Int(3))
}

#[test]
fn untaken_request_of_a_client_that_has_ended_ends_with_it() {
    let endpoint = name("shm");
    let mut workers = Workers::at(&endpoint);
    workers.start(None);
    let clients = [(); 2].map(|()| Channel::connect(&endpoint, &Options::default(), SOON).unwrap());
    clients.iter().for_each(|client| drop(client.call(&Value::Int(0), SOON).unwrap()));
    stop(&workers);
    let [survivor, other] = clients;
    let asked = ask(&survivor, &Value::Int(1));
    // Like a killed client, it withdraws nothing.
    std::mem::forget(ask(&other, &Value::Int(2)));
    drop(other);
    workers.kill(0);
    workers.start(None);
    assert_eq!(answer(&survivor, &asked), (1, 1));
    assert_eq!(workers.given(), [(0, 0), (0, 0), (1, 1)]);
}

/// A poll never withdraws a request. The descriptor is readable only if there is news.
#[test]
fn polled_request_says_timeout_alone_while_no_server_is_there() {
    for (transport, idempotent) in [("shm", false), ("shm", true), ("unix", true), ("fifo", true)] {
        let endpoint = name(transport);
        let options = Options::default().with_idempotent(idempotent);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &options, SOON).unwrap();
        let asked = ask(&client, &Value::Int(1));
        let descriptor = client.fileno().unwrap();
        let pending = |when: &str| {
            let error = client.finish_call(&asked, Duration::ZERO).unwrap_err();
            let is_pending = error.kind() == ErrorKind::Timeout && error.retryable() && !asked.is_finished();
            assert!(is_pending, "{transport}, {when}: {error:?}");
        };
        pending("with a server");
        drop(server);
        let began = Instant::now();
        assert!(readable(descriptor, 60), "{transport}: the end of the link wakes the event loop");
        while readable(descriptor, 0) {
            assert!(began.elapsed() < SOON, "{transport}: the descriptor stays readable");
            pending("without a server");
        }
        (0..20).for_each(|_| pending("without a server, again"));
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        thread::scope(|s| {
            s.spawn(|| server.next(SOON).unwrap().unwrap().reply(&Value::Int(2)).unwrap());
            let answer = loop {
                assert!(readable(descriptor, 60), "{transport}: nothing wakes the event loop");
                match client.finish_call(&asked, Duration::ZERO) {
                    Ok(answer) => break answer,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{transport}: {error}"),
                }
            };
            assert_eq!(answer.value().unwrap(), &Value::Int(2), "{transport}");
        });
    }
}
