//! How a controller listens, and how it is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::channel::greeting::Pattern;
use crate::channel::{Delivery, Listener, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::service::protocol::{HEARTBEAT, MESSAGE_LIMIT};
use crate::sys::eventfd::EventFd;
use crate::sys::ports;
use crate::transport::endpoint::Endpoint;

/// How a controller listens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ControllerServerOptions {
    /// The options of its links: mode, group, allow_uids and so on. Delivery and limit are its own.
    pub channel: Options,
    /// Whether it listens at the TCP endpoint of [`ControllerServer::ENDPOINTS`](super::ControllerServer::ENDPOINTS), where no endpoints are given: yes.
    pub tcp: bool,
    /// Whether SIGINT and SIGTERM end [`ControllerServer::run`](super::ControllerServer::run), where the program has not decided about them itself: yes.
    pub handle_signals: bool,
    /// How often it wants to hear of each service: 5 s. One that is silent for three of these is STALE.
    pub heartbeat: Duration,
    /// Peers at the same time: 12,000. Later ones are turned away.
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

impl ControllerServerOptions {
    /// The options of its links.
    pub(super) fn links(&self) -> Options {
        let mut options = self.channel.clone();
        options.pattern = Pattern::Controller;
        options.delivery = Some(Delivery::BestEffort);
        options.limit = MESSAGE_LIMIT;
        // When it has just started, all services come within moments.
        options.queue = 4_096;
        options
    }
}

/// Ends [`ControllerServer::run`](super::ControllerServer::run) from another thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    pub(super) bell: Arc<EventFd>,
    asked: Arc<AtomicBool>,
}

impl StopHandle {
    pub(super) fn new() -> Result<StopHandle> {
        Ok(StopHandle { bell: Arc::new(EventFd::new()?), asked: Arc::default() })
    }

    /// The loop ends after what it does now; a later one ends at once.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

/// Listens at an endpoint; says who else does where that can be known.
pub(super) fn open(endpoint: &str, options: &Options) -> Result<Listener> {
    Listener::listen(endpoint, options).map_err(|e| {
        let port = endpoint.parse().ok().and_then(|endpoint: Endpoint| Some(endpoint.host_and_port()?.1));
        match port.and_then(ports::listener).filter(|_| e.kind() == ErrorKind::AddressInUse) {
            Some((pid, program)) => {
                let text =
                    format!("{program} with process {pid} listens there; end it first, or take another port");
                Error::new(ErrorKind::AddressInUse, text).on(endpoint)
            }
            None => e,
        }
    })
}
