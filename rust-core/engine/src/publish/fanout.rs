//! Sends a publisher's messages to its subscribers: over one ring for all, or over a stream for each.
//!
//! With a ring (`shm:`), the cost of publishing does not depend on the number of subscribers. The acceptor only keeps
//! the subscribers' sockets, which report the end of a subscriber and wake a parked one. On streams (`unix:`, `tcp:`),
//! the [`History`] keeps messages that a kernel queue cannot take. Each subscriber has a position in it. Subscribers
//! that are too slow miss the messages that the history drops, and count them by the gap in the numbers.
//!
//! Publishing threads, which take turns, and the acceptor's thread share a [`Fanout`] under the lock `state`. No
//! callback of the program runs under it. A message has at most the publisher's `max_message_size`; the limits of
//! subscribers do not count. Lock order: `state` before a subscriber's `out`. Never drop a [`WatchedSocket`] under
//! `state`: its drop asks the acceptor, which may be waiting for `state`.
//!
//! `admission` adds subscribers, `growth` enlarges a ring, `lending` gives loans, `session` numbers messages, and
//! `waiting` has the waits of a publisher.

mod admission;
mod growth;
mod lending;
mod session;
mod waiting;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use self::growth::{Growth, SMALL};
use self::session::PublisherSession;
use super::history::{History, HistoryEntry};
use super::last_number::{LastNumber, bye};
use super::stream_subscriber::StreamSubscriber;
use crate::channel::event_log::EventLog;
use crate::channel::peers::PeerFacts;
use crate::channel::sending::DraftContent;
use crate::channel::session_state::admission::Ticket;
use crate::channel::turns::HolderMark;
use crate::error::{Error, Result};
use crate::frame::{Header, Kind};
use crate::message::Payload;
use crate::sys::clock;
use crate::sys::eventfd::Waiters;
use crate::sys::seat::note_locked;
use crate::transport::acceptor::WatchedSocket;
use crate::transport::endpoint::Endpoint;
use crate::transport::{PublishedSlots, Tx};
use crate::value::{Map, Timestamp};

/// Bytes of a publisher's ring or history without the option `buffer`.
const DEFAULT_BUFFER: usize = 1 << 20;

pub struct Fanout {
    state: Mutex<FanoutState>,
    /// The thread in [`Fanout::try_publish`]. That call takes no turn (`channel::turns`), which would mark the thread.
    holder: HolderMark,
    /// Whether the outlet is a ring.
    is_shared: bool,
    /// Slots of the ring for long messages.
    slots: Option<Arc<PublishedSlots>>,
    pub event_log: EventLog,
    /// The id of the next subscriber.
    next_id: AtomicU64,
    /// Whether each body is sent with a checksum, because the transport's connections can break.
    checked: bool,
    /// The option `buffer`. It sizes the ring or the history, and limits the kernel's queue of each subscriber.
    buffer: Option<usize>,
    /// Wakes the waits of `waiting` after each change of the subscribers.
    changed: Waiters,
    /// The error of the acceptor, after which no subscriber can connect.
    failed: OnceLock<Error>,
    /// Subscribers whose hello is being answered. [`Fanout::drain`] waits for them.
    unadmitted: AtomicUsize,
}

struct FanoutState {
    outlet: Outlet,
    session: PublisherSession,
    /// The first message that some subscriber lacked at the publisher's end; set there, read by a later `flush`.
    first_left: Option<u64>,
}

enum Outlet {
    Shared {
        tx: Tx,
        subscribers: Vec<Reader>,
        /// Readers of only the newest message that do not support slots. They are no subscribers, but while one is
        /// connected, the publisher puts no message into a slot.
        without_slots: Vec<(u64, WatchedSocket)>,
        growth: Option<Growth>,
    },
    /// A stream for each subscriber, and one history.
    Each { history: History, subscribers: Vec<Arc<StreamSubscriber>>, last: LastNumber },
}

impl Outlet {
    /// Returns the first message that a subscriber lacks.
    ///
    /// In a ring, the subscriber has not read it, and it is at most `newest`. On a stream, the kernel has not taken it.
    fn first_left(&self, newest: u64) -> Option<u64> {
        match self {
            Outlet::Shared { tx, subscribers, .. } => {
                let unread = subscribers.iter().map(|one| one.unread(tx, newest)).max().unwrap_or(0);
                (unread > 0).then(|| newest - unread + 1)
            }
            Outlet::Each { history, subscribers, .. } => {
                subscribers.iter().filter_map(|one| one.out().first_left(history)).min()
            }
        }
    }
}

