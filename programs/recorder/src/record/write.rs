//! The writing thread: moves items from the queue into the parts, and syncs them at each interval.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linkspan::schema::Schema;
use linkspan::{Encoding, Error, ErrorKind, Limits, Result, codec};
use linkspan_recording::event::Kind;
use linkspan_recording::{ChannelRecord, Event, JsonSchemas};
use linkspan_schema_export::{Notation, export};

use super::asking::Asking;
use super::black_box::BlackBox;
use super::clock::now;
use super::fault;
use super::numbers::{Numbered, Numbers};
use super::publisher::{Gap, Origin, Publisher};
use super::queue::{Item, Lost, Queue, Received};
use super::status::{Status, bytes};
use crate::parts::{Parts, Times};
use crate::stderr;
use crate::viewing::Viewing;

/// The encoding of recorded messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Encode {
    AsSent,
    Json,
    Ros2,
}

/// The reaction to a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WhenFull {
    Stop,
    DropOldest,
}

pub struct How {
    /// The longest time until a message is on the disk.
    pub sync: Duration,
    pub when_full: WhenFull,
    pub encoding: Encode,
    /// The limits for converted messages: those of the subscriber, but at least the default ones, because JSON can be
    /// longer.
    pub limits: Limits,
    pub messages: Option<u64>,
}

pub struct Writer<'a> {
    parts: Parts,
    queue: &'a Queue,
    status: &'a Status,
    how: How,
    black_box: Option<BlackBox>,
    numbers: Arc<Numbers>,
    /// Publishers with messages that the counters do not include yet.
    uncounted: Vec<Arc<Publisher>>,
    asking: Asking<'a>,
    viewing: Viewing,
    keys: u64,
    written: u64,
    /// Bytes since the last check of the disk, and the bytes until the next one.
    unlooked: u64,
    before_look: u64,
    is_low: bool,
}

/// A publisher, its first unwritten number, and the number after its last one.
type Unwritten = (Arc<Publisher>, u64, u64);

/// From this length on, memory for the value is checked first. A value and its new encoding take about `VALUE` times
/// the body.
const LONG_BODY: usize = 64 << 10;
const VALUE: usize = 4;
/// Messages between two checks of the sync interval.
const LOOK: u64 = 64;
/// The fewest bytes between two checks of the disk.
const DISK_LOOK: u64 = 256 << 10;

