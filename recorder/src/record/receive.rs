//! The receiving threads: messages and events of the names go into the queue, with what was missed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{
    Deadline, Encoding, Error, ErrorKind, EventKind, Message, Result, Subscriber, Timestamp, Wait,
};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::queue::{Bodies, Item, Queue, Received};
use super::status::Status;

/// How long a call waits for a message before it looks at the events and at the end.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a thread waits that can only look again: for room in the queue, or for the end of a pause.
const PAUSE: Duration = Duration::from_millis(5);
/// How long messages are still taken at the end, where publishers go on.
const LAST: Duration = Duration::from_millis(500);
/// Messages of stores that are acknowledged at a time.
const BATCH: u32 = 4_096;
/// How long a thread waits between two looks while messages come, and where the last one found more than a little.
const BETWEEN: Duration = Duration::from_millis(4);
const SHORTLY: Duration = Duration::from_millis(1);
const LITTLE: u64 = 256 << 10;
/// Messages that are put into the queue together.
const TOGETHER: usize = 256;
/// Messages between two looks at the events.
const BEFORE_EVENTS: u32 = 256;

/// What ends and pauses the receiving threads.
#[derive(Debug, Default)]
pub struct Control {
    pub ends: AtomicBool,
    pub paused: AtomicBool,
}

/// What was received of a name last.
struct Last {
    name: Arc<str>,
    source: Arc<str>,
    incarnation: u64,
    encoding: Encoding,
    number: u64,
    /// When the last one was received: times of a name do not go back.
    received: u64,
    /// The first number and the count of messages that found no room in the queue, and follow each other.
    dropped: Option<(u64, u64)>,
}

/// What a receiving thread knows.
struct Receiver<'a> {
    subscriber: &'a Subscriber,
    queue: &'a Queue,
    /// By the endpoint.
    names: HashMap<Arc<str>, Last>,
    /// Messages of a name that were missed, by the events, without those that a message behind them has told.
    lagged: HashMap<String, i64>,
    bodies: Bodies,
    /// Messages and events on their way into the queue, which is locked once for several.
    items: VecDeque<Item>,
    /// Messages since the last look at the events.
    since: u32,
    /// When there was no message.
    looked: u64,
    refused: String,
}

/// Receives from the publishers that live, until the end.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
pub fn receive(subscriber: &Subscriber, queue: &Queue, control: &Control) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue);
    while !control.ends.load(Ordering::Acquire) {
        if receiver.take_what_is_there(control) {
            receiver.pass_on();
            continue;
        }
        if !receiver.items.is_empty() {
            // More will come soon. Not to be woken for each message costs its publisher nothing, and the ring holds what comes meanwhile.
            let bytes: u64 = receiver.items.iter().map(Item::bytes).sum();
            receiver.pass_on();
            thread::sleep(if bytes < LITTLE { BETWEEN } else { SHORTLY });
            continue;
        }
        if !receiver.wait(control)? {
            break;
        }
    }
    // What was published before the end belongs into the file.
    let over = Deadline::after(LAST);
    while receiver.take_what_is_there(control) && !over.has_passed() {
        receiver.pass_on();
    }
    receiver.events();
    receiver.end();
    Ok(())
}

/// Why messages were missed.
const OVERTAKEN: &str = "the publisher overtook the recorder, or the messages were lost on the way";
const DROPPED: &str = "dropped: the disk was slower than the messages, and the buffer was full";

