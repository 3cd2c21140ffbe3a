//! The source of a listener's hellos: a listening socket, or a pipe.

use std::sync::Arc;

use crate::authentication::HelloSource;
use crate::bind::BoundName;
use crate::error::Result;
use crate::place::Place;
use crate::sys::fork::Guarded;
use crate::sys::poll::{Epoll, Interest};

/// The source that the acceptor watches for one listener.
pub enum ListenSource {
    /// A listening socket: each peer has its own connection.
    Socket(BoundName),
    /// A descriptor that hellos are read from: a named pipe.
    Hellos(Arc<dyn HelloSource>),
}

impl From<BoundName> for ListenSource {
    fn from(bound: BoundName) -> ListenSource {
        ListenSource::Socket(bound)
    }
}

impl ListenSource {
    /// Returns the place of a socket, for its owner record. A source of hellos writes its own record.
    pub fn place(&self) -> Option<&Place> {
        match self {
            ListenSource::Socket(bound) => Some(bound.place()),
            ListenSource::Hellos(_) => None,
        }
    }

    /// Returns the listening socket, for a process that joins.
    pub fn socket(&self) -> Option<Arc<Guarded>> {
        match self {
            ListenSource::Socket(bound) => Some(bound.socket.clone()),
            ListenSource::Hellos(_) => None,
        }
    }

    /// Adds it to the epoll set, which then wakes for each new connection.
    pub(super) fn watch(&self, epoll: &Epoll, token: u64) -> Result<()> {
        match self {
            ListenSource::Socket(bound) => epoll.add(&*bound.socket, token, Interest::IN),
            ListenSource::Hellos(source) => {
                let mut added = Ok(());
                source.with_reader(&mut |reader| added = epoll.add(reader, token, Interest::IN));
                added
            }
        }
    }

    /// Removes it from the epoll set, and closes a source of hellos.
    ///
    /// A socket closes when its last reference is dropped.
    pub(super) fn close(&self, epoll: &Epoll) {
        match self {
            ListenSource::Socket(bound) => epoll.remove(&*bound.socket),
            ListenSource::Hellos(source) => {
                source.with_reader(&mut |reader| epoll.remove(reader));
                // The acceptor's thread may still hold a reference, so dropping this one is not enough.
                source.close();
            }
        }
    }
}
