//! The interface of a listener to the acceptor: its handler, the handler's input, and its answers.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::watches::{WatchedSocket, Watcher, Watches};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::stream::Stream;
use crate::sys::memory::PeerFile;
use crate::sys::peer::Credentials;
use crate::sys::poll::Interest;

/// A peer that has sent its hello.
pub struct IncomingHandshake {
    /// The connection. Bytes after the hello are still unread.
    pub stream: Stream,
    /// The hello, checked by [`HandshakeHandler::check_hello`].
    pub hello: Incoming,
    /// The descriptors that came with it, at most one.
    pub descriptors: Vec<PeerFile>,
    /// The user of the peer, if the kernel knows it.
    pub credentials: Option<Credentials>,
    /// A pidfd: readable after the end of the peer's process.
    pub process: Option<Arc<OwnedFd>>,
    pub(super) watches: Arc<Watches>,
}

impl IncomingHandshake {
    /// Makes the acceptor watch the connection from now on.
    ///
    /// # Errors
    /// Errors of adding it to the epoll set.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.watches.watch(&self.stream, what, watcher)
    }
}

/// A peer that sends no hello, because the listener has plain framing.
pub struct RawConnection {
    /// The connection, still unread.
    pub stream: Stream,
    pub(super) watches: Arc<Watches>,
}

impl RawConnection {
    /// Makes the acceptor watch the connection from now on.
    pub fn watch(&self, what: Interest, watcher: Arc<dyn Watcher>) -> Result<WatchedSocket> {
        self.watches.watch(&self.stream, what, watcher)
    }
}

/// The reply to a hello.
pub struct HandshakeAnswer {
    /// The frame; empty if the new owner of the connection replies later.
    pub frame: Vec<u8>,
    /// Descriptors that go with its first byte.
    pub descriptors: Vec<OwnedFd>,
    /// Runs after the frame was sent. Nothing else may write to the socket before.
    pub admitted: Box<dyn FnOnce() + Send>,
}

/// Decides on new connections of one listener.
///
/// Every method runs on the acceptor's thread. It must not block or run the program's code, because it delays
/// every other new connection of the process.
pub trait HandshakeHandler: Send + Sync {
    /// Refuses users that may not connect, before their bytes are read.
    ///
    /// `who` is `None` if the kernel does not report the user.
    ///
    /// # Errors
    /// `PermissionDenied`, which is sent to the peer.
    fn check_user(&self, who: Option<&Credentials>) -> Result<()>;
    /// Refuses an invalid hello before the descriptors that came with it are taken.
    fn check_hello(&self, hello: &Incoming) -> Result<()>;
    /// Returns the reply to a hello.
    ///
    /// # Errors
    /// The reason for a refusal, which is sent to the peer.
    fn answer(&self, handshake: IncomingHandshake) -> Result<HandshakeAnswer>;
    /// Encodes a refusal as a frame.
    fn refusal(&self, error: &Error) -> Vec<u8>;
    /// Takes a connection without a hello; an error closes it, because there is no common format for errors.
    fn admit_without_hello(&self, connection: RawConnection) -> Result<()> {
        drop(connection);
        Err(Error::new(ErrorKind::Internal, "a connection without a hello is not accepted here"))
    }
    /// Called when the acceptor ends this listener after a permanent error, such as a filtered system call.
    fn ended(&self, error: &Error) {
        let _ = error;
    }
    /// Returns how long this listener leaves new connections to others at its socket, if there are any.
    ///
    /// It then accepts one connection at a time.
    fn accept_delay(&self) -> Option<Duration> {
        None
    }
    /// Returns whether peers begin with a hello; false with plain framing.
    fn expects_hello(&self) -> bool {
        true
    }
}
