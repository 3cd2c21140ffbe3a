//! The keys of TCP beyond this machine: this machine's own, and those of trusted machines.
//!
//! They are in `$LINKSPAN_KEYS`, else in `~/.config/linkspan/keys`: `own.key`, which only its owner may read,
//! and one line of text for each machine in `trusted/NAME.pub`. A connection is accepted if each side trusts
//! the other's key; names, addresses and certificate authorities have no effect. The files are read for each
//! use, so trust and revocation apply to the next connection. A file or directory that another user could
//! have written is refused, not repaired.
//!
//! ```no_run
//! # extern crate linkspan_transport as linkspan;
//! # fn main() -> linkspan_value::Result<()> {
//! let keys = linkspan::keys::Keyring::new()?;
//! println!("trust this there: linkspan keys trust NAME {}", keys.make()?);
//! keys.trust("microscope", &"ed25519:KRcNxa-eB7mxnOYuFvxFb_hKa4AJvlhVdIRAFPk2nK4".parse()?)?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind as Io, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::error::{Doing, Error, ErrorKind, Result, quoted};
use crate::sys::environment;

/// The bytes before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const KIND: &str = "ed25519:";
// The lines around our own key, which is PKCS #8 in PEM.
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const END: &str = "\n-----END PRIVATE KEY-----\n";
/// The reason in the error for trusted keys that other users may have written.
const WRITABLE: &str = "so that others may add keys; remove what you do not know, then chmod go-w";
const SELF: &str = "self";

/// The public half of a key, which others trust.
///
/// Written as `ed25519:` and 43 characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Returns the key of a SubjectPublicKeyInfo, if it has this kind.
    pub(crate) fn from_spki(der: &[u8]) -> Option<PublicKey> {
        der.strip_prefix(&SPKI)?.try_into().ok().map(PublicKey)
    }

    pub(crate) fn to_spki(self) -> Vec<u8> {
        [&SPKI[..], &self.0].concat()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<PublicKey> {
        let bytes = text.strip_prefix(KIND).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(PublicKey).ok_or_else(|| {
            let text = format!("{text} is not a public key; give the line that `linkspan keys show` prints on the other machine", text = quoted(text));
            Error::new(ErrorKind::Malformed, text)
        })
    }
}

/// The directory of the keys.
#[derive(Clone, Debug)]
pub struct Keyring {
    directory: PathBuf,
}

impl Keyring {
    /// Returns the keys of this process, without creating anything.
    ///
    /// They are in `$LINKSPAN_KEYS`, else in `linkspan/keys` of `$XDG_CONFIG_HOME` or `~/.config`.
    ///
    /// # Errors
    ///
    /// `Missing` if none of these variables is set; `InvalidEndpoint` if `LINKSPAN_KEYS` is a relative path.
    pub fn new() -> Result<Keyring> {
        let named = environment::folder("LINKSPAN_KEYS", "directory of keys")?;
        let directory = named.or_else(|| Some(environment::configuration()?.join("linkspan/keys")));
        directory.map(Keyring::at).ok_or_else(|| {
            let text = environment::advice(
                "there is no home directory for keys; set HOME or LINKSPAN_KEYS",
                "a program that runs with more rights than its caller has no keys, since the environment would say where they are: for TCP to other machines let a bridge run as a service",
            );
            Error::new(ErrorKind::Missing, text)
        })
    }

