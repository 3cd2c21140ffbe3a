//! Users and groups: their names, a file for a group, and access for one more user.
//!
//! Names and home directories come directly from `/etc/passwd` and `/etc/group`, because a name service may block.

use std::fmt::Display;
use std::os::fd::AsFd;

use rustix::fs::{Gid, XattrFlags};
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};

/// Returns a user's name from /etc/passwd.
pub fn name_of_user(uid: u32) -> Option<String> {
    find("/etc/passwd", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| fields[0].into())
    })
}

pub(crate) fn home_of_user(uid: u32) -> Option<std::path::PathBuf> {
    find("/etc/passwd", |fields| {
        let home = fields.get(5)?;
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == uid).map(|_| (*home).into())
    })
}

/// Returns a group's number from /etc/group.
pub fn group_of_name(name: &str) -> Option<u32> {
    find("/etc/group", |fields| if fields[0] == name { fields.get(2)?.parse().ok() } else { None })
}

/// Returns a group's name from /etc/group.
pub fn name_of_group(gid: u32) -> Option<String> {
    find("/etc/group", |fields| {
        fields.get(2)?.parse().ok().filter(|n: &u32| *n == gid).map(|_| fields[0].into())
    })
}

fn find<T>(file: &str, wanted: impl Fn(&[&str]) -> Option<T>) -> Option<T> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| wanted(&line.split(':').collect::<Vec<_>>()))
}

/// Gives an open file or directory to a group, if any. `shown` is its path, for texts.
///
/// # Errors
/// `PermissionDenied` if this user is not in the group.
pub fn give_to_group(file: impl AsFd, shown: impl Display, group: Option<u32>) -> Result<()> {
    let Some(gid) = group else { return Ok(()) };
    let given = rustix::fs::fchown(file, None, Some(Gid::from_raw(gid)));
    given.or_else(|e| refuse_group(shown, gid, e))
}

pub(crate) fn refuse_group(shown: impl Display, gid: u32, errno: Errno) -> Result<()> {
    let named = name_of_group(gid).unwrap_or_else(|| gid.to_string());
    if errno != Errno::PERM {
        return Err(errno).doing(format_args!("giving {shown} to the group {named}"));
    }
    let text = format!(
        "uid {} may not give {shown} to the group {named} (gid {gid}): only its members and root may; put the user in it (usermod -a -G {named} USER, then log in anew), or name a group that the user is in",
        rustix::process::geteuid().as_raw()
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

/// Lets the owner read and write an open file, this user read it, and no other except root.
///
/// Returns false if the file system has no access lists. The list is the value of `system.posix_acl_access` (acl(5)): a
/// version, then entries of tag, permissions and number, little-endian.
pub fn admit(file: impl AsFd, uid: u32) -> rustix::io::Result<bool> {
    const NAME: &str = "system.posix_acl_access";
    const VERSION: u32 = 2;
    // Tags of entries: the user or group that an entry is for.
    const OWNER: u16 = 1;
    const USER: u16 = 2;
    const GROUP: u16 = 4;
    const MASK: u16 = 16;
    const OTHERS: u16 = 32;
    // For tags that determine the user or group.
    const NO_ID: u32 = u32::MAX;
    const READ: u16 = 4;
    const WRITE: u16 = 2;
    let entries = [
        (OWNER, READ | WRITE, NO_ID),
        (USER, READ, uid),
        (GROUP, 0, NO_ID),
        (MASK, READ, NO_ID),
        (OTHERS, 0, NO_ID),
    ];
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, may, who) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(may.to_le_bytes());
        list.extend(who.to_le_bytes());
    }
    match rustix::fs::fsetxattr(file, NAME, &list, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn created_files_belong_to_the_given_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = std::fs::File::create(&path).unwrap();
        let own = rustix::process::getegid().as_raw();
        give_to_group(&file, path.display(), Some(own)).unwrap();
        assert_eq!(path.metadata().unwrap().gid(), own);
    }

    #[test]
    fn missing_membership_is_reported_with_group_and_remedy() {
        let error = refuse_group("/x", 54_321, Errno::PERM).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        for part in ["/x", "gid 54321", "usermod -a -G 54321"] {
            assert!(error.text().contains(part), "{error}");
        }
    }

    #[test]
    fn admitted_user_shows_in_the_mode_where_lists_are_known() {
        let file = tempfile::tempfile().unwrap();
        let mode = || file.metadata().unwrap().permissions().mode() & 0o777;
        file.set_permissions(PermissionsExt::from_mode(0o666)).unwrap();
        // The group bits show the list's mask.
        let expected = if admit(&file, 12_345).unwrap() { 0o640 } else { 0o666 };
        assert_eq!(mode(), expected);
    }
}
