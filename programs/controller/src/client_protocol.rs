//! The decoding of clients' requests to a controller.
//!
//! A request is a map whose `what` is its name; docs/wire-format.md lists the keys. Other keys are ignored: later
//! clients can send more keys.

use std::collections::BTreeSet;
use std::time::Duration;

use linkspan::service::server_side::{DEFAULT_WITHIN, MAX_WITHIN, MIN_DATA_PERIOD, command_id};
use linkspan::{Command, Error, ErrorKind, Result, Value, in_seconds, quoted};

#[derive(Clone, Debug, PartialEq)]
pub struct ClientCommand {
    pub service: String,
    /// The id that the client chose. A repeated id means the command it was used for before.
    pub id: String,
    pub command: Command,
    /// The arguments; null for none.
    pub arguments: Value,
    /// The time until the command is answered with `Timeout`, at most `MAX_WITHIN`.
    pub within: Duration,
    /// The epoch of the incarnation that the command is for; `None` matches any.
    pub epoch: Option<u64>,
    /// Whether the client waits only until the command is accepted.
    pub until_accepted: bool,
    /// The first controller incarnation of the client.
    pub controller: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClientRequest {
    /// The records of the services whose names come after `after` in alphabetical order.
    Services {
        after: String,
    },
    Status {
        service: String,
    },
    Command(ClientCommand),
    Answer {
        service: String,
        id: String,
    },
    Log {
        service: Option<String>,
        lines: usize,
    },
    Forget {
        service: String,
    },
    Stats,
}

/// A request for events about services.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchRequest {
    /// The services; empty for all.
    pub services: BTreeSet<String>,
    /// The period of sampling data; `None` for no data.
    pub data_every: Option<Duration>,
}

impl ClientRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// `Missing` and `WrongType` with the key; `Unsupported` for another `what`; `OutOfRange` for an invalid `within`
    /// or `wait`.
    pub fn from_value(value: &Value) -> Result<ClientRequest> {
        let text = |key: &str| value.at(key).and_then(Value::as_text).map(str::to_owned);
        let optional_text = |key: &str| optional_text(value, key).map(|text| text.map(str::to_owned));
        Ok(match value.at("what")?.as_text()? {
            "services" => ClientRequest::Services { after: optional_text("after")?.unwrap_or_default() },
            "status" => ClientRequest::Status { service: text("service")? },
            "command" => ClientRequest::Command(ClientCommand::from_value(value)?),
            "answer" => ClientRequest::Answer { service: text("service")?, id: text("id")? },
            "log" => ClientRequest::Log {
                service: optional_text("service")?,
                lines: usize::try_from(value.at("lines")?.as_u64()?).unwrap_or(usize::MAX),
            },
            "forget" => ClientRequest::Forget { service: text("service")? },
            "stats" => ClientRequest::Stats,
            other => {
                let text = format!(
                    "a controller has no request {other}; its requests are services, status, command, answer, log, forget and stats",
                    other = quoted(other)
                );
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        })
    }
}

impl ClientCommand {
    fn from_value(value: &Value) -> Result<ClientCommand> {
        let seconds = |value: &Value| match value {
            Value::Int(_) => value.as_i64().map(|n| n as f64),
            _ => value.as_f64(),
        };
        let within = match value.at("within") {
            Err(_) => DEFAULT_WITHIN,
            Ok(given) => {
                let seconds = seconds(given).map_err(|e| e.under_key("within"))?;
                if seconds.is_nan() || seconds < 0.0 {
                    let text = format!("{seconds} s is not a valid time for a command");
                    return Err(Error::new(ErrorKind::OutOfRange, text).under_key("within"));
                }
                Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WITHIN).min(MAX_WITHIN)
            }
        };
        let command = Command::from_name(value.at("command")?.as_text()?)?;
        let until_accepted = match optional_text(value, "wait")? {
            None | Some("done") => false,
            Some("accepted") => true,
            Some(other) => {
                let text = format!(
                    "{other} is not an outcome to wait for; use \"done\" or \"accepted\"",
                    other = quoted(other)
                );
                return Err(Error::new(ErrorKind::OutOfRange, text).under_key("wait"));
            }
        };
        let number = |key: &str| value.at(key).ok().map(Value::as_u64).transpose();
        Ok(ClientCommand {
            service: value.at("service")?.as_text()?.to_owned(),
            id: command_id(value.at("id")?.as_text()?)?.to_owned(),
            command,
            arguments: value.at("arguments").cloned().unwrap_or(Value::Null),
            within,
            epoch: number("epoch")?,
            until_accepted,
            controller: number("controller")?,
        })
    }
}

