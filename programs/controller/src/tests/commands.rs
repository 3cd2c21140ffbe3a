//! Tests of commands: supported commands and answers, and unknown, disconnected or silent services.

use super::*;

#[test]
fn unsupported_command_is_not_allowed() {
    let server = TestServer::start();
    let _power = FakeService::connect_with(&server.endpoint, "lab/power", 7, |it| {
        // PAUSE cannot be unsupported.
        it.unsupported = vec!["CHECKPOINT".into(), "PAUSE".into(), "made up".into()];
    });
    let record = until(&server.client(), "lab/power", is("view", "CONNECTED"));
    let allowed = record.at("allowed").unwrap().as_array().unwrap();
    assert!(!allowed.contains(&"CHECKPOINT".into()) && allowed.contains(&"PAUSE".into()), "{allowed:?}");
    assert_eq!(record.at("unsupported").unwrap(), &Value::Array(vec!["CHECKPOINT".into()]));
}

#[test]
fn command_outcome_is_returned_and_kept() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "lab/power", 7);
    let client = server.client();
    let record = until(&client, "lab/power", is("view", "CONNECTED"));
    assert_eq!(record.at("state").unwrap().as_text().unwrap(), "RUNNING");
    let allowed = record.at("allowed").unwrap().as_array().unwrap();
    assert!(allowed.contains(&"PAUSE".into()) && allowed.contains(&"calibrate".into()));
    assert!(!allowed.contains(&"RUN".into()) && !allowed.contains(&"BACKUP".into()), "{allowed:?}");
    let service = std::thread::spawn(move || {
        let command = power.next_command();
        assert_eq!((&command.command, command.epoch), (&Command::GetData, Some(7)));
        assert!(command.within < PATIENCE && command.within > PATIENCE / 2);
        power.done(&command, Value::map([("rows", 3)]));
        let command = power.next_command();
        let error = Error::new(ErrorKind::NoSpace, "the disk is full");
        power.answer(&command.id, Outcome::Failed, State::Running, Value::Null, Some(error));
        let command = power.next_command();
        assert_eq!(command.arguments, Value::from("hard"));
        let error = Error::new(ErrorKind::InvalidState, "it runs already");
        power.answer(&command.id, Outcome::Rejected, State::Running, Value::Null, Some(error));
        let command = power.next_command();
        power.answer(&command.id, Outcome::Accepted, State::Pausing, Value::Null, None);
        (power, command)
    });
    let command =
        |command: &Command, arguments: Value| client.command("lab/power", command, &arguments, PATIENCE);
    assert_eq!(command(&Command::GetData, Value::Null).unwrap(), Value::map([("rows", 3)]));
    assert_eq!(kind(command(&Command::Checkpoint, Value::Null)), ErrorKind::NoSpace);
    assert_eq!(kind(command(&Command::Own("calibrate".into()), "hard".into())), ErrorKind::InvalidState);
    let begun = client.begin("lab/power", &Command::Pause, &Value::Null, PATIENCE, PATIENCE).unwrap();
    assert_eq!((begun.outcome, begun.state), (Outcome::Accepted, State::Pausing));
    let (power, command) = service.join().unwrap();
    assert_eq!(client.answer("lab/power", &begun.id, PATIENCE).unwrap().outcome, Outcome::Accepted);
    power.answer(&command.id, Outcome::Done, State::Paused, Value::Null, None);
    power.send(&ToController::Report(report(State::Paused)));
    until(&client, "lab/power", is("state", "PAUSED"));
    assert_eq!(client.answer("lab/power", &begun.id, PATIENCE).unwrap().outcome, Outcome::Done);
    assert_eq!(client.answer("lab/power", "never", PATIENCE).unwrap_err().kind(), ErrorKind::NotFound);
    let answered = client.status("lab/power", PATIENCE).unwrap().at("answered").unwrap().clone();
    assert_eq!(answered, Value::map([("accepted", 2), ("done", 2), ("failed", 1), ("rejected", 1)]));
    let log = client.log(Some("lab/power"), 100, PATIENCE).unwrap();
    let texts: Vec<&str> =
        log.as_array().unwrap().iter().map(|e| e.at("text").unwrap().as_text().unwrap()).collect();
    assert!(texts.contains(&"CHECKPOINT FAILED: the disk is full"), "{texts:?}");
    assert_eq!(client.stats(PATIENCE).unwrap().at("commands/failed").unwrap().as_u64().unwrap(), 1);
    assert!(client.stats(PATIENCE).unwrap().at("memory").unwrap().as_u64().unwrap() > 0);
}

#[test]
fn command_to_unknown_service_fails_and_to_disconnected_one_waits() {
    let server = TestServer::start();
    let client = server.client();
    let error = client.command("power", &Command::Pause, &Value::Null, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let power = FakeService::connect(&server.endpoint, "power", 1);
    until(&client, "power", is("view", "CONNECTED"));
    let error = client.status("pwoer", PATIENCE).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.text().contains("known are power"), "{error}");
    assert_eq!(client.forget("power", PATIENCE).unwrap_err().kind(), ErrorKind::InvalidState);
    drop(power);
    until(&client, "power", is("view", "DISCONNECTED"));
    let answer = client.request("power", &short_command(Command::GetData), PATIENCE).unwrap();
    assert_eq!(answer.outcome, Outcome::Failed);
    assert_eq!(kind(answer.into_result()), ErrorKind::Disconnected);
    let other_client = server.client();
    let waiting =
        std::thread::spawn(move || other_client.command("power", &Command::GetData, &Value::Null, PATIENCE));
    until(&client, "power", |record| record.at("open").unwrap().as_u64().ok() == Some(1));
    let power = FakeService::connect(&server.endpoint, "power", 2);
    let command = power.next_command();
    assert_eq!(command.epoch, Some(2));
    power.done(&command, 5.into());
    assert_eq!(waiting.join().unwrap().unwrap(), Value::Int(5));
    power.send(&ToController::Bye(State::Stopped));
    until(&client, "power", is("view", "GONE"));
    client.forget("power", PATIENCE).unwrap();
    assert_eq!(client.status("power", PATIENCE).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.services(PATIENCE).unwrap(), Value::Array(Vec::new()));
}

#[test]
fn command_without_answer_times_out_and_is_reported() {
    let server = TestServer::start();
    let _silent = FakeService::connect(&server.endpoint, "mute", 1);
    let client = server.client();
    until(&client, "mute", is("view", "CONNECTED"));
    let answer = client.request("mute", &short_command(Command::Pause), PATIENCE).unwrap();
    let error = answer.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("did not answer PAUSE"), "{error}");
    until(&client, "mute", is("problem", "mute did not answer PAUSE in time"));
}
