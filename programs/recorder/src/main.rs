//! The program `linkspan-record`: records what programs publish, and shows, checks, changes, exports and replays
//! recordings.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `arguments` |
//! | `linkspan record` | `record` |
//! | what is there where a recording is to be written | `beginning` |
//! | the parts of a recording that is written | `parts` |
//! | the messages with which each part begins | `newest` |
//! | `linkspan replay` | `replay` |
//! | `linkspan recording` | `tools` |
//! | messages as viewers read them | `viewing` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
// Numbers that files and programs give are added without overflow.
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

/// Runs the program. An error is printed as one line with its kind and its code, and the exit code is 1; it is 2 for a
/// wrong command line. What a tool finds may have an exit code of its own.
fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan-record") {
        return code;
    }
    match run(&start::parsed(Arguments::try_parse())) {
        Ok(code) => code,
        // The reader of the output has closed it.
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
