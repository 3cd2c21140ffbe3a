//! The public interface in Rust's terms: things print, are descriptors, iterate, and carry the program's own
//! types.

use std::collections::HashMap;
use std::fmt::Debug;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use linkspan::{
    Channel, Controller, ErrorKind, Listener, Options, Publisher, Request, Serde, Server, Service,
    ServiceLoop, ServiceOptions, StartAt, Subscriber, Task, Value, Wait,
};
use serde::{Deserialize, Serialize};

use crate::support::{SOON, name};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    celsius: f64,
    tags: Vec<String>,
    per_channel: HashMap<String, u32>,
    note: Option<String>,
}

fn reading() -> Reading {
    Reading {
        celsius: 21.5,
        tags: vec!["lab".into(), "north".into()],
        per_channel: HashMap::from([("a".to_owned(), 7)]),
        note: None,
    }
}

#[test]
fn every_public_object_prints() {
    fn prints<T: Debug>() {}
    prints::<Channel>();
    prints::<Listener>();
    prints::<Server>();
    prints::<Request>();
    prints::<Publisher>();
    prints::<Subscriber>();
    prints::<Controller>();
    prints::<ServiceLoop>();
    prints::<ServiceOptions>();
    prints::<Task>();
    prints::<Wait<'_>>();
    let _ = std::any::type_name::<dyn Service>();

    let endpoint = name("unix");
    let server = linkspan::serve(&endpoint).unwrap();
    assert_eq!(format!("{server:?}"), format!("Server {{ endpoint: {endpoint:?}, closed: false, .. }}"));
    let endpoint = name("unix");
    let out = linkspan::publisher(&endpoint).unwrap();
    assert_eq!(format!("{out:?}"), format!("Publisher {{ endpoint: {endpoint:?}, subscribers: 0, .. }}"));
}

#[test]
fn message_prints_its_length_and_not_its_content() {
    let endpoint = name("unix");
    let listener = Listener::listen(&endpoint, &Options::default()).unwrap();
    let a = Channel::connect(&endpoint, &Options::default(), SOON).unwrap();
    let b = listener.accept(SOON).unwrap();
    a.send(&Value::Bytes(vec![7; 20_000].into()), SOON).unwrap();
    let text = format!("{:?}", b.recv(SOON).unwrap());
    assert!(text.contains("sequence: 1") && text.contains("bytes: 20003") && text.len() < 200, "{text}");
}

#[test]
fn own_types_are_sent_and_received_on_each_object() {
    let types = name("unix");
    let server = linkspan::serve(&types).unwrap();
    let served = std::thread::spawn(move || {
        let request = server.next(SOON).unwrap().unwrap();
        let mut asked: Reading = request.to().unwrap();
        asked.celsius += 1.0;
        request.reply(&Serde(&asked)).unwrap();
        server.close(SOON).unwrap();
    });
    let client = linkspan::connect(&types).unwrap();
    let answer: Reading = client.call(&Serde(reading()), SOON).unwrap().to().unwrap();
    assert_eq!(answer, Reading { celsius: 22.5, ..reading() });
    served.join().unwrap();

    let types_out = name("shm");
    let out = linkspan::publisher(&types_out).unwrap();
    out.send(&Serde(&reading())).unwrap();
    let message = linkspan::subscribe(&types_out).unwrap().recv(SOON).unwrap();
    assert_eq!(message.to::<Reading>().unwrap(), reading());
    assert_eq!(message.get("tags/1").unwrap().as_text().unwrap(), "north");
    let wrong = message.to::<Vec<u8>>().unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::WrongType, "{wrong}");
}

fn await_readable(what: &impl AsFd) {
    let left = Timespec { tv_sec: SOON.as_secs() as i64, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(what, PollFlags::IN)], Some(&left)).unwrap();
    assert_eq!(ready, 1, "the descriptor did not become readable within {SOON:?}");
}