impl<'a> Receiver<'a> {
    fn new(subscriber: &'a Subscriber, queue: &'a Queue) -> Receiver<'a> {
        Receiver {
            subscriber,
            queue,
            names: HashMap::new(),
            lagged: HashMap::new(),
            bodies: Bodies::default(),
            items: VecDeque::new(),
            since: 0,
            looked: now(),
            refused: String::new(),
        }
    }

    /// Takes the messages that are there, some at most; returns whether there may be more.
    fn take_what_is_there(&mut self, control: &Control) -> bool {
        while self.items.len() < TOGETHER {
            match self.subscriber.next(Wait::none()) {
                Ok(Some(message)) => self.take(message, !control.paused.load(Ordering::Acquire)),
                // There is none; an error comes again in the call that waits.
                Ok(None) | Err(_) => {
                    self.looked = now();
                    return false;
                }
            }
        }
        true
    }

    /// Waits for a message for a short time, and takes it; returns false once nothing comes any more.
    ///
    /// # Errors
    /// That another thread receives.
    fn wait(&mut self, control: &Control) -> Result<bool> {
        match self.subscriber.next(PATIENCE) {
            Ok(Some(message)) => self.take(message, !control.paused.load(Ordering::Acquire)),
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Timeout => {
                self.events();
                self.tell_all_dropped();
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            Err(error) => self.refused(&error),
        }
        Ok(true)
    }

    /// Takes a message, behind an event where some before it were missed; it is not kept while the recorder is paused.
    fn take(&mut self, message: Message, keeps: bool) {
        self.since += 1;
        if self.since >= BEFORE_EVENTS || message.sequence() == 1 {
            self.since = 0;
            self.events();
        }
        let (sent, now) = (u64::try_from(message.sent().0).unwrap_or(0), now());
        // It came since the last look: when it was sent, by the clock of this machine.
        let received = if (self.looked..now).contains(&sent) { sent } else { now };
        let name = message.name().unwrap_or_else(|| self.subscriber.endpoint());
        let (incarnation, number) = (message.incarnation(), message.sequence());
        let known = message.missed();
        if known > 0 {
            *self.lagged.entry(name.to_owned()).or_default() -= known.cast_signed();
        }
        let mut is_first = false;
        let last = if let Some(last) = self.names.get_mut(name) {
            last
        } else {
            is_first = true;
            let name: Arc<str> = name.into();
            let last = Last {
                name: name.clone(),
                source: message.source().into(),
                incarnation,
                encoding: message.encoding(),
                number: number.saturating_sub(known + 1),
                received,
                dropped: None,
            };
            self.names.entry(name).or_insert(last)
        };
        if (last.incarnation, last.encoding) != (incarnation, message.encoding()) {
            is_first = true;
            self.items.extend(take_dropped(last));
            if last.incarnation != incarnation {
                last.number = number.saturating_sub(known + 1);
                last.source = message.source().into();
            }
            (last.incarnation, last.encoding) = (incarnation, message.encoding());
        }
        if number > last.number + 1 {
            self.items.extend(take_dropped(last));
            let (first, count) = (last.number + 1, number - last.number - 1);
            self.items.push_back(missed(&last.name, incarnation, first, count, OVERTAKEN));
        }
        last.number = number;
        last.received = last.received.max(received);
        let received = last.received;
        if !keeps {
            return;
        }
        // What was dropped is told once the queue has room again.
        if last.dropped.is_some() && self.queue.has_room() {
            self.items.extend(take_dropped(last));
        }
        if let Some((_, count)) = &mut last.dropped {
            *count += 1;
            return;
        }
        self.items.push_back(Item::Message(Received {
            name: last.name.clone(),
            source: last.source.clone(),
            incarnation,
            number,
            encoding: last.encoding,
            sent,
            received,
            body: self.bodies.of(&message),
            first: is_first.then_some(message),
        }));
    }

    /// Puts everything into the queue; messages without room are dropped, which is told later.
    fn pass_on(&mut self) {
        // Names were asked in turn. An event stays in front of the messages that follow it.
        if self.items.iter().all(|item| matches!(item, Item::Message(_))) {
            self.items.make_contiguous().sort_by_key(|item| match item {
                Item::Message(message) => message.received,
                _ => 0,
            });
        }
        self.queue.push_all(&mut self.items);
        for item in self.items.drain(..) {
            match item {
                Item::Message(message) => {
                    let Some(last) = self.names.get_mut(&message.name) else { continue };
                    // Those that are told together follow each other.
                    if last.dropped.is_some_and(|(first, count)| first + count != message.number) {
                        take_dropped(last).into_iter().for_each(|item| self.queue.push(item));
                    }
                    last.dropped.get_or_insert((message.number, 0)).1 += 1;
                }
                other => {
                    // What was dropped before it comes first.
                    self.names.values_mut().filter_map(take_dropped).for_each(|item| self.queue.push(item));
                    self.queue.push(other);
                }
            }
        }
    }

    /// Says once that a name could not be received from. The others go on, and so does it: what it lacks is a gap in its numbers.
    fn refused(&mut self, error: &Error) {
        let text = error.to_string();
        if text != self.refused {
            let name = topic(error.endpoint().unwrap_or_else(|| self.subscriber.endpoint()));
            let event = Event::new(now(), Kind::Refused).of(name, None).with_text(text.as_str());
            self.items.push_back(Item::Event(Box::new(event)));
            self.refused = text;
        }
        // An error that comes again at once leaves the processor to others.
        thread::sleep(PAUSE);
    }

    fn tell_all_dropped(&mut self) {
        self.items.extend(self.names.values_mut().filter_map(take_dropped));
    }

    /// Tells what was dropped, and what was missed of which no message has come after it.
    fn end(&mut self) {
        self.pass_on();
        self.tell_all_dropped();
        for last in self.names.values() {
            let left = self.lagged.remove(&*last.name).and_then(|count| u64::try_from(count).ok());
            if let Some(count) = left.filter(|count| *count > 0) {
                self.items.push_back(missed(&last.name, last.incarnation, last.number + 1, count, OVERTAKEN));
            }
        }
        self.pass_on();
    }

    /// Passes on what happened to the names. Missed messages are told with their numbers, by the next message.
    fn events(&mut self) {
        for event in self.subscriber.events() {
            // An event of one of several names begins with the name: an endpoint has no `: ` in it.
            let (name, text) =
                event.text.split_once(": ").unwrap_or((self.subscriber.endpoint(), &event.text));
            let time = u64::try_from(event.at.0).unwrap_or(0);
            let (kind, source) = match event.kind {
                EventKind::Connected | EventKind::Reconnected => (Kind::Connected, text),
                EventKind::Disconnected => (Kind::Disconnected, ""),
                EventKind::SchemaMismatch => (Kind::Schema, ""),
                EventKind::Forgotten => (Kind::Disconnected, ""),
                EventKind::Lagged => {
                    *self.lagged.entry(name.to_owned()).or_default() += event.missed.cast_signed();
                    continue;
                }
            };
            let event = Event::new(time, kind).of(topic(name), None);
            self.items.push_back(Item::Event(Box::new(if source.is_empty() {
                event.with_text(text)
            } else {
                Event { source: source.to_owned(), ..event }
            })));
        }
    }
}

