//! Names and patterns as clients give them: what is not a plain name of this machine is refused before any right is looked up.

use linkspan::{Error, ErrorKind, Result, quoted, registry};

/// Transports whose names hold messages for later readers: a pattern means them only where it says so.
const STORES: [&str; 3] = ["journal", "spool", "file"];
/// Transports with names on this machine. An address of TCP, and a path, are none: a client reaches names alone.
const TRANSPORTS: [&str; 7] = ["shm", "unix", "journal", "spool", "file", "fifo", "dgram"];
/// The most bytes of a name or a pattern.
const MAX: usize = 220;

/// A name that a client gave, or a pattern of names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    transport: Option<String>,
    name: String,
}

impl Name {
    /// Reads a name such as `lab/fft` or `journal:lab/log`; with `may_match` also a pattern.
    ///
    /// # Errors
    /// `InvalidEndpoint` for an address, a path, `..`, and characters that no name has.
    pub fn parse(text: &str, may_match: bool) -> Result<Name> {
        let wrong = |why: &str| {
            let text = format!("{} is not a name that the gateway serves: {why}", quoted(text));
            Err(Error::new(ErrorKind::InvalidEndpoint, text))
        };
        if text.is_empty() || text.len() > MAX {
            return wrong("give 1 to 220 characters, such as lab/temperature");
        }
        let (transport, name) = match text.split_once(':') {
            None => (None, text),
            Some((transport, name)) => (Some(transport), name),
        };
        if transport.is_some_and(|transport| !TRANSPORTS.contains(&transport)) {
            return wrong("in front of the colon stands shm, unix, journal, spool, file, fifo or dgram");
        }
        if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return wrong("no part between two / is empty, . or ..");
        }
        let allowed = |c: char| {
            c.is_ascii_alphanumeric() || "._-/".contains(c) || (may_match && matches!(c, '*' | '?'))
        };
        if !name.chars().all(allowed) {
            let more = if may_match { ", and in a pattern * and ?" } else { "" };
            return wrong(&format!("letters, digits, . _ - and / are allowed{more}"));
        }
        // Shared memory is what a name without a transport means.
        let transport = transport.filter(|transport| *transport != "shm").map(str::to_owned);
        Ok(Name { transport, name: name.to_owned() })
    }

    /// Returns the name that an endpoint of the library has here.
    pub fn of_endpoint(endpoint: &str) -> Name {
        let (transport, name) = endpoint.split_once(':').unwrap_or(("shm", endpoint));
        Name { transport: (transport != "shm").then(|| transport.to_owned()), name: name.to_owned() }
    }

    /// Returns whether it stands for several names.
    pub fn is_pattern(&self) -> bool {
        self.name.contains(['*', '?'])
    }

    /// Returns whether it is a journal, whose messages have lasting numbers.
    pub fn is_journal(&self) -> bool {
        self.transport.as_deref() == Some("journal")
    }

    /// Returns whether a name fits this pattern. Stores fit a pattern of their own transport alone, as for a subscriber.
    pub fn fits(&self, name: &Name) -> bool {
        let is_meant = match (&self.transport, &name.transport) {
            (None, None) => true,
            (None, Some(of)) => self.is_pattern() && !STORES.contains(&of.as_str()),
            (of, other) => of == other,
        };
        is_meant && registry::matches(&self.name, &name.name)
    }

    /// Returns the text: without `shm:`.
    pub fn text(&self) -> String {
        match &self.transport {
            None => self.name.clone(),
            Some(transport) => format!("{transport}:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_paths_and_segments_that_lead_elsewhere_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "unix:/srv/app.sock",
            "tcp://127.0.0.1:7000",
            "tcp:a",
            "../lab",
            "lab/../other",
            "lab/..",
            "lab//a",
            "lab/./a",
            "lab/",
            "lab/a b",
            "lab/<b>",
            "lab@a",
            "lab/*",
            "pigeon:lab",
            "shm:shm:lab",
            "lab/é",
            "lab\0",
        ] {
            let error = Name::parse(text, false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{text}");
        }
        assert!(Name::parse(&"a".repeat(221), false).is_err());
        for (text, shown) in [("lab/a", "lab/a"), ("shm:lab/a", "lab/a"), ("journal:a", "journal:a")] {
            assert_eq!(Name::parse(text, false).unwrap().text(), shown);
        }
    }

    #[test]
    fn patterns_mean_stores_only_where_they_say_so() {
        for (pattern, name, fits) in [
            ("lab/*", "lab/a", true),
            ("lab/*", "shm:lab/a/b", true),
            ("lab/*", "unix:lab/a", true),
            ("lab/*", "journal:lab/a", false),
            ("journal:*", "journal:lab/a", true),
            ("journal:*", "lab/a", false),
            ("unix:lab/*", "lab/a", false),
            ("lab/a", "lab/a", true),
            ("lab/a", "unix:lab/a", false),
            ("lab/a", "lab/ab", false),
            ("*", "spool:jobs", false),
        ] {
            let (pattern, name) = (Name::parse(pattern, true).unwrap(), Name::parse(name, false).unwrap());
            assert_eq!(pattern.fits(&name), fits, "{pattern:?} {name:?}");
        }
    }
}
