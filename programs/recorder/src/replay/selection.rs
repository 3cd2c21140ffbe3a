//! Which messages and events of a recording a replay sends, and the reader that gives them.

use linkspan::Result;
use linkspan_recording::reader::{Entry, Message};
use linkspan_recording::{Event, Reader};

use super::Arguments;
use crate::tools::choice::Window;
use crate::tools::opening::{limits, open};

/// Reads the recording, from this time on, or while it is written.
pub fn reader(arguments: &Arguments, begin: u64, from: Option<u64>) -> Result<Reader> {
    if arguments.follow {
        return Reader::follow(&arguments.file, limits());
    }
    let (begin, end) = arguments.choice.window(begin).certain_times();
    let reader = open(&arguments.file)?;
    // A place that is sought is a distance from the beginning, and steps of the clock may be in between.
    if from.is_some() { Ok(reader) } else { reader.within(begin, end) }
}

/// Returns the message of an entry, and its time, if a replay from this time on sends it.
pub fn sends<'m>(window: &Window<'_>, entry: Entry<'m>, from: Option<u64>) -> Option<(Message<'m>, u64)> {
    let message = window.chosen(entry)?;
    let time = replayed(window, message.received, from)?;
    Some((message, time))
}

/// Returns the time of what was received at this one without the steps of the clock, if a replay from `from` on has it.
fn replayed(window: &Window<'_>, received: u64, from: Option<u64>) -> Option<u64> {
    let place = window.place(received);
    // A day by which the clock was set forward is no day of silence.
    let time = window.continuous(received);
    (from.is_none_or(|from| time >= from) && place.is_eq()).then_some(time)
}

/// Takes an event, which may be a step of the clock, and returns whether a replay from this time on has it.
pub fn tells(window: &Window<'_>, event: &Event, from: Option<u64>) -> bool {
    window.note(event);
    replayed(window, event.time, from).is_some()
}

/// Returns whether a replay from this time on sends more than so many messages of a name, as far as that is known.
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
