//! Standard output: values and messages, for programs or for people.

use linkspan::{Encoding, Error, Message, Value, codec, one_line};

use crate::args::OutputArgs;
use crate::display;
use crate::exit::Exit;
pub use crate::exit::write;
use crate::stderr;

pub fn json(value: &Value) -> Result<(), Exit> {
    write(json_line(value)?.as_bytes())
}

pub fn json_line(value: &Value) -> Result<String, Error> {
    Ok(safe_json(&codec::encode(value, Encoding::Json)?))
}

/// Returns JSON as a line with escaped control characters, which keeps its meaning.
fn safe_json(json: &[u8]) -> String {
    format!("{}\n", one_line(&String::from_utf8_lossy(json)))
}

pub fn answer(message: &Message, output: OutputArgs) -> Result<(), Exit> {
    if output.json {
        return write(json_text(message, output)?.as_bytes());
    }
    let mut text = display::lines(message.value()?);
    text.push('\n');
    write(text.as_bytes())
}

/// Writes a message; returns whether it was written.
///
/// For people, its time, number and source come first. A text beyond the longest message is replaced by a reason.
pub fn message(message: &Message, output: OutputArgs) -> Result<bool, Exit> {
    match message_text(message, output) {
        Ok(text) => write(text.as_bytes()).map(|()| true),
        Err(error) => {
            let name = message.name().map_or_else(String::new, |name| format!(" of {name}"));
            let number = message.sequence();
            stderr::print_line(&format!(
                "message {number}{name} is not printed: {}",
                stderr::described(&error)
            ));
            Ok(false)
        }
    }
}

fn message_text(message: &Message, output: OutputArgs) -> Result<String, Error> {
    if output.json {
        return json_text(message, output);
    }
    let missed = match message.missed() {
        0 => String::new(),
        n => format!(" ({n} skipped)"),
    };
    let value = display::lines(message.value()?);
    let gap = if value.contains('\n') { '\n' } else { ' ' };
    let name = message.name().map_or_else(String::new, |name| format!("{name} "));
    let source = one_line(message.source());
    let head = format!("{name}{} #{}{missed} {source}:", message.sent(), message.sequence());
    Ok(format!("{head}{gap}{value}\n"))
}

fn json_text(message: &Message, output: OutputArgs) -> Result<String, Error> {
    if !output.full {
        let json = codec::transcode(message.body(), message.encoding(), Encoding::Json)?;
        return Ok(safe_json(&json));
    }
    let name = message.name().map(|name| ("name", Value::from(name)));
    let entries = [
        ("sequence", Value::from(message.sequence())),
        ("sent", message.sent().into()),
        ("source", message.source().into()),
        ("encoding", message.encoding().name().into()),
        ("missed", message.missed().into()),
        ("value", message.value()?.clone()),
    ];
    json_line(&Value::map(name.into_iter().chain(entries)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_line_has_no_characters_that_a_terminal_interprets_and_the_same_value() {
        let value =
            Value::map([("a\u{9b}\u{202e}", Value::from("\u{7f}\u{85}\u{2028}\u{2066}\n\u{1b}é😀\\\""))]);
        let line = json_line(&value).unwrap();
        assert_eq!(line, "{\"a\\u009b\\u202e\":\"\\u007f\\u0085\\u2028\\u2066\\n\\u001bé😀\\\\\\\"\"}\n");
        assert_eq!(codec::decode(line.trim_end().as_bytes(), Encoding::Json).unwrap(), value);
    }
}
