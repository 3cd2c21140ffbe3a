//! Sends a publisher's messages to its subscribers: one ring that all read, or a stream for each.
//!
//! With a ring, publishing does not depend on the number of subscribers; the acceptor only keeps
//! their sockets, which report that a subscriber has ended and wake those that are parked. With
//! streams, each subscriber has a position in the [`History`]; whatever its queue in the kernel does
//! not take stays there, and is missed once the history has dropped it.
//!
//! The thread that publishes and the acceptor's thread share a [`Fanout`]. Lock order: `state`
//! before a subscriber's `out`. A registration at the acceptor ([`WatchedSocket`]) is never dropped
//! under `state`: its drop asks the acceptor, which may be waiting for `state`.

mod admission;
mod growth;
mod waiting;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use self::growth::{Growth, SMALL};
pub use self::waiting::DrainGoal;
use super::history::{History, HistoryEntry};
use super::stream_subscriber::StreamSubscriber;
use crate::channel::event_log::EventLog;
use crate::error::Result;
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Lender, Payload};
use crate::sys::clock;
use crate::sys::eventfd::Waiters;
use crate::sys::seat::note_locked;
use crate::transport::acceptor::WatchedSocket;
use crate::transport::broadcast::BroadcastWriter;
use crate::transport::endpoint::Endpoint;
use crate::transport::{BroadcastSlots, WritableSlot};
use crate::value::{Map, Timestamp};

/// Bytes of a publisher's ring, or of its history, without the option `buffer`.
const RING: usize = 1 << 20;

/// The state of a publisher that the threads of the program and the acceptor's thread share.
pub struct Fanout {
    /// The subscribers, and the way of messages to them.
    state: Mutex<FanoutState>,
    /// Whether that way is a ring.
    has_ring: bool,
    /// Where long arrays are put that subscribers view.
    slots: Option<Arc<BroadcastSlots>>,
    pub event_log: EventLog,
    /// Ids of subscribers are not used again.
    next_id: AtomicU64,
    /// Whether each body is sent with its checksum, because the transport's connections can break.
    checked: bool,
    /// Bytes that the kernel may queue for one subscriber, if the option is given.
    buffer: Option<usize>,
    /// Signalled when a subscriber connects, disconnects or has received more.
    changed: Waiters,
    /// Subscribers with a socket of their own whose hello is being answered.
    unadmitted: AtomicUsize,
}

/// The state under the lock.
struct FanoutState {
    medium: FanoutMedium,
    /// The number of the last message; before the first one, the number before it.
    last: u64,
}

/// How messages get to the subscribers.
enum FanoutMedium {
    /// One ring for all. `newest` is the number of the newest message; 0 before the first.
    Ring {
        ring: Box<dyn BroadcastWriter>,
        newest: u64,
        subscribers: Vec<RingSubscriber>,
        /// Readers of the newest message alone without support for slots, until they disconnect.
        without_slots: Vec<(u64, WatchedSocket)>,
        /// For a ring that is small: when it grows.
        growth: Option<Growth>,
    },
    /// A stream for each, from one history.
    Streams { history: History, subscribers: Vec<Arc<StreamSubscriber>> },
}

/// A subscriber that reads the ring.
struct RingSubscriber {
    id: u64,
    /// Whether its hello was answered: before, it has no ring, and a close need not wait for it to
    /// read.
    answered: bool,
    /// The number of the message before the one that it begins with, as far as this side knows.
    before: u64,
    watched: WatchedSocket,
}

impl RingSubscriber {
    /// Returns whether it has the ring. It may have read before this side records that its hello
    /// was answered.
    fn has_ring(&self, ring: &dyn BroadcastWriter) -> bool {
        self.answered || ring.read_so_far(self.id) > 0
    }

    /// Returns how many messages up to this number it has not read.
    fn unread(&self, ring: &dyn BroadcastWriter, last: u64) -> u64 {
        match ring.read_so_far(self.id) {
            0 => last.saturating_sub(self.before),
            read => last.saturating_sub(read),
        }
    }
}

impl Fanout {
    /// Returns the fan-out of a new publisher at this endpoint. It publishes under this session from number `first` on.
    /// With `begins_small` a ring is small until it is needed.
    pub fn new(
        endpoint: &Endpoint,
        (session, first): (u64, u64),
        buffer: Option<usize>,
        limit: u64,
        begins_small: bool,
    ) -> Result<Fanout> {
        let transport = endpoint.transport();
        let driver = transport.driver();
        let mut slots = None;
        let medium = match driver.broadcast() {
            Some(rings) => {
                let full = buffer.unwrap_or(RING);
                let first = if begins_small { SMALL.min(full) } else { full };
                let ring = rings.writer(session, (first, full), limit)?;
                slots = ring.slots();
                let growth = (first < full).then(|| Growth::to(full));
                FanoutMedium::Ring {
                    ring,
                    newest: 0,
                    subscribers: Vec::new(),
                    without_slots: Vec::new(),
                    growth,
                }
            }
            // A transport without a ring; a store uses neither of the two.
            None => {
                let history = History::new(buffer.unwrap_or(RING));
                FanoutMedium::Streams { history, subscribers: Vec::new() }
            }
        };
        let has_ring = matches!(medium, FanoutMedium::Ring { .. });
        let state = Mutex::new(FanoutState { medium, last: first.saturating_sub(1) });
        Ok(Fanout {
            state,
            has_ring,
            slots,
            event_log: EventLog::of(endpoint),
            next_id: AtomicU64::new(1),
            checked: transport.capabilities().cuts,
            buffer,
            changed: Waiters::default(),
            unadmitted: AtomicUsize::new(0),
        })
    }

