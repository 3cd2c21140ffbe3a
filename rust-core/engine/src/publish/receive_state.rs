//! The state of a subscriber's receiving thread: feed, epoll set, and undelivered messages.

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

/// Epoll tokens: the feed, the name that may appear, `wake`, and the signals.
pub(super) const FEED: u64 = 1;
pub(super) const NAME: u64 = 2;
pub(super) const WAKE: u64 = 3;
pub(super) const STOP: u64 = 4;

/// The listeners of a name, if they can be told apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    pub last: Option<Listener>,
    pub connected: Option<Listener>,
    pub dead: Option<Listener>,
    /// Whether the last connection is to that listener: it had the name before and after the attempt.
    pub is_certain: bool,
    /// Whether nothing reports listeners there, so it is tried again and again.
    pub is_polled: bool,
}

impl Tried {
    /// Notes a connection. `listener` has the name now; before the attempt, the name may have had an ended program's
    /// socket.
    pub fn connect(&mut self, listener: Option<Listener>) {
        self.is_certain = listener.is_some() && listener == self.last;
        self.last = listener.or(self.last);
        self.connected = self.last;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    None,
    OfAnAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Alone,
    Given,
    Fitting,
}

pub struct ReceiveState {
    pub(super) feed: Option<Feed>,
    pub(super) connecting: Option<PendingFeed>,
    /// Whether an event reports the next silent publisher: the first one, and publishers that nothing counts.
    pub(super) is_silence_untold: bool,
    pub(super) tried: Tried,
    /// Tells publishers of the name to wait for this unconnected subscriber before they end.
    pub(super) mark: Option<Lock>,
    /// The publishers of the name. `None` for a store, and for several names, which are counted together.
    pub(super) lives: Option<OneName>,
    pub(super) views: ViewCount,
    pub(super) has_ready_names: bool,
    /// Whether this call copies bodies out of slots itself.
    pub(super) takes_whole: bool,
    pub(super) has_looked: bool,
    /// Whether the publisher has a new ring; connecting to it is not a new connection.
    pub(super) moved: bool,
    /// The last feed's position; the beginning after a search without a publisher.
    pub(super) resume: Option<After>,
    pub(super) epoll: Epoll,
    /// Keeps the descriptor readable while a message waits in `pending`.
    pub(super) waker: ReadinessFlag,
    /// Whether no event ends the wait for a connection, because descriptors are lacking. The descriptor stays readable
    /// to make the program try again.
    pub(super) is_unarmed: bool,
    /// The newest message from a stream, for [`Subscriber::newest`].
    pub(super) newest: Option<Message>,
    /// Received but undelivered messages: one came together with a gap, or [`Subscriber::poll`] found it.
    pub(super) pending: VecDeque<Message>,
    /// An error for the next call, before `pending`: it followed messages that were delivered together.
    pub(super) deferred_error: Option<Error>,
    pub(super) missed: u64,
    pub(super) delivered: u64,
    pub(super) position: Option<PositionFile>,
    /// Whether the next connection is the first one, which opens the position of a `client_id`.
    pub(super) is_position_due: bool,
    pub(super) parked: bool,
    pub(super) watched: bool,
    pub(super) signal_watch: Option<stop::Watch>,
    pub(super) ready: Vec<Ready>,
}

impl ReceiveState {
    /// Returns whether the feed's next message is the next delivery and no event loop waits.
    pub(super) fn is_fast(&self) -> bool {
        self.pending.is_empty()
            && self.deferred_error.is_none()
            && self.missed == 0
            && !self.parked
            && !self.watched
    }

    pub(super) fn set_delivered(&mut self, number: u64) {
        self.delivered = number;
        if let Some(position) = &self.position {
            position.delivered(number);
        }
    }

    pub(super) fn close(&mut self) {
        self.drop_feed();
        self.connecting = None;
        (self.mark, self.lives) = (None, None);
        self.position = None;
        if self.signal_watch.take().is_some() {
            self.epoll.remove(stop::waker());
        }
    }

    /// Waits until the feed may have a frame: first the feed's short wait, then the epoll set.
    pub(super) fn wait_for_frame(&mut self, wake: &EventFd, waiting: &mut Waiting<'_>) -> Result<()> {
        let waited = self.wait_for_feed(wake, waiting);
        if waited.is_err() && !self.parked {
            // A program with an event loop waits on the descriptor from here on.
            self.update_readiness();
        }
        waited
    }

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
            return Err(waiting.timed_out());
        }
        let waited = drive::events(&self.epoll, waiting, &mut self.ready);
        if self.ready.iter().any(|r| r.token == WAKE) {
            wake.drain();
        }
        self.unpark();
        waited
    }

    pub(super) fn find_nobody(&mut self) {
        self.tried.dead = self.tried.last;
        self.resume.get_or_insert_default();
    }

    pub(super) fn consumed(&mut self) -> Result<()> {
        self.feed.as_mut().map_or(Ok(()), |feed| feed.consumed(self.delivered))
    }

    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.feed {
            Some(feed) => feed.explain(error),
            None => error,
        }
    }

    pub(super) fn unpark(&mut self) {
        if let Some(feed) = self.feed.as_mut().filter(|_| self.parked) {
            feed.unpark();
        }
        self.parked = false;
    }

    pub(super) fn update_readiness(&mut self) {
        if !self.watched {
            return;
        }
        let more = self.is_unarmed
            || !self.pending.is_empty()
            || self.deferred_error.is_some()
            || self.has_ready_names
            || self.feed.as_mut().is_some_and(|feed| {
                // The system call comes last: a program that reads all messages makes it only once.
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

    pub(super) fn set_feed(&mut self, feed: Feed) -> Result<()> {
        for fd in feed.descriptors() {
            self.epoll.add(fd, FEED, Interest::IN | Interest::RDHUP)?;
        }
        self.feed = Some(feed);
        self.is_unarmed = false;
        Ok(())
    }

    /// Drops the feed if it ends with this error. Then an attempt to connect is due.
    pub(super) fn feed_failed(&mut self, error: &Error, retry: Option<&Retry>) {
        if !self.feed.as_mut().is_some_and(|feed| feed.reconnects(error)) {
            self.drop_feed();
            retry.into_iter().for_each(Retry::is_due);
        }
    }

    pub(super) fn drop_feed(&mut self) {
        let Some(feed) = self.feed.take() else { return };
        self.resume = feed.resume_point();
        for fd in feed.descriptors() {
            self.epoll.remove(fd);
        }
        self.parked = false;
    }
}
