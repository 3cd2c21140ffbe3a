//! Commands that are programs of their own (`linkspan bridge`, `linkspan gateway`, `linkspan record`, `linkspan schema import`), so that this program does not have their dependencies.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use linkspan::{Error, ErrorKind, programs};

use crate::command_line::Companion as Asked;
use crate::exit::Exit;
use crate::schema::Conversion;

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
    let recorder = |command, arguments| RECORD.run(behind(command, arguments));
    match asked {
        Asked::Bridge { arguments } => BRIDGE.run(arguments),
        Asked::Gateway { arguments } => GATEWAY.run(arguments),
        Asked::Record { arguments } => recorder("record", arguments),
        Asked::Replay { arguments } => recorder("replay", arguments),
        Asked::Recording { arguments } => recorder("recording", arguments),
    }
}

/// Runs a command of the program that converts schemas.
///
/// # Errors
/// As for [`Companion::run`].
pub fn convert(asked: &Conversion) -> Result<(), Exit> {
    SCHEMA.run(match asked {
        Conversion::Export { arguments } => behind("export", arguments.clone()),
        Conversion::Import { arguments } => behind("import", arguments.clone()),
        Conversion::Infer { arguments } => behind("infer", arguments.clone()),
    })
}

/// Returns the word with the arguments behind it.
fn behind(word: &str, mut arguments: Vec<OsString>) -> Vec<OsString> {
    arguments.insert(0, word.into());
    arguments
}

impl Companion {
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
