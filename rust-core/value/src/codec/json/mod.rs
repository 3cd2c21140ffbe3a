//! JSON (RFC 8259): compact, with escapes for values without a form in JSON.
//!
//! | what | defined in |
//! |---|---|
//! | text to values | here, with numbers in `number` and strings in `string` |
//! | the first pass over the text, which counts items | `count` |
//! | short texts to trees in one pass | `short` |
//! | values to text | `encode`, with short numbers in `digits` |
//! | members and items as slices of the text, for JSON-RPC | `slices` |
//! | searches for the end of a string, several bytes at a time | `scan` |
//!
//! A number with a point or an exponent is a float, any other an integer of any size: 7 and 7.0
//! stay different.
//!
//! The walk checks every byte and reports the first wrong byte. It recurses for containers, at most
//! [`levels`] deep.

mod count;
mod digits;
mod encode;
mod number;
mod scan;
mod short;
mod slices;
mod string;

pub(crate) use encode::Encoder;
pub(crate) use short::decode_short;
pub use slices::{items, members};

use std::borrow::Cow;

use self::count::count;
use crate::codec::input::{ItemCounts, malformed};
use crate::codec::{containers, levels, too_deep};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Limits, Sink};

pub(crate) fn decode<S: Sink>(bytes: &[u8], limits: &Limits, sink: &mut S) -> Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoder::new(text, limits, sink).document(),
        Err(e) => {
            // The decoder's error comes first if it is before the first invalid byte.
            let good = e.valid_up_to();
            let text = std::str::from_utf8(&bytes[..good]).unwrap_or_default();
            match Decoder::new(text, limits, sink).document() {
                Err(e) if e.offset().is_some_and(|offset| offset < good as u64) => Err(e),
                _ => Err(malformed(good, "text is not UTF-8")),
            }
        }
    }
}

struct Decoder<'a, 's, S> {
    text: &'a str,
    at: usize,
    sink: &'s mut S,
    counts: ItemCounts,
    /// The number of containers that may still be opened inside the innermost one.
    levels: u32,
    nodes: u64,
}

impl<'a, 's, S: Sink> Decoder<'a, 's, S> {
    fn new(text: &'a str, limits: &Limits, sink: &'s mut S) -> Decoder<'a, 's, S> {
        // Strings with escapes have counts too, hence twice the number of containers.
        let levels = levels(limits);
        let counts = count(text.as_bytes(), levels as usize, containers(limits).saturating_mul(2), sink);
        Decoder { text, at: 0, sink, counts, levels, nodes: limits.most_nodes() }
    }

    fn document(mut self) -> Result<()> {
        self.white_space();
        self.value()?;
        self.white_space();
        if self.at < self.text.len() {
            return Err(malformed(self.at, "more follows the value; a message holds one value"));
        }
        Ok(())
    }

