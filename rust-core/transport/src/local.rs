//! Listens and connects at a Unix socket in a directory: the common part of `shm` and `unix`.
//!
//! The kernel checks the permissions of clients and inotify signals a new listener. Over `shm` the socket
//! carries the hello and the memory file, and later only wake-ups. Over `unix` it carries every frame.

use std::os::fd::BorrowedFd;

use super::acceptor::ListenSource;
use super::driver::{Appears, ListenRequest, Target};
use super::endpoint::Endpoint;
use super::hello::{self, Asked, Call};
use super::place::{Access, Place};
use super::stream::Stream;
use crate::deadline::Waiting;
use crate::error::Result;
use crate::sys::lock::Lock;
use crate::sys::socket::Carries;

/// Takes the name of a socket.
///
/// It does so at once, or jointly with other processes of this user, or after a wait for an ending process
/// (see `bind`).
///
/// # Errors
/// `AddressInUse`, `PermissionDenied`.
pub fn listen(endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
    let place = Place::of(endpoint)?;
    let access = Access { carries: endpoint.transport().carries(), ..request.access };
    let bound = if request.at_once {
        place.try_bind(access)?
    } else if access.shared {
        place.bind_shared(access, || (request.ask_to_join)(&place))?
    } else {
        place.bind(access)?
    };
    Ok((bound.into(), endpoint.clone()))
}

struct Socket {
    place: Place,
    carries: Carries,
}

/// Returns the target of an endpoint.
///
/// # Errors
/// The errors of [`Place::of`].
pub fn target(endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    Ok(target_at(endpoint, Place::of(endpoint)?))
}

/// Like [`target`], for a socket that a listing found at a place.
pub fn target_at(endpoint: &Endpoint, place: Place) -> Box<dyn Target> {
    Box::new(Socket { place, carries: endpoint.transport().carries() })
}

impl Target for Socket {
    fn ask(&self, hello: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>> {
        Asked::at(&self.place, self.carries, hello, descriptors)
    }

    fn ask_for_memory(&self, hello: &[u8]) -> Result<Call<Asked>> {
        Asked::at(&self.place, Carries::Descriptors, hello, &[])
    }

    fn connect(&self, _wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
        hello::connect(&self.place, self.carries, waiting)
    }

    fn appears(&self) -> Appears<'_> {
        Appears::Name(&self.place)
    }

    fn mark(&self) -> Option<Lock> {
        // Failure is no error: the mark only makes a publisher serve this process before it ends.
        self.place.await_owner().ok()
    }

    fn shown(&self) -> String {
        self.place.path().display().to_string()
    }
}
