//! The command line and its commands.

mod export;
mod import;
mod infer;

use clap::{Parser, Subcommand};
use linkspan_program::exit::{Exit, write};
use linkspan_program::manual;
use linkspan_program::signals::Signals;

/// Convert schemas to other notations and back, and propose them from messages
#[derive(Debug, Parser)]
#[command(name = "linkspan schema", version)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub what: What,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Write a schema in another notation
    #[command(
        after_help = "Prints to standard error where the notation cannot express the schema: `looser` where it accepts values that the schema refuses,
`narrower` where it refuses values that the schema accepts.

Examples:
  linkspan schema export --to cddl power.schema.toml > power.cddl
  linkspan schema export --to json-schema lab/power > power.schema.json
  linkspan schema export --to proto power.schema.toml > power.proto
  linkspan schema export --to arrow power.schema.toml > power.arrows"
    )]
    Export(export::Export),

    /// Convert a file in another notation into a schema
    #[command(
        after_help = "Refuses what a schema cannot express, with file, line and column. Prints to standard error where the schema accepts more than
the file does.

Examples:
  linkspan schema import --from proto addressbook.proto --message Person > person.schema.toml
  linkspan schema import --from ros sensor_msgs/msg/Imu.msg --include /opt/ros/jazzy/share"
    )]
    Import(import::Import),

    /// Propose a schema for the messages of an endpoint, a journal, or a file
    #[command(
        after_help = "Prints a schema that accepts every message read, with a comment wherever the messages leave a question open: `optional?`, `integer or float?`.
A file holds one message, JSON texts one a line, or a CBOR sequence. A journal is read from its first message; that changes nothing in it.

With --widen, prints that schema, widened just enough to accept the messages. It accepts all that the old one did.

Examples:
  linkspan schema infer lab/power > power.schema.toml
  linkspan schema infer journal:orders --count 100000
  linkspan sub lab/power --json | linkspan schema infer - --widen power.schema.toml"
    )]
    Infer(infer::Infer),

    /// Print the completions for a shell; in bash, the completions of `linkspan` load them
    #[command(after_help = "Examples:
  linkspan-schema completions bash > /etc/bash_completion.d/linkspan-schema
  linkspan-schema completions zsh > /usr/local/share/zsh/site-functions/_linkspan-schema")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },

    /// Write the manual pages, one for each command
    #[command(after_help = "Examples:
  linkspan-schema man /usr/local/share/man/man1
  linkspan-schema man . && man ./linkspan-schema.1")]
    Man {
        /// The folder, which is created if it is missing
        folder: std::path::PathBuf,
    },
}

/// Runs a command.
///
/// # Errors
/// The exit of a command that fails.
pub fn run(what: &What, commands: clap::Command, signals: &Signals) -> Result<(), Exit> {
    match what {
        What::Export(asked) => export::print(asked),
        What::Import(asked) => import::print(asked),
        What::Infer(asked) => infer::print(asked, signals),
        What::Completions { shell } => write(&manual::completions(*shell, commands, "linkspan-schema")),
        // `linkspan man` writes the page above them.
        What::Man { folder } => Ok(["export", "import", "infer"].into_iter().try_for_each(|name| {
            let command = commands.find_subcommand(name).cloned().unwrap_or_default();
            manual::write(command.name(&*format!("linkspan-schema-{name}").leak()), folder)
        })?),
    }
}
