//! Opening a channel: connected, as a listener, or either; over an accepted link, or before a link exists.

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
    /// Connects to the listener at this endpoint, and waits until there is one.
    ///
    /// The channel reconnects whenever the listener has restarted.
    ///
    /// # Errors
    /// `NotFound` if no program listens by the deadline; otherwise the refusal of the listener or the transport.
    pub fn connect<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let channel = Channel::dial(endpoint, options)?;
        let connected = channel.first_link_in_time(&mut options.start(wait));
        connected.map_err(|e| open_names::named(e, endpoint))?;
        Ok(channel)
    }

    /// Returns a channel that connects when it is first used.
    ///
    /// For event loops: [`Channel::poll`] tries to connect, and [`Channel::fileno`] becomes readable when another
    /// attempt may succeed.
    pub fn dial(endpoint: &str, options: &Options) -> Result<Channel> {
        Channel::connector(&endpoint.parse()?, options)
    }

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

    /// Connects if there is a listener, and listens otherwise.
    ///
    /// Of two programs that start together, exactly one listens, and returns without waiting for its peer.
    ///
    /// # Errors
    /// `AddressInUse` if the listener has its peer already; otherwise as for [`Channel::connect`].
    pub fn open<'a>(endpoint: &str, options: &Options, wait: impl Into<Wait<'a>>) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        let mut waiting = options.start(wait);
        // How long the name's holder has to answer before this side tries to listen again.
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
            // If the name's holder ends before it answers, this side listens.
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
                // A slow live program gets more time to answer, within the deadline.
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

    /// [`Channel::open`] for event loops: listens if the name is free, or connects at the first use.
    ///
    /// If no program listens then, the event loop begins again.
    ///
    /// # Errors
    /// Errors of listening, except `AddressInUse`.
    #[doc(hidden)]
    pub fn begin_open(endpoint: &str, options: &Options) -> Result<Channel> {
        let endpoint: Endpoint = endpoint.parse()?;
        if table::can_listen(&endpoint).map_err(|e| e.on(&endpoint))? {
            Channel::listener_or_connector(&endpoint, options)
        } else {
            Channel::connector(&endpoint, options)
        }
    }

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

    /// A call without a time-out waits for the shortest answer time, to find out whether a program listens.
    fn first_link_in_time(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        match self.first_link(waiting) {
            Err(e) if e.kind() == ErrorKind::Timeout && waiting.is_none() => {
                self.first_link(&mut Waiting::until(Deadline::after(MIN_ANSWER_TIME)))
            }
            linked => linked,
        }
    }

    /// Makes the first link of [`Channel::dial`], or continues an earlier call's attempt.
    ///
    /// For event loops: a call that does not wait ends with `Timeout` before the listener's answer.
    ///
    /// # Errors
    /// As for [`Channel::connect`].
    #[doc(hidden)]
    pub fn join<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<()> {
        let joined = self.first_link(&mut self.options.start(wait));
        joined.map_err(|e| open_names::named(e.on(&self.shown), &self.shown))
    }

    fn first_link(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let mut sending = self.sending()?;
        sending.join(&self.conn.links, &self.conn.event_log, waiting)?;
        if sending.part.as_ref().is_some_and(|part| part.peer.lockstep) {
            // The first message may come over another channel of the waiting thread.
            lockstep::connected(&self.inner);
        }
        Ok(())
    }
}
