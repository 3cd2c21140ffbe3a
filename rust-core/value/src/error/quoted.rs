//! Text from outside in errors, listings and logs: on one line, escaped, and cut if it is long.
//!
//! A peer chooses keys and names: errors must not grow with them, and terminals must not get control characters.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

const SHOWN: usize = 64;
const TEXT: usize = 16 << 10;
const SEGMENT: usize = 256;

/// Text in quotes, escaped; cut after 64 characters, then with its length in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(&'a str);

/// Returns text from outside for errors, of bounded length.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// assert_eq!(linkspan::quoted("a\nb").to_string(), r#""a\nb""#);
/// assert!(linkspan::quoted(&"x".repeat(1 << 20)).to_string().ends_with(r#"…" (1048576 bytes)"#));
/// ```
pub fn quoted(text: &str) -> Quoted<'_> {
    Quoted(text)
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => {
                f.write_str("\"")?;
                write!(f, "{}", self.0[..end].escape_debug())?;
                write!(f, "…\" ({} bytes)", self.0.len())
            }
        }
    }
}

/// Text on one line, with every character escaped that a terminal or a viewer would interpret.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'a>(&'a str);

/// Returns text from outside in a form for one line of a terminal, a log or a page.
///
/// Line ends, control and direction characters are escaped as in JSON, which keeps a JSON text's meaning.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// assert_eq!(linkspan::one_line("a\nb \u{202e}c").to_string(), r"a\nb \u202ec");
/// ```
pub fn one_line(text: &str) -> OneLine<'_> {
    OneLine(text)
}

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_interpreted) {
            f.write_str(&rest[..at])?;
            let mut behind = rest[at..].chars();
            match behind.next() {
                Some('\n') => f.write_str("\\n")?,
                Some('\r') => f.write_str("\\r")?,
                Some('\t') => f.write_str("\\t")?,
                // As in JSON, a character beyond 16 bits is a pair of surrogates.
                Some(c) => {
                    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))?
                }
                None => {}
            }
            rest = behind.as_str();
        }
        f.write_str(rest)
    }
}

/// Returns a number for errors, of bounded length.
pub fn brief(number: impl fmt::Display) -> String {
    const DIGITS: usize = 40;
    let mut text = number.to_string();
    let length = text.len();
    if length > DIGITS {
        text.truncate(DIGITS / 2);
        let _ = write!(text, "… ({length} digits)");
    }
    text
}

/// Returns a time for the text of an error, such as `2.5 s`.
///
/// Times from 1 ms on are rounded to 1 ms, for people.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// # use std::time::Duration;
/// assert_eq!(linkspan::in_seconds(Duration::from_nanos(1_999_998_998)), "2 s");
/// assert_eq!(linkspan::in_seconds(Duration::from_micros(1_500_000)), "1.5 s");
/// assert_eq!(linkspan::in_seconds(Duration::from_nanos(20_000)), "0.00002 s");
/// ```
pub fn in_seconds(time: Duration) -> String {
    const ROUNDED: Duration = Duration::from_millis(1);
    let seconds = time.as_secs_f64();
    let text = if time < ROUNDED { format!("{seconds:.9}") } else { format!("{seconds:.3}") };
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Whether a character controls, ends a line, reorders others, or is invisible.
pub(super) fn is_interpreted(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || is_unseen(c)
}

/// Returns whether a character formats others, or is not shown by default.
///
/// These are `Cf` and `Default_Ignorable_Code_Point` of Unicode 16, also inside letters or emojis: different names look
/// different.
#[doc(hidden)]
pub fn is_unseen(c: char) -> bool {
    if c < '\u{ad}' {
        return false;
    }
    let formats = matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}'
    ) || matches!(c, '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}');
    let is_ignored = matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
    ) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}');
    formats || is_ignored
}

/// Returns the text with these escapes in each line; line ends and tabs stay.
///
/// ```
/// # extern crate linkspan_value as linkspan;
/// assert_eq!(linkspan::several_lines("a\tb\nc\u{1b}[2J"), "a\tb\nc\\u001b[2J");
/// ```
pub fn several_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        out.push_str(if at > 0 { "\n" } else { "" });
        for (at, part) in line.split('\t').enumerate() {
            let _ = write!(out, "{}{}", if at > 0 { "\t" } else { "" }, one_line(part));
        }
    }
    out
}

