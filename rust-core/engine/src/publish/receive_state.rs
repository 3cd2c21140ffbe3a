//! The state of a subscriber's receiving thread: its feed, its epoll set, and messages that are not delivered
//! yet.

use std::collections::VecDeque;

use super::feed::{Feed, PendingFeed};
use super::lives::OneName;
use super::position::PositionFile;
use crate::channel::handshake::After;
use crate::channel::retry::Retry;
use crate::deadline::Waiting;
use crate::drive;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::sys::eventfd::{EventFd, ReadinessFlag};
use crate::sys::lock::Lock;
use crate::sys::poll::{Epoll, Interest, Ready};
use crate::sys::stop;
use crate::transport::broadcast::ViewCount;
use crate::transport::place::Listener;

/// Tokens in the epoll set: the feed, the name that may appear, `wake`, and the signals.
pub(super) const FEED: u64 = 1;
pub(super) const NAME: u64 = 2;
pub(super) const WAKE: u64 = 3;
pub(super) const STOP: u64 = 4;

/// The listeners of a name, where they can be told apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// That of the last attempt to connect.
    pub last: Option<Listener>,
    /// That of the last connection.
    pub connected: Option<Listener>,
    /// The one that the name belonged to when nobody listened.
    pub dead: Option<Listener>,
    /// Whether the last connection is to that one: the name belonged to it before the attempt and after it.
    pub is_certain: bool,
    /// Whether nothing tells that a program listens there: it is tried again and again.
    pub is_polled: bool,
}

impl Tried {
    /// Notes a connection. `listener` is the one of the name now: what was there before the attempt may be the socket
    /// of a program that had ended.
    pub fn connect(&mut self, listener: Option<Listener>) {
        self.is_certain = listener.is_some() && listener == self.last;
        self.last = listener.or(self.last);
        self.connected = self.last;
    }
}

/// How long one that subscribes waits for the publishers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// As long as a listener has to answer.
    OfAnAnswer,
}

/// The part of a name in its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The only name. The subscriber counts its publishers.
    Alone,
    /// A name of a list.
    Given,
    /// A name that fits a pattern, whose watch reports it.
    Fitting,
}

/// The state of the receiving thread.
pub struct ReceiveState {
    pub(super) feed: Option<Feed>,
    /// The connection whose publisher has not answered yet.
    pub(super) connecting: Option<PendingFeed>,
    /// Whether an event tells of the next publisher that does not answer: the first one, and those that nothing counts.
    pub(super) is_silence_untold: bool,
    /// Which listeners it was tried at and connected to last.
    pub(super) tried: Tried,
    /// Shows publishers of the name that this subscriber is not connected, so that they wait for it before they end.
    pub(super) mark: Option<Lock>,
    /// The publishers of the name; none for a store and for one of several names, which count them together.
    pub(super) lives: Option<OneName>,
    /// What the program views of the publisher's slots.
    pub(super) views: ViewCount,
    /// Whether one of several names may have a message; a subscriber to several has no feed itself.
    pub(super) has_ready_names: bool,
    /// Whether this call has looked at the set of several names.
    pub(super) has_looked: bool,
    /// Whether the publisher has a new ring: connecting to it does not count as a new connection.
    pub(super) moved: bool,
    /// Where the last feed stopped, or that there was no publisher.
    pub(super) resume: Option<After>,
    pub(super) epoll: Epoll,
    /// Keeps the descriptor readable while a message waits in `pending`.
    pub(super) waker: ReadinessFlag,
    /// Whether there is no connection and no event that ends the wait for one: the process has no descriptors left. The
    /// descriptor stays readable, so that the program tries again.
    pub(super) is_unarmed: bool,
    /// The newest message from a stream, for [`Subscriber::newest`].
    pub(super) newest: Option<Message>,
    /// A message that was received and not delivered: it came together with a gap, or
    /// [`Subscriber::poll`] found it.
    pub(super) pending: VecDeque<Message>,
    /// An error for the next call, before `pending`: it came behind messages that were delivered
    /// together.
    pub(super) deferred_error: Option<Error>,
    /// Missed messages that neither an error nor a message has reported.
    pub(super) missed: u64,
    /// The number of the message that the program got last.
    pub(super) delivered: u64,
    /// Where that number is kept for the next incarnation: of a subscriber with a `client_id`.
    pub(super) position: Option<PositionFile>,
    /// Whether the next connection is the first of a subscriber with a `client_id`, which opens it.
    pub(super) is_position_due: bool,
    /// Whether the feed is to wake this side.
    pub(super) parked: bool,
    /// Whether the program's event loop watches the descriptor.
    pub(super) watched: bool,
    /// Exists while SIGINT and SIGTERM end the wait.
    pub(super) signal_watch: Option<stop::Watch>,
    pub(super) ready: Vec<Ready>,
}

