//! Tests of services and their controller through the public interface: with processes, and over each transport that
//! allows them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use linkspan::service::CommandRequest;
use linkspan::{
    Answer, Command, Controller, Error, ErrorKind, Outcome, Result, ServiceLoop, ServiceOptions, State, Task,
    Timeout, Value,
};
use linkspan_controller::{ControllerServer, ControllerServerOptions};

use crate::running::{ServerThread, client, until};
use crate::support::alone::alone;
use crate::support::programs::program;
use crate::support::{SOON, name};

fn options(controller: &str) -> ServiceOptions {
    let mut options = ServiceOptions::default();
    options.controller = controller.to_owned();
    options.every = Some(Duration::ZERO);
    options.commands = vec!["BACKUP".into()];
    options.handle_signals = false;
    options
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record.at(key).unwrap().as_text().unwrap()
}

fn is_connected(record: &Value) -> bool {
    text(record, "view") == "CONNECTED"
}

/// Returns the next task with this command; completes the steps before it.
fn take(tasks: &ServiceLoop, command: &Command) -> Task {
    loop {
        let task = tasks.next(SOON).unwrap().expect("the service continues");
        if task.command() == command {
            return task;
        }
        assert_eq!(*task.command(), Command::Step);
        task.done(&Value::Null).unwrap();
    }
}

/// Completes tasks in a thread until the service ends. The value of each is the number of tasks so far, without steps.
fn work(tasks: ServiceLoop) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut done = Vec::new();
        while let Some(task) = tasks.next(None).unwrap() {
            if *task.command() != Command::Step {
                done.push(task.command().name().to_owned());
            }
            task.done(&Value::from(done.len() as u64)).unwrap();
        }
        done
    })
}

fn command(client: &Controller, command: Command) -> Result<Value> {
    client.command("power", &command, &Value::Null, SOON)
}

fn kind(result: Result<Value>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn is_running(record: &Value) -> bool {
    is_connected(record) && text(record, "state") == "RUNNING"
}

#[test]
fn service_connects_over_each_bidirectional_transport() {
    for transport in ["unix", "tcp", "shm", "fifo"] {
        // A pair of named pipes has one client, which is the service.
        let (for_services, for_clients) = (name(transport), name("unix"));
        let _server = ServerThread::at(&[for_services.clone(), for_clients.clone()]);
        let program = work(ServiceLoop::start("power", &options(&for_services)).unwrap());
        let client = client(&for_clients);
        until(&client, "power", is_running);
        assert_eq!(command(&client, Command::GetData).unwrap(), Value::from(1u64), "{transport}");
        command(&client, Command::Pause).unwrap();
        assert_eq!(text(&client.status("power", SOON).unwrap(), "state"), "PAUSED", "{transport}");
        command(&client, Command::Run).unwrap();
        command(&client, Command::Shutdown).unwrap();
        let done = program.join().unwrap();
        assert_eq!(done, ["GET_DATA", "PAUSE", "RUN", "SHUTDOWN"], "{transport}");
        let record = until(&client, "power", |record| text(record, "view") == "GONE");
        assert_eq!(text(&record, "state"), "STOPPED", "{transport}");
    }
}

#[test]
fn record_counts_the_steps_before_an_answer() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let service = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let client = client(&endpoint);
    let steps = std::thread::spawn(move || {
        let mut steps = 0u64;
        while let Some(task) = service.next(None).unwrap() {
            steps += u64::from(*task.command() == Command::Step);
            task.done(&Value::from(steps)).unwrap();
        }
    });
    until(&client, "power", is_running);
    for _ in 0..20 {
        let answered = command(&client, Command::GetData).unwrap().as_u64().unwrap();
        let listed = client.status("power", SOON).unwrap().at("steps").unwrap().as_u64().unwrap();
        assert!(listed >= answered, "{listed} steps are listed after an answer with {answered}");
    }
    command(&client, Command::Shutdown).unwrap();
    steps.join().unwrap();
}

