//! The threads of the gateway. One receives for all clients; others serve connections, each with an event loop.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use linkspan::page::Peer;
use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Result, files, quoted};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::access::Gateway;
use crate::feed;
use crate::http;
use crate::places::{Place, TURNS};
use crate::spare::{Spare, is_waiting, refuse};
use crate::status::add;
use crate::stream::Bounded;

/// Unaccepted connections that the kernel queues.
const BACKLOG: i32 = 1_024;
/// The time limit of a request's head, of an idle connection and of a TLS handshake.
const HEAD: Duration = Duration::from_secs(10);
/// The most bytes and lines of a request's head.
const HEAD_LIMIT: usize = 16 << 10;
const HEAD_LINES: usize = 64;
/// How long a client may take none of the bytes sent to it.
const UNREAD: Duration = Duration::from_secs(30);
const THREADS: usize = 4;
/// The pause before the next accept if no descriptor is left.
const PAUSE: Duration = Duration::from_millis(50);
/// How long clients may take their last frames at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Parses the address to listen at.
///
/// # Errors
/// `InvalidEndpoint`.
pub fn parse(text: &str) -> Result<SocketAddr> {
    let number = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    number.as_deref().unwrap_or(text).parse().map_err(|_| {
        let text =
            format!("{} is not an address and a port, such as 127.0.0.1:17180 or [::]:17180", quoted(text));
        Error::new(ErrorKind::InvalidEndpoint, text)
    })
}

/// Listens at an address.
///
/// # Errors
/// `AddressInUse` and other system errors.
pub fn listen(address: SocketAddr) -> Result<StdListener> {
    let doing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            let text = format!(
                "another program listens at {address}; give another port with --listen, or 0 for any"
            );
            Error::new(ErrorKind::AddressInUse, text)
        }
        _ => Error::os(format!("listening at {address}"), e.raw_os_error().unwrap_or(0)),
    };
    let listener = StdListener::bind(address).map_err(doing)?;
    listener.set_nonblocking(true).map_err(doing)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|e| doing(e.into()))?;
    Ok(listener)
}

const MAX_FILE: u64 = 1 << 20;

