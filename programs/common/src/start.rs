//! How a program begins.

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use linkspan::{environment, one_line};

use crate::{exit, stderr, stdout};

/// Begins a program, before anything else. The program prints its lines under this name.
///
/// A program with more rights than its caller discards the caller's environment.
///
/// # Errors
/// The exit code, after the error was printed.
pub fn begin(name: &'static str) -> Result<(), ExitCode> {
    stderr::set_name(name);
    environment::give_up_that_of_the_caller().map_err(|error| {
        stderr::print_error(&error);
        ExitCode::FAILURE
    })
}

/// Returns the command line of a program. A malformed one ends the program here, with exit code 2. `--help` and
/// `--version` end it with 0, or with 1 if standard output does not take the text.
pub fn parsed<T>(read: Result<T, clap::Error>) -> T {
    read.unwrap_or_else(|mut error| {
        escape(&mut error);
        // The parser ignores errors of writing.
        let written = error.print().and_then(|()| std::io::stdout().flush());
        if !error.use_stderr()
            && let Err(error) = written.map_err(stdout::failed)
            && !exit::is_broken_pipe(&error)
        {
            stderr::print_error(&error);
            std::process::exit(1);
        }
        std::process::exit(error.exit_code())
    })
}

/// Escapes the words of the command line that an error shows: `*` in a shell names files that others have named.
fn escape(error: &mut clap::Error) {
    let words: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(word) => Some((kind, word.clone(), one_line(word).to_string())),
            _ => None,
        })
        .filter(|(_, word, escaped)| word != escaped)
        .collect();
    for (kind, _, escaped) in words {
        error.insert(kind, ContextValue::String(escaped));
        // This prepared text contains the word as well.
        error.remove(ContextKind::Suggested);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[arg(long)]
        count: Option<u8>,
        #[command(subcommand)]
        what: Option<What>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum What {
        Show { file: std::path::PathBuf },
    }

    #[test]
    fn errors_show_the_words_of_a_command_line_without_what_a_terminal_obeys() {
        const WORD: &str = "b\x1b]0;x\x07\x1b[2J\u{9b}31m\u{202e}\nfake: a line";
        let option = format!("--{WORD}");
        for words in [
            &["show", "a", WORD][..],
            &["show", "a", &option],
            &["show", &option],
            &["--count", WORD],
            &[WORD],
            &[&option],
            &["show", "a", "--", WORD],
        ] {
            let mut error = Words::try_parse_from(["words"].iter().chain(words)).unwrap_err();
            assert!(error.to_string().contains("\nfake"), "{words:?}: {error}");
            escape(&mut error);
            let shown = error.render().ansi().to_string();
            assert!(shown.contains("fake: a line"), "{shown:?}");
            for obeyed in ["\x1b]", "\x07", "\x1b[2J", "\u{9b}", "\u{202e}", "\nfake"] {
                assert!(!shown.contains(obeyed), "{words:?}: {shown:?}");
            }
        }
        let mut plain = Words::try_parse_from(["words", "sho"]).unwrap_err();
        let before = plain.render().ansi().to_string();
        escape(&mut plain);
        assert_eq!(plain.render().ansi().to_string(), before);
    }
}
