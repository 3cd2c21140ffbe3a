//! What the `repr` of an object says: its class and endpoint, its counters, and whether it is closed.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use linkspan::Value;

/// Whether the program has closed an object.
#[derive(Default)]
pub struct Closed(AtomicBool);

impl Closed {
    /// Records that it has.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// The last words of a `repr`.
    pub fn word(&self) -> &'static str {
        if self.0.load(Ordering::Acquire) { ", closed" } else { "" }
    }
}

/// The `repr` of an object with counters: those of these names that it has, each with its word.
pub fn described(head: &str, closed: &Closed, stats: &Value, counters: &[(&str, &str)]) -> String {
    let mut text = format!("<linkspan.{head}");
    let mut mark = ':';
    for (name, word) in counters {
        if let Ok(count) = stats.at(name).and_then(Value::as_u64) {
            // Writing to a String does not fail.
            let _ = write!(text, "{mark} {count} {word}");
            mark = ',';
        }
    }
    text + closed.word() + ">"
}