#[test]
fn command_to_a_service_that_has_ended_fails_at_once_with_the_reason() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let service = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let client = client(&endpoint);
    assert_eq!(*service.next(SOON).unwrap().unwrap().command(), Command::Step);
    until(&client, "power", is_running);
    service.fail(&Error::new(ErrorKind::NoSpace, "the disk is full"));
    service.close(SOON).unwrap();
    until(&client, "power", |record| text(record, "view") == "GONE");
    // With this time-out only the answer ends the wait.
    let day = Duration::from_secs(86_400);
    for command in [Command::GetData, Command::Run, Command::Status] {
        let error = client.command("power", &command, &Value::Null, day).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
        assert!(error.text().contains("power has ended and is FAILED: the disk is full"), "{error}");
    }
}

#[test]
fn start_order_does_not_matter() {
    let early = name("unix");
    let program = work(ServiceLoop::start("power", &options(&early)).unwrap());
    let first_server = ServerThread::at(std::slice::from_ref(&early));
    let controller = client(&early);
    until(&controller, "power", is_running);
    command(&controller, Command::Shutdown).unwrap();
    program.join().unwrap();
    drop(first_server);
    let late = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&late));
    let controller = client(&late);
    assert_eq!(kind(command(&controller, Command::Pause)), ErrorKind::NotFound);
    let program = work(ServiceLoop::start("power", &options(&late)).unwrap());
    until(&controller, "power", is_running);
    command(&controller, Command::Shutdown).unwrap();
    program.join().unwrap();
}

#[test]
fn sleeping_and_paused_services_answer_commands() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let mut options = options(&endpoint);
    options.every = Some(Duration::from_secs(3600));
    let program = work(ServiceLoop::start("power", &options).unwrap());
    let client = client(&endpoint);
    // Its next step is in an hour.
    until(&client, "power", is_running);
    assert_eq!(command(&client, Command::GetData).unwrap(), Value::from(1u64));
    command(&client, Command::Checkpoint).unwrap();
    command(&client, Command::Pause).unwrap();
    assert_eq!(command(&client, Command::GetData).unwrap(), Value::from(4u64));
    let status = command(&client, Command::Status).unwrap();
    assert_eq!(text(&status, "state"), "PAUSED");
    let refused = command(&client, Command::Pause).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidState);
    assert!(refused.text().contains("PAUSED"), "{refused}");
    command(&client, Command::Shutdown).unwrap();
    assert_eq!(program.join().unwrap().len(), 5);
}

#[test]
fn service_in_a_long_step_answers_commands() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let mut options = options(&endpoint);
    let cancels = Arc::new(AtomicU32::new(0));
    let counts = cancels.clone();
    options.on_cancel = Some(Arc::new(move || {
        counts.fetch_add(1, Ordering::Relaxed);
    }));
    let tasks = ServiceLoop::start("power", &options).unwrap();
    let client = client(&endpoint);
    let step = take(&tasks, &Command::Step);
    until(&client, "power", is_running);
    // The controller has no data yet.
    let short = Duration::from_millis(400);
    let get = |wait| client.command("power", &Command::GetData, &Value::Null, wait);
    assert_eq!(kind(get(short)), ErrorKind::Timeout);
    step.done(&Value::Null).unwrap();
    let asked = client.begin("power", &Command::GetData, &Value::Null, SOON, SOON).unwrap();
    assert_eq!(asked.outcome, Outcome::Accepted);
    take(&tasks, &Command::GetData).done(&Value::from(7u64)).unwrap();
    // The program is in a step that does not end.
    let step = take(&tasks, &Command::Step);
    let status = command(&client, Command::Status).unwrap();
    assert_eq!((text(&status, "state"), text(&status, "doing")), ("RUNNING", "STEP"));
    assert_eq!(get(Duration::from_secs(3)).unwrap(), Value::from(7u64), "the newest data");
    let late = client.command("power", &Command::Pause, &Value::Null, short).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout, "{late}");
    // The service withdraws it by its own clock, at about the controller's time.
    while tasks.state() != State::Running {
        assert_eq!(tasks.state(), State::Pausing);
        command(&client, Command::Status).unwrap();
    }
    let record = until(&client, "power", |record| record.at("busy").is_ok());
    assert_eq!(text(&record, "doing"), "STEP");
    // The step can be cancelled.
    assert!(!step.is_cancelled());
    assert_eq!(command(&client, Command::Cancel).unwrap(), Value::map([("cancelled", "asked")]));
    assert!(step.is_cancelled());
    // The callback runs on a thread of the library, concurrently with the answer.
    let deadline = std::time::Instant::now() + SOON;
    while cancels.load(Ordering::Relaxed) == 0 {
        assert!(std::time::Instant::now() < deadline, "the callback was not called");
        std::thread::yield_now();
    }
    assert_eq!(cancels.load(Ordering::Relaxed), 1);
    step.failed(&Error::new(ErrorKind::Cancelled, "given up")).unwrap();
    take(&tasks, &Command::Step).done(&Value::Null).unwrap();
    assert_eq!(tasks.state(), State::Running, "a cancelled step is not a failure");
}

