//! The folder of a machine's keys: its certificate and key, the authority's certificate, revocations.
//!
//! A certificate has the common name `linkspan:MACHINE.NUMBER`. The engine checks other machines' certificates in the
//! TLS handshake. This module checks the machine's own folder at the start of the bridge, so a mistake there is an
//! error with a file name instead of a failing connection.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use linkspan::{Error, ErrorKind, Result, files};
use rcgen::KeyPair;
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

/// The authority's certificate, which verifies other machines' certificates.
pub const AUTHORITY: &str = "authority.pem";
pub const CERTIFICATE: &str = "machine.pem";
pub const KEY: &str = "machine.key";
/// The names of revoked certificates, one per line; lines with # are comments.
pub const REVOKED: &str = "revoked";
/// The most certificates of one machine. The access control lists each of them.
pub const LAST: u32 = 32;
const LONGEST: u64 = 1 << 20;
/// The prefix of certificates' common names. Public authorities do not issue such names.
const PREFIX: &str = "linkspan:";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub machine: String,
    /// Its number among that machine's certificates, from 1.
    pub number: u32,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
}

impl Certificate {
    pub fn name_of(machine: &str, number: u32) -> String {
        format!("{machine}.{number}")
    }

    pub fn common_name(name: &str) -> String {
        format!("{PREFIX}{name}")
    }

    pub fn name(&self) -> String {
        Certificate::name_of(&self.machine, self.number)
    }

    /// Returns why other machines refuse it at this time; `None` if it is valid.
    pub fn problem(&self, now: OffsetDateTime) -> Option<String> {
        let name = self.name();
        if now < self.not_before {
            let from = self.not_before;
            return Some(format!(
                "the certificate {name} counts from {from} on, and it is {now}: see this machine's clock"
            ));
        }
        (now > self.not_after).then(|| format!("the certificate {name} expired at {}", self.not_after))
    }
}

#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    pub certificate: Certificate,
    pub revoked: Vec<String>,
}

impl Folder {
    /// Reads a folder and checks that its files fit together.
    ///
    /// # Errors
    /// `Malformed` if a file is not in PEM, the files do not fit together, or `linkspan bridge keys issue` did not
    /// make the certificate. `PermissionDenied` if the certificate is not valid now or was revoked, or if other users
    /// may read or change the key. System errors with the path.
    pub fn read(path: &Path) -> Result<Folder> {
        let (authority, own, key) = (path.join(AUTHORITY), path.join(CERTIFICATE), path.join(KEY));
        let (of_authority, of_own) = (text(&authority)?, text(&own)?);
        let certificate = parsed(&of_own, &own, |certificate| {
            parsed(&of_authority, &authority, |by| {
                let signed = certificate.verify_signature(Some(by.public_key()));
                signed.map_err(|_| wrong(&own, &format!("is not signed by {}", authority.display())))
            })?;
            let of_key =
                KeyPair::from_pem(&text(&key)?).map_err(|_| wrong(&key, "is not a private key in PEM"))?;
            if of_key.public_key_raw() != &*certificate.public_key().subject_public_key.data {
                return Err(wrong(&key, &format!("is not the key of {}", own.display())));
            }
            read_certificate(certificate)
                .ok_or_else(|| wrong(&own, "is not a certificate of `linkspan bridge keys issue`"))
        })?;
        if let Some(problem) = certificate.problem(OffsetDateTime::now_utc()) {
            let text =
                format!("{}: {problem}; `linkspan bridge keys issue` makes the next one", own.display());
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        let mode = std::fs::metadata(&key).map_err(|e| os(&key, &e))?.mode();
        // Any user who can read the key can impersonate this machine.
        if mode & 0o077 != 0 {
            let text = format!(
                "{} has mode {:03o}: others may read or change it; chmod 600 it",
                key.display(),
                mode & 0o777
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        let revoked = revoked(&path.join(REVOKED))?;
        if revoked.contains(&certificate.name()) {
            let text = format!("{}: the certificate {} was revoked", own.display(), certificate.name());
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        Ok(Folder { path: path.to_owned(), certificate, revoked })
    }

    pub fn file(&self, name: &str) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }
}

/// Reads the certificate in a file, without checking its validity.
///
/// # Errors
/// `Malformed` if it is not a machine's certificate; system errors with the path.
pub fn certificate(path: &Path) -> Result<Certificate> {
    let describe = |it: &X509Certificate<'_>| {
        read_certificate(it).ok_or_else(|| wrong(path, "is not a certificate of a machine"))
    };
    parsed(&text(path)?, path, describe)
}

/// Reads a list of revoked certificates. A missing list is empty.
///
/// # Errors
/// `Malformed` for a line that is not a certificate's name, because a misspelt name would revoke nothing; system
/// errors with the path.
pub fn revoked(path: &Path) -> Result<Vec<String>> {
    match text(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(text) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines
                .map(|line| {
                    name(line).map(|_| line.to_owned()).ok_or_else(|| {
                        wrong(
                            path,
                            &format!("{line:?} is not a valid name of a certificate, such as north.1"),
                        )
                    })
                })
                .collect()
        }
    }
}

/// Splits a certificate's name into machine and number. The machine's name may contain dots.
fn name(name: &str) -> Option<(&str, u32)> {
    let (machine, number) = name.rsplit_once('.')?;
    Some((machine, number.parse().ok()?))
}

/// Returns a certificate's fields; `None` if its common name does not name a machine.
fn read_certificate(certificate: &X509Certificate<'_>) -> Option<Certificate> {
    let common = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    let (machine, number) = name(common.strip_prefix(PREFIX)?)?;
    let validity = certificate.validity();
    let (not_before, not_after) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
    Some(Certificate { machine: machine.to_owned(), number, not_before, not_after })
}

/// Parses a certificate and passes it to `look`: it borrows its bytes and cannot be returned.
fn parsed<T>(text: &str, path: &Path, look: impl FnOnce(&X509Certificate<'_>) -> Result<T>) -> Result<T> {
    let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| wrong(path, "is not a certificate in PEM"))?;
    look(&pem.parse_x509().map_err(|_| wrong(path, "is no X.509 certificate"))?)
}

pub fn text(path: &Path) -> Result<String> {
    files::read_text(path, LONGEST)
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("{} {what}", path.display()))
}

pub fn os(path: &Path, error: &std::io::Error) -> Error {
    Error::os(format!("opening {}", path.display()), error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_counts_within_its_time_alone() {
        let (not_before, not_after) =
            (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + time::Duration::days(90));
        let certificate = Certificate { machine: "north".into(), number: 2, not_before, not_after };
        let at = |days: i64| certificate.problem(not_before + time::Duration::days(days));
        assert_eq!(at(1), None);
        assert!(at(-1).is_some_and(|text| text.contains("north.2") && text.contains("clock")));
        assert!(at(91).is_some_and(|text| text.contains("north.2 expired")));
    }

    #[test]
    fn names_of_certificates_are_read_from_their_end() {
        assert_eq!(name("north.1"), Some(("north", 1)));
        assert_eq!(name("a.b.12"), Some(("a.b", 12)));
        assert_eq!([name("north"), name("north.x")], [None, None]);
    }
}
