//! The session with one peer: its outbox and inbox, and the other state that its threads and the acceptor
//! share.
//!
//! A [`SessionState`] lives as long as its peer may return: a channel has one, a server one for
//! each client. It has one link after the other; each is announced with [`SessionState::link_up`] (by the half
//! that sends) and [`SessionState::begin_receiving`] (by the half that receives), because the halves
//! change links at different moments.
//!
//! Over shared memory the two sides acknowledge without frames: each publishes its consumed number
//! in a page that the other maps (`AckWords`), and reads the other's page when it needs room, closes
//! or counts. A frame is then only needed to wake a peer that waits. A page that holds an impossible
//! number is a protocol violation, which is kept until a thread that can end the link takes it.
//!
//! Locking: `halves` before the table of `Slots`. A thread that holds `halves` neither waits nor takes a direction of the
//! channel, because taking one passes through this lock (`sys::seat`); the atomics are read without it.

pub mod admission;
mod calls;
mod halves;
mod lender;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event_log::EventLog;
use super::options::{Delivery, Options};
use crate::session::inbox::{AckTrigger, AckUrgency, Fate, Verdict};
use crate::session::outbox::Unacknowledged;
use crate::session::places::Reuse;
use crate::session::{Identity, Inbox, Outbox, ReplayLimits, RetransmitClass, SessionHello};

use crate::error::Result;
use crate::frame::{Header, Kind, flags};
use crate::message::StoredMessage;
use crate::sys::eventfd::LazyWaker;
use crate::sys::{fork, seat};
use crate::transport::{AckWords, Slots};
use crate::value::{Map, Value};

use self::calls::Calls;
pub use self::halves::SessionHalves;
pub use self::lender::SlotLender;

/// The result of the hellos of a link: the peer's session, and the session state of this side for it.
#[derive(Clone)]
pub struct Negotiated {
    /// The session in the peer's hello.
    pub hello: SessionHello,
    /// The identity by which the peer is recognised when it connects again.
    pub identity: Identity,
    pub session_state: Arc<SessionState>,
    /// The pages in shared memory in which each side publishes how far it has consumed; none if the transport
    /// has no shared memory, so that acknowledgements travel in frames.
    pub ack_words: Option<Arc<AckWords>>,
    /// The slots in which this side places long arrays; none if the link shares no memory.
    pub slots: Option<Arc<Slots>>,
}

impl Reuse for StoredMessage {
    #[inline]
    fn release(&mut self) {
        StoredMessage::release(self);
    }
}

/// The session with one peer.
pub struct SessionState {
    /// The outbox and the inbox. Shared with the directions of the channel, of which it is the gate.
    halves: Arc<seat::Mutex<SessionHalves>>,
    /// Signalled at every acknowledgement, for a thread that waits for room while another one
    /// receives.
    pub acknowledgements: LazyWaker,
    /// How many links it has had, of which the newest is the one to send over. Raised under the lock.
    pub links: AtomicU64,
    /// Whether a new link may have messages to replay. Read without the lock before every message.
    pub replays: AtomicBool,
    /// Whether a receiving thread left an acknowledgement to the thread that sends.
    ack_deferred: AtomicBool,
    /// Whether the peer requested that acknowledgement, so that it is sent in any case.
    ack_requested: AtomicBool,
    /// Requests whose callers gave up, and of which the peer was not informed.
    withdrawn: Mutex<Vec<u64>>,
    /// Lost data messages that were not reported to the program.
    unreported_losses: AtomicU64,
    /// The fork generation. In a forked child a thread of the parent may have the lock for good.
    generation: u64,
}

impl SessionState {
    /// Returns the state for a new session with this number, which has had no peer.
    pub fn new(session: u64, options: &Options) -> Arc<SessionState> {
        let keeps = options.delivery.unwrap_or(Delivery::AtLeastOnce) != Delivery::BestEffort;
        let limits = keeps.then_some(ReplayLimits {
            count: options.replay_count,
            bytes: usize::try_from(options.replay_bytes).unwrap_or(usize::MAX),
        });
        let halves = SessionHalves {
            outbox: Outbox::new(session, limits),
            inbox: Inbox::new(options.ack),
            own_page: None,
            published: 0,
            peer_page: None,
            wanted: 0,
            violation: None,
            slots: None,
            calls: Calls::new(),
        };
        Arc::new(SessionState {
            halves: Arc::new(seat::Mutex::new(halves)),
            acknowledgements: LazyWaker::default(),
            links: AtomicU64::new(0),
            replays: AtomicBool::new(false),
            ack_deferred: AtomicBool::new(false),
            ack_requested: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            unreported_losses: AtomicU64::new(0),
            generation: fork::generation(),
        })
    }

