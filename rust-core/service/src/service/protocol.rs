//! The messages between a service and its controller: maps, in frames of the kinds command and event.
//!
//! After the hello, the controller sends `welcome`, the service `introduction`. Then the service sends `report`,
//! `answer`, `log` and `bye`; the controller sends commands, and a `beat` after each report. A side that receives
//! nothing for three heartbeats reconnects, or counts the other as stale. Unknown keys are skipped. An unknown message
//! is `Unsupported`, because a newer peer must not be misunderstood. Tests compare `docs/lifecycle.md` with the code.

mod request;
mod times;

use std::time::Duration;

pub use self::request::{CommandRequest, DEFAULT_WITHIN, id};
use self::times::seconds;
pub use self::times::{clock_of, margin, until_of, with_clock, with_until};
use super::command::{Answer, read_failure};
use super::state::State;
use crate::error::{Error, ErrorKind, RemoteFailure, Result, quoted};
use crate::transport::endpoint::Endpoint;
use crate::value::{Map, Timestamp, Value};

/// The heartbeat period if the controller gives none.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// The longest time of a command. It keeps deadlines computable.
pub const MAX_WITHIN: Duration = Duration::from_secs(366 * 24 * 3600);
/// The shortest period of sampling a service's data.
pub const MIN_DATA_PERIOD: Duration = Duration::from_millis(10);
/// The longest message that a controller accepts from a service, in bytes.
pub const MESSAGE_LIMIT: u64 = 1 << 20;

/// The description of a service, sent on each connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Introduction {
    /// Its name: one or more segments, as in an endpoint.
    pub name: String,
    /// A random number that identifies this incarnation.
    pub epoch: u64,
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
    /// A description for people, in one line.
    pub description: String,
    /// The accepted commands besides GET_DATA, PAUSE, RUN, CHECKPOINT, SHUTDOWN and the library's.
    pub commands: Vec<String>,
    /// The commands among GET_DATA and CHECKPOINT that the program cannot carry out.
    ///
    /// Controllers do not offer them.
    pub unsupported: Vec<String>,
    /// Whether it stands for a program without Linkspan.
    pub adopted: bool,
    /// The period of its steps; `None` without periodic steps.
    pub every: Option<Duration>,
    /// Its status.
    pub report: Report,
}

/// The status of a service: sent on each change and as a heartbeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its state.
    pub state: State,
    /// When it entered the state.
    pub since: Timestamp,
    /// The duration of the running task; `None` while the program is idle.
    pub busy: Option<Duration>,
    /// The running task: the name of a command, or `STEP`; `None` while the program is idle.
    pub doing: Option<String>,
    /// The number of finished steps.
    pub steps: u64,
    /// Why it is FAILED, or a problem that does not stop it; empty for none.
    pub reason: String,
}

/// One line of a service's log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// `debug`, `info`, `warning` or `error`; `stdout` or `stderr` for the output of an adopted program.
    pub level: String,
    /// Its text.
    pub text: String,
}

/// A message from a service to its controller.
#[derive(Clone, Debug, PartialEq)]
pub enum ToController {
    /// The first message on each connection, after the controller's welcome.
    Introduction(Introduction),
    /// The status of the service.
    Report(Report),
    /// The answer to a command.
    Answer(Answer),
    /// Lines of the service's log.
    Log(Vec<LogLine>),
    /// The service ends, in this state.
    Bye(State),
}

/// A message from a controller to a service, except commands.
#[derive(Clone, Debug, PartialEq)]
pub enum ToService {
    /// The first message on each connection.
    Welcome {
        /// The incarnation of the controller.
        controller: u64,
        /// The requested heartbeat period.
        heartbeat: Duration,
    },
    /// The service is refused, for example because its name is in use.
    ///
    /// The controller then closes the connection.
    Refused(RemoteFailure),
    /// Sent after each report. A service that receives nothing for three heartbeats reconnects.
    Beat,
}

impl Report {
    fn put(&self, map: &mut Map) {
        map.insert("state".into(), self.state.name().into());
        map.insert("since".into(), self.since.into());
        if let Some(busy) = self.busy {
            map.insert("busy".into(), busy.as_secs_f64().into());
        }
        if let Some(doing) = &self.doing {
            map.insert("doing".into(), doing.as_str().into());
        }
        map.insert("steps".into(), self.steps.into());
        if !self.reason.is_empty() {
            map.insert("reason".into(), self.reason.as_str().into());
        }
    }

    /// Returns a map: `state`, `since`, `busy` (seconds), `doing`, `steps`, `reason`.
    pub fn to_map(&self) -> Map {
        let mut map = Map::new();
        self.put(&mut map);
        map
    }

    fn from_value(value: &Value) -> Result<Report> {
        Ok(Report {
            state: State::from_name(value.at("state")?.as_text()?)?,
            since: value.at("since")?.as_timestamp()?,
            busy: value.at("busy").ok().map(seconds).transpose()?,
            doing: optional_text(value, "doing")?,
            steps: value.at("steps")?.as_u64()?,
            reason: optional_text(value, "reason")?.unwrap_or_default(),
        })
    }
}

