//! controller and service with the real program, and services that run in the test.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use linkspan::service::{ServiceLoop, ServiceOptions};
use linkspan::{Command, Error, ErrorKind, Timeout, Value};
use program::{Finished, Place, Running};

struct Laboratory {
    place: Place,
    /// None once it was ended.
    controller: Option<Running>,
    meeting: String,
}

impl Laboratory {
    fn new() -> Laboratory {
        let place = Place::new();
        let meeting = format!("unix:{}", place.path().join("meeting").display());
        let controller = Some(start(&place, &meeting));
        Laboratory { place, controller, meeting }
    }

    fn end_controller(&mut self, signal: &str) -> Finished {
        let controller = self.controller.take().unwrap();
        controller.signal(signal);
        controller.wait()
    }

    fn play(&self, name: &str) -> Played {
        play(name, &self.meeting)
    }

    fn service(&self, words: &str) -> (i32, String, String) {
        let words: Vec<&str> = std::iter::once("service").chain(words.split(' ')).collect();
        let finished = self.place.run(&words);
        (finished.code.unwrap(), finished.out, finished.err)
    }

    /// As `service`, for a command that succeeds and prints nothing on standard error.
    fn done(&self, words: &str) -> String {
        let (code, out, err) = self.service(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words}: {out}");
        out
    }

    fn wait_for(&self, name: &str, state: &str) {
        let mut watch = self.place.start(&["service", "watch", name, "--json"]);
        let wanted = format!("\"state\":\"{state}\"");
        loop {
            let line = watch.line();
            assert!(!line.is_empty(), "{name} has not become {state}");
            if line.contains(&wanted) && line.contains("\"view\":\"CONNECTED\"") {
                break;
            }
        }
        watch.signal("TERM");
        watch.wait();
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        if self.controller.is_some() {
            self.end_controller("TERM");
        }
    }
}

fn start(place: &Place, meeting: &str) -> Running {
    let mut controller = place.start(&["controller", "--listen", "unix:controller", "--listen", meeting]);
    assert_eq!(controller.error_line(), "linkspan: the controller listens at unix:controller");
    assert_eq!(controller.error_line(), format!("linkspan: the controller listens at {meeting}"));
    controller
}

struct Played {
    thread: Option<JoinHandle<()>>,
    /// Continues a command that is held.
    release: Sender<()>,
    end: std::sync::Arc<ServiceLoop>,
}

