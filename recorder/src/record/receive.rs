//! The receiving threads: messages and events of the names go into the queue, with what was missed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use linkspan::{Deadline, Error, ErrorKind, EventKind, Message, Result, Subscriber, Timestamp};
use linkspan_recording::Event;
use linkspan_recording::event::Kind;
use linkspan_recording::writer::topic;

use super::queue::{Item, Queue};
use super::status::Status;

/// How long a call waits for a message before it looks at the events and at the end.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a thread waits that can only look again: for room in the queue, or for the end of a pause.
const PAUSE: Duration = Duration::from_millis(5);
/// How long messages are still taken at the end, where publishers go on.
const LAST: Duration = Duration::from_millis(500);
/// Messages of stores that are acknowledged at a time.
const BATCH: u32 = 4_096;
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
    incarnation: u64,
    number: u64,
    /// The first number and the count of messages that found no room in the queue, and follow each other.
    dropped: Option<(u64, u64)>,
}

/// Receives from the publishers that live, until the end.
///
/// # Errors
/// Those of the subscriber, but for time-outs.
pub fn receive(subscriber: &Subscriber, queue: &Queue, control: &Control) -> Result<()> {
    let mut names: HashMap<Arc<str>, Last> = HashMap::new();
    let mut lagged: HashMap<String, u64> = HashMap::new();
    let mut since = 0;
    let mut last_refused = String::new();
    while !control.ends.load(Ordering::Acquire) {
        let message = match subscriber.next(PATIENCE) {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) if error.kind() == ErrorKind::Timeout => {
                events(subscriber, queue, &mut lagged);
                names.iter_mut().for_each(|(name, last)| tell_dropped(name, last, queue));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::InvalidState => return Err(error),
            Err(error) => {
                refused(subscriber, queue, &error, &mut last_refused);
                continue;
            }
        };
        since += 1;
        if since >= BEFORE_EVENTS || message.sequence() == 1 {
            since = 0;
            events(subscriber, queue, &mut lagged);
        }
        let keeps = !control.paused.load(Ordering::Acquire);
        take(subscriber, message, keeps, queue, &mut names, &mut lagged);
    }
    // What was published before the end: whoever ends a recorder expects it in the file.
    let over = Deadline::after(LAST);
    let keeps = !control.paused.load(Ordering::Acquire);
    while !over.has_passed() {
        match subscriber.try_recv() {
            Ok(message) => take(subscriber, message, keeps, queue, &mut names, &mut lagged),
            Err(error) if error.kind() == ErrorKind::Lagged => events(subscriber, queue, &mut lagged),
            // There is no more, or what there is cannot be received.
            Err(_) => break,
        }
    }
    events(subscriber, queue, &mut lagged);
    for (name, last) in &mut names {
        tell_dropped(name, last, queue);
        // Those of which no message has come after them.
        if let Some(count) = lagged.remove(&**name).filter(|count| *count > 0) {
            missed(queue, name, last.incarnation, last.number + 1, count, OVERTAKEN);
        }
    }
    Ok(())
}

/// Says once that a name could not be received from. The others go on, and so does it: what it lacks is a gap in its numbers.
fn refused(subscriber: &Subscriber, queue: &Queue, error: &Error, last: &mut String) {
    let text = error.to_string();
    if text != *last {
        let name = topic(error.endpoint().unwrap_or_else(|| subscriber.endpoint()));
        queue.event(Event::new(now(), Kind::Refused).of(name, None).with_text(text.as_str()));
        *last = text;
    }
    // An error that comes again at once leaves the processor to others.
    thread::sleep(PAUSE);
}

/// Why messages were missed.
const OVERTAKEN: &str = "the publisher overtook the recorder, or the messages were lost on the way";
const DROPPED: &str = "dropped: the disk was slower than the messages, and the buffer was full";

