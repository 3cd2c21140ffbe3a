//! Access tokens. The command shows a token once; an owner-only file keeps its SHA-256.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use linkspan::files::Links;
use linkspan::page::{Token, random_id};
use linkspan::{Encoding, Error, ErrorKind, Result, Timestamp, Value, codec, environment, files, quoted};
use ring::digest::{SHA256, digest};
use rustix::fs::{FlockOperation, OFlags};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::rights::Rights;

const MAX_FILE: u64 = 4 << 20;

fn hash_of(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().unwrap_or([0; 32])
}

type State = (i64, i64, u64, u64);

#[derive(Clone, Debug)]
pub struct TokenFile(PathBuf);

fn doing(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::os(format!("{what} {}", path.display()), error.raw_os_error().unwrap_or(0))
}

impl TokenFile {
    /// Returns the file at this path, or `linkspan/gateway-tokens.json` in the user's configuration folder.
    ///
    /// # Errors
    /// `Missing` without a home directory.
    pub fn at(path: Option<&Path>) -> Result<TokenFile> {
        if let Some(path) = path {
            return Ok(TokenFile(path.to_owned()));
        }
        environment::configuration().map(|folder| TokenFile(folder.join("linkspan/gateway-tokens.json"))).ok_or_else(|| {
            let text = environment::advice(
                "there is no home directory for the tokens of the gateway; set HOME, or give --tokens FILE",
                "a program that runs with more rights than its caller has no home directory for the tokens of the gateway: give --tokens FILE",
            );
            Error::new(ErrorKind::Missing, text)
        })
    }

