//! TLS 1.3 between two machines that trust each other's keys.
//!
//! Both sides prove raw public keys (RFC 7250), without certificates or authorities. Both halves of a link share one
//! [`Tls`]; every operation takes its mutex, and never blocks with it. The handshake runs inside `read` and `write`.
//! Earlier bytes wait in rustls until the peer's key is trusted.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::event::PollFlags;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName,
    ServerConfig, ServerConnection, SignatureScheme,
};

use crate::admission::PeerIdentity;
use crate::byte_stream::ByteStream;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{Keyring, PublicKey};
use crate::stream::has_peer_closed;
use crate::sys::fork::Guarded;
use crate::sys::poll::wait_any;
use crate::sys::{inet, socket};

const PROTOCOL: &[u8] = b"linkspan/1";

pub struct Tls {
    socket: Guarded,
    state: Mutex<TlsState>,
    pinned: Arc<Pinned>,
    other: SocketAddr,
}

struct TlsState {
    connection: Connection,
    /// The reason of the end, which every later call returns.
    over: Option<Error>,
}

/// Accepts the trusted keys, and stores the peer's key.
#[derive(Debug)]
struct Pinned {
    /// Read at each handshake, so changes need no restart.
    keyring: Keyring,
    own: PublicKey,
    seen: OnceLock<PublicKey>,
    name: OnceLock<String>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("other", &self.other).finish_non_exhaustive()
    }
}

/// Refuses to connect beyond this machine without keys.
///
/// # Errors
/// `PermissionDenied`, with the commands that make them.
pub fn check_keys(keyring: &Keyring, what: &str) -> Result<()> {
    if keyring.own()?.is_some() {
        return Ok(());
    }
    let text = format!(
        "{what} goes beyond this machine, which needs keys, and there are none in {}; make one with `linkspan keys new` on each machine, and `linkspan keys trust NAME KEY` the other's",
        keyring.directory().display()
    );
    Err(Error::new(ErrorKind::PermissionDenied, text))
}

struct OwnKey {
    pinned: Arc<Pinned>,
    certified: Arc<CertifiedKey>,
}

/// `PermissionDenied` without a key, `Corrupt` for an unusable one.
fn own_key(keyring: &Keyring, what: &str) -> Result<OwnKey> {
    check_keys(keyring, what)?;
    let unusable =
        || Error::new(ErrorKind::Corrupt, "our own key is not usable; make another with `linkspan keys new`");
    let (Some(secret), Some(own)) = (keyring.secret()?, keyring.own()?) else { return Err(unusable()) };
    let provider = Arc::new(provider::default_provider());
    let key = provider::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(secret)).map_err(|_| unusable())?;
    let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.to_spki())], key));
    let (seen, name) = (OnceLock::new(), OnceLock::new());
    Ok(OwnKey { pinned: Arc::new(Pinned { keyring: keyring.clone(), own, seen, name, provider }), certified })
}

fn unbuilt(error: rustls::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("TLS could not be set up: {error}"))
}

impl Tls {
    /// Starts TLS on the connecting side. The peer proves a trusted key before any byte of the link.
    pub fn client(socket: Guarded, other: SocketAddr, keyring: &Keyring) -> Result<Tls> {
        let OwnKey { pinned, certified } = own_key(keyring, &format!("a connection to {other}"))?;
        let mut config = ClientConfig::builder_with_provider(pinned.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unbuilt)?
            .dangerous()
            .with_custom_certificate_verifier(pinned.clone())
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        let name = ServerName::IpAddress(other.ip().into());
        let connection = ClientConnection::new(Arc::new(config), name).map_err(unbuilt)?;
        let state = Mutex::new(TlsState { connection: connection.into(), over: None });
        Ok(Tls { socket, state, pinned, other })
    }