struct Reader {
    id: u64,
    /// Whether its hello was answered. Before that it has no ring, and a close need not wait for it.
    answered: bool,
    /// The number before its first message.
    before: u64,
    watched: WatchedSocket,
    facts: PeerFacts,
}

impl Reader {
    /// Returns whether the subscriber has joined: its hello was answered, or it has read a message.
    ///
    /// It can read a message before this side records the answer.
    fn has_joined(&self, tx: &Tx) -> bool {
        self.answered || tx.read_so_far(self.id) > 0
    }

    fn unread(&self, tx: &Tx, last: u64) -> u64 {
        match tx.read_so_far(self.id) {
            0 => last.saturating_sub(self.before),
            read => last.saturating_sub(read),
        }
    }
}

impl Fanout {
    /// Returns the fan-out of a new publisher with this session and first number.
    ///
    /// `begins_small` is for relays of a bridge: their ring starts small, and [`Fanout::relay`] enlarges it (`growth`).
    pub fn new(
        endpoint: &Endpoint,
        numbered: (u64, u64),
        buffer: Option<usize>,
        limit: u64,
        begins_small: bool,
    ) -> Result<Fanout> {
        let transport = endpoint.transport();
        let driver = transport.driver();
        let mut slots = None;
        let outlet = match driver.broadcast() {
            Some(rings) => {
                let full = buffer.unwrap_or(DEFAULT_BUFFER);
                let first = if begins_small { SMALL.min(full) } else { full };
                let mut tx = rings.writer(numbered.0, (first, full), limit)?;
                slots = tx.readers().map(|readers| readers.slots());
                let growth = (first < full).then(|| Growth::to(full));
                Outlet::Shared { tx, subscribers: Vec::new(), without_slots: Vec::new(), growth }
            }
            // A transport without a ring. Stores use neither outlet.
            None => {
                let history = History::new(buffer.unwrap_or(DEFAULT_BUFFER));
                Outlet::Each { history, subscribers: Vec::new(), last: LastNumber::default() }
            }
        };
        let is_shared = matches!(outlet, Outlet::Shared { .. });
        let state = Mutex::new(FanoutState {
            outlet,
            session: PublisherSession::new(numbered, limit),
            first_left: None,
        });
        Ok(Fanout {
            state,
            holder: HolderMark::default(),
            is_shared,
            slots,
            event_log: EventLog::of(endpoint),
            next_id: AtomicU64::new(1),
            checked: transport.capabilities().cuts,
            buffer,
            changed: Waiters::default(),
            failed: OnceLock::new(),
            unadmitted: AtomicUsize::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, FanoutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a message and returns its number. Returns `None`, without publishing, if another thread has the state.
    #[inline]
    pub fn try_publish(&self, content: DraftContent<'_>) -> Option<Result<u64>> {
        note_locked();
        let mut state = self.state.try_lock().ok()?;
        let _holder = self.holder.mark();
        Some(self.publish_locked(&mut state, content))
    }

    /// Returns whether this thread is inside [`Fanout::try_publish`].
    ///
    /// A signal handler then runs on it and publishes: it must get an error, because it would wait for itself.
    pub fn is_held_here(&self) -> bool {
        self.holder.is_this_thread()
    }

    #[cfg(test)]
    pub fn hold(&self) -> impl Sized + '_ {
        let state = self.state();
        (self.holder.mark(), state)
    }

    pub fn publish(&self, content: DraftContent<'_>) -> Result<u64> {
        self.publish_locked(&mut self.state(), content)
    }

    #[inline]
    fn publish_locked(&self, state: &mut FanoutState, content: DraftContent<'_>) -> Result<u64> {
        let ticket = state.session.admit(content.len())?;
        let sent = clock::now();
        if let Outlet::Shared { tx, .. } = &mut state.outlet
            && let Some(body) = content.block()
            && tx.try_send_fast(Kind::Data, ticket.number, 0, sent, content.encoding(), body)
        {
            let number = state.session.sent(&ticket);
            self.event_log.count_exclusive(&self.event_log.sent);
            return Ok(number);
        }
        self.put_one(state, &ticket, sent, content).map(|()| ticket.number)
    }

    #[inline(never)]
    fn put_one(
        &self,
        state: &mut FanoutState,
        ticket: &Ticket,
        sent: i64,
        content: DraftContent<'_>,
    ) -> Result<()> {
        self.put(state, ticket, sent, std::iter::once(content)).1
    }

    /// Publishes several messages with one wake-up or system call for each subscriber. Returns their count, and the
    /// error that stopped the rest.
    pub fn publish_many(&self, payloads: &[Payload]) -> (usize, Result<()>) {
        let mut state = self.state();
        let (mut count, sent) = (0, clock::now());
        while count < payloads.len() {
            let (ticket, admitted) = match state.session.admit_run(&payloads[count..]) {
                Ok(admitted) => admitted,
                Err(error) => return (count, Err(error)),
            };
            let run = payloads[count..count + admitted].iter().map(DraftContent::from);
            let (put, published) = self.put(&mut state, &ticket, sent, run);
            count += put;
            if published.is_err() {
                return (count, published);
            }
        }
        (count, Ok(()))
    }

    /// Publishes a message with the number and time of another machine.
    ///
    /// Returns false, without publishing, if a message with this or a higher number was published.
    pub fn relay(&self, sequence: u64, sent: Timestamp, payload: &Payload) -> Result<bool> {
        let mut state = self.state();
        let last = state.session.last();
        if sequence <= last {
            return Ok(false);
        }
        if let Outlet::Shared { tx, growth, .. } = &mut state.outlet
            && let Some(due) = growth.take_if(|growth| growth.is_due(payload.len()))
        {
            due.grow(tx);
        }
        state.session.continue_behind(sequence - 1);
        let ticket = state.session.admit(payload.len());
        let put = ticket.and_then(|ticket| self.put_one(&mut state, &ticket, sent.0, payload.into()));
        put.map(|()| true).inspect_err(|_| state.session.continue_behind(last))
    }

    /// Gives admitted messages to the subscribers; `first` is the first ticket.
    ///
    /// Returns the count of published messages, and the error that stopped the rest.
    fn put<'c>(
        &self,
        state: &mut FanoutState,
        first: &Ticket,
        sent: i64,
        contents: impl ExactSizeIterator<Item = DraftContent<'c>> + Clone,
    ) -> (usize, Result<()>) {
        let header = |at: usize, content: DraftContent<'_>| Header {
            sequence: first.number + at as u64,
            sent,
            ..Header::new(Kind::Data, content.encoding())
        };
        let (mut count, mut published) = (0, Ok(()));
        match &mut state.outlet {
            Outlet::Shared { tx, .. } => {
                while count < contents.len() && published.is_ok() {
                    let frames = contents.clone().enumerate().skip(count);
                    let put =
                        tx.try_send_many(frames.map(|(at, content)| content.frame(header(at, content))));
                    // Ends: a ring overwrites instead of waiting, so `PublishedTx` sends at least one frame or fails.
                    // It fails for a message that is too long, and without memory.
                    published = put.map(|put| count += put);
                }
                self.event_log.count_bodies(tx.take_long_bodies());
            }
            Outlet::Each { history, subscribers, last } => {
                // After an error the acceptor sees the end of the socket and removes the subscriber.
                let send_all = |history: &History| {
                    subscribers.iter().for_each(|subscriber| drop(subscriber.out().send_pending(history)));
                };
                let mut pushed = 0;
                for (at, content) in contents.enumerate() {
                    // Sends now, so that the history drops no message before it was sent.
                    if pushed > 0 && history.is_much(pushed + content.len()) {
                        send_all(history);
                        pushed = 0;
                    }
                    (count, pushed) = (count + 1, pushed + content.len());
                    let header = header(at, content);
                    history.push(HistoryEntry { header, payload: content.payload().into_owned() });
                    // Set before the send: subscribers then count the message as missed if this process is killed.
                    last.set(header.sequence);
                }
                send_all(history);
            }
        }
        state.session.sent_run(first, count);
        // Under the lock, so no other thread writes the counter.
        self.event_log.add_exclusive(&self.event_log.sent, count as u64);
        (count, published)
    }

