//! Lines on standard error: errors, notes and progress, with the control characters of other programs escaped.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use linkspan::{Error, one_line, several_lines};

/// The beginning of each line.
static NAME: OnceLock<&'static str> = OnceLock::new();

/// Whether the terminal shows a line of progress, which the next line removes.
static HAS_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Sets the beginning of each line once; the default is `linkspan`.
pub fn set_name(name: &'static str) {
    // A program has one name, so a second one is ignored.
    let _ = NAME.set(name);
}

/// Prints an error: its name, its number, its text.
pub fn print_error(error: &Error) {
    print_note(&described(error));
}

/// Returns the name, the number and the text of an error.
pub fn described(error: &Error) -> String {
    format!("{} ({}): {error}", error.kind().name(), error.kind().code())
}

/// Prints a text of one or more lines. Later lines are indented and cannot look like a line of this program.
pub fn print_note(text: &str) {
    print(&indented(text));
}

/// Prints a line. Line ends in texts of other programs are escaped.
pub fn print_line(text: &str) {
    print(&one_line(text).to_string());
}

/// Replaces the line of progress on a terminal; an empty text removes it.
pub fn show_progress(text: &str) {
    HAS_PROGRESS.store(!text.is_empty(), Ordering::Relaxed);
    // Progress is not essential.
    let _ = io::stderr().write_all(format!("\r\x1b[K{}", one_line(text)).as_bytes());
}

fn print(text: &str) {
    // One write: standard error is not buffered, and lines of programs that share it must not run into each other.
    let removed = if HAS_PROGRESS.swap(false, Ordering::Relaxed) { "\r\x1b[K" } else { "" };
    let line = format!("{removed}{}: {text}\n", NAME.get().unwrap_or(&"linkspan"));
    // Without standard error, the exit code and the logs still report the failure.
    let _ = io::stderr().write_all(line.as_bytes());
}

fn indented(text: &str) -> String {
    several_lines(text).replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_text_has_no_control_characters_and_indented_lines() {
        let text =
            "Remote (122): \u{1b}]0;mine\u{7}\u{1b}[2J\rdone\nlinkspan: all is well\u{9b}31m\u{202e}gnp.exe";
        let shown = indented(text);
        assert!(!shown.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{shown:?}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with("  ")), "{shown:?}");
        assert_eq!(indented("\"plain\" text\\ über alles"), "\"plain\" text\\ über alles");
    }
}
