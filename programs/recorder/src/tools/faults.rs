//! Collects and reports the messages that could not be converted; the exit code is then 1.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linkspan::{Error, ErrorKind, Limits, Result, Value, codec};
use linkspan_recording::reader::{self, Problem};

use super::opening::max_message_size;
use crate::record::counted;
use crate::stderr;

/// The most reasons to report. Messages with other reasons are only counted.
const MOST_REASONS: usize = 1_000;

#[derive(Default)]
pub struct Faults {
    messages: u64,
    tables: u64,
    /// The first number and the count of failed messages, by name and reason.
    reasons: BTreeMap<(String, String), (u64, u64)>,
    problems: BTreeSet<String>,
    is_damaged: bool,
}

impl Faults {
    /// Decodes a message; counts a failure and returns `None`.
    pub fn value(&mut self, message: &reader::Message<'_>) -> Option<Value> {
        self.made(message, decoded(message))
    }

    /// Returns a converted message; counts a failure and returns `None`.
    pub fn made<T>(&mut self, message: &reader::Message<'_>, made: Result<T>) -> Option<T> {
        made.map_err(|error| {
            self.messages = self.messages.saturating_add(1);
            let reason = (message.channel.topic.clone(), error.to_string());
            if self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&reason) {
                let (_, count) = self.reasons.entry(reason).or_insert((message.number, 0));
                *count = count.saturating_add(1);
            }
        })
        .ok()
    }

    /// Reports a number of omitted messages, and the reason of the first one.
    pub fn left_out(&mut self, count: u64, first: &str) {
        self.messages = self.messages.saturating_add(count);
        let what = counted(count, "message");
        stderr::print_line(&format!("{what} left out; the first: {first}"));
    }

    pub fn messages(&self) -> u64 {
        self.messages
    }

    pub fn table(&mut self, error: &Error) {
        self.tables = self.tables.saturating_add(1);
        stderr::print_line(&stderr::described(error));
    }

    /// Reports a problem of the recording once. An unclosed part that is whole loses nothing.
    pub fn problem(&mut self, problem: &Problem) {
        let text = problem.to_string();
        if !self.problems.contains(&text) {
            stderr::print_line(&text);
            self.is_damaged |= problem.is_loss();
            self.problems.insert(text);
        }
    }

    /// Reports each reason for omitted messages, and returns the final error.
    ///
    /// # Errors
    /// `Unsupported`, `Malformed` or `Corrupt` if something was left out.
    pub fn result(&self, file: &Path) -> Result<()> {
        for ((topic, reason), (number, count)) in &self.reasons {
            let others = match count.saturating_sub(1) {
                0 => String::new(),
                others => format!(", and {} more for this reason", counted(others, "message")),
            };
            stderr::print_line(&format!("message {number} of {topic}{others}: {reason}"));
        }
        if self.tables > 0 {
            let what = counted(self.tables, "table");
            let text = format!("{what} of {} could not be written; the others are", file.display());
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let text = match (self.messages, self.is_damaged) {
            (0, false) => return Ok(()),
            (0, true) => format!("{} is not whole: what could be read of it is written", file.display()),
            (several, _) => {
                let what = counted(several, "message");
                format!("{what} of {} could not be written", file.display())
            }
        };
        // Every tool reports damage as `Corrupt`. An undamaged message can still be impossible to decode.
        let kind = if self.is_damaged { ErrorKind::Corrupt } else { ErrorKind::Malformed };
        Err(Error::new(kind, text))
    }
}

/// Decodes a message.
///
/// # Errors
/// Errors of its bytes; `Unsupported` for an unknown encoding.
pub fn decoded(message: &reader::Message<'_>) -> Result<Value> {
    match message.channel.encoding() {
        Some(encoding) => {
            let limits = max_message_size().map_or_else(Limits::default, Limits::for_message);
            codec::decode_shared(message.body, encoding, &limits)
        }
        None => {
            let text = format!("the encoding {} is not known", message.channel.encoding);
            Err(Error::new(ErrorKind::Unsupported, text))
        }
    }
}
