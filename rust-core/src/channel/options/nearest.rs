//! The names of the options, and the one that a mistyped name is nearest to.

use crate::error::{Error, ErrorKind, quoted};

/// The options of channels, servers, publishers and subscribers, as [`super::Options::set`] takes them.
pub const NAMES: [&str; 28] = [
    "encoding",
    "timeout",
    "client_id",
    "buffer",
    "limit",
    "delivery",
    "ack",
    "idempotent",
    "replay_count",
    "replay_bytes",
    "absent_clients",
    "framing",
    "durable",
    "mode",
    "group",
    "allow_uids",
    "allow_gids",
    "from",
    "segment_bytes",
    "retain_bytes",
    "retain_seconds",
    "retain_consumed",
    "locked",
    "shared",
    "schema",
    "reply_schema",
    "validate",
    "spin",
];

/// The error for an option that does not exist. `more` are names that the caller takes beside [`NAMES`].
pub fn unknown(name: &str, more: &[&str]) -> Error {
    let all: Vec<&str> = NAMES.iter().chain(more).copied().collect();
    let (last, others) = all.split_last().unwrap_or((&"", &[]));
    let meant = match nearest(name, &all) {
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    let text = format!(
        "no option is called {name}{meant}; there are {others} and {last}",
        name = quoted(name),
        others = others.join(", "),
    );
    Error::new(ErrorKind::Unsupported, text)
}

/// The name that differs from the given one in at most a third of its letters.
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    // A long name is no slip of a hand, and would cost its length for each option.
    if name.len() > 32 {
        return None;
    }
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let by_distance = names.iter().map(|known| (distance(&lower, known), *known));
    let (steps, known) = by_distance.min_by_key(|(steps, _)| *steps)?;
    (steps * 3 <= known.len().max(3)).then_some(known)
}

/// How many letters have to be inserted, deleted, replaced, or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for i in 0..from.len() {
        let mut next = vec![i + 1; to.len() + 1];
        for j in 0..to.len() {
            let replaced = row[j] + usize::from(from[i] != to[j]);
            next[j + 1] = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j] {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Options;
    use crate::value::Value;

    #[test]
    fn mistyped_option_is_answered_with_the_nearest_name() {
        for (typed, meant) in [
            ("timout", "timeout"),
            ("Timeout", "timeout"),
            ("client-id", "client_id"),
            ("clientid", "client_id"),
            ("retain_second", "retain_seconds"),
            ("lmiit", "limit"),
            ("akc", "ack"),
        ] {
            let error = Options::default().set(typed, &Value::Null).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Unsupported, Some(typed)), "{error}");
            assert!(error.text().contains(&format!("did you mean {meant}?")), "{error}");
        }
        for strange in ["colour", "x", "", "a".repeat(1 << 20).as_str()] {
            let error = Options::default().set(strange, &Value::Null).unwrap_err();
            assert!(!error.text().contains("did you mean"), "{error}");
            assert!(error.text().contains("there are encoding, timeout,"), "{error}");
        }
    }

    #[test]
    fn listed_options_are_those_that_can_be_set() {
        for name in NAMES {
            let refused = Options::default().set(name, &Value::Map(Default::default())).unwrap_err();
            assert!(!refused.text().starts_with("no option is called"), "{refused}");
        }
    }
}
