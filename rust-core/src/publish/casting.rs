//! How a publisher reaches its subscribers: one ring that all read, or a stream for each.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::channel::record::Record;
use crate::error::{Doing, Result};
use crate::frame::{Header, Kind, Outgoing, flags};
use crate::message::Payload;
use crate::sys::poll::Interest;
use crate::transport::endpoint::Transport;
use crate::transport::harbour::{Arrival, Entrant, Watched, Watcher};
use crate::transport::plain::{self, Division};
use crate::transport::shm::{Broadcast, Subscription};
use crate::transport::socket::StreamTx;
use crate::transport::stream::Stream;
use crate::transport::{Sent, Tx};
use crate::value::Map;

/// Bytes of a publisher's ring where nothing else is said.
const RING: usize = 1 << 20;

/// A published message, kept for those who come later.
#[derive(Clone)]
struct Published {
    header: Header,
    payload: Payload,
}

impl Published {
    fn frame(&self, retained: bool) -> Outgoing<'_> {
        let mut header = self.header;
        header.flags |= if retained { flags::RETAINED } else { 0 };
        Outgoing::new(header, self.payload.body())
    }
}

/// What the program's thread and the harbour's share.
pub struct Casting {
    state: Mutex<State>,
    pub record: Record,
    next_id: AtomicU64,
    /// Whether each body goes with its check sum.
    checked: bool,
    /// Bytes that the kernel may keep for one subscriber, where the program says.
    buffer: Option<usize>,
}

struct State {
    way: Way,
    newest: Option<Published>,
}

enum Way {
    Shm { ring: Broadcast, subscribers: Vec<ShmSubscriber> },
    Streams { subscribers: Vec<Arc<StreamSubscriber>> },
}

struct ShmSubscriber {
    id: u64,
    subscription: Subscription,
    _watched: Watched,
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
    watched: Option<Watched>,
}

