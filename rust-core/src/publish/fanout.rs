//! How a publisher reaches its subscribers: one ring that all read, or a stream for each.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use super::history::{History, Published};
use crate::channel::batch::RUN;
use crate::channel::record::Record;
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::message::Payload;
use crate::sys::eventfd::LazyWaker;
use crate::sys::poll::{Interest, wait_any};
use crate::transport::acceptor::{IncomingHandshake, RawConnection, WatchedSocket, Watcher};
use crate::transport::endpoint::Transport;
use crate::transport::plain::{self, Division};
use crate::transport::shm::{Broadcast, Subscription};
use crate::transport::socket::StreamTx;
use crate::transport::stream::Stream;
use crate::transport::{Sent, Tx};
use crate::value::{Map, Timestamp};

/// Bytes of a publisher's ring where nothing else is said.
const RING: usize = 1 << 20;

/// What the program's thread and the acceptor's share.
pub struct Fanout {
    state: Mutex<State>,
    pub record: Record,
    next_id: AtomicU64,
    /// Whether each body goes with its check sum.
    checked: bool,
    /// Bytes that the kernel may keep for one subscriber, where the program says.
    buffer: Option<usize>,
    /// Rung when a subscriber comes, goes, or has been given what it was to be given.
    changed: LazyWaker,
}

struct State {
    way: Way,
}

enum Way {
    /// `newest` is the number of the newest message; 0 before the first.
    Shm {
        ring: Broadcast,
        newest: u64,
        subscribers: Vec<ShmSubscriber>,
    },
    Streams {
        history: History,
        subscribers: Vec<Arc<StreamSubscriber>>,
    },
}

struct ShmSubscriber {
    id: u64,
    /// Whether its hello has been answered: until then it has no ring to read, and a publisher that ends now ends without it.
    answered: bool,
    subscription: Subscription,
    _watched: WatchedSocket,
}

impl ShmSubscriber {
    /// Whether it reads the ring, or can: it may have read before we come to know that it was answered.
    fn has_ring(&self) -> bool {
        self.answered || self.subscription.read_so_far() > 0
    }
}

/// Where a subscriber with a stream begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// Behind the message of this number: it was there before, or waited.
    After(u64),
    /// With the message of this number, which was the newest when its hello was answered: what is sent from then on is for it, too.
    With(u64),
}

struct StreamSubscriber {
    id: u64,
    out: Mutex<Out>,
}

struct Out {
    tx: Tx,
    /// What tells that it has gone, besides its hanging up.
    gone: Interest,
    /// The last number that went to it whole, or that the kernel has at least begun with.
    sequence: u64,
    /// Whether the message that goes next is the one that was the newest when it came.
    retained: bool,
    /// Whether its queue in the kernel was full at the last look: then its [`Room`] is told when there is some.
    full: bool,
    watched: Option<WatchedSocket>,
}

