//! What is wrong with a service is told for as long as it is so: an answer that comes, or a new incarnation, ends it.

use std::time::Duration;

use super::tests::{FakeService, PATIENCE, TestServer, is, until};
use crate::error::ErrorKind;
use crate::service::Controller;
use crate::service::command::Command;
use crate::value::Value;

/// Gives a command that the service has no time to answer.
fn asks_in_vain(client: &Controller, command: &Command) {
    let given = client.command("power", command, &Value::Null, Duration::from_millis(50));
    assert_eq!(given.unwrap_err().kind(), ErrorKind::Timeout);
}

fn problem(record: &Value) -> String {
    record.at("trouble").unwrap().as_text().unwrap().to_owned()
}

/// As after SIGSTOP and SIGCONT: everything that came meanwhile is answered late, and what comes then in time.
#[test]
fn trouble_of_a_service_that_did_not_answer_ends_with_its_next_answer() {
    let hub = TestServer::start();
    let power = FakeService::come(&hub.endpoint, "power", 1);
    let client = hub.client();
    until(&client, "power", is("view", "CONNECTED"));
    asks_in_vain(&client, &Command::Pause);
    let record = until(&client, "power", |record| !problem(record).is_empty());
    assert_eq!(problem(&record), "power did not answer PAUSE in time");
    let late = power.order();
    assert_eq!(late.command, Command::Pause);
    power.done(&late, Value::Null);
    until(&client, "power", is("trouble", ""));
}

#[test]
fn trouble_of_a_service_that_took_too_long_stays_until_its_program_answers() {
    let hub = TestServer::start();
    let power = FakeService::come(&hub.endpoint, "power", 1);
    let client = hub.client();
    until(&client, "power", is("view", "CONNECTED"));
    let service = std::thread::spawn(move || {
        let late = power.order();
        power.accept(&late);
        // The library answers questions whatever the program does.
        let question = power.order();
        assert_eq!(question.command, Command::Stats);
        power.done(&question, Value::Null);
        (power, late)
    });
    asks_in_vain(&client, &Command::Checkpoint);
    let text = "power has accepted CHECKPOINT and was not done with it in time";
    until(&client, "power", is("trouble", text));
    client.command("power", &Command::Stats, &Value::Null, PATIENCE).unwrap();
    assert_eq!(problem(&client.status("power", PATIENCE).unwrap()), text);
    let (power, late) = service.join().unwrap();
    power.done(&late, Value::Null);
    until(&client, "power", is("trouble", ""));
}

#[test]
fn trouble_of_an_incarnation_ends_with_the_next_one() {
    let hub = TestServer::start();
    let power = FakeService::come(&hub.endpoint, "power", 1);
    let client = hub.client();
    until(&client, "power", is("view", "CONNECTED"));
    asks_in_vain(&client, &Command::Pause);
    until(&client, "power", is("trouble", "power did not answer PAUSE in time"));
    drop(power);
    let record = until(&client, "power", is("view", "DISCONNECTED"));
    assert_eq!(problem(&record), "power did not answer PAUSE in time", "it may be why it went");
    let _again = FakeService::come(&hub.endpoint, "power", 2);
    let record = until(&client, "power", is("view", "CONNECTED"));
    assert_eq!(problem(&record), "");
}
