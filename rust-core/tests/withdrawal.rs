//! Requests whose callers gave up: an untaken request is not carried out, every other request once.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use linkspan::{Channel, ErrorKind, EventKind, Listener, Options, Server, Value};

use crate::support::victims::Random;
use crate::support::{SOON, name, readable};

const TRANSPORTS: [&str; 5] = ["unix", "shm", "tcp", "fifo", "spool"];
/// Enough time to send a request, and a short wait for a certain time-out.
const PATIENCE: Duration = Duration::from_millis(60);

fn dropped(stats: &Value) -> u64 {
    stats.at("dropped").unwrap().as_u64().unwrap()
}

fn gives_up(client: &Channel, number: i64) {
    let error = client.call(&Value::Int(number), PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.text().contains("was sent"), "{error}");
}

#[test]
fn call_that_timed_out_before_the_server_took_it_is_not_carried_out() {
    for (transport, idempotent) in TRANSPORTS.into_iter().flat_map(|t| [(t, false), (t, true)]) {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let mut options = Options::default();
        options.idempotent = idempotent;
        let client = Channel::connect(&endpoint, &options, SOON).unwrap();
        gives_up(&client, 1);
        let two = client.start_call(&client.encode(&Value::Int(2)).unwrap(), SOON).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(request.value().unwrap(), &Value::Int(2), "{transport}: the first was withdrawn");
        request.reply(&Value::from("done")).unwrap();
        assert_eq!(
            client.finish_call(&two, SOON).unwrap().value().unwrap(),
            &Value::from("done"),
            "{transport}"
        );
        // A spool's request was a file, which is removed; elsewhere the server has received it.
        assert_eq!(dropped(&server.stats()), u64::from(transport != "spool"), "{transport}");
        server.close(SOON).unwrap();
    }
}