#[test]
fn command_in_progress_continues_after_its_deadline() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let tasks = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let client = client(&endpoint);
    take(&tasks, &Command::Step).done(&Value::Null).unwrap();
    until(&client, "power", is_running);
    let within = Duration::from_secs(1);
    // The program takes its task at once, so the command begins before its deadline.
    let (begun, pause) = std::thread::scope(|scope| {
        let program = scope.spawn(|| take(&tasks, &Command::Pause));
        let begun = client.begin("power", &Command::Pause, &Value::Null, within, SOON).unwrap();
        (begun, program.join().unwrap())
    });
    // A request with this id waits for the final answer, which is the time-out.
    let late = client.request("power", &same(&begun, Command::Pause), SOON).unwrap();
    assert_eq!(late.outcome, Outcome::Failed);
    let late = late.into_result().unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    // The service reports it, except if the controller answers first because the report is late.
    let contains = |words| late.text().contains(words);
    assert!(contains("still under way") || contains("did not complete it in time"), "{late}");
    pause.done(&Value::Null).unwrap();
    assert_eq!(tasks.state(), State::Paused);
    let again = client.answer("power", &begun.id, SOON).unwrap();
    assert_eq!(again.outcome, Outcome::Failed, "there is one final answer");
}

/// Returns the processor time that each thread with this name has used, by the path of the thread.
fn processor_time(of: &str) -> BTreeMap<String, Duration> {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    tasks
        .filter(|task| read(task.join("comm")).trim() == of)
        .filter_map(|task| {
            let spent = read(task.join("schedstat")).split(' ').next()?.parse().ok()?;
            Some((task.display().to_string(), Duration::from_nanos(spent)))
        })
        .collect()
}

#[test]
fn open_command_uses_no_processor_time() {
    alone!(open_command_uses_no_processor_time);
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let tasks = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let client = client(&endpoint);
    take(&tasks, &Command::Step).done(&Value::Null).unwrap();
    until(&client, "power", is_running);
    let pause = std::thread::scope(|scope| {
        let program = scope.spawn(|| take(&tasks, &Command::Pause));
        client.begin("power", &Command::Pause, &Value::Null, SOON, SOON).unwrap();
        program.join().unwrap()
    });
    // Checks that no writer of a service in this process uses much time.
    let before = processor_time("linkspan-writer");
    std::thread::sleep(Duration::from_secs(2));
    for (thread, spent) in processor_time("linkspan-writer") {
        let Some(before) = before.get(&thread) else { continue };
        let spent = spent.saturating_sub(*before);
        assert!(spent < Duration::from_millis(100), "{spent:?} of 2 s in {thread}");
    }
    pause.done(&Value::Null).unwrap();
}

/// Returns the answered command.
fn same(answer: &Answer, command: Command) -> CommandRequest {
    CommandRequest { id: answer.id.clone(), command, arguments: Value::Null, within: SOON, epoch: None }
}

