//! The accepted commands, and their answers: ACCEPTED, REJECTED and the final answer, once each.

use std::time::Duration;

use super::{AcceptedCommand, Action, Lifecycle, QUEUE};
use crate::error::{Error, ErrorKind, Result};
use crate::service::command::{Answer, Command, Outcome, failure_of};
use crate::service::protocol::CommandRequest;
use crate::service::table::{Rule, refusal};
use crate::value::Value;

impl Lifecycle {
    /// Returns the cached answer to this id, or ACCEPTED if the command is open.
    pub(super) fn known(&mut self, id: &str, now: Duration) -> Option<Answer> {
        if id.is_empty() {
            return None;
        }
        if let Some(answer) = self.answers.get(id).or_else(|| self.data_answers.get(id)) {
            return Some(answer.clone());
        }
        let command = self.open().find(|command| *command.request.id == *id)?;
        if !command.answered {
            return Some(self.answer_with(id, Outcome::Accepted));
        }
        let why = self.still_under_way(&command.request, now);
        Some(Answer { failure: Some(failure_of(&why)), ..self.answer_with(id, Outcome::Failed) })
    }

    /// Returns why a command cannot be accepted.
    ///
    /// In this order: the service has ended, the command is unknown here, the state refuses it, another transition is
    /// open, the queue is full.
    pub(super) fn check(&self, request: &CommandRequest, rule: Rule) -> Result<()> {
        let name = request.command.name();
        if self.ended {
            let text = format!(
                "{name} is not possible: the service has ended and is {}; start it again",
                self.state.name()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        if request.command == Command::Step {
            let text = "steps come from the service's own clock; RUN sets it going";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if matches!(request.command, Command::Config | Command::Backup | Command::Own(_))
            && !self.setup.commands.iter().any(|known| known == name)
        {
            let known = self.setup.commands.join(", ");
            let known = if known.is_empty() { "none beyond the usual" } else { &known };
            let text = format!("the service has no command {name}; its own commands are {known}");
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        if rule == Rule::Refused {
            return Err(refusal(self.state, &request.command));
        }
        // Two open transitions would leave the state after the first undefined. SHUTDOWN overrides all others.
        let leads = matches!(rule, Rule::Leads(..) | Rule::Returns(_));
        if leads && request.command != Command::Shutdown && self.transition.is_some() {
            let under_way = self.open().find(|command| Some(&command.request.id) == self.transition.as_ref());
            let other = under_way.map_or("another command", |command| command.request.command.name());
            let text = format!(
                "{name} is not possible while {other} is under way and the service is {}: wait until that is done",
                self.state.name()
            );
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
        let room = if request.command == Command::Shutdown { 2 * QUEUE } else { QUEUE };
        if self.queue.len() >= room {
            let text = format!("{room} commands wait for the program; try again later, under another id");
            return Err(Error::new(ErrorKind::Full, text));
        }
        Ok(())
    }

    pub(super) fn answer_with(&self, id: &str, outcome: Outcome) -> Answer {
        Answer { id: id.into(), outcome, state: self.state, value: Value::Null, failure: None }
    }

    pub(super) fn accepted(&self, request: &CommandRequest) -> Action {
        Action::Answer(self.answer_with(&request.id, Outcome::Accepted))
    }

    pub(super) fn reject(&mut self, request: &CommandRequest, why: &Error) -> Vec<Action> {
        self.counts.rejected += 1;
        let answer =
            Answer { failure: Some(failure_of(why)), ..self.answer_with(&request.id, Outcome::Rejected) };
        // The rejection is cached, because a repeated id must not be carried out after the state has changed.
        if !request.id.is_empty() {
            self.answers.keep(&answer);
        }
        vec![Action::Answer(answer)]
    }

    pub(super) fn latest_data_for(&self, command: &AcceptedCommand) -> Option<Value> {
        self.data.clone().filter(|_| command.request.command == Command::GetData)
    }

    /// Creates the final answer; `None` if it was given already, or nobody waits for it.
    pub(super) fn answer(
        &mut self,
        command: &AcceptedCommand,
        result: std::result::Result<Value, &Error>,
    ) -> Option<Action> {
        if command.answered {
            return None;
        }
        let (outcome, value, failure) = match result {
            Ok(value) => (Outcome::Done, value, None),
            Err(why) => (Outcome::Failed, Value::Null, Some(failure_of(why))),
        };
        let count = if failure.is_none() { &mut self.counts.done } else { &mut self.counts.failed };
        *count += 1;
        if command.request.id.is_empty() {
            return None;
        }
        let answer = Answer { value, failure, ..self.answer_with(&command.request.id, outcome) };
        let kept = if command.request.command == Command::GetData {
            &mut self.data_answers
        } else {
            &mut self.answers
        };
        kept.keep(&answer);
        Some(Action::Answer(answer))
    }
}
