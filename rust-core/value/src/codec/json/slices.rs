//! The members of an object and the items of an array as slices of their JSON text: for code that
//! passes them on without decoding them, as JSON-RPC does with parameters and results.
//!
//! The text must be valid JSON. For any other text the result is meaningless but safe: `None` or
//! wrong slices, and no panic.

use std::borrow::Cow;

use super::scan::plain_run;
use super::string;

/// Returns the members of the object, each value as it is written; `None` for another value.
#[doc(hidden)]
pub fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut walk = Walk::into(text, b'{')?;
    let mut members = Vec::new();
    while walk.has_next()? {
        let (key, end) =
            string::read(text, walk.at, |at| Ok(string::max_length(text, walk.at + 1, at))).ok()?;
        walk.at = end;
        walk.white_space();
        walk.at += 1; // the colon
        members.push((key, walk.value()?));
    }
    Some(members)
}

/// Returns the items of the array, each as it is written; `None` for another value.
#[doc(hidden)]
pub fn items(text: &str) -> Option<Vec<&str>> {
    let mut walk = Walk::into(text, b'[')?;
    let mut items = Vec::new();
    while walk.has_next()? {
        items.push(walk.value()?);
    }
    Some(items)
}

/// A position in the text.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Returns the position behind the opening bracket; `None` where the text begins with something
    /// else.
    fn into(text: &'a str, bracket: u8) -> Option<Walk<'a>> {
        let mut walk = Walk { text, at: 0 };
        walk.white_space();
        if text.as_bytes().get(walk.at) != Some(&bracket) {
            return None;
        }
        walk.at += 1;
        Some(walk)
    }

    /// Skips white space.
    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    /// Moves to the next piece and returns whether there is one; `None` at the end of the text.
    fn has_next(&mut self) -> Option<bool> {
        self.white_space();
        if *self.text.as_bytes().get(self.at)? == b',' {
            self.at += 1;
            self.white_space();
        }
        Some(!matches!(self.text.as_bytes().get(self.at)?, b'}' | b']'))
    }

    /// Takes the value that begins here or behind white space.
    fn value(&mut self) -> Option<&'a str> {
        self.white_space();
        let (bytes, from) = (self.text.as_bytes(), self.at);
        // Brackets are counted; strings are skipped, so that brackets in them do not count.
        let mut depth = 0usize;
        loop {
            match bytes.get(self.at)? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            if depth == 0 && matches!(bytes[self.at - 1], b'"' | b'}' | b']') {
                break;
            }
        }
        self.text.get(from..self.at)
    }

    /// Skips the string that begins here.
    fn string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at += plain_run(bytes.get(self.at..)?);
            match bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                // The byte behind a backslash is part of an escape, also where it is a quote.
                _ => self.at += 2,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_items_are_slices_of_the_text() {
        let text =
            r#" { "a" : 1.50 ,"b":[1, {"c":"]}\",\\"}] , "\u0063" : "x\"y" ,"":null,"e":{},"f":-0.0e1}"#;
        let found = members(text).unwrap();
        let pairs: Vec<(&str, &str)> = found.iter().map(|(k, v)| (k.as_ref(), *v)).collect();
        assert_eq!(
            pairs,
            [
                ("a", "1.50"),
                ("b", r#"[1, {"c":"]}\",\\"}]"#),
                ("c", r#""x\"y""#),
                ("", "null"),
                ("e", "{}"),
                ("f", "-0.0e1")
            ]
        );
        assert_eq!(
            items(r#" [ 1,"a,b" , [2,[3]],{"x":[]} ,true]"#).unwrap(),
            ["1", r#""a,b""#, "[2,[3]]", r#"{"x":[]}"#, "true"]
        );
        assert_eq!((members("{ }").unwrap().len(), items("[]").unwrap().len()), (0, 0));
        assert!(members("[1]").is_none() && items("{}").is_none() && items("7").is_none());
        assert!(members("{\"a\":1").is_none(), "the end is missing");
    }
}
