//! The traits that the folder of a transport implements. The layers above call them, and never a
//! folder.
//!
//! [`Driver`] describes a transport and which of the other parts it has. [`ConnectionDriver`]
//! and [`Target`] make links between two sides that exchange a hello. Links to a place come from
//! `connectionless::ConnectionlessDriver`. Publishers use `broadcast::BroadcastDriver` and
//! `store::StoreDriver`.
//!
//! Drivers are static and hold no state. The object that a call returns owns what the call made,
//! and gives up the name when it is dropped. No method runs the program's code; those that may
//! block take a [`Waiting`].

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
    /// The directory in which they are.
    pub directory: PathBuf,
    /// This machine's public key, as users write it.
    pub own: Option<String>,
    /// The names under which other keys are trusted.
    pub trusted: Vec<String>,
}

/// A transport: its kind, and those of the optional parts that it has.
pub trait Driver: Sync {
    /// Returns the name and the capabilities.
    fn kind(&self) -> &'static Kind;

    /// Returns the part that connects two sides that exchange a hello; `None` for a connectionless
    /// transport or a store.
    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        None
    }

    /// Returns the part that opens a link to a place, without a hello.
    fn connectionless(&self) -> Option<&dyn ConnectionlessDriver> {
        None
    }

    /// Returns the part that makes a ring that all subscribers of a publisher read; `None` where
    /// each subscriber has a link of its own.
    fn broadcast(&self) -> Option<&dyn BroadcastDriver> {
        None
    }

    /// Returns whether the answer to the hello of a stream may bring a memory file, if the caller asks for it.
    fn brings_memory(&self) -> bool {
        false
    }

    /// Returns the part that opens a place that keeps what was published.
    fn store(&self) -> Option<&dyn StoreDriver> {
        None
    }

    /// Returns where a listing finds the information about a name.
    fn listing_source(&self) -> ListingSource;

    /// Reads the information in the files at a place; `None` where there are none. Called where
    /// [`Driver::listing_source`] is [`ListingSource::Files`].
    ///
    /// # Errors
    /// Those of reading the files, with the path.
    fn listing(&self, _place: &Place) -> Result<Option<Listing>> {
        Ok(None)
    }

    /// Returns how many peers the owner of a name has, where that is visible from outside.
    fn peers(&self, _place: &Place) -> Option<u64> {
        None
    }

    /// Returns the place in the state directory, where this transport keeps something of the
    /// endpoint there in addition to the runtime directory.
    fn durable_place(&self, _endpoint: &Endpoint) -> Option<Place> {
        None
    }

    /// Returns the name that a file beside it belongs to: `lab.fifo` for `lab.fifo.reply`.
    fn name_of<'f>(&self, _file: &'f str) -> Option<&'f str> {
        None
    }

    /// Returns the name of the file in a directory that keeps other users out, and whether it is
    /// there; `None` where file modes alone keep them out.
    fn token(&self, _directory: &Directory) -> Option<(&'static str, Result<bool>)> {
        None
    }

    /// Reads the keys that admit other machines; `None` where this transport, or this build, has none.
    ///
    /// # Errors
    /// Those of reading the files of the keys, with the path.
    fn keys(&self) -> Option<Result<MachineKeys>> {
        None
    }

    /// Removes stale files at a place that no process owns. The caller holds the lock of the place.
    /// `begun` is whether a process may have died while it was making something for the name.
    /// # Errors
    /// Those of removing. Files of another user are no error: they are noted in the result.
    fn sweep(&self, place: &Place, _begun: bool) -> Result<Swept> {
        let mut swept = Swept::default();
        swept.note(place.remove_dead_socket())?;
        Ok(swept)
    }

    /// Removes stale files beside a living owner, such as those of clients that died.
    fn sweep_beside(&self, _place: &Place) -> Result<Swept> {
        Ok(Swept::default())
    }

    /// Removes what is left at a place that no process owns and that keeps no message. The caller
    /// holds its lock. Returns whether anything was removed.
    fn remove_unused(&self, _place: &Place) -> Result<bool> {
        Ok(false)
    }
}

/// Where a listing finds the information about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingSource {
    /// The process that answers at the socket; where none answers, the lock of the name is tested.
    Socket,
    /// The owner record beside the name has the owner; that process is asked for the rest.
    OwnerRecordAndCall,
    /// The owner record beside the name has all of it.
    OwnerRecord,
    /// The files at the name have all of it.
    Files {
        /// Whether a living process may own the name. False where writers come and go without
        /// owning it.
        owned: bool,
    },
}