impl<'a> Writer<'a> {
    pub fn new(
        parts: Parts,
        queue: &'a Queue,
        status: &'a Status,
        how: How,
        black_box: Option<BlackBox>,
        numbers: Arc<Numbers>,
    ) -> Writer<'a> {
        let viewing = Viewing::new(how.limits.message);
        Writer {
            parts,
            queue,
            status,
            how,
            black_box,
            numbers,
            uncounted: Vec::new(),
            asking: Asking::new(queue),
            viewing,
            keys: 0,
            written: 0,
            unlooked: 0,
            before_look: 0,
            is_low: false,
        }
    }

    /// Writes until the queue ends, the number of messages is reached, or an error occurs.
    ///
    /// Closes the file in every case, if the file system permits it. The counters then hold the reason.
    pub fn run(mut self) -> Result<()> {
        let written = self
            .write_all()
            .and_then(|()| self.close_ranges(self.numbers.open(None)))
            .and_then(|()| self.tell_ended(self.numbers.take_away()));
        let (mut reason, mut error) = match written {
            Ok(()) => ("stopped", None),
            Err(error) if error.kind() == ErrorKind::NoSpace => ("full", Some(error)),
            Err(error) => ("failed", Some(error)),
        };
        if error.is_none()
            && let Some(other) = self.status.counters().error.clone()
        {
            // A receiving thread failed, so the file lacks messages.
            (reason, error) = ("failed", Some(other));
        }
        let text = error.as_ref().map_or(String::new(), Error::to_string);
        // Space for these events and for the end of the file was reserved.
        if reason == "full" {
            self.give_up(&text);
        }
        self.update_counters();
        let stopped = Event::new(now(), Kind::Stopped).with_text(text);
        let noted = self.parts.last_event(&stopped);
        let closed = self.parts.close(reason).and_then(|bytes| noted.map(|()| bytes));
        let mut counters = self.status.counters();
        let closing = closed.map(|bytes| counters.file_bytes = bytes).err();
        counters.error = error.or(closing);
        counters.ended = Some(reason.to_owned());
        drop(counters);
        self.status.changed();
        Ok(())
    }

    fn write_all(&mut self) -> Result<()> {
        let mut synced = Instant::now();
        let mut count: u64 = 0;
        while let Some(items) = self.queue.take(self.how.sync.saturating_sub(synced.elapsed())) {
            fault::ends("writing");
            let mut items = items.into_iter();
            while let Some(item) = items.next() {
                count = count.wrapping_add(1);
                self.queue.release(&item);
                if let Err(error) = self.take(item) {
                    // The remaining items are recorded as unwritten.
                    self.queue.put_back(items);
                    return Err(error);
                }
                if self.how.messages.is_some_and(|limit| self.written >= limit) {
                    return Ok(());
                }
                if count.is_multiple_of(LOOK) && synced.elapsed() >= self.how.sync {
                    self.sync()?;
                    synced = Instant::now();
                }
            }
            self.update_counters();
            if synced.elapsed() >= self.how.sync {
                self.sync()?;
                synced = Instant::now();
            }
        }
        Ok(())
    }

    /// Writes or holds an item; after an error the item is back in the queue.
    fn take(&mut self, item: Item) -> Result<()> {
        match self.arrives(&item) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                self.queue.put_back([item].into_iter());
                return Err(error);
            }
        }
        let Some(black_box) = &mut self.black_box else { return self.item(item) };
        let mut ready = black_box.take(item).into_iter();
        let ended = black_box.take_ended();
        while let Some(item) = ready.next() {
            if let Err(error) = self.item(item) {
                self.queue.put_back(ready);
                return Err(error);
            }
        }
        for event in ended {
            let of = event.incarnation.map(|incarnation| (&*event.name, incarnation));
            self.close_ranges(of.map_or_else(Vec::new, |of| self.numbers.open(Some(of))))?;
        }
        Ok(())
    }

    /// Processes the numbers of an item before it is written or held.
    ///
    /// Returns whether it is new. A message that the recording has, or whose number goes back, is not new.
    fn arrives(&mut self, item: &Item) -> Result<bool> {
        if let Item::PeerEvent(event) = item
            && let (Kind::Connected, Some(incarnation)) = (event.kind, event.incarnation)
        {
            let ended = self.numbers.connected(&event.name, incarnation).into_iter();
            self.tell_ended(ended.map(|one| (event.name.clone(), one)).collect())?;
        }
        let Some(Numbered { publisher, begins, until, time }) = Numbered::of(item) else { return Ok(true) };
        if self.place_cursor(publisher, begins) {
            // The earlier recorder stopped there, or the publisher began while no recorder ran.
            self.pass(publisher, begins, time, Kind::Missed, UNATTENDED)?;
            self.close_ranges(self.numbers.add(publisher))?;
        }
        let mut written = publisher.written();
        let Item::Message(message) = item else {
            written.received = until.max(written.received);
            return Ok(true);
        };
        if until <= written.received {
            drop(written);
            return self.goes_back(publisher, message.number, time).map(|()| false);
        }
        written.received = until;
        // A new subscriber receives the newest message again, which the earlier recorder may have written.
        Ok(written.next.is_none_or(|next| message.number >= next))
    }

    fn item(&mut self, item: Item) -> Result<()> {
        let written = match &item {
            Item::Message(message) => self.message(message),
            Item::Lost(lost) => self.lost(lost),
            Item::Event(event) | Item::PeerEvent(event) => {
                if event.kind == Kind::Disconnected {
                    self.parts.forget(&event.name);
                }
                let is_unreached = matches!(event.kind, Kind::Refused | Kind::Unconnected);
                self.with_room(|parts| parts.event(event)).map(|()| {
                    if is_unreached {
                        self.status.count(|counters| &mut counters.unreached);
                    }
                })
            }
            Item::Checkpoint => self
                .with_room(|parts| parts.next("checkpoint", now()))
                .map(|()| self.status.count(|counters| &mut counters.checkpoints)),
            Item::Sync => self.sync().map(|()| self.status.count(|counters| &mut counters.syncs)),
        };
        if written.is_err() {
            self.queue.put_back([item].into_iter());
        }
        written
    }

    /// Runs an operation. If the disk is full and `--when-full drop-oldest` is set, removes old parts and retries.
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
            let Some((removed, amount)) = self.parts.drop_oldest()? else { return Err(error) };
            self.status.removed(amount);
            let text = format!("the disk is full: {} was removed", removed.display());
            stderr::print_line(&text);
            self.parts.event(&Event::new(now(), Kind::Full).with_text(text))?;
        }
    }

    /// Records that messages from the cursor up to `until` are missing, and moves the cursor.
    ///
    /// All events of missed or skipped messages are made here, which keeps the counters consistent with them.
    fn pass_over(
        &mut self,
        publisher: &Publisher,
        until: u64,
        time: u64,
        kind: Kind,
        text: &str,
        write: impl Fn(&mut Self, &Event) -> Result<()>,
    ) -> Result<()> {
        let Some(first) = publisher.written().next else { return Ok(()) };
        let count = until.saturating_sub(first);
        if count == 0 {
            return Ok(());
        }
        let topic = publisher.endpoint.topic();
        let event = Event::new(time, kind).of(topic, Some(publisher.incarnation)).with_text(text);
        write(self, &Event { count: Some(count), first: Some(first), ..event })?;
        publisher.written().next = Some(until);
        if kind == Kind::Missed {
            self.status.missed(topic, count);
        }
        Ok(())
    }

    /// As `pass_over`, but makes space on a full disk.
    fn pass(&mut self, publisher: &Publisher, until: u64, time: u64, kind: Kind, text: &str) -> Result<()> {
        self.pass_over(publisher, until, time, kind, text, |writer, event| {
            writer.with_room(|parts| parts.event(event))
        })
    }

    /// Sets the cursor of a publisher if it is unset; returns whether it was unset.
    fn place_cursor(&mut self, publisher: &Publisher, number: u64) -> bool {
        let mut written = publisher.written();
        if written.next.is_some() {
            return false;
        }
        let next = self.numbers.take(publisher).unwrap_or({
            let started_between = self.numbers.is_continued() && publisher.is_older;
            // It started while no recorder ran.
            if started_between { number.min(1) } else { number }
        });
        written.next = Some(next);
        true
    }

    /// Records all missing messages up to `until`; `gap` describes the last ones.
    ///
    /// The black box held and dropped the messages before the gap.
    fn pass_gap(
        &mut self,
        publisher: &Arc<Publisher>,
        until: u64,
        gap: Option<&Gap>,
        time: u64,
    ) -> Result<()> {
        let begins = until.saturating_sub(gap.map_or(0, Gap::count));
        let (kind, text) = self.not_received();
        self.pass(publisher, begins, time, kind, text)?;
        match gap {
            Some(gap) => self.pass(publisher, until, time, gap.kind(), &gap.reason()),
            None => Ok(()),
        }
    }

    /// Returns kind and reason for messages after the cursor without other information.
    fn not_received(&self) -> (Kind, &'static str) {
        if self.black_box.is_some() { (Kind::Skipped, OUTSIDE) } else { (Kind::Missed, UNKNOWN) }
    }

    /// Records publishers of the earlier recorder that ended while no recorder ran.
    fn tell_ended(&mut self, publishers: Vec<(String, u64)>) -> Result<()> {
        for (name, incarnation) in publishers {
            let event = Event::new(now(), Kind::Unaccounted).of(&name, Some(incarnation));
            let event = event.with_text(UNATTENDED_END);
            self.with_room(|parts| parts.event(&event))?;
        }
        Ok(())
    }

    /// Records received but unwritten messages of these publishers. These messages will not be written later.
    fn close_ranges(&mut self, of: Vec<Arc<Publisher>>) -> Result<()> {
        let (kind, text) = self.not_received();
        for publisher in of {
            let received = publisher.written().received;
            self.pass(&publisher, received, now(), kind, text)?;
        }
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> Result<()> {
        self.pass_gap(&lost.publisher, lost.until, Some(&lost.gap), lost.time)
    }

    fn message(&mut self, message: &Received) -> Result<()> {
        let Received { origin, number, received, .. } = message;
        let (publisher, number, received) = (&origin.publisher, *number, *received);
        let encoding = if self.how.encoding == Encode::Json { Encoding::Json } else { origin.encoding };
        let (key, record) = match origin.channel.get() {
            Some(channel) => channel,
            None => self.begin(origin, encoding)?,
        };
        let (mut key, mut record) = (*key, record.clone());
        self.pass_gap(publisher, number, message.gap.as_deref(), received)?;
        let behind = number.saturating_add(1);
        let body = if self.how.encoding == Encode::Ros2 {
            let written = room_for_value(&message.body)
                .and_then(|()| codec::decode_shared(&message.body, origin.encoding, &self.how.limits))
                .and_then(|value| self.viewing.encode_next(&record, &value, message.sent));
            match written {
                Ok(written) => {
                    (key, record) = (written.0, written.1);
                    written.2
                }
                Err(error) => {
                    let text = format!("the message cannot be written for viewers: {error}");
                    return self.pass(publisher, behind, received, Kind::Missed, &text);
                }
            }
        } else if encoding == origin.encoding {
            message.body.clone()
        } else {
            let written = room_for_value(&message.body)
                .and_then(|()| transcode(&message.body, origin.encoding, encoding, &self.how.limits));
            match written {
                Ok(bytes) => Bytes::from(bytes),
                Err(error) => {
                    let text = format!("the message cannot be written in JSON: {error}");
                    return self.pass(publisher, behind, received, Kind::Missed, &text);
                }
            }
        };
        if record.is_for_viewers() && !fits_viewers(&body, origin.schema.get()) {
            let (other, exceptional) = origin.without_viewers.get_or_init(|| {
                self.keys = self.keys.saturating_add(1);
                (self.keys, Arc::new(record.without_viewers()))
            });
            (key, record) = (*other, exceptional.clone());
        }
        let length = body.len() as u64;
        self.unlooked = self.unlooked.saturating_add(length);
        if self.unlooked >= self.before_look {
            self.look_at_disk()?;
        }
        let times = Times { sent: message.sent, received };
        match self.with_room(|parts| parts.message(key, &record, number, times, &body)) {
            // Nothing was written: the message counts as missed, and the recording continues.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                return self.pass(publisher, behind, received, Kind::Missed, error.text());
            }
            written => written?,
        }
        self.written = self.written.saturating_add(1);
        let mut written = publisher.written();
        written.next = Some(behind);
        if written.new.0 == 0 {
            self.uncounted.push(publisher.clone());
        }
        written.new = (written.new.0.saturating_add(1), written.new.1.saturating_add(length));
        Ok(())
    }

    /// Handles a number that was already received or reported as missed.
    ///
    /// A store delivers unacknowledged messages again. For another publisher this is reported once.
    fn goes_back(&mut self, publisher: &Publisher, number: u64, time: u64) -> Result<()> {
        let mut written = publisher.written();
        let next = written.received;
        if publisher.is_stored || std::mem::replace(&mut written.is_reported, true) {
            return Ok(());
        }
        drop(written);
        let text = format!(
            "message {number} came after {}: numbers of a publisher ascend, and what goes back is not recorded",
            next.saturating_sub(1)
        );
        let event = Event::new(time, Kind::Refused);
        let event = event.of(publisher.endpoint.topic(), Some(publisher.incarnation)).with_text(text);
        self.with_room(|parts| parts.event(&event))
    }

    fn begin<'o>(&mut self, origin: &'o Origin, encoding: Encoding) -> Result<&'o (u64, Arc<ChannelRecord>)> {
        let publisher = &origin.publisher;
        let name = &*publisher.endpoint.name;
        // A bridge publishes imported names like a program of this machine.
        let source = self
            .asking
            .machine(name)
            .map_or_else(|| publisher.source.clone(), |machine| format!("{}@{machine}", publisher.source));
        let mut record = ChannelRecord::new(name, publisher.incarnation, encoding, &source);
        match self.asking.schema(origin) {
            Ok(None) => (),
            Ok(Some(schema)) => {
                // JSON Schema cannot describe a packed record.
                let text = |notation| String::from_utf8(export(&schema, notation).ok()?.bytes).ok();
                let all = text(Notation::JsonSchema).zip(text(Notation::ViewerSchema));
                let all = all.map(|(of_all, of_viewers)| JsonSchemas { of_all, of_viewers });
                record = record.with_schema(&schema, all);
                if record.is_for_viewers() {
                    let _ = origin.schema.set(schema);
                }
            }
            Err(text) => {
                let event = Event::new(now(), Kind::Schema);
                let event = event.of(publisher.endpoint.topic(), Some(publisher.incarnation)).with_text(text);
                self.with_room(|parts| parts.event(&event))?;
            }
        }
        self.keys = self.keys.saturating_add(1);
        let key = self.keys;
        Ok(origin.channel.get_or_init(|| (key, Arc::new(record))))
    }

    /// Records all received but unwritten messages, in the space that is reserved for the end of the file.
    fn give_up(&mut self, text: &str) {
        if !self.is_low {
            // The disk became full between two checks.
            let _ = self.warn_of_disk(|parts, event| parts.last_event(event));
        }
        let mut left: HashMap<(Arc<str>, u64), Unwritten> = HashMap::new();
        for item in self.queue.take(Duration::ZERO).unwrap_or_default() {
            let Some(Numbered { publisher, begins, until, .. }) = Numbered::of(&item) else { continue };
            self.place_cursor(publisher, begins);
            let key = (publisher.endpoint.name.clone(), publisher.incarnation);
            let known = left.entry(key).or_insert_with(|| (publisher.clone(), begins, until));
            known.2 = known.2.max(until);
        }
        let text = format!("not written: {text}");
        let (kind, outside) = self.not_received();
        let mut tell = |publisher: &Publisher, until, kind, text: &str| {
            let write = |writer: &mut Self, event: &Event| writer.parts.last_event(event);
            self.pass_over(publisher, until, now(), kind, text, write)
        };
        let noted = left.values().try_for_each(|(publisher, begins, until)| {
            tell(publisher, *begins, kind, outside)?;
            tell(publisher, *until, Kind::Missed, &text)
        });
        if noted.is_err() {
            // The reserved space is used up. The error that ended the recording reports the full disk.
            return;
        }
        for publisher in self.numbers.open(None) {
            let received = publisher.written().received;
            let write = |writer: &mut Self, event: &Event| writer.parts.last_event(event);
            if self.pass_over(&publisher, received, now(), kind, outside, write).is_err() {
                return;
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.look_at_disk()?;
        self.with_room(|parts| parts.sync(now()))?;
        let (part, path, length) =
            (self.parts.place(), self.parts.path().display().to_string(), self.parts.size()?);
        let mut counters = self.status.counters();
        (counters.part, counters.file, counters.file_bytes) = (part, path, length);
        Ok(())
    }

    /// Measures the free space, and warns once if it is below a tenth.
    ///
    /// At most half of the space until the warning is written before the next check.
    fn look_at_disk(&mut self) -> Result<()> {
        let (free, size) = self.parts.disk()?;
        let low = size / 10;
        self.unlooked = 0;
        self.before_look = (free.saturating_sub(low) / 2).max(DISK_LOOK);
        let mut counters = self.status.counters();
        (counters.free, counters.disk) = (free, size);
        drop(counters);
        let is_low = free < low;
        if is_low && !self.is_low {
            self.warn_of_disk(|parts, event| parts.event(event))?;
        }
        self.is_low = is_low;
        Ok(())
    }

    /// Warns that the disk is nearly full or that the next long message does not fit.
    fn warn_of_disk(&mut self, write: impl Fn(&mut Parts, &Event) -> Result<()>) -> Result<()> {
        self.is_low = true;
        let (free, size) = self.parts.disk()?;
        let what = match free < size / 10 {
            true => "less than a tenth of the disk is left",
            false => "what comes next does not fit into what is left of the disk",
        };
        let text = format!("{what}: {} of {}", bytes(free), bytes(size));
        stderr::print_line(&text);
        let event = Event::new(now(), Kind::Disk).with_text(text);
        let event = Event { free: Some(free), size: Some(size), ..event };
        self.with_room(|parts| write(parts, &event))
    }

    fn update_counters(&mut self) {
        let mut counters = self.status.counters();
        for publisher in self.uncounted.drain(..) {
            let (messages, bytes) = std::mem::take(&mut publisher.written().new);
            counters.add(publisher.endpoint.topic(), messages, bytes);
        }
        counters.count_rates();
    }
}

/// Checks that memory for the value of a long body is available.
///
/// The value has many short blocks, and a failed short allocation ends the program.
fn room_for_value(body: &[u8]) -> Result<()> {
    if body.len() < LONG_BODY {
        return Ok(());
    }
    let bytes = body.len().saturating_mul(VALUE);
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
        let text = format!(
            "no memory for the {bytes} bytes that its value and another encoding of it may take; record it with --encoding as-sent, free some, or raise the limit"
        );
        Error::new(ErrorKind::OutOfMemory, text)
    })
}

