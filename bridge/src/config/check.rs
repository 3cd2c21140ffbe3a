//! Checks single values of a configuration, and makes errors about them.

use std::fmt::Display;
use std::net::IpAddr;

use linkspan::{Error, ErrorKind};

/// Returns whether this can be the name of a machine or of a realm. Such names are parts of keys, subjects
/// and certificates, so they have no separators.
pub fn is_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

/// Returns whether an address is one of this machine alone: a loopback address or `localhost`.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the place of a byte of a text, as `LINE:COLUMN`, both from 1. Columns count characters.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{line}:{column}")
}

/// Returns an error about the contents of a file, with the file's name and, if found, line and column: of the
/// first value that the error quotes, else of the key with which it begins.
pub fn placed(error: &Error, text: &str, shown: &dyn Display) -> Error {
    let message = error.text();
    let quoted = message.find('"').and_then(|from| {
        let length = message[from + 1..].find('"')?;
        Some(&message[from..from + length + 2])
    });
    let key = message.split(' ').next().filter(|word| !word.is_empty());
    let of_key = || {
        let is_key = |line: &str| line.split_once('=').is_some_and(|(name, _)| Some(name.trim()) == key);
        text.lines().find(|line| is_key(line)).and_then(|line| text.find(line))
    };
    let at = quoted.and_then(|quoted| text.find(quoted)).or_else(of_key);
    let place = at.map_or_else(String::new, |at| format!("{}:", place(text, at)));
    Error::new(error.kind(), format!("{shown}:{place} {message}"))
}

/// Returns what to write for a value of the wrong type; empty if the message of the parser is sufficient.
pub fn remedy(message: &str) -> &'static str {
    let expected = message.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    match expected {
        "a sequence" => "; write a list, such as [\"lab/*\"]",
        "a boolean" => "; write true or false, without quotes",
        "f64" | "u64" | "i64" => "; write a number, without quotes",
        "a string" | "path string" => "; write a text in quotes",
        it if it.starts_with("struct") || it.starts_with("a map") => {
            "; write a table: its name in brackets on a line, keys below"
        }
        _ => "",
    }
}

/// Returns the error for a value that is not valid.
pub fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Malformed, text)
}
