//! Messages that violate the protocol, or are too many or too large.

use super::*;

#[test]
fn malformed_excessive_and_huge_messages_do_not_affect_other_services() {
    // A busy or sanitized build may be too slow to exceed the usual rate; at this one, everything after the burst exceeds it.
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::with_limits(directory, Duration::from_secs(5), |limits| limits.rate = 1.0);
    let good = FakeService::come(&server.endpoint, "good", 1);
    let client = server.client();
    until(&client, "good", is("view", "CONNECTED"));
    let answers = std::thread::spawn(move || {
        loop {
            let order = good.order();
            good.done(&order, 1.into());
            if order.command == Command::Shutdown {
                return;
            }
        }
    });
    let works = || client.command("good", &Command::GetData, &Value::Null, PATIENCE).unwrap();
    let wrong = |name: &str, text: &str| {
        until(&client, name, |record| record.at("problem").unwrap().as_text().unwrap().contains(text))
    };

    let bad = FakeService::come(&server.endpoint, "nonsense", 1);
    bad.event(&Value::map([("what", "report"), ("state", "DANCING")]));
    wrong("nonsense", "malformed message");
    works();
    for _ in 0..20 {
        bad.event(&Value::from("what?"));
    }
    wrong("nonsense", "more often than is tolerated");
    until(&client, "nonsense", is("view", "DISCONNECTED"));
    works();

    let huge = FakeService::come(&server.endpoint, "huge", 1);
    until(&client, "huge", is("view", "CONNECTED"));
    let asker = server.client();
    let asked = std::thread::spawn(move || {
        asker.request("huge", &brief(Command::GetData), PATIENCE).unwrap().into_result()
    });
    let order = huge.order();
    let answer = ToController::Answer(Answer {
        id: order.id,
        outcome: Outcome::Done,
        state: State::Running,
        value: Value::Text("x".repeat(2 << 20)),
        failure: None,
    });
    // The channel enforces the limit of the controller.
    let payload = huge.link.channel().encode(&answer.to_value()).unwrap();
    let error = huge.link.send(Kind::Event, &payload, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(kind(asked.join().unwrap()), ErrorKind::Timeout);
    works();

    let flood = FakeService::come(&server.endpoint, "flood", 1);
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
    wrong("flood", "sends more than");
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
        (Value::map([("what", "dance")]), "not asked for \"dance\""),
        (
            Value::map([("what", "command"), ("service", "x"), ("id", "1"), ("command", "DANCE")]),
            "is not a command",
        ),
    ] {
        let error = channel.call(&question, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert!(error.text().contains(text), "{error}");
    }
    channel.send(&Value::from("data is nothing that a controller takes"), PATIENCE).unwrap();
    let stats = channel.call(&Value::map([("what", "stats")]), PATIENCE).unwrap();
    assert_eq!(stats.get("services").unwrap().as_u64().unwrap(), 0);
}