/// Puts a message into the queue, where it is kept, behind an event where some before it were missed.
fn take(
    subscriber: &Subscriber,
    message: Message,
    keeps: bool,
    queue: &Queue,
    names: &mut HashMap<Arc<str>, Last>,
    lagged: &mut HashMap<String, u64>,
) {
    let name = message.name().unwrap_or_else(|| subscriber.endpoint());
    let (incarnation, number) = (message.incarnation(), message.sequence());
    let known = lagged.remove(name).unwrap_or(0);
    let last = if let Some(last) = names.get_mut(name) {
        last
    } else {
        names.entry(name.into()).or_insert(Last {
            incarnation,
            number: number.saturating_sub(known + 1),
            dropped: None,
        })
    };
    if last.incarnation != incarnation {
        tell_dropped(name, last, queue);
        (last.incarnation, last.number) = (incarnation, number.saturating_sub(known + 1));
    }
    if number > last.number + 1 {
        tell_dropped(name, last, queue);
        missed(queue, name, incarnation, last.number + 1, number - last.number - 1, OVERTAKEN);
    }
    last.number = number;
    if !keeps {
        return;
    }
    tell_dropped_if_room(name, last, queue);
    let received = now();
    if last.dropped.is_some() || queue.push(Item::of(message, received)).is_err() {
        let (first, count) = last.dropped.unwrap_or((number, 0));
        last.dropped = Some((first, count + 1));
    }
}

/// Says what was dropped once the queue has room again.
fn tell_dropped_if_room(name: &str, last: &mut Last, queue: &Queue) {
    if last.dropped.is_some() && queue.has_room() {
        tell_dropped(name, last, queue);
    }
}

/// Says what was dropped.
fn tell_dropped(name: &str, last: &mut Last, queue: &Queue) {
    if let Some((first, count)) = last.dropped.take() {
        missed(queue, name, last.incarnation, first, count, DROPPED);
    }
}

fn missed(queue: &Queue, name: &str, incarnation: u64, first: u64, count: u64, why: &str) {
    let event = Event::new(now(), Kind::Missed).of(topic(name), Some(incarnation)).with_text(why);
    queue.event(Event { count: Some(count), first: Some(first), ..event });
}

/// Passes on what happened to the names. Missed messages are told with their numbers, by the next message.
fn events(subscriber: &Subscriber, queue: &Queue, lagged: &mut HashMap<String, u64>) {
    for event in subscriber.events() {
        // An event of one of several names begins with the name: an endpoint has no `: ` in it.
        let (name, text) = event.text.split_once(": ").unwrap_or((subscriber.endpoint(), &event.text));
        let time = u64::try_from(event.at.0).unwrap_or(0);
        let (kind, source) = match event.kind {
            EventKind::Connected | EventKind::Reconnected => (Kind::Connected, text),
            EventKind::Disconnected => (Kind::Disconnected, ""),
            EventKind::SchemaMismatch => (Kind::Schema, ""),
            EventKind::Forgotten => (Kind::Disconnected, ""),
            EventKind::Lagged => {
                *lagged.entry(name.to_owned()).or_default() += event.missed;
                continue;
            }
        };
        let event = Event::new(time, kind).of(topic(name), None);
        queue.event(if source.is_empty() {
            event.with_text(text)
        } else {
            Event { source: source.to_owned(), ..event }
        });
    }
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
    let mut lagged = HashMap::new();
    let mut ends = false;
    while !ends {
        let mut count = 0;
        let mut numbers: HashMap<Arc<str>, (u64, u64)> = HashMap::new();
        while count < BATCH {
            ends = control.ends.load(Ordering::Acquire);
            if ends || control.paused.load(Ordering::Acquire) {
                break;
            }
            match subscriber.next(PATIENCE) {
                Ok(Some(message)) => {
                    let name: Arc<str> = message.name().unwrap_or_else(|| subscriber.endpoint()).into();
                    let (incarnation, number) = (message.incarnation(), message.sequence());
                    if let Some((of, last)) =
                        numbers.get(&name).filter(|(of, last)| *of == incarnation && *last + 1 < number)
                    {
                        missed(queue, &name, *of, last + 1, number - last - 1, OVERTAKEN);
                    }
                    numbers.insert(name, (incarnation, number));
                    let mut item = Item::of(message, now());
                    // What is stored waits for the writer.
                    while let Err(back) = queue.push(item) {
                        if control.ends.load(Ordering::Acquire) {
                            return Ok(());
                        }
                        item = back;
                        thread::sleep(PAUSE);
                    }
                    count += 1;
                }
                Ok(None) => ends = true,
                Err(error) if error.kind() == ErrorKind::Timeout => break,
                Err(error) => return Err(error),
            }
        }
        events(subscriber, queue, &mut lagged);
        if count > 0 {
            status.sync_and_wait(queue);
            subscriber.ack()?;
        } else if !ends {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}
