//! The commands of a service and its answers.
//!
//! The names are the words of the protocol and of every language.

use crate::error::{Error, ErrorKind, RemoteFailure, Result, quoted};
use crate::value::{Map, Value};

use super::state::State;

/// A command for a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Do the next step. Only the service's own clock issues it.
    Step,
    /// Return the data; change nothing.
    GetData,
    /// Finish the step, checkpoint, close and wait.
    Pause,
    /// Open again and continue.
    Run,
    /// Suspend, checkpoint and resume.
    Checkpoint,
    /// Checkpoint, close, send a goodbye and exit.
    Shutdown,
    /// Return the state, its beginning, and the duration of the current step. Answered by the library.
    Status,
    /// Return the properties of the service and its commands. Answered by the library.
    Describe,
    /// Return the counters. Answered by the library.
    Stats,
    /// Return or change the settings.
    Config,
    /// Return the last lines of its log. Answered by the library.
    Log,
    /// Write a copy of its data.
    Backup,
    /// Cancel the named command, or the current one. Answered by the library.
    Cancel,
    /// A command of the service's own.
    Own(Box<str>),
}

impl Command {
    /// The predefined commands that a controller may send.
    pub const ALL: [Command; 12] = [
        Command::GetData,
        Command::Pause,
        Command::Run,
        Command::Checkpoint,
        Command::Shutdown,
        Command::Status,
        Command::Describe,
        Command::Stats,
        Command::Config,
        Command::Log,
        Command::Backup,
        Command::Cancel,
    ];

    /// Returns its name in every language and in messages.
    pub fn name(&self) -> &str {
        match self {
            Command::Step => "STEP",
            Command::GetData => "GET_DATA",
            Command::Pause => "PAUSE",
            Command::Run => "RUN",
            Command::Checkpoint => "CHECKPOINT",
            Command::Shutdown => "SHUTDOWN",
            Command::Status => "STATUS",
            Command::Describe => "DESCRIBE",
            Command::Stats => "STATS",
            Command::Config => "CONFIG",
            Command::Log => "LOG",
            Command::Backup => "BACKUP",
            Command::Cancel => "CANCEL",
            Command::Own(name) => name,
        }
    }

    /// Returns the command of this name; `OutOfRange` for an invalid name.
    ///
    /// Names that are not predefined are a service's own commands: 1 to 64 characters of `[A-Za-z0-9._-]` with at least
    /// one small letter. Other names are reserved.
    pub fn from_name(name: &str) -> Result<Command> {
        if let Some(known) = Command::ALL.into_iter().find(|command| command.name() == name) {
            return Ok(known);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if (1..=64).contains(&name.len())
            && name.chars().all(allowed)
            && name.chars().any(|c| c.is_ascii_lowercase())
        {
            return Ok(Command::Own(name.into()));
        }
        let known: Vec<_> = Command::ALL.iter().map(Command::name).collect();
        let text = format!(
            "{name} is not a command: there are {}, and a service's own, of 1 to 64 characters [A-Za-z0-9._-] with a small letter",
            known.join(" "),
            name = quoted(name)
        );
        Err(Error::new(ErrorKind::OutOfRange, text))
    }

    /// Returns whether a service may declare it unsupported.
    pub const fn may_be_unsupported(&self) -> bool {
        matches!(self, Command::GetData | Command::Checkpoint)
    }

    /// Returns whether a service also takes it while it is STARTING.
    pub const fn is_taken_while_starting(&self) -> bool {
        self.is_answered_by_library() || matches!(self, Command::Shutdown)
    }

    /// Returns whether the library answers it at once, whatever the program does.
    pub const fn is_answered_by_library(&self) -> bool {
        matches!(self, Command::Status | Command::Describe | Command::Stats | Command::Log | Command::Cancel)
    }
}

/// The current outcome of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The service will carry it out.
    Accepted,
    /// It is done.
    Done,
    /// It could not be done, or not in time.
    Failed,
    /// The state forbids it, or the service lacks it; nothing was done.
    Rejected,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 4] = [Outcome::Accepted, Outcome::Done, Outcome::Failed, Outcome::Rejected];

    /// Returns its name in every language and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Accepted => "ACCEPTED",
            Outcome::Done => "DONE",
            Outcome::Failed => "FAILED",
            Outcome::Rejected => "REJECTED",
        }
    }

    /// Returns whether it is the last outcome of a command.
    pub const fn is_final(self) -> bool {
        !matches!(self, Outcome::Accepted)
    }
}