    /// Locks the state. Held while one message goes to all subscribers, which does not wait.
    fn state(&self) -> MutexGuard<'_, FanoutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends memory for an array that subscribers view where it lies; `None` where no slot is free.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        self.slots.as_ref()?.lend_writable(length)
    }

    /// Returns the lender of slots for the long arrays of a message; `None` for a transport without
    /// slots.
    pub fn lender(&self) -> Option<&dyn Lender> {
        self.slots.as_ref().map(|_| self as &dyn Lender)
    }

    /// Publishes a message, of whose header all but the number is given, without waiting for any subscriber.
    /// Returns its number.
    pub fn publish(&self, header: Header, payload: &Payload) -> Result<u64> {
        let mut state = self.state();
        let sequence = state.last + 1;
        self.publish_locked(&mut state, Header { sequence, ..header }, payload)?;
        Ok(sequence)
    }

    /// Publishes a message under the number that it has elsewhere. Returns false, and does nothing, if that was
    /// published already.
    pub fn relay(&self, header: Header, payload: &Payload) -> Result<bool> {
        let mut state = self.state();
        let is_new = header.sequence > state.last;
        if is_new {
            if let FanoutMedium::Ring { ring, growth, .. } = &mut state.medium
                && let Some(due) = growth.take_if(|growth| growth.is_due(payload.len()))
            {
                due.grow(&mut **ring);
            }
            self.publish_locked(&mut state, header, payload)?;
        }
        Ok(is_new)
    }

    /// Publishes a short message in a ring and returns its number. None if another thread has the state, or for any
    /// other obstacle: then nothing was published, and [`Fanout::publish`] is to be called.
    #[inline]
    pub fn publish_in_place(&self, payload: &Payload) -> Option<u64> {
        if !self.has_ring {
            return None;
        }
        note_locked();
        let mut state = self.state.try_lock().ok()?;
        let FanoutState { medium: FanoutMedium::Ring { ring, newest, .. }, last } = &mut *state else {
            return None;
        };
        if payload.memory().split().is_some() {
            return None;
        }
        let sequence = *last + 1;
        if !ring.publish_short(sequence, clock::now(), payload.encoding(), payload.body()) {
            return None;
        }
        (*newest, *last) = (sequence, sequence);
        self.event_log.count_exclusive(&self.event_log.sent);
        Some(sequence)
    }

    /// [`Fanout::publish`] with the state locked and the number chosen.
    fn publish_locked(&self, state: &mut FanoutState, header: Header, payload: &Payload) -> Result<()> {
        match &mut state.medium {
            FanoutMedium::Ring { ring, newest, .. } => {
                ring.publish(&Outgoing::of(header, payload.memory()))?;
                *newest = header.sequence;
            }
            FanoutMedium::Streams { history, subscribers } => {
                history.push(HistoryEntry { header, payload: payload.clone() });
                for subscriber in &*subscribers {
                    // The acceptor removes a subscriber whose connection has ended.
                    let _ = subscriber.out().send_pending(history);
                }
            }
        }
        state.last = header.sequence;
        // Under the lock, so no other thread writes the counter.
        self.event_log.count_exclusive(&self.event_log.sent);
        Ok(())
    }

    /// Publishes several messages with one wake-up or one system call for
    /// each subscriber. Returns how many, and the error that stopped the rest.
    pub fn publish_many(&self, sent: Timestamp, payloads: &[Payload]) -> (usize, Result<()>) {
        let header = |(sequence, payload): (u64, &Payload)| Header {
            sequence,
            sent: sent.0,
            ..Header::new(Kind::Data, payload.encoding())
        };
        let mut state = self.state();
        let last = state.last;
        let numbered = (last + 1..).zip(payloads);
        let (count, published) = match &mut state.medium {
            FanoutMedium::Ring { ring, newest, .. } => {
                let mut frames = numbered.map(|one| Outgoing::of(header(one), one.1.memory()));
                let published = ring.publish_many(&mut frames);
                if published.0 > 0 {
                    *newest = last + published.0 as u64;
                }
                published
            }
            FanoutMedium::Streams { history, subscribers } => {
                let send_all = |history: &History| {
                    // The acceptor removes a subscriber whose connection has ended.
                    subscribers.iter().for_each(|subscriber| drop(subscriber.out().send_pending(history)));
                };
                let mut pushed = 0;
                for one in numbered {
                    // Send now, so that no message drops out of the history before it was sent to any
                    // subscriber.
                    if history.is_much(pushed + one.1.body().len()) {
                        send_all(history);
                        pushed = 0;
                    }
                    pushed += one.1.body().len();
                    history.push(HistoryEntry { header: header(one), payload: one.1.clone() });
                }
                send_all(history);
                (payloads.len(), Ok(()))
            }
        };
        state.last = last + count as u64;
        // Under the lock, so no other thread writes the counter.
        self.event_log.add_exclusive(&self.event_log.sent, count as u64);
        (count, published)
    }

    /// Returns the counters that listings show: messages, subscribers, and how many messages the
    /// slowest of them has not read (`behind`).
    pub fn state_for_listing(&self) -> Map {
        let messages = self.event_log.sent.load(Ordering::Relaxed);
        let peers = match &self.state().medium {
            FanoutMedium::Ring { subscribers, .. } => subscribers.len(),
            FanoutMedium::Streams { subscribers, .. } => subscribers.len(),
        };
        Map::from_iter([
            ("messages".to_owned(), messages.into()),
            ("peers".to_owned(), (peers as u64).into()),
            ("behind".to_owned(), self.behind().into()),
        ])
    }

    /// Returns how many messages the slowest subscriber has not read; 0 without subscribers.
    pub fn behind(&self) -> u64 {
        let behind = match &self.state().medium {
            FanoutMedium::Ring { ring, newest, subscribers, .. } => {
                subscribers.iter().map(|subscriber| subscriber.unread(&**ring, *newest)).max()
            }
            FanoutMedium::Streams { history, subscribers } => {
                let unread = |s: &Arc<StreamSubscriber>| history.last().saturating_sub(s.out().sequence);
                subscribers.iter().map(unread).max()
            }
        };
        behind.unwrap_or(0)
    }

    /// Returns the number of the newest message; 0 before the first.
    pub fn newest(&self) -> u64 {
        match &self.state().medium {
            FanoutMedium::Ring { newest, .. } => *newest,
            FanoutMedium::Streams { history, .. } => history.last(),
        }
    }

    /// Returns how many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        match &self.state().medium {
            FanoutMedium::Ring { ring, subscribers, .. } => {
                subscribers.iter().filter(|subscriber| subscriber.has_ring(&**ring)).count()
            }
            FanoutMedium::Streams { subscribers, .. } => subscribers.len(),
        }
    }

    /// Disconnects all subscribers.
    pub fn disconnect_all(&self) {
        let mut state = self.state();
        let removed = match &mut state.medium {
            FanoutMedium::Ring { ring, subscribers, without_slots, .. } => {
                subscribers.iter().for_each(|subscriber| ring.remove(subscriber.id));
                without_slots.iter().for_each(|(id, _)| ring.remove(*id));
                ring.close();
                (std::mem::take(subscribers), std::mem::take(without_slots), Vec::new())
            }
            FanoutMedium::Streams { subscribers, .. } => {
                (Vec::new(), Vec::new(), std::mem::take(subscribers))
            }
        };
        drop(state);
        drop(removed);
    }

    /// Removes a subscriber whose connection has ended.
    fn remove(&self, id: u64) {
        let mut state = self.state();
        // Dropped after the lock: see the head of this file.
        let (mut on_ring, mut without, mut on_streams) = (Vec::new(), Vec::new(), Vec::new());
        match &mut state.medium {
            FanoutMedium::Ring { ring, subscribers, without_slots, .. } => {
                ring.remove(id);
                on_ring.extend(subscribers.extract_if(.., |s| s.id == id));
                without.extend(without_slots.extract_if(.., |one| one.0 == id));
            }
            FanoutMedium::Streams { subscribers, .. } => {
                on_streams.extend(subscribers.extract_if(.., |s| s.id == id))
            }
        }
        drop(state);
        // It may still view arrays: the end of its socket ends the views.
        on_ring.iter_mut().for_each(|subscriber: &mut RingSubscriber| subscriber.watched.hangs_up = false);
        drop((on_ring, without, on_streams));
        self.changed.wake();
    }
}

impl Lender for Fanout {
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let slots = self.slots.as_ref()?;
        let lent = slots.in_place(elements, shared).or_else(|| slots.copy(elements));
        let EventLog { arrays_in_slots, arrays_without_slot, .. } = &self.event_log;
        self.event_log.count(if lent.is_some() { arrays_in_slots } else { arrays_without_slot });
        lent
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
        let drain = |time| fanout.drain(DrainGoal::Rest, &mut Waiting::until(Deadline::after(time)));
        drain(Duration::ZERO).unwrap();
        let unadmitted = fanout.unadmitted();
        assert_eq!(drain(Duration::ZERO).unwrap_err().kind(), ErrorKind::Timeout);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(unadmitted));
            drain(Duration::from_secs(60)).unwrap();
        });
    }
}
