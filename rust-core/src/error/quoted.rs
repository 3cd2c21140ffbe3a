//! Text from outside in error texts: in quotes, escaped, and cut where it is long.
//!
//! A peer chooses keys, names and texts, so an error must neither grow with them nor pass on
//! control characters to a terminal or a log.

use std::fmt;

/// The number of characters of input that an error text shows.
const SHOWN: usize = 64;
/// The greatest length of an error's text, in bytes.
const TEXT: usize = 16 << 10;
/// The greatest length of one key in the path of an error, in bytes.
const SEGMENT: usize = 256;

/// Text in quotes, with special characters escaped; cut after 64 characters, and then with its
/// length in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(&'a str);

/// Returns text from outside in a form for error texts, bounded however long it is.
///
/// ```
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

/// Returns the text of an error, cut where it is longer than any error needs.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > TEXT {
        text.truncate(boundary(&text, TEXT));
        text.shrink_to_fit();
        text.push('…');
    }
    text
}

/// Returns the last boundary between characters up to `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Returns a key as a segment of a path, escaped as in RFC 6901. A long one is cut, and is then not
/// a path that can be followed.
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
    fn error_text_and_path_are_bounded() {
        let error = crate::Error::new(crate::ErrorKind::Malformed, "é".repeat(1 << 20));
        assert!(error.text().len() < TEXT + 8 && error.text().ends_with('…'));
        let error = error.under_key(&"/".repeat(1 << 20)).under_key("a/b");
        let path = error.path().unwrap();
        assert!(path.starts_with("a~1b/~1~1") && path.len() < 2 * SEGMENT + 16, "{} bytes", path.len());
        let error = crate::Error::new(crate::ErrorKind::Missing, "").with_path("p".repeat(1 << 20));
        assert!(error.path().unwrap().len() < TEXT + 8);
    }
}
