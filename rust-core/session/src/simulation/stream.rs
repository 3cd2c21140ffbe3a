//! The bytes of a link in one direction.
//!
//! Frames may be written and read in parts, and a break may lose any byte.

use std::collections::VecDeque;

use super::end::Frame;

const HEADER: u64 = 8;

/// A direction of a link. Offsets are from its beginning.
#[derive(Debug, Default)]
pub struct Stream {
    /// The begun, unreceived frames, each with the offset of its end.
    frames: VecDeque<(Frame, u64)>,
    begun: u64,
    written: u64,
    read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Whole,
    Started,
    Full,
}

impl Stream {
    pub fn put(&mut self, frame: Frame, capacity: u64) -> Put {
        self.write_rest(capacity);
        if self.has_rest() || self.room(capacity) == 0 {
            return Put::Full;
        }
        let bytes = if let Frame::Message { content, .. } = &frame { content.bytes as u64 } else { 0 };
        self.begun += HEADER + bytes;
        self.frames.push_back((frame, self.begun));
        self.write_rest(capacity);
        if self.begun == self.written { Put::Whole } else { Put::Started }
    }

    pub fn write_rest(&mut self, capacity: u64) -> bool {
        let some = (self.begun - self.written).min(self.room(capacity));
        self.written += some;
        some > 0
    }

    fn room(&self, capacity: u64) -> u64 {
        capacity.saturating_sub(self.written - self.read)
    }

    pub fn has_rest(&self) -> bool {
        self.begun > self.written
    }

    pub fn is_readable(&self) -> bool {
        self.written > self.read
    }

    /// Returns the next whole frame; else reads its arrived part.
    pub fn next(&mut self) -> Option<Frame> {
        let (frame, _) = *self.frames.front().filter(|(_, end)| *end <= self.written)?;
        self.read = self.frames.pop_front()?.1;
        Some(frame)
    }

    pub fn read_part(&mut self) -> bool {
        let some = self.written > self.read;
        self.read = self.written;
        some
    }

    pub fn under_way(&self) -> usize {
        (self.written - self.read) as usize
    }

    /// Loses the written bytes after the next `left` bytes. Returns whether that ends within a frame.
    pub fn tear(&mut self, left: usize) -> bool {
        let end = self.read + left as u64;
        let is_within = self.frames.iter().any(|(_, at)| *at > end && end > self.read)
            && !self.frames.iter().any(|(_, at)| *at == end);
        self.frames.retain(|(_, at)| *at <= end);
        (self.written, self.begun) = (end, end);
        is_within
    }
}
