//! The places of programs that Linkspan starts: never in the current folder.
//!
//! A program with more rights than its caller takes only the administrator's programs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;

/// Passed besides `LC_*`: language and time, but no code.
const PASSED: [&str; 3] = ["LANG", "LANGUAGE", "TZ"];
/// Also passed to a program with a window: no code.
const OF_THE_DESKTOP: [&str; 9] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_SESSION_DESKTOP",
    "XDG_SESSION_TYPE",
    "DESKTOP_SESSION",
    "KDE_FULL_SESSION",
    "KDE_SESSION_VERSION",
];
/// Passed if only this user can write them; lists, if absolute.
const FOLDERS: [&str; 5] = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"];
const LISTS_OF_FOLDERS: [&str; 2] = ["XDG_DATA_DIRS", "XDG_CONFIG_DIRS"];
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// Gives a program an environment that names no code.
///
/// It has PATH's absolute folders, language, time, and a temporary folder if only this user can write it. The home
/// comes from the system's data. A list names the allowed variables, because new variables that name code appear.
pub fn clean_environment(command: &mut Command) {
    command.env_clear();
    command.env("PATH", std::env::join_paths(folders_of_path()).unwrap_or_default());
    for (name, value) in environment::variables() {
        let passes = PASSED.iter().any(|known| name == *known) || name.as_bytes().starts_with(b"LC_");
        if passes || name == "TMPDIR" && is_own(Path::new(&value)) {
            command.env(name, value);
        }
    }
}

/// [`clean_environment`] with display, bus and the user's folders.
pub fn desktop_environment(command: &mut Command) {
    clean_environment(command);
    for (name, value) in environment::variables() {
        let is = |names: &[&str]| names.iter().any(|known| name == *known);
        if is(&OF_THE_DESKTOP)
            || is(&FOLDERS) && is_own(Path::new(&value))
            || name == BUS && is_socket(&value)
        {
            command.env(name, value);
        } else if is(&LISTS_OF_FOLDERS) {
            let folders = std::env::split_paths(&value).filter(|folder| folder.is_absolute());
            command.env(&name, std::env::join_paths(folders).unwrap_or_default());
        }
    }
}

/// Another kind of address may name a program to start.
fn is_socket(addresses: &OsStr) -> bool {
    addresses.as_bytes().split(|byte| *byte == b';').all(|one| one.starts_with(b"unix:"))
}

/// Whether only this user can write a folder.
fn is_own(folder: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_private =
        |facts: std::fs::Metadata| facts.is_dir() && facts.uid() == own && facts.mode() & 0o022 == 0;
    folder.is_absolute() && std::fs::symlink_metadata(folder).is_ok_and(is_private)
}

/// Returns the absolute folders of PATH. A relative one could be another user's.
pub fn folders_of_path() -> Vec<PathBuf> {
    std::env::split_paths(&environment::path()).filter(|folder| folder.is_absolute()).collect()
}

/// Returns the file of a program in these folders.
pub fn program_of_path(name: &OsStr) -> Option<PathBuf> {
    let path = |folder: PathBuf| folder.join(name);
    folders_of_path().into_iter().map(path).find(|path| path.is_file())
}

/// Returns a program in this one's folder.
///
/// With more rights than its caller, only if root or this program's user put it there.
pub fn program_beside(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    if !environment::has_more_rights_than_its_caller() {
        return Some(path);
    }
    // Without links, because another user could change a link.
    let path = path.canonicalize().ok()?;
    path.ancestors().all(is_of_the_system).then_some(path)
}

/// Whether only root and this program's user may change this file or entry. The sticky bit suffices.
fn is_of_the_system(path: &Path) -> bool {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return false };
    let own = rustix::process::geteuid().as_raw();
    let is_closed = facts.mode() & 0o022 == 0 || facts.is_dir() && facts.mode() & 0o1000 != 0;
    [0, own].contains(&facts.uid()) && is_closed
}
