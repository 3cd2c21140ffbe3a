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

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::event::PollFlags;

use super::history::{History, Published};
use crate::channel::batch::RUN;
use crate::channel::event_log::EventLog;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::{Lender, Payload};
use crate::sys::eventfd::LazyWaker;
use crate::sys::poll::{Interest, wait_any};
use crate::transport::acceptor::{IncomingHandshake, RawConnection, WatchedSocket, Watcher};
use crate::transport::broadcast::BroadcastWriter;
use crate::transport::kind::Transport;
use crate::transport::plain::{self, Division};
use crate::transport::socket::StreamTx;
use crate::transport::stream::Stream;
use crate::transport::{BroadcastSlots, Sent, Tx, WritableSlot};
use crate::value::{Map, Timestamp};

/// Bytes of a publisher's ring, or of its history, without the option `buffer`.
const RING: usize = 1 << 20;

/// The state of a publisher that the threads of the program and the acceptor's thread share.
pub struct Fanout {
    /// The subscribers, and the way of messages to them.
    state: Mutex<State>,
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
    changed: LazyWaker,
    /// Subscribers with a socket of their own whose hello is being answered.
    unadmitted: AtomicUsize,
}

/// The state under the lock.
struct State {
    way: Way,
}

/// How messages get to the subscribers.
enum Way {
    /// One ring for all. `newest` is the number of the newest message; 0 before the first.
    Ring {
        ring: Box<dyn BroadcastWriter>,
        newest: u64,
        subscribers: Vec<RingSubscriber>,
        /// Readers of the newest message alone without support for slots, until they disconnect.
        without_slots: Vec<(u64, WatchedSocket)>,
    },
    /// A stream for each, from one history.
    Streams { history: History, subscribers: Vec<Arc<StreamSubscriber>> },
}

/// A subscriber with a socket of its own whose hello is being answered.
pub struct Unadmitted(Arc<Fanout>);

impl Drop for Unadmitted {
    fn drop(&mut self) {
        self.0.unadmitted.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.wake();
    }
}

/// A subscriber that reads the ring.
struct RingSubscriber {
    id: u64,
    /// Whether its hello was answered: before, it has no ring, and a close need not wait for it to
    /// read.
    answered: bool,
    watched: WatchedSocket,
}

impl RingSubscriber {
    /// Returns whether it has the ring. It may have read before this side records that its hello
    /// was answered.
    fn has_ring(&self, ring: &dyn BroadcastWriter) -> bool {
        self.answered || ring.read_so_far(self.id) > 0
    }
}

/// Where a subscriber with a stream begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// After this number: it was connected before, or waited for the publisher.
    After(u64),
    /// With this number, the newest one when its hello was answered; it gets later messages, too.
    With(u64),
}

/// A subscriber with a stream of its own.
struct StreamSubscriber {
    id: u64,
    /// Locked by the publishing thread and by the acceptor's.
    out: Mutex<Out>,
}

/// The sending side to one subscriber.
struct Out {
    tx: Tx,
    /// Besides an error or a full hang-up, the event that reports the subscriber's end.
    hangup_interest: Interest,
    /// The number of the last message that the kernel has taken, or begun to take.
    sequence: u64,
    /// Whether the next message is the one that was the newest when the subscriber connected; its
    /// header says so.
    retained: bool,
    /// Whether its queue was full: then a [`RoomWatcher`] is called when there is room.
    full: bool,
    /// Its registration at the acceptor.
    watched: Option<WatchedSocket>,
}

impl Fanout {
    /// Returns the fan-out of a new publisher over this transport.
    pub fn new(transport: Transport, session: u64, buffer: Option<usize>, limit: u64) -> Result<Fanout> {
        let driver = transport.driver();
        let mut slots = None;
        let way = match driver.broadcast() {
            Some(rings) => {
                let ring = rings.writer(session, buffer.unwrap_or(RING), limit)?;
                slots = ring.slots();
                Way::Ring { ring, newest: 0, subscribers: Vec::new(), without_slots: Vec::new() }
            }
            // A transport without a ring; a store uses neither of the two.
            None => {
                let history = History::new(buffer.unwrap_or(RING));
                Way::Streams { history, subscribers: Vec::new() }
            }
        };
        let state = Mutex::new(State { way });
        Ok(Fanout {
            state,
            slots,
            event_log: EventLog::default(),
            next_id: AtomicU64::new(1),
            checked: transport.capabilities().cuts,
            buffer,
            changed: LazyWaker::default(),
            unadmitted: AtomicUsize::new(0),
        })
    }

