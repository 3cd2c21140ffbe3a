//! Each request gets one answer, on any thread that waits for it.

use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::{Duration, Instant};

use crate::codec::Encoding;
use crate::deadline::Wait;
use crate::error::{Error, ErrorKind, RemoteFailure};
use crate::message::Payload;
use crate::request::{Request, Server};
use crate::value::{Limits, Value};
use crate::{Channel, Options};

const SOON: Duration = Duration::from_secs(60);

fn payload(value: &Value) -> Payload {
    Payload::new(value, Encoding::Cbor, &Limits::default()).unwrap()
}

fn joined(name: &str) -> (Server, Channel) {
    let endpoint = format!("shm:{name}-{}", std::process::id());
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    (server, Channel::connect(&endpoint, &Options::default(), SOON).unwrap())
}

fn next(server: &Server) -> Request {
    server.next(Duration::from_secs(60)).unwrap().expect("the server is open")
}

fn polled(server: &Server) -> Request {
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        match server.next(Wait::none()) {
            Ok(request) => return request.expect("the server is open"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
        }
        std::thread::yield_now();
    }
    panic!("no request has come");
}

/// A call that does not wait looks at each client, even after a call that found nothing or slept.
#[test]
fn server_that_polls_in_vain_gets_the_requests_that_follow() {
    let short = payload(&Value::from("x"));
    for (transport, clients) in [("shm", 3), ("unix", 3), ("tcp", 3), ("fifo", 1)] {
        let endpoint = match transport {
            "tcp" => "tcp://127.0.0.1:0".to_owned(),
            _ => format!("{transport}:request-polled-{}", std::process::id()),
        };
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let connect = |_| Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let clients: Vec<Channel> = (0..clients).map(connect).collect();
        let in_vain = |wait: Wait<'_>| server.next(wait).unwrap_err().kind();
        for round in 0..20 {
            for wait in [Wait::none(), Wait::none(), Wait::new(Duration::from_millis(round % 3))] {
                assert_eq!(in_vain(wait), ErrorKind::Timeout);
            }
            for client in &clients {
                let pending = client.start_call(&short, SOON).unwrap();
                polled(&server).reply_payload(&short).unwrap();
                client.finish_call(&pending, SOON).unwrap();
            }
        }
    }
}

/// A failure takes the general path, a reply is sent under the session's lock.
#[test]
fn second_answer_is_refused_on_either_path() {
    let (server, client) = joined("request-replies");
    let short = payload(&Value::from("x"));
    let failure = RemoteFailure { code: 1, kind: "test".into(), text: "a failure".into(), data: Vec::new() };
    for (fails_first, fails_then) in [(false, true), (true, false), (false, false)] {
        let pending = client.start_call(&short, SOON).unwrap();
        let request = next(&server);
        let answer = |fails| if fails { request.fail(&failure) } else { request.reply_payload(&short) };
        answer(fails_first).unwrap();
        assert_eq!(answer(fails_then).unwrap_err().kind(), ErrorKind::InvalidState);
        drop(request);
        let failed = client.finish_call(&pending, SOON).err().map(|error| error.kind());
        assert_eq!(failed, fails_first.then_some(ErrorKind::Remote));
    }
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    for (name, count) in [("received", 3_u64), ("sent", 3), ("dropped", 0)] {
        assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
    }
}

