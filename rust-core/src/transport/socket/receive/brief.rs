//! The short wait of a stream: a read that sleeps for a few milliseconds, in place of a sleep in epoll and a
//! read.
//!
//! It sees neither the end of a process whose child keeps the socket nor another thread that wants this one
//! to stop, so it comes once before each sleep in epoll, and only where messages come one after the other.

use crate::transport::stream::Stream;

/// Frames that have to arrive before a brief read, and again after one in which nothing came: a slow connection
/// has one needless wake-up in so many messages at most, and an idle one none.
pub(super) const FIRST: u32 = 16;

/// Whether brief reads are made.
#[derive(Default)]
pub(super) struct BriefReads {
    /// Frames since the link began or a brief read passed in vain, up to [`FIRST`].
    frames: u32,
    /// Whether the stream has them; asked at the first.
    has_them: Option<bool>,
    /// Whether the last one took all that there was, and no `try_recv` has followed.
    pub emptied: bool,
}

impl BriefReads {
    /// Counts a frame.
    #[inline]
    pub fn note_frame(&mut self) {
        self.frames = self.frames.saturating_add(1).min(FIRST);
    }

    /// Returns whether frames come one after the other.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.frames == FIRST
    }

    /// Returns whether this stream has such reads.
    pub fn has(&mut self, stream: &Stream) -> bool {
        *self.has_them.get_or_insert_with(|| stream.allow_brief_reads())
    }

    /// Notes that one has passed in vain.
    pub fn note_passed(&mut self) {
        self.frames = 0;
    }

    /// Returns whether the last one took all that there was, once.
    #[inline]
    pub fn take_emptied(&mut self) -> bool {
        std::mem::take(&mut self.emptied)
    }
}
