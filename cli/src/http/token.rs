//! The token of one start: 32 random bytes, told in the page's address and in a file that its owner alone may read.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;
use subtle::ConstantTimeEq;

/// The file in the runtime directory that holds the page's address.
const NAME: &str = ".http-token";
const LENGTH: usize = 32;
/// The longest file that may hold an address.
const LONGEST: u64 = 4096;
/// How long the page's server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a browser has to know.
pub struct Token(String);

/// So many bytes drawn by chance, in hexadecimal digits.
fn random<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(got) if got == N => Ok(bytes.iter().map(|b| format!("{b:02x}")).collect()),
        _ => Err(Error::new(ErrorKind::Internal, "the kernel gave no random bytes for the page")),
    }
}

/// A name that nothing else has.
pub fn id() -> Result<String> {
    random::<12>()
}

impl Token {
    /// A new one.
    pub fn draw() -> Result<Token> {
        random::<LENGTH>().map(Token)
    }

    /// The one that this file keeps, which is made with a new one where there is none. `PermissionDenied` where others may have read
    /// it, `Malformed` where it holds something else.
    pub fn kept(path: &Path) -> Result<Token> {
        if read_kept(path)?.is_none() {
            make_kept(path, &Token::draw()?)?;
        }
        // Of two that start at once one has made it, and both have that.
        read_kept(path)?.ok_or_else(|| {
            let text = format!("{} was removed while it was made", path.display());
            Error::new(ErrorKind::NotFound, text)
        })
    }

    /// Whether this is it; how long the answer takes tells nothing.
    pub fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }

    /// Whether both are the same.
    pub fn is_same(&self, other: &Token) -> bool {
        self.is(other.0.as_bytes())
    }

    /// The page's address with it. What follows the `#` is sent to no server and stands in no log.
    pub fn address(&self, host: &str) -> String {
        format!("http://{host}/#token={}", self.0)
    }
}

fn read_kept(path: &Path) -> Result<Option<Token>> {
    let Some((text, mode)) = read_own_with_mode(path)? else { return Ok(None) };
    if mode & 0o077 != 0 {
        let text = format!(
            "{} has mode {:04o}, so that others may know the token in it; remove it, and a new one is made with mode 0600",
            path.display(),
            mode & 0o7777
        );
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let token = text.trim_end();
    if token.len() != 2 * LENGTH || !token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        let text = format!(
            "{} holds no token, which is {} digits and letters from a to f; remove it, and a new one is made",
            path.display(),
            2 * LENGTH
        );
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    Ok(Some(Token(token.to_owned())))
}

/// Puts a token into a file that is not there yet: it appears whole, on the disk, and in the place of nothing.
fn make_kept(path: &Path, token: &Token) -> Result<()> {
    let doing = |e: std::io::Error| {
        Error::os(format!("making the token {}", path.display()), e.raw_os_error().unwrap_or(0))
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let unfinished = path.with_file_name(format!(".new.{}.{name}", id()?));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(doing)?;
    let written = file.write_all(format!("{}\n", token.0).as_bytes()).and_then(|()| file.sync_all());
    let made = written.and_then(|()| fs::hard_link(&unfinished, path));
    let removed = fs::remove_file(&unfinished);
    match made {
        // Somebody else was first.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.map_err(doing)?,
    }
    removed.map_err(doing)
}

/// The file with the address; it is removed with this, unless a later start has written its own.
pub struct AddressFile {
    path: PathBuf,
    address: String,
}

impl AddressFile {
    /// Writes it under another name and renames it: nobody sees half of it, and no older one stays readable through it.
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
            // On a full disk, for one. The first error is the one that counts.
            let _ = fs::remove_file(&unfinished);
            doing(e)
        })?;
        Ok(AddressFile { path, address: address.to_owned() })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if read_own(&self.path).is_ok_and(|text| text.is_some_and(|text| text.trim_end() == self.address)) {
            // It tells of a token that is worth nothing any more: nothing is lost where it stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The address of the page that is served here now. `NotFound` where none is; `PermissionDenied` where it is another user's.
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
            "the page at {host:?}, of which {} tells, is not served any more",
            path.display()
        ))),
    }
}

/// The file's text, where it is there and ours. In a directory that a group shares its other members may put there what they like: a
/// page of their own, a link, a pipe that nobody writes to.
fn read_own(path: &Path) -> Result<Option<String>> {
    Ok(read_own_with_mode(path)?.map(|(text, _)| text))
}

fn read_own_with_mode(path: &Path) -> Result<Option<(String, u32)>> {
    let doing = |e: std::io::Error| {
        let what = format!("reading {}", path.display());
        Error::os(what, e.raw_os_error().unwrap_or(0))
    };
    let foreign = |what: &str| {
        let text = format!(
            "{} {what}, so it is not taken for yours: another user of this directory may have put it there; remove it and start the controller again",
            path.display()
        );
        Error::new(ErrorKind::PermissionDenied, text)
    };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) if Errno::from_io_error(&e) == Some(Errno::LOOP) => return Err(foreign("is a link")),
        Err(e) if Errno::from_io_error(&e) == Some(Errno::AGAIN) => return Err(foreign("is under a lease")),
        Err(e) => return Err(doing(e)),
    };
    let facts = file.metadata().map_err(doing)?;
    if !facts.is_file() || facts.len() > LONGEST {
        return Err(foreign("is not the file that the controller writes"));
    }
    if facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(foreign(&format!("belongs to uid {}", facts.uid())));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|_| foreign("holds no text"))?;
    Ok(Some((text, facts.mode())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_start_has_its_own_and_only_the_whole_of_it_counts() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        let address = one.address("127.0.0.1:8017");
        let said = address.strip_prefix("http://127.0.0.1:8017/#token=").unwrap().as_bytes();
        assert_eq!(said.len(), 2 * LENGTH);
        assert!(one.is(said) && !other.is(said));
        for wrong in [&said[1..], &said[..63], b"", &[said, b"0"].concat()] {
            assert!(!one.is(wrong));
        }
    }

    #[test]
    fn what_another_user_put_in_its_place_is_told_and_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let refused = |what: &str| {
            let error = read_own(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{what}: {error}");
            // The controller's own end is not held up by it either, and removes nothing.
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
        let first = Token::kept(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(Token::kept(&path).unwrap().is(first.0.as_bytes()));
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", first.0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for mode in [0o640, 0o604, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Token::kept(&path).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in ["", "short", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(Token::kept(&path).err().unwrap().kind(), ErrorKind::Malformed, "{wrong}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(Token::kept(&path).err().unwrap().kind(), ErrorKind::PermissionDenied);
    }

    fn path_is_there(path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    #[test]
    fn its_file_is_for_its_owner_and_goes_with_it() {
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
