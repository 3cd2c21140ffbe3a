//! The token of one start: 32 random bytes, told in the page's address and in a file that its owner alone may read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use linkspan::{Error, ErrorKind, Result};
use subtle::ConstantTimeEq;

/// The file in the runtime directory that holds the page's address.
const NAME: &str = ".http-token";
const LENGTH: usize = 32;

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

    /// Whether this is it; how long the answer takes tells nothing.
    pub fn is(&self, said: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(said).into()
    }

    /// The page's address with it. What follows the `#` is sent to no server and stands in no log.
    pub fn address(&self, host: &str) -> String {
        format!("http://{host}/#token={}", self.0)
    }
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
        file.write_all(format!("{address}\n").as_bytes()).map_err(doing)?;
        fs::rename(&unfinished, &path).map_err(doing)?;
        Ok(AddressFile { path, address: address.to_owned() })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text.trim_end() == self.address) {
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
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(none(&format!("no page is served here: there is no {}", path.display())));
        }
        Err(e) => {
            return Err(Error::os(
                format!("reading the page's address in {}", path.display()),
                e.raw_os_error().unwrap_or(0),
            ));
        }
    };
    let address = text.trim_end();
    let host = address.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or("");
    match TcpStream::connect(host) {
        Ok(_) => Ok(address.to_owned()),
        Err(_) => Err(none(&format!(
            "the page at {host}, of which {} tells, is not served any more",
            path.display()
        ))),
    }
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
