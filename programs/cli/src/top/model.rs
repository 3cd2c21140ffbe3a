//! The model of the live view: rows from samples, rates between two samples, order and filter.
//!
//! Pure: it uses no clock, no terminal and no controller.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::collections::HashMap;

use linkspan::{Value, one_line};

use super::columns::{Cell, Table, cell, text, wrong};
use crate::display;

impl Table {
    fn counter(self) -> &'static str {
        match self {
            Table::Endpoints => "messages",
            Table::Services => "steps",
        }
    }

    /// The name, and the identity of an incarnation, which counts from 0.
    fn identity(self, record: &Value) -> (String, String) {
        let word = |key: &str| record.at(key).map(display::lines).unwrap_or_default();
        match self {
            Table::Endpoints => (word("endpoint"), word("pid")),
            Table::Services => (word("name"), word("epoch")),
        }
    }

    /// Closer counts, in seconds, show a burst: a service sends its count at any change.
    fn min_interval(self) -> f64 {
        match self {
            Table::Endpoints => 0.02,
            Table::Services => 0.5,
        }
    }

    /// A service sends its count now and then; an endpoint was queried just now.
    fn count_time(self, record: &Value, looked: f64) -> f64 {
        match self {
            Table::Endpoints => looked,
            Table::Services => record.at("last_seen").ok().and_then(seconds_of).unwrap_or(looked),
        }
    }

    /// A count that has not changed for this many seconds has stopped.
    ///
    /// Other messages of a service, such as an answer, need not contain its count; each heartbeat does.
    fn idle_after(self) -> f64 {
        match self {
            Table::Endpoints => 0.0,
            Table::Services => 6.0,
        }
    }
}

fn seconds_of(value: &Value) -> Option<f64> {
    let (seconds, nanoseconds) = value.as_timestamp().ok()?.parts();
    Some(seconds as f64 + f64::from(nanoseconds) / 1e9)
}

#[derive(Default)]
pub struct Samples {
    records: Vec<Value>,
    known: HashMap<(String, String), Counter>,
}

#[derive(Clone, Copy)]
struct Counter {
    count: u64,
    at: f64,
    rate: Option<f64>,
}

impl Samples {
    /// Adds the records of a new sample, taken at this second of any monotonic clock.
    pub fn take(&mut self, kind: Table, records: Vec<Value>, at: f64) {
        let mut known = HashMap::new();
        for record in &records {
            let identity = kind.identity(record);
            let Some(count) = record.at(kind.counter()).ok().and_then(|n| n.as_u64().ok()) else { continue };
            let at = kind.count_time(record, at);
            let counted = match self.known.get(&identity) {
                // A lower count belongs to another incarnation.
                Some(before) if count >= before.count => match at - before.at {
                    passed if passed < kind.min_interval() => *before,
                    passed if count == before.count && passed < kind.idle_after() => *before,
                    passed => {
                        Counter { count, at, rate: Some(count.saturating_sub(before.count) as f64 / passed) }
                    }
                },
                _ => Counter { count, at, rate: None },
            };
            known.insert(identity, counted);
        }
        self.known = known;
        self.records = records;
    }

    pub fn refresh(&mut self, kind: Table, record: Value) {
        let (name, _) = kind.identity(&record);
        match self.records.iter_mut().find(|known| kind.identity(known).0 == name) {
            Some(known) => *known = record,
            None => self.records.push(record),
        }
    }

    pub fn forget(&mut self, kind: Table, name: &str) {
        self.records.retain(|record| kind.identity(record).0 != name);
    }

    pub fn rows(&self, kind: Table) -> Vec<Row> {
        self.records.iter().map(|record| self.row(kind, record)).collect()
    }

    fn row(&self, kind: Table, record: &Value) -> Row {
        let rate = self.rate(kind, record);
        let cells = kind.columns().iter().map(|column| cell(column, record, rate)).collect();
        Row {
            name: one_line(&kind.identity(record).0).to_string(),
            state: text(record, "state").to_owned(),
            problem: one_line(wrong(record)).to_string(),
            cells,
        }
    }

