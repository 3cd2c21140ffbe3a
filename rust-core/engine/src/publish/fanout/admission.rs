//! Admits subscribers, and watches their connections.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::{Fanout, FanoutState, Outlet, Reader};
use crate::channel::peers::PeerFacts;
use crate::error::Result;
use crate::frame::{Header, Kind, Outgoing};
use crate::publish::stream_subscriber::{Begin, Out, StreamSubscriber};
use crate::sys::poll::Interest;
use crate::transport::Tx;
use crate::transport::acceptor::{IncomingHandshake, RawConnection, WatchedSocket, Watcher};
use crate::transport::plain::{self, Division};
use crate::transport::stream::Stream;

pub struct Unadmitted(Arc<Fanout>);

impl Drop for Unadmitted {
    fn drop(&mut self) {
        self.0.unadmitted.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.wake();
    }
}

impl Fanout {
    /// Admits a subscriber of this session to the ring. It continues after the number `after` if it was connected or
    /// waiting before. Returns its descriptors, the newest number, and the id for [`Fanout::answered`]. With `once`, it
    /// reads only the newest value and is not kept.
    pub fn admit_to_ring(
        self: &Arc<Self>,
        handshake: &mut IncomingHandshake,
        (session, after): (u64, Option<u64>),
        once: bool,
        knows_slots: bool,
        facts: PeerFacts,
    ) -> Result<(Vec<OwnedFd>, u64, u64)> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        // Under one lock: a subscriber that gets this ring is also woken for its later messages.
        let mut state = self.state();
        let FanoutState {
            outlet: Outlet::Shared { tx, subscribers, without_slots, growth },
            session: numbers,
            ..
        } = &mut *state
        else {
            return Ok((Vec::new(), 0, id));
        };
        let newest = numbers.newest();
        // A new subscriber begins with the newest message, or with the next one if there is none.
        let before = after.unwrap_or(if newest > 0 { newest.saturating_sub(1) } else { numbers.last() });
        if !once && let Some(growth) = growth.take() {
            growth.grow(tx);
        }
        let Some(readers) = tx.readers() else { return Ok((Vec::new(), newest, id)) };
        let mut admit = || -> Result<(Vec<OwnedFd>, Option<WatchedSocket>)> {
            if !knows_slots {
                readers.add_without_slots(id)?;
            }
            if !once {
                let descriptors = std::mem::take(&mut handshake.descriptors);
                readers.add(id, descriptors, session, handshake.stream.clone().into_socket()?)?;
            }
            let watcher = Arc::new(DisconnectWatcher { fanout: Arc::downgrade(self), id });
            let watched = (!once || !knows_slots).then(|| handshake.watch(Interest::RDHUP, watcher));
            Ok((readers.descriptors_for_peer(id)?, watched.transpose()?))
        };
        let (descriptors, watched) = admit().inspect_err(|_| readers.remove(id))?;
        match watched {
            Some(watched) if !once => {
                subscribers.push(Reader { id, answered: false, before, watched, facts })
            }
            watched => without_slots.extend(watched.map(|watched| (id, watched))),
        }
        Ok((descriptors, newest, id))
    }

    pub fn answered(&self, id: u64) {
        if let Outlet::Shared { tx, subscribers, .. } = &mut self.state().outlet {
            tx.readers().into_iter().for_each(|readers| readers.answered(id));
            subscribers
                .iter_mut()
                .filter(|subscriber| subscriber.id == id)
                .for_each(|one| one.answered = true);
        }
        self.changed.wake();
    }

    /// Counts a subscriber on a stream from the decision on its hello. It may read the answer and remove its mark
    /// before [`Fanout::admit_to_stream`] is called; [`Fanout::drain`] waits for it in between.
    pub fn unadmitted(self: &Arc<Self>) -> Unadmitted {
        self.unadmitted.fetch_add(1, Ordering::AcqRel);
        Unadmitted(self.clone())
    }

    /// Returns the memory file with the last number for a subscriber on a stream. Without memory returns `None`; then
    /// only the farewell tells the number.
    pub fn last_number(&self) -> Option<OwnedFd> {
        let state = &mut *self.state();
        let Outlet::Each { last, .. } = &mut state.outlet else { return None };
        last.for_peer(state.session.last()).ok()
    }

    /// Admits a subscriber on a stream after the answer to its hello, and sends its first messages. With `once`, no
    /// others follow.
    pub fn admit_to_stream(
        self: &Arc<Self>,
        stream: Stream,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
        once: bool,
        begin: Begin,
        facts: PeerFacts,
    ) {
        // A small queue makes a slow subscriber miss messages instead of reading old ones. If the kernel refuses, it
        // queues more.
        let _ = self.buffer.map(|bytes| stream.limit_send_queue(bytes));
        let tx = Tx::of_stream(stream, self.checked);
        let mut out = Out::new(tx, Interest::RDHUP);
        let mut state = self.state();
        let Outlet::Each { history, .. } = &mut state.outlet else { return };
        out.begin(history, begin);
        // An error is the end of the new connection, which the acceptor handles.
        if once {
            let _ = match history.newest() {
                Some(_) => out.send_pending(history),
                None => out
                    .tx
                    .try_send(&Outgoing::new(Header::new(Kind::Ack, crate::codec::Encoding::Raw), &[]))
                    .map(drop),
            };
            if out.tx.flush().unwrap_or(true) {
                return;
            }
        }
        self.keep(state, out, facts, watched);
    }

    /// Admits a program without Linkspan: it gets the newest value as a line, then all later ones.
    pub fn admit_without_hello(self: &Arc<Self>, connection: RawConnection, division: Division) {
        let _ = self.buffer.map(|bytes| connection.stream.limit_send_queue(bytes));
        let (tx, _) = plain::link(connection.stream.clone(), division, 0, false);
        // Such a subscriber may close its sending side at once and still read.
        let mut out = Out::new(Tx::Plain(tx), Interest::empty());
        let mut state = self.state();
        let Outlet::Each { history, .. } = &mut state.outlet else { return };
        out.begin(history, Begin::With(history.last()));
        let facts = PeerFacts::new(None, &connection.stream, None);
        self.keep(state, out, facts, |watcher| connection.watch(Interest::empty(), watcher));
    }

    fn keep(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, FanoutState>,
        out: Out,
        facts: PeerFacts,
        watched: impl FnOnce(Arc<dyn Watcher>) -> Result<WatchedSocket>,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(StreamSubscriber { id, facts, out: Mutex::new(out) });
        let watcher =
            Arc::new(RoomWatcher { fanout: Arc::downgrade(self), subscriber: Arc::downgrade(&subscriber) });
        if let Ok(watched) = watched(watcher)
            && let Outlet::Each { history, subscribers, .. } = &mut state.outlet
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
}

struct DisconnectWatcher {
    fanout: Weak<Fanout>,
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

struct RoomWatcher {
    fanout: Weak<Fanout>,
    subscriber: Weak<StreamSubscriber>,
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
        let Outlet::Each { history, .. } = &mut state.outlet else { return false };
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
