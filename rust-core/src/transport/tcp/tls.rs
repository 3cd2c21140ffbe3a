//! TLS 1.3 between two machines that trust each other's keys: both show theirs, as raw public keys (RFC 7250), and nothing
//! else counts.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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

use crate::error::{Error, ErrorKind, Result};
use crate::keys::{Keyring, PublicKey};
use crate::sys::fork::Guarded;
use crate::sys::socket;

/// What both sides call the protocol inside.
const PROTOCOL: &[u8] = b"linkspan/1";

/// A connection under TLS, shared by the two halves of its link.
pub struct Tls {
    socket: Guarded,
    state: Mutex<State>,
    pinned: Arc<Pinned>,
    other: SocketAddr,
}

struct State {
    connection: Connection,
    /// Why nothing more will come or go.
    over: Option<Error>,
}

/// Lets the keys through that are trusted, and remembers which it was.
#[derive(Debug)]
struct Pinned {
    keyring: Keyring,
    own: PublicKey,
    seen: OnceLock<PublicKey>,
    /// The name of the key that was seen, where it is trusted.
    name: OnceLock<String>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("other", &self.other).finish_non_exhaustive()
    }
}

/// Refuses to go beyond this machine where there are no keys.
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

/// What a configuration needs of us.
struct Own {
    pinned: Arc<Pinned>,
    certified: Arc<CertifiedKey>,
}

fn own(keyring: &Keyring, what: &str) -> Result<Own> {
    check_keys(keyring, what)?;
    let unusable =
        || Error::new(ErrorKind::Corrupt, "our own key is not usable; make another with `linkspan keys new`");
    let (Some(secret), Some(own)) = (keyring.secret()?, keyring.own()?) else { return Err(unusable()) };
    let provider = Arc::new(provider::default_provider());
    let key = provider::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(secret)).map_err(|_| unusable())?;
    let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(own.to_spki())], key));
    let (seen, name) = (OnceLock::new(), OnceLock::new());
    Ok(Own { pinned: Arc::new(Pinned { keyring: keyring.clone(), own, seen, name, provider }), certified })
}

fn unbuilt(error: rustls::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("TLS could not be set up: {error}"))
}

impl Tls {
    /// The side that connected. Nothing goes out before the other side has shown a key that we trust.
    pub fn client(socket: Guarded, other: SocketAddr, keyring: &Keyring) -> Result<Tls> {
        let Own { pinned, certified } = own(keyring, &format!("a connection to {other}"))?;
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
        let state = Mutex::new(State { connection: connection.into(), over: None });
        Ok(Tls { socket, state, pinned, other })
    }

