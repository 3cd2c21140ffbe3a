//! Tests of the event loop with services written by hand and real clients.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::rate_limit::Limits;
use crate::{ControllerServer, ControllerServerOptions, StopHandle};
use linkspan::frame::Kind;
use linkspan::service::CommandRequest;
use linkspan::service::server_side::{
    self, Introduction, LogLine, Pattern, PeerLink, Report, ToController, ToService, failure_of,
};
use linkspan::{
    Answer, Command, Controller, Error, ErrorKind, Options, Outcome, Result, State, Timeout, Timestamp,
    Value, WatchOptions,
};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server in a thread of its own, at a socket in a temporary directory.
pub struct TestServer {
    stop: StopHandle,
    thread: Option<JoinHandle<Result<()>>>,
    pub endpoint: String,
    _directory: Arc<TempDir>,
}

impl TestServer {
    pub fn start() -> TestServer {
        TestServer::at(Arc::new(tempfile::tempdir().unwrap()), Duration::from_secs(5))
    }

    fn at(directory: Arc<TempDir>, heartbeat: Duration) -> TestServer {
        TestServer::with_limits(directory, heartbeat, |_| {})
    }

    fn with_limits(
        directory: Arc<TempDir>,
        heartbeat: Duration,
        change: impl FnOnce(&mut Limits),
    ) -> TestServer {
        let endpoint = format!("unix:{}/c", directory.path().display());
        let options = ControllerServerOptions {
            handle_signals: false,
            heartbeat,
            ..ControllerServerOptions::default()
        };
        let mut server = ControllerServer::listen(std::slice::from_ref(&endpoint), &options).unwrap();
        change(server.limits());
        let stop = server.stopper();
        let thread = std::thread::spawn(move || server.run(Timeout::Forever));
        TestServer { stop, thread: Some(thread), endpoint, _directory: directory }
    }

