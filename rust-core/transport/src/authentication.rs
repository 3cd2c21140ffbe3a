//! Checks of a peer before its hello is read, and sources of hellos without a listening socket.
//!
//! A Unix socket needs no proof: the kernel and the file modes have already decided. TCP requires a token or
//! a key (`tcp/authenticator.rs`).

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::stream::Stream;
use crate::error::Result;
use crate::frame::Incoming;
use crate::sys::socket;

/// Admits or refuses the accepted connections of one listening socket.
///
/// Runs on the acceptor's thread and does not block.
pub trait Authenticator: Debug + Send + Sync {
    /// Returns the stream of a connection, and the proof that the peer must give, if any.
    ///
    /// An error closes the connection without a reply.
    fn admit(&self, socket: OwnedFd, expects_hello: bool) -> Result<(Stream, Option<Box<dyn Proof>>)>;
}

/// The state of one peer's proof.
pub trait Proof: Send {
    /// Takes a frame of the peer and answers it; returns true when the proof is complete.
    ///
    /// An error refuses the peer.
    fn receive(&mut self, frame: &Incoming, stream: &Stream) -> Result<bool>;
}

/// The authenticator of a Unix socket, which requires nothing: the kernel has checked the modes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProof;

impl Authenticator for NoProof {
    fn admit(&self, socket: OwnedFd, _expects_hello: bool) -> Result<(Stream, Option<Box<dyn Proof>>)> {
        Ok((Stream::Socket(Arc::new(socket::of_caller(socket)?)), None))
    }
}

/// A name at which hellos arrive without a connection for each.
///
/// Its methods run on the acceptor's thread and do not block.
pub trait HelloSource: Send + Sync {
    /// Calls `f` with the descriptor that is readable when a hello arrives, if the name is open.
    fn with_reader(&self, f: &mut dyn FnMut(BorrowedFd<'_>));

    /// Returns the next hello. The caller must call [`HelloSource::answer`] before the next call.
    fn next(&self) -> Option<ReceivedHello>;

    /// Sends the reply to a hello; returns true if all bytes were sent.
    fn answer(&self, received: &ReceivedHello, frame: &[u8]) -> bool;

    /// Releases the name.
    fn close(&self);
}

/// A hello that was read from a source.
pub struct ReceivedHello {
    /// The hello.
    pub hello: Incoming,
    /// The new link's stream, or the reason for its absence.
    pub stream: Result<Stream>,
}
