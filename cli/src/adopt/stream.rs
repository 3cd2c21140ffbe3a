//! One of the two streams that the program prints into: passed through, and logged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use linkspan::service::ServiceLoop;

use super::lines::{Flood, Lines};
use super::passing::Passing;

/// How long whoever reads our output may take for the last of it.
const PARTING: Duration = Duration::from_secs(2);

/// A stream; its pipe is another one after each start.
pub struct Stream {
    /// Its level in the log: `stdout` or `stderr`.
    level: &'static str,
    pipe: Option<File>,
    pub lines: Lines,
    flood: Flood,
    passing: Passing,
    buffer: Vec<u8>,
}

impl Stream {
    /// Passes what comes to `out`.
    pub fn new(level: &'static str, out: impl Write + Send + 'static) -> Stream {
        let (lines, flood) = (Lines::default(), Flood::default());
        Stream { level, pipe: None, lines, flood, passing: Passing::to(out), buffer: vec![0; 65536] }
    }

    /// The program prints into this, which does not block.
    pub fn listen(&mut self, pipe: Option<impl Into<OwnedFd>>) {
        self.pipe = pipe.map(|pipe| File::from(pipe.into()));
    }

    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Passes a line of ours.
    pub fn say(&mut self, text: &str) {
        self.passing.pass(format!("linkspan: {text}\n").into_bytes());
    }

    /// Takes one piece of what is there. True where there was something.
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
        if let Some(lost) = self.passing.pass(self.buffer[..n].to_vec()) {
            service.log(
                "warning",
                &format!("{lost} bytes of {} were not passed through: nobody reads", self.level),
            );
        }
        for line in self.lines.feed(&self.buffer[..n]) {
            if self.flood.lets_in(now) {
                service.log(self.level, &line);
            }
        }
        true
    }

    fn tell_lost(&self, service: &ServiceLoop, lost: Option<u64>) {
        if let Some(lost) = lost {
            service.log(
                "warning",
                &format!("{lost} bytes of {} were not passed through: nobody reads", self.level),
            );
        }
    }

    /// When there is something to be told of a flood.
    pub fn due(&self) -> Option<Duration> {
        self.flood.due()
    }

    /// Tells how many lines were left out, once that is due; always at the end.
    pub fn tell(&mut self, service: &ServiceLoop, now: Duration, is_the_end: bool) {
        if let Some(left_out) = self.flood.tell(now, is_the_end) {
            service.log("warning", &format!("{left_out} lines of {} were left out of the log", self.level));
        }
    }

    /// The program has ended: takes what is still there.
    pub fn end(&mut self, service: &ServiceLoop, now: Duration) {
        while self.read(service, now) {}
        self.pipe = None;
        let rest = self.lines.finish();
        if let Some(line) = rest.filter(|_| self.flood.lets_in(now)) {
            service.log(self.level, &line);
        }
        self.tell(service, now, true);
        let lost = self.passing.take_lost();
        self.tell_lost(service, lost);
    }

    /// Passes the last of it.
    pub fn finish(self) {
        self.passing.finish(PARTING);
    }
}
