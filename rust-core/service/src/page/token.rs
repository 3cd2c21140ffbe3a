//! The token of the page: 32 random bytes in hexadecimal digits, in a file that only its owner reads.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use subtle::ConstantTimeEq;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::random;

const LENGTH: usize = 32;
const MAX_FILE: u64 = 4096;

/// The secret of a request. Debug output does not contain its text.
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Returns 24 random hexadecimal digits, for the id of a command.
///
/// # Errors
///
/// `Internal` if the kernel has no random bytes.
pub fn random_id() -> Result<String> {
    random::digits::<12>()
}

impl Token {
    /// Returns a new random token.
    ///
    /// # Errors
    ///
    /// `Internal` if the kernel has no random bytes.
    pub fn draw() -> Result<Token> {
        random::digits::<LENGTH>().map(Token)
    }

    /// Reads the token in a file: the token, or the page's address with it. `None` without a file.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the file is a link, another user's, not a regular file, or readable by others. `Malformed`
    /// for other content; errors of the system.
    pub fn from_file(path: &Path) -> Result<Option<Token>> {
        let Some((text, mode)) = read_private(path)? else { return Ok(None) };
        if mode & 0o077 != 0 {
            let text = format!(
                "{} has mode {:04o}, so that others may know the token in it; remove it and make a new one with mode 0600",
                path.display(),
                mode & 0o7777
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        let text = text.trim_end();
        let token = text.rsplit_once("/#token=").map_or(text, |(_, token)| token);
        if token.len() != 2 * LENGTH || !token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            let text = format!(
                "{} holds no token, which has {} digits and letters from a to f; remove it and make a new one",
                path.display(),
                2 * LENGTH
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        Ok(Some(Token(token.to_owned())))
    }

    /// Returns whether a request shows this token. The time depends only on the lengths.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }

    /// Returns whether the tokens are equal.
    pub fn is_same(&self, other: &Token) -> bool {
        self.is(other.0.as_bytes())
    }

    /// Returns the token's digits, for a file of mode 0600.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// Returns the page's address with the token.
    ///
    /// The token follows `#`, so browsers send it to no server, and no log has it.
    pub fn address(&self, host: &str) -> String {
        format!("http://{host}/#token={}", self.0)
    }
}

/// Returns the text and the mode of a file that this user owns; `None` without a file.
///
/// In a group's directory another member may have put a link, a pipe without a writer, or their own page there.
///
/// # Errors
///
/// `PermissionDenied` for anything but this user's regular file of at most 4,096 bytes of text; errors of the system.
pub fn read_private(path: &Path) -> Result<Option<(String, u32)>> {
    let failed =
        |e: std::io::Error| Error::os(format!("reading {}", path.display()), e.raw_os_error().unwrap_or(0));
    let foreign = |what: &str| {
        let text = format!(
            "{} {what}, so that it is not taken for this user's own; remove it and start the page's server again",
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
        Err(e) => return Err(failed(e)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(foreign("is not the file of a page's server"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(foreign(&format!("belongs to uid {}", metadata.uid())));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|_| foreign("holds no text"))?;
    Ok(Some((text, metadata.mode())))
}
