//! Figures with three digits in their row's unit.

use crate::rows::Unit;

fn digits(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

pub fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 999.5 => (n, "ns"),
        n if n < 999.5e3 => (n / 1e3, "µs"),
        n if n < 999.5e6 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

pub fn amount(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time | Unit::TimeOfItsOwn => time(value),
        Unit::CpuPerMillion => format!("{} s", digits(value / 1e3)),
        Unit::Bytes if value >= 1048576.0 => format!("{} MiB", digits(value / 1048576.0)),
        Unit::Bytes => format!("{} KiB", digits(value / 1024.0)),
        Unit::Count => format!("{value:.0}"),
    }
}