    /// Returns the counters for listings: messages, subscribers, and [`Fanout::behind`].
    pub fn state_for_listing(&self) -> Map {
        Map::from_iter([
            ("messages".to_owned(), self.event_log.sent.load(Ordering::Relaxed).into()),
            ("peers".to_owned(), (self.subscribers() as u64).into()),
            ("behind".to_owned(), self.behind().into()),
        ])
    }

    /// Returns how many messages the slowest subscriber is behind; 0 without subscribers.
    ///
    /// In a ring these are the messages that it has not read. On a stream they are the messages that the kernel has not
    /// begun to take: messages in the socket do not count.
    pub fn behind(&self) -> u64 {
        let state = self.state();
        let newest = state.session.newest();
        let behind = match &state.outlet {
            Outlet::Shared { tx, subscribers, .. } => {
                subscribers.iter().map(|subscriber| subscriber.unread(tx, newest)).max()
            }
            Outlet::Each { subscribers, .. } => {
                subscribers.iter().map(|s| newest.saturating_sub(s.out().sequence)).max()
            }
        };
        behind.unwrap_or(0)
    }

    /// Returns the connected subscribers and how many messages each has not read, for a listing.
    pub fn peers(&self) -> Vec<(u64, PeerFacts, Option<u64>)> {
        let state = self.state();
        let newest = state.session.newest();
        match &state.outlet {
            Outlet::Shared { tx, subscribers, .. } => {
                let shown = |one: &Reader| (one.id, one.facts.clone(), Some(one.unread(tx, newest)));
                subscribers.iter().filter(|one| !one.watched.has_ended()).map(shown).collect()
            }
            Outlet::Each { subscribers, .. } => {
                let behind = |one: &StreamSubscriber| newest.saturating_sub(one.out().sequence);
                subscribers.iter().map(|one| (one.id, one.facts.clone(), Some(behind(one)))).collect()
            }
        }
    }

