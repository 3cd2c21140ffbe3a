//! The only way to standard output for texts of other programs, which no terminal may interpret.

use std::io::{self, Write};

use linkspan::{Error, Result, one_line, several_lines};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Prints one line. Line ends in it are escaped, which keeps the meaning of JSON.
///
/// # Errors
/// As for [`write`].
pub fn print_line(line: &str) -> Result<()> {
    write(format!("{}\n", one_line(line)).as_bytes())
}

/// Prints a part of a line, as [`print_line`] does.
///
/// # Errors
/// As for [`write`].
pub fn print_piece(text: &str) -> Result<()> {
    write(one_line(text).to_string().as_bytes())
}

/// Prints lines.
///
/// # Errors
/// As for [`write`].
pub fn print_lines(text: &str) -> Result<()> {
    write(format!("{}\n", several_lines(text)).as_bytes())
}

/// Writes the program's own bytes completely and at once.
///
/// # Errors
/// Errors of writing: EPIPE if the reader closed it.
pub fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(failed)
}

/// Returns the error of a write to standard output.
pub(crate) fn failed(error: io::Error) -> Error {
    Error::os("writing to standard output", error.raw_os_error().unwrap_or(0))
}

/// Returns whether the pipe on standard output has lost its reader.
pub fn reader_is_gone() -> bool {
    let out = io::stdout();
    let mut look = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut look, Some(&Timespec::default())).is_ok() && look[0].revents().contains(PollFlags::ERR)
}
