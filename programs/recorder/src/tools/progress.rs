//! Shows the progress of a command on one line of a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use linkspan_recording::Reader;

use crate::stderr;

const OFTEN: Duration = Duration::from_millis(200);
/// Entries between two looks at the clock.
const ENTRIES: u32 = 256;

/// The progress of a command, shown only on a terminal.
pub struct Progress {
    what: &'static str,
    is_shown: bool,
    entries: u32,
    last: Instant,
    has_line: bool,
}

impl Progress {
    pub fn of(what: &'static str) -> Progress {
        let is_shown = std::io::stderr().is_terminal();
        Progress { what, is_shown, entries: 0, last: Instant::now(), has_line: false }
    }

    pub fn hide(&mut self) {
        self.is_shown = false;
    }

    pub fn is_shown(&self) -> bool {
        self.is_shown
    }

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
        // Beyond 2^53 bytes, rounding does not affect a percentage.
        self.show(read as f64 / whole.max(1) as f64);
    }

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
