//! Tests of a service's problem, which is shown until an answer arrives or a new incarnation connects.

use std::time::Duration;

use crate::tests::{FakeService, PATIENCE, TestServer, is, until};
use linkspan::service::CommandRequest;
use linkspan::{Command, Controller, ErrorKind, Value};

/// Sends a command, and asserts that it times out before the service answers. The client itself waits longer: a request
/// that the controller reads after the end of its client's wait goes to no service, and is no problem of one.
fn command_times_out(client: &Controller, command: Command, within: Duration) {
    let id = Controller::new_id().unwrap();
    let request = CommandRequest { id, command, arguments: Value::Null, within, epoch: None };
    let answer = client.request("power", &request, PATIENCE).unwrap();
    assert_eq!(answer.into_result().unwrap_err().kind(), ErrorKind::Timeout);
}

/// The time-out of a command that is not answered.
const SHORT: Duration = Duration::from_millis(50);

fn problem(record: &Value) -> String {
    record.at("problem").unwrap().as_text().unwrap().to_owned()
}

/// As after SIGSTOP and SIGCONT, the earlier command is answered late.
#[test]
fn problem_of_unanswered_command_ends_with_next_answer() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    command_times_out(&client, Command::Pause, SHORT);
    let record = until(&client, "power", |record| !problem(record).is_empty());
    assert_eq!(problem(&record), "power did not answer PAUSE in time");
    let late = power.next_command();
    assert_eq!(late.command, Command::Pause);
    power.done(&late, Value::Null);
    until(&client, "power", is("problem", ""));
}

#[test]
fn problem_of_slow_program_stays_until_program_answers() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let service = std::thread::spawn(move || {
        let mut late = Vec::new();
        loop {
            let command = power.next_command();
            // The library answers STATS even if the program is busy.
            if command.command == Command::Stats {
                power.done(&command, Value::Null);
                return (power, late);
            }
            power.accept(&command);
            late.push(command);
        }
    });
    let text = "power accepted CHECKPOINT and did not complete it in time";
    // On a loaded machine the service may need longer to accept it.
    let mut time = SHORT;
    while problem(&client.status("power", PATIENCE).unwrap()) != text {
        command_times_out(&client, Command::Checkpoint, time);
        time *= 2;
    }
    client.command("power", &Command::Stats, &Value::Null, PATIENCE).unwrap();
    assert_eq!(problem(&client.status("power", PATIENCE).unwrap()), text);
    let (power, late) = service.join().unwrap();
    late.iter().for_each(|command| power.done(command, Value::Null));
    until(&client, "power", is("problem", ""));
}

#[test]
fn problem_of_incarnation_ends_with_the_next_one() {
    let server = TestServer::start();
    let power = FakeService::connect(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    command_times_out(&client, Command::Pause, SHORT);
    until(&client, "power", is("problem", "power did not answer PAUSE in time"));
    drop(power);
    let record = until(&client, "power", is("view", "DISCONNECTED"));
    assert_eq!(
        problem(&record),
        "power did not answer PAUSE in time",
        "the problem may be the reason of the disconnection"
    );
    let _again = FakeService::connect(&server.endpoint, "power", 2);
    let record = until(&client, "power", is("view", "CONNECTED"));
    assert_eq!(problem(&record), "");
}
