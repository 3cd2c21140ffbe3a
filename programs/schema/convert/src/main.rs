//! The program `linkspan-schema`: schemas to and from other notations, and out of messages. `linkspan schema` runs it.
//!
//! | what | lives in |
//! |---|---|
//! | the command line and its commands | `commands` |
//! | how schemas are read from other notations, and proposed from messages | the library of this crate |
//! | how they are written in other notations | `linkspan-schema-export` |

#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use commands::Arguments;
use linkspan_program::exit::Exit;
use linkspan_program::signals::Signals;
use linkspan_program::start;

fn main() -> ExitCode {
    if let Err(code) = start::begin("linkspan") {
        return code;
    }
    // A malformed command line ends the program here, with exit code 2.
    let arguments = start::parsed(Arguments::try_parse());
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return Exit::from(error).report(None),
    };
    let result = commands::run(&arguments.what, Arguments::command(), &signals);
    result.map_or_else(|exit| exit.report(signals.signal()), |()| ExitCode::SUCCESS)
}
