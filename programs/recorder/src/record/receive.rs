//! The receiving threads: messages and events of the names go into the queue, with what was missed.

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

/// How long a call waits for a message before it looks at the events and at the end.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a thread waits that can only look again: for room in the queue, or for the end of a pause.
const PAUSE: Duration = Duration::from_millis(5);
/// How long names that have not answered are waited for at the end.
const SETTLES: Duration = Duration::from_millis(500);
/// How long messages are still taken, at the end or for a command, that say to have been sent before it.
const LAST: Duration = Duration::from_secs(10);
/// Messages of stores that are acknowledged at a time.
const BATCH: u32 = 4_096;
/// How long a thread waits between two looks while messages come: by so much a message may be older than the time of
/// its receipt.
const BETWEEN: Duration = Duration::from_millis(1);
/// Messages that are taken, and put into the queue, together.
const TOGETHER: usize = 256;
/// Messages between two looks at the events.
const BEFORE_EVENTS: u32 = 256;
/// Publishers of a name that had it before, of which the numbers are kept: they may come back.
const FORMER: usize = 7;
/// Failed waits in a row, all with one error of the kernel, after which the recorder ends with it.
const REPEATED: u32 = 16;

/// What ends and pauses the receiving threads.
#[derive(Debug, Default)]
pub struct Control {
    pub ends: AtomicBool,
    pub paused: AtomicBool,
    /// How often the thread was asked to take what is published, and how often it has done so.
    asked: AtomicU64,
    answered: Mutex<u64>,
    has_answered: Condvar,
}

impl Control {
    /// Waits until what live publishers have sent before this call is in the queue: it belongs before what a command
    /// does. The thread that receives may be asleep for [`PATIENCE`], and takes for [`LAST`] at most.
    pub fn settle(&self) {
        let asked = self.asked.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let within = LAST.saturating_add(LAST);
        drop(self.has_answered.wait_timeout_while(answered, within, |answered| *answered < asked));
    }

    /// Says that what was published before this count was asked is in the queue.
    fn answer(&self, asked: u64) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        self.has_answered.notify_all();
    }

    /// Says that no thread receives from live publishers, so that none is waited for.
    pub fn receives_no_more(&self) {
        self.answer(u64::MAX);
    }
}

/// Calls [`Control::receives_no_more`] at the end of the thread, however it ends.
struct Receiving<'a>(&'a Control);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.receives_no_more();
    }
}

/// The state of a receiving thread.
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
    events: NameEvents<'a>,
    /// How often the last error came again, with nothing in between.
    repeated: u32,
    /// What ended the subscriber as a whole.
    broken: Option<Error>,
}

