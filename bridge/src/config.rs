//! The configuration of a bridge: one TOML file. Errors name line and column.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use serde::Deserialize;
use wildmatch::WildMatch;

use crate::access;
use crate::tls::{CERTIFICATE, Folder, certificate};

/// What a bridge is to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bridges of one realm have to do with each other.
    pub realm: String,
    /// The name of this machine, as others show it.
    pub machine: Option<String>,
    /// Patterns of names that other machines may have.
    pub export: Vec<String>,
    /// Patterns of names that are had of other machines.
    pub import: Vec<String>,
    /// The name at which the bridge publishes what it counts.
    pub status: String,
    /// The name of the service that the bridge is for a controller.
    pub service: String,
    /// Seconds that a request of this machine waits for its answer from another one, at most.
    pub request_timeout: f64,
    /// With what this machine shows who it is, and knows others: none for no encryption.
    pub tls: Option<Tls>,
    /// What each other machine may do; only where they are known by their certificates.
    pub machines: BTreeMap<String, May>,
    /// The engine between the machines.
    pub zenoh: Zenoh,
}

/// Encryption, and who is who.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The folder that `linkspan bridge keys issue` made; relative to the configuration file.
    pub folder: PathBuf,
}

/// What another machine may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct May {
    /// Of the names that are exported, those that it may have.
    pub export: Vec<String>,
    /// Of the names that are imported, those that it may give.
    pub import: Vec<String>,
}

impl Default for May {
    fn default() -> May {
        May { export: vec!["*".into()], import: vec!["*".into()] }
    }
}

/// Where other bridges are met.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Zenoh {
    /// Addresses at which other bridges are accepted.
    pub listen: Vec<String>,
    /// Addresses of other bridges.
    pub connect: Vec<String>,
    /// Addresses of routers, through one of which everything goes.
    pub routers: Vec<String>,
    /// Whether bridges find each other by multicast.
    pub scouting: bool,
    /// Whether addresses beyond this machine may be used without encryption.
    pub trusted_network: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            realm: "default".into(),
            machine: None,
            export: Vec::new(),
            import: Vec::new(),
            status: "bridge/status".into(),
            service: "bridge".into(),
            request_timeout: 60.0,
            tls: None,
            machines: BTreeMap::new(),
            zenoh: Zenoh::default(),
        }
    }
}