    /// Returns the keys in this directory.
    pub fn at(directory: impl Into<PathBuf>) -> Keyring {
        Keyring { directory: directory.into() }
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn own_path(&self) -> PathBuf {
        self.directory.join("own.key")
    }

    fn trusted_path(&self) -> PathBuf {
        self.directory.join("trusted")
    }

    /// Creates our own key and returns its public half.
    ///
    /// # Errors
    ///
    /// `InvalidState` if it exists, because others may trust it; `PermissionDenied` if other users may write
    /// to the directory.
    pub fn make(&self) -> Result<PublicKey> {
        let path = self.own_path();
        if self.own()?.is_some() {
            let text = format!(
                "{} exists already, and others may trust it; remove it first to create another",
                path.display()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| Error::new(ErrorKind::Internal, "the kernel gave no random bytes for a key"))?;
        self.make_directory(&self.directory)?;
        write_new(&path, 0o600, &[BEGIN, &STANDARD.encode(made.as_ref()), END].concat())?;
        public(&path, made.as_ref())
    }

    /// Returns the public half of our own key, if it exists.
    pub fn own(&self) -> Result<Option<PublicKey>> {
        self.secret()?.map(|secret| public(&self.own_path(), &secret)).transpose()
    }

    /// Returns our own key in PKCS #8, for TLS libraries. `PermissionDenied` if others may have read it.
    pub(crate) fn secret(&self) -> Result<Option<Vec<u8>>> {
        let path = self.own_path();
        let Some(text) = read_secret(&path)? else { return Ok(None) };
        secret_in(&text).map(Some).ok_or_else(|| no_key(&path))
    }

    /// Trusts a key, under a name of our own choice: 1 to 64 letters, digits, `.`, `_` and `-`.
    ///
    /// # Errors
    ///
    /// `AddressInUse` if the name is another key's; `InvalidEndpoint` for an invalid name.
    pub fn trust(&self, name: &str, key: &PublicKey) -> Result<()> {
        check_name(name)?;
        if let Some((_, other)) = self.trusted()?.into_iter().find(|(n, _)| n == name) {
            if other == *key {
                return Ok(());
            }
            let text =
                format!("{name} is the name of the key {other}; revoke that first, or take another name");
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        self.make_directory(&self.trusted_path())?;
        write_new(&self.trusted_path().join(format!("{name}.pub")), 0o644, &format!("{key}\n"))
    }

    /// Ends the trust in the key of this name, and returns the key. `Missing` if there is none.
    ///
    /// Existing connections stay.
    pub fn revoke(&self, name: &str) -> Result<PublicKey> {
        check_name(name)?;
        let path = self.trusted_path().join(format!("{name}.pub"));
        let Some((_, key)) = self.trusted()?.into_iter().find(|(n, _)| n == name) else {
            let text = format!(
                "no key is trusted as {name}; `linkspan keys list` shows those that are",
                name = quoted(name)
            );
            return Err(Error::new(ErrorKind::Missing, text));
        };
        std::fs::remove_file(&path).doing(format_args!("removing {}", path.display()))?;
        Ok(key)
    }

    /// Returns the names and keys that are trusted, in the order of the names.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if another user may have written a key; `Corrupt` for a file without a key.
    pub fn trusted(&self) -> Result<Vec<(String, PublicKey)>> {
        let folder = self.trusted_path();
        let doing = || format!("reading the trusted keys in {}", folder.display());
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == Io::NotFound => return Ok(Vec::new()),
            entries => entries.doing(doing())?,
        };
        check_ownership(&folder, &folder.metadata().doing(doing())?, 0o022, WRITABLE)?;
        let mut trusted = Vec::new();
        for entry in entries {
            let path = entry.doing(doing())?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".pub"));
            let Some(name) = name.filter(|name| check_name(name).is_ok()) else { continue };
            // The file may have been removed since the directory was read.
            let Some((file, metadata)) = open(&path, &doing())? else { continue };
            check_ownership(&path, &metadata, 0o022, WRITABLE)?;
            let text = read(&path, file)?;
            let key = text.trim().parse().map_err(|_| no_key(&path))?;
            trusted.push((name.to_owned(), key));
        }
        trusted.sort();
        Ok(trusted)
    }

    /// Returns the name under which a key is trusted; "self" for our own.
    pub(crate) fn name_of(&self, key: &PublicKey) -> Result<Option<String>> {
        if self.own()?.as_ref() == Some(key) {
            return Ok(Some(SELF.to_owned()));
        }
        Ok(self.trusted()?.into_iter().find(|(_, trusted)| trusted == key).map(|(name, _)| name))
    }