impl Played {
    fn join(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        let _ = self.release.send(());
        self.end.shutdown();
        self.end.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn play(name: &str, meeting: &str) -> Played {
    let mut options = ServiceOptions::default();
    options.controller = meeting.to_owned();
    options.every = Some(Duration::from_millis(20));
    options.handle_signals = false;
    options.description = "played by a test".into();
    options.commands = ["CONFIG", "BACKUP", "calibrate", "hold", "fail"].map(String::from).to_vec();
    let service = std::sync::Arc::new(ServiceLoop::start(name, &options).unwrap());
    let (release, released) = channel();
    let end = service.clone();
    let thread = std::thread::spawn(move || work(&service, &released));
    Played { thread: Some(thread), release, end }
}

fn work(service: &ServiceLoop, released: &Receiver<()>) {
    let mut steps = 0u64;
    while let Some(task) = service.next(Timeout::Forever).unwrap() {
        let value = match task.command() {
            Command::Step => {
                steps += 1;
                Value::Null
            }
            Command::GetData => Value::map([("steps", steps)]),
            Command::Config | Command::Backup => task.arguments().clone(),
            Command::Own(name) if &**name == "calibrate" => Value::map([("given", task.arguments().clone())]),
            Command::Own(name) if &**name == "hold" => {
                let _ = released.recv();
                Value::Null
            }
            Command::Own(_) => {
                task.failed(&Error::new(ErrorKind::NoSpace, "the disk is full")).unwrap();
                continue;
            }
            _ => Value::Null,
        };
        task.done(&value).unwrap();
    }
}

#[test]
fn services_are_listed_queried_and_described() {
    let lab = Laboratory::new();
    assert_eq!(lab.done("ls").lines().count(), 1);
    let _power = lab.play("lab/power");
    let _heat = lab.play("heat");
    lab.wait_for("lab/power", "RUNNING");
    lab.wait_for("heat", "RUNNING");

    let table = lab.done("ls");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATE", "VIEW", "BUSY", "STEPS", "PID", "PROGRAM"]);
    assert_eq!((rows[1][0], rows[2][0]), ("heat", "lab/power"));
    assert_eq!((rows[2][1], rows[2][2]), ("RUNNING", "CONNECTED"));
    assert_eq!(rows[2][5], std::process::id().to_string());
    let json = lab.done("ls --json");
    assert_eq!(json.lines().count(), 2);
    assert!(json.lines().all(|line| line.starts_with("{\"name\":\"") && line.ends_with("]}")), "{json}");

    let status = lab.done("status lab/power --json");
    assert!(status.contains("\"description\":\"played by a test\""), "{status}");
    assert!(lab.done("status lab/power").contains("description: \"played by a test\""));
    assert!(lab.done("get lab/power --json").starts_with("{\"steps\":"));
    assert!(lab.done("get heat").starts_with("{steps: "));
    assert!(lab.done("describe heat --json").contains("calibrate"));
    assert!(lab.done("stats heat --json").starts_with('{'));
    let stats = lab.done("stats --json");
    assert!(stats.contains("\"services\":2"), "{stats}");

    // The live view, without a terminal.
    let look = lab.place.run(&["top", "--once", "--every", "0.2"]);
    assert_eq!((look.code, look.err.as_str()), (Some(0), ""));
    let row = look.out.lines().find(|line| line.starts_with("lab/power")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[1..3], ["RUNNING", "CONNECTED"], "{}", look.out);
    let json = lab.place.run(&["top", "--once", "--json", "--every", "0.2"]).out;
    assert!(json.contains("\"steps_per_second\":") && json.ends_with("\"problem\":null}\n"), "{json}");

    assert_eq!(lab.done("call heat calibrate {\"volts\":230} --json"), "{\"given\":{\"volts\":230}}\n");
    assert_eq!(lab.done("config heat {\"every\":2} --json"), "{\"every\":2}\n");
    assert_eq!(lab.done("backup heat \"here\""), "here\n");
    let (code, out, err) = lab.service("call heat fail");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("NoSpace (124): heat: ") && err.contains("the disk is full"), "{err}");
    let (code, _, err) = lab.service("call heat DANCE");
    assert!(code == 1 && err.contains("OutOfRange"), "{err}");
    assert_eq!(lab.service("config heat {").0, 2);
}

#[test]
fn commands_are_carried_out_or_refused_with_the_reason() {
    let lab = Laboratory::new();
    let power = lab.play("power");
    let heat = lab.play("heat");
    lab.wait_for("power", "RUNNING");
    lab.wait_for("heat", "RUNNING");

    assert_eq!(lab.done("pause power --wait"), "power DONE PAUSED\n");
    let (code, out, err) = lab.service("pause power --wait");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("power: REJECTED in PAUSED: PAUSE is not possible while the service is PAUSED"),
        "{err}"
    );
    let (code, out, err) = lab.service("checkpoint power --wait");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("linkspan: InvalidState (106): power: REJECTED in PAUSED: "), "{err}");
    let (code, out, err) = lab.service("checkpoint power --wait --json");
    assert!(
        code == 1 && out.contains("\"outcome\":\"REJECTED\",\"state\":\"PAUSED\"") && !err.is_empty(),
        "{out}"
    );

    // Of all services, one may be paused.
    let (code, out, err) = lab.service("pause --all --wait");
    assert_eq!((code, out.as_str()), (0, "heat DONE PAUSED\n"));
    assert_eq!(err, "linkspan: power is left out: it is PAUSED, and CONNECTED\n");

    let json = lab.done("run power --json");
    assert!(
        json.starts_with("{\"service\":\"power\",\"id\":\"") && json.contains("\"outcome\":\"ACCEPTED\""),
        "{json}"
    );
    lab.wait_for("power", "RUNNING");
    assert_eq!(lab.done("checkpoint power --wait"), "power DONE RUNNING\n");

    // The highest exit code of several, each with its own line.
    let (code, out, err) = lab.service("checkpoint power heat nobody power --wait");
    assert_eq!((code, out.as_str()), (4, "power DONE RUNNING\n"), "{err}");
    assert!(err.contains("heat: REJECTED in PAUSED") && err.contains("NotFound (103)"), "{err}");

    let both = lab.done("shutdown --all --wait");
    let mut lines: Vec<_> = both.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["heat DONE STOPPED", "power DONE STOPPED"]);
    power.join();
    heat.join();
    assert!(lab.done("status power --json").contains("\"view\":\"GONE\""));
    // Nobody waits for a service that has said goodbye: without a limit of its time this would never end.
    let (code, out, err) = lab.service("run power --wait --timeout forever");
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(
        err.contains("power has ended and is STOPPED; start it again, and send the command again"),
        "{err}"
    );
    assert_eq!(lab.done("forget power heat"), "power is forgotten\nheat is forgotten\n");
    let (code, _, err) = lab.service("forget power");
    assert!(code == 4 && err.contains("NotFound (103)"), "{err}");
}

