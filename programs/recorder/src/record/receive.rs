//! The receiving threads: put messages, events and losses into the queue.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linkspan::{Deadline, End, Error, ErrorKind, Message, Result, Subscriber, Wait};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::clock::{CLOSE, Clock, now};
use super::fault;
use super::name_events::{NAMES, NameEvents};
use super::publisher::{Endpoint, Publisher};
use super::queue::{Bodies, Item, Queue, Received};
use super::status::Status;
use super::streams::{Name, Reason, Stream};

/// How long a call waits for a message before the thread checks events and the end.
const PATIENCE: Duration = Duration::from_millis(200);
/// The pause before another attempt, while the queue is full or the recorder is paused.
const PAUSE: Duration = Duration::from_millis(5);
/// How long to wait at the end for names that have not answered.
const SETTLES: Duration = Duration::from_millis(500);
/// How long to take messages that were sent before the end or before a command.
const LAST: Duration = Duration::from_secs(10);
/// The most messages of stores per acknowledgement.
const BATCH: u32 = 4_096;
/// The pause between two batches of messages: a time of receipt may be late by this much.
const BETWEEN: Duration = Duration::from_millis(1);
/// The most messages that are put into the queue at once.
const TOGETHER: usize = 256;
/// The most messages between two checks for events.
const BEFORE_EVENTS: u32 = 256;
/// The most earlier publishers of a name whose numbers are kept, because they may come back.
const FORMER: usize = 7;
/// Consecutive failed waits with a kernel error that end the recorder.
const REPEATED: u32 = 16;

/// Stops, pauses and synchronizes the receiving threads.
#[derive(Debug, Default)]
pub struct Control {
    pub ends: AtomicBool,
    pub paused: AtomicBool,
    /// The number of requests to take published messages, and the number of completed requests.
    asked: AtomicU64,
    answered: Mutex<u64>,
    has_answered: Condvar,
}

impl Control {
    /// Waits until messages that were sent before this call are in the queue, before a command acts.
    ///
    /// The receiving thread may sleep for [`PATIENCE`], and takes messages for at most [`LAST`].
    pub fn settle(&self) {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let within = LAST.saturating_add(LAST);
        drop(self.has_answered.wait_timeout_while(answered, within, |answered| *answered < asked));
    }

    fn answer(&self, asked: u64) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        self.has_answered.notify_all();
    }

    /// Notes that no thread receives from live publishers, which ends all waits for it.
    pub fn receives_no_more(&self) {
        self.answer(u64::MAX);
    }
}

/// Calls [`Control::receives_no_more`] at the end of the thread, even after a panic.
struct Receiving<'a>(&'a Control);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.receives_no_more();
    }
}

struct Receiver<'a> {
    subscriber: &'a Subscriber,
    queue: &'a Queue,
    clock: &'a Clock,
    /// Whether it receives from stores, which wait for space in the queue.
    is_stored: bool,
    names: HashMap<Arc<str>, Name>,
    bodies: Bodies,
    /// Items for the queue, which is locked once per batch. Their space is reserved.
    items: VecDeque<Item>,
    unlooked: u32,
    looked: u64,
    /// The earliest time of sending in the current batch.
    earliest: u64,
    events: NameEvents<'a>,
    /// How often the last error was repeated without a success in between.
    repeated: u32,
    broken: Option<Error>,
}

/// Receives from live publishers until the end.
///
/// # Errors
/// Errors of the subscriber except time-outs.
pub fn receive(subscriber: &Subscriber, queue: &Queue, clock: &Clock, control: &Control) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue, clock, false);
    let (_receiving, mut answered) = (Receiving(control), 0);
    while !control.ends.load(Ordering::Acquire) && !fault::ends("receiving") {
        let asked = control.asked.load(Ordering::Acquire);
        if asked != answered {
            receiver.take_what_was_published(control);
            answered = asked;
            control.answer(asked);
        }
        if receiver.take_what_is_there(control) {
            receiver.pass_on();
            continue;
        }
        if !receiver.items.is_empty() {
            // More messages will come soon. Sleeping without a wakeup costs the publisher nothing; the ring holds its
            // messages.
            receiver.pass_on();
            thread::sleep(BETWEEN);
            continue;
        }
        if !receiver.wait(control)? {
            break;
        }
    }
    // A new name may still answer or end. Until then its losses are unknown.
    subscriber.hasten();
    let settles = Deadline::after(SETTLES);
    receiver.take_what_is_there(control);
    while subscriber.unanswered(false) > 0 && !settles.has_passed() && receiver.wait(control)? {
        receiver.pass_on();
    }
    // Messages from before the end belong in the file.
    receiver.take_what_was_published(control);
    receiver.end();
    // The recording lacks a given name that was never received from.
    let lacks = |endpoint: &str| !receiver.names.contains_key(endpoint);
    receiver.events.refusal(lacks).map_or(Ok(()), |error| Err(error.clone()))
}

