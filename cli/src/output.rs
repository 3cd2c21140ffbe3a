//! Standard output: values and messages, for programs or for people.

use std::io::{self, Write};

use linkspan::{Encoding, Message, Value, codec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::args::OutputArgs;
use crate::display;
use crate::exit::Exit;

/// Writes bytes, whole and now.
pub fn write(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Exit::from_stdout_error)
}

/// Returns whether the pipe on standard output has lost its reader.
pub fn reader_is_gone() -> bool {
    let out = io::stdout();
    let mut look = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut look, Some(&Timespec::default())).is_ok() && look[0].revents().contains(PollFlags::ERR)
}

/// Writes a value as one line of JSON.
pub fn json(value: &Value) -> Result<(), Exit> {
    let mut line = codec::encode(value, Encoding::Json)?;
    line.push(b'\n');
    write(&line)
}

/// Writes an answer: the value alone.
pub fn answer(message: &Message, output: OutputArgs) -> Result<(), Exit> {
    if output.json {
        return json_message(message, output);
    }
    let mut text = display::lines(message.value()?);
    text.push('\n');
    write(text.as_bytes())
}

/// Writes one of several messages: for people, its time, number and source come before the value.
pub fn message(message: &Message, output: OutputArgs) -> Result<(), Exit> {
    if output.json {
        return json_message(message, output);
    }
    let missed = match message.missed() {
        0 => String::new(),
        n => format!(" ({n} skipped)"),
    };
    let value = display::lines(message.value()?);
    let gap = if value.contains('\n') { '\n' } else { ' ' };
    let head = format!("{} #{}{missed} {}:", message.sent(), message.sequence(), message.source());
    write(format!("{head}{gap}{value}\n").as_bytes())
}

fn json_message(message: &Message, output: OutputArgs) -> Result<(), Exit> {
    if !output.full {
        let mut line = codec::transcode(message.body(), message.encoding(), Encoding::Json)?;
        line.push(b'\n');
        return write(&line);
    }
    json(&Value::map([
        ("sequence", Value::from(message.sequence())),
        ("sent", message.sent().into()),
        ("source", message.source().into()),
        ("encoding", message.encoding().name().into()),
        ("missed", message.missed().into()),
        ("value", message.value()?.clone()),
    ]))
}
