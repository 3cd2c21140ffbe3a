//! Runs every row and every curve. The figures of a debug build are meaningless, but each must exist.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Rows that need languages and binaries that this test does not build.
const ELSEWHERE: [&str; 8] = ["C map", "C array", "C record", "C++", "Fortran", "Python", "PHP", "size of"];

/// The most time of the rows on a busy machine; a hanging row fails.
const PATIENCE: Duration = Duration::from_secs(600);

fn output(arguments: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_linkspan-bench"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut pipe).unwrap());
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("linkspan-bench {arguments:?} did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.join().unwrap()
}

#[test]
fn every_row_and_curve_of_ours_is_measured() {
    let names = output(&["--list"]);
    let text = output(&["--smoke"]);
    assert!(names.lines().count() > 80, "{names}");
    let mut wrong = Vec::new();
    for name in names.lines().filter(|name| !ELSEWHERE.iter().any(|word| name.contains(word))) {
        // A name is in the first column, before two blanks.
        let Some(at) = text.lines().position(|line| line.starts_with(&format!("{name}  "))) else {
            wrong.push(format!("{name}: is not in the table"));
            continue;
        };
        // Lines of a curve and its floor follow its name, as do a row's floor and peers.
        let below = text.lines().skip(at + 1).take_while(|line| line.starts_with("  "));
        let lines = text.lines().skip(at).take(1).chain(below.filter(|line| !line.contains("beside: ")));
        for line in lines {
            let empty = name.starts_with("growth") && !line.contains(" in ");
            if line.contains("not measured") || empty {
                wrong.push(line.to_owned());
            }
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !left_behind().is_empty() {
        assert!(Instant::now() < deadline, "far ends are left 20 s after the run: {:#?}", left_behind());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(wrong.is_empty(), "{} lines have no figure:\n{}\n\n{text}", wrong.len(), wrong.join("\n"));
}

fn left_behind() -> Vec<String> {
    let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_linkspan-bench")).unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let running =
        processes.filter(|p| std::fs::read_link(p.path().join("exe")).is_ok_and(|exe| exe == program));
    running
        .map(|p| std::fs::read_to_string(p.path().join("cmdline")).unwrap_or_default().replace('\0', " "))
        .collect()
}

#[test]
fn unknown_argument_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_linkspan-bench")).arg("--qiuck").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--qiuck"));
}