/// The answer of a service to a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The command's id.
    pub id: Box<str>,
    /// The outcome.
    pub outcome: Outcome,
    /// The state of the service when it answered; for [`Outcome::Rejected`] the state that rejected it.
    pub state: State,
    /// The value of DONE; null without one.
    pub value: Value,
    /// The error of FAILED or REJECTED.
    pub failure: Option<RemoteFailure>,
}

impl Answer {
    /// Returns a map: `id`, `outcome`, `state`, and `value` or `error` (`code`, `type`, `text`).
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("id".into(), (&*self.id).into());
        map.insert("outcome".into(), self.outcome.name().into());
        map.insert("state".into(), self.state.name().into());
        match &self.failure {
            Some(failure) => {
                let error = Value::map([
                    ("code", Value::from(failure.code)),
                    ("type", failure.kind.as_str().into()),
                    ("text", failure.text.as_str().into()),
                ]);
                map.insert("error".into(), error);
            }
            None => {
                map.insert("value".into(), self.value.clone());
            }
        }
        Value::Map(map)
    }

    /// Reads the map that `to_value` returns.
    pub fn from_value(value: &Value) -> Result<Answer> {
        let word = value.at("outcome")?.as_text()?;
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == word);
        let outcome = outcome.ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("no answer is called {word}", word = quoted(word)))
        })?;
        let failure = match value.at("error") {
            Err(_) => None,
            Ok(error) => Some(read_failure(error)?),
        };
        Ok(Answer {
            id: value.at("id")?.as_text()?.into(),
            outcome,
            state: State::from_name(value.at("state")?.as_text()?)?,
            value: value.at("value").cloned().unwrap_or(Value::Null),
            failure,
        })
    }

    /// Returns the value of DONE, or the error of FAILED or REJECTED.
    ///
    /// The error is `Remote` with the service's own error, or the kind that it carries, such as `InvalidState` or
    /// `Timeout`.
    pub fn into_result(self) -> Result<Value> {
        match self.failure {
            None => Ok(self.value),
            Some(failure) => Err(error_of(failure)),
        }
    }
}

pub fn read_failure(value: &Value) -> Result<RemoteFailure> {
    let (code, kind) = (value.at("code")?.as_i64()?, value.at("type")?.as_text()?);
    Ok(RemoteFailure::new(code, kind, value.at("text")?.as_text()?))
}

/// Converts an error to its form in messages.
pub fn failure_of(error: &Error) -> RemoteFailure {
    // `error_of` restores the error from this code and text.
    error.remote_failure().map(|failure| failure.bounded().into_owned()).unwrap_or_else(|| {
        RemoteFailure::new(i64::from(error.kind().code()), error.kind().name(), error.text())
    })
}

/// Converts an error from its form in messages.
///
/// A kind of this library is restored; any other error is `Remote`.
pub fn error_of(failure: RemoteFailure) -> Error {
    let kind = u16::try_from(failure.code).ok().and_then(ErrorKind::from_code);
    match kind {
        Some(kind) if kind.name() == failure.kind && kind != ErrorKind::Remote => {
            Error::new(kind, failure.text)
        }
        _ => Error::remote(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_names_round_trip_and_others_are_own() {
        for command in Command::ALL {
            assert_eq!(Command::from_name(command.name()).unwrap(), command);
        }
        assert_eq!(Command::from_name("calibrate").unwrap(), Command::Own("calibrate".into()));
        for bad in ["", "STEP", "RESTART", "two words", &"x".repeat(65), "naïve"] {
            assert_eq!(Command::from_name(bad).unwrap_err().kind(), ErrorKind::OutOfRange, "{bad}");
        }
    }

    #[test]
    fn answers_round_trip() {
        let done = Answer {
            id: "a1".into(),
            outcome: Outcome::Done,
            state: State::Paused,
            value: Value::map([("rows", 7)]),
            failure: None,
        };
        assert_eq!(Answer::from_value(&done.to_value()).unwrap(), done);
        let error = Error::new(ErrorKind::InvalidState, "it is PAUSED already");
        let rejected = Answer {
            outcome: Outcome::Rejected,
            value: Value::Null,
            failure: Some(failure_of(&error)),
            ..done
        };
        let back = Answer::from_value(&rejected.to_value()).unwrap();
        assert_eq!(back, rejected);
        assert_eq!(back.into_result().unwrap_err().kind(), ErrorKind::InvalidState);
    }
}
