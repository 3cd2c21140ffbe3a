//! Creates the runtime directory that several users share: `/run/linkspan`, with the members of one
//! group as its users.
//!
//! Everything is idempotent: a second run reports the state and changes nothing. The directory
//! is opened without following links and changed through that handle, so that no other user can
//! redirect the change while root runs this.

use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::user;

/// Creates `/run/linkspan` for the members of a group, and an entry of tmpfiles.d that creates it
/// again after a restart. Returns one line for each thing that was done. `root` stands for `/`, for
/// an image that is being prepared.
///
/// # Errors
/// `Missing` if there is no such group; `PermissionDenied` if the caller is not root; `InvalidState`
/// if `/run/linkspan` exists and is no directory; `NotFound` if `root` does not exist.
pub fn setup(group: &str, root: &Path) -> Result<Vec<String>> {
    let Some(gid) = user::group_of_name(group) else {
        let text = format!("there is no group {group}; make it first: groupadd --system {group}");
        return Err(Error::new(ErrorKind::Missing, text));
    };
    let mut done = Vec::new();
    let run = root.join("run");
    // The root of an image may still be empty; a mistyped one is not created.
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
    let doing = || format!("opening {}", directory.display());
    let opened =
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(&directory);
    let handle = match opened {
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => {
            let text = format!("{} is there and is no directory; remove it", directory.display());
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        opened => opened.doing(doing())?,
    };
    let facts = handle.metadata().doing(doing())?;
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
    let entry = root.join("etc/tmpfiles.d/linkspan.conf");
    let line = format!(
        "# Where programs of several users meet; written by `linkspan setup`.\nd /run/linkspan {mode:04o} root {group} -\n"
    );
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
        // A link could point anywhere.
        std::os::unix::fs::symlink("/tmp", root.path().join("run/linkspan")).unwrap();
        assert_eq!(setup(&own_group(), root.path()).unwrap_err().kind(), ErrorKind::InvalidState);
    }
}
