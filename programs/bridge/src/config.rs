//! The configuration of a bridge: one TOML file. Errors contain line and column.
//!
//! The file is parsed, extended by command-line flags, and validated as a whole. Unknown keys are errors, to detect
//! misspelling. Only listed names are exported or imported. Without encryption, only addresses of this machine are
//! accepted, unless the user declares the network as trusted.

mod check;
mod nats;
mod size;
mod zenoh;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result, files, registry};
use serde::Deserialize;

pub use self::check::is_word;
use self::check::{Checked, Invalid, place, remedy, wrong};
pub use self::nats::Nats;
pub use self::size::Size;
pub use self::zenoh::Zenoh;
use crate::patterns::is_exact;
use crate::tls::{CERTIFICATE, Folder, certificate};

/// The default of `retain_total`, if it is at least four times `retain`.
const RETAIN_TOTAL: usize = 1 << 30;

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The realm. Bridges exchange names only within a realm.
    pub realm: String,
    pub machine: Option<String>,
    pub export: Vec<String>,
    pub import: Vec<String>,
    pub status: String,
    pub service: String,
    /// The longest wait of a local request for a remote answer, in seconds.
    pub request_timeout: f64,
    /// Bytes of messages kept of each exported publisher, for machines that miss some.
    pub retain: Option<Size>,
    /// Bytes of messages kept of all exported publishers together.
    pub retain_total: Option<Size>,
    /// Patterns of names with the encoding of their values on the engine's side.
    pub encoding: BTreeMap<String, Written>,
    /// The keys of this machine; `None` means no encryption.
    pub tls: Option<Tls>,
    /// The rights of other machines. They require certificates, which identify the machines.
    pub machines: BTreeMap<String, May>,
    pub engine: Engine,
    pub zenoh: Zenoh,
    pub nats: Nats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Bridges connect to each other, without a broker.
    #[default]
    Zenoh,
    /// All traffic goes through servers.
    Nats,
}