impl Fanout {
    pub fn new(transport: Transport, session: u64, buffer: Option<usize>) -> Result<Fanout> {
        let way = match transport {
            Transport::Shm => {
                let ring = Broadcast::create(session, buffer.unwrap_or(RING))?;
                Way::Shm { ring, newest: 0, subscribers: Vec::new() }
            }
            // What keeps its values has no subscribers that it knows of.
            Transport::Unix | Transport::Tcp | Transport::File | Transport::Journal => {
                let history = History::new(buffer.unwrap_or(RING));
                Way::Streams { history, subscribers: Vec::new() }
            }
            other => return Err(other.unavailable()),
        };
        let state = Mutex::new(State { way });
        Ok(Fanout {
            state,
            record: Record::default(),
            next_id: AtomicU64::new(1),
            checked: transport == Transport::Tcp,
            buffer,
            changed: LazyWaker::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes one message; waits for nobody.
    pub fn publish(&self, header: Header, payload: &Payload) -> Result<()> {
        let mut state = self.state();
        match &mut state.way {
            Way::Shm { ring, newest, subscribers } => {
                ring.publish(&Outgoing::new(header, payload.body()))?;
                *newest = header.sequence;
                ring.notify(subscribers.iter_mut().map(|s| &mut s.subscription));
            }
            Way::Streams { history, subscribers } => {
                history.push(Published { header, payload: payload.clone() });
                for subscriber in &*subscribers {
                    // One that is gone is taken out by the acceptor, which sees its hang-up.
                    let _ = subscriber.out().give(history);
                }
            }
        }
        // Under the lock, and nobody else counts these.
        self.record.count_alone(&self.record.sent);
        Ok(())
    }

    /// Publishes several messages with these numbers on, and one wake-up or one system call for each subscriber; gives how many,
    /// and why those behind them were not.
    pub fn publish_many(&self, first: u64, sent: Timestamp, payloads: &[Payload]) -> (usize, Result<()>) {
        let header = |(sequence, payload): (u64, &Payload)| Header {
            sequence,
            sent: sent.0,
            ..Header::new(Kind::Data, payload.encoding())
        };
        let numbered = (first..).zip(payloads);
        let mut state = self.state();
        let (count, published) = match &mut state.way {
            Way::Shm { ring, newest, subscribers } => {
                let frames = numbered.map(|one| Outgoing::new(header(one), one.1.body()));
                let published = ring.publish_many(frames);
                if published.0 > 0 {
                    *newest = first + published.0 as u64 - 1;
                }
                ring.notify(subscribers.iter_mut().map(|s| &mut s.subscription));
                published
            }
            Way::Streams { history, subscribers } => {
                let give = |history: &History| {
                    // One that is gone is taken out by the acceptor, which sees its hang-up.
                    subscribers.iter().for_each(|subscriber| drop(subscriber.out().give(history)));
                };
                let mut pushed = 0;
                for one in numbered {
                    // Nobody is to miss what it was never offered.
                    if history.is_much(pushed + one.1.body().len()) {
                        give(history);
                        pushed = 0;
                    }
                    pushed += one.1.body().len();
                    history.push(Published { header: header(one), payload: one.1.clone() });
                }
                give(history);
                (payloads.len(), Ok(()))
            }
        };
        // Under the lock, and nobody else counts these.
        self.record.count_alone_by(&self.record.sent, count as u64);
        (count, published)
    }

    /// What a listing shows: messages, subscribers, and how many messages the slowest of them has still to read.
    pub fn state_for_listing(&self) -> Map {
        let messages = self.record.sent.load(Ordering::Relaxed);
        let (peers, behind) = match &self.state().way {
            Way::Shm { newest, subscribers, .. } => {
                // One that has read nothing of the ring yet is given the newest alone.
                let left = |read: u64| if read == 0 { messages.min(1) } else { newest.saturating_sub(read) };
                (subscribers.len(), subscribers.iter().map(|s| left(s.subscription.read_so_far())).max())
            }
            Way::Streams { history, subscribers } => {
                let left = |s: &Arc<StreamSubscriber>| history.last().saturating_sub(s.out().sequence);
                (subscribers.len(), subscribers.iter().map(left).max())
            }
        };
        Map::from_iter([
            ("messages".to_owned(), messages.into()),
            ("peers".to_owned(), (peers as u64).into()),
            ("behind".to_owned(), behind.unwrap_or(0).into()),
        ])
    }

    /// The number of the newest message; 0 before the first.
    pub fn newest(&self) -> u64 {
        match &self.state().way {
            Way::Shm { newest, .. } => *newest,
            Way::Streams { history, .. } => history.last(),
        }
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        match &self.state().way {
            Way::Shm { subscribers, .. } => {
                subscribers.iter().filter(|subscriber| subscriber.has_ring()).count()
            }
            Way::Streams { subscribers, .. } => subscribers.len(),
        }
    }

    /// Lets a subscriber to the ring in; gives the descriptor of the ring, the number of the newest message in it, and the number to
    /// call [`Fanout::answered`] with. One that wants the newest value alone is told nothing later, so it is not kept.
    pub fn admit_to_ring(
        self: &Arc<Self>,
        handshake: &mut IncomingHandshake,
        session: u64,
        once: bool,
    ) -> Result<(Vec<OwnedFd>, u64, u64)> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = if once {
            None
        } else {
            let descriptors = std::mem::take(&mut handshake.descriptors);
            let socket = handshake.stream.clone().into_socket()?;
            let subscription = Subscription::from_descriptors(descriptors, session, socket)?;
            let watcher = Arc::new(HangUp { fanout: Arc::downgrade(self), id });
            let _watched = handshake.watch(Interest::RDHUP, watcher)?;
            Some(ShmSubscriber { id, answered: false, subscription, _watched })
        };
        // Both under one lock: whoever gets this ring is also told what is published in it from now on.
        let mut state = self.state();
        let Way::Shm { ring, newest, subscribers } = &mut state.way else {
            return Ok((Vec::new(), 0, id));
        };
        let ring =
            ring.descriptor_for_peer().try_clone_to_owned().doing("duplicating a ring's descriptor")?;
        subscribers.extend(subscriber);
        Ok((vec![ring], *newest, id))
    }

    /// The hello of the subscriber to the ring with this number has been answered: from now on it counts.
    pub fn answered(&self, id: u64) {
        if let Way::Shm { subscribers, .. } = &mut self.state().way {
            subscribers
                .iter_mut()
                .filter(|subscriber| subscriber.id == id)
                .for_each(|one| one.answered = true);
        }
        self.changed.wake();
    }

    /// Gives a subscriber with a socket of its own what it is to begin with, and keeps it for more. To be called once its hello
    /// has been answered.
    pub fn admit_to_stream(
        self: &Arc<Self>,
        stream: Stream,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
        once: bool,
        begin: Begin,
    ) {
        // A subscriber that reads slowly is to miss messages rather than to read old ones: where the kernel will not have
        // less in its queue, it gets more.
        let _ = self.buffer.map(|bytes| stream.keep_at_most(bytes));
        let tx = Tx::Stream(StreamTx::new(stream, self.checked));
        let mut out = Out::new(tx, Interest::RDHUP);
        let mut state = self.state();
        let Way::Streams { history, .. } = &mut state.way else { return };
        out.begin(history, begin);
        // An error here is the hang-up of a newcomer: there is nobody to tell.
        if once {
            let _ = match history.newest() {
                Some(_) => out.give(history),
                None => out
                    .tx
                    .try_send(&Outgoing::new(Header::new(Kind::Ack, crate::Encoding::Raw), &[]))
                    .map(drop),
            };
            // Whatever the kernel did not take at once goes out while the connection is kept.
            if out.tx.flush().unwrap_or(true) {
                return;
            }
        }
        self.keep(state, out, watched);
    }

    /// Gives somebody who knows nothing of Linkspan the newest value as a line, and keeps it for more.
    pub fn admit_without_hello(self: &Arc<Self>, connection: RawConnection, division: Division) {
        let _ = self.buffer.map(|bytes| connection.stream.keep_at_most(bytes));
        let (tx, _) = plain::link(connection.stream.clone(), division, 0, false);
        // One that has stopped writing may have had nothing to say from the beginning.
        let mut out = Out::new(Tx::Plain(tx), Interest::empty());
        let mut state = self.state();
        let Way::Streams { history, .. } = &mut state.way else { return };
        out.begin(history, Begin::With(history.last()));
        self.keep(state, out, |watcher| connection.watch(Interest::empty(), watcher));
    }

    /// Keeps a subscriber from now on, with what it has still to be given.
    fn keep(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        out: Out,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(StreamSubscriber { id, out: Mutex::new(out) });
        let watcher =
            Arc::new(Room { fanout: Arc::downgrade(self), subscriber: Arc::downgrade(&subscriber) });
        if let Ok(watched) = watched(watcher)
            && let Way::Streams { history, subscribers } = &mut state.way
        {
            let mut out = subscriber.out();
            out.watched = Some(watched);
            let _ = out.give(history);
            drop(out);
            subscribers.push(subscriber);
        }
        drop(state);
        self.changed.wake();
    }

    /// Waits until each subscriber has been given everything, as far as the kernel is concerned, or has gone. `Timeout` with the
    /// number of those that have not.
    pub fn drain(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.wanted()?;
        loop {
            waker.drain();
            let behind = self.behind();
            if behind == 0 {
                return Ok(());
            }
            match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    let text = format!(
                        "closed; {behind} subscribers had not taken everything that was published: they read too slowly, or have stopped"
                    );
                    return Err(Error::new(ErrorKind::Timeout, text));
                }
                slept => drop(slept?),
            }
        }
    }

