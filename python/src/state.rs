//! Parts of a `repr`: class, endpoint, counters, and whether the object is closed.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use linkspan::Value;

#[derive(Default)]
pub struct Closed(AtomicBool);

impl Closed {
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn word(&self) -> &'static str {
        if self.0.load(Ordering::Acquire) { ", closed" } else { "" }
    }
}

/// Each counter has a word, and is omitted if the object lacks it.
pub fn described(head: &str, closed: &Closed, stats: &Value, counters: &[(&str, &str)]) -> String {
    let mut text = format!("<linkspan.{head}");
    let mut mark = ':';
    for (name, word) in counters {
        if let Ok(count) = stats.at(name).and_then(Value::as_u64) {
            let _ = write!(text, "{mark} {count} {word}");
            mark = ',';
        }
    }
    text + closed.word() + ">"
}