    pub fn newest(&self) -> u64 {
        self.state().session.newest()
    }

    /// Returns the number of connected subscribers. A killed subscriber stops counting at once, before the acceptor's
    /// thread removes it.
    pub fn subscribers(&self) -> usize {
        match &self.state().outlet {
            Outlet::Shared { tx, subscribers, .. } => {
                let counts = |one: &&Reader| one.has_joined(tx) && !one.watched.has_ended();
                subscribers.iter().filter(counts).count()
            }
            Outlet::Each { subscribers, .. } => {
                let has_ended =
                    |one: &StreamSubscriber| one.out().watched.as_ref().is_some_and(WatchedSocket::has_ended);
                subscribers.iter().filter(|one| !has_ended(one)).count()
            }
        }
    }

    pub fn disconnect_all(&self) {
        self.disconnect(|_| true, true);
    }

    fn remove(&self, id: u64) {
        self.disconnect(|one| one == id, false);
    }

    fn disconnect(&self, is: impl Fn(u64) -> bool, closes: bool) {
        let mut state = self.state();
        let number = state.session.last();
        if closes {
            state.first_left = state.outlet.first_left(state.session.newest());
        }
        let (mut on_ring, mut without, mut on_streams) = (Vec::new(), Vec::new(), Vec::new());
        match &mut state.outlet {
            Outlet::Shared { tx, subscribers, without_slots, .. } => {
                on_ring.extend(subscribers.extract_if(.., |subscriber| is(subscriber.id)));
                without.extend(without_slots.extract_if(.., |one| is(one.0)));
                if let Some(readers) = tx.readers() {
                    on_ring.iter().for_each(|subscriber: &Reader| readers.remove(subscriber.id));
                    without.iter().for_each(|one: &(u64, WatchedSocket)| readers.remove(one.0));
                    if closes {
                        readers.close();
                    }
                }
            }
            Outlet::Each { subscribers, .. } => {
                on_streams.extend(subscribers.extract_if(.., |subscriber| is(subscriber.id)));
                if closes {
                    // A full queue has no room for the frame. Such a subscriber may still learn the number from its
                    // page of `LastNumber`.
                    on_streams.iter().for_each(|subscriber: &Arc<StreamSubscriber>| {
                        subscriber.out().say_farewell(&bye(number));
                    });
                }
            }
        }
        drop(state);
        if !closes {
            // The removed subscriber may still view arrays, until its socket ends: the drop must not end it.
            on_ring.iter_mut().for_each(|subscriber| subscriber.watched.hangs_up = false);
        }
        drop((on_ring, without, on_streams));
        self.changed.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deadline::{Deadline, Waiting};
    use crate::error::ErrorKind;

    #[test]
    fn drain_waits_for_a_subscriber_whose_hello_is_being_answered() {
        let endpoint: Endpoint = "unix:drained".parse().unwrap();
        let fanout = Arc::new(Fanout::new(&endpoint, (1, 1), None, 1 << 20, false).unwrap());
        let drain = |time| fanout.drain(&mut Waiting::until(Deadline::after(time)));
        drain(Duration::ZERO).unwrap();
        let unadmitted = fanout.unadmitted();
        assert_eq!(drain(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(unadmitted));
            drain(Duration::from_secs(60)).unwrap();
        });
    }
}
