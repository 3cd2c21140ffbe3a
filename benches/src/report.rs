//! The table: on the terminal and as the file of results.

mod columns;
mod curves;
mod lines;
mod rates;
#[cfg(test)]
mod tests;
mod units;

pub use units::time;

use std::fmt::Write;
use std::time::Duration;

use crate::rows::Unit;
use crate::schedule::{MOVED, Measured, Plan};
use crate::statistics::{Taken, quantile};
use crate::{environment, growth, rate};
use columns::columns;
use lines::lines;

pub struct Report {
    pub text: String,
    pub markdown: String,
}

const HEAD: [&str; 6] = ["what", "measured", "median (p99)", "ratio to floor", "spread", "mark"];

/// Times of a published comparison for a 10 kB request and answer, in milliseconds, and our row.
const PUBLISHED: [(&str, f64, &str); 5] = [
    ("shared memory", 7.468, "shm 10 kB round trip, parked"),
    ("pipe", 15.954, "fifo 10 kB round trip"),
    ("mailslot", 16.427, "dgram 10 kB there and back"),
    ("file", 270.287, "file 10 kB there and back, the latest value"),
    ("TCP", 994.884, "tcp 10 kB round trip"),
];

/// Equal transports and sizes on another machine: only the order of magnitude is comparable.
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

fn steadiness(measured: &[Measured]) -> String {
    let spreads =
        |of: &dyn Fn(&Measured) -> Option<f64>| measured.iter().filter_map(of).collect::<Vec<f64>>();
    let timed = |m: &Measured| m.row.unit == Unit::Time;
    let ours = spreads(&|m| m.ours.as_ref().ok().filter(|_| timed(m)).map(Taken::spread));
    let floors = spreads(&|m| m.floor.as_ref()?.as_ref().ok().filter(|_| timed(m)).map(Taken::spread));
    let again = measured.iter().filter(|m| m.attempts > 1).count();
    let moved = measured.iter().filter(|m| m.drift() > MOVED).count();
    format!(
        "Spread of the run (interquartile range over median, the median row): ours {:.0} %, floors {:.0} %. {again} rows were \
         measured again because their floor moved by more than {:.0} %; in {moved} it still did.",
        quantile(&ours, 0.5) * 100.0,
        quantile(&floors, 0.5) * 100.0,
        MOVED * 100.0
    )
}

fn marks(measured: &[Measured], rates: &[rate::Measured]) -> String {
    let rows = measured.iter().map(|m| lines(m)[0][5].clone()).chain(rates::marks(rates));
    let rows: Vec<String> = rows.filter(|mark| !mark.is_empty()).collect();
    let met = rows.iter().filter(|mark| mark.ends_with("met")).count();
    let moonshots = rows.iter().filter(|mark| mark.ends_with("moonshot met")).count();
    format!("{met} of {} marks are met, {moonshots} of them as moonshots.", rows.len())
}

pub fn render(
    measured: &[Measured],
    rates: &[rate::Measured],
    plots: &[growth::Measured],
    plan: &Plan,
    took: Duration,
) -> Report {
    let rows: Vec<[String; 6]> = measured.iter().flat_map(lines).collect();
    let facts = environment::describe(took);
    let how = format!(
        "Medians of {} repetitions of about {} ms, taken in turns; in brackets the time that 99 of 100 single operations \
         kept to. The ratio is the median of ratios to the floor right before and right after; the spread is the interquartile \
         range over the median.",
        plan.repetitions,
        plan.round.as_millis()
    );
    let summary = match (measured, rates) {
        ([], []) => "No row was measured.".to_owned(),
        ([], _) => marks(measured, rates),
        _ => format!("{}\n{}", marks(measured, rates), steadiness(measured)),
    };
    let mut markdown = format!("# What Linkspan costs\n\n`make bench` wrote this. {how}\n\n{summary}\n\n");
    for fact in &facts {
        let _ = writeln!(markdown, "- {fact}");
    }
    if !rows.is_empty() {
        let _ = writeln!(markdown, "\n| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    }
    for row in &rows {
        let _ = writeln!(markdown, "| {} |", row.join(" | ").replace('\n', " "));
    }
    let compared = comparison(measured);
    markdown.push_str(&compared);
    markdown.push_str(&rates::markdown(rates));
    markdown.push_str(&curves::markdown(plots));
    let mut text = if rows.is_empty() { String::new() } else { columns(&HEAD, &rows) };
    text.push_str(&compared);
    text.push_str(&rates::text(rates));
    text.push_str(&curves::text(plots));
    let _ = writeln!(text, "\n{how}\n{summary}\n{}", facts.join(" · "));
    Report { text, markdown }
}
