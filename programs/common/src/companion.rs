//! Commands that separate programs implement. The calling program then lacks their dependencies.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use linkspan::{Error, ErrorKind, Result, programs};

/// A separate program for a command.
pub struct Companion {
    /// Its file.
    pub program: &'static str,
    /// The command that runs it.
    pub command: &'static str,
    /// Its name in help texts and errors, as the user typed it.
    pub shown_as: &'static str,
    /// The folder of its sources.
    pub sources: &'static str,
    /// Whether the Python wheel contains it.
    pub is_in_wheel: bool,
}

impl Companion {
    /// Replaces this process by the program, from the folder of this program or from PATH.
    ///
    /// The current folder never counts. A program with more rights than its caller uses neither of the caller's
    /// choices.
    ///
    /// # Errors
    /// `NotFound` if neither place has the program, with advice for its installation.
    pub fn run(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Infallible> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let name = self.program.as_ref();
        for program in programs::program_beside(name).into_iter().chain(programs::program_of_path(name)) {
            // This returns only after an error.
            let Err(error) = become_program(program.clone(), self.shown_as, &arguments);
            if error.kind() != IoKind::NotFound {
                let doing = format!("starting {}", program.display());
                return Err(Error::os(doing, error.raw_os_error().unwrap_or(0)));
            }
        }
        let Companion { program, command, sources, .. } = self;
        let wheel =
            if self.is_in_wheel { " and in the wheel for Python" } else { ", not in the wheel for Python" };
        let text = format!(
            "linkspan {command} needs the program {program}, which is neither beside this one nor in PATH: it is in the packages for Debian and Red Hat and in the archive {program}-…-linux.tar.gz{wheel}, and in a clone of Linkspan `cargo install --path {sources}` installs it"
        );
        Err(Error::new(ErrorKind::NotFound, text))
    }
}

fn become_program(
    program: PathBuf,
    shown_as: &str,
    arguments: &[OsString],
) -> std::result::Result<Infallible, IoError> {
    Err(Command::new(program).arg0(shown_as).args(arguments).exec())
}
