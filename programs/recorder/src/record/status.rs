//! The counters of a recorder, for the progress line, the service's data and the final report.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::{Error, ErrorKind, Map, Result, Value};

use super::queue::{Item, Queue};
use crate::parts::Amount;

#[derive(Clone, Debug, Default)]
pub struct Name {
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub names: BTreeMap<String, Name>,
    pub messages: u64,
    pub bytes: u64,
    pub missed: u64,
    /// Recorded messages that were removed because the disk was full.
    pub removed: Amount,
    /// Events of names that could not be received from all the time.
    pub unreached: u64,
    /// Messages and bytes per second; the time, messages and bytes at the last calculation.
    pub rate: (f64, f64),
    pub counted: Option<(Instant, u64, u64)>,
    pub file: String,
    /// The number of its part, and its bytes.
    pub part: u64,
    pub file_bytes: u64,
    pub free: u64,
    pub disk: u64,
    pub checkpoints: u64,
    pub syncs: u64,
    /// The reason of the end, once the recording has ended.
    pub ended: Option<String>,
    pub error: Option<Error>,
    /// A thread that returned without an error.
    pub returned: Option<&'static str>,
}

#[derive(Debug, Default)]
pub struct Status {
    counters: Mutex<Counters>,
    changed: Condvar,
}

impl Status {
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a thread's work. An error or a panic ends the recording, and wakes the threads that wait for this one.
    pub fn attend(&self, what: &'static str, work: impl FnOnce() -> Result<()>) {
        // After a panic, only the counters are read, and these are consistent at any time.
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let text = format!("the {what} thread panicked: the recording ends here");
            Err(Error::new(ErrorKind::Internal, text))
        });
        match done {
            Ok(()) => {
                let mut counters = self.counters();
                // The threads return normally after the end of the recording.
                if counters.ended.is_none() {
                    counters.returned = Some(what);
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Ends the recording with an error. The first error is kept.
    pub fn fail(&self, error: &Error) {
        let mut counters = self.counters();
        counters.error.get_or_insert_with(|| error.clone());
        counters.ended = Some("failed".to_owned());
        drop(counters);
        self.changed();
    }

    /// Notes that the writer is missing, which ends all waits for it.
    pub fn end(&self) {
        self.counters().ended.get_or_insert_with(|| "failed".to_owned());
        self.changed();
    }

    /// Increments a counter, and wakes the threads that wait for it.
    pub fn count(&self, counter: impl Fn(&mut Counters) -> &mut u64) {
        let mut counters = self.counters();
        let counter = counter(&mut counters);
        *counter = counter.wrapping_add(1);
        self.changed();
    }

    pub fn missed(&self, topic: &str, count: u64) {
        let mut counters = self.counters();
        counters.missed = counters.missed.saturating_add(count);
        let name = counters.name(topic);
        name.missed = name.missed.saturating_add(count);
    }

    pub fn removed(&self, amount: Amount) {
        let removed = &mut self.counters().removed;
        removed.messages = removed.messages.saturating_add(amount.messages);
        removed.bytes = removed.bytes.saturating_add(amount.bytes);
    }

    pub fn changed(&self) {
        self.changed.notify_all();
    }

    /// Requests a sync of the queue's items, and waits for it or for the end. Returns whether the sync was done.
    pub fn sync_and_wait(&self, queue: &Queue) -> bool {
        self.ask(queue, Item::Sync, |counters| counters.syncs)
    }

    /// Requests the next part, and waits for it or for the end.
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

const RATE: Duration = Duration::from_secs(1);

/// The most names with their own counters. The totals include all names.
const NAMES: usize = 16_384;

impl Counters {
    fn name(&mut self, topic: &str) -> &mut Name {
        if self.names.len() >= NAMES && !self.names.contains_key(topic) {
            // The removed name starts again at zero if it comes back.
            self.names.pop_first();
        }
        self.names.entry(topic.to_owned()).or_default()
    }

    pub fn add(&mut self, topic: &str, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(bytes);
        let name = self.name(topic);
        name.messages = name.messages.saturating_add(messages);
        name.bytes = name.bytes.saturating_add(bytes);
    }

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

    /// Returns whether losses must be reported even with `--quiet`.
    pub fn lacks(&self) -> bool {
        self.missed > 0 || self.unreached > 0
    }
}

pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
