//! The table: on the terminal and as the file of results.

use std::fmt::Write;

use crate::conductor::{Measured, Outcome, Plan};
use crate::environment;
use crate::rows::{Case, Mark};

/// The table in its two forms.
pub struct Report {
    /// For the terminal.
    pub text: String,
    /// For the file.
    pub markdown: String,
}

const HEAD: [&str; 6] =
    ["what", "ours (p99)", "floor (p99)", "ours / floor", "mark", "others on the same work"];

/// Who does similar work and is not in the table, and why.
const ABSENT: &str = "Not measured: iceoryx2 (its build wants libclang and had not ended after a quarter of an hour); \
                      nng and Redis (not tried).";

/// A time with three digits.
fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n => (n / 1e6, "ms"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

fn cell(case: &Case, outcome: &Outcome) -> String {
    match outcome {
        Ok(taken) => format!("{} {} ({})", case.label, time(taken.median()), time(taken.p99())),
        Err(why) => format!("{} not measured: {why}", case.label),
    }
}

fn mark(measured: &Measured, ratio: Option<f64>) -> String {
    let Some(mark) = measured.row.mark else { return String::new() };
    let (goal, reached) = match mark {
        Mark::Ratio(goal) => (format!("≤ {goal}"), ratio.map(|r| r <= goal)),
        Mark::Nanoseconds(goal) => {
            (format!("≤ {}", time(goal)), measured.ours.as_ref().ok().map(|t| t.median() <= goal))
        }
    };
    let verdict = match reached {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "unknown",
    };
    format!("{goal} {verdict}")
}

fn cells(measured: &Measured) -> [String; 6] {
    let ratio = match (&measured.ours, &measured.floor) {
        (Ok(ours), Ok(floor)) => Some(ours.ratio(floor)),
        _ => None,
    };
    let row = &measured.row;
    let peers: Vec<String> = row.peers.iter().zip(&measured.peers).map(|(c, o)| cell(c, o)).collect();
    [
        row.what.clone(),
        cell(&row.ours, &measured.ours),
        cell(&row.floor, &measured.floor),
        ratio.map_or_else(String::new, |r| format!("{r:.2}")),
        mark(measured, ratio),
        peers.join("; "),
    ]
}

/// What a published comparison gave for a request of 10 kB and its answer, in milliseconds, and our row for the same.
const PUBLISHED: [(&str, f64, &str); 5] = [
    ("shared memory", 7.468, "shm 10 kB round trip, parked"),
    ("pipe", 15.954, "fifo 10 kB round trip"),
    ("mailslot", 16.427, "dgram 10 kB there and back"),
    ("file", 270.287, "file 10 kB there and back, the latest value"),
    ("TCP", 994.884, "tcp 10 kB round trip"),
];

/// The same five transports and the same size; on another machine, so that only the order of magnitude says something.
fn comparison(measured: &[Measured]) -> String {
    let mut table = String::from(
        "\nA request of 10 kB and its answer, beside a published comparison of other software on another machine:\n\n\
         | transport | published | ours |\n|---|---|---|\n",
    );
    let mut any = false;
    for (transport, published, what) in PUBLISHED {
        let Some(Ok(ours)) = measured.iter().find(|m| m.row.what == what).map(|m| &m.ours) else { continue };
        any = true;
        let _ = writeln!(table, "| {transport} | {published} ms | {} |", time(ours.median()));
    }
    if any { table } else { String::new() }
}

/// Draws the table.
pub fn render(measured: &[Measured], plan: &Plan) -> Report {
    let rows: Vec<[String; 6]> = measured.iter().map(cells).collect();
    let facts = environment::describe();
    let how = format!(
        "Medians of {} repetitions of about {} ms, taken in turns; in brackets the time that 99 of 100 single operations \
         kept to. The ratio is the median of ratios to the floor right before and right after.",
        plan.repetitions,
        plan.round.as_millis()
    );
    let mut markdown = format!("# What Linkspan costs\n\n`make bench` wrote this. {how}\n\n");
    for fact in &facts {
        let _ = writeln!(markdown, "- {fact}");
    }
    let _ = writeln!(markdown, "\n| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in &rows {
        let _ = writeln!(markdown, "| {} |", row.join(" | ").replace('\n', " "));
    }
    let compared = comparison(measured);
    markdown.push_str(&compared);
    let width = |column: usize| {
        let cells = rows.iter().map(|r| r[column].chars().count());
        cells.chain([HEAD[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    let head: [String; 6] = HEAD.map(str::to_owned);
    for row in std::iter::once(&head).chain(&rows) {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    text.push_str(&compared);
    let _ = writeln!(text, "\n{how} {ABSENT}\n{}", facts.join(" · "));
    let _ = writeln!(markdown, "\n{ABSENT}");
    Report { text, markdown }
}
