//! The acceptor of a channel, listener or server: holds a name and queues the links of its peers.
//!
//! [`ChannelAcceptor::open`] depends on the transport:
//!
//! - connectionless (spool, file, journal, mailslot): one link from the beginning, without a handshake;
//! - one shared pipe without a hello (plain framing over `fifo:`): also one link from the beginning;
//! - all others: it binds the name, and the process's acceptor thread (`transport::acceptor`) calls the
//!   [`ListenerHandler`](super::admission) for each connection, while the program works.
//!
//! All links come out of [`ChannelAcceptor::queue`]. Dropping the acceptor removes the name.

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::accept_queue::AcceptQueue;
use super::admission::{ListenerHandler, OwnerLogs};
use super::event_log::EventLog;
use super::handshake::{self, Hello};
use super::link::{Link, Peer};
use super::options::{Framing, Options, Use};
use super::pattern::Pattern;
use super::plain;
use super::schema_negotiation;
use super::session_state::SessionState;
use crate::deadline::{Deadline, Waiting};
use crate::drive;
use crate::error::Result;
use crate::transport::acceptor::{self, ListenSource, ListenerRegistration};
use crate::transport::connectionless::{ConnectOptions, ConnectionlessLink};
use crate::transport::driver::ListenRequest;
use crate::transport::endpoint::Endpoint;
use crate::transport::hello;
use crate::transport::place::{Access, Place};

pub struct ChannelAcceptor {
    pub queue: Arc<AcceptQueue>,
    /// The bound endpoint, with the port that the kernel chose for port 0.
    pub endpoint: Endpoint,
    logs: Arc<OwnerLogs>,
    /// The lock of a connectionless name, or the owner record of a name without a hello.
    ///
    /// Dropped before `registration`, while the name still belongs to this process.
    kept: Mutex<Option<Box<dyn Any + Send + Sync>>>,
    /// The entry at the acceptor thread; none on a link without a handshake.
    registration: Mutex<Option<ListenerRegistration>>,
}

impl ChannelAcceptor {
    /// Binds an endpoint.
    ///
    /// With `single_peer`, it admits one peer at a time, with that session (a channel made by `open`). Otherwise a
    /// registry keeps each peer's session while the peer is disconnected.
    ///
    /// # Errors
    /// `AddressInUse` if another program holds the name; `Unsupported` if the transport cannot fulfil the options;
    /// errors of the transport.
    pub fn open(
        endpoint: &Endpoint,
        pattern: Pattern,
        options: &Options,
        single_peer: Option<&Arc<SessionState>>,
    ) -> Result<ChannelAcceptor> {
        let queue = Arc::new(AcceptQueue::new()?);
        let logs = Arc::<OwnerLogs>::default();
        options.check(
            endpoint.transport(),
            if pattern == Pattern::Request { Use::Request } else { Use::Channel },
        )?;
        let mut acceptor = ChannelAcceptor {
            queue: queue.clone(),
            endpoint: endpoint.clone(),
            logs: logs.clone(),
            registration: Mutex::default(),
            kept: Mutex::default(),
        };
        if endpoint.transport().capabilities().connectionless {
            let (driver, own) = (endpoint.transport().connectionless()?, connect_options(options, pattern)?);
            let ConnectionlessLink { tx, rx, keeps, place } = drive::link(|| driver.listen(endpoint, &own))?;
            if let Some(place) = &place {
                schema_negotiation::stored::keep(options, place, pattern)?;
            }
            let peer = Peer::unknown(pattern, options);
            queue.push(Link { tx, rx, peer, guard: None, negotiated: None });
            acceptor.kept = Mutex::new(keeps);
            return Ok(acceptor);
        }
        let connections = endpoint.transport().connections()?;
        if options.framing != Framing::Linkspan
            // Over `fifo:`, all writers share one pipe and thus one link from the beginning.
            && let Some(stream) = connections.open_plain(endpoint, &connect_options(options, pattern)?)?
        {
            queue.push(plain::link(stream, pattern, options, &Arc::default(), false)?);
            return Ok(acceptor);
        }
        let (source, endpoint) = bind(endpoint, pattern, options, single_peer.is_some())?;
        let shared_socket = if options.shared { source.socket() } else { None };
        let bound = endpoint.clone();
        let handler = ListenerHandler::new(bound, pattern, options, queue, logs, shared_socket, single_peer);
        // Written while `source` holds the lock of the name. Listings cannot query a name without a hello, and read
        // this record.
        let owner_record = match source.place() {
            Some(place) => plain::owner_record(&endpoint, place, pattern, options)?,
            None => None,
        };
        acceptor.registration = Mutex::new(Some(acceptor::open(source, Arc::new(handler))?));
        (acceptor.endpoint, acceptor.kept) = (endpoint, Mutex::new(owner_record));
        Ok(acceptor)
    }

