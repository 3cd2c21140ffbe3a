//! The options of a controller's server, and the handle that stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ports;
use linkspan::service::server_side::{EventFd, HEARTBEAT, PeerListener, port};
use linkspan::{Error, ErrorKind, Options, Result};

/// The most peers that wait to be accepted. After the start of a controller all services connect almost at the same
/// time.
const QUEUE: usize = 4_096;

/// The options of a controller's server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerServerOptions {
    /// The options of its links, such as mode, group and allow_uids. The server sets the delivery and the size limit
    /// itself.
    pub channel: Options,
    /// Whether it listens at its default TCP endpoint if no endpoints are given. Default: true.
    ///
    /// [`ControllerServer::ENDPOINTS`](super::ControllerServer::ENDPOINTS) has the default endpoints.
    pub tcp: bool,
    /// Whether SIGINT and SIGTERM, unless the program handles them, end the server. Default: true.
    ///
    /// They end [`ControllerServer::run`](super::ControllerServer::run).
    pub handle_signals: bool,
    /// The heartbeat period of the services. A service that is silent for three periods is STALE. Default: 5 s.
    pub heartbeat: Duration,
    /// The most connected peers; further ones are refused. Default: 12,000.
    pub peers: usize,
}

impl Default for ControllerServerOptions {
    fn default() -> ControllerServerOptions {
        ControllerServerOptions {
            channel: Options::default(),
            tcp: true,
            handle_signals: true,
            heartbeat: HEARTBEAT,
            peers: 12_000,
        }
    }
}

/// A handle that ends [`ControllerServer::run`](super::ControllerServer::run) from another thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    pub(super) waker: Arc<EventFd>,
    requested: Arc<AtomicBool>,
}

impl StopHandle {
    pub(super) fn new() -> Result<StopHandle> {
        Ok(StopHandle { waker: Arc::new(EventFd::new()?), requested: Arc::default() })
    }

    /// Ends the running loop after its current round; a later call of `run` returns at once.
    pub fn stop(&self) {
        self.requested.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(super) fn was_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }
}

/// Listens at an endpoint. The error for a port in use has the process that uses it, if that is known.
pub fn open(endpoint: &str, options: &Options) -> Result<PeerListener> {
    PeerListener::listen(endpoint, options, QUEUE).map_err(|e| {
        match port(endpoint).and_then(ports::listener).filter(|_| e.kind() == ErrorKind::AddressInUse) {
            Some((pid, program)) => {
                let text =
                    format!("{program} with process {pid} listens there; end it first, or use another port");
                Error::new(ErrorKind::AddressInUse, text).on(endpoint)
            }
            None => e,
        }
    })
}
