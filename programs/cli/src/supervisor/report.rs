//! The answers of a supervised program's service: data, and the result of a shutdown.

use std::time::Duration;

use linkspan::{Error, ErrorKind, Map, Value};
use rustix::process::Pid;

use super::process_tree::Usage;
use super::program::ExitStatus;

pub struct Report<'a> {
    /// None while it is not running.
    pub pid: Option<Pid>,
    pub is_stopped: bool,
    pub lives: Option<Duration>,
    pub restarts: u64,
    /// How it last ended.
    pub end: Option<ExitStatus>,
    pub usage: Usage,
    pub lines: u64,
    pub last_line: &'a str,
}

impl Report<'_> {
    /// Returns the report as a map.
    ///
    /// Its keys, for the whole tree: `pid`, `running`, `stopped`, `seconds`, `restarts`, `exit`, `processes`,
    /// `cpu_seconds`, `rss_bytes`, `output_lines`, `last_line`.
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

fn exit(end: ExitStatus) -> Value {
    match end {
        ExitStatus::Code(code) => i64::from(code).into(),
        ExitStatus::Signal(_) => end.to_string().into(),
    }
}

/// How the program ended, and whether it was killed.
pub fn shutdown_result(end: Option<ExitStatus>, killed: bool) -> Value {
    let end = end.map_or(Value::Null, exit);
    Value::map([("exit", end), ("killed", killed.into())])
}

pub fn unsupported(command: &str, option: &str) -> Error {
    let text = format!(
        "this program has no command for {command}: start it with linkspan service run {option} COMMAND -- PROGRAM"
    );
    Error::new(ErrorKind::Unsupported, text)
}