impl Engine {
    /// Returns the engine's name. Listings show it as the machine of programs without Linkspan.
    pub const fn name(self) -> &'static str {
        match self {
            Engine::Zenoh => "zenoh",
            Engine::Nats => "nats",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Written {
    /// JSON, for programs that only read JSON.
    Json,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The folder from `linkspan bridge keys issue`; relative to the configuration file.
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct May {
    pub export: Vec<String>,
    pub import: Vec<String>,
}

impl Default for May {
    fn default() -> May {
        May { export: vec!["*".into()], import: vec!["*".into()] }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            realm: "default".into(),
            machine: None,
            export: Vec::new(),
            import: Vec::new(),
            status: registry::BRIDGE_STATUS.into(),
            service: "bridge".into(),
            request_timeout: 60.0,
            retain: None,
            retain_total: None,
            encoding: BTreeMap::new(),
            tls: None,
            machines: BTreeMap::new(),
            engine: Engine::default(),
            zenoh: Zenoh::default(),
            nats: Nats::default(),
        }
    }
}

const JOURNAL: &str = "journal:";

const LONGEST: u64 = 1 << 20;

impl Config {
    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// `NotFound` if it does not exist; `Malformed` if it is not a file, is too long, is not UTF-8, or cannot be
    /// parsed; other system errors.
    pub fn read(path: &Path) -> Result<Config> {
        Ok(Config::read_with_text(path)?.0)
    }

    fn read_with_text(path: &Path) -> Result<(Config, String)> {
        let shown = path.display();
        let of = |e: Error| match e.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!(
                    "{shown}: there is no such file; write one, of which docs/bridge.md has an example, or give flags in its place: linkspan bridge --help"
                ),
            ),
            ErrorKind::Unsupported => wrong(format!(
                "{shown} is a directory, a pipe or a device, or has nothing that could be read now; name a file with the configuration"
            )),
            _ => e,
        };
        let bytes = files::open(path).and_then(|file| files::read(file, path, LONGEST + 1)).map_err(of)?;
        if bytes.len() as u64 > LONGEST {
            return Err(wrong(format!(
                "{shown} has more than {LONGEST} bytes, which no configuration needs"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let good = e.utf8_error().valid_up_to();
            let place = place(&String::from_utf8_lossy(&e.as_bytes()[..good]), good);
            wrong(format!("{shown}:{place}: these bytes are no UTF-8; save the file in that encoding"))
        })?;
        let mut config = Config::parse(&text, &shown)?;
        if let Some(beside) = path.parent() {
            if let Some(tls) = &mut config.tls {
                tls.folder = beside.join(&tls.folder);
            }
            config.nats.lie_in(beside);
        }
        Ok((config, text))
    }

    /// Parses a configuration. `shown` is the file's name in errors.
    ///
    /// # Errors
    /// `Malformed` with line and column for an unknown key or a wrong type.
    pub fn parse(text: &str, shown: &dyn Display) -> Result<Config> {
        toml::from_str(text).map_err(|e| {
            let (place, message) =
                (place(text, e.span().map_or(0, |span| span.start)), e.message().replace('\n', " "));
            wrong(format!("{shown}:{place}: {message}{}", remedy(&message)))
        })
    }

    /// Reads and validates a file. Validation errors contain the position of the value, if the file has it.
    ///
    /// # Errors
    /// Errors of `read` and `validate`.
    pub fn check(path: &Path) -> Result<Config> {
        let (config, text) = Config::read_with_text(path)?;
        config.validate().map_err(|invalid| invalid.placed(&text, &path.display()))?;
        Ok(config)
    }

    /// Checks each value and their combination.
    ///
    /// # Errors
    /// `Malformed` for an invalid or missing value; `Unsupported` for a key that the engine does not have; errors of
    /// this machine's keys. Each contains the path to the value.
    pub fn validate(&self) -> Checked {
        if self.engine == Engine::Nats {
            self.refuse_what_zenoh_alone_can()?;
        }
        let machine = self.machine().map_err(|e| Invalid::at(["tls".into(), "folder".into()], e))?;
        for (what, word) in [("realm", &self.realm), ("machine", &machine)] {
            if !is_word(word) {
                let text =
                    format!("{what} {word:?} is not a valid name; give it 1 to 64 letters, digits and . _ -");
                return Err(Invalid::at([what.into()], wrong(text)));
            }
        }
        for (key, patterns) in [("export", &self.export), ("import", &self.import)] {
            for (index, pattern) in patterns.iter().enumerate() {
                validate_pattern(pattern).map_err(|e| Invalid::at([key.into(), index.into()], e))?;
            }
        }
        for pattern in self.encoding.keys() {
            // The records of a journal are never converted.
            let checked = validate_pattern(pattern).and_then(|()| match is_journal(pattern) {
                true => Err(wrong(format!("{pattern:?}: the records of a journal are carried as they are"))),
                false => Ok(()),
            });
            checked.map_err(|e| Invalid::at(["encoding".into(), pattern.into()], e))?;
        }
        for (what, name) in [("status", &self.status), ("service", &self.service)] {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
            if name.is_empty() || !name.chars().all(allowed) {
                let text =
                    format!("{what} {name:?} is not a valid name; give it letters, digits, . _ - and /");
                return Err(Invalid::at([what.into()], wrong(text)));
            }
        }
        if self.export.is_empty() && self.import.is_empty() {
            let text = "no name is exported or imported: give one, such as --export 'lab/*'";
            return Err(Invalid::at([], wrong(text.into())));
        }
        if !(self.request_timeout > 0.0 && self.request_timeout <= 86_400.0) {
            let text = format!("request_timeout {} is not within 0 and 86400 seconds", self.request_timeout);
            return Err(Invalid::at(["request_timeout".into()], wrong(text)));
        }
        self.validate_machines()?;
        match self.engine {
            Engine::Zenoh if !self.nats.servers.is_empty() => {
                let text = "a NATS server is given, and the engine is zenoh: set engine = \"nats\"";
                Err(Invalid::at(["nats".into(), "servers".into()], wrong(text.into())))
            }
            Engine::Zenoh => self.zenoh.validate(self.tls.is_some()).map_err(|e| e.within("zenoh")),
            Engine::Nats => self.nats.validate().map_err(|e| e.within("nats")),
        }
    }

    /// Refuses keys that only zenoh supports. A NATS server authenticates machines and has their permissions.
    fn refuse_what_zenoh_alone_can(&self) -> Checked {
        let (key, text) = match () {
            () if !self.zenoh.is_empty() => (
                "zenoh",
                "with the engine nats, bridges connect to servers: leave out listen, peers, routers and scouting",
            ),
            () if self.tls.is_some() => (
                "tls",
                "keys of machines are for the engine zenoh: with nats set ca, certificate and key in [nats], or credentials",
            ),
            () if !self.machines.is_empty() => (
                "machines",
                "permissions of machines need the engine zenoh: with nats set the server's permissions, by subject",
            ),
            () => return Ok(()),
        };
        Err(Invalid::at([key.into()], Error::new(ErrorKind::Unsupported, text)))
    }

    /// Describes how the bridge reaches others and carries messages, in lines for the user.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = match self.engine {
            Engine::Zenoh => self.zenoh.describe(),
            Engine::Nats => self.nats.describe(),
        };
        let kept = self.retain();
        lines.extend(kept.map(|bytes| format!("keeps {bytes} bytes of messages of each exported publisher")));
        let all = kept.map(|bytes| self.retain_total(bytes));
        lines.extend(
            all.map(|bytes| format!("keeps {bytes} bytes of messages of all exported publishers together")),
        );
        let json = self.encoding.keys();
        lines.extend(json.map(|pattern| format!("carries the values of {pattern} as JSON")));
        lines
    }

