//! A running hook: a shell command of an option such as --checkpoint or --data.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

use linkspan::{Encoding, Error, ErrorKind, Result, Value, codec};
use rustix::process::{Pid, Signal};

use super::args::RunArgs;
use super::process_tree::signal_group;
use super::program::{ExitStatus, spawn};

const MAX: usize = 1 << 20;
/// How many characters of the output an error quotes.
const SHOWN: usize = 400;

/// A hook that runs, or whose result has not been sent yet.
pub struct Hook {
    option: &'static str,
    pub pid: Pid,
    out: Output<ChildStdout>,
    err: Output<ChildStderr>,
    /// When it is killed; none once it has been.
    pub due: Option<Instant>,
    killed: Option<Error>,
    end: Option<ExitStatus>,
}

struct Output<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
    /// Bytes beyond the kept ones.
    more: usize,
}

impl<P: Read> Output<P> {
    fn read(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        let mut bytes = [0; 65536];
        match pipe.read(&mut bytes) {
            Ok(n) if n > 0 => {
                let room = (MAX - self.bytes.len()).min(n);
                self.bytes.extend_from_slice(&bytes[..room]);
                self.more += n - room;
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            _ => self.pipe = None,
        }
    }

    /// Reads the rest of the pipe after the command has ended.
    ///
    /// Processes that it left may keep the pipe open indefinitely.
    fn read_rest(&mut self) {
        let before = |output: &Self| (output.bytes.len(), output.more, output.pipe.is_some());
        loop {
            let had = before(self);
            self.read();
            if self.pipe.is_none() || before(self) == had {
                break;
            }
        }
        self.pipe = None;
    }
}

impl Hook {
    /// Starts it; it is killed at `due`.
    pub fn start(
        args: &RunArgs,
        option: &'static str,
        command: &str,
        program: Option<Pid>,
        arguments: &Value,
        due: Instant,
    ) -> Result<Hook> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).stdin(Stdio::null());
        shell.env("LINKSPAN_PID", program.map_or_else(String::new, |pid| pid.to_string()));
        let arguments = codec::encode(arguments, Encoding::Json)?;
        shell.env("LINKSPAN_ARGUMENTS", String::from_utf8_lossy(&arguments).into_owned());
        let (mut child, pid) = spawn(shell, args).map_err(|e| {
            Error::os(format!("starting the command of {option}"), e.raw_os_error().unwrap_or(0))
        })?;
        Ok(Hook {
            option,
            pid,
            out: Output { pipe: child.stdout.take(), bytes: Vec::new(), more: 0 },
            err: Output { pipe: child.stderr.take(), bytes: Vec::new(), more: 0 },
            due: Some(due),
            killed: None,
            end: None,
        })
    }

    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let out = self.out.pipe.as_ref().map(AsFd::as_fd);
        out.into_iter().chain(self.err.pipe.as_ref().map(AsFd::as_fd))
    }

    pub fn read(&mut self) {
        self.out.read();
        self.err.read();
    }

    pub fn kill(&mut self, why: Error) {
        self.due = None;
        if self.killed.is_none() && self.end.is_none() {
            signal_group(self.pid, Signal::KILL);
            self.killed = Some(why);
        }
    }

    pub fn kill_late(&mut self) {
        let text = format!("the command of {} took too long and was killed", self.option);
        self.kill(Error::new(ErrorKind::Timeout, text));
    }

    pub fn ended(&mut self, end: ExitStatus) {
        self.end = Some(end);
        self.due = None;
        self.out.read_rest();
        self.err.read_rest();
    }

    /// Its output or failure; none while it runs.
    pub fn outcome(&self) -> Option<Result<Value>> {
        let end = self.end?;
        let failed = match (&self.killed, end) {
            (Some(why), _) => Some((why.kind(), why.text().to_owned())),
            (None, ExitStatus::Code(0)) => None,
            (None, end) => {
                let missing =
                    if end == ExitStatus::Code(127) { ": a program in it was not found" } else { "" };
                let text = format!("the command of {} ended with {end}{missing}", self.option);
                Some((ErrorKind::Remote, text))
            }
        };
        Some(match failed {
            None => self.value(),
            Some((kind, text)) => Err(Error::new(kind, format!("{text}{}", self.shown()))),
        })
    }

    fn value(&self) -> Result<Value> {
        if self.out.more > 0 {
            let size = MAX + self.out.more;
            let text = format!("the command of {} printed {size} bytes, {MAX} are the limit", self.option);
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if self.out.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        if let Ok(value) = codec::decode(&self.out.bytes, Encoding::Json) {
            return Ok(value);
        }
        Ok(Value::map([("text", String::from_utf8_lossy(&self.out.bytes).trim_end())]))
    }

    /// Returns the end of the output, which usually has the error messages.
    fn shown(&self) -> String {
        let printed = if self.err.bytes.is_empty() { &self.out.bytes } else { &self.err.bytes };
        let text = String::from_utf8_lossy(printed);
        let text = text.trim();
        let skipped = text.chars().count().saturating_sub(SHOWN);
        match text {
            "" => "; it printed nothing".to_owned(),
            _ if skipped == 0 => format!("; it printed: {text}"),
            _ => format!("; it printed: …{}", text.chars().skip(skipped).collect::<String>()),
        }
    }
}
