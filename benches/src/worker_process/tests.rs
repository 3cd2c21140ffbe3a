//! Tests of workers that hang, fail, are absent or come too late.

use super::*;

fn shell(script: &str) -> Case {
    Case { label: "a shell".into(), program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
}

fn patience(turn: Duration) -> Patience {
    Patience { turn, until: Instant::now() + Duration::from_secs(60) }
}

#[test]
fn worker_that_hangs_in_the_middle_of_a_line_is_given_up() {
    let case = shell("echo ready; read line; printf '12.5 '; sleep 30");
    let mut worker =
        WorkerProcess::start(&case, patience(Duration::from_millis(300))).map_err(|e| e.to_string()).unwrap();
    assert_eq!(worker.take_turn().unwrap_err(), "no answer within 0.3 s");
}

#[test]
fn worker_that_fails_is_quoted_and_one_that_is_absent_says_why() {
    let start =
        |script: &str| WorkerProcess::start(&shell(script), patience(Duration::from_secs(20))).err().unwrap();
    assert_eq!(start("echo no server >&2; exit 1"), "no server");
    assert_eq!(start("echo absent apt install x"), "apt install x");
    let missing = Case { label: "x".into(), program: "/nonexistent/peer".into(), arguments: vec![] };
    let why = WorkerProcess::start(&missing, patience(Duration::from_secs(20))).err().unwrap();
    assert!(why.starts_with("not built"), "{why}");
}

#[test]
fn worker_is_not_started_when_the_run_is_over() {
    let over = Patience { turn: Duration::from_secs(20), until: Instant::now() };
    let why = WorkerProcess::start(&shell("echo ready"), over).err().unwrap();
    assert_eq!(why, "the time was over");
}

#[test]
fn rounds_and_singles_are_taken_apart() {
    let case = shell("echo ready; while read n; do echo \"$n 1 2 3\"; done");
    let mut worker =
        WorkerProcess::start(&case, patience(Duration::from_secs(20))).map_err(|e| e.to_string()).unwrap();
    worker.count = 7;
    worker.take_turn().unwrap();
    assert_eq!(
        (worker.taken.rounds.as_slice(), worker.taken.singles.as_slice()),
        (&[7.0][..], &[1.0, 2.0, 3.0][..])
    );
}
