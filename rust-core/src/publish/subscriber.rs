//! The subscriber: receives from a publisher, and from the next one when that has ended.
//!
//! A [`Subscriber`] holds one [`Feed`] at a time. [`Subscriber::poll_feed`] is the step that all
//! calls share: connect if there is no feed, return one frame, or wait. The calls differ in what
//! they do with missed messages and with values that are not the newest.

mod batch;
mod connecting;
mod newest;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::feed::{Polled, ResumePoint};
use super::names::{Receiver, Report, SubscribedNames};
use super::receive_state::{FEED, ReceiveState, STOP, WAKE};
use super::store;
use crate::channel::dial::Dialler;
use crate::channel::event_log::{Event, EventLog};
use crate::channel::turns::HolderMark;
use crate::channel::{
    Acknowledge, Delivery, Operation, Options, Use, if_not_ready, is_not_ready, lock_exclusive,
};
use crate::deadline::{Timeout, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Incoming;
use crate::message::Message;
use crate::sys::eventfd::{EventFd, ReadinessFlag};
use crate::sys::fork;
use crate::sys::poll::next_round;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::stop;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::transport::name_pattern::NamePattern;
use crate::value::{Limits, Value};

/// Receives what a publisher sends: the newest value first, then every one that follows. The publisher need
/// not be there yet, and may be restarted; a subscriber that was there before a publisher gets its messages
/// from the first one.
///
/// A `journal:` is read whether a publisher writes to it or not, by any number of subscribers. With a
/// `client_id` each continues after what it had consumed when it starts again, and only one reads under a
/// name at a time (`AddressInUse`). Messages count as consumed at the next call that receives, or at
/// [`Subscriber::ack`] with `ack="manual"`. A record that the disk has damaged is `Corrupt`, once; the next
/// call continues after it.
///
/// A subscriber that was too slow gets `Lagged` once with the number of missed messages, and continues with
/// the oldest one that is left. With the option `delivery="latest"` it gets the newest value instead, with
/// [`Message::missed`]. With a `client_id` the same holds for what was published after the last message that its
/// former incarnation received: the newest value follows.
///
/// One thread at a time receives, another one gets `InvalidState`: each thread may have a subscriber of its
/// own. Any thread may close it, which ends the wait of the receiving thread.
pub struct Subscriber {
    /// The endpoint as text, for errors; of several, all of them.
    shown: String,
    origin: MessageSource,
    options: Options,
    /// Those of the options.
    limits: Limits,
    /// The receiving thread holds the lock for the whole of its wait.
    receive_state: Mutex<ReceiveState>,
    event_log: EventLog,
    /// Of a subscriber to several names: those, locked by the call that holds `receive_state`, and their counters.
    names: Option<Mutex<SubscribedNames<Subscriber>>>,
    report: Option<Arc<Report>>,
    closed: AtomicBool,
    /// Which thread receives, so that a close from a callback of its own wait is recognised.
    receiving_thread: HolderMark,
    /// Ends the wait of the receiving thread.
    wake: EventFd,
    pub(super) descriptor: Arc<OwnedFd>,
    /// The process that made the subscriber, as a count of forks.
    fork_generation: u64,
}

/// Where the messages come from.
enum MessageSource {
    /// A publisher.
    Publisher { transport: Transport, dialler: Dialler },
    /// A store, where no publisher has to be there.
    Store(Endpoint),
    /// Several names.
    Names,
}

/// After this many polls in a row without a message the deadline is checked.
const MAX_EMPTY_POLLS: u32 = 64;
/// Frames that a call which does not wait reads, at most.
const MAX_FRAMES_AT_ONCE: u32 = 1 << 16;

impl Subscriber {
    /// Subscribes, and connects if there is a publisher; does not wait for one. What is published
    /// from now on is received, or [`Lagged`](ErrorKind::Lagged) has the number of missed messages:
    /// a publisher that starts later is read from its beginning, as far as it still has that.
    ///
    /// A publisher that listens and does not answer within half a second is left to the first call that
    /// receives. [`Subscriber::events`] then begins with [`EventKind::Disconnected`](crate::EventKind::Disconnected), because messages until
    /// that call are neither received nor counted.
    ///
    /// The endpoint may be a pattern, in which `*` stands for any characters and `?` for one: then this is
    /// [`Subscriber::of`] that pattern alone.
    pub fn new(endpoint: &str, options: &Options) -> Result<Subscriber> {
        if NamePattern::parse(endpoint)?.is_some() {
            return Subscriber::of(&[endpoint], options);
        }
        let endpoint: Endpoint = endpoint.parse()?;
        options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
        // The first call that receives meets the same error and reports it.
        Subscriber::begin(endpoint, options, None).map(|(subscriber, _)| subscriber)
    }

    /// Subscribes to several endpoints and patterns, such as `["lab/a", "sim/*", "journal:sim/*"]`.
    ///
    /// A pattern without a transport stands for the names of this machine that publishers hold, over each
    /// transport but files and journals; one with a transport for the names of that one. Names that appear later
    /// join and are received from their first message; those that end are an event, and join again with their next
    /// publisher. [`Message::name`] is the endpoint of a message, and an error of one name has that name. Missed
    /// messages are counted by name, in `names` of [`Subscriber::stats`]; with `delivery="latest"` each name has its
    /// newest value. A name that fits and cannot be received from is an event, and is in `refused` there.
    ///
    /// There are at most 4,096 names with a publisher at a time, and half of the descriptors that the process may
    /// open, 8 for each, limit them too. A publisher that ends before this subscriber has connected to it is not
    /// received from.
    ///
    /// # Errors
    /// `InvalidEndpoint` for a wrong name or pattern; those of a watch of the directory.
    pub fn of(names: &[&str], options: &Options) -> Result<Subscriber> {
        let parsed = SubscribedNames::<Subscriber>::parse(names, options)?;
        let mut subscriber = Subscriber::unconnected(names.join(", "), MessageSource::Names, options)?;
        let state = subscriber.receive_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let started = SubscribedNames::start(parsed, options, &state.epoll, &subscriber.event_log)?;
        subscriber.report = Some(started.report());
        state.has_ready_names = started.has_ready();
        subscriber.names = Some(Mutex::new(started));
        Ok(subscriber)
    }

    /// Returns a subscriber that has no feed yet.
    fn unconnected(shown: String, origin: MessageSource, options: &Options) -> Result<Subscriber> {
        let (epoll, waker, wake) = (Epoll::new()?, ReadinessFlag::new()?, EventFd::new()?);
        epoll.add(&waker, FEED, Interest::IN)?;
        epoll.add(&wake, WAKE, Interest::IN)?;
        Ok(Subscriber {
            event_log: EventLog::of(&shown),
            shown,
            origin,
            options: options.clone(),
            limits: options.limits(),
            names: None,
            report: None,
            descriptor: epoll.shared(),
            receive_state: Mutex::new(ReceiveState {
                feed: None,
                has_ready_names: false,
                resume: None,
                moved: false,
                epoll,
                waker,
                newest: None,
                pending: None,
                deferred_error: None,
                missed: 0,
                delivered: 0,
                position: None,
                is_position_due: options.client_id.is_some(),
                parked: false,
                watched: false,
                signal_watch: None,
                ready: Vec::new(),
            }),
            closed: AtomicBool::new(false),
            receiving_thread: HolderMark::default(),
            wake,
            fork_generation: fork::generation(),
        })
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// `Timeout` if none came, `NotFound` if there was no publisher all the time, `Lagged` if some
    /// were missed (the next call goes on), `InvalidState` if another thread receives or the
    /// subscriber is closed.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let wait = wait.into();
        if let Some(message) = self.receive_in_place(wait.may_wait(self.options.timeout), |_| true) {
            return Ok(message);
        }
        let mut waiting = wait.start(self.options.timeout).on_wait(&self.options.on_wait);
        self.receive(&mut waiting, false).map_err(|e| e.on(&self.shown))?.ok_or_else(|| self.closed_error())
    }

    /// [`Subscriber::recv`] with a wait that has begun.
    pub(super) fn receive_within(&self, waiting: &mut Waiting<'_>) -> Result<Message> {
        self.receive(waiting, false)?.ok_or_else(|| self.closed_error())
    }

    /// Receives without waiting. Fails with `Empty` if there is no message.
    pub fn try_recv(&self) -> Result<Message> {
        self.recv(Wait::none()).map_err(|e| if_not_ready(e, ErrorKind::Empty))
    }

    /// Waits for the next message, for loops: [`Timeout::Default`] waits without end here, whatever
    /// the options say. None once the subscriber is closed, or once SIGINT or SIGTERM has asked the
    /// program to stop. Missed messages are no error here: [`Message::missed`] of the next message
    /// has their number.
    ///
    /// # Errors
    /// `Timeout` if a time-out was given and passes.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Message>> {
        let wait = wait.into();
        // A wait without end is ended by signals: what it has of them is set up by the general path.
        let allowed = |state: &ReceiveState| {
            !wait.is_forever(Timeout::Forever) || state.signal_watch.is_some() && !stop::was_requested()
        };
        if let Some(message) = self.receive_in_place(wait.may_wait(Timeout::Forever), allowed) {
            return Ok(Some(message));
        }
        let mut waiting = wait.start(Timeout::Forever).on_wait(&self.options.on_wait);
        self.receive(&mut waiting, true).map_err(|e| e.on(&self.shown))
    }

    /// Returns the next message if it takes the fast path in a ring and nothing is to be done before it. `None`
    /// otherwise, or if the call is not `allowed` to, with nothing changed: [`Subscriber::receive`] does the same and
    /// all the rest. A call that may wait spins here, so that what comes meanwhile takes this way, too; the general one
    /// then begins with the next stage of the wait. No callback runs, so a close by another thread waits for the lock
    /// and finds nothing left to this one.
    #[inline]
    fn receive_in_place(&self, spins: bool, allowed: impl FnOnce(&ReceiveState) -> bool) -> Option<Message> {
        if fork::check(self.fork_generation).is_err()
            || self.closed.load(Ordering::Acquire)
            || self.options.delivery == Some(Delivery::Latest)
        {
            return None;
        }
        let mut receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished).ok()?;
        if !receive_state.is_fast() || !allowed(&receive_state) {
            return None;
        }
        let message = self.take_fast(&mut receive_state, spins)?;
        // Only the receiving thread writes this counter.
        self.event_log.count_exclusive(&self.event_log.received);
        // A ring has no use for `delivered`.
        if let Some(position) = &receive_state.position {
            position.delivered(message.sequence());
        }
        Some(message)
    }

    /// Takes a fast-path message from the ring of the feed: see [`Feed::take_fast`].
    #[inline(always)]
    fn take_fast(&self, receive_state: &mut ReceiveState, spins: bool) -> Option<Message> {
        let message = receive_state.feed.as_mut()?.take_fast(&self.limits, spins)?;
        match self.options.checks_received() {
            None => Some(message),
            schema => Some(message.with_schema(schema)),
        }
    }

    /// The same on the general path, for what is there.
    fn take_ready_fast(&self, receive_state: &mut ReceiveState) -> Option<Message> {
        self.take_fast(receive_state, false)
    }

    /// Receives one message. `iterates` is true for [`Subscriber::next`].
    fn receive(&self, waiting: &mut Waiting<'_>, iterates: bool) -> Result<Option<Message>> {
        fork::check(self.fork_generation)?;
        let mut receive_state = match lock_exclusive(&self.receive_state, Operation::ReceivePublished) {
            // The other thread closes the subscriber.
            Err(_) if self.closed.load(Ordering::Acquire) => return Ok(None),
            receive_state => receive_state?,
        };
        let _holder = self.receiving_thread.mark();
        let received = self.receive_with(&mut receive_state, waiting, iterates);
        // A close that found this thread in its wait has left the state to it.
        if self.closed.load(Ordering::Acquire) {
            self.disconnect(&mut receive_state);
        }
        received
    }

    /// [`Subscriber::receive`] with the state locked.
    fn receive_with(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        if iterates
            && waiting.is_forever()
            && receive_state.signal_watch.is_none()
            && !self.closed.load(Ordering::Acquire)
        {
            let watch = stop::watch()?;
            // Edge-triggered: a call with a time-out sleeps on after it.
            receive_state.epoll.add(stop::waker(), STOP, Interest::IN | Interest::ET)?;
            receive_state.signal_watch = Some(watch);
        }
        if self.options.ack == Acknowledge::Auto {
            self.consumed(receive_state)?;
        }
        if !self.closed.load(Ordering::Acquire)
            && receive_state.deferred_error.is_none()
            && let Some(message) = receive_state.pending.take()
        {
            let missed = message.missed();
            if missed > 0 && !iterates && self.options.delivery != Some(Delivery::Latest) {
                // A poll of several names found both: outside of a loop the number is an error, before the message.
                let error = Error::lagged(missed).on(message.name().unwrap_or(&self.shown));
                receive_state.pending = Some(message.with_missed(0));
                return Err(error);
            }
            receive_state.set_delivered(message.sequence());
            receive_state.update_readiness();
            return Ok(Some(message));
        }
        // Ends with a message, at the deadline, on close, or with an error: each round polls the feed once.
        let mut empty_polls = 0u32;
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Ok(None);
            }
            if iterates && waiting.is_forever() && stop::was_requested() {
                return Ok(None);
            }
            let polled = match &self.names {
                None => self.poll_feed(receive_state, waiting),
                // Each name delivers its newest message, and counts what it missed.
                Some(names) => self.poll_names(names, receive_state, waiting, iterates),
            };
            match polled {
                Ok(Some(mut message)) => {
                    if self.options.delivery == Some(Delivery::Latest) && self.names.is_none() {
                        // The newest of the available messages is delivered.
                        let mut at_once = Waiting::at_once();
                        for _ in 0..MAX_FRAMES_AT_ONCE {
                            if receive_state.feed.as_ref().is_some_and(|feed| !feed.has_several()) {
                                break;
                            }
                            match self.poll_feed(receive_state, &mut at_once) {
                                Ok(Some(newer)) => {
                                    message = newer;
                                    receive_state.missed += 1;
                                }
                                Err(e) if e.kind() == ErrorKind::Lagged => {
                                    receive_state.missed += self.count_missed(&e);
                                }
                                _ => break,
                            }
                        }
                    }
                    if receive_state.missed > 0 {
                        message = message.with_missed(std::mem::take(&mut receive_state.missed));
                    }
                    // Only the receiving thread writes this counter.
                    self.event_log.count_exclusive(&self.event_log.received);
                    receive_state.set_delivered(message.sequence());
                    receive_state.update_readiness();
                    return Ok(Some(message));
                }
                // The deadline is checked here, so that a publisher cannot delay the caller by moving or by
                // frames that are no messages.
                Ok(None) => {
                    empty_polls += 1;
                    if empty_polls.is_multiple_of(MAX_EMPTY_POLLS) {
                        // Frames may be left, so an event loop has to be woken for them.
                        next_round(waiting).inspect_err(|_| receive_state.update_readiness())?;
                    }
                }
                Err(e) if e.kind() == ErrorKind::Lagged && self.names.is_none() => {
                    let count = self.count_missed(&e);
                    // In a loop, the next message has the number.
                    if !iterates && self.options.delivery != Some(Delivery::Latest) {
                        return Err(e);
                    }
                    // Before the deadline is checked: the feed reports a gap once.
                    receive_state.missed += count;
                    next_round(waiting).inspect_err(|_| receive_state.update_readiness())?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Acknowledges the last message and all before it, with `ack="manual"`: a subscriber to a
    /// journal with a `client_id` continues after it when it starts again. Other transports keep no
    /// such position.
    pub fn ack(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        let done = lock_exclusive(&self.receive_state, Operation::ReceivePublished)
            .and_then(|mut receive_state| self.consumed(&mut receive_state));
        done.map_err(|e| e.on(&self.shown))
    }

    /// Records that the delivered messages are consumed.
    fn consumed(&self, receive_state: &mut ReceiveState) -> Result<()> {
        match &self.names {
            None => receive_state.consumed(),
            Some(names) => names.lock().unwrap_or_else(PoisonError::into_inner).consumed(),
        }
    }

    /// Disconnects, and stops watching for signals.
    fn disconnect(&self, receive_state: &mut ReceiveState) {
        if let Some(names) = &self.names {
            names.lock().unwrap_or_else(PoisonError::into_inner).close(&receive_state.epoll);
        }
        receive_state.close();
    }

    /// Counts missed messages, and returns how many.
    fn count_missed(&self, error: &Error) -> u64 {
        let count = error.missed().unwrap_or(0);
        self.event_log.lagged(count);
        count
    }

    /// Returns the next message; none if there was something else, such as a publisher that has
    /// moved.
    fn poll_feed(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        receive_state.unpark();
        if let Some(error) = receive_state.deferred_error.take() {
            return Err(error);
        }
        // It came together with a gap, which was reported first.
        if let Some(message) = receive_state.pending.take() {
            return Ok(Some(message));
        }
        if let Some(names) = &self.names {
            return self.poll_names(names, receive_state, waiting, false);
        }
        if receive_state.feed.is_none() {
            self.connect(receive_state, waiting)?;
            // What was missed before the first message.
            if let Some(error) = receive_state.deferred_error.take() {
                return Err(error);
            }
        }
        if let Some(message) = self.take_ready_fast(receive_state) {
            return Ok(Some(message));
        }
        self.poll_frame(receive_state, waiting)
    }

    /// [`Subscriber::poll_feed`], unless the next message is a short one of a ring.
    fn poll_frame(
        &self,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Message>> {
        let Some(feed) = &mut receive_state.feed else { return Ok(None) };
        match feed.poll() {
            Ok(Polled::Frame(frame)) => {
                let gap = feed.gap(&frame);
                let source = feed.source_of(&frame);
                let message = self.message(frame, &source, feed.session);
                if gap > 0 {
                    receive_state.pending = Some(message);
                    return Err(Error::lagged(gap));
                }
                Ok(Some(message))
            }
            // There may be more behind a frame that is no message.
            Ok(Polled::Ignored) => Ok(None),
            Ok(Polled::Empty) => {
                let waited = receive_state.wait_for_frame(&self.wake, waiting);
                waited.map_err(|e| receive_state.explain(e))?;
                // The wait's callback may have closed this.
                let closed = self.closed.load(Ordering::Acquire);
                Ok(if closed { None } else { self.take_ready_fast(receive_state) })
            }
            // The publisher has replaced its ring by a larger one: messages go on there under the same
            // numbers.
            Ok(Polled::Moved) => {
                receive_state.moved = true;
                receive_state.drop_feed();
                self.connect(receive_state, waiting)?;
                Ok(None)
            }
            // After these the feed goes on; a record whose schema does not fit stays the next one.
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::Lagged
                        | ErrorKind::TooLarge
                        | ErrorKind::OutOfMemory
                        | ErrorKind::Corrupt
                        | ErrorKind::SchemaMismatch
                ) =>
            {
                Err(e)
            }
            // The publisher overwrites messages faster than they can be copied.
            Err(e) if e.kind() == ErrorKind::Stalled => {
                waiting.sleep().map_err(|_| e)?;
                waiting.woke(false)?;
                Ok(None)
            }
            Err(e) => {
                self.event_log.disconnected(e.to_string());
                receive_state.feed_failed(&e);
                if e.kind() == ErrorKind::Disconnected { Ok(None) } else { Err(e) }
            }
        }
    }

    /// [`Subscriber::poll_feed`] for several names: returns the message of one that is ready, or waits for one.
    fn poll_names(
        &self,
        names: &Mutex<SubscribedNames<Subscriber>>,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        if let Some(error) = receive_state.deferred_error.take() {
            return Err(error);
        }
        if let Some(message) = receive_state.pending.take() {
            return Ok(Some(message));
        }
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = self.poll_locked(&mut names, receive_state, waiting, iterates);
        receive_state.has_ready_names = names.has_ready();
        polled
    }

    /// The same with the names locked.
    fn poll_locked(
        &self,
        names: &mut SubscribedNames<Subscriber>,
        receive_state: &mut ReceiveState,
        waiting: &mut Waiting<'_>,
        iterates: bool,
    ) -> Result<Option<Message>> {
        let ReceiveState { epoll, ready, waker, .. } = receive_state;
        if !names.is_look_due() || {
            epoll.sleep(Some(Duration::ZERO), ready)?;
            names.note(ready, epoll, &self.event_log)?;
            names.has_ready()
        } {
            return names.take(iterates, epoll, &self.event_log);
        }
        waker.drain();
        if waiting.is_none() {
            return Err(waiting.timed_out());
        }
        let waited = epoll.wait(waiting, ready);
        if ready.iter().any(|one| one.token == WAKE) {
            self.wake.drain();
        }
        waited?;
        names.note(ready, epoll, &self.event_log)?;
        Ok(None)
    }

    /// Makes a message of a frame.
    fn message(&self, frame: Incoming, source: &Arc<str>, session: u64) -> Message {
        Message::new(frame, source, self.limits, session).with_schema(self.options.checks_received())
    }

    /// Returns whether a message can be received without waiting.
    pub fn poll(&self) -> Result<bool> {
        let mut receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished)
            .map_err(|e| e.on(&self.shown))?;
        if receive_state.pending.is_some() {
            return Ok(true);
        }
        let mut waiting = Waiting::at_once();
        for _ in 0..MAX_FRAMES_AT_ONCE {
            if next_round(&mut waiting).is_err() {
                break;
            }
            let polled = match &self.names {
                None => self.poll_feed(&mut receive_state, &mut waiting),
                // The message has the number of those of its name that were missed.
                Some(names) => self.poll_names(names, &mut receive_state, &mut waiting, true),
            };
            match polled {
                Ok(Some(message)) => {
                    receive_state.pending = Some(message);
                    return Ok(true);
                }
                Ok(None) => {}
                // The feed reports a gap once, and the call that receives has to report it.
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    receive_state.deferred_error = Some(e);
                    return Ok(true);
                }
                Err(e) if is_not_ready(&e) => return Ok(false),
                Err(e) => return Err(e.on(&self.shown)),
            }
        }
        Ok(false)
    }

    /// Returns what happened since the last call, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns the endpoint, with its transport; of several, the given names and patterns.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns a descriptor for an event loop: readable while [`Subscriber::try_recv`] has something
    /// to do.
    pub fn fileno(&self) -> Result<RawFd> {
        fork::check(self.fork_generation)?;
        lock_exclusive(&self.receive_state, Operation::ReceivePublished)?.watched = true;
        // A first read arms the feed: later messages make the descriptor readable.
        if self.poll()? {
            lock_exclusive(&self.receive_state, Operation::ReceivePublished)?.waker.wake();
        }
        Ok(self.descriptor.as_raw_fd())
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.event_log.stats();
        stats.insert("endpoint".into(), self.shown.as_str().into());
        if let Some(report) = &self.report {
            report.add_to(&mut stats);
        }
        Value::Map(stats)
    }

    /// Stops receiving. A thread that waits in [`Subscriber::next`] gets none.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if fork::check(self.fork_generation).is_err() {
            return;
        }
        self.wake.wake();
        // In a callback of this thread's own wait, that wait ends and closes the state.
        if !self.receiving_thread.is_this_thread() {
            // A waiting thread was woken and releases the lock.
            let mut receive_state = self.receive_state.lock().unwrap_or_else(PoisonError::into_inner);
            self.disconnect(&mut receive_state);
        }
    }

    /// Returns the error of a call on a closed subscriber.
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::InvalidState, "the subscriber is closed").on(&self.shown)
    }
}

