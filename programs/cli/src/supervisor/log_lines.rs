//! Splits output into log lines: truncates long lines, limits their rate. Pure: no clock, no pipe.

use std::time::Duration;

use linkspan::several_lines;

/// The longest line in bytes; with the mark of truncation it is within the limit of a controller.
const MAX: usize = 900;
/// The size of a burst in lines, and the sustained rate in lines per second.
const BURST: f64 = 200.0;
const RATE: f64 = 50.0;

#[derive(Debug, Default)]
pub struct LineSplitter {
    begun: Vec<u8>,
    /// Bytes of the current line that were cut off.
    cut: usize,
    /// The number of lines so far.
    pub count: u64,
    pub last: String,
}

impl LineSplitter {
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n");
            let kept = text.unwrap_or(part);
            let room = MAX.saturating_sub(self.begun.len()).min(kept.len());
            self.begun.extend_from_slice(&kept[..room]);
            self.cut += kept.len() - room;
            if text.is_some() {
                whole.push(self.end_line());
            }
        }
        whole
    }

    /// Returns the last line if its end is missing.
    pub fn finish(&mut self) -> Option<String> {
        (!self.begun.is_empty()).then(|| self.end_line())
    }

    fn end_line(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.begun);
        let mut line = several_lines(text.trim_end_matches('\r'));
        if self.cut > 0 {
            line.push_str(&format!(" … ({} bytes more)", self.cut));
        }
        self.begun.clear();
        self.cut = 0;
        self.count += 1;
        self.last.clone_from(&line);
        line
    }
}

/// A token bucket that counts refused lines.
#[derive(Debug)]
pub struct RateLimit {
    room: f64,
    at: Duration,
    left_out: u64,
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit { room: BURST, at: Duration::ZERO, left_out: 0 }
    }
}

impl RateLimit {
    fn refill(&mut self, now: Duration) {
        self.room = (self.room + now.saturating_sub(self.at).as_secs_f64() * RATE).min(BURST);
        self.at = now;
    }

    /// After a refusal all are refused until the count has been reported.
    pub fn allow(&mut self, now: Duration) -> bool {
        self.refill(now);
        if self.left_out > 0 || self.room < 1.0 {
            self.left_out += 1;
            return false;
        }
        self.room -= 1.0;
        true
    }

    /// When the count of refused lines is due, if any.
    pub fn due(&self) -> Option<Duration> {
        let missing = (BURST / 4.0 - self.room).max(0.0) / RATE;
        (self.left_out > 0).then(|| self.at + Duration::from_secs_f64(missing))
    }

    /// Returns the number of refused lines once it is due, or at the end.
    pub fn take_left_out(&mut self, now: Duration, is_the_end: bool) -> Option<u64> {
        if !is_the_end && self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.refill(now);
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_with_any_division_of_reads() {
        let text = "one\n\ntwo\r\nthr\u{e9}e\n\u{1b}[31mred\tand\nlast";
        for step in 1..text.len() {
            let mut lines = LineSplitter::default();
            let mut all: Vec<_> = text.as_bytes().chunks(step).flat_map(|part| lines.feed(part)).collect();
            all.extend(lines.finish());
            assert_eq!(
                all,
                ["one", "", "two", "thr\u{e9}e", "\\u001b[31mred\tand", "last"],
                "in steps of {step}"
            );
            assert_eq!((lines.count, lines.last.as_str()), (6, "last"));
            assert_eq!(lines.finish(), None);
        }
    }

    #[test]
    fn long_line_is_cut_and_marked() {
        let mut lines = LineSplitter::default();
        for _ in 0..100 {
            assert_eq!(lines.feed(&[b'x'; 1000]), [""; 0]);
        }
        assert!(lines.begun.capacity() < 4 * MAX);
        assert_eq!(
            lines.feed(b"\nshort\n"),
            [format!("{} … (99100 bytes more)", "x".repeat(900)), "short".into()]
        );
    }

    #[test]
    fn flood_is_thinned_and_counted() {
        let mut rate_limit = RateLimit::default();
        let mut reported = 0;
        let mut inside = 0;
        let second = Duration::from_secs(1);
        for ms in 0..10_000u32 {
            let now = second * ms / 1000;
            reported += rate_limit.take_left_out(now, false).unwrap_or(0);
            inside += (0..10).filter(|_| rate_limit.allow(now)).count() as u64;
        }
        reported += rate_limit.take_left_out(10 * second, true).unwrap_or(0);
        assert_eq!(inside + reported, 100_000, "each line is in the log, or counted");
        assert!((200..=200 + 51 * 10).contains(&inside), "{inside}");
        assert_eq!(rate_limit.due(), None);
        assert!(rate_limit.allow(20 * second));
    }
}
