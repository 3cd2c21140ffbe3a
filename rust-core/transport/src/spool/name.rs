//! The names of a spool's files: `00000000000000000042.panel-7f3a.json`, and their meaning.
//!
//! | part | meaning |
//! |---|---|
//! | 20 digits | the number, so that names sort in the order of sending |
//! | `panel-7f3a` | the client that sent the file, or that it is for |
//! | `request`, `data`, `reply`, `command`, `event` | the kind, only if the directory does not imply it |
//! | `json` … | the encoding of the body; any other ending means raw bytes |
//! | `.error` | at the end: a failed answer, whose body is JSON |
//!
//! Any other name is a script's. Its file is also a message, without a number. Parsing never fails, because
//! any user of the spool can give a file any name.

use std::path::Path;

use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::fnv1a;

/// So many digits that names sort like their numbers.
pub const DIGITS: usize = 20;

/// Larger numbers count as a script's.
pub const LARGEST: u64 = i64::MAX as u64;
/// The largest number from which a new client continues.
///
/// A huge number would use up the numbers of all clients.
pub const LARGEST_COUNTED: u64 = 1 << 62;
/// In `server/`, in bytes, with room for `.error` in the answer's name.
pub const LONGEST: usize = 240;

pub const FAILED: &str = ".error";

/// Separates a program's name from its unique ending. No `client_id` contains it.
pub const NAMELESS: char = '+';

