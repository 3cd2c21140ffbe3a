//! What one peer and we remember of each other: the two sides of the session, shared by a channel's threads and its acceptor.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::acceptor::Negotiated;
use super::options::{Delivery, Options};
use super::record::Record;
use super::session::inbox::{AckTrigger, AckUrgency, Verdict};
use super::session::outbox::Unacknowledged;
use super::session::{Hello, Inbox, Outbox, ReplayLimits, RetransmitClass};
use crate::error::{Error, Result};
use crate::frame::{Header, Kind, flags};
use crate::message::Payload;
use crate::sys::eventfd::LazyWaker;
use crate::transport::{Account, Rx};
use crate::value::{Map, Value};

/// A message that may have to be sent again.
#[derive(Clone, Debug)]
pub struct Kept {
    pub payload: Payload,
    correlation: u64,
    sent: i64,
    kind: Kind,
    flags: u16,
}

// Full stores are what a connection's memory mostly is.
const _: () = assert!(size_of::<Kept>() <= 64);

impl Kept {
    /// What was sent with this header, of which only what the payload and the session do not know is kept: a header is longer than most
    /// bodies, and every message is written here.
    #[inline]
    pub fn new(header: &Header, payload: &Payload) -> Kept {
        let Header { kind, flags, correlation, sent, .. } = *header;
        Kept { payload: payload.clone(), correlation, sent, kind, flags }
    }

    /// Data that was sent at this time.
    #[inline]
    pub fn data(payload: &Payload, sent: i64) -> Kept {
        Kept { payload: payload.clone(), correlation: 0, sent, kind: Kind::Data, flags: 0 }
    }

    /// Its header under this number.
    pub fn header(&self, sequence: u64) -> Header {
        let Kept { correlation, sent, kind, flags, .. } = *self;
        Header { sequence, correlation, sent, flags, ..Header::new(kind, self.payload.encoding()) }
    }
}

/// Both sides of a session, and the words in shared memory that say how far each has come.
pub struct SessionHalves {
    pub outbox: Outbox<Kept>,
    pub inbox: Inbox,
    /// Where the link that is being read says how far we have come, and what it says.
    own_page: Option<Arc<Account>>,
    published: u64,
    /// Where the link that is being written says how far the other side has come.
    peer_page: Option<Arc<Account>>,
    /// What that said and cannot be.
    violation: Option<Error>,
}

impl SessionHalves {
    /// Says in our page how far the program has come, where the other side reads it there.
    #[inline]
    fn publish(&mut self) {
        if let Some(account) = &self.own_page {
            let consumed = self.inbox.received().consumed;
            if consumed > self.published {
                self.published = consumed;
                account.tell(consumed);
            }
        }
    }

    /// The program calls again, where the other side reads in our page how far it has come: says so there, and makes the room free that
    /// the messages took in the ring, with one fence for both. Whether something is to be said on this occasion, by a frame.
    #[inline]
    pub fn consumed(&mut self, rx: &mut Rx, trigger: AckTrigger) -> bool {
        self.inbox.consumed();
        self.tell_consumed(rx, trigger)
    }

    /// [`Both::consumed`] and the next message, which lies ready and is given to the program.
    #[inline]
    pub fn consumed_and_given(
        &mut self,
        rx: &mut Rx,
        trigger: AckTrigger,
        number: u64,
        bytes: usize,
        urgency: AckUrgency,
    ) -> (bool, Result<Verdict>) {
        let verdict = self.inbox.consume_and_give(number, bytes, urgency);
        (self.tell_consumed(rx, trigger), verdict)
    }

    #[inline]
    fn tell_consumed(&mut self, rx: &mut Rx, trigger: AckTrigger) -> bool {
        if let Some(account) = &self.own_page {
            let consumed = self.inbox.received().consumed;
            if consumed > self.published {
                self.published = consumed;
                account.tell_before_fence(consumed);
            }
            rx.consumed_with_fence();
        }
        self.owes(trigger)
    }

    /// Reads in the other side's page how far it has come, where it says so there.
    pub fn look(&mut self) {
        if let Some(account) = &self.peer_page
            && let Err(error) = self.outbox.acknowledged(account.told())
        {
            self.violation = Some(error);
        }
    }

    /// What the other side's page says and cannot be: the link is to be ended.
    #[inline]
    pub fn violation(&mut self) -> Option<Error> {
        self.violation.take()
    }

