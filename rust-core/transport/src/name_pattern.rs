//! Patterns of names: `*` stands for any characters and `?` for one.

use super::endpoint::Endpoint;
use super::kind::{Naming, Transport};
use crate::error::{Error, ErrorKind, Result, quoted};

/// Returns whether a text fits a pattern: `*` stands for any characters, even `/`, and `?` for one.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    // The last star, and the length of its match: only this star may have to match more.
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, from) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// Returns whether an endpoint is the name of a publisher, which a pattern can fit.
pub fn can_fit(endpoint: &Endpoint) -> bool {
    let transport = endpoint.transport();
    let has_name = transport.naming() != Naming::Address && endpoint.absolute().is_none();
    transport.capabilities().publish && has_name
}

/// A pattern of the names of publishers.
#[derive(Clone, Debug)]
pub struct NamePattern {
    /// The only transport whose names count; `None` for each transport without files.
    transport: Option<Transport>,
    name: String,
}

impl NamePattern {
    /// Parses a text such as `lab/*` or `journal:lab/*`.
    ///
    /// Returns `None` for a single endpoint: a text without `*` and `?`, a path or an address.
    ///
    /// # Errors
    /// `InvalidEndpoint` for characters that names cannot have, and for a transport that does not exist or
    /// lacks names.
    pub fn parse(text: &str) -> Result<Option<NamePattern>> {
        let (transport, name) = match text.split_once(':') {
            None => (None, text),
            Some((word, name)) => (Some(word), name),
        };
        if !name.contains(['*', '?']) || name.starts_with('/') {
            return Ok(None);
        }
        let wrong = |why: String| {
            let what = quoted(text);
            Error::new(ErrorKind::InvalidEndpoint, format!("{what} is not a pattern of names: {why}"))
                .on(text)
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/*?".contains(c);
        if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
            return Err(wrong(format!(
                "it has the character {bad:?}; a name has letters, digits, . _ - and /, and * stands for any characters and ? for one"
            )));
        }
        let transport = match transport {
            None => None,
            Some(word) => match Transport::named(word) {
                Some(it) if it.naming() != Naming::Address && it.capabilities().publish => Some(it),
                _ => return Err(wrong(format!("{} has no names of publishers", quoted(word)))),
            },
        };
        Ok(Some(NamePattern { transport, name: name.to_owned() }))
    }

    /// Returns the transport before the colon.
    pub fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// Returns whether the pattern fits an endpoint. Files and journals need a pattern of their transport.
    pub fn is_like(&self, endpoint: &Endpoint) -> bool {
        let transport = endpoint.transport();
        let is_meant = self.transport.map_or(!transport.capabilities().store, |only| only == transport);
        is_meant && can_fit(endpoint) && matches(&self.name, endpoint.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, is_like) in [
            ("lab/*", "lab/a/b", true),
            ("lab/?", "lab/a", true),
            ("lab/?", "lab/ab", false),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("spool:*", "spool:jobs", true),
            ("lab", "lab/a", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), is_like, "{pattern} {text}");
        }
        // A star only ever matches more, so the time does not grow with the number of stars.
        assert!(!matches(&"*a".repeat(50), &"a".repeat(49)));
    }

    #[test]
    fn pattern_of_a_transport_matches_its_names_alone() {
        for (pattern, endpoint, is_like) in [
            ("lab/*", "shm:lab/a", true),
            ("lab/*", "unix:lab/a", true),
            ("lab/*", "journal:lab/a", false),
            ("lab/*", "file:lab/a", false),
            ("lab/*", "spool:lab/a", false),
            ("*", "tcp://127.0.0.1:7000", false),
            ("*", "unix:/srv/a", false),
            ("unix:lab/*", "unix:lab/a", true),
            ("unix:lab/*", "shm:lab/a", false),
            ("journal:*", "journal:lab/a", true),
        ] {
            let parsed = NamePattern::parse(pattern).unwrap().unwrap();
            assert_eq!(parsed.is_like(&endpoint.parse().unwrap()), is_like, "{pattern} {endpoint}");
        }
    }

    #[test]
    fn errors_of_invalid_patterns_name_the_fault() {
        for name in ["lab/a", "unix:/srv/a?", "tcp://localhost:1", "no such name"] {
            assert!(NamePattern::parse(name).unwrap().is_none(), "{name}");
        }
        for (pattern, why) in [
            ("lab/ *", "the character ' '"),
            ("lab@*", "the character '@'"),
            ("spool:*", "has no names of publishers"),
            ("tcp:*", "has no names of publishers"),
            ("pigeon:*", "has no names of publishers"),
        ] {
            let error = NamePattern::parse(pattern).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidEndpoint && error.text().contains(why), "{error}");
        }
    }
}
