//! The variables of the environment that name directories, keys and peers.
//!
//! A program that runs with more rights than its caller (set-user-ID, set-group-ID, or capabilities of its file) has no
//! such variables: its caller would choose where it makes and reads files. Nothing else of the library reads the
//! environment; a test of the sources checks that.

use std::ffi::OsString;

/// Returns a variable that is set and not empty; `None` in a program that runs with more rights than its caller.
pub fn variable(name: &str) -> Option<OsString> {
    if has_more_rights_than_its_caller() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns whether the kernel has started this program with more rights than its caller has, as `secure_getenv` asks
/// it.
fn has_more_rights_than_its_caller() -> bool {
    // SAFETY: it has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}
