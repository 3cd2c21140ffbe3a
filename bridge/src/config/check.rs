//! Checks of single values of a configuration, and the error that one is wrong.

use std::net::IpAddr;

use linkspan::{Error, ErrorKind};

/// Whether this can be the name of a machine or of a realm.
pub fn is_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !word.is_empty() && word.len() <= 64 && word.chars().all(allowed)
}

/// Whether an address is one of this machine alone.
pub fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The error for a value that cannot be meant.
pub fn wrong(text: String) -> Error {
    Error::new(ErrorKind::Malformed, text)
}
