//! The traits that the folder of a transport implements. The layers above call only these traits.
//!
//! Drivers are static and hold no state. A returned object owns everything that the call made, and releases
//! the name when dropped. No method runs the program's code. Methods that may block take a [`Waiting`].

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::acceptor::ListenSource;
use super::broadcast::BroadcastDriver;
use super::connectionless::{ConnectOptions, ConnectionlessDriver};
use super::endpoint::Endpoint;
use super::hello::{Asked, Call};
use super::kind::Kind;
use super::link::Offer;
use super::place::{Access, Listener, Place};
use super::store::StoreDriver;
use super::stream::Stream;
use crate::codec::Encoding;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::sys::directory::Directory;
use crate::sys::lock::Lock;
use crate::sys::staging::Swept;

/// The keys with which this machine and others know each other.
#[derive(Clone, Debug)]
pub struct MachineKeys {
    /// The directory of the keys.
    pub directory: PathBuf,
    /// This machine's public key, as users write it.
    pub own: Option<String>,
    /// The names of the trusted keys.
    pub trusted: Vec<String>,
}

/// A transport: its kind, and its optional parts.
pub trait Driver: Sync {
    /// Returns the name and the capabilities.
    fn kind(&self) -> &'static Kind;

    /// Returns the part that connects two sides with a hello; `None` for other transports.
    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        None
    }

    /// Returns the part that opens a link to a place, without a hello.
    fn connectionless(&self) -> Option<&dyn ConnectionlessDriver> {
        None
    }

    /// Returns the part that makes a ring for all subscribers; `None` if each has its own link.
    fn broadcast(&self) -> Option<&dyn BroadcastDriver> {
        None
    }

    /// Returns whether the answer to a stream's hello may bring a memory file.
    fn brings_memory(&self) -> bool {
        false
    }

    /// Returns the part that opens a place that keeps published messages.
    fn store(&self) -> Option<&dyn StoreDriver> {
        None
    }

    /// Returns the source of a listing's information about a name.
    fn listing_source(&self) -> ListingSource;

    /// Reads the information in the files at a place, for [`ListingSource::Files`]. `None` without files.
    ///
    /// # Errors
    /// Errors of reading the files, with the path.
    fn listing(&self, _place: &Place) -> Result<Option<Listing>> {
        Ok(None)
    }

    /// Returns how many peers the owner of a name has, if that is visible from outside.
    fn peers(&self, _place: &Place) -> Option<u64> {
        None
    }

    /// Returns the place in the state directory, if the transport may keep files there also.
    fn durable_place(&self, _endpoint: &Endpoint) -> Option<Place> {
        None
    }

    /// Returns the name that an additional file belongs to: `lab.fifo` for `lab.fifo.reply`.
    fn name_of<'f>(&self, _file: &'f str) -> Option<&'f str> {
        None
    }

    /// Returns the file name of the token against other users, and whether the file exists.
    ///
    /// Returns `None` if file modes suffice.
    fn token(&self, _directory: &Directory) -> Option<(&'static str, Result<bool>)> {
        None
    }

    /// Reads the keys that admit other machines. `None` if this transport or this build has no keys.
    ///
    /// # Errors
    /// Errors of reading the key files, with the path.
    fn keys(&self) -> Option<Result<MachineKeys>> {
        None
    }

    /// Removes stale files at a place that no process owns. The caller holds the lock of the place.
    ///
    /// `_begun` tells whether a process may have died while it made something for the name.
    ///
    /// # Errors
    /// Errors of removing. Files of another user are no error: the result notes them.
    fn sweep(&self, place: &Place, _begun: bool) -> Result<Swept> {
        let mut swept = Swept::default();
        swept.note(place.remove_dead_socket())?;
        Ok(swept)
    }

    /// Removes stale files next to a living owner, such as files of clients that died.
    fn sweep_beside(&self, _place: &Place) -> Result<Swept> {
        Ok(Swept::default())
    }

    /// Removes the rest at a place without owner and messages, whose lock the caller holds.
    ///
    /// Returns whether anything was removed.
    fn remove_unused(&self, _place: &Place) -> Result<bool> {
        Ok(false)
    }
}

/// The source of a listing's information about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingSource {
    /// The process that answers at the socket; without an answer, the lock of the name.
    Socket,
    /// The owner record, and the process that it names.
    OwnerRecordAndCall,
    /// The owner record.
    OwnerRecord,
    /// The files at the name.
    Files {
        /// Whether a living process may own the name.
        owned: bool,
    },
}