impl ReceiveState {
    /// Returns whether a message of the feed is the next thing to deliver, and no call has to be woken for
    /// those behind it.
    pub(super) fn is_fast(&self) -> bool {
        self.pending.is_empty()
            && self.deferred_error.is_none()
            && self.missed == 0
            && !self.parked
            && !self.watched
    }

    /// Records that the program has this message.
    pub(super) fn set_delivered(&mut self, number: u64) {
        self.delivered = number;
        if let Some(position) = &self.position {
            position.delivered(number);
        }
    }

    /// Disconnects, and stops watching for signals.
    pub(super) fn close(&mut self) {
        self.drop_feed();
        self.connecting = None;
        (self.mark, self.lives) = (None, None);
        self.position = None;
        if self.signal_watch.take().is_some() {
            self.epoll.remove(stop::waker());
        }
    }

    /// Waits until the feed may have something: a short wait of the feed first, then the epoll set.
    pub(super) fn wait_for_frame(&mut self, wake: &EventFd, waiting: &mut Waiting<'_>) -> Result<()> {
        let waited = self.wait_for_feed(wake, waiting);
        if waited.is_err() && !self.parked {
            // A program with an event loop waits on the descriptor from here on.
            self.update_readiness();
        }
        waited
    }

    /// [`ReceiveState::wait_for_frame`] without the upkeep of the descriptor.
    fn wait_for_feed(&mut self, wake: &EventFd, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        if waiting.is_none() && !self.watched {
            return Err(waiting.timed_out());
        }
        if !waiting.is_none() && feed.wait_briefly(waiting)? {
            return Ok(());
        }
        self.waker.drain();
        self.parked = true;
        if feed.park()? {
            self.unpark();
            return Ok(());
        }
        if waiting.is_none() {
            // The feed stays parked: the program waits on the descriptor.
            return Err(waiting.timed_out());
        }
        let waited = drive::events(&self.epoll, waiting, &mut self.ready);
        if self.ready.iter().any(|r| r.token == WAKE) {
            wake.drain();
        }
        self.unpark();
        waited
    }

    /// Notes that nobody listens: a publisher that starts from now on is read from its first message.
    pub(super) fn find_nobody(&mut self) {
        self.tried.dead = self.tried.last;
        self.resume.get_or_insert_default();
    }

    /// Records that the delivered messages are consumed.
    pub(super) fn consumed(&mut self) -> Result<()> {
        self.feed.as_mut().map_or(Ok(()), |feed| feed.consumed(self.delivered))
    }

    /// Adds the feed's reason to a time-out.
    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.feed {
            Some(feed) => feed.explain(error),
            None => error,
        }
    }

    /// Takes back the request to be woken.
    pub(super) fn unpark(&mut self) {
        if let Some(feed) = self.feed.as_mut().filter(|_| self.parked) {
            feed.unpark();
        }
        self.parked = false;
    }

    /// Keeps the descriptor readable exactly while something can be received.
    pub(super) fn update_readiness(&mut self) {
        if !self.watched {
            return;
        }
        let more = self.is_unarmed
            || !self.pending.is_empty()
            || self.deferred_error.is_some()
            || self.has_ready_names
            || self.feed.as_mut().is_some_and(|feed| {
                // What asks the kernel comes last: a program that reads what is there asks it once, at the end.
                let has_next = feed.has_next();
                if has_next && self.parked {
                    feed.unpark();
                }
                let more = has_next || feed.park().unwrap_or(true);
                self.parked = !more;
                more
            });
        if more {
            self.waker.wake();
        } else {
            self.waker.drain();
        }
    }

    /// Adds the descriptors of a feed to the set, from which messages are received from now on.
    pub(super) fn set_feed(&mut self, feed: Feed) -> Result<()> {
        for fd in feed.descriptors() {
            self.epoll.add(fd, FEED, Interest::IN | Interest::RDHUP)?;
        }
        self.feed = Some(feed);
        self.is_unarmed = false;
        Ok(())
    }

    /// Drops the feed unless it continues after this error. Then an attempt to connect is due.
    pub(super) fn feed_failed(&mut self, error: &Error, retry: Option<&Retry>) {
        if !self.feed.as_mut().is_some_and(|feed| feed.reconnects(error)) {
            self.drop_feed();
            retry.into_iter().for_each(Retry::is_due);
        }
    }

    /// Drops the feed and keeps where it stopped.
    pub(super) fn drop_feed(&mut self) {
        let Some(feed) = self.feed.take() else { return };
        self.resume = feed.resume_point();
        for fd in feed.descriptors() {
            self.epoll.remove(fd);
        }
        self.parked = false;
    }
}
