//! The subscriber: receives from a publisher, and after its end from the next one.
//!
//! A [`Subscriber`] holds one feed at a time. All calls share the step [`Subscriber::poll_next`]. They differ in how
//! they report missed messages, and in whether they skip to the newest message.
//!
//! | subject | module |
//! |---|---|
//! | subscribing, readiness for event loops, closing | here |
//! | receiving one message | `receiving` |
//! | receiving into memory of the program | `recv_into` |
//! | the shared step: a feed, one frame, or a wait | `polling` |
//! | connecting to the publisher | `connecting` |
//! | several messages in one call | `batch` |
//! | the newest message | `newest` |
//! | several names | `several` |

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod batch;
mod connecting;
mod newest;
mod polling;
mod receiving;
mod recv_into;
mod several;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use self::newest::nothing_published;
use super::gaps::Gap;
use super::names::{Report, Selection, SubscribedNames, Wanted};
use super::receive_state::{FEED, Part, Patience, ReceiveState, Tried, WAKE};
use crate::channel::dial::Dialler;
use crate::channel::event_log::{End, Event, EventLog};
use crate::channel::retry::Retry;
use crate::channel::turns::HolderMark;
use crate::channel::{Operation, Options, Use, if_not_ready, is_not_ready, lock_exclusive, open_names};
use crate::deadline::{self, Timeout, Wait, Waiting};
use crate::drive;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::sys::eventfd::{EventFd, ReadinessFlag};
use crate::sys::fork::{self, Descriptor, OfProcess};
use crate::sys::poll::{Epoll, Interest, next_round};
use crate::transport::broadcast::ViewCount;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Transport;
use crate::transport::name_pattern::NamePattern;
use crate::value::{Limits, Value};

/// Receives the messages of a publisher: first the newest one, then every later one.
///
/// The publisher may start later, and may restart. A subscriber that exists before a publisher receives its messages
/// from the first one on.
///
/// Any number of subscribers can read a `journal:`, even without a running publisher. A subscriber with a `client_id`
/// that starts again continues after the messages that it had consumed. Two subscribers cannot use one `client_id` at
/// the same time (`AddressInUse`). Messages count as consumed at the next call that receives, or with `ack="manual"` at
/// [`Subscriber::ack`]. The call that reads a damaged record fails with `Corrupt`; the next call continues after that
/// record.
///
/// If a subscriber is too slow, one call fails with `Lagged` and the number of missed messages. The next call continues
/// with the oldest message that is left. With the option `delivery="latest"`, the subscriber instead receives the
/// newest message, with the number in [`Message::missed`]. A subscriber with a `client_id` also counts the messages
/// that were published while it was away: `Lagged` comes first, then the newest message.
///
/// Only one thread at a time receives; a call of another thread fails with `InvalidState`. Threads that receive at the
/// same time each need their own subscriber. Any thread may close a subscriber, which ends the wait of the receiving
/// thread.
pub struct Subscriber {
    shown: String,
    origin: OfProcess<MessageSource>,
    options: Options,
    limits: Limits,
    /// The receiving thread holds the lock during its wait.
    receive_state: OfProcess<Mutex<ReceiveState>>,
    event_log: OfProcess<EventLog>,
    /// The names of a subscriber to several. The call that holds `receive_state` locks them.
    names: Option<OfProcess<Mutex<SubscribedNames<Subscriber>>>>,
    report: Option<OfProcess<Arc<Report>>>,
    is_member: bool,
    closed: AtomicBool,
    /// The receiving thread, to recognise a close in a callback of its wait.
    receiving_thread: HolderMark,
    wake: EventFd,
    pub(crate) descriptor: OfProcess<Arc<Descriptor>>,
    fork_generation: u64,
}

enum MessageSource {
    /// A publisher, and the connection to it.
    Publisher { transport: Transport, dialler: Dialler },
    /// A store, which is read without a publisher, and the end of the wait while it cannot be opened.
    Store(Endpoint, Retry),
    /// Several names.
    Names,
}

impl MessageSource {
    /// Ends the wait without a feed. `None` for several names, each of which has its own.
    fn retry(&self) -> Option<&Retry> {
        match self {
            MessageSource::Publisher { dialler, .. } => Some(dialler.retry()),
            MessageSource::Store(_, retry) => Some(retry),
            MessageSource::Names => None,
        }
    }
}