pub(super) fn bounded(mut text: String) -> String {
    if text.contains(is_interpreted) {
        text = several_lines(&text);
    }
    cut(text)
}

pub(super) fn cut(mut text: String) -> String {
    if text.len() > TEXT {
        text.truncate(boundary(&text, TEXT));
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

pub(super) fn beginning(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { format!("{}…", &text[..boundary(text, most)]) }
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Returns a key as a segment of a path, escaped as in RFC 6901; cut if it is long.
pub(super) fn segment(key: &str) -> String {
    let cut = key.len() > SEGMENT;
    let key = if cut { &key[..boundary(key, SEGMENT)] } else { key };
    let mut segment = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        match c {
            '~' => segment.push_str("~0"),
            '/' => segment.push_str("~1"),
            c => segment.push(c),
        }
    }
    if cut {
        segment.push('…');
    }
    segment
}

pub(super) fn shown_segment(segment: &str) -> Cow<'_, str> {
    match segment.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &segment[..end]).into(),
        None => segment.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_long_text_is_cut_at_a_character() {
        assert_eq!(quoted("1.1\0").to_string(), r#""1.1\0""#);
        let shown = quoted(&"é\n".repeat(1000)).to_string();
        assert_eq!(shown, format!("\"{}…\" (3000 bytes)", "é\\n".repeat(32)));
        assert_eq!(quoted(&"x".repeat(SHOWN)).to_string().len(), SHOWN + 2);
    }

    #[test]
    fn text_in_one_line_has_nothing_that_a_terminal_interprets() {
        let hostile = "a\r\n\t\u{1b}[2J\u{7f}\u{9b}\u{61c}\u{200f}\u{202e}\u{2066}\u{2028}é😀\\\"";
        let shown = one_line(hostile).to_string();
        assert_eq!(shown, "a\\r\\n\\t\\u001b[2J\\u007f\\u009b\\u061c\\u200f\\u202e\\u2066\\u2028é😀\\\"");
    }

    #[test]
    fn characters_that_are_not_seen_are_escaped_as_in_json() {
        let unseen = "a\u{feff}b\u{200b}c\u{e0041}d\u{fe0f}\u{ad}\u{2060}\u{3164}\u{1d173}\u{fff9}\u{34f}";
        let shown =
            "a\\ufeffb\\u200bc\\udb40\\udc41d\\ufe0f\\u00ad\\u2060\\u3164\\ud834\\udd73\\ufff9\\u034f";
        assert_eq!(one_line(unseen).to_string(), shown);
        let error = crate::Error::new(crate::ErrorKind::Missing, unseen).to_string();
        assert!(error.contains(shown), "{error}");
    }

    #[test]
    fn error_shows_no_control_characters_of_a_peer() {
        let failure = crate::RemoteFailure { text: "x\u{9b}2J\u{202e}\n  in f".into(), ..Default::default() };
        let error = crate::Error::remote(failure.clone()).under_key("a\nb").on("c\u{1b}");
        assert_eq!(error.to_string(), "c\\u001b: x\\u009b2J\\u202e\n  in f (code 0), at path \"a\\nb\"");
        assert_eq!((error.path(), error.remote_failure()), (Some("a\nb"), Some(&failure)));
    }

    #[test]
    fn error_text_and_path_are_bounded() {
        let error = crate::Error::new(crate::ErrorKind::Malformed, "é".repeat(1 << 20));
        assert!(error.text().len() < TEXT + 8 && error.text().ends_with('…'));
        let error = error.under_key(&"/".repeat(1 << 20)).under_key("a/b");
        let path = error.path().unwrap();
        assert!(path.starts_with("a~1b/~1~1") && path.len() < 2 * SEGMENT + 16, "{} bytes", path.len());
        let shown = error.to_string();
        assert!(shown.ends_with(&format!(", at path a~1b/{}…", "~1".repeat(SHOWN / 2))), "{shown}");
        let exact = crate::Error::new(crate::ErrorKind::Missing, "no value").with_path("é".repeat(SHOWN));
        assert!(exact.to_string().ends_with(&format!(", at path {}", "é".repeat(SHOWN))));
        let error = crate::Error::new(crate::ErrorKind::Missing, "").with_path("p".repeat(1 << 20));
        assert!(error.path().unwrap().len() < TEXT + 8);
    }
}