#[test]
fn descriptor_of_an_object_is_readable_when_a_call_would_not_wait() {
    let descriptors = name("shm");
    let listener = linkspan::listen(&descriptors).unwrap();
    let near = Channel::dial(&descriptors, &Options::default()).unwrap();
    let connects = std::thread::spawn(move || {
        near.send(&Value::from(1), SOON).unwrap();
        near
    });
    await_readable(&listener);
    let far = listener.accept(SOON).unwrap();
    await_readable(&far);
    assert_eq!(far.try_recv().unwrap().value().unwrap().as_i64().unwrap(), 1);
    drop(connects.join().unwrap());

    let descriptors_out = name("unix");
    let out = linkspan::publisher(&descriptors_out).unwrap();
    let readings = linkspan::subscribe(&descriptors_out).unwrap();
    assert_eq!(readings.as_fd().as_raw_fd(), readings.fileno().unwrap());
    out.send(&Value::from(2)).unwrap();
    await_readable(&readings);
    let taken = loop {
        match readings.try_recv() {
            Err(e) if e.kind() == ErrorKind::Empty => await_readable(&readings),
            taken => break taken.unwrap(),
        }
    };
    assert_eq!(taken.value().unwrap().as_i64().unwrap(), 2);

    let descriptors_server = name("unix");
    let server = linkspan::serve(&descriptors_server).unwrap();
    let client = Channel::connect(&descriptors_server, &Options::default(), SOON).unwrap();
    client.send(&Value::from(3), SOON).unwrap();
    let taken = loop {
        await_readable(&server);
        match server.next(Duration::ZERO) {
            Err(e) if e.kind() == ErrorKind::Timeout => {}
            taken => break taken.unwrap().unwrap(),
        }
    };
    assert_eq!(taken.value().unwrap().as_i64().unwrap(), 3);
}

#[test]
fn closed_object_lends_a_descriptor_that_is_still_its_own() {
    let closed = name("unix");
    let server = linkspan::serve(&closed).unwrap();
    let before = server.as_fd().as_raw_fd();
    server.close(SOON).unwrap();
    assert_eq!(server.as_fd().as_raw_fd(), before);
    let flags = rustix::io::fcntl_getfd(server.as_fd());
    assert!(flags.is_ok(), "the descriptor was closed under its borrower");
}

#[test]
fn servers_and_subscribers_iterate() {
    let iterates = name("unix");
    let server = linkspan::serve(&iterates).unwrap();
    let client = std::thread::spawn(move || {
        let client = linkspan::connect(&iterates).unwrap();
        (0..3).map(|n| client.call(&Value::from(n), SOON).unwrap().to::<i64>().unwrap()).sum::<i64>()
    });
    for request in (&server).into_iter().take(3) {
        let request = request.unwrap();
        request.reply(&Value::from(request.to::<i64>().unwrap() * 10)).unwrap();
    }
    assert_eq!(client.join().unwrap(), 30);
}

#[test]
fn journal_is_read_until_it_has_caught_up() {
    let log = name("journal");
    let writer = linkspan::publisher(&log).unwrap();
    for n in 0..50 {
        writer.send(&Value::from(n)).unwrap();
    }
    let options = Options::default().with_from(StartAt::First).with_client_id("plot");
    let entries = Subscriber::new(&log, &options).unwrap();
    let read = |entries: &Subscriber| -> Vec<i64> {
        entries.try_iter().map(|entry| entry.unwrap().to().unwrap()).collect()
    };
    assert_eq!(read(&entries), (0..50).collect::<Vec<_>>());
    assert!(read(&entries).is_empty());
    writer.send(&Value::from(50)).unwrap();
    assert_eq!(read(&entries), [50]);
}

#[test]
fn first_of_several_objects_is_waited_for() {
    let (one, other) = (name("unix"), name("shm"));
    let publishers = [linkspan::publisher(&one).unwrap(), linkspan::publisher(&other).unwrap()];
    let readings = [linkspan::subscribe(&one).unwrap(), linkspan::subscribe(&other).unwrap()];
    for (turn, publisher) in publishers.iter().enumerate().cycle().take(6) {
        publisher.send(&Value::from(7)).unwrap();
        let taken = loop {
            let found = linkspan::wait_any(&[readings[0].as_fd(), readings[1].as_fd()], SOON).unwrap();
            assert!(!found.is_empty());
            let taken = found.into_iter().find_map(|i| readings[i].try_recv().ok().map(|_| i));
            if let Some(i) = taken {
                break i;
            }
        };
        assert_eq!(taken, turn);
    }
    let nothing = linkspan::wait_any(&[readings[0].as_fd()], Duration::ZERO);
    assert!(nothing.is_err_and(|e| e.kind() == ErrorKind::Timeout) || readings[0].try_recv().is_err());
}