    /// Reads all tokens; without a file, returns an empty list.
    ///
    /// # Errors
    /// `PermissionDenied` if others may read or change the file or another user owns it; `Malformed` for other
    /// content.
    pub fn read(&self) -> Result<Vec<Arc<Rights>>> {
        let path = &self.0;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Err(files::refused(path, &e)),
            Err(e) => return Err(doing("reading the tokens", path, &e)),
        };
        let metadata = file.metadata().map_err(|e| doing("reading the tokens", path, &e))?;
        let own = rustix::process::geteuid().as_raw();
        if !metadata.is_file() || metadata.uid() != own || metadata.mode() & 0o077 != 0 {
            let text = format!(
                "{} has mode {:04o} and belongs to uid {}: tokens are in a regular file of this user's own with mode 0600",
                path.display(),
                metadata.mode() & 0o7777,
                metadata.uid()
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        let text = files::read(file, path, MAX_FILE)?;
        let tokens = codec::decode(&text, Encoding::Json)
            .and_then(|value| value.at("tokens")?.as_array()?.iter().map(known).collect::<Result<Vec<_>>>());
        tokens.map_err(|e| {
            let text = format!(
                "{} is not a file of tokens: {}; correct it, or remove it and make the tokens anew",
                path.display(),
                e.text()
            );
            Error::new(ErrorKind::Malformed, text)
        })
    }

    fn write(&self, tokens: &[Arc<Rights>]) -> Result<()> {
        let entries: Vec<Value> = tokens
            .iter()
            .map(|token| {
                let Value::Map(mut map) = token.to_value() else { return Value::Null };
                map.insert("sha256".into(), hexadecimal(&token.hash).into());
                Value::Map(map)
            })
            .collect();
        let text = codec::encode(&Value::map([("tokens", Value::from(entries))]), Encoding::Json)?;
        let path = &self.0;
        let unfinished = path.with_extension(format!("new.{}", random_id()?));
        let failed = |e: std::io::Error| doing("writing the tokens", path, &e);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
        let written =
            file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&unfinished, path));
        written.map_err(|e| {
            // Cleans up, for example after a full disk, and returns the first error.
            let _ = fs::remove_file(&unfinished);
            failed(e)
        })
    }

    /// Changes the tokens under a lock that excludes other commands.
    fn change<T>(&self, what: impl FnOnce(&mut Vec<Arc<Rights>>) -> Result<T>) -> Result<T> {
        let path = &self.0;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
            made.map_err(|e| doing("making the folder", folder, &e))?;
        }
        let lock = path.with_extension("lock");
        let locked = files::open_to_write(&lock, 0o600, Links::Refused)?;
        rustix::fs::flock(&locked, FlockOperation::LockExclusive)
            .map_err(|e| doing("locking", &lock, &e.into()))?;
        let mut tokens = self.read()?;
        let done = what(&mut tokens)?;
        self.write(&tokens)?;
        Ok(done)
    }

    /// Creates a token and returns its text, which is stored nowhere.
    ///
    /// # Errors
    /// `AddressInUse` if the name is taken; errors of the file.
    pub fn add(&self, rights: Rights) -> Result<String> {
        let token = Token::draw()?;
        let known = Arc::new(Rights { hash: hash_of(token.digits().as_bytes()), ..rights });
        self.change(|tokens| {
            if tokens.iter().any(|other| other.name == known.name) {
                let text = format!(
                    "there is a token called {}; remove it first, or take another name",
                    quoted(&known.name)
                );
                return Err(Error::new(ErrorKind::AddressInUse, text));
            }
            tokens.push(known);
            Ok(())
        })?;
        Ok(token.digits().to_owned())
    }

    /// Removes a token by name. A running gateway ends its connections within a second.
    ///
    /// # Errors
    /// `Missing` for an unknown name; errors of the file.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.name != name);
            if tokens.len() < before {
                return Ok(());
            }
            let text =
                format!("no token is called {}; `linkspan gateway token list` shows them", quoted(name));
            Err(Error::new(ErrorKind::Missing, text))
        })
    }

    /// Returns facts that change whenever the file does.
    fn state(&self) -> Option<State> {
        let metadata = fs::symlink_metadata(&self.0).ok()?;
        // The change time (ctime) also covers changes of the mode.
        Some((metadata.ctime(), metadata.ctime_nsec(), metadata.ino(), metadata.len()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn known(value: &Value) -> Result<Arc<Rights>> {
    let wrong = || Error::new(ErrorKind::Malformed, "sha256 has 64 digits and letters from a to f");
    let digits = value.at("sha256")?.as_text()?;
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(Arc::new(Rights { hash, ..Rights::from_value(value)? }))
}

/// The error of operations after their token became invalid.
pub fn ended() -> Error {
    Error::new(ErrorKind::PermissionDenied, "the token was removed, has expired, or has other rights now")
}

/// The tokens of a running gateway: from the file, and one drawn at its start.
pub struct Tokens {
    file: Option<TokenFile>,
    drawn: Option<Arc<Rights>>,
    known: RwLock<Vec<Arc<Rights>>>,
    seen: Mutex<Option<State>>,
    changes: watch::Sender<u64>,
}

impl Tokens {
    /// Reads the file; `drawn` adds a token for this run.
    ///
    /// # Errors
    /// As [`TokenFile::read`].
    pub fn new(file: Option<TokenFile>, drawn: Option<(&Token, Rights)>) -> Result<Tokens> {
        let seen = Mutex::new(file.as_ref().and_then(TokenFile::state));
        let known = RwLock::new(file.as_ref().map_or_else(|| Ok(Vec::new()), TokenFile::read)?);
        let drawn = drawn
            .map(|(token, rights)| Arc::new(Rights { hash: hash_of(token.digits().as_bytes()), ..rights }));
        Ok(Tokens { file, drawn, known, seen, changes: watch::Sender::new(0) })
    }

    /// Returns the rights of a token; `None` if it is unknown or expired.
    ///
    /// Compares with every known token, because the time must not reveal which one matched.
    pub fn rights(&self, shown: &[u8]) -> Option<Arc<Rights>> {
        let hash = hash_of(shown);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for token in known.iter().chain(&self.drawn) {
            if token.hash.ct_eq(&hash).into() {
                found = Some(token.clone());
            }
        }
        found.filter(|rights| !rights.is_expired(Timestamp::now()))
    }

    /// Returns whether the token still exists with these rights and has not expired.
    pub fn is_valid(&self, rights: &Rights) -> bool {
        self.has(rights, |token| *token == *rights)
    }

    /// As [`Tokens::is_valid`], for the read-only rights of a token in an address.
    pub fn is_valid_reading(&self, rights: &Rights) -> bool {
        self.has(rights, |token| token.reading() == *rights)
    }

    /// Waits until a token becomes invalid, both with all of its rights and with read access.
    pub async fn ended(&self, rights: &Rights) {
        let mut changes = self.changes();
        while self.is_valid(rights) || self.is_valid_reading(rights) {
            let left = rights.expires.map(|end| end.0.saturating_sub(Timestamp::now().0));
            let left = left.map(|left| Duration::from_nanos(u64::try_from(left).unwrap_or(0)));
            let expires = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = expires => {}
            }
        }
    }

    fn has(&self, rights: &Rights, is_same: impl Fn(&Rights) -> bool) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().chain(&self.drawn).any(|token| is_same(token)) && !rights.is_expired(Timestamp::now())
    }

    /// Reads the file again if it changed or `always` is set; returns whether it did. After an error, the known
    /// tokens stay.
    ///
    /// # Errors
    /// As [`TokenFile::read`].
    pub fn read_again(&self, always: bool) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let state = file.state();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == state && !always {
            return Ok(false);
        }
        *seen = state;
        let known = file.read()?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        Ok(true)
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn count(&self) -> (usize, usize) {
        let (known, now) = (self.known.read().unwrap_or_else(PoisonError::into_inner), Timestamp::now());
        (known.len(), known.iter().filter(|token| token.is_expired(now)).count())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::names::Name;

    fn rights(name: &str) -> Rights {
        Rights { name: name.into(), read: vec![Name::parse("lab/*", true).unwrap()], ..Rights::default() }
    }

    #[test]
    fn tokens_are_shown_once_and_kept_as_hashes_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in/tokens.json");
        let file = TokenFile::at(Some(&path)).unwrap();
        let text = file.add(rights("plots")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(!fs::read_to_string(&path).unwrap().contains(&text));
        assert_eq!(file.add(rights("plots")).unwrap_err().kind(), ErrorKind::AddressInUse);
        let tokens = Tokens::new(Some(file.clone()), None).unwrap();
        let shown = tokens.rights(text.as_bytes()).unwrap();
        assert_eq!(Rights { hash: [0; 32], ..(*shown).clone() }, rights("plots"));
        for wrong in [&b""[..], b"plots", &text.as_bytes()[1..], text.to_uppercase().as_bytes()] {
            assert!(tokens.rights(wrong).is_none());
        }
        file.remove("plots").unwrap();
        assert_eq!(file.remove("plots").unwrap_err().kind(), ErrorKind::Missing);
        // A new token with the name of a removed token is a different token.
        file.add(rights("plots")).unwrap();
        assert!(tokens.is_valid(&shown) && tokens.is_valid_reading(&shown.reading()));
        assert!(tokens.read_again(false).unwrap() && !tokens.is_valid(&shown));
        assert!(tokens.rights(text.as_bytes()).is_none());
    }

    #[test]
    fn file_that_others_may_read_and_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let file = TokenFile::at(Some(&path)).unwrap();
        file.add(rights("plots")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(file.read().unwrap_err().kind(), ErrorKind::PermissionDenied);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        TokenFile::at(Some(&link)).unwrap().read().unwrap_err();
        for wrong in ["", "[]", "{\"tokens\":[{}]}", "{\"tokens\":[{\"sha256\":\"zz\"}]}"] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(file.read().unwrap_err().kind(), ErrorKind::Malformed, "{wrong}");
        }
    }

    #[test]
    fn lock_that_is_no_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let file = TokenFile::at(Some(&path)).unwrap();
        let lock = path.with_extension("lock");
        let target = folder.path().join("target");
        fs::write(&target, "").unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(file.add(rights("plots")).unwrap_err().kind(), ErrorKind::Unsupported);
        fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        assert_eq!(file.add(rights("plots")).unwrap_err().kind(), ErrorKind::Unsupported);
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        assert_eq!(file.add(rights("plots")).unwrap_err().kind(), ErrorKind::Unsupported);
        fs::remove_dir(&lock).unwrap();
        file.add(rights("plots")).unwrap();
    }

    #[test]
    fn expired_token_counts_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(Some(&folder.path().join("tokens.json"))).unwrap();
        let text = file.add(Rights { expires: Some(Timestamp(1)), ..rights("old") }).unwrap();
        let tokens = Tokens::new(Some(file), None).unwrap();
        assert!(tokens.rights(text.as_bytes()).is_none());
        assert_eq!(tokens.count(), (1, 1));
    }
}
