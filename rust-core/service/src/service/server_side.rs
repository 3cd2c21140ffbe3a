//! The interface of the core to the controller's server, the crate `linkspan-controller`.
//!
//! It is hidden and changes with each version.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

pub use super::command::failure_of;
pub use super::notify::Supervisor;
pub use super::peer_clock::PeerClock;
pub use super::protocol::{
    DEFAULT_WITHIN, HEARTBEAT, Introduction, LogLine, MAX_WITHIN, MESSAGE_LIMIT, MIN_DATA_PERIOD, Report,
    ToController, ToService, check_service_name, clock_of, id as command_id, margin, with_until,
};
pub use super::table::allows;
pub use crate::deadline::Waiting;
pub use crate::engine::service_side::{Owner, Pattern, RequestInfo, failure_payload};
pub use crate::sys::clock::since_boot;
pub use crate::sys::eventfd::EventFd;
pub use crate::sys::poll::{Epoll, Interest, Ready};
pub use crate::sys::random::number as random;
pub use crate::sys::stop::{Watch as StopWatch, waker as stop_waker, watch as watch_stop};

use crate::deadline::{OnWait, Timeout, Wait};
use crate::engine::{Channel, Delivery, Listener, Message, Options, Payload, service_side};
use crate::error::Result;
use crate::frame::Kind;
use crate::transport::endpoint::Endpoint;

/// Begins a wait, without end if the caller gave no time-out.
///
/// `on_wait` runs along with the caller's tick.
pub fn start<'a>(wait: Wait<'a>, on_wait: &Option<OnWait>) -> Waiting<'a> {
    Waiting::start(wait, Timeout::Forever).on_wait(on_wait)
}

/// Returns the kind of a message's frame.
pub fn kind(message: &Message) -> Kind {
    service_side::header(message).kind
}

/// Returns the port of an endpoint of TCP; `None` for any other endpoint.
pub fn port(endpoint: &str) -> Option<u16> {
    let endpoint: Endpoint = endpoint.parse().ok()?;
    Some(endpoint.host_and_port()?.1)
}

/// Returns the options of a link between a controller and a peer.
///
/// Best effort is enough, because the protocol repeats lost messages.
fn link_options(options: &Options, pattern: Pattern) -> Options {
    let mut options = options.clone();
    service_side::set_pattern(&mut options, pattern);
    options.delivery = Some(Delivery::BestEffort);
    options
}

/// Listens as a controller: for services and for clients.
#[derive(Debug)]
pub struct PeerListener(Listener);

/// An accepted peer.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its name as the source of messages.
    pub source: Arc<str>,
    /// `Service`, or `Controller` for a client.
    pub pattern: Pattern,
    /// The session of its incarnation.
    pub session: u64,
    /// The owner proved by the kernel or a key.
    pub owner: Owner,
    /// The peer's machine, if a bridge carries the link.
    pub machine: Option<Arc<str>>,
}

impl PeerListener {
    /// Listens at an endpoint. At most `queue` peers wait for acceptance; later peers get `Full`.
    pub fn listen(endpoint: &str, options: &Options, queue: usize) -> Result<PeerListener> {
        let mut options = link_options(options, Pattern::Controller);
        options.max_message_size = MESSAGE_LIMIT;
        service_side::set_queue(&mut options, queue);
        Listener::listen(endpoint, &options).map(PeerListener)
    }

    /// Accepts a peer without waiting: `Timeout` without a peer.
    pub fn accept(&self) -> Result<(PeerLink, PeerInfo)> {
        let (channel, peer) = service_side::accept_with_peer(&self.0, Wait::none())?;
        let peer = PeerInfo {
            source: peer.source,
            pattern: peer.pattern,
            session: peer.session,
            owner: peer.owner,
            machine: peer.machine,
        };
        Ok((PeerLink(channel), peer))
    }

    /// Returns its endpoint, with the assigned port.
    pub fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    /// Stops listening.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Readable while a peer waits for acceptance.
impl AsFd for PeerListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One end of a link between a controller and its peer.
///
/// [`PeerLink::room`] and the methods after it never wait.
pub struct PeerLink(Channel);

impl PeerLink {
    /// Connects to a controller as a peer of this pattern, for tests of the server.
    pub fn connect<'a>(endpoint: &str, pattern: Pattern, wait: impl Into<Wait<'a>>) -> Result<PeerLink> {
        Channel::connect(endpoint, &link_options(&Options::default(), pattern), wait).map(PeerLink)
    }

    /// Returns the channel.
    pub fn channel(&self) -> &Channel {
        &self.0
    }

    /// Sends a command or an event: `Timeout` or `Full` without room.
    pub fn send<'a>(&self, kind: Kind, payload: &Payload, wait: impl Into<Wait<'a>>) -> Result<()> {
        service_side::send_as(&self.0, kind, payload, wait).map(drop)
    }

    /// Answers a request with a reply or an error: `Timeout` or `Full` without room.
    pub fn respond(&self, to: RequestInfo, kind: Kind, payload: &Payload) -> Result<()> {
        service_side::respond(&self.0, to, kind, payload)
    }

    /// Flushes the messages that the link has taken over.
    ///
    /// If that is impossible now, or a message was `blocked` before, returns a descriptor and its event: ready when
    /// there is room.
    pub fn room(&self, blocked: bool) -> Result<Option<(OwnedFd, Interest)>> {
        service_side::room(&self.0, blocked)
    }

    /// Passes a descriptor to `watch`; from then on it is readable while something can be received.
    pub fn with_descriptor(&self, watch: impl FnOnce(BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        service_side::with_descriptor(&self.0, watch)
    }

    /// Closes the link at once: the other side sees its end.
    pub fn abandon(&self) {
        service_side::abandon(&self.0);
    }
}

impl fmt::Debug for PeerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
