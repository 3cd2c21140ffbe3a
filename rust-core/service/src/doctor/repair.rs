//! Owners and modes in the runtime directory that keep programs apart: found, and repaired.
//!
//! A repair leaves links and files with a second name alone. Only `linkspan doctor --repair` repairs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, Stat, Uid};

use super::finding::Finding;
use super::remedy;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::registry;
use crate::sys::beneath::{self, Beneath, DoingByKernelPath, Opened};
use crate::sys::directory::{self, DirectoryReason, runtime_path};
use crate::sys::{environment, lock};

struct Fault {
    path: PathBuf,
    /// The examined file, even if its name now leads elsewhere.
    handle: OwnedFd,
    what: String,
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
}

/// Returns the faults with the commands that repair them.
pub fn examine() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let finding = |fault: Fault| {
        let remedy = format!("linkspan doctor --repair, as root or its owner: {}", fault.commands());
        Finding::problem(fault.what, remedy)
    };
    all(&path, origin).into_iter().map(finding).collect()
}

/// Repairs the faults that [`examine`](crate::doctor::examine) finds, and removes stale files.
///
/// Returns one finding for each thing that was repaired or could not be.
pub fn repair() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let mut findings = Vec::new();
    // The directory first: its repaired mode determines the proper mode of the lock file.
    for examine in [directory as fn(&Path, DirectoryReason) -> Option<Fault>, lock_file] {
        let Some(fault) = examine(&path, origin) else { continue };
        findings.push(match fault.apply() {
            Ok(()) => {
                Finding::note(format!("repaired: {}", fault.what), format!("done: {}", fault.commands()))
            }
            Err(e) => {
                let by_root = format!(
                    "let root run `linkspan doctor --repair`{}: {}",
                    environment::advice(" with the same LINKSPAN_DIR", ""),
                    fault.commands()
                );
                Finding::problem(
                    format!("not repaired: {}; {}", fault.what, e.text()),
                    remedy::for_error(&e, &by_root),
                )
            }
        });
    }
    findings.extend(leftovers());
    findings
}

fn leftovers() -> Vec<Finding> {
    let cleaned = match registry::tidy() {
        Ok(cleaned) => cleaned,
        // The examination says why the directory cannot be used.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Vec::new(),
        Err(e) => {
            let remedy = remedy::for_error(&e, "see the directory's owner and mode");
            return vec![Finding::problem(
                format!("what dead processes left cannot be removed: {e}"),
                remedy,
            )];
        }
    };
    let mut findings = Vec::new();
    if !cleaned.removed.is_empty() {
        let what = format!("repaired: what dead processes left of {} is removed", cleaned.removed.join(", "));
        findings.push(Finding::note(what, ""));
    }
    if !cleaned.tidied.is_empty() {
        let what = format!(
            "repaired: what dead processes left beside {} is removed; the names and their messages stay",
            cleaned.tidied.join(", ")
        );
        findings.push(Finding::note(what, ""));
    }
    findings.extend(cleaned.left.iter().filter_map(|(endpoint, why)| stays(endpoint, why)));
    findings
}

/// Returns a finding about stale files that could not be removed.
///
/// `None` if the kernel denied access: then the holder of the name is reported.
fn stays(endpoint: &str, why: &Error) -> Option<Finding> {
    if why.kind() == ErrorKind::PermissionDenied && why.errno().is_some() {
        return None;
    }
    let what = format!("not repaired: something is left of {endpoint}: {}", why.text());
    Some(Finding::note(what, remedy::for_error(why, "its owner can remove it; no other user's program does")))
}

fn all(path: &Path, origin: DirectoryReason) -> Vec<Fault> {
    [directory(path, origin), lock_file(path, origin)].into_iter().flatten().collect()
}

fn open_directory(path: &Path, origin: DirectoryReason) -> Option<(OwnedFd, Stat)> {
    let handle = directory::handle(path, origin).ok()?;
    let facts = rustix::fs::fstat(&handle).ok()?;
    Some((handle, facts))
}

/// Examines whether owner and group can use the directory, and whether all users can replace names.
fn directory(path: &Path, origin: DirectoryReason) -> Option<Fault> {
    let (handle, facts) = open_directory(path, origin)?;
    let mode = facts.st_mode & 0o7777;
    let wanted = wanted_of_directory(mode, origin);
    if wanted == mode {
        return None;
    }
    let why = if mode & 0o002 != 0 && wanted & 0o002 == 0 {
        "everybody may take and replace names in it"
    } else if mode & 0o700 != 0o700 {
        "its own user may not make names in it"
    } else if origin == DirectoryReason::Temporary {
        "a runtime directory in /tmp has to be its user's alone"
    } else if mode & 0o2000 == 0 {
        "it lacks the setgid bit, so that what is made in it does not belong to its group, and members cannot meet"
    } else {
        "members of its group may not make names in it"
    };
    let what = format!(
        "{} belongs to uid {} and gid {} with mode {mode:04o}: {why}",
        path.display(),
        facts.st_uid,
        facts.st_gid
    );
    Some(Fault { path: path.to_owned(), handle, what, mode: Some(wanted), owner: None, group: None })
}

fn wanted_of_directory(mode: u32, origin: DirectoryReason) -> u32 {
    let mut wanted = mode | 0o700;
    if origin == DirectoryReason::Temporary {
        return wanted & !0o077;
    }
    let is_shared = origin == DirectoryReason::Shared || mode & 0o020 != 0;
    if is_shared && mode & 0o1002 != 0o1002 {
        wanted |= 0o2070;
    }
    // If all users may write, the sticky bit protects names from users that do not own them.
    if mode & 0o1002 == 0o002 { wanted & !0o002 } else { wanted }
}

