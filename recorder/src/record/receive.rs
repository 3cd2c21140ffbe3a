//! The receiving threads: messages and events of the names go into the queue, with what was missed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use linkspan::{Deadline, Encoding, Error, ErrorKind, EventKind, Message, Result, Subscriber, Wait};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::clock::{CLOSE, Clock, now};
use super::publisher::{Endpoint, Gap, Origin, Publisher};
use super::queue::{Bodies, Item, Lost, Queue, Received};
use super::status::Status;

/// How long a call waits for a message before it looks at the events and at the end.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a thread waits that can only look again: for room in the queue, or for the end of a pause.
const PAUSE: Duration = Duration::from_millis(5);
/// How long messages are still taken at the end that say to have been sent before it.
const LAST: Duration = Duration::from_secs(10);
/// Messages of stores that are acknowledged at a time.
const BATCH: u32 = 4_096;
/// How long a thread waits between two looks while messages come: by so much a message may be older than the time of its receipt.
const BETWEEN: Duration = Duration::from_millis(1);
/// Messages that are put into the queue together.
const TOGETHER: usize = 256;
/// Messages between two looks at the events.
const BEFORE_EVENTS: u32 = 256;
/// Names of which anything is kept: twice as many as a subscriber receives from at a time.
const NAMES: usize = 8_192;
/// Publishers of a name that had it before, of which the numbers are kept: they may come back.
const FORMER: usize = 7;
/// Names whose events are kept together while the queue has no room for them.
const HELD: usize = 1_024;

/// What ends and pauses the receiving threads.
#[derive(Debug, Default)]
pub struct Control {
    pub ends: AtomicBool,
    pub paused: AtomicBool,
}

/// What was received of a publisher.
struct Stream {
    publisher: Arc<Publisher>,
    /// One for each encoding, of which there are few.
    origins: Vec<Arc<Origin>>,
    /// The number that comes next.
    next: u64,
    /// The messages directly before that one which are not recorded and not told yet.
    gap: Gap,
}

/// Why messages are not recorded.
enum Reason {
    Overtaken,
    Dropped,
    Paused,
    Failed(String),
}

impl Stream {
    fn new(publisher: Publisher, next: u64) -> Stream {
        Stream { publisher: Arc::new(publisher), origins: Vec::new(), next, gap: Gap::default() }
    }

    /// Counts the next messages as not recorded. Returns what they were told with before, where that is another kind of gap.
    fn lose(&mut self, count: u64, reason: Reason, queue: &Queue) -> Option<Item> {
        if count == 0 {
            return None;
        }
        let is_other = matches!(reason, Reason::Paused) != (self.gap.paused > 0) && self.gap.count() > 0;
        let told = if is_other { self.tell(queue) } else { None };
        self.next = self.next.saturating_add(count);
        let counter = match reason {
            Reason::Overtaken => &mut self.gap.overtaken,
            Reason::Dropped => &mut self.gap.dropped,
            Reason::Paused => &mut self.gap.paused,
            Reason::Failed(text) => {
                self.gap.text = text;
                &mut self.gap.failed
            }
        };
        *counter = counter.saturating_add(count);
        told
    }

    /// Tells what is not recorded, once.
    fn tell(&mut self, queue: &Queue) -> Option<Item> {
        if self.gap.count() == 0 {
            return None;
        }
        let gap = std::mem::take(&mut self.gap);
        Some(queue.lost(Lost { publisher: self.publisher.clone(), until: self.next, gap, time: now() }))
    }

    /// The origin of messages in this encoding.
    fn origin(&mut self, encoding: Encoding, message: &Message) -> Arc<Origin> {
        if let Some(known) = self.origins.iter().find(|origin| origin.encoding == encoding) {
            return known.clone();
        }
        let first = self.publisher.is_stored.then(|| message.clone());
        let origin = Arc::new(Origin {
            publisher: self.publisher.clone(),
            encoding,
            first: Mutex::new(first),
            channel: OnceLock::new(),
        });
        self.origins.push(origin.clone());
        origin
    }
}

/// What was received of a name.
struct Name {
    endpoint: Arc<Endpoint>,
    /// Its publisher, and behind it those that had the name before.
    streams: VecDeque<Stream>,
    /// When it was received from last.
    used: u64,
}

