//! The words of a service's record, and how answers are printed.

use linkspan::{Value, one_line};

use super::connection::QueryArgs;
use crate::exit::Exit;
use crate::{display, output};

/// A service that disconnected without deregistering is unknown: its last state would seem current.
pub fn shown_state(record: &Value) -> String {
    match word(record, "view") {
        view if view == "DISCONNECTED" => view,
        _ => word(record, "state"),
    }
}

/// Another process's text may contain anything.
pub fn word(record: &Value, key: &str) -> String {
    one_line(record.at(key).and_then(Value::as_text).unwrap_or_default()).to_string()
}

pub fn print(value: &Value, query: &QueryArgs) -> Result<(), Exit> {
    match query.json {
        true => output::json(value),
        false => output::write((display::lines(value) + "\n").as_bytes()),
    }
}
