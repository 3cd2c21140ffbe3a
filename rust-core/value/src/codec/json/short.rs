//! Short JSON texts to trees in one pass: without counts of items, without a meter, without escapes.
//!
//! The tree of a short text is within every limit. The decoder reads texts with errors, escapes or deep nesting, from
//! their beginning.

use super::number::{self, Number};
use super::scan::plain_run;
use super::string;
use crate::error::memory;
use crate::value::{Limits, Map, Value, ValueBuilder};

const MOST_LEVELS: u32 = 16;

/// The bytes of the first allocation for entries or items; larger blocks cost the allocator more.
const USUAL: usize = 1000;

pub(crate) fn decode_short(bytes: &[u8], limits: &Limits) -> Option<Value> {
    if !limits.allow_flat(bytes.len()) || limits.depth < MOST_LEVELS {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut decoder = Short { text, at: 0, entries: Vec::new(), items: Vec::new() };
    decoder.white_space();
    let mut done = None;
    decoder.value(MOST_LEVELS, |_, value| {
        done = Some(value);
        Some(())
    })?;
    decoder.white_space();
    if decoder.at == bytes.len() { done } else { None }
}

struct Short<'a> {
    text: &'a str,
    at: usize,
    /// The entries of all open maps, the innermost map last.
    ///
    /// The size of a map is known at its end; then its entries move into a list of this size.
    entries: Vec<(String, Value)>,
    items: Vec<Value>,
}

impl Short<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        self.white_space();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.white_space();
        }
        found
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads the value whose first byte is next, and passes it to `put`.
    ///
    /// Each kind of value has its own call of `put`. One call for all kinds would store the value in pieces and load it
    /// as a whole, and the processor would wait in between.
    fn value(&mut self, levels: u32, put: impl FnOnce(&mut Self, Value) -> Option<()>) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                put(self, Value::Text(text))
            }
            b'-' | b'0'..=b'9' => match number::short(self.text.as_bytes(), self.at) {
                Some((Number::Int(number), end)) => {
                    self.at = end;
                    put(self, Value::Int(number))
                }
                Some((Number::Float(number), end)) => {
                    self.at = end;
                    put(self, Value::Float(number))
                }
                None => {
                    let number = self.long_number()?;
                    put(self, number)
                }
            },
            b't' => self.word("true").and_then(|()| put(self, Value::Bool(true))),
            b'f' => self.word("false").and_then(|()| put(self, Value::Bool(false))),
            b'n' => self.word("null").and_then(|()| put(self, Value::Null)),
            b'{' => {
                let entries = self.map(levels.checked_sub(1)?)?;
                put(self, Value::Map(entries))
            }
            b'[' => {
                let items = self.array(levels.checked_sub(1)?)?;
                put(self, Value::Array(items))
            }
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(())
    }

    #[cold]
    fn long_number(&mut self) -> Option<Value> {
        let mut builder = ValueBuilder::new();
        self.at = number::send(self.text, self.at, &mut builder).ok()?;
        builder.finish().ok()
    }

    #[inline(always)]
    fn string(&mut self) -> Option<String> {
        let from = self.at + 1;
        let end = from + plain_run(&self.text.as_bytes()[from..]);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return self.string_with_escapes();
        }
        self.at = end + 1;
        memory::copy_text(&self.text[from..end]).ok()
    }

    #[cold]
    fn string_with_escapes(&mut self) -> Option<String> {
        let (whole, at) = (self.text, self.at);
        let room = |backslash| Ok(string::max_length(whole, at + 1, backslash));
        let (text, end) = string::read(whole, at, room).ok()?;
        self.at = end;
        let mut text = text.into_owned();
        text.shrink_to_fit();
        Some(text)
    }

    fn map(&mut self, levels: u32) -> Option<Map> {
        self.at += 1;
        self.white_space();
        let start = self.entries.len();
        if !self.take(b'}') {
            loop {
                let key = if self.peek()? == b'"' { self.string()? } else { return None };
                if !self.take(b':') {
                    return None;
                }
                self.value(levels, |decoder, value| push(&mut decoder.entries, (key, value)))?;
                if !self.take(b',') {
                    break;
                }
            }
            if self.peek()? != b'}' {
                return None;
            }
            self.at += 1;
        }
        let entries = split_off(&mut self.entries, start)?;
        // The key of a map of one entry may make it an escape.
        if let [(key, _)] = &entries[..]
            && key.starts_with('$')
        {
            return None;
        }
        Map::of_distinct(entries)
    }

    fn array(&mut self, levels: u32) -> Option<Vec<Value>> {
        self.at += 1;
        self.white_space();
        let start = self.items.len();
        if !self.take(b']') {
            loop {
                self.value(levels, |decoder, value| push(&mut decoder.items, value))?;
                if !self.take(b',') {
                    break;
                }
            }
            if self.peek()? != b']' {
                return None;
            }
            self.at += 1;
        }
        split_off(&mut self.items, start)
    }
}

fn push<T>(list: &mut Vec<T>, item: T) -> Option<()> {
    if list.len() == list.capacity() {
        list.try_reserve(USUAL / size_of::<T>()).ok()?;
    }
    list.push(item);
    Some(())
}

