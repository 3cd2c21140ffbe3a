//! Bytes into lines, and the dialect that interprets a line, which the layer above implements.
//!
//! A line longer than one read is kept in a `Partial`, because a peer can leave it incomplete for any time;
//! it counts with all other incomplete messages. A line over the limit is skipped to its end and reported
//! once. No byte is searched twice for a newline.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::admission::PeerIdentity;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Incoming, Outgoing};
use crate::partial::Partial;

/// Translates between the lines of a link and frames. Both halves share it, so it guards its own state.
pub trait Dialect: Send + Sync {
    /// Appends the frames of a line. `line` is an error if the line could not be read.
    ///
    /// # Errors
    /// Errors of this line; the link continues.
    fn decode_line(&self, line: Result<Bytes>, into: &mut VecDeque<Incoming>) -> Result<()>;

    /// Returns the line of a frame, without its end, if there is something to send now.
    ///
    /// May be called again with this frame until it is sent.
    fn encode_frame(&self, frame: &Outgoing<'_>) -> Result<Option<Vec<u8>>>;

    /// Notes that the frame was sent, or that there was nothing to send for it.
    fn frame_sent(&self, frame: &Outgoing<'_>);

    /// Returns the answer to a peer that begins in Linkspan's own framing.
    fn refuse_hello(&self) -> Vec<u8>;
}

/// The division of the bytes of a plain link.
#[derive(Clone)]
pub enum Division {
    /// Lines, which this dialect translates.
    Lines(Arc<dyn Dialect>),
    /// Each read is a message.
    Raw,
}

const STEP: usize = 64 << 10;

pub struct Lines {
    buffer: Vec<u8>,
    /// The beginning of the next line ...
    start: usize,
    /// ... and the end of the received bytes.
    end: usize,
    /// The bytes before this offset contain no newline.
    searched: usize,
    limit: usize,
    /// The received part of a line that is longer than one read; it continues at `start`.
    long: Option<Partial>,
    /// The peer that long lines count against; determined at the first long line.
    sender: Option<PeerIdentity>,
    /// Whether to skip the bytes up to the next newline: their line was already reported.
    skipping: bool,
}

impl Lines {
    pub(crate) fn new(limit: u64) -> Lines {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Lines {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            limit,
            long: None,
            sender: None,
            skipping: false,
        }
    }

    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.searched, self.end) = (self.searched - self.start, self.end - self.start);
            self.start = 0;
        }
        if self.buffer.len() < self.end + STEP {
            self.buffer.resize(self.end + STEP, 0);
        }
        &mut self.buffer[self.end..]
    }

    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }

    pub(crate) fn waiting(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    pub(crate) fn discard(&mut self, count: usize) {
        self.start += count;
        self.searched = self.searched.max(self.start);
    }

    /// Returns the next complete line that is not blank, without its end.
    ///
    /// # Errors
    /// `TooLarge` or `OutOfMemory` once for a line that is skipped; `Disconnected` if the budget took a long
    /// line: then no later line may be returned.
    pub(crate) fn next(&mut self, sender: &dyn Fn() -> PeerIdentity) -> Option<Result<Bytes>> {
        loop {
            let found = self.buffer[self.searched..self.end].iter().position(|byte| *byte == b'\n');
            let Some(at) = found else {
                self.searched = self.end;
                let kept = self.keep_half(sender);
                self.give_back();
                return kept.err().map(Err);
            };
            let line = self.start..self.searched + at;
            (self.start, self.searched) = (line.end + 1, line.end + 1);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if let Some(line) = self.cut(line) {
                return Some(line);
            }
        }
    }

    pub(crate) fn last(&mut self) -> Option<Result<Bytes>> {
        let line = self.start..self.end;
        (self.start, self.searched) = (self.end, self.end);
        if std::mem::take(&mut self.skipping) { None } else { self.cut(line) }
    }

    pub(crate) fn has_line(&mut self) -> bool {
        loop {
            let found = self.buffer[self.searched..self.end].iter().position(|byte| *byte == b'\n');
            let Some(at) = found else {
                self.searched = self.end;
                return false;
            };
            let line = self.start..self.searched + at;
            if !self.skipping && (self.long.is_some() || !is_blank(&self.buffer[line.clone()])) {
                return true;
            }
            self.skipping = false;
            (self.start, self.searched) = (line.end + 1, line.end + 1);
        }
    }

    fn keep_half(&mut self, sender: &dyn Fn() -> PeerIdentity) -> Result<()> {
        if self.skipping {
            self.start = self.end;
            return Ok(());
        }
        let half = &self.buffer[self.start..self.end];
        let whole = self.long.as_ref().map_or(0, Partial::have) + half.len();
        // One byte more, because it may be the carriage return of the line's end.
        let most = self.limit.saturating_add(1);
        let kept = if whole > most {
            Err(self.too_large())
        } else if self.long.is_some() || half.len() > STEP {
            let sender = self.sender.get_or_insert_with(sender);
            let begin = || Partial::begin(most, self.limit as u64, sender.clone());
            self.long.get_or_insert_with(begin).extend(half)
        } else {
            return Ok(());
        };
        self.start = self.end;
        if kept.is_err() {
            (self.long, self.skipping) = (None, true);
        }
        kept
    }

    fn cut(&mut self, line: std::ops::Range<usize>) -> Option<Result<Bytes>> {
        let here = &self.buffer[line];
        let Some(mut long) = self.long.take() else {
            let line = here.strip_suffix(b"\r").unwrap_or(here);
            return match line {
                _ if is_blank(line) => None,
                _ if line.len() > self.limit => Some(Err(self.too_large())),
                _ => Some(Ok(Bytes::copy_from_slice(line))),
            };
        };
        // The carriage return of its end may have been kept before.
        if long.have() + here.len() > self.limit.saturating_add(1) {
            return Some(Err(self.too_large()));
        }
        let mut line = match long.extend(here).and_then(|()| long.finish()) {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line.shrink_to_fit();
        match line {
            _ if is_blank(&line) => None,
            _ if line.len() > self.limit => Some(Err(self.too_large())),
            _ => Some(Ok(line.into())),
        }
    }

    fn too_large(&self) -> Error {
        let text = format!(
            "over the message limit: a line of more than {} bytes was skipped; raise the option max_message_size here, or send shorter lines",
            self.limit
        );
        Error::new(ErrorKind::TooLarge, text)
    }

    fn give_back(&mut self) {
        if self.start == self.end && self.buffer.len() > STEP {
            self.buffer = Vec::new();
            (self.start, self.end, self.searched) = (0, 0, 0);
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
            lines.filled(part.len());
        }
        drain(lines)
    }

    fn drain(lines: &mut Lines) -> Vec<String> {
        let mut given = Vec::new();
        loop {
            let has = lines.has_line();
            match lines.next(&|| PeerIdentity::User(0)) {
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
    fn lines_do_not_depend_on_the_division_of_reads() {
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
    fn endless_line_is_reported_once_and_takes_no_memory() {
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
    fn long_line_does_not_depend_on_the_division_of_reads() {
        for length in [STEP - 1, STEP, STEP + 1, 2 * STEP, 5 * STEP + 7] {
            for end in ["\n", "\r\n"] {
                let mut lines = Lines::new(length as u64);
                let line = "x".repeat(length);
                let text = [b"short\n", line.as_bytes(), end.as_bytes(), b"next\n"].concat();
                let given: Vec<String> = text.chunks(4097).flat_map(|part| feed(&mut lines, part)).collect();
                assert!(given == ["short", &line, "next"], "{length} {end:?}: {} lines", given.len());
            }
            let mut lines = Lines::new(length as u64 - 1);
            let given = feed(&mut lines, format!("{}\nnext\n", "x".repeat(length)).as_bytes());
            assert_eq!(given, ["TooLarge", "next"], "{length}");
        }
    }

    #[test]
    fn part_of_a_long_line_counts_as_an_incomplete_message() {
        let mut lines = Lines::new(64 << 20);
        assert_eq!(feed(&mut lines, &vec![b'x'; 3 << 20]), Vec::<String>::new());
        assert_eq!(lines.long.as_ref().map(Partial::have), Some(3 << 20));
        assert!(lines.buffer.len() <= 2 * STEP, "{}", lines.buffer.len());
        assert_eq!(feed(&mut lines, b"\n").concat().len(), 3 << 20);
        assert!(lines.long.is_none());
        assert_eq!(feed(&mut lines, &vec![b'x'; 3 << 20]), Vec::<String>::new());
        assert_eq!(lines.last().unwrap().unwrap().len(), 3 << 20);
    }

    #[test]
    fn too_long_line_at_the_end_of_the_stream_is_refused() {
        let mut lines = Lines::new(4);
        assert_eq!(feed(&mut lines, b"too long"), ["TooLarge"]);
        assert!(lines.last().is_none());
        let mut lines = Lines::new(4);
        assert_eq!(feed(&mut lines, b"12345"), Vec::<String>::new());
        assert_eq!(lines.last().unwrap().unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
