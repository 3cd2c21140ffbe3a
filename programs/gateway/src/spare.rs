//! A reserve descriptor. If none is left, the gateway frees it briefly to accept a connection and refuse it at once,
//! instead of letting the client time out.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use linkspan::{ErrorKind, page};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::stream::end;

/// Time limits of a refusal and of the client's first byte; other connections wait during both.
const REFUSAL: Duration = Duration::from_millis(300);
const FIRST: Duration = Duration::from_millis(50);

pub struct Spare(Option<OwnedFd>);

impl Spare {
    pub fn new() -> Spare {
        Spare(open())
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub fn fill(&mut self) {
        if self.0.is_none() {
            self.0 = open();
        }
    }

    /// Accepts a waiting connection with the reserve descriptor; `None` if no connection waits.
    ///
    /// If descriptors run out, the kernel reports that error even without a waiting connection.
    pub async fn accept(&mut self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        self.0 = None;
        let accepted = timeout(Duration::ZERO, listener.accept()).await;
        let accepted = accepted.ok().and_then(Result::ok);
        if accepted.is_none() {
            self.fill();
        }
        accepted
    }
}

pub fn is_waiting(listener: &TcpListener) -> bool {
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

fn open() -> Option<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC).ok()
}

/// Tells a client that no descriptor is left, and ends its connection.
pub async fn refuse(stream: TcpStream, tls: Option<&TlsAcceptor>) {
    // A silent client gets no answer.
    if timeout(FIRST, stream.readable()).await.is_err() {
        return;
    }
    let refusal = async {
        match tls {
            None => answer(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    answer(stream).await;
                }
            }
        }
    };
    // The refusal is best effort.
    let _ = timeout(REFUSAL, refusal).await;
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let text = "the gateway has no descriptor left for another connection: close some, or raise its limit with ulimit -n, or LimitNOFILE= of a unit";
    let problem = page::Problem::new(503, ErrorKind::Full, text);
    let body = problem.body().unwrap_or_default();
    let mut head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n".to_owned();
    for (name, value) in problem.headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    end(&mut stream).await;
}
