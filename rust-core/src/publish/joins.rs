//! A subscriber in Rust's own terms: an iterator, a descriptor, something to print.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::Subscriber;
use crate::error::{ErrorKind, Result};
use crate::message::Message;

/// The messages as they come, for ever; ends as [`Subscriber::next`] does. An error, such as `Lagged`, is an item, and the
/// messages behind it follow.
#[derive(Debug)]
pub struct Messages<'a>(&'a Subscriber);

impl Iterator for Messages<'_> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        self.0.next(None).transpose()
    }
}

impl<'a> IntoIterator for &'a Subscriber {
    type Item = Result<Message>;
    type IntoIter = Messages<'a>;

    fn into_iter(self) -> Messages<'a> {
        Messages(self)
    }
}

/// The messages that are there, without waiting; see [`Subscriber::try_iter`].
#[derive(Debug)]
pub struct TryMessages<'a>(&'a Subscriber);

impl Iterator for TryMessages<'_> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        match self.0.try_recv() {
            Err(error) if error.kind() == ErrorKind::Empty => None,
            taken => Some(taken),
        }
    }
}

impl Subscriber {
    /// The messages that are there, without waiting for more: of a `journal:` everything that is left to read, after which the
    /// subscriber has caught up. An error is an item; one that comes again and again does so here, too.
    pub fn try_iter(&self) -> TryMessages<'_> {
        TryMessages(self)
    }
}

/// The descriptor of [`Subscriber::fileno`]. Where that fails, because another thread receives, the descriptor is not readable
/// on its own, and the next call says why.
impl AsFd for Subscriber {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let _ = self.fileno();
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Subscriber {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
