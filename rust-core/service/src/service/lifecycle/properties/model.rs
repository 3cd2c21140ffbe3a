//! A model of a service's lifecycle, as conditions on all past events.
//!
//! The lifecycle has a queue and states that it enters and leaves; the model has neither, so a mistake is unlikely to
//! be in both. It derives the state from the program's position and the open command.

mod commands;
mod coverage;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::super::command::Outcome;
use super::super::*;

pub use coverage::{check_coverage, count_event};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    /// Accepted, but not fetched by the program.
    Queued,
    /// Fetched, but not finished.
    UnderWay,
    Over,
}

#[derive(Debug)]
struct AcceptedModel {
    command: Command,
    due: Duration,
    within: Duration,
    progress: Progress,
    answered: bool,
    is_transition: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Finished,
    Time,
    Cancel,
    Shutdown,
    SecondShutdown,
    Failure,
    End,
}

pub struct Model {
    setup: Setup,
    commands: Vec<(String, AcceptedModel)>,
    answers: BTreeMap<String, Answer>,
    settled: State,
    /// The program's task: a step, or the index of a command.
    task: Option<Option<usize>>,
    failed_meanwhile: bool,
    cancelled: bool,
    shutdown_again: bool,
    data: Option<Value>,
    ended: Option<State>,
    running_since: Duration,
    periods_done: BTreeSet<u128>,
    steps: u64,
}

impl Model {
    pub fn new(setup: Setup) -> Model {
        Model {
            setup,
            commands: Vec::new(),
            answers: BTreeMap::new(),
            settled: State::Starting,
            task: None,
            failed_meanwhile: false,
            cancelled: false,
            shutdown_again: false,
            data: None,
            ended: None,
            running_since: Duration::ZERO,
            periods_done: BTreeSet::new(),
            steps: 0,
        }
    }

    fn has_open(&self, command: &Command) -> bool {
        self.commands.iter().any(|(_, one)| one.is_transition && one.command == *command)
    }

    fn state(&self) -> State {
        match self.ended {
            Some(state) => state,
            None if self.has_open(&Command::Shutdown) => State::Stopping,
            None if self.has_open(&Command::Pause) => State::Pausing,
            None if self.has_open(&Command::Checkpoint) => State::Checkpointing,
            None => self.settled,
        }
    }

    pub fn agrees(&self, lifecycle: &Lifecycle) {
        assert_eq!(lifecycle.state(), self.state());
        assert_eq!(lifecycle.is_cancelled(), self.cancelled);
        assert_eq!(lifecycle.running().is_some(), self.task.is_some());
        assert_eq!(lifecycle.next_due(), self.next_due());
        assert_eq!(lifecycle.counts().steps, self.steps);
        let counts = lifecycle.counts();
        let open = self.commands.iter().filter(|(_, one)| !one.answered).count() as u64;
        assert_eq!(counts.accepted, counts.done + counts.failed + open);
    }

    pub fn check_all_answered(&self) {
        for (id, one) in &self.commands {
            assert!(
                one.answered && (id.is_empty() || self.answers.contains_key(id)),
                "{id} was never answered"
            );
        }
        count_event("ended");
    }

    fn due(&self, one: &AcceptedModel) -> Duration {
        match (&one.command, &self.data) {
            (Command::GetData, Some(_)) if one.due < Duration::MAX => {
                one.due.saturating_sub((one.within / 4).min(Duration::from_secs(1)))
            }
            _ => one.due,
        }
    }

    fn next_due(&self) -> Option<Duration> {
        let open = self
            .commands
            .iter()
            .map(|(_, one)| one)
            .filter(|one| !one.answered && one.progress != Progress::Over);
        open.map(|one| self.due(one)).min().filter(|due| *due < Duration::MAX)
    }

    fn take_answers(&mut self, besides: Option<&Answer>, now: Duration, actions: &[Action], cause: Cause) {
        assert!(actions.len() <= self.commands.len() + 8, "answers are bounded");
        for act in actions {
            if let Action::Answer(answer) = act
                && Some(answer) != besides
            {
                assert!(answer.outcome.is_final(), "{answer:?}");
                self.take_answer(answer, now, cause);
            }
        }
    }

    fn take_answer(&mut self, answer: &Answer, now: Duration, cause: Cause) {
        let id = answer.id.to_string();
        let at = self
            .commands
            .iter()
            .position(|(known, _)| *known == id)
            .expect("only what was accepted is answered");
        let (due, known) = (self.due(&self.commands[at].1), self.data.clone());
        let one = &mut self.commands[at].1;
        assert!(!one.answered, "two answers to {id}");
        one.answered = true;
        assert_eq!(self.answers.insert(id, answer.clone()), None, "two answers");
        let kind = answer.failure.as_ref().map(|failure| failure.kind.as_str());
        let gets_known = one.command == Command::GetData && known.is_some();
        let shutdown = one.command == Command::Shutdown;
        if cause == Cause::Time {
            assert!(due <= now, "its time has not passed");
            count_event(if one.progress == Progress::UnderWay { "late under way" } else { "late" });
        }
        match cause {
            Cause::Finished => assert_eq!(one.progress, Progress::UnderWay),
            Cause::Time
            | Cause::Cancel
            | Cause::Shutdown
            | Cause::SecondShutdown
            | Cause::Failure
            | Cause::End
                if gets_known && matches!(cause, Cause::Time | Cause::SecondShutdown | Cause::End) =>
            {
                count_event("known data");
                assert_eq!((answer.outcome, Some(&answer.value)), (Outcome::Done, known.as_ref()));
            }
            Cause::Time => assert_eq!(kind, Some("Timeout")),
            Cause::End if shutdown => {}
            Cause::Cancel | Cause::Shutdown | Cause::SecondShutdown | Cause::Failure | Cause::End => {
                count_event(if cause == Cause::Cancel { "cancelled" } else { "displaced" });
                assert_eq!((kind, one.progress), (Some("Cancelled"), Progress::Queued), "{cause:?}");
            }
        }
        // An answered command in the queue is not carried out; SHUTDOWN is carried out whenever possible.
        if one.progress == Progress::Queued && !(shutdown && cause == Cause::Time) {
            (one.progress, one.is_transition) = (Progress::Over, false);
        }
        if cause != Cause::Finished && cause != Cause::Time {
            let expected =
                if cause == Cause::Failure && self.ended.is_none() { State::Failed } else { self.state() };
            assert_eq!(answer.state, expected, "{cause:?}");
        }
    }

    pub fn tick(&mut self, now: Duration, actions: &[Action]) {
        self.take_answers(None, now, actions, Cause::Time);
        let late = self.commands.iter().find(|(_, one)| !one.answered && self.due(one) <= now);
        assert!(late.is_none(), "{late:?} is late and was not answered");
    }
}