    pub fn server(socket: Guarded, other: SocketAddr, keyring: &Keyring) -> Result<Tls> {
        let OwnKey { pinned, certified } = own_key(keyring, &format!("a connection from {other}"))?;
        let mut config = ServerConfig::builder_with_provider(pinned.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unbuilt)?
            .with_client_cert_verifier(pinned.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.send_tls13_tickets = 0;
        let connection = ServerConnection::new(Arc::new(config)).map_err(unbuilt)?;
        let state = Mutex::new(TlsState { connection: connection.into(), over: None });
        Ok(Tls { socket, state, pinned, other })
    }

    fn state(&self) -> MutexGuard<'_, TlsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the name of the peer's proven, trusted key.
    pub fn key_name(&self) -> Option<&str> {
        self.pinned.name.get().map(String::as_str)
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads the available bytes, and continues the handshake.
    ///
    /// `Some(0)` is the end; `None` means that nothing is available yet.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        let mut state = self.state();
        loop {
            match state.connection.reader().read(into) {
                Ok(n) => return Ok(Some(n)),
                // No close_notify arrived, as after a kill. The frames show a cut within a message.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(0)),
                Err(_) => {}
            }
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            let read = state.connection.read_tls(&mut SocketIo(&self.socket));
            match read {
                Ok(_) => {
                    if let Err(e) = state.connection.process_new_packets() {
                        let _ = self.send_buffered(&mut state);
                        let error = self.failure(&e);
                        state.over = Some(error.clone());
                        return Err(error);
                    }
                    // If that fails, the next read reports it.
                    let _ = self.send_buffered(&mut state);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let _ = self.send_buffered(&mut state);
                    return Ok(None);
                }
                Err(e) => {
                    let error = broken(&e);
                    state.over = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// Accepts as many bytes as there is room for. `None` if there is no room.
    ///
    /// [`Tls::flush`] sends the bytes in rustls' buffer.
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        let mut state = self.state();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        if !self.send_buffered(&mut state)? && !state.connection.is_handshaking() {
            return Ok(None);
        }
        let taken = state.connection.writer().write_vectored(parts).map_err(|e| broken(&e))?;
        self.send_buffered(&mut state)?;
        Ok(Some(taken).filter(|n| *n > 0))
    }

    pub fn flush(&self) -> Result<bool> {
        self.send_buffered(&mut self.state())
    }

    /// Returns whether decrypted bytes wait, which the socket does not show.
    pub fn holds_bytes(&self) -> bool {
        let mut state = self.state();
        let mut reader = state.connection.reader();
        // The end of the stream counts as something to read.
        !matches!(io::BufRead::fill_buf(&mut reader), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    pub fn disconnect(&self) {
        let mut state = self.state();
        state.connection.send_close_notify();
        // A peer that has already ended needs no close_notify.
        let _ = self.send_buffered(&mut state);
        socket::disconnect(&self.socket);
    }

    fn send_buffered(&self, state: &mut TlsState) -> Result<bool> {
        while state.connection.wants_write() {
            match state.connection.write_tls(&mut SocketIo(&self.socket)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(broken(&e)),
            }
        }
        Ok(true)
    }

    /// Explains a failed handshake: the untrusted key, its machine, and the command to trust it.
    fn failure(&self, error: &rustls::Error) -> Error {
        let (other, own) = (self.other, self.pinned.own);
        let untrusted = self.pinned.seen.get().filter(|_| self.pinned.name.get().is_none());
        let (kind, text) = match (untrusted, error) {
            (Some(key), _) => (
                ErrorKind::PermissionDenied,
                format!(
                    "{other} has the key {key}, which is not trusted here; if `linkspan keys show` prints the same there, trust it with `linkspan keys trust NAME {key}`"
                ),
            ),
            (None, rustls::Error::AlertReceived(_)) => (
                ErrorKind::PermissionDenied,
                format!(
                    "{other} does not trust our key; there, `linkspan keys trust NAME {own}` changes that ({error})"
                ),
            ),
            (None, _) => (
                ErrorKind::Malformed,
                format!(
                    "{other} does not use Linkspan's TLS: {error}; both sides need keys and the same version"
                ),
            ),
        };
        Error::new(kind, text)
    }
}

impl ByteStream for Tls {
    fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        Tls::read(self, into)
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        Tls::write(self, parts)
    }

    fn reader(&self) -> BorrowedFd<'_> {
        self.socket()
    }

    fn writer(&self) -> BorrowedFd<'_> {
        self.socket()
    }

    fn wait_room(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [(self.socket(), PollFlags::OUT)]).map(drop)
    }

    /// TCP reports the peer's end only at the next call.
    fn check_peer(&self) -> Result<()> {
        if inet::is_peer_closed(self.socket())? {
            return Err(Error::new(ErrorKind::Disconnected, "the peer disconnected"));
        }
        Ok(())
    }

    fn is_peer_gone(&self) -> bool {
        has_peer_closed(self.socket())
    }

    fn disconnect(&self) {
        Tls::disconnect(self);
    }

    /// rustls keeps bytes that the socket has no room for.
    fn writes_reach_kernel(&self) -> bool {
        false
    }

    fn flush(&self) -> Result<bool> {
        Tls::flush(self)
    }

    fn holds_bytes(&self) -> bool {
        Tls::holds_bytes(self)
    }

    fn key_name(&self) -> Option<&str> {
        Tls::key_name(self)
    }

    fn limit_send_queue(&self, bytes: usize) -> Result<()> {
        inet::limit_send_queue(self.socket(), bytes)
    }

    /// Returns the peer's address; the key is known only after the handshake.
    fn peer_identity(&self) -> PeerIdentity {
        inet::peer_address(self.socket()).map_or(PeerIdentity::Unknown, |from| PeerIdentity::at(from.ip()))
    }

    fn peer_address(&self) -> Option<String> {
        inet::peer_address(self.socket()).ok().map(|address| address.to_string())
    }
}

fn broken(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::os("using a TCP connection", errno),
        None => Error::new(ErrorKind::Disconnected, format!("the connection broke: {error}")),
    }
}

struct SocketIo<'a>(&'a Guarded);

fn to_io_result<T>(got: Result<Option<T>>) -> io::Result<T> {
    match got {
        Ok(Some(got)) => Ok(got),
        Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
        Err(e) => Err(io::Error::new(io::ErrorKind::BrokenPipe, e.text().to_owned())),
    }
}

impl Read for SocketIo<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        to_io_result(socket::receive(self.0, into))
    }
}

impl Write for SocketIo<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        to_io_result(socket::send_bytes(self.0, bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        to_io_result(socket::send(self.0, parts, &[]))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Verified<T> = std::result::Result<T, rustls::Error>;

impl Pinned {
    /// Accepts a trusted key. `failure` needs it and its name.
    fn verify_key(&self, shown: &CertificateDer<'_>) -> Verified<()> {
        let refused = || rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let key = PublicKey::from_spki(shown).ok_or_else(refused)?;
        let _ = self.seen.set(key);
        let name = self.keyring.name_of(&key).ok().flatten().ok_or_else(refused)?;
        let _ = self.name.set(name);
        Ok(())
    }

    fn check_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, known)
    }
}

fn no_tls12() -> Verified<HandshakeSignatureValid> {
    Err(rustls::Error::General("TLS 1.2 is not supported".into()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Verified<ServerCertVerified> {
        self.verify_key(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        self.check_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Verified<ClientCertVerified> {
        self.verify_key(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        self.check_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
