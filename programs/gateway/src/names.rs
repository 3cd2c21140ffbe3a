//! Names and patterns from clients. Only plain names of this machine are accepted, before any check of rights.

use linkspan::{Error, ErrorKind, Result, quoted, registry};

/// Transports whose names keep messages for later readers. A pattern matches them only if it names the transport.
const STORES: [&str; 3] = ["journal", "spool", "file"];
/// Transports with names on this machine. Clients cannot reach TCP addresses and paths.
const TRANSPORTS: [&str; 7] = ["shm", "unix", "journal", "spool", "file", "fifo", "dgram"];
/// Transports that deliver each message to one reader, so nothing is published there.
const ONE_READER: [&str; 3] = ["spool", "fifo", "dgram"];
/// The most bytes of a name or pattern, and of a part between two `/`.
const MAX: usize = 220;
const MAX_PART: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    transport: Option<String>,
    name: String,
}

impl Name {
    /// Parses a name such as `lab/fft` or `journal:lab/log`; with `may_match` also a pattern.
    ///
    /// # Errors
    /// `InvalidEndpoint` for an address, a path, `..`, and invalid characters.
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
        // In a pattern, a star may match several parts.
        if name.split('/').any(|part| part.len() > MAX_PART && !part.contains(['*', '?'])) {
            return wrong("each part between two / has 64 characters at most");
        }
        // A name without a transport means shared memory.
        let transport = transport.filter(|transport| *transport != "shm").map(str::to_owned);
        Ok(Name { transport, name: name.to_owned() })
    }

    pub fn of_endpoint(endpoint: &str) -> Name {
        let (transport, name) = endpoint.split_once(':').unwrap_or(("shm", endpoint));
        Name { transport: (transport != "shm").then(|| transport.to_owned()), name: name.to_owned() }
    }

    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.transport.as_deref().unwrap_or("shm"), self.name)
    }

    pub fn is_pattern(&self) -> bool {
        self.name.contains(['*', '?'])
    }

    /// Returns whether it is a journal, whose messages keep their numbers.
    pub fn is_journal(&self) -> bool {
        self.transport.as_deref() == Some("journal")
    }

    /// Checks that the transport supports publishing.
    ///
    /// # Errors
    /// `Unsupported`, with the alternatives.
    pub fn check_published(&self) -> Result<()> {
        match self.transport.as_deref().filter(|of| ONE_READER.contains(of)) {
            None => Ok(()),
            Some(of) => {
                let text = format!(
                    "{}: nothing is published over {of}, of which each message has one reader, so it is not followed; send to it, or publish over shared memory, unix, file or journal",
                    quoted(&self.text())
                );
                Err(Error::new(ErrorKind::Unsupported, text))
            }
        }
    }

    /// Returns whether a name matches this pattern. As for subscribers, a store only matches a pattern with its
    /// transport.
    pub fn fits(&self, name: &Name) -> bool {
        let is_meant = match (&self.transport, &name.transport) {
            (None, None) => true,
            (None, Some(of)) => self.is_pattern() && !STORES.contains(&of.as_str()),
            (of, other) => of == other,
        };
        let is_like = || match self.is_pattern() {
            true => registry::matches(&self.name, &name.name),
            false => self.name == name.name,
        };
        is_meant && is_like()
    }

    /// Returns whether some name matches both.
    pub fn overlaps(&self, other: &Name) -> bool {
        let accepts =
            |pattern: &Name, transport: Option<&str>| match (pattern.transport.as_deref(), transport) {
                (None, Some(of)) => pattern.is_pattern() && !STORES.contains(&of),
                (of, transport) => of == transport,
            };
        let mut transports = TRANSPORTS.into_iter().filter(|of| *of != "shm").map(Some).chain([None]);
        transports.any(|transport| accepts(self, transport) && accepts(other, transport))
            && have_a_common_text(self.name.as_bytes(), other.name.as_bytes())
    }

    /// Returns the text, without `shm:`.
    pub fn text(&self) -> String {
        match &self.transport {
            None => self.name.clone(),
            Some(transport) => format!("{transport}:{}", self.name),
        }
    }
}

fn have_a_common_text(one: &[u8], other: &[u8]) -> bool {
    // For the suffix of `one` after the outer loop's position: whether it shares a text with each suffix of `other`.
    let parts = other.len().saturating_add(1);
    let mut behind = vec![false; parts];
    for at in (0..=one.len()).rev() {
        let mut row = vec![false; parts];
        for to in (0..=other.len()).rev() {
            let next = to.saturating_add(1);
            row[to] = match (one.get(at), other.get(to)) {
                (None, None) => true,
                // A star matches nothing, or one more part of the other pattern.
                (Some(b'*'), part) => behind[to] || (part.is_some() && row[next]),
                (part, Some(b'*')) => row[next] || (part.is_some() && behind[to]),
                (Some(part), Some(wanted)) => {
                    (part == wanted || *part == b'?' || *wanted == b'?') && behind[next]
                }
                _ => false,
            };
        }
        behind = row;
    }
    behind[0]
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
        for long in ["a".repeat(221), "a".repeat(65), format!("lab/{}/b", "a".repeat(65))] {
            assert!(Name::parse(&long, false).is_err() && Name::parse(&long, true).is_err());
        }
        assert!(Name::parse(&"a".repeat(64), false).is_ok() && Name::parse(&"a?".repeat(60), true).is_ok());
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

    #[test]
    fn patterns_overlap_where_some_name_fits_both() {
        let parsed = |text| Name::parse(text, true).unwrap();
        for (one, other, expected) in [
            ("lab/*", "secret/*", false),
            ("lab/*", "*", true),
            ("lab/*", "*/a", true),
            ("lab/*", "l*b", true),
            ("lab/*a", "lab/*b", false),
            ("lab/*", "lab", false),
            ("lab/?", "lab/??", false),
            ("lab/?", "lab/a", true),
            ("lab/?*", "lab/??", true),
            ("*a*b*", "*b*a*", true),
            ("lab/a", "lab/a", true),
            ("lab/a", "lab/b", false),
            ("lab/*", "journal:lab/*", false),
            ("journal:*", "journal:lab/?", true),
            ("journal:*", "spool:*", false),
            ("*", "journal:*", false),
            ("*", "unix:lab/*", true),
            ("unix:*", "lab/a", false),
            ("unix:a*", "fifo:a*", false),
        ] {
            let (one, other) = (parsed(one), parsed(other));
            assert_eq!(one.overlaps(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), expected, "{other:?} {one:?}");
        }
        // The longest pattern costs at most its length squared.
        let long = format!("{}a", "*?".repeat(109));
        assert!(parsed(&long).overlaps(&parsed(&long)) && !parsed(&long).overlaps(&parsed("lab/b")));
    }

    /// Every pair of short patterns, with every short name.
    #[test]
    fn overlapping_is_fitting_a_common_name() {
        let texts = |parts: &[char], most: usize| {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..most {
                last = last.iter().flat_map(|text| parts.iter().map(move |c| format!("{text}{c}"))).collect();
                all.extend(last.clone());
            }
            all.split_off(1)
        };
        let names: Vec<Name> =
            texts(&['a', 'b'], 6).iter().map(|text| Name::parse(text, false).unwrap()).collect();
        let patterns: Vec<Name> =
            texts(&['a', 'b', '*', '?'], 3).iter().map(|text| Name::parse(text, true).unwrap()).collect();
        for one in &patterns {
            for other in &patterns {
                let some = names.iter().any(|name| one.fits(name) && other.fits(name));
                assert_eq!(one.overlaps(other), some, "{one:?} {other:?}");
            }
        }
    }
}
