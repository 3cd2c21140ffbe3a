//! A push of the controller to a watcher, as an event of a page's stream.

use crate::codec::{self, Encoding};
use crate::error::Result;
use crate::value::Value;

/// The longest JSON of data in an event, in bytes; a page shows no more. Longer data is replaced by its size.
pub const MAX_EVENT_DATA: usize = 64 << 10;

/// An event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's name: `service`, `gone`, `data`, `log` or `missed`.
    pub name: &'static str,
    /// The event's data, in JSON.
    pub json: String,
}

impl Event {
    /// Returns the event for a result of [`crate::Controller::next`]; `None` for a kind that a later
    /// controller added, which this page does not show.
    ///
    /// # Errors
    /// `Missing` and `WrongType` for values that no controller pushes.
    pub fn of(pushed: &Value) -> Result<Option<Event>> {
        let what = pushed.at("what")?.as_text()?;
        let Some(name) = ["service", "gone", "data", "log", "missed"].into_iter().find(|name| *name == what)
        else {
            return Ok(None);
        };
        let mut json = text(pushed)?;
        if name == "data" && json.len() > MAX_EVENT_DATA {
            json = text(&Value::map([
                ("what", Value::from("data")),
                ("name", pushed.at("name")?.clone()),
                ("at", pushed.at("at")?.clone()),
                ("too_large", (json.len() as u64).into()),
            ]))?;
        }
        Ok(Some(Event { name, json }))
    }
}

fn text(value: &Value) -> Result<String> {
    // JSON that the codec wrote is UTF-8.
    Ok(String::from_utf8_lossy(&codec::encode(value, Encoding::Json)?).into_owned())
}
