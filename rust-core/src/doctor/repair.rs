//! Owners and modes in the runtime directory that keep programs apart: found, and set right.

use std::fs::Permissions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::Finding;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::beneath::{self, Beneath, Opened};
use crate::sys::directory::{self, Origin, runtime_path};
use crate::sys::lock;

/// What is wrong with a file or directory, and what it should be.
struct Wrong {
    path: PathBuf,
    /// The very thing that was looked at, whatever its name leads to by now.
    handle: OwnedFd,
    what: String,
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
}

/// What keeps programs apart, with the command that sets it right.
pub fn examine() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let tell = |wrong: Wrong| {
        let remedy = format!("linkspan doctor --repair, as root or its owner: {}", wrong.cure());
        Finding::problem(wrong.what, remedy)
    };
    all(&path, origin).into_iter().map(tell).collect()
}

/// Sets right what [`examine`](super::examine) finds; one finding for each thing that was done or could not be.
pub fn repair() -> Vec<Finding> {
    let (path, origin) = runtime_path();
    let mut findings = Vec::new();
    // One cure can bring the next to light: what the lock file should be follows from the directory.
    for look in [directory as fn(&Path, Origin) -> Option<Wrong>, lock_file] {
        let Some(wrong) = look(&path, origin) else { continue };
        findings.push(match wrong.set_right() {
            Ok(()) => Finding::note(format!("repaired: {}", wrong.what), format!("done: {}", wrong.cure())),
            Err(e) => Finding::problem(
                format!("not repaired: {}; {}", wrong.what, e.text()),
                format!(
                    "let root run `linkspan doctor --repair` with the same LINKSPAN_DIR: {}",
                    wrong.cure()
                ),
            ),
        });
    }
    findings
}

fn all(path: &Path, origin: Origin) -> Vec<Wrong> {
    [directory(path, origin), lock_file(path, origin)].into_iter().flatten().collect()
}

/// The runtime directory, which no link of another user leads to.
fn look(path: &Path, origin: Origin) -> Option<(OwnedFd, Stat)> {
    let handle = directory::handle(path, origin).ok()?;
    let facts = rustix::fs::fstat(&handle).ok()?;
    Some((handle, facts))
}

