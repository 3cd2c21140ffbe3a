//! The variables of the environment that name directories, programs, keys and peers.
//!
//! A program with more rights than its caller (set-user-ID, set-group-ID, file capabilities) ignores them. Nothing else
//! in the library reads the environment; a test of the sources checks that.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

const SYSTEM_FOLDERS: &str = "/usr/bin:/bin";

/// Returns a variable that is set and not empty; `None` in a program with more rights than its caller.
pub fn variable(name: &str) -> Option<OsString> {
    if has_more_rights_than_its_caller() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns all variables; none in a program with more rights than its caller.
pub fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    (!has_more_rights_than_its_caller()).then(std::env::vars_os).into_iter().flatten()
}

/// Returns the folder that a variable names; `what` is in it, for the error.
///
/// # Errors
/// `InvalidEndpoint` for a relative path.
pub fn folder(name: &str, what: &str) -> Result<Option<PathBuf>> {
    let Some(path) = variable(name).map(PathBuf::from) else { return Ok(None) };
    check_whole(what, &path)?;
    Ok(Some(path))
}

pub(crate) fn check_whole(what: &str, path: &Path) -> Result<()> {
    if path.is_absolute() {
        return Ok(());
    }
    let text = format!(
        "the {what} is {}, by the environment: that is another directory wherever a program is started; give a whole path, which begins with /",
        path.display()
    );
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

/// Returns the configuration folder: an absolute `$XDG_CONFIG_HOME`, or `~/.config`.
pub fn configuration() -> Option<PathBuf> {
    let whole = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    whole("XDG_CONFIG_HOME").or_else(|| Some(whole("HOME")?.join(".config")))
}

/// Returns PATH, or the system's folders if it is unset or not to be trusted.
pub fn path() -> OsString {
    variable("PATH").unwrap_or_else(|| SYSTEM_FOLDERS.into())
}

/// Returns `variable` as advice, or `otherwise` in a program with more rights than its caller.
pub fn advice(variable: &'static str, otherwise: &'static str) -> &'static str {
    if has_more_rights_than_its_caller() { otherwise } else { variable }
}

/// Returns the advice for two programs that do not find each other.
pub fn same_directory() -> &'static str {
    advice(
        "see that both use the same directory (LINKSPAN_DIR)",
        "see that both use this directory, which the environment does not change in a program that runs with more rights than its caller",
    )
}

/// Returns whether this program has more rights than its caller, as `secure_getenv` asks.
pub fn has_more_rights_than_its_caller() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Clears the environment in a program with more rights than its caller. The program calls it first.
///
/// Other libraries read variables such as `SSL_CERT_FILE`.
///
/// # Errors
/// `InvalidState` if the program has further threads, or `/proc` does not tell.
pub fn give_up_that_of_the_caller() -> Result<()> {
    if !has_more_rights_than_its_caller() {
        return Ok(());
    }
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    if !matches!(threads, Ok(1)) {
        let text = "this program runs with more rights than its caller and could not give up the caller's environment, since /proc/self/task does not show that it has one thread alone: see to it that /proc is mounted";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    // SAFETY: no other thread exists that could read a variable.
    unsafe { libc::clearenv() };
    Ok(())
}
