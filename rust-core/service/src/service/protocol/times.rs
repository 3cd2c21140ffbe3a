//! Remaining times and clocks in messages.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// Returns the part of the remaining time that the sender of a command keeps.
///
/// The receiver's answer about a time-out then arrives before the sender's own time-out.
pub fn margin(left: Duration) -> Duration {
    (left / 10).min(Duration::from_millis(250))
}

/// Adds the clock of its machine to a message of a service.
///
/// The controller can then give it deadlines by that clock.
pub fn with_clock(message: Value, clock: Duration) -> Value {
    with(message, "clock", clock)
}

/// Adds the deadline of a command by the clock of its service.
pub fn with_until(message: Value, until: Option<Duration>) -> Value {
    match until {
        Some(until) => with(message, "until", until),
        None => message,
    }
}

fn with(mut message: Value, key: &str, time: Duration) -> Value {
    if let Value::Map(map) = &mut message {
        map.insert(key.to_owned(), time.as_secs_f64().into());
    }
    message
}

/// Returns the clock of the sender's machine, if the message has it.
pub fn clock_of(message: &Value) -> Result<Option<Duration>> {
    message.at("clock").ok().map(seconds).transpose()
}

/// Returns the deadline of a command by the clock of its service, if it has one.
pub fn until_of(message: &Value) -> Result<Option<Duration>> {
    message.at("until").ok().map(seconds).transpose()
}

pub fn seconds(value: &Value) -> Result<Duration> {
    let seconds = match value {
        Value::Int(_) => value.as_i64()? as f64,
        _ => value.as_f64()?,
    };
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::new(ErrorKind::OutOfRange, format!("{seconds} s is not a valid remaining time")))
}
