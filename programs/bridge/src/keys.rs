//! `linkspan bridge keys`: the user's authority, which issues and revokes machines' certificates.
//!
//! The authority's folder contains its key and certificate, the list of revoked certificates, and a copy of each
//! issued certificate. It also contains a folder per certificate, to be moved to its machine. The copies stay and
//! record a machine's numbers, wherever its folders are. Files are created new, never overwritten, and synced before
//! the command reports success; only the list is replaced. A bridge does not need the authority's key.
//!
//! The doc comments of `Keys` are the text of `--help`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use linkspan::{Error, ErrorKind, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::config::is_word;
use crate::stdout;
use crate::tls::{self, AUTHORITY, CERTIFICATE, Certificate, KEY, LAST, REVOKED};

const AUTHORITY_KEY: &str = "authority.key";

/// The folder with copies of issued certificates, one file per name.
const ISSUED: &str = "issued";

/// Actions on the keys of machines.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Create an authority in a new folder: its private key and its certificate
    #[command(
        after_help = "Examples:\n  linkspan bridge keys init authority\n  linkspan bridge keys init authority && linkspan bridge keys issue authority north"
    )]
    Init {
        /// The folder to create
        folder: std::path::PathBuf,
        /// Days until the certificate expires
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
    },
    /// Create a private key and a certificate for a machine, in a folder to be moved to that machine
    #[command(
        after_help = "Examples:\n  linkspan bridge keys issue authority north\n  linkspan bridge keys issue authority north --days 90"
    )]
    Issue {
        /// The authority's folder
        folder: std::path::PathBuf,
        /// The machine
        machine: String,
        /// Days until the certificate expires
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
    },
    /// Revoke a machine's certificates: adds them to the list, which must be copied to the other machines
    #[command(
        after_help = "Examples:\n  linkspan bridge keys revoke authority north\n  linkspan bridge keys revoke authority north --number 1"
    )]
    Revoke {
        /// The authority's folder
        folder: std::path::PathBuf,
        /// The machine
        machine: String,
        /// The number of the certificate [default: all numbers of the machine]
        #[arg(long)]
        number: Option<u32>,
    },
    /// List the certificates with their expiry and revocation
    #[command(
        after_help = "Examples:\n  linkspan bridge keys list authority\n  linkspan bridge keys list /etc/linkspan/authority"
    )]
    List {
        /// The authority's folder
        folder: std::path::PathBuf,
    },
}

impl Keys {
    /// Runs the command and prints the result.
    ///
    /// # Errors
    /// `Malformed` for an invalid name, file or certificate; `Full` if a machine has used all certificate numbers;
    /// `NotFound` if there is nothing to revoke; `Internal` if a key or certificate cannot be created or parsed;
    /// system errors, such as an existing folder.
    pub fn run(&self) -> Result<()> {
        match self {
            Keys::Init { folder, days } => init(folder, *days),
            Keys::Issue { folder, machine, days } => issue(folder, machine, *days),
            Keys::Revoke { folder, machine, number } => revoke(folder, machine, *number),
            Keys::List { folder } => list(folder),
        }
    }
}

