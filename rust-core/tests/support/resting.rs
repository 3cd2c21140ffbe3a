//! Processes at rest: the kernel's count of their threads' context switches stays constant.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Only guards against a hang.
pub const HANG: Duration = Duration::from_secs(60);
/// The watching process's id, in the addresses of both processes.
pub const NUMBER: &str = "LINKSPAN_TEST_IDLE_NUMBER";
/// The name of threads with requested ticks.
pub const TICKS: &str = "ticks";
/// How long nothing may happen.
const WATCHED: Duration = Duration::from_secs(3);
const ROLE: &str = "LINKSPAN_TEST_IDLE_ROLE";

/// Returns the part that this process plays; `None` in the watching process.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

fn print_line(line: &str) {
    // Not through `println!`, which the harness would capture.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Reports that it is at rest, waits for its release, and ends the process.
pub fn rest() {
    print_line("resting");
    std::io::stdin().lock().read_to_end(&mut Vec::new()).unwrap();
    std::process::exit(0);
}

pub fn threads(name: &str, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.into()).spawn(run).unwrap();
}

fn start(test: &str, role: &str, directory: &std::path::Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role)
        .env(NUMBER, std::process::id().to_string())
        .env("LINKSPAN_DIR", directory)
        .env_remove("LINKSPAN_CONTROLLER")
        .env("LINKSPAN_STATE_DIR", directory.join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("resting\n") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0, "the {role} ended before it rested");
    }
    child
}

fn switches(child: &Child) -> BTreeMap<(String, String), u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    tasks
        .map(|task| {
            let path = task.unwrap().path();
            let status = std::fs::read_to_string(path.join("status")).unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
            };
            let count = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]
                .map(|name| field(name).parse::<u64>().unwrap());
            ((path.file_name().unwrap().to_string_lossy().into_owned(), field("Name:")), count.iter().sum())
        })
        .collect()
}

fn without_ticks(of: &BTreeMap<(String, String), u64>) -> BTreeMap<(String, String), u64> {
    of.iter().filter(|((_, name), _)| name != TICKS).map(|(task, count)| (task.clone(), *count)).collect()
}

/// Starts the processes of `test`, one for each role, and counts their switches during [`WATCHED`].
///
/// There must be none, and as many threads of each name as in `expected`.
pub fn watch(test: &str, roles: [&str; 2], expected: &[(&str, usize)]) {
    let directory = tempfile::tempdir().unwrap();
    let processes = roles.map(|role| start(test, role, directory.path()));
    let look = || processes.iter().map(switches).collect::<Vec<_>>();
    let quiet = |seen: &[BTreeMap<_, _>]| seen.iter().map(without_ticks).collect::<Vec<_>>();

    // The last thread may still be on the way to its wait.
    let deadline = Instant::now() + HANG;
    let mut before = look();
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = look();
        if quiet(&now) == quiet(&before) {
            break;
        }
        assert!(Instant::now() < deadline, "they never came to rest: {before:?} then {now:?}");
        before = now;
    }

    before = look();
    thread::sleep(WATCHED);
    let after = look();
    for (before, after) in before.iter().zip(&after) {
        for (task, count) in after {
            let name = &task.1;
            println!("{name}: {} switches in {WATCHED:?}", count - before.get(task).copied().unwrap_or(0));
        }
    }
    assert_eq!(quiet(&after), quiet(&before), "a thread was woken");
    let names: Vec<String> = after.iter().flat_map(BTreeMap::keys).map(|(_, name)| name.clone()).collect();
    for (name, count) in expected {
        assert_eq!(
            names.iter().filter(|n| n == name).count(),
            *count,
            "{name} in {names:?}: they are all still there"
        );
    }
    for mut child in processes {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}
