//! A worker process as the schedule uses it: started, asked for rounds, ended.

#[cfg(test)]
mod tests;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::rows::Case;
use crate::statistics::Taken;

/// A worker's times, or why it could not be measured.
pub type Outcome = Result<Taken, String>;

/// The most operations in a turn, which makes even the fastest cases take turns.
const MOST: f64 = 100_000.0;

/// How long an ended worker may take to clean up.
const LEAVING: Duration = Duration::from_secs(2);

/// How long a worker may take for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For one turn, or for the start.
    pub turn: Duration,
    /// The end of the whole run.
    pub until: Instant,
}

impl Patience {
    fn left(self) -> Duration {
        self.turn.min(self.until.saturating_duration_since(Instant::now()))
    }

    pub fn is_over(self) -> bool {
        Instant::now() >= self.until
    }
}

pub struct WorkerProcess {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    patience: Patience,
    pub count: u64,
    pub taken: Taken,
}

impl WorkerProcess {
    pub fn start(case: &Case, patience: Patience) -> Result<WorkerProcess, String> {
        if patience.is_over() {
            return Err("the time was over".into());
        }
        if !case.program.exists() && case.program.components().count() > 1 {
            // A peer that could not be built is replaced by a file with the reason.
            let reason = std::fs::read_to_string(case.program.with_extension("absent"));
            return Err(
                reason.map_or_else(|_| "not built: benches/run builds it".into(), |r| r.trim().into())
            );
        }
        let mut command = Command::new(&case.program);
        command.args(&case.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", case.program.display()))?;
        let (to, Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("it has no standard input and output".into());
        };
        let from = BufReader::new(from);
        let mut worker = WorkerProcess { child, to, from, patience, count: 1, taken: Taken::default() };
        let first = worker.line()?;
        match first.split_once(' ').unwrap_or((&first, "")) {
            ("ready", _) => Ok(worker),
            ("absent", why) => Err(why.to_owned()),
            _ => Err(format!("it said {first:?}")),
        }
    }

    /// Returns the next line. Reads without blocking, because a worker that stops within a line must not stop the
    /// run.
    fn line(&mut self) -> Result<String, String> {
        let left = self.patience.left();
        let deadline = Instant::now() + left;
        let mut line = Vec::new();
        loop {
            if self.from.buffer().is_empty() && !self.readable(deadline) {
                return Err(format!("no answer within {:.1} s", left.as_secs_f64()));
            }
            let Ok(there) = self.from.fill_buf() else { return Err(self.last_words()) };
            let end = there.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(there.len(), |end| end + 1);
            line.extend_from_slice(&there[..taken]);
            self.from.consume(taken);
            match (end, taken) {
                (Some(_), _) => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
                (None, 0) => return Err(self.last_words()),
                _ => {}
            }
        }
    }

    fn readable(&self, deadline: Instant) -> bool {
        let mut answer =
            libc::pollfd { fd: self.from.get_ref().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let left = deadline.saturating_duration_since(Instant::now()).as_millis() as i32;
        // SAFETY: one descriptor, which is ours and open.
        unsafe { libc::poll(&mut answer, 1, left) > 0 }
    }

    fn last_words(&mut self) -> String {
        // It may hang, so it is killed. A failure means that it has ended.
        let _ = self.child.kill();
        let mut output = Vec::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // Its far end may still hold the other end, so only the available bytes are read.
            let mut answer = libc::pollfd { fd: stderr.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let mut part = [0; 4096];
            // SAFETY: one descriptor, which is ours and open.
            while unsafe { libc::poll(&mut answer, 1, 200) } > 0 {
                match stderr.read(&mut part) {
                    Ok(n) if n > 0 => output.extend_from_slice(&part[..n]),
                    _ => break,
                }
            }
        }
        let output = String::from_utf8_lossy(&output);
        output.trim_end().lines().last().unwrap_or("it ended without a word").to_owned()
    }

    /// Runs one turn; returns the answer's first number, and the others.
    pub fn round(&mut self) -> Result<(f64, Vec<f64>), String> {
        let count = self.count;
        let written = self.to.as_mut().map(|to| writeln!(to, "{count}"));
        if !matches!(written, Some(Ok(()))) {
            return Err(self.last_words());
        }
        let line = self.line()?;
        let numbers: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        let numbers = numbers.map_err(|_| format!("it said {line:?}"))?;
        let (mean, singles) = numbers.split_first().ok_or("it said nothing")?;
        Ok((*mean, singles.to_vec()))
    }

    /// Finds how many operations fill a turn.
    pub fn calibrate(&mut self, round: Duration) -> Result<(), String> {
        self.count = 8;
        for _ in 0..2 {
            let (mean, _) = self.round()?;
            self.count = (round.as_nanos() as f64 / mean.max(1.0)).clamp(4.0, MOST) as u64;
        }
        Ok(())
    }

    pub fn take_turn(&mut self) -> Result<(), String> {
        let (mean, singles) = self.round()?;
        self.taken.rounds.push(mean);
        self.taken.singles.extend(singles);
        Ok(())
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // At the end of its standard input a worker cleans up. A worker that does not end is killed.
        drop(self.to.take());
        let deadline = Instant::now() + LEAVING;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // Fails if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
