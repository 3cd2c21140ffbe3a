//! Cancelling commands: by CANCEL, by a SHUTDOWN that displaces others, and by a second SHUTDOWN.
//!
//! A running task cannot be stopped by force: the program is notified (`Action::Cancel`) and decides when to stop.

use std::collections::VecDeque;
use std::time::Duration;

use super::{AcceptedCommand, Action, Lifecycle};
use crate::error::{Error, ErrorKind, Result};
use crate::service::command::{Answer, Command, Outcome, failure_of};
use crate::service::protocol::{self, CommandRequest};
use crate::service::state::State;
use crate::value::Value;

impl Lifecycle {
    pub(super) fn cancel_queued_transitions(&mut self, why: &str) -> Vec<Action> {
        let (leads, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|command| {
                matches!(command.request.command, Command::Pause | Command::Run | Command::Checkpoint)
            });
        self.queue = kept;
        let why = Error::new(ErrorKind::Cancelled, why);
        leads.into_iter().filter_map(|command| self.answer(&command, Err(&why))).collect()
    }

    /// Cancels the running task, or the start of the program.
    pub(super) fn cancel_running(&mut self) -> Vec<Action> {
        if self.running.is_none() && self.settled != State::Starting {
            return Vec::new();
        }
        self.cancelled = true;
        vec![Action::Cancel, Action::Changed]
    }

    /// Cancels the running task and every queued command except SHUTDOWN.
    ///
    /// If no task runs, SHUTDOWN is cancelled when it begins. A queued GET_DATA gets the latest data.
    pub(super) fn cancel_all(&mut self) -> Vec<Action> {
        let (kept, cancelled): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|command| command.request.command == Command::Shutdown);
        self.queue = kept;
        let why = Error::new(ErrorKind::Cancelled, "SHUTDOWN came again before it was begun");
        let mut actions: Vec<Action> = cancelled
            .into_iter()
            .filter_map(|command| match self.latest_data_for(&command) {
                Some(data) => self.answer(&command, Ok(data)),
                None => self.answer(&command, Err(&why)),
            })
            .collect();
        let cancelled = self.cancel_running();
        // Only the SHUTDOWN that the program has not fetched yet can be cancelled.
        self.shutdown_again |= cancelled.is_empty() && !self.queue.is_empty();
        actions.extend(cancelled);
        actions
    }

    /// Handles CANCEL: withdraws the named command if it is queued, and cancels it if it runs.
    ///
    /// Without an id, cancels the running task or the start of the program. The value of its answer is `withdrawn` for
    /// a queued command, otherwise `asked`.
    pub(super) fn cancel(&mut self, request: &CommandRequest, now: Duration) -> Vec<Action> {
        let wanted = match cancelled_id(&request.arguments) {
            Ok(wanted) => wanted,
            Err(why) => return self.reject(request, &why),
        };
        let is_it = |command: &AcceptedCommand| wanted == Some(&*command.request.id);
        let mut actions = Vec::new();
        let done = if let Some(at) = self.queue.iter().position(is_it) {
            if self.queue[at].request.command == Command::Shutdown {
                let text = "SHUTDOWN cannot be withdrawn; without an id, CANCEL gives up what it waits for";
                Err(Error::new(ErrorKind::InvalidState, text))
            } else {
                let why = Error::new(ErrorKind::Cancelled, "it was cancelled before it was begun");
                if let Some(command) = self.queue.remove(at) {
                    actions.extend(self.withdraw(&command, &why, now));
                }
                Ok(Value::map([("cancelled", "withdrawn")]))
            }
        } else if match (&self.running, wanted) {
            (Some(running), Some(_)) => is_it(&running.what),
            (Some(_), None) => true,
            (None, wanted) => wanted.is_none() && self.settled == State::Starting && !self.ended,
        } {
            actions.extend(self.cancel_running());
            Ok(Value::map([("cancelled", "asked")]))
        } else {
            let text = "no such command is open: it has its answer, or was never received";
            Err(Error::new(ErrorKind::NotFound, text))
        };
        // CANCEL does not count as a command of the program.
        let (value, failure) = match done {
            Ok(value) => (value, None),
            Err(why) => (Value::Null, Some(failure_of(&why))),
        };
        let outcome = if failure.is_none() { Outcome::Done } else { Outcome::Failed };
        let answer = Answer { value, failure, ..self.answer_with(&request.id, outcome) };
        if !request.id.is_empty() {
            self.answers.keep(&answer);
        }
        actions.push(Action::Answer(answer));
        actions
    }

    /// Fails a queued command and restores the state that it would have left.
    pub(super) fn withdraw(&mut self, command: &AcceptedCommand, why: &Error, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.transition.as_ref() == Some(&command.request.id) {
            self.transition = None;
            if self.state.is_transitional() {
                actions.extend(self.enter(self.settled, now));
            }
        }
        actions.extend(self.answer(command, Err(why)));
        actions
    }
}

fn cancelled_id(arguments: &Value) -> Result<Option<&str>> {
    let named = match arguments {
        Value::Null => return Ok(None),
        Value::Map(map) if map.is_empty() => return Ok(None),
        Value::Map(_) => arguments.at("id")?,
        other => other,
    };
    protocol::id(named.as_text()?).map(Some)
}
