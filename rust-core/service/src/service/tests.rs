//! Tests of a service with a controller that the tests implement.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::command::{Answer, Command, Outcome};
use super::protocol::{CommandRequest, HEARTBEAT, Introduction, ToController, ToService};
use super::service_loop::{ServiceLoop, ServiceOptions, Task};
use super::state::State;
use crate::codec::Encoding;
use crate::deadline::{Deadline, Waiting};
use crate::engine::Payload;
use crate::engine::service_side::{self, Pattern};
use crate::engine::{Channel, Delivery, Listener, Options};
use crate::error::ErrorKind;
use crate::frame::Kind;
use crate::sys::poll::{is_readable, wait_readable};
use crate::value::{Limits, Value};

const LONG: Duration = Duration::from_secs(60);

struct TestController(Channel);

fn listener(endpoint: &str) -> Listener {
    let mut options = Options::default().with_delivery(Delivery::BestEffort);
    service_side::set_pattern(&mut options, Pattern::Controller);
    Listener::listen(endpoint, &options).unwrap()
}

fn payload(value: &Value) -> Payload {
    Payload::new(value, Encoding::Cbor, &Limits::default()).unwrap()
}

impl TestController {
    fn welcome(listener: &Listener) -> (TestController, Introduction) {
        TestController::with_heartbeat(listener, HEARTBEAT)
    }

    fn with_heartbeat(listener: &Listener, heartbeat: Duration) -> (TestController, Introduction) {
        let controller = TestController(listener.accept(LONG).unwrap());
        controller.send_event(&ToService::Welcome { controller: 1, heartbeat });
        match controller.receive() {
            ToController::Introduction(introduction) => (controller, introduction),
            other => panic!("{other:?}"),
        }
    }

    fn send_event(&self, message: &ToService) {
        service_side::send_as(&self.0, Kind::Event, &payload(&message.to_value()), LONG).unwrap();
    }

    fn request(&self, id: &str, command: Command) {
        let request =
            CommandRequest { id: id.into(), command, arguments: Value::Null, within: LONG, epoch: None };
        service_side::send_as(&self.0, Kind::Command, &payload(&request.to_value()), LONG).unwrap();
    }

    fn receive(&self) -> ToController {
        ToController::from_value(self.0.recv(LONG).unwrap().value().unwrap()).unwrap()
    }

    fn answer(&self) -> Answer {
        loop {
            if let ToController::Answer(answer) = self.receive() {
                return answer;
            }
        }
    }
}

fn endpoint() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}/controller", folder.path().display());
    (folder, endpoint)
}

/// Fetches a task only when the descriptor is readable; panics without a task.
fn task_once_readable(tasks: &ServiceLoop) -> Task {
    let mut waiting = Waiting::until(Deadline::after(LONG));
    wait_readable(&mut waiting, &[tasks.as_fd()]).unwrap();
    tasks.next(Duration::ZERO).unwrap().unwrap()
}

