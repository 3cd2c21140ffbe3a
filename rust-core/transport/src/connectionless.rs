//! Links without a hello: the name is a place, and each process has one link to all other processes.
//!
//! There is nobody to negotiate with, so each side states its options and the extension of every frame names
//! its sender.

use std::any::Any;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::place::Place;
use super::{Rx, Tx};
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::Result;

/// Makes links to a place: a directory, a mailslot.
pub trait ConnectionlessDriver: Sync {
    /// Takes the name.
    ///
    /// # Errors
    /// `AddressInUse` if a living process owns it.
    fn listen(&self, endpoint: &Endpoint, options: &ConnectOptions) -> Result<ConnectionlessLink>;

    /// Joins the place, and waits until a process owns it.
    ///
    /// # Errors
    /// `NotFound` if the deadline passes before; `PermissionDenied`.
    fn connect(
        &self,
        endpoint: &Endpoint,
        options: &ConnectOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<ConnectionlessLink>;
}

/// The program's options for the channel above.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The name of this side: its `client_id`, or its program's name and process number.
    pub source: String,
    /// Whether the program gave that name, so it stays after a restart.
    pub named: bool,
    /// The random number of this incarnation.
    pub session: u64,
    /// The longest message in bytes.
    pub max_message_size: u64,
    /// The encoding of values.
    pub encoding: Encoding,
    /// The mode of new files; `None` for the directory's own.
    pub mode: Option<u32>,
    /// The group of new files.
    pub group: Option<u32>,
    /// Bytes that may wait unread; `None` for the transport's own limit.
    pub buffer: Option<usize>,
    /// Whether accepted messages survive a power cut.
    pub durable: bool,
    /// Whether several processes may serve the name.
    pub shared: bool,
    /// The longest wait for an owner's end; `None` for the usual times.
    pub patience: Option<Duration>,
    /// "channel" or "request": for the record that listings read.
    pub pattern: &'static str,
}

/// One side's link.
pub struct ConnectionlessLink {
    /// The sending half.
    pub tx: Tx,
    /// The receiving half.
    pub rx: Rx,
    /// Owns the name until it is dropped.
    pub keeps: Option<Box<dyn Any + Send + Sync>>,
    /// The directory of the messages; `None` if they are in the kernel.
    pub place: Option<Place>,
}
