//! The names of the options, and the name nearest to a mistyped one.
//!
//! A test compares the list with [`super::Options::set`].

use crate::error::{Error, ErrorKind, quoted};

/// The options of channels, servers, publishers and subscribers.
pub const NAMES: [&str; 33] = [
    "encoding",
    "timeout",
    "client_id",
    "buffer",
    "max_message_size",
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
    "replace",
    "view_bytes",
    "schema",
    "reply_schema",
    "validate",
    "spin",
    "linger",
    "on_unconsumed",
    "on_wait",
];

const RENAMED: [(&str, &str); 1] = [("limit", "max_message_size")];

/// Returns the error for an unknown option. `more` are names that the caller accepts besides [`NAMES`].
pub fn unknown(name: &str, more: &[&str]) -> Error {
    let all: Vec<&str> = NAMES.iter().chain(more).copied().collect();
    let (last, others) = all.split_last().unwrap_or((&"", &[]));
    let renamed =
        RENAMED.iter().find(|(former, now)| *former == name && all.contains(now)).map(|(_, now)| *now);
    let meant = match renamed.or_else(|| nearest(name, &all)) {
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

/// Returns the nearest name, if it differs from the given name in at most a third of its letters.
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    // A long name is not a typing error, and comparing it would take time for each option.
    if name.len() > 32 {
        return None;
    }
    let lower = name.to_ascii_lowercase().replace('-', "_");
    let by_distance = names.iter().map(|known| (strsim::osa_distance(&lower, known), *known));
    let (steps, known) = by_distance.min_by_key(|(steps, _)| *steps)?;
    (steps * 3 <= known.len().max(3)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Options;
    use crate::value::Value;

    #[test]
    fn mistyped_option_error_proposes_the_nearest_name() {
        for (typed, meant) in [
            ("timout", "timeout"),
            ("Timeout", "timeout"),
            ("client-id", "client_id"),
            ("clientid", "client_id"),
            ("retain_second", "retain_seconds"),
            ("max_mesage_size", "max_message_size"),
            ("limit", "max_message_size"),
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
    fn every_listed_option_can_be_set() {
        for name in NAMES {
            let refused = Options::default().set(name, &Value::Map(Default::default())).unwrap_err();
            assert!(!refused.text().starts_with("no option is called"), "{refused}");
        }
    }
}