/// The information in the files of a name. `None` for what they do not contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The user who owns the files.
    pub uid: Option<u32>,
    /// A random number that was drawn when a history was made; never 0.
    pub identity: Option<u64>,
    /// The name of the program that wrote the newest message.
    pub source: Option<String>,
    /// The encoding of the newest message.
    pub encoding: Option<Encoding>,
    /// The sequence number of the newest message.
    pub messages: Option<u64>,
    /// The number of messages that no reader has consumed.
    pub waiting: Option<u64>,
    /// The readers with a name; `None` where readers of this transport have no names.
    pub consumers: Option<Vec<Consumer>>,
}

/// A reader whose position is kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its `client_id`.
    pub name: String,
    /// The number of messages that it has not consumed.
    pub behind: u64,
    /// Whether a process reads under the name now.
    pub live: bool,
}

/// Makes links between two sides that exchange a hello.
pub trait ConnectionDriver: Sync {
    /// Returns whether this process can listen at the endpoint. At the address of another machine
    /// it cannot.
    fn can_listen(&self, _endpoint: &Endpoint) -> Result<bool> {
        Ok(true)
    }

    /// Takes the name, and returns what the acceptor is to watch and the endpoint as it is now
    /// called: with the port that the kernel assigned. Does not wait for a peer.
    ///
    /// # Errors
    /// `AddressInUse` where a living process owns the name; `PermissionDenied` where another user's
    /// files are in the way.
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)>;

    /// Returns the address to connect to, whether a process listens there now or will later.
    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>>;

    /// As [`ConnectionDriver::target`], for a name that a listing found at a place.
    fn target_at(&self, endpoint: &Endpoint, _place: &Place) -> Result<Box<dyn Target>> {
        self.target(endpoint)
    }

    /// Makes this side's part of the handshake, before the other side is known: nothing, or a
    /// memory file for the session of this incarnation. `buffer` is the size of that in bytes;
    /// `None` for the transport's own size.
    fn offer(&self, session: u64, buffer: Option<usize>) -> Result<Offer>;

    /// Opens the one stream of a name at which many peers may write without a hello; `None` where
    /// each peer has a connection of its own.
    fn open_plain(&self, _endpoint: &Endpoint, _options: &ConnectOptions) -> Result<Option<Stream>> {
        Ok(None)
    }
}

/// The request of a listener.
pub struct ListenRequest<'a> {
    /// Who may connect.
    pub access: Access,
    /// Whether a name that another process owns is refused at once. Otherwise the call waits a
    /// moment for that process to end.
    pub at_once: bool,
    /// Whether peers begin with a hello; false with plain framing.
    pub expects_hello: bool,
    /// The options that go into the record that listings read.
    pub options: &'a ConnectOptions,
    /// The name of the program.
    pub program: String,
    /// Asks the process that serves a place for its listening socket, to listen there as well;
    /// `None` where that process has ended or is ending.
    pub ask_to_join: &'a dyn Fn(&Place) -> Result<Option<OwnedFd>>,
}

/// An address at which a process listens or will listen. Owned by the connecting channel, which
/// calls it again for each new connection.
pub trait Target: Send + Sync {
    /// Connects and sends a hello, once, and waits for nothing. [`Call::wait`] waits for the answer.
    ///
    /// # Errors
    /// `PermissionDenied`; the refusals of the transport.
    fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>>;

    /// The same with a hello whose answer may bring a memory file, where [`Driver::brings_memory`] is true.
    ///
    /// # Errors
    /// Those of [`Target::ask`].
    fn ask_for_memory(&self, hello: &[u8]) -> Result<Call<Asked>> {
        self.ask(hello, &[])
    }

    /// Connects, once, and sends nothing: for plain framing, and for probes. `wakers` are descriptors that end the wait
    /// when they become readable.
    fn connect(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Call<Stream>>;

    /// Returns the signal that another call may succeed.
    fn appears(&self) -> Appears<'_>;

    /// Returns the file that each listener renames to its place; none if nothing tells two listeners apart.
    fn renamed_file(&self) -> Option<Place> {
        match self.appears() {
            Appears::Name(place) => Some(place.clone()),
            Appears::Polled(record) => record,
            Appears::Opened(_) => None,
        }
    }

    /// Returns which listener has the name; none if nobody has it, or if nothing tells two listeners apart.
    fn listener(&self) -> Option<Listener> {
        self.renamed_file()?.listener()
    }

    /// Notes beside the name that this process waits for a listener, as long as the returned lock
    /// is held: a publisher serves it before it ends. `None` where this cannot be noted.
    fn mark(&self) -> Option<Lock> {
        None
    }

    /// Returns the address as it stands in the text of an error.
    fn shown(&self) -> String;
}

/// The signal to a connecting side that a process listens now.
pub enum Appears<'a> {
    /// The name appears in its directory.
    Name(&'a Place),
    /// The name appears, or a process opens a file that was there before.
    Opened(&'a Place),
    /// No signal is certain, so the caller retries (after 50 ms, doubling to 5 s). A listener on this machine writes a
    /// record at this place, which it renames there once it listens.
    Polled(Option<Place>),
}