    /// The side that listens.
    pub fn server(socket: Guarded, other: SocketAddr, keyring: &Keyring) -> Result<Tls> {
        let Own { pinned, certified } = own(keyring, &format!("a connection from {other}"))?;
        let mut config = ServerConfig::builder_with_provider(pinned.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unbuilt)?
            .with_client_cert_verifier(pinned.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(certified)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.send_tls13_tickets = 0;
        let connection = ServerConnection::new(Arc::new(config)).map_err(unbuilt)?;
        let state = Mutex::new(State { connection: connection.into(), over: None });
        Ok(Tls { socket, state, pinned, other })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of the other side's key, once that has been shown and is trusted.
    pub fn key_name(&self) -> Option<&str> {
        self.pinned.name.get().map(String::as_str)
    }

    /// The socket, to sleep on and to ask about.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what is there; zero is the end, none means nothing yet. Also does its part of the handshake.
    pub fn read(&self, into: &mut [u8]) -> Result<Option<usize>> {
        let mut state = self.state();
        loop {
            match state.connection.reader().read(into) {
                Ok(n) => return Ok(Some(n)),
                // Without a farewell, as when its process was killed. Whoever cut the line instead cut it between two
                // messages or within one, which the frames tell.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(0)),
                Err(_) => {}
            }
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            let read = state.connection.read_tls(&mut Wire(&self.socket));
            match read {
                Ok(_) => {
                    if let Err(e) = state.connection.process_new_packets() {
                        // The other side is told why.
                        let _ = self.bring_away(&mut state);
                        let error = self.failure(&e);
                        state.over = Some(error.clone());
                        return Err(error);
                    }
                    // The handshake's next words. Where they do not go out any more, reading says why.
                    let _ = self.bring_away(&mut state);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let _ = self.bring_away(&mut state);
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

    /// Takes as much as there is room for; none where there is no room. What waits on our side goes with [`Tls::flush`].
    pub fn write(&self, parts: &[IoSlice<'_>]) -> Result<Option<usize>> {
        let mut state = self.state();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        if !self.bring_away(&mut state)? && !state.connection.is_handshaking() {
            return Ok(None);
        }
        let taken = state.connection.writer().write_vectored(parts).map_err(|e| broken(&e))?;
        self.bring_away(&mut state)?;
        Ok(Some(taken).filter(|n| *n > 0))
    }

    /// Brings to the kernel what waits on our side; true once nothing does.
    pub fn flush(&self) -> Result<bool> {
        self.bring_away(&mut self.state())
    }

    /// Whether bytes wait on our side of the descriptor.
    pub fn holds_bytes(&self) -> bool {
        let mut state = self.state();
        let mut reader = state.connection.reader();
        // The end of the connection is something to read, too.
        !matches!(io::BufRead::fill_buf(&mut reader), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Says farewell and ends the connection.
    pub fn hang_up(&self) {
        let mut state = self.state();
        state.connection.send_close_notify();
        // One that is gone already needs no farewell.
        let _ = self.bring_away(&mut state);
        socket::hang_up(&self.socket);
    }

    fn bring_away(&self, state: &mut State) -> Result<bool> {
        while state.connection.wants_write() {
            match state.connection.write_tls(&mut Wire(&self.socket)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(broken(&e)),
            }
        }
        Ok(true)
    }

    /// What went wrong, and what to do about it.
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
                    "{other} does not trust our key; there, `linkspan keys trust NAME {own}` lets us in ({error})"
                ),
            ),
            (None, _) => (
                ErrorKind::Malformed,
                format!(
                    "{other} does not speak Linkspan's TLS: {error}; both sides need keys and the same version"
                ),
            ),
        };
        Error::new(kind, text)
    }
}

fn broken(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::os("using a TCP connection", errno),
        None => Error::new(ErrorKind::Disconnected, format!("the connection broke: {error}")),
    }
}

/// The socket as the TLS library wants it.
struct Wire<'a>(&'a Guarded);

fn blocked<T>(got: Result<Option<T>>) -> io::Result<T> {
    match got {
        Ok(Some(got)) => Ok(got),
        Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
        Err(e) => Err(io::Error::new(io::ErrorKind::BrokenPipe, e.text().to_owned())),
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        blocked(socket::receive(self.0, into))
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocked(socket::send_bytes(self.0, bytes))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        blocked(socket::send(self.0, parts, &[]))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Refused<T> = std::result::Result<T, rustls::Error>;

impl Pinned {
    fn look(&self, shown: &CertificateDer<'_>) -> Refused<()> {
        let refused = || rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let key = PublicKey::from_spki(shown).ok_or_else(refused)?;
        let _ = self.seen.set(key);
        // Read anew each time: what is trusted or revoked counts from the next connection on.
        let name = self.keyring.name_of(&key).ok().flatten().ok_or_else(refused)?;
        let _ = self.name.set(name);
        Ok(())
    }

    fn check_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Refused<HandshakeSignatureValid> {
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, known)
    }
}

fn no_tls12() -> Refused<HandshakeSignatureValid> {
    Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Refused<ServerCertVerified> {
        self.look(shown).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Refused<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Refused<HandshakeSignatureValid> {
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
    ) -> Refused<ClientCertVerified> {
        self.look(shown).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Refused<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Refused<HandshakeSignatureValid> {
        self.check_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
