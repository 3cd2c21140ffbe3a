//! How a command ends: its exit code, and its line on standard error.

use std::process::ExitCode;

use linkspan::{Error, ErrorKind};

use crate::{stderr, stdout};

/// The text of the `Cancelled` error when standard output has lost its reader.
///
/// It distinguishes this error from a service's `Cancelled`.
pub const STDOUT_CLOSED: &str = "the reader of standard output has closed it";

const USAGE: u8 = 2;

/// EPIPE.
const BROKEN_PIPE: i32 = 32;

/// Why a command ended early.
pub enum Exit {
    /// An error of the library.
    Error(Error),
    /// An error in the command line: exit code 2, as the parser of the command line has.
    Usage(Error),
    /// The reader of standard output closed it, which is not an error.
    BrokenPipe,
    /// The terminal or the signals of the program could not be used.
    Io(String),
    /// A diagnosis, printed in full, found a problem.
    ProblemFound,
    /// The messages have been printed; only the exit code is left.
    Code(u8),
}

impl From<Error> for Exit {
    fn from(error: Error) -> Exit {
        Exit::Error(error)
    }
}

impl Exit {
    /// Returns the exit for an error of opening an endpoint. An unsupported operation is an error in the command line.
    pub fn from_opening(error: Error) -> Exit {
        if error.kind() == ErrorKind::Unsupported { Exit::Usage(error) } else { Exit::Error(error) }
    }

    /// Prints the error and returns the exit code. `signal` is the signal that stopped the program, if there was one.
    pub fn report(self, signal: Option<u8>) -> ExitCode {
        match self {
            Exit::BrokenPipe => ExitCode::SUCCESS,
            Exit::ProblemFound => ExitCode::FAILURE,
            Exit::Code(code) => ExitCode::from(code),
            Exit::Usage(error) => {
                stderr::print_error(&error);
                ExitCode::from(USAGE)
            }
            Exit::Io(text) => {
                stderr::print_note(&text);
                ExitCode::FAILURE
            }
            // A command that waits for messages detects the closed pipe before it writes.
            Exit::Error(error) if error.kind() == ErrorKind::Cancelled && error.text() == STDOUT_CLOSED => {
                ExitCode::SUCCESS
            }
            Exit::Error(error) => match (error.kind(), signal) {
                (ErrorKind::Interrupted, Some(signal)) => ExitCode::from(signal.saturating_add(128)),
                (kind, _) => {
                    stderr::print_error(&error);
                    ExitCode::from(code(kind))
                }
            },
        }
    }
}

/// Writes the program's own bytes to standard output completely and at once.
///
/// # Errors
/// `BrokenPipe` if its reader closed it; otherwise the error of writing.
pub fn write(bytes: &[u8]) -> Result<(), Exit> {
    stdout::write(bytes).map_err(|error| if is_broken_pipe(&error) { Exit::BrokenPipe } else { error.into() })
}

/// Returns whether a write failed because its reader closed standard output.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error.errno() == Some(BROKEN_PIPE)
}

/// Returns the exit code of a command that fails with an error of this kind.
pub fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Timeout => 3,
        ErrorKind::NotFound | ErrorKind::Disconnected => 4,
        // Endpoints come from the command line, or from a variable that stands for it.
        ErrorKind::InvalidEndpoint => USAGE,
        _ => 1,
    }
}
