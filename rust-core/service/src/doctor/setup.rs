//! Creates and removes the runtime directory of several users: `/run/linkspan`, for one group.
//!
//! The directory is opened without following links and changed through that handle, so no other user can redirect the
//! change while root runs this.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType};

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::registry;
use crate::sys::directory::Directory;
use crate::sys::{beneath, user};
use crate::transport::endpoint::Endpoint;
use crate::transport::owner;
use crate::transport::place::{self, Place};

const ENTRY: &str = "etc/tmpfiles.d/linkspan.conf";
const COMMENT: &str = "# Where programs of several users meet; written by `linkspan setup`.";
const MAX_NAMES: usize = 5;

/// Creates `/run/linkspan` for the members of a group, and its entry of tmpfiles.d for restarts.
///
/// Returns one line for each action. `root` stands for `/`, in an image under preparation.
///
/// # Errors
///
/// `Missing` for an unknown group; `PermissionDenied` if the caller is not root; `InvalidState` if `/run/linkspan` is
/// not a directory; `NotFound` if `root` does not exist.
pub fn setup(group: &str, root: &Path) -> Result<Vec<String>> {
    let Some(gid) = user::group_of_name(group) else {
        let text = format!("there is no group {group}; make it first: groupadd --system {group}");
        return Err(Error::new(ErrorKind::Missing, text));
    };
    let mut done = Vec::new();
    let run = root.join("run");
    // The root of an image may still be empty, but a mistyped root is not created.
    match DirBuilder::new().mode(0o755).create(&run) {
        Ok(()) => done.push(format!("made {}", run.display())),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let text =
                format!("there is no directory {}: make it, or name another with --root", root.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Err(e) => return Err(e).doing(format_args!("making {} (root can)", run.display())),
    }
    let directory = run.join("linkspan");
    match DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => done.push(format!("made {}", directory.display())),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e).doing(format_args!("making {} (root can)", directory.display())),
    }
    let handle = open(&directory)?;
    let facts = handle.metadata().doing(format_args!("looking at {}", directory.display()))?;
    // Setgid: files in it belong to the group, whichever member creates them.
    let mode = 0o2770;
    let owner = rustix::process::geteuid().as_raw();
    if (facts.uid(), facts.gid(), facts.mode() & 0o7777) != (owner, gid, mode) {
        std::os::unix::fs::fchown(&handle, Some(owner), Some(gid))
            .doing(format_args!("giving {} to the group {group} (root can)", directory.display()))?;
        handle
            .set_permissions(fs::Permissions::from_mode(mode))
            .doing(format_args!("setting the mode of {}", directory.display()))?;
        done.push(format!("gave {} to the group {group}, mode {mode:04o}", directory.display()));
    }
    let entry = root.join(ENTRY);
    let line = format!("{COMMENT}\nd /run/linkspan {mode:04o} root {group} -\n");
    if fs::read_to_string(&entry).ok().as_deref() != Some(&line) {
        if let Some(parent) = entry.parent() {
            fs::create_dir_all(parent).doing(format_args!("making {}", parent.display()))?;
        }
        fs::write(&entry, line).doing(format_args!("writing {} (root can)", entry.display()))?;
        done.push(format!("wrote {}, so that it comes back after a restart", entry.display()));
    }
    if done.is_empty() {
        done.push(format!("{} was set up for the group {group} already", directory.display()));
    }
    done.push(format!("members of {group} meet there from their next login on: usermod -a -G {group} USER"));
    Ok(done)
}

fn open(directory: &Path) -> Result<fs::File> {
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    match OpenOptions::new().read(true).custom_flags(flags).open(directory) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => {
            let text = format!("{} is there and is no directory; remove it", directory.display());
            Err(Error::new(ErrorKind::InvalidState, text))
        }
        opened => opened.doing(format_args!("opening {}", directory.display())),
    }
}

