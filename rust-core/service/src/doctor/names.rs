//! The names in the runtime and state directory: open names, stale files, and mismatched schemas.
//!
//! A directory that this user may not enter is skipped, because `directories` reports it.

use super::finding::Finding;
use super::remedy;
use crate::deadline::Wait;
use crate::engine::{self, Options};
use crate::error::{Error, ErrorKind};
use crate::registry::{self, Inspection, Leftover, Listed};
use crate::sys::beneath::Whose;
use crate::sys::directory::Directory;
use crate::sys::lock;
use crate::value::Value;

/// Examines the lock file, stale files and the open names. Also returns the open names.
pub fn examine() -> (Vec<Finding>, Vec<Listed>) {
    let mut findings = Vec::new();
    // `directories` has reported why a directory cannot be used.
    if let Ok(Some(directory)) = Directory::find_runtime()
        && let Err(e) = lock::is_locked(&directory, "doctor")
        && e.errno().is_none()
    {
        let what =
            format!("no locks can be looked at, and spool:, journal:, file: and fifo: fail: {}", e.text());
        findings.push(Finding::problem(what, "remove it: the next program that needs one makes another"));
    }
    match registry::inspect() {
        Ok(Inspection { listed, left }) => {
            let (open, is) = (listed.len(), if listed.len() == 1 { "name is" } else { "names are" });
            findings.push(Finding::fine(format!("{open} {is} open here")));
            findings.extend(listed.iter().filter_map(problem));
            findings.extend(listed.iter().filter_map(mismatch));
            findings.extend(left.iter().map(leftover));
            (findings, listed)
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => (findings, Vec::new()),
        Err(e) => {
            let what = format!("names cannot be listed: {e}");
            findings
                .push(Finding::problem(what, remedy::for_error(&e, "see the directory's owner and mode")));
            (findings, Vec::new())
        }
    }
}

pub(super) fn published(listed: &[Listed], name: &str) -> Option<Value> {
    // Without a publisher the call would create the directory.
    let is_open = |listed: &&Listed| {
        listed.live && listed.endpoint.split_once(':').is_some_and(|(_, bare)| bare == name)
    };
    listed.iter().find(is_open)?;
    let newest = engine::latest(name, &Options::default(), Wait::default());
    newest.ok()?.value().ok().cloned()
}

pub(super) fn leftover(left: &Leftover) -> Finding {
    let Leftover { endpoint, ours, of_others } = left;
    let mut paths: Vec<_> = ours.iter().map(|path| path.display().to_string()).collect();
    paths.extend(
        of_others.iter().map(|(path, uid)| format!("{}, which belongs to {}", path.display(), Whose(*uid))),
    );
    let what = format!("dead processes left files of {endpoint}: {}", paths.join("; "));
    let remedy = match of_others.is_empty() {
        true => "the next program that listens there removes them; `linkspan doctor --repair` does so now",
        false => {
            "let their owner run `linkspan doctor --repair`, or remove them: no other user's program does"
        }
    };
    Finding::note(what, remedy)
}

pub(super) fn mismatch(listed: &Listed) -> Option<Finding> {
    let report = listed.mismatch.as_ref()?;
    let what = format!("a program called {} whose schema does not fit: {report}", listed.endpoint);
    let remedy = format!(
        "give both programs schemas that fit: `linkspan schema diff {} FILE` shows what differs from another one",
        listed.endpoint
    );
    Some(Finding::problem(what, remedy))
}

pub(super) fn problem(listed: &Listed) -> Option<Finding> {
    let problem = listed.problem.as_ref()?;
    let what = format!("{} cannot be queried: {}", listed.endpoint, problem.text());
    Some(Finding::problem(what, for_problem(listed, problem)))
}

pub(super) fn for_problem(listed: &Listed, problem: &Error) -> String {
    let otherwise = match problem.kind() {
        ErrorKind::PermissionDenied => "have the listener's mode, group or allow_uids admit this user",
        ErrorKind::Stalled => "see whether that process is stopped (state T in ps) or overloaded",
        ErrorKind::VersionMismatch => "bring both sides to versions of linkspan whose protocols overlap",
        ErrorKind::Full => "ask again: the process may be ending, or have as many clients as it admits",
        _ if listed.live => "see that process",
        _ => "",
    };
    remedy::for_error(problem, otherwise)
}
