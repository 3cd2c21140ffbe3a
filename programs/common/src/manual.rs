//! Completions and manual pages of a program, from the definition of its `--help`.

use std::path::Path;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;
use linkspan::{Error, Options, Result};

/// Returns the completions of a program for a shell.
///
/// The generator for bash takes a dash in a name for a level of commands, so the dash is replaced temporarily.
pub fn completions(shell: Shell, commands: Command, name: &'static str) -> Vec<u8> {
    // The parser's definition lasts as long as the program.
    let written: &str = if shell == Shell::Bash { name.replace('-', "_").leak() } else { name };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands.name(written), written, &mut script);
    if written != name {
        let text = String::from_utf8_lossy(&script);
        script = text.replace(&format!(" {written}\n"), &format!(" {name}\n")).into_bytes();
    }
    script
}

/// Adds completions of option names with `=` to `--option`, except the options in `own`.
pub fn with_option_names(commands: Command, own: &[&str]) -> Command {
    // `on_wait` cannot be written as text.
    let taken = Options::NAMES.iter().filter(|name| **name != "on_wait" && !own.contains(name));
    let names = PossibleValuesParser::new(taken.map(|name| -> &str {
        // The parser's definition lasts as long as the program.
        format!("{name}=").leak()
    }));
    let with_names = |argument: Arg| match argument.get_long() {
        Some("option") => argument.value_parser(names.clone()).hide_possible_values(true),
        _ => argument,
    };
    commands.mut_subcommands(|command| command.mut_args(with_names))
}

/// Writes the manual pages of `commands` and all nested commands: `linkspan.1`, `linkspan-sub.1`,
/// `linkspan-service-ls.1`.
///
/// # Errors
/// The system's error with the folder, if a page cannot be written.
pub fn write(commands: Command, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(commands.disable_help_subcommand(true), folder))
        .map_err(|error| {
            let writing = format!("writing manual pages into {}", folder.display());
            Error::os(writing, error.raw_os_error().unwrap_or(0))
        })
}