#[test]
fn command_that_takes_too_long_ends_with_3_and_can_be_cancelled() {
    let lab = Laboratory::new();
    let held = lab.play("held");
    lab.wait_for("held", "RUNNING");
    let (code, _, err) = lab.service("call held hold --timeout 0.5");
    assert!(code == 3 && err.contains("Timeout (110)"), "{err}");
    // It is still working: a pause waits for it.
    let (code, out, err) = lab.service("pause held --wait --timeout 5");
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("Timeout (110): held: FAILED in "), "{err}");
    assert!(lab.done("ls").lines().nth(1).unwrap().contains("held"));
    // It answers while busy.
    assert!(lab.done("status held --json").contains("\"doing\":\"hold\""));
    assert_eq!(lab.service("cancel held").0, 0);
    held.release.send(()).unwrap();
    assert_eq!(lab.done("pause held --wait"), "held DONE PAUSED\n");
}

#[test]
fn many_services_are_commanded_at_once() {
    let lab = Laboratory::new();
    let many: Vec<_> = (0..80).map(|n| lab.play(&format!("rack/{n:02}"))).collect();
    for n in 0..many.len() {
        lab.wait_for(&format!("rack/{n:02}"), "RUNNING");
    }
    let paused = lab.done("pause --all --wait");
    let mut lines: Vec<_> = paused.lines().collect();
    lines.sort_unstable();
    let expected: Vec<_> = (0..many.len()).map(|n| format!("rack/{n:02} DONE PAUSED")).collect();
    assert_eq!(lines, expected);
    let (code, out, err) = lab.service("pause --all --wait");
    assert_eq!((code, out.as_str(), err.lines().count()), (0, "", many.len()));
}

#[test]
fn every_wait_ends_with_a_signal() {
    let lab = Laboratory::new();
    let held = lab.play("held");
    let _free = lab.play("free");
    lab.wait_for("held", "RUNNING");
    lab.wait_for("free", "RUNNING");
    let hold = lab.place.start(&["service", "call", "held", "hold", "--timeout", "forever"]);
    let mut watch = lab.place.start(&["service", "watch", "held", "--json"]);
    let busy = std::iter::repeat_with(|| watch.line())
        .find(|line| line.is_empty() || line.contains("\"doing\":\"hold\""));
    assert_ne!(busy.unwrap(), "");
    let mut pause = lab.place.start(&["service", "pause", "held", "free", "--wait", "--timeout", "forever"]);
    // The held service does not delay the other.
    assert_eq!(pause.line(), "free DONE PAUSED");
    let missing = ["service", "ls", "--controller", "unix:nobody", "--timeout", "forever"];
    let missing = lab.place.start(&missing);
    missing.wait_for_handlers();
    for (running, signal, code) in
        [(pause, "INT", 130), (hold, "TERM", 143), (watch, "INT", 130), (missing, "INT", 130)]
    {
        running.signal(signal);
        let finished = running.wait();
        assert_eq!((finished.code, finished.err.as_str()), (Some(code), ""));
    }
    held.release.send(()).unwrap();
}