impl LogLine {
    /// Returns a map: `at`, `level`, `text`.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("at", Value::from(self.at)),
            ("level", self.level.as_str().into()),
            ("text", self.text.as_str().into()),
        ])
    }

    /// Reads such a map.
    pub fn from_value(value: &Value) -> Result<LogLine> {
        Ok(LogLine {
            at: value.at("at")?.as_timestamp()?,
            level: value.at("level")?.as_text()?.to_owned(),
            text: value.at("text")?.as_text()?.to_owned(),
        })
    }
}

fn optional_text(value: &Value, key: &str) -> Result<Option<String>> {
    value.at(key).ok().map(|text| text.as_text().map(str::to_owned)).transpose()
}

fn message(what: &str) -> Map {
    Map::from_iter([("what".to_owned(), what.into())])
}

impl ToController {
    /// Returns a map with `what` first.
    pub fn to_value(&self) -> Value {
        Value::Map(match self {
            ToController::Introduction(it) => {
                let mut map = message("introduction");
                map.insert("name".into(), it.name.as_str().into());
                map.insert("epoch".into(), it.epoch.into());
                map.insert("pid".into(), it.pid.into());
                map.insert("program".into(), it.program.as_str().into());
                map.insert("description".into(), it.description.as_str().into());
                let commands = it.commands.iter().map(|name| Value::from(name.as_str())).collect();
                map.insert("commands".into(), Value::Array(commands));
                if !it.unsupported.is_empty() {
                    map.insert("unsupported".into(), it.unsupported.clone().into());
                }
                if it.adopted {
                    map.insert("adopted".into(), true.into());
                }
                if let Some(every) = it.every {
                    map.insert("every".into(), every.as_secs_f64().into());
                }
                it.report.put(&mut map);
                map
            }
            ToController::Report(report) => {
                let mut map = message("report");
                report.put(&mut map);
                map
            }
            ToController::Answer(answer) => {
                let mut map = message("answer");
                map.insert("answer".into(), answer.to_value());
                map
            }
            ToController::Log(lines) => {
                let mut map = message("log");
                map.insert("lines".into(), Value::Array(lines.iter().map(LogLine::to_value).collect()));
                map
            }
            ToController::Bye(state) => {
                let mut map = message("bye");
                map.insert("state".into(), state.name().into());
                map
            }
        })
    }

    /// Reads such a map; `Unsupported` for an unknown kind of message, such as a later version's.
    pub fn from_value(value: &Value) -> Result<ToController> {
        Ok(match value.at("what")?.as_text()? {
            "introduction" => {
                let names = |key: &str| -> Result<Vec<String>> {
                    value.at(key)?.as_array()?.iter().map(|name| name.as_text().map(str::to_owned)).collect()
                };
                let unsupported =
                    if value.at("unsupported").is_ok() { names("unsupported")? } else { Vec::new() };
                ToController::Introduction(Introduction {
                    name: value.at("name")?.as_text()?.to_owned(),
                    epoch: value.at("epoch")?.as_u64()?,
                    pid: u32::try_from(value.at("pid")?.as_u64()?).map_err(|_| {
                        Error::new(ErrorKind::OutOfRange, "no process has such a number").under_key("pid")
                    })?,
                    program: value.at("program")?.as_text()?.to_owned(),
                    description: value.at("description")?.as_text()?.to_owned(),
                    commands: names("commands")?,
                    unsupported,
                    adopted: value.at("adopted").ok().map(Value::as_bool).transpose()?.unwrap_or(false),
                    every: value.at("every").ok().map(seconds).transpose()?,
                    report: Report::from_value(value)?,
                })
            }
            "report" => ToController::Report(Report::from_value(value)?),
            "answer" => ToController::Answer(Answer::from_value(value.at("answer")?)?),
            "log" => {
                let lines = value.at("lines")?.as_array()?;
                ToController::Log(lines.iter().map(LogLine::from_value).collect::<Result<_>>()?)
            }
            "bye" => ToController::Bye(State::from_name(value.at("state")?.as_text()?)?),
            other => return Err(unknown(other)),
        })
    }
}

impl ToService {
    /// Returns a map with `what` first.
    pub fn to_value(&self) -> Value {
        Value::Map(match self {
            ToService::Welcome { controller, heartbeat } => {
                let mut map = message("welcome");
                map.insert("controller".into(), (*controller).into());
                map.insert("heartbeat".into(), heartbeat.as_secs_f64().into());
                map
            }
            ToService::Beat => message("beat"),
            ToService::Refused(failure) => {
                let mut map = message("refused");
                map.insert("code".into(), failure.code.into());
                map.insert("type".into(), failure.kind.as_str().into());
                map.insert("text".into(), failure.text.as_str().into());
                map
            }
        })
    }

    /// Reads an event; [`CommandRequest::from_value`] reads commands.
    pub fn from_value(value: &Value) -> Result<ToService> {
        Ok(match value.at("what")?.as_text()? {
            "welcome" => ToService::Welcome {
                controller: value.at("controller")?.as_u64()?,
                heartbeat: seconds(value.at("heartbeat")?)?,
            },
            "beat" => ToService::Beat,
            "refused" => ToService::Refused(read_failure(value)?),
            other => return Err(unknown(other)),
        })
    }
}