fn split_off<T>(list: &mut Vec<T>, start: usize) -> Option<Vec<T>> {
    let count = list.len() - start;
    // Avoids a copy if all items move and little memory is unused.
    if start == 0 && count > list.capacity() / 2 {
        return Some(std::mem::take(list));
    }
    let mut items = Vec::new();
    memory::reserve(&mut items, count).ok()?;
    items.extend(list.drain(start..));
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encoding;
    use crate::codec::decode_into;

    fn decoded(bytes: &[u8], limits: &Limits) -> Option<Value> {
        decode_into(bytes, Encoding::Json, limits, ValueBuilder::new()).ok()?.finish().ok()
    }

    const TEXTS: &[&str] = &[
        r#"{"id":123456,"name":"boiler-7","at":71.25,"p":-2.125,"ok":true,"off":false,"note":null,"n":-0}"#,
        r#" { "a" : [ 1 , 2.5e3 , -0.0 , 0.1 , 12345678901234567890 ] , "b" : { } , "c" : [ ] } "#,
        r#"[{"x":1},{"x":2,"y":"\u00e9\n\ud83d\ude00"},[[[["deep"]]]],"é€😀",{"":0,"k":"\\\""}]"#,
        r#"[123456789012345,1234567890123456,0.00000000000001,9007199254740993.0,1e308,0.3,1.7976931348623157e308]"#,
        r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0,"k":1,"l":2,"m":3,"n":4,"o":5,"p":6,"q":7}"#,
        r#"{"$time":"1970-01-01T00:00:00Z"}"#,
        r#"[{"$x":1,"$y":2},{"$map":{"$x":1}},{"$float":"nan"}]"#,
        r#""text alone""#,
        "-7",
        "0.5",
        "[]",
        "{}",
        "true",
    ];

    #[test]
    fn short_text_in_one_pass_equals_decoded_text() {
        let mut seed = 11u64;
        println!("seed {seed}");
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let (mut short, mut refused) = (0, 0);
        for round in 0..if cfg!(miri) { 100 } else { 60_000 } {
            let mut text = TEXTS[round % TEXTS.len()].as_bytes().to_vec();
            for _ in 0..(round / TEXTS.len()).min(next(3)) {
                let (at, alphabet) = (next(text.len()), b"\"\\{}[],: 0159-.eE+tfn$axk\xc3\xa9\x01\n");
                match next(3) {
                    0 => drop(text.remove(at)),
                    1 => text.insert(at, alphabet[next(alphabet.len())]),
                    _ => text[at] = alphabet[next(alphabet.len())],
                }
                if text.is_empty() {
                    text.push(b' ');
                }
            }
            let limits = Limits::default();
            let expected = decoded(&text, &limits);
            match decode_short(&text, &limits) {
                Some(value) => {
                    assert_eq!(Some(value), expected, "round {round}: {}", String::from_utf8_lossy(&text));
                    short += 1;
                }
                None => refused += usize::from(expected.is_none()),
            }
        }
        assert!(cfg!(miri) || (short > 10_000 && refused > 5_000), "{short} read, {refused} refused by both");
    }

    #[test]
    fn text_is_read_in_one_pass_unless_it_has_an_escaped_value() {
        for text in TEXTS {
            let read = decode_short(text.as_bytes(), &Limits::default()).is_some();
            assert_eq!(read, !text.contains("\"$"), "{text}");
        }
    }

    #[test]
    fn short_decimals_are_the_nearest_floats() {
        let mut seed = 5u64;
        println!("seed {seed}");
        for _ in 0..if cfg!(miri) { 50 } else { 100_000 } {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let digits = (seed >> 13) % 10u64.pow(1 + (seed >> 40) as u32 % 14);
            let places = 1 + (seed >> 8) as usize % 13;
            let text = format!("{digits:0width$}", width = places + 1);
            let text = format!("{}.{}", &text[..text.len() - places], &text[text.len() - places..]);
            if let Some((Number::Float(float), end)) = number::short(text.as_bytes(), 0) {
                assert_eq!(
                    (float.to_bits(), end),
                    (text.parse::<f64>().unwrap().to_bits(), text.len()),
                    "{text}"
                );
            } else {
                assert!(text.len() > 15, "{text}");
            }
        }
    }

    #[test]
    fn text_beyond_a_narrow_limit_is_left_to_the_decoder() {
        let text = br#"{"key":[1,2]}"#;
        assert!(decode_short(text, &Limits::default()).is_some());
        for limits in [
            Limits { message: 12, ..Limits::default() },
            Limits { depth: 15, ..Limits::default() },
            Limits { nodes: 12, ..Limits::default() },
            Limits { key: 12, ..Limits::default() },
            Limits { memory: 1000, ..Limits::default() },
        ] {
            assert_eq!(decode_short(text, &limits), None);
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(decode_short(nested(16).as_bytes(), &Limits::default()).is_some());
        assert_eq!(decode_short(nested(17).as_bytes(), &Limits::default()), None);
        let long = format!("\"{}\"", "x".repeat(16 << 10));
        assert_eq!(decode_short(long.as_bytes(), &Limits::default()), None);
    }
}
