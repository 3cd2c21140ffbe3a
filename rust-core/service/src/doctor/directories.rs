//! The runtime and state directory of this process, its rights there, and other directories with names.
//!
//! Different directories are the most frequent reason why two programs cannot connect, so the doctor searches every
//! directory that Linkspan may choose.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

use super::finding::Finding;
use super::remedy;
use crate::error::Result;
use crate::registry;
use crate::sys::directory::{Directory, DirectoryReason, runtime_path, state_path};
use crate::sys::{environment, user};
use crate::transport::endpoint::Endpoint;

pub fn examine() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let mut findings = vec![chosen(&path, origin)];
    findings.extend(usable(&path, Directory::find_runtime(), SHARING, &Use::NAMES));
    findings.extend(state(&path));
    findings.extend(others(&path));
    findings
}

const SHARING: &str =
    "or have root run `linkspan setup --group NAME`, for a directory that several users share";

struct Use {
    denied: &'static str,
    without_blocks: &'static str,
    without_inodes: &'static str,
}

impl Use {
    const NAMES: Use = Use {
        denied: "make names in it",
        without_blocks: "new messages of spool:, values of file: and new names of fifo:, dgram: and tcp: fail",
        without_inodes: "new names and new messages of spool: fail",
    };
    const STATE: Use = Use {
        denied: "write journals and spools in it",
        without_blocks: "new messages of journal: and of durable spool: fail",
        without_inodes: "new segments of journal: and new messages of durable spool: fail",
    };
}

/// Examines the state directory.
///
/// `runtime` may be this directory; its rights and space are then already reported.
fn state(runtime: &Path) -> Vec<Finding> {
    let (path, origin) = match state_path() {
        Ok(chosen) => chosen,
        Err(e) => return vec![Finding::note(e.to_string(), "without one, journal: and durable spool: fail")],
    };
    let shown = path.display();
    let why = match origin {
        DirectoryReason::Environment => ", because LINKSPAN_STATE_DIR says so",
        DirectoryReason::Shared => ", which is there for several users",
        DirectoryReason::User | DirectoryReason::Temporary => ", this user's own",
    };
    let found = Directory::find_state();
    let is_missing = matches!(found, Ok(None));
    let mut findings =
        vec![Finding::fine(format!("the state directory of journals and durable spools is {shown}{why}"))];
    if path == runtime {
        return findings;
    }
    let advice = "journal: and durable spool: need it; everything else works without";
    findings.extend(usable(&path, found, advice, &Use::STATE).into_iter().map(|finding| {
        // Most users never have a state directory.
        if is_missing && origin == DirectoryReason::User { finding.into_note() } else { finding }
    }));
    findings
}

fn chosen(path: &Path, origin: DirectoryReason) -> Finding {
    let is_relative = path.is_relative();
    let path = path.display();
    match origin {
        DirectoryReason::Environment if is_relative => Finding::problem(
            format!(
                "the runtime directory is {path}, which means another directory wherever a program is started"
            ),
            // A program with more rights than its caller never takes this path.
            environment::advice("give LINKSPAN_DIR a whole path, which begins with /", ""),
        ),
        DirectoryReason::Environment => Finding::note(
            format!("the runtime directory is {path}, because LINKSPAN_DIR says so"),
            environment::advice(
                "every program that is to meet this one needs the same LINKSPAN_DIR; services and cron jobs have their own environment",
                "",
            ),
        ),
        DirectoryReason::Shared => {
            Finding::fine(format!("the runtime directory is {path}, which is there for several users"))
        }
        DirectoryReason::User => Finding::fine(format!("the runtime directory is {path}, this user's own")),
        DirectoryReason::Temporary => Finding::note(
            format!(
                "the runtime directory is {path}, because there is neither /run/linkspan nor a /run/user directory of ours"
            ),
            "programs of this user meet; for several users let root run `linkspan setup --group NAME`",
        ),
    }
}

/// Returns the findings about a directory: whether this process may use it, and its space.
///
/// For a missing directory, they are about its parent.
fn usable(path: &Path, found: Result<Option<Directory>>, advice: &str, purpose: &Use) -> Vec<Finding> {
    match found {
        Err(e) => vec![Finding::problem(e.to_string(), remedy::for_error(&e, advice))],
        Ok(Some(_)) => {
            let mut findings = vec![rights(path, purpose)];
            findings.extend(space(path, purpose));
            findings
        }
        Ok(None) => {
            let existing = path.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok());
            let Some(above) = existing else { return Vec::new() };
            let shown = path.display();
            let Err(errno) = writable(above) else {
                let what = format!("{shown} does not exist; the first program that needs it makes it");
                let mut findings = vec![Finding::fine(what)];
                findings.extend(space(above, purpose));
                return findings;
            };
            let what = format!("{shown} does not exist, and cannot be made in {}: {errno}", above.display());
            vec![Finding::problem(what, remedy::for_errno(errno).unwrap_or(advice))]
        }
    }
}

