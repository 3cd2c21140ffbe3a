//! Commands, their cancellation and signals: their effects in the model.

use std::time::Duration;

use super::*;

impl Model {
    pub(super) fn accepts(&self, request: &CommandRequest) -> Option<bool> {
        use State::{Checkpointing, Failed, Paused, Pausing, Ready, Running, Starting, Stopped, Stopping};
        if request.epoch.is_some_and(|epoch| epoch != self.setup.epoch) {
            return Some(false);
        }
        let state = self.state();
        let has_transition = self.commands.iter().any(|(_, one)| one.is_transition);
        let (states, alone): (&[State], bool) = match &request.command {
            Command::Status | Command::Describe | Command::Stats | Command::Log | Command::Cancel => {
                return None;
            }
            Command::GetData => (&[Ready, Running, Pausing, Paused, Checkpointing, Stopping], false),
            Command::Pause | Command::Checkpoint => (&[Ready, Running], true),
            Command::Run => (&[Ready, Paused, Failed], true),
            Command::Shutdown => {
                (&[Starting, Ready, Running, Pausing, Paused, Checkpointing, Stopping, Failed], false)
            }
            other if self.setup.commands.iter().any(|name| name == other.name()) => {
                (&[Ready, Running, Paused], false)
            }
            _ => (&[], false),
        };
        let right =
            states.contains(&state) && state != Stopped && self.ended.is_none() && !(alone && has_transition);
        let waiting = self.commands.iter().filter(|(_, one)| one.progress == Progress::Queued).count();
        let room = waiting < if request.command == Command::Shutdown { 512 } else { 256 };
        if right && !room {
            count_event("full");
        }
        Some(right && room)
    }

    pub fn command(&mut self, request: &CommandRequest, now: Duration, actions: &[Action]) {
        let id = request.id.to_string();
        let first = actions.iter().find_map(|act| match act {
            Action::Answer(answer) if *answer.id == *id => Some(answer),
            _ => None,
        });
        if let Some(known) = self.answers.get(&id) {
            assert_eq!(
                actions,
                [Action::Answer(known.clone())],
                "a repeated id gets its answer and does nothing"
            );
            return;
        }
        if self.commands.iter().any(|(known, _)| *known == id) {
            assert_eq!(actions.len(), 1);
            assert_eq!(first.unwrap().outcome, Outcome::Accepted, "it is under way");
            return;
        }
        let before = self.state();
        match self.accepts(request) {
            None if request.command == Command::Cancel => self.cancel(request, first.unwrap(), now, actions),
            None => assert_eq!(actions, [Action::Ask(request.clone())]),
            Some(false) => {
                count_event("rejected");
                assert_eq!(actions.len(), 1, "what is refused does nothing");
                let answer = first.unwrap();
                assert_eq!((answer.outcome, answer.state), (Outcome::Rejected, before));
                self.answers.insert(id, answer.clone());
            }
            Some(true) => {
                assert_eq!((first.unwrap().outcome, first.unwrap().state), (Outcome::Accepted, before));
                let second = before == State::Stopping && request.command == Command::Shutdown;
                self.accept(request, now);
                self.take_answers(
                    first,
                    now,
                    actions,
                    if second { Cause::SecondShutdown } else { Cause::Shutdown },
                );
                if second {
                    self.second_shutdown(actions);
                } else if request.command == Command::Shutdown {
                    self.check_displaced();
                }
                assert_eq!(
                    actions.contains(&Action::Changed),
                    self.state() != before || actions.contains(&Action::Cancel)
                );
            }
        }
    }

    /// Records an accepted command. SHUTDOWN cancels the effect of all open transitions.
    pub(super) fn accept(&mut self, request: &CommandRequest, now: Duration) {
        let one = AcceptedModel {
            command: request.command.clone(),
            due: now.saturating_add(request.within),
            within: request.within,
            progress: Progress::Queued,
            answered: false,
            is_transition: matches!(
                request.command,
                Command::Pause | Command::Run | Command::Checkpoint | Command::Shutdown
            ),
        };
        if request.command == Command::Shutdown {
            if self.settled == State::Starting {
                count_event("shutdown at start");
            }
            self.commands
                .iter_mut()
                .for_each(|(_, one)| one.is_transition &= one.command == Command::Shutdown);
        }
        self.commands.push((request.id.to_string(), one));
    }

    pub(super) fn check_displaced(&self) {
        let elsewhere =
            |one: &AcceptedModel| matches!(one.command, Command::Pause | Command::Run | Command::Checkpoint);
        let forgotten =
            self.commands.iter().find(|(_, one)| elsewhere(one) && one.progress == Progress::Queued);
        assert!(forgotten.is_none(), "{forgotten:?}");
    }

    /// Checks that a second SHUTDOWN has cancelled everything that the first one waits for.
    pub(super) fn second_shutdown(&mut self, actions: &[Action]) {
        count_event("second shutdown");
        let waits =
            |one: &AcceptedModel| one.progress == Progress::Queued && one.command != Command::Shutdown;
        assert!(!self.commands.iter().any(|(_, one)| waits(one)), "SHUTDOWN waits for nothing any more");
        self.shutdown_again |= !self.is_busy();
        self.cancel_task(actions);
    }

    fn is_busy(&self) -> bool {
        self.task.is_some() || self.settled == State::Starting && self.ended.is_none()
    }

    pub(super) fn cancel_task(&mut self, actions: &[Action]) {
        let busy = self.is_busy();
        self.cancelled |= busy;
        assert_eq!(actions.contains(&Action::Cancel), busy);
    }

    pub(super) fn cancel(
        &mut self,
        request: &CommandRequest,
        answer: &Answer,
        now: Duration,
        actions: &[Action],
    ) {
        let named =
            request.arguments.at("id").ok().or(Some(&request.arguments)).and_then(|id| id.as_text().ok());
        let progress = named.and_then(|id| self.commands.iter().position(|(known, _)| known == id));
        let (progress, shutdown) = match progress {
            Some(at) => (self.commands[at].1.progress, self.commands[at].1.command == Command::Shutdown),
            None => (Progress::Over, false),
        };
        let busy = self.task.is_some() || self.settled == State::Starting && self.ended.is_none();
        let (outcome, waits) = match (&request.arguments, progress) {
            (Value::Int(_), _) => (Outcome::Rejected, false),
            (Value::Null, _) if busy => (Outcome::Done, true),
            (_, Progress::UnderWay) => (Outcome::Done, true),
            (_, Progress::Queued) if !shutdown => (Outcome::Done, false),
            _ => (Outcome::Failed, false),
        };
        assert_eq!(answer.outcome, outcome, "{request:?}");
        self.answers.insert(request.id.to_string(), answer.clone());
        self.take_answers(Some(answer), now, actions, Cause::Cancel);
        if waits {
            self.cancel_task(actions);
        } else {
            assert!(!actions.contains(&Action::Cancel));
        }
        if outcome == Outcome::Done && !waits {
            let at = self.commands.iter().position(|(known, _)| Some(known.as_str()) == named).unwrap();
            assert_eq!(self.commands[at].1.progress, Progress::Over, "it was withdrawn");
        }
    }

    pub fn terminate(&mut self, now: Duration, actions: &[Action]) {
        if self.ended.is_some() {
            assert_eq!(actions, []);
            return;
        }
        let second = self.state() == State::Stopping;
        if !second {
            self.accept(&CommandRequest::own(Command::Shutdown), now);
        }
        self.take_answers(None, now, actions, if second { Cause::SecondShutdown } else { Cause::Shutdown });
        if second {
            self.second_shutdown(actions);
        } else {
            self.check_displaced();
        }
    }
}