/// The directory itself: closed to its owner, shared by halves, or open to everybody.
fn directory(path: &Path, origin: Origin) -> Option<Wrong> {
    let (handle, facts) = look(path, origin)?;
    let mode = facts.st_mode & 0o7777;
    let wanted = wanted_of_directory(mode, origin);
    if wanted == mode {
        return None;
    }
    let why = if mode & 0o002 != 0 && wanted & 0o002 == 0 {
        "everybody may take and replace names in it"
    } else if mode & 0o700 != 0o700 {
        "its own user may not make names in it"
    } else if origin == Origin::Temporary {
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
    Some(Wrong { path: path.to_owned(), handle, what, mode: Some(wanted), owner: None, group: None })
}

fn wanted_of_directory(mode: u32, origin: Origin) -> u32 {
    let mut wanted = mode | 0o700;
    if origin == Origin::Temporary {
        return wanted & !0o077;
    }
    let is_shared = origin == Origin::Shared || mode & 0o020 != 0;
    if is_shared && mode & 0o1002 != 0o1002 {
        wanted |= 0o2070;
    }
    // Where all may write, the sticky bit at least keeps each from the others' names.
    if mode & 0o1002 == 0o002 { wanted & !0o002 } else { wanted }
}

/// The lock file: whoever may make names has to be able to open it.
fn lock_file(directory: &Path, origin: Origin) -> Option<Wrong> {
    let (around, of_directory) = look(directory, origin)?;
    let path = directory.join(lock::NAME);
    let Opened { fd: handle, facts } = Beneath::new(around.as_fd(), directory).handle(lock::NAME).ok()??;
    let around = of_directory;
    let is_shared = around.st_mode & 0o2070 == 0o2070;
    let is_everybodys = around.st_mode & 0o002 != 0;
    let is_file = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
    // A further name of the same file could lead this anywhere, and one that holds something is another file that somebody
    // has given this name.
    if !is_file || facts.st_nlink != 1 || facts.st_size != 0 {
        return None;
    }
    let mode = facts.st_mode & 0o7777;
    let wanted = if is_shared { 0o660 } else { 0o600 };
    let owner = (!is_shared && !is_everybodys && facts.st_uid != around.st_uid).then_some(around.st_uid);
    let group = (is_shared && facts.st_gid != around.st_gid).then_some(around.st_gid);
    let mode_wanted = (mode != wanted).then_some(wanted);
    if owner.is_none() && group.is_none() && mode_wanted.is_none() {
        return None;
    }
    let what = format!(
        "the lock file {} belongs to uid {} and gid {} with mode {mode:04o}, in a directory of uid {} and gid {}: not all who may make names there can take their locks",
        path.display(),
        facts.st_uid,
        facts.st_gid,
        around.st_uid,
        around.st_gid
    );
    Some(Wrong { path, handle, what, mode: mode_wanted, owner, group })
}

impl Wrong {
    /// The commands that a person would type.
    fn cure(&self) -> String {
        let mut commands = Vec::new();
        let path = self.path.display();
        if let Some(owner) = self.owner {
            commands.push(format!("chown {owner} {path}"));
        }
        if let Some(group) = self.group {
            commands.push(format!("chgrp {group} {path}"));
        }
        if let Some(mode) = self.mode {
            commands.push(format!("chmod {mode:04o} {path}"));
        }
        commands.join("; ")
    }

    fn set_right(&self) -> Result<()> {
        let doing = || format!("setting owner and mode of {}", self.path.display());
        // The name may lead elsewhere by now; this leads to what was looked at, and nowhere else.
        let path = beneath::kernel_path(&self.handle);
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::chown(&path, self.owner, self.group).doing(doing())?;
        }
        if let Some(mode) = self.mode {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).doing(doing())?;
            // The kernel takes the setgid bit away in silence where the caller is not in the group.
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
    use super::*;

    #[test]
    fn what_a_directory_should_be() {
        for (mode, origin, wanted) in [
            (0o700, Origin::User, 0o700),
            (0o755, Origin::Environment, 0o755),
            (0o500, Origin::Environment, 0o700),
            (0o770, Origin::Environment, 0o2770),
            (0o2750, Origin::Environment, 0o2750),
            (0o2750, Origin::Shared, 0o2770),
            (0o755, Origin::Shared, 0o2775),
            (0o777, Origin::Environment, 0o2775),
            (0o1777, Origin::Environment, 0o1777),
            (0o2770, Origin::Shared, 0o2770),
            (0o750, Origin::Temporary, 0o700),
        ] {
            assert_eq!(wanted_of_directory(mode, origin), wanted, "{mode:04o} {origin:?}");
        }
    }

    #[test]
    fn a_directory_shared_by_halves_and_its_lock_file_are_set_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let lock = path.join(lock::NAME);
        std::fs::write(&lock, "").unwrap();
        for (path, bits) in [(path, 0o770), (&lock, 0o400)] {
            std::fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
        }
        let wrong = directory(path, Origin::Environment).unwrap();
        assert!(wrong.what.contains("setgid") && wrong.cure().contains("chmod 2770"), "{}", wrong.what);
        wrong.set_right().unwrap();
        lock_file(path, Origin::Environment).unwrap().set_right().unwrap();
        assert_eq!((mode(path), mode(&lock)), (0o2770, 0o660));
        assert!(all(path, Origin::Environment).is_empty());
    }

    #[test]
    fn what_a_link_leads_to_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        std::fs::write(&precious, "").unwrap();
        let inner = folder.path().join("run");
        std::fs::create_dir(&inner).unwrap();
        std::os::unix::fs::symlink(&precious, inner.join(lock::NAME)).unwrap();
        assert!(lock_file(&inner, Origin::Environment).is_none());
        std::fs::remove_file(inner.join(lock::NAME)).unwrap();
        std::fs::hard_link(&precious, inner.join(lock::NAME)).unwrap();
        assert!(lock_file(&inner, Origin::Environment).is_none());
    }
}
