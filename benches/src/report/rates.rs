//! The table of latencies at fixed rates.

use std::fmt::Write;

use super::columns::columns;
use super::lines::digits_of_ratio;
use super::units::time;
use crate::rate::{Figures, Measured};

const HEAD: [&str; 10] = [
    "what",
    "measured",
    "p50",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "p99.9 to the floor's p50",
    "messages",
    "mark",
];

const PARTS: [f64; 4] = [0.5, 0.99, 0.999, 0.9999];
/// The floor may send one message late per this number of messages.
const LATE_OF: u64 = 1000;

/// Returns p99.9 as a multiple of the floor's median.
fn ratio(figures: &Figures, floor: Option<&Figures>) -> Option<f64> {
    Some(figures.quantile(0.999)? / floor?.quantile(0.5)?)
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn messages(figures: &Figures) -> String {
    let mut text = grouped(figures.sent);
    for (number, what) in [(figures.late, "sent late"), (figures.lost, "lost")] {
        if number > 0 {
            let _ = write!(text, ", {} {what}", grouped(number));
        }
    }
    text
}

/// Returns whether the floor's sender kept its schedule. Otherwise other programs had its processor, and its median
/// is theirs.
fn is_undisturbed(floor: &Figures) -> bool {
    floor.late * LATE_OF <= floor.sent
}

fn mark(goal: f64, ours: Option<&Figures>, floor: Option<&Figures>) -> String {
    let text = digits_of_ratio(goal);
    let Some((reached, floor)) = ours.and_then(|ours| ratio(ours, floor)).zip(floor) else {
        return format!("mark {text}, not measured");
    };
    if !is_undisturbed(floor) {
        return format!("mark {text}, not judged: the floor's sender was late");
    }
    let verdict = if reached <= goal { "met" } else { "missed" };
    let own = ratio(floor, Some(floor)).filter(|own| *own > goal);
    let own = own.map_or_else(String::new, |own| format!("the floor itself {}, ", digits_of_ratio(own)));
    format!("mark {text}, reached {}, {own}{verdict}", digits_of_ratio(reached))
}

fn line(label: String, outcome: &Result<Figures, String>, floor: Option<&Figures>) -> [String; 10] {
    let mut cells: [String; 10] = Default::default();
    cells[1] = label;
    match outcome {
        Err(why) => cells[2] = format!("not measured: {why}"),
        Ok(figures) => {
            for (cell, part) in cells[2..6].iter_mut().zip(PARTS) {
                *cell = figures.quantile(part).map_or_else(|| "–".into(), time);
            }
            cells[6] = time(figures.max());
            cells[7] = ratio(figures, floor).map_or_else(|| "–".into(), digits_of_ratio);
            cells[8] = messages(figures);
        }
    }
    cells
}

fn lines(measured: &Measured) -> Vec<[String; 10]> {
    let row = &measured.row;
    let floor = measured.floor.as_ref().ok();
    let mut lines = Vec::new();
    for (case, outcome) in row.ours.iter().zip(&measured.ours) {
        let mut ours = line(case.label.clone(), outcome, floor);
        ours[9] = row.mark.map_or_else(String::new, |goal| mark(goal, outcome.as_ref().ok(), floor));
        lines.push(ours);
    }
    lines.push(line(format!("floor: {}", row.floor.label), &measured.floor, floor));
    for (case, outcome) in row.peers.iter().zip(&measured.peers) {
        lines.push(line(format!("beside: {}", case.label), outcome, floor));
    }
    if let Some(first) = lines.first_mut() {
        first[0].clone_from(&row.what);
    }
    lines
}

/// Returns the marks as written in the table.
pub fn marks(measured: &[Measured]) -> impl Iterator<Item = String> {
    measured.iter().flat_map(lines).map(|line| line[9].clone())
}

const HOW: &str = "One end sends, the other receives on another processor, one way. The time of each message is fixed in advance, and its latency counts from that time until it was read, by CLOCK_MONOTONIC: a message that waits behind others, or for a sender that is behind its schedule, has that wait in its latency. The sender spins between messages. The receiver spins, or is parked (asleep in the kernel). Burdened: another program computes on the receiver's processor. \"Sent late\" counts messages sent later than an interval after their time.";

pub fn text(measured: &[Measured]) -> String {
    if measured.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = measured.iter().flat_map(lines).collect();
    format!("\n{}\n{HOW}\n", columns(&HEAD, &rows))
}

pub fn markdown(measured: &[Measured]) -> String {
    if measured.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## Latency at fixed rates\n\n{HOW}\n\n");
    let _ = writeln!(text, "| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in measured.iter().flat_map(lines) {
        let _ = writeln!(text, "| {} |", row.join(" | ").replace('\n', " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate;

    /// 100,000 messages; 200 took ten times as long.
    fn figures(level: f64) -> Figures {
        let mut figures = Figures::new().unwrap();
        figures.add(100_000, 12, &[vec![level; 99_800], vec![level * 10.0; 197]].concat());
        figures
    }

    fn measured() -> Measured {
        let row = rate::all().into_iter().find(|row| row.mark.is_some()).unwrap();
        let absent = Err("not installed: apt install libx-dev".to_owned());
        let ours = vec![Ok(figures(300.0)), Ok(figures(100.0))];
        Measured { row, floor: Ok(figures(500.0)), ours, peers: vec![Ok(figures(900.0)), absent] }
    }

    #[test]
    fn row_has_percentiles_counts_and_the_mark_beside_the_median_of_the_floor() {
        let lines = lines(&measured());
        assert_eq!(lines[0][..3], ["64 B at 100 kHz, spinning, idle", "channel", "300 ns"]);
        assert_eq!(lines[0][3..7], ["300 ns", "3.00 µs", "3.00 µs", "3.00 µs"]);
        let counted = "100,000, 12 sent late, 3 lost";
        assert_eq!(lines[0][7..9], ["6.0", counted]);
        assert_eq!(lines[0][9], "mark 2.0, reached 6.0, the floor itself 10.01, missed");
        assert_eq!(lines[1][9], "mark 2.0, reached 2.0, the floor itself 10.01, met");
        assert_eq!(lines[2][1..3], ["floor: copy and spin", "500 ns"]);
        assert_eq!(lines[3][1], "beside: iceoryx2 publish-subscribe");
        assert_eq!(lines[4][2], "not measured: not installed: apt install libx-dev");
        assert_eq!(marks(&[measured()]).filter(|mark| mark.ends_with(", met")).count(), 1);
    }

    #[test]
    fn floor_whose_sender_was_late_judges_nothing() {
        let mut late = figures(500.0);
        late.late = 101;
        let measured = Measured { floor: Ok(late), ..measured() };
        assert_eq!(lines(&measured)[0][9], "mark 2.0, not judged: the floor's sender was late");
    }

    #[test]
    fn floor_that_was_not_measured_leaves_no_mark() {
        let without = Measured { floor: Err("it ended".into()), ..measured() };
        assert_eq!(lines(&without)[0][7..], ["–", "100,000, 12 sent late, 3 lost", "mark 2.0, not measured"]);
    }
}