    pub fn addresses(&self) -> (Vec<String>, Vec<String>) {
        match self.engine {
            Engine::Nats => (self.nats.servers.clone(), Vec::new()),
            Engine::Zenoh => {
                ([&self.zenoh.connect[..], &self.zenoh.routers].concat(), self.zenoh.listen.clone())
            }
        }
    }

    /// Checks this machine's keys and the other machines' rights.
    ///
    /// Rights without certificates are an error, because they could not be enforced. Certificates without any named
    /// machine are an error too.
    fn validate_machines(&self) -> Checked {
        let Some(tls) = &self.tls else {
            if let Some(machine) = self.machines.keys().next() {
                let text = format!(
                    "the permissions of {machine} cannot be checked: without tls no machine is identified; set tls"
                );
                return Err(Invalid::at(["machines".into(), machine.into()], wrong(text)));
            }
            return Ok(());
        };
        let folder = Folder::read(&tls.folder);
        let own = folder.map_err(|e| Invalid::at(["tls".into(), "folder".into()], e))?.certificate.machine;
        if self.machine.as_ref().is_some_and(|machine| *machine != own) {
            let text = format!(
                "machine is {:?}, and the certificate in {} is of {own}: leave machine out",
                self.machine,
                tls.folder.display()
            );
            return Err(Invalid::at(["machine".into()], wrong(text)));
        }
        if self.machines.is_empty() {
            let text =
                "with tls a bridge connects only to named machines: set [machines.NAME] or --trust NAME";
            return Err(Invalid::at(["tls".into()], wrong(text.into())));
        }
        for (machine, may) in &self.machines {
            if !is_word(machine) {
                let error = wrong(format!("{machine:?} in machines is not a valid name of a machine"));
                return Err(Invalid::at(["machines".into(), machine.into()], error));
            }
            for (key, patterns) in [("export", &may.export), ("import", &may.import)] {
                if let Some((index, pattern)) = patterns.iter().enumerate().find(|(_, it)| !is_exact(it)) {
                    let text = format!(
                        "{pattern:?} in machines.{machine} is not a pattern: give a name, FOLDER/* or *"
                    );
                    let way = ["machines".into(), machine.into(), key.into(), index.into()];
                    return Err(Invalid::at(way, wrong(text)));
                }
            }
        }
        Ok(())
    }

    /// Returns this machine's name: from the configuration, else its certificate, else the host.
    ///
    /// # Errors
    /// Errors of reading the certificate.
    pub fn machine(&self) -> Result<String> {
        match (&self.machine, &self.tls) {
            (Some(machine), _) => Ok(machine.clone()),
            (None, Some(tls)) => Ok(certificate(&tls.folder.join(CERTIFICATE))?.machine),
            (None, None) => Ok(rustix::system::uname().nodename().to_string_lossy().into_owned()),
        }
    }

    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.request_timeout)
    }

    /// Returns the bytes kept of each exported publisher; `None` if none are kept.
    pub fn retain(&self) -> Option<usize> {
        self.retain.map(|Size(bytes)| bytes).filter(|bytes| *bytes > 0)
    }

    /// Returns the bytes kept of all exported publishers, with `each` kept of one.
    pub fn retain_total(&self, each: usize) -> usize {
        self.retain_total.map_or_else(|| RETAIN_TOTAL.max(each.saturating_mul(4)), |Size(bytes)| bytes)
    }

    pub fn is_json(&self, name: &str) -> bool {
        self.encoding.keys().any(|pattern| registry::matches(pattern, name))
    }

    pub fn exports(&self, name: &str) -> bool {
        carries(&self.export, name)
    }

    /// Returns whether a machine may have an exported name.
    ///
    /// Without certificates, every machine may. A router connects the bridge to all machines that the router knows,
    /// so the rights of any machine then suffice.
    pub fn gives(&self, name: &str, machine: &str) -> bool {
        let is_meant = |it: &str| it == machine || !self.zenoh.routers.is_empty();
        self.tls.is_none() || self.machines.iter().any(|(it, may)| is_meant(it) && matches(&may.export, name))
    }

    pub fn imports(&self, name: &str) -> bool {
        carries(&self.import, name)
    }
}