impl<'a> Receiver<'a> {
    fn new(subscriber: &'a Subscriber, queue: &'a Queue, clock: &'a Clock, is_stored: bool) -> Receiver<'a> {
        Receiver {
            subscriber,
            queue,
            clock,
            is_stored,
            names: HashMap::new(),
            bodies: Bodies::default(),
            items: VecDeque::new(),
            unlooked: 0,
            looked: now(),
            earliest: u64::MAX,
            events: NameEvents::new(queue),
            repeated: 0,
            broken: None,
        }
    }

    /// Takes a limited batch of messages; returns whether there may be more.
    ///
    /// Unrecorded messages count as well: a publisher that is faster than this thread always has more.
    fn take_what_is_there(&mut self, control: &Control) -> bool {
        self.look_at_clock();
        for _ in 0..TOGETHER {
            if self.broken.is_some() {
                return false;
            }
            match self.subscriber.next(Wait::none()) {
                Ok(Some(message)) => {
                    self.take(&message, !control.paused.load(Ordering::Acquire));
                }
                Ok(None) => return false,
                // No message is there. If another thread receives, `wait` gets that error again. A message that its
                // publisher keeps overwriting is read later or counted as missed.
                Err(error) if is_not_yet(&error) || error.kind() == ErrorKind::InvalidState => return false,
                Err(error) => self.failed(&error),
            }
        }
        true
    }

    /// Puts all messages that were published before this call into the queue. Publishers need not stop.
    fn take_what_was_published(&mut self, control: &Control) {
        let (end, over) = (now(), Deadline::after(LAST));
        self.earliest = u64::MAX;
        while self.take_what_is_there(control) && self.earliest <= end && !over.has_passed() {
            self.earliest = u64::MAX;
            self.pass_on();
        }
        self.pass_on();
    }

    /// Waits a short time for a message and takes it; returns false when the subscriber has ended.
    ///
    /// # Errors
    /// `InvalidState` if another thread receives.
    fn wait(&mut self, control: &Control) -> Result<bool> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let next = self.subscriber.next(PATIENCE);
        self.look_at_clock();
        match next {
            Ok(Some(message)) => {
                self.take(&message, !control.paused.load(Ordering::Acquire));
            }
            Ok(None) => return Ok(false),
            Err(error) if is_not_yet(&error) => {
                self.repeated = 0;
                self.collect_events();
                self.report_gaps();
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            Err(error) => self.failed(&error),
        }
        Ok(true)
    }

    /// Reads the clock. An event of its step comes before the messages that are received after it.
    fn look_at_clock(&mut self) {
        let (time, step) = self.clock.look();
        self.looked = time;
        if step.is_some() {
            self.items.push_back(Item::Event(Box::new(Event { by: step, ..Event::new(time, Kind::Clock) })));
        }
    }

    /// Takes a message after the gap before it. If `keeps` is false, the recorder is paused and the message is skipped.
    ///
    /// Returns false, without any change, if a store must wait for space in the queue.
    fn take(&mut self, message: &Message, keeps: bool) -> bool {
        self.unlooked = self.unlooked.saturating_add(1);
        self.repeated = 0;
        // The previous publisher's end and this one's connection come before its first message.
        let endpoint = message.name().unwrap_or_else(|| self.subscriber.endpoint());
        let is_known = self.names.get(endpoint).is_some_and(|of| of.is_front(message.incarnation()));
        if self.unlooked >= BEFORE_EVENTS || !is_known || message.sequence() == 1 || message.missed() > 0 {
            self.unlooked = 0;
            self.collect_events();
        }
        if !is_known && !self.is_stored {
            let incarnation = message.incarnation();
            self.events.meet(topic(endpoint), incarnation, message.source(), &mut self.items);
        }
        let mut received = now();
        if received.abs_diff(self.looked) > CLOSE {
            self.look_at_clock();
            received = self.looked;
        }
        let sent = u64::try_from(message.sent().0).unwrap_or(0);
        self.earliest = self.earliest.min(sent);
        let name = message.name().unwrap_or_else(|| self.subscriber.endpoint());
        let (incarnation, number) = (message.incarnation(), message.sequence());
        if number == u64::MAX {
            let text =
                "a message has the number 18446744073709551615, which no sender uses: it is not recorded";
            let name = topic(name).to_owned();
            self.refused(&name, text.to_owned());
            return true;
        }
        let queue = self.queue;
        if !self.names.contains_key(name) {
            self.forget_names();
            let endpoint = Endpoint::new(name);
            self.names.insert(endpoint.name.clone(), Name::new(&endpoint, received));
        }
        let Some(of) = self.names.get_mut(name) else { return true };
        let (is_known, gap_before) = of.switch_to(incarnation, queue);
        self.items.extend(gap_before);
        of.used = received;
        if !is_known {
            // The first message of a new publisher reports the earlier messages as missed.
            let missing = message.missed().saturating_sub(of.told).min(number.saturating_sub(1));
            let is_older = !self.is_stored && of.streams.is_empty();
            let publisher =
                Publisher::new(&of.endpoint, message.source(), incarnation, self.is_stored, is_older);
            of.streams.push_front(Stream::new(publisher, number.saturating_sub(missing)));
            if of.streams.len() > FORMER.saturating_add(1)
                && let Some(mut oldest) = of.streams.pop_back()
            {
                self.items.extend(oldest.report(queue));
            }
        }
        of.told = 0;
        let Some(stream) = of.streams.front_mut() else { return true };
        let missing = number.saturating_sub(stream.next);
        let reason = if keeps { Reason::Overtaken } else { Reason::Paused };
        self.items.extend(stream.lose(missing, reason, queue));
        // The writing thread handles a number that came before.
        let is_next = number == stream.next;
        if !keeps {
            if is_next {
                self.items.extend(stream.lose(1, Reason::Paused, queue));
            }
            return true;
        }
        let bytes = message.body().len() as u64;
        let Some(room) = queue.reserve(&of.endpoint, bytes, stream.gap.dropped > 0) else {
            if self.is_stored {
                return false;
            }
            if is_next {
                self.items.extend(stream.lose(1, Reason::Dropped, queue));
            }
            // The writing thread frees space when it gets these items.
            self.pass_on();
            return true;
        };
        let mut gap = None;
        if is_next {
            if stream.gap.paused > 0 {
                self.items.extend(stream.report(queue));
            }
            gap = (stream.gap.count() > 0).then(|| Box::new(std::mem::take(&mut stream.gap)));
            stream.next = number.saturating_add(1);
        }
        let origin = stream.origin(message.encoding(), message);
        let body = self.bodies.of(message);
        self.items.push_back(Item::Message(Received { origin, number, gap, sent, received, body, room }));
        true
    }

    fn pass_on(&mut self) {
        self.queue.push_all(&mut self.items);
    }

    /// Forgets the names with the oldest messages if there are many, because they have probably gone.
    fn forget_names(&mut self) {
        if self.names.len() < NAMES {
            return;
        }
        let mut used: Vec<u64> = self.names.values().map(|name| name.used).collect();
        used.sort_unstable();
        let newest_of_old = used.get(used.len() / 4).copied().unwrap_or(0);
        let queue = self.queue;
        for (_, mut name) in self.names.extract_if(|_, name| name.used <= newest_of_old) {
            self.items.extend(name.streams.iter_mut().filter_map(|stream| stream.report(queue)));
        }
    }

    /// Handles an error. An error of one message becomes the reason of its gap.
    ///
    /// Another error is reported once. Receiving continues, and missing messages become gaps in the numbers.
    fn failed(&mut self, error: &Error) {
        let endpoint = error.endpoint().unwrap_or_else(|| self.subscriber.endpoint()).to_owned();
        let is_of_message = matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Corrupt)
            || error.kind() == ErrorKind::OutOfMemory && error.missed().is_some();
        let queue = self.queue;
        if is_of_message
            && let Some(stream) = self.names.get_mut(&*endpoint).and_then(|name| name.streams.front_mut())
        {
            self.items.extend(stream.lose(
                error.missed().unwrap_or(1),
                Reason::Failed(error.text().to_owned()),
                queue,
            ));
            return;
        }
        self.events.keep_refusal(&endpoint, error);
        if self.events.refuse(topic(&endpoint), error.to_string(), &mut self.items) {
            self.repeated = 0;
            return;
        }
        // Connection attempts have growing pauses, and their waits find nothing. Only a wait that the kernel refuses
        // fails repeatedly.
        self.repeated = self.repeated.saturating_add(1);
        if self.repeated >= REPEATED && error.errno().is_some() {
            self.broken = Some(error.clone());
            return;
        }
        // Without a pause, a repeated error would occupy the processor.
        thread::sleep(PAUSE);
    }

