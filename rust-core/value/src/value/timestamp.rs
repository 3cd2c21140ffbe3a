//! Instants: nanoseconds since 1970-01-01T00:00:00Z, and their RFC 3339 text.
//!
//! A signed 64-bit count: arithmetic is exact, and every binding converts it without loss. It has no leap seconds and
//! no time zone; parsing converts text with an offset to UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Result, quoted};

/// An instant: nanoseconds since 1970-01-01T00:00:00Z, from 1677-09-21 to 2262-04-11.
///
/// Leap seconds do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Timestamp {
    /// Returns the time of the system clock, which may be set back.
    pub fn now() -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(after.as_nanos() as i64),
            Err(before) => Timestamp(-(before.duration().as_nanos() as i64)),
        }
    }

    /// Returns the instant of whole seconds and nanoseconds after them.
    ///
    /// `nanoseconds` may be negative or above 999,999,999.
    ///
    /// # Errors
    ///
    /// `OutOfRange` outside the years 1677 to 2262.
    pub fn from_parts(seconds: i64, nanoseconds: i64) -> Result<Timestamp> {
        let total = i128::from(seconds) * i128::from(SECOND) + i128::from(nanoseconds);
        match i64::try_from(total) {
            Ok(total) => Ok(Timestamp(total)),
            Err(_) => Err(Error::new(
                ErrorKind::OutOfRange,
                format!(
                    "{seconds} s since 1970 does not fit a timestamp, which reaches from 1677-09-21 to 2262-04-11"
                ),
            )),
        }
    }

    /// Returns the nanoseconds since 1970.
    pub const fn nanoseconds(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since 1970, rounded down, and the nanoseconds after them.
    pub const fn parts(self) -> (i64, u32) {
        (self.0.div_euclid(SECOND), self.0.rem_euclid(SECOND) as u32)
    }
}

/// Converts days since 1970-01-01 to year, month, day, in the proleptic Gregorian calendar.
///
/// This is Howard Hinnant's `civil_from_days`, in the public domain.
fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn days(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Writes RFC 3339 in UTC, with the fewest exact digits of the second: 0, 3, 6 or 9.
///
/// `2026-03-01T12:00:00.25Z` is written `2026-03-01T12:00:00.250Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) = self.parts();
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let s = seconds.rem_euclid(DAY);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)?;
        match ns {
            0 => {}
            ns if ns % 1_000_000 == 0 => write!(f, ".{:03}", ns / 1_000_000)?,
            ns if ns % 1_000 == 0 => write!(f, ".{:06}", ns / 1_000)?,
            ns => write!(f, ".{ns:09}")?,
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Parses RFC 3339: any offset from UTC, at most nine digits after the second, no leap second.
    ///
    /// # Errors
    ///
    /// `Malformed` for other text, `OutOfRange` for an instant that does not fit.
    fn from_str(text: &str) -> Result<Timestamp> {
        parse(text.as_bytes()).ok_or_else(|| {
            let text = format!(
                "{text} is not a time as RFC 3339 writes it, such as 2026-03-01T12:00:00.5Z",
                text = quoted(text)
            );
            Error::new(ErrorKind::Malformed, text)
        })?
    }
}

fn parse(text: &[u8]) -> Option<Result<Timestamp>> {
    let number = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)?
            .iter()
            .try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let literal = |at: usize, any: &[u8]| text.get(at).filter(|c| any.contains(c));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    literal(4, b"-")?;
    literal(7, b"-")?;
    literal(10, b"Tt ")?;
    literal(13, b":")?;
    literal(16, b":")?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut ns = 0;
    if literal(at, b".").is_some() {
        let digits = text[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        ns = number(at + 1, at + 1 + digits)? * 10i64.pow(9 - digits as u32);
        at += 1 + digits;
    }
    let offset = match *literal(at, b"Zz+-")? {
        b'Z' | b'z' => {
            at += 1;
            0
        }
        sign => {
            literal(at + 3, b":")?;
            let (h, m) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if h > 23 || m > 59 {
                return None;
            }
            at += 6;
            (h * 3600 + m * 60) * if sign == b'-' { -1 } else { 1 }
        }
    };
    if at != text.len() {
        return None;
    }
    let seconds = days(year, month as u32, day as u32) * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp::from_parts(seconds, ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_text_round_trips() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_251_082_000_250_000_000, "2009-08-24T02:46:40.250Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (951_782_400_000_001_000, "2000-02-29T00:00:00.000001Z"),
        ] {
            assert_eq!(Timestamp(ns).to_string(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap(), Timestamp(ns));
        }
        assert_eq!("1970-01-01t01:00:00.5+01:00".parse::<Timestamp>().unwrap(), Timestamp(500_000_000));
    }

    #[test]
    fn timestamp_refuses_text_that_is_not_a_time() {
        for text in [
            "",
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00Zx",
            "1900-02-29T00:00:00Z",
            "+970-01-01T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap_err().kind(), ErrorKind::Malformed, "{text}");
        }
        assert_eq!("2262-04-12T00:00:00Z".parse::<Timestamp>().unwrap_err().kind(), ErrorKind::OutOfRange);
    }
}