    /// Whether there is such a thing.
    #[inline]
    pub fn has_violation(&self) -> bool {
        self.violation.is_some()
    }

    /// Whether a message may be sent now; looked for in the other side's page if it seems not.
    #[inline]
    pub fn has_room(&mut self, class: RetransmitClass, bytes: usize) -> bool {
        self.outbox.has_room(class, bytes) || {
            self.look();
            self.outbox.has_room(class, bytes)
        }
    }

    /// The number that a frame of its own should carry now, if one is due: see [`Inbox::ack_due`].
    #[inline]
    pub fn ack_due(&self, trigger: AckTrigger, to: u64) -> Option<u64> {
        match &self.own_page {
            Some(account) => self.inbox.ack_due_beside_page(trigger, to, account.wanted()),
            None => self.inbox.ack_due(trigger, to),
        }
    }

    /// Whether a frame of its own is due, to the session that is being read.
    #[inline]
    pub fn owes(&self, trigger: AckTrigger) -> bool {
        self.ack_due(trigger, self.inbox.session()).is_some()
    }

    /// The number that data and requests for this session carry in passing; 0 says nothing.
    #[inline]
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if self.own_page.is_some() { 0 } else { self.inbox.to_piggyback(to) }
    }
}

/// The memory of one peer.
pub struct SessionState {
    halves: Mutex<SessionHalves>,
    /// Rung at every acknowledgement, for a thread that waits while another one reads.
    pub acknowledgements: LazyWaker,
    /// Whether a new link may have something to be sent again.
    pub replays: AtomicBool,
    /// Whether a thread that receives had something to say, and found another one sending.
    unsaid: AtomicBool,
    /// Whether the other side waits for that.
    asked: AtomicBool,
    /// Requests whose callers have given up, and of which the other side has not been told.
    withdrawn: Mutex<Vec<u64>>,
    /// Data that was kept for a peer that cannot come back, and of whose loss the program has not been told.
    untold: AtomicU64,
}

