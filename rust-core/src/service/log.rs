//! The last lines of a service's log, and how far its controller knows them.

use std::collections::VecDeque;

use super::protocol::LogLine;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{Timestamp, Value};

/// Lines kept, at most.
const LINES: usize = 1000;
/// Bytes of a line, at most; the rest is cut off and marked.
const LENGTH: usize = 4096;
/// Lines in one message.
const BATCH: usize = 100;

/// The newest lines, numbered from 0.
#[derive(Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    /// The number of the oldest that is kept.
    first: u64,
    /// Those below this number have been said.
    sent: u64,
}

/// How serious a line of a service's log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For whoever looks for a mistake.
    Debug,
    /// What happens in the usual course.
    Info,
    /// What may need a person later.
    Warning,
    /// What failed.
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

    /// Returns the level of a name; `OutOfRange` names those that there are.
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

impl Log {
    /// Adds a line, now.
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

    /// Whether the controller does not know all of it.
    pub fn has_unsent(&self) -> bool {
        self.sent < self.end()
    }

    /// The next lines to be said, and what to give to [`Log::said`] then. Says how many are lost, if any.
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

    /// The controller knows those below this number.
    pub fn sent(&mut self, until: u64) {
        self.sent = self.sent.max(until);
    }

    /// The last lines, as an array.
    pub fn last(&self, count: u64) -> Value {
        let skip = self.lines.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        Value::Array(self.lines.iter().skip(skip).map(LogLine::to_value).collect())
    }
}

/// The beginning of a text, with a mark where something is missing.
pub fn cut(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let end = (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_once_and_losses_are_told() {
        let mut log = Log::default();
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

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = cut(&"é".repeat(10), 5);
        assert_eq!(text, "éé… (16 bytes more)");
        assert_eq!(cut("short", 5), "short");
    }
}
