//! Commands that are programs of their own (`linkspan bridge`, `linkspan gateway`, `linkspan record`, `linkspan schema import`), so that this program does not have their dependencies.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::{Args, Subcommand};
use linkspan::{Error, ErrorKind, programs};

use crate::exit::Exit;

/// The commands that are programs of their own.
#[derive(Subcommand, Debug)]
pub enum Asked {
    /// Exchange the messages of configured names with other machines: `linkspan bridge --help`
    #[command(disable_help_flag = true)]
    Bridge(Arguments),
    /// Serve names to browsers and to programs of other systems: `linkspan gateway --help`
    #[command(disable_help_flag = true)]
    Gateway(Arguments),
    /// Record what names publish: `linkspan record --help`
    #[command(disable_help_flag = true)]
    Record(Arguments),
    /// Publish the messages of a recording again: `linkspan replay --help`
    #[command(disable_help_flag = true)]
    Replay(Arguments),
    /// Look at recordings, check, cut, merge, split and export them: `linkspan recording --help`
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

/// What follows the command.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The arguments of the other program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// A program beside this one.
pub struct Companion {
    /// Its file.
    pub program: &'static str,
    /// The command of this program that runs it.
    pub command: &'static str,
    /// What its help and its errors call it: the words that were typed.
    pub shown_as: &'static str,
    /// The folder of its sources.
    pub sources: &'static str,
    /// Whether the wheel for Python has it.
    pub is_in_wheel: bool,
}

/// Exchanges the messages of names with other machines.
const BRIDGE: Companion = Companion {
    program: "linkspan-bridge",
    command: "bridge",
    shown_as: "linkspan bridge",
    sources: "bridge",
    is_in_wheel: false,
};

/// Serves names of this machine to browsers, and to programs of other systems.
const GATEWAY: Companion = Companion {
    program: "linkspan-gateway",
    command: "gateway",
    shown_as: "linkspan gateway",
    sources: "gateway",
    is_in_wheel: false,
};

/// Records what is published, and replays it.
const RECORD: Companion = Companion {
    program: "linkspan-record",
    command: "record",
    shown_as: "linkspan",
    sources: "recorder",
    is_in_wheel: false,
};

/// Converts schemas.
const SCHEMA: Companion = Companion {
    program: "linkspan-schema",
    command: "schema",
    shown_as: "linkspan schema",
    sources: "schema-tools/convert",
    is_in_wheel: true,
};

/// Runs a command that is a program of its own.
///
/// # Errors
/// As for [`Companion::run`].
pub fn run(asked: Asked) -> Result<(), Exit> {
    match asked {
        Asked::Bridge(behind) => BRIDGE.run(behind.arguments),
        Asked::Gateway(behind) => GATEWAY.run(behind.arguments),
        Asked::Record(behind) => RECORD.run_command("record", behind),
        Asked::Replay(behind) => RECORD.run_command("replay", behind),
        Asked::Recording(behind) => RECORD.run_command("recording", behind),
    }
}

/// Runs a command of the program that converts schemas.
///
/// # Errors
/// As for [`Companion::run`].
pub fn convert(asked: Conversion) -> Result<(), Exit> {
    match asked {
        Conversion::Export(behind) => SCHEMA.run_command("export", behind),
        Conversion::Import(behind) => SCHEMA.run_command("import", behind),
        Conversion::Infer(behind) => SCHEMA.run_command("infer", behind),
    }
}

impl Companion {
    /// Runs one of the program's commands, with what follows it.
    ///
    /// # Errors
    /// As for [`Companion::run`].
    fn run_command(&self, command: &str, behind: Arguments) -> Result<(), Exit> {
        self.run([command.into()].into_iter().chain(behind.arguments))
    }

    /// Replaces this process by the program: the one beside this program, or else the one in PATH, never one of the current folder. A
    /// program that runs with more rights than its caller takes neither from its caller.
    ///
    /// # Errors
    /// `NotFound` where it is in neither place, with how it is installed.
    pub fn run(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<(), Exit> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let name = self.program.as_ref();
        for program in programs::program_beside(name).into_iter().chain(programs::program_of_path(name)) {
            // Returns only at an error.
            let Err(error) = become_program(program.clone(), self.shown_as, &arguments);
            if error.kind() != IoKind::NotFound {
                let doing = format!("starting {}", program.display());
                return Err(Error::os(doing, error.raw_os_error().unwrap_or(0)).into());
            }
        }
        let Companion { program, command, sources, .. } = self;
        let wheel =
            if self.is_in_wheel { " and in the wheel for Python" } else { ", not in the wheel for Python" };
        let text = format!(
            "linkspan {command} needs the program {program}, which is neither beside this one nor in PATH: it is in the packages for Debian and Red Hat and in the archive {program}-…-linux.tar.gz{wheel}, and in a clone of Linkspan `cargo install --path {sources}` installs it"
        );
        Err(Error::new(ErrorKind::NotFound, text).into())
    }
}

fn become_program(program: PathBuf, shown_as: &str, arguments: &[OsString]) -> Result<Infallible, IoError> {
    Err(Command::new(program).arg0(shown_as).args(arguments).exec())
}