const MAX_FRAMES_AT_ONCE: u32 = 1 << 16;

impl Subscriber {
    /// Subscribes, and connects if there is a publisher; does not wait for one to start.
    ///
    /// Messages that are published from now on are received, or counted in [`Lagged`](ErrorKind::Lagged). A publisher
    /// that starts later is read from its first message, or from the oldest one that it still has.
    ///
    /// If a listening publisher does not answer within half a second, a later call connects. No call waits for it
    /// beyond its own time. [`Subscriber::events`] then begins with
    /// [`EventKind::Disconnected`](crate::EventKind::Disconnected), because earlier messages are neither received nor
    /// counted.
    ///
    /// The endpoint may be a pattern: `*` matches any characters and `?` matches one. This is equal to
    /// [`Subscriber::of`] with one pattern.
    pub fn new(endpoint: &str, options: &Options) -> Result<Subscriber> {
        if NamePattern::parse(endpoint)?.is_some() {
            return Subscriber::of(&[endpoint], options);
        }
        let endpoint: Endpoint = endpoint.parse()?;
        options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
        let subscriber = Subscriber::to_one(endpoint, options, None, Part::Alone)?;
        // The first call that receives reports an error of the connection.
        let _ = subscriber.connect_first(Patience::OfAnAnswer);
        Ok(subscriber)
    }

    /// Subscribes like [`Subscriber::new`] and [`Subscriber::of`], but only begins to connect.
    ///
    /// For event loops: the descriptor is readable after an answer, and every call continues the connection. From the
    /// answer on, messages are received or counted ([`Subscriber::has_joined`]).
    ///
    /// # Errors
    /// Errors of [`Subscriber::of`].
    pub fn dial(names: &[&str], options: &Options) -> Result<Subscriber> {
        if let [name] = names
            && NamePattern::parse(name)?.is_none()
        {
            let endpoint: Endpoint = name.parse()?;
            options.check(endpoint.transport(), Use::Subscribe).map_err(|e| e.on(&endpoint))?;
            let subscriber = Subscriber::to_one(endpoint, options, None, Part::Alone)?;
            let _ = subscriber.connect_first(Patience::None);
            return Ok(subscriber);
        }
        Subscriber::to_several(names, options, Patience::None)
    }

    /// Subscribes to several endpoints and patterns, such as `["lab/a", "sim/*", "journal:sim/*"]`.
    ///
    /// A pattern without a transport matches the publishers' names on this machine, over every transport except files
    /// and journals. A pattern with a transport matches names of that transport. Names that appear later are added, and
    /// received from their first message. The end of a publisher is an event, and its name is added again when its next
    /// publisher starts.
    ///
    /// [`Message::name`] is the endpoint of a message, and an error about one name has that name. [`Subscriber::stats`]
    /// counts missed messages for each name in `names`. With `delivery="latest"`, the newest message of each name is
    /// received. If a matching name cannot be received from, that is an event, and the name is in `refused` of the
    /// statistics.
    ///
    /// At most 4,096 names can have a publisher at the same time. Each name needs up to 8 descriptors; all names
    /// together use at most half of the process's limit. If a publisher ends before this subscriber has connected to
    /// it, its messages are not received.
    ///
    /// # Errors
    /// `InvalidEndpoint` for an invalid name or pattern; errors of watching the names' directory.
    pub fn of(names: &[&str], options: &Options) -> Result<Subscriber> {
        Subscriber::to_several(names, options, Patience::OfAnAnswer)
    }

    fn to_several(names: &[&str], options: &Options, patience: Patience) -> Result<Subscriber> {
        let parsed = SubscribedNames::<Subscriber>::parse(names, options)?;
        Subscriber::to_selected(names.join(", "), parsed, options, patience)
    }

    /// Subscribes to the names of this machine that `wanted` selects, over every transport with names.
    ///
    /// For a program that receives for others. [`Subscriber::select_again`] calls `wanted` again for all names. `shown`
    /// is the endpoint in errors.
    ///
    /// # Errors
    /// Errors of watching the names' directories.
    #[doc(hidden)]
    pub fn selecting(shown: &str, wanted: Wanted, options: &Options) -> Result<Subscriber> {
        let selection = (Selection::Wanted(wanted), Vec::new());
        Subscriber::to_selected(shown.to_owned(), selection, options, Patience::None)
    }

