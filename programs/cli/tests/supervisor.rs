//! Programs without Linkspan as services: `linkspan service run -- PROGRAM`, commanded by a controller.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;
mod supervising;

use linkspan::{Command, ErrorKind, Value};
use supervising::{Laboratory, PATIENCE, kernel_state, number, text};

/// Counts until SIGTERM.
const COUNTS: &str =
    "trap 'echo bye; exit 0' TERM; n=0; while :; do n=$((n+1)); echo line $n; sleep 0.01; done";

fn kind(lab: &Laboratory, command: Command) -> ErrorKind {
    lab.command(&command).unwrap_err().kind()
}

#[test]
fn each_command_in_each_state() {
    let lab = Laboratory::new();
    let supervised = lab.supervise(&["--paused"], COUNTS);
    let record = lab.until_state("READY");
    assert!(text(&record, "description").starts_with("sh -c trap"), "{record:?}");
    // Commands that would always fail are not offered.
    assert!(!record.at("allowed").unwrap().as_array().unwrap().contains(&"CHECKPOINT".into()), "{record:?}");
    let data = lab.data();
    assert_eq!((data.at("running").unwrap(), data.at("pid").unwrap()), (&Value::Bool(false), &Value::Null));
    lab.command(&Command::Pause).unwrap();
    assert_eq!(kind(&lab, Command::Pause), ErrorKind::InvalidState);
    lab.command(&Command::Run).unwrap();
    assert_eq!(kind(&lab, Command::Run), ErrorKind::InvalidState);
    let data = lab.until_data("in its third line", |data| number(data, "output_lines") >= 3.0);
    let pid = number(&data, "pid");
    assert!(data.at("running").unwrap().as_bool().unwrap() && number(&data, "rss_bytes") > 0.0, "{data:?}");
    assert!(text(&data, "last_line").starts_with("line "), "{data:?}");
    assert_eq!((data.at("exit").unwrap(), number(&data, "restarts")), (&Value::Null, 0.0));

    let error = lab.command(&Command::Checkpoint).unwrap_err();
    assert!(error.text().contains("--checkpoint COMMAND"), "{error}");
    assert_eq!(text(&lab.client.status("it", PATIENCE).unwrap(), "state"), "RUNNING");
    let error = lab.command(&Command::Backup).unwrap_err();
    assert!(error.text().contains("BACKUP"), "{error}");

    lab.command(&Command::Pause).unwrap();
    // A shell that was stopped in `vfork` is in D until its child continues.
    let state = kernel_state(pid);
    assert!(matches!(state, Some('T' | 'D')), "PAUSED, it stands still, and is in {state:?}");
    let before = lab.data();
    assert_eq!(before.at("stopped").unwrap(), &Value::Bool(true));
    assert_eq!(kind(&lab, Command::Checkpoint), ErrorKind::InvalidState);
    lab.command(&Command::Run).unwrap();
    lab.until_data("further", |data| number(data, "output_lines") > number(&before, "output_lines") + 2.0);

    lab.command(&Command::Pause).unwrap();
    let ended = lab.command(&Command::Shutdown).unwrap();
    assert_eq!(
        (ended.at("exit").unwrap(), ended.at("killed").unwrap()),
        (&Value::Int(0), &Value::Bool(false))
    );
    let finished = supervised.wait();
    assert!(finished.code == Some(0) && !finished.err.contains("linkspan"), "{}", finished.err);
    assert!(finished.out.starts_with("line 1\n") && finished.out.ends_with("bye\n"), "{}", finished.out);
    let record = lab.until("gone", |record| text(record, "view") == "GONE");
    assert_eq!(text(&record, "state"), "STOPPED");
    let log = lab.log();
    assert!(
        log.iter().any(|line| line == "stdout line 1") && log.iter().any(|line| line == "stdout bye"),
        "{log:?}"
    );
}

