//! Times and sizes of the command line: numbers with units.

use std::time::Duration;

/// Reads a time: a number of seconds, or one with `ms`, `s`, `min` or `h`.
///
/// # Errors
/// A text that says what is taken.
pub fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("min", 60.0), ("h", 3_600.0), ("s", 1.0), ("", 1.0)];
    let seconds = number(text, &units).ok_or_else(|| {
        "a time is a number of seconds, or one with its unit: 500ms, 10s, 5min, 2h".to_owned()
    })?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "the time is too long".to_owned())
}

/// Reads a size: a number of bytes, or one with `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`.
///
/// # Errors
/// A text that says what is taken.
pub fn size(text: &str) -> Result<u64, String> {
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
    // Above 2^53 the number is rounded, as the text was.
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
    fn units_are_understood_and_everything_else_is_refused() {
        let times = [
            ("3", 3_000),
            ("0.5", 500),
            ("500ms", 500),
            ("10 s", 10_000),
            ("5min", 300_000),
            ("2h", 7_200_000),
        ];
        times.iter().for_each(|(text, ms)| assert_eq!(time(text), Ok(Duration::from_millis(*ms)), "{text}"));
        let sizes = [
            ("17", 17),
            ("1kB", 1_000),
            ("64MiB", 64 << 20),
            ("1.5 GiB", 3 << 29),
            ("2TB", 2_000_000_000_000),
        ];
        sizes.iter().for_each(|(text, bytes)| assert_eq!(size(text), Ok(*bytes), "{text}"));
        for wrong in ["", "s", "-1", "1x", "1e400", "nan", "inf", "1 0", "0x1", "m", "١"] {
            assert!(time(wrong).is_err() && size(wrong).is_err(), "{wrong}");
        }
    }
}
