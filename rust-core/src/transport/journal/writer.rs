//! The one writer of a journal: any number of threads send at once, and share each sync.
//!
//! Whoever finds nobody syncing takes what waits, its own message among it, writes and syncs it, and wakes the others.
//! What comes meanwhile waits for the next round, which one of them leads. So no message waits for a timer, and a round
//! holds as many as came during the one before.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::consumer;
use super::folder::Folder;
use super::log::{Draft, Log, Shape};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::lock::{self, Lock};
use crate::transport::owner::OwnerRecord;
use crate::transport::place::{Access, Place};
use crate::value::Map;

/// What a writer is told about its journal.
#[derive(Clone, Debug, Default)]
pub struct WriterOptions {
    /// The writer's name.
    pub source: String,
    /// The writer's incarnation.
    pub session: u64,
    /// Who may open the files.
    pub access: Access,
    /// How the journal is cut, and what it keeps.
    pub shape: Shape,
    /// What listings show beside it.
    pub owner_record: Map,
}

/// The one writer of a journal.
#[derive(Debug)]
pub struct Writer {
    queue: Mutex<Queue>,
    turn: Condvar,
    log: Mutex<Log>,
    _about: OwnerRecord,
    _lock: Lock,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<(Draft, Arc<Slot>)>,
    /// Whether a round is under way.
    led: bool,
}

/// Where a sender finds what became of its message.
type Slot = Mutex<Option<Result<u64>>>;

impl Writer {
    /// Opens the journal, and makes it where there is none. `AddressInUse` where a living process writes it.
    pub fn open(place: &Place, writer_options: WriterOptions) -> Result<Writer> {
        Writer::open_once(place, writer_options).map_err(|e| place.denied("write", e))
    }

    fn open_once(place: &Place, writer_options: WriterOptions) -> Result<Writer> {
        let Some(lock) = lock::claim(&place.directory, &place.file)? else {
            let text = format!(
                "somebody else writes {}; a journal has one writing process, end it first",
                place.path().display()
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        let folder = Folder::create(place, writer_options.access)?;
        let log = Log::open(folder, writer_options.shape, &writer_options.source, writer_options.session)?;
        let owner_record =
            OwnerRecord::write(place, "publish", &writer_options.source, writer_options.owner_record)?;
        Ok(Writer {
            queue: Mutex::default(),
            turn: Condvar::new(),
            log: Mutex::new(log),
            _about: owner_record,
            _lock: lock,
        })
    }

    /// Puts a message into the journal; gives its number once it is on the disk. Any number of threads may.
    pub fn append(&self, encoding: Encoding, body: Bytes) -> Result<u64> {
        let slot = Arc::new(Slot::default());
        let mut queue = self.queue();
        queue.waiting.push((Draft::new(encoding, body), slot.clone()));
        self.await_outcome(queue, &slot)
    }

    /// The same for several in their order, which share one sync; gives how many are on the disk now, and why those behind them
    /// are not.
    pub fn append_many(&self, bodies: impl Iterator<Item = (Encoding, Bytes)>) -> (usize, Result<()>) {
        let drafts = bodies.enumerate().map(|(at, (encoding, body))| {
            let draft = Draft { follows: at > 0, ..Draft::new(encoding, body) };
            (draft, Arc::new(Slot::default()))
        });
        let entries: Vec<_> = drafts.collect();
        let slots: Vec<_> = entries.iter().map(|(_, slot)| slot.clone()).collect();
        let mut queue = self.queue();
        queue.waiting.extend(entries);
        let mut written = 0;
        for slot in slots {
            // All are of one round: after the first, each is there.
            if let Err(error) = self.await_outcome(queue, &slot) {
                return (written, Err(error));
            }
            written += 1;
            queue = self.queue();
        }
        (written, Ok(()))
    }

    fn await_outcome<'q>(&'q self, mut queue: MutexGuard<'q, Queue>, slot: &Slot) -> Result<u64> {
        loop {
            if let Some(outcome) = taken(slot) {
                return outcome;
            }
            if !queue.led {
                queue.led = true;
                let round = Round { writer: self, entries: std::mem::take(&mut queue.waiting) };
                drop(queue);
                round.run();
                queue = self.queue();
                continue;
            }
            // Ends with the round that is under way: a system call on a disk, which has no deadline that could be kept.
            queue = self.turn.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last message.
    #[cfg(test)]
    pub fn last(&self) -> u64 {
        self.log().committed().sequence
    }

    /// How many read it under a name of their own just now.
    pub fn live_consumers(&self) -> Result<usize> {
        let log = self.log();
        let mut live = 0;
        for name in log.folder().consumers()? {
            live += usize::from(consumer::is_live(log.folder(), &name)?);
        }
        Ok(live)
    }

    /// Brings to the disk what need not be there for the messages' sake.
    pub fn close(&self) -> Result<()> {
        self.log().close()
    }
}

fn taken(slot: &Slot) -> Option<Result<u64>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// One round: what is written and synced together. Its end, whatever ends it, tells each sender.
struct Round<'a> {
    writer: &'a Writer,
    entries: Vec<(Draft, Arc<Slot>)>,
}

impl Round<'_> {
    fn run(self) {
        let drafts: Vec<Draft> = self.entries.iter().map(|(draft, _)| draft.clone()).collect();
        let outcomes = self.writer.log().append(&drafts);
        for ((_, slot), outcome) in self.entries.iter().zip(outcomes) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        for (_, slot) in &self.entries {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            // Only a panic in the round leaves a sender without an answer.
            slot.get_or_insert_with(|| {
                Err(Error::new(ErrorKind::Internal, "the thread that wrote for this one panicked"))
            });
        }
        self.writer.queue().led = false;
        self.writer.turn.notify_all();
    }
}
