//! The variables of the environment that name directories, programs, keys and peers.
//!
//! A program that runs with more rights than its caller (set-user-ID, set-group-ID, or capabilities of its file) has no
//! such variables: its caller would choose where it makes and reads files, and which code it runs. Nothing else of the
//! library and its programs reads the environment; a test of the sources checks that.

use std::ffi::OsString;

/// Folders of programs where PATH is not set, and in a program that runs with more rights than its caller.
const SYSTEM_FOLDERS: &str = "/usr/bin:/bin";

/// Returns a variable that is set and not empty; `None` in a program that runs with more rights than its caller.
pub fn variable(name: &str) -> Option<OsString> {
    if has_more_rights_than_its_caller() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns all variables; none in a program that runs with more rights than its caller.
pub fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    (!has_more_rights_than_its_caller()).then(std::env::vars_os).into_iter().flatten()
}

/// Returns PATH, or the folders of the system where it is not set or not to be trusted.
pub fn path() -> OsString {
    variable("PATH").unwrap_or_else(|| SYSTEM_FOLDERS.into())
}

/// Returns whether the kernel has started this program with more rights than its caller has, as `secure_getenv` asks
/// it.
pub fn has_more_rights_than_its_caller() -> bool {
    // SAFETY: it has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
