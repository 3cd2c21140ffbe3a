//! The members of an object and the items of an array as slices of their JSON text.
//!
//! JSON-RPC passes parameters and results on without decoding them. For invalid JSON the functions
//! return `None` or wrong slices, but do not panic.

use std::borrow::Cow;

use super::scan::plain_run;
use super::string;

/// Returns the members of the object with the text of each value; `None` for another value.
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

/// Returns the text of each item of the array; `None` for another value.
#[doc(hidden)]
pub fn items(text: &str) -> Option<Vec<&str>> {
    let mut walk = Walk::into(text, b'[')?;
    let mut items = Vec::new();
    while walk.has_next()? {
        items.push(walk.value()?);
    }
    Some(items)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn into(text: &'a str, bracket: u8) -> Option<Walk<'a>> {
        let mut walk = Walk { text, at: 0 };
        walk.white_space();
        if text.as_bytes().get(walk.at) != Some(&bracket) {
            return None;
        }
        walk.at += 1;
        Some(walk)
    }

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

    fn value(&mut self) -> Option<&'a str> {
        self.white_space();
        let (bytes, from) = (self.text.as_bytes(), self.at);
        // Skips strings, so that brackets in them do not count.
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
                // The byte after a backslash is part of an escape, even if it is a quote.
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
