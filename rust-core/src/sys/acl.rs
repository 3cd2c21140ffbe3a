//! Letting one more user read a file, by an access list: what a mode has no words for.

use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// Where the kernel keeps a file's access list (acl(5)).
const NAME: &str = "system.posix_acl_access";
const VERSION: u32 = 2;
/// Whom an entry is for: the tag, and the number of nobody in particular.
const OWNER: u16 = 1;
const USER: u16 = 2;
const GROUP: u16 = 4;
const MASK: u16 = 16;
const OTHERS: u16 = 32;
const NOBODY: u32 = u32::MAX;
const READ: u16 = 4;
const WRITE: u16 = 2;

/// Lets the owner of a file read and write it, this user read it, and nobody else anything, root apart. False where the file
/// system has no such lists.
pub fn admit(file: impl AsFd, uid: u32) -> rustix::io::Result<bool> {
    let entries = [
        (OWNER, READ | WRITE, NOBODY),
        (USER, READ, uid),
        (GROUP, 0, NOBODY),
        (MASK, READ, NOBODY),
        (OTHERS, 0, NOBODY),
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn admitted_user_shows_in_the_mode_where_lists_are_known() {
        let file = tempfile::tempfile().unwrap();
        let mode = || file.metadata().unwrap().permissions().mode() & 0o777;
        file.set_permissions(PermissionsExt::from_mode(0o666)).unwrap();
        // The group's bits are the list's mask from here on.
        let expected = if admit(&file, 12_345).unwrap() { 0o640 } else { 0o666 };
        assert_eq!(mode(), expected);
    }
}