    /// Locks the state. Held while one message goes to all subscribers, which does not wait.
    fn state(&self) -> MutexGuard<'_, State> {
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

    /// Publishes one message without waiting for any subscriber.
    pub fn publish(&self, header: Header, payload: &Payload) -> Result<()> {
        let mut state = self.state();
        match &mut state.way {
            Way::Ring { ring, newest, .. } => {
                ring.publish(&Outgoing::of(header, payload.memory()))?;
                *newest = header.sequence;
            }
            Way::Streams { history, subscribers } => {
                history.push(Published { header, payload: payload.clone() });
                for subscriber in &*subscribers {
                    // The acceptor removes a subscriber whose connection has ended.
                    let _ = subscriber.out().send_pending(history);
                }
            }
        }
        // Under the lock, so no other thread writes the counter.
        self.event_log.count_exclusive(&self.event_log.sent);
        Ok(())
    }

    /// Publishes several messages, numbered from `first`, with one wake-up or one system call for
    /// each subscriber. Returns how many, and the error that stopped the rest.
    pub fn publish_many(&self, first: u64, sent: Timestamp, payloads: &[Payload]) -> (usize, Result<()>) {
        let header = |(sequence, payload): (u64, &Payload)| Header {
            sequence,
            sent: sent.0,
            ..Header::new(Kind::Data, payload.encoding())
        };
        let numbered = (first..).zip(payloads);
        let mut state = self.state();
        let (count, published) = match &mut state.way {
            Way::Ring { ring, newest, .. } => {
                let mut frames = numbered.map(|one| Outgoing::of(header(one), one.1.memory()));
                let published = ring.publish_many(&mut frames);
                if published.0 > 0 {
                    *newest = first + published.0 as u64 - 1;
                }
                published
            }
            Way::Streams { history, subscribers } => {
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
                    history.push(Published { header: header(one), payload: one.1.clone() });
                }
                send_all(history);
                (payloads.len(), Ok(()))
            }
        };
        // Under the lock, so no other thread writes the counter.
        self.event_log.add_exclusive(&self.event_log.sent, count as u64);
        (count, published)
    }

    /// Returns the counters that listings show: messages, subscribers, and how many messages the
    /// slowest of them has not read (`behind`).
    pub fn state_for_listing(&self) -> Map {
        let messages = self.event_log.sent.load(Ordering::Relaxed);
        let (peers, behind) = match &self.state().way {
            Way::Ring { ring, newest, subscribers, .. } => {
                // A subscriber that has read nothing yet starts with the newest message.
                let unread =
                    |read: u64| if read == 0 { messages.min(1) } else { newest.saturating_sub(read) };
                (subscribers.len(), subscribers.iter().map(|s| unread(ring.read_so_far(s.id))).max())
            }
            Way::Streams { history, subscribers } => {
                let unread = |s: &Arc<StreamSubscriber>| history.last().saturating_sub(s.out().sequence);
                (subscribers.len(), subscribers.iter().map(unread).max())
            }
        };
        Map::from_iter([
            ("messages".to_owned(), messages.into()),
            ("peers".to_owned(), (peers as u64).into()),
            ("behind".to_owned(), behind.unwrap_or(0).into()),
        ])
    }

    /// Returns the number of the newest message; 0 before the first.
    pub fn newest(&self) -> u64 {
        match &self.state().way {
            Way::Ring { newest, .. } => *newest,
            Way::Streams { history, .. } => history.last(),
        }
    }

    /// Returns how many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        match &self.state().way {
            Way::Ring { ring, subscribers, .. } => {
                subscribers.iter().filter(|subscriber| subscriber.has_ring(&**ring)).count()
            }
            Way::Streams { subscribers, .. } => subscribers.len(),
        }
    }

    /// Admits a subscriber to the ring. Returns the descriptors for it, the number of its newest
    /// message, and the id for [`Fanout::answered`]. With `once` the subscriber reads the newest
    /// value only, and is not kept.
    pub fn admit_to_ring(
        self: &Arc<Self>,
        handshake: &mut IncomingHandshake,
        session: u64,
        once: bool,
        knows_slots: bool,
    ) -> Result<(Vec<OwnedFd>, u64, u64)> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // Under one lock, so that a subscriber which gets this ring is also woken for later
        // messages in it.
        let mut state = self.state();
        let Way::Ring { ring, newest, subscribers, without_slots } = &mut state.way else {
            return Ok((Vec::new(), 0, id));
        };
        let mut admit = || -> Result<(Vec<OwnedFd>, Option<WatchedSocket>)> {
            if !knows_slots {
                ring.add_without_slots(id)?;
            }
            if !once {
                let descriptors = std::mem::take(&mut handshake.descriptors);
                ring.add(id, descriptors, session, handshake.stream.clone().into_socket()?)?;
            }
            let watcher = Arc::new(DisconnectWatcher { fanout: Arc::downgrade(self), id });
            let watched = (!once || !knows_slots).then(|| handshake.watch(Interest::RDHUP, watcher));
            Ok((ring.descriptors_for_peer(id)?, watched.transpose()?))
        };
        let (descriptors, watched) = admit().inspect_err(|_| ring.remove(id))?;
        match watched {
            Some(watched) if !once => subscribers.push(RingSubscriber { id, answered: false, watched }),
            watched => without_slots.extend(watched.map(|watched| (id, watched))),
        }
        Ok((descriptors, *newest, id))
    }

    /// Records that the hello of this subscriber was answered: from now on it counts.
    pub fn answered(&self, id: u64) {
        if let Way::Ring { ring, subscribers, .. } = &mut self.state().way {
            ring.answered(id);
            subscribers
                .iter_mut()
                .filter(|subscriber| subscriber.id == id)
                .for_each(|one| one.answered = true);
        }
        self.changed.wake();
    }

    /// Counts a subscriber with a socket of its own from the moment in which its hello is decided on. It may
    /// read the answer, and no longer be marked as waiting, before [`Fanout::admit_to_stream`] is called:
    /// [`Fanout::drain`] waits for it meanwhile.
    pub fn unadmitted(self: &Arc<Self>) -> Unadmitted {
        self.unadmitted.fetch_add(1, Ordering::AcqRel);
        Unadmitted(self.clone())
    }

    /// Admits a subscriber with a socket of its own, after its hello was answered. Sends its first
    /// messages; with `once`, no others follow.
    pub fn admit_to_stream(
        self: &Arc<Self>,
        stream: Stream,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
        once: bool,
        begin: Begin,
    ) {
        // A small queue makes a slow subscriber miss messages rather than read old ones. If the kernel
        // refuses, it queues more.
        let _ = self.buffer.map(|bytes| stream.limit_send_queue(bytes));
        let tx = Tx::Stream(StreamTx::new(stream, self.checked));
        let mut out = Out::new(tx, Interest::RDHUP);
        let mut state = self.state();
        let Way::Streams { history, .. } = &mut state.way else { return };
        out.begin(history, begin);
        // An error is the end of the new connection, which the acceptor handles.
        if once {
            let _ = match history.newest() {
                Some(_) => out.send_pending(history),
                None => out
                    .tx
                    .try_send(&Outgoing::new(Header::new(Kind::Ack, crate::Encoding::Raw), &[]))
                    .map(drop),
            };
            // The rest is sent while the connection is kept.
            if out.tx.flush().unwrap_or(true) {
                return;
            }
        }
        self.keep(state, out, watched);
    }

    /// Admits a program without Linkspan: it gets the newest value as a line, and then all that
    /// follow.
    pub fn admit_without_hello(self: &Arc<Self>, connection: RawConnection, division: Division) {
        let _ = self.buffer.map(|bytes| connection.stream.limit_send_queue(bytes));
        let (tx, _) = plain::link(connection.stream.clone(), division, 0, false);
        // A closed sending side is not the end of such a subscriber, which may close it at once.
        let mut out = Out::new(Tx::Plain(tx), Interest::empty());
        let mut state = self.state();
        let Way::Streams { history, .. } = &mut state.way else { return };
        out.begin(history, Begin::With(history.last()));
        self.keep(state, out, |watcher| connection.watch(Interest::empty(), watcher));
    }

    /// Registers a subscriber and sends its first messages.
    fn keep(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        out: Out,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(StreamSubscriber { id, out: Mutex::new(out) });
        let watcher =
            Arc::new(RoomWatcher { fanout: Arc::downgrade(self), subscriber: Arc::downgrade(&subscriber) });
        if let Ok(watched) = watched(watcher)
            && let Way::Streams { history, subscribers } = &mut state.way
        {
            let mut out = subscriber.out();
            out.watched = Some(watched);
            let _ = out.send_pending(history);
            drop(out);
            subscribers.push(subscriber);
        }
        drop(state);
        self.changed.wake();
    }

    /// Waits until the kernel has everything for each subscriber that is still connected.
    ///
    /// # Errors
    /// `Timeout` with the number of subscribers that read too slowly.
    pub fn drain(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.arm()?;
        loop {
            waker.drain();
            let lagging = self.lagging();
            if lagging == 0 {
                return Ok(());
            }
            match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    let text = format!(
                        "closed; {lagging} subscribers had not taken everything that was published: they read too slowly, or have stopped"
                    );
                    return Err(Error::new(ErrorKind::Timeout, text));
                }
                waited => drop(waited?),
            }
        }
    }

    /// Sends as much as possible, and returns how many subscribers have not been sent everything.
    fn lagging(&self) -> usize {
        match &mut self.state().way {
            // Subscribers that have the ring can read it after the publisher has ended.
            Way::Ring { ring, subscribers, .. } => {
                subscribers.iter().filter(|subscriber| !subscriber.has_ring(&**ring)).count()
            }
            Way::Streams { history, subscribers } => subscribers
                .iter()
                .filter(|subscriber| {
                    let mut out = subscriber.out();
                    // The acceptor sees the end of a connection too.
                    out.send_pending(history).is_ok()
                        && (history.after(out.sequence).is_some() || matches!(out.tx.flush(), Ok(false)))
                })
                .count()
                .saturating_add(self.unadmitted.load(Ordering::Acquire)),
        }
    }

    /// Waits until so many subscribers are connected.
    ///
    /// # Errors
    /// `Timeout` with how many are connected.
    pub fn wait_for_subscribers(&self, count: usize, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.arm()?;
        loop {
            waker.drain();
            let connected = self.subscribers();
            if connected >= count {
                return Ok(());
            }
            match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    let text = format!(
                        "{connected} of {count} subscribers came in time; start the others, or wait longer"
                    );
                    return Err(Error::new(ErrorKind::Timeout, text));
                }
                waited => drop(waited?),
            }
        }
    }

    /// Waits until a subscriber connects or disconnects, or the deadline.
    pub fn wait_for_change(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.arm()?;
        match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
            Err(e) if e.kind() != ErrorKind::Timeout => Err(e),
            _ => {
                waker.drain();
                Ok(())
            }
        }
    }

    /// Disconnects all subscribers.
    pub fn disconnect_all(&self) {
        let mut state = self.state();
        let removed = match &mut state.way {
            Way::Ring { ring, subscribers, without_slots, .. } => {
                subscribers.iter().for_each(|subscriber| ring.remove(subscriber.id));
                without_slots.iter().for_each(|(id, _)| ring.remove(*id));
                ring.close();
                (std::mem::take(subscribers), std::mem::take(without_slots), Vec::new())
            }
            Way::Streams { subscribers, .. } => (Vec::new(), Vec::new(), std::mem::take(subscribers)),
        };
        drop(state);
        drop(removed);
    }

    /// Removes a subscriber whose connection has ended.
    fn remove(&self, id: u64) {
        let mut state = self.state();
        // Dropped after the lock: see the head of this file.
        let (mut on_ring, mut without, mut on_streams) = (Vec::new(), Vec::new(), Vec::new());
        match &mut state.way {
            Way::Ring { ring, subscribers, without_slots, .. } => {
                ring.remove(id);
                on_ring.extend(subscribers.extract_if(.., |s| s.id == id));
                without.extend(without_slots.extract_if(.., |one| one.0 == id));
            }
            Way::Streams { subscribers, .. } => on_streams.extend(subscribers.extract_if(.., |s| s.id == id)),
        }
        drop(state);
        // It may still view arrays: the end of its socket ends the views.
        on_ring.iter_mut().for_each(|subscriber: &mut RingSubscriber| subscriber.watched.hangs_up = false);
        drop((on_ring, without, on_streams));
        self.changed.wake();
    }
}

