//! What a recorder has done so far, by name: for the progress line, the service's data and the end.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Map, Result, Value};

use super::queue::{Item, Queue};
use crate::parts::Amount;

/// Counters of one name.
#[derive(Clone, Debug, Default)]
pub struct Name {
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
}

/// Counters of all.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub names: BTreeMap<String, Name>,
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
    /// What was recorded and removed again for a full disk.
    pub removed: Amount,
    /// Events of names that could not be received from, or not all the time.
    pub unreached: u64,
    /// Messages and bytes a second, and what they were counted from: the time, messages and bytes then.
    pub rate: (f64, f64),
    pub counted: Option<(Instant, u64, u64)>,
    /// The file that is written.
    pub file: String,
    /// Which part it is, and its bytes.
    pub part: u64,
    pub file_bytes: u64,
    /// Bytes that are free on its disk, and all of them.
    pub free: u64,
    pub disk: u64,
    /// How many checkpoints and syncs were asked for and done.
    pub checkpoints: u64,
    pub syncs: u64,
    /// Why it ended, where it did by itself.
    pub ended: Option<String>,
    /// The error that ended it.
    pub error: Option<Error>,
    /// The thread that has returned without an error.
    pub returned: Option<&'static str>,
}

/// The counters, which the writing thread changes and the others read.
#[derive(Debug, Default)]
pub struct Status {
    counters: Mutex<Counters>,
    changed: Condvar,
}

