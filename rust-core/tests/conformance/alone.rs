//! Runs each case in a separate process with separate directories; checks that nothing remains.

use std::fs::{read_dir, read_to_string};
use std::process::Command;
use std::thread;
use std::time::Instant;

use linkspan::registry;

use crate::conformance::nature::Nature;
use crate::conformance::roles;
use crate::conformance::sides::Place;
use crate::support::SOON;

/// The environment variable with the case, in the process that runs it.
const CASE: &str = "LINKSPAN_TEST_CASE";

const SECONDS: u32 = 100;

/// Starts a process for the case. In that process it runs the case, or the role of the process.
pub fn run(nature: &'static Nature, name: &str, case: fn(&Place)) {
    if roles::is_one() {
        roles::play(nature);
    } else if std::env::var_os(CASE).is_some() {
        play(nature, case);
    } else {
        start(nature, name);
    }
}

fn test_name(nature: &Nature, name: &str) -> String {
    format!("conformance::{}::{name}", nature.name)
}

/// Returns the command that runs this program again, for this test.
pub fn again(nature: &Nature, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &test_name(nature, name), "--nocapture", "--test-threads=1"]);
    command
}

fn start(nature: &Nature, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = again(nature, name);
    command.env(CASE, name).env("RUST_BACKTRACE", "0");
    command
        .env("LINKSPAN_DIR", folder.path().join("run"))
        .env("LINKSPAN_STATE_DIR", folder.path().join("state"));
    let out = command.output().unwrap();
    let output =
        || format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{}\n{}", out.status, output());
    assert!(output().contains("1 passed"), "no test is called {}: {}", test_name(nature, name), output());
    // Its process has ended, so no temporary file and no owner record may remain.
    let remaining = names(&folder.path().join("run"));
    let stale: Vec<_> =
        remaining.iter().filter(|name| name.contains(".new.") || name.starts_with(".owner.")).collect();
    assert!(stale.is_empty(), "the case left {stale:?} among {remaining:?}");
}

fn names(folder: &std::path::Path) -> Vec<String> {
    read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

pub fn this_case() -> String {
    std::env::var(CASE).unwrap()
}

fn play(nature: &'static Nature, case: fn(&Place)) {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    // SAFETY: no handler is involved: the signal ends a process that hangs.
    unsafe { libc::alarm(SECONDS) };
    // Creates the library's per-process objects before descriptors are counted.
    Place::new(nature).works();
    registry::list().unwrap();
    nothing_is_left(nature);
    let before = held();
    case(&Place::new(nature));
    nothing_is_left(nature);
    // Threads of the library may still close objects.
    let began = Instant::now();
    while held() > before {
        assert!(began.elapsed() < SOON, "held before: {before:?}, after: {:?}: {:#?}", held(), descriptors());
        thread::yield_now();
    }
}

/// Checks that no files remain. An empty spool, which stays for returning clients, is allowed.
fn nothing_is_left(nature: &'static Nature) {
    let mut cleaned = registry::clean().unwrap().removed;
    cleaned.retain(|endpoint| {
        let was_empty = !Place::at(nature, endpoint.clone()).path().exists();
        !(nature.name == "spool" && was_empty)
    });
    assert_eq!(cleaned, [""; 0]);
}

fn held() -> [usize; 2] {
    let ours = std::env::var("LINKSPAN_DIR").unwrap();
    let ours = ours.trim_end_matches("run");
    let maps = read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter(|line| line.contains("memfd:") || line.contains(ours)).count();
    [read_dir("/proc/self/fd").unwrap().count(), mapped]
}

fn descriptors() -> Vec<String> {
    let all = read_dir("/proc/self/fd").unwrap();
    all.filter_map(|one| std::fs::read_link(one.unwrap().path()).ok())
        .map(|to| to.display().to_string())
        .collect()
}
