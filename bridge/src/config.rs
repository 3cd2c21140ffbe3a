//! The configuration of a bridge: one TOML file. Errors name line and column.

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use serde::Deserialize;
use wildmatch::WildMatch;

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
    /// The engine between the machines.
    pub zenoh: Zenoh,
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
        Config::parse(&text, &shown)
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
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if word.is_empty() || word.len() > 64 || !word.chars().all(allowed) {
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
        self.zenoh.validate()
    }

    /// The name of this machine.
    pub fn machine(&self) -> Result<String> {
        let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(self.machine.clone().unwrap_or_else(host))
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
    fn validate(&self) -> Result<()> {
        if self.listen.is_empty() && self.connect.is_empty() && self.routers.is_empty() && !self.scouting {
            let text = "no other bridge can be met: say where to listen, a peer, a router, or scouting";
            return Err(wrong(text.into()));
        }
        if self.scouting && !self.trusted_network {
            let text = "scouting meets whoever is on the network, without encryption: say trusted_network where that is meant";
            return Err(wrong(text.into()));
        }
        for address in self.listen.iter().chain(&self.connect).chain(&self.routers) {
            let host = address.strip_prefix("tcp/").and_then(|rest| rest.rsplit_once(':'));
            let Some((host, port)) = host.filter(|(host, _)| !host.is_empty()) else {
                return Err(wrong(format!("{address:?} is no address; write tcp/HOST:PORT")));
            };
            if port.parse::<u16>().is_err() {
                return Err(wrong(format!("{address:?} has a port that is not a number from 0 to 65535")));
            }
            let host = host.trim_matches(['[', ']']);
            let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
            if !is_here && !self.trusted_network {
                let text = format!(
                    "{address} goes beyond this machine without encryption: say trusted_network where everybody on that network may read what is exported and write what is imported"
                );
                return Err(wrong(text));
            }
        }
        Ok(())
    }
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