/// Converts a message to another encoding within these limits.
fn transcode(body: &Bytes, from: Encoding, to: Encoding, limits: &Limits) -> Result<Vec<u8>> {
    if *limits == Limits::default() {
        return codec::transcode(body, from, to);
    }
    let value = codec::decode_shared(body, from, limits)?;
    let mut written = Vec::with_capacity(body.len());
    codec::encode_into(&value, to, &codec::EncodeOptions::within(*limits), &mut written)?;
    Ok(written)
}

/// Returns whether the viewers' schema admits a JSON message.
///
/// Publishers need not check their schema. Viewers accept neither a null nor a float without a JSON number.
fn fits_viewers(body: &[u8], schema: Option<&Schema>) -> bool {
    let is_plain =
        std::str::from_utf8(body).is_ok_and(|text| !text.contains("null") && !text.contains("$float"));
    let fits = |schema: &Schema| codec::decode(body, Encoding::Json).and_then(|value| schema.check(&value));
    is_plain && schema.is_none_or(|schema| room_for_value(body).and_then(|()| fits(schema)).is_ok())
}

const UNATTENDED: &str =
    "no recorder was there: the one before was killed, or the publisher started after its end";
const UNATTENDED_END: &str = "the publisher ended while no recorder was there: those that it published last may be neither received nor counted";
const OUTSIDE: &str = "not recorded: the messages are outside of every interval";
const UNKNOWN: &str = "they were not received";
