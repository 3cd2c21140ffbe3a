//! The names in the runtime directory: stale files of dead processes, open names, and schemas that do not
//! fit.
//!
//! Reads the same listing as `linkspan ls`, and removes stale files as any listing does. A directory
//! that this user may not enter is no finding here: `directories` has reported it.

use super::finding::Finding;
use crate::error::{Error, ErrorKind};
use crate::registry::{self, Listed};
use crate::sys::directory::Directory;
use crate::sys::lock;

/// Examines the lock file, the free space, stale files and the open names.
pub fn examine() -> Vec<Finding> {
    // `directories` has reported why the directory cannot be used.
    let Ok(directory) = Directory::runtime() else { return Vec::new() };
    let mut findings = Vec::new();
    // If the kernel denies access, the findings about names report it.
    if let Err(e) = lock::is_locked(&directory, "doctor")
        && e.errno().is_none()
    {
        let what =
            format!("no locks can be looked at, and spool:, journal:, file: and fifo: fail: {}", e.text());
        findings.push(Finding::problem(what, "remove it: the next program that needs one makes another"));
    }
    findings.extend(space(&directory));
    match registry::clean() {
        Ok(cleaned) => {
            if !cleaned.removed.is_empty() {
                let what =
                    format!("dead processes had left {}, which were removed", cleaned.removed.join(", "));
                findings
                    .push(Finding::note(what, "nothing to do: the next to listen there would have done it"));
            }
            if !cleaned.tidied.is_empty() {
                let what = format!(
                    "what dead processes had left beside {} was removed; the names and their messages stay",
                    cleaned.tidied.join(", ")
                );
                findings
                    .push(Finding::note(what, "nothing to do: the next to listen there would have done it"));
            }
            findings.extend(cleaned.left.iter().filter_map(|(endpoint, why)| leftover(endpoint, why)));
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
        Err(e) => {
            let what = format!("leftovers cannot be removed: {e}");
            findings.push(Finding::problem(what, "see the directory's owner and mode"));
        }
    }
    match registry::list() {
        Ok(listed) => {
            let (open, is) = (listed.len(), if listed.len() == 1 { "name is" } else { "names are" });
            findings.push(Finding::fine(format!("{open} {is} open here")));
            findings.extend(listed.iter().filter_map(problem));
            findings.extend(listed.iter().filter_map(mismatch));
        }
        Err(e) => {
            let what = format!("names cannot be listed: {e}");
            findings.push(Finding::problem(what, "see the directory's owner and mode"));
        }
    }
    findings
}

/// Whether there is space for new names, and for messages in spools.
fn space(directory: &Directory) -> Option<Finding> {
    // Without an answer of the file system, the program that writes gets the error.
    let free = rustix::fs::fstatvfs(directory).ok()?;
    let what = match (free.f_bavail, free.f_favail) {
        (0, _) => "no space",
        // A file system without inodes counts none.
        (_, 0) if free.f_files > 0 => "no inode",
        _ => return None,
    };
    let what = format!(
        "there is {what} left in {}: no program can listen at a new name, and no message can be added to a spool: there",
        directory.path().display()
    );
    let remedy = "receive what waits in its spools (`linkspan recv`), which works on a full disk and makes room, or remove other files";
    Some(Finding::problem(what, remedy))
}

/// Returns a finding about stale files that could not be removed. None if the kernel denied access:
/// then the holder of the name is reported.
fn leftover(endpoint: &str, why: &Error) -> Option<Finding> {
    if why.kind() == ErrorKind::PermissionDenied && why.errno().is_some() {
        return None;
    }
    let what = format!("something was left of {endpoint}: {}", why.text());
    Some(Finding::note(what, "its owner can remove it; no other user's program does"))
}

/// Returns a finding about a caller whose schema does not fit that of the name.
pub(super) fn mismatch(listed: &Listed) -> Option<Finding> {
    let report = listed.mismatch.as_ref()?;
    let what = format!("a program called {} whose schema does not fit: {report}", listed.endpoint);
    let remedy = format!(
        "give both programs schemas that fit: `linkspan schema diff {} FILE` shows what differs from another one",
        listed.endpoint
    );
    Some(Finding::problem(what, remedy))
}

/// Returns a finding about a name whose holder could not be queried, with what to do.
pub(super) fn problem(listed: &Listed) -> Option<Finding> {
    let problem = listed.problem.as_ref()?;
    let remedy = match problem.kind() {
        ErrorKind::PermissionDenied => "have the listener's mode, group or allow_uids admit this user",
        ErrorKind::Stalled => "see whether that process is stopped (state T in ps) or overloaded",
        ErrorKind::VersionMismatch => "bring both sides to versions of linkspan whose protocols overlap",
        _ => "see that process",
    };
    Some(Finding::problem(format!("{} cannot be queried: {}", listed.endpoint, problem.text()), remedy))
}