impl WatchRequest {
    pub fn from_value(value: &Value) -> Result<WatchRequest> {
        let services = match value.at("services") {
            Err(_) => BTreeSet::new(),
            Ok(names) => names
                .as_array()?
                .iter()
                .map(|name| name.as_text().map(str::to_owned))
                .collect::<Result<_>>()?,
        };
        let data_every = match value.at("data_every") {
            Err(_) | Ok(Value::Null) => None,
            Ok(seconds) => {
                let seconds = seconds.as_f64()?;
                let every = Duration::try_from_secs_f64(seconds)
                    .ok()
                    .filter(|every| *every >= MIN_DATA_PERIOD)
                    .ok_or_else(|| {
                        let text = format!(
                            "{seconds} s is not a valid period for data; the shortest is {}",
                            in_seconds(MIN_DATA_PERIOD)
                        );
                        Error::new(ErrorKind::OutOfRange, text)
                    })?;
                Some(every.min(MAX_WITHIN))
            }
        };
        Ok(WatchRequest { services, data_every })
    }
}

fn optional_text<'a>(value: &'a Value, key: &str) -> Result<Option<&'a str>> {
    value.at(key).ok().map(|text| text.as_text().map_err(|e| e.under_key(key))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(key: &str, with: Value) -> Value {
        let mut map = linkspan::Map::from_iter([
            ("what".to_owned(), "command".into()),
            ("service".to_owned(), "power".into()),
            ("id".to_owned(), "a".into()),
            ("command".to_owned(), "PAUSE".into()),
        ]);
        map.insert(key.into(), with);
        Value::Map(map)
    }

    #[test]
    fn invalid_request_returns_error_of_matching_kind() {
        let good = ClientRequest::from_value(&command("within", 2.5.into())).unwrap();
        let ClientRequest::Command(wanted) = good else { panic!("{good:?}") };
        assert_eq!((wanted.within, wanted.until_accepted), (Duration::from_millis(2500), false));
        for (key, with, kind) in [
            ("within", Value::from(-1.0), ErrorKind::OutOfRange),
            ("within", Value::from(f64::NAN), ErrorKind::OutOfRange),
            ("within", Value::from("soon"), ErrorKind::WrongType),
            ("wait", Value::from("never"), ErrorKind::OutOfRange),
            ("wait", Value::from(1), ErrorKind::WrongType),
            ("command", Value::from("DANCE"), ErrorKind::OutOfRange),
            ("id", Value::from(""), ErrorKind::OutOfRange),
            ("id", Value::from("x".repeat(65)), ErrorKind::OutOfRange),
            ("what", Value::from("dance"), ErrorKind::Unsupported),
            ("epoch", Value::from("x"), ErrorKind::WrongType),
        ] {
            let error = ClientRequest::from_value(&command(key, with.clone())).unwrap_err();
            assert_eq!(error.kind(), kind, "{key} {with:?}: {error}");
        }
        let page = Value::map([("what", Value::from("services")), ("after", 1.into())]);
        assert_eq!(ClientRequest::from_value(&page).unwrap_err().kind(), ErrorKind::WrongType);
        let unlimited = ClientRequest::from_value(&command("within", f64::INFINITY.into())).unwrap();
        let ClientRequest::Command(wanted) = unlimited else { panic!("{unlimited:?}") };
        assert_eq!(wanted.within, MAX_WITHIN);
        assert_eq!(ClientRequest::from_value(&Value::Null).unwrap_err().kind(), ErrorKind::WrongType);
    }

    #[test]
    fn invalid_data_period_is_out_of_range() {
        let watch = |every: f64| WatchRequest::from_value(&Value::map([("data_every", every)]));
        assert_eq!(watch(0.5).unwrap().data_every, Some(Duration::from_millis(500)));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(watch(bad).unwrap_err().kind(), ErrorKind::OutOfRange, "{bad}");
        }
    }
}
