//! Selects the messages and events that a replay sends.

use linkspan::Result;
use linkspan_recording::reader::{Entry, Message};
use linkspan_recording::{Event, Reader};

use super::Arguments;
use crate::tools::choice::Window;
use crate::tools::opening::{limits, open};

/// Opens the recording at this time, or follows it while it is being written.
pub fn reader(arguments: &Arguments, begin: u64, from: Option<u64>) -> Result<Reader> {
    if arguments.follow {
        return Reader::follow(&arguments.file, limits());
    }
    let (begin, end) = arguments.choice.window(begin).certain_times();
    let reader = open(&arguments.file)?;
    // A relative time depends on steps of the clock before it, so reading must begin at the start.
    if from.is_some() { Ok(reader) } else { reader.within(begin, end) }
}

/// Returns the message of an entry and its time, if a replay from `from` on sends it.
pub fn sends<'m>(window: &Window<'_>, entry: Entry<'m>, from: Option<u64>) -> Option<(Message<'m>, u64)> {
    let message = window.chosen(entry)?;
    let time = replayed(window, message.received, from)?;
    Some((message, time))
}

/// Returns the received time without the steps of the clock, if a replay from `from` on includes it.
fn replayed(window: &Window<'_>, received: u64, from: Option<u64>) -> Option<u64> {
    let place = window.place(received);
    // A clock that was set forward by a day must not cause a day without messages.
    let time = window.continuous(received);
    (from.is_none_or(|from| time >= from) && place.is_eq()).then_some(time)
}

/// Notes an event, which may be a step of the clock; returns whether a replay from `from` on includes it.
pub fn tells(window: &Window<'_>, event: &Event, from: Option<u64>) -> bool {
    window.note(event);
    replayed(window, event.time, from).is_some()
}

/// Returns whether a replay sends more than `sent` messages of a name, according to the file so far.
pub fn has_more(
    arguments: &Arguments,
    begin: u64,
    from: Option<u64>,
    topic: &str,
    sent: u64,
) -> Result<bool> {
    if arguments.repeats {
        return Ok(true);
    }
    let window = arguments.choice.window(begin);
    let mut reader = reader(arguments, begin, from)?;
    let mut left = sent;
    while let Some(entry) = reader.read()? {
        if sends(&window, entry, from).is_some_and(|(message, _)| message.channel.topic == topic) {
            match left.checked_sub(1) {
                Some(fewer) => left = fewer,
                None => return Ok(true),
            }
        }
    }
    Ok(!reader.has_ended())
}
