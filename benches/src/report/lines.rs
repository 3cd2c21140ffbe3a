//! A row as lines of the table: ours with its mark, its floor, its peers.

use super::units::amount;
use crate::rows::{Case, Mark, Unit};
use crate::schedule::{MOVED, Measured};
use crate::statistics::Taken;
use crate::worker_process::Outcome;

fn figures(unit: Unit, taken: &Taken) -> String {
    let median = amount(unit, taken.median());
    taken.p99().map_or_else(|| median.clone(), |p99| format!("{median} ({})", amount(unit, p99)))
}

fn mark(measured: &Measured, ratio: Option<f64>) -> String {
    let unit = measured.row.unit;
    let ours = measured.ours.as_ref().ok().map(Taken::median);
    let (goal, moonshot, reached, text) = match measured.row.mark {
        None => return String::new(),
        Some(Mark::Ratio(goal, moonshot)) => {
            (goal, Some(moonshot), ratio, (|_, ratio| digits_of_ratio(ratio)) as fn(Unit, f64) -> String)
        }
        Some(Mark::Most(goal)) => (goal, None, ours, amount as fn(Unit, f64) -> String),
    };
    let Some(reached) = reached else { return format!("mark {}, not measured", text(unit, goal)) };
    let verdict = match moonshot {
        Some(moonshot) if reached <= moonshot => ", moonshot met",
        _ if reached <= goal => ", met",
        _ => ", missed",
    };
    format!("mark {}, reached {}{verdict}", text(unit, goal), text(unit, reached))
}

pub fn digits_of_ratio(ratio: f64) -> String {
    let text = format!("{ratio:.2}");
    text.strip_suffix('0').map_or(text.clone(), str::to_owned)
}

fn line(
    what: &str,
    unit: Unit,
    case: &Case,
    outcome: &Outcome,
    floor: Option<&Taken>,
    mark: String,
) -> [String; 6] {
    let (figure, ratio, spread) = match outcome {
        Ok(taken) => (
            figures(unit, taken),
            floor.map_or_else(String::new, |floor| format!("{:.2}", taken.ratio(floor))),
            format!("{:.0} %", taken.spread() * 100.0),
        ),
        Err(why) => (format!("not measured: {why}"), String::new(), String::new()),
    };
    [what.to_owned(), case.label.clone(), figure, ratio, spread, mark]
}

pub fn lines(measured: &Measured) -> Vec<[String; 6]> {
    let row = &measured.row;
    let floor = measured.floor.as_ref().and_then(|floor| floor.as_ref().ok());
    let ratio = measured.ours.as_ref().ok().zip(floor).map(|(ours, floor)| ours.ratio(floor));
    let mut lines = vec![line(&row.what, row.unit, &row.ours, &measured.ours, floor, mark(measured, ratio))];
    if let (Some(case), Some(outcome)) = (&row.floor, &measured.floor) {
        let mut below = line("", row.unit, case, outcome, None, String::new());
        below[1] = format!("floor: {}", case.label);
        if measured.attempts > 1 || measured.drift() > MOVED {
            let times = measured.attempts;
            below[5] = format!("the floor moved by {:.0} %; measured {times} ×", measured.drift() * 100.0);
        }
        lines.push(below);
    }
    for (case, outcome) in row.peers.iter().zip(&measured.peers) {
        let mut below = line("", row.unit, case, outcome, floor, String::new());
        below[1] = format!("beside: {}", case.label);
        lines.push(below);
    }
    lines
}