#[test]
fn answers_of_several_threads_to_one_request_succeed_once() {
    let (server, client) = joined("request-threads");
    let short = payload(&Value::from("x"));
    for _ in 0..200 {
        let pending = client.start_call(&short, SOON).unwrap();
        let request = next(&server);
        let answered: usize = std::thread::scope(|scope| {
            let answer = || usize::from(request.reply_payload(&short).is_ok());
            let threads = [scope.spawn(answer), scope.spawn(answer), scope.spawn(answer)];
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(answered, 1);
        drop(request);
        client.finish_call(&pending, SOON).unwrap();
    }
    assert_eq!(client.poll().unwrap_err().kind(), ErrorKind::InvalidState);
    let Value::Map(stats) = client.stats() else { panic!("the counters are a map") };
    assert_eq!(stats.get("dropped"), Some(&Value::from(0_u64)));
}

#[test]
fn requests_answered_in_any_order_are_counted_once() {
    let (server, client) = joined("request-ahead");
    let short = payload(&Value::from("x"));
    let call = || client.start_call(&short, SOON).unwrap();
    let finish = |pending: &_| client.finish_call(pending, SOON).map(drop).map_err(|error| error.kind());
    for round in 0..50 {
        let pending = [call(), call(), call()];
        let requests = [next(&server), next(&server), next(&server)];
        let sequences = requests.each_ref().map(|request| request.sequence());
        assert!(sequences[0] < sequences[1] && sequences[1] < sequences[2], "{sequences:?}");
        let [first, second, third] = requests;
        match round % 4 {
            0 => [&third, &first, &second].map(|request| request.reply_payload(&short).unwrap()),
            1 => [&second, &third, &first].map(|request| {
                std::thread::scope(|s| s.spawn(|| request.reply_payload(&short).unwrap()).join().unwrap())
            }),
            _ => [&first, &second, &third].map(|request| request.reply_payload(&short).unwrap()),
        };
        drop((second, first, third));
        // Waits for the last reply. All three replies have then arrived.
        let last = match round % 4 {
            0 => 1,
            1 => 0,
            _ => 2,
        };
        assert_eq!(finish(&pending[last]), Ok(()), "round {round}");
        let pending = call();
        drop(next(&server));
        assert_eq!(finish(&pending), Err(ErrorKind::Remote), "an unanswered request has failed");
    }
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    for (name, count) in [("received", 200_u64), ("sent", 200), ("dropped", 0), ("missed", 0)] {
        assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
    }
    client.close(SOON).unwrap();
    // Answers still count after the client has disconnected.
    let gone = server.next(Duration::from_millis(50)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Timeout);
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    assert_eq!(stats.get("sent"), Some(&Value::from(200_u64)));
}

#[test]
fn request_outlives_client_and_server() {
    let (server, client) = joined("request-outlives");
    let short = payload(&Value::from("x"));
    let _pending = [client.start_call(&short, SOON).unwrap(), client.start_call(&short, SOON).unwrap()];
    let (lent, counted) = (next(&server), next(&server));
    drop(client);
    drop(server);
    lent.reply_payload(&short).unwrap();
    assert_eq!(lent.reply_payload(&short).unwrap_err().kind(), ErrorKind::InvalidState);
    drop(lent);
    std::thread::spawn(|| drop(counted)).join().unwrap();
}

/// Both the handler's error and the other reply are longer than the client accepts.
#[test]
fn answer_too_large_for_one_client_fails_its_call_and_the_server_continues() {
    let endpoint = format!("unix:request-large-{}", std::process::id());
    let server = Server::serve(&endpoint, &Options::default()).unwrap();
    let small = Options::default().with_max_message_size(512);
    let client = Channel::connect(&endpoint, &small, SOON).unwrap();
    let handler = |request: &Request| match request.value()? {
        value if value == &Value::from("fail") => Err(Error::new(ErrorKind::NoSpace, "x".repeat(5_000))),
        value if value == &Value::from("long") => Ok(Value::from("x".repeat(5_000))),
        value => Ok(value.clone()),
    };
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(handler));
        for text in ["fail", "long"] {
            let error = client.call(&Value::from(text), SOON).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Remote, "{error}");
            assert!(error.text().contains("NoSpace") || error.text().contains("TooLarge"), "{error}");
        }
        let tiny = Options::default().with_max_message_size(32);
        let tiny = Channel::connect(&endpoint, &tiny, SOON).unwrap();
        assert!(tiny.call(&Value::from("fail"), Duration::from_millis(50)).is_err());
        assert_eq!(client.call(&Value::from("short"), SOON).unwrap().value().unwrap(), &Value::from("short"));
        server.close(SOON).unwrap();
        running.join().unwrap().unwrap();
    });
}

#[test]
fn failure_of_any_length_is_an_answer_and_the_server_continues() {
    let (server, client) = joined("request/long-failure");
    let long = "é".repeat(34 << 20);
    let mut data = vec![0x5a, 0x03, 0xff, 0xff, 0xf0];
    data.resize(0x03ff_fff5, 0);
    let failures = [
        RemoteFailure::new(7, "lab.long", &*long),
        RemoteFailure::new(7, &*long, "x"),
        RemoteFailure { data, ..RemoteFailure::new(7, "lab.long", &*long) },
    ];
    for failure in failures {
        let pending = client.start_call(&payload(&Value::from("x")), SOON).unwrap();
        next(&server).fail(&failure).unwrap();
        let error = client.finish_call(&pending, SOON).unwrap_err();
        let found = error.remote_failure().unwrap();
        assert_eq!((error.kind(), found.code), (ErrorKind::Remote, 7));
        assert!(!found.kind.is_empty() && found.kind.len() < 2 << 10 && found.text.len() < 2 << 20);
    }
}

/// A handler of SIGINT may close the server while a close waits for a client.
#[test]
fn close_in_a_callback_of_close_returns() {
    let endpoint = format!("unix:request-close-{}", std::process::id());
    // Weak, because the server owns the callback.
    let closed = Arc::new(OnceLock::<Weak<Server>>::new());
    let to_close = closed.clone();
    let (nested, returned) = mpsc::channel();
    let on_wait = move || {
        if let Some(server) = to_close.get().and_then(Weak::upgrade) {
            server.close(SOON).unwrap();
            let _ = nested.send(());
        }
        true
    };
    let options = Options { on_wait: Some(Arc::new(on_wait)), ..Options::default() };
    let server = Arc::new(Server::serve(&endpoint, &options).unwrap());
    let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let _pending = client.start_call(&payload(&Value::from("x")), SOON).unwrap();
    // The client does not read this reply, which exceeds the socket's buffer.
    next(&server).reply(&Value::from("x".repeat(8 << 20))).unwrap();
    assert!(closed.set(Arc::downgrade(&server)).is_ok());
    let (ended, end) = mpsc::channel();
    // Not joined: without the mark of its wait, the thread would block for ever.
    std::thread::spawn(move || ended.send(server.close(Duration::from_secs(600)).is_ok()));
    assert_eq!(returned.recv_timeout(SOON), Ok(()));
    drop(client);
    assert_eq!(end.recv_timeout(SOON), Ok(true));
}
