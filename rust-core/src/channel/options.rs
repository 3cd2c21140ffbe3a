//! What a program may say about an object when it makes it: the same names in every language.

use std::fmt;
use std::time::Duration;

use crate::codec::Encoding;
use crate::deadline::{OnWait, Timeout};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Limits, Value};

/// What is promised about each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// A reader sees the newest value; older ones may be skipped.
    Latest,
    /// In order, never twice; what is lost is counted and told.
    BestEffort,
}

impl Delivery {
    /// The name in every language.
    pub const fn name(self) -> &'static str {
        match self {
            Delivery::Latest => "latest",
            Delivery::BestEffort => "best_effort",
        }
    }
}

/// The options of a channel, listener, server, publisher or subscriber. [`Options::set`] takes them by name.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// How values are written: CBOR.
    pub encoding: Encoding,
    /// How long a call waits that is not told otherwise: 30 s.
    pub timeout: Timeout,
    /// A name that stays the same when the program starts again; none by default.
    pub client_id: Option<String>,
    /// Bytes of a shared-memory ring, rounded up to a power of two: 256 KiB a direction, 1 MiB for a publisher.
    pub buffer: Option<usize>,
    /// The longest message in bytes that is sent or taken: 64 MiB.
    pub limit: u64,
    /// What is promised about each message; what it is where nothing is said depends on the pattern.
    pub delivery: Option<Delivery>,
    /// The mode of the socket's file: 0600, or 0660 in a directory that a group shares.
    pub mode: Option<u32>,
    /// The users that may connect; none means all whom the mode admits.
    pub allow_uids: Vec<u32>,
    /// The groups that may connect; none means all whom the mode admits.
    pub allow_gids: Vec<u32>,
    /// How long a receiver looks into shared memory before it sleeps, at most: 20 µs.
    pub spin: Duration,
    /// Runs while a call waits.
    pub on_wait: Option<OnWait>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            encoding: Encoding::Cbor,
            timeout: Timeout::After(Duration::from_secs(30)),
            client_id: None,
            buffer: None,
            limit: Limits::default().message,
            delivery: None,
            mode: None,
            allow_uids: Vec::new(),
            allow_gids: Vec::new(),
            spin: Duration::from_micros(20),
            on_wait: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("encoding", &self.encoding)
            .field("timeout", &self.timeout)
            .field("client_id", &self.client_id)
            .field("buffer", &self.buffer)
            .field("limit", &self.limit)
            .field("delivery", &self.delivery)
            .field("mode", &self.mode)
            .field("allow_uids", &self.allow_uids)
            .field("allow_gids", &self.allow_gids)
            .field("spin", &self.spin)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The limits of one message.
    pub fn limits(&self) -> Limits {
        Limits::for_message(self.limit)
    }

    /// Sets an option by its name. `WrongType` for another type, `OutOfRange` for an impossible number, `Unsupported`
    /// for an option that the transports of this version do not have, `Missing` for a name that is none.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        self.try_set(name, value).map_err(|e| e.under_key(name))
    }

    fn try_set(&mut self, name: &str, value: &Value) -> Result<()> {
        match name {
            "encoding" => self.encoding = Encoding::from_name(value.as_text()?)?,
            "timeout" => {
                self.timeout = match value {
                    Value::Null => Timeout::Forever,
                    seconds => Timeout::from_seconds(seconds.as_f64()?)?,
                }
            }
            "client_id" => self.client_id = Some(client_id(value.as_text()?)?),
            "buffer" => self.buffer = Some(within(value, 4 << 10, 1 << 30)? as usize),
            "limit" => self.limit = within(value, 1, 1 << 32)?,
            "delivery" => self.delivery = Some(delivery(value.as_text()?)?),
            "mode" => self.mode = Some(within(value, 0, 0o777)? as u32),
            "allow_uids" => self.allow_uids = numbers(value)?,
            "allow_gids" => self.allow_gids = numbers(value)?,
            "spin" => self.spin = Duration::from_micros(within(value, 0, 1_000_000)?),
            "ack" if value.as_text()? == "auto" => {}
            "ack" | "framing" | "group" | "immutable" | "durable" | "schema" => {
                let text = format!("the option {name} is not in this version");
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            _ => {
                let text = format!(
                    "no option is called {name:?}; there are encoding, timeout, client_id, buffer, limit, delivery, ack, mode, allow_uids, allow_gids and spin"
                );
                return Err(Error::new(ErrorKind::Missing, text));
            }
        }
        Ok(())
    }
}

fn within(value: &Value, least: u64, most: u64) -> Result<u64> {
    let number = value.as_u64()?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    Err(Error::new(ErrorKind::OutOfRange, format!("{number} is not between {least} and {most}")))
}

fn numbers(value: &Value) -> Result<Vec<u32>> {
    let one = |(i, v): (usize, &Value)| {
        within(v, 0, u32::MAX.into()).map(|n| n as u32).map_err(|e| e.under_index(i))
    };
    value.as_array()?.iter().enumerate().map(one).collect()
}

fn client_id(name: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let text = format!("{name:?} is no client name: 1 to 64 letters, digits, . _ - are");
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

fn delivery(name: &str) -> Result<Delivery> {
    match name {
        "latest" => Ok(Delivery::Latest),
        "best_effort" => Ok(Delivery::BestEffort),
        "at_least_once" | "durable" => {
            Err(Error::new(ErrorKind::Unsupported, format!("the delivery {name} is not in this version")))
        }
        _ => Err(Error::new(
            ErrorKind::Unsupported,
            format!("no delivery is called {name:?}; there are latest and best_effort"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_name_and_checked() {
        let mut options = Options::default();
        options.set("encoding", &"json".into()).unwrap();
        options.set("timeout", &Value::Null).unwrap();
        options.set("allow_uids", &vec![0i64, 33].into()).unwrap();
        assert_eq!((options.encoding, options.timeout), (Encoding::Json, Timeout::Forever));
        assert_eq!(options.allow_uids, [0, 33]);
        for (name, value, kind) in [
            ("encoding", Value::from("xml"), ErrorKind::Unsupported),
            ("timeout", Value::from(-1.0), ErrorKind::OutOfRange),
            ("timeout", Value::from("1"), ErrorKind::WrongType),
            ("buffer", Value::from(1i64), ErrorKind::OutOfRange),
            ("client_id", Value::from("a b"), ErrorKind::InvalidEndpoint),
            ("colour", Value::Null, ErrorKind::Missing),
            ("durable", Value::from(true), ErrorKind::Unsupported),
        ] {
            let error = options.set(name, &value).unwrap_err();
            assert_eq!((error.kind(), error.path()), (kind, Some(name)), "{error}");
        }
    }
}
