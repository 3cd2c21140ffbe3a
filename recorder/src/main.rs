//! The program `linkspan-record`: records what programs publish, and shows, checks, changes, exports and replays recordings.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `arguments`; times and sizes in it: `quantity` |
//! | `linkspan record` | `record` |
//! | the parts of a recording that is written | `parts` |
//! | `linkspan replay` | `replay` |
//! | `linkspan recording` | `tools` |
//! | lines on standard error; lines on standard output | `stderr`; `stdout` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
// Numbers that files and programs give are added without overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

mod arguments;
mod parts;
mod quantity;
mod record;
mod replay;
mod stderr;
mod stdout;
mod tools;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use clap::{CommandFactory, Parser};
use linkspan::Result;

/// Runs the program. An error is printed as one line with its kind and its code, and the exit code is 1; it is 2 for a wrong command
/// line. What a tool finds may have an exit code of its own.
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        // The reader of the output has closed it.
        Err(error) if error.errno() == Some(32) => ExitCode::SUCCESS,
        Err(error) => {
            stderr::print_line(&format!("{} ({}): {error}", error.kind().name(), error.kind().code()));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.action {
        Action::Recording { reading, action } => {
            reading.take();
            return action.run();
        }
        Action::Record(record) => record::run(record),
        Action::Replay(replay) => replay::run(replay),
        Action::Completions { shell } => stdout::write(&completions(*shell)),
        Action::Man { folder } => write_manual(folder),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Returns the completions. In bash those of a name with a dash in it would find no command: their generator takes the dash for a level of
/// commands.
fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let is_bash = shell == clap_complete::Shell::Bash;
    let name = if is_bash { "linkspan_record" } else { "linkspan-record" };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command().name(name), name, &mut script);
    if is_bash {
        let text = String::from_utf8_lossy(&script);
        script = text.replace(" linkspan_record\n", " linkspan-record\n").into_bytes();
    }
    script
}

/// Writes the manual pages, from the same definition as `--help`.
fn write_manual(folder: &std::path::Path) -> Result<()> {
    let commands = Arguments::command().name("linkspan-record").disable_help_subcommand(true);
    std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(commands, folder)).map_err(
        |error| {
            let writing = format!("writing manual pages into {}", folder.display());
            linkspan::Error::os(writing, error.raw_os_error().unwrap_or(0))
        },
    )
}