#[test]
fn command_for_another_incarnation_is_rejected() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let client = client(&endpoint);
    let first = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    take(&first, &Command::Step).done(&Value::Null).unwrap();
    until(&client, "power", is_running);
    let epoch = first.epoch();
    let order = |id: &str, epoch| CommandRequest {
        id: id.into(),
        command: Command::Backup,
        arguments: Value::Null,
        within: SOON,
        epoch: Some(epoch),
    };
    let refused = client.request("power", &order("other", epoch ^ 1), SOON).unwrap();
    assert_eq!(refused.outcome, Outcome::Rejected);
    assert_eq!(refused.into_result().unwrap_err().kind(), ErrorKind::InvalidState);
    // The incarnation ends with a command in progress, which the next incarnation does not receive.
    let begun = client.begin("power", &Command::Backup, &Value::Null, SOON, SOON).unwrap();
    let backup = take(&first, &Command::Backup);
    first.close(SOON).unwrap();
    let lost = client.request("power", &same(&begun, Command::Backup), SOON).unwrap();
    assert_eq!(lost.outcome, Outcome::Failed);
    drop((backup, first));
    let second = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    assert_ne!(second.epoch(), epoch);
    for _ in 0..2 {
        take(&second, &Command::Step).done(&Value::Null).unwrap();
    }
    until(&client, "power", is_running);
    let refused = client.request("power", &order("for the first", epoch), SOON).unwrap();
    assert_eq!(refused.outcome, Outcome::Rejected);
}

#[test]
fn service_close_answers_open_commands() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let client = client(&endpoint);
    let tasks = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let step = take(&tasks, &Command::Step);
    until(&client, "power", is_running);
    let waits = client.begin("power", &Command::Backup, &Value::Null, SOON, SOON).unwrap();
    step.done(&Value::Null).unwrap();
    tasks.fail(&Error::new(ErrorKind::NoSpace, "the disk is full"));
    tasks.close(SOON).unwrap();
    let answer = client.request("power", &same(&waits, Command::Backup), SOON).unwrap();
    assert_eq!((answer.outcome, answer.state), (Outcome::Failed, State::Failed));
    assert_eq!(answer.into_result().unwrap_err().kind(), ErrorKind::Cancelled);
    let record = until(&client, "power", |record| text(record, "view") == "GONE");
    assert_eq!((text(&record, "state"), text(&record, "reason")), ("FAILED", "the disk is full"));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that has not been waited for, so its number is not reused.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }
}

const CONTROLLER: &str = "LINKSPAN_TEST_CONTROLLER";

/// A controller, if `CONTROLLER` is set in the environment. Otherwise starts such a process, and ends it by SIGTERM.
#[test]
fn controller_in_a_process_of_its_own() {
    match std::env::var(CONTROLLER) {
        Ok(endpoint) => ControllerServer::listen(&[endpoint], &ControllerServerOptions::default())
            .unwrap()
            .run(Timeout::Forever)
            .unwrap(),
        Err(_) => {
            let endpoint = name("unix");
            let mut controller = Process::controller(&endpoint);
            client(&endpoint);
            controller.signal(libc::SIGTERM);
            assert_eq!(controller.0.wait().unwrap().code(), Some(0));
        }
    }
}

trait Start {
    fn controller(endpoint: &str) -> Running;
    fn service(endpoint: &str) -> (Running, BufReader<ChildStdout>);
}

impl Start for Process {
    fn controller(endpoint: &str) -> Running {
        let mut process = Process::new(std::env::current_exe().unwrap());
        process.args(["services::controller_in_a_process_of_its_own", "--exact"]).env(CONTROLLER, endpoint);
        Running(process.stdout(Stdio::null()).spawn().unwrap())
    }

    /// Starts the service for tests, see `tests/peers/`.
    fn service(endpoint: &str) -> (Running, BufReader<ChildStdout>) {
        // A shell without job control starts a test in the background with SIGINT ignored, which the service would
        // inherit.
        let mut process = Process::new("env");
        process.arg("--default-signal=INT,QUIT").arg(program("test-service")).arg("power");
        process.env("LINKSPAN_CONTROLLER", endpoint).stdout(Stdio::piped());
        let mut child = process.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (Running(child), out)
    }
}

