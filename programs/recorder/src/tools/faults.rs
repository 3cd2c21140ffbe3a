//! What of a recording could not be written for other programs, and why: each is said, and the exit code is 1 then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linkspan::{Error, ErrorKind, Limits, Result, Value, codec};
use linkspan_recording::reader::{self, Problem};

use super::opening::max_message_size;
use crate::record::counted;
use crate::stderr;

/// Reasons that are said; messages for others are counted alone.
const MOST_REASONS: usize = 1_000;

/// What could not be written, and why.
#[derive(Default)]
pub struct Faults {
    messages: u64,
    tables: u64,
    /// Why messages could not be written, each with its name: the first number, and how many.
    reasons: BTreeMap<(String, String), (u64, u64)>,
    /// All that was said.
    problems: BTreeSet<String>,
    is_damaged: bool,
}

impl Faults {
    /// Decodes a message; `None` where it cannot be, which is said.
    pub fn value(&mut self, message: &reader::Message<'_>) -> Option<Value> {
        self.made(message, decoded(message))
    }

    /// Returns what was made of a message; `None` where that failed, which is said.
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

    /// Says that so many messages of a name are left out, and why the first of them is.
    pub fn left_out(&mut self, count: u64, first: &str) {
        self.messages = self.messages.saturating_add(count);
        let what = counted(count, "message");
        stderr::print_line(&format!("{what} left out; the first: {first}"));
    }

    /// Returns how many messages could not be written.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Says why the table of a name is not written.
    pub fn table(&mut self, error: &Error) {
        self.tables = self.tables.saturating_add(1);
        stderr::print_line(&stderr::described(error));
    }

    /// Says once what is wrong in the recording. For a part that was not closed and is whole nothing is left out.
    pub fn problem(&mut self, problem: &Problem) {
        let text = problem.to_string();
        if !self.problems.contains(&text) {
            stderr::print_line(&text);
            self.is_damaged |= problem.is_loss();
            self.problems.insert(text);
        }
    }

    /// Says why messages were left out, a line for each reason, and ends with the error.
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
        // What damage hides is `Corrupt` for every tool; a whole message may be one that nobody can decode.
        let kind = if self.is_damaged { ErrorKind::Corrupt } else { ErrorKind::Malformed };
        Err(Error::new(kind, text))
    }
}

/// Decodes a message.
///
/// # Errors
/// Those of its bytes; `Unsupported` for an encoding that is none of ours.
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
