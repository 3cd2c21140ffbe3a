//! Orders to one service or many, all under way at once, and how they came out.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linkspan::service::{CommandRequest, Controller};
use linkspan::{Answer, Command, Error, ErrorKind, Outcome, State, Value, Wait};

use super::arguments::{Cancel, Forget, Told};
use super::asking::word;
use super::at::Asking;
use crate::budget::Budget;
use crate::ending::{self, Ending};
use crate::output;
use crate::stop::Stop;

/// Services that are told at the same time, at most: one that is away keeps no other waiting.
const AT_ONCE: usize = 64;

/// Tells them, waits as long as was asked for, and says what each answered. Ends with the highest exit code.
pub fn tell(asked: &Told, command: &Command, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.asking.connect(stop)?;
    let names = match asked.all {
        true => permitted(&controller, command, budget, stop)?,
        false => distinct(&asked.names),
    };
    drop(controller);
    let queue = Mutex::new(names.iter());
    let (answered, answers) = channel();
    thread::scope(|scope| {
        for _ in 0..names.len().min(AT_ONCE) {
            let (queue, answered) = (&queue, answered.clone());
            scope.spawn(move || {
                loop {
                    let Some(name) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                        return;
                    };
                    let answer = tell_one(name, asked, command, budget, stop);
                    let over = stop.signal().is_some();
                    if answered.send((name, answer)).is_err() || over {
                        return;
                    }
                }
            });
        }
        drop(answered);
        let mut worst = Worst::default();
        for (name, answer) in answers {
            match answer {
                Ok(answer) => {
                    let answer = as_wanted(command, answer);
                    say(name, &answer, &asked.asking)?;
                    if matches!(answer.outcome, Outcome::Failed | Outcome::Rejected) {
                        worst.take(unhappy(name, answer))?;
                    }
                }
                Err(error) => worst.take(error.on(name))?,
            }
        }
        worst.end()
    })
}

/// Tells one, over a link of its own.
fn tell_one(
    name: &str,
    asked: &Told,
    command: &Command,
    budget: Budget,
    stop: &Stop,
) -> Result<Answer, Error> {
    let mut check = || stop.check();
    let controller = asked.asking.at.connect(Wait::new(budget.left()).tick(&mut check))?;
    let left = budget.left();
    // The service's own word that its time is over comes before ours.
    let within = left.map_or(FOREVER, |left| left.saturating_sub((left / 10).min(MARGIN)));
    let answer = controller.begin(name, command, &Value::Null, within, Wait::new(left).tick(&mut check))?;
    if !asked.wait || answer.outcome.is_final() {
        return Ok(answer);
    }
    // The same id is the same command: it is waited for, and not done twice.
    let order = CommandRequest {
        id: answer.id,
        command: command.clone(),
        arguments: Value::Null,
        within,
        epoch: None,
    };
    controller.request(name, &order, Wait::new(budget.left()).tick(&mut check))
}

/// The deadline of a command whose sender waits for ever.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// How much sooner than ours the deadline of a command is, at most.
const MARGIN: Duration = Duration::from_millis(250);

/// Those that may be told, by name; of the others it is said why they are left out.
fn permitted(
    controller: &Controller,
    command: &Command,
    budget: Budget,
    stop: &Stop,
) -> Result<Vec<String>, Ending> {
    let mut check = || stop.check();
    let services = controller.services(Wait::new(budget.left()).tick(&mut check))?;
    let mut names = Vec::new();
    for service in services.as_array()? {
        let name = service.at("name")?.as_text()?.to_owned();
        let allowed = service.at("allowed")?.as_array()?;
        if allowed.iter().any(|verb| verb.as_text().is_ok_and(|verb| verb == command.name())) {
            names.push(name);
        } else {
            let (view, state) = (word(service, "view"), word(service, "state"));
            ending::note(&format!("{name} is left out: it is {state}, and {view}"));
        }
    }
    Ok(names)
}

/// One that is named twice is told once.
fn distinct(names: &[String]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for name in names {
        if !told.contains(name) {
            told.push(name.clone());
        }
    }
    told
}

/// Says how far a command has come; what went wrong goes to standard error as well.
fn say(name: &str, answer: &Answer, asking: &Asking) -> Result<(), Ending> {
    if asking.json {
        let mut entries = vec![("service".to_owned(), Value::from(name))];
        if let Value::Map(said) = answer.to_value() {
            entries.extend(said);
        }
        return output::json(&Value::Map(entries.into_iter().collect()));
    }
    match answer.outcome {
        Outcome::Failed | Outcome::Rejected => Ok(()),
        outcome => output::write(format!("{name} {} {}\n", outcome.name(), answer.state.name()).as_bytes()),
    }
}