impl Name {
    /// Puts the stream of this publisher to the front, where there is one. Returns what of the one before is not told yet.
    fn switch_to(&mut self, incarnation: u64, queue: &Queue) -> (bool, Option<Item>) {
        let place = self.streams.iter().position(|stream| stream.publisher.incarnation == incarnation);
        match place {
            Some(0) => (true, None),
            Some(at) => {
                let told = self.streams.front_mut().and_then(|stream| stream.tell(queue));
                if let Some(stream) = self.streams.remove(at) {
                    self.streams.push_front(stream);
                }
                (true, told)
            }
            None => (false, self.streams.front_mut().and_then(|stream| stream.tell(queue))),
        }
    }
}

/// What a receiving thread knows.
struct Receiver<'a> {
    subscriber: &'a Subscriber,
    queue: &'a Queue,
    clock: &'a Clock,
    /// Whether it receives from stores, which wait for room in the queue.
    is_stored: bool,
    /// By the endpoint.
    names: HashMap<Arc<str>, Name>,
    bodies: Bodies,
    /// Messages and events on their way into the queue, which is locked once for several. Room is reserved for them.
    items: VecDeque<Item>,
    /// Messages since the last look at the events.
    unlooked: u32,
    /// The time of the last look at the clock.
    looked: u64,
    /// When the first of the last messages was sent.
    earliest: u64,
    /// Events of names that found no room in the queue: the last one of each name, and how many came before it.
    held: BTreeMap<String, (Event, u64)>,
    refused: String,
    /// The names without a connection that were told, and since when.
    lasting: BTreeMap<String, u64>,
}