/// Creates an authority in a new folder. Its certificate may sign machine certificates, but no further authorities.
fn init(folder: &Path, days: u16) -> Result<()> {
    make_folder(folder)?;
    let key = KeyPair::generate().map_err(|e| failed("making a key", &e))?;
    let mut params = params("linkspan authority", days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let expires = params.not_after;
    let certificate =
        params.self_signed(&key).map_err(|e| failed("signing the authority's certificate", &e))?;
    write(&folder.join(AUTHORITY_KEY), &key.serialize_pem(), 0o600)?;
    write(&folder.join(AUTHORITY), &certificate.pem(), 0o644)?;
    write(&folder.join(REVOKED), "# Names of certificates that count no longer, one a line.\n", 0o644)?;
    stdout::print_lines(&format!(
        "{}: an authority until {}; keep {AUTHORITY_KEY} where nobody else reads it",
        folder.display(),
        expires.date()
    ))
}

/// Issues a certificate for a machine under its lowest unused number, and creates its folder.
///
/// The certificate is for both sides of a TLS connection. The folder also gets the current list of revoked
/// certificates.
fn issue(folder: &Path, machine: &str, days: u16) -> Result<()> {
    if !is_word(machine) {
        let text = format!(
            "{machine:?} is not a valid name of a machine; give it 1 to 64 letters, digits and . _ -"
        );
        return Err(Error::new(ErrorKind::Malformed, text));
    }
    let authority = tls::text(&folder.join(AUTHORITY))?;
    let key = KeyPair::from_pem(&tls::text(&folder.join(AUTHORITY_KEY))?)
        .map_err(|e| failed("reading the authority's key", &e))?;
    let issuer = Issuer::from_ca_cert_pem(&authority, key)
        .map_err(|e| failed("reading the authority's certificate", &e))?;
    let revoked = tls::revoked(&folder.join(REVOKED))?;
    let is_free = |number: &u32| !is_had(folder, &revoked, &Certificate::name_of(machine, *number));
    let Some(number) = (1..=LAST).find(is_free) else {
        let text = format!(
            "{machine} has had {LAST} certificates, which is the most that a machine may have; give it another name"
        );
        return Err(Error::new(ErrorKind::Full, text));
    };
    let name = Certificate::name_of(machine, number);
    let own = KeyPair::generate().map_err(|e| failed("making a key", &e))?;
    let mut params = params(&Certificate::common_name(&name), days);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let expires = params.not_after;
    let certificate = params.signed_by(&own, &issuer).map_err(|e| failed("signing the certificate", &e))?;
    let copies = folder.join(ISSUED);
    if !copies.exists() {
        make_folder(&copies)?;
    }
    // Before the folder, so that a number is never issued twice, even if the process is killed here.
    write(&copy_of(folder, &name), &certificate.pem(), 0o644)?;
    let into = folder.join(&name);
    make_folder(&into)?;
    write(&into.join(KEY), &own.serialize_pem(), 0o600)?;
    write(&into.join(CERTIFICATE), &certificate.pem(), 0o644)?;
    write(&into.join(AUTHORITY), &authority, 0o644)?;
    write(&into.join(REVOKED), &tls::text(&folder.join(REVOKED))?, 0o644)?;
    stdout::print_lines(&format!(
        "{}: the certificate {name}, until {}; move the folder to {machine}",
        into.display(),
        expires.date()
    ))
}

/// Revokes a machine's certificates: one number, or all that the machine has had.
fn revoke(folder: &Path, machine: &str, number: Option<u32>) -> Result<()> {
    let list = folder.join(REVOKED);
    let (before, mut content) = (tls::revoked(&list)?, tls::text(&list)?);
    let wanted = (1..=LAST).filter(|it| number.is_none_or(|number| number == *it));
    let names = wanted.map(|number| Certificate::name_of(machine, number));
    let names: Vec<_> = names.filter(|name| is_had(folder, &before, name)).collect();
    if names.is_empty() {
        let text = format!(
            "{} has no such certificate of {machine}; `linkspan bridge keys list` lists them",
            folder.display()
        );
        return Err(Error::new(ErrorKind::NotFound, text));
    }
    for name in names.iter().filter(|name| !before.contains(name)) {
        content += &format!("{name}\n");
    }
    // A rename replaces the list, so a concurrent copy is complete, either old or new.
    let made = folder.join(format!("{REVOKED}.{}", std::process::id()));
    write(&made, &content, 0o644)?;
    std::fs::rename(&made, &list).map_err(|e| tls::os(&list, &e))?;
    stdout::print_lines(&format!(
        "{}: revoked {}; copy it into the folder of every other machine",
        list.display(),
        names.join(", ")
    ))
}

/// Returns whether this certificate was issued: from its copy, its folder, or its revocation.
///
/// Earlier versions of an authority only have the folder.
fn is_had(folder: &Path, revoked: &[String], name: &str) -> bool {
    copy_of(folder, name).exists() || folder.join(name).exists() || revoked.iter().any(|it| it == name)
}

fn list(folder: &Path) -> Result<()> {
    let revoked = tls::revoked(&folder.join(REVOKED))?;
    let of_folder = |entry: PathBuf| entry.join(CERTIFICATE);
    let mut paths: Vec<_> =
        entries(folder)?.into_iter().map(of_folder).filter(|path| path.exists()).collect();
    let copies = folder.join(ISSUED);
    if copies.exists() {
        paths.extend(entries(&copies)?);
    }
    let mut certificates = paths.iter().map(|path| tls::certificate(path)).collect::<Result<Vec<_>>>()?;
    certificates.sort_by_key(|it| (it.machine.clone(), it.number));
    certificates.dedup_by_key(|it| it.name());
    for certificate in certificates {
        let (name, now) = (certificate.name(), OffsetDateTime::now_utc());
        let state = match certificate.problem(now) {
            _ if revoked.contains(&name) => "revoked".to_owned(),
            None => format!("until {}", certificate.not_after.date()),
            Some(_) if now < certificate.not_before => format!("from {}", certificate.not_before.date()),
            Some(_) => format!("expired {}", certificate.not_after.date()),
        };
        stdout::print_lines(&format!("{name}  {state}"))?;
    }
    Ok(())
}

fn copy_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(ISSUED).join(format!("{name}.pem"))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed =
        std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    listed.map_err(|e| tls::os(folder, &e))
}

/// Returns the parameters of a certificate with this common name, valid from now.
fn params(common_name: &str, days: u16) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Allows for differing clocks.
    params.not_before = OffsetDateTime::now_utc().saturating_sub(Duration::hours(1));
    params.not_after = OffsetDateTime::now_utc().saturating_add(Duration::days(i64::from(days)));
    params
}

/// Creates a folder that only its owner can open. Fails if it exists.
fn make_folder(folder: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|e| failed_at("making", folder, &e))
}

/// Creates a file with this mode, and syncs it and its folder. Fails if it exists.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let open = || -> std::io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    open().map_err(|e| failed_at("making", path, &e))
}

fn failed_at(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::os(format!("{doing} {}", path.display()), error.raw_os_error().unwrap_or(0))
}

fn failed(doing: &str, error: &rcgen::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("{doing}: {error}"))
}
