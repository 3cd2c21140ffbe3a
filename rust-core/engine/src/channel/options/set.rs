//! Sets options by name: reads and checks each value.

use std::time::Duration;

use super::{Acknowledge, Delivery, Framing, Options, StartAt, Validate, nearest};
use crate::codec::Encoding;
use crate::deadline::Timeout;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::PreparedSchema;
use crate::value::Value;

impl Options {
    /// The names that [`Options::set`] knows, for completions and lists.
    ///
    /// No text can express a value of `on_wait`.
    pub const NAMES: &'static [&'static str] = &nearest::NAMES;

    /// Sets an option by its name.
    ///
    /// # Errors
    /// `WrongType` for a value of another type, `OutOfRange` for an impossible number. `Unsupported` for an option
    /// that is unknown (the text names the nearest) or missing in this version.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<()> {
        self.set_beside(&[], name, value)
    }

    /// [`Options::set`] for an object with further options, which a mistyped name may mean.
    pub(crate) fn set_beside(&mut self, more: &[&str], name: &str, value: &Value) -> Result<()> {
        self.try_set(more, name, value).map_err(|e| e.under_key(name))
    }

    fn try_set(&mut self, more: &[&str], name: &str, value: &Value) -> Result<()> {
        match name {
            "encoding" => {
                self.encoding = Encoding::from_name(value.as_text()?)?;
                self.encoding_given = true;
            }
            "timeout" => {
                self.timeout = match value {
                    Value::Null => Timeout::Forever,
                    seconds => Timeout::from_seconds(seconds.as_f64()?)?,
                }
            }
            "client_id" => self.client_id = Some(client_id(value.as_text()?)?),
            "buffer" => self.buffer = Some(buffer(value)?),
            "max_message_size" => self.max_message_size = within(value, 1, 1 << 32)?,
            "delivery" => self.delivery = Some(delivery(value.as_text()?)?),
            "mode" => self.mode = Some(mode(value)?),
            "allow_uids" => self.allow_uids = numbers(value)?,
            "allow_gids" => self.allow_gids = numbers(value)?,
            "spin" => self.spin = spin(value)?,
            "linger" => self.linger = linger(value)?,
            "ack" => {
                self.ack = one_of(value, [("auto", Acknowledge::Auto), ("manual", Acknowledge::Manual)])?;
            }
            "idempotent" => self.idempotent = value.as_bool()?,
            "replay_count" => self.replay_count = within(value, 1, 1 << 24)? as usize,
            "replay_bytes" => self.replay_bytes = within(value, 1, 1 << 40)?,
            "absent_clients" => self.absent_clients = within(value, 1, 1 << 20)? as usize,
            "framing" => {
                let all = [("linkspan", Framing::Linkspan), ("lines", Framing::Lines), ("raw", Framing::Raw)];
                self.framing = one_of(value, all)?;
            }
            "durable" => self.durable = value.as_bool()?,
            "group" => self.group = Some(group(value)?),
            "from" => {
                self.from = Some(match value {
                    Value::Timestamp(at) => StartAt::Time(*at),
                    Value::Text(text) => match text.parse() {
                        Ok(at) => StartAt::Time(at),
                        Err(_) => one_of(value, [("first", StartAt::First), ("newest", StartAt::Newest)])
                            .map_err(|e| {
                                let text =
                                    format!("{}, a number, or a time such as 2026-01-31T12:00:00Z", e.text());
                                Error::new(e.kind(), text)
                            })?,
                    },
                    number => StartAt::Sequence(number.as_u64()?),
                });
            }
            "segment_bytes" => self.segment_bytes = Some(within(value, 8 << 10, 1 << 40)?),
            "retain_bytes" => self.retain_bytes = Some(within(value, 1, 1 << 60)?),
            "retain_seconds" => {
                self.retain_seconds = match Timeout::from_seconds(value.as_f64()?)? {
                    Timeout::After(age) => Some(age),
                    _ => None,
                };
            }
            "retain_consumed" => self.retain_consumed = value.as_bool()?,
            "locked" => self.locked = value.as_bool()?,
            "shared" => self.shared = value.as_bool()?,
            "replace" => self.replace = value.as_bool()?,
            "view_bytes" => self.view_bytes = value.as_bool()?,
            "schema" => self.schema = Some(PreparedSchema::from_option(value.as_text()?)?),
            "reply_schema" => self.reply_schema = Some(PreparedSchema::from_option(value.as_text()?)?),
            "validate" => {
                let all =
                    [("send", Validate::Send), ("receive", Validate::Receive), ("both", Validate::Both)];
                self.validate = Some(one_of(value, all)?);
            }
            "on_wait" | "on_unconsumed" => {
                let text = format!(
                    "{name} is something that can be called, and no value: each language sets it in a way of its own"
                );
                return Err(Error::new(ErrorKind::WrongType, text));
            }
            "immutable" => {
                let text = format!("the option {name} is not in this version");
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            _ => return Err(nearest::unknown(name, more)),
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

pub(super) fn spin(value: &Value) -> Result<Duration> {
    within(value, 0, Options::MAX_SPIN.as_micros() as u64).map(Duration::from_micros)
}

/// Reads a linger time in seconds. The limit prevents a program from hanging at its end.
fn linger(value: &Value) -> Result<Duration> {
    match Timeout::from_seconds(value.as_f64()?)? {
        Timeout::After(time) if time <= Options::MAX_LINGER => Ok(time),
        _ => {
            let most = Options::MAX_LINGER.as_secs();
            let text = format!(
                "a channel that ends waits for {most} s at most: call flush or close, which wait longer"
            );
            Err(Error::new(ErrorKind::OutOfRange, text))
        }
    }
}

pub(super) fn buffer(value: &Value) -> Result<usize> {
    within(value, 4 << 10, 1 << 30).map(|bytes| bytes as usize)
}

/// Reads a mode. For a decimal number such as 660, the error proposes the octal one.
pub(super) fn mode(value: &Value) -> Result<u32> {
    let number = value.as_u64()?;
    if number <= 0o777 {
        return Ok(number as u32);
    }
    let digits = number.to_string();
    let hint = match u32::from_str_radix(&digits, 8) {
        Ok(meant) if meant <= 0o777 => {
            format!("; did you mean the octal number 0o{digits}, which is {meant}?")
        }
        _ => String::new(),
    };
    let text = format!("{number} is not a mode: modes are 0 to 511 (0o777){hint}");
    Err(Error::new(ErrorKind::OutOfRange, text))
}

fn numbers(value: &Value) -> Result<Vec<u32>> {
    let one = |(i, v): (usize, &Value)| {
        within(v, 0, u32::MAX.into()).map(|n| n as u32).map_err(|e| e.under_index(i))
    };
    value.as_array()?.iter().enumerate().map(one).collect()
}

/// Checks a `client_id`: 1 to 64 letters, digits, `.`, `_` and `-`; else `InvalidEndpoint`.
pub(in crate::channel) fn client_id(name: &str) -> Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let text =
        format!("{name} is not a client name: 1 to 64 letters, digits, . _ - are", name = quoted(name));
    Err(Error::new(ErrorKind::InvalidEndpoint, text))
}

fn delivery(name: &str) -> Result<Delivery> {
    let all = [Delivery::Latest, Delivery::BestEffort, Delivery::AtLeastOnce, Delivery::Durable];
    all.into_iter().find(|d| d.name() == name).ok_or_else(|| {
        let text = format!(
            "no delivery is called {name}; there are latest, best_effort, at_least_once and durable",
            name = quoted(name)
        );
        Error::new(ErrorKind::Unsupported, text)
    })
}

fn one_of<T: Copy, const N: usize>(value: &Value, all: [(&str, T); N]) -> Result<T> {
    let word = value.as_text()?;
    all.iter().find(|(name, _)| *name == word).map(|(_, it)| *it).ok_or_else(|| {
        let known = all.map(|(name, _)| name).join(" or ");
        Error::new(
            ErrorKind::Unsupported,
            format!("{word} is none of its values; write {known}", word = quoted(word)),
        )
    })
}

fn group(value: &Value) -> Result<u32> {
    let Value::Text(name) = value else { return Ok(within(value, 0, u32::MAX.into())? as u32) };
    crate::sys::user::group_of_name(name).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("no group is called {name}; see /etc/group", name = quoted(name)),
        )
    })
}
