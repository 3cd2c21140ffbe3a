//! The program `linkspan-schema` (`linkspan schema`): converts schemas, and infers them from messages.
//!
//! | part | lives in |
//! |---|---|
//! | the command line and its commands | `commands` |
//! | import and inference | the library of this crate |
//! | export | `linkspan-schema-export` |

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
    // A malformed command line ends the program here with exit code 2.
    let arguments = start::parsed(Arguments::try_parse());
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return Exit::from(error).report(None),
    };
    let result = commands::run(&arguments.what, Arguments::command(), &signals);
    result.map_or_else(|exit| exit.report(signals.signal()), |()| ExitCode::SUCCESS)
}
