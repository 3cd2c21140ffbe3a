//! The command line. The doc comments of the types here and in the modules of the commands are the text of `--help`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{record, replay, tools};

/// Record published messages, examine recordings, and replay them
#[derive(Debug, Parser)]
#[command(name = "linkspan-record", version, propagate_version = true)]
pub struct Arguments {
    /// The command
    #[command(subcommand)]
    pub action: Action,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    Record(record::Arguments),
    Replay(replay::Arguments),
    /// Examine, check, copy and export recordings
    #[command(after_help = "Examples:
  linkspan recording info run42.mcap
  linkspan recording check run42.mcap")]
    Recording {
        #[command(flatten)]
        reading: tools::opening::Reading,
        #[command(subcommand)]
        action: tools::Action,
    },
    /// Print the completions for a shell; in bash, the completions of `linkspan` load them
    #[command(after_help = "Examples:
  linkspan-record completions bash > /etc/bash_completion.d/linkspan-record
  linkspan-record completions zsh > /usr/local/share/zsh/site-functions/_linkspan-record")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each command
    #[command(after_help = "Examples:
  linkspan-record man /usr/local/share/man/man1
  linkspan-record man . && man ./linkspan-record.1")]
    Man {
        /// The folder, which is made if it is missing
        folder: PathBuf,
    },
}

/// Parses the mode of a file.
///
/// # Errors
/// A text that describes the valid modes.
pub fn mode(text: &str) -> std::result::Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
        _ => {
            Err("a mode is three octal digits, and its owner may read and write: 0600, 0640, 0664".to_owned())
        }
    }
}
