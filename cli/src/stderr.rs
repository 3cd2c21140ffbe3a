//! Lines on standard error: errors and notes, with the control characters of other programs escaped.

use std::io::{self, Write};

use linkspan::{Error, several_lines};

/// Prints an error: its name, its number, its text.
pub fn print_error(error: &Error) {
    print_note(&format!("{} ({}): {error}", error.kind().name(), error.kind().code()));
}

/// Prints a line that is not an error of the library.
pub fn print_note(text: &str) {
    // One write: standard error is not buffered, and lines of programs that share it must not run into each other.
    let line = format!("linkspan: {}\n", sanitized(text));
    // If standard error cannot be written, only the exit code is left to report the failure.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Escapes control characters and indents further lines: text of another program neither controls the terminal nor looks like a
/// line of this program.
fn sanitized(text: &str) -> String {
    several_lines(text).replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitized_text_has_no_control_characters_and_indented_lines() {
        let text =
            "Remote (122): \u{1b}]0;mine\u{7}\u{1b}[2J\rdone\nlinkspan: all is well\u{9b}31m\u{202e}gnp.exe";
        let shown = sanitized(text);
        assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with("  ")), "{shown:?}");
        assert_eq!(sanitized("\"plain\" text\\ über alles"), "\"plain\" text\\ über alles");
    }
}
