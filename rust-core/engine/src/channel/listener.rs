//! Listeners accept one peer after the other, each as a channel.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::acceptor::ChannelAcceptor;
use super::ends::{Channel, Role};
use super::event_log::{Event, EventLog};
use super::link::Peer;
use super::options::Options;
use super::reconnector::{LinkSource, Reconnector};
use super::session_state::SessionState;
use crate::deadline::Wait;
use crate::error::Result;
use crate::sys::fork::{self, OfProcess};
use crate::sys::poll::Epoll;
use crate::sys::random;
use crate::transport::endpoint::Endpoint;
use crate::value::Value;

/// Listens at an endpoint and returns a [`Channel`] for each peer that connects.
///
/// The library answers connections while the program works. Up to 128 peers wait to be accepted; later ones are
/// refused with `Full`. Any number of threads may accept; a single thread gets each peer. Any thread may close the
/// listener.
pub struct Listener {
    endpoint: Endpoint,
    options: Options,
    acceptor: OfProcess<ChannelAcceptor>,
    event_log: OfProcess<Arc<EventLog>>,
    /// The process that made the listener, as a count of forks.
    fork_generation: u64,
}

impl Listener {
    /// Binds the name.
    ///
    /// # Errors
    /// `AddressInUse` if a living process holds it; `Unsupported` for options that the transport cannot fulfil.
    pub fn listen(endpoint: &str, options: &Options) -> Result<Listener> {
        let endpoint: Endpoint = endpoint.parse()?;
        let acceptor =
            ChannelAcceptor::open(&endpoint, options.pattern, options, None).map_err(|e| e.on(&endpoint))?;
        let endpoint = acceptor.endpoint.clone();
        let event_log = Arc::<EventLog>::default();
        acceptor.report_losses_to(&event_log);
        Ok(Listener {
            endpoint,
            options: options.clone(),
            acceptor: acceptor.into(),
            event_log: event_log.into(),
            fork_generation: fork::generation(),
        })
    }

    /// Returns the events since the last call.
    ///
    /// [`EventKind::Forgotten`](super::EventKind::Forgotten) reports lost messages that were kept for a disconnected
    /// client. The channel of a connected peer has the peer's events.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns counters.
    ///
    /// `forgotten` counts lost messages that were kept for disconnected clients. `dropped` also counts those kept for
    /// clients that could not return.
    pub fn stats(&self) -> Value {
        let of = |counter: &AtomicU64| Value::from(counter.load(Ordering::Relaxed));
        Value::map([("forgotten", of(&self.event_log.forgotten)), ("dropped", of(&self.event_log.dropped))])
    }

    /// Waits for the next peer and returns its channel.
    ///
    /// # Errors
    /// `Timeout` if none connected; `InvalidState` once the listener is closed.
    pub fn accept<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        self.accept_with_peer(wait.into()).map(|(channel, _)| channel)
    }

    /// [`Listener::accept`] that also returns the peer.
    pub(crate) fn accept_with_peer(&self, wait: Wait<'_>) -> Result<(Channel, Peer)> {
        self.try_accept(wait).map_err(|e| e.on(&self.endpoint))
    }

    fn try_accept(&self, wait: Wait<'_>) -> Result<(Channel, Peer)> {
        fork::check(self.fork_generation)?;
        let mut waiting = self.options.start(wait);
        let link = self.acceptor.queue.wait(&mut waiting)?;
        let session_state = match &link.negotiated {
            Some(negotiated) => negotiated.session_state.clone(),
            None => SessionState::new(random::number()?, &self.options),
        };
        let peer = link.peer.clone();
        let reconnector = Reconnector::new(
            LinkSource::Accepted,
            session_state,
            self.endpoint.clone(),
            self.options.clone(),
        )?;
        let channel = Channel::over(
            Epoll::new()?,
            reconnector,
            Some(link),
            &self.endpoint,
            &self.options,
            Role::Listener,
        )?;
        Ok((channel, peer))
    }

    /// Returns the endpoint, with its transport.
    pub fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// Returns a descriptor that is readable while a peer waits to be accepted.
    ///
    /// # Errors
    /// `InvalidState` in a process other than the one that made the listener.
    pub fn fileno(&self) -> Result<RawFd> {
        fork::check(self.fork_generation).map_err(|e| e.on(&self.endpoint))?;
        Ok(self.waker().as_raw_fd())
    }

    pub(crate) fn waker(&self) -> BorrowedFd<'_> {
        self.acceptor.queue.waker().as_fd()
    }

    /// Stops listening and frees the name. Accepted channels stay open.
    ///
    /// A thread that waits in [`Listener::accept`] gets `InvalidState`.
    pub fn close(&self) {
        if self.fork_generation == fork::generation() {
            self.acceptor.close();
        }
    }
}

/// Readable while a peer waits to be accepted.
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.waker().as_raw_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}
