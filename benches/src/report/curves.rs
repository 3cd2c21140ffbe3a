//! The curves in words: range, slope, which are worse than linear, which points are missing and why.

use std::fmt::Write;

use super::columns::columns;
use super::units::time;
use crate::growth::{Curve, Measured, Verdict, amount};
use crate::statistics::slope;

const HEAD: [&str; 6] = ["what grows", "curve", "from, to", "slope", "ratio to floor", "missing"];

/// Returns the ratio of a curve to its floor at each point, and the ratio's slope.
fn ratio(plot: &Measured, index: usize) -> String {
    let Some(points) = plot.ratio(index) else { return String::new() };
    let all = points.iter().map(|(_, ratio)| format!("{ratio:.2}")).collect::<Vec<_>>().join(", ");
    let slope = slope(&points).map_or_else(|| "–".into(), |slope| format!("{slope:.2}"));
    format!("{all}: slope {slope}")
}

fn rows(plots: &[Measured]) -> Vec<[String; 6]> {
    let mut rows = Vec::new();
    for plot in plots {
        for (index, curve) in plot.curves.iter().enumerate() {
            let at = |x: f64, y: f64| format!("{} in {}", amount(plot.plot.axis, x), time(y));
            let range = match (curve.points.first(), curve.points.last()) {
                (Some(first), Some(last)) => format!("{}, {}", at(first.0, first.1), at(last.0, last.1)),
                _ => String::new(),
            };
            let verdict =
                if curve.ours { format!(" ({})", plot.verdict(index).text()) } else { String::new() };
            let slope = curve.slope().map_or_else(|| "–".into(), |slope| format!("{slope:.2}"));
            let missing =
                curve.missing.iter().map(|(x, why)| format!("{}: {why}", amount(plot.plot.axis, *x as f64)));
            rows.push([
                if index == 0 { plot.plot.what.to_owned() } else { String::new() },
                if curve.ours { curve.label.clone() } else { format!("floor: {}", curve.label) },
                range,
                format!("{slope}{verdict}"),
                ratio(plot, index),
                missing.collect::<Vec<_>>().join("; "),
            ]);
        }
    }
    rows
}

/// Returns our curves that are worse than linear, with the steepest floor of the same growth.
fn summary(plots: &[Measured]) -> String {
    let named = plots.iter().flat_map(|plot| (0..plot.curves.len()).map(move |index| (plot, index)));
    let worse: Vec<String> = named
        .filter(|(plot, index)| plot.curves[*index].ours && plot.verdict(*index) == Verdict::WorseThanLinear)
        .map(|(plot, index)| {
            let curve = &plot.curves[index];
            let floors = plot.curves.iter().filter(|curve| !curve.ours).filter_map(Curve::slope);
            let floor = floors.reduce(f64::max).map(|slope| format!(", its steepest floor {slope:.2}"));
            let (own, floor) = (curve.slope().unwrap_or_default(), floor.unwrap_or_default());
            format!("{} ({}: {own:.2}{floor})", plot.plot.what, curve.label)
        })
        .collect();
    if worse.is_empty() {
        "Nothing grows worse than linear.".into()
    } else {
        format!("Worse than linear: {}.", worse.join("; "))
    }
}

const HOW: &str = "The slope is that of log time over log size, by least squares over the upper half of the range: 1 is linear, 0 is constant. A curve is worse than linear above 1.15. Where the kernel makes the floor beside it steeper than 1, that excess is taken off: then the slope of the ratio to this floor counts, above 0.15.";

pub fn text(plots: &[Measured]) -> String {
    if plots.is_empty() {
        return String::new();
    }
    format!("\n{}\n{HOW} {}\n", columns(&HEAD, &rows(plots)), summary(plots))
}

/// Returns the text for the file, with the pictures.
pub fn markdown(plots: &[Measured]) -> String {
    if plots.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## Cost as the work grows\n\n{HOW} {}\n\n", summary(plots));
    let _ = writeln!(text, "| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows(plots) {
        let _ = writeln!(text, "| {} |", row.join(" | ").replace('\n', " "));
    }
    text.push('\n');
    for plot in plots {
        let _ = writeln!(text, "![{}](plots/{})", plot.plot.what, plot.plot.file);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth;

    #[test]
    fn curve_worse_than_linear_is_named_and_what_is_missing_has_its_reason() {
        let plot = growth::all().remove(0);
        let points = |power: f64| (0..6).map(|i| 4f64.powi(i)).map(|x| (x, 1e3 * x.powf(power))).collect();
        let missing = vec![(1000, "does not fit: too small".to_owned())];
        let curves = vec![
            Curve { label: "shm".into(), ours: true, points: points(1.6), missing },
            Curve { label: "unix".into(), ours: true, points: points(1.0), missing: vec![] },
            Curve { label: "connect".into(), ours: false, points: points(1.5), missing: vec![] },
        ];
        let text = markdown(&[Measured { plot, curves }]);
        let named = "Worse than linear: growth: connections opened, all together (shm: 1.60, its steepest floor 1.50).";
        assert!(text.contains(named), "{text}");
        assert!(text.contains("1.60 (worse than linear)") && text.contains("1.00 (linear)"), "{text}");
        assert!(text.contains("1 k: does not fit: too small"), "{text}");
        assert!(text.contains("](plots/connections-opened.svg)"), "{text}");
    }
}
