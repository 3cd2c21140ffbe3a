//! Beyond this machine: only under TLS, and only where there are keys.

use std::net::SocketAddr;

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "tls")]
use crate::keys::Keyring;
use crate::sys::fork::Guarded;
#[cfg(feature = "tls")]
use crate::sys::inet;
use crate::transport::stream::Stream;
#[cfg(feature = "tls")]
use crate::transport::tcp::tls::{self, Tls};

/// Refuses what would go beyond this machine where there are no keys, before anything is sent. `PermissionDenied` says how
/// to make them; a build without TLS says `Unsupported`.
#[cfg(feature = "tls")]
pub fn check(what: &str) -> Result<()> {
    tls::check_keys(&Keyring::new()?, what)
}

/// The connection of one who called from beyond this machine.
#[cfg(feature = "tls")]
pub fn called(socket: Guarded) -> Result<Stream> {
    let other = inet::peer_address(&socket)?;
    Ok(Stream::Tls(Tls::server(socket, other, &Keyring::new()?)?.into()))
}

/// The connection to a listener beyond this machine.
#[cfg(feature = "tls")]
pub fn calling(socket: Guarded, other: SocketAddr) -> Result<Stream> {
    Ok(Stream::Tls(Tls::client(socket, other, &Keyring::new()?)?.into()))
}

#[cfg(not(feature = "tls"))]
fn no_tls(what: &str) -> Error {
    let text = format!(
        "{what} goes beyond this machine, which needs TLS, and this build has none: build it with the feature tls"
    );
    Error::new(ErrorKind::Unsupported, text)
}

/// Refuses it: this build has no TLS.
#[cfg(not(feature = "tls"))]
pub fn check(what: &str) -> Result<()> {
    Err(no_tls(what))
}

/// Refuses it: this build has no TLS.
#[cfg(not(feature = "tls"))]
pub fn called(_socket: Guarded) -> Result<Stream> {
    Err(no_tls("a connection"))
}

/// Refuses it: this build has no TLS.
#[cfg(not(feature = "tls"))]
pub fn calling(_socket: Guarded, other: SocketAddr) -> Result<Stream> {
    Err(no_tls(&format!("a connection to {other}")))
}

/// Refuses to speak without a hello beyond this machine: whoever knows nothing of Linkspan has no key.
pub fn check_framing(greets: bool) -> Result<()> {
    if greets {
        return Ok(());
    }
    let text = "plain framing over TCP stays on this machine, because its peers have no keys; use linkspan framing, or a tunnel of your own to 127.0.0.1";
    Err(Error::new(ErrorKind::Unsupported, text))
}