#[test]
fn descriptor_is_readable_exactly_while_a_task_is_due() {
    let (_folder, endpoint) = endpoint();
    let started = |every, paused| {
        let controller = endpoint.clone();
        let options =
            ServiceOptions { controller, every, paused, handle_signals: false, ..Default::default() };
        ServiceLoop::start("lab/power", &options).unwrap()
    };
    // No call has waited before. Steps follow each other at once, or after a pause.
    for every in [Duration::ZERO, Duration::from_millis(20)] {
        let tasks = started(Some(every), false);
        for _ in 0..3 {
            let task = task_once_readable(&tasks);
            assert_eq!(task.command(), &Command::Step, "{every:?}");
            assert_eq!(tasks.state(), State::Running);
            assert!(!is_readable(tasks.as_fd()), "{every:?}: a task is open");
            task.done(&Value::Null).unwrap();
        }
    }
    // The second step is far away; commands and the end are due at once.
    let tasks = started(Some(Duration::from_secs(3600)), false);
    task_once_readable(&tasks).done(&Value::Null).unwrap();
    for _ in 0..2 {
        assert_eq!(tasks.fileno().unwrap(), tasks.as_fd().as_raw_fd());
        assert!(!is_readable(tasks.as_fd()), "nothing is due");
        assert_eq!(tasks.next(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    }
    tasks.shutdown();
    let task = task_once_readable(&tasks);
    assert_eq!(task.command(), &Command::Shutdown);
    task.done(&Value::Null).unwrap();
    assert!(is_readable(tasks.as_fd()), "the end is due");
    assert!(tasks.next(Duration::ZERO).unwrap().is_none());
    let tasks = started(Some(Duration::ZERO), true);
    assert!(is_readable(tasks.as_fd()), "the start is due");
    assert_eq!(tasks.next(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(tasks.state(), State::Ready);
    assert!(!is_readable(tasks.as_fd()), "a paused service has no steps");
}

#[test]
fn service_takes_commands_before_and_after_reconnect() {
    let (_folder, endpoint) = endpoint();
    let mut options =
        ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
    options.every = Some(Duration::ZERO);
    let tasks = ServiceLoop::start("lab/power", &options).unwrap();
    let first = listener(&endpoint);
    let (controller, introduction) = TestController::welcome(&first);
    assert_eq!(introduction.name, "lab/power");
    assert_eq!(introduction.report.state, State::Starting);
    let program = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while let Some(task) = tasks.next(LONG).unwrap() {
            if *task.command() != Command::Step {
                seen.push(task.command().name().to_owned());
            }
            task.done(&Value::from(7)).unwrap();
        }
        seen
    });
    controller.request("a", Command::Pause);
    // A service in STARTING rejects the command, so this tries again.
    let mut tries = 0;
    while controller.answer().outcome == Outcome::Rejected {
        tries += 1;
        controller.request(&format!("a{tries}"), Command::Pause);
    }
    let done = controller.answer();
    assert_eq!((done.outcome, done.state, done.value), (Outcome::Done, State::Paused, Value::from(7)));
    drop(controller);
    let (controller, introduction) = TestController::welcome(&first);
    assert_eq!(introduction.report.state, State::Paused);
    controller.request(&done.id, Command::Pause);
    let again = controller.answer();
    assert_eq!((again.outcome, again.state), (Outcome::Done, State::Paused));
    controller.request("s", Command::Status);
    let status = controller.answer();
    assert_eq!(status.value.at("state").unwrap().as_text().unwrap(), "PAUSED");
    controller.request("x", Command::Shutdown);
    assert_eq!(controller.answer().outcome, Outcome::Accepted);
    let stopped = controller.answer();
    assert_eq!((stopped.outcome, stopped.state), (Outcome::Done, State::Stopped));
    while controller.receive() != ToController::Bye(State::Stopped) {}
    assert_eq!(program.join().unwrap(), ["PAUSE", "SHUTDOWN"]);
}

#[test]
fn invalid_service_options_are_refused_at_start() {
    let bad = |name: &str, controller: &str| {
        let options = ServiceOptions { controller: controller.into(), ..Default::default() };
        ServiceLoop::start(name, &options).map(drop).unwrap_err().kind()
    };
    use crate::error::ErrorKind::{InvalidEndpoint, Unsupported};
    assert_eq!(bad("no name", "unix:controller"), InvalidEndpoint);
    assert_eq!(bad("unix:power", "unix:controller"), InvalidEndpoint);
    assert_eq!(bad("power", "tcp://nowhere"), InvalidEndpoint);
    assert_eq!(bad("power", "spool:controller"), Unsupported);
}

#[test]
fn silent_controller_is_reconnected() {
    let (_folder, endpoint) = endpoint();
    let options =
        ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
    let listener = listener(&endpoint);
    let tasks = ServiceLoop::start("power", &options).unwrap();
    let (silent, first) = TestController::with_heartbeat(&listener, Duration::from_millis(100));
    silent.send_event(&ToService::Beat);
    let (_heard, again) = TestController::welcome(&listener);
    assert_eq!(again.epoch, first.epoch);
    assert_eq!(again.epoch, tasks.epoch());
    drop(silent);
}

#[test]
fn absurd_heartbeat_period_is_clamped() {
    for heartbeat in [Duration::ZERO, Duration::from_secs(18_446_744_073_709_549_568)] {
        let (_folder, endpoint) = endpoint();
        let options =
            ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
        let listener = listener(&endpoint);
        let tasks = ServiceLoop::start("power", &options).unwrap();
        let (controller, _) = TestController::with_heartbeat(&listener, heartbeat);
        controller.send_event(&ToService::Beat);
        for id in ["first", "second", "third"] {
            controller.request(id, Command::Status);
            assert_eq!(&*controller.answer().id, id, "{heartbeat:?}");
        }
        drop(tasks);
    }
}

#[test]
fn steps_are_reported_before_the_next_heartbeat() {
    let (_folder, endpoint) = endpoint();
    let mut options =
        ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
    options.every = Some(Duration::from_millis(50));
    let tasks = ServiceLoop::start("lab/power", &options).unwrap();
    let listener = listener(&endpoint);
    let (controller, _) = TestController::with_heartbeat(&listener, Duration::from_secs(3600));
    let program = std::thread::spawn(move || {
        while let Some(task) = tasks.next(LONG).unwrap() {
            task.done(&Value::Null).unwrap();
        }
    });
    let mut steps = 0;
    // Two reports, because the steps after the first report must be reported as well.
    for _ in 0..2 {
        let before = steps;
        while steps <= before {
            if let ToController::Report(report) = controller.receive() {
                steps = report.steps;
            }
        }
    }
    controller.request("x", Command::Shutdown);
    while controller.receive() != ToController::Bye(State::Stopped) {}
    program.join().unwrap();
}
