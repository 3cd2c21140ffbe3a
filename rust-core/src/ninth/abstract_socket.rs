//! A ninth transport, only in tests: sockets in the kernel's abstract namespace, without files.
//!
//! It uses only the public names of `linkspan-transport`. An abstract name lacks a mode, so access cannot be
//! restricted. It causes no inotify event, so a listener also writes an owner record for waiting clients and listings.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use linkspan_os::deadline::Waiting;
use linkspan_os::fork::Guarded;
use linkspan_os::lock::Lock;
use linkspan_os::socket::{self, Carries};
use linkspan_transport::Offer;
use linkspan_transport::acceptor::ListenSource;
use linkspan_transport::authentication;
use linkspan_transport::capability::{Capabilities, LINKS};
use linkspan_transport::driver::{Appears, ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use linkspan_transport::endpoint::Endpoint;
use linkspan_transport::hello::{Asked, Call};
use linkspan_transport::kind::{Kind, NameDirectory, Naming};
use linkspan_transport::owner::OwnerRecord;
use linkspan_transport::place::Place;
use linkspan_transport::stream::Stream;
use linkspan_value::Map;
use linkspan_value::error::{Doing, Result};

/// A Unix socket in the abstract namespace.
pub struct Abstract;

static KIND: Kind = Kind {
    name: "abstract",
    naming: Naming::Name,
    names: NameDirectory::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        framing: true,
        modes: false,
        because: "a name in the abstract namespace has no mode; use unix: for lists of users by mode",
        ..LINKS
    },
};

impl Driver for Abstract {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        Some(self)
    }

    /// The record has the owner; the process is queried over the socket for the rest.
    fn listing_source(&self) -> ListingSource {
        ListingSource::OwnerRecordAndCall
    }
}

/// Returns the address of a place, which includes the directory: directories have different addresses.
fn address(place: &Place) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(place.path().as_os_str().as_encoded_bytes()).doing("naming a socket")
}

fn open() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    linkspan_os::descriptor::socket(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .doing("opening a socket")
}

impl ConnectionDriver for Abstract {
    /// Binds the socket first, because the kernel refuses a second socket of this name.
    ///
    /// The record then announces it.
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
        let place = Place::of(endpoint)?;
        let socket = open()?;
        rustix::net::bind(&socket, &address(&place)?).doing("binding a socket")?;
        rustix::net::listen(&socket, 128).doing("listening at a socket")?;
        let ListenRequest { options, program, .. } = request;
        let more = Map::from_iter([("encoding".to_owned(), options.encoding.name().into())]);
        let record = || OwnerRecord::write(&place, options.pattern, program, more);
        let bound = place.register(Guarded::new(socket), Arc::new(authentication::NoProof), record)?;
        Ok((bound.into(), endpoint.clone()))
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
        Ok(Box::new(NinthTarget { place: Place::of(endpoint)? }))
    }

    /// Bytes do not leave the machine, so bodies need no check sum.
    fn offer(&self, _session: u64, _buffer: Option<usize>) -> Result<Offer> {
        Ok(Offer::Stream { checked: false })
    }
}

struct NinthTarget {
    place: Place,
}

impl Target for NinthTarget {
    fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>> {
        Asked::over(self.connect(&[], &mut Waiting::at_once())?, hello, descriptors, self.shown())
    }

    fn connect(&self, _wakers: &[BorrowedFd<'_>], _waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
        let socket = socket::of_caller(open()?)?;
        match rustix::net::connect(socket.as_fd(), &address(&self.place)?) {
            Ok(()) => Ok(Call::Answered(Stream::Socket(Arc::new(socket)))),
            Err(Errno::CONNREFUSED) => Ok(Call::NotListening),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Call::Busy),
            Err(e) => Err(e).doing("connecting to a socket"),
        }
    }

    /// Signals the listener's record, which it writes into the directory when it can be reached.
    fn appears(&self) -> Appears<'_> {
        Appears::Name(&self.place)
    }

    fn mark(&self) -> Option<Lock> {
        self.place.await_owner().ok()
    }

    fn shown(&self) -> String {
        format!("@{}", self.place.path().display())
    }
}