/// The information in the files of a name; fields that they do not contain are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The user that owns the files.
    pub uid: Option<u32>,
    /// A random number, drawn when the history was made; never 0.
    pub identity: Option<u64>,
    /// The name of the program that wrote the newest message.
    pub source: Option<String>,
    /// The encoding of the newest message.
    pub encoding: Option<Encoding>,
    /// The sequence number of the newest message.
    pub messages: Option<u64>,
    /// The number of messages that no reader has consumed.
    pub waiting: Option<u64>,
    /// The readers with a name; `None` if readers of this transport have no names.
    pub consumers: Option<Vec<Consumer>>,
}

/// A reader whose position is kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The reader's `client_id`.
    pub name: String,
    /// The number of messages that it has not consumed.
    pub behind: u64,
    /// Whether a process reads under the name now.
    pub live: bool,
}

/// Makes links between two sides that exchange a hello.
pub trait ConnectionDriver: Sync {
    /// Returns whether this process can listen at the endpoint, which may be another machine's.
    fn can_listen(&self, _endpoint: &Endpoint) -> Result<bool> {
        Ok(true)
    }

    /// Takes the name without waiting for a peer.
    ///
    /// Returns the source for the acceptor, and the endpoint with the port that the kernel assigned.
    ///
    /// # Errors
    /// `AddressInUse` if a living process owns the name; `PermissionDenied` if another user's files occupy
    /// it.
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)>;

    /// Returns the address to connect to, even if no process listens there yet.
    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>>;

    /// Like [`ConnectionDriver::target`], for a name that a listing found at a place.
    fn target_at(&self, endpoint: &Endpoint, _place: &Place) -> Result<Box<dyn Target>> {
        self.target(endpoint)
    }

    /// Makes this side's part of the handshake: nothing, or a memory file for the session.
    ///
    /// `buffer` is the file's size in bytes; `None` is the transport's default.
    fn offer(&self, session: u64, buffer: Option<usize>) -> Result<Offer>;

    /// Opens the one stream of a name without hellos; `None` if each peer has its own connection.
    fn open_plain(&self, _endpoint: &Endpoint, _options: &ConnectOptions) -> Result<Option<Stream>> {
        Ok(None)
    }
}

/// The request of a listener.
pub struct ListenRequest<'a> {
    /// The users that may connect.
    pub access: Access,
    /// Whether to refuse an owned name at once, without waiting for its owner's end.
    pub at_once: bool,
    /// Whether peers begin with a hello; false with plain framing.
    pub expects_hello: bool,
    /// The options for the record that listings read.
    pub options: &'a ConnectOptions,
    /// The name of the program.
    pub program: String,
    /// Asks the process that serves a place for its listening socket; `None` if that process is ending.
    pub ask_to_join: &'a dyn Fn(&Place) -> Result<Option<OwnedFd>>,
}

/// An address at which a process listens or will listen.
///
/// The connecting channel calls it for each new connection.
pub trait Target: Send + Sync {
    /// Connects and sends a hello, once and without waiting. [`Call::wait`] waits for the answer.
    ///
    /// # Errors
    /// `PermissionDenied`; the refusals of the transport.
    fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>>;

    /// Like [`Target::ask`], if [`Driver::brings_memory`]: the answer may bring a memory file.
    ///
    /// # Errors
    /// The errors of [`Target::ask`].
    fn ask_for_memory(&self, hello: &[u8]) -> Result<Call<Asked>> {
        self.ask(hello, &[])
    }

    /// Connects once and sends nothing: for plain framing, and for probes. A readable waker ends the wait.
    fn connect(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Call<Stream>>;

    /// Returns the signal that another call may succeed.
    fn appears(&self) -> Appears<'_>;

    /// Returns the file that each listener renames to its place, if a file tells listeners apart.
    fn renamed_file(&self) -> Option<Place> {
        match self.appears() {
            Appears::Name(place) => Some(place.clone()),
            Appears::Polled(record) => record,
            Appears::Opened(_) => None,
        }
    }

    /// Returns the listener that has the name; `None` if there is none, or nothing tells listeners apart.
    fn listener(&self) -> Option<Listener> {
        self.renamed_file()?.listener()
    }

    /// Notes that this process waits for a listener, for the lifetime of the returned lock.
    ///
    /// A publisher serves such a process before it ends. Returns `None` if the note is not possible.
    fn mark(&self) -> Option<Lock> {
        None
    }

    /// Returns the address for the text of an error.
    fn shown(&self) -> String;
}

/// The signal to a connecting side that a process now listens.
pub enum Appears<'a> {
    /// The name appears in its directory.
    Name(&'a Place),
    /// The name appears, or a process opens an existing file.
    Opened(&'a Place),
    /// No signal is certain, so the caller retries (after 50 ms, doubling to 5 s).
    ///
    /// A listener on this machine renames a record to this place when it listens.
    Polled(Option<Place>),
}
