//! The command line. Flags have the meaning of configuration keys, and override or extend the file.
//!
//! The doc comments of these types are the text of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use linkspan::Result;

use crate::config::{Config, Engine, Nats, Size, Tls, Written};
use crate::keys::Keys;

/// Carry names of this machine to others, and names of others here
#[derive(Debug, Parser)]
#[command(
    name = "linkspan bridge",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "The bridge exports and imports only names that match your patterns. In a pattern, * matches any characters and ? matches one.

Examples:
  linkspan bridge --export 'lab/*' --listen tcp/127.0.0.1:7447
  linkspan bridge --import 'lab/*' --peer tcp/127.0.0.1:7447
  linkspan bridge --import 'lab/*' --peer tls/north.example.org:7447 --tls south.1 --trust north
  linkspan bridge --engine nats --import 'lab/*' --server nats://127.0.0.1:4222
  linkspan bridge --config bridge.toml
  linkspan bridge check bridge.toml"
)]
pub struct Arguments {
    /// What to do instead of running.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// The names to relay, and the machines.
    #[command(flatten)]
    pub settings: Settings,
}

/// Actions other than running.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print what a configuration would do, and its errors
    #[command(
        after_help = "Examples:\n  linkspan bridge check bridge.toml\n  linkspan bridge check /etc/linkspan/bridge.toml && systemctl restart linkspan-bridge"
    )]
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Make and revoke the keys that identify the machines
    #[command(
        subcommand,
        after_help = "Examples:\n  linkspan bridge keys init authority\n  linkspan bridge keys issue authority north\n  linkspan bridge keys revoke authority north"
    )]
    Keys(Keys),
    /// Write the manual pages, one for each command
    #[command(
        after_help = "Examples:\n  linkspan bridge man /usr/local/share/man/man1\n  linkspan bridge man . && man ./linkspan-bridge-keys.1"
    )]
    Man {
        /// The folder, which is created if it is missing
        folder: PathBuf,
    },
}

/// The names to relay, and the machines.
#[derive(Debug, Args)]
pub struct Settings {
    /// A configuration file in TOML; flags add to its lists and replace its values
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Join the bridges of this name [default: default]
    #[arg(long)]
    realm: Option<String>,
    /// The name of this machine, as others show it [default: the host name]
    #[arg(long)]
    machine: Option<String>,
    /// Export the names that match this pattern to other machines; may be repeated
    #[arg(long, value_name = "PATTERN")]
    export: Vec<String>,
    /// Import the names of other machines that match this pattern; may be repeated
    #[arg(long, value_name = "PATTERN")]
    import: Vec<String>,
    /// Keep this many bytes of messages of each exported publisher for network outages, such as 64MiB
    #[arg(long, value_name = "SIZE")]
    retain: Option<Size>,
    /// With --retain: keep at most this many bytes of all exported publishers together [default: 1GiB, or four times
    /// --retain]
    #[arg(long, value_name = "SIZE")]
    retain_total: Option<Size>,
    /// Write values of matching names as JSON for programs that need it, such as 'lab/*=json';
    /// may be repeated
    #[arg(long, value_name = "PATTERN=json", value_parser = encoding)]
    encoding: Vec<(String, Written)>,
    /// The engine between the machines [default: zenoh]
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// Accept other bridges at this address, such as tcp/127.0.0.1:7447; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Connect to the bridge at this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    peer: Vec<String>,
    /// Connect through the router at this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    router: Vec<String>,
    /// Find other bridges by multicast
    #[arg(long)]
    scout: bool,
    /// Encrypt and identify this machine by the keys of `linkspan bridge keys issue` in this folder;
    /// addresses are then tls/HOST:PORT
    #[arg(long, value_name = "FOLDER")]
    tls: Option<PathBuf>,
    /// With --tls: exchange names with this machine; may be repeated
    #[arg(long, value_name = "MACHINE")]
    trust: Vec<String>,
    /// Use addresses beyond this machine without encryption: everyone on that network can read messages and write to
    /// imported names
    #[arg(long)]
    trusted_network: bool,
    #[command(flatten)]
    nats: Nats,
}

impl Settings {
    /// Returns the configuration from file and flags.
    ///
    /// Flags extend lists and replace single values. No flag switches off a setting of the file.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, `Malformed` with line and column if it cannot be parsed. The result is
    /// not validated yet: see `Config::validate`.
    pub fn config(self) -> Result<Config> {
        let mut config = match &self.config {
            Some(file) => Config::read(file)?,
            None => Config::default(),
        };
        config.realm = self.realm.unwrap_or(config.realm);
        config.machine = self.machine.or(config.machine);
        config.export.extend(self.export);
        config.import.extend(self.import);
        config.retain = self.retain.or(config.retain);
        config.retain_total = self.retain_total.or(config.retain_total);
        config.encoding.extend(self.encoding);
        config.tls = self.tls.map(|folder| Tls { folder }).or(config.tls);
        for machine in self.trust {
            config.machines.entry(machine).or_default();
        }
        config.engine = self.engine.unwrap_or(config.engine);
        config.nats.extend(self.nats);
        config.nats.trusted_network |= self.trusted_network;
        let zenoh = &mut config.zenoh;
        zenoh.listen.extend(self.listen);
        zenoh.connect.extend(self.peer);
        zenoh.routers.extend(self.router);
        zenoh.scouting |= self.scout;
        zenoh.trusted_network |= self.trusted_network;
        Ok(config)
    }
}

/// Parses a pattern and its encoding.
fn encoding(text: &str) -> std::result::Result<(String, Written), String> {
    match text.rsplit_once('=') {
        Some((pattern, "json")) => Ok((pattern.to_owned(), Written::Json)),
        _ => Err("give a pattern and json, such as 'lab/*=json'".to_owned()),
    }
}