impl Lender for Fanout {
    fn lend(&self, elements: &[u8]) -> Option<Bytes> {
        let lent = self.slots.as_ref()?.lend(elements);
        let EventLog { arrays_in_slots, arrays_without_slot, .. } = &self.event_log;
        self.event_log.count(if lent.is_some() { arrays_in_slots } else { arrays_without_slot });
        lent
    }
}

impl StreamSubscriber {
    /// Locks the sending side.
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    /// Returns a sending side that has sent nothing.
    fn new(tx: Tx, hangup_interest: Interest) -> Out {
        Out { tx, hangup_interest, sequence: 0, retained: false, full: false, watched: None }
    }

    /// Sets where the subscriber begins.
    fn begin(&mut self, history: &History, begin: Begin) {
        match begin {
            Begin::After(number) => self.sequence = number.min(history.last()),
            Begin::With(newest) => {
                self.sequence = newest.saturating_sub(1);
                self.retained = newest > 0
                    && history.after(self.sequence).is_some_and(|next| next.header.sequence == newest);
            }
        }
    }

    /// Sends the next messages until the queue is full. The others stay in the history; once that
    /// has dropped them, the subscriber sees a gap in the numbers.
    fn send_pending(&mut self, history: &History) -> Result<()> {
        if self.full {
            return Ok(());
        }
        while let Some(next) = history.after(self.sequence) {
            let many = if self.retained || next.header.sequence == history.last() {
                0
            } else {
                self.tx.try_send_many(history.all_after(self.sequence).take(RUN).map(|p| p.frame(false)))?
            };
            // Relayed messages may leave numbers out.
            let last = many.checked_sub(1).and_then(|before| history.all_after(self.sequence).nth(before));
            if let Some(last) = last {
                self.sequence = last.header.sequence;
                continue;
            }
            let frame = next.frame(self.retained);
            match self.tx.try_send(&frame)? {
                Sent::Whole => {}
                Sent::Part => self.tx.adopt(&frame),
                Sent::Blocked => {
                    self.watch_room(true);
                    return Ok(());
                }
            }
            (self.sequence, self.retained) = (next.header.sequence, false);
        }
        if !self.tx.flush()? {
            self.watch_room(true);
        }
        Ok(())
    }

