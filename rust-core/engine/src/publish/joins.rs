//! The subscriber's traits of the standard library: iterators, descriptors, `Debug`.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::Subscriber;
use crate::error::{ErrorKind, Result};
use crate::message::Message;

/// Iterates over the messages and stops as [`Subscriber::next`] does.
///
/// An error is an item, and later messages follow.
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

/// Iterates over the messages that have arrived, without waiting: see [`Subscriber::try_iter`].
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
    /// Iterates over the messages that have arrived, without waiting for more.
    ///
    /// With a `journal:` these are all unread messages. An error is an item, and a permanent error is returned again
    /// and again.
    pub fn try_iter(&self) -> TryMessages<'_> {
        TryMessages(self)
    }
}

/// The descriptor of [`Subscriber::fileno`].
///
/// If `fileno` fails because another thread receives, the descriptor does not become readable on its own, and the next
/// call reports the reason.
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