    fn to_selected(
        shown: String,
        parsed: (Selection, Vec<Endpoint>),
        options: &Options,
        patience: Patience,
    ) -> Result<Subscriber> {
        let mut subscriber = Subscriber::unconnected(shown, MessageSource::Names, Epoll::new()?, options)?;
        let state = subscriber.receive_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let started = SubscribedNames::start(parsed, options, patience, &state.epoll, &subscriber.event_log)?;
        subscriber.report = Some(started.report().into());
        state.has_ready_names = started.has_more_to_do();
        subscriber.names = Some(Mutex::new(started).into());
        Ok(subscriber)
    }

    fn unconnected(
        shown: String,
        origin: MessageSource,
        epoll: Epoll,
        options: &Options,
    ) -> Result<Subscriber> {
        let (waker, wake) = (ReadinessFlag::new()?, EventFd::new()?);
        epoll.add(&waker, FEED, Interest::IN)?;
        epoll.add(&wake, WAKE, Interest::IN)?;
        Ok(Subscriber {
            event_log: EventLog::of(&shown).into(),
            shown,
            origin: origin.into(),
            options: options.clone(),
            limits: options.limits(),
            names: None,
            report: None,
            descriptor: epoll.shared().into(),
            receive_state: OfProcess::new(Mutex::new(ReceiveState {
                feed: None,
                connecting: None,
                is_silence_untold: false,
                has_ready_names: false,
                takes_whole: false,
                has_looked: false,
                resume: None,
                moved: false,
                epoll,
                waker,
                is_unarmed: false,
                newest: None,
                pending: VecDeque::new(),
                deferred_error: None,
                missed: 0,
                delivered: 0,
                position: None,
                is_position_due: options.client_id.is_some(),
                tried: Tried::default(),
                mark: None,
                lives: None,
                views: ViewCount::default(),
                parked: false,
                watched: false,
                signal_watch: None,
                ready: Vec::new(),
            })),
            is_member: false,
            closed: AtomicBool::new(false),
            receiving_thread: HolderMark::default(),
            wake,
            fork_generation: fork::generation(),
        })
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// `Timeout` if no message arrived by the deadline; `NotFound` if there was no publisher until then; `Disconnected`
    /// if the publisher has ended; `Lagged` if messages were missed (the next call continues); `InvalidState` if
    /// another thread receives or the subscriber is closed.
    pub fn recv<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Message> {
        let wait = wait.into();
        let waits = deadline::may_wait(&wait, self.options.timeout);
        self.receive_one(wait).map_err(|e| self.explained(e, waits).on(&self.shown))
    }

    fn receive_one(&self, wait: Wait<'_>) -> Result<Message> {
        let spins = deadline::may_wait(&wait, self.options.timeout);
        if let Some(message) = self.receive_at_once(|_| true, |state| self.take_fast(state, spins)) {
            return Ok(message);
        }
        self.receive_within(&mut self.options.start(wait))
    }

    /// After an earlier connection, "no listener" means that the publisher has ended. A call that does not wait cannot
    /// tell.
    fn explained(&self, error: Error, waits: bool) -> Error {
        if waits && error.kind() == ErrorKind::NotFound && self.event_log.was_connected() {
            let text = "the publisher ended and did not start again within the time given; try again, or see why it ended";
            return Error::new(ErrorKind::Disconnected, text);
        }
        self.named(error)
    }

    /// Adds similar open names to the error if there is no publisher. A subscriber to several names waits for missing
    /// ones.
    fn named(&self, error: Error) -> Error {
        if self.names.is_some() { error } else { open_names::named(error, &self.shown) }
    }

    pub(super) fn receive_within(&self, waiting: &mut Waiting<'_>) -> Result<Message> {
        self.receive(waiting, false, None)?.ok_or_else(|| self.closed_error())
    }

    /// Receives without waiting. Fails with `Empty` if no message has arrived.
    pub fn try_recv(&self) -> Result<Message> {
        self.receive_one(Wait::none()).map_err(|e| if_not_ready(e.on(&self.shown), ErrorKind::Empty))
    }

    /// Waits for the next message, for loops. Returns `None` after the subscriber is closed.
    ///
    /// [`Timeout::Default`] means no limit here, and ignores the option. A call without a limit also returns `None`
    /// after SIGINT or SIGTERM has asked the program to stop. Missed messages are not errors: [`Message::missed`] of
    /// the next message is their number.
    ///
    /// # Errors
    /// Errors of [`Subscriber::recv`], if the given timeout passes.
    pub fn next<'a>(&self, wait: impl Into<Wait<'a>>) -> Result<Option<Message>> {
        let wait = wait.into();
        // A wait without a limit ends on a signal; the general path sets up the watch for signals.
        let allowed = |state: &ReceiveState| {
            !deadline::heeds_signals(&wait, Timeout::Forever)
                || state.signal_watch.as_ref().is_some_and(|watch| !watch.is_requested())
        };
        let waits = deadline::may_wait(&wait, Timeout::Forever);
        if let Some(message) = self.receive_at_once(allowed, |state| self.take_fast(state, waits)) {
            return Ok(Some(message));
        }
        let mut waiting = drive::begin(wait, Timeout::Forever).on_wait(&self.options.on_wait);
        self.receive(&mut waiting, true, None).map_err(|e| self.explained(e, waits).on(&self.shown))
    }

