//! Tests of messages that violate the protocol, are too large, or are too many.

use super::*;

#[test]
fn malformed_excessive_and_huge_messages_do_not_affect_other_services() {
    // A loaded machine or a sanitized build may be too slow to exceed the default rate. At this rate, every message
    // after the burst exceeds it.
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::with_limits(directory, Duration::from_secs(5), |limits| limits.rate = 1.0);
    let good = FakeService::connect(&server.endpoint, "good", 1);
    let client = server.client();
    until(&client, "good", is("view", "CONNECTED"));
    let answers = std::thread::spawn(move || {
        loop {
            let command = good.next_command();
            good.done(&command, 1.into());
            if command.command == Command::Shutdown {
                return;
            }
        }
    });
    let works = || client.command("good", &Command::GetData, &Value::Null, PATIENCE).unwrap();
    let has_problem = |name: &str, text: &str| {
        until(&client, name, |record| record.at("problem").unwrap().as_text().unwrap().contains(text))
    };

    let bad = FakeService::connect(&server.endpoint, "nonsense", 1);
    bad.event(&Value::map([("what", "report"), ("state", "DANCING")]));
    has_problem("nonsense", "malformed message");
    works();
    for _ in 0..20 {
        bad.event(&Value::from("what?"));
    }
    has_problem("nonsense", "more often than is tolerated");
    until(&client, "nonsense", is("view", "DISCONNECTED"));
    works();

    let huge = FakeService::connect(&server.endpoint, "huge", 1);
    until(&client, "huge", is("view", "CONNECTED"));
    let other_client = server.client();
    let waiting = std::thread::spawn(move || {
        other_client.request("huge", &short_command(Command::GetData), PATIENCE).unwrap().into_result()
    });
    let command = huge.next_command();
    let answer = ToController::Answer(Answer {
        id: command.id,
        outcome: Outcome::Done,
        state: State::Running,
        value: Value::Text("x".repeat(2 << 20)),
        failure: None,
    });
    // The channel enforces the limit of the controller.
    let payload = huge.link.channel().encode(&answer.to_value()).unwrap();
    let error = huge.link.send(Kind::Event, &payload, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(kind(waiting.join().unwrap()), ErrorKind::Timeout);
    works();

    let flood = FakeService::connect(&server.endpoint, "flood", 1);
    let line = LogLine { at: Timestamp::now(), level: "info".into(), text: "y".repeat(5_000) };
    let payload = flood.link.channel().encode(&ToController::Log(vec![line; 10]).to_value()).unwrap();
    // The service is disconnected after the burst and receives the reason.
    let refused = (0..12_000).find_map(|_| {
        flood.link.send(Kind::Event, &payload, PATIENCE).unwrap();
        flood.link.channel().try_recv().ok()
    });
    let refused = ToService::from_value(refused.unwrap().value().unwrap()).unwrap();
    let ToService::Refused(failure) = refused else { panic!("{refused:?}") };
    assert!(failure.text.contains("sends more than"), "{}", failure.text);
    has_problem("flood", "sends more than");
    let log = client.log(Some("flood"), 10_000, PATIENCE).unwrap();
    assert!(log.as_array().unwrap().len() <= 1_000);
    works();
    client.command("good", &Command::Shutdown, &Value::Null, PATIENCE).unwrap();
    answers.join().unwrap();
}

#[test]
fn malformed_client_request_returns_error() {
    let server = TestServer::start();
    let link = PeerLink::connect(&server.endpoint, Pattern::Controller, PATIENCE).unwrap();
    let channel = link.channel();
    for (question, text) in [
        (Value::from("hello?"), "nothing exists below text"),
        (Value::map([("what", "dance")]), "no request \"dance\""),
        (
            Value::map([("what", "command"), ("service", "x"), ("id", "1"), ("command", "DANCE")]),
            "is not a command",
        ),
    ] {
        let error = channel.call(&question, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert!(error.text().contains(text), "{error}");
    }
    channel.send(&Value::from("a controller ignores data"), PATIENCE).unwrap();
    let stats = channel.call(&Value::map([("what", "stats")]), PATIENCE).unwrap();
    assert_eq!(stats.get("services").unwrap().as_u64().unwrap(), 0);
}
