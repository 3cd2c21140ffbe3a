//! Where programs are that this library's programs start without being told which: never in the current folder, and in
//! a program that runs with more rights than its caller only where the system's administrator put them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;

/// Variables that such a program gets, beside those that begin with `LC_`: they name its language and its time, and no
/// code.
const PASSED: [&str; 3] = ["LANG", "LANGUAGE", "TZ"];
/// What a program that shows a window gets beside these: they name the display and the desktop, and no code.
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
/// Folders with its files, where they are this user's alone; and folders for all users, where they are absolute.
const FOLDERS: [&str; 5] = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"];
const LISTS_OF_FOLDERS: [&str; 2] = ["XDG_DATA_DIRS", "XDG_CONFIG_DIRS"];
/// The bus of the desktop.
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// Gives a program an environment in which nothing names code: the absolute folders of PATH, the language and the time,
/// and a folder for temporary files where it is this user's alone. Its home is the one that the system knows. A program
/// that runs with more rights than its caller passes the folders of the system alone.
///
/// What may pass is listed, not what may not: each runtime and each library has variables that name code, and new ones
/// come.
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

/// Gives a program that shows a window that environment, and the display, the bus and the user's own folders of the
/// desktop session.
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

/// Whether all addresses of a bus are sockets: one of another kind may name a program that is to be started.
fn is_socket(addresses: &OsStr) -> bool {
    addresses.as_bytes().split(|byte| *byte == b';').all(|one| one.starts_with(b"unix:"))
}

/// Whether a folder is this user's, and no other one writes into it.
fn is_own(folder: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_private =
        |facts: std::fs::Metadata| facts.is_dir() && facts.uid() == own && facts.mode() & 0o022 == 0;
    folder.is_absolute() && std::fs::symlink_metadata(folder).is_ok_and(is_private)
}

/// Returns the folders of PATH that are not relative to the current one, which may be another user's.
pub fn folders_of_path() -> Vec<PathBuf> {
    std::env::split_paths(&environment::path()).filter(|folder| folder.is_absolute()).collect()
}

/// Returns the file of a program in them.
pub fn program_of_path(name: &OsStr) -> Option<PathBuf> {
    let path = |folder: PathBuf| folder.join(name);
    folders_of_path().into_iter().map(path).find(|path| path.is_file())
}

/// Returns the file of a program beside this one. A program that runs with more rights than its caller takes only one
/// that root or its own user put there.
pub fn program_beside(name: &OsStr) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    if !environment::has_more_rights_than_its_caller() {
        return Some(path);
    }
    // Without links, each of which another user could change.
    let path = path.canonicalize().ok()?;
    path.ancestors().all(is_of_the_system).then_some(path)
}

/// Whether only root and the user of this program may change what this is, and in a folder which entries it has. In a
/// folder with the sticky bit, others may add entries and not replace this one.
fn is_of_the_system(path: &Path) -> bool {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return false };
    let own = rustix::process::geteuid().as_raw();
    let is_closed = facts.mode() & 0o022 == 0 || facts.is_dir() && facts.mode() & 0o1000 != 0;
    [0, own].contains(&facts.uid()) && is_closed
}
