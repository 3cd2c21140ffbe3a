//! The name or pattern of `--on`: which messages begin an interval.

use linkspan::{Error, ErrorKind, Result, one_line, registry};
use linkspan_recording::writer::topic;

/// A name or pattern, with its transport or without, as those that are recorded.
#[derive(Debug)]
pub struct Trigger {
    /// The only transport whose messages count, where one was given.
    transport: Option<String>,
    pattern: String,
}

/// What stands in front of the colon of a name.
fn transport_of(name: &str) -> Option<&str> {
    name.split_once(':').map(|(transport, _)| transport)
}

/// Returns whether a name is one of a store.
pub fn is_stored(name: &str) -> bool {
    transport_of(name).is_some_and(|transport| matches!(transport, "journal" | "spool" | "file"))
}

impl Trigger {
    /// Reads it.
    ///
    /// # Errors
    /// `NotFound` where nothing that fits one of the names which are recorded fits it: nothing would ever be written.
    pub fn of(text: &str, names: &[String]) -> Result<Trigger> {
        let transport = transport_of(text).map(str::to_owned);
        let trigger = Trigger { transport, pattern: topic(text).to_owned() };
        if text.is_empty() || !names.iter().any(|name| trigger.may_fit(name)) {
            let text = format!(
                "--on {} fits none of the names that are recorded, so nothing would be written: {}",
                one_line(text),
                one_line(&names.join(", "))
            );
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        Ok(trigger)
    }

    /// Returns whether a message of this endpoint begins an interval.
    pub fn fits(&self, endpoint: &str) -> bool {
        let has_transport = self.transport.is_none() || self.transport.as_deref() == transport_of(endpoint);
        has_transport && registry::matches(&self.pattern, topic(endpoint))
    }

    /// Returns whether it may fit an endpoint of a name or pattern that is recorded.
    fn may_fit(&self, name: &str) -> bool {
        // One without a transport is that of any that lives in the runtime directory.
        let has_transport = match (&self.transport, transport_of(name)) {
            (Some(own), Some(other)) => own == other,
            (Some(own), None) => !is_stored(&format!("{own}:")),
            (None, _) => true,
        };
        has_transport && have_common(&self.pattern, topic(name))
    }
}

/// Returns whether a text is like both patterns.
fn have_common(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Whether what is left of `one` from a place on, and of `other` from each of its places on, have one: from behind.
    let only_stars = |left: &[char]| left.iter().all(|c| *c == '*');
    let row = |at: usize, behind: Option<&Vec<bool>>| -> Vec<bool> {
        let mut row = vec![false; other.len().saturating_add(1)];
        for from in (0..=other.len()).rev() {
            let next = from.saturating_add(1);
            let is = match (one.get(at), other.get(from)) {
                (None, _) => only_stars(&other[from..]),
                (_, None) => only_stars(&one[at..]),
                (Some('*'), _) | (_, Some('*')) => behind.is_some_and(|row| row[from]) || row[next],
                (Some(a), Some(b)) => {
                    (a == b || *a == '?' || *b == '?') && behind.is_some_and(|row| row[next])
                }
            };
            row[from] = is;
        }
        row
    };
    let mut behind = row(one.len(), None);
    for at in (0..one.len()).rev() {
        behind = row(at, Some(&behind));
    }
    behind[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigger_takes_a_transport_as_names_do() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (on, recorded, endpoint, fits) in [
            ("alarm", ["x", "alarm"], "shm:alarm", true),
            ("alarm", ["unix:x", "unix:alarm"], "unix:alarm", true),
            ("unix:alarm", ["unix:x", "unix:alarm"], "unix:alarm", true),
            ("unix:alarm", ["x", "alarm"], "unix:alarm", true),
            ("unix:alarm", ["x", "alarm"], "shm:alarm", false),
            ("unix:al*", ["unix:*", "x"], "unix:alarm", true),
            ("tcp://h:1", ["tcp://h:1", "x"], "tcp://h:1", true),
            ("journal:a", ["journal:a", "x"], "journal:a", true),
            ("*/alarm", ["lab/*", "x"], "shm:lab/alarm", true),
        ] {
            let trigger = Trigger::of(on, &names(&recorded)).unwrap();
            assert_eq!(trigger.fits(endpoint), fits, "{on} {endpoint}");
        }
        for (on, recorded) in [
            ("alrm", ["x", "alarm"]),
            ("unix:alarm", ["x", "shm:alarm"]),
            ("journal:alarm", ["x", "alarm"]),
            ("*/alarm", ["x", "lab?a"]),
            ("", ["x", "alarm"]),
        ] {
            let error = Trigger::of(on, &names(&recorded)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{on}");
        }
    }

    #[test]
    fn common_texts_of_patterns() {
        for (one, other, is) in [
            ("a*c", "*b*", true),
            ("a*", "b*", false),
            ("?", "*", true),
            ("??", "a", false),
            ("*a", "a*", true),
            ("a?c*", "*cd", true),
            ("**", "", true),
            ("a", "", false),
            ("*a*b*", "c?d", false),
        ] {
            assert_eq!(have_common(one, other), is, "{one} {other}");
            assert_eq!(have_common(other, one), is, "{other} {one}");
        }
    }
}
