//! Messages between a service and its controller in the documents, compared with the code.

use std::time::Duration;

use super::command::{Answer, Command, Outcome, failure_of};
use super::protocol::{CommandRequest, HEARTBEAT, Introduction, LogLine, Report, ToController, ToService};
use super::state::State;
use super::table::refusal;
use crate::codec::{self, Encoding};
use crate::documents::{check, dump, fenced};
use crate::error::{Error, ErrorKind};
use crate::frame::{Header, Kind, Outgoing};
use crate::value::{Timestamp, Value};

const EPOCH: u64 = 0x0102_0304_0506_0709;

fn at(seconds: i64) -> Timestamp {
    Timestamp((1_767_225_600 + seconds) * 1_000_000_000)
}

fn json(value: &Value) -> String {
    String::from_utf8(codec::encode(value, Encoding::Json).unwrap()).unwrap()
}

fn report() -> Report {
    Report { state: State::Running, since: at(1), busy: None, doing: None, steps: 0, reason: String::new() }
}

fn introduction() -> Introduction {
    Introduction {
        name: "lab/power".into(),
        epoch: EPOCH,
        pid: 4711,
        program: "logger".into(),
        description: "logs the meter".into(),
        commands: vec!["BACKUP".into(), "calibrate".into()],
        unsupported: Vec::new(),
        adopted: false,
        every: Some(Duration::from_secs(1)),
        report: report(),
    }
}

fn request(id: &str, command: Command, arguments: Value) -> CommandRequest {
    CommandRequest {
        id: id.into(),
        command,
        arguments,
        within: Duration::from_millis(2250),
        epoch: Some(EPOCH),
    }
}

fn answer(id: &str, outcome: Outcome, state: State, value: Value, why: Option<Error>) -> Value {
    let failure = why.map(|why| failure_of(&why));
    ToController::Answer(Answer { id: id.into(), outcome, state, value, failure }).to_value()
}

#[test]
fn documented_service_messages_are_current() {
    let calibrate = Command::Own("calibrate".into());
    let busy = Report {
        busy: Some(Duration::from_millis(1500)),
        doing: Some("STEP".into()),
        steps: 41,
        reason: "no light".into(),
        ..report()
    };
    let line = LogLine { at: at(2), level: "warning".into(), text: "the meter is slow".into() };
    let name =
        Error::new(ErrorKind::AddressInUse, "lab/power is connected already, as process 4711 (logger)");
    let late = Error::new(ErrorKind::Timeout, "BACKUP is still under way after 2.2 s");
    let own = Error::remote(crate::error::RemoteFailure {
        code: 0,
        kind: "ValueError".into(),
        text: "gain is 0".into(),
        data: Vec::new(),
    });
    let controller = "controller";
    let service = "service";
    let words = [
        (controller, Kind::Event, ToService::Welcome { controller: 9, heartbeat: HEARTBEAT }.to_value()),
        (service, Kind::Event, ToController::Introduction(introduction()).to_value()),
        (service, Kind::Event, ToController::Report(busy).to_value()),
        (controller, Kind::Event, ToService::Beat.to_value()),
        (service, Kind::Event, ToController::Log(vec![line]).to_value()),
        (controller, Kind::Command, request("a1", Command::Pause, Value::Null).to_value()),
        (service, Kind::Event, answer("a1", Outcome::Accepted, State::Running, Value::Null, None)),
        (
            service,
            Kind::Event,
            ToController::Report(Report { state: State::Pausing, since: at(3), ..report() }).to_value(),
        ),
        (
            service,
            Kind::Event,
            ToController::Report(Report { state: State::Paused, since: at(4), ..report() }).to_value(),
        ),
        (service, Kind::Event, answer("a1", Outcome::Done, State::Paused, Value::Null, None)),
        (controller, Kind::Command, request("a2", Command::Pause, Value::Null).to_value()),
        (
            service,
            Kind::Event,
            answer(
                "a2",
                Outcome::Rejected,
                State::Paused,
                Value::Null,
                Some(refusal(State::Paused, &Command::Pause)),
            ),
        ),
        (controller, Kind::Command, request("a3", Command::GetData, Value::Null).to_value()),
        (service, Kind::Event, answer("a3", Outcome::Accepted, State::Paused, Value::Null, None)),
        (service, Kind::Event, answer("a3", Outcome::Done, State::Paused, Value::map([("rows", 41)]), None)),
        (controller, Kind::Command, request("a4", calibrate, Value::map([("gain", 0)])).to_value()),
        (service, Kind::Event, answer("a4", Outcome::Failed, State::Paused, Value::Null, Some(own))),
        (service, Kind::Event, answer("a5", Outcome::Failed, State::Paused, Value::Null, Some(late))),
        (controller, Kind::Command, request("a6", Command::Cancel, Value::map([("id", "a5")])).to_value()),
        (
            service,
            Kind::Event,
            answer("a6", Outcome::Done, State::Paused, Value::map([("cancelled", "asked")]), None),
        ),
        (service, Kind::Event, ToController::Bye(State::Stopped).to_value()),
        (controller, Kind::Event, ToService::Refused(failure_of(&name)).to_value()),
    ];
    let mut text = String::new();
    for (who, kind, map) in &words {
        match (*who, kind) {
            ("service", _) => drop(ToController::from_value(map).unwrap()),
            (_, Kind::Command) => drop(CommandRequest::from_value(map).unwrap()),
            _ => drop(ToService::from_value(map).unwrap()),
        }
        let kind = format!("{kind:?}").to_lowercase();
        text += &format!("{who:<11}{kind:<8} {}\n", json(map));
    }
    check("service words", &fenced(&text));
}

#[test]
fn documented_command_frame_is_current() {
    let body = codec::encode(&request("a1", Command::Pause, Value::Null).to_value(), Encoding::Cbor).unwrap();
    let mut header = Header::new(Kind::Command, Encoding::Cbor);
    (header.sequence, header.sent) = (2, at(3).nanoseconds());
    let frame = Outgoing::new(header, &body);
    check("order", &fenced(&dump(&[&frame.head()[..], &body].concat())));
}
