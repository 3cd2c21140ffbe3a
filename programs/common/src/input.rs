//! Values from the command line and from standard input.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Instant;

use linkspan::{Encoding, Error, ErrorKind, Limits, Result, Value, codec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::exit::Exit;
use crate::signals::Signals;

/// Returns the value on the command line, if there is one: a text unchanged, or an argument as [`value`] reads it.
pub fn given(
    text: Option<&str>,
    argument: Option<&str>,
    signals: &Signals,
) -> std::result::Result<Option<Value>, Exit> {
    match text {
        Some(text) => Ok(Some(text.into())),
        None => argument.map(|argument| parsed(argument, signals, "with -m, or in JSON quotes")).transpose(),
    }
}

/// Returns the value of an argument: JSON, or `-` for one JSON text from standard input.
pub fn value(argument: &str, signals: &Signals) -> std::result::Result<Value, Exit> {
    parsed(argument, signals, "in JSON quotes")
}

/// [`value`] with how the command reads a text, for errors.
fn parsed(argument: &str, signals: &Signals, how: &str) -> std::result::Result<Value, Exit> {
    if argument != "-" {
        return codec::decode(argument.as_bytes(), Encoding::Json).map_err(|e| {
            let text = format!("{}; give a text {how}: '\"open\"'", e.text());
            Exit::Usage(Error::new(e.kind(), text).on("the value"))
        });
    }
    let mut input = Input::new(signals);
    while input.read_more()? {}
    Ok(codec::decode(&input.bytes, Encoding::Json).map_err(|e| e.on("standard input"))?)
}

/// Returns all of standard input, as bytes.
pub fn everything() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|e| reading(&e))?;
    Ok(bytes)
}

fn reading(error: &io::Error) -> Error {
    Error::os("reading standard input", error.raw_os_error().unwrap_or(0))
}

/// The lines of standard input, each a value. Empty lines are skipped.
pub struct Lines<'a> {
    input: Input<'a>,
    start: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Begins with the first line.
    pub fn new(signals: &'a Signals) -> Lines<'a> {
        Lines { input: Input::new(signals), start: 0, number: 0 }
    }

    /// Returns the number of the line of the last value.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next value, or none once standard input is at its end. An error names the line, and the
    /// offset in it.
    pub fn next_value(&mut self) -> Result<Option<Value>> {
        loop {
            let rest = &self.input.bytes[self.start..];
            let end = rest.iter().position(|b| *b == b'\n');
            let Some(length) = end else {
                self.input.bytes.drain(..self.start);
                self.start = 0;
                if self.input.read_more()? {
                    continue;
                }
                let last = std::mem::take(&mut self.input.bytes);
                self.number = self.number.saturating_add(1);
                return self.value(&last);
            };
            let line = rest[..length].to_vec();
            self.start = self.start.saturating_add(length).saturating_add(1);
            self.number = self.number.saturating_add(1);
            if let Some(value) = self.value(&line)? {
                return Ok(Some(value));
            }
        }
    }

    fn value(&self, line: &[u8]) -> Result<Option<Value>> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let decoded = codec::decode(line, Encoding::Json);
        decoded.map(Some).map_err(|e| e.on(format_args!("standard input, line {}", self.number)))
    }
}

/// Standard input whose waits end at a signal.
struct Input<'a> {
    bytes: Vec<u8>,
    signals: &'a Signals,
}

impl<'a> Input<'a> {
    fn new(signals: &'a Signals) -> Input<'a> {
        Input { bytes: Vec::new(), signals }
    }

    /// Waits for more; false at the end.
    fn read_more(&mut self) -> Result<bool> {
        let stdin = rustix::stdio::stdin();
        loop {
            self.signals.check()?;
            let mut both = [
                PollFd::new(&stdin, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN),
            ];
            match poll(&mut both, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(Error::os("waiting for standard input (ppoll)", e.raw_os_error())),
                Ok(_) if both[0].revents().is_empty() => continue,
                Ok(_) => {}
            }
            let limit = Limits::default().message as usize;
            if self.bytes.len() > limit {
                let text = format!("one value on standard input has more than {limit} bytes");
                return Err(Error::new(ErrorKind::TooLarge, text));
            }
            let have = self.bytes.len();
            self.bytes.resize(have.saturating_add(64 << 10), 0);
            let got = rustix::io::read(stdin.as_fd(), &mut self.bytes[have..]);
            self.bytes.truncate(have.saturating_add(got.unwrap_or(0)));
            match got {
                Ok(n) => return Ok(n > 0),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(e) => return Err(Error::os("reading standard input", e.raw_os_error())),
            }
        }
    }
}

/// Sleeps until this instant, or without end, until a signal ends it with `Interrupted`.
pub fn stay(signals: &Signals, until: Option<Instant>) -> Result<()> {
    loop {
        signals.check()?;
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN)], left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(Error::os("waiting for signals (ppoll)", e.raw_os_error())),
        }
    }
}
