//! The configuration of the engine NATS, in the file and as flags.
//!
//! The doc comments of the fields are the text of `--help`. Secrets are in files, because other users of the machine
//! can read flags and addresses.

use std::path::{Path, PathBuf};

use clap::Args;
use linkspan::Result;
use serde::Deserialize;

use super::check::{Checked, Invalid, is_here, is_word, wrong};

#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "With --engine nats")]
pub struct Nats {
    /// Connect to the NATS server at this address, such as nats://127.0.0.1:4222; may be repeated for a cluster
    #[arg(long = "server", value_name = "ADDRESS")]
    pub servers: Vec<String>,
    /// Show the server this credentials file, made by `nsc`
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// Show the server this user name; the password is in --password-file
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// Read the password of --user from this file
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Show the server the token in this file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Sign with the seed of a user's nkey in this file
    #[arg(long, value_name = "FILE")]
    pub nkey_file: Option<PathBuf>,
    /// Trust servers whose certificates this authority has signed [default: the system's authorities]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Show the server this certificate; its key is in --key
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The private key of --certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Keep the newest message of each exported publisher in this JetStream bucket, for programs of NATS
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// Whether servers beyond this machine may be used without encryption.
    #[arg(skip)]
    pub trusted_network: bool,
}

impl Nats {
    /// Checks the values, and that the files are readable.
    ///
    /// # Errors
    /// `Malformed` with the value, a remedy, and the path to the value in the table `nats`.
    pub fn validate(&self) -> Checked {
        if self.servers.is_empty() {
            let text = "no server is given: set servers = [\"nats://HOST:4222\"] in [nats], or --server";
            return Err(Invalid::at([], wrong(text.into())));
        }
        for (index, address) in self.servers.iter().enumerate() {
            self.validate_address(address).map_err(|e| Invalid::at(["servers".into(), index.into()], e))?;
        }
        // A server accepts one kind of credentials.
        let shown = [
            ("credentials", self.credentials.is_some()),
            ("user", self.user.is_some()),
            ("token_file", self.token_file.is_some()),
            ("nkey_file", self.nkey_file.is_some()),
        ];
        if let Some((second, _)) = shown.iter().filter(|(_, is_named)| *is_named).nth(1) {
            let text = "a server is shown one thing: credentials, or a user, or a token, or an nkey";
            return Err(Invalid::at([(*second).into()], wrong(text.into())));
        }
        if self.user.is_some() != self.password_file.is_some() {
            let there = if self.user.is_some() { "user" } else { "password_file" };
            let text = "user and password_file must be given together";
            return Err(Invalid::at([there.into()], wrong(text.into())));
        }
        if self.certificate.is_some() != self.key.is_some() {
            let there = if self.key.is_some() { "key" } else { "certificate" };
            let text = "certificate and key must be given together";
            return Err(Invalid::at([there.into()], wrong(text.into())));
        }
        if let Some(bucket) = self.bucket.as_ref().filter(|it| !is_word(it) || it.contains('.')) {
            let text = format!("{bucket:?} is not a valid name of a bucket; give it letters, digits and _ -");
            return Err(Invalid::at(["bucket".into()], wrong(text)));
        }
        for (key, file) in self.files() {
            if let Err(e) = linkspan::files::open_or_descriptor(file) {
                let error = wrong(format!("{} cannot be read: {}", file.display(), e.text()));
                return Err(Invalid::at([key.into()], error));
            }
        }
        Ok(())
    }

