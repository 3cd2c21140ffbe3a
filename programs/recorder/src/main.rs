//! The program `linkspan-record`: records what programs publish, and shows, checks, changes, exports and replays
//! recordings.
//!
//! | task | module |
//! |---|---|
//! | the command line | `arguments` |
//! | `linkspan record` | `record` |
//! | files that exist at the path of a new recording | `beginning` |
//! | the parts of a recording that is being written | `parts` |
//! | the messages that each part begins with | `newest` |
//! | `linkspan replay` | `replay` |
//! | `linkspan recording` | `tools` |
//! | messages in the encodings of viewers | `viewing` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
// Numbers from files and programs must not overflow.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

mod arguments;
mod beginning;
mod compress;
mod newest;
mod parts;
mod record;
mod replay;
mod tools;
mod viewing;

use std::process::ExitCode;

use arguments::{Action, Arguments};
use clap::{CommandFactory, Parser};
use linkspan::Result;
use linkspan_program::{manual, quantity, start, stderr, stdout};

/// Runs the program. The exit code is 1 after an error and 2 for a wrong command line; a tool may define others.
///
/// An error is printed as one line with its kind and its code.
fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan-record") {
        return code;
    }
    match run(&start::parsed(Arguments::try_parse())) {
        Ok(code) => code,
        // The reader of standard output closed it.
        Err(error) if error.errno() == Some(32) => ExitCode::SUCCESS,
        Err(error) => {
            stderr::print_line(&stderr::described(&error));
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
        Action::Completions { shell } => {
            let commands = manual::with_option_names(Arguments::command(), &record::OWN_OPTIONS);
            stdout::write(&manual::completions(*shell, commands, "linkspan-record"))
        }
        Action::Man { folder } => manual::write(Arguments::command().name("linkspan-record"), folder),
    }
    .map(|()| ExitCode::SUCCESS)
}