    fn peek(&self) -> Result<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(byte) => Ok(*byte),
            // Out of line: valid text never ends here.
            None => Err(self.ended()),
        }
    }

    #[cold]
    fn ended(&self) -> Error {
        malformed(self.text.len(), "the bytes end before the value does")
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.as_bytes().get(self.at) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<()> {
        let at = self.at;
        match self.peek()? {
            b'"' => {
                let text = self.string(at)?;
                self.sink.text(&text).map(|()| self.release(text))
            }
            b'-' | b'0'..=b'9' => number::send(self.text, at, self.sink).map(|end| self.at = end),
            b'{' => self.object(),
            b'[' => self.array(),
            b't' => self.word("true").and_then(|()| self.sink.bool(true)),
            b'f' => self.word("false").and_then(|()| self.sink.bool(false)),
            b'n' => self.word("null").and_then(|()| self.sink.null()),
            _ => Err(malformed(at, "no value begins with this character")),
        }
        .map_err(|e| e.at(at))
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.word_mismatch(word)
    }

    #[cold]
    fn word_mismatch(&mut self, word: &'static str) -> Result<()> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                return Err(malformed(self.at, format!("{word} is expected")));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Enters an array or object: returns its count and allows one level less inside.
    ///
    /// `TooLarge` below the last level, or if the first pass ran out of counts.
    fn enter(&mut self) -> Result<usize> {
        let at = self.at;
        self.at += 1;
        self.levels = self.levels.checked_sub(1).ok_or_else(|| too_deep(at))?;
        self.counts.take().ok_or_else(|| {
            let text = format!("over the node limit: {} values allowed", self.nodes);
            Error::new(ErrorKind::TooLarge, text).at(at)
        })
    }

    /// Takes the comma after an item and returns true, or takes the end of the container and
    /// returns false.
    fn another(&mut self, end: u8) -> Result<bool> {
        self.white_space();
        let byte = self.peek()?;
        if byte != b',' && byte != end {
            return Err(malformed(self.at, format!("a comma or {:?} is expected", char::from(end))));
        }
        self.at += 1;
        Ok(byte == b',')
    }

    fn array(&mut self) -> Result<()> {
        let count = self.enter()?;
        self.sink.begin_array(count)?;
        self.white_space();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            let mut index = 0;
            loop {
                self.white_space();
                self.value().map_err(|e| e.under_index(index))?;
                index += 1;
                if !self.another(b']')? {
                    break;
                }
            }
        }
        self.levels += 1;
        self.sink.end_array()
    }

    fn object(&mut self) -> Result<()> {
        let count = self.enter()?;
        self.sink.begin_map(count)?;
        self.white_space();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                self.white_space();
                let key = self.key()?;
                self.white_space();
                if self.peek()? != b':' {
                    return Err(malformed(self.at, "a colon is expected"));
                }
                self.at += 1;
                self.white_space();
                self.value().map_err(|e| e.under_key(&key))?;
                self.release(key);
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        self.levels += 1;
        self.sink.end_map()
    }

    /// Takes the string whose opening quote is at `at`. The sink counts the memory of a text with
    /// escapes.
    fn string(&mut self, at: usize) -> Result<Cow<'a, str>> {
        let (text, end) = string::read(self.text, at, |backslash| {
            // A count that saturated, or is missing after an error in the first pass, is computed
            // here.
            let counted = self.counts.take().filter(|length| *length < u32::MAX as usize);
            let most = counted.unwrap_or_else(|| string::max_length(self.text, at + 1, backslash));
            self.sink.hold(most).map(|()| most).map_err(|e| e.at(at))
        })?;
        self.at = end;
        Ok(text)
    }

    fn release(&mut self, text: Cow<'a, str>) {
        if let Cow::Owned(text) = text {
            self.sink.release(text.capacity());
        }
    }

    /// Takes a key and passes it to the sink. The error of a repeated key has the offset of the
    /// second key.
    fn key(&mut self) -> Result<Cow<'a, str>> {
        let at = self.at;
        if self.peek()? != b'"' {
            return Err(malformed(at, "a key in quotes is expected"));
        }
        let key = self.string(at)?;
        match self.sink.key(&key) {
            Ok(()) => Ok(key),
            Err(e) => Err(e.at(at).under_key(&key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::codec::{decode, decode_into, encode};
    use crate::value::{Limits, Value, ValueBuilder};
    use crate::{Encoding, ErrorKind};

    #[test]
    fn escaped_strings_and_containers_have_separate_counts() {
        let long = "x".repeat(100);
        let text =
            format!(r#"["\n",[1,2],{{"a\t":"\u0041{long}","b":[],"c\\":{{"d":"{long}\""}}}},"",[""]]"#);
        let value = decode(text.as_bytes(), Encoding::Json).unwrap();
        assert_eq!(value.at("2/a\t").unwrap(), &Value::from(format!("A{long}")));
        assert_eq!(value.at("2/c\\/d").unwrap(), &Value::from(format!("{long}\"")));
        assert_eq!(encode(&value, Encoding::Json).unwrap(), text.replace("\\u0041", "A").as_bytes());
    }

    #[test]
    fn control_character_is_reported_before_the_memory_limit() {
        let limits = Limits { memory: 1000, ..Limits::default() };
        let text = format!("[\"a\u{1}\\n\",\"{}\\n\"]", "x".repeat(5000));
        let error = decode_into(text.as_bytes(), Encoding::Json, &limits, ValueBuilder::new()).err().unwrap();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Malformed, Some(3)));
        let text = text.replace('\u{1}', "b");
        let error = decode_into(text.as_bytes(), Encoding::Json, &limits, ValueBuilder::new()).err().unwrap();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::TooLarge, Some(8)));
    }

    #[test]
    fn integers_of_eighteen_and_more_digits_are_exact() {
        for n in [0, 7, -7, 999_999_999_999_999_999, -999_999_999_999_999_999, i64::MAX, i64::MIN] {
            assert_eq!(decode(n.to_string().as_bytes(), Encoding::Json).unwrap(), Value::Int(n));
        }
        assert_eq!(decode(b"-0", Encoding::Json).unwrap(), Value::Int(0));
    }
}
