//! Checks the messages between a controller and its clients that the documents show.

use std::time::Duration;

use crate::client_protocol::{ClientRequest, WatchRequest};
use crate::documents::{check, fenced};
use crate::event_loop::hello;
use crate::rate_limit::Limits;
use crate::state::{Action, Moment, ServerState};
use linkspan::service::server_side::{
    Introduction, Report, RequestInfo, ToController, failure_of, failure_payload,
};
use linkspan::{Answer, Command, Encoding, Outcome, State, Timestamp, Value, codec};

const CLIENT: u64 = 77;
const LINK: u64 = 1;

fn moment(seconds: u64) -> Moment {
    let at = Timestamp((1_767_225_600 + seconds as i64) * 1_000_000_000);
    Moment { since: Duration::from_secs(seconds), at }
}

fn json(value: &Value) -> String {
    String::from_utf8(codec::encode(value, Encoding::Json).unwrap()).unwrap()
}

fn introduction() -> Introduction {
    Introduction {
        name: "lab/power".into(),
        epoch: 0x0102_0304_0506_0709,
        pid: 4711,
        program: "logger".into(),
        description: "logs the meter".into(),
        commands: vec!["BACKUP".into(), "calibrate".into()],
        unsupported: Vec::new(),
        adopted: false,
        every: Some(Duration::from_secs(1)),
        report: Report {
            state: State::Running,
            since: moment(1).at,
            busy: None,
            doing: None,
            steps: 0,
            reason: String::new(),
        },
    }
}

struct Transcript {
    state: ServerState,
    text: String,
    requests: u64,
    /// The id of the last command that was sent to the service.
    last_command: Box<str>,
}

impl Transcript {
    fn line(&mut self, who: &str, kind: &str, value: &Value) {
        self.text += &format!("{who:<11}{kind:<8} {}\n", json(value));
    }

    /// Appends the messages that the server sends to its client now.
    fn record_messages(&mut self) {
        while let Some(action) = self.state.next_action() {
            match action {
                Action::Reply { value, .. } => self.line("controller", "reply", &value),
                Action::ReplyError { error, .. } => {
                    let body = failure_payload(&failure_of(&error)).unwrap();
                    let value = codec::decode(body.body(), body.encoding()).unwrap();
                    self.line("controller", "error", &value);
                }
                Action::Push { to, value } => {
                    assert_eq!(to, [CLIENT]);
                    self.line("controller", "event", &value);
                }
                Action::SendCommand { request, .. } => self.last_command = request.id,
                Action::SendToService { .. } | Action::CloseLink { .. } => {}
            }
        }
    }

    fn send_request(&mut self, request: Value, seconds: u64) {
        self.line("client", "request", &request);
        self.requests += 1;
        let to = RequestInfo { session: CLIENT, number: self.requests, idempotent: true };
        let request = ClientRequest::from_value(&request).unwrap();
        self.state.request(to, request, 100, moment(seconds));
        self.record_messages();
    }

    fn service_answers(&mut self, outcome: Outcome, state: State, value: Value, seconds: u64) {
        let answer = Answer { id: self.last_command.clone(), outcome, state, value, failure: None };
        self.state.message_received(LINK, ToController::Answer(answer), 100, moment(seconds));
        self.record_messages();
    }
}

#[test]
fn documented_client_messages_are_current() {
    let mut transcript = Transcript {
        state: ServerState::new(9, Limits::default()),
        text: String::new(),
        requests: 0,
        last_command: "".into(),
    };
    transcript.state.service_connected(
        LINK,
        "logger-4711",
        linkspan::service::server_side::Owner::Anyone,
        None,
        moment(0),
    );
    transcript.state.message_received(LINK, ToController::Introduction(introduction()), 100, moment(1));
    while transcript.state.next_action().is_some() {}
    let of_power = |what: &str| Value::map([("what", what), ("service", "lab/power")]);
    transcript.line("controller", "event", &hello(9));
    transcript.send_request(Value::map([("what", "services"), ("after", "")]), 2);
    transcript.send_request(of_power("status"), 2);
    let command = Value::map([
        ("what", Value::from("command")),
        ("service", "lab/power".into()),
        ("id", "a1".into()),
        ("command", Command::Pause.name().into()),
        ("within", 2.5.into()),
        ("wait", "done".into()),
        ("controller", 9u64.into()),
    ]);
    transcript.send_request(command, 2);
    transcript.service_answers(Outcome::Accepted, State::Running, Value::Null, 3);
    transcript.service_answers(Outcome::Done, State::Paused, Value::Null, 4);
    transcript.send_request(Value::map([("what", "answer"), ("service", "lab/power"), ("id", "a1")]), 5);
    let log = [("what", Value::from("log")), ("service", "lab/power".into()), ("lines", 10u64.into())];
    transcript.send_request(Value::map(log), 5);
    transcript.send_request(of_power("forget"), 5);
    transcript.send_request(Value::map([("what", "status"), ("service", "pump")]), 5);
    let watch = [("what", Value::from("watch")), ("services", Value::Array(vec!["lab/power".into()]))];
    let watch = Value::map(watch.into_iter().chain([("data_every", 1.0.into())]));
    transcript.line("client", "event", &watch);
    transcript.state.watch(CLIENT, WatchRequest::from_value(&watch).unwrap(), moment(6));
    transcript.state.advance(moment(6));
    transcript.record_messages();
    transcript.service_answers(Outcome::Done, State::Paused, Value::map([("rows", 41)]), 7);
    check("client words", &fenced(&transcript.text));
}
