//! The writing thread: what is in the queue goes into the parts, and onto the disk at each interval.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{Encoding, Error, ErrorKind, Message, Result, codec, registry};
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;
use linkspan_recording::{ChannelRecord, Event};
use linkspan_schema::export::{Notation, export};

use super::black_box::BlackBox;
use super::queue::{Item, Queue, Received};
use super::receive::now;
use super::status::{Counters, Status, bytes};
use crate::parts::{Parts, Times};
use crate::stderr;

/// What is done about a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenFull {
    /// Close the file and end
    Stop,
    /// Remove the oldest closed part of this recording, and go on
    DropOldest,
}

/// How it is written.
pub struct How {
    /// The longest time until a message is on the disk.
    pub sync: Duration,
    pub when_full: WhenFull,
    /// Whether messages are written in JSON.
    pub json: bool,
    /// The number of messages to end at.
    pub messages: Option<u64>,
}

/// What is written of one publisher of a name.
struct Known {
    /// By which the parts know its channel.
    key: u64,
    incarnation: u64,
    encoding: Encoding,
    record: Arc<ChannelRecord>,
    /// The number after the last one that was written, missed or skipped.
    next: u64,
    /// Messages and bytes that the counters do not have yet.
    new: (u64, u64),
}

/// The writer.
pub struct Writer<'a> {
    parts: Parts,
    queue: &'a Queue,
    status: &'a Status,
    how: How,
    black_box: Option<BlackBox>,
    /// By the endpoint; the publishers of a name follow each other.
    known: HashMap<Arc<str>, Vec<Known>>,
    /// The number after those that were missed before the first message of a publisher, by topic and incarnation.
    early: HashMap<(String, u64), u64>,
    /// The number after the last one that a recorder before this one wrote, which was killed.
    before: HashMap<(String, u64), u64>,
    /// How many channels there were.
    keys: u64,
    written: u64,
    /// The wall clock minus the time since the beginning, which a step of that clock changes.
    clock: i128,
    began: Instant,
    /// Whether a disk that is nearly full was reported.
    is_low: bool,
}

/// A step of the wall clock that is reported, in nanoseconds.
const CLOCK_STEP: i128 = 100_000_000;
/// Bytes after which the queue is told that they were written, and messages after which the clock is looked at.
const TELL: u64 = 1 << 20;
const LOOK: u64 = 64;