#[test]
fn command_runs_once_although_the_controller_is_killed() {
    let endpoint = name("unix");
    let mut first = Process::controller(&endpoint);
    let tasks = ServiceLoop::start("power", &options(&endpoint)).unwrap();
    let client = client(&endpoint);
    let step = take(&tasks, &Command::Step);
    let before = until(&client, "power", is_running);
    // The command is accepted and not done when the controller is killed, and is done before the next one has started.
    let begun = client.begin("power", &Command::Backup, &Value::Null, SOON, SOON).unwrap();
    first.signal(libc::SIGKILL);
    first.0.wait().unwrap();
    step.done(&Value::Null).unwrap();
    take(&tasks, &Command::Backup).done(&Value::from(41u64)).unwrap();
    let _second = Process::controller(&endpoint);
    // A repeated request with an equal id receives that answer, and the program does not receive the command again.
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| client.request("power", &same(&begun, Command::Backup), SOON).unwrap());
        while !asked.is_finished() {
            let task = tasks.next(SOON).unwrap().unwrap();
            assert_eq!(*task.command(), Command::Step);
            task.done(&Value::Null).unwrap();
        }
        asked.join().unwrap()
    });
    assert_eq!((answer.outcome, answer.value), (Outcome::Done, Value::from(41u64)));
    let after = until(&client, "power", is_running);
    assert_eq!(after.at("epoch").unwrap(), before.at("epoch").unwrap());
}

#[test]
fn signal_shuts_a_service_down_and_a_second_one_cancels_its_task() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    for signals in [[libc::SIGTERM, libc::SIGTERM], [libc::SIGINT, libc::SIGTERM]] {
        let (mut service, mut out) = Process::service(&endpoint);
        let client = client(&endpoint);
        until(&client, "power", is_running);
        let long = Value::from(3600.0);
        let dawdle = Command::from_name("dawdle").unwrap();
        let begun = client.begin("power", &dawdle, &long, SOON, SOON).unwrap();
        let mut line = String::new();
        while line != "dawdling\n" {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "the service ended too early");
        }
        service.signal(signals[0]);
        // After the first signal the service completes the task in progress, and refuses other commands.
        until(&client, "power", |record| text(record, "state") == "STOPPING");
        assert_eq!(kind(command(&client, Command::Pause)), ErrorKind::InvalidState);
        assert_eq!(client.answer("power", &begun.id, SOON).unwrap().outcome, Outcome::Accepted);
        service.signal(signals[1]);
        let given_up = client.request("power", &same(&begun, dawdle), SOON).unwrap();
        assert_eq!(given_up.into_result().unwrap_err().kind(), ErrorKind::Cancelled);
        let status = service.0.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("closed with") && rest.ends_with("stopped\n"), "{rest}");
        let record = until(&client, "power", |record| text(record, "view") == "GONE");
        assert_eq!(text(&record, "state"), "STOPPED");
        client.forget("power", SOON).unwrap();
    }
}

#[test]
fn killed_service_returns_as_another_incarnation() {
    let endpoint = name("unix");
    let _server = ServerThread::at(std::slice::from_ref(&endpoint));
    let client = client(&endpoint);
    let (mut service, _out) = Process::service(&endpoint);
    let before = until(&client, "power", is_running);
    let dawdle = Command::from_name("dawdle").unwrap();
    let begun = client.begin("power", &dawdle, &Value::from(3600.0), SOON, SOON).unwrap();
    service.signal(libc::SIGKILL);
    service.0.wait().unwrap();
    until(&client, "power", |record| text(record, "view") == "DISCONNECTED");
    // The outcome of a command in progress is unknown. A command that is sent now waits for the next incarnation.
    let (_service, _out) = Process::service(&endpoint);
    let lost = client.request("power", &same(&begun, dawdle), SOON).unwrap();
    assert_eq!(lost.into_result().unwrap_err().kind(), ErrorKind::Disconnected);
    let after = until(&client, "power", is_running);
    assert_ne!(after.at("epoch").unwrap(), before.at("epoch").unwrap());
    command(&client, Command::Pause).unwrap();
}