impl Casting {
    pub fn new(transport: Transport, session: u64, buffer: Option<usize>) -> Result<Casting> {
        let way = match transport {
            Transport::Shm => {
                let ring = Broadcast::create(session, buffer.unwrap_or(RING))?;
                Way::Shm { ring, subscribers: Vec::new() }
            }
            // What keeps its values has no subscribers that it knows of.
            Transport::Unix | Transport::Tcp | Transport::File | Transport::Journal => {
                Way::Streams { subscribers: Vec::new() }
            }
            other => return Err(other.unavailable()),
        };
        let state = Mutex::new(State { way, newest: None });
        Ok(Casting {
            state,
            record: Record::default(),
            next_id: AtomicU64::new(1),
            checked: transport == Transport::Tcp,
            buffer,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes one message; waits for nobody.
    pub fn publish(&self, header: Header, payload: &Payload) -> Result<()> {
        let mut state = self.state();
        let published = Published { header, payload: payload.clone() };
        match &mut state.way {
            Way::Shm { ring, subscribers } => {
                ring.publish(&published.frame(false))?;
                ring.notify(subscribers.iter_mut().map(|s| &mut s.subscription));
            }
            Way::Streams { subscribers } => {
                for subscriber in &*subscribers {
                    // One that is gone is taken out by the harbour, which sees its hang-up.
                    let _ = subscriber.out().offer(&published, false);
                }
                state.newest = Some(published);
            }
        }
        self.record.count(&self.record.sent);
        Ok(())
    }

    /// What a listing shows: messages, subscribers, and how many messages the slowest of them has still to read.
    pub fn state_for_listing(&self) -> Map {
        let messages = self.record.sent.load(Ordering::Relaxed);
        // One that has read nothing yet is given the newest alone.
        let left = |read: u64| if read == 0 { messages.min(1) } else { messages.saturating_sub(read) };
        let (peers, behind) = match &self.state().way {
            Way::Shm { subscribers, .. } => {
                (subscribers.len(), subscribers.iter().map(|s| left(s.subscription.read_so_far())).max())
            }
            Way::Streams { subscribers } => {
                (subscribers.len(), subscribers.iter().map(|s| left(s.out().sequence)).max())
            }
        };
        Map::from_iter([
            ("messages".to_owned(), messages.into()),
            ("peers".to_owned(), (peers as u64).into()),
            ("behind".to_owned(), behind.unwrap_or(0).into()),
        ])
    }

    /// How many subscribers there are.
    pub fn subscribers(&self) -> usize {
        match &self.state().way {
            Way::Shm { subscribers, .. } => subscribers.len(),
            Way::Streams { subscribers } => subscribers.len(),
        }
    }

    /// Lets a subscriber to the ring in; gives the descriptor of the ring. One that wants the newest value alone is
    /// told nothing later, so it is not kept.
    pub fn admit_to_ring(
        self: &Arc<Self>,
        arrival: &mut Arrival,
        session: u64,
        once: bool,
    ) -> Result<Vec<OwnedFd>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = if once {
            None
        } else {
            let descriptors = std::mem::take(&mut arrival.descriptors);
            let socket = arrival.stream.clone().into_socket()?;
            let subscription = Subscription::from_descriptors(descriptors, session, socket)?;
            let watcher = Arc::new(HangUp { casting: Arc::downgrade(self), id });
            Some(ShmSubscriber { id, subscription, _watched: arrival.watch(Interest::RDHUP, watcher)? })
        };
        // Both under one lock: whoever gets this ring is also told what is published in it from now on.
        let mut state = self.state();
        let Way::Shm { ring, subscribers } = &mut state.way else { return Ok(Vec::new()) };
        let ring =
            ring.descriptor_for_peer().try_clone_to_owned().doing("duplicating a ring's descriptor")?;
        subscribers.extend(subscriber);
        Ok(vec![ring])
    }

    /// Gives a subscriber with a socket of its own the newest value, and keeps it for more. To be called once its hello
    /// has been answered.
    pub fn admit_to_stream(
        self: &Arc<Self>,
        stream: Stream,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<Watched>,
        once: bool,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // A subscriber that reads slowly is to miss messages rather than to read old ones: where the kernel will not have
        // less in its queue, it gets more.
        let _ = self.buffer.map(|bytes| stream.keep_at_most(bytes));
        let tx = Tx::Stream(StreamTx::new(stream, self.checked));
        let mut out = Out { tx, gone: Interest::RDHUP, sequence: 0, watched: None };
        let state = self.state();
        let newest = state.newest.clone();
        // An error here is the hang-up of a newcomer: there is nobody to tell.
        if once {
            let _ = match &newest {
                Some(newest) => out.offer(newest, true),
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
        self.keep(state, id, out, watched, newest, once);
    }

    /// Gives somebody who knows nothing of Linkspan the newest value as a line, and keeps it for more.
    pub fn admit_stranger(self: &Arc<Self>, entrant: Entrant, division: Division) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let _ = self.buffer.map(|bytes| entrant.stream.keep_at_most(bytes));
        let (tx, _) = plain::link(entrant.stream.clone(), division, 0, false);
        // One that has stopped writing may have had nothing to say from the beginning.
        let out = Out { tx: Tx::Plain(tx), gone: Interest::empty(), sequence: 0, watched: None };
        let state = self.state();
        let newest = state.newest.clone();
        self.keep(state, id, out, |watcher| entrant.watch(Interest::empty(), watcher), newest, false);
    }

    /// Keeps a subscriber from now on, with what it has still to be given.
    fn keep(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        id: u64,
        out: Out,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<Watched>,
        newest: Option<Published>,
        once: bool,
    ) {
        let subscriber = Arc::new(StreamSubscriber { id, out: Mutex::new(out) });
        let watcher =
            Arc::new(Room { casting: Arc::downgrade(self), subscriber: Arc::downgrade(&subscriber) });
        if let Ok(watched) = watched(watcher) {
            let mut out = subscriber.out();
            out.watched = Some(watched);
            if let Some(newest) = newest.filter(|_| !once) {
                let _ = out.offer(&newest, true);
            } else if once {
                out.await_room(true);
            }
            drop(out);
            if let Way::Streams { subscribers } = &mut state.way {
                subscribers.push(subscriber);
            }
        }
    }

    /// Lets everybody go.
    pub fn end(&self) {
        let mut state = self.state();
        let gone = match &mut state.way {
            Way::Shm { subscribers, .. } => (std::mem::take(subscribers), Vec::new()),
            Way::Streams { subscribers } => (Vec::new(), std::mem::take(subscribers)),
        };
        drop(state);
        drop(gone);
    }

    fn remove(&self, id: u64) {
        let mut state = self.state();
        // What is removed is dropped after the lock: its end asks the harbour, which may be asking us.
        let gone: (Vec<ShmSubscriber>, Vec<Arc<StreamSubscriber>>) = match &mut state.way {
            Way::Shm { subscribers, .. } => {
                (subscribers.extract_if(.., |s| s.id == id).collect(), Vec::new())
            }
            Way::Streams { subscribers } => {
                (Vec::new(), subscribers.extract_if(.., |s| s.id == id).collect())
            }
        };
        drop(state);
        drop(gone);
    }
}

impl StreamSubscriber {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    /// Sends a message if there is room for it; a subscriber that has none misses it, and sees the gap in the numbers.
    fn offer(&mut self, published: &Published, retained: bool) -> Result<()> {
        let frame = published.frame(retained);
        match self.tx.try_send(&frame)? {
            Sent::Whole => {
                self.sequence = published.header.sequence;
                return Ok(());
            }
            Sent::Part => {
                self.tx.adopt(&frame);
                self.sequence = published.header.sequence;
            }
            Sent::Blocked => {}
        }
        self.await_room(true);
        Ok(())
    }

    fn await_room(&self, wanted: bool) {
        if let Some(watched) = &self.watched {
            let what = if wanted { self.gone | Interest::OUT } else { self.gone };
            // The descriptor is in the set as long as it is watched.
            let _ = watched.change(what);
        }
    }
}

/// Takes a subscriber out when its connection ends.
struct HangUp {
    casting: std::sync::Weak<Casting>,
    id: u64,
}

impl Watcher for HangUp {
    fn ready(&self, _what: Interest) -> bool {
        if let Some(casting) = self.casting.upgrade() {
            casting.remove(self.id);
        }
        false
    }
}

/// Brings the rest of a message away when a slow subscriber has room again, and then the newest one if that was missed.
struct Room {
    casting: std::sync::Weak<Casting>,
    subscriber: std::sync::Weak<StreamSubscriber>,
}

impl Watcher for Room {
    fn ready(&self, what: Interest) -> bool {
        let (Some(casting), Some(subscriber)) = (self.casting.upgrade(), self.subscriber.upgrade()) else {
            return false;
        };
        if what.intersects(Interest::RDHUP | Interest::HUP | Interest::ERR) {
            casting.remove(subscriber.id);
            return false;
        }
        let newest = casting.state().newest.clone();
        let mut out = subscriber.out();
        match out.tx.flush() {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => {
                drop(out);
                casting.remove(subscriber.id);
                return false;
            }
        }
        out.await_room(false);
        match newest {
            Some(newest) if newest.header.sequence > out.sequence => out.offer(&newest, false).is_ok(),
            _ => true,
        }
    }
}
