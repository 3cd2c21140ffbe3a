//! Which runtime directory this process uses, whether it may use it, and which other directories
//! hold names.
//!
//! Two programs that use different directories do not see each other, which is the most frequent
//! reason why they cannot connect. So besides the chosen directory, every other one that Linkspan may
//! have chosen for another user or environment is searched for names.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::registry;
use crate::sys::directory::{Directory, DirectoryReason, runtime_path};
use crate::sys::{environment, user};
use crate::transport::endpoint::Endpoint;

/// Examines the chosen directory and all others.
pub fn examine() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let mut findings = vec![chosen(&path, origin)];
    match Directory::runtime() {
        Ok(_) => findings.push(rights(&path)),
        Err(e) => findings.push(Finding::problem(
            e.to_string(),
            "or have root run `linkspan setup --group NAME`, for a directory that several users share",
        )),
    }
    findings.extend(others(&path));
    findings
}

/// Which directory is used, and why.
fn chosen(path: &Path, origin: DirectoryReason) -> Finding {
    let is_relative = path.is_relative();
    let path = path.display();
    match origin {
        DirectoryReason::Environment if is_relative => Finding::problem(
            format!(
                "the runtime directory is {path}, which means another directory wherever a program is started"
            ),
            // Never in a program that runs with more rights than its caller.
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

/// Checks the owner of the directory, and whether this process may create names in it.
fn rights(path: &Path) -> Finding {
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
    let access = rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    if access.is_err() && facts.mode() & 0o030 == 0o030 {
        let group = user::name_of_group(facts.gid()).unwrap_or_else(|| facts.gid().to_string());
        let remedy =
            format!("put this user in the group {group} (usermod -a -G {group} USER), then log in anew");
        return Finding::problem(format!("{what}; this process may not make names in it"), remedy);
    }
    if access.is_err() {
        let remedy = environment::advice(
            "it is that user's own; set LINKSPAN_DIR to another, or have root run `linkspan setup --group NAME`",
            "it is that user's own; have root run `linkspan setup --group NAME`",
        );
        return Finding::problem(format!("{what}; this process may not make names in it"), remedy);
    }
    Finding::fine(what)
}

/// Returns the owner, group and mode of a file, as text.
fn owner(facts: &Metadata) -> String {
    let user = user::name_of_user(facts.uid()).unwrap_or_else(|| facts.uid().to_string());
    let group = user::name_of_group(facts.gid()).unwrap_or_else(|| facts.gid().to_string());
    format!("{user}:{group} with mode {:04o}", facts.mode() & 0o7777)
}

/// Returns the findings about other directories with names.
fn others(own: &Path) -> Vec<Finding> {
    let own = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let elsewhere = candidates().into_iter().filter(|path| path.canonicalize().is_ok_and(|path| path != own));
    elsewhere.filter_map(|path| other(&path)).collect()
}

/// Returns the directories that Linkspan may choose: `/run/linkspan`, those below `/run/user`, and
/// those in `/tmp`.
fn candidates() -> Vec<PathBuf> {
    let mut candidates = vec![PathBuf::from("/run/linkspan")];
    let users = std::fs::read_dir("/run/user").into_iter().flatten().flatten();
    candidates.extend(users.map(|user| user.path().join("linkspan")));
    let temporary = std::fs::read_dir("/tmp").into_iter().flatten().flatten();
    let of_user = |name: &str| name.strip_prefix("linkspan-").is_some_and(|uid| uid.parse::<u32>().is_ok());
    candidates.extend(temporary.filter(|e| e.file_name().to_str().is_some_and(of_user)).map(|e| e.path()));
    // A link that another user made could point to any directory.
    candidates.retain(|path| path.symlink_metadata().is_ok_and(|facts| facts.is_dir()));
    candidates
}

/// Returns a finding about another directory; none if it holds no names.
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
