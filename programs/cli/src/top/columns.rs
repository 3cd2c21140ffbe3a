//! The columns of both tables: content, width, and which columns fit.

use std::cmp::Ordering;

use linkspan::{Value, one_line};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Endpoints,
    Services,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cells {
    Text,
    State,
    Wrong,
    Count,
    Rate,
    /// The seconds that its current work has taken.
    Seconds,
}

pub struct Column {
    pub title: &'static str,
    key: &'static str,
    cells: Cells,
    /// Its width; the first column of a table takes the remaining width.
    pub width: u16,
    /// Without enough space, columns with the highest rank are dropped first.
    pub rank: u8,
}

const fn column(title: &'static str, key: &'static str, cells: Cells, width: u16, rank: u8) -> Column {
    Column { title, key, cells, width, rank }
}

const ENDPOINTS: &[Column] = &[
    column("ENDPOINT", "endpoint", Cells::Text, 16, 0),
    column("PATTERN", "pattern", Cells::Text, 10, 5),
    column("PROGRAM", "program", Cells::Text, 14, 4),
    column("PID", "pid", Cells::Count, 7, 6),
    column("MESSAGES", "messages", Cells::Count, 10, 3),
    column("MSG/S", "messages", Cells::Rate, 9, 1),
    column("PEERS", "peers", Cells::Count, 5, 3),
    column("BEHIND", "behind", Cells::Count, 6, 2),
    column("MACHINE", "machine", Cells::Text, 10, 7),
];

const SERVICES: &[Column] = &[
    column("NAME", "name", Cells::Text, 14, 0),
    column("STATE", "state", Cells::State, 13, 0),
    column("VIEW", "view", Cells::Text, 12, 2),
    column("BUSY", "busy", Cells::Seconds, 8, 3),
    column("STEPS", "steps", Cells::Count, 9, 4),
    column("STEPS/S", "steps", Cells::Rate, 9, 1),
    column("PID", "pid", Cells::Count, 7, 6),
    column("PROBLEM", "problem", Cells::Wrong, 21, 5),
];

impl Table {
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Endpoints => ENDPOINTS,
            Table::Services => SERVICES,
        }
    }

    pub fn other(self) -> Table {
        match self {
            Table::Endpoints => Table::Services,
            Table::Services => Table::Endpoints,
        }
    }

    pub fn noun(self, count: usize) -> &'static str {
        match (self, count) {
            (Table::Endpoints, 1) => "endpoint",
            (Table::Endpoints, _) => "endpoints",
            (Table::Services, 1) => "service",
            (Table::Services, _) => "services",
        }
    }
}

pub fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record.at(key).and_then(Value::as_text).unwrap_or_default()
}

/// A problem found from outside, else the reported one.
pub fn wrong(record: &Value) -> &str {
    match text(record, "problem") {
        "" => text(record, "reason"),
        problem => problem,
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Missing,
    Text(String),
    Count(u64),
    Rate(f64),
    Seconds(f64),
}

pub fn cell(column: &Column, record: &Value, rate: Option<f64>) -> Cell {
    let value = record.at(column.key);
    let found = match column.cells {
        Cells::Rate => rate.map(Cell::Rate),
        Cells::Seconds => value.and_then(Value::as_f64).ok().map(Cell::Seconds),
        Cells::Count => value.and_then(Value::as_u64).ok().map(Cell::Count),
        Cells::Text | Cells::Wrong | Cells::State => {
            let text = match column.cells {
                Cells::Wrong => wrong(record),
                // Its last state would seem current.
                Cells::State if text(record, "view") == "DISCONNECTED" => "DISCONNECTED",
                _ => text(record, column.key),
            };
            // Another process's text may contain anything.
            (!text.is_empty()).then(|| Cell::Text(one_line(text).to_string()))
        }
    };
    found.unwrap_or(Cell::Missing)
}

impl Cell {
    pub fn shown(&self) -> String {
        match self {
            Cell::Missing => "-".into(),
            Cell::Text(text) => text.clone(),
            Cell::Count(count) => count.to_string(),
            Cell::Rate(rate) if *rate >= 1000.0 => format!("{rate:.0}"),
            Cell::Rate(rate) => format!("{rate:.1}"),
            Cell::Seconds(seconds) if *seconds >= 100.0 => format!("{seconds:.0} s"),
            Cell::Seconds(seconds) => format!("{seconds:.1} s"),
        }
    }

    /// Text from A to Z, numbers from the greatest down, missing values last.
    pub fn order(&self, other: &Cell) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => b.total_cmp(&a),
            _ => match (self, other) {
                (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
                (Cell::Missing, Cell::Missing) => Ordering::Equal,
                (Cell::Missing, _) => Ordering::Greater,
                (_, Cell::Missing) => Ordering::Less,
                (a, b) => a.shown().cmp(&b.shown()),
            },
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Cell::Count(count) => Some(*count as f64),
            Cell::Rate(number) | Cell::Seconds(number) => Some(*number),
            _ => None,
        }
    }
}

/// Positions and widths of the fitting columns. The first and a last column of text take the rest.
pub fn fitting(kind: Table, width: u16) -> Vec<(usize, u16)> {
    let columns = kind.columns();
    let needed = |chosen: &[usize]| -> u16 {
        chosen.iter().map(|i| columns[*i].width).sum::<u16>() + chosen.len() as u16 - 1
    };
    let mut chosen: Vec<usize> = (0..columns.len()).collect();
    while chosen.len() > 1 && needed(&chosen) > width {
        // Of two with equal rank, the right one is dropped.
        let last = chosen.iter().enumerate().max_by_key(|(at, i)| (columns[**i].rank, *at));
        let Some((at, _)) = last else { break };
        chosen.remove(at);
    }
    let left = width.saturating_sub(needed(&chosen));
    let last_is_text = chosen.len() > 1 && chosen.last().is_some_and(|i| columns[*i].cells == Cells::Wrong);
    let (first, last) = if last_is_text { (left / 3, left - left / 3) } else { (left, 0) };
    let count = chosen.len();
    let wide = |(at, i): (usize, usize)| {
        let more = if at == 0 { first } else { 0 } + if at + 1 == count { last } else { 0 };
        // If it is alone and too wide, it gets the available width.
        (i, (columns[i].width + more).min(width))
    };
    chosen.into_iter().enumerate().map(wide).collect()
}

impl Column {
    pub fn is_number(&self) -> bool {
        !matches!(self.cells, Cells::Text | Cells::State | Cells::Wrong)
    }

    #[cfg(test)]
    pub fn is_rate(&self) -> bool {
        self.cells == Cells::Rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_dropped_for_lack_of_room() {
        let titles = |kind: Table, width: u16| -> Vec<&str> {
            fitting(kind, width).iter().map(|(i, _)| kind.columns()[*i].title).collect()
        };
        assert_eq!(titles(Table::Endpoints, 100).len(), Table::Endpoints.columns().len());
        assert_eq!(titles(Table::Endpoints, 40), ["ENDPOINT", "MSG/S", "BEHIND"]);
        assert_eq!(titles(Table::Services, 40), ["NAME", "STATE", "STEPS/S"]);
        assert_eq!(titles(Table::Endpoints, 5), ["ENDPOINT"]);
        for kind in [Table::Endpoints, Table::Services] {
            for width in 1..200 {
                let fit = fitting(kind, width);
                let used = fit.iter().map(|(_, wide)| wide).sum::<u16>() + fit.len() as u16 - 1;
                assert_eq!(used, width, "{kind:?} in {width}");
            }
        }
    }
}
