//! CBOR's tags to values: big integers, instants, UUIDs, decimal numbers.
//!
//! A tag without a form here is `Unsupported`; a known tag around wrong content is `Malformed`.

use super::decode::Decoder;
use super::head::{Head, head};
use super::{
    BIG, BIG_NEGATIVE, COLUMN_MAJOR, COMPLEX, DECIMAL, DECIMAL_OBJECT, HOMOGENEOUS, OBJECT, ROW_MAJOR,
    SELF_DESCRIBED, TIME_EXTENDED, TIME_SECONDS, TIME_TEXT, UUID,
};
use crate::codec::input::{malformed, unsupported};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Decimal, Sink, Source, Timestamp, Value};

const SECOND: i64 = 1_000_000_000;

impl<'a, S: Sink> Decoder<'a, '_, S> {
    /// Decodes the item with this tag.
    ///
    /// Nested tags recurse only if a known tag requires another tag, or after 55799.
    pub(super) fn tagged(&mut self, tag: Head) -> Result<()> {
        let mut tag = tag;
        while tag.n == SELF_DESCRIBED {
            let next = head(&mut self.input)?;
            if next.major != 6 {
                self.input.at = next.at;
                return self.value();
            }
            tag = next;
        }
        match tag.n {
            BIG | BIG_NEGATIVE => {
                let content = head(&mut self.input)?;
                self.big(tag, content)?.walk(self.sink)
            }
            // RFC 3339, as in JSON.
            TIME_TEXT => {
                let content = self.expect(3, "tag 0 holds text")?;
                let time = self.text(content)?.parse::<Timestamp>().map_err(|e| e.at(content.at))?;
                self.sink.timestamp(time)
            }
            TIME_SECONDS => {
                let time = self.seconds()?;
                self.sink.timestamp(time)
            }
            TIME_EXTENDED => {
                let time = self.extended_time()?;
                self.sink.timestamp(time)
            }
            UUID => {
                let content = self.expect(2, "tag 37 holds bytes")?;
                let bytes = self.bytes(content)?;
                let uuid = <[u8; 16]>::try_from(&*bytes).map_err(|_| {
                    malformed(content.at, format!("a UUID has 16 bytes, here are {}", bytes.len()))
                })?;
                self.sink.uuid(uuid)
            }
            DECIMAL => {
                let decimal = self.decimal(tag)?;
                self.sink.decimal(&decimal)
            }
            // The tag for objects of a language: accepted only for decimals that this library
            // writes.
            OBJECT => {
                let decimal = self.decimal_object(tag)?;
                self.sink.decimal(&decimal)
            }
            ROW_MAJOR | COLUMN_MAJOR | HOMOGENEOUS | COMPLEX | 64..=87 => self.ndarray(tag),
            n => Err(unsupported(tag.at, format!("tag {n} has no form here"))),
        }
    }

    pub(super) fn expect(&mut self, major: u8, what: &str) -> Result<Head> {
        let head = head(&mut self.input)?;
        if head.major != major {
            return Err(malformed(head.at, what));
        }
        Ok(head)
    }

    /// Decodes the content of tag 2, n, or tag 3, -1 - n: a byte string, most significant byte
    /// first.
    ///
    /// # Errors
    ///
    /// `TooLarge` beyond [`BigInt::LIMIT`] bytes, `Malformed` if the content is not bytes.
    fn big(&mut self, tag: Head, content: Head) -> Result<Value> {
        if content.major != 2 {
            return Err(malformed(content.at, "a big integer is tagged bytes"));
        }
        let bytes = self.bytes(content)?;
        // Leading zeros are allowed and do not count for the limit.
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        let n = &bytes[zeros..];
        if tag.n == BIG {
            return BigInt::from_parts(false, n);
        }
        // The constructor refuses it here, before the copy.
        if n.len() > BigInt::LIMIT {
            return BigInt::from_parts(true, n);
        }
        // One byte more, for a carry out of the first.
        let mut magnitude = Vec::with_capacity(n.len() + 1);
        magnitude.push(0);
        magnitude.extend_from_slice(n);
        for byte in magnitude.iter_mut().rev() {
            let (more, carry) = byte.overflowing_add(1);
            *byte = more;
            if !carry {
                break;
            }
        }
        BigInt::from_parts(true, &magnitude)
    }

    fn integer(&mut self, what: &str) -> Result<(Value, usize)> {
        let head = head(&mut self.input)?;
        let value = match head.major {
            0 => Value::from(head.n),
            1 => BigInt::from_parts(true, &(u128::from(head.n) + 1).to_be_bytes())?,
            6 if head.n == BIG || head.n == BIG_NEGATIVE => {
                let content = self::head(&mut self.input)?;
                self.big(head, content).map_err(|e| e.at(head.at))?
            }
            _ => return Err(malformed(head.at, what)),
        };
        Ok((value, head.at))
    }

    /// Decodes the content of tag 1: seconds since 1970, an integer or a float.
    ///
    /// A float is rounded to nanoseconds; near the present it resolves about 0.2 µs.
    ///
    /// # Errors
    ///
    /// `OutOfRange` outside the range of a timestamp, `Malformed` for infinities and NaN.
    fn seconds(&mut self) -> Result<Timestamp> {
        let at = self.input.at;
        if self.input.peek().is_some_and(|first| first >> 5 != 7) {
            let (seconds, at) = self.integer("tag 1 holds a number of seconds")?;
            return seconds.as_i64().and_then(|s| Timestamp::from_parts(s, 0)).map_err(|e| e.at(at));
        }
        let content = head(&mut self.input)?;
        if !(25..=27).contains(&content.info) {
            return Err(malformed(at, "tag 1 holds a number of seconds"));
        }
        let seconds = content.float();
        if !seconds.is_finite() {
            return Err(malformed(at, format!("{seconds} is not a number of seconds")));
        }
        let whole = seconds.floor();
        // Far outside the range of a timestamp, but small enough for the conversion to an integer.
        if whole.abs() > 1e10 {
            return Err(Error::new(
                ErrorKind::OutOfRange,
                format!("{seconds} s since 1970 do not fit a timestamp"),
            )
            .at(at));
        }
        // The difference to the whole seconds is exact in binary floating point.
        let nanoseconds = ((seconds - whole) * SECOND as f64).round() as i64;
        Timestamp::from_parts(whole as i64, nanoseconds).map_err(|e| e.at(at))
    }

    /// Decodes the content of tag 1001 (RFC 9581): a map with seconds and at most one fraction.
    ///
    /// Key 1 has the seconds, -3 ms, -6 µs, -9 ns. Other keys, such as a clock quality, are
    /// `Unsupported`: dropping them would change the value.
    fn extended_time(&mut self) -> Result<Timestamp> {
        let map = self.expect(5, "tag 1001 holds a map")?;
        let (mut seconds, mut fraction) = (None, None);
        for _ in 0..self.items(map)? {
            let (key, key_at) = self.integer("the keys of tag 1001 are integers")?;
            let scale = match key {
                Value::Int(1) => SECOND,
                Value::Int(-3) => 1_000_000,
                Value::Int(-6) => 1_000,
                Value::Int(-9) => 1,
                _ => {
                    return Err(unsupported(
                        key_at,
                        "of tag 1001 only the keys 1, -3, -6 and -9 have a form here",
                    ));
                }
            };
            // The Meter does not see the keys of a tag's content, so repeated keys are refused
            // here.
            let slot = if scale == SECOND { &mut seconds } else { &mut fraction };
            if slot.is_some() {
                return Err(malformed(key_at, "a time gives its seconds once, and one fraction of them"));
            }
            let (number, at) = self.integer("the seconds and fractions of tag 1001 are integers here")?;
            let number = number.as_i64().map_err(|e| e.at(at))?;
            let slot = if scale == SECOND { &mut seconds } else { &mut fraction };
            *slot = Some((number, scale));
        }
        self.end(map)?;
        let Some((seconds, _)) = seconds else {
            return Err(malformed(map.at, "a time of tag 1001 has no seconds"));
        };
        let (count, scale) = fraction.unwrap_or((0, 1));
        match u64::try_from(count).ok().and_then(|_| count.checked_mul(scale)) {
            Some(nanoseconds) if nanoseconds < SECOND => {
                Timestamp::from_parts(seconds, nanoseconds).map_err(|e| e.at(map.at))
            }
            _ => Err(malformed(map.at, format!("{count} is no fraction of a second"))),
        }
    }

    /// Decodes the content of tag 4: the exponent of ten and the coefficient, integers of any size.
    ///
    /// The precision is kept: 1.10 is 110 and -2.
    fn decimal(&mut self, tag: Head) -> Result<Decimal> {
        const WHAT: &str = "a decimal number is an array of two integers";
        let pair = self.expect(4, WHAT)?;
        if self.items(pair)? != 2 {
            return Err(malformed(pair.at, WHAT));
        }
        let (exponent, exponent_at) = self.integer(WHAT)?;
        let (coefficient, _) = self.integer(WHAT)?;
        self.end(pair)?;
        // RFC 8949 has exponents of any size; Linkspan's have 32 bits.
        let exponent = exponent.as_i64().ok().and_then(|e| i32::try_from(e).ok()).ok_or_else(|| {
            Error::new(ErrorKind::OutOfRange, "the exponent of a decimal number has 32 bits").at(exponent_at)
        })?;
        let digits = match coefficient {
            Value::Int(n) => n.to_string(),
            Value::Uint(n) => n.to_string(),
            Value::BigInt(n) => n.to_string(),
            _ => return Err(malformed(pair.at, WHAT)),
        };
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits.as_str()),
        };
        Decimal::from_parts(negative, digits, exponent).map_err(|e| e.at(tag.at))
    }

    fn decimal_object(&mut self, tag: Head) -> Result<Decimal> {
        let refuse = || unsupported(tag.at, "of tag 27 only [\"decimal\", text] has a form here");
        let pair = head(&mut self.input)?;
        if pair.major != 4 || self.items(pair)? != 2 {
            return Err(refuse());
        }
        let name = head(&mut self.input)?;
        if name.major != 3 || self.text(name)? != DECIMAL_OBJECT {
            return Err(refuse());
        }
        let content = self.expect(3, "a decimal number in tag 27 is text")?;
        let decimal = self.text(content)?.parse::<Decimal>().map_err(|e| e.at(content.at))?;
        self.end(pair)?;
        Ok(decimal)
    }
}
