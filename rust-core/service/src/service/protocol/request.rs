//! A command for a service, as a message.

use std::time::Duration;

use super::times::seconds;
use crate::error::{Error, ErrorKind, Result};
use crate::service::command::Command;
use crate::value::{Map, Value};

/// The time of a command if its sender gives none.
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(30);
/// The longest id of a command, in bytes.
pub const ID_LIMIT: usize = 64;

/// A command in the form in which it is sent to a service.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRequest {
    /// Chosen by the sender: one id means one command. Empty for commands of the service itself.
    pub id: Box<str>,
    /// The command.
    pub command: Command,
    /// Its arguments; null for none.
    pub arguments: Value,
    /// The remaining time.
    pub within: Duration,
    /// The intended incarnation of the service; `None` matches any.
    pub epoch: Option<u64>,
}

impl CommandRequest {
    /// Returns a command of the service itself: without an id and without a deadline.
    pub fn own(command: Command) -> CommandRequest {
        CommandRequest { id: "".into(), command, arguments: Value::Null, within: Duration::MAX, epoch: None }
    }

    /// Returns the command as a map.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("id".into(), (&*self.id).into());
        map.insert("command".into(), self.command.name().into());
        if self.arguments != Value::Null {
            map.insert("arguments".into(), self.arguments.clone());
        }
        map.insert("within".into(), self.within.as_secs_f64().into());
        if let Some(epoch) = self.epoch {
            map.insert("epoch".into(), epoch.into());
        }
        Value::Map(map)
    }

    /// Reads such a map.
    pub fn from_value(value: &Value) -> Result<CommandRequest> {
        Ok(CommandRequest {
            id: id(value.at("id")?.as_text()?)?.into(),
            command: Command::from_name(value.at("command")?.as_text()?)?,
            arguments: value.at("arguments").cloned().unwrap_or(Value::Null),
            within: match value.at("within") {
                Ok(within) => seconds(within)?,
                Err(_) => DEFAULT_WITHIN,
            },
            epoch: value.at("epoch").ok().map(Value::as_u64).transpose()?,
        })
    }
}

/// Returns `OutOfRange` for an empty or too long id.
pub fn id(text: &str) -> Result<&str> {
    if (1..=ID_LIMIT).contains(&text.len()) {
        return Ok(text);
    }
    let text = format!("the id of a command has 1 to {ID_LIMIT} bytes, this one has {}", text.len());
    Err(Error::new(ErrorKind::OutOfRange, text))
}
