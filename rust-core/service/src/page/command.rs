//! The content of a request to the controller: a command in a body, and lines of the log in a query.

use super::problem::Problem;
use super::token::random_id;
use super::{DEFAULT_LOG_LINES, DEFAULT_WITHIN, MAX_BODY, MAX_LOG_LINES, MAX_WITHIN};
use crate::codec::{self, Encoding};
use crate::error::{ErrorKind, quoted};
use crate::service::{Answer, Command, CommandRequest, Outcome};
use crate::value::{Map, Value};

const MEMBERS: [&str; 5] = ["command", "arguments", "id", "within", "wait"];

/// The command in the body of a request.
#[derive(Debug, Clone)]
pub struct CommandBody {
    /// The command, with the body's id or a new one.
    pub request: CommandRequest,
    /// Whether the response waits for the command's end, not only for its acceptance.
    pub wait: bool,
}

impl CommandBody {
    /// Decodes a JSON object: the command and its options.
    ///
    /// | member | value | default |
    /// |---|---|---|
    /// | `command` | text | required |
    /// | `arguments` | any value | null |
    /// | `id` | text of 1 to 64 bytes | a new id |
    /// | `within` | seconds, more than 0, at most [`MAX_WITHIN`] | [`DEFAULT_WITHIN`] |
    /// | `wait` | truth value | true |
    ///
    /// # Errors
    ///
    /// 413 for a body of more than [`MAX_BODY`] bytes; 400 for anything but such an object.
    pub fn decode(body: &[u8]) -> Result<CommandBody, Problem> {
        if body.len() > MAX_BODY {
            return Err(Problem::body_too_long());
        }
        let malformed = |text: String| Problem::new(400, ErrorKind::Malformed, text);
        let value = codec::decode(body, Encoding::Json)?;
        let map = value.as_map()?;
        if let Some(other) = map.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
            let text = format!(
                "{} is not a member of a command; its members are {}",
                quoted(other),
                MEMBERS.join(", ")
            );
            return Err(malformed(text));
        }
        let name =
            map.get("command").ok_or_else(|| malformed("the body has no member \"command\"".into()))?;
        let command = Command::from_name(name.as_text()?)?;
        let wait = map.get("wait").map_or(Ok(true), Value::as_bool)?;
        let id = match map.get("id") {
            Some(id) => id.as_text()?.to_owned(),
            None => random_id()?,
        };
        let within = match map.get("within") {
            None => DEFAULT_WITHIN,
            Some(Value::Int(seconds)) => *seconds as f64,
            Some(seconds) => seconds.as_f64()?,
        };
        if !(within > 0.0 && within <= MAX_WITHIN) {
            let text = format!("within is {within}: give seconds, more than 0 and at most {MAX_WITHIN}");
            return Err(Problem::new(400, ErrorKind::OutOfRange, text));
        }
        let mut checked = Map::new();
        checked.insert("command".into(), command.name().into());
        checked.insert("id".into(), id.into());
        checked.insert("within".into(), within.into());
        if let Some(arguments) = map.get("arguments") {
            checked.insert("arguments".into(), arguments.clone());
        }
        Ok(CommandBody { request: CommandRequest::from_value(&Value::Map(checked))?, wait })
    }
}

/// Returns the status of an answer without a [`Problem`]: 202 while the command runs, otherwise 200.
pub fn answer_status(answer: &Answer) -> u16 {
    if answer.outcome == Outcome::Accepted { 202 } else { 200 }
}

/// Returns the number of lines in the parameter `lines` of a query.
///
/// # Errors
///
/// 400 for anything but 1 to [`MAX_LOG_LINES`].
pub fn log_lines(parameter: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = parameter else { return Ok(DEFAULT_LOG_LINES) };
    text.parse().ok().filter(|n| (1..=MAX_LOG_LINES).contains(n)).ok_or_else(|| {
        let text = format!("lines={text}: give a whole number from 1 to {MAX_LOG_LINES}");
        Problem::new(400, ErrorKind::OutOfRange, text)
    })
}
