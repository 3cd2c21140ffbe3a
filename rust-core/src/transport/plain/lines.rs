//! Bytes into lines.

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// Space for one read.
const STEP: usize = 64 << 10;

/// Bytes that have come, and where the next line begins in them.
pub struct Lines {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Up to here no end of a line was found.
    looked: usize,
    limit: usize,
    /// Within a line over the limit: what comes until its end is forgotten.
    skipping: bool,
}

impl Lines {
    /// Lines of at most so many bytes, their end not counted.
    pub fn new(limit: u64) -> Lines {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Lines { buffer: Vec::new(), start: 0, end: 0, looked: 0, limit, skipping: false }
    }

    /// Space for what is read next; [`Lines::came`] says how much it was.
    pub fn room(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.looked, self.end) = (self.looked - self.start, self.end - self.start);
        self.start = 0;
        if self.buffer.len() < self.end + STEP {
            self.buffer.resize(self.end + STEP, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes have come into the room.
    pub fn came(&mut self, count: usize) {
        self.end += count;
    }

    /// What has come and is not given yet.
    pub fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Forgets so many of those.
    pub fn forget(&mut self, count: usize) {
        self.start += count;
        self.looked = self.looked.max(self.start);
    }

    /// The next whole line that is not blank, without its end. `TooLarge` once for a line over the limit.
    pub fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            let found = self.buffer[self.looked..self.end].iter().position(|byte| *byte == b'\n');
            let Some(at) = found else {
                self.looked = self.end;
                if self.skipping {
                    self.start = self.end;
                } else if self.end - self.start > self.limit.saturating_add(1) {
                    // One more may be the first half of the line's end.
                    self.start = self.end;
                    self.skipping = true;
                    return Some(Err(self.too_large()));
                }
                self.give_back();
                return None;
            };
            let line = self.start..self.looked + at;
            (self.start, self.looked) = (line.end + 1, line.end + 1);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if let Some(line) = self.cut(line) {
                return Some(line);
            }
        }
    }

    /// What stands behind the last end of a line once no more comes.
    pub fn last(&mut self) -> Option<Result<Bytes>> {
        let line = self.start..self.end;
        (self.start, self.looked) = (self.end, self.end);
        if std::mem::take(&mut self.skipping) { None } else { self.cut(line) }
    }

    /// Whether [`Lines::next`] has something to give.
    pub fn has_line(&mut self) -> bool {
        loop {
            let waiting = &self.buffer[self.start..self.end];
            let Some(at) = waiting.iter().position(|byte| *byte == b'\n') else { return false };
            if !self.skipping && !is_blank(&waiting[..at]) {
                return true;
            }
            self.skipping = false;
            self.start += at + 1;
            self.looked = self.start;
        }
    }

    fn cut(&self, line: std::ops::Range<usize>) -> Option<Result<Bytes>> {
        let line = &self.buffer[line];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_blank(line) {
            return None;
        }
        Some(if line.len() > self.limit { Err(self.too_large()) } else { Ok(Bytes::copy_from_slice(line)) })
    }

    fn too_large(&self) -> Error {
        let text = format!(
            "over the message limit: a line of more than {} bytes was skipped; raise the option limit here, or send shorter lines",
            self.limit
        );
        Error::new(ErrorKind::TooLarge, text)
    }

    /// A long line's memory is not kept for short ones.
    fn give_back(&mut self) {
        if self.start == self.end && self.buffer.len() > STEP {
            self.buffer = Vec::new();
            (self.start, self.end, self.looked) = (0, 0, 0);
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &mut Lines, bytes: &[u8]) -> Vec<String> {
        for part in bytes.chunks(STEP) {
            lines.room()[..part.len()].copy_from_slice(part);
            lines.came(part.len());
        }
        drain(lines)
    }

    fn drain(lines: &mut Lines) -> Vec<String> {
        let mut given = Vec::new();
        loop {
            let has = lines.has_line();
            match lines.next() {
                Some(Ok(line)) => {
                    assert!(has);
                    given.push(String::from_utf8(line.to_vec()).unwrap());
                }
                Some(Err(e)) => given.push(e.kind().name().to_owned()),
                None => {
                    assert!(!has);
                    return given;
                }
            }
        }
    }

    #[test]
    fn however_the_bytes_come_the_lines_are_the_same() {
        let text = b"one\r\n\n  \t\r\ntwo\nthree \xc3\xa9\n\r\nover the limit is this\nlast but one\n0123456789ab\r\nrest";
        let whole = feed(&mut Lines::new(12), text);
        let expected = ["one", "two", "three \u{e9}", "TooLarge", "last but one", "0123456789ab"];
        assert_eq!(whole, expected);
        for step in 1..text.len() {
            let mut lines = Lines::new(12);
            let mut given: Vec<String> = text.chunks(step).flat_map(|part| feed(&mut lines, part)).collect();
            assert_eq!(given, expected, "{step} bytes at a time");
            given.extend(lines.last().map(|line| String::from_utf8(line.unwrap().to_vec()).unwrap()));
            assert_eq!(given.last().unwrap(), "rest");
            assert!(lines.last().is_none());
        }
    }

    #[test]
    fn a_line_that_never_ends_is_told_once_and_takes_no_memory() {
        let mut lines = Lines::new(1000);
        let mut given = Vec::new();
        for _ in 0..100 {
            given.extend(feed(&mut lines, &[b'x'; STEP]));
        }
        assert_eq!(given, ["TooLarge"]);
        assert!(lines.buffer.len() <= 2 * STEP, "{}", lines.buffer.len());
        assert_eq!(feed(&mut lines, b"end\nnext\n"), ["next"]);
    }

    #[test]
    fn a_line_that_is_too_long_at_the_end_of_the_stream_is_no_line() {
        let mut lines = Lines::new(4);
        assert_eq!(feed(&mut lines, b"too long"), ["TooLarge"]);
        assert!(lines.last().is_none());
        let mut lines = Lines::new(4);
        assert_eq!(feed(&mut lines, b"12345"), Vec::<String>::new());
        assert_eq!(lines.last().unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
