//! Units as UCUM writes them: whether one is known, and how two of them differ.
//!
//! UCUM, the Unified Code for Units of Measure (<https://ucum.org/ucum>), is read in its case-sensitive form by the crate `ucum-units`.

use crate::error::quoted;

/// The longest unit, in bytes.
const LONGEST: usize = 64;

/// Why this is no unit.
pub(super) fn check(unit: &str) -> Result<(), String> {
    if unit.is_empty() || unit.len() > LONGEST {
        return Err(format!("a unit has 1 to {LONGEST} characters; a number without unit has unit = \"1\""));
    }
    ucum::analyze(unit).map(|_| ()).map_err(|error| {
        format!(
            "UCUM does not know the unit {}: {error}; examples are \"W\", \"m/s\", \"Cel\", \"[degF]\", \"%\", \"1\"",
            quoted(unit)
        )
    })
}

/// How a number in the writer's unit differs from the same number in the reader's; nothing where both mean the same. `writer_is`
/// and `reader_is` say where each of them is: "there" and "here".
pub(super) fn difference(
    writer: Option<&str>,
    reader: Option<&str>,
    writer_is: &str,
    reader_is: &str,
) -> Option<String> {
    let (Some(theirs), Some(ours)) = (writer, reader) else {
        return match (writer, reader) {
            (Some(unit), None) => {
                Some(format!("the unit is {unit} {writer_is}, and there is none {reader_is}"))
            }
            (None, Some(unit)) => Some(format!("there is no unit {writer_is}, and {unit} {reader_is}")),
            _ => None,
        };
    };
    if theirs == ours {
        return None;
    }
    let both = format!("the unit is {theirs} {writer_is} and {ours} {reader_is}");
    let (Ok(a), Ok(b)) = (ucum::analyze(theirs), ucum::analyze(ours)) else {
        return Some(both);
    };
    if a.dimension != b.dimension {
        return Some(format!("{both}, which measure different things"));
    }
    if a.is_special || b.is_special || a.offset != b.offset {
        return Some(format!("{both}, and no factor leads from one to the other"));
    }
    let factor = a.factor / b.factor;
    // Factors are products of decimal numbers: two ways to write one unit differ by roundings.
    if (factor - 1.0).abs() < 1e-12 {
        return None;
    }
    Some(format!("{both}: 1 {theirs} is {factor} {ours}"))
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
        let said = |there, here| difference(there, here, "there", "here").unwrap();
        assert!(said(Some("kW"), Some("W")).ends_with("1 kW is 1000 W"));
        assert!(said(Some("W"), Some("V")).contains("different things"));
        assert!(said(Some("Cel"), Some("K")).contains("no factor"));
        assert!(said(Some("W"), None).contains("none here"));
        assert!(said(None, Some("W")).contains("no unit there"));
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