    fn behind(&self) -> usize {
        match &mut self.state().way {
            // What lies in the ring outlives us, for those that have it.
            Way::Shm { subscribers, .. } => {
                subscribers.iter().filter(|subscriber| !subscriber.has_ring()).count()
            }
            Way::Streams { history, subscribers } => subscribers
                .iter()
                .filter(|subscriber| {
                    let mut out = subscriber.out();
                    // An error is its hang-up, which the acceptor sees, too.
                    out.give(history).is_ok()
                        && (history.after(out.sequence).is_some() || matches!(out.tx.flush(), Ok(false)))
                })
                .count(),
        }
    }

    /// Waits until so many subscribers are there.
    pub fn await_subscribers(&self, count: usize, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.wanted()?;
        loop {
            waker.drain();
            let there = self.subscribers();
            if there >= count {
                return Ok(());
            }
            match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
                Err(e) if e.kind() == ErrorKind::Timeout => {
                    let text = format!(
                        "{there} of {count} subscribers came in time; start the others, or wait longer"
                    );
                    return Err(Error::new(ErrorKind::Timeout, text));
                }
                slept => drop(slept?),
            }
        }
    }

    /// Waits until somebody comes or goes, or for a moment.
    pub fn await_change(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let waker = self.changed.wanted()?;
        match wait_any(waiting, [(waker.as_fd(), PollFlags::IN)]) {
            Err(e) if e.kind() != ErrorKind::Timeout => Err(e),
            _ => {
                waker.drain();
                Ok(())
            }
        }
    }

    /// Lets everybody go.
    pub fn end(&self) {
        let mut state = self.state();
        let gone = match &mut state.way {
            Way::Shm { subscribers, .. } => (std::mem::take(subscribers), Vec::new()),
            Way::Streams { subscribers, .. } => (Vec::new(), std::mem::take(subscribers)),
        };
        drop(state);
        drop(gone);
    }

    fn remove(&self, id: u64) {
        let mut state = self.state();
        // What is removed is dropped after the lock: its end asks the acceptor, which may be asking us.
        let gone: (Vec<ShmSubscriber>, Vec<Arc<StreamSubscriber>>) = match &mut state.way {
            Way::Shm { subscribers, .. } => {
                (subscribers.extract_if(.., |s| s.id == id).collect(), Vec::new())
            }
            Way::Streams { subscribers, .. } => {
                (Vec::new(), subscribers.extract_if(.., |s| s.id == id).collect())
            }
        };
        drop(state);
        drop(gone);
        self.changed.wake();
    }
}

