//! How the program ends: the exit code that scripts decide on, and the line on standard error for a person.

use std::io::{self, Write};
use std::process::ExitCode;

use linkspan::{Error, ErrorKind};

use crate::display;
use crate::stop::NOBODY_READS;

/// Why a command ended before it was done.
pub enum Ending {
    /// An error of the library.
    Error(Error),
    /// Standard output was closed by whoever read it: it has what it wanted.
    ReaderGone,
    /// Standard output could not be written, standard input not read.
    Stream(String),
    /// A diagnosis that was printed whole, and found something wrong.
    Found,
    /// Everything was told already, and this is the exit code.
    Told(u8),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Ending {
        Ending::Error(error)
    }
}

impl Ending {
    /// What became of writing to standard output.
    pub fn of_output(error: io::Error) -> Ending {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Ending::ReaderGone,
            _ => Ending::Stream(format!("writing to standard output: {error}")),
        }
    }

    /// Tells it and gives the exit code. `signal` is the one that asked the program to stop, if one did.
    pub fn tell(self, signal: Option<u8>) -> ExitCode {
        match self {
            Ending::ReaderGone => ExitCode::SUCCESS,
            Ending::Found => ExitCode::FAILURE,
            Ending::Told(code) => ExitCode::from(code),
            Ending::Stream(text) => {
                line(&text);
                ExitCode::FAILURE
            }
            // What waits for messages to print looks now and then whether somebody reads them.
            Ending::Error(error) if error.kind() == ErrorKind::Cancelled && error.text() == NOBODY_READS => {
                ExitCode::SUCCESS
            }
            Ending::Error(error) => match (error.kind(), signal) {
                (ErrorKind::Interrupted, Some(signal)) => ExitCode::from(128 + signal),
                (kind, _) => {
                    tell(&error);
                    ExitCode::from(code(kind))
                }
            },
        }
    }
}

/// The exit code of an error that ends the program.
pub fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Timeout => 3,
        ErrorKind::NotFound | ErrorKind::Disconnected => 4,
        _ => 1,
    }
}

/// One line about an error: its name, its number, its text.
pub fn tell(error: &Error) {
    line(&format!("{} ({}): {error}", error.kind().name(), error.kind().code()));
}

/// One line that is no error.
pub fn note(text: &str) {
    line(text);
}

fn line(text: &str) {
    // Where standard error cannot be written either, the exit code alone tells.
    let _ = writeln!(io::stderr(), "linkspan: {}", shown(text));
}

/// What another program said may stand in it: that moves no cursor, and looks like no line of ours.
fn shown(text: &str) -> String {
    display::escaped(text, true).replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_programs_do_nothing_to_the_terminal() {
        let text =
            "Remote (122): \u{1b}]0;mine\u{7}\u{1b}[2J\rdone\nlinkspan: all is well\u{9b}31m\u{202e}gnp.exe";
        let said = shown(text);
        assert!(!said.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{said:?}");
        assert!(said.lines().skip(1).all(|line| line.starts_with("  ")), "{said:?}");
        assert_eq!(shown("\"plain\" text\\ über alles"), "\"plain\" text\\ über alles");
    }
}