#[test]
fn hooks_replace_the_signals() {
    let lab = Laboratory::new();
    let supervised = lab.supervise(
        &[
            "--pause",
            "echo pause of $LINKSPAN_PID >> log; kill -USR1 $LINKSPAN_PID",
            "--resume",
            "echo resume >> log",
            "--checkpoint",
            "echo checkpoint >> log",
            "--data",
            "cat data",
            "--backup",
            "echo $LINKSPAN_ARGUMENTS >> log",
        ],
        "trap 'echo asked' USR1; trap 'echo term >> log; exit 0' TERM; while :; do sleep 0.01; done",
    );
    lab.until_state("RUNNING");
    let log = || std::fs::read_to_string(lab.file("log")).unwrap_or_default();
    std::fs::write(lab.file("data"), "{\"watts\": 21.5}\n").unwrap();
    assert_eq!(lab.data(), Value::map([("watts", 21.5)]));
    std::fs::write(lab.file("data"), "no JSON\nat all\n").unwrap();
    assert_eq!(lab.data(), Value::map([("text", "no JSON\nat all")]));
    std::fs::remove_file(lab.file("data")).unwrap();
    let error = lab.command(&Command::GetData).unwrap_err();
    assert!(error.text().contains("--data ended with exit code 1; it printed: cat: data"), "{error}");
    lab.command(&Command::Checkpoint).unwrap();
    let path = Value::map([("path", "/backup/x")]);
    lab.client.command("it", &Command::Backup, &path, PATIENCE).unwrap();
    lab.command(&Command::Pause).unwrap();
    let finished = log();
    let (pause, pid) = finished.trim_end().rsplit_once(' ').unwrap();
    assert_eq!(pause, "checkpoint\n{\"path\":\"/backup/x\"}\npause of");
    assert_ne!(kernel_state(pid.parse().unwrap()), Some('T'), "it was asked to pause, and not stopped");
    lab.command(&Command::Run).unwrap();
    lab.command(&Command::Shutdown).unwrap();
    assert_eq!(supervised.wait().code, Some(0));
    assert!(log().ends_with("\nresume\ncheckpoint\nterm\n"), "a checkpoint comes before the end: {}", log());
}

#[test]
fn hanging_or_failing_command_is_reported_and_leaves_no_process() {
    let lab = Laboratory::new();
    let fifo = lab.fifo();
    let hangs = "exec 9>fifo; echo up >&9; echo works; sleep 1000 & sleep 1000";
    let supervised =
        lab.supervise(&["--command-timeout", "0.3", "--checkpoint", hangs, "--data", "exit 3"], COUNTS);
    lab.until_state("RUNNING");
    let opened = std::thread::scope(|scope| {
        let opened = scope.spawn(|| fifo.open());
        let error = lab.command(&Command::Checkpoint).unwrap_err();
        assert!(
            error.text().contains("--checkpoint took too long and was killed; it printed: works"),
            "{error}"
        );
        opened.join().unwrap()
    });
    assert_eq!(supervising::ends(opened), "");
    assert_eq!(text(&lab.until_state("RUNNING"), "state"), "RUNNING");
    let error = lab.command(&Command::GetData).unwrap_err();
    assert!(error.text().contains("--data ended with exit code 3; it printed nothing"), "{error}");
    // Its shutdown fails with the checkpoint, but it ends.
    let opened = std::thread::scope(|scope| {
        let opened = scope.spawn(|| fifo.open());
        let error = lab.command(&Command::Shutdown).unwrap_err();
        assert!(error.text().contains("the program was ended all the same"), "{error}");
        opened.join().unwrap()
    });
    assert_eq!(supervising::ends(opened), "");
    let finished = supervised.wait();
    assert_eq!(finished.code, Some(1));
    assert!(finished.out.ends_with("bye\n") && finished.err.contains("took too long"), "{}", finished.err);
}

