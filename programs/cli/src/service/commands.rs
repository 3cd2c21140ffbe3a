//! Commands to one service or many, all at once, and their results.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linkspan::service::{CommandRequest, Controller, start_scoped};
use linkspan::{Answer, Command, Deadline, Error, ErrorKind, Outcome, Value, Wait};

use super::args::{CancelArgs, ForgetArgs, TargetArgs};
use super::connection::QueryArgs;
use super::record::word;
use crate::exit::{self, Exit};
use crate::output;
use crate::signals::Signals;
use crate::stderr;

/// A silent service does not delay the others.
const MAX_CONCURRENT: usize = 64;

/// Prints each answer, and ends with the highest exit code.
pub fn send(args: &TargetArgs, command: &Command, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let names = match args.all {
        true => services_that_allow(&controller, command, deadline, signals)?,
        false => distinct(&args.names),
    };
    drop(controller);
    let queue = Mutex::new(names.iter());
    let (sender, answers) = channel();
    thread::scope(|scope| {
        for at in 0..names.len().min(MAX_CONCURRENT) {
            let (queue, sender) = (&queue, sender.clone());
            let started = start_scoped(scope, "command", move || {
                loop {
                    let Some(name) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                        return;
                    };
                    let answer = send_to(name, args, command, deadline, signals);
                    let over = signals.signal().is_some();
                    if sender.send((name, answer)).is_err() || over {
                        return;
                    }
                }
            });
            // The started threads send the rest.
            if let Err(error) = started {
                match at {
                    0 => return Err(error.into()),
                    _ => break,
                }
            }
        }
        drop(sender);
        let mut exit_code = ExitCode::default();
        for (name, answer) in answers {
            match answer {
                Ok(answer) => {
                    print_answer(name, &answer, &args.query)?;
                    if matches!(answer.outcome, Outcome::Failed | Outcome::Rejected) {
                        exit_code.record(failure_of(name, answer))?;
                    }
                }
                Err(error) => exit_code.record(error.on(name))?,
            }
        }
        exit_code.into_result()
    })
}

fn send_to(
    name: &str,
    args: &TargetArgs,
    command: &Command,
    deadline: Deadline,
    signals: &Signals,
) -> Result<Answer, Error> {
    let mut check = || signals.check();
    let controller = args.query.at.connect(Wait::new(deadline.remaining()).tick(&mut check))?;
    let left = deadline.remaining();
    // Our time-out comes after the service's.
    let within = left.map_or(FOREVER, |left| left.saturating_sub((left / 10).min(MARGIN)));
    let answer = controller.begin(name, command, &Value::Null, within, Wait::new(left).tick(&mut check))?;
    if !args.wait || answer.outcome.is_final() {
        return Ok(answer);
    }
    // A repeated command id waits for the first execution.
    let order = CommandRequest {
        id: answer.id,
        command: command.clone(),
        arguments: Value::Null,
        within,
        epoch: None,
    };
    controller.request(name, &order, Wait::new(deadline.remaining()).tick(&mut check))
}

/// The deadline of a command if its sender sets no limit.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How much earlier than ours the deadline of a command is, at most.
const MARGIN: Duration = Duration::from_millis(250);

/// Returns the services that can accept the command, by name; for the others the reason is printed.
fn services_that_allow(
    controller: &Controller,
    command: &Command,
    deadline: Deadline,
    signals: &Signals,
) -> Result<Vec<String>, Exit> {
    let mut check = || signals.check();
    let services = controller.services(Wait::new(deadline.remaining()).tick(&mut check))?;
    let mut names = Vec::new();
    for service in services.as_array()? {
        let name = service.at("name")?.as_text()?.to_owned();
        let allowed = service.at("allowed")?.as_array()?;
        if allowed.iter().any(|verb| verb.as_text().is_ok_and(|verb| verb == command.name())) {
            names.push(name);
        } else {
            let (view, state) = (word(service, "view"), word(service, "state"));
            stderr::print_note(&format!("{name} is left out: it is {state}, and {view}"));
        }
    }
    Ok(names)
}

/// Keeps the first of repeated names.
fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