impl StreamSubscriber {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn new(tx: Tx, gone: Interest) -> Out {
        Out { tx, gone, sequence: 0, retained: false, full: false, watched: None }
    }

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

    /// Gives it what follows, until its queue is full. What it has no room for stays in the history, and is missed once it has
    /// gone from there: the subscriber sees the gap in the numbers.
    fn give(&mut self, history: &History) -> Result<()> {
        if self.full {
            return Ok(());
        }
        while let Some(next) = history.after(self.sequence) {
            let many = if self.retained || next.header.sequence == history.last() {
                0
            } else {
                self.tx.try_send_many(history.all_after(self.sequence).take(RUN).map(|p| p.frame(false)))?
            };
            // Those that were relayed may leave numbers out.
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
                    self.await_room(true);
                    return Ok(());
                }
            }
            (self.sequence, self.retained) = (next.header.sequence, false);
        }
        if !self.tx.flush()? {
            self.await_room(true);
        }
        Ok(())
    }

    fn await_room(&mut self, wanted: bool) {
        if let Some(watched) = &self.watched {
            self.full = wanted;
            let what = if wanted { self.gone | Interest::OUT } else { self.gone };
            // The descriptor is in the set as long as it is watched.
            let _ = watched.change(what);
        }
    }
}

/// Takes a subscriber out when its connection ends.
struct HangUp {
    fanout: std::sync::Weak<Fanout>,
    id: u64,
}

impl Watcher for HangUp {
    fn ready(&self, _what: Interest) -> bool {
        if let Some(fanout) = self.fanout.upgrade() {
            fanout.remove(self.id);
        }
        false
    }
}

/// Brings the rest of a message away when a slow subscriber has room again, and then the newest one if that was missed.
struct Room {
    fanout: std::sync::Weak<Fanout>,
    subscriber: std::sync::Weak<StreamSubscriber>,
}

impl Watcher for Room {
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
        out.await_room(false);
        let given = out.give(history);
        drop(out);
        drop(state);
        fanout.changed.wake();
        if given.is_err() {
            fanout.remove(subscriber.id);
        }
        given.is_ok()
    }
}
