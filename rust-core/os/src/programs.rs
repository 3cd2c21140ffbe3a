//! Where programs are that this library's programs start without being told which: never in the current folder.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Returns the folders of PATH that are not relative to the current one, which may be another user's.
pub fn folders_of_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// Returns the file of a program in them.
pub fn program_of_path(name: &OsStr) -> Option<PathBuf> {
    let path = |folder: PathBuf| folder.join(name);
    folders_of_path().into_iter().map(path).find(|path| path.is_file())
}