    fn rate(&self, kind: Table, record: &Value) -> Option<f64> {
        // Without work or heartbeats there is no rate.
        let works = text(record, "state") == "RUNNING" && text(record, "view") == "CONNECTED";
        if kind == Table::Services && !works {
            return None;
        }
        self.known.get(&kind.identity(record)).and_then(|counted| counted.rate)
    }

    pub fn to_value(&self, kind: Table) -> Value {
        let key = match kind {
            Table::Endpoints => "messages_per_second",
            Table::Services => "steps_per_second",
        };
        let with_rate = |record: &Value| match record {
            Value::Map(entries) => {
                let mut entries = entries.clone();
                entries.insert(key.to_owned(), self.rate(kind, record).into());
                Value::Map(entries)
            }
            other => other.clone(),
        };
        Value::Array(self.records.iter().map(with_rate).collect())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    /// The state of a service; empty for an endpoint.
    pub state: String,
    /// Its problem; empty for none.
    pub problem: String,
    pub cells: Vec<Cell>,
}

impl Row {
    /// Returns whether a word contains the filter, without regard to case.
    fn passes(&self, filter: &str) -> bool {
        let has = |text: &str| text.to_lowercase().contains(filter);
        has(&self.problem) || self.cells.iter().any(|cell| matches!(cell, Cell::Text(text) if has(text)))
    }
}

/// The rows that match the filter, by a column and then by name.
pub fn arranged(rows: &[Row], filter: &str, by: usize, reversed: bool) -> Vec<Row> {
    let filter = filter.to_lowercase();
    let mut rows: Vec<Row> = rows.iter().filter(|row| row.passes(&filter)).cloned().collect();
    rows.sort_by(|a, b| {
        let order = match (&a.cells[by], &b.cells[by]) {
            // ControllerArgs the end either way round.
            (Cell::Missing, Cell::Missing) => Ordering::Equal,
            (Cell::Missing, _) => return Ordering::Greater,
            (_, Cell::Missing) => return Ordering::Less,
            (a, b) => a.order(b),
        };
        let order = if reversed { order.reverse() } else { order };
        order.then_with(|| a.name.cmp(&b.name))
    });
    rows
}

#[cfg(test)]
mod tests {
    use linkspan::Timestamp;

    use super::super::columns::Column;
    use super::*;

    fn endpoint(name: &str, pid: u64, messages: u64) -> Value {
        Value::map([("endpoint", Value::from(name)), ("pid", pid.into()), ("messages", messages.into())])
    }

    fn service(name: &str, state: &str, epoch: u64, steps: u64, seen: i64) -> Value {
        Value::map([
            ("name", Value::from(name)),
            ("state", state.into()),
            ("view", "CONNECTED".into()),
            ("epoch", epoch.into()),
            ("steps", steps.into()),
            ("last_seen", Timestamp::from_parts(seen, 0).unwrap().into()),
            ("problem", "".into()),
        ])
    }

    fn rate(samples: &Samples, kind: Table, name: &str) -> Cell {
        let column = kind.columns().iter().position(Column::is_rate).unwrap();
        samples.rows(kind).into_iter().find(|row| row.name == name).unwrap().cells[column].clone()
    }

