//! The token of one start: 32 random bytes in the page's address, and in a file for its owner.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::page::{Token, random_id, read_private};
use linkspan::{Error, ErrorKind, Result};

const NAME: &str = ".http-token";
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads or makes the token.
///
/// `PermissionDenied` if other users may have read it, `Malformed` for other contents.
pub fn kept(path: &Path) -> Result<Token> {
    if let Some(token) = Token::from_file(path)? {
        return Ok(token);
    }
    make_kept(path, &Token::draw()?)?;
    // If two processes start at once, the first one makes the token for both.
    Token::from_file(path)?.ok_or_else(|| {
        let text = format!("{} was removed while it was made", path.display());
        Error::new(ErrorKind::NotFound, text)
    })
}

/// Writes a new file, complete and synced, never replacing another.
fn make_kept(path: &Path, token: &Token) -> Result<()> {
    let doing = |e: std::io::Error| {
        Error::os(format!("making the token {}", path.display()), e.raw_os_error().unwrap_or(0))
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let unfinished = path.with_file_name(format!(".new.{}.{name}", random_id()?));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(doing)?;
    let written = file.write_all(format!("{}\n", token.digits()).as_bytes()).and_then(|()| file.sync_all());
    let made = written.and_then(|()| fs::hard_link(&unfinished, path));
    let removed = fs::remove_file(&unfinished);
    match made {
        // Another process was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.map_err(doing)?,
    }
    removed.map_err(doing)
}

/// The drop removes the file, unless a later start has replaced it.
pub struct AddressFile {
    path: PathBuf,
    address: String,
}

impl AddressFile {
    /// Writes the file under another name and renames it.
    ///
    /// No process can read an incomplete or outdated file.
    pub fn write(directory: &Path, address: &str) -> Result<AddressFile> {
        let path = directory.join(NAME);
        let unfinished = directory.join(format!(".new.{}{NAME}", std::process::id()));
        let doing = |e: std::io::Error| {
            let what = format!("writing the page's address to {}", path.display());
            Error::os(what, e.raw_os_error().unwrap_or(0))
        };
        match fs::remove_file(&unfinished) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(doing(e)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(doing)?;
        let written = file.write_all(format!("{address}\n").as_bytes());
        written.and_then(|()| fs::rename(&unfinished, &path)).map_err(|e| {
            // The first error is returned.
            let _ = fs::remove_file(&unfinished);
            doing(e)
        })?;
        Ok(AddressFile { path, address: address.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if read_own(&self.path).is_ok_and(|text| text.is_some_and(|text| text.trim_end() == self.address)) {
            // If it stays, its token is invalid.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The current page's address. `NotFound` without a page; `PermissionDenied` for another user's.
pub fn address() -> Result<String> {
    let path = linkspan::registry::directory()?.join(NAME);
    let none = |why: &str| {
        let text = format!("{why}; start it with `linkspan controller --http 127.0.0.1:8017`");
        Error::new(ErrorKind::NotFound, text)
    };
    let Some(text) = read_own(&path)? else {
        return Err(none(&format!("no page is served here: there is no {}", path.display())));
    };
    let address = text.trim_end();
    let host = address.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or("");
    let served = host.parse().ok().map(|host| TcpStream::connect_timeout(&host, PATIENCE));
    match served {
        Some(Ok(_)) => Ok(address.to_owned()),
        _ => Err(none(&format!(
            "the page at {host:?}, which is named in {}, is not served any more",
            path.display()
        ))),
    }
}

fn read_own(path: &Path) -> Result<Option<String>> {
    Ok(read_private(path)?.map(|(text, _)| text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn file_of_another_user_in_its_place_is_reported_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let refused = |what: &str| {
            let error = read_own(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
            // Nor does it block the end of the controller.
            let (path, address) = (path.clone(), "http://first".to_owned());
            drop(AddressFile { path, address });
            assert!(path_is_there(&folder.path().join(NAME)), "{what}");
            fs::remove_file(folder.path().join(NAME)).unwrap();
        };
        assert_eq!(read_own(&path).unwrap(), None);
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        refused("a link");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        refused("a pipe");
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        refused("a file without end");
        if rustix::process::geteuid().is_root() {
            fs::write(&path, "http://127.0.0.1:1/#token=theirs").unwrap();
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            refused("another user's page");
        }
    }

    #[test]
    fn kept_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let first = kept(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(kept(&path).unwrap().is_same(&first));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", first.digits()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(kept(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    fn path_is_there(path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    #[test]
    fn address_file_is_private_and_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let first = AddressFile::write(folder.path(), "http://first").unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let second = AddressFile::write(folder.path(), "http://second").unwrap();
        drop(first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "http://second\n");
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
