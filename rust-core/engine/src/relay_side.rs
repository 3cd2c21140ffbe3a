//! The interface of `linkspan-relay` outside the public one.
//!
//! A relay answers and makes hellos like a listener and a connecting end, without a session, and writes journals record
//! by record. These are functions instead of methods, so that programs cannot call them: `linkspan` does not re-export
//! this module.

pub use crate::channel::acceptor::bind;
pub use crate::channel::admission::{answer_with_state, check_allowed};
pub use crate::channel::pattern::Pattern;
pub use crate::publish::store_driver;

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use crate::channel::Use;
use crate::channel::accept_queue::AcceptQueue;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::kind::Transport;
use crate::transport::place::Access;
use crate::{Message, Options};

/// The hellos of both sides.
pub mod handshake {
    pub use crate::channel::handshake::{Hello, read_answer, refusal};
}

/// Schemas in the directory of a journal.
pub mod stored {
    pub use crate::channel::schema_negotiation::stored::{keep_form, remove_unused};
}

/// Fails with `Unsupported` and the reason if the transport cannot provide the channel options.
pub fn check_options(options: &Options, transport: Transport) -> Result<()> {
    options.check(transport, Use::Channel)
}

/// Returns the access rights of created files.
pub fn access(options: &Options) -> Access {
    options.access()
}

/// Returns the machine of [`Options::with_machine`].
pub fn machine(options: &Options) -> Option<&str> {
    options.machine.as_deref()
}

/// Returns the number of the schema of a record, 0 for none.
pub fn schema_number(message: &Message) -> u64 {
    message.header().schema
}

/// Connections to a listener that wait to be taken.
///
/// The descriptor is readable while one waits or after the end.
pub struct Queue<T>(AcceptQueue<T>);

impl<T> Queue<T> {
    /// Returns an empty queue.
    ///
    /// # Errors
    /// `OutOfMemory` if the process cannot open more descriptors.
    pub fn new() -> Result<Queue<T>> {
        AcceptQueue::new().map(Queue)
    }

    /// Adds a connection.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Fails with `Full` if the queue is as long as the options allow.
    pub fn check_room(&self, options: &Options) -> Result<()> {
        let most = options.queue;
        if self.0.len() < most {
            return Ok(());
        }
        let text = format!("{most} programs wait to be admitted on another machine; try again later");
        Err(Error::new(ErrorKind::Full, text))
    }

    /// Returns the first connection without waiting.
    ///
    /// # Errors
    /// The error that ended the listener, after the queue is empty.
    pub fn pop(&self) -> Result<Option<T>> {
        let first = self.0.pop();
        if first.is_none() {
            self.0.check_failure()?;
        }
        Ok(first)
    }

    /// Ends the queue with this error.
    pub fn fail(&self, error: &Error) {
        self.0.fail(error);
    }
}

impl<T> AsFd for Queue<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.waker().as_fd()
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.0.len()).finish()
    }
}
