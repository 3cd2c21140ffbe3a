//! Commands of separate programs, which have more dependencies.
//!
//! They are `linkspan bridge`, `gateway`, `record` and `schema import`.

use std::convert::Infallible;
use std::ffi::OsString;

use clap::{Args, Subcommand};
use linkspan::Error;
use linkspan_program::companion::Companion;

use crate::exit::Exit;

/// The commands of separate programs.
#[derive(Subcommand, Debug)]
pub enum Asked {
    /// Exchange the messages of configured names with other machines: `linkspan bridge --help`
    #[command(disable_help_flag = true)]
    Bridge(Arguments),
    /// Serve names to browsers and to programs of other systems: `linkspan gateway --help`
    #[command(disable_help_flag = true)]
    Gateway(Arguments),
    /// Record the messages that are published at names: `linkspan record --help`
    #[command(disable_help_flag = true)]
    Record(Arguments),
    /// Publish the messages of a recording again: `linkspan replay --help`
    #[command(disable_help_flag = true)]
    Replay(Arguments),
    /// Examine, check, cut, merge, split and export recordings: `linkspan recording --help`
    #[command(disable_help_flag = true)]
    Recording(Arguments),
}

/// The commands of the program that converts schemas.
#[derive(Subcommand, Debug)]
pub enum Conversion {
    /// Write a schema in another notation: `linkspan schema export --help`
    #[command(disable_help_flag = true)]
    Export(Arguments),
    /// Convert a file in another notation into a schema: `linkspan schema import --help`
    #[command(disable_help_flag = true)]
    Import(Arguments),
    /// Propose a schema for the messages of an endpoint, a journal, or a file: `linkspan schema infer --help`
    #[command(disable_help_flag = true)]
    Infer(Arguments),
}

/// The arguments after the command.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The arguments of the other program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

const BRIDGE: Companion = Companion {
    program: "linkspan-bridge",
    command: "bridge",
    shown_as: "linkspan bridge",
    sources: "programs/bridge",
    is_in_wheel: false,
};

const GATEWAY: Companion = Companion {
    program: "linkspan-gateway",
    command: "gateway",
    shown_as: "linkspan gateway",
    sources: "programs/gateway",
    is_in_wheel: false,
};

const RECORD: Companion = Companion {
    program: "linkspan-record",
    command: "record",
    shown_as: "linkspan",
    sources: "programs/recorder",
    is_in_wheel: false,
};

const SCHEMA: Companion = Companion {
    program: "linkspan-schema",
    command: "schema",
    shown_as: "linkspan schema",
    sources: "programs/schema/convert",
    is_in_wheel: true,
};

/// Runs a command of a separate program.
///
/// # Errors
/// As for [`Companion::run`].
pub fn run(asked: Asked) -> Result<(), Exit> {
    // This returns only after an error.
    let Err(error) = match asked {
        Asked::Bridge(behind) => BRIDGE.run(behind.arguments),
        Asked::Gateway(behind) => GATEWAY.run(behind.arguments),
        Asked::Record(behind) => run_command(&RECORD, "record", behind),
        Asked::Replay(behind) => run_command(&RECORD, "replay", behind),
        Asked::Recording(behind) => run_command(&RECORD, "recording", behind),
    };
    Err(error.into())
}

/// Runs a command of the program that converts schemas.
///
/// # Errors
/// As for [`Companion::run`].
pub fn convert(asked: Conversion) -> Result<(), Exit> {
    let Err(error) = match asked {
        Conversion::Export(behind) => run_command(&SCHEMA, "export", behind),
        Conversion::Import(behind) => run_command(&SCHEMA, "import", behind),
        Conversion::Infer(behind) => run_command(&SCHEMA, "infer", behind),
    };
    Err(error.into())
}

fn run_command(companion: &Companion, command: &str, behind: Arguments) -> Result<Infallible, Error> {
    companion.run([command.into()].into_iter().chain(behind.arguments))
}
