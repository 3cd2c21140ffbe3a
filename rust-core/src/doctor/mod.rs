//! Why can't these two talk: what this machine, this user and this directory have to say about it.
//!
//! | what | lives in |
//! |---|---|
//! | the runtime directory, and those that others use | `directories` |
//! | TCP: the token, the keys | `network` |
//! | owners and modes there that keep programs apart, and setting them right | `repair` |
//! | the bridge to other machines | `bridge` |
//! | the kernel's features and limits | `kernel` |
//! | a directory for several users | `setup` |

mod bridge;
mod directories;
mod kernel;
mod network;
mod repair;
mod setup;

pub use repair::repair;
pub use setup::setup;

use crate::error::{Error, ErrorKind};
use crate::frame;
use crate::registry::{self, Listed};
use crate::sys::directory::Directory;
use crate::sys::lock;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing when something does not work.
    Note,
    /// Something will not work.
    Problem,
}

impl Severity {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Fine => "fine",
            Severity::Note => "note",
            Severity::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

impl Finding {
    fn fine(what: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fine, what: what.into(), remedy: String::new() }
    }

    fn note(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }

    fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Problem, what: what.into(), remedy: remedy.into() }
    }
}

/// Looks at everything that decides whether two programs on this machine can talk. Changes nothing but what dead
/// processes left.
pub fn examine() -> Vec<Finding> {
    let versions = format!("linkspan {}, protocol version {}", env!("CARGO_PKG_VERSION"), frame::VERSION);
    let mut findings = vec![Finding::fine(versions)];
    findings.extend(directories::examine());
    findings.extend(repair::examine());
    findings.extend(names());
    findings.extend(network::examine());
    findings.extend(bridge::examine());
    findings.extend(kernel::examine());
    findings
}

/// The names that are open here, and what keeps us from them.
fn names() -> Vec<Finding> {
    // What keeps us from the directory as a whole has been told.
    let Ok(directory) = Directory::runtime() else { return Vec::new() };
    let mut findings = Vec::new();
    // Where the kernel keeps us from it, whoever is at a name tells.
    if let Err(e) = lock::is_locked(&directory, "doctor")
        && e.errno().is_none()
    {
        let what =
            format!("no locks can be looked at, and spool:, journal:, file: and fifo: fail: {}", e.text());
        findings.push(Finding::problem(what, "remove it: whoever needs one next makes another"));
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
            findings.extend(cleaned.left.iter().filter_map(|(endpoint, why)| left(endpoint, why)));
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
            findings.extend(listed.iter().filter_map(trouble));
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
    // Where the file system does not say, whoever writes there is told.
    let free = rustix::fs::fstatvfs(directory).ok()?;
    let what = match (free.f_bavail, free.f_favail) {
        (0, _) => "no space",
        // A file system without inodes counts none.
        (_, 0) if free.f_files > 0 => "no inode",
        _ => return None,
    };
    let what = format!(
        "there is {what} left in {}: nobody can listen at a new name, and no message can be added to a spool: there",
        directory.path().display()
    );
    let remedy = "receive what waits in its spools (`linkspan recv`), which works on a full disk and makes room, or remove other files";
    Some(Finding::problem(what, remedy))
}

/// What was left of a name. Where the kernel keeps us from it, whoever is at the name tells.
fn left(endpoint: &str, why: &Error) -> Option<Finding> {
    if why.kind() == ErrorKind::PermissionDenied && why.errno().is_some() {
        return None;
    }
    let what = format!("something was left of {endpoint}: {}", why.text());
    Some(Finding::note(what, "whoever owns it can remove it; nobody else's program does"))
}

/// What a caller said whose schema does not fit that of the name.
fn mismatch(listed: &Listed) -> Option<Finding> {
    let said = listed.mismatch.as_ref()?;
    let what = format!("a program called {} whose schema does not fit: {said}", listed.endpoint);
    let remedy = format!(
        "give both programs schemas that fit: `linkspan schema diff {} FILE` shows what differs from another one",
        listed.endpoint
    );
    Some(Finding::problem(what, remedy))
}

fn trouble(listed: &Listed) -> Option<Finding> {
    let trouble = listed.trouble.as_ref()?;
    let remedy = match trouble.kind() {
        ErrorKind::PermissionDenied => "have the listener's mode, group or allow_uids admit this user",
        ErrorKind::Stalled => "see whether that process is stopped (state T in ps) or overloaded",
        ErrorKind::VersionMismatch => "bring both sides to versions of linkspan whose protocols overlap",
        _ => "see that process",
    };
    Some(Finding::problem(format!("{} cannot be asked: {}", listed.endpoint, trouble.text()), remedy))
}