    /// Acknowledges the last message and all before it, with `ack="manual"`.
    ///
    /// A subscriber to a journal with a `client_id` that starts again continues after that message. Other transports
    /// keep no such position.
    ///
    /// # Errors
    /// `InvalidState` without `ack="manual"`.
    pub fn ack(&self) -> Result<()> {
        self.options.check_manual().map_err(|e| e.on(&self.shown))?;
        self.consume()
    }

    fn consume(&self) -> Result<()> {
        fork::check(self.fork_generation)?;
        let done = lock_exclusive(&self.receive_state, Operation::ReceivePublished)
            .and_then(|mut receive_state| self.consumed(&mut receive_state));
        done.map_err(|e| e.on(&self.shown))
    }

    fn with_state<R>(
        &self,
        mut receive_state: MutexGuard<'_, ReceiveState>,
        call: impl FnOnce(&mut ReceiveState) -> Result<R>,
    ) -> Result<R> {
        let _holder = self.receiving_thread.mark();
        let done = call(&mut receive_state);
        // A close in a callback of this call has left the state to it.
        if self.closed.load(Ordering::Acquire) {
            self.disconnect(&mut receive_state);
        } else if !receive_state.parked {
            // A program with an event loop waits on the descriptor from here on.
            receive_state.update_readiness();
        }
        done
    }

    fn consumed(&self, receive_state: &mut ReceiveState) -> Result<()> {
        match &self.names {
            None => receive_state.consumed(),
            Some(names) => names.lock().unwrap_or_else(PoisonError::into_inner).consumed(),
        }
    }

    fn disconnect(&self, receive_state: &mut ReceiveState) {
        if let Some(names) = &self.names {
            names.lock().unwrap_or_else(PoisonError::into_inner).close(&receive_state.epoll);
        }
        receive_state.close();
    }

