//! The name or pattern of `--on`, whose messages begin an interval.

use linkspan::{Error, ErrorKind, Result, one_line, registry};
use linkspan_recording::writer::topic;

#[derive(Debug)]
pub struct Trigger {
    /// The transport whose messages count; `None` for all.
    transport: Option<String>,
    pattern: String,
}

fn transport_of(name: &str) -> Option<&str> {
    name.split_once(':').map(|(transport, _)| transport)
}

pub fn is_stored(name: &str) -> bool {
    transport_of(name).is_some_and(|transport| matches!(transport, "journal" | "spool" | "file"))
}

impl Trigger {
    /// Parses the argument.
    ///
    /// # Errors
    /// `NotFound` if no recorded name can match it, because nothing would ever be written.
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

    pub fn fits(&self, endpoint: &str) -> bool {
        let has_transport = self.transport.is_none() || self.transport.as_deref() == transport_of(endpoint);
        has_transport && registry::matches(&self.pattern, topic(endpoint))
    }

    fn may_fit(&self, name: &str) -> bool {
        // A name without a transport stands for all transports in the runtime directory.
        let has_transport = match (&self.transport, transport_of(name)) {
            (Some(own), Some(other)) => own == other,
            (Some(own), None) => !is_stored(&format!("{own}:")),
            (None, _) => true,
        };
        has_transport && have_common(&self.pattern, topic(name))
    }
}

/// Returns whether some text matches both patterns.
fn have_common(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // A row tells for one suffix of `one` and each suffix of `other` whether both match a common text, from the end.
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
