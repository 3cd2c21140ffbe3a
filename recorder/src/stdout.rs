//! Lines on standard output: the one way to it, through the one function for texts of others.

use std::io::{self, Write};

use linkspan::{Error, Result, one_line};

/// Prints a line. Whatever is in it stays on it, and no terminal interprets it; the escapes of a line of JSON keep its meaning.
///
/// # Errors
/// Those of writing: EPIPE where its reader has closed it.
pub fn print_line(line: &str) -> Result<()> {
    write(format!("{}\n", one_line(line)).as_bytes())
}

/// Writes bytes of this program's own.
///
/// # Errors
/// As for [`print_line`].
pub fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Error::os("writing to the standard output", error.raw_os_error().unwrap_or(0)))
}