/// Receives from the publishers that live, until the end.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
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
            // More will come soon. Not to be woken for each message costs its publisher nothing, and the ring holds
            // what comes meanwhile.
            receiver.pass_on();
            thread::sleep(BETWEEN);
            continue;
        }
        if !receiver.wait(control)? {
            break;
        }
    }
    // A name that lives since a moment ago may answer, or end: until then nobody knows what is missed of it.
    subscriber.hasten();
    let settles = Deadline::after(SETTLES);
    receiver.take_what_is_there(control);
    while subscriber.unanswered(false) > 0 && !settles.has_passed() && receiver.wait(control)? {
        receiver.pass_on();
    }
    // What was published before the end belongs into the file.
    receiver.take_what_was_published(control);
    receiver.end();
    // A name that was given and from which nothing could be received: the recording lacks it.
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

    /// Takes the messages that are there, some at most; returns whether there may be more. Those that are not recorded
    /// count as well: beside a publisher that is faster than this thread there are always more.
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
                // There is none; where another thread receives, the call that waits gets that error again. One that its
                // publisher overwrites again and again is read later, or its number is missed.
                Err(error) if is_not_yet(&error) || error.kind() == ErrorKind::InvalidState => return false,
                Err(error) => self.failed(&error),
            }
        }
        true
    }

    /// Takes what was published before this call, and puts it into the queue; publishers may go on.
    fn take_what_was_published(&mut self, control: &Control) {
        let (end, over) = (now(), Deadline::after(LAST));
        self.earliest = u64::MAX;
        while self.take_what_is_there(control) && self.earliest <= end && !over.has_passed() {
            self.earliest = u64::MAX;
            self.pass_on();
        }
        self.pass_on();
    }

    /// Waits for a message for a short time, and takes it; returns false once nothing comes any more.
    ///
    /// # Errors
    /// That another thread receives.
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

    /// Looks at the clock; a step of it stands before what is received after it.
    fn look_at_clock(&mut self) {
        let (time, step) = self.clock.look();
        self.looked = time;
        if step.is_some() {
            self.items.push_back(Item::Event(Box::new(Event { by: step, ..Event::new(time, Kind::Clock) })));
        }
    }

    /// Takes a message, behind those before it that are not recorded; it is not kept while the recorder is paused.
    /// Returns false where it has no room in the queue and may wait for it: then nothing has changed.
    fn take(&mut self, message: &Message, keeps: bool) -> bool {
        self.unlooked = self.unlooked.saturating_add(1);
        self.repeated = 0;
        // The end of the publisher before this one, and its own beginning, are in front of its first message.
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
            // Of one that is new to this subscriber, what it says to be missed before its first message is missed.
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
        // A number that was there before: the writing thread says so, or has it already.
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
            // There is room again once the writing thread has what takes it.
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
            self.items.extend(name.streams.iter_mut().filter_map(|stream| stream.report(queue)));
        }
    }

    /// Takes an error. That of one message is the reason for its gap; another one is reported once: its name could not
    /// be received from. Others go on, and so does it: what it lacks is a gap in its numbers.
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
        // An attempt to connect is repeated after growing pauses, in which the wait itself finds nothing: only a wait
        // that the kernel refuses fails again and again without one.
        self.repeated = self.repeated.saturating_add(1);
        if self.repeated >= REPEATED && error.errno().is_some() {
            self.broken = Some(error.clone());
            return;
        }
        // An error that comes again at once leaves the processor to others.
        thread::sleep(PAUSE);
    }

    /// Reports once that a name cannot be received from.
    fn refused(&mut self, name: &str, text: String) {
        if !self.events.refuse(name, text, &mut self.items) {
            // An error that comes again at once leaves the processor to others.
            thread::sleep(PAUSE);
        }
    }

    /// Takes the new events of the names.
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

    /// Takes the end of a publisher over a socket, with which messages were lost, or may have been.
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

    /// Reports the messages that are not recorded and not reported yet.
    fn report_gaps(&mut self) {
        let queue = self.queue;
        let streams = self.names.values_mut().flat_map(|name| &mut name.streams);
        self.items.extend(streams.filter_map(|stream| stream.report(queue)));
    }

    /// Reports everything that is not reported yet.
    fn end(&mut self) {
        self.collect_events();
        self.subscriber.unanswered(true);
        self.events.end(self.subscriber, &mut self.items);
        self.report_gaps();
        self.pass_on();
    }
}

/// Returns whether an error says that no message can be taken yet.
fn is_not_yet(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Stalled)
}

/// Returns the endpoint of an error, if it only fits a pattern of those that are recorded.
fn endpoint_of_pattern<'a>(names: &[String], error: &'a Error) -> Option<&'a str> {
    let has_pattern = names.iter().any(|name| name.contains(['*', '?']));
    let is_given = |endpoint: &str| names.iter().any(|name| name == endpoint);
    error
        .endpoint()
        .filter(|endpoint| has_pattern && !is_given(endpoint) && error.kind() != ErrorKind::InvalidState)
}

/// Receives from journals and other stores, and acknowledges what is on the disk: a recorder that was away misses
/// nothing of them.
///
/// # Errors
/// Those of the subscriber, but for time-outs, and for what one store has that only fits a pattern: a stranger chose
/// it, and it ends nothing.
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
        // Stores that failed since the last message: one that fails each time does not end the batch of the others,
        // each of which is put onto the disk.
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
mod tests;