/// Receives from the publishers that live, until the end.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
pub fn receive(subscriber: &Subscriber, queue: &Queue, clock: &Clock, control: &Control) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue, clock, false);
    while !control.ends.load(Ordering::Acquire) {
        if receiver.take_what_is_there(control) {
            receiver.pass_on();
            continue;
        }
        if !receiver.items.is_empty() {
            // More will come soon. Not to be woken for each message costs its publisher nothing, and the ring holds what comes meanwhile.
            receiver.pass_on();
            thread::sleep(BETWEEN);
            continue;
        }
        if !receiver.wait(control)? {
            break;
        }
    }
    // What was published before the end belongs into the file; publishers may go on.
    let (end, over) = (now(), Deadline::after(LAST));
    receiver.earliest = u64::MAX;
    while receiver.take_what_is_there(control) && receiver.earliest <= end && !over.has_passed() {
        receiver.earliest = u64::MAX;
        receiver.pass_on();
    }
    receiver.end();
    Ok(())
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
            held: BTreeMap::new(),
            refused: String::new(),
            lasting: BTreeMap::new(),
        }
    }

    /// Takes the messages that are there, some at most; returns whether there may be more.
    fn take_what_is_there(&mut self, control: &Control) -> bool {
        self.look_at_clock();
        while self.items.len() < TOGETHER {
            match self.subscriber.next(Wait::none()) {
                Ok(Some(message)) => {
                    self.take(&message, !control.paused.load(Ordering::Acquire));
                }
                Ok(None) => return false,
                // There is none; where another thread receives, the call that waits gets that error again. One that its publisher overwrites
                // again and again is read later, or its number is missed.
                Err(error) if is_not_yet(&error) || error.kind() == ErrorKind::InvalidState => return false,
                Err(error) => self.failed(&error),
            }
        }
        true
    }

    /// Waits for a message for a short time, and takes it; returns false once nothing comes any more.
    ///
    /// # Errors
    /// That another thread receives.
    fn wait(&mut self, control: &Control) -> Result<bool> {
        let next = self.subscriber.next(PATIENCE);
        self.look_at_clock();
        match next {
            Ok(Some(message)) => {
                self.take(&message, !control.paused.load(Ordering::Acquire));
            }
            Ok(None) => return Ok(false),
            Err(error) if is_not_yet(&error) => {
                self.events();
                self.tell_all();
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            Err(error) => self.failed(&error),
        }
        Ok(true)
    }

    /// Looks at the clock; a step of it stands before what is received after it.
    fn look_at_clock(&mut self) {
        let (time, step) = self.clock.look();
        self.looked = time;
        if step.is_some() {
            self.items.push_back(Item::Event(Box::new(Event { by: step, ..Event::new(time, Kind::Clock) })));
        }
    }

    /// Takes a message, behind those before it that are not recorded; it is not kept while the recorder is paused. Returns false where it has
    /// no room in the queue and may wait for it: then nothing has changed.
    fn take(&mut self, message: &Message, keeps: bool) -> bool {
        self.unlooked = self.unlooked.saturating_add(1);
        if self.unlooked >= BEFORE_EVENTS || message.sequence() == 1 {
            self.unlooked = 0;
            self.events();
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
            self.refused(topic(name).to_owned(), text.to_owned());
            return true;
        }
        let queue = self.queue;
        if !self.names.contains_key(name) {
            self.forget_names();
            let endpoint = Endpoint::new(name);
            let known = Name { endpoint: endpoint.clone(), streams: VecDeque::new(), used: received };
            self.names.insert(endpoint.name.clone(), known);
        }
        let Some(of) = self.names.get_mut(name) else { return true };
        let (is_known, told) = of.switch_to(incarnation, queue);
        self.items.extend(told);
        of.used = received;
        if !is_known {
            // Of one that is new to this subscriber, what it says to be missed before its first message is missed.
            let missing = message.missed().min(number.saturating_sub(1));
            let is_older = !self.is_stored && of.streams.is_empty();
            let publisher =
                Publisher::new(&of.endpoint, message.source(), incarnation, self.is_stored, is_older);
            of.streams.push_front(Stream::new(publisher, number.saturating_sub(missing)));
            if of.streams.len() > FORMER.saturating_add(1)
                && let Some(mut oldest) = of.streams.pop_back()
            {
                self.items.extend(oldest.tell(queue));
            }
        }
        let Some(stream) = of.streams.front_mut() else { return true };
        let missing = number.saturating_sub(stream.next);
        let reason = if keeps { Reason::Overtaken } else { Reason::Paused };
        self.items.extend(stream.lose(missing, reason, queue));
        // A number that was there before: the writing thread says so, or has it already.
        let is_next = number == stream.next;
        if !keeps {
            if is_next {
                self.items.extend(stream.lose(1, Reason::Paused, queue));
            }
            return true;
        }
        let bytes = message.body().len() as u64;
        if !queue.reserve(&of.endpoint, bytes, stream.gap.dropped > 0) {
            if self.is_stored {
                return false;
            }
            if is_next {
                self.items.extend(stream.lose(1, Reason::Dropped, queue));
            }
            return true;
        }
        let mut gap = None;
        if is_next {
            if stream.gap.paused > 0 {
                self.items.extend(stream.tell(queue));
            }
            gap = (stream.gap.count() > 0).then(|| Box::new(std::mem::take(&mut stream.gap)));
            stream.next = number.saturating_add(1);
        }
        let origin = stream.origin(message.encoding(), message);
        let body = self.bodies.of(message);
        self.items.push_back(Item::Message(Received { origin, number, gap, sent, received, body }));
        true
    }

    /// Puts everything into the queue.
    fn pass_on(&mut self) {
        self.queue.push_all(&mut self.items);
    }

    /// Forgets the names that were received from the longest time ago, where there are many: names that have gone.
    fn forget_names(&mut self) {
        if self.names.len() < NAMES {
            return;
        }
        let mut used: Vec<u64> = self.names.values().map(|name| name.used).collect();
        used.sort_unstable();
        let newest_of_old = used.get(used.len() / 4).copied().unwrap_or(0);
        let queue = self.queue;
        for (_, mut name) in self.names.extract_if(|_, name| name.used <= newest_of_old) {
            self.items.extend(name.streams.iter_mut().filter_map(|stream| stream.tell(queue)));
        }
    }

    /// Takes an error. That of one message is the reason for its gap; another one says once that a name could not be received from. Others
    /// go on, and so does it: what it lacks is a gap in its numbers.
    fn failed(&mut self, error: &Error) {
        let endpoint = error.endpoint().unwrap_or_else(|| self.subscriber.endpoint()).to_owned();
        let is_of_message = matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::Corrupt);
        let queue = self.queue;
        if is_of_message
            && let Some(stream) = self.names.get_mut(&*endpoint).and_then(|name| name.streams.front_mut())
        {
            self.items.extend(stream.lose(1, Reason::Failed(error.text().to_owned()), queue));
            return;
        }
        self.refused(topic(&endpoint).to_owned(), error.to_string());
    }

    /// Says once that a name cannot be received from.
    fn refused(&mut self, name: String, text: String) {
        if text != self.refused {
            self.refused.clone_from(&text);
            self.tell_event(Event::new(now(), Kind::Refused).of(&name, None).with_text(text));
        } else {
            // An error that comes again at once leaves the processor to others.
            thread::sleep(PAUSE);
        }
    }

    /// Adds an event of a name. Where the queue has no room, events of the name become one.
    fn tell_event(&mut self, event: Event) {
        if self.held.is_empty() && self.queue.reserve_event(&event) {
            self.items.push_back(Item::PeerEvent(Box::new(event)));
            return;
        }
        if let Some((held, count)) = self.held.get_mut(&event.name) {
            *count = count.saturating_add(1);
            *held = event;
        } else if self.held.len() < HELD {
            self.held.insert(event.name.clone(), (event, 0));
        }
    }

    /// Adds the events that found no room, as far as there is some now.
    fn tell_held(&mut self) {
        while let Some((name, (mut event, count))) = self.held.pop_first() {
            if count > 0 {
                event.text += &format!(" ({count} events of this name before it had no room in the buffer)");
            }
            if !self.queue.reserve_event(&event) {
                self.held.insert(name, (event, 0));
                return;
            }
            self.items.push_back(Item::PeerEvent(Box::new(event)));
        }
    }

    fn tell_all(&mut self) {
        let queue = self.queue;
        let streams = self.names.values_mut().flat_map(|name| &mut name.streams);
        self.items.extend(streams.filter_map(|stream| stream.tell(queue)));
    }

    /// Tells everything that is not told yet.
    fn end(&mut self) {
        self.events();
        self.tell_all();
        self.pass_on();
    }

    /// Tells when a name lived and there was no connection to it: once it is noticed, and once it has ended.
    fn unconnected(&mut self) {
        for gap in self.subscriber.gaps() {
            let name = topic(&gap.name).to_owned();
            let since = u64::try_from(gap.since.0).unwrap_or(0);
            let Some(until) = gap.until else {
                // It is told once, however often it is asked for.
                if self.lasting.len() >= NAMES || self.lasting.insert(name.clone(), since) == Some(since) {
                    continue;
                }
                let text = format!("there is no connection to the program that has the name: {}", gap.reason);
                self.tell_event(Event::new(since, Kind::Unconnected).of(&name, None).with_text(text));
                continue;
            };
            if self.lasting.remove(&name) != Some(since) {
                let reason = &gap.reason;
                let text = format!(
                    "there was no connection until {until} to the program that has the name: {reason}"
                );
                self.tell_event(Event::new(since, Kind::Unconnected).of(&name, None).with_text(text));
            }
        }
    }

    /// Passes on what happened to the names. Missed messages are told with their numbers, by the next message.
    fn events(&mut self) {
        self.tell_held();
        self.unconnected();
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
                EventKind::Lagged => continue,
            };
            let event = Event::new(time, kind).of(topic(name), None);
            self.tell_event(if source.is_empty() {
                event.with_text(text)
            } else {
                Event { source: source.to_owned(), ..event }
            });
        }
    }
}

