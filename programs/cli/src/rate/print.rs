//! Lines of `linkspan rate`: columns for people, JSON for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use linkspan::{Timestamp, Value, one_line, registry};

use super::model::{Counts, Name};
use crate::exit::Exit;
use crate::output;
use crate::spread::{Summary, time};

/// The titles are printed again after this many lines.
const PAGE: usize = 20;
/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

pub struct Printer {
    json: bool,
    since_titles: usize,
    /// The machine of each name that stands for a name of another machine.
    machines: BTreeMap<String, Option<String>>,
}

impl Printer {
    pub fn new(json: bool) -> Printer {
        Printer { json, since_titles: PAGE, machines: BTreeMap::new() }
    }

    /// Prints the lines of one interval. `whole` is the time since the start of the command.
    pub fn lines(&mut self, names: &[(String, Name)], passed: Duration, whole: Duration) -> Result<(), Exit> {
        self.machines.retain(|known, _| names.iter().any(|(name, _)| name == known));
        let mut text = String::new();
        if !self.json && self.since_titles >= PAGE && !names.is_empty() {
            self.since_titles = 0;
            text += &format!("{TITLES}\n");
        }
        for (name, counted) in names {
            self.since_titles = self.since_titles.saturating_add(1);
            let machine = self.machine(name);
            let machine = machine.as_deref();
            if self.json {
                text += &output::json_line(&line(name, counted, machine, passed, whole))?;
                continue;
            }
            text += &row(name, counted, machine, passed);
        }
        output::write(text.as_bytes())
    }

    /// Prints the totals for people. The last line of JSON has them already.
    pub fn totals(&self, names: &[(String, Name)], whole: Duration) -> Result<(), Exit> {
        if self.json {
            return Ok(());
        }
        let mut text = String::new();
        for (name, counted) in names {
            text += &format!(
                "{}: {} messages, {} bytes, {} missed, {} publishers in {:.1} s\n",
                one_line(name),
                counted.total.messages,
                counted.total.bytes,
                counted.missed(),
                counted.publishers,
                whole.as_secs_f64(),
            );
            if counted.uncounted > 0 {
                text += &format!(
                    "{}: {} publishers ended without their last number; messages may be missing that are not counted\n",
                    one_line(name),
                    counted.uncounted,
                );
            }
            if let Some(Some(machine)) = self.machines.get(name) {
                text += &format!(
                    "{}: the delay contains the difference between the clocks here and on {}, which is not measured\n",
                    one_line(name),
                    one_line(machine),
                );
            }
        }
        output::write(text.as_bytes())
    }

    fn machine(&mut self, name: &str) -> Option<String> {
        let found = self.machines.entry(name.to_owned()).or_insert_with(|| {
            // The machine of a closed name, or of a name at an absolute path, is unknown.
            registry::machine(name).ok().flatten()
        });
        found.clone()
    }
}

const TITLES: &str = concat!(
    "     MSG/S    BYTES/S      SIZE",
    "  INTERVAL  min/median/max    JITTER",
    "     DELAY  min/median/max    MISSED  NAME"
);

fn row(name: &str, counted: &Name, machine: Option<&str>, passed: Duration) -> String {
    let Counts { messages, bytes, missed } = counted.counts;
    let seconds = passed.as_secs_f64();
    let intervals = counted.intervals.summary(SECOND);
    let size = counted.sizes.summary(1.0).map_or_else(|| "-".into(), |size| format!("{:.0}", size.median));
    let jitter = intervals.as_ref().map_or_else(|| "-".into(), |found| time(found.deviation));
    let machine = machine.map_or_else(String::new, |machine| format!(" ({})", one_line(machine)));
    format!(
        "{:>10.1} {:>10.0} {size:>9} {:>26} {jitter:>9} {:>26} {missed:>9}  {}{machine}\n",
        messages as f64 / seconds,
        bytes as f64 / seconds,
        times(intervals),
        times(counted.delays.summary(SECOND)),
        one_line(name),
    )
}

fn times(found: Option<Summary>) -> String {
    let shown = |found: Summary| [found.least, found.median, found.greatest].map(time).join("/");
    found.map_or_else(|| "-".into(), shown)
}

fn line(name: &str, counted: &Name, machine: Option<&str>, passed: Duration, whole: Duration) -> Value {
    let seconds = passed.as_secs_f64();
    let Counts { messages, bytes, missed } = counted.counts;
    let map = |found: Option<Summary>| found.map_or(Value::Null, |found| Value::map(found.entries()));
    let interval = counted.intervals.summary(SECOND).map_or(Value::Null, |found| {
        Value::map(found.entries().into_iter().chain([("jitter", Value::from(found.deviation))]))
    });
    let total = Value::map([
        ("seconds", Value::from(whole.as_secs_f64())),
        ("messages", counted.total.messages.into()),
        ("bytes", counted.total.bytes.into()),
        ("missed", counted.missed().into()),
        ("publishers", counted.publishers.into()),
        ("uncounted_publishers", counted.uncounted.into()),
    ]);
    Value::map([
        ("at", Value::from(Timestamp::now())),
        ("name", name.into()),
        ("machine", machine.map(str::to_owned).into()),
        ("seconds", seconds.into()),
        ("messages", messages.into()),
        ("bytes", bytes.into()),
        ("missed", missed.into()),
        ("messages_per_second", (messages as f64 / seconds).into()),
        ("bytes_per_second", (bytes as f64 / seconds).into()),
        ("size", map(counted.sizes.summary(1.0))),
        ("interval", interval),
        ("delay", map(counted.delays.summary(SECOND))),
        ("total", total),
    ])
}
