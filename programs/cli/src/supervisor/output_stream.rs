//! Standard output or standard error of the program: forwarded, and logged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use linkspan::Result;
use linkspan::service::ServiceLoop;

use super::forwarder::Forwarder;
use super::log_lines::{LineSplitter, RateLimit};

const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream, with a new pipe at each start.
pub struct OutputStream {
    /// Its level in the log: `stdout` or `stderr`.
    level: &'static str,
    pipe: Option<File>,
    pub lines: LineSplitter,
    rate_limit: RateLimit,
    forwarder: Forwarder,
    buffer: Vec<u8>,
}

impl OutputStream {
    /// Creates a stream to `out`.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn new(level: &'static str, out: impl Write + Send + 'static) -> Result<OutputStream> {
        let (lines, rate_limit) = (LineSplitter::default(), RateLimit::default());
        Ok(OutputStream {
            level,
            pipe: None,
            lines,
            rate_limit,
            forwarder: Forwarder::to(out)?,
            buffer: vec![0; 65536],
        })
    }

    pub fn listen(&mut self, pipe: Option<impl Into<OwnedFd>>) {
        self.pipe = pipe.map(|pipe| File::from(pipe.into()));
    }

    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    pub fn write_line(&mut self, text: &str) {
        self.forwarder.pass(format!("linkspan: {text}\n").into_bytes());
    }

    /// Reads one chunk. Returns whether there was one.
    pub fn read(&mut self, service: &ServiceLoop, now: Duration) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let n = match pipe.read(&mut self.buffer) {
            Ok(n) if n > 0 => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return false;
            }
            _ => {
                self.pipe = None;
                return false;
            }
        };
        if let Some(lost) = self.forwarder.pass(self.buffer[..n].to_vec()) {
            service.log(
                "warning",
                &format!("{lost} bytes of {} were not forwarded: the reader is too slow", self.level),
            );
        }
        for line in self.lines.feed(&self.buffer[..n]) {
            if self.rate_limit.allow(now) {
                service.log(self.level, &line);
            }
        }
        true
    }

    fn report_lost(&self, service: &ServiceLoop, lost: Option<u64>) {
        if let Some(lost) = lost {
            service.log(
                "warning",
                &format!("{lost} bytes of {} were not forwarded: the reader is too slow", self.level),
            );
        }
    }

    pub fn due(&self) -> Option<Duration> {
        self.rate_limit.due()
    }

    /// Logs the number of dropped lines once it is due, or at the end.
    pub fn log_left_out(&mut self, service: &ServiceLoop, now: Duration, is_the_end: bool) {
        if let Some(left_out) = self.rate_limit.take_left_out(now, is_the_end) {
            service.log("warning", &format!("{left_out} lines of {} were left out of the log", self.level));
        }
    }

    pub fn end(&mut self, service: &ServiceLoop, now: Duration) {
        while self.read(service, now) {}
        self.pipe = None;
        let rest = self.lines.finish();
        if let Some(line) = rest.filter(|_| self.rate_limit.allow(now)) {
            service.log(self.level, &line);
        }
        self.log_left_out(service, now, true);
        let lost = self.forwarder.take_lost();
        self.report_lost(service, lost);
    }

    pub fn finish(self) {
        self.forwarder.finish(FLUSH_TIMEOUT);
    }
}
