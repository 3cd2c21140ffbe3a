//! What one peer and we remember of each other: the two sides of the session, shared by a channel's threads and its door.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::options::{Delivery, Options};
use super::record::Record;
use super::session::inbox::{Occasion, Worth};
use super::session::{Hello, Identity, Inbox, Nature, Outbox, ReplayLimits};
use crate::error::Result;
use crate::frame::{Header, Kind, flags};
use crate::message::Payload;
use crate::sys::eventfd::LazyBell;
use crate::value::{Map, Value};

/// A message that may have to be sent again.
#[derive(Clone, Debug)]
pub struct Kept {
    pub header: Header,
    pub payload: Payload,
}

/// Both sides of a session.
pub struct Both {
    pub outbox: Outbox<Kept>,
    pub inbox: Inbox,
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
        let both = Both { outbox: Outbox::new(session, limits), inbox: Inbox::new(options.ack) };
        Arc::new(Memory {
            both: Mutex::new(both),
            acknowledgements: LazyBell::default(),
            replays: AtomicBool::new(false),
            unsaid: AtomicBool::new(false),
            asked: AtomicBool::new(false),
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

    /// A new link leads to this peer. What was kept for another one is dropped, and counted in `record`.
    pub fn link_up(&self, hello: &Hello, identity: Identity, record: &Record) -> Result<()> {
        let mut both = self.both();
        let resumed = both.outbox.link_up(hello, identity)?;
        self.replays.store(both.outbox.to_replay().is_some(), Ordering::Release);
        drop(both);
        self.give_up(resumed.dropped as u64, resumed.lost as u64, record);
        Ok(())
    }

    /// The peer cannot come back: what is kept for it is dropped, and counted in `record`.
    pub fn drop_kept(&self, record: &Record) {
        let mut both = self.both();
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

    /// How many messages were lost since the program was last told so.
    pub fn take_untold(&self) -> u64 {
        if self.untold.load(Ordering::Acquire) == 0 { 0 } else { self.untold.swap(0, Ordering::AcqRel) }
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
        let both = self.both();
        let (out, inbox) = (both.outbox.figures(), both.inbox.figures());
        for (name, count) in [
            ("acknowledged", out.acknowledged),
            ("unacknowledged", out.unacknowledged),
            ("replayed", out.replayed),
            ("consumed", inbox.consumed),
            ("unconsumed", inbox.unconsumed),
            ("duplicates", inbox.duplicates),
        ] {
            stats.insert(name.into(), Value::from(count));
        }
    }
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