impl SessionState {
    /// One that has met nobody, with a session of our own of this number.
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
            violation: None,
        };
        Arc::new(SessionState {
            halves: Mutex::new(halves),
            acknowledgements: LazyWaker::default(),
            replays: AtomicBool::new(false),
            unsaid: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            untold: AtomicU64::new(0),
        })
    }

    #[inline]
    pub fn halves(&self) -> MutexGuard<'_, SessionHalves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What we say of ourselves in a hello that is written now.
    pub fn hello(&self) -> Hello {
        let halves = self.halves();
        Hello::ours(&halves.outbox, &halves.inbox)
    }

    /// A new link to this peer is written from now on. What was kept for another one is dropped, and counted in `record`.
    pub fn link_up(&self, negotiated: &Negotiated, record: &Record) -> Result<()> {
        let mut halves = self.halves();
        // How far the last one came stands in its page, whatever has become of it.
        halves.look();
        (halves.peer_page, halves.violation) = (None, None);
        let resumed = halves.outbox.link_up(&negotiated.hello, negotiated.identity.clone())?;
        halves.peer_page = negotiated.account.clone();
        self.replays.store(halves.outbox.to_replay().is_some(), Ordering::Release);
        drop(halves);
        self.give_up(resumed.dropped as u64, resumed.lost as u64, record);
        Ok(())
    }

    /// The peer cannot come back: what is kept for it is dropped, and counted in `record`.
    pub fn drop_kept(&self, record: &Record) {
        let mut halves = self.halves();
        halves.look();
        let lost = halves.outbox.kept_data() as u64;
        let dropped = halves.outbox.drop_kept() as u64;
        drop(halves);
        self.give_up(dropped, lost, record);
    }

    fn give_up(&self, dropped: u64, lost: u64, record: &Record) {
        record.dropped.fetch_add(dropped, Ordering::Relaxed);
        if lost > 0 {
            record.gave_up(lost);
            self.untold.fetch_add(lost, Ordering::AcqRel);
        }
    }

    /// Whether messages were lost since then.
    #[inline]
    pub fn has_untold(&self) -> bool {
        self.untold.load(Ordering::Acquire) > 0
    }

    /// How many messages were lost since the program was last told so.
    pub fn take_untold(&self) -> u64 {
        if self.untold.load(Ordering::Acquire) == 0 { 0 } else { self.untold.swap(0, Ordering::AcqRel) }
    }

    /// A new link from this peer is read from now on.
    pub fn begin(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        halves.inbox.hello(&negotiated.hello);
        (halves.own_page, halves.published) = (negotiated.account.clone(), 0);
        halves.publish();
    }

    /// The link is not written any more: what its page says last is read, and the page let go of.
    pub fn sending_ended(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        if is_same(&halves.peer_page, &negotiated.account) {
            halves.look();
            halves.peer_page = None;
        }
    }

    /// The link is not read any more.
    pub fn receiving_ended(&self, negotiated: &Negotiated) {
        let mut halves = self.halves();
        if is_same(&halves.own_page, &negotiated.account) {
            halves.own_page = None;
        }
    }

    /// The program calls again: see [`Inbox::consumed`]. Whether something is to be said on this occasion, by a frame.
    #[inline]
    pub fn consumed(&self, trigger: AckTrigger) -> bool {
        let mut halves = self.halves();
        halves.inbox.consumed();
        halves.publish();
        halves.owes(trigger)
    }

    /// The program says itself what it has consumed: see [`Inbox::acknowledge`].
    pub fn acknowledge(&self, session: u64, up_to: u64) {
        let mut halves = self.halves();
        halves.inbox.acknowledge(session, up_to);
        halves.publish();
    }

    /// This one message has been consumed: see [`Inbox::finished`].
    pub fn finished(&self, session: u64, number: u64) {
        let mut halves = self.halves();
        halves.inbox.finished(session, number);
        halves.publish();
    }

    /// What the other side has not consumed, as far as it has said by now.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut halves = self.halves();
        halves.look();
        halves.outbox.unacknowledged()
    }

    /// Asks for a frame once there is room for such a message, where the other side says nothing by itself.
    pub fn want_room(&self, class: RetransmitClass, bytes: usize) {
        let halves = self.halves();
        if let Some(account) = &halves.peer_page
            && !halves.outbox.has_room(class, bytes)
        {
            account.want(halves.outbox.wanted());
        }
    }

    /// Nobody waits for room any more.
    pub fn want_no_room(&self) {
        if let Some(account) = &self.halves().peer_page {
            account.want(0);
        }
    }

    /// The other side has said to have consumed everything up to this number.
    pub fn acknowledged(&self, number: u64) -> Result<()> {
        self.halves().outbox.acknowledged(number)?;
        self.acknowledgements.wake();
        Ok(())
    }

    /// Leaves it to the thread that sends to say what is due, once it lets go of the direction.
    pub fn leave_unsaid(&self, trigger: AckTrigger) {
        if trigger == AckTrigger::Asked {
            self.asked.store(true, Ordering::Release);
        }
        self.unsaid.store(true, Ordering::Release);
    }

    /// The caller of this request has given up: the other side is to be told.
    pub fn withdraw(&self, request: u64) {
        /// More are not told: a server that takes nothing for so long has them in its queue, and carries them out.
        const MOST: usize = 1024;
        let mut withdrawn = self.withdrawn();
        if withdrawn.len() < MOST {
            withdrawn.push(request);
        }
    }

    /// Requests of whose withdrawal the other side is to be told.
    pub fn withdrawn(&self) -> MutexGuard<'_, Vec<u64>> {
        self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something was left to be said.
    #[inline]
    pub fn is_unsaid(&self) -> bool {
        self.unsaid.load(Ordering::Acquire)
    }

    /// What was left to be said, once.
    pub fn take_unsaid(&self) -> Option<AckTrigger> {
        if !self.unsaid.swap(false, Ordering::AcqRel) {
            return None;
        }
        let asked = self.asked.swap(false, Ordering::AcqRel);
        Some(if asked { AckTrigger::Asked } else { AckTrigger::Sleeping })
    }

    /// Adds what the session counts to an object's figures.
    pub fn add_to(&self, stats: &mut Map) {
        let mut halves = self.halves();
        halves.look();
        let (out, inbox) = (halves.outbox.figures(), halves.inbox.figures());
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

fn is_same(a: &Option<Arc<Account>>, b: &Option<Arc<Account>>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
}

/// What a message is to the session that sends it.
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

/// What its acknowledgement is worth to its sender.
pub fn urgency(kind: Kind, flags: u16) -> AckUrgency {
    match class(kind, flags) {
        RetransmitClass::Data => AckUrgency::Soon,
        RetransmitClass::IdempotentAnswer => AckUrgency::Sometime,
        _ => AckUrgency::Nothing,
    }
}