    /// Checks a server's address. Beyond this machine, it must use TLS, or the network must be declared as trusted.
    fn validate_address(&self, address: &str) -> Result<()> {
        let parts = address.split_once("://").filter(|(protocol, _)| matches!(*protocol, "nats" | "tls"));
        let place = parts.and_then(|(protocol, place)| {
            let (host, port) = place.rsplit_once(':')?;
            port.parse::<u16>().ok().filter(|_| !host.is_empty()).map(|_| (protocol, host))
        });
        let Some((protocol, host)) = place else {
            let text =
                format!("{address:?} is not an address; write nats://HOST:PORT, or tls://HOST:PORT with TLS");
            return Err(wrong(text));
        };
        if host.contains(['@', '/']) {
            let text = "an address must not have a user or a password, which other users could read there; set user and password_file, a token_file or credentials";
            return Err(wrong(text.into()));
        }
        if protocol == "nats" && !is_here(host) && !self.trusted_network {
            let text = format!(
                "{address:?} goes beyond this machine without encryption: write tls://, or set trusted_network if every machine on that network may read what is exported and write what is imported"
            );
            return Err(wrong(text));
        }
        Ok(())
    }

    pub fn is_encrypted(&self) -> bool {
        self.servers.iter().all(|address| address.starts_with("tls://"))
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let files = [
            ("credentials", &self.credentials),
            ("password_file", &self.password_file),
            ("token_file", &self.token_file),
            ("nkey_file", &self.nkey_file),
            ("ca", &self.ca),
            ("certificate", &self.certificate),
            ("key", &self.key),
        ];
        files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)))
    }

    /// Resolves relative paths against `folder`, which contains the configuration file.
    pub fn lie_in(&mut self, folder: &Path) {
        let files = [
            &mut self.credentials,
            &mut self.password_file,
            &mut self.token_file,
            &mut self.nkey_file,
            &mut self.ca,
            &mut self.certificate,
            &mut self.key,
        ];
        for file in files.into_iter().flatten() {
            *file = folder.join(&file);
        }
    }

    /// Adds the flags: servers are appended, other values replace the file's.
    pub fn extend(&mut self, flags: Nats) {
        self.servers.extend(flags.servers);
        self.trusted_network |= flags.trusted_network;
        for (ours, theirs) in [
            (&mut self.credentials, flags.credentials),
            (&mut self.password_file, flags.password_file),
            (&mut self.token_file, flags.token_file),
            (&mut self.nkey_file, flags.nkey_file),
            (&mut self.ca, flags.ca),
            (&mut self.certificate, flags.certificate),
            (&mut self.key, flags.key),
        ] {
            *ours = theirs.or(ours.take());
        }
        self.user = flags.user.or(self.user.take());
        self.bucket = flags.bucket.or(self.bucket.take());
    }

    /// Describes the bridge's identity at the servers for an error: file names without secrets.
    pub fn identity(&self) -> String {
        let in_file = |what: &str, file: &Path| format!("{what} in {}", file.display());
        match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => return in_file(&format!("the user {user} with the password"), file),
            _ if self.certificate.is_none() && self.shown().next().is_none() => {
                return "a bridge that shows nothing".into();
            }
            _ => {}
        }
        let certificate = self.certificate.as_deref().map(|file| ("certificate", file));
        let shown = self.shown().chain(certificate).map(|(what, file)| in_file(&format!("the {what}"), file));
        shown.collect::<Vec<_>>().join(" and ")
    }

    fn shown(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files =
            [("credentials", &self.credentials), ("token", &self.token_file), ("nkey", &self.nkey_file)];
        files.into_iter().filter_map(|(what, file)| Some((what, file.as_deref()?)))
    }

    pub fn describe(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            self.servers.iter().map(|server| format!("goes through the NATS server at {server}")).collect();
        for (what, file) in [
            ("shows it the credentials in", &self.credentials),
            ("shows it the token in", &self.token_file),
            ("signs with the nkey in", &self.nkey_file),
            ("shows it the certificate", &self.certificate),
            ("trusts the authority", &self.ca),
        ] {
            lines.extend(file.iter().map(|file| format!("{what} {}", file.display())));
        }
        lines.extend(self.user.iter().map(|user| format!("shows it the user {user}")));
        lines.extend(
            self.bucket.iter().map(|bucket| format!("keeps newest messages in the bucket {bucket}, too")),
        );
        lines
    }
}
