//! Connections to other machines: only under TLS, and only with keys.
//!
//! A build without TLS has equally named functions, which refuse.

use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "tls")]
use crate::keys::Keyring;
use crate::stream::Stream;
use crate::sys::fork::Guarded;
#[cfg(feature = "tls")]
use crate::sys::inet;
#[cfg(feature = "tls")]
use crate::tcp::tls::{self, Tls};

/// Refuses to connect beyond this machine without keys, before anything is sent.
///
/// `what` is the attempt, for the text.
///
/// # Errors
/// `PermissionDenied`, with the command that makes keys. A build without TLS returns `Unsupported`.
#[cfg(feature = "tls")]
pub fn check(what: &str) -> Result<()> {
    tls::check_keys(&Keyring::new()?, what)
}

#[cfg(feature = "tls")]
pub fn accepted(socket: Guarded) -> Result<Stream> {
    let other = inet::peer_address(&socket)?;
    Ok(Stream::Other(Arc::new(Tls::server(socket, other, &Keyring::new()?)?)))
}

#[cfg(feature = "tls")]
pub fn connecting(socket: Guarded, other: SocketAddr) -> Result<Stream> {
    Ok(Stream::Other(Arc::new(Tls::client(socket, other, &Keyring::new()?)?)))
}

#[cfg(not(feature = "tls"))]
fn no_tls(what: &str) -> Error {
    let text = format!(
        "{what} goes beyond this machine, which needs TLS, and this build has none: build it with the feature tls"
    );
    Error::new(ErrorKind::Unsupported, text)
}

#[cfg(not(feature = "tls"))]
pub fn check(what: &str) -> Result<()> {
    Err(no_tls(what))
}

#[cfg(not(feature = "tls"))]
pub fn accepted(_socket: Guarded) -> Result<Stream> {
    Err(no_tls("a connection"))
}

#[cfg(not(feature = "tls"))]
pub fn connecting(_socket: Guarded, other: SocketAddr) -> Result<Stream> {
    Err(no_tls(&format!("a connection to {other}")))
}

/// Refuses plain framing beyond this machine: a peer without Linkspan cannot have a key.
///
/// # Errors
/// `Unsupported`, with the alternatives.
pub fn check_framing(expects_hello: bool) -> Result<()> {
    if expects_hello {
        return Ok(());
    }
    let text = "plain framing over TCP stays on this machine, because its peers have no keys; use linkspan framing, or a tunnel of your own to 127.0.0.1";
    Err(Error::new(ErrorKind::Unsupported, text))
}
