//! Tests of the event loop, with simulated services and real clients. This file has their common parts.

mod commands;
mod malformed;
mod names;
mod restarts;
mod samples;

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

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a separate thread, at a socket in a temporary directory.
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

/// A service that sends each message of the protocol itself.
pub struct FakeService {
    link: PeerLink,
    name: String,
    epoch: u64,
}

fn link(endpoint: &str) -> PeerLink {
    loop {
        match PeerLink::connect(endpoint, Pattern::Service, PATIENCE) {
            // The queue of the listener is full, and a service tries again.
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
    pub fn connect(endpoint: &str, name: &str, epoch: u64) -> FakeService {
        FakeService::connect_with(endpoint, name, epoch, |_| {})
    }

    /// [`FakeService::connect`] with a changed introduction.
    pub fn connect_with(
        endpoint: &str,
        name: &str,
        epoch: u64,
        change: impl FnOnce(&mut Introduction),
    ) -> FakeService {
        let service = FakeService { link: link(endpoint), name: name.into(), epoch };
        assert!(matches!(service.receive(), ToService::Welcome { .. }));
        let mut introduction = FakeService::introduction(name, epoch);
        change(&mut introduction);
        service.send(&ToController::Introduction(introduction));
        service
    }

    pub fn introduction(name: &str, epoch: u64) -> Introduction {
        Introduction {
            name: name.into(),
            epoch,
            pid: std::process::id(),
            program: "service".into(),
            description: String::new(),
            commands: vec!["calibrate".into()],
            unsupported: Vec::new(),
            adopted: false,
            every: None,
            report: report(State::Running),
        }
    }

    fn introduce(&self) {
        self.send(&ToController::Introduction(FakeService::introduction(&self.name, self.epoch)));
    }

    pub fn send(&self, message: &ToController) {
        self.event(&message.to_value());
    }

    fn event(&self, value: &Value) {
        self.link.send(Kind::Event, &self.link.channel().encode(value).unwrap(), PATIENCE).unwrap();
    }

    fn receive(&self) -> ToService {
        let message = self.link.channel().recv(PATIENCE).unwrap();
        assert_eq!(server_side::kind(&message), Kind::Event);
        ToService::from_value(message.value().unwrap()).unwrap()
    }

    pub fn next_command(&self) -> CommandRequest {
        self.next_command_within(PATIENCE).unwrap()
    }

    fn next_command_within(&self, time: Duration) -> Result<CommandRequest> {
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
        self.send(&ToController::Answer(Answer { id: id.into(), outcome, state, value, failure }));
    }

    pub fn accept(&self, command: &CommandRequest) {
        self.answer(&command.id, Outcome::Accepted, State::Running, Value::Null, None);
    }

    pub fn done(&self, command: &CommandRequest, value: Value) {
        self.accept(command);
        self.answer(&command.id, Outcome::Done, State::Running, value, None);
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
        let push = client.next(PATIENCE).unwrap();
        if let Ok(record) = push.at("service")
            && push.at("what").unwrap().as_text().ok() == Some("service")
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

/// Returns a command that times out long before its client.
fn short_command(command: Command) -> CommandRequest {
    let within = Duration::from_millis(100);
    CommandRequest { id: "short".into(), command, arguments: Value::Null, within, epoch: None }
}