/// Returns the event of what was dropped of a name, once.
fn take_dropped(last: &mut Last) -> Option<Item> {
    let (first, count) = last.dropped.take()?;
    Some(missed(&last.name, last.incarnation, first, count, DROPPED))
}

fn missed(name: &str, incarnation: u64, first: u64, count: u64, why: &str) -> Item {
    let event = Event::new(now(), Kind::Missed).of(topic(name), Some(incarnation)).with_text(why);
    Item::Event(Box::new(Event { count: Some(count), first: Some(first), ..event }))
}

/// The time, in nanoseconds since 1970.
pub fn now() -> u64 {
    u64::try_from(Timestamp::now().0).unwrap_or(0)
}

/// Receives from journals and other stores, and acknowledges what is on the disk: a recorder that was away misses nothing of them.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
pub fn receive_stored(
    subscriber: &Subscriber,
    queue: &Queue,
    control: &Control,
    status: &Status,
) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue);
    let mut ends = false;
    while !ends {
        let mut count = 0;
        while count < BATCH {
            ends = control.ends.load(Ordering::Acquire);
            if ends || control.paused.load(Ordering::Acquire) {
                break;
            }
            match subscriber.next(PATIENCE) {
                Ok(Some(message)) => receiver.take(message, true),
                Ok(None) => ends = true,
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                Err(error) => return Err(error),
            }
            count += 1;
            // What is stored waits for the writer.
            while !receiver.items.is_empty() {
                queue.push_all(&mut receiver.items);
                if !receiver.items.is_empty() {
                    if control.ends.load(Ordering::Acquire) {
                        return Ok(());
                    }
                    thread::sleep(PAUSE);
                }
            }
        }
        receiver.events();
        receiver.pass_on();
        if count > 0 {
            status.sync_and_wait(queue);
            subscriber.ack()?;
        } else if !ends {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use linkspan::{Options, Publisher, Value};

    use super::*;

    /// Both ends of a name, and how many messages were sent.
    struct Ends {
        publisher: Publisher,
        subscriber: Subscriber,
        count: Cell<u64>,
    }

    impl Ends {
        fn new(name: &str) -> Ends {
            let endpoint = format!("shm:recorder-{name}-{}", std::process::id());
            let publisher = Publisher::new(&endpoint, &Options::default()).unwrap();
            let subscriber = Subscriber::new(&endpoint, &Options::default()).unwrap();
            Ends { publisher, subscriber, count: Cell::new(0) }
        }

        fn send(&self, count: u64) {
            for n in 0..count {
                self.publisher.send(&Value::from(n)).unwrap();
            }
            self.count.set(self.count.get() + count);
        }

        /// Asserts that the queue has each message or that it was missed, in order; returns how many of both.
        fn is_whole(&self, queue: &Queue) -> (u64, u64) {
            let (mut messages, mut missed) = (0, 0);
            while let Some(items) = queue.take(PAUSE).filter(|items| !items.is_empty()) {
                for item in items {
                    let next = messages + missed + 1;
                    match item {
                        Item::Message(message) => {
                            assert_eq!(message.number, next);
                            messages += 1;
                        }
                        Item::Event(event) if event.kind == Kind::Missed => {
                            assert_eq!(event.first, Some(next));
                            missed += event.count.unwrap();
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(messages + missed, self.count.get());
            (messages, missed)
        }
    }

    /// A publisher may be faster than the first look at its messages.
    #[test]
    fn messages_missed_before_the_first_one_are_counted() {
        let ends = Ends::new("late");
        ends.send(50_000);
        let (queue, control) = (Queue::new(64 << 20), Control::default());
        let mut receiver = Receiver::new(&ends.subscriber, &queue);
        assert!(receiver.wait(&control).unwrap());
        while receiver.take_what_is_there(&control) {
            receiver.pass_on();
        }
        receiver.events();
        receiver.end();
        let (messages, missed) = ends.is_whole(&queue);
        assert!(messages > 0 && missed > 0, "{messages} and {missed}");
    }

    /// Messages that found no room are told before the gap behind them.
    #[test]
    fn dropped_messages_are_told_in_front_of_what_was_missed_behind_them() {
        let ends = Ends::new("dropped");
        let (queue, control) = (Queue::new(1), Control::default());
        let mut receiver = Receiver::new(&ends.subscriber, &queue);
        ends.send(100);
        assert!(!receiver.take_what_is_there(&control));
        ends.send(50_000);
        while receiver.take_what_is_there(&control) {
            receiver.pass_on();
        }
        receiver.events();
        receiver.end();
        let (messages, missed) = ends.is_whole(&queue);
        assert!(messages == 1 && missed > 50_000, "{messages} and {missed}");
    }
}
