//! Remedies for errors of the kernel. Only the error number decides.

use rustix::io::Errno;

use crate::error::Error;

/// Returns the remedy for an error; `otherwise` without a number, or if its number tells nothing more.
pub(super) fn for_error(error: &Error, otherwise: &str) -> String {
    let errno = error.errno().map(Errno::from_raw_os_error);
    errno.and_then(for_errno).unwrap_or(otherwise).to_owned()
}

pub(super) fn for_errno(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::ROFS => {
            "mount its file system writable (mount -o remount,rw), or choose a directory on another one"
        }
        Errno::NOSPC => "remove files on its file system, or choose a directory on another one",
        Errno::DQUOT => "remove files of this user, whose quota is used up, or have the quota raised",
        Errno::MFILE | Errno::NFILE => {
            "raise the limit on open files: ulimit -n, or LimitNOFILE= of a service"
        }
        Errno::IO => "see the kernel's messages (dmesg): the disk reports errors",
        _ => return None,
    })
}
