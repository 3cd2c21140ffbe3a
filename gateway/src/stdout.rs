//! Writes lines to standard output.

use std::io::{self, Write};

use linkspan::{Error, Result, several_lines};

/// Prints lines. No terminal interprets what is in them.
///
/// # Errors
/// Those of writing.
pub fn print_lines(text: &str) -> Result<()> {
    write(format!("{}\n", several_lines(text)).as_bytes())
}

/// Writes bytes of this program's own.
///
/// # Errors
/// Those of writing.
pub fn write(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Error::os("writing to the standard output", error.raw_os_error().unwrap_or(0)))
}
