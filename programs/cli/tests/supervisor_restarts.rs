//! Supervised programs that die, are killed, fork or print, and the processes that they leave.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;
mod supervising;

use linkspan::Command;
use supervising::{Laboratory, ends, number, text};

/// Holds the named pipe open, as does all that it starts.
const HOLDS: &str = "exec 9>fifo; echo up >&9;";

fn kill(pid: f64) {
    let pid = (pid as i64).to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
}

#[test]
fn exit_code_is_the_programs() {
    let lab = Laboratory::new();
    for (end, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let supervised = lab.supervise(&[], &format!("until test -e go; do sleep 0.01; done; {end}"));
        lab.until_state("RUNNING");
        std::fs::write(lab.file("go"), "").unwrap();
        assert_eq!(supervised.wait().code, Some(code), "{end}");
        let record = lab.until("gone", |record| text(record, "view") == "GONE");
        assert_eq!(text(&record, "state"), if code == 0 { "STOPPED" } else { "FAILED" }, "{record:?}");
        let reason = text(&record, "reason");
        assert!(reason.starts_with("the program ended with "), "{reason}");
        std::fs::remove_file(lab.file("go")).unwrap();
    }
    assert_eq!(lab.supervise(&["--restart", "on-failure"], "exit 0").wait().code, Some(0));
}

#[test]
fn taken_name_is_printed_once_and_refused_with_exclusive() {
    let lab = Laboratory::new();
    let first = lab.supervise(&[], "sleep 1000");
    let record = lab.until_state("RUNNING");
    let refused = lab.supervise(&["--exclusive"], "echo started >&2").wait();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let pid = record.at("pid").unwrap().as_u64().unwrap();
    assert!(refused.err.contains("AddressInUse (105): it: "), "{}", refused.err);
    assert!(
        refused.err.contains(&format!("with process {pid}")) && !refused.err.contains("started"),
        "{}",
        refused.err
    );
    // The line comes once, and the name is free after the first one.
    let mut second =
        lab.supervise(&[], "trap 'exit 0' TERM; until test -e go; do sleep 0.01; done; exec sleep 1000");
    let line = second.running().error_line();
    assert!(line.starts_with("linkspan: it: ") && line.contains(&format!("as process {pid} ")), "{line}");
    std::fs::write(lab.file("go"), "").unwrap();
    first.signal("TERM");
    first.wait();
    let other = lab.until("another process", |record| {
        record.at("pid").unwrap().as_u64().unwrap() != pid && text(record, "view") == "CONNECTED"
    });
    assert_eq!(text(&other, "problem"), "");
    second.signal("TERM");
    let finished = second.wait();
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    assert_eq!(lab.supervise(&["--exclusive"], "exit 0").wait().code, Some(0));
}

#[test]
fn nothing_outlives_a_killed_supervisor() {
    let lab = Laboratory::new();
    let fifo = lab.fifo();
    // The program, its children, and their children.
    for script in [
        "sleep 1000",
        "sleep 1000 & (sleep 1000 & sleep 1000) & wait",
        "trap '' TERM HUP INT; sleep 1000 & wait",
    ] {
        let supervised = lab.supervise(&[], &format!("{HOLDS} {script}"));
        let opened = fifo.open();
        lab.until_state("RUNNING");
        supervised.signal("KILL");
        assert_eq!(ends(opened), "", "{script}");
    }
    // Also while it is stopped.
    let supervised = lab.supervise(&[], &format!("{HOLDS} sleep 1000 & wait"));
    let opened = fifo.open();
    lab.until_state("RUNNING");
    lab.command(&Command::Pause).unwrap();
    assert!(lab.table().contains("PAUSED"), "{}", lab.table());
    supervised.signal("KILL");
    assert_eq!(ends(opened), "");
    // Its last state would seem current.
    lab.until("away", |record| text(record, "view") == "DISCONNECTED");
    let table = lab.table();
    assert!(table.contains("DISCONNECTED") && !table.contains("PAUSED"), "{table}");
}

#[test]
fn processes_that_a_program_leaves_end_with_it() {
    let lab = Laboratory::new();
    let fifo = lab.fifo();
    // Both get SIGTERM before SIGKILL.
    for leave in ["sh -c", "setsid sh -c"] {
        let child = "trap \"echo asked >&9; exit\" TERM; echo up >&9; while :; do sleep 0.01; done";
        let script =
            format!("exec 9>fifo; {leave} '{child}' & while ! test -e go; do sleep 0.01; done; exit 5");
        let supervised = lab.supervise(&[], &script);
        let opened = fifo.open();
        std::fs::write(lab.file("go"), "").unwrap();
        assert_eq!(supervised.wait().code, Some(5), "{leave}");
        assert_eq!(ends(opened), "asked\n", "{leave}");
        std::fs::remove_file(lab.file("go")).unwrap();
    }
    // They ignore the signal.
    for leave in ["sh -c", "setsid sh -c"] {
        let script = format!("{leave} \"trap '' TERM; {HOLDS} sleep 1000\" & wait");
        let supervised = lab.supervise(&["--grace", "0.2"], &script);
        let opened = fifo.open();
        lab.until_state("RUNNING");
        let ended = lab.command(&Command::Shutdown).unwrap();
        assert!(ended.at("killed").unwrap().as_bool().unwrap(), "{ended:?}");
        assert_eq!(supervised.wait().code, Some(137), "{leave}");
        assert_eq!(ends(opened), "", "{leave}");
    }
}

