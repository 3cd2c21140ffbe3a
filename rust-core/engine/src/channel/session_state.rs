//! The session with one peer: outbox, inbox, and the state that its threads and the acceptor share.
//!
//! A [`SessionState`] lives as long as its peer may return, and has one link after the other. The sending half
//! announces a link with [`SessionState::link_up`], the receiving half with [`SessionState::begin_receiving`],
//! because they change links at different moments. [`Connection`](crate::session::Connection), pure state under this
//! lock, decides the fate of messages.
//!
//! Locking: `halves` before the table of `Slots`. A thread that holds `halves` neither waits nor takes a direction,
//! because taking one passes through this lock (`sys::seat`).

pub mod admission;
mod calls;
mod halves;
mod lender;

use std::sync::Arc;

use super::event_log::EventLog;
use super::options::{Delivery, Options};
use crate::session::inbox::{AckTrigger, AckUrgency, Fate, Verdict};
use crate::session::outbox::Unacknowledged;
use crate::session::places::Reuse;
use crate::session::{Connection, Identity, ReplayLimits, RetransmitClass, SessionHello};

use crate::error::Result;
use crate::frame::{Header, Kind, flags};
use crate::message::StoredMessage;
use crate::sys::eventfd::LazyWaker;
use crate::sys::{fork, seat};
use crate::transport::{AckWords, Slots};
use crate::value::{Map, Value};

use self::calls::Calls;
use self::halves::Page;
pub use self::halves::SessionHalves;
pub use self::lender::SlotLender;

#[derive(Clone)]
pub struct Negotiated {
    pub hello: SessionHello,
    /// Recognises the peer when it connects again.
    pub identity: Identity,
    pub session_state: Arc<SessionState>,
    /// Shared pages of both sides' consumption; none if frames carry acknowledgements.
    pub ack_words: Option<Arc<AckWords>>,
    /// The slots for this side's long arrays; none if the link shares no memory.
    pub slots: Option<Arc<Slots>>,
}

impl Negotiated {
    fn page(&self) -> Option<Page> {
        self.ack_words.clone().map(Page)
    }
}

impl Reuse for StoredMessage {
    fn release(&mut self) {
        StoredMessage::release(self);
    }
}

pub struct SessionState {
    /// The gate of the channel's directions.
    halves: Arc<seat::Mutex<SessionHalves>>,
    /// For a thread that waits for room while another one receives.
    pub acknowledgements: LazyWaker,
    /// In a forked child, a thread of the parent may hold the lock forever.
    generation: u64,
}

impl SessionState {
    pub fn new(session: u64, options: &Options) -> Arc<SessionState> {
        let keeps = options.delivery.unwrap_or(Delivery::AtLeastOnce) != Delivery::BestEffort;
        let limits = keeps.then_some(ReplayLimits {
            count: options.replay_count,
            bytes: usize::try_from(options.replay_bytes).unwrap_or(usize::MAX),
        });
        let halves = SessionHalves {
            connection: Connection::new(session, limits, options.ack),
            slots: None,
            calls: Calls::new(),
        };
        Arc::new(SessionState {
            halves: Arc::new(seat::Mutex::new(halves)),
            acknowledgements: LazyWaker::default(),
            generation: fork::generation(),
        })
    }