    pub fn close(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.registration.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.queue.close();
    }

    pub fn report_losses_to(&self, event_log: &Arc<EventLog>) {
        let _ = self.logs.losses.set(event_log.clone());
    }

    pub fn answer_with(&self, event_log: &Arc<EventLog>) {
        // An acceptor belongs to one object, so a second call would set the same log.
        let _ = self.logs.counters.set(event_log.clone());
        self.report_losses_to(event_log);
    }
}

/// Binds the name of an endpoint for this pattern.
///
/// Returns the source of connections, and the endpoint with its final port. With `at_once`, it does not wait for a
/// program that is releasing the name: the caller connects to the holder of the name instead.
pub fn bind(
    endpoint: &Endpoint,
    pattern: Pattern,
    options: &Options,
    at_once: bool,
) -> Result<(ListenSource, Endpoint)> {
    let patience = if at_once { Some(Duration::ZERO) } else { options.patience_to_bind() };
    let request = ListenRequest {
        access: Access { shared: options.shared, patience, ..options.access() },
        at_once,
        expects_hello: options.framing == Framing::Linkspan,
        options: &connect_options(options, pattern)?,
        program: options.client_id.clone().unwrap_or_else(handshake::title),
        ask_to_join: &|place| request_listening_socket(place, pattern, options),
    };
    let driver = endpoint.transport().connections()?;
    drive::link(|| driver.listen(endpoint, &request))
}

/// Requests the listening socket from a process that shares the name; none if it is ending.
///
/// Waits at most 5 s, and at most as long as the options allow.
fn request_listening_socket(place: &Place, pattern: Pattern, options: &Options) -> Result<Option<OwnedFd>> {
    /// A healthy process needs much less, because its acceptor thread answers while the program works.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let mut hello = Hello::new(pattern, None, 0)?;
    (hello.ask, hello.shared) = (true, true);
    let patience = options.patience_to_bind().map_or(TIMEOUT, |most| most.min(TIMEOUT));
    let mut waiting = Waiting::until(Deadline::after(patience));
    let reply = hello::request_socket(place, &hello.to_frame()?, &mut waiting)?;
    let Some(mut reply) = reply else { return Ok(None) };
    handshake::read_answer(&reply.answer)?.pattern.fits(pattern)?;
    Ok(reply.descriptors.pop())
}

/// Without a hello, each written frame or file carries this source and session.
pub fn connect_options(options: &Options, pattern: Pattern) -> Result<ConnectOptions> {
    let hello = Hello::new(pattern, options.client_id.clone(), options.max_message_size)?;
    Ok(ConnectOptions {
        source: hello.source(),
        named: options.client_id.is_some(),
        session: hello.session,
        max_message_size: options.max_message_size,
        encoding: options.encoding(),
        mode: options.mode,
        group: options.group,
        buffer: options.buffer,
        durable: options.is_durable(),
        shared: options.shared,
        patience: options.patience_to_bind(),
        pattern: pattern.name(),
    })
}