#[test]
fn events_are_printed() {
    let lab = Laboratory::new();
    let mut watch = lab.place.start(&["service", "watch", "power", "--data", "0.1", "--json"]);
    let mut follow = lab.place.start(&["service", "logs", "power", "--lines", "5", "--follow", "--json"]);
    // It is not registered yet, which is reported; the command waits for it.
    assert!(follow.error_line().starts_with("linkspan: no service is called \"power\""));
    assert_eq!(lab.service("logs power").0, 4);
    let power = lab.play("power");
    loop {
        let line = watch.line();
        assert!(!line.is_empty());
        if line.starts_with("{\"what\":\"data\"") {
            assert!(line.contains("\"name\":\"power\"") && line.contains("\"value\":{\"steps\":"), "{line}");
            break;
        }
    }
    power.end.log("warning", "the meter is silent");
    loop {
        let line = follow.line();
        assert!(!line.is_empty());
        if line.contains("\"text\":\"the meter is silent\"") {
            assert!(line.contains("\"service\":\"power\",\"level\":\"warning\""), "{line}");
            break;
        }
    }
    for running in [watch, follow] {
        running.signal("INT");
        assert_eq!(running.wait().code, Some(130));
    }
    // For people: one line for each change, and no repeated one.
    let mut watch = lab.place.start(&["service", "watch", "power"]);
    assert!(watch.line().ends_with("Z power RUNNING CONNECTED"));
    power.end.set_reason("the meter is silent");
    assert!(watch.line().ends_with("Z power RUNNING CONNECTED the meter is silent"));
    lab.done("pause power --wait");
    let paused = std::iter::repeat_with(|| watch.line()).find(|line| !line.contains("PAUSING")).unwrap();
    assert!(paused.ends_with("Z power PAUSED CONNECTED the meter is silent"), "{paused}");
    let listed = lab.done("ls");
    assert!(listed.ends_with("power: it says the meter is silent\n"), "{listed}");
    watch.signal("TERM");
    assert_eq!(watch.wait().code, Some(143));
    let log = lab.done("logs power");
    let line = log.lines().find(|line| line.contains("the meter is silent")).unwrap();
    assert!(line.contains(" power warning: "), "{line}");
    assert!(lab.done("logs").contains("power"));
}

#[test]
fn missing_controller_is_reported_with_its_endpoint() {
    let place = Place::new();
    for words in [["service", "ls"], ["service", "watch"], ["service", "logs"]] {
        let finished = place.run(&[words[0], words[1], "--timeout", "0"]);
        assert_eq!(finished.code, Some(4), "{words:?}: {}", finished.err);
        assert!(
            finished.err.contains("NotFound (103)") && finished.err.contains("unix:controller"),
            "{}",
            finished.err
        );
    }
    let finished =
        place.run(&["service", "pause", "power", "--timeout", "0.2", "--controller", "unix:elsewhere"]);
    assert!(finished.code == Some(4) && finished.err.contains("unix:elsewhere"), "{}", finished.err);
    let mut named = place.command(&["service", "ls", "--timeout", "0"]);
    let finished = named.env("LINKSPAN_CONTROLLER", "unix:another").output().unwrap();
    assert!(String::from_utf8_lossy(&finished.stderr).contains("unix:another"));
}

#[test]
fn there_is_one_controller_at_a_name() {
    let lab = Laboratory::new();
    let second = lab.place.run(&["controller", "--no-tcp"]);
    assert_eq!(second.code, Some(1));
    assert!(second.err.starts_with("linkspan: AddressInUse (105): unix:controller"), "{}", second.err);
    assert!(second.err.contains(&lab.controller.as_ref().unwrap().pid().to_string()), "{}", second.err);
}

#[test]
fn restarted_controller_finds_its_services() {
    let mut lab = Laboratory::new();
    let _power = lab.play("power");
    lab.wait_for("power", "RUNNING");
    let ended = lab.end_controller("TERM");
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
    lab.controller = Some(start(&lab.place, &lab.meeting));
    lab.wait_for("power", "RUNNING");
    assert_eq!(lab.done("pause power --wait"), "power DONE PAUSED\n");
    assert_eq!(lab.end_controller("INT").code, Some(130));
    let left: Vec<_> = lab.place.leftovers().into_iter().filter(|name| name != "state").collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn commands_are_completed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).out;
        for word in ["controller", "top", "checkpoint", "shutdown", "--no-tcp", "--every", "--restart"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
}