    /// Locks the halves for a few operations, without a wait.
    pub fn halves(&self) -> seat::GateGuard<'_, SessionHalves> {
        debug_assert_eq!(
            self.generation,
            fork::generation(),
            "a verb looks at the process before its first lock: a forked child could wait for a thread of its parent here"
        );
        seat::lock(&self.halves)
    }

    pub fn gate(&self) -> Arc<seat::Mutex<SessionHalves>> {
        self.halves.clone()
    }

    pub fn is_newer(&self, than: u64) -> bool {
        self.halves().is_newer(than)
    }

    pub fn hello(&self) -> SessionHello {
        self.halves().hello()
    }

    /// Starts sending over this link. Returns false if a newer link exists.
    ///
    /// Drops messages kept for another peer, and counts them in `event_log`.
    ///
    /// # Errors
    /// `Malformed` if the peer's hello has impossible claims.
    pub fn link_up(&self, link: u64, negotiated: &Negotiated, event_log: &EventLog) -> Result<bool> {
        let mut halves = self.halves();
        let Negotiated { hello, identity, .. } = negotiated;
        let Some(resumed) = halves.link_up(link, hello, identity.clone(), negotiated.page())? else {
            return Ok(false);
        };
        halves.slots = negotiated.slots.clone();
        drop(halves);
        event_log.dropped_for_peer(resumed.dropped as u64, resumed.lost as u64);
        Ok(true)
    }

    /// Drops and counts the messages of a peer that ended with this link and cannot return.
    pub fn peer_gone(&self, link: u64, event_log: &EventLog) {
        let (dropped, lost) = self.halves().peer_gone(link);
        event_log.dropped_for_peer(dropped, lost);
    }

    pub fn begin_receiving(&self, link: u64, negotiated: &Negotiated) {
        self.halves().begin_receiving(link, &negotiated.hello, negotiated.page());
    }

    /// Reads the last number in the page, then releases page and slots, unless the link was replaced.
    pub fn sending_ended(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        if halves.sending_ended(negotiated.page().as_ref()) {
            halves.slots = None;
        }
    }

    /// Does nothing for a replaced link.
    pub fn receiving_ended(&self, negotiated: &Negotiated) {
        self.halves().receiving_ended(negotiated.page().as_ref());
    }

    /// See [`Inbox::consumed`](crate::session::Inbox::consumed). Returns whether this occasion requires a frame.
    pub fn consumed(&self, trigger: AckTrigger) -> bool {
        self.halves().consumed(trigger)
    }

    /// See [`Inbox::acknowledge`](crate::session::Inbox::acknowledge).
    pub fn acknowledge(&self, session: u64, up_to: u64) {
        self.halves().acknowledge(session, up_to);
    }

    /// See [`Inbox::finished`](crate::session::Inbox::finished).
    pub fn finished(&self, session: u64, number: u64) {
        self.halves().finished(session, number);
    }

    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut halves = self.halves();
        halves.read_peer_page();
        halves.outbox.unacknowledged()
    }

    /// Asks a peer that acknowledges in its page for a frame once there is room for such a message.
    ///
    /// The caller then checks once more, because the peer may have consumed in between.
    pub fn want_room(&self, class: RetransmitClass, bytes: usize) {
        let mut halves = self.halves();
        if !halves.outbox.has_room(class, bytes) {
            let number = halves.outbox.wanted();
            halves.want(number);
        }
    }

    /// Asks such a peer for a frame once everything sent is consumed. The caller then checks once more.
    pub fn want_consumed(&self) {
        let mut halves = self.halves();
        let number = halves.outbox.unacknowledged().last;
        halves.want(number);
    }

    pub fn clear_wanted(&self) {
        self.halves().want(0);
    }

    /// Ends a request that is answered or given up, and wakes threads that wait for its room.
    pub fn finish_request(&self, request: u64) {
        self.halves().outbox.finish_request(request);
        self.acknowledgements.wake();
    }

    /// Takes an acknowledgement over, and wakes threads that wait for room.
    ///
    /// # Errors
    /// `Malformed` for an impossible number: the caller ends the link.
    pub fn acknowledged(&self, number: u64) -> Result<()> {
        self.halves().acknowledged(number)?;
        self.acknowledgements.wake();
        Ok(())
    }

    /// Accepts a frame's message and acknowledgement; calls `first` before recording.
    ///
    /// Returns the session and the count of messages lost before; none for a duplicate.
    ///
    /// # Errors
    /// Errors of `first`, and `Malformed` for an impossible number: the caller ends the link.
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
        if kind == Kind::Request && halves.inbox.is_new(sequence) {
            halves.request_taken(sequence);
        }
        let received = first(&mut halves)
            .and_then(|()| halves.inbox.received(sequence, bytes, urgency(kind, flags), fate));
        if fate == Fate::Finished {
            halves.publish();
        }
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