fn writable(directory: &Path) -> rustix::io::Result<()> {
    // A file instead of the directory gives the error of a directory.
    let inside = directory.join(".");
    rustix::fs::accessat(CWD, inside, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

/// Returns why a directory cannot be written, and the remedy of the kernel's number; `None` if it can.
pub(super) fn obstacle(directory: &Path) -> Option<(String, String)> {
    let errno = writable(directory).err()?;
    let what = format!("{}: {errno}", directory.display());
    Some((
        what,
        remedy::for_errno(errno)
            .unwrap_or("see the directory's owner and mode: `linkspan doctor`")
            .to_owned(),
    ))
}

fn rights(path: &Path, purpose: &Use) -> Finding {
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(e) => {
            return Finding::problem(
                format!("{} cannot be looked at: {e}", path.display()),
                "see its parents' modes",
            );
        }
    };
    let what = format!("{} belongs to {}", path.display(), owner(&facts));
    let Err(errno) = writable(path) else { return Finding::fine(what) };
    let may_not = format!("{what}; this process may not {}: {errno}", purpose.denied);
    if let Some(remedy) = remedy::for_errno(errno) {
        return Finding::problem(may_not, remedy);
    }
    if facts.mode() & 0o030 == 0o030 {
        let group = user::name_of_group(facts.gid()).unwrap_or_else(|| facts.gid().to_string());
        let remedy =
            format!("put this user in the group {group} (usermod -a -G {group} USER), then log in anew");
        return Finding::problem(may_not, remedy);
    }
    let remedy = environment::advice(
        "it is that user's own; set LINKSPAN_DIR and LINKSPAN_STATE_DIR to others, or have root run `linkspan setup --group NAME`",
        "it is that user's own; have root run `linkspan setup --group NAME`",
    );
    Finding::problem(may_not, remedy)
}

fn space(directory: &Path, purpose: &Use) -> Option<Finding> {
    // If the file system does not answer, the writing program gets the error.
    let free = rustix::fs::statvfs(directory).ok()?;
    let (what, fails) = match (free.f_bavail, free.f_favail) {
        // A file system without a limit reports zero.
        (0, _) if free.f_blocks > 0 => ("no space", purpose.without_blocks),
        (_, 0) if free.f_files > 0 => ("no inode", purpose.without_inodes),
        _ => return None,
    };
    let what = format!(
        "there is {what} left in {}: {fails} with NoSpace; open names can still be reached, and stored messages read",
        directory.display()
    );
    let remedy = "receive what waits in its spools (`linkspan recv`), which works on a full disk and makes room, or remove other files";
    Some(Finding::problem(what, remedy))
}

fn owner(facts: &Metadata) -> String {
    let user = user::name_of_user(facts.uid()).unwrap_or_else(|| facts.uid().to_string());
    let group = user::name_of_group(facts.gid()).unwrap_or_else(|| facts.gid().to_string());
    format!("{user}:{group} with mode {:04o}", facts.mode() & 0o7777)
}

fn others(own: &Path) -> Vec<Finding> {
    let own = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let elsewhere = candidates().into_iter().filter(|path| path.canonicalize().is_ok_and(|path| path != own));
    elsewhere.filter_map(|path| other(&path)).collect()
}

fn candidates() -> Vec<PathBuf> {
    let mut candidates = vec![PathBuf::from("/run/linkspan")];
    let users = std::fs::read_dir("/run/user").into_iter().flatten().flatten();
    candidates.extend(users.map(|user| user.path().join("linkspan")));
    let temporary = std::fs::read_dir("/tmp").into_iter().flatten().flatten();
    let of_user = |name: &str| name.strip_prefix("linkspan-").is_some_and(|uid| uid.parse::<u32>().is_ok());
    candidates.extend(temporary.filter(|e| e.file_name().to_str().is_some_and(of_user)).map(|e| e.path()));
    // A link of another user could lead to any directory.
    candidates.retain(|path| path.symlink_metadata().is_ok_and(|facts| facts.is_dir()));
    candidates
}

fn other(path: &Path) -> Option<Finding> {
    let facts = path.metadata().ok()?;
    let remedy = environment::advice(
        "programs that are to meet need one directory: the same LINKSPAN_DIR, or for several users /run/linkspan from `linkspan setup --group NAME`",
        "programs that are to meet need one directory: /run/linkspan from `linkspan setup --group NAME`",
    );
    let Ok(entries) = std::fs::read_dir(path) else {
        return Some(Finding::note(
            format!("{} of {} may hold names; this user may not look", path.display(), owner(&facts)),
            remedy,
        ));
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Endpoint::from_file_name(registry::named(entry.file_name().to_str()?)))
        .map(|endpoint| endpoint.to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let what = format!(
        "{} of {} holds {}, which programs with our directory do not see",
        path.display(),
        owner(&facts),
        names.join(", ")
    );
    Some(Finding::note(what, remedy))
}
