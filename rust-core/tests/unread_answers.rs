//! Unread answers: client and server keep a bounded number, and the server disconnects a client that reads
//! none.

use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, Encoding, ErrorKind, EventKind, Options, Payload, PendingReply, Server, Value};

use crate::support::{SOON, name};

const TRANSPORTS: [&str; 3] = ["shm", "unix", "tcp"];
const LONGEST: usize = 1 << 20;

fn start(client: &Channel) -> PendingReply {
    client.start_call(&client.encode(&Value::Int(1)).unwrap(), SOON).unwrap()
}

fn long(bytes: usize) -> Payload {
    Payload::from_bytes(Encoding::Raw, vec![7; bytes].into())
}

fn dropped(stats: &Value) -> u64 {
    stats.at("dropped").unwrap().as_u64().unwrap()
}

/// The server holds at most the bytes of its longest message, then disconnects the client.
#[test]
fn client_that_reads_no_answers_is_hung_up_and_connects_again() {
    const REQUESTS: usize = 40;
    for transport in TRANSPORTS {
        let options = Options::default().with_max_message_size(LONGEST as u64);
        let server = Server::serve(&name(transport), &options).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let pending: Vec<_> = (0..REQUESTS).map(|_| start(&client)).collect();
        let answer = long(LONGEST / 2);
        for _ in 0..REQUESTS {
            let Ok(Some(request)) = server.next(Duration::from_millis(200)) else { break };
            request.reply_payload(&answer).unwrap();
        }
        let events = server.events();
        let ended: Vec<_> = events.iter().filter(|e| e.kind == EventKind::Disconnected).collect();
        assert_eq!(ended.len(), 1, "{transport}: {events:?}");
        assert!(ended[0].text.contains("does not receive its answers"), "{transport}: {}", ended[0].text);
        assert!(dropped(&server.stats()) > 0, "{transport}: {:?}", server.stats());
        // Earlier answers are there, and the end of the link ends all other requests.
        let outcomes: Vec<_> =
            pending.iter().map(|one| client.finish_call(one, SOON).map_err(|e| e.kind())).collect();
        assert!(outcomes.iter().any(Result::is_err), "{transport}");
        for outcome in &outcomes {
            match outcome {
                Ok(message) => assert_eq!(message.body().len(), LONGEST / 2, "{transport}"),
                Err(kind) => assert_eq!(*kind, ErrorKind::Disconnected, "{transport}"),
            }
        }
        assert!(client.events().iter().any(|e| e.kind == EventKind::Disconnected), "{transport}");
        thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let request = server.next(SOON).unwrap().unwrap();
                request.reply(&Value::from("again")).unwrap();
            });
            let again = client.call(&Value::from("once more"), SOON).unwrap();
            assert_eq!(again.value().unwrap(), &Value::from("again"), "{transport}");
            serving.join().unwrap();
        });
        let end = Instant::now() + SOON;
        while server.stats().at("clients").unwrap().as_u64().unwrap() != 1 {
            assert!(Instant::now() < end, "{transport}: {:?}", server.stats());
            let _ = server.next(Duration::from_millis(1));
        }
    }
}

/// The end of the link is an event before the next call uses another link.
#[test]
fn client_that_was_hung_up_has_an_event_where_it_calls_again() {
    for transport in TRANSPORTS {
        let options = Options::default().with_max_message_size(LONGEST as u64);
        let server = Server::serve(&name(transport), &options).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let _pending: Vec<_> = (0..40).map(|_| start(&client)).collect();
        let answer = long(LONGEST / 2);
        while let Ok(Some(request)) = server.next(Duration::from_millis(200)) {
            request.reply_payload(&answer).unwrap();
        }
        assert!(server.events().iter().any(|e| e.kind == EventKind::Disconnected), "{transport}");
        thread::scope(|scope| {
            let serving = scope.spawn(|| {
                while let Some(request) = server.next(SOON).unwrap() {
                    if request.value().unwrap() == &Value::from("again") {
                        return request.reply(&Value::Null).unwrap();
                    }
                }
            });
            let again = || client.call(&Value::from("again"), SOON);
            // The client first writes its request, because it has not read the preceding answers.
            again().or_else(|error| if transport == "tcp" { again() } else { Err(error) }).unwrap();
            serving.join().unwrap();
        });
        let events = client.events();
        assert!(events.iter().any(|e| e.kind == EventKind::Disconnected), "{transport}: {events:?}");
    }
}

/// The thread that serves may wait while another one answers.
#[test]
fn client_that_reads_no_answers_is_hung_up_while_the_server_waits() {
    for transport in TRANSPORTS {
        let options = Options::default().with_max_message_size(LONGEST as u64);
        let server = Server::serve(&name(transport), &options).unwrap();
        let client = Channel::connect(server.endpoint(), &options, SOON).unwrap();
        let pending: Vec<_> = (0..40).map(|_| start(&client)).collect();
        let requests: Vec<_> = (0..40).map(|_| server.next(SOON).unwrap().unwrap()).collect();
        let answer = long(LONGEST / 2);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| server.next(SOON).map(|next| next.is_some()));
            requests.iter().for_each(|request| request.reply_payload(&answer).unwrap());
            let last = pending.last().unwrap();
            assert_eq!(
                client.finish_call(last, SOON).unwrap_err().kind(),
                ErrorKind::Disconnected,
                "{transport}"
            );
            let other = Channel::connect(server.endpoint(), &options, SOON).unwrap();
            other.send(&Value::from("lives"), SOON).unwrap();
            assert!(waiting.join().unwrap().unwrap(), "{transport}");
        });
        assert!(
            server.events().iter().any(|e| e.text.contains("does not receive its answers")),
            "{transport}"
        );
    }
}