#[test]
fn cancelled_command_is_ended() {
    let lab = Laboratory::new();
    let fifo = lab.fifo();
    let _supervised = lab.supervise(&["--checkpoint", "exec 9>fifo; echo up >&9; sleep 1000"], COUNTS);
    lab.until_state("RUNNING");
    let none = Value::Null;
    let begun = lab.client.begin("it", &Command::Checkpoint, &none, PATIENCE, PATIENCE).unwrap();
    let opened = fifo.open();
    lab.client.command("it", &Command::Cancel, &Value::from(&*begun.id), PATIENCE).unwrap();
    assert_eq!(supervising::ends(opened), "");
    lab.until_state("RUNNING");
    let answer = lab.client.answer("it", &begun.id, PATIENCE).unwrap();
    assert_eq!(answer.into_result().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn program_that_ignores_the_signal_is_killed_after_its_grace() {
    let lab = Laboratory::new();
    let supervised =
        lab.supervise(&["--grace", "0.2"], "trap '' TERM; echo up; while :; do sleep 0.01; done");
    lab.until_data("up", |data| text(data, "last_line") == "up");
    let ended = lab.command(&Command::Shutdown).unwrap();
    assert_eq!(text(&ended, "exit"), "SIGKILL");
    assert!(ended.at("killed").unwrap().as_bool().unwrap());
    let finished = supervised.wait();
    assert_eq!(finished.code, Some(137));
    assert!(
        finished.err.contains("linkspan: it: the program is killed: the time of --grace is over"),
        "{}",
        finished.err
    );
}

#[test]
fn second_shutdown_kills_at_once() {
    let lab = Laboratory::new();
    let ignores_term = "trap '' TERM; echo up; while :; do sleep 0.01; done";
    let supervised = lab.supervise(&["--grace", "100000"], ignores_term);
    lab.until_data("up", |data| text(data, "last_line") == "up");
    let first = lab.client.begin("it", &Command::Shutdown, &Value::Null, PATIENCE, PATIENCE).unwrap();
    lab.until_state("STOPPING");
    lab.command(&Command::Shutdown).unwrap();
    assert_eq!(supervised.wait().code, Some(137));
    let first = lab.client.answer("it", &first.id, PATIENCE).unwrap().into_result().unwrap();
    assert_eq!(text(&first, "exit"), "SIGKILL");

    // As above with signals, without a controller.
    for (signals, code) in [(["TERM", "TERM"], 137), (["INT", "TERM"], 137)] {
        let mut supervised = lab.supervise(&["--grace", "100000"], ignores_term);
        assert_eq!(supervised.running().line(), "up");
        supervised.signal(signals[0]);
        lab.until_state("STOPPING");
        supervised.signal(signals[1]);
        assert_eq!(supervised.wait().code, Some(code));
    }
    let mut supervised = lab.supervise(
        &["--shutdown-signal", "USR1"],
        "trap 'exit 0' USR1; echo up; while :; do sleep 0.01; done",
    );
    assert_eq!(supervised.running().line(), "up");
    supervised.signal("TERM");
    assert_eq!(supervised.wait().code, Some(0), "SIGTERM is SHUTDOWN, by the program's own signal");
}

#[test]
fn shutdown_ends_where_the_program_ends_during_its_checkpoint() {
    let lab = Laboratory::new();
    let checkpoint = "touch go; while kill -0 $LINKSPAN_PID; do sleep 0.01; done; echo 1";
    let supervised =
        lab.supervise(&["--checkpoint", checkpoint], "echo up; while [ ! -e go ]; do sleep 0.01; done");
    lab.until_data("up", |data| text(data, "last_line") == "up");
    let ended = lab.command(&Command::Shutdown).unwrap();
    assert_eq!(ended, Value::map([("exit", Value::from(0)), ("killed", Value::from(false))]));
    assert_eq!(supervised.wait().code, Some(0));
}

#[test]
fn signal_at_the_end_of_the_program_is_no_second_shutdown() {
    let lab = Laboratory::new();
    let supervised = lab.supervise(&[], "echo up; while [ ! -e go ]; do sleep 0.01; done");
    let data = lab.until_data("up", |data| text(data, "last_line") == "up");
    // It hears of the end and of the signal at once.
    supervised.signal("STOP");
    std::fs::write(lab.file("go"), "").unwrap();
    let begun = std::time::Instant::now();
    while kernel_state(number(&data, "pid")).is_some() {
        assert!(begun.elapsed() < PATIENCE, "the program does not end");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    supervised.signal("TERM");
    supervised.signal("CONT");
    let finished = supervised.wait();
    assert_eq!((finished.code, &*finished.err), (Some(0), ""), "it ended by itself, with 0");
}

#[test]
fn program_gets_only_its_own_descriptors_and_environment() {
    let lab = Laboratory::new();
    let mut command = lab.place.command(&["service", "run", "--controller", "unix:nobody", "--", "sh", "-c"]);
    command
        .arg("env | grep -e NOTIFY -e WATCHDOG; cat; echo $0 $1 $2 >&2; exit 7")
        .args(["a", "--name", "b c"]);
    command.env("NOTIFY_SOCKET", lab.file("nobody")).env("WATCHDOG_USEC", "1");
    let mut child = command.spawn().unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "input\n",
        "no variable of the supervisor's is there"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "a --name b c\n");
}

#[test]
fn failing_start_is_reported_before_registration() {
    let lab = Laboratory::new();
    std::fs::write(lab.file("plain"), "no program").unwrap();
    for options in [&[][..], &["--paused"]] {
        for (program, code, why) in
            [("linkspan-no-such-program", 127, "No such file"), ("./plain", 126, "Permission denied")]
        {
            let finished = lab.supervise_program(options, &[program]).wait();
            assert_eq!(finished.code, Some(code));
            let wanted = format!("linkspan: {program} cannot be started: {why}");
            assert!(finished.err.starts_with(&wanted), "{}", finished.err);
        }
    }
    assert_eq!(lab.client.services(PATIENCE).unwrap(), Value::Array(Vec::new()));
    let finished = lab.supervise(&["--restart", "sometimes"], "true").wait();
    assert!(finished.code == Some(2) && finished.err.contains("on-failure"), "{}", finished.err);
}