const PARTS: [(&str, Kind); 5] = [
    ("request", Kind::Request),
    ("data", Kind::Data),
    ("reply", Kind::Reply),
    ("command", Kind::Command),
    ("event", Kind::Event),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFileName {
    /// `None` if Linkspan did not give the name.
    pub numbered: Option<(u64, String)>,
    pub kind: Kind,
    pub encoding: Encoding,
}

impl MessageFileName {
    /// Returns the name of a file; `usual` is the kind that the directory implies.
    pub fn format(number: u64, who: &str, kind: Kind, encoding: Encoding, usual: Kind) -> String {
        let part = PARTS.iter().find(|(_, k)| *k == kind).map_or("data", |(part, _)| part);
        // A client's name may end like a kind.
        let is_mistakable = PARTS.iter().any(|(part, _)| who.rsplit('.').next() == Some(part));
        if kind == usual && !is_mistakable {
            format!("{number:0DIGITS$}.{who}.{}", encoding.name())
        } else {
            format!("{number:0DIGITS$}.{who}.{part}.{}", encoding.name())
        }
    }

    /// Parses a name; `usual` as in [`MessageFileName::format`].
    pub fn parse(name: &str, usual: Kind) -> MessageFileName {
        let (rest, encoding) = match name.rsplit_once('.') {
            Some((rest, extension)) => match Encoding::from_name(extension) {
                Ok(encoding) => (rest, encoding),
                Err(_) => (name, Encoding::Raw),
            },
            None => (name, Encoding::Raw),
        };
        let part = rest.rsplit_once('.').and_then(|(rest, part)| {
            PARTS.iter().find(|(known, _)| *known == part).map(|(_, kind)| (rest, *kind))
        });
        let (rest, kind) = part.unwrap_or((rest, usual));
        let numbered = rest.split_once('.').filter(|(_, who)| !who.is_empty()).and_then(|(number, who)| {
            let all_digits = number.len() == DIGITS && number.bytes().all(|b| b.is_ascii_digit());
            let number = number.parse().ok().filter(|number| all_digits && *number <= LARGEST)?;
            Some((number, who.to_owned()))
        });
        MessageFileName { numbered, kind, encoding }
    }
}

/// Returns the name without encoding and kind: a script's name as sender.
pub fn stem(name: &str) -> &str {
    let rest = match name.rsplit_once('.') {
        Some((rest, extension)) if Encoding::from_name(extension).is_ok() => rest,
        _ => name,
    };
    match rest.rsplit_once('.') {
        Some((stem, part)) if PARTS.iter().any(|(known, _)| *known == part) => stem,
        _ => rest,
    }
}

/// Returns the number after `last`.
///
/// # Errors
/// `InvalidState` if the numbers are used up; `folder` is for the text.
pub fn next_number(last: u64, folder: &Path) -> Result<u64> {
    if last < LARGEST {
        return Ok(last + 1);
    }
    let text = format!(
        "the numbers in {} are used up: the last one is {LARGEST}; remove what bears it, and what it says in hello/",
        folder.display()
    );
    Err(Error::new(ErrorKind::InvalidState, text))
}

/// Returns whether a file is ignored: hidden, or still being written, by the usual endings.
pub fn is_hidden(name: &str) -> bool {
    let ends = ["~", ".tmp", ".part"];
    name.is_empty() || name.starts_with('.') || ends.iter().any(|end| name.ends_with(end))
}

/// Returns a sender's name without the unique ending of a nameless one.
pub fn source(who: &str) -> &str {
    who.split_once(NAMELESS).map_or(who, |(program, _)| program)
}

/// Returns whether its program gave no `client_id`, and so never returns.
pub fn is_nameless(who: &str) -> bool {
    who.contains(NAMELESS)
}

/// Returns the session of a sender's messages: a hash of its name (FNV-1a).
pub fn session(who: &str) -> u64 {
    fnv1a(who) | 1
}

/// Accepts every name: all files of the directory are for its reader.
pub fn any_name(_name: &str, _who: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_parses_to_what_it_was_formatted_from() {
        for who in ["panel-7f3a", "python3-12+0badcafe", "a.b", "x.data", "reply", "json"] {
            for kind in [Kind::Request, Kind::Data, Kind::Reply, Kind::Command, Kind::Event] {
                for usual in [Kind::Request, Kind::Reply] {
                    for encoding in Encoding::ALL {
                        let name = MessageFileName::format(42, who, kind, encoding, usual);
                        let expected =
                            MessageFileName { numbered: Some((42, who.to_owned())), kind, encoding };
                        assert_eq!(MessageFileName::parse(&name, usual), expected, "{name}");
                    }
                }
            }
        }
        let plain = MessageFileName::format(42, "panel-7f3a", Kind::Request, Encoding::Json, Kind::Request);
        assert_eq!(plain, "00000000000000000042.panel-7f3a.json");
        let sent = MessageFileName::format(LARGEST, "panel", Kind::Data, Encoding::Cbor, Kind::Request);
        assert_eq!(sent, "09223372036854775807.panel.data.cbor");
        assert_eq!(
            MessageFileName::parse(&sent, Kind::Request).numbered,
            Some((LARGEST, "panel".to_owned()))
        );
    }

    #[test]
    fn names_given_by_others_are_parsed() {
        for (name, kind, encoding) in [
            ("job.json", Kind::Request, Encoding::Json),
            ("job", Kind::Request, Encoding::Raw),
            ("job.txt", Kind::Request, Encoding::Raw),
            ("note.data.json", Kind::Data, Encoding::Json),
            ("42.me.json", Kind::Request, Encoding::Json),
            ("99999999999999999999.me.json", Kind::Request, Encoding::Json),
            ("18446744073709551615.me.json", Kind::Request, Encoding::Json),
            ("09223372036854775808.me.json", Kind::Request, Encoding::Json),
            ("+0000000000000000001.me.json", Kind::Request, Encoding::Json),
        ] {
            assert_eq!(
                MessageFileName::parse(name, Kind::Request),
                MessageFileName { numbered: None, kind, encoding },
                "{name}"
            );
        }
        for (name, expected) in
            [("a.data.json", "a"), ("b.json", "b"), ("c.d.txt", "c.d.txt"), ("e", "e"), ("f.request", "f")]
        {
            assert_eq!(stem(name), expected);
        }
        for hidden in [".a", "a~", "a.json.tmp", "a.part", ""] {
            assert!(is_hidden(hidden), "{hidden}");
        }
        assert!(!is_hidden("a.json"));
        assert_eq!((source("php-7+00ff"), source("panel")), ("php-7", "panel"));
    }
}
