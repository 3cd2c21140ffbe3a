//! How far a command has come with its recordings: a line on a terminal, which replaces itself.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use linkspan_recording::Reader;

use crate::stderr;

/// How often it is shown.
const OFTEN: Duration = Duration::from_millis(200);
/// Entries between two looks at the clock.
const ENTRIES: u32 = 256;

/// Shows how far a command has come; on anything but a terminal it shows nothing.
pub struct Progress {
    what: &'static str,
    is_shown: bool,
    entries: u32,
    last: Instant,
    has_line: bool,
}

impl Progress {
    /// Of a command that does this.
    pub fn of(what: &'static str) -> Progress {
        let is_shown = std::io::stderr().is_terminal();
        Progress { what, is_shown, entries: 0, last: Instant::now(), has_line: false }
    }

    /// Shows nothing.
    pub fn hide(&mut self) {
        self.is_shown = false;
    }

    /// Whether it is shown.
    pub fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Shows it, now and then, where these readers are.
    pub fn at<'a>(&mut self, readers: impl IntoIterator<Item = &'a Reader>) {
        self.entries = self.entries.wrapping_add(1);
        if !self.is_shown || !self.entries.is_multiple_of(ENTRIES) || self.last.elapsed() < OFTEN {
            return;
        }
        self.last = Instant::now();
        let sums = readers.into_iter().map(Reader::progress);
        let (read, whole) = sums.fold((0u64, 0u64), |(read, whole), (one, all)| {
            (read.saturating_add(one), whole.saturating_add(all))
        });
        // Above 2^53 bytes a percent is not lost.
        self.show(read as f64 / whole.max(1) as f64);
    }

    /// Shows which part of all is done.
    pub fn show(&mut self, part: f64) {
        if self.is_shown {
            self.has_line = true;
            stderr::show_progress(&format!("{}: {:.0} %", self.what, part.clamp(0.0, 1.0) * 100.0));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_line {
            stderr::show_progress("");
        }
    }
}
