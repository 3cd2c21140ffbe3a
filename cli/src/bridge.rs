//! `linkspan bridge`: runs the program linkspan-bridge, so that this program does not have its dependencies.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{Error as IoError, ErrorKind as IoKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use linkspan::{Error, ErrorKind};

use crate::exit::Exit;

/// The program that exchanges the messages of names with other machines.
const PROGRAM: &str = "linkspan-bridge";

/// Replaces this process by the bridge: the one beside this program, or else the one in PATH.
pub fn bridge(arguments: &[OsString]) -> Result<(), Exit> {
    let beside = std::env::current_exe().ok().map(|path| path.with_file_name(PROGRAM));
    for program in beside.into_iter().chain([PathBuf::from(PROGRAM)]) {
        // Returns only at an error.
        let Err(error) = become_program(program.clone(), arguments);
        if error.kind() != IoKind::NotFound {
            let doing = format!("starting {}", program.display());
            return Err(Error::os(doing, error.raw_os_error().unwrap_or(0)).into());
        }
    }
    let text = format!(
        "linkspan bridge needs the program {PROGRAM}, which is neither beside this one nor in PATH; install it with `cargo install --path bridge`, in a clone of Linkspan"
    );
    Err(Error::new(ErrorKind::NotFound, text).into())
}

fn become_program(program: PathBuf, arguments: &[OsString]) -> Result<Infallible, IoError> {
    Err(Command::new(program).args(arguments).exec())
}
