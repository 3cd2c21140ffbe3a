//! Faults of threads that tests ask for, in builds with debug assertions alone: no release has them.

/// The variable that names a thread and a file, `receiving:/path`: the thread panics once the file is there, or where
/// it contains `return` ends without an error.
#[cfg(debug_assertions)]
const VARIABLE: &str = "LINKSPAN_TEST_FAULT";

/// Returns whether this thread is to end without an error.
///
/// # Panics
/// Where a test asks for it.
#[cfg(debug_assertions)]
pub fn ends(thread: &str) -> bool {
    let Some(asked) = linkspan::environment::variable(VARIABLE).and_then(|asked| asked.into_string().ok())
    else {
        return false;
    };
    let Some((name, path)) = asked.split_once(':') else { return false };
    if name != thread {
        return false;
    }
    let Ok(content) = linkspan_recording::files::read(path.as_ref()) else { return false };
    assert!(content == b"return", "a test has this thread panic");
    true
}

/// Returns false: this build has no faults.
#[cfg(not(debug_assertions))]
pub fn ends(_thread: &str) -> bool {
    false
}
