//! Writes lines to standard error.

use std::io::{self, Write};

use linkspan::several_lines;

/// Prints a line by one write, so that lines of programs that share it do not run into each other.
pub fn print_line(text: &str) {
    // Without standard error the service's log and the exit code are left.
    let _ = io::stderr()
        .write_all(format!("linkspan-gateway: {}\n", several_lines(text).replace('\n', "\n  ")).as_bytes());
}