    /// Locks the halves. Held for a few operations, never while waiting.
    #[inline]
    pub fn halves(&self) -> seat::GateGuard<'_, SessionHalves> {
        seat::lock(&self.halves)
    }

    /// Returns the lock of the halves, for the directions of a channel.
    pub fn gate(&self) -> Arc<seat::Mutex<SessionHalves>> {
        self.halves.clone()
    }

    /// Returns this side's part of a hello that is written now.
    pub fn hello(&self) -> SessionHello {
        let halves = self.halves();
        halves.outbox.hello(halves.inbox.progress())
    }

    /// Starts sending over a new link. Messages kept for another peer are dropped and counted in
    /// `event_log`.
    ///
    /// # Errors
    /// `Malformed` if the peer's hello has impossible claims.
    pub fn link_up(&self, negotiated: &Negotiated, event_log: &EventLog) -> Result<()> {
        let mut halves = self.halves();
        // The page of the last link still has the progress of its peer.
        halves.read_peer_page();
        (halves.peer_page, halves.violation) = (None, None);
        self.links.fetch_add(1, Ordering::Release);
        let resumed = halves.outbox.link_up(&negotiated.hello, negotiated.identity.clone())?;
        halves.peer_page = negotiated.ack_words.clone();
        if halves.wanted > 0 {
            // A thread that waits since the last link asks this peer, too, before anything is sent to it.
            let number = halves.wanted;
            halves.want(number);
        }
        halves.slots = negotiated.slots.clone();
        self.replays.store(halves.outbox.to_replay().is_some(), Ordering::Release);
        drop(halves);
        self.count_lost(resumed.dropped as u64, resumed.lost as u64, event_log);
        Ok(())
    }

    /// Drops the messages kept for a peer that cannot return, and counts them in `event_log`.
    pub fn drop_kept(&self, event_log: &EventLog) {
        let mut halves = self.halves();
        halves.read_peer_page();
        let lost = halves.outbox.kept_data() as u64;
        let dropped = halves.outbox.drop_kept() as u64;
        drop(halves);
        self.count_lost(dropped, lost, event_log);
    }

    /// Counts dropped messages, and reports those with a promise of delivery.
    fn count_lost(&self, dropped: u64, lost: u64, event_log: &EventLog) {
        event_log.dropped.fetch_add(dropped, Ordering::Relaxed);
        if lost > 0 {
            event_log.lost_for_peer(lost);
            self.unreported_losses.fetch_add(lost, Ordering::AcqRel);
        }
    }

    /// Returns whether lost messages were not reported to the program yet.
    #[inline]
    pub fn has_unreported_losses(&self) -> bool {
        self.unreported_losses.load(Ordering::Acquire) > 0
    }

    /// Returns the number of lost messages once; the caller reports them.
    pub fn take_unreported_losses(&self) -> u64 {
        if self.unreported_losses.load(Ordering::Acquire) == 0 {
            0
        } else {
            self.unreported_losses.swap(0, Ordering::AcqRel)
        }
    }

    /// Starts receiving over a new link.
    pub fn begin_receiving(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        halves.inbox.hello(&negotiated.hello);
        (halves.own_page, halves.published) = (negotiated.ack_words.clone(), 0);
        halves.publish();
    }

    /// Ends sending over a link: the last number in its page is read, then the page and the slots
    /// are released. A link that was replaced already changes nothing.
    pub fn sending_ended(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        if is_same(&halves.peer_page, &negotiated.ack_words) {
            halves.read_peer_page();
            halves.peer_page = None;
            halves.slots = None;
        }
    }

    /// Ends receiving over a link. A link that was replaced already changes nothing.
    pub fn receiving_ended(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        if is_same(&halves.own_page, &negotiated.ack_words) {
            halves.own_page = None;
        }
    }

    /// Records that the program receives again: see [`Inbox::consumed`]. Returns whether an
    /// acknowledgement frame is pending.
    #[inline]
    pub fn consumed(&self, trigger: AckTrigger) -> bool {
        let mut halves = self.halves();
        halves.inbox.consumed();
        halves.publish();
        halves.is_ack_due(trigger)
    }

    /// Records an acknowledgement by the program: see [`Inbox::acknowledge`].
    pub fn acknowledge(&self, session: u64, up_to: u64) {
        let mut halves = self.halves();
        halves.inbox.acknowledge(session, up_to);
        halves.publish();
    }

    /// Records that one message is consumed: see [`Inbox::finished`].
    pub fn finished(&self, session: u64, number: u64) {
        self.halves().finished(session, number);
    }

    /// Returns the messages that the peer has not acknowledged yet.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut halves = self.halves();
        halves.read_peer_page();
        halves.outbox.unacknowledged()
    }

    /// Asks a peer that acknowledges in its page for a frame as soon as there is room for such a
    /// message. The caller checks for room once more afterwards, because the peer may have consumed
    /// in between.
    pub fn want_room(&self, class: RetransmitClass, bytes: usize) {
        let mut halves = self.halves();
        if !halves.outbox.has_room(class, bytes) {
            let number = halves.outbox.wanted();
            halves.want(number);
        }
    }

    /// Asks a peer that acknowledges in its page for a frame once everything that was sent is
    /// consumed. The caller checks once more afterwards.
    pub fn want_consumed(&self) {
        let mut halves = self.halves();
        let number = halves.outbox.unacknowledged().last;
        halves.want(number);
    }

    /// Withdraws the request for a frame: no thread waits.
    pub fn clear_wanted(&self) {
        self.halves().want(0);
    }

    /// Takes over an acknowledgement from a frame, and wakes threads that wait for room.
    ///
    /// # Errors
    /// `Malformed` for an impossible number: the caller ends the link.
    pub fn acknowledged(&self, number: u64) -> Result<()> {
        self.halves().outbox.acknowledged(number)?;
        self.acknowledgements.wake();
        Ok(())
    }

    /// Accepts the message of a frame: takes over the acknowledgement in its header, calls `first`, and records the message.
    /// Returns the session and how many messages before it were lost; none for a duplicate.
    ///
    /// # Errors
    /// Those of `first`, and `Malformed` for an impossible number: the caller ends the link.
    pub fn accept(
        &self,
        header: &Header,
        bytes: usize,
        fate: Fate,
        first: impl FnOnce(&mut SessionHalves) -> Result<()>,
    ) -> Result<Option<(u64, u64)>> {
        let Header { kind, flags, sequence, correlation, .. } = *header;
        let acknowledges = correlation > 0 && !kind.is_answer();
        let mut halves = self.halves();
        if acknowledges {
            halves.outbox.acknowledged(correlation)?;
        }
        let received = first(&mut halves)
            .and_then(|()| halves.inbox.received(sequence, bytes, urgency(kind, flags), fate));
        let session = halves.inbox.session();
        drop(halves);
        if acknowledges {
            self.acknowledgements.wake();
        }
        Ok(match received? {
            Verdict::Duplicate => None,
            Verdict::New { missed } => Some((session, missed)),
        })
    }

    /// Leaves an acknowledgement to the thread that is sending now, which sends it when it releases
    /// the direction.
    pub fn defer_ack(&self, trigger: AckTrigger) {
        if trigger == AckTrigger::Requested {
            self.ack_requested.store(true, Ordering::Release);
        }
        self.ack_deferred.store(true, Ordering::Release);
    }

    /// Notes that the caller of this request gave up, for the peer to be informed.
    pub fn withdraw(&self, request: u64) {
        /// The most withdrawals that are kept; further ones are not sent. A server that receives nothing for so long
        /// has the requests in its queue and carries them out.
        const MOST: usize = 1024;
        let mut withdrawn = self.withdrawn();
        if withdrawn.len() < MOST {
            withdrawn.push(request);
        }
    }

    /// Locks the requests whose withdrawal is to be sent to the peer.
    pub fn withdrawn(&self) -> MutexGuard<'_, Vec<u64>> {
        self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether an acknowledgement was left to the thread that sends.
    #[inline]
    pub fn has_deferred_ack(&self) -> bool {
        self.ack_deferred.load(Ordering::Acquire)
    }

    /// Returns the occasion of the acknowledgement that was left, once.
    pub fn take_deferred_ack(&self) -> Option<AckTrigger> {
        if !self.ack_deferred.swap(false, Ordering::AcqRel) {
            return None;
        }
        let ack_requested = self.ack_requested.swap(false, Ordering::AcqRel);
        Some(if ack_requested { AckTrigger::Requested } else { AckTrigger::Park })
    }

    /// Adds the counters of the session to an object's `stats()`.
    pub fn add_stats(&self, stats: &mut Map) {
        let mut halves = self.halves();
        halves.read_peer_page();
        let (out, inbox) = (halves.outbox.stats(), halves.inbox.stats());
        for (name, count) in [
            ("acknowledged", out.acknowledged),
            ("unacknowledged", out.unacknowledged),
            ("replayed", out.replayed),
            ("consumed", inbox.consumed),
            ("unconsumed", inbox.unconsumed),
            ("duplicates", inbox.duplicates),
            ("ack_frames", inbox.ack_frames),
        ] {
            stats.insert(name.into(), Value::from(count));
        }
    }
}

/// Returns whether both are the same page; false where one is missing.
fn is_same(a: &Option<Arc<AckWords>>, b: &Option<Arc<AckWords>>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
}

/// Returns the retransmission class of a message, from its kind and flags.
#[inline(always)]
pub fn class(kind: Kind, flags: u16) -> RetransmitClass {
    let idempotent = flags & flags::IDEMPOTENT != 0;
    match (kind, idempotent) {
        (Kind::Request, false) => RetransmitClass::Request,
        (Kind::Request, true) => RetransmitClass::Idempotent,
        (Kind::Reply | Kind::Error, false) => RetransmitClass::Answer,
        (Kind::Reply | Kind::Error, true) => RetransmitClass::IdempotentAnswer,
        _ => RetransmitClass::Data,
    }
}

/// Returns how soon the sender of such a message needs its acknowledgement.
pub fn urgency(kind: Kind, flags: u16) -> AckUrgency {
    match class(kind, flags) {
        RetransmitClass::Data => AckUrgency::Prompt,
        RetransmitClass::IdempotentAnswer => AckUrgency::Piggyback,
        _ => AckUrgency::NotNeeded,
    }
}
