//! Tests that check everything in their process or its directories. Each runs in a separate process with
//! separate directories.

use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

const ALONE: &str = "LINKSPAN_TEST_ALONE";

/// Runs the test in a separate process and returns from this one; in that process, continues with it.
#[allow(unused_macros, reason = "each program uses its part of it")]
macro_rules! alone {
    ($test:ident) => {
        if !$crate::support::alone::is_alone(concat!(module_path!(), "::", stringify!($test))) {
            return;
        }
    };
}
#[allow(unused_imports, reason = "each program uses its part of it")]
pub(crate) use alone;

/// Returns whether this is the process of the test of this path; otherwise runs the test in one.
pub fn is_alone(path: &str) -> bool {
    let test = name_of(path);
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        return true;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, test)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    // Indented, so a count of this program's results does not count this one twice.
    let output: String = output.lines().map(|line| format!("    {line}\n")).collect();
    assert!(out.status.success(), "{test}: {}\n{output}", out.status);
    assert!(output.contains("1 passed"), "no test is called {test}: {output}");
    print!("{output}");
    false
}

/// For tests that count their process's resources next to other such tests: one at a time.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static WORKING: Mutex<()> = Mutex::new(());
    WORKING.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn name_of(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, name)| name)
}
