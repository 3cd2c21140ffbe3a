//! What one peer and we remember of each other: the two sides of the session, shared by a channel's threads and its door.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::door::Met;
use super::options::{Delivery, Options};
use super::record::Record;
use super::session::inbox::{Occasion, Verdict, Worth};
use super::session::outbox::Unacknowledged;
use super::session::{Hello, Inbox, Nature, Outbox, ReplayLimits};
use crate::error::{Error, Result};
use crate::frame::{Header, Kind, flags};
use crate::message::Payload;
use crate::sys::eventfd::LazyBell;
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
pub struct Both {
    pub outbox: Outbox<Kept>,
    pub inbox: Inbox,
    /// Where the link that is being read says how far we have come, and what it says.
    says: Option<Arc<Account>>,
    told: u64,
    /// Where the link that is being written says how far the other side has come.
    hears: Option<Arc<Account>>,
    /// What that said and cannot be.
    lie: Option<Error>,
}

impl Both {
    /// Says in our page how far the program has come, where the other side reads it there.
    #[inline]
    fn publish(&mut self) {
        if let Some(account) = &self.says {
            let consumed = self.inbox.received().consumed;
            if consumed > self.told {
                self.told = consumed;
                account.tell(consumed);
            }
        }
    }

    /// The program calls again, where the other side reads in our page how far it has come: says so there, and makes the room free that
    /// the messages took in the ring, with one fence for both. Whether something is to be said on this occasion, by a frame.
    #[inline]
    pub fn consumed(&mut self, rx: &mut Rx, occasion: Occasion) -> bool {
        self.inbox.consumed();
        self.tell_consumed(rx, occasion)
    }

    /// [`Both::consumed`] and the next message, which lies ready and is given to the program.
    #[inline]
    pub fn consumed_and_given(
        &mut self,
        rx: &mut Rx,
        occasion: Occasion,
        number: u64,
        bytes: usize,
        worth: Worth,
    ) -> (bool, Result<Verdict>) {
        let verdict = self.inbox.consume_and_give(number, bytes, worth);
        (self.tell_consumed(rx, occasion), verdict)
    }

    #[inline]
    fn tell_consumed(&mut self, rx: &mut Rx, occasion: Occasion) -> bool {
        if let Some(account) = &self.says {
            let consumed = self.inbox.received().consumed;
            if consumed > self.told {
                self.told = consumed;
                account.tell_before_fence(consumed);
            }
            rx.consumed_with_fence();
        }
        self.owes(occasion)
    }

    /// Reads in the other side's page how far it has come, where it says so there.
    pub fn look(&mut self) {
        if let Some(account) = &self.hears
            && let Err(error) = self.outbox.acknowledged(account.told())
        {
            self.lie = Some(error);
        }
    }

    /// What the other side's page says and cannot be: the link is to be ended.
    #[inline]
    pub fn lie(&mut self) -> Option<Error> {
        self.lie.take()
    }

    /// Whether there is such a thing.
    #[inline]
    pub fn has_lied(&self) -> bool {
        self.lie.is_some()
    }

    /// Whether a message may be sent now; looked for in the other side's page if it seems not.
    #[inline]
    pub fn has_room(&mut self, nature: Nature, bytes: usize) -> bool {
        self.outbox.has_room(nature, bytes) || {
            self.look();
            self.outbox.has_room(nature, bytes)
        }
    }

    /// The number that a frame of its own should carry now, if one is due: see [`Inbox::to_say`].
    #[inline]
    pub fn to_say(&self, occasion: Occasion, to: u64) -> Option<u64> {
        match &self.says {
            Some(account) => self.inbox.to_say_beside_a_word(occasion, to, account.wanted()),
            None => self.inbox.to_say(occasion, to),
        }
    }

    /// Whether a frame of its own is due, to the session that is being read.
    #[inline]
    pub fn owes(&self, occasion: Occasion) -> bool {
        self.to_say(occasion, self.inbox.session()).is_some()
    }

    /// The number that data and requests for this session carry in passing; 0 says nothing.
    #[inline]
    pub fn to_piggyback(&self, to: u64) -> u64 {
        if self.says.is_some() { 0 } else { self.inbox.to_piggyback(to) }
    }
}

/// The memory of one peer.
pub struct Memory {
    both: Mutex<Both>,
    /// Rung at every acknowledgement, for a thread that waits while another one reads.
    pub acknowledgements: LazyBell,
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

impl Memory {
    /// One that has met nobody, with a session of our own of this number.
    pub fn new(session: u64, options: &Options) -> Arc<Memory> {
        let keeps = options.delivery.unwrap_or(Delivery::AtLeastOnce) != Delivery::BestEffort;
        let limits = keeps.then_some(ReplayLimits {
            count: options.replay_count,
            bytes: usize::try_from(options.replay_bytes).unwrap_or(usize::MAX),
        });
        let both = Both {
            outbox: Outbox::new(session, limits),
            inbox: Inbox::new(options.ack),
            says: None,
            told: 0,
            hears: None,
            lie: None,
        };
        Arc::new(Memory {
            both: Mutex::new(both),
            acknowledgements: LazyBell::default(),
            replays: AtomicBool::new(false),
            unsaid: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            withdrawn: Mutex::default(),
            untold: AtomicU64::new(0),
        })
    }

