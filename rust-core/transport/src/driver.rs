//! The traits that the folder of a transport implements. The layers above call only these traits.
//!
//! Drivers are static and hold no state. A returned object owns everything that the call made, and its drop releases
//! the name. Methods that may block take a [`Waiting`].

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

/// The keys with which machines know each other.
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

    /// The part that connects two sides with a hello.
    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        None
    }

    /// The part that opens a link to a place, without a hello.
    fn connectionless(&self) -> Option<&dyn ConnectionlessDriver> {
        None
    }

    /// The part that makes a ring for all subscribers; `None` if each has its own link.
    fn broadcast(&self) -> Option<&dyn BroadcastDriver> {
        None
    }

    /// Returns whether the answer to a stream's hello may bring a memory file.
    fn brings_memory(&self) -> bool {
        false
    }

    /// The part that opens a place that keeps published messages.
    fn store(&self) -> Option<&dyn StoreDriver> {
        None
    }

    /// Returns where a listing finds a name's information.
    fn listing_source(&self) -> ListingSource;

    /// Reads the files at a place, for [`ListingSource::Files`]. `None` without files.
    ///
    /// # Errors
    /// Errors of reading, with the path.
    fn listing(&self, _place: &Place) -> Result<Option<Listing>> {
        Ok(None)
    }

    /// Returns how many peers a name's owner has, if visible from outside.
    fn peers(&self, _place: &Place) -> Option<u64> {
        None
    }

    /// Returns the place in the state directory, if the transport may keep files there.
    fn durable_place(&self, _endpoint: &Endpoint) -> Option<Place> {
        None
    }

    /// Returns the name that an additional file belongs to: `lab.fifo` for `lab.fifo.reply`.
    fn name_of<'f>(&self, _file: &'f str) -> Option<&'f str> {
        None
    }

    /// Returns the file of the token against other users, and whether it exists; `None` if modes suffice.
    fn token(&self, _directory: &Directory) -> Option<(&'static str, Result<bool>)> {
        None
    }

    /// Reads the keys that admit other machines. `None` without keys.
    ///
    /// # Errors
    /// Errors of reading, with the path.
    fn keys(&self) -> Option<Result<MachineKeys>> {
        None
    }

    /// Removes stale files at a place that no process owns. The caller holds its lock.
    ///
    /// `_begun` tells whether a process may have died while it made something for the name.
    ///
    /// # Errors
    /// Errors of removing. The result notes other users' files.
    fn sweep(&self, place: &Place, _begun: bool) -> Result<Swept> {
        let mut swept = Swept::default();
        swept.note(place.remove_dead_socket())?;
        Ok(swept)
    }

    /// Removes stale files next to a living owner, such as dead clients' files.
    fn sweep_beside(&self, _place: &Place) -> Result<Swept> {
        Ok(Swept::default())
    }

    /// Removes the rest at a place without owner and messages, whose lock the caller holds; true if any.
    fn remove_unused(&self, _place: &Place) -> Result<bool> {
        Ok(false)
    }
}

/// Where a listing finds a name's information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingSource {
    /// The process at the socket; else the name's lock.
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

/// The information in a name's files; `None` for missing fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The user that owns the files.
    pub uid: Option<u32>,
    /// A random number, drawn when the history was made; never 0.
    pub identity: Option<u64>,
    /// The program that wrote the newest message.
    pub source: Option<String>,
    /// The encoding of the newest message.
    pub encoding: Option<Encoding>,
    /// The sequence number of the newest message.
    pub messages: Option<u64>,
    /// The number of messages that no reader has consumed.
    pub waiting: Option<u64>,
    /// The readers with a name, if this transport has names.
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
    /// Returns whether this process can listen at the endpoint.
    fn can_listen(&self, _endpoint: &Endpoint) -> Result<bool> {
        Ok(true)
    }

    /// Takes the name without waiting for a peer.
    ///
    /// Returns the acceptor's source, and the endpoint with the assigned port.
    ///
    /// # Errors
    /// `AddressInUse` if a living process owns the name; `PermissionDenied` if another user's files occupy it.
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)>;

    /// Returns the address to connect to, even without a listener.
    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>>;

    /// [`ConnectionDriver::target`] for a name that a listing found.
    fn target_at(&self, endpoint: &Endpoint, _place: &Place) -> Result<Box<dyn Target>> {
        self.target(endpoint)
    }

    /// Makes this side's part of the handshake; `buffer` is a memory file's size in bytes.
    fn offer(&self, session: u64, buffer: Option<usize>) -> Result<Offer>;

    /// Opens a name's one stream without hellos; `None` if each peer has its own connection.
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

/// An address at which a process listens or will listen; called for each new connection.
pub trait Target: Send + Sync {
    /// Connects and sends a hello, once and without waiting. [`Call::wait`] waits for the answer.
    ///
    /// # Errors
    /// `PermissionDenied`; the transport's refusals.
    fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>>;

    /// [`Target::ask`], if [`Driver::brings_memory`].
    ///
    /// # Errors
    /// The errors of [`Target::ask`].
    fn ask_for_memory(&self, hello: &[u8]) -> Result<Call<Asked>> {
        self.ask(hello, &[])
    }

    /// Connects once and sends nothing, for plain framing and probes. A readable waker ends the wait.
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

    /// Returns the listener with the name, if a file tells listeners apart.
    fn listener(&self) -> Option<Listener> {
        self.renamed_file()?.listener()
    }

    /// Notes that this process waits for a listener, until the lock is dropped.
    ///
    /// A publisher serves such a process before it ends.
    fn mark(&self) -> Option<Lock> {
        None
    }

    /// Returns the address for errors.
    fn shown(&self) -> String;
}

/// The signal to a connecting side that a process now listens.
pub enum Appears<'a> {
    /// The name appears in its directory.
    Name(&'a Place),
    /// The name appears, or a process opens its file.
    Opened(&'a Place),
    /// No certain signal: retry after 50 ms, doubling to 5 s.
    ///
    /// A listener on this machine renames a record to this place.
    Polled(Option<Place>),
}