#[test]
fn withdrawal_concerns_its_own_request_of_several() {
    for transport in TRANSPORTS {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let ask = |n: i64| client.start_call(&client.encode(&Value::Int(n)).unwrap(), SOON).unwrap();
        let asked: Vec<_> = (0..5).map(ask).collect();
        // Already taken, so it is carried out regardless of its caller.
        let first = server.next(SOON).unwrap().unwrap();
        for given_up in [0, 1, 3] {
            assert_eq!(
                client.finish_call(&asked[given_up], PATIENCE).unwrap_err().kind(),
                ErrorKind::Timeout
            );
        }
        first.reply(&Value::Int(0)).unwrap();
        for left in [2, 4] {
            let request = server.next(SOON).unwrap().unwrap();
            assert_eq!(request.value().unwrap(), &Value::Int(left), "{transport}");
            request.reply(&Value::Int(left)).unwrap();
            let answer = client.finish_call(&asked[left as usize], SOON).unwrap();
            assert_eq!(answer.value().unwrap(), &Value::Int(left), "{transport}");
        }
        assert_eq!(server.next(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    }
}

#[test]
fn request_on_a_channel_is_withdrawn_before_recv_gives_it() {
    for transport in TRANSPORTS.into_iter().filter(|t| *t != "spool") {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        client.send(&Value::from("before"), SOON).unwrap();
        gives_up(&client, 1);
        client.send(&Value::from("between"), SOON).unwrap();
        let two = client.start_call(&client.encode(&Value::Int(2)).unwrap(), SOON).unwrap();
        client.send(&Value::from("behind"), SOON).unwrap();
        let next = || channel.recv(SOON).unwrap();
        assert_eq!(next().value().unwrap(), &Value::from("before"), "{transport}");
        assert!(channel.poll().unwrap());
        assert_eq!(next().value().unwrap(), &Value::from("between"), "{transport}: 1 was withdrawn");
        let request = next();
        assert_eq!(request.value().unwrap(), &Value::Int(2), "{transport}");
        channel.reply(&request, &Value::from("done"), SOON).unwrap();
        assert_eq!(client.finish_call(&two, SOON).unwrap().value().unwrap(), &Value::from("done"));
        assert_eq!(next().value().unwrap(), &Value::from("behind"), "{transport}");
        assert_eq!(dropped(&channel.stats()), 1, "{transport}");
    }
}

#[test]
fn messages_behind_a_request_come_in_order_by_every_way_of_receiving() {
    const COUNT: i64 = 600;
    // Messages after a request are read before the program gets it.
    const EVERY: i64 = 200;
    type Way = fn(&Channel) -> Vec<linkspan::Message>;
    let ways: [(&str, Way); 4] = [
        ("recv", |channel| vec![channel.recv(SOON).unwrap()]),
        ("recv_many", |channel| channel.recv_many(7, SOON).unwrap()),
        (
            "poll",
            |channel| {
                if channel.poll().unwrap() { vec![channel.try_recv().unwrap()] } else { Vec::new() }
            },
        ),
        ("fileno", |channel| {
            assert!(readable(channel.fileno().unwrap(), 60));
            channel.try_recv().into_iter().collect()
        }),
    ];
    for transport in ["unix", "shm", "tcp"] {
        for (shown, receive) in ways {
            let endpoint = name(transport);
            let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
            let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
            let channel = listener.accept(SOON).unwrap();
            thread::scope(|s| {
                let client = &client;
                let requests = s.spawn(move || {
                    let mut requests = Vec::new();
                    for number in 0..COUNT {
                        if number % EVERY == 0 {
                            let request = client.encode(&Value::Int(number)).unwrap();
                            requests.push(client.start_call(&request, SOON).unwrap());
                        } else {
                            client.send(&Value::Int(number), SOON).unwrap();
                        }
                    }
                    requests
                });
                let mut next = 0;
                while next < COUNT {
                    for message in receive(&channel) {
                        assert_eq!(message.value().unwrap(), &Value::Int(next), "{transport}, {shown}");
                        next += 1;
                    }
                }
                drop(requests.join().unwrap());
            });
            assert_eq!(channel.try_recv().unwrap_err().kind(), ErrorKind::Empty);
            assert!(
                !channel.events().iter().any(|event| event.kind == EventKind::Lagged),
                "{transport}, {shown}"
            );
        }
    }
}

#[test]
fn call_of_a_program_that_has_received_a_request_gets_its_reply_and_keeps_what_was_before_it() {
    for transport in ["unix", "shm", "tcp"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        let asked = client.start_call(&client.encode(&Value::from("ask")).unwrap(), SOON).unwrap();
        for number in 0..20 {
            client.send(&Value::Int(number), SOON).unwrap();
        }
        let request = channel.recv(SOON).unwrap();
        thread::scope(|s| {
            let answers = s.spawn(|| {
                let back = client.recv(SOON).unwrap();
                client.reply(&back, &Value::from("back"), SOON).unwrap();
            });
            let reply = channel.call(&Value::from("who"), SOON).unwrap();
            assert_eq!(reply.value().unwrap(), &Value::from("back"), "{transport}");
            answers.join().unwrap();
        });
        channel.reply(&request, &Value::from("done"), SOON).unwrap();
        assert_eq!(client.finish_call(&asked, SOON).unwrap().value().unwrap(), &Value::from("done"));
        for number in 0..20 {
            assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Int(number), "{transport}");
        }
    }
}

#[test]
fn request_that_waits_in_a_channel_is_dropped_when_it_is_withdrawn() {
    for transport in ["unix", "shm", "tcp"] {
        let endpoint = name(transport);
        let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        let _kept = client.start_call(&client.encode(&Value::from("kept")).unwrap(), SOON).unwrap();
        thread::scope(|s| {
            let gives_up = s.spawn(|| gives_up(&client, 1));
            // It reads for acknowledgements and keeps the requests.
            channel.send(&Value::from("not taken"), SOON).unwrap();
            assert_eq!(channel.flush(PATIENCE * 10).unwrap_err().kind(), ErrorKind::Timeout);
            gives_up.join().unwrap();
        });
        client.send(&Value::from("behind"), SOON).unwrap();
        assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::from("kept"), "{transport}");
        assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::from("behind"), "{transport}");
        assert_eq!(dropped(&channel.stats()), 1, "{transport}");
    }
}

#[test]
fn manual_acknowledgement_leaves_out_what_was_read_behind_a_request() {
    for transport in ["unix", "shm", "tcp"] {
        let endpoint = name(transport);
        let mut manual = Options::default();
        manual.set("ack", &"manual".into()).unwrap();
        let listener = Listener::listen(&endpoint, &manual).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let channel = listener.accept(SOON).unwrap();
        let _asked = client.start_call(&client.encode(&Value::from("ask")).unwrap(), SOON).unwrap();
        client.send(&Value::Int(1), SOON).unwrap();
        client.send(&Value::Int(2), SOON).unwrap();
        let request = channel.recv(SOON).unwrap();
        channel.ack().unwrap();
        assert_eq!(client.flush(PATIENCE).unwrap_err().kind(), ErrorKind::Timeout, "{transport}");
        channel.reply(&request, &Value::from("done"), SOON).unwrap();
        for number in 1..=2 {
            assert_eq!(channel.recv(SOON).unwrap().value().unwrap(), &Value::Int(number), "{transport}");
        }
        channel.ack().unwrap();
        client.flush(SOON).unwrap();
    }
}

