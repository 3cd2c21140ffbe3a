//! An access list that admits one more user to read a file, which a mode cannot express.
//!
//! The list is the value of the extended attribute `system.posix_acl_access` (acl(5)): a version,
//! then entries of tag, permissions and number, all little-endian.

use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The extended attribute.
const NAME: &str = "system.posix_acl_access";
/// The version of the layout.
const VERSION: u32 = 2;
/// Tags of entries: the user or group that an entry is for.
const OWNER: u16 = 1;
const USER: u16 = 2;
const GROUP: u16 = 4;
const MASK: u16 = 16;
const OTHERS: u16 = 32;
/// The number in an entry whose tag already determines its user or group.
const NO_ID: u32 = u32::MAX;
/// Permissions.
const READ: u16 = 4;
const WRITE: u16 = 2;

/// Lets the owner read and write an open file, this user read it, and no other user except root
/// access it. Returns false where the file system has no access lists.
pub fn admit(file: impl AsFd, uid: u32) -> rustix::io::Result<bool> {
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn admitted_user_shows_in_the_mode_where_lists_are_known() {
        let file = tempfile::tempfile().unwrap();
        let mode = || file.metadata().unwrap().permissions().mode() & 0o777;
        file.set_permissions(PermissionsExt::from_mode(0o666)).unwrap();
        // With a list, the group bits of the mode show the list's mask.
        let expected = if admit(&file, 12_345).unwrap() { 0o640 } else { 0o666 };
        assert_eq!(mode(), expected);
    }
}
