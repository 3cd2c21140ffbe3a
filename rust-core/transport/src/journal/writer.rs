//! The one writer of a journal: any number of threads append at once, and share each sync (group commit).
//!
//! A thread that finds no running round takes all waiting messages, writes and syncs them, and wakes the
//! others. Messages that arrive during a round wait for the next round, which one of their threads runs. So
//! no message waits for a timer. A waiting thread sleeps without a deadline, because a system call on a disk
//! cannot keep one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::consumer;
use super::folder::JournalFolder;
use super::log::{JournalLog, RecordDraft, Segmentation};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::origin;
use crate::owner::{self, OwnerRecord};
use crate::place::{Access, Place};
use crate::sys::lock::{self, Lock};
use crate::value::Map;

#[derive(Clone, Debug, Default)]
pub struct WriterOptions {
    pub source: String,
    pub session: u64,
    pub access: Access,
    pub shape: Segmentation,
    pub owner_record: Map,
}

#[derive(Debug)]
pub struct JournalWriter {
    queue: Mutex<WriteQueue>,
    round_ended: Condvar,
    log: Mutex<JournalLog>,
    /// The owner record, for listings; removed with this value.
    _owner_record: OwnerRecord,
    _lock: Lock,
}

#[derive(Debug, Default)]
struct WriteQueue {
    waiting: Vec<(RecordDraft, Arc<WriteOutcome>)>,
    is_running: bool,
}

/// The outcome of a thread's message: its number, or the reason of its failure.
type WriteOutcome = Mutex<Option<Result<u64>>>;

impl JournalWriter {
    /// Opens the journal, and creates it if necessary.
    ///
    /// # Errors
    /// `AddressInUse` if a living process writes it, or if it is a replica; the errors of `JournalLog::open`.
    pub fn open(place: &Place, writer_options: WriterOptions) -> Result<JournalWriter> {
        JournalWriter::open_once(place, writer_options).map_err(|e| place.denied("write", e))
    }

    fn open_once(place: &Place, writer_options: WriterOptions) -> Result<JournalWriter> {
        if let Some(origin) = origin::read(place)? {
            let text = format!(
                "{} repeats a journal of the machine {}, and a bridge alone writes it; publish under another name, or remove it first",
                place.path().display(),
                origin.machine
            );
            return Err(Error::new(ErrorKind::AddressInUse, text));
        }
        let Some(lock) = lock::claim(&place.directory, &place.file)? else {
            let advice = "a journal has one writing process, end that one first";
            return Err(owner::in_use(owner::process(place), "writes", place.path().display(), advice));
        };
        let folder = JournalFolder::create(place, writer_options.access)?;
        let log =
            JournalLog::open(folder, writer_options.shape, &writer_options.source, writer_options.session)?;
        let owner_record =
            OwnerRecord::write(place, "publish", &writer_options.source, writer_options.owner_record)?;
        Ok(JournalWriter {
            queue: Mutex::default(),
            round_ended: Condvar::new(),
            log: Mutex::new(log),
            _owner_record: owner_record,
            _lock: lock,
        })
    }

    /// Appends a message; returns its number after it is on the disk. Blocks for the disk.
    ///
    /// Any number of threads may call this at once. Errors as `JournalLog::append`.
    pub fn append(&self, encoding: Encoding, body: Bytes) -> Result<u64> {
        let slot = Arc::new(WriteOutcome::default());
        let mut queue = self.queue();
        queue.waiting.push((RecordDraft::new(encoding, body), slot.clone()));
        self.await_outcome(queue, &slot)
    }

    /// Appends several messages in order with one sync.
    ///
    /// Returns how many are now on the disk, and the error of the next one.
    pub fn append_many(&self, bodies: impl Iterator<Item = (Encoding, Bytes)>) -> (usize, Result<()>) {
        let drafts = bodies.enumerate().map(|(at, (encoding, body))| {
            let draft = RecordDraft { follows: at > 0, ..RecordDraft::new(encoding, body) };
            (draft, Arc::new(WriteOutcome::default()))
        });
        let entries: Vec<_> = drafts.collect();
        let slots: Vec<_> = entries.iter().map(|(_, slot)| slot.clone()).collect();
        let mut queue = self.queue();
        queue.waiting.extend(entries);
        let mut written = 0;
        for slot in slots {
            // All messages belong to one round: after the first wait, every outcome is known.
            if let Err(error) = self.await_outcome(queue, &slot) {
                return (written, Err(error));
            }
            written += 1;
            queue = self.queue();
        }
        (written, Ok(()))
    }

    /// Waits for the outcome of a message, and runs a round if none is running.
    fn await_outcome<'q>(
        &'q self,
        mut queue: MutexGuard<'q, WriteQueue>,
        slot: &WriteOutcome,
    ) -> Result<u64> {
        loop {
            if let Some(outcome) = take_outcome(slot) {
                return outcome;
            }
            if !queue.is_running {
                queue.is_running = true;
                let round = Round { writer: self, entries: std::mem::take(&mut queue.waiting) };
                drop(queue);
                round.run();
                queue = self.queue();
                continue;
            }
            // The wait ends with the current round: a system call on a disk cannot keep a deadline.
            queue = self.round_ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns the queue; a panic of another thread leaves it usable.
    fn queue(&self) -> MutexGuard<'_, WriteQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, JournalLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn last(&self) -> u64 {
        self.log().committed().sequence
    }

    pub fn live_consumers(&self) -> Result<usize> {
        let log = self.log();
        let mut live = 0;
        for name in log.folder().consumers()? {
            live += usize::from(consumer::is_live(log.folder(), &name)?);
        }
        Ok(live)
    }

    pub fn close(&self) -> Result<()> {
        self.log().close()
    }
}

fn take_outcome(slot: &WriteOutcome) -> Option<Result<u64>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// One round of messages that are written and synced together.
///
/// Its drop ends the round and wakes all threads, even after a panic.
struct Round<'a> {
    writer: &'a JournalWriter,
    entries: Vec<(RecordDraft, Arc<WriteOutcome>)>,
}

impl Round<'_> {
    fn run(self) {
        let drafts: Vec<RecordDraft> = self.entries.iter().map(|(draft, _)| draft.clone()).collect();
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
            // Only a panic during the round leaves a message without an outcome.
            slot.get_or_insert_with(|| {
                Err(Error::new(ErrorKind::Internal, "the thread that wrote this message for others panicked"))
            });
        }
        self.writer.queue().is_running = false;
        self.writer.round_ended.notify_all();
    }
}
