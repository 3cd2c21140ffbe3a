//! Sizes in bytes, with their unit.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes, with a unit in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

const UNITS: [(&str, usize); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))
            .unwrap_or((text, 1));
        let number = digits.trim_end().parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
        number.map(Size).ok_or_else(|| {
            format!("{text:?} is not a size; give a whole number with its unit, such as \"64MiB\"")
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_everything_else_is_refused() {
        for (text, bytes) in [("17", 17), ("0", 0), ("2kB", 2_000), ("64MiB", 64 << 20), ("1 GiB", 1 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for wrong in ["", "MiB", "-1", "1.5MiB", "1 TiB", "1e3", "99999999999GiB", "64mib"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