    fn make_directory(&self, path: &Path) -> Result<()> {
        let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
        made.doing(format_args!("making the directory {}", path.display()))
    }
}

fn secret_in(text: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(BEGIN.trim()).and_then(|rest| rest.strip_suffix(END.trim()))?;
    STANDARD.decode(body.replace(['\n', '\r'], "")).ok()
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.');
    if fits && name != SELF {
        return Ok(());
    }
    let text = format!(
        "{name} is not a name for a key: 1 to 64 letters, digits, . _ - are, not beginning with a dot, and not self",
        name = quoted(name)
    );
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

fn no_key(path: &Path) -> Error {
    let text = format!("{} does not hold a key; remove it and make or trust it again", path.display());
    Error::new(ErrorKind::Corrupt, text)
}

fn public(path: &Path, secret: &[u8]) -> Result<PublicKey> {
    let pair = Ed25519KeyPair::from_pkcs8(secret).map_err(|_| no_key(path))?;
    pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| no_key(path))
}

/// Refuses a file or directory of other users than this one and root, or whose mode grants `others`.
fn check_ownership(path: &Path, metadata: &Metadata, others: u32, because: &str) -> Result<()> {
    let me = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    if (metadata.uid() == me || metadata.uid() == 0) && mode & others == 0 {
        return Ok(());
    }
    let text =
        format!("{} belongs to uid {} with mode {mode:04o}, {because}", path.display(), metadata.uid());
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

/// Opens a regular file, without blocking even if the path is a pipe; returns it with its metadata.
fn open(path: &Path, doing: &str) -> Result<Option<(File, Metadata)>> {
    // Links are followed: keys may be kept elsewhere. Owner and mode of the target are checked.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(e) if e.kind() == Io::NotFound => return Ok(None),
        file => file.doing(doing)?,
    };
    let metadata = file.metadata().doing(doing)?;
    if metadata.is_file() { Ok(Some((file, metadata))) } else { Err(no_key(path)) }
}

fn read(path: &Path, file: File) -> Result<String> {
    const LIMIT: u64 = 65_536;
    let bytes = linkspan_value::files::read(file, path, LIMIT + 1)?;
    String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= LIMIT).ok_or_else(|| no_key(path))
}

fn read_secret(path: &Path) -> Result<Option<String>> {
    let doing = format!("reading the key {}", path.display());
    let Some((file, metadata)) = open(path, &doing)? else { return Ok(None) };
    check_ownership(
        path,
        &metadata,
        0o077,
        "so that others may know it; make another with `linkspan keys new`",
    )?;
    read(path, file).map(Some)
}