fn lock_file(directory: &Path, origin: DirectoryReason) -> Option<Fault> {
    let (directory_handle, of_directory) = open_directory(directory, origin)?;
    let path = directory.join(lock::NAME);
    let Opened { fd: handle, facts } =
        Beneath::new(directory_handle.as_fd(), directory).handle(lock::NAME).ok()??;
    let directory_facts = of_directory;
    let is_shared = directory_facts.st_mode & 0o2070 == 0o2070;
    let is_world_writable = directory_facts.st_mode & 0o002 != 0;
    let is_file = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
    // A file with a second name could redirect the change. A file with content is another file under this name.
    if !is_file || facts.st_nlink != 1 || facts.st_size != 0 {
        return None;
    }
    let mode = facts.st_mode & 0o7777;
    let wanted = if is_shared { 0o660 } else { 0o600 };
    let owner = (!is_shared && !is_world_writable && facts.st_uid != directory_facts.st_uid)
        .then_some(directory_facts.st_uid);
    let group = (is_shared && facts.st_gid != directory_facts.st_gid).then_some(directory_facts.st_gid);
    let mode_wanted = (mode != wanted).then_some(wanted);
    if owner.is_none() && group.is_none() && mode_wanted.is_none() {
        return None;
    }
    let what = format!(
        "the lock file {} belongs to uid {} and gid {} with mode {mode:04o}, in a directory of uid {} and gid {}: not all who may make names there can take their locks",
        path.display(),
        facts.st_uid,
        facts.st_gid,
        directory_facts.st_uid,
        directory_facts.st_gid
    );
    Some(Fault { path, handle, what, mode: mode_wanted, owner, group })
}

impl Fault {
    fn commands(&self) -> String {
        let mut lines = Vec::new();
        let path = self.path.display();
        if let Some(owner) = self.owner {
            lines.push(format!("chown {owner} {path}"));
        }
        if let Some(group) = self.group {
            lines.push(format!("chgrp {group} {path}"));
        }
        if let Some(mode) = self.mode {
            lines.push(format!("chmod {mode:04o} {path}"));
        }
        lines.join("; ")
    }

    fn apply(&self) -> Result<()> {
        let doing = || format!("setting owner and mode of {}", self.path.display());
        let path = beneath::kernel_path(&self.handle);
        if self.owner.is_some() || self.group.is_some() {
            let (owner, group) = (self.owner.map(Uid::from_raw), self.group.map(Gid::from_raw));
            rustix::fs::chown(&path, owner, group).doing_by_kernel_path(doing())?;
        }
        if let Some(mode) = self.mode {
            rustix::fs::chmod(&path, Mode::from_raw_mode(mode)).doing_by_kernel_path(doing())?;
            // The kernel silently clears the setgid bit if the caller is not in the group.
            let now = rustix::fs::fstat(&self.handle).doing(doing())?.st_mode & 0o7777;
            if now != mode {
                let text = format!(
                    "uid {} set the mode of {} and it became {now:04o}: only root and members of its group may set {mode:04o}",
                    rustix::process::geteuid().as_raw(),
                    self.path.display()
                );
                return Err(Error::new(ErrorKind::PermissionDenied, text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn wanted_mode_of_directories() {
        for (mode, origin, wanted) in [
            (0o700, DirectoryReason::User, 0o700),
            (0o755, DirectoryReason::Environment, 0o755),
            (0o500, DirectoryReason::Environment, 0o700),
            (0o770, DirectoryReason::Environment, 0o2770),
            (0o2750, DirectoryReason::Environment, 0o2750),
            (0o2750, DirectoryReason::Shared, 0o2770),
            (0o755, DirectoryReason::Shared, 0o2775),
            (0o777, DirectoryReason::Environment, 0o2775),
            (0o1777, DirectoryReason::Environment, 0o1777),
            (0o2770, DirectoryReason::Shared, 0o2770),
            (0o750, DirectoryReason::Temporary, 0o700),
        ] {
            assert_eq!(wanted_of_directory(mode, origin), wanted, "{mode:04o} {origin:?}");
        }
    }

    #[test]
    fn half_shared_directory_and_lock_file_are_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let lock = path.join(lock::NAME);
        std::fs::write(&lock, "").unwrap();
        for (path, bits) in [(path, 0o770), (&lock, 0o400)] {
            std::fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
        }
        let fault = directory(path, DirectoryReason::Environment).unwrap();
        assert!(fault.what.contains("setgid") && fault.commands().contains("chmod 2770"), "{}", fault.what);
        fault.apply().unwrap();
        lock_file(path, DirectoryReason::Environment).unwrap().apply().unwrap();
        assert_eq!((mode(path), mode(&lock)), (0o2770, 0o660));
        assert!(all(path, DirectoryReason::Environment).is_empty());
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "").unwrap();
        let inner = folder.path().join("run");
        std::fs::create_dir(&inner).unwrap();
        std::os::unix::fs::symlink(&precious, inner.join(lock::NAME)).unwrap();
        assert!(lock_file(&inner, DirectoryReason::Environment).is_none());
        std::fs::remove_file(inner.join(lock::NAME)).unwrap();
        std::fs::hard_link(&precious, inner.join(lock::NAME)).unwrap();
        assert!(lock_file(&inner, DirectoryReason::Environment).is_none());
    }
}
