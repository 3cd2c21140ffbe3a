//! The clients of a spool: the files in `hello/`, and the locks that show which of their programs
//! live.
//!
//! This module only reads the directory, so that a layout, a presence and a sweep can all use it.

use super::folder::Folder;
use crate::error::Result;
use crate::sys::directory::Directory;
use crate::sys::lock;

/// The name of the server's file; no client may have this name.
pub const SERVER: &str = "server";

/// Returns the clients that have a file, whether their processes live or not.
pub fn known(hello: &Folder) -> Result<Vec<String>> {
    hello.names(|name| name != SERVER && !name.starts_with('.'))
}

/// Returns the clients whose processes live: those whose lock is held.
pub fn living(locks: &Directory, hello: &Folder) -> Result<Vec<String>> {
    let mut names = known(hello)?;
    let mut failed = None;
    names.retain(|name| {
        lock::is_locked(locks, name).unwrap_or_else(|e| {
            failed = Some(e);
            false
        })
    });
    failed.map_or(Ok(names), Err)
}