fn validate_pattern(pattern: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/*?".contains(c);
    let names = pattern.strip_prefix(JOURNAL).unwrap_or(pattern);
    if names.is_empty() || !names.chars().all(allowed) {
        let text = format!(
            "{pattern:?} is not a pattern of names; a name has letters, digits, . _ - and /, and in a pattern * stands for any characters and ? for one; those of journals begin with {JOURNAL}"
        );
        return Err(wrong(text));
    }
    Ok(())
}

fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| registry::matches(pattern, name))
}

pub fn is_journal(name: &str) -> bool {
    name.starts_with(JOURNAL)
}

/// Returns whether any export or import pattern matches the name.
///
/// Only journal patterns match journals, because a journal uses the other machine's disk.
fn carries(patterns: &[String], name: &str) -> bool {
    let mut of_kind = patterns.iter().filter(|it| is_journal(it) == is_journal(name));
    of_kind.any(|pattern| registry::matches(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_error(text: &str) -> String {
        let read =
            Config::parse(text, &"b.toml").and_then(|config| Ok(config.validate().map(|()| config)?));
        read.map_or_else(|e| e.text().to_owned(), |config| format!("{config:?}"))
    }

    #[test]
    fn parse_error_has_line_column_and_allowed_values() {
        let text = parse_error("realm = \"a\"\nexprot = [\"x\"]\n");
        assert!(text.starts_with("b.toml:2:1: ") && text.contains("`export`"), "{text}");
        let text = parse_error("realm = \"a\"\nexport = \"x\"\n");
        assert!(text.starts_with("b.toml:2:10: "), "{text}");
        assert!(text.ends_with("; write a list, such as [\"lab/*\"]"), "{text}");
        let text = parse_error("request_timeout = \"5\"\n");
        assert!(
            text.starts_with("b.toml:1:19: ") && text.ends_with("; write a number, without quotes"),
            "{text}"
        );
        let text = parse_error("[zenoh]\nlisten = [\"tcp/127.0.0.1:1\"]\nscout = true\n");
        assert!(text.starts_with("b.toml:3:1: ") && text.contains("`scouting`"), "{text}");
        let text = parse_error("export = [\"a\"]\nretain = \"64mib\"\n");
        assert!(text.starts_with("b.toml:2:10: ") && text.contains("\"64MiB\""), "{text}");
        let text = parse_error("export = [\"a\"]\n[encoding]\n\"lab/*\" = \"xml\"\n");
        assert!(text.starts_with("b.toml:3:") && text.contains("json"), "{text}");
    }

    #[test]
    fn contradictory_configuration_is_refused() {
        let listen = "[zenoh]\nlisten = [\"tcp/127.0.0.1:1\"]";
        assert!(parse_error(listen).contains("no name is exported"));
        assert!(parse_error("export = [\"a\"]").contains("no other bridge"));
        assert!(parse_error(&format!("export = [\"a b\"]\n{listen}")).contains("is not a pattern"));
        assert!(
            parse_error(&format!("realm = \"a/b\"\nexport = [\"a\"]\n{listen}"))
                .contains("is not a valid name")
        );
        assert!(
            parse_error("export = [\"a\"]\n[zenoh]\nlisten = [\"tcp/0.0.0.0:1\"]")
                .contains("trusted_network")
        );
        assert!(
            parse_error("export = [\"a\"]\n[zenoh]\nlisten = [\"udp/127.0.0.1:1\"]")
                .contains("is not an address")
        );
        assert!(parse_error("export = [\"a\"]\n[zenoh]\nscouting = true").contains("trusted_network"));
        assert!(parse_error(&format!("export = [\"a\"]\n{listen}")).contains("export: [\"a\"]"));
    }

    #[test]
    fn contradictory_nats_configuration_is_refused() {
        let nats = |more: &str| parse_error(&format!("engine = \"nats\"\nexport = [\"a\"]\n{more}"));
        let here = "[nats]\nservers = [\"nats://127.0.0.1:4222\"]\n";
        for (text, expected) in [
            ("", "no server is given"),
            ("[nats]\nservers = [\"127.0.0.1:4222\"]", "is not an address"),
            ("[nats]\nservers = [\"nats://127.0.0.1\"]", "is not an address"),
            ("[nats]\nservers = [\"nats://me:secret@127.0.0.1:4222\"]", "must not have a user"),
            ("[nats]\nservers = [\"nats://example.org:4222\"]", "trusted_network"),
            (&format!("{here}user = \"me\""), "must be given together"),
            (&format!("{here}certificate = \"a\""), "must be given together"),
            (&format!("{here}token_file = \"a\"\nnkey_file = \"b\""), "one thing"),
            (&format!("{here}bucket = \"a.b\""), "valid name of a bucket"),
            (&format!("{here}ca = \"/nowhere/ca.pem\""), "/nowhere/ca.pem cannot be read"),
            (&format!("{here}[zenoh]\nscouting = true"), "leave out listen"),
            (&format!("{here}[tls]\nfolder = \"x\""), "ca, certificate and key"),
        ] {
            let text = nats(text);
            assert!(text.contains(expected), "{expected}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
        assert!(nats(here).contains("export: [\"a\"]"));
        assert!(nats("[nats]\nservers = [\"tls://example.org:4222\"]").contains("export: [\"a\"]"));
        let forgotten = parse_error(&format!("export = [\"a\"]\n{here}"));
        assert!(forgotten.contains("set engine"), "{forgotten}");
    }

    #[test]
    fn errors_have_the_place_of_the_value_and_not_of_its_text() {
        let place_of = |text: &str| {
            let invalid = Config::parse(text, &"b.toml").unwrap().validate().unwrap_err();
            let placed = invalid.placed(text, &"b.toml").text().to_owned();
            placed.split(": ").next().unwrap_or_default().trim_start_matches("b.toml:").to_owned()
        };
        for (text, place) in [
            // The same text occurs earlier in a comment, in another key and in another item.
            ("# \"a b\"\nexport = [\"x\", \"a b\"]\n", "2:16"),
            ("status = \"a/b\"\nexport = [\"a/b\"]\nrealm = \"a/b\"\n", "3:9"),
            ("export = [\"a\"]\nrequest_timeout = -1 # request_timeout = 0\n", "2:19"),
            (
                "export = [\"a\"]\n[zenoh]\nlisten = [\"tcp/[::1]:1\"]\nconnect = [\"tcp/x:1\"]\nrouters = []\n",
                "4:12",
            ),
            ("export = [\"a\"]\nzenoh.listen = [\"tcp/127.0.0.1:1\", \"tcp/127.0.0.1:x\"]\n", "2:36"),
            ("export = [\"a\"]\nzenoh = { scouting = true }\n", "2:22"),
            ("export = [\"a\"]\n[machines.\"north\"]\n", "2:11"),
            ("engine = \"nats\"\nexport = [\"a\"]\n[zenoh]\nscouting = true\n", "3:2"),
            ("export = [\"a\"]\n[nats]\nservers = [\"nats://127.0.0.1:1\"]\n", "3:11"),
            (
                "engine = \"nats\"\nexport = [\"a\"]\n[nats]\nservers = [\"nats://127.0.0.1:1\"]\nca = \"/nowhere\"\n",
                "5:6",
            ),
            ("export = [\"\\u0061\", \"é\", \"é é\"]\n", "1:21"),
            ("export = [\"a\"]\n[encoding]\n\"lab/*\" = \"json\"\n\"journal:a\" = \"json\"\n", "4:15"),
            // A missing value has no position.
            ("import = []\n", "b.toml"),
        ] {
            assert_eq!(place_of(text), place, "{text}");
        }
    }

    #[test]
    fn patterns_take_any_characters_and_single_ones() {
        let config = Config { export: vec!["lab/*".into(), "x?".into()], ..Config::default() };
        let exported = ["lab/a", "lab/a/b", "xy"].map(|name| config.exports(name));
        assert_eq!(exported, [true; 3]);
        assert!(["lab", "x", "xyz", "slab/a"].iter().all(|name| !config.exports(name)));
    }
}
