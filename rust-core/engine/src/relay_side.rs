//! What `linkspan-relay` uses beside the public interface: it answers and makes hellos as a listener and a connecting
//! end do, without a session of its own, and writes journals record by record.
//!
//! Functions instead of methods, so that no program can call them: `linkspan` does not pass this module on.

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

/// The hello of each side.
pub mod handshake {
    pub use crate::channel::handshake::{Hello, read_answer, refusal};
}

/// Schemas in the directory of a journal.
pub mod stored {
    pub use crate::channel::schema_negotiation::stored::{keep_form, remove_unused};
}

/// Fails with `Unsupported` and the reason if the transport cannot do what the options ask of a channel.
pub fn check_options(options: &Options, transport: Transport) -> Result<()> {
    options.check(transport, Use::Channel)
}

/// Returns the access rights of the files that are created.
pub fn access(options: &Options) -> Access {
    options.access()
}

/// Returns the machine of [`Options::with_machine`].
pub fn machine(options: &Options) -> Option<&str> {
    options.machine.as_deref()
}

/// Returns the number of the schema that a record names, 0 for none.
pub fn schema_number(message: &Message) -> u64 {
    message.header().schema
}

/// What has connected to a listener and waits to be taken. Its descriptor is readable while something waits, or once
/// nothing more comes.
pub struct Queue<T>(AcceptQueue<T>);

impl<T> Queue<T> {
    /// Returns an empty queue.
    ///
    /// # Errors
    /// `OutOfMemory` if the process has no descriptor left.
    pub fn new() -> Result<Queue<T>> {
        AcceptQueue::new().map(Queue)
    }

    /// Adds what has connected.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Fails with `Full` if as many wait as the options admit.
    pub fn check_room(&self, options: &Options) -> Result<()> {
        let most = options.queue;
        if self.0.len() < most {
            return Ok(());
        }
        let text = format!("{most} programs wait to be admitted on another machine; try again later");
        Err(Error::new(ErrorKind::Full, text))
    }

    /// Returns what came first, without waiting.
    ///
    /// # Errors
    /// What ended the listener, once nothing is left.
    pub fn pop(&self) -> Result<Option<T>> {
        let first = self.0.pop();
        if first.is_none() {
            self.0.check_failure()?;
        }
        Ok(first)
    }

    /// Ends the queue: nothing more comes, for this reason.
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