/// Reads the certificate and its key.
///
/// # Errors
/// `NotFound` and other file errors; `Malformed` if they are not a matching certificate and key.
pub fn tls(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let read = |path: &Path| files::read_text(path, MAX_FILE);
    let wrong = |path: &Path, what: &str, why: String| {
        Error::new(
            ErrorKind::Malformed,
            format!("{} has no {what} in PEM that can be used: {why}", path.display()),
        )
    };
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(read(certificate)?.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| wrong(certificate, "certificate", e.to_string()))?;
    let key_der =
        PrivateKeyDer::from_pem_slice(read(key)?.as_bytes()).map_err(|e| wrong(key, "key", e.to_string()))?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_der));
    let mut config = config.map_err(|e| wrong(certificate, "certificate", e.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

pub struct Threads(Vec<JoinHandle<()>>);

fn start(name: &str, work: impl FnOnce(Runtime) + Send + 'static) -> Result<JoinHandle<()>> {
    let runtime = linkspan_tokio::runtime(name, TURNS + 16)?;
    start_thread(name, move || work(runtime))
}

/// Starts the receiving and serving threads.
///
/// # Errors
/// A thread cannot start.
pub fn serve(
    gateway: &Arc<Gateway>,
    started: tokio::sync::mpsc::UnboundedReceiver<Arc<feed::Store>>,
    listener: &StdListener,
    tls: Option<&TlsAcceptor>,
) -> Result<Threads> {
    let shared = gateway.clone();
    let receive = move |runtime: Runtime| {
        let (paused, stop) = (shared.paused.clone(), shared.stop.clone());
        runtime.block_on(feed::run(shared.feeds.clone(), started, paused, stop));
    };
    let mut threads = vec![start("feeds", receive)?];
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    for _ in 0..count {
        let cloned = listener.try_clone();
        let listener = cloned
            .map_err(|e| Error::os("sharing a listener among threads", e.raw_os_error().unwrap_or(0)))?;
        let (gateway, tls) = (gateway.clone(), tls.cloned());
        let serve = move |runtime: Runtime| {
            runtime.block_on(async {
                // Registering a bound socket fails only without descriptors; then this thread serves nothing.
                let mut began = Instant::now();
                if let Ok(listener) = TcpListener::from_std(listener) {
                    began = accept(listener, &gateway, tls).await;
                }
                while gateway.sessions.load(Ordering::Acquire) > 0 && began.elapsed() < FAREWELL {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            // Waiting calls were withdrawn and end within 0.1 s.
            runtime.shutdown_timeout(FAREWELL);
        };
        threads.push(start("serving", serve)?);
    }
    Ok(Threads(threads))
}

impl Threads {
    pub fn join(self) {
        for thread in self.0 {
            // The thread has already printed its panic.
            let _ = thread.join();
        }
    }

    pub fn has_ended(&self) -> bool {
        self.0.iter().any(JoinHandle::is_finished)
    }
}

/// Accepts connections until the gateway ends, then waits for last answers. Returns when the end began.
async fn accept(listener: TcpListener, gateway: &Arc<Gateway>, tls: Option<TlsAcceptor>) -> Instant {
    let router = http::router(gateway.clone());
    let mut stop = gateway.stop.clone();
    let mut spare = Spare::new();
    let mut connections = JoinSet::new();
    loop {
        spare.fill();
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // No descriptors are left, or the client has already ended.
                Err(_) => match spare.accept(&listener).await {
                    Some(accepted) if gateway.places.evict() => accepted,
                    Some((stream, _)) => {
                        add(&gateway.counters.no_descriptor, 1);
                        refuse(stream, tls.as_ref()).await;
                        continue;
                    }
                    None => {
                        // The reserve descriptor is already used.
                        if !spare.is_there() && is_waiting(&listener) {
                            gateway.places.evict();
                        }
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
            },
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // A disconnected client has no address.
        let Ok(own) = stream.local_addr() else { continue };
        // Frames are short and should arrive at once.
        let _ = stream.set_nodelay(true);
        let place = gateway.places.admit(Peer::of(from, own));
        connections.spawn(connection(stream, place, router.clone(), gateway.clone(), tls.clone()));
    }
    // From here on, new clients are refused.
    drop(listener);
    let began = Instant::now();
    let answered = async { while connections.join_next().await.is_some() {} };
    // Remaining connections are cut after this time.
    let _ = timeout(FAREWELL, answered).await;
    began
}

async fn connection(
    stream: TcpStream,
    place: Arc<Place>,
    router: Router,
    gateway: Arc<Gateway>,
    tls: Option<TlsAcceptor>,
) {
    match tls {
        None => serve_stream(stream, place, router, gateway).await,
        Some(tls) => {
            let mut stop = gateway.stop.clone();
            let shaken = tokio::select! {
                shaken = timeout(HEAD, tls.accept(stream)) => shaken,
                _ = stop.wait_for(|stop| *stop) => return,
                () = place.evicted() => return,
            };
            if let Ok(Ok(stream)) = shaken {
                serve_stream(stream, place, router, gateway).await;
            }
        }
    }
}

async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    place: Arc<Place>,
    router: Router,
    gateway: Arc<Gateway>,
) {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(HEAD_LINES)
        .half_close(false);
    let service = TowerToHyperService::new(router.layer(Extension(place.clone())));
    let stream = Bounded::new(stream, place.clone(), UNREAD, gateway.counters.clone());
    let mut stop = gateway.stop.clone();
    let connection = protocol.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    // Errors of a client's connection need no report.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = place.evicted() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    // A started request gets its answer, so the client learns whether it was carried out.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = place.evicted() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbers() {
        for wrong in ["17180", "here:17180", "127.0.0.1", "", "127.0.0.1:99999"] {
            assert_eq!(parse(wrong).unwrap_err().kind(), ErrorKind::InvalidEndpoint, "{wrong}");
        }
        assert!(parse("localhost:17180").unwrap().ip().is_loopback());
    }
}