/// Returns whether an error says that no message can be taken yet.
fn is_not_yet(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled)
}

/// Receives from journals and other stores, and acknowledges what is on the disk: a recorder that was away misses nothing of them.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
pub fn receive_stored(
    subscriber: &Subscriber,
    queue: &Queue,
    clock: &Clock,
    control: &Control,
    status: &Status,
) -> Result<()> {
    let mut receiver = Receiver::new(subscriber, queue, clock, true);
    let mut ends = false;
    while !ends {
        let mut count: u32 = 0;
        while count < BATCH {
            ends = control.ends.load(Ordering::Acquire);
            if ends || control.paused.load(Ordering::Acquire) {
                break;
            }
            let next = subscriber.next(PATIENCE);
            receiver.look_at_clock();
            match next {
                Ok(Some(message)) => {
                    // What is stored waits for the writer.
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
                Err(error) => return Err(error),
            }
            count = count.saturating_add(1);
            if receiver.items.len() >= TOGETHER {
                receiver.pass_on();
            }
        }
        receiver.events();
        receiver.pass_on();
        if count > 0 {
            // What is not on the disk is given again to the next recorder.
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
mod tests {
    use std::cell::Cell;

    use linkspan::{Options, Publisher as Sender, Value};

    use super::*;

    /// Both ends of a name, and how many messages were sent.
    struct Ends {
        publisher: Sender,
        subscriber: Subscriber,
        count: Cell<u64>,
        clock: Clock,
    }

    impl Ends {
        fn new(name: &str) -> Ends {
            let endpoint = format!("shm:recorder-{name}-{}", std::process::id());
            let publisher = Sender::new(&endpoint, &Options::default()).unwrap();
            let subscriber = Subscriber::of(&[&endpoint], &Options::default()).unwrap();
            Ends { publisher, subscriber, count: Cell::new(0), clock: Clock::new() }
        }

        fn receiver<'a>(&'a self, queue: &'a Queue) -> Receiver<'a> {
            Receiver::new(&self.subscriber, queue, &self.clock, false)
        }

        fn send(&self, count: u64) {
            for n in 0..count {
                self.publisher.send(&Value::from(n)).unwrap();
            }
            self.count.set(self.count.get() + count);
        }

        /// Asserts that the queue has each message or why it is missing, in order; returns how many of both.
        fn is_whole(&self, queue: &Queue) -> (u64, Gap) {
            let (mut next, mut messages, mut all) = (1, 0, Gap::default());
            let mut add = |next: &mut u64, gap: &Gap| {
                *next += gap.count();
                all.overtaken += gap.overtaken;
                all.dropped += gap.dropped;
                all.paused += gap.paused;
            };
            while let Some(items) = queue.take(PAUSE).filter(|items| !items.is_empty()) {
                for item in items {
                    queue.release(&item);
                    match item {
                        Item::Message(message) => {
                            message.gap.iter().for_each(|gap| add(&mut next, gap));
                            assert_eq!(message.number, next);
                            (next, messages) = (next + 1, messages + 1);
                        }
                        Item::Lost(lost) => {
                            add(&mut next, &lost.gap);
                            assert_eq!(lost.until, next);
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(messages + all.count(), self.count.get());
            (messages, all)
        }
    }

    /// A publisher may be faster than the first look at its messages.
    #[test]
    fn messages_missed_before_the_first_one_are_counted() {
        let ends = Ends::new("late");
        ends.send(50_000);
        let (queue, control) = (Queue::new(64 << 20), Control::default());
        let mut receiver = ends.receiver(&queue);
        assert!(receiver.wait(&control).unwrap());
        while receiver.take_what_is_there(&control) {
            receiver.pass_on();
        }
        receiver.end();
        let (messages, gap) = ends.is_whole(&queue);
        assert!(messages > 0 && gap.overtaken > 0, "{messages} and {gap:?}");
    }

    /// Each reason has its own count, in one gap.
    #[test]
    fn dropped_and_overtaken_messages_are_one_gap_with_both_reasons() {
        let ends = Ends::new("dropped");
        let (queue, control) = (Queue::new(650), Control::default());
        let mut receiver = ends.receiver(&queue);
        ends.send(100);
        assert!(!receiver.take_what_is_there(&control));
        ends.send(50_000);
        while receiver.take_what_is_there(&control) {
            receiver.pass_on();
        }
        receiver.end();
        let (messages, gap) = ends.is_whole(&queue);
        assert!(messages == 1 && gap.dropped >= 99 && gap.overtaken > 0, "{messages} and {gap:?}");
        assert!(gap.reason().contains(&format!("{}: dropped", gap.dropped)), "{}", gap.reason());
    }

    /// What is received while the recorder is paused is another gap than what is dropped before and after it.
    #[test]
    fn paused_messages_are_a_gap_of_their_own() {
        let ends = Ends::new("paused");
        let (queue, control) = (Queue::new(650), Control::default());
        let mut receiver = ends.receiver(&queue);
        for paused in [false, true, false] {
            control.paused.store(paused, Ordering::Release);
            ends.send(10);
            receiver.take_what_is_there(&control);
        }
        receiver.end();
        let (messages, gap) = ends.is_whole(&queue);
        assert_eq!((messages, gap.paused, gap.dropped), (1, 10, 19));
    }
}