    #[inline]
    pub fn both(&self) -> MutexGuard<'_, Both> {
        self.both.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What we say of ourselves in a hello that is written now.
    pub fn hello(&self) -> Hello {
        let both = self.both();
        Hello::ours(&both.outbox, &both.inbox)
    }

    /// A new link to this peer is written from now on. What was kept for another one is dropped, and counted in `record`.
    pub fn link_up(&self, met: &Met, record: &Record) -> Result<()> {
        let mut both = self.both();
        // How far the last one came stands in its page, whatever has become of it.
        both.look();
        (both.hears, both.lie) = (None, None);
        let resumed = both.outbox.link_up(&met.hello, met.identity.clone())?;
        both.hears = met.account.clone();
        self.replays.store(both.outbox.to_replay().is_some(), Ordering::Release);
        drop(both);
        self.give_up(resumed.dropped as u64, resumed.lost as u64, record);
        Ok(())
    }

    /// The peer cannot come back: what is kept for it is dropped, and counted in `record`.
    pub fn drop_kept(&self, record: &Record) {
        let mut both = self.both();
        both.look();
        let lost = both.outbox.kept_data() as u64;
        let dropped = both.outbox.drop_kept() as u64;
        drop(both);
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
    pub fn begin(&self, met: &Met) {
        let mut both = self.both();
        both.inbox.hello(&met.hello);
        (both.says, both.told) = (met.account.clone(), 0);
        both.publish();
    }

    /// The link is not written any more: what its page says last is read, and the page let go of.
    pub fn sending_ended(&self, met: &Met) {
        let mut both = self.both();
        if is_same(&both.hears, &met.account) {
            both.look();
            both.hears = None;
        }
    }

    /// The link is not read any more.
    pub fn receiving_ended(&self, met: &Met) {
        let mut both = self.both();
        if is_same(&both.says, &met.account) {
            both.says = None;
        }
    }

    /// The program calls again: see [`Inbox::consumed`]. Whether something is to be said on this occasion, by a frame.
    #[inline]
    pub fn consumed(&self, occasion: Occasion) -> bool {
        let mut both = self.both();
        both.inbox.consumed();
        both.publish();
        both.owes(occasion)
    }

    /// The program says itself what it has consumed: see [`Inbox::acknowledge`].
    pub fn acknowledge(&self, session: u64, up_to: u64) {
        let mut both = self.both();
        both.inbox.acknowledge(session, up_to);
        both.publish();
    }

    /// This one message has been consumed: see [`Inbox::finished`].
    pub fn finished(&self, session: u64, number: u64) {
        let mut both = self.both();
        both.inbox.finished(session, number);
        both.publish();
    }

    /// What the other side has not consumed, as far as it has said by now.
    pub fn unacknowledged(&self) -> Unacknowledged {
        let mut both = self.both();
        both.look();
        both.outbox.unacknowledged()
    }

    /// Asks for a frame once there is room for such a message, where the other side says nothing by itself.
    pub fn want_room(&self, nature: Nature, bytes: usize) {
        let both = self.both();
        if let Some(account) = &both.hears
            && !both.outbox.has_room(nature, bytes)
        {
            account.want(both.outbox.wanted());
        }
    }

    /// Nobody waits for room any more.
    pub fn want_no_room(&self) {
        if let Some(account) = &self.both().hears {
            account.want(0);
        }
    }

    /// The other side has said to have consumed everything up to this number.
    pub fn acknowledged(&self, number: u64) -> Result<()> {
        self.both().outbox.acknowledged(number)?;
        self.acknowledgements.ring();
        Ok(())
    }

    /// Leaves it to the thread that sends to say what is due, once it lets go of the direction.
    pub fn leave_unsaid(&self, occasion: Occasion) {
        if occasion == Occasion::Asked {
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
    pub fn take_unsaid(&self) -> Option<Occasion> {
        if !self.unsaid.swap(false, Ordering::AcqRel) {
            return None;
        }
        let asked = self.asked.swap(false, Ordering::AcqRel);
        Some(if asked { Occasion::Asked } else { Occasion::Sleeping })
    }

    /// Adds what the session counts to an object's figures.
    pub fn add_to(&self, stats: &mut Map) {
        let mut both = self.both();
        both.look();
        let (out, inbox) = (both.outbox.figures(), both.inbox.figures());
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
pub fn nature(kind: Kind, flags: u16) -> Nature {
    let idempotent = flags & flags::IDEMPOTENT != 0;
    match (kind, idempotent) {
        (Kind::Request, false) => Nature::Request,
        (Kind::Request, true) => Nature::Idempotent,
        (Kind::Reply | Kind::Error, false) => Nature::Answer,
        (Kind::Reply | Kind::Error, true) => Nature::IdempotentAnswer,
        _ => Nature::Data,
    }
}

/// What its acknowledgement is worth to its sender.
pub fn worth(kind: Kind, flags: u16) -> Worth {
    match nature(kind, flags) {
        Nature::Data => Worth::Soon,
        Nature::IdempotentAnswer => Worth::Sometime,
        _ => Worth::Nothing,
    }
}
