//! Lines on standard error: each by one write, and the progress line of a terminal.

use std::io::{self, Write};

use linkspan::one_line;

/// Prints a line. Texts of other programs in it stay on it.
pub fn print_line(text: &str) {
    // Without standard error the exit code and the recording's events are left.
    let _ = io::stderr().write_all(format!("linkspan-record: {}\n", one_line(text)).as_bytes());
}

/// Replaces the line of progress on a terminal; an empty text removes it.
pub fn show_progress(text: &str) {
    // Nothing is lost without it.
    let _ = io::stderr().write_all(format!("\r\x1b[K{}", one_line(text)).as_bytes());
}