/// Errors also go to standard error.
fn print_answer(name: &str, answer: &Answer, query: &QueryArgs) -> Result<(), Exit> {
    if query.json {
        let mut entries = vec![("service".to_owned(), Value::from(name))];
        if let Value::Map(members) = answer.to_value() {
            entries.extend(members);
        }
        return output::json(&Value::Map(entries.into_iter().collect()));
    }
    match answer.outcome {
        Outcome::Failed | Outcome::Rejected => Ok(()),
        outcome => output::write(format!("{name} {} {}\n", outcome.name(), answer.state.name()).as_bytes()),
    }
}

fn failure_of(name: &str, answer: Answer) -> Error {
    let (outcome, state) = (answer.outcome, answer.state);
    match answer.into_result() {
        Ok(_) => {
            Error::new(ErrorKind::Remote, format!("{}, and no reason was given", outcome.name())).on(name)
        }
        Err(error) => {
            let text = format!("{} in {}: {}", outcome.name(), state.name(), error.text());
            Error::new(error.kind(), text).on(name)
        }
    }
}

#[derive(Default)]
struct ExitCode(u8);

impl ExitCode {
    /// Continues, except after a signal.
    fn record(&mut self, error: Error) -> Result<(), Exit> {
        if error.kind() == ErrorKind::Interrupted {
            return Err(error.into());
        }
        stderr::print_error(&error);
        self.0 = self.0.max(exit::code(error.kind()));
        Ok(())
    }

    fn into_result(self) -> Result<(), Exit> {
        match self.0 {
            0 => Ok(()),
            code => Err(Exit::Code(code)),
        }
    }
}

pub fn cancel(args: &CancelArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let mut check = || signals.check();
    let which = match &args.id {
        Some(id) => Value::map([("id", id.as_str())]),
        None => Value::Null,
    };
    let wait = Wait::new(deadline.remaining()).tick(&mut check);
    let value = controller.command(&args.name, &Command::Cancel, &which, wait);
    super::record::print(&value.map_err(|e| e.on(&args.name))?, &args.query)
}

pub fn forget(args: &ForgetArgs, signals: &Signals) -> Result<(), Exit> {
    let (controller, deadline) = args.query.connect(signals)?;
    let mut exit_code = ExitCode::default();
    for name in distinct(&args.names) {
        let mut check = || signals.check();
        match controller.forget(&name, Wait::new(deadline.remaining()).tick(&mut check)) {
            Err(error) => exit_code.record(error.on(&name))?,
            Ok(_) if args.query.json => output::json(&Value::map([("forgotten", name)]))?,
            Ok(_) => output::write(format!("{name} is forgotten\n").as_bytes())?,
        }
    }
    exit_code.into_result()
}

#[cfg(test)]
mod tests {
    use linkspan::{RemoteFailure, State};

    use super::*;

    fn answer(outcome: Outcome, code: i64, kind: &str) -> Answer {
        let failure = RemoteFailure { code, kind: kind.into(), text: "it is so".into(), data: Vec::new() };
        Answer { id: "a".into(), outcome, state: State::Paused, value: Value::Null, failure: Some(failure) }
    }

    #[test]
    fn failed_answer_has_outcome_state_and_reason() {
        let error = failure_of("power", answer(Outcome::Rejected, 106, "InvalidState"));
        assert_eq!(error.to_string(), "power: REJECTED in PAUSED: it is so");
        assert_eq!(exit::code(error.kind()), 1);
        let error = failure_of("power", answer(Outcome::Failed, 7, "ValueError"));
        assert_eq!((error.kind(), exit::code(error.kind())), (ErrorKind::Remote, 1));
        assert!(error.to_string().contains("FAILED in PAUSED: ValueError: it is so"), "{error}");
        assert_eq!(exit::code(failure_of("p", answer(Outcome::Failed, 110, "Timeout")).kind()), 3);
        assert_eq!(exit::code(failure_of("p", answer(Outcome::Failed, 102, "Disconnected")).kind()), 4);
    }

    #[test]
    fn service_named_twice_gets_one_command() {
        let names = ["a", "b", "a"].map(String::from);
        assert_eq!(distinct(&names), ["a", "b"]);
    }
}
