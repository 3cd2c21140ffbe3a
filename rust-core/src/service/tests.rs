//! A service and the bare end of a controller.

use std::time::Duration;

use super::command::{Answer, Command, Outcome};
use super::pulling::{ServiceLoop, ServiceOptions};
use super::state::State;
use super::words::{HEARTBEAT, Introduction, Order, Said, Told};
use crate::channel::greeting::Pattern;
use crate::channel::{Channel, Delivery, Listener, Options};
use crate::codec::Encoding;
use crate::frame::Kind;
use crate::message::Payload;
use crate::value::{Limits, Value};

const LONG: Duration = Duration::from_secs(20);

/// The other end of a service's line.
struct Desk(Channel);

fn listener(endpoint: &str) -> Listener {
    let options =
        Options { pattern: Pattern::Controller, delivery: Some(Delivery::BestEffort), ..Options::default() };
    Listener::listen(endpoint, &options).unwrap()
}

fn payload(value: &Value) -> Payload {
    Payload::new(value, Encoding::Cbor, &Limits::default()).unwrap()
}

impl Desk {
    fn welcome(listener: &Listener) -> (Desk, Introduction) {
        Desk::with_heartbeat(listener, HEARTBEAT)
    }

    fn with_heartbeat(listener: &Listener, heartbeat: Duration) -> (Desk, Introduction) {
        let desk = Desk(listener.accept(LONG).unwrap());
        desk.tell(&Told::Welcome { controller: 1, heartbeat });
        match desk.hear() {
            Said::Introduction(introduction) => (desk, introduction),
            other => panic!("{other:?}"),
        }
    }

    fn tell(&self, told: &Told) {
        self.0.send_as(Kind::Event, &payload(&told.to_value()), LONG).unwrap();
    }

    fn order(&self, id: &str, command: Command) {
        let order = Order { id: id.into(), command, arguments: Value::Null, within: LONG, epoch: None };
        self.0.send_as(Kind::Command, &payload(&order.to_value()), LONG).unwrap();
    }

    fn hear(&self) -> Said {
        Said::from_value(self.0.recv(LONG).unwrap().value().unwrap()).unwrap()
    }

    fn answer(&self) -> Answer {
        loop {
            if let Said::Answer(answer) = self.hear() {
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

#[test]
fn a_service_takes_commands_over_its_line_and_over_the_next_one() {
    let (_folder, endpoint) = endpoint();
    let mut options =
        ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
    options.every = Some(Duration::ZERO);
    let tasks = ServiceLoop::start("lab/power", &options).unwrap();
    let first = listener(&endpoint);
    let (desk, introduction) = Desk::welcome(&first);
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
    desk.order("a", Command::Pause);
    // It may not have begun yet: then it is refused, and asked again.
    let mut tries = 0;
    while desk.answer().outcome == Outcome::Rejected {
        tries += 1;
        desk.order(&format!("a{tries}"), Command::Pause);
    }
    let done = desk.answer();
    assert_eq!((done.outcome, done.state, done.value), (Outcome::Done, State::Paused, Value::from(7)));
    // The line breaks, and the next one is made.
    drop(desk);
    let (desk, introduction) = Desk::welcome(&first);
    assert_eq!(introduction.report.state, State::Paused);
    desk.order(&done.id, Command::Pause);
    let again = desk.answer();
    assert_eq!((again.outcome, again.state), (Outcome::Done, State::Paused));
    desk.order("s", Command::Status);
    let status = desk.answer();
    assert_eq!(status.value.at("state").unwrap().as_text().unwrap(), "PAUSED");
    desk.order("x", Command::Shutdown);
    assert_eq!(desk.answer().outcome, Outcome::Accepted);
    let stopped = desk.answer();
    assert_eq!((stopped.outcome, stopped.state), (Outcome::Done, State::Stopped));
    while desk.hear() != Said::Bye(State::Stopped) {}
    assert_eq!(program.join().unwrap(), ["PAUSE", "SHUTDOWN"]);
}

#[test]
fn what_can_never_be_is_said_at_once() {
    let bad = |name: &str, controller: &str| {
        let options = ServiceOptions { controller: controller.into(), ..Default::default() };
        ServiceLoop::start(name, &options).map(drop).unwrap_err().kind()
    };
    use crate::ErrorKind::{InvalidEndpoint, Unsupported};
    assert_eq!(bad("no name", "unix:controller"), InvalidEndpoint);
    assert_eq!(bad("unix:power", "unix:controller"), InvalidEndpoint);
    assert_eq!(bad("power", "tcp://nowhere"), InvalidEndpoint);
    assert_eq!(bad("power", "spool:controller"), Unsupported);
}

#[test]
fn a_controller_that_falls_silent_is_called_anew() {
    let (_folder, endpoint) = endpoint();
    let options =
        ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
    let listener = listener(&endpoint);
    let tasks = ServiceLoop::start("power", &options).unwrap();
    let (silent, first) = Desk::with_heartbeat(&listener, Duration::from_millis(100));
    silent.tell(&Told::Beat);
    // It takes what is said to it, and says nothing more.
    let (_heard, again) = Desk::welcome(&listener);
    assert_eq!(again.epoch, first.epoch);
    assert_eq!(again.epoch, tasks.epoch());
    drop(silent);
}

#[test]
fn controller_that_asks_for_absurd_heartbeats_is_still_answered() {
    for heartbeat in [Duration::ZERO, Duration::from_secs(18_446_744_073_709_549_568)] {
        let (_folder, endpoint) = endpoint();
        let options =
            ServiceOptions { controller: endpoint.clone(), handle_signals: false, ..Default::default() };
        let listener = listener(&endpoint);
        let tasks = ServiceLoop::start("power", &options).unwrap();
        let (desk, _) = Desk::with_heartbeat(&listener, heartbeat);
        desk.tell(&Told::Beat);
        for id in ["first", "second", "third"] {
            desk.order(id, Command::Status);
            assert_eq!(&*desk.answer().id, id, "{heartbeat:?}");
        }
        drop(tasks);
    }
}
