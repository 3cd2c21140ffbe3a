//! Times, sizes and encodings of the command line.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use linkspan::{Encoding, Error, ErrorKind, Result, Timeout};

/// Parses the name of an encoding; completions offer all names.
pub fn encodings() -> impl TypedValueParser<Value = Encoding> {
    PossibleValuesParser::new(Encoding::ALL.map(Encoding::name)).try_map(|name| Encoding::from_name(&name))
}

/// The alternative to a time in a time-out.
pub const OR_FOREVER: &str = " or the word forever";

/// Parses a time-out: a time, or the word "forever".
///
/// # Errors
/// `WrongType` or `OutOfRange`, with the valid forms.
pub fn timeout(text: &str) -> Result<Timeout> {
    if text == "forever" {
        return Ok(Timeout::Forever);
    }
    seconds(text, OR_FOREVER).and_then(Timeout::from_seconds)
}

/// Parses a time.
///
/// # Errors
/// As for [`seconds`].
pub fn duration(text: &str) -> Result<Duration> {
    seconds(text, "").map(Duration::from_secs_f64)
}

/// Parses a refresh interval, from 0.1 s to an hour.
///
/// # Errors
/// As for [`seconds`].
pub fn interval(text: &str) -> Result<Duration> {
    let every = duration(text)?;
    if (0.1..=3600.0).contains(&every.as_secs_f64()) {
        return Ok(every);
    }
    Err(Error::new(ErrorKind::OutOfRange, format!("{text} is not a time from 0.1 s to 1 h")))
}

/// The units of a time, in seconds.
const UNITS: [(&str, f64); 6] =
    [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("min", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

/// Returns a time in seconds from a number with or without a unit. `also` names other valid forms for errors.
///
/// # Errors
/// `WrongType` or `OutOfRange`, with the valid forms.
pub fn seconds(text: &str, also: &str) -> Result<f64> {
    let (number, unit) = UNITS
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?.trim_end(), seconds)))
        .unwrap_or((text, 1.0));
    let parsed = number.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| number * unit);
    match parsed {
        // Longer times overflow clocks.
        Some(seconds) if (0.0..=1e9).contains(&seconds) => Ok(seconds),
        Some(_) => Err(Error::new(
            ErrorKind::OutOfRange,
            format!("{text} is not from 0 to a billion seconds; give such a time{also}"),
        )),
        None => Err(Error::new(
            ErrorKind::WrongType,
            format!(
                "{text:?} is not a time; give seconds (1.5), a number with us, ms, s, min, h or d (500ms){also}"
            ),
        )),
    }
}

/// Parses a size: a number of bytes, optionally with `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`.
///
/// # Errors
/// A text with the valid forms.
pub fn size(text: &str) -> std::result::Result<u64, String> {
    let units = [
        ("KiB", 1_024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("B", 1.0),
        ("", 1.0),
    ];
    let bytes = number(text, &units)
        .ok_or_else(|| "a size is a number of bytes, or one with its unit: 64MiB, 1GiB, 500MB".to_owned())?;
    // Above 2^53 the number is rounded.
    if bytes < 9e18 { Ok(bytes as u64) } else { Err("the size is too large".to_owned()) }
}

fn number(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let (digits, factor) = units.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?.trim_end();
        digits.ends_with(|c: char| c.is_ascii_digit()).then_some((digits, factor))
    })?;
    let number: f64 = digits.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_wrong_ones_a_hint() {
        for (text, seconds) in [
            ("1", 1.0),
            ("0", 0.0),
            (".5", 0.5),
            ("1s", 1.0),
            ("500ms", 0.5),
            ("250us", 0.000_25),
            ("2 min", 120.0),
            ("1.5h", 5400.0),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for (text, hint) in [
            ("-1", "-1 is not from 0 to a billion seconds; give such a time or the word forever"),
            ("-1s", "from 0 to a billion seconds"),
            ("1e99", "from 0 to a billion seconds"),
            ("5 parsecs", "with us, ms, s, min, h or d (500ms) or the word forever"),
            ("", "is not a time; give seconds (1.5)"),
            ("nan", "is not a time; give seconds (1.5)"),
            ("s", "is not a time; give seconds (1.5)"),
        ] {
            let error = timeout(text).unwrap_err();
            assert!(error.text().contains(hint), "{error}");
        }
        assert_eq!(timeout("forever").unwrap(), Timeout::Forever);
        assert!(interval("50ms").unwrap_err().text().contains("from 0.1 s to 1 h"));
    }

    #[test]
    fn sizes_have_units_and_everything_else_is_refused() {
        let sizes = [
            ("17", 17),
            ("1kB", 1_000),
            ("64MiB", 64 << 20),
            ("1.5 GiB", 3 << 29),
            ("2TB", 2_000_000_000_000),
        ];
        sizes.iter().for_each(|(text, bytes)| assert_eq!(size(text), Ok(*bytes), "{text}"));
        for wrong in ["", "s", "-1", "1x", "1e400", "nan", "inf", "1 0", "0x1", "m", "١"] {
            assert!(duration(wrong).is_err() && size(wrong).is_err(), "{wrong}");
        }
    }
}