impl Receiver for Subscriber {
    fn begin(
        endpoint: Endpoint,
        options: &Options,
        resume: Option<ResumePoint>,
    ) -> Result<(Subscriber, Option<Error>)> {
        let options = &store::options_for(endpoint.transport(), options);
        let shown = endpoint.to_string();
        let origin = if store::is_store(endpoint.transport()) {
            MessageSource::Store(endpoint)
        } else {
            MessageSource::Publisher {
                transport: endpoint.transport(),
                dialler: Dialler::new(&endpoint, options)?,
            }
        };
        let mut subscriber = Subscriber::unconnected(shown, origin, options)?;
        let state = subscriber.receive_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.resume = resume;
        if let MessageSource::Store(_) = subscriber.origin {
            return Ok((subscriber, None));
        }
        let connected = match subscriber.receive_state.lock() {
            Ok(mut receive_state) => subscriber.connect(&mut receive_state, &mut Waiting::at_once()),
            Err(_) => Ok(()),
        };
        // The first call that receives may connect, and then nothing else tells of the messages between.
        if let Err(e) = &connected
            && e.kind() == ErrorKind::Stalled
        {
            subscriber.event_log.disconnected(format!(
                "{e}; what is published until a call connects is neither received nor counted"
            ));
        }
        Ok((subscriber, connected.err()))
    }

    fn set_watched(&self) -> Result<()> {
        lock_exclusive(&self.receive_state, Operation::ReceivePublished)?.watched = true;
        Ok(())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn receive_now(&self, iterates: bool) -> Result<Option<Message>> {
        self.receive(&mut Waiting::at_once(), iterates)
    }

    fn acknowledge(&self) -> Result<()> {
        self.ack()
    }

    fn take_events(&self) -> Vec<Event> {
        self.events()
    }

    fn is_connected(&self) -> bool {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).feed.is_some()
    }

    fn resume_point(&self) -> ResumePoint {
        self.receive_state.lock().unwrap_or_else(PoisonError::into_inner).resume.unwrap_or_default()
    }
}