/// Removes `/run/linkspan` with its locks and stale sockets, and the entry of tmpfiles.d.
///
/// Returns one line for each action.
///
/// # Errors
///
/// `InvalidState` if a program has a name there, a file keeps messages, or a file is not Linkspan's: then nothing
/// changes. `PermissionDenied` if the caller is not root.
pub fn undo(root: &Path) -> Result<Vec<String>> {
    let directory = root.join("run/linkspan");
    let mut done = Vec::new();
    let opened = match open(&directory) {
        Err(e) if e.errno() == Some(libc::ENOENT) => None,
        opened => Some(opened?),
    };
    if let Some(handle) = opened {
        let doing = || format!("removing {} (root can)", directory.display());
        let facts = rustix::fs::fstat(&handle).doing(doing())?;
        let shared = Arc::new(Directory::opened(directory.clone(), handle.into(), &facts));
        let names = shared.names()?;
        let in_use: Vec<_> = names.iter().filter(|name| !is_disposable(&shared, name)).cloned().collect();
        if !in_use.is_empty() {
            let more = in_use.len().saturating_sub(MAX_NAMES);
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = format!(
                "{} is in use: it has {}{and}; end the programs that listen there, receive or remove what is kept, and call this again",
                directory.display(),
                in_use.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ")
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        for name in &names {
            rustix::fs::unlinkat(&*shared, name, AtFlags::empty()).doing(doing())?;
        }
        fs::remove_dir(&directory).doing(doing())?;
        done.push(format!("removed {}", directory.display()));
    }
    let entry = root.join(ENTRY);
    match fs::read_to_string(&entry) {
        Ok(text) if text.starts_with(COMMENT) => {
            fs::remove_file(&entry).doing(format_args!("removing {} (root can)", entry.display()))?;
            done.push(format!("removed {}", entry.display()));
        }
        Ok(_) => done.push(format!("left {}, which `linkspan setup` has not written", entry.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).doing(format_args!("reading {}", entry.display())),
    }
    if done.is_empty() {
        done.push(format!("nothing was set up in {}", root.display()));
    }
    Ok(done)
}

fn is_disposable(directory: &Arc<Directory>, name: &str) -> bool {
    let Some(endpoint) = Endpoint::from_file_name(registry::named(name)) else {
        return [".lock", ".position-", ".token", ".http-token"].iter().any(|own| name.starts_with(own));
    };
    let place = Place { directory: directory.clone(), file: endpoint.file_name() };
    if place.is_bound().unwrap_or(true) {
        return false;
    }
    let is_beside = place::of_temporary(name).is_some() || owner::file_of_record(name).is_some();
    let facts = directory.beneath().facts(name).ok().flatten();
    facts.is_some_and(|facts| match beneath::kind_of(&facts) {
        FileType::Socket | FileType::Fifo => true,
        FileType::RegularFile => is_beside,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_group() -> String {
        user::name_of_group(rustix::process::getegid().as_raw()).unwrap()
    }

    #[test]
    fn setup_is_idempotent() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let done = setup(&own_group(), root.path()).unwrap();
        assert!(done[0].starts_with("made "), "{done:?}");
        let facts = root.path().join("run/linkspan").metadata().unwrap();
        assert_eq!(facts.mode() & 0o7777, 0o2770);
        let entry = fs::read_to_string(root.path().join("etc/tmpfiles.d/linkspan.conf")).unwrap();
        assert!(entry.ends_with(&format!("d /run/linkspan 2770 root {} -\n", own_group())), "{entry}");
        let again = setup(&own_group(), root.path()).unwrap();
        assert!(again[0].ends_with("already"), "{again:?}");
    }

    #[test]
    fn undo_leaves_nothing_of_setup_and_keeps_the_files_of_others() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/tmpfiles.d")).unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        let files = || {
            let mut found: Vec<_> = ["", "run", "etc", "etc/tmpfiles.d"]
                .into_iter()
                .flat_map(|folder| fs::read_dir(root.path().join(folder)).unwrap())
                .map(|entry| entry.unwrap().path())
                .collect();
            found.sort();
            found
        };
        let before = files();
        setup(&own_group(), root.path()).unwrap();
        let shared = root.path().join("run/linkspan");
        for name in [
            ".lock",
            ".lock.1.0123",
            ".token",
            ".position-1-x-0",
            ".owner.gone.fifo",
            ".new.gone.unix~0123456789abcdef",
        ] {
            fs::write(shared.join(name), "").unwrap();
        }
        drop(std::os::unix::net::UnixListener::bind(shared.join("gone.unix")).unwrap());
        // A value, the messages of a spool, a user's file, and a held name.
        for kept in ["kept.file", "jobs.spool", "notes", "held.unix"] {
            let path = shared.join(kept);
            let held = match kept {
                "jobs.spool" => {
                    fs::create_dir(&path).unwrap();
                    None
                }
                "held.unix" => {
                    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
                    let directory = Directory::existing(&shared).unwrap();
                    crate::sys::lock::try_own(&directory, kept).unwrap()
                }
                _ => {
                    fs::write(&path, "").unwrap();
                    None
                }
            };
            let found = fs::read_dir(&shared).unwrap().count();
            let error = undo(root.path()).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidState && error.text().contains(kept), "{error}");
            assert_eq!(fs::read_dir(&shared).unwrap().count(), found);
            drop(held);
            fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
        }
        let done = undo(root.path()).unwrap();
        assert!(done.len() == 2 && done[0].ends_with("run/linkspan"), "{done:?}");
        assert_eq!(files(), before);
        assert!(undo(root.path()).unwrap()[0].starts_with("nothing was set up"));
        fs::write(root.path().join(ENTRY), "d /run/linkspan 2770 root lab -\n").unwrap();
        assert!(undo(root.path()).unwrap()[0].starts_with("left "));
        assert!(root.path().join(ENTRY).exists());
    }

    #[test]
    fn empty_image_gets_run_and_missing_root_is_not_found() {
        let root = tempfile::tempdir().unwrap();
        let done = setup(&own_group(), root.path()).unwrap();
        assert_eq!(done[0], format!("made {}", root.path().join("run").display()));
        assert_eq!(root.path().join("run").metadata().unwrap().mode() & 0o7777 & 0o700, 0o700);
        assert_eq!(root.path().join("run/linkspan").metadata().unwrap().mode() & 0o7777, 0o2770);
        let error = setup(&own_group(), &root.path().join("mistyped")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.text().contains("there is no directory") && !root.path().join("mistyped").exists(),
            "{error}"
        );
    }

    #[test]
    fn missing_group_and_link_are_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        assert_eq!(setup("no-such-group", root.path()).unwrap_err().kind(), ErrorKind::Missing);
        // A link could lead anywhere.
        std::os::unix::fs::symlink("/tmp", root.path().join("run/linkspan")).unwrap();
        assert_eq!(setup(&own_group(), root.path()).unwrap_err().kind(), ErrorKind::InvalidState);
    }
}
