//! Units in UCUM notation: which are known, and how two units differ.
//!
//! The crate `ucum-units` parses the case-sensitive form of UCUM (<https://ucum.org/ucum>). Numbers
//! are never converted: a connection between programs with different units is refused with the
//! factor, and a person decides.

use crate::error::quoted;

const MAX_LENGTH: usize = 64;

pub(super) fn check(unit: &str) -> Result<(), String> {
    if unit.is_empty() || unit.len() > MAX_LENGTH {
        return Err(format!(
            "a unit has 1 to {MAX_LENGTH} characters; a number without unit has unit = \"1\""
        ));
    }
    ucum::analyze(unit).map(|_| ()).map_err(|error| {
        format!(
            "UCUM does not know the unit {}: {error}; examples are \"W\", \"m/s\", \"Cel\", \"[degF]\", \"%\", \"1\"",
            quoted(unit)
        )
    })
}

/// Returns how a number in the writer's unit differs from this number in the reader's unit.
///
/// `None` if both have one meaning. `writer_is` and `reader_is` are the words for the two sides:
/// "there" and "here".
pub(super) fn difference(
    writer: Option<&str>,
    reader: Option<&str>,
    writer_is: &str,
    reader_is: &str,
) -> Option<String> {
    let (Some(writer_unit), Some(reader_unit)) = (writer, reader) else {
        return match (writer, reader) {
            (Some(unit), None) => {
                Some(format!("the unit is {unit} {writer_is}, and there is none {reader_is}"))
            }
            (None, Some(unit)) => Some(format!("there is no unit {writer_is}, and {unit} {reader_is}")),
            _ => None,
        };
    };
    if writer_unit == reader_unit {
        return None;
    }
    let both = format!("the unit is {writer_unit} {writer_is} and {reader_unit} {reader_is}");
    let (Ok(a), Ok(b)) = (ucum::analyze(writer_unit), ucum::analyze(reader_unit)) else {
        return Some(both);
    };
    // The dimension is the combination of base units, such as m/s.
    if a.dimension != b.dimension {
        return Some(format!("{both}, which measure different things"));
    }
    // Special units, such as degrees Celsius or decibels, are not multiples of other units.
    if a.is_special || b.is_special || a.offset != b.offset {
        return Some(format!("{both}, and no factor leads from one to the other"));
    }
    let factor = a.factor / b.factor;
    // Factors are products of decimal numbers, so two notations of one unit may differ by rounding.
    if (factor - 1.0).abs() < 1e-12 {
        return None;
    }
    Some(format!("{both}: 1 {writer_unit} is {factor} {reader_unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_unit_written_in_two_ways_is_no_difference() {
        for (there, here) in [("W", "J/s"), ("m/s2", "m.s-2"), ("L", "dm3"), ("km", "km")] {
            assert_eq!(difference(Some(there), Some(here), "there", "here"), None, "{there} {here}");
        }
        assert_eq!(difference(None, None, "there", "here"), None);
    }

    #[test]
    fn different_units_name_the_factor_or_the_reason() {
        let describe = |there, here| difference(there, here, "there", "here").unwrap();
        assert!(describe(Some("kW"), Some("W")).ends_with("1 kW is 1000 W"));
        assert!(describe(Some("W"), Some("V")).contains("different things"));
        assert!(describe(Some("Cel"), Some("K")).contains("no factor"));
        assert!(describe(Some("W"), None).contains("none here"));
        assert!(describe(None, Some("W")).contains("no unit there"));
    }

    #[test]
    fn unknown_units_are_refused_with_examples() {
        for unit in ["Watt", "", "m//s", "(((", &"m".repeat(65)] {
            check(unit).unwrap_err();
        }
        assert!(check("Watt").unwrap_err().contains("\"Watt\""));
        for unit in ["W", "m/s", "Cel", "[degF]", "%", "1", "Hz", "ug/m3", "dB"] {
            check(unit).unwrap_or_else(|why| panic!("{unit}: {why}"));
        }
    }
}