    fn refused(&mut self, name: &str, text: String) {
        if !self.events.refuse(name, text, &mut self.items) {
            thread::sleep(PAUSE);
        }
    }

    fn collect_events(&mut self) {
        self.events.collect(self.subscriber, &mut self.items);
        for end in self.subscriber.ends() {
            self.ended(&end);
        }
        let dropped = self.subscriber.take_dropped_ends();
        if dropped > 0 {
            self.events.ends_dropped(self.subscriber, dropped, &mut self.items);
        }
    }

    /// Handles the end of a socket publisher that lost messages, or may have.
    fn ended(&mut self, end: &End) {
        if end.last.is_none() {
            self.events.end_unknown(end, &mut self.items);
            return;
        }
        let queue = self.queue;
        if !self.names.contains_key(&*end.name) {
            self.forget_names();
            let endpoint = Endpoint::new(&end.name);
            self.names.insert(endpoint.name.clone(), Name::new(&endpoint, now()));
        }
        let Some(of) = self.names.get_mut(&*end.name) else { return };
        of.told = of.told.saturating_add(end.lost());
        let (is_known, gap_before) = of.switch_to(end.incarnation, queue);
        self.items.extend(gap_before);
        if !is_known {
            let is_older = of.streams.is_empty();
            let publisher = Publisher::new(&of.endpoint, &end.source, end.incarnation, false, is_older);
            of.streams.push_front(Stream::new(publisher, end.first));
        }
        let Some(stream) = of.streams.front_mut() else { return };
        let missing = end.first.saturating_add(end.lost()).saturating_sub(stream.next);
        self.items.extend(stream.lose(missing, Reason::Ended, queue));
        self.items.extend(stream.report(queue));
    }