impl<'a> Writer<'a> {
    /// Makes the writer of these parts.
    pub fn new(
        parts: Parts,
        queue: &'a Queue,
        status: &'a Status,
        how: How,
        black_box: Option<BlackBox>,
        before: HashMap<(String, u64), u64>,
    ) -> Writer<'a> {
        Writer {
            parts,
            queue,
            status,
            how,
            black_box,
            known: HashMap::new(),
            early: HashMap::new(),
            before,
            keys: 0,
            written: 0,
            clock: i128::from(now()),
            began: Instant::now(),
            is_low: false,
        }
    }

    /// Writes until the queue ends, the number of messages is reached, or an error. The file is closed in any case, unless the file
    /// system refuses that, too. The counters then say why it ended.
    pub fn run(mut self) {
        let (reason, error) = match self.write_all() {
            Ok(()) => ("stopped", None),
            Err(error) if error.kind() == ErrorKind::NoSpace => ("full", Some(error)),
            Err(error) => ("failed", Some(error)),
        };
        self.tell_counters();
        let stopped = Event::new(now(), Kind::Stopped)
            .with_text(error.as_ref().map_or(String::new(), Error::to_string));
        // Both have the room that was reserved for them.
        let closed = self.parts.event(&stopped).and_then(|()| self.parts.close(reason));
        let mut counters = self.status.counters();
        let closing = closed.map(|bytes| counters.file_bytes = bytes).err();
        counters.error = error.or(closing);
        counters.ended = Some(reason.to_owned());
        drop(counters);
        self.status.changed();
    }

    fn write_all(&mut self) -> Result<()> {
        let mut synced = Instant::now();
        while let Some(items) = self.queue.take(self.how.sync.saturating_sub(synced.elapsed())) {
            let (mut bytes, mut count) = (0, 0);
            for item in items {
                bytes += item.bytes();
                count += 1;
                self.take(item)?;
                if self.how.messages.is_some_and(|limit| self.written >= limit) {
                    return Ok(());
                }
                if bytes >= TELL {
                    self.queue.written(std::mem::take(&mut bytes));
                }
                if count % LOOK == 0 && synced.elapsed() >= self.how.sync {
                    self.sync()?;
                    synced = Instant::now();
                }
            }
            self.queue.written(bytes);
            self.tell_counters();
            if synced.elapsed() >= self.how.sync {
                self.sync()?;
                synced = Instant::now();
            }
        }
        Ok(())
    }

    /// Writes an item, or holds it.
    fn take(&mut self, item: Item) -> Result<()> {
        match &mut self.black_box {
            Some(black_box) => black_box.take(item).into_iter().try_for_each(|item| self.item(item)),
            None => self.item(item),
        }
    }

    fn item(&mut self, item: Item) -> Result<()> {
        match item {
            Item::Message(message) => self.message(&message),
            Item::Event(event) => self.event(&event),
            Item::Checkpoint => {
                self.with_room(|parts| parts.next("checkpoint", now()))?;
                self.status.counters().checkpoints += 1;
                self.status.changed();
                Ok(())
            }
            Item::Sync => {
                self.sync()?;
                self.status.counters().syncs += 1;
                self.status.changed();
                Ok(())
            }
        }
    }

    /// Does this; where the disk is full and older parts may be removed for it, as often as there are some.
    fn with_room(&mut self, mut what: impl FnMut(&mut Parts) -> Result<()>) -> Result<()> {
        loop {
            let error = match what(&mut self.parts) {
                Err(error)
                    if error.kind() == ErrorKind::NoSpace && self.how.when_full == WhenFull::DropOldest =>
                {
                    error
                }
                done => return done,
            };
            let Some(removed) = self.parts.drop_oldest()? else { return Err(error) };
            let text = format!("the disk is full: {} was removed", removed.display());
            stderr::print_line(&text);
            self.parts.event(&Event::new(now(), Kind::Full).with_text(text))?;
        }
    }

    fn event(&mut self, event: &Event) -> Result<()> {
        if event.kind == Kind::Missed {
            let count = event.count.unwrap_or(0);
            let next = event.first.unwrap_or(0).saturating_add(count);
            let incarnation = event.incarnation.unwrap_or(0);
            let of_name =
                |known: &Known| known.incarnation == incarnation && known.record.topic == event.name;
            match self.known.values_mut().flatten().find(|known| of_name(known)) {
                Some(known) => known.next = known.next.max(next),
                None => {
                    self.early.insert((event.name.clone(), incarnation), next);
                }
            }
            let mut counters = self.status.counters();
            counters.missed += count;
            counters.names.entry(event.name.clone()).or_default().missed += count;
        }
        self.with_room(|parts| parts.event(event))
    }

    fn message(&mut self, message: &Received) -> Result<()> {
        let Received { name, incarnation, number, received, .. } = message;
        let (incarnation, number, received) = (*incarnation, *number, *received);
        let encoding = if self.how.json { Encoding::Json } else { message.encoding };
        let fits = |known: &Known| known.incarnation == incarnation && known.encoding == encoding;
        let at = match self.known.get(name).and_then(|all| all.iter().rposition(fits)) {
            Some(at) => at,
            None => self.begin(message, encoding)?,
        };
        let body = if encoding == message.encoding {
            message.body.clone()
        } else {
            match codec::transcode(&message.body, message.encoding, encoding) {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    let event = Event::new(received, Kind::Missed).of(topic(name), Some(incarnation));
                    let text = format!("the message cannot be written in JSON: {error}");
                    return self.event(&Event {
                        count: Some(1),
                        first: Some(number),
                        ..event.with_text(text)
                    });
                }
            }
        };
        let Some(known) = self.known.get_mut(name).and_then(|all| all.get_mut(at)) else { return Ok(()) };
        // A store may deliver again what it delivered before.
        if number < known.next {
            return Ok(());
        }
        let skipped = number - known.next;
        known.next = number + 1;
        known.new.0 += 1;
        known.new.1 += body.len() as u64;
        let (key, record) = (known.key, known.record.clone());
        if skipped > 0 {
            let event = Event::new(received, Kind::Skipped).of(topic(name), Some(incarnation));
            let event = event.with_text(
                "not recorded: the recorder was paused, or the messages are outside of every interval",
            );
            self.with_room(|parts| {
                parts.event(&Event { count: Some(skipped), first: Some(number - skipped), ..event.clone() })
            })?;
        }
        self.written += 1;
        let times = Times { sent: message.sent, received };
        self.with_room(|parts| parts.message(key, &record, number, times, &body))
    }

    /// Makes the entry of a publisher whose first message this is; returns its place.
    fn begin(&mut self, message: &Received, encoding: Encoding) -> Result<usize> {
        let Received { name, source, incarnation, number, received, .. } = message;
        let (incarnation, number, received) = (*incarnation, *number, *received);
        // A bridge publishes what it imports as a program of this machine.
        let machine = message.first.as_ref().and_then(|_| registry::machine(name).ok().flatten());
        let source = machine.map_or_else(|| source.to_string(), |machine| format!("{source}@{machine}"));
        let mut record = ChannelRecord::new(name, incarnation, encoding, &source);
        if let Some((schema, json)) = message.first.as_ref().and_then(|first| schema_of(name, first)) {
            record = record.with_schema(&schema, json);
        }
        let place = (record.topic.clone(), incarnation);
        // What was published while no recorder was there.
        let before = self.before.remove(&place);
        if let Some(next) = before.filter(|next| *next < number) {
            let first = self.early.remove(&place).map_or(number, |_| number);
            let event = Event::new(received, Kind::Missed).of(&place.0, Some(incarnation));
            let event = event.with_text("no recorder was there: the one before was killed");
            self.event(&Event { count: Some(first - next), first: Some(next), ..event })?;
        }
        let early = self.early.remove(&place);
        let all = self.known.entry(name.clone()).or_default();
        // Of the publishers before, only the last ones can still have messages on the way.
        if all.len() == PUBLISHERS {
            all.remove(0);
        }
        self.keys += 1;
        // What the recorder before has written and not acknowledged, a store delivers again.
        let next = early.unwrap_or(number).max(before.unwrap_or(0));
        all.push(Known {
            key: self.keys,
            incarnation,
            encoding,
            record: Arc::new(record),
            next,
            new: (0, 0),
        });
        Ok(all.len() - 1)
    }

    /// Puts what was written onto the disk; looks at the disk and at the clock.
    fn sync(&mut self) -> Result<()> {
        let time = i128::from(now());
        let expected = self.clock + i128::try_from(self.began.elapsed().as_nanos()).unwrap_or(0);
        if (time - expected).abs() >= CLOCK_STEP {
            self.clock += time - expected;
            let by = i64::try_from(time - expected).unwrap_or(i64::MAX);
            self.event(&Event { by: Some(by), ..Event::new(now(), Kind::Clock) })?;
        }
        let (free, size) = self.parts.disk()?;
        let is_low = free < size / 10;
        if is_low && !self.is_low {
            let text = format!("less than a tenth of the disk is left: {} of {}", bytes(free), bytes(size));
            stderr::print_line(&text);
            self.event(&Event {
                free: Some(free),
                size: Some(size),
                ..Event::new(now(), Kind::Disk).with_text(text)
            })?;
        }
        self.is_low = is_low;
        self.with_room(|parts| parts.sync(now()))?;
        let (part, path, length) =
            (self.parts.number(), self.parts.path().display().to_string(), self.parts.size()?);
        let mut counters = self.status.counters();
        (counters.free, counters.disk, counters.part, counters.file, counters.file_bytes) =
            (free, size, part, path, length);
        Ok(())
    }

    /// Adds to the counters what was written since the last time.
    fn tell_counters(&mut self) {
        let mut counters = self.status.counters();
        for known in self.known.values_mut().flatten().filter(|known| known.new.0 > 0) {
            let (messages, bytes) = std::mem::take(&mut known.new);
            let Counters { names, messages: all, bytes: all_bytes, .. } = &mut *counters;
            *all += messages;
            *all_bytes += bytes;
            let name = names.entry(known.record.topic.clone()).or_default();
            name.messages += messages;
            name.bytes += bytes;
        }
        counters.count_rates();
    }
}

/// Publishers of one name that are kept apart.
const PUBLISHERS: usize = 8;

/// The schema of a message, and the same as JSON Schema; none where its publisher has none, or is gone.
fn schema_of(name: &str, message: &Message) -> Option<(Schema, Option<String>)> {
    let form = registry::schema_of(name, message).ok()?;
    let schema = Schema::from_bytes(&form).ok()?;
    // A packed record has no form in JSON Schema.
    let json =
        export(&schema, Notation::JsonSchema).ok().and_then(|export| String::from_utf8(export.bytes).ok());
    Some((schema, json))
}