    /// Returns whether a message can be received without waiting.
    ///
    /// # Errors
    /// `InvalidState` if another thread receives or the subscriber is closed; the errors of a call that receives,
    /// except `Lagged`.
    pub fn poll(&self) -> Result<bool> {
        self.lock_open()
            .and_then(|mut receive_state| {
                let found = self.find_next(&mut receive_state);
                if !receive_state.parked {
                    receive_state.update_readiness();
                }
                found
            })
            .map_err(|e| e.on(&self.shown))
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, ReceiveState>> {
        fork::check(self.fork_generation)?;
        let receive_state = lock_exclusive(&self.receive_state, Operation::ReceivePublished)?;
        if self.closed.load(Ordering::Acquire) { Err(self.closed_error()) } else { Ok(receive_state) }
    }

    fn find_next(&self, receive_state: &mut ReceiveState) -> Result<bool> {
        if !receive_state.pending.is_empty() {
            return Ok(true);
        }
        let mut waiting = Waiting::at_once();
        receive_state.has_looked = false;
        for _ in 0..MAX_FRAMES_AT_ONCE {
            if next_round(&mut waiting).is_err() {
                break;
            }
            // The message tells the missed messages of its name.
            match self.poll_next(receive_state, &mut waiting, true) {
                Ok(Some(message)) => {
                    receive_state.pending.push_back(message);
                    return Ok(true);
                }
                Ok(None) => {}
                // The feed reports a gap once, so the receiving call must report it.
                Err(e) if e.kind() == ErrorKind::Lagged => {
                    receive_state.deferred_error = Some(e);
                    return Ok(true);
                }
                Err(e) if is_not_ready(&e) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Returns the events since the last call, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.event_log.take()
    }

    /// Returns the ends of publishers since the last call with messages that are, or may be, missing.
    ///
    /// These are publishers over a socket that ended before this subscriber had read everything. Their numbers are
    /// those in the later `Lagged`.
    #[doc(hidden)]
    pub fn ends(&self) -> Vec<End> {
        self.event_log.take_ends()
    }

    /// Takes the number of ends that [`Subscriber::ends`] will not return, because too many were kept.
    #[doc(hidden)]
    pub fn take_dropped_ends(&self) -> u64 {
        self.event_log.take_dropped_ends()
    }

    /// Returns the gaps of a subscriber to several names: new ended ones, and all open ones.
    ///
    /// A gap is a time in which a name had a listener and this subscriber was not connected to it. A subscriber to one
    /// name has none. Two cases are not gaps: the last connected publisher is ending, or the next connected publisher's
    /// numbers tell the missed messages.
    pub fn gaps(&self) -> Vec<Gap> {
        self.report.as_ref().map_or_else(Vec::new, |report| report.gaps.take())
    }

    /// Makes all unconnected names try at once, to settle their state before the end.
    #[doc(hidden)]
    pub fn hasten(&self) {
        self.of_names(|names| names.hasten());
    }

    /// Returns the number of names whose listener has not answered yet.
    ///
    /// With `is_end`, each of them becomes a gap.
    #[doc(hidden)]
    pub fn unanswered(&self, is_end: bool) -> usize {
        self.of_names(|names| {
            if is_end {
                names.doubt();
            }
            names.unanswered()
        })
    }

    fn of_names<T: Default>(&self, what: impl FnOnce(&SubscribedNames<Subscriber>) -> T) -> T {
        match &self.names {
            Some(names) if fork::check(self.fork_generation).is_ok() => {
                what(&names.lock().unwrap_or_else(PoisonError::into_inner))
            }
            _ => T::default(),
        }
    }

    /// Returns the endpoint with its transport, or for several names the given names and patterns.
    pub fn endpoint(&self) -> &str {
        &self.shown
    }

    /// Returns a descriptor for an event loop. It is readable while [`Subscriber::try_recv`] has work.
    pub fn fileno(&self) -> Result<RawFd> {
        let watched = self.lock_open().and_then(|mut receive_state| {
            receive_state.watched = true;
            // A first read arms the feed: later messages make the descriptor readable.
            if self.find_next(&mut receive_state)? {
                receive_state.waker.wake();
            }
            Ok(())
        });
        watched.map_err(|e| e.on(&self.shown))?;
        Ok(self.descriptor.as_raw_fd())
    }

    /// Returns counters and state, as a map.
    pub fn stats(&self) -> Value {
        let mut stats = self.event_log.stats();
        stats.insert("endpoint".into(), self.shown.as_str().into());
        if let Some(report) = self.report.as_ref().filter(|_| fork::check(self.fork_generation).is_ok()) {
            report.add_to(&mut stats);
        }
        Value::Map(stats)
    }

    /// Stops receiving. A thread that waits in [`Subscriber::next`] gets `None`.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if fork::check(self.fork_generation).is_err() {
            return;
        }
        self.wake.wake();
        // In a callback of this thread's own wait, the waiting call closes the state.
        if !self.receiving_thread.is_this_thread() {
            let mut receive_state = self.receive_state.lock().unwrap_or_else(PoisonError::into_inner);
            self.disconnect(&mut receive_state);
        }
    }

    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::InvalidState, "the subscriber is closed").on(&self.shown)
    }
}