#[test]
fn killed_program_is_restarted() {
    let lab = Laboratory::new();
    let supervised =
        lab.supervise(&["--restart", "on-failure", "--restart-delay", "0.01"], "echo up; exec sleep 1000");
    let first = lab.until_data("up", |data| number(data, "output_lines") == 1.0);
    kill(number(&first, "pid"));
    let second = lab.until_data("up again", |data| number(data, "output_lines") == 2.0);
    assert_ne!(number(&first, "pid"), number(&second, "pid"));
    assert_eq!((text(&second, "exit").as_str(), number(&second, "restarts")), ("SIGKILL", 1.0));
    let record = lab.until("well again", |record| text(record, "reason").is_empty());
    assert_eq!(text(&record, "state"), "RUNNING");

    // While it is paused, it is not restarted: it waits for RUN.
    lab.command(&Command::Pause).unwrap();
    kill(number(&second, "pid"));
    let record = lab.until("dead", |record| text(record, "reason").contains("while it was paused"));
    assert_eq!(text(&record, "state"), "PAUSED");
    lab.command(&Command::Run).unwrap();
    let third = lab.until_data("up once more", |data| number(data, "output_lines") == 3.0);
    assert_ne!(number(&third, "pid"), number(&second, "pid"));
    lab.command(&Command::Shutdown).unwrap();
    let finished = supervised.wait();
    assert_eq!(finished.code, Some(0));
    assert!(
        finished.err.contains("linkspan: it: the program ended with SIGKILL; it is restarted in 0.01 s"),
        "{}",
        finished.err
    );
}

#[test]
fn program_that_always_ends_is_failed_until_a_run_command() {
    let lab = Laboratory::new();
    let options = ["--restart", "always", "--restart-delay", "0.01", "--restart-limit", "3/1000s"];
    let script = "echo x >> starts; test -e cured || exit 6; echo cured; exec sleep 1000";
    let supervised = lab.supervise(&options, script);
    let record = lab.until_state("FAILED");
    let reason = text(&record, "reason");
    assert!(
        reason.contains("ended with exit code 6, after 3 restarts in 1000 s: RUN starts it again"),
        "{reason}"
    );
    let starts = || std::fs::read_to_string(lab.file("starts")).unwrap().lines().count();
    assert_eq!(starts(), 4);
    std::fs::write(lab.file("cured"), "").unwrap();
    lab.command(&Command::Run).unwrap();
    lab.until_data("cured", |data| text(data, "last_line") == "cured");
    assert_eq!((starts(), text(&lab.until_state("RUNNING"), "reason").as_str()), (5, ""));
    lab.command(&Command::Shutdown).unwrap();
    assert_eq!(supervised.wait().code, Some(0));

    // A program that waits for its restart, or has failed, can be shut down as well.
    std::fs::remove_file(lab.file("cured")).unwrap();
    let supervised = lab.supervise(&["--restart", "on-failure", "--restart-delay", "1000"], script);
    lab.until("away", |record| text(record, "reason").contains("restarted in 1000 s"));
    assert!(!lab.data().at("running").unwrap().as_bool().unwrap());
    lab.command(&Command::Shutdown).unwrap();
    assert_eq!(supervised.wait().code, Some(0));
    let supervised = lab.supervise(&options, script);
    lab.until_state("FAILED");
    supervised.signal("TERM");
    assert_eq!(supervised.wait().code, Some(6));
}

#[test]
fn output_flood_delays_neither_program_nor_controller() {
    let lab = Laboratory::new();
    const LINES: f64 = 3_000_000.0;
    let script = format!("yes word | head -n {LINES}; echo done >&2; exec sleep 1000");
    let begun = std::time::Instant::now();
    // Its output is never read.
    let supervised = lab.supervise(&[], &script);
    lab.until_state("RUNNING");
    let answers = std::cell::Cell::new(0);
    lab.until_data("through", |data| {
        answers.set(answers.get() + 1);
        number(data, "output_lines") == LINES + 1.0
    });
    lab.command(&Command::Pause).unwrap();
    lab.command(&Command::Shutdown).unwrap();
    lab.until("gone", |record| text(record, "view") == "GONE");
    drop(supervised);
    let log = lab.log();
    assert!(
        log.iter().any(|line| line.contains("lines of stdout were left out of the log")),
        "{:?}",
        log.last()
    );
    assert!(log.iter().any(|line| line == "stderr done"), "standard error is not lost in it");
    // 200 lines at once, then 50 a second, and reports; some lines are the supervisor's own.
    let most = 500.0 + 60.0 * begun.elapsed().as_secs_f64();
    assert!((log.len() as f64) < most && most < LINES, "{} lines, {most} are allowed", log.len());
    eprintln!("{} answers meanwhile", answers.get());
}

#[test]
fn long_lines_and_any_bytes_are_forwarded_whole_and_logged_truncated() {
    let lab = Laboratory::new();
    let script = "head -c 300000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\033[31m\\n'; printf 'no end'";
    let mut command =
        lab.place.command(&["service", "run", "--controller", "unix:nobody", "--", "sh", "-c", script]);
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let mut wanted = vec![b'x'; 300_000];
    wanted.extend(b"\na\xffb\x1b[31m\nno end");
    assert!(output.stdout == wanted, "{} bytes", output.stdout.len());
    let supervised = lab.supervise(&[], &format!("{script}; exec sleep 1000"));
    lab.until_data("through", |data| number(data, "output_lines") == 2.0);
    lab.command(&Command::Shutdown).unwrap();
    lab.until("gone", |record| text(record, "view") == "GONE");
    drop(supervised);
    let log = lab.log();
    let lines: Vec<_> = log.iter().filter_map(|line| line.strip_prefix("stdout ")).collect();
    assert_eq!(lines.len(), 3, "{log:?}");
    assert!(lines[0].len() < 1000 && lines[0].ends_with("(299100 bytes more)"));
    assert_eq!(lines[1..], ["a\u{fffd}b\\u001b[31m", "no end"]);
}
