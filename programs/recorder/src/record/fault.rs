//! Faults that tests inject into threads. Release builds contain none.

/// Names a thread and a file, such as `receiving:/path`. The thread panics once the file exists; if the file contains
/// `return`, the thread ends without an error instead.
#[cfg(debug_assertions)]
const VARIABLE: &str = "LINKSPAN_TEST_FAULT";

/// Returns whether the thread must end without an error.
///
/// # Panics
/// If a test requests it.
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

#[cfg(not(debug_assertions))]
pub fn ends(_thread: &str) -> bool {
    false
}