    pub fn client(&self) -> Controller {
        Controller::connect(&self.endpoint, &Options::default(), PATIENCE).unwrap()
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// A service written by hand.
pub struct FakeService {
    link: PeerLink,
    name: String,
    epoch: u64,
}

fn link(endpoint: &str) -> PeerLink {
    loop {
        match PeerLink::connect(endpoint, Pattern::Service, PATIENCE) {
            // The backlog is full: retry as a service does.
            Err(e) if e.kind() == ErrorKind::Full => std::thread::yield_now(),
            made => return made.unwrap(),
        }
    }
}

fn report(state: State) -> Report {
    Report { state, since: Timestamp::now(), busy: None, doing: None, steps: 0, reason: String::new() }
}

impl FakeService {
    /// Connects to a controller and sends an introduction.
    pub fn come(endpoint: &str, name: &str, epoch: u64) -> FakeService {
        FakeService::come_as(endpoint, name, epoch, |_| {})
    }

    /// Does the same with a changed introduction.
    pub fn come_as(
        endpoint: &str,
        name: &str,
        epoch: u64,
        change: impl FnOnce(&mut Introduction),
    ) -> FakeService {
        let played = FakeService { link: link(endpoint), name: name.into(), epoch };
        assert!(matches!(played.told(), ToService::Welcome { .. }));
        let mut introduction = FakeService::introduction(name, epoch);
        change(&mut introduction);
        played.say(&ToController::Introduction(introduction));
        played
    }

    /// Returns the introduction of a service with this name.
    pub fn introduction(name: &str, epoch: u64) -> Introduction {
        Introduction {
            name: name.into(),
            epoch,
            pid: std::process::id(),
            program: "played".into(),
            description: String::new(),
            commands: vec!["calibrate".into()],
            unsupported: Vec::new(),
            every: None,
            report: report(State::Running),
        }
    }

    fn introduce(&self) {
        self.say(&ToController::Introduction(FakeService::introduction(&self.name, self.epoch)));
    }

    pub fn say(&self, said: &ToController) {
        self.event(&said.to_value());
    }

    fn event(&self, value: &Value) {
        self.link.send(Kind::Event, &self.link.channel().encode(value).unwrap(), PATIENCE).unwrap();
    }

    fn told(&self) -> ToService {
        let message = self.link.channel().recv(PATIENCE).unwrap();
        assert_eq!(server_side::kind(&message), Kind::Event);
        ToService::from_value(message.value().unwrap()).unwrap()
    }

    pub fn order(&self) -> CommandRequest {
        self.order_within(PATIENCE).unwrap()
    }

    fn order_within(&self, time: Duration) -> Result<CommandRequest> {
        loop {
            let message = self.link.channel().recv(time)?;
            if server_side::kind(&message) == Kind::Command {
                return CommandRequest::from_value(message.value()?);
            }
            assert_eq!(ToService::from_value(message.value()?)?, ToService::Beat);
        }
    }

    fn answer(&self, id: &str, outcome: Outcome, state: State, value: Value, error: Option<Error>) {
        let failure = error.map(|error| failure_of(&error));
        self.say(&ToController::Answer(Answer { id: id.into(), outcome, state, value, failure }));
    }

    pub fn accept(&self, order: &CommandRequest) {
        self.answer(&order.id, Outcome::Accepted, State::Running, Value::Null, None);
    }

    pub fn done(&self, order: &CommandRequest, value: Value) {
        self.accept(order);
        self.answer(&order.id, Outcome::Done, State::Running, value, None);
    }
}

/// Waits until the record of a service fulfils a condition.
pub fn until(client: &Controller, service: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    if let Ok(record) = client.status(service, PATIENCE)
        && wanted(&record)
    {
        return record;
    }
    client.watch(&WatchOptions { services: vec![service.into()], data_every: None }).unwrap();
    loop {
        let told = client.next(PATIENCE).unwrap();
        if let Ok(record) = told.at("service")
            && told.at("what").unwrap().as_text().ok() == Some("service")
            && wanted(record)
        {
            return record.clone();
        }
    }
}

pub fn is(key: &'static str, word: &'static str) -> impl Fn(&Value) -> bool {
    move |record| record.at(key).unwrap().as_text().unwrap() == word
}

fn kind(result: Result<Value>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Returns a request whose command times out long before the client.
fn brief(command: Command) -> CommandRequest {
    let within = Duration::from_millis(100);
    CommandRequest { id: "brief".into(), command, arguments: Value::Null, within, epoch: None }
}

#[test]
fn unsupported_command_is_not_allowed() {
    let server = TestServer::start();
    let _power = FakeService::come_as(&server.endpoint, "lab/power", 7, |it| {
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
    let power = FakeService::come(&server.endpoint, "lab/power", 7);
    let client = server.client();
    let record = until(&client, "lab/power", is("view", "CONNECTED"));
    assert_eq!(record.at("state").unwrap().as_text().unwrap(), "RUNNING");
    let allowed = record.at("allowed").unwrap().as_array().unwrap();
    assert!(allowed.contains(&"PAUSE".into()) && allowed.contains(&"calibrate".into()));
    assert!(!allowed.contains(&"RUN".into()) && !allowed.contains(&"BACKUP".into()), "{allowed:?}");
    let service = std::thread::spawn(move || {
        let order = power.order();
        assert_eq!((&order.command, order.epoch), (&Command::GetData, Some(7)));
        assert!(order.within < PATIENCE && order.within > PATIENCE / 2);
        power.done(&order, Value::map([("rows", 3)]));
        let order = power.order();
        let error = Error::new(ErrorKind::NoSpace, "the disk is full");
        power.answer(&order.id, Outcome::Failed, State::Running, Value::Null, Some(error));
        let order = power.order();
        assert_eq!(order.arguments, Value::from("hard"));
        let error = Error::new(ErrorKind::InvalidState, "it runs already");
        power.answer(&order.id, Outcome::Rejected, State::Running, Value::Null, Some(error));
        let order = power.order();
        power.answer(&order.id, Outcome::Accepted, State::Pausing, Value::Null, None);
        (power, order)
    });
    let command =
        |command: &Command, arguments: Value| client.command("lab/power", command, &arguments, PATIENCE);
    assert_eq!(command(&Command::GetData, Value::Null).unwrap(), Value::map([("rows", 3)]));
    assert_eq!(kind(command(&Command::Checkpoint, Value::Null)), ErrorKind::NoSpace);
    assert_eq!(kind(command(&Command::Own("calibrate".into()), "hard".into())), ErrorKind::InvalidState);
    let begun = client.begin("lab/power", &Command::Pause, &Value::Null, PATIENCE, PATIENCE).unwrap();
    assert_eq!((begun.outcome, begun.state), (Outcome::Accepted, State::Pausing));
    let (power, order) = service.join().unwrap();
    assert_eq!(client.answer("lab/power", &begun.id, PATIENCE).unwrap().outcome, Outcome::Accepted);
    power.answer(&order.id, Outcome::Done, State::Paused, Value::Null, None);
    power.say(&ToController::Report(report(State::Paused)));
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
    let power = FakeService::come(&server.endpoint, "power", 1);
    until(&client, "power", is("view", "CONNECTED"));
    let error = client.status("pwoer", PATIENCE).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.text().contains("known are power"), "{error}");
    assert_eq!(client.forget("power", PATIENCE).unwrap_err().kind(), ErrorKind::InvalidState);
    drop(power);
    until(&client, "power", is("view", "DISCONNECTED"));
    let answer = client.request("power", &brief(Command::GetData), PATIENCE).unwrap();
    assert_eq!(answer.outcome, Outcome::Failed);
    assert_eq!(kind(answer.into_result()), ErrorKind::Disconnected);
    let asker = server.client();
    let asked = std::thread::spawn(move || asker.command("power", &Command::GetData, &Value::Null, PATIENCE));
    until(&client, "power", |record| record.at("open").unwrap().as_u64().ok() == Some(1));
    let power = FakeService::come(&server.endpoint, "power", 2);
    let order = power.order();
    assert_eq!(order.epoch, Some(2));
    power.done(&order, 5.into());
    assert_eq!(asked.join().unwrap().unwrap(), Value::Int(5));
    power.say(&ToController::Bye(State::Stopped));
    until(&client, "power", is("view", "GONE"));
    client.forget("power", PATIENCE).unwrap();
    assert_eq!(client.status("power", PATIENCE).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.services(PATIENCE).unwrap(), Value::Array(Vec::new()));
}

#[test]
fn command_without_answer_times_out_and_is_reported() {
    let server = TestServer::start();
    let _mute = FakeService::come(&server.endpoint, "mute", 1);
    let client = server.client();
    until(&client, "mute", is("view", "CONNECTED"));
    let answer = client.request("mute", &brief(Command::Pause), PATIENCE).unwrap();
    let error = answer.into_result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("did not answer PAUSE"), "{error}");
    until(&client, "mute", is("problem", "mute did not answer PAUSE in time"));
}

#[test]
fn service_with_name_in_use_is_refused() {
    let server = TestServer::start();
    let first = FakeService::come(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let second = FakeService::come(&server.endpoint, "power", 2);
    let ToService::Refused(failure) = second.told() else { panic!("it was taken") };
    assert_eq!(failure.code, i64::from(ErrorKind::AddressInUse.code()));
    let record =
        until(&client, "power", |record| !record.at("problem").unwrap().as_text().unwrap().is_empty());
    assert_eq!(record.at("epoch").unwrap().as_u64().unwrap(), 1);
    assert!(record.at("problem").unwrap().as_text().unwrap().contains("another program with the name power"));
    // The same incarnation replaces its old link.
    let again = FakeService::come(&server.endpoint, "power", 1);
    let asker = server.client();
    let asked = std::thread::spawn(move || asker.command("power", &Command::GetData, &Value::Null, PATIENCE));
    let order = again.order();
    again.done(&order, 1.into());
    asked.join().unwrap().unwrap();
    drop((first, again, second));
    until(&client, "power", is("view", "DISCONNECTED"));
    let _third = FakeService::come(&server.endpoint, "power", 3);
    let record = until(&client, "power", is("view", "CONNECTED"));
    assert_eq!(record.at("epoch").unwrap().as_u64().unwrap(), 3);
}

#[test]
fn server_restart_resumes_services_commands_and_watchers() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let mut server = TestServer::at(directory.clone(), Duration::from_secs(5));
    let power = FakeService::come(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let asker = server.client();
    let asked = std::thread::spawn(move || asker.command("power", &Command::Pause, &Value::Null, PATIENCE));
    let first = power.order();
    client.watch(&WatchOptions::default()).unwrap();
    client.next(PATIENCE).unwrap();
    server.end();
    let server = TestServer::at(directory, Duration::from_secs(5));
    // The channel of the service reconnects by itself.
    assert!(matches!(power.told(), ToService::Welcome { .. }));
    power.introduce();
    let again = power.order();
    assert_eq!((&again.id, &again.command), (&first.id, &Command::Pause));
    power.done(&again, "paused".into());
    assert_eq!(asked.join().unwrap().unwrap(), Value::from("paused"));
    // The watcher receives the record from the new server.
    let told = loop {
        let told = client.next(PATIENCE).unwrap();
        if told.at("service/answered/done").and_then(Value::as_u64).ok() == Some(1) {
            break told;
        }
    };
    assert_eq!(told.at("service/name").unwrap().as_text().unwrap(), "power");
    drop(server);
}

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
            "is no command",
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

#[test]
fn data_are_sampled_once_for_all_watchers_and_sent_on_change() {
    let server = TestServer::start();
    let power = FakeService::come(&server.endpoint, "power", 1);
    let quiet = FakeService::come(&server.endpoint, "quiet", 1);
    let watchers = [server.client(), server.client()];
    until(&watchers[0], "power", is("view", "CONNECTED"));
    let what = WatchOptions { data_every: Some(Duration::from_millis(20)), services: vec!["power".into()] };
    for watcher in &watchers {
        watcher.watch(&what).unwrap();
        // The first event shows that the server has the watch request.
        watcher.next(PATIENCE).unwrap();
    }
    let stop = server.stop.clone();
    let service = std::thread::spawn(move || {
        for value in [1, 1, 1, 2, 2, 3] {
            let order = power.order();
            assert_eq!(order.command, Command::GetData);
            // No other sample is requested while this one is open.
            assert_eq!(power.order_within(Duration::from_millis(60)).unwrap_err().kind(), ErrorKind::Timeout);
            power.done(&order, value.into());
        }
        power
    });
    for watcher in &watchers {
        let mut told = Vec::new();
        while told.last() != Some(&3) {
            let push = watcher.next(PATIENCE).unwrap();
            if push.at("what").unwrap().as_text().ok() == Some("data") {
                assert_eq!(push.at("name").unwrap().as_text().unwrap(), "power");
                told.push(push.at("value").unwrap().as_i64().unwrap());
            }
        }
        assert!(told.ends_with(&[1, 2, 3]) && told.len() <= 4, "{told:?}");
    }
    let power = service.join().unwrap();
    drop(watchers);
    // The service without watchers was not sampled.
    assert_eq!(quiet.link.channel().try_recv().unwrap_err().kind(), ErrorKind::Empty);
    stop.stop();
    drop(power);
}

#[test]
fn failed_sample_is_reported_until_one_succeeds() {
    let server = TestServer::start();
    let power = FakeService::come(&server.endpoint, "power", 1);
    let watcher = server.client();
    until(&watcher, "power", is("view", "CONNECTED"));
    let what = WatchOptions { data_every: Some(Duration::from_millis(20)), services: vec!["power".into()] };
    watcher.watch(&what).unwrap();
    let problem = || loop {
        let push = watcher.next(PATIENCE).unwrap();
        if let Ok(problem) = push.at("service/problem") {
            return problem.as_text().unwrap().to_owned();
        }
    };
    assert_eq!(problem(), "");
    let order = power.order();
    let error = Error::new(ErrorKind::TransportUnavailable, "the meter is not plugged in");
    power.answer(&order.id, Outcome::Failed, State::Running, Value::Null, Some(error));
    while problem() != "its data cannot be read: the meter is not plugged in" {}
    let order = power.order();
    power.done(&order, 7.into());
    while !problem().is_empty() {}
}

#[test]
fn silent_service_is_stale_until_next_message() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::at(directory, Duration::from_millis(30));
    let power = FakeService::come(&server.endpoint, "power", 1);
    let client = server.client();
    // The log shows both changes, however short the view lasts.
    let logged = |text: &str| {
        let begun = std::time::Instant::now();
        loop {
            let log = client.log(Some("power"), 100, PATIENCE).unwrap();
            let texts = log.as_array().unwrap().iter().map(|e| e.at("text").unwrap().as_text().unwrap());
            let count = texts.filter(|found| found.starts_with(text)).count();
            if count > 0 {
                return count;
            }
            assert!(begun.elapsed() < PATIENCE, "{text} is not in {log:?}");
        }
    };
    assert_eq!(logged("has sent nothing"), 1);
    power.say(&ToController::Report(report(State::Running)));
    assert_eq!(logged("sends messages again"), 1);
    until(&client, "power", is("view", "STALE"));
    // Another incarnation may replace one that is STALE.
    let other = FakeService::come(&server.endpoint, "power", 2);
    let record = until(&client, "power", |record| record.at("epoch").unwrap().as_u64().ok() == Some(2));
    assert_eq!(record.at("name").unwrap().as_text().unwrap(), "power");
    drop(other);
}

#[test]
fn two_hundred_simultaneous_services_are_all_registered() {
    let server = TestServer::start();
    let client = server.client();
    let services: Vec<_> = (0..200)
        .map(|i| {
            let endpoint = server.endpoint.clone();
            std::thread::spawn(move || FakeService::come(&endpoint, &format!("s{i:03}"), 1))
        })
        .collect();
    let services: Vec<FakeService> = services.into_iter().map(|thread| thread.join().unwrap()).collect();
    until(&client, "s199", is("view", "CONNECTED"));
    for played in &services {
        until(&client, &played.name, is("view", "CONNECTED"));
    }
    assert_eq!(client.services(PATIENCE).unwrap().as_array().unwrap().len(), 200);
    assert_eq!(client.stats(PATIENCE).unwrap().at("views/CONNECTED").unwrap().as_u64().unwrap(), 200);
}

#[test]
fn connect_without_controller_names_the_program_to_start() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}/c", directory.path().display());
    let error = match Controller::connect(&endpoint, &Options::default(), Duration::from_millis(50)) {
        Ok(_) => panic!("somebody listens"),
        Err(e) => e,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.text().contains("start `linkspan controller`"), "{error}");
}

/// A proxy that forwards connections until they are cut, and accepts new ones afterwards.
struct CuttableProxy {
    path: std::path::PathBuf,
    streams: Arc<Mutex<Vec<UnixStream>>>,
}

impl CuttableProxy {
    fn start(directory: &TempDir) -> CuttableProxy {
        let (path, server) = (directory.path().join("between"), directory.path().join("c"));
        let listener = UnixListener::bind(&path).unwrap();
        let streams = Arc::new(Mutex::new(Vec::new()));
        let open = streams.clone();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let Ok(far) = UnixStream::connect(&server) else { return };
                open.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
                {
                    std::thread::spawn(move || {
                        // Ends when the connection is cut.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        CuttableProxy { path, streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn client_reconnect_after_cut_receives_its_reply() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let server = TestServer::at(directory.clone(), Duration::from_secs(5));
    let power = FakeService::come(&server.endpoint, "power", 1);
    let client = server.client();
    until(&client, "power", is("view", "CONNECTED"));
    let between = CuttableProxy::start(&directory);
    let endpoint = format!("unix:{}", between.path.display());
    let asker = Controller::connect(&endpoint, &Options::default(), PATIENCE).unwrap();
    for i in 0..20 {
        let asked = std::thread::scope(|scope| {
            let asked = scope.spawn(|| asker.command("power", &Command::GetData, &Value::Null, PATIENCE));
            let order = power.order();
            between.cut();
            // Before or after the client has reconnected.
            if i % 2 == 0 {
                power.done(&order, i.into());
            }
            client.stats(PATIENCE).unwrap();
            if i % 2 == 1 {
                power.done(&order, i.into());
            }
            asked.join().unwrap()
        });
        assert_eq!(asked.unwrap(), Value::Int(i));
    }
}