    #[test]
    fn rate_is_the_difference_between_two_samples() {
        let mut samples = Samples::default();
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 100)], 10.0);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:a"), Cell::Missing);
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 150)], 12.0);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:a"), Cell::Rate(25.0));
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 150)], 13.0);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:a"), Cell::Rate(0.0));
    }

    #[test]
    fn another_incarnation_begins_anew() {
        let mut samples = Samples::default();
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 100), endpoint("shm:b", 8, 100)], 0.0);
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 9, 400), endpoint("shm:b", 8, 10)], 1.0);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:a"), Cell::Missing);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:b"), Cell::Missing);
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 9, 403), endpoint("shm:b", 8, 20)], 2.0);
        assert_eq!(rate(&samples, Table::Endpoints, "shm:a"), Cell::Rate(3.0));
        assert_eq!(rate(&samples, Table::Endpoints, "shm:b"), Cell::Rate(10.0));
    }

    #[test]
    fn running_service_without_a_report_keeps_its_rate() {
        let mut samples = Samples::default();
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 10, 100)], 0.0);
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 20, 105)], 5.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(2.0));
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 20, 105)], 6.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(2.0));
        // It has sent an answer in the meantime, which does not count as a step.
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 20, 107)], 7.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(2.0));
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 25, 110)], 10.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(1.0));
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 25, 120)], 20.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(0.0));
        samples.take(Table::Services, vec![service("power", "RUNNING", 1, 35, 125)], 25.0);
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Rate(2.0));
        let Value::Map(mut away) = service("power", "RUNNING", 1, 35, 125) else { panic!() };
        away.insert("view".into(), "DISCONNECTED".into());
        samples.refresh(Table::Services, Value::Map(away));
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Missing);
        samples.refresh(Table::Services, service("power", "PAUSED", 1, 21, 106));
        assert_eq!(rate(&samples, Table::Services, "power"), Cell::Missing);
        assert_eq!(samples.rows(Table::Services)[0].state, "PAUSED");
        samples.refresh(Table::Services, service("heat", "READY", 2, 0, 106));
        assert_eq!(samples.rows(Table::Services).len(), 2);
        samples.forget(Table::Services, "power");
        assert_eq!(samples.rows(Table::Services)[0].name, "heat");
        samples.take(Table::Services, vec![], 7.0);
        assert!(samples.rows(Table::Services).is_empty());
    }

    #[test]
    fn programs_get_the_rate_in_the_record() {
        let mut samples = Samples::default();
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 0)], 0.0);
        assert_eq!(samples.to_value(Table::Endpoints).at("0/messages_per_second").unwrap(), &Value::Null);
        samples.take(Table::Endpoints, vec![endpoint("shm:a", 7, 5)], 2.0);
        assert_eq!(
            samples.to_value(Table::Endpoints).at("0/messages_per_second").unwrap(),
            &Value::Float(2.5)
        );
    }

    fn names(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn rows_are_sorted_with_unknown_values_last() {
        let mut samples = Samples::default();
        let mut silent = Samples::default();
        silent.take(Table::Endpoints, vec![Value::map([("endpoint", "shm:a")])], 0.0);
        samples.take(
            Table::Endpoints,
            vec![endpoint("shm:d", 3, 5), endpoint("shm:b", 2, 50), endpoint("shm:c", 1, 5)],
            0.0,
        );
        let rows = [silent.rows(Table::Endpoints), samples.rows(Table::Endpoints)].concat();
        let messages = Table::Endpoints.columns().iter().position(|c| c.title == "MESSAGES").unwrap();
        assert_eq!(names(&arranged(&rows, "", 0, false)), ["shm:a", "shm:b", "shm:c", "shm:d"]);
        assert_eq!(names(&arranged(&rows, "", 0, true)), ["shm:d", "shm:c", "shm:b", "shm:a"]);
        assert_eq!(names(&arranged(&rows, "", messages, false)), ["shm:b", "shm:c", "shm:d", "shm:a"]);
        assert_eq!(names(&arranged(&rows, "", messages, true)), ["shm:c", "shm:d", "shm:b", "shm:a"]);
    }

    #[test]
    fn filter_matches_every_word() {
        let mut samples = Samples::default();
        let records =
            vec![service("lab/power", "PAUSED", 1, 10, 1), service("lab/heat", "RUNNING", 2, 10, 1)];
        samples.take(Table::Services, records, 0.0);
        let rows = samples.rows(Table::Services);
        assert_eq!(names(&arranged(&rows, "POWER", 0, false)), ["lab/power"]);
        assert_eq!(names(&arranged(&rows, "runn", 0, false)), ["lab/heat"]);
        assert_eq!(names(&arranged(&rows, "lab/", 0, false)), ["lab/heat", "lab/power"]);
        assert!(arranged(&rows, "10", 0, false).is_empty());
    }

    #[test]
    fn control_characters_of_others_are_not_shown() {
        let mut samples = Samples::default();
        let record = Value::map([("endpoint", "shm:a"), ("program", "x\u{1b}[2J"), ("problem", "\u{7}bell")]);
        samples.take(Table::Endpoints, vec![record], 0.0);
        let row = &samples.rows(Table::Endpoints)[0];
        let shown: String = row.cells.iter().map(Cell::shown).collect::<String>() + &row.problem;
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}