fn unknown(word: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("services and controllers exchange no message called {word}", word = quoted(word)),
    )
}

/// Returns `InvalidEndpoint` for an invalid name of a service; its segments are as in an endpoint.
pub fn check_service_name(name: &str) -> Result<()> {
    // A leading slash would make a path, and a colon an endpoint.
    let plain = !name.contains(':') && !name.starts_with('/');
    match format!("shm:{name}").parse::<Endpoint>() {
        Ok(_) if plain => Ok(()),
        _ => {
            let text = format!(
                "{:?} is not a valid name for a service: segments of 1 to 64 characters [A-Za-z0-9._-], joined by / where there are several",
                cut(name, 400)
            );
            Err(Error::new(ErrorKind::InvalidEndpoint, text))
        }
    }
}

/// Returns `InvalidEndpoint` for a text that cannot name a service.
///
/// Valid are `NAME`, and `NAME@MACHINE` for a service of another machine.
pub fn check_known_name(name: &str) -> Result<()> {
    let (service, machine) = name.split_once('@').unwrap_or((name, "machine"));
    check_service_name(service).and_then(|()| check_service_name(machine))
}

/// Returns at most `length` bytes of a text, with a mark if the rest was cut off.
pub fn cut(text: &str, length: usize) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let end = (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::command::Command;

    fn report() -> Report {
        Report {
            state: State::Running,
            since: Timestamp::now(),
            busy: Some(Duration::from_millis(1500)),
            doing: Some("STEP".into()),
            steps: 7,
            reason: String::new(),
        }
    }

    #[test]
    fn messages_to_controller_round_trip() {
        let introduction = Introduction {
            name: "lab/power".into(),
            epoch: u64::MAX,
            pid: 4711,
            program: "logger".into(),
            description: "logs the meter".into(),
            commands: vec!["BACKUP".into(), "calibrate".into()],
            unsupported: vec!["CHECKPOINT".into()],
            adopted: true,
            every: Some(Duration::from_secs(1)),
            report: report(),
        };
        let line = LogLine { at: Timestamp::now(), level: "info".into(), text: "opened".into() };
        for message in [
            ToController::Introduction(introduction),
            ToController::Report(Report { busy: None, doing: None, reason: "disk full".into(), ..report() }),
            ToController::Log(vec![line]),
            ToController::Bye(State::Stopped),
        ] {
            assert_eq!(ToController::from_value(&message.to_value()).unwrap(), message);
        }
    }

    #[test]
    fn messages_to_service_round_trip() {
        let welcome = ToService::Welcome { controller: 9, heartbeat: HEARTBEAT };
        assert_eq!(ToService::from_value(&welcome.to_value()).unwrap(), welcome);
        assert_eq!(ToService::from_value(&ToService::Beat.to_value()).unwrap(), ToService::Beat);
        let request = CommandRequest {
            id: "a".into(),
            command: Command::Pause,
            arguments: Value::Null,
            within: Duration::from_millis(2500),
            epoch: Some(3),
        };
        assert_eq!(CommandRequest::from_value(&request.to_value()).unwrap(), request);
        let error = Error::new(ErrorKind::AddressInUse, "another one is called power");
        let refused = ToService::Refused(crate::service::command::failure_of(&error));
        assert_eq!(ToService::from_value(&refused.to_value()).unwrap(), refused);
    }

    #[test]
    fn invalid_messages_are_refused() {
        let request = |id: &str, within: f64| {
            Value::map([("id", Value::from(id)), ("command", "PAUSE".into()), ("within", within.into())])
        };
        assert!(CommandRequest::from_value(&request("a", 1.0)).is_ok());
        assert_eq!(CommandRequest::from_value(&request("", 1.0)).unwrap_err().kind(), ErrorKind::OutOfRange);
        assert_eq!(
            CommandRequest::from_value(&request(&"a".repeat(65), 1.0)).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
        assert_eq!(
            CommandRequest::from_value(&request("a", f64::NAN)).unwrap_err().kind(),
            ErrorKind::OutOfRange
        );
        assert_eq!(
            ToController::from_value(&Value::map([("what", "dance")])).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }

    #[test]
    fn service_name_other_than_segments_is_refused() {
        for good in ["power", "lab/power-2", "a.b_c"] {
            check_service_name(good).unwrap();
            check_known_name(good).unwrap();
            check_known_name(&format!("{good}@north")).unwrap();
        }
        for bad in ["", "a b", "../x", "/tmp/x", "a//b", "unix:x", "ü", &"x".repeat(65)] {
            assert_eq!(
                check_known_name(&format!("{bad}@north")).unwrap_err().kind(),
                ErrorKind::InvalidEndpoint,
                "{bad:?}"
            );
            assert_eq!(check_service_name(bad).unwrap_err().kind(), ErrorKind::InvalidEndpoint, "{bad:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let text = cut(&"é".repeat(10), 5);
        assert_eq!(text, "éé… (16 bytes more)");
        assert_eq!(cut("short", 5), "short");
    }
}
