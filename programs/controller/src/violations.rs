//! Tests of peers that send invalid bytes, or do not read.

use std::io::{ErrorKind as IoError, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::rate_limit::Limits;
use crate::state::{Action, Moment, ServerState};
use crate::tests::{FakeService, PATIENCE, TestServer, is, until};
use linkspan::frame::{Header, Kind, Outgoing};
use linkspan::service::server_side::{LogLine, Owner, Pattern, PeerLink, ToController};
use linkspan::{Command, Encoding, ErrorKind, Timestamp, Value, codec};

/// The session of the next [`RawService`].
static SESSION: AtomicU64 = AtomicU64::new(1 << 40);

/// A service that writes bytes to its socket without the library.
struct RawService {
    stream: UnixStream,
    sequence: u64,
}

impl RawService {
    fn connect(running: &TestServer, name: &str) -> RawService {
        let stream = UnixStream::connect(running.endpoint.strip_prefix("unix:").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut raw = RawService { stream, sequence: 0 };
        let hello = Value::map([
            ("versions", Value::Array(vec![1.into(), 1.into()])),
            ("pattern", "service".into()),
            ("session", SESSION.fetch_add(1, Ordering::Relaxed).into()),
            ("limit", (64u64 << 20).into()),
            ("pid", std::process::id().into()),
            ("title", "raw".into()),
        ]);
        raw.write_frame(
            Header::new(Kind::Hello, Encoding::Cbor),
            &codec::encode(&hello, Encoding::Cbor).unwrap(),
        );
        let mut answer = [0; 64];
        raw.stream.read_exact(&mut answer).unwrap();
        assert_eq!(Header::from_bytes(&answer).unwrap().kind, Kind::Hello);
        raw.event(&ToController::Introduction(FakeService::introduction(name, 1)).to_value());
        raw
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn event(&mut self, value: &Value) {
        let body = codec::encode(value, Encoding::Cbor).unwrap();
        self.frame(&body);
    }

    fn frame(&mut self, body: &[u8]) {
        self.sequence += 1;
        self.write_frame(
            Header { sequence: self.sequence, ..Header::new(Kind::Event, Encoding::Cbor) },
            body,
        );
    }

    fn write_frame(&mut self, header: Header, body: &[u8]) {
        let frame = Outgoing::new(header, body);
        self.write(&frame.head());
        self.write(body);
    }

    fn read_until_closed(mut self) {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == IoError::ConnectionReset => return,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

fn problem(record: &Value) -> &str {
    record.at("problem").unwrap().as_text().unwrap()
}

#[test]
fn invalid_frames_close_the_link_and_are_reported() {
    let server = TestServer::start();
    let client = server.client();
    for (i, bytes) in [
        &b"GET /services HTTP/1.1\r\nHost: controller.example\r\nAccept: */*\r\nOrigin: null\r\n\r\n"[..],
        &[0; 64],
        &[0xff; 200],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("raw{i}");
        let mut raw = RawService::connect(&server, &name);
        until(&client, &name, is("view", "CONNECTED"));
        raw.write(bytes);
        raw.read_until_closed();
        let record = until(&client, &name, is("view", "DISCONNECTED"));
        assert!(problem(&record).contains("violated the protocol"), "{record:?}");
    }
}

#[test]
fn invalid_or_oversized_bodies_are_reported_and_link_stays_open() {
    let server = TestServer::start();
    let client = server.client();
    let mut raw = RawService::connect(&server, "raw");
    until(&client, "raw", is("view", "CONNECTED"));
    raw.frame(&[0xff; 10]);
    until(&client, "raw", |record| problem(record).contains("malformed message"));
    // More than the message limit that the server announced.
    raw.frame(&vec![0; 3 << 20]);
    until(&client, "raw", |record| problem(record).contains("limit"));
    let reason = Value::map([("what", "report"), ("state", "RUNNING"), ("reason", &"z".repeat(100_000))]);
    let Value::Map(mut report) = reason else { panic!() };
    report.insert("since".into(), Timestamp(1).into());
    report.insert("steps".into(), 9.into());
    raw.event(&Value::Map(report));
    let record = until(&client, "raw", |record| record.at("steps").unwrap().as_u64().unwrap() == 9);
    let reason = record.at("reason").unwrap().as_text().unwrap();
    assert!(reason.len() < 2_000 && reason.contains("bytes more"), "{reason}");
    assert_eq!(record.at("view").unwrap().as_text().unwrap(), "CONNECTED");
}

#[test]
fn service_that_changes_its_name_or_has_an_invalid_one_is_disconnected() {
    let server = TestServer::start();
    let client = server.client();
    let mut raw = RawService::connect(&server, "one");
    until(&client, "one", is("view", "CONNECTED"));
    raw.event(&ToController::Introduction(FakeService::introduction("other", 1)).to_value());
    raw.read_until_closed();
    let record = until(&client, "one", is("view", "DISCONNECTED"));
    assert!(problem(&record).contains("changes its name"), "{record:?}");
    assert_eq!(client.status("other", PATIENCE).unwrap_err().kind(), ErrorKind::NotFound);
    for bad in ["../etc", "a b", ""] {
        RawService::connect(&server, bad).read_until_closed();
    }
    assert_eq!(client.services(PATIENCE).unwrap().as_array().unwrap().len(), 1);
    let log = client.log(None, 10, PATIENCE).unwrap();
    let last = log.as_array().unwrap().last().unwrap().at("text").unwrap().as_text().unwrap().to_owned();
    assert!(last.contains("valid name for a service"), "{last}");
}

#[test]
fn slow_watcher_receives_missed_count_and_current_records() {
    let server = TestServer::start();
    let chatty = FakeService::connect(&server.endpoint, "chatty", 1);
    let good = FakeService::connect(&server.endpoint, "good", 1);
    let client = server.client();
    until(&client, "chatty", is("view", "CONNECTED"));
    until(&client, "good", is("view", "CONNECTED"));
    let link = PeerLink::connect(&server.endpoint, Pattern::Controller, PATIENCE).unwrap();
    let watcher = link.channel();
    let watchers = || client.stats(PATIENCE).unwrap().at("watchers").unwrap().as_u64().unwrap();
    let before = watchers();
    let watch = watcher.encode(&Value::map([("what", "watch")])).unwrap();
    link.send(Kind::Event, &watch, PATIENCE).unwrap();
    while watchers() == before {}
    // As many messages as the burst permits. The watcher receives an event for each line.
    let line = LogLine { at: Timestamp::now(), level: "info".into(), text: "y".repeat(900) };
    for _ in 0..1_500 {
        chatty.send(&ToController::Log(vec![line.clone(); 10]));
    }
    let answering = std::thread::spawn(move || {
        let command = good.next_command();
        good.done(&command, 1.into());
        good
    });
    client.command("good", &Command::GetData, &Value::Null, PATIENCE).unwrap();
    answering.join().unwrap();
    let mut received = 0;
    let missed = loop {
        let message = watcher.recv(PATIENCE).unwrap();
        if let Ok(count) = message.get("count") {
            break count.as_u64().unwrap();
        }
        received += 1;
    };
    assert!(missed > 0 && received > 0, "{missed} missed, {received} received");
    let next = watcher.recv(Duration::from_secs(20)).unwrap();
    assert_eq!(next.get("what").unwrap().as_text().unwrap(), "service");
    assert_eq!(next.get("service/name").unwrap().as_text().unwrap(), "chatty");
}

#[test]
fn service_name_of_one_user_is_refused_to_another() {
    let mut state = ServerState::new(7, Limits::default());
    let at = |seconds| Moment { since: Duration::from_secs(seconds), at: Timestamp(0) };
    let mut connect = |link: u64, uid: u32, epoch: u64, now: u64| {
        state.service_connected(link, "power-1", Owner::User(uid), None, at(now));
        state.message_received(
            link,
            ToController::Introduction(FakeService::introduction("lab/power", epoch)),
            100,
            at(now),
        );
        let actions: Vec<_> = std::iter::from_fn(|| state.next_action()).collect();
        let released =
            actions.iter().any(|action| matches!(action, Action::CloseLink { link: l } if *l == link));
        state.link_closed(link, "its connection has ended", false, at(now));
        !released
    };
    assert!(connect(1, 1000, 1, 1));
    // The owner's program may return as another incarnation; another user's may not replace it.
    assert!(!connect(2, 1001, 2, 2), "another user's program was admitted");
    assert!(connect(3, 1000, 3, 3));
    assert!(!connect(4, 0, 4, 4));
}