impl Status {
    /// Locks the counters.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        // Nothing panics while it holds the lock.
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of a thread. Where it ends with an error or panics the recording ends: the main thread sees it
    /// here, and so do those that wait for this one.
    pub fn attend(&self, what: &'static str, work: impl FnOnce() -> Result<()>) {
        // What a panic leaves is not looked at again but for the counters, which are whole at any time.
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let text = format!("the {what} thread panicked: the recording ends here");
            Err(Error::new(ErrorKind::Internal, text))
        });
        match done {
            Ok(()) => {
                let mut counters = self.counters();
                // Once the recording has ended, its threads return.
                if counters.ended.is_none() {
                    counters.returned = Some(what);
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the recording with an error, unless it has one.
    pub fn fail(&self, error: &Error) {
        let mut counters = self.counters();
        counters.error.get_or_insert_with(|| error.clone());
        counters.ended = Some("failed".to_owned());
        drop(counters);
        self.changed();
    }

    /// Notes that there is no writer, which ends the waits for it.
    pub fn end(&self) {
        self.counters().ended.get_or_insert_with(|| "failed".to_owned());
        self.changed();
    }

    /// Counts one more, and wakes those who wait for it.
    pub fn count(&self, counter: impl Fn(&mut Counters) -> &mut u64) {
        let mut counters = self.counters();
        let counter = counter(&mut counters);
        *counter = counter.wrapping_add(1);
        self.changed();
    }

    /// Counts messages that were missed, at the same time as their event is written.
    pub fn missed(&self, topic: &str, count: u64) {
        let mut counters = self.counters();
        counters.missed = counters.missed.saturating_add(count);
        let name = counters.name(topic);
        name.missed = name.missed.saturating_add(count);
    }

    /// Counts what a part had that was removed.
    pub fn removed(&self, amount: Amount) {
        let removed = &mut self.counters().removed;
        removed.messages = removed.messages.saturating_add(amount.messages);
        removed.bytes = removed.bytes.saturating_add(amount.bytes);
    }

    /// Wakes those who wait for a sync or a checkpoint.
    pub fn changed(&self) {
        self.changed.notify_all();
    }

    /// Has the writer put onto the disk what is in the queue, and waits until it has done so or has ended. Returns
    /// whether it has done so.
    pub fn sync_and_wait(&self, queue: &Queue) -> bool {
        self.ask(queue, Item::Sync, |counters| counters.syncs)
    }

    /// Has the writer begin another part, and waits until it has done so or has ended.
    pub fn checkpoint_and_wait(&self, queue: &Queue) {
        self.ask(queue, Item::Checkpoint, |counters| counters.checkpoints);
    }

    fn ask(&self, queue: &Queue, item: Item, count: impl Fn(&Counters) -> u64) -> bool {
        let mut counters = self.counters();
        let before = count(&counters);
        queue.push(item);
        while count(&counters) == before && counters.ended.is_none() {
            counters = self.changed.wait(counters).unwrap_or_else(PoisonError::into_inner);
        }
        count(&counters) != before
    }
}

/// The time over which rates are counted.
const RATE: Duration = Duration::from_secs(1);

/// Names that have counters of their own. The sums have all.
const NAMES: usize = 16_384;

impl Counters {
    /// Returns the counters of a name.
    fn name(&mut self, topic: &str) -> &mut Name {
        if self.names.len() >= NAMES && !self.names.contains_key(topic) {
            // Names that come and go: one that goes on counts from here again.
            self.names.pop_first();
        }
        self.names.entry(topic.to_owned()).or_default()
    }

    /// Adds messages of a name.
    pub fn add(&mut self, topic: &str, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(bytes);
        let name = self.name(topic);
        name.messages = name.messages.saturating_add(messages);
        name.bytes = name.bytes.saturating_add(bytes);
    }

    /// Counts the rates anew, if it is time for it.
    pub fn count_rates(&mut self) {
        let now = Instant::now();
        let (then, messages, bytes) = *self.counted.get_or_insert((now, self.messages, self.bytes));
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds >= RATE.as_secs_f64() {
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
            self.rate = (rate(self.messages, messages), rate(self.bytes, bytes));
            self.counted = Some((now, self.messages, self.bytes));
        }
    }

    /// Returns them as the data of the service.
    pub fn to_value(&self, paused: bool) -> Value {
        let number = |number: u64| Value::from(number);
        let names = self.names.iter().map(|(name, of)| {
            let entries = [("messages", of.messages), ("bytes", of.bytes), ("missed", of.missed)];
            (
                name.clone(),
                Value::Map(entries.into_iter().map(|(key, n)| (key.to_owned(), number(n))).collect()),
            )
        });
        let names: Map = names.collect();
        let mut data = Map::new();
        data.insert("file".into(), self.file.as_str().into());
        data.insert("paused".into(), Value::Bool(paused));
        data.insert("messages_per_second".into(), Value::Float(self.rate.0));
        data.insert("bytes_per_second".into(), Value::Float(self.rate.1));
        let numbers = [
            ("part", self.part),
            ("file_bytes", self.file_bytes),
            ("messages", self.messages),
            ("bytes", self.bytes),
            ("missed", self.missed),
            ("removed", self.removed.messages),
            ("unreached", self.unreached),
            ("disk_free", self.free),
            ("disk_size", self.disk),
        ];
        numbers.into_iter().for_each(|(key, n)| {
            data.insert(key.into(), number(n));
        });
        data.insert("names".into(), Value::Map(names));
        Value::Map(data)
    }

    /// Returns them as a line for a person.
    pub fn line(&self) -> String {
        let mut line = format!(
            "{}: {} of {} names, {}",
            self.file,
            counted(self.messages.saturating_sub(self.removed.messages), "message"),
            self.names.len(),
            bytes(self.bytes.saturating_sub(self.removed.bytes))
        );
        if self.removed.messages > 0 {
            line += &format!(", {} removed for a full disk", self.removed.messages);
        }
        if self.missed > 0 {
            line += &format!(", {} missed", self.missed);
        }
        if self.unreached > 0 {
            let events = counted(self.unreached, "event");
            line +=
                &format!(", {events} of names that could not be received from: see linkspan recording check");
        }
        line
    }

    /// Returns whether something is missing of which a person is told in any case.
    pub fn lacks(&self) -> bool {
        self.missed > 0 || self.unreached > 0
    }
}

/// A number and its noun.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Bytes in a unit that a person reads.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
