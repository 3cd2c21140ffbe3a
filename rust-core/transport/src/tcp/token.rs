//! The token that keeps other users out of loopback TCP: 32 random bytes in a file of the runtime directory.
//!
//! Its mode is 0600 in a user's own directory, and 0640 in a directory that a group shares. A token that more
//! users can read is refused, because they may have read it already.

use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::Stat;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::RequiredOwner;
use crate::sys::directory::Directory;
use crate::sys::{environment, lock, random, staging};

pub const NAME: &str = ".token";
pub const LENGTH: usize = 32;
const LIMIT: usize = 4096;

pub struct TcpToken {
    pub secret: [u8; LENGTH],
    pub path: PathBuf,
}

impl std::fmt::Debug for TcpToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes never appear in a log.
        f.debug_struct("TcpToken").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TcpToken {
    /// Reads the token of this directory, and makes it if necessary.
    ///
    /// Blocks for at most a second while another process makes it.
    ///
    /// # Errors
    /// `PermissionDenied`, `Corrupt`; `Stalled` if the other process does not finish.
    pub fn of(directory: &Directory) -> Result<TcpToken> {
        const TRIES: u32 = 1000;
        for _ in 0..TRIES {
            if let Some(token) = TcpToken::read(directory)? {
                return Ok(token);
            }
            match lock::try_own(directory, NAME)? {
                Some(_lock) if TcpToken::read(directory)?.is_none() => make(directory)?,
                Some(_) => {}
                None => crate::sys::sleeping::sleep(Duration::from_millis(1)),
            }
        }
        let text = format!(
            "another process is making {} and does not finish",
            directory.path().join(NAME).display()
        );
        Err(Error::new(ErrorKind::Stalled, text))
    }

    /// Reads the token, if it exists.
    ///
    /// # Errors
    /// `PermissionDenied` if this user may not read it, or others might have read it; `Corrupt` for a wrong
    /// length.
    pub fn read(directory: &Directory) -> Result<Option<TcpToken>> {
        let path = directory.path().join(NAME);
        let owner = if directory.is_shared() { RequiredOwner::AnyUser } else { RequiredOwner::Trusted };
        let read = directory.beneath().read(NAME, LIMIT, owner).map_err(|e| match e.errno() {
            Some(libc::EACCES | libc::EPERM) => unreadable(&path),
            _ => e,
        });
        let Some((bytes, facts)) = read? else { return Ok(None) };
        check(directory, &path, &facts)?;
        let Ok(secret) = <[u8; LENGTH]>::try_from(&bytes[..]) else {
            let text = format!(
                "{} has {} bytes and not {LENGTH}; remove it, and a new one is made",
                path.display(),
                bytes.len()
            );
            return Err(Error::new(ErrorKind::Corrupt, text));
        };
        Ok(Some(TcpToken { secret, path }))
    }
}

fn check(directory: &Directory, path: &std::path::Path, facts: &Stat) -> Result<()> {
    let shared = directory.is_shared();
    let mode = facts.st_mode & 0o7777;
    let of_others = if shared { mode & 0o007 } else { mode & 0o077 };
    if of_others == 0 {
        return Ok(());
    }
    let who = if shared { "its group" } else { "its user" };
    let text = format!(
        "{} belongs to uid {} and gid {} with mode {mode:04o}, so that more than {who} may know it; remove it, and a new one is made",
        path.display(),
        facts.st_uid,
        facts.st_gid,
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

fn unreadable(path: &std::path::Path) -> Error {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    let whose = match path.symlink_metadata() {
        Ok(facts) => format!(
            "which belongs to uid {} and gid {} with mode {:04o}",
            facts.uid(),
            facts.gid(),
            facts.mode() & 0o7777
        ),
        Err(_) => "whose owner cannot be seen".to_owned(),
    };
    let text = format!(
        "uid {me} may not read the token {}, {whose}, and TCP on this machine needs it; share a directory with `linkspan setup --group NAME`{}",
        path.display(),
        environment::advice(", or let each user have one (LINKSPAN_DIR)", "")
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

/// Makes the token under a temporary name and renames it. The caller holds the lock.
fn make(directory: &Directory) -> Result<()> {
    staging::sweep(directory, &[NAME])?;
    let mode = if directory.is_shared() { 0o640 } else { 0o600 };
    let secret: [u8; LENGTH] = random::bytes()?;
    match directory.beneath().replace(NAME, &secret, mode, None) {
        Err(e) if e.kind() == ErrorKind::AddressInUse => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory(mode: u32) -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        (folder, directory)
    }

    fn mode_of(folder: &tempfile::TempDir) -> u32 {
        std::fs::metadata(folder.path().join(NAME)).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(folder: &tempfile::TempDir, mode: u32) {
        std::fs::set_permissions(folder.path().join(NAME), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn concurrent_makers_get_one_token() {
        let (folder, directory) = directory(0o700);
        assert!(TcpToken::read(&directory).unwrap().is_none());
        let secrets: std::collections::BTreeSet<_> = std::thread::scope(|s| {
            let all: Vec<_> = (0..8).map(|_| s.spawn(|| TcpToken::of(&directory).unwrap().secret)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        assert_eq!(mode_of(&folder), 0o600);
        assert_eq!(directory.names().unwrap(), [".lock", NAME]);
    }

    #[test]
    fn shared_directory_gives_token_group_mode() {
        let (folder, directory) = directory(0o2770);
        TcpToken::of(&directory).unwrap();
        assert_eq!(mode_of(&folder), 0o640);
        set_mode(&folder, 0o660);
        TcpToken::of(&directory).unwrap();
        set_mode(&folder, 0o644);
        assert_eq!(TcpToken::of(&directory).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn token_readable_by_others_is_refused() {
        let (folder, directory) = directory(0o700);
        TcpToken::of(&directory).unwrap();
        for mode in [0o640, 0o604, 0o666] {
            set_mode(&folder, mode);
            let error = TcpToken::of(&directory).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.text().contains(".token") && error.text().contains("remove it"), "{error}");
        }
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        TcpToken::of(&directory).unwrap();
        assert_eq!(mode_of(&folder), 0o600);
    }

    #[test]
    fn token_of_wrong_length_is_corrupt_and_temporary_one_ignored() {
        let (folder, directory) = directory(0o700);
        std::fs::write(folder.path().join(".new..token"), [1; 7]).unwrap();
        TcpToken::of(&directory).unwrap();
        std::fs::write(folder.path().join(NAME), [1; 7]).unwrap();
        assert_eq!(TcpToken::of(&directory).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(directory.names().unwrap(), [".lock", NAME]);
    }
}