/// Writes a new file under a temporary name and renames it, onto the disk.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let folder = path.parent();
    if let Some(folder) = folder {
        let because = environment::advice(
            "so that others may put keys there; take a directory of your own (LINKSPAN_KEYS)",
            "so that others may put keys there",
        );
        check_ownership(folder, &folder.metadata().doing(doing())?, 0o022, because)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // A process that was killed here left its temporary file.
    match std::fs::remove_file(&new) {
        Err(e) if e.kind() != Io::NotFound => return Err(e).doing(doing()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).doing(doing())?;
    // The umask does not change this mode.
    file.set_permissions(PermissionsExt::from_mode(mode)).doing(doing())?;
    file.write_all(text.as_bytes()).doing(doing())?;
    file.sync_all().doing(doing())?;
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(here, &new, here, path, rustix::fs::RenameFlags::NOREPLACE).doing(doing())?;
    folder.map_or(Ok(()), |folder| File::open(folder).and_then(|folder| folder.sync_all())).doing(doing())
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Reads any bytes as a trusted key, as the key in a certificate, and as our own key's file.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    if let Ok(key) = String::from_utf8_lossy(bytes).trim().parse::<PublicKey>() {
        assert_eq!(key.to_string().parse::<PublicKey>().ok(), Some(key));
    }
    if let Some(key) = PublicKey::from_spki(bytes) {
        assert_eq!(key.to_spki(), bytes);
    }
    if let Some(secret) = std::str::from_utf8(bytes).ok().and_then(secret_in) {
        drop(public(Path::new("own.key"), &secret));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> (tempfile::TempDir, Keyring) {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::at(folder.path().join("keys"));
        (folder, keyring)
    }

    #[test]
    fn own_key_is_created_once_and_private() {
        let (_folder, keys) = keyring();
        assert!(keys.own().unwrap().is_none());
        let key = keys.make().unwrap();
        assert_eq!(keys.own().unwrap(), Some(key));
        assert_eq!(keys.make().unwrap_err().kind(), ErrorKind::InvalidState);
        assert_eq!(keys.own_path().metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(keys.name_of(&key).unwrap().as_deref(), Some(SELF));
        std::fs::set_permissions(keys.own_path(), PermissionsExt::from_mode(0o640)).unwrap();
        let error = keys.own().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.text().contains("own.key") && error.text().contains("0640"), "{error}");
    }

    #[test]
    fn keys_are_trusted_by_name_and_revoked() {
        let (_folder, keys) = keyring();
        let peer_keys: Vec<_> = (0..2).map(|_| keyring().1.make().unwrap()).collect();
        assert_eq!(keys.trusted().unwrap(), []);
        keys.trust("lab2", &peer_keys[0]).unwrap();
        keys.trust("lab2", &peer_keys[0]).unwrap();
        assert_eq!(keys.trust("lab2", &peer_keys[1]).unwrap_err().kind(), ErrorKind::AddressInUse);
        keys.trust("lab1", &peer_keys[1]).unwrap();
        let listed = [("lab1".to_owned(), peer_keys[1]), ("lab2".to_owned(), peer_keys[0])];
        assert_eq!(keys.trusted().unwrap(), listed);
        assert_eq!(keys.name_of(&peer_keys[0]).unwrap().as_deref(), Some("lab2"));
        assert_eq!(keys.revoke("lab2").unwrap(), peer_keys[0]);
        assert_eq!(keys.name_of(&peer_keys[0]).unwrap(), None);
        assert_eq!(keys.revoke("lab2").unwrap_err().kind(), ErrorKind::Missing);
        for name in ["", "self", "a/b", ".hidden", &"x".repeat(65)] {
            assert_eq!(keys.trust(name, &peer_keys[0]).unwrap_err().kind(), ErrorKind::InvalidEndpoint);
        }
    }

    #[test]
    fn keys_in_a_directory_writable_by_others_are_refused() {
        let (_folder, keys) = keyring();
        keys.trust("lab", &keyring().1.make().unwrap()).unwrap();
        std::fs::set_permissions(keys.trusted_path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(keys.trusted().unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn keys_are_not_written_through_links_or_where_others_may_write() {
        let (folder, keys) = keyring();
        keys.make_directory(keys.directory()).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        std::os::unix::fs::symlink(&elsewhere, keys.directory().join("own.key.new")).unwrap();
        let key = keys.make().unwrap();
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "precious");
        keys.trust("lab", &key).unwrap();
        let trusted = keys.trusted_path().join("lab.pub");
        std::fs::set_permissions(&trusted, PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(keys.trusted().unwrap_err().kind(), ErrorKind::PermissionDenied);
        let (_folder, keys) = keyring();
        keys.make_directory(keys.directory()).unwrap();
        std::fs::set_permissions(keys.directory(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(keys.make().unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(std::fs::read_dir(keys.directory()).unwrap().count(), 0);
    }

    #[test]
    fn key_text_round_trips() {
        let (_folder, keys) = keyring();
        let key = keys.make().unwrap();
        assert_eq!(key.to_string().len(), KIND.len() + 43);
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        assert_eq!(PublicKey::from_spki(&key.to_spki()), Some(key));
        for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", &key.to_string()[..50]] {
            assert_eq!(text.parse::<PublicKey>().unwrap_err().kind(), ErrorKind::Malformed, "{text}");
        }
        std::fs::write(keys.own_path(), "no key").unwrap();
        assert_eq!(keys.own().unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
