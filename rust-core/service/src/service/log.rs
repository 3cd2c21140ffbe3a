//! The last lines of a service's log, and how many of them the controller has.
//!
//! The controller gets each line once, and a line about dropped lines.

use std::collections::VecDeque;

use super::protocol::{LogLine, cut};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{Timestamp, Value};

const LINES: usize = 1000;
/// The most bytes of a line; the rest is cut off and marked.
const LENGTH: usize = 4096;
const BATCH: usize = 100;

/// The newest lines, numbered from 0.
#[derive(Default)]
pub struct ServiceLog {
    lines: VecDeque<LogLine>,
    first: u64,
    sent: u64,
}

/// The severity of a line of a service's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Details for debugging.
    Debug,
    /// Normal events.
    Info,
    /// Events that may need attention later.
    Warning,
    /// Failures.
    Error,
}

impl LogLevel {
    /// All levels, the least serious first.
    pub const ALL: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error];

    /// Returns the level's name, such as `warning`.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        }
    }
}

impl std::str::FromStr for LogLevel {
    type Err = Error;

    /// Returns the level of a name; the error `OutOfRange` lists the valid names.
    fn from_str(name: &str) -> Result<LogLevel> {
        LogLevel::ALL.into_iter().find(|level| level.name() == name).ok_or_else(|| {
            let text = format!(
                "no level of the log is called {}; there are debug, info, warning and error",
                quoted(name)
            );
            Error::new(ErrorKind::OutOfRange, text)
        })
    }
}

impl ServiceLog {
    pub fn add(&mut self, level: &str, text: &str) {
        let line =
            LogLine { at: Timestamp::now(), level: cut(level, 32), text: cut(text.trim_end(), LENGTH) };
        if self.lines.len() == LINES {
            self.lines.pop_front();
            self.first += 1;
        }
        self.lines.push_back(line);
    }

    fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    pub fn has_unsent(&self) -> bool {
        self.sent < self.end()
    }

    /// Returns the next lines to send and the number for [`ServiceLog::sent`].
    ///
    /// Reports the number of lost lines.
    pub fn unsent(&self) -> (Vec<LogLine>, u64) {
        let from = self.sent.max(self.first);
        let mut lines = Vec::new();
        if from > self.sent {
            let text = format!("{} lines were lost while no controller was there", from - self.sent);
            lines.push(LogLine { at: Timestamp::now(), level: "warning".into(), text });
        }
        let until = self.end().min(from + BATCH as u64);
        lines.extend(self.lines.range((from - self.first) as usize..(until - self.first) as usize).cloned());
        (lines, until)
    }

    pub fn sent(&mut self, until: u64) {
        self.sent = self.sent.max(until);
    }

    pub fn last(&self, count: u64) -> Value {
        let skip = self.lines.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        Value::Array(self.lines.iter().skip(skip).map(LogLine::to_value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_sent_once_and_losses_are_counted() {
        let mut log = ServiceLog::default();
        assert!(!log.has_unsent());
        log.add("info", "one\n");
        let (lines, until) = log.unsent();
        assert_eq!(lines[0].text, "one");
        log.sent(until);
        assert!(!log.has_unsent());
        (0..LINES as u64 + 7).for_each(|i| log.add("info", &i.to_string()));
        let mut all = Vec::new();
        while log.has_unsent() {
            let (lines, until) = log.unsent();
            assert!(lines.len() <= BATCH + 1);
            all.extend(lines);
            log.sent(until);
        }
        assert_eq!(all.len(), LINES + 1);
        assert!(all[0].text.starts_with("7 lines were lost"), "{}", all[0].text);
        assert_eq!(all[1].text, "7");
        assert_eq!(log.last(2).as_array().unwrap().len(), 2);
    }
}