    fn report_gaps(&mut self) {
        let queue = self.queue;
        let streams = self.names.values_mut().flat_map(|name| &mut name.streams);
        self.items.extend(streams.filter_map(|stream| stream.report(queue)));
    }

    fn end(&mut self) {
        self.collect_events();
        self.subscriber.unanswered(true);
        self.events.end(self.subscriber, &mut self.items);
        self.report_gaps();
        self.pass_on();
    }
}

fn is_not_yet(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled)
}

/// Returns the endpoint of an error if it matches only a recorded pattern, not a given name.
fn endpoint_of_pattern<'a>(names: &[String], error: &'a Error) -> Option<&'a str> {
    let has_pattern = names.iter().any(|name| name.contains(['*', '?']));
    let is_given = |endpoint: &str| names.iter().any(|name| name == endpoint);
    error
        .endpoint()
        .filter(|endpoint| has_pattern && !is_given(endpoint) && error.kind() != ErrorKind::InvalidState)
}

/// Receives from journals and other stores, and acknowledges messages that are on the disk.
///
/// A restarted recorder therefore misses nothing.
///
/// # Errors
/// Errors of the subscriber except time-outs. An error of a store that matches only a pattern ends nothing, because
/// another user may have made that store.
pub fn receive_stored(
    subscriber: &Subscriber,
    names: &[String],
    queue: &Queue,
    clock: &Clock,
    control: &Control,
    status: &Status,
) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue, clock, true);
    let mut ends = false;
    while !ends && !fault::ends("reading") {
        let mut count: u32 = 0;
        // Stores that failed since the last message. A store that fails each time must not end the batch of the others,
        // because each batch costs a sync.
        let mut failed = HashSet::new();
        while count < BATCH {
            ends = control.ends.load(Ordering::Acquire);
            if ends || control.paused.load(Ordering::Acquire) {
                break;
            }
            let next = subscriber.next(PATIENCE);
            receiver.look_at_clock();
            match next {
                Ok(Some(message)) => {
                    // Stored messages wait for the writer.
                    while !receiver.take(&message, true) {
                        if control.ends.load(Ordering::Acquire) {
                            return Ok(());
                        }
                        receiver.pass_on();
                        thread::sleep(PAUSE);
                    }
                }
                Ok(None) => ends = true,
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                Err(error) => {
                    let Some(endpoint) = endpoint_of_pattern(names, &error) else { return Err(error) };
                    receiver.events.refuse(topic(endpoint), error.to_string(), &mut receiver.items);
                    if !failed.insert(endpoint.to_owned()) {
                        break;
                    }
                    continue;
                }
            }
            failed.clear();
            count = count.saturating_add(1);
            if receiver.items.len() >= TOGETHER {
                receiver.pass_on();
            }
        }
        receiver.collect_events();
        receiver.pass_on();
        if count > 0 {
            // The next recorder receives messages again that are not on the disk.
            if !status.sync_and_wait(queue) {
                return Ok(());
            }
            subscriber.ack()?;
        } else if !ends {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