/// Who is told to do what it does already is as it was to be: that is a success, and said.
fn as_wanted(command: &Command, answer: Answer) -> Answer {
    let wanted = match command {
        Command::Pause => State::Paused,
        Command::Run => State::Running,
        _ => return answer,
    };
    match answer.outcome {
        Outcome::Rejected if answer.state == wanted => {
            Answer { outcome: Outcome::Done, failure: None, value: Value::Null, ..answer }
        }
        _ => answer,
    }
}

/// The error that an unhappy answer is.
fn unhappy(name: &str, answer: Answer) -> Error {
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

/// Of several endings the one with the highest exit code.
#[derive(Default)]
struct Worst(u8);

impl Worst {
    /// Tells of an error, and goes on; but not after a signal.
    fn take(&mut self, error: Error) -> Result<(), Ending> {
        if error.kind() == ErrorKind::Interrupted {
            return Err(error.into());
        }
        ending::tell(&error);
        self.0 = self.0.max(ending::code(error.kind()));
        Ok(())
    }

    fn end(self) -> Result<(), Ending> {
        match self.0 {
            0 => Ok(()),
            code => Err(Ending::Told(code)),
        }
    }
}

/// Gives up what a service does.
pub fn cancel(asked: &Cancel, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.asking.connect(stop)?;
    let mut check = || stop.check();
    let which = match &asked.id {
        Some(id) => Value::map([("id", id.as_str())]),
        None => Value::Null,
    };
    let wait = Wait::new(budget.left()).tick(&mut check);
    let value = controller.command(&asked.name, &Command::Cancel, &which, wait);
    super::asking::print(&value.map_err(|e| e.on(&asked.name))?, &asked.asking)
}

/// Has the controller forget services.
pub fn forget(asked: &Forget, stop: &Stop) -> Result<(), Ending> {
    let (controller, budget) = asked.asking.connect(stop)?;
    let mut worst = Worst::default();
    for name in distinct(&asked.names) {
        let mut check = || stop.check();
        match controller.forget(&name, Wait::new(budget.left()).tick(&mut check)) {
            Err(error) => worst.take(error.on(&name))?,
            Ok(_) if asked.asking.json => output::json(&Value::map([("forgotten", name)]))?,
            Ok(_) => output::write(format!("{name} is forgotten\n").as_bytes())?,
        }
    }
    worst.end()
}

#[cfg(test)]
mod tests {
    use linkspan::RemoteFailure;

    use super::*;

    fn answer(outcome: Outcome, code: i64, kind: &str) -> Answer {
        let failure = RemoteFailure { code, kind: kind.into(), text: "it is so".into(), data: Vec::new() };
        Answer { id: "a".into(), outcome, state: State::Paused, value: Value::Null, failure: Some(failure) }
    }

    #[test]
    fn an_unhappy_answer_names_outcome_state_and_reason() {
        let error = unhappy("power", answer(Outcome::Rejected, 106, "InvalidState"));
        assert_eq!(error.to_string(), "power: REJECTED in PAUSED: it is so");
        assert_eq!(ending::code(error.kind()), 1);
        let error = unhappy("power", answer(Outcome::Failed, 7, "ValueError"));
        assert_eq!((error.kind(), ending::code(error.kind())), (ErrorKind::Remote, 1));
        assert!(error.to_string().contains("FAILED in PAUSED: ValueError: it is so"), "{error}");
        assert_eq!(ending::code(unhappy("p", answer(Outcome::Failed, 110, "Timeout")).kind()), 3);
        assert_eq!(ending::code(unhappy("p", answer(Outcome::Failed, 102, "Disconnected")).kind()), 4);
    }

    #[test]
    fn one_that_is_as_it_should_be_is_done() {
        let rejected = || answer(Outcome::Rejected, 106, "InvalidState");
        assert_eq!(as_wanted(&Command::Pause, rejected()).outcome, Outcome::Done);
        assert_eq!(as_wanted(&Command::Run, rejected()).outcome, Outcome::Rejected);
        assert_eq!(as_wanted(&Command::Checkpoint, rejected()).outcome, Outcome::Rejected);
        let running = Answer { state: State::Running, ..rejected() };
        assert_eq!(as_wanted(&Command::Run, running.clone()).into_result().unwrap(), Value::Null);
        assert_eq!(as_wanted(&Command::Pause, running).outcome, Outcome::Rejected);
    }

    #[test]
    fn one_that_is_named_twice_is_told_once() {
        let names = ["a", "b", "a"].map(String::from);
        assert_eq!(distinct(&names), ["a", "b"]);
    }
}
