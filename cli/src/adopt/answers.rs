//! What an adopted program's service answers: its data, what a shutdown came to.

use std::time::Duration;

use linkspan::{Error, ErrorKind, Map, Value};
use rustix::process::Pid;

use super::family::Usage;
use super::program::End;

/// What is known of a program without its help.
pub struct Known<'a> {
    /// None while it does not run.
    pub pid: Option<Pid>,
    pub is_stopped: bool,
    /// Since it was started.
    pub lives: Option<Duration>,
    pub restarts: u64,
    /// How it ended last.
    pub end: Option<End>,
    pub usage: Usage,
    pub lines: u64,
    pub last_line: &'a str,
}

impl Known<'_> {
    /// As a map: `pid`, `running`, `stopped`, `seconds`, `restarts`, `exit`, `processes`, `cpu_seconds`, `rss_bytes`,
    /// `output_lines`, `last_line`; of the program and all that it started.
    pub fn to_value(&self) -> Value {
        let pid = self.pid.map_or(Value::Null, |pid| i64::from(pid.as_raw_nonzero().get()).into());
        let pairs = [
            ("pid", pid),
            ("running", self.pid.is_some().into()),
            ("stopped", self.is_stopped.into()),
            ("seconds", self.lives.map_or(Value::Null, |lives| lives.as_secs_f64().into())),
            ("restarts", self.restarts.into()),
            ("exit", self.end.map_or(Value::Null, exit)),
            ("processes", self.usage.processes.into()),
            ("cpu_seconds", self.usage.cpu_seconds.into()),
            ("rss_bytes", self.usage.resident_bytes.into()),
            ("output_lines", self.lines.into()),
            ("last_line", self.last_line.into()),
        ];
        Value::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map>())
    }
}

/// A code as a number, a signal by its name.
fn exit(end: End) -> Value {
    match end {
        End::Code(code) => i64::from(code).into(),
        End::Signal(_) => end.to_string().into(),
    }
}

/// What a shutdown came to: how it ended, and whether it had to be killed.
pub fn shut_down(end: Option<End>, killed: bool) -> Value {
    let end = end.map_or(Value::Null, exit);
    Value::map([("exit", end), ("killed", killed.into())])
}

/// A command that nobody has given a meaning.
pub fn unsupported(command: &str, option: &str) -> Error {
    let text = format!(
        "nobody has said how this program does {command}: start it by linkspan service run {option} COMMAND -- PROGRAM"
    );
    Error::new(ErrorKind::Unsupported, text)
}
