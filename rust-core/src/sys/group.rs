//! Gives a new file to a group, with the reason in the error where that is not allowed.

use std::fmt::Display;
use std::os::fd::AsFd;

use rustix::fs::Gid;
use rustix::io::Errno;

use super::user;
use crate::error::{Doing, Error, ErrorKind, Result};

/// Gives an open file or directory to a group; does nothing where none is given. `shown` is its
/// path, for texts.
///
/// # Errors
/// `PermissionDenied` where this user is not in the group, with the remedy.
pub fn give(file: impl AsFd, shown: impl Display, group: Option<u32>) -> Result<()> {
    let Some(gid) = group else { return Ok(()) };
    let given = rustix::fs::fchown(file, None, Some(Gid::from_raw(gid)));
    given.or_else(|e| refuse(shown, gid, e))
}

/// Makes the error of a file that could not be given to a group.
pub fn refuse(shown: impl Display, gid: u32, errno: Errno) -> Result<()> {
    let named = user::name_of_group(gid).unwrap_or_else(|| gid.to_string());
    if errno != Errno::PERM {
        return Err(errno).doing(format_args!("giving {shown} to the group {named}"));
    }
    let text = format!(
        "uid {} may not give {shown} to the group {named} (gid {gid}): only its members and root may; put the user in it (usermod -a -G {named} USER, then log in anew), or name a group that the user is in",
        rustix::process::geteuid().as_raw()
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn created_files_belong_to_the_given_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = std::fs::File::create(&path).unwrap();
        let own = rustix::process::getegid().as_raw();
        give(&file, path.display(), Some(own)).unwrap();
        assert_eq!(path.metadata().unwrap().gid(), own);
    }

    #[test]
    fn missing_membership_is_reported_with_group_and_remedy() {
        let error = refuse("/x", 54_321, Errno::PERM).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        for part in ["/x", "gid 54321", "usermod -a -G 54321"] {
            assert!(error.text().contains(part), "{error}");
        }
    }
}