/// The clients with the most waiting answers are disconnected first. One that reads keeps its answers.
#[test]
fn answers_that_wait_for_all_clients_are_bounded_together() {
    const TOGETHER: u64 = 256 << 20;
    const LENGTH: usize = 4 << 20;
    const CLIENTS: usize = 30;
    // How many answers the kernel's buffers hold.
    for (transport, under_way) in [("unix", 1), ("tcp", 4)] {
        let server = Server::serve(&name(transport), &Options::default()).unwrap();
        let connect = || Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
        let (honest, greedy) = (connect(), connect());
        let others: Vec<_> = (0..CLIENTS).map(|_| connect()).collect();
        let answer = long(LENGTH);
        let answer_all = |requests: usize| {
            for _ in 0..requests {
                server.next(SOON).unwrap().unwrap().reply_payload(&answer).unwrap();
            }
        };
        let of_greedy: Vec<_> = (0..14).map(|_| start(&greedy)).collect();
        answer_all(of_greedy.len());
        let mut of_others: Vec<_> = others.iter().map(start).collect();
        answer_all(others.len());
        // Fewer answers wait for it than for any other client, and not for longer.
        let of_honest = start(&honest);
        answer_all(1);
        let ended = || server.events().into_iter().filter(|e| e.kind == EventKind::Disconnected).count();
        assert_eq!(ended(), 0, "{transport}: fewer wait than may");
        while dropped(&server.stats()) == 0 {
            of_others.extend(others.iter().map(start));
            answer_all(others.len());
            assert!(of_others.len() * LENGTH < 2 << 30, "{transport}: nothing is bounded");
        }
        // So far no other client has more.
        assert_eq!(ended(), 1, "{transport}");
        assert!(of_greedy.iter().any(|one| greedy.finish_call(one, SOON).is_err()), "{transport}");
        for _ in 0..3 {
            of_others.extend(
                others.iter().filter_map(|one| one.start_call(&one.encode(&Value::Null).unwrap(), SOON).ok()),
            );
            while let Ok(Some(request)) = server.next(Duration::from_millis(50)) {
                request.reply_payload(&answer).unwrap();
            }
        }
        let events = server.events();
        let told: Vec<_> = events.iter().filter(|e| e.kind == EventKind::Disconnected).collect();
        assert!(told.len() > 5, "{transport}: {events:?}");
        assert!(told.iter().all(|e| e.text.contains("the longest of all clients")), "{transport}: {told:?}");
        let all = (of_greedy.len() + of_others.len()) as u64;
        let held = (all - dropped(&server.stats())) * LENGTH as u64;
        let may = TOGETHER + (CLIENTS + 2) as u64 * under_way * LENGTH as u64;
        assert!(held < may, "{transport}: {held} bytes are held, {may} may be");
        thread::scope(|scope| {
            scope.spawn(|| while server.next(SOON).is_ok_and(|next| next.is_some()) {});
            assert_eq!(honest.finish_call(&of_honest, SOON).unwrap().body().len(), LENGTH, "{transport}");
            server.close(Duration::ZERO).unwrap_err();
        });
    }
}

/// Clients that receive nothing end first, however long an answer another client is receiving.
#[test]
fn client_that_receives_a_long_answer_is_not_hung_up_for_those_that_receive_none() {
    const LENGTH: usize = 4 << 20;
    const LONG: usize = 40 << 20;
    let server = Server::serve(&name("unix"), &Options::default()).unwrap();
    let connect = || Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    let silent: Vec<_> = (0..66).map(|_| connect()).collect();
    let honest = connect();
    let (short, answer) = (long(LENGTH), long(LONG));
    let _pending: Vec<_> = silent.iter().map(start).collect();
    for _ in &silent {
        server.next(SOON).unwrap().unwrap().reply_payload(&short).unwrap();
    }
    assert!(server.next(Duration::from_millis(200)).is_err());
    thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(request)) = server.next(SOON) {
                request.reply_payload(&answer).unwrap();
            }
        });
        for n in 0..5 {
            let got = honest.call(&Value::Int(n), SOON).unwrap();
            assert_eq!(got.body().len(), LONG);
        }
        let _ = server.close(Duration::ZERO);
    });
    assert!(dropped(&server.stats()) > 0, "{:?}", server.stats());
}

/// The peer determines the length of its answers, and this side how many bytes it keeps.
#[test]
fn answers_that_no_one_finishes_are_bounded_in_bytes() {
    const KEPT: usize = 256 << 20;
    const LENGTH: usize = 16 << 20;
    const TOO_MANY: usize = 4;
    let server = Server::serve(&name("unix"), &Options::default()).unwrap();
    let client = Channel::connect(server.endpoint(), &Options::default(), SOON).unwrap();
    let answer = long(LENGTH);
    let pending: Vec<_> = thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok(Some(request)) = server.next(SOON) {
                match request.value().unwrap() {
                    Value::Int(_) => request.reply_payload(&answer).unwrap(),
                    _ => request.reply(&Value::Null).unwrap(),
                }
            }
        });
        let start_one = |_| {
            let pending = start(&client);
            // This call receives the long answer first, and keeps it.
            client.call(&Value::from("short"), SOON).unwrap();
            pending
        };
        let pending = (0..KEPT / LENGTH + TOO_MANY).map(start_one).collect();
        server.close(SOON).unwrap();
        pending
    });
    assert_eq!(dropped(&client.stats()), TOO_MANY as u64);
    for gone in &pending[..TOO_MANY] {
        let error = client.finish_call(gone, SOON).unwrap_err();
        assert!(error.kind() == ErrorKind::InvalidState && error.text().contains("256 MiB"), "{error}");
    }
    for kept in &pending[TOO_MANY..] {
        assert_eq!(client.finish_call(kept, SOON).unwrap().body().len(), LENGTH);
    }
}