#[test]
fn every_request_is_carried_out_once_or_withdrawn_and_never_both() {
    const CLIENTS: i64 = 3;
    const CALLS: i64 = 60;
    for transport in ["unix", "shm", "tcp"] {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let mut seeds = Random::new();
        let mut carried = HashMap::<i64, u32>::new();
        let (mut answered, mut sent) = (0, 0);
        thread::scope(|s| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|who| {
                    let mut random = Random(seeds.below(u64::MAX) | 1);
                    let endpoint = &endpoint;
                    s.spawn(move || {
                        let client = Channel::connect(endpoint, &Options::default(), SOON).unwrap();
                        let (mut answered, mut sent) = (0, 0);
                        for i in 0..CALLS {
                            let patience = Duration::from_micros(random.below(6000) + 1);
                            match client.call(&Value::Int(who * CALLS + i), patience) {
                                Ok(_) => answered += 1,
                                Err(e) => {
                                    assert_eq!(e.kind(), ErrorKind::Timeout, "{e}");
                                    // A time-out may pass before the request is sent.
                                    sent += u64::from(e.text().contains("was sent"));
                                }
                            }
                        }
                        // Its answers are not dropped with it.
                        client.call(&Value::Int(-1), SOON).unwrap();
                        (answered, sent + answered)
                    })
                })
                .collect();
            let mut last = 0;
            while last < CLIENTS {
                let request = server.next(SOON).unwrap().unwrap();
                match request.value().unwrap().as_i64().unwrap() {
                    -1 => last += 1,
                    number => {
                        *carried.entry(number).or_default() += 1;
                        thread::sleep(Duration::from_micros(seeds.below(3000)));
                    }
                }
                request.reply(&Value::Null).unwrap();
            }
            for client in clients {
                let (its_answers, its_requests) = client.join().unwrap();
                answered += its_answers;
                sent += its_requests;
            }
        });
        assert!(carried.values().all(|times| *times == 1), "{transport}: {carried:?}");
        let withdrawn = dropped(&server.stats());
        let carried = carried.len() as u64;
        println!(
            "{transport}: {sent} sent, {carried} carried out, {withdrawn} withdrawn, {answered} answered"
        );
        assert_eq!(carried + withdrawn, sent, "{transport}");
        assert!(withdrawn > 0 && answered > 0, "{transport}: {withdrawn} withdrawn, {answered} answered");
    }
}

#[test]
fn descriptor_ignores_late_answers_and_reports_the_end_of_the_server() {
    for transport in ["unix", "shm", "tcp"] {
        let endpoint = name(transport);
        let server = Server::serve(&endpoint, &Options::default()).unwrap();
        let client = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
        let fd = client.fileno().unwrap();
        let asked = client.start_call(&client.encode(&Value::Int(1)).unwrap(), SOON).unwrap();
        let request = server.next(SOON).unwrap().unwrap();
        assert_eq!(client.finish_call(&asked, PATIENCE).unwrap_err().kind(), ErrorKind::Timeout);
        let look = || assert!(matches!(client.poll(), Err(e) if e.kind() == ErrorKind::InvalidState));
        look();
        request.reply(&Value::from("late")).unwrap();
        assert!(readable(fd, 60), "{transport}: the answer came");
        let until = Instant::now() + SOON;
        while readable(fd, 0) {
            look();
            assert!(Instant::now() < until, "{transport}: the descriptor is readable for ever");
        }
        assert_eq!(dropped(&client.stats()), 1, "{transport}");
        client.events();
        drop(server);
        assert!(readable(fd, 60), "{transport}: the server has gone");
        while !client.events().iter().any(|event| event.kind == EventKind::Disconnected) {
            // After its end is noticed there is no server, and the error is `InvalidState`.
            let _ = client.poll();
            assert!(Instant::now() < until, "{transport}: the end is no event");
        }
    }
}
