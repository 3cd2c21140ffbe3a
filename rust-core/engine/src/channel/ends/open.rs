//! Opening a channel: connected, as a listener, or whichever is free; over a link that was accepted, or before there is
//! one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::{Channel, Inner, Role, rest};
use crate::channel::acceptor::ChannelAcceptor;
use crate::channel::conn::Conn;
use crate::channel::dial::Dialler;
use crate::channel::direction::Direction;
use crate::channel::event_log::EventLog;
use crate::channel::link::Link;
use crate::channel::options::{Options, Use};
use crate::channel::pattern::Pattern;
use crate::channel::receiving::{ORIGIN, Receiving};
use crate::channel::reconnector::{LinkSource, Reconnector};
use crate::channel::retry::Retry;
use crate::channel::sending::Sending;
use crate::channel::session_state::SessionState;
use crate::channel::{lockstep, open_names};
use crate::deadline::{Deadline, Wait, Waiting};
use crate::error::{ErrorKind, Result};
use crate::sys::poll::Epoll;
use crate::sys::{fork, random};
use crate::transport::endpoint::Endpoint;
use crate::transport::hello::MIN_ANSWER_TIME;
use crate::transport::table;

impl Channel {
    /// Connects to the listener at this endpoint, waiting until there is one. The channel reconnects whenever
    /// the listener has restarted.
    ///
    /// # Errors
    /// `NotFound` if no program listens at the endpoint by the deadline; otherwise the error with which the
    /// listener or the transport refused the connection.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let channel = Channel::dial(endpoint, options)?;
        let connected = channel.first_link_in_time(&mut options.start(wait));
        connected.map_err(|e| open_names::named(e, endpoint))?;
        Ok(channel)
    }

    /// Returns a channel that connects when it is first used. For event loops, where [`Channel::poll`] tries
    /// to connect, and [`Channel::fileno`] becomes readable when another attempt may succeed.
    pub fn dial(endpoint: &str, options: &Options) -> Result<Channel> {
        Channel::connector(&endpoint.parse()?, options)
    }

    /// [`Channel::dial`] for an endpoint that is parsed.
    fn connector(endpoint: &Endpoint, options: &Options) -> Result<Channel> {
        options.check(endpoint.transport(), Use::Channel).map_err(|e| e.on(endpoint))?;
        let set = Epoll::new()?;
        let origin = if endpoint.transport().capabilities().connectionless {
            LinkSource::Place(Retry::new(&set, ORIGIN)?)
        } else {
            LinkSource::Dial(Dialler::new(endpoint, options, &set, ORIGIN)?)
        };
        let session_state = SessionState::new(random::number()?, options);
        let reconnector = Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
        Channel::over(set, reconnector, None, endpoint, options, Role::Connector)
    }

    /// Connects if there is a listener, and listens otherwise: of two programs that start at the same instant
    /// exactly one listens. The one that listens returns without waiting for its peer.
    ///
    /// # Errors
    /// `AddressInUse` if the listener has its peer already; otherwise as for [`Channel::connect`].
    pub fn open<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = options.start(wait);
        // The time that a program which holds the name has to answer, before this side tries to listen
        // again.
        let mut answer_time = Wait::TICK;
        if !table::can_listen(&endpoint).map_err(|e| e.on(&endpoint))? {
            let channel = Channel::connector(&endpoint, options)?;
            channel.first_link_in_time(&mut waiting)?;
            return Ok(channel);
        }
        loop {
            let channel = Channel::listener_or_connector(&endpoint, options)?;
            if channel.role == Role::Listener {
                return Ok(channel);
            }
            // The program that holds the name may end before it answers; then this side listens.
            let mut turn = if waiting.is_none() {
                Waiting::at_once()
            } else {
                Waiting::until(Deadline::after(answer_time).sooner(waiting.deadline()))
            };
            match channel.first_link_in_time(&mut turn) {
                Ok(()) => return Ok(channel),
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    waiting.sleep().map_err(|e| e.on(&endpoint))?;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                // The program is alive and slow, so it has more time to answer, within the deadline.
                Err(e)
                    if matches!(e.kind(), ErrorKind::Stalled | ErrorKind::Timeout)
                        && !waiting.deadline().has_passed() =>
                {
                    answer_time = Wait::TICK * 20;
                    waiting.woke(false).map_err(|e| e.on(&endpoint))?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Returns a channel that listens if the name is free, and one that connects when it is first used
    /// ([`Channel::dial`]) otherwise: [`Channel::open`] for event loops, which begin again where no program listens.
    ///
    /// # Errors
    /// Those of listening, but for `AddressInUse`.
    #[doc(hidden)]
    pub fn begin_open(endpoint: &str, options: &Options) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        if table::can_listen(&endpoint).map_err(|e| e.on(&endpoint))? {
            Channel::listener_or_connector(&endpoint, options)
        } else {
            Channel::connector(&endpoint, options)
        }
    }

    /// [`Channel::begin_open`] on a transport on which this side can listen.
    fn listener_or_connector(endpoint: &Endpoint, options: &Options) -> Result<Channel> {
        let session_state = SessionState::new(random::number()?, options);
        match ChannelAcceptor::open(endpoint, Pattern::Channel, options, Some(&session_state)) {
            Ok(acceptor) => {
                let endpoint = acceptor.endpoint.clone();
                let origin = LinkSource::Acceptor(acceptor);
                let reconnector = Reconnector::new(origin, session_state, endpoint.clone(), options.clone())?;
                Channel::over(Epoll::new()?, reconnector, None, &endpoint, options, Role::Listener)
            }
            Err(e) if e.kind() == ErrorKind::AddressInUse => Channel::connector(endpoint, options),
            Err(e) => Err(e.on(endpoint)),
        }
    }

    /// Returns a channel over this reconnector, with `link` as its first link if one was accepted
    /// already. `set` is that of the receiving direction.
    pub(in crate::channel) fn over(
        set: Epoll,
        reconnector: Reconnector,
        link: Option<Link>,
        endpoint: &Endpoint,
        options: &Options,
        role: Role,
    ) -> Result<Channel> {
        let receiving = Receiving::new(set, options, &reconnector)?;
        let event_log = Arc::new(EventLog::of(endpoint));
        if let LinkSource::Acceptor(acceptor) = &reconnector.origin {
            acceptor.answer_with(&event_log);
        }
        if let Some(link) = link {
            event_log.connected(&link.peer.source);
            reconnector.put(link);
        }
        let inner = Inner {
            endpoint: endpoint.clone(),
            shown: endpoint.to_string(),
            options: options.clone(),
            role,
            descriptor: receiving.descriptor().into(),
            receiving: Direction::new(receiving, &reconnector.session_state).into(),
            conn: Conn::new(Sending::new(&event_log), reconnector, event_log).into(),
            fork_generation: fork::generation(),
            rests: rest::Rests::default().into(),
            has_reported: AtomicBool::new(false),
            told: AtomicU64::new(0),
            told_before: AtomicU64::new(0),
            sends: endpoint.check_direction(role == Role::Connector, "send").is_ok(),
            receives: endpoint.check_direction(role == Role::Listener, "recv").is_ok(),
            calls: endpoint.check_direction(role == Role::Listener, "recv").is_ok()
                && options.check_replies(endpoint, "call").is_ok(),
        };
        let inner = Arc::new(inner);
        rest::watch(&inner, |inner| (&inner.conn, &inner.rests));
        Conn::on_left(&inner, |inner| &inner.conn);
        Ok(Channel { inner })
    }

    /// Makes the first link within the deadline. A call without a time-out finds out whether a program listens, which
    /// has the time to answer that any has.
    fn first_link_in_time(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self.first_link(waiting) {
            Err(e) if e.kind() == ErrorKind::Timeout && waiting.is_none() => {
                self.first_link(&mut Waiting::until(Deadline::after(MIN_ANSWER_TIME)))
            }
            linked => linked,
        }
    }

    /// Makes the first link of a channel that [`Channel::dial`] has given, or goes on with an attempt that an earlier
    /// call has left. For event loops: a call that does not wait ends with `Timeout` while the listener has not
    /// answered.
    ///
    /// # Errors
    /// Those of [`Channel::connect`].
    #[doc(hidden)]
    pub fn join<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let joined = self.first_link(&mut self.options.start(wait));
        joined.map_err(|e| open_names::named(e.on(&self.shown), &self.shown))
    }

    /// Makes the first link within the deadline.
    fn first_link(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let mut sending = self.sending()?;
        sending.join(&self.conn.links, &self.conn.event_log, waiting)?;
        if sending.part.as_ref().is_some_and(|part| part.peer.lockstep) {
            // What comes first may be for another channel than the one that the thread waits for.
            lockstep::connected(&self.inner);
        }
        Ok(())
    }
}
