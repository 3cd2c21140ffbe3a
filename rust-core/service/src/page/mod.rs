//! The rules of the controller's page, for every web server that serves it.
//!
//! This module opens no socket and never waits: the web server passes a request in and sends the result.
//!
//! The order of a request:
//!
//! 1. [`Origin::check`] refuses requests for another name and requests of other sites' pages. It comes first, for the
//!    page's files as well.
//! 2. [`bearer`] and [`Token::is`] for every address except the page's files.
//! 3. [`CommandBody::decode`] for a command, [`log_lines`] for the log.
//! 4. [`Problem`] for every failure; [`answer_status`] for other answers.
//! 5. [`SECURITY_HEADERS`] on every response.
//!
//! [`Event`] is a push of the controller in the page's stream.

mod access;
mod command;
mod peer;
mod problem;
mod token;

pub use access::{Origin, RequestHead, SECURITY_HEADERS, bearer, check_content, wrong_token};
pub use command::{CommandBody, answer_status, log_lines};
pub use peer::Peer;
pub use problem::{Problem, status};
pub use token::{Token, random_id, read_private};

use crate::codec::{self, Encoding};
use crate::error::Result;
use crate::value::Value;

/// The longest body of a request, in bytes.
pub const MAX_BODY: usize = 64 << 10;
/// The time of a command whose body names no time, in seconds.
pub const DEFAULT_WITHIN: f64 = 30.0;
/// The longest time that a command may have, in seconds.
pub const MAX_WITHIN: f64 = 600.0;
/// The lines of the log in a response if the request names no number.
pub const DEFAULT_LOG_LINES: usize = 200;
/// The most lines of the log in one response.
pub const MAX_LOG_LINES: usize = 2000;
/// The lines of the log in a snapshot, the first event of a stream.
pub const SNAPSHOT_LOG_LINES: usize = 300;
/// The longest JSON of data in an event, in bytes; longer data is replaced by its size.
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
    /// Returns the event for a result of [`crate::service::Controller::next`].
    ///
    /// `None` for a kind of a later controller, which this page does not show.
    ///
    /// # Errors
    ///
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
    // JSON of the codec is UTF-8.
    Ok(String::from_utf8_lossy(&codec::encode(value, Encoding::Json)?).into_owned())
}

#[cfg(test)]
mod tests;
