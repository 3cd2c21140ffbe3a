//! What a recorder has done so far, by name: for the progress line, the service's data and the end.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linkspan::{Error, Map, Result, Value};

use super::queue::{Item, Queue};

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

    /// Ends the recording where a receiving thread ended with an error: the main thread sees it here.
    pub fn end_at_error(&self, received: Result<()>) -> Result<()> {
        if received.is_err() {
            self.counters().ended = Some("failed".to_owned());
        }
        received
    }

    /// Wakes those who wait for a sync or a checkpoint.
    pub fn changed(&self) {
        self.changed.notify_all();
    }

    /// Has the writer put onto the disk what is in the queue, and waits until it has done so or has ended.
    pub fn sync_and_wait(&self, queue: &Queue) {
        self.ask(queue, Item::Sync, |counters| counters.syncs);
    }

    /// Has the writer begin another part, and waits until it has done so or has ended.
    pub fn checkpoint_and_wait(&self, queue: &Queue) {
        self.ask(queue, Item::Checkpoint, |counters| counters.checkpoints);
    }

    fn ask(&self, queue: &Queue, item: Item, count: impl Fn(&Counters) -> u64) {
        let mut counters = self.counters();
        let before = count(&counters);
        queue.push(item);
        while count(&counters) == before && counters.ended.is_none() {
            counters = self.changed.wait(counters).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The time over which rates are counted.
const RATE: Duration = Duration::from_secs(1);

impl Counters {
    /// Counts the rates anew, if it is time for it.
    pub fn count_rates(&mut self) {
        let now = Instant::now();
        let (then, messages, bytes) = *self.counted.get_or_insert((now, self.messages, self.bytes));
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds >= RATE.as_secs_f64() {
            let rate = |new: u64, old: u64| (new - old) as f64 / seconds;
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
            counted(self.messages, "message"),
            self.names.len(),
            bytes(self.bytes)
        );
        if self.missed > 0 {
            line += &format!(", {} missed", self.missed);
        }
        line
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
