//! The pieces of a JSON text as they stand there: for one who passes them on without reading them.

use std::borrow::Cow;

use super::string;
use super::string::plain_run;

/// The members of the object that this valid JSON text is, each value as it is written; none for another value.
pub(crate) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut walk = Walk::into(text, b'{')?;
    let mut members = Vec::new();
    while walk.next_begins()? {
        let (key, end) = string::read(text, walk.at, |at| Ok(string::most(text, walk.at + 1, at))).ok()?;
        walk.at = end;
        walk.white_space();
        walk.at += 1; // the colon
        members.push((key, walk.value()?));
    }
    Some(members)
}

/// The items of the array that this valid JSON text is, each as it is written; none for another value.
pub(crate) fn items(text: &str) -> Option<Vec<&str>> {
    let mut walk = Walk::into(text, b'[')?;
    let mut items = Vec::new();
    while walk.next_begins()? {
        items.push(walk.value()?);
    }
    Some(items)
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Behind the bracket that the text begins with.
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

    /// Whether another piece follows; at its first byte then.
    fn next_begins(&mut self) -> Option<bool> {
        self.white_space();
        if *self.text.as_bytes().get(self.at)? == b',' {
            self.at += 1;
            self.white_space();
        }
        Some(!matches!(self.text.as_bytes().get(self.at)?, b'}' | b']'))
    }

    /// The value that begins here, or behind white space.
    fn value(&mut self) -> Option<&'a str> {
        self.white_space();
        let (bytes, from) = (self.text.as_bytes(), self.at);
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

    /// Goes behind the string that begins here.
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
                // The byte behind a backslash ends nothing.
                _ => self.at += 2,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_given_as_they_stand() {
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
