//! Requests and their answers over shared memory: locks, and one answer for each.

use std::time::Duration;

use crate::message::Payload;
use crate::request::{Request, Server};
use crate::sys::seat::counted;
use crate::{Channel, Encoding, ErrorKind, Limits, Options, RemoteFailure, Value};

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

#[test]
fn short_request_and_reply_take_one_lock_each_and_the_server_s_own() {
    let (server, client) = joined("request-locks");
    let short = payload(&Value::from("some bytes"));
    for round in 0..200 {
        let (to_send, pending) = counted(|| client.start_call(&short, SOON).unwrap());
        let (to_receive, request) = counted(|| next(&server));
        let (to_reply, replied) = counted(|| request.reply_payload(&short));
        replied.unwrap();
        drop(request);
        let (to_finish, reply) = counted(|| client.finish_call(pending, SOON).unwrap());
        assert_eq!(reply.value().unwrap(), &Value::from("some bytes"));
        // The first round connects, and the server's first records may have to wait for it.
        if round > 1 {
            assert_eq!((to_send, to_receive, to_reply, to_finish), (1, 2, 1, 1), "round {round}");
        }
    }
}

/// A failure is sent outside of that step.
#[test]
fn request_has_one_answer_in_place_or_not() {
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
        let failed = client.finish_call(pending, SOON).err().map(|error| error.kind());
        assert_eq!(failed, fails_first.then_some(ErrorKind::Remote));
    }
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    for (name, count) in [("received", 3_u64), ("sent", 3), ("dropped", 0)] {
        assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
    }
}

/// Several threads try to answer each request: one of them succeeds.
#[test]
fn threads_that_answer_one_request_give_one_answer() {
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
        client.finish_call(pending, SOON).unwrap();
    }
    // A second answer would be dropped here, and counted.
    assert_eq!(client.poll().unwrap_err().kind(), ErrorKind::InvalidState);
    let Value::Map(stats) = client.stats() else { panic!("the counters are a map") };
    assert_eq!(stats.get("dropped"), Some(&Value::from(0_u64)));
}

/// Requests of one client that are answered in any order, late, by another thread or never.
#[test]
fn requests_are_recorded_once_in_order_however_they_are_answered() {
    let (server, client) = joined("request-ahead");
    let short = payload(&Value::from("x"));
    let call = || client.start_call(&short, SOON).unwrap();
    let finish = |pending| client.finish_call(pending, SOON).map(drop).map_err(|error| error.kind());
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
        // Replies that come in another order than the requests: each caller drops those of others, so the newest is
        // awaited.
        let newest = match round % 4 {
            0 => 1,
            1 => 0,
            _ => 2,
        };
        assert_eq!(finish(pending[newest]), Ok(()), "round {round}");
        let pending = call();
        drop(next(&server));
        assert_eq!(finish(pending), Err(ErrorKind::Remote), "an unanswered request has failed");
    }
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    for (name, count) in [("received", 200_u64), ("sent", 200), ("dropped", 0), ("missed", 0)] {
        assert_eq!(stats.get(name), Some(&Value::from(count)), "{name}");
    }
    client.close(SOON).unwrap();
    // What was sent counts after the client has gone, too.
    let gone = server.next(Duration::from_millis(50)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Timeout);
    let Value::Map(stats) = server.stats() else { panic!("the counters are a map") };
    assert_eq!(stats.get("sent"), Some(&Value::from(200_u64)));
}

/// Requests may outlive their client and their server.
#[test]
fn request_outlives_client_and_server() {
    let (server, client) = joined("request-outlives");
    let short = payload(&Value::from("x"));
    client.start_call(&short, SOON).unwrap();
    client.start_call(&short, SOON).unwrap();
    let (lent, counted) = (next(&server), next(&server));
    drop(client);
    drop(server);
    // Dropped and counted, which is no error.
    lent.reply_payload(&short).unwrap();
    assert_eq!(lent.reply_payload(&short).unwrap_err().kind(), ErrorKind::InvalidState);
    drop(lent);
    std::thread::spawn(|| drop(counted)).join().unwrap();
}