    /// Starts or stops being called when the queue has room.
    fn watch_room(&mut self, wanted: bool) {
        if let Some(watched) = &self.watched {
            self.full = wanted;
            let what = if wanted { self.hangup_interest | Interest::OUT } else { self.hangup_interest };
            // Fails only for a descriptor that is not registered, and this one is.
            let _ = watched.change(what);
        }
    }
}

/// Removes a subscriber of the ring when its connection ends.
struct DisconnectWatcher {
    fanout: std::sync::Weak<Fanout>,
    id: u64,
}

impl Watcher for DisconnectWatcher {
    fn ready(&self, _what: Interest) -> bool {
        if let Some(fanout) = self.fanout.upgrade() {
            fanout.remove(self.id);
        }
        false
    }
}

/// Sends more when a slow subscriber has room again.
struct RoomWatcher {
    fanout: std::sync::Weak<Fanout>,
    subscriber: std::sync::Weak<StreamSubscriber>,
}

impl Watcher for RoomWatcher {
    fn ready(&self, what: Interest) -> bool {
        let (Some(fanout), Some(subscriber)) = (self.fanout.upgrade(), self.subscriber.upgrade()) else {
            return false;
        };
        if what.intersects(Interest::RDHUP | Interest::HUP | Interest::ERR) {
            fanout.remove(subscriber.id);
            return false;
        }
        let mut state = fanout.state();
        let Way::Streams { history, .. } = &mut state.way else { return false };
        let mut out = subscriber.out();
        out.watch_room(false);
        let sent = out.send_pending(history);
        drop(out);
        drop(state);
        fanout.changed.wake();
        if sent.is_err() {
            fanout.remove(subscriber.id);
        }
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deadline::Deadline;
    use crate::transport::endpoint::Endpoint;

    #[test]
    fn drain_waits_for_a_subscriber_whose_hello_is_being_answered() {
        let endpoint: Endpoint = "unix:drained".parse().unwrap();
        let fanout = Arc::new(Fanout::new(endpoint.transport(), 1, None, 1 << 20).unwrap());
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