/// Bytes of a configuration file, at most.
const LONGEST: u64 = 1 << 20;

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Config> {
        let shown = path.display();
        let os = |e: std::io::Error| Error::os(format!("reading {shown}"), e.raw_os_error().unwrap_or(0));
        if std::fs::metadata(path).map_err(os)?.len() > LONGEST {
            return Err(wrong(format!(
                "{shown} has more than {LONGEST} bytes, which no configuration needs"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(os)?;
        let mut config = Config::parse(&text, &shown)?;
        if let (Some(tls), Some(beside)) = (&mut config.tls, path.parent()) {
            tls.folder = beside.join(&tls.folder);
        }
        Ok(config)
    }

    /// The configuration that a text says; `shown` is what errors call it.
    pub fn parse(text: &str, shown: &dyn Display) -> Result<Config> {
        toml::from_str(text).map_err(|e| {
            let before = &text[..e.span().map_or(0, |span| span.start).min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            wrong(format!("{shown}:{line}:{column}: {}", e.message().replace('\n', " ")))
        })
    }

    /// Says what cannot be meant.
    pub fn validate(&self) -> Result<()> {
        for (what, word) in [("realm", &self.realm), ("machine", &self.machine()?)] {
            if !is_word(word) {
                let text = format!("{what} {word:?} is no name; give it 1 to 64 letters, digits and . _ -");
                return Err(wrong(text));
            }
        }
        for pattern in self.export.iter().chain(&self.import) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/*?".contains(c);
            if pattern.is_empty() || !pattern.chars().all(allowed) {
                let text = format!(
                    "{pattern:?} is no pattern of names; a name has letters, digits, . _ - and /, and in a pattern * stands for any characters and ? for one"
                );
                return Err(wrong(text));
            }
        }
        if self.export.is_empty() && self.import.is_empty() {
            return Err(wrong(
                "nothing to carry: say what to export or import, such as --export 'lab/*'".into(),
            ));
        }
        if !(self.request_timeout > 0.0 && self.request_timeout <= 86_400.0) {
            let text = format!("request_timeout {} is not within 0 and 86400 seconds", self.request_timeout);
            return Err(wrong(text));
        }
        self.validate_machines()?;
        self.zenoh.validate(self.tls.is_some())
    }

    fn validate_machines(&self) -> Result<()> {
        let Some(tls) = &self.tls else {
            if let Some(machine) = self.machines.keys().next() {
                let text = format!(
                    "what {machine} may do cannot be held to: without tls nobody knows which machine it is"
                );
                return Err(wrong(text));
            }
            return Ok(());
        };
        let own = Folder::read(&tls.folder)?.certificate.machine;
        if self.machine.as_ref().is_some_and(|machine| *machine != own) {
            let text = format!(
                "machine is {:?}, and the certificate in {} is of {own}: leave machine out",
                self.machine,
                tls.folder.display()
            );
            return Err(wrong(text));
        }
        if self.machines.is_empty() {
            let text = "with tls a bridge has to do with nobody that is not named: say [machines.NAME] or --trust NAME";
            return Err(wrong(text.into()));
        }
        for (machine, may) in &self.machines {
            if !is_word(machine) {
                return Err(wrong(format!("{machine:?} in machines is no name of a machine")));
            }
            if let Some(pattern) = may.export.iter().chain(&may.import).find(|it| !access::is_exact(it)) {
                let text = format!("{pattern:?} in machines.{machine}: say a name, FOLDER/* or * there");
                return Err(wrong(text));
            }
        }
        Ok(())
    }

    /// The name of this machine.
    pub fn machine(&self) -> Result<String> {
        match (&self.machine, &self.tls) {
            (Some(machine), _) => Ok(machine.clone()),
            (None, Some(tls)) => Ok(certificate(&tls.folder.join(CERTIFICATE))?.machine),
            (None, None) => Ok(rustix::system::uname().nodename().to_string_lossy().into_owned()),
        }
    }

    /// How long a request waits for its answer, at most.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.request_timeout)
    }

    /// Whether other machines may have the name.
    pub fn exports(&self, name: &str) -> bool {
        matches(&self.export, name)
    }

    /// Whether the name is had of other machines.
    pub fn imports(&self, name: &str) -> bool {
        matches(&self.import, name)
    }
}

impl Zenoh {
    fn validate(&self, is_encrypted: bool) -> Result<()> {
        if self.listen.is_empty() && self.connect.is_empty() && self.routers.is_empty() && !self.scouting {
            let text = "no other bridge can be met: say where to listen, a peer, a router, or scouting";
            return Err(wrong(text.into()));
        }
        if self.scouting && !self.trusted_network && !is_encrypted {
            let text = "scouting meets whoever is on the network, without encryption: give keys with --tls, or say trusted_network where that is meant";
            return Err(wrong(text.into()));
        }
        for address in self.listen.iter().chain(&self.connect).chain(&self.routers) {
            let protocol = if is_encrypted { "tls" } else { "tcp" };
            let rest = address.strip_prefix(protocol).and_then(|rest| rest.strip_prefix('/'));
            let host = rest.and_then(|rest| rest.rsplit_once(':'));
            let Some((host, port)) = host.filter(|(host, _)| !host.is_empty()) else {
                let why = if is_encrypted { "with tls" } else { "without tls" };
                return Err(wrong(format!("{address:?} is no address {why}; write {protocol}/HOST:PORT")));
            };
            if port.parse::<u16>().is_err() {
                return Err(wrong(format!("{address:?} has a port that is not a number from 0 to 65535")));
            }
            let host = host.trim_matches(['[', ']']);
            let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            if !is_here && !self.trusted_network && !is_encrypted {
                let text = format!(
                    "{address} goes beyond this machine without encryption: give keys with --tls, or say trusted_network where everybody on that network may read what is exported and write what is imported"
                );
                return Err(wrong(text));
            }
        }
        Ok(())
    }
}

/// Whether this can be the name of a machine or of a realm.
pub fn is_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| WildMatch::new(pattern).matches(name))
}

fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Malformed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let read = Config::parse(text, &"b.toml").and_then(|config| config.validate().map(|()| config));
        read.map_or_else(|e| e.text().to_owned(), |config| format!("{config:?}"))
    }

    #[test]
    fn mistakes_are_told_by_line_and_column_with_what_is_allowed() {
        let text = said("realm = \"a\"\nexprot = [\"x\"]\n");
        assert!(text.starts_with("b.toml:2:1: ") && text.contains("`export`"), "{text}");
        let text = said("realm = \"a\"\nexport = \"x\"\n");
        assert!(text.starts_with("b.toml:2:10: "), "{text}");
        let text = said("[zenoh]\nlisten = [\"tcp/127.0.0.1:1\"]\nscout = true\n");
        assert!(text.starts_with("b.toml:3:1: ") && text.contains("`scouting`"), "{text}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let listen = "[zenoh]\nlisten = [\"tcp/127.0.0.1:1\"]";
        assert!(said(listen).contains("nothing to carry"));
        assert!(said("export = [\"a\"]").contains("no other bridge"));
        assert!(said(&format!("export = [\"a b\"]\n{listen}")).contains("is no pattern"));
        assert!(said(&format!("realm = \"a/b\"\nexport = [\"a\"]\n{listen}")).contains("is no name"));
        assert!(said("export = [\"a\"]\n[zenoh]\nlisten = [\"tcp/0.0.0.0:1\"]").contains("trusted_network"));
        assert!(said("export = [\"a\"]\n[zenoh]\nlisten = [\"udp/127.0.0.1:1\"]").contains("is no address"));
        assert!(said("export = [\"a\"]\n[zenoh]\nscouting = true").contains("trusted_network"));
        assert!(said(&format!("export = [\"a\"]\n{listen}")).contains("export: [\"a\"]"));
    }

    #[test]
    fn patterns_take_any_characters_and_single_ones() {
        let config = Config { export: vec!["lab/*".into(), "x?".into()], ..Config::default() };
        let exported = ["lab/a", "lab/a/b", "xy"].map(|name| config.exports(name));
        assert_eq!(exported, [true; 3]);
        assert!(["lab", "x", "xyz", "slab/a"].iter().all(|name| !config.exports(name)));
    }
}
