//! Named pipes: `NAME` carries the client's bytes, `NAME.reply` the server's; one client at a time.
//!
//! A pipe keeps the bytes of dead writers, and does not identify its ends. So each *pair* of pipes serves one
//! hello. The server makes the next pair before it answers, and renames it over the names after its answer. A
//! hello has a random number, which the answer repeats. A client that reads another client's answer connects
//! again.
//!
//! Locks show living processes (`sys::lock`). The server holds the byte of the name, the client the byte of
//! the name and `#client`. Each side of a link holds a lock whose name contains the hello's number.
//!
//! | topic | module |
//! |---|---|
//! | two unused pipes and their names | `pair` |
//! | finding a hello among other bytes | `hello` |
//! | the server's name | `bound_pipe` |
//! | the client's connection | `call` |
//! | two pipes as a stream of bytes | `pipes` |
//! | the liveness of the peer | `liveness` |
//! | pipes for programs without Linkspan | `plain` |
//! | the traits of a transport | here |

mod bound_pipe;
mod call;
mod hello;
mod liveness;
mod pair;
mod pipes;
mod plain;

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use self::bound_pipe::BoundPipe;
use self::call::ask;
use self::liveness::has_client;
use self::plain::{connect, open_plain};
use crate::acceptor::ListenSource;
use crate::capability::{Capabilities, LINKS};
use crate::connectionless::ConnectOptions;
use crate::deadline::Waiting;
use crate::driver::{Appears, ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::hello::{Asked, Call};
use crate::kind::{Kind, NameDirectory, Naming};
use crate::link::Offer;
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::socket::Carries;
use crate::sys::staging::Swept;

pub struct Fifo;

static KIND: Kind = Kind {
    name: "fifo",
    naming: Naming::NameOrPath,
    names: NameDirectory::Runtime,
    carries: Carries::Bytes,
    capabilities: Capabilities {
        publish: false,
        allow_lists: false,
        framing: true,
        many_peers: false,
        // A hello has at most 4 KiB here, because it must be written in one piece.
        schema_part: 2 << 10,
        because: "a named pipe has one reader and does not say who writes; use unix: or shm: for several readers or lists of users",
        ..LINKS
    },
};

impl Driver for Fifo {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::OwnerRecord
    }

    fn peers(&self, place: &Place) -> Option<u64> {
        has_client(place).map(u64::from).ok()
    }

    fn name_of<'f>(&self, file: &'f str) -> Option<&'f str> {
        pair::of_reply(file)
    }

    fn sweep(&self, place: &Place, begun: bool) -> Result<Swept> {
        pair::sweep(place, begun)
    }
}

impl ConnectionDriver for Fifo {
    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
        let bound = BoundPipe::bind(endpoint, request.options, request.at_once)?;
        Ok((ListenSource::Hellos(Arc::new(bound)), endpoint.clone()))
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
        Ok(Box::new(Pipe { place: Place::of(endpoint)? }))
    }

    fn offer(&self, _session: u64, _buffer: Option<usize>) -> Result<Offer> {
        Ok(Offer::Stream { checked: true })
    }

    fn open_plain(&self, endpoint: &Endpoint, options: &ConnectOptions) -> Result<Option<Stream>> {
        open_plain(endpoint, options).map(Some)
    }
}

struct Pipe {
    place: Place,
}

impl Target for Pipe {
    fn ask(&self, hello: &[u8], _descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>> {
        ask(&self.place, hello)
    }

    fn connect(&self, _wakers: &[BorrowedFd<'_>], _waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
        connect(&self.place)
    }

    /// A pipe may exist long before a program opens it for reading, so the watch includes the opening.
    fn appears(&self) -> Appears<'_> {
        Appears::Opened(&self.place)
    }

    fn shown(&self) -> String {
        self.place.path().display().to_string()
    }
}

#[cfg(test)]
mod tests;
