//! The thread that listens: one for all connections, with a bound on each wait that a client can cause.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use linkspan::page::Peer;
use linkspan::page::{Origin, Token};
use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::api::ControllerClient;
use super::connections::{Connection, Connections, LIMITS};
use super::feed::Feed;
use super::guard::Access;
use super::routes;
use super::stream::Patient;
use super::token::{AddressFile, kept};

const BACKLOG: i32 = 1024;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(10);
/// The most bytes and lines of a request's head.
const HEAD_LIMIT: usize = 16 << 10;
const HEAD_LINES: usize = 64;
/// How long a client may go without reading any of the response.
const UNREAD: Duration = Duration::from_secs(20);
/// Threads that wait for the controller.
const WAITING: usize = 24;
/// The error for a connection that ends because of newer ones.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n\
Connection: close\r\nContent-Length: 125\r\n\r\n{\"type\":\"urn:linkspan:error:Full\",\"title\":\"too many connections\",\
\"status\":503,\"detail\":\"close some\",\"code\":111,\"kind\":\"Full\"}";

#[derive(Clone, Debug)]
pub struct Settings {
    /// Address and port to listen at, as `127.0.0.1:8017`; port 0 takes any.
    pub address: String,
    /// Whether an address other than loopback is allowed.
    pub allow_remote: bool,
    /// The controller's endpoint.
    pub controller: String,
    /// The file with the token; none to make a new token at each start.
    pub token: Option<PathBuf>,
    /// The file with the read-only token, if there is one.
    pub reading: Option<PathBuf>,
}

/// The page server; dropping it ends the page.
pub struct Running {
    address: String,
    host: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    file: AddressFile,
}

impl Running {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn file(&self) -> &Path {
        self.file.path()
    }

    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It has printed its panic.
            let _ = thread.join();
        }
    }
}

/// Serves the page until the drop.
///
/// `InvalidEndpoint`; `PermissionDenied` beyond this machine without `--http-allow-remote`; `AddressInUse`.
pub fn start(settings: &Settings) -> Result<Running> {
    let requested = parse(&settings.address)?;
    if !requested.ip().is_loopback() && !settings.allow_remote {
        let text = format!(
            "{requested} is reached from other machines, over HTTP that everybody on the network can read, the token too; listen at 127.0.0.1:{} and use `ssh -L`, or give --http-allow-remote",
            requested.port()
        );
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let doing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            let text = format!("another program listens at {requested}; take another port, or 0 for any");
            Error::new(ErrorKind::AddressInUse, text)
        }
        _ => Error::os(format!("listening at {requested} for the page"), e.raw_os_error().unwrap_or(0)),
    };
    let listener = std::net::TcpListener::bind(requested).map_err(doing)?;
    listener.set_nonblocking(true).map_err(doing)?;
    rustix::net::listen(&listener, BACKLOG).map_err(|e| doing(e.into()))?;
    let address = listener.local_addr().map_err(doing)?;
    let token = settings.token.as_deref().map_or_else(Token::draw, kept)?;
    let reading = settings.reading.as_deref().map(kept).transpose()?;
    if reading.as_ref().is_some_and(|reading| reading.is_same(&token)) {
        let text = "the token that only reads is the one that commands: give each a file of its own";
        return Err(Error::new(ErrorKind::InvalidState, text));
    }
    let shown = match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    };
    let page = token.address(&shown.to_string());
    let file = AddressFile::write(&linkspan::registry::directory()?, &page)?;
    let origin = Origin { port: address.port(), remote: settings.allow_remote, hosts: Vec::new() };
    let access = Arc::new(Access { origin, token, reading });
    let runtime = linkspan_tokio::runtime("linkspan-http", WAITING)?;
    let (stop, stopped) = watch::channel(false);
    let controller = settings.controller.clone();
    let serve = move || {
        runtime.block_on(async {
            let feed = Feed::start(&controller);
            let client = ControllerClient::new(&controller, feed.clone(), stopped.clone());
            let router = routes::router(client, access);
            // Fails only for lack of descriptors.
            if let Ok(listener) = TcpListener::from_std(listener) {
                accept(listener, router, stopped).await;
            }
            feed.stop();
        });
        // Requests that wait for a service's answer are not completed: the browser notices the end of the connection.
        runtime.shutdown_background();
    };
    let thread = start_thread("linkspan-http", serve)?;
    Ok(Running { address: page, host: format!("http://{shown}/"), stop, thread: Some(thread), file })
}

fn parse(text: &str) -> Result<SocketAddr> {
    let number = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    number.as_deref().unwrap_or(text).parse().map_err(|_| {
        let text = format!("{text:?} is not an address and port, such as 127.0.0.1:8017 or [::1]:8017");
        Error::new(ErrorKind::InvalidEndpoint, text)
    })
}

async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let connections = Connections::new(LIMITS);
    loop {
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // No descriptors are left, or the client has ended.
                Err(_) => {
                    connections.evict();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        // A disconnected client has lost its addresses.
        let Ok(own) = stream.local_addr() else { continue };
        let connection = connections.admit(Peer::of(from, own));
        tokio::spawn(serve(stream, connection, router.clone(), stopped.clone()));
        // A client that sends at once is served before further connections are accepted.
        tokio::task::yield_now().await;
    }
}

async fn serve(
    stream: TcpStream,
    place: Arc<Connection>,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(HEAD_LINES)
        .half_close(false);
    let service = TowerToHyperService::new(router.layer(Extension(place.clone())));
    let stream = TokioIo::new(Patient::new(stream, UNREAD));
    let mut connection = protocol.serve_connection(stream, service);
    // The errors of a client's connection do not matter here.
    tokio::select! {
        _ = &mut connection => {}
        () = place.evicted() => connection.into_parts().io.into_inner().refuse(BUSY),
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_over_the_limit_gets_a_complete_answer() {
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{} bytes: {head}", body.len());
        linkspan::codec::decode(body.as_bytes(), linkspan::Encoding::Json).unwrap();
    }

    #[test]
    fn remote_address_needs_allow_remote() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8017"] {
            let settings = Settings {
                address: address.into(),
                allow_remote: false,
                controller: "unix:none".into(),
                token: None,
                reading: None,
            };
            let error = start(&settings).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.text().contains("--http-allow-remote"), "{error}");
        }
        for wrong in ["8017", "here:8017", "127.0.0.1", ""] {
            assert_eq!(parse(wrong).unwrap_err().kind(), ErrorKind::InvalidEndpoint, "{wrong}");
        }
        assert!(parse("localhost:8017").unwrap().ip().is_loopback());
    }
}
